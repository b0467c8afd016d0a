package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/schema"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
)

// Stream is a stream as it stands at one moment: what its descriptor says, and what is alive of it.
// It never changes; a change makes a new one.
type Stream struct {
	schema.Stream
	meter *metrics.Stream // nil: nobody counts
}

const (
	// IteratorAge is how long a place in a stream may be kept before the next read. Records stay that much longer than
	// Retention, so that a reader can be told exactly whether he missed any.
	IteratorAge = 15 * time.Minute
	// trimEvery is how far apart the moments are up to which records are removed.
	trimEvery = time.Minute
)

// settleStream gives a descriptor that is about to be stored the log that it asks for with its StreamViewType, and ends the one
// that it asks for no more. It returns the logs that this makes and changes. The caller holds d.schema.
func (d *DB) settleStream(desc *schema.Descriptor) (changed []*Stream) {
	wanted := desc.StreamViewType
	if desc.State != schema.StatePublic {
		wanted = ""
	}
	c := d.catalog.Load()
	if l := c.logs[desc.StreamLog]; l != nil && l.ViewType != wanted {
		changed = append(changed, &Stream{l.EndedAt(d.now(), desc), l.meter})
		desc.StreamLog = 0
	}
	if wanted != "" && desc.StreamLog == 0 {
		latest := ""
		for _, l := range c.streams[desc.Namespace] {
			if l.Table == desc.Name {
				latest = max(latest, l.Label)
			}
		}
		changed = append(changed, &Stream{Stream: *schema.NewStream(desc, latest, d.now())})
	}
	return changed
}

// putStream writes a log's row, unless it could not be read again.
func putStream(tx kv.Txn, l *Stream) error {
	if f := l.Verify(); f != nil {
		return fmt.Errorf("the descriptor of stream %s of table %q is not stored: %s", l.Label, l.Table, f)
	}
	b, err := json.Marshal(&l.Stream)
	if err != nil {
		return fmt.Errorf("log %x of %s: %w", l.ID, l.Table, err)
	}
	tx.Set(schema.StreamKey(l.ID), b)
	return nil
}

// startStreamJobs starts what the log says is under way.
func (d *DB) startStreamJobs(l *Stream) {
	if !l.Ended.IsZero() && l.Ends == nil {
		d.startWork(fmt.Sprintf("close log %x", l.ID), l.Table, func() error { return d.closeStream(l.ID) })
	}
}

// closeStream notes the end of each shard of a log that has ended, when no writer can append any more.
func (d *DB) closeStream(id uint64) error {
	d.schema.Lock()
	defer d.schema.Unlock()
	l := d.catalog.Load().logs[id]
	if l == nil || l.Ends != nil {
		return nil
	}
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	// Some of what was appended may not be durable yet, and so not readable. A durable write covers all before it.
	if err := d.storeStream(l); err != nil {
		return err
	}
	closed := *l
	closed.Ends = make([]schema.Position, l.Shards)
	for i := range closed.Ends {
		var err error
		if _, closed.Ends[i], err = d.kv.ReadLog(d.ctx, id, uint32(i), schema.Position{}, 0, 0); err != nil {
			return err
		}
	}
	if err := d.storeStream(&closed); err != nil {
		return err
	}
	d.change(func(c *catalog) { c.logs[id] = &closed })
	return nil
}

// storeStream writes a log's row alone.
func (d *DB) storeStream(l *Stream) error {
	return d.kv.Update(d.ctx, kv.WriteOptions{Lock: [][]byte{schema.StreamKey(l.ID)}, MakesRoom: true}, func(tx kv.Txn) error { return putStream(tx, l) })
}

// Stream returns the stream of the table with the label, or nil.
func (d *DB) Stream(ns schema.Namespace, table, label string) *Stream {
	streams := d.catalog.Load().streams[ns]
	i, ok := slices.BinarySearchFunc(streams, schema.StreamPath(table, label), func(l *Stream, path string) int { return strings.Compare(l.Path(), path) })
	if !ok || streams[i].Gone(d.now()) {
		return nil
	}
	return streams[i]
}

// StreamByID returns the stream with the id, or nil.
func (d *DB) StreamByID(id uint64) *Stream {
	if l := d.catalog.Load().logs[id]; l != nil && !l.Gone(d.now()) {
		return l
	}
	return nil
}

// Streams returns at most limit streams behind that of afterTable with afterLabel (empty: from the first), in the order of
// their ARNs, and whether more follow: those of tables named table, or, if it is empty, of all.
func (d *DB) Streams(ns schema.Namespace, table, afterTable, afterLabel string, limit int) (logs []*Stream, more bool) {
	after, now := "", d.now()
	if afterTable != "" {
		after = schema.StreamPath(afterTable, afterLabel)
	}
	for _, l := range d.catalog.Load().streams[ns] {
		switch {
		case l.Path() <= after || table != "" && l.Table != table || l.Gone(now):
		case len(logs) == limit:
			return logs, true
		default:
			logs = append(logs, l)
		}
	}
	return logs, false
}

