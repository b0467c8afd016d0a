// Package clock tells the time of a machine whose clock may be wrong for a moment.
//
// A Clock follows the machine's clock, and does not believe at once that it is much later than it
// was: what is written in that moment would carry its times for years. It knows nothing of what
// goes by it.
package clock

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostAhead is how far the machine's clock may go ahead of the time that has passed and be
	// believed at once.
	mostAhead = time.Hour
	// lasting is for how long it must have been further ahead to be believed.
	lasting = time.Minute
	// near is how far the machine's clock may go from the time that has passed before Now looks
	// closer.
	near = 10 * time.Millisecond
)

// Clock is a clock that follows the machine's. What it shows is, in terms of the time that has
// passed since it was made:
//
//   - the machine's time, if that is behind what the clock would show, or at most an hour ahead;
//   - else, for a minute, its own time: what it showed last, and the time that has passed since;
//   - then, if the machine's time has stayed within an hour of where it went, that again.
//
// The hour is one of all steps ahead within a minute together. The time in which the machine slept
// has passed, too, where the system tells it (on Linux, CLOCK_BOOTTIME). A Clock is safe for
// concurrent use.
type Clock struct {
	log *slog.Logger
	// wall is the machine's clock.
	wall func() time.Time
	// passed is the time that has passed when wall has just shown t; it may leave out sleep. It is
	// quick.
	passed func(t time.Time) time.Duration
	// elapsed is the same for now.
	elapsed func() time.Duration
	// boot is the time that has passed, sleep included. It may be slow.
	boot func() time.Duration

	// What follows says, in microseconds, when a look is needed: if passed is at nextLook or later,
	// or the machine's time less passed is not near offset.
	nextLook atomic.Int64
	offset   atomic.Int64

	mu sync.Mutex // for what follows, which is in microseconds: times less what has passed by boot
	// believed was right at the last look, and anchor at the one with which the minute began that
	// is under way, or at one since then at which the machine's clock was behind it.
	believed, anchor int64
	anchored         int64 // when that minute began
	// doubting says that the machine's clock shows doubted since since, and is not believed.
	doubting       bool
	doubted, since int64
}

// New returns a clock that follows the machine's, and begins with its time as it is. log takes a
// line when the machine's clock jumps and one when it is believed.
func New(log *slog.Logger) *Clock {
	start := time.Now()
	return begin(&Clock{
		log: log, wall: time.Now, boot: sinceBoot(start),
		passed:  func(t time.Time) time.Duration { return t.Sub(start) },
		elapsed: func() time.Duration { return time.Since(start) },
	})
}

// NewFrom returns a clock of other sources: the machine's time, and the time that has passed since
// some moment, sleep included.
func NewFrom(wall func() time.Time, elapsed func() time.Duration, log *slog.Logger) *Clock {
	return begin(&Clock{
		log: log, wall: wall, boot: elapsed, elapsed: elapsed,
		passed: func(time.Time) time.Duration { return elapsed() },
	})
}

// begin begins with the machine's time as it is.
func begin(c *Clock) *Clock {
	t := c.wall()
	c.anchored = c.boot().Microseconds()
	c.believed = t.UnixMicro() - c.anchored
	c.anchor = c.believed
	c.settle(t)
	return c
}

// settle has Now take the machine's time without a look for as long as it advances evenly from t.
func (c *Clock) settle(t time.Time) {
	passed := c.passed(t).Microseconds()
	c.offset.Store(t.UnixMicro() - passed)
	c.nextLook.Store(passed + lasting.Microseconds())
}

// Elapsed is the time that has passed since the clock was made or some other moment. It never goes
// back. It may leave out the time in which the machine slept.
func (c *Clock) Elapsed() time.Duration { return c.elapsed() }

// Now is the time.
func (c *Clock) Now() time.Time {
	t := c.wall()
	passed := c.passed(t).Microseconds()
	off := t.UnixMicro() - passed - c.offset.Load()
	if passed < c.nextLook.Load() && -near.Microseconds() <= off && off <= near.Microseconds() {
		return t
	}
	return c.look()
}

// look is Now when something may have happened.
func (c *Clock) look() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, boot := c.wall(), c.boot().Microseconds()
	shown := t.UnixMicro() - boot
	if shown-c.anchor > mostAhead.Microseconds() && !c.lasts(shown, boot) {
		c.nextLook.Store(0)
		return time.UnixMicro(c.believed + boot)
	}
	if c.doubting {
		c.trust(shown)
	}
	c.believed = shown
	if boot-c.anchored >= lasting.Microseconds() || shown < c.anchor {
		c.anchor, c.anchored = shown, boot
	}
	c.settle(t)
	return t
}

// lasts tells whether the machine's clock, which shows a time that is too far ahead, has done so
// for long enough.
func (c *Clock) lasts(shown, boot int64) bool {
	moved := shown - c.doubted
	if !c.doubting || max(moved, -moved) > mostAhead.Microseconds() {
		c.doubting, c.doubted, c.since = true, shown, boot
		c.log.Warn("the machine's clock has jumped ahead: it is believed when that has lasted a minute",
			"ahead", micros(shown-c.believed), "its_time", time.UnixMicro(shown+boot).UTC())
	}
	return boot-c.since >= lasting.Microseconds()
}

// trust ends the doubt: the machine's clock has gone back, or has lasted.
func (c *Clock) trust(shown int64) {
	c.doubting = false
	if shown-c.anchor <= mostAhead.Microseconds() {
		c.log.Info("the machine's clock has gone back to where it was")
		return
	}
	c.log.Warn("the machine's clock, which has jumped ahead, is believed from now on",
		"ahead", micros(shown-c.believed))
	c.anchored = -lasting.Microseconds() // the minute is over
}

// micros is so many microseconds, to the second, as long as a Duration can be.
func micros(n int64) time.Duration {
	const most = int64(1<<63-1) / 1000
	return (time.Duration(min(n, most)) * time.Microsecond).Truncate(time.Second)
}
