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

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/schema"
)

// This file is the life of streams and the reading of them. What a stream contains is a log of the
// engine (kv.Txn.AppendLog), which gives the records their positions (pebblekv/log.go).

// Stream is a stream as it stands at one moment: what its descriptor says, and what is alive of it.
// It never changes; a change makes a new one.
type Stream struct {
	schema.Stream
	meter *metrics.Stream // nil: nothing is counted
}

const (
	// IteratorAge is how long a position in a stream may be kept before the next read. Records stay
	// that much longer than Retention, so that readers are told exactly whether they missed any.
	IteratorAge = 15 * time.Minute
	// trimEvery is how far apart the moments are up to which records are removed.
	trimEvery = time.Minute
)

// settleStream gives a descriptor that is about to be stored the stream that it asks for with its
// StreamViewType, and ends the one that it asks for no more. It returns the streams that this makes
// and changes. The caller holds d.schema.
func (d *DB) settleStream(desc *schema.Descriptor) (changed []*Stream) {
	wanted := desc.StreamViewType
	if desc.State != schema.StatePublic {
		wanted = ""
	}
	c := d.catalog.Load()
	if s := c.streams[desc.StreamID]; s != nil && s.ViewType != wanted {
		changed = append(changed, &Stream{s.EndedAt(d.now(), desc), s.meter})
		desc.StreamID = 0
	}
	if wanted != "" && desc.StreamID == 0 {
		latest := ""
		for _, s := range c.streamsByPath[desc.Namespace] {
			if s.Table == desc.Name {
				latest = max(latest, s.Label)
			}
		}
		changed = append(changed, &Stream{Stream: *schema.NewStream(desc, latest, d.now())})
	}
	return changed
}

// putStream writes a stream's row, unless it could not be read again.
func putStream(tx kv.Txn, stream *Stream) error {
	if f := stream.Verify(); f != nil {
		return fmt.Errorf("the descriptor of stream %s of table %q is not stored: %s", stream.Label, stream.Table, f)
	}
	b, err := json.Marshal(&stream.Stream)
	if err != nil {
		return fmt.Errorf("log %x of %s: %w", stream.ID, stream.Table, err)
	}
	tx.Set(schema.StreamKey(stream.ID), b)
	return nil
}

// startStreamJobs starts what the stream says is under way.
func (d *DB) startStreamJobs(s *Stream) {
	if !s.Ended.IsZero() && s.Ends == nil {
		d.startWork(fmt.Sprintf("close log %x", s.ID), s.Table, func() error { return d.closeStream(s.ID) })
	}
}

// closeStream notes the end of each shard of a stream that has ended, when no writer can append any
// more.
func (d *DB) closeStream(id uint64) error {
	d.schema.Lock()
	defer d.schema.Unlock()
	s := d.catalog.Load().streams[id]
	if s == nil || s.Ends != nil {
		return nil
	}
	// After the Barrier nobody appends any more. Some of what was appended may not be durable yet,
	// and so not readable: a durable write covers all commits before it, so the row is written as
	// it is. A crash before the second write leaves a stream without Ends, and the next Open closes
	// it.
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if err := d.storeStream(s); err != nil {
		return err
	}
	closed := *s
	closed.Ends = make([]schema.Position, s.Shards)
	for i := range closed.Ends {
		var err error
		if _, closed.Ends[i], err = d.kv.ReadLog(d.ctx, id, uint32(i), schema.Position{}, kv.Page{}); err != nil {
			return err
		}
	}
	if err := d.storeStream(&closed); err != nil {
		return err
	}
	d.change(func(c *catalog) { c.streams[id] = &closed })
	return nil
}

// storeStream writes a stream's row alone, even when space is short: streams end and age then too.
func (d *DB) storeStream(s *Stream) error {
	o := kv.WriteOptions{Lock: [][]byte{schema.StreamKey(s.ID)}, MakesRoom: true}
	return d.kv.Update(d.ctx, o, func(tx kv.Txn) error { return putStream(tx, s) })
}

// Stream returns the stream of the table with the label, or nil.
func (d *DB) Stream(ns schema.Namespace, table, label string) *Stream {
	streams := d.catalog.Load().streamsByPath[ns]
	byPath := func(s *Stream, path string) int { return strings.Compare(s.Path(), path) }
	i, ok := slices.BinarySearchFunc(streams, schema.StreamPath(table, label), byPath)
	if !ok || streams[i].Gone(d.now()) {
		return nil
	}
	return streams[i]
}

// StreamByID returns the stream with the id, or nil.
func (d *DB) StreamByID(id uint64) *Stream {
	if s := d.catalog.Load().streams[id]; s != nil && !s.Gone(d.now()) {
		return s
	}
	return nil
}

// Streams returns at most limit streams behind that of afterTable with afterLabel (empty: from the
// first), in the order of their ARNs, and whether more follow: those of tables named table, or, if
// it is empty, of all.
func (d *DB) Streams(
	ns schema.Namespace, table, afterTable, afterLabel string, limit int,
) (streams []*Stream, more bool) {
	after, now := "", d.now()
	if afterTable != "" {
		after = schema.StreamPath(afterTable, afterLabel)
	}
	for _, s := range d.catalog.Load().streamsByPath[ns] {
		switch {
		case s.Path() <= after || table != "" && s.Table != table || s.Gone(now):
		case len(streams) == limit:
			return streams, true
		default:
			streams = append(streams, s)
		}
	}
	return streams, false
}

