package partitatest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is a time that a test moves by hand. It tells the time to the databases that were opened
// WithClock, and may tell it to the code under test as well. It is safe for concurrent use.
type Clock struct {
	now atomic.Pointer[time.Time]
	mu  sync.Mutex // held while time passes
	dbs map[*DB]struct{}
}

// NewClock returns a clock that stands at start. It panics if start is the zero time.Time, in whose
// year 1 no table can be created.
func NewClock(start time.Time) *Clock {
	if start.IsZero() {
		panic("partitatest: NewClock needs a time; time.Time{} is none")
	}
	c := &Clock{dbs: map[*DB]struct{}{}}
	c.now.Store(&start)
	return c
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time { return *c.now.Load() }

// Advance moves the clock on by d. When it returns, the databases have done what is due by then:
// expired items are deleted, with their records in the stream; so are stream records older than a
// day, transaction tokens older than ten minutes, and tables whose time in DELETING is over.
func (c *Clock) Advance(d time.Duration) { c.move(func(now time.Time) time.Time { return now.Add(d) }) }

// Set moves the clock to t, as Advance does. It may go back: what is done stays done, and new
// stream records still come after the older ones. Tables that were made later than t are CREATING
// again until then. It panics if t is the zero time.Time.
func (c *Clock) Set(t time.Time) {
	if t.IsZero() {
		panic("partitatest: Clock.Set needs a time; time.Time{} is none")
	}
	c.move(func(time.Time) time.Time { return t })
}

// move sets the time to what to returns for the present one, and sweeps the databases. mu is held
// throughout, so that a second call does not move the time during a sweep.
func (c *Clock) move(to func(time.Time) time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := to(c.Now())
	c.now.Store(&now)
	for d := range c.dbs {
		d.sweep()
	}
}

// add makes the clock sweep a database when it is moved.
func (c *Clock) add(d *DB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dbs[d] = struct{}{}
}

// remove undoes add. When it returns no sweep of the database is in progress, so it can be closed.
func (c *Clock) remove(d *DB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dbs, d)
}

// sweep deletes what has expired. It may be called from any goroutine, so a failure does not end
// the test: FailNow is only for the test's own.
func (d *DB) sweep() {
	if err := d.db.Sweep(context.Background()); err != nil {
		d.t.Errorf("after the clock was moved: %v", err)
	}
}
