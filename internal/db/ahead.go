package db

import (
	"context"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/schema"
)

// This file is what becomes of times that were stored by a clock which was wrong: they lie ahead of
// the clock, and what waits for them would wait for years. Whether that clock was wrong or this one
// is cannot be known: a machine may begin in 1970 and learn the time a minute later. So nothing
// that a stream holds goes before the database has run for as long as it is to be kept.

// agesEvery is how often the age of what lies ahead is stored.
const agesEvery = time.Hour

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

// ageStream returns the log with what is known by now of times of it that lie ahead of the clock, and
// stores that if it is news.
func (d *DB) ageStream(ctx context.Context, l *Stream, now time.Time) (*Stream, error) {
	ends, ahead, err := d.endsOf(ctx, l, now)
	if err != nil {
		return nil, err
	}
	since, known := d.aged[l.ID]
	var next *schema.Ahead
	switch {
	case !ahead && l.Ahead == nil:
		return l, nil
	case !ahead:
	case l.Ahead == nil:
		next = &schema.Ahead{Ends: ends}
	case !known:
		d.aged[l.ID] = d.run
		return l, nil
	case d.run-since < agesEvery:
		return l, nil
	default:
		next = &schema.Ahead{Age: l.Ahead.Age + d.run - since, Ends: l.Ahead.Ends}
	}
	return d.setAhead(l, next)
}

// endsOf returns the last positions of the shards, and whether one of them, or the log's end, lies
// ahead of the clock.
func (d *DB) endsOf(ctx context.Context, l *Stream, now time.Time) (ends []schema.Position, ahead bool, err error) {
	ends, ahead = l.Ends, schema.IsAhead(l.Ended, now)
	if ends == nil {
		ends = make([]schema.Position, l.Shards)
		for shard := range ends {
			if ends[shard], err = d.LastPosition(ctx, l, uint32(shard)); err != nil {
				return nil, false, err
			}
		}
	}
	return ends, ahead || slices.ContainsFunc(ends, func(p schema.Position) bool { return schema.IsAhead(schema.TimeOf(p), now) }), nil
}

// setAhead stores the log with another Ahead, and returns it, or the log as it is by now if that is
// another one.
func (d *DB) setAhead(l *Stream, ahead *schema.Ahead) (*Stream, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if now := d.catalog.Load().logs[l.ID]; now != l {
		return now, nil // it has ended, or is closed: the next sweep looks again
	}
	aged := *l
	aged.Ahead = ahead
	if err := d.storeStream(&aged); err != nil {
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
