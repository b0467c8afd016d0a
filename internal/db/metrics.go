package db

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/schema"
)

// This file is what the database counts for metrics: the capacity that reads and writes
// use, whether or not they ask, and how its tables, indexes and streams are. Without
// Options.Metrics nothing is counted.

// equip gives a table that is not published yet its figures, those of an earlier state of it, and a
// new stream its own.
func (d *DB) equip(t *Table, streams []*Stream) {
	if d.metrics == nil {
		return
	}
	for _, s := range streams {
		d.equipStream(s)
	}
	if t.State == schema.StateDropped {
		d.unequip(t)
		return
	}
	ids := make([]uint16, len(t.Indexes))
	for i := range t.Indexes {
		ids[i] = t.Indexes[i].ID
	}
	t.meter, t.meters = d.metrics.Table(t.ID, ids)
}

// equipStream gives a stream its figures, unless it has some.
func (d *DB) equipStream(s *Stream) {
	if d.metrics != nil && s.meter == nil {
		s.meter = metrics.NewStream(s.Shards)
	}
}

// unequip forgets the figures of a table that is gone.
func (d *DB) unequip(t *Table) {
	if d.metrics != nil {
		d.metrics.Forget(t.ID)
	}
}

func (d *DB) countFailure() {
	if d.metrics != nil {
		d.metrics.JobFailures.Add(1)
	}
}

// countSweep counts a sweep that ends now, with *err.
func (d *DB) countSweep(began time.Time, err *error) {
	if d.metrics == nil {
		return
	}
	d.metrics.Sweeps.Observe(time.Since(began))
	if *err != nil && !stopped(*err) {
		d.metrics.SweepFailures.Add(1)
	}
}

// ---- capacity

func (t *Table) countRead(size int, consistent bool) {
	if t.meter != nil {
		t.meter.Read.Add(capacity.ReadUnits(size, consistent))
	}
}

// counted returns fn as a function that counts the items that it takes.
func (t *Table) counted(consistent bool, fn func(int, item.Item) error) func(int, item.Item) error {
	if t.meter == nil {
		return fn
	}
	return func(i int, it item.Item) error {
		size := it.Size()
		err := fn(i, it)
		if err == nil {
			t.countRead(size, consistent)
		}
		return err
	}
}

// countedEach is counted for a transaction.
func countedEach(keys []ItemKey, fn func(int, item.Item) error) func(int, item.Item) error {
	if len(keys) == 0 || keys[0].Table.meter == nil {
		return fn
	}
	return func(i int, it item.Item) error {
		size := it.Size()
		err := fn(i, it)
		if err == nil {
			keys[i].Table.meter.Read.Add(capacity.TransactReadUnits(size))
		}
		return err
	}
}

func (r *Read) countPage(page *Page) {
	if r.Table.meter == nil {
		return
	}
	table, index := r.Units(page)
	r.Table.meter.Read.Add(table)
	if r.Index != nil {
		r.Table.meterOf(r.Index).Read.Add(index)
	}
}

// meter counts a write that ended with err. One whose condition failed costs by the item that it
// met.
func (w *writer) meter(err error) {
	switch {
	case w.t.meter == nil:
	case err == nil:
		w.meterDone(w.out.Units.Table)
	default:
		if failed, ok := errors.AsType[*ConditionFailed](err); ok {
			w.t.meter.Write.Add(capacity.FailedUnits(failed.Size))
		}
	}
}

// meterDone counts a write that was done, alone or in a transaction, at so many units of the table.
// What the service itself deletes costs nothing.
func (w *writer) meterDone(units float64) {
	m := w.t.meter
	switch {
	case w.write.ByService && w.changed:
		m.Expired.Add(1)
	case !w.write.ByService:
		m.Write.Add(units)
		at := 0
		for _, x := range w.out.Units.Indexes { // in the order of the table's indexes
			for &w.t.Indexes[at] != x.Index {
				at++
			}
			w.t.meters[at].Write.Add(x.Units)
		}
	}
	if w.changed && w.t.StreamID != 0 {
		m.Records.Add(1)
	}
}