// ErrTrimmed: the records that were asked for are older than Retention.
var ErrTrimmed = errors.New("db: the stream records are trimmed")

// Horizon is the position before all records of a shard that can still be read.
func (d *DB) Horizon(l *Stream, shard uint32) schema.Position {
	return schema.Later(schema.PositionAt(d.now().Add(-schema.Retention)), l.Old(shard, schema.Retention))
}

// LastPosition is the position of a shard's newest durable record: later ones have later positions.
func (d *DB) LastPosition(ctx context.Context, l *Stream, shard uint32) (schema.Position, error) {
	_, end, err := d.kv.ReadLog(ctx, l.ID, shard, schema.Position{}, 0, 0)
	return end, err
}

// maxRecordBytes is how much of a log ReadStream reads at once.
const maxRecordBytes = 1 << 20

// ReadStream calls emit for at most limit records of a shard after a position, oldest first, until one is refused. It
// returns the position to go on from, that of the last one taken, and whether nothing will ever follow. ErrTrimmed if the first record after the position
// was there when the place was taken, at most IteratorAge ago, and is older than Retention by now.
func (d *DB) ReadStream(
	ctx context.Context, l *Stream, shard uint32, after schema.Position, limit int, emit func(*schema.StreamRecord) (taken bool),
) (last schema.Position, ended bool, err error) {
	last = after
	records, _, err := d.kv.ReadLog(ctx, l.ID, shard, after, limit, maxRecordBytes)
	if err != nil {
		return last, false, err
	}
	if horizon := d.Horizon(l, shard); len(records) > 0 && string(records[0].Position[:]) <= string(horizon[:]) {
		return last, false, ErrTrimmed
	}
	for _, raw := range records {
		r, err := schema.ParseRecord(raw)
		if err != nil {
			return last, false, fmt.Errorf("stream %s: %w", l.Path(), err)
		}
		if !emit(r) {
			break
		}
		last = raw.Position
	}
	l.meter.Reached(shard, schema.PlaceOf(last))
	// l is from before the read: if it was closed then, the read saw all that there is.
	ended = l.Ends != nil && (len(records) == 0 || string(last[:]) >= string(l.Ends[shard][:]))
	return last, ended, nil
}

// trimStreams removes the records that nobody can have a place at any more, and the logs whose time is over.
func (d *DB) trimStreams(ctx context.Context) error {
	var errs []error
	now := d.now()
	upTo := now.Add(-schema.Retention - IteratorAge).Truncate(trimEvery)
	trim := !upTo.Equal(d.trimmed)
	if d.hasRun(now); trim {
		maps.DeleteFunc(d.aged, func(id uint64, _ time.Duration) bool { return d.catalog.Load().logs[id] == nil })
	}
	for _, l := range d.catalog.Load().logs {
		switch {
		case l.Gone(now) && l.Ends != nil:
			errs = append(errs, d.dropStream(ctx, l))
		case trim:
			errs = append(errs, d.trimStream(ctx, l, now, schema.PositionAt(upTo)))
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		d.trimmed = upTo
	}
	return err
}

// trimStream removes a log's records up to a position, and those ahead of the clock that are as old.
func (d *DB) trimStream(ctx context.Context, l *Stream, now time.Time, upTo schema.Position) error {
	l, err := d.ageStream(ctx, l, now)
	if err != nil || l == nil {
		return err
	}
	for shard := range uint32(l.Shards) {
		if err := d.kv.TrimLog(ctx, l.ID, shard, schema.Later(upTo, l.Old(shard, schema.Retention+IteratorAge))); err != nil {
			return err
		}
	}
	if l.Ahead == nil || l.Ahead.Age < schema.Retention+IteratorAge || !l.Ended.IsZero() {
		return nil
	}
	ends, ahead, err := d.endsOf(ctx, l, now)
	if err != nil || !ahead {
		return err
	}
	_, err = d.setAhead(l, &schema.Ahead{Ends: ends})
	return err
}

// dropStream removes all that there is of a log.
func (d *DB) dropStream(ctx context.Context, l *Stream) error {
	if err := d.kv.DropLog(ctx, l.ID); err != nil {
		return err
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	err := d.kv.Update(ctx, kv.WriteOptions{Lock: [][]byte{schema.StreamKey(l.ID)}, MakesRoom: true}, func(tx kv.Txn) error {
		tx.Delete(schema.StreamKey(l.ID))
		return nil
	})
	if err == nil {
		d.change(func(c *catalog) { delete(c.logs, l.ID) })
	}
	return err
}
