// Package clocktest has the clock of tests: one that goes when a test says so. It knows nothing of
// what goes by it.
package clocktest

import (
	"sync"
	"time"
)

// Start is when a test's clock begins, where no other time is needed.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Clock is the clock of a machine, which stands still but for what a test does with it. It tells
// two times, as a machine does: that of the day, which can be set, and how much has passed, which
// never goes back. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	elapsed time.Duration
}

// New returns a clock that shows a time, usually Start.
func New(at time.Time) *Clock { return &Clock{now: at} }

// Now is the time of the day, in the location of the time that the clock began with or was set to.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Elapsed is the sum of all that Advance was told.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Advance lets time pass, for Now and for Elapsed. It panics if d is negative: only Set goes back.
func (c *Clock) Advance(d time.Duration) {
	if d < 0 {
		panic("clocktest: Advance by " + d.String())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.elapsed = c.now.Add(d), c.elapsed+d
}

// Set sets the clock, ahead or back, as an administrator or a time server sets a machine's: no time
// passes.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}
