package pebblekv

import (
	"sync/atomic"
	"time"
)

const (
	// slewSlack is how far, in microseconds, the clock may be behind the last time that was given
	// and be waited for: that much happens between readers of one clock, and after a kill.
	slewSlack = 20_000
	// slewEvery is how often, in microseconds of the clock, a slewClock notes how clock and elapsed
	// time stand.
	slewEvery = 1_000_000
	// slewPart is what part of the time that passes a slewClock that is ahead of the clock lets go
	// of: an hour is made good in two days.
	slewPart = 50
)

// slewClock is used where the clock cannot be followed because it is behind the last time that was
// given: then times advance with the time that passes, a fiftieth slower, until the clock has
// caught up. Several goroutines may use one. Its atomic numbers need to fit together only roughly,
// as the callers see to it that times ascend. All numbers are microseconds.
type slewClock struct {
	shift  atomic.Int64 // the time less what has passed
	noted  atomic.Int64 // the clock when that was noted
	yields atomic.Int64 // behind: what had passed when shift was last made less; else 0
}

// at returns the time to give, or to give the next one after last if that is later. elapsed is the
// time that has passed; nil: there is none but the clock's.
func (s *slewClock) at(clock, last int64, elapsed func() time.Duration) int64 {
	follows := clock >= last-slewSlack
	if since := clock - s.noted.Load(); elapsed == nil || follows && 0 <= since && since < slewEvery {
		return clock
	}
	// Read after the clock: a pause in between makes the shift smaller, and not larger.
	passed := elapsed().Microseconds()
	if follows {
		s.shift.Store(clock - passed)
		s.noted.Store(clock)
		s.yields.Store(0)
		return clock
	}
	s.noted.Store(0) // who follows again notes anew: clock and time that passed were apart
	shift := s.shift.Load()
	if shift+passed < last-slewEvery { // from an earlier life
		s.shift.CompareAndSwap(shift, last-passed)
	}
	s.yield(clock, passed)
	return s.shift.Load() + passed
}

// yield makes the shift less by a part of what has passed since it last did.
func (s *slewClock) yield(clock, passed int64) {
	from := s.yields.Load()
	if d := passed - from; from == 0 || d >= slewSlack {
		if s.yields.CompareAndSwap(from, max(passed, 1)) && from != 0 {
			s.shift.Add(-min(d/slewPart, max(0, s.shift.Load()-(clock-passed))))
		}
	}
}