// ErrTrimmed: the records that were asked for are older than Retention.
var ErrTrimmed = errors.New("db: the stream records are trimmed")

// Horizon is the position before all records of a shard that can still be read.
func (d *DB) Horizon(s *Stream, shard uint32) schema.Position {
	return schema.Later(schema.PositionAt(d.now().Add(-schema.Retention)), s.Old(shard, schema.Retention))
}

// LastPosition is the position of a shard's newest durable record: later ones have later positions.
func (d *DB) LastPosition(ctx context.Context, s *Stream, shard uint32) (schema.Position, error) {
	_, end, err := d.kv.ReadLog(ctx, s.ID, shard, schema.Position{}, kv.Page{})
	return end, err
}

// maxRecordBytes is how much of a stream ReadStream reads at once.
const maxRecordBytes = 1 << 20

// StreamRead says what ReadStream reads: at most Limit records of a shard after a position.
type StreamRead struct {
	Stream *Stream
	Shard  uint32
	After  schema.Position
	Limit  int
}

// ReadStream calls emit for the records, oldest first, until it refuses one. It returns the
// position to continue from, that of the last record taken, and whether nothing will ever follow.
// It returns ErrTrimmed if the first record after the position was readable when the position was
// taken, at most IteratorAge ago, and is older than Retention now.
func (d *DB) ReadStream(
	ctx context.Context, read StreamRead, emit func(*schema.StreamRecord) (taken bool),
) (last schema.Position, ended bool, err error) {
	stream, shard, last := read.Stream, read.Shard, read.After
	page := kv.Page{Records: read.Limit, Bytes: maxRecordBytes}
	records, _, err := d.kv.ReadLog(ctx, stream.ID, shard, last, page)
	if err != nil {
		return last, false, err
	}
	if len(records) > 0 {
		first, horizon := records[0].Position, d.Horizon(stream, shard)
		if string(first[:]) <= string(horizon[:]) {
			return last, false, ErrTrimmed
		}
	}
	for _, raw := range records {
		r, err := schema.ParseRecord(raw)
		if err != nil {
			return last, false, fmt.Errorf("stream %s: %w", stream.Path(), err)
		}
		if !emit(r) {
			break
		}
		last = raw.Position
	}
	stream.meter.Reached(shard, schema.PlaceOf(last))
	// stream is from before the read: if it was closed then, the read saw all that there is.
	ended = stream.Ends != nil && (len(records) == 0 || string(last[:]) >= string(stream.Ends[shard][:]))
	return last, ended, nil
}

// trimStreams removes the records that nobody can have a place at any more, and the streams whose
// time is over.
func (d *DB) trimStreams(ctx context.Context) error {
	var errs []error
	now := d.now()
	upTo := now.Add(-schema.Retention - IteratorAge).Truncate(trimEvery)
	trim := !upTo.Equal(d.trimmed)
	if d.hasRun(now); trim {
		maps.DeleteFunc(d.aged, func(id uint64, _ time.Duration) bool { return d.catalog.Load().streams[id] == nil })
	}
	for _, s := range d.catalog.Load().streams {
		switch {
		case s.Gone(now) && s.Ends != nil:
			errs = append(errs, d.dropStream(ctx, s))
		case trim:
			errs = append(errs, d.trimStream(ctx, s, now, schema.PositionAt(upTo)))
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		d.trimmed = upTo
	}
	return err
}

// trimStream removes a stream's records up to a position, and those ahead of the clock that are as
// old.
func (d *DB) trimStream(ctx context.Context, s *Stream, now time.Time, upTo schema.Position) error {
	s, err := d.ageStream(ctx, s, now)
	if err != nil || s == nil {
		return err
	}
	for shard := range uint32(s.Shards) {
		upTo := schema.Later(upTo, s.Old(shard, schema.Retention+IteratorAge))
		if err := d.kv.TrimLog(ctx, s.ID, shard, upTo); err != nil {
			return err
		}
	}
	if s.Ahead == nil || s.Ahead.Age < schema.Retention+IteratorAge || !s.Ended.IsZero() {
		return nil
	}
	ends, ahead, err := d.endsOf(ctx, s, now)
	if err != nil || !ahead {
		return err
	}
	_, err = d.setAhead(s, &schema.Ahead{Ends: ends})
	return err
}

// dropStream removes all that there is of a stream. Its row is last: after a crash in between the
// next sweep finds it and repeats the rest, while records without a row would stay forever.
func (d *DB) dropStream(ctx context.Context, s *Stream) error {
	if err := d.kv.DropLog(ctx, s.ID); err != nil {
		return err
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	o := kv.WriteOptions{Lock: [][]byte{schema.StreamKey(s.ID)}, MakesRoom: true}
	err := d.kv.Update(ctx, o, func(tx kv.Txn) error {
		tx.Delete(schema.StreamKey(s.ID))
		return nil
	})
	if err == nil {
		d.change(func(c *catalog) { delete(c.streams, s.ID) })
	}
	return err
}
