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

// ageStream returns the stream with what is known of its times that lie ahead of the clock, and
// stores that if it has changed.
func (d *DB) ageStream(ctx context.Context, s *Stream, now time.Time) (*Stream, error) {
	ends, ahead, err := d.endsOf(ctx, s, now)
	if err != nil {
		return nil, err
	}
	since, known := d.aged[s.ID]
	var next *schema.Ahead
	switch {
	case !ahead && s.Ahead == nil:
		return s, nil
	case !ahead:
	case s.Ahead == nil:
		next = &schema.Ahead{Ends: ends}
	case !known:
		d.aged[s.ID] = d.run
		return s, nil
	case d.run-since < agesEvery:
		return s, nil
	default:
		next = &schema.Ahead{Age: s.Ahead.Age + d.run - since, Ends: s.Ahead.Ends}
	}
	return d.setAhead(s, next)
}

// endsOf returns the last positions of the shards, and whether one of them, or the stream's end,
// lies ahead of the clock.
func (d *DB) endsOf(ctx context.Context, s *Stream, now time.Time) (ends []schema.Position, ahead bool, err error) {
	ends, ahead = s.Ends, schema.IsAhead(s.Ended, now)
	if ends == nil {
		ends = make([]schema.Position, s.Shards)
		for shard := range ends {
			if ends[shard], err = d.LastPosition(ctx, s, uint32(shard)); err != nil {
				return nil, false, err
			}
		}
	}
	late := func(p schema.Position) bool { return schema.IsAhead(schema.TimeOf(p), now) }
	return ends, ahead || slices.ContainsFunc(ends, late), nil
}

// setAhead stores the stream with another Ahead, and returns it, or the stream as it is by now if
// that is another one.
func (d *DB) setAhead(s *Stream, ahead *schema.Ahead) (*Stream, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if now := d.catalog.Load().streams[s.ID]; now != s {
		return now, nil // it has ended, or is closed: the next sweep looks again
	}
	aged := *s
	aged.Ahead = ahead
	if err := d.storeStream(&aged); err != nil {
		return nil, err
	}
	d.change(func(c *catalog) { c.streams[s.ID] = &aged })
	if ahead == nil {
		delete(d.aged, s.ID)
	} else {
		d.aged[s.ID] = d.run
	}
	return &aged, nil
}