// meter counts a transaction that ended with err.
func (x *transactor) meter(err error) {
	if err != nil {
		return
	}
	for i, w := range x.ws {
		switch {
		case w == nil || w.t.meter == nil:
		case x.out.Replayed:
			w.t.meter.Read.Add(capacity.ReplayUnits(x.out.Images[i]))
		default:
			w.meterDone(capacity.InTransaction(w.out.Units.Table))
		}
	}
}

// ---- what there is

// Figures are what there is to watch of a table.
type Figures struct {
	Name         string
	Meter        *metrics.Table
	Items, Bytes int64
	Indexes      []IndexFigures
	Stream       *StreamFigures // nil: it has none
}

// IndexFigures are what there is to watch of an index.
type IndexFigures struct {
	Name         string
	Meter        *metrics.Index
	Items, Bytes int64
	Building     *metrics.Backfill // nil: it is not being built
}

// StreamFigures are how old the records of a stream are. Lag is for how long the oldest one has
// waited that nobody has read, of the shards that anybody has read since the start; zero if there
// is none.
type StreamFigures struct {
	Oldest, Newest, Lag time.Duration
	Any, Read           bool // there are records; somebody has asked for some
}

// Figures returns those of all tables, by id. Tables whose Meter is shared come without more than
// their counts.
func (d *DB) Figures(ctx context.Context) ([]Figures, error) {
	c := d.catalog.Load()
	tables := make([]*Table, 0, len(c.byID))
	for _, t := range c.byID {
		if t.State != schema.StateDropped && t.meter != nil {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *Table) int { return cmp.Compare(a.ID, b.ID) })
	all := make([]Figures, 0, len(tables))
	for _, t := range tables {
		f := d.figures(t)
		if s := c.streams[t.StreamID]; s != nil && !t.meter.Shared {
			var err error
			if f.Stream, err = d.streamFigures(ctx, s); err != nil {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// figures are those of a table but of its stream.
func (d *DB) figures(t *Table) Figures {
	f := Figures{Name: t.Name, Meter: t.meter}
	if t.Namespace.Region != "" {
		f.Name = t.Namespace.Region + "/" + t.Name
	}
	counts := d.kv.Counter(uint64(t.ID))
	f.Items, f.Bytes = countOf(counts, schema.SectionItems)
	for i := range t.Indexes {
		x := &t.Indexes[i]
		xf := IndexFigures{Name: x.Name, Meter: t.meters[i]}
		xf.Items, xf.Bytes = countOf(counts, x.ID)
		if b, ok := d.filling.Load(fillingOf{t.ID, x.ID}); ok {
			xf.Building = b.(*metrics.Backfill)
		}
		f.Indexes = append(f.Indexes, xf)
	}
	return f
}

// countOf is what a table's counter says of a section.
func countOf(counts []kv.Count, section uint16) (items, bytes int64) {
	for _, c := range counts {
		if c.Section == uint32(section) {
			return c.Items, c.Bytes
		}
	}
	return 0, 0
}

// streamFigures looks at the ends of a stream's shards, and at where its readers are.
func (d *DB) streamFigures(ctx context.Context, s *Stream) (*StreamFigures, error) {
	f, now, one := new(StreamFigures), d.now(), kv.Page{Records: 1, Bytes: 1}
	for shard := range s.Shards {
		horizon := d.Horizon(s, uint32(shard))
		records, end, err := d.kv.ReadLog(ctx, s.ID, uint32(shard), horizon, one)
		if err != nil {
			return nil, err
		}
		place, asked := s.meter.ReadTo(shard)
		f.Read = f.Read || asked
		if len(records) == 0 {
			continue
		}
		newest := now.Sub(schema.TimeOf(end))
		f.Oldest = max(f.Oldest, now.Sub(schema.TimeOf(records[0].Position)))
		if !f.Any || newest < f.Newest {
			f.Newest = newest
		}
		f.Any = true
		if !asked || place >= schema.PlaceOf(end) {
			continue
		}
		if behind := schema.BehindPlace(place); string(behind[:]) > string(horizon[:]) {
			if records, _, err = d.kv.ReadLog(ctx, s.ID, uint32(shard), behind, one); err != nil {
				return nil, err
			}
		}
		if len(records) > 0 {
			f.Lag = max(f.Lag, now.Sub(schema.TimeOf(records[0].Position)))
		}
	}
	return f, nil
}
