package pebblekv

import (
	"sync/atomic"
	"time"
)

const (
	// paceSlack is how far, in microseconds, the clock may be behind the last time that was given
	// and be waited for: that much happens between readers of one clock, and after a kill.
	paceSlack = 20_000
	// paceEvery is how often, in microseconds of the clock, a pace notes how clock and elapsed time
	// stand.
	paceEvery = 1_000_000
	// paceYields is what part of the time that passes a pace that is ahead of the clock lets go of:
	// an hour is made good in two days.
	paceYields = 50
)

// pace goes on where the clock cannot be followed, as it lies behind the last time that was given:
// then times go on by the time that passes, a fiftieth slower, until the clock is there. Several
// goroutines may use one; it needs no more than atomic numbers that fit together roughly, as
// whoever gives times takes care himself that they ascend. All numbers are microseconds.
type pace struct {
	shift  atomic.Int64 // the time less what has passed
	noted  atomic.Int64 // the clock when that was noted
	yields atomic.Int64 // behind: what had passed when shift was last made less; else 0
}

// at returns the time to give, or to give the next one after last if that is later. elapsed is the
// time that has passed; nil: there is none but the clock's.
func (p *pace) at(clock, last int64, elapsed func() time.Duration) int64 {
	follows := clock >= last-paceSlack
	if since := clock - p.noted.Load(); elapsed == nil || follows && 0 <= since && since < paceEvery {
		return clock
	}
	// Read after the clock: a pause in between makes the shift smaller, and not larger.
	passed := elapsed().Microseconds()
	if follows {
		p.shift.Store(clock - passed)
		p.noted.Store(clock)
		p.yields.Store(0)
		return clock
	}
	p.noted.Store(0) // who follows again notes anew: clock and time that passed were apart
	shift := p.shift.Load()
	if shift+passed < last-paceEvery { // from an earlier life
		p.shift.CompareAndSwap(shift, last-passed)
	}
	p.yield(clock, passed)
	return p.shift.Load() + passed
}

// yield makes the shift less by a part of what has passed since it last did.
func (p *pace) yield(clock, passed int64) {
	from := p.yields.Load()
	if d := passed - from; from == 0 || d >= paceSlack {
		if p.yields.CompareAndSwap(from, max(passed, 1)) && from != 0 {
			p.shift.Add(-min(d/paceYields, max(0, p.shift.Load()-(clock-passed))))
		}
	}
}
