package db

import (
	"context"
	"slices"
	"time"
)

// This file is what becomes of times that were stored by a clock which was wrong: they lie ahead of
// the clock, and what waits for them would wait for years. Whether that clock was wrong or this one
// is cannot be known: a machine may begin in 1970 and learn the time a minute later. So nothing
// that a stream holds goes before the database has run for as long as it is to be kept.

// farAhead is how far ahead of the clock a time of the past may be. One that is further was stored
// by another clock.
const farAhead = time.Hour

// isAhead tells whether a time of the past lies too far ahead of the clock.
func isAhead(t, now time.Time) bool { return t.Round(0).Sub(now.Round(0)) > farAhead }

// agesEvery is how often the age of what lies ahead is stored.
const agesEvery = time.Hour

// Ahead says of a stream that has records, or an end, ahead of the clock how old they are at least.
// Where the records go on ahead of the clock it begins anew when those that it speaks of are
// removed.
type Ahead struct {
	// Age is for how long the database has run since Ends were the ends, or a little less: a
	// restart forgets up to agesEvery.
	Age time.Duration `json:"Age"`
	// Ends are the last positions of the shards then: records up to them are of that age.
	Ends []Position `json:"Ends"`
}

// old is the position up to which the records of a shard are older than age though they lie ahead
// of the clock; zero: there are none.
func (l *Log) old(shard uint32, age time.Duration) (p Position) {
	if l.Ahead == nil || l.Ahead.Age < age || int(shard) >= len(l.Ahead.Ends) {
		return p
	}
	return l.Ahead.Ends[shard]
}

// higher is the higher of two positions.
func higher(a, b Position) Position {
	if string(a[:]) > string(b[:]) {
		return a
	}
	return b
}

// hasRun counts the time for which the database has run, up to now. Where only the clock tells it,
// that is what the clock goes ahead from sweep to sweep.
func (d *DB) hasRun(now time.Time) {
	if d.elapsed != nil {
		d.run = d.elapsed()
		return
	}
	now = now.Round(0)
	if !d.swept.IsZero() {
		d.run += max(0, now.Sub(d.swept))
	}
	d.swept = now
}

// ageLog returns the log with what is known by now of times of it that lie ahead of the clock, and
// stores that if it is news.
func (d *DB) ageLog(ctx context.Context, l *Log, now time.Time) (*Log, error) {
	ends, ahead, err := d.endsOf(ctx, l, now)
	if err != nil {
		return nil, err
	}
	since, known := d.aged[l.ID]
	var next *Ahead
	switch {
	case !ahead && l.Ahead == nil:
		return l, nil
	case !ahead:
	case l.Ahead == nil:
		next = &Ahead{Ends: ends}
	case !known:
		d.aged[l.ID] = d.run
		return l, nil
	case d.run-since < agesEvery:
		return l, nil
	default:
		next = &Ahead{Age: l.Ahead.Age + d.run - since, Ends: l.Ahead.Ends}
	}
	return d.setAhead(l, next)
}

// endsOf returns the last positions of the shards, and whether one of them, or the log's end, lies
// ahead of the clock.
func (d *DB) endsOf(ctx context.Context, l *Log, now time.Time) (ends []Position, ahead bool, err error) {
	ends, ahead = l.Ends, isAhead(l.Ended, now)
	if ends == nil {
		ends = make([]Position, l.Shards)
		for shard := range ends {
			if ends[shard], err = d.LastPosition(ctx, l, uint32(shard)); err != nil {
				return nil, false, err
			}
		}
	}
	return ends, ahead || slices.ContainsFunc(ends, func(p Position) bool { return isAhead(TimeOf(p), now) }), nil
}

// setAhead stores the log with another Ahead, and returns it, or the log as it is by now if that is
// another one.
func (d *DB) setAhead(l *Log, ahead *Ahead) (*Log, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if now := d.catalog.Load().logs[l.ID]; now != l {
		return now, nil // it has ended, or is closed: the next sweep looks again
	}
	aged := *l
	aged.Ahead = ahead
	if err := d.storeLog(&aged); err != nil {
		return nil, err
	}
	d.change(func(c *catalog) { c.logs[l.ID] = &aged })
	if ahead == nil {
		delete(d.aged, l.ID)
	} else {
		d.aged[l.ID] = d.run
	}
	return &aged, nil
}
