package db

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
)

// Position is a record's place in a shard of a stream.
type Position = kv.Position

const (
	// Retention is how long a stream's records can be read, and for how long it is listed after its end.
	Retention = 24 * time.Hour
	// IteratorAge is how long a place in a stream may be kept before the next read. Records stay that much longer than
	// Retention, so that a reader can be told exactly whether he missed any.
	IteratorAge = 15 * time.Minute
	// trimEvery is how far apart the moments are up to which records are removed.
	trimEvery = time.Minute
)

// logFormat is the version of a Log's JSON form.
const logFormat = 1

// Log is a stream: of a table, or of one that is gone. It is stored as JSON in a row of the
// catalog (its tags are part of the format, as a Descriptor's are), and outlives the table by
// Retention. A Log is never changed; a change makes a new one.
type Log struct {
	Format int `json:"Format"` // version of this JSON form, 1
	// ID is the table's id << 32 | number among the table's logs, from 1; never reused.
	ID        uint64    `json:"ID"`
	Namespace Namespace `json:"Namespace"`
	Table     string    `json:"Table"` // the table's name, id and UUID
	TableID   uint32    `json:"TableID"`
	TableUUID string    `json:"TableUUID"`
	// Label is the time of its making, unique among the streams of tables of that name.
	Label    string       `json:"Label"`
	ViewType ViewType     `json:"ViewType"`
	Keys     []KeyElement `json:"Keys"` // of the table
	Created  time.Time    `json:"Created"`
	// Shards is how many it has, fixed: a record goes to the one that its item's hash says.
	Shards int `json:"Shards"`
	// Ended is when writers were told to append no more; zero: they do append.
	Ended time.Time `json:"Ended"`
	// Ends are the last positions of the shards, zero for one without records. They are known once nobody can append any more:
	// the log is closed then.
	Ends []Position `json:"Ends"`
	// BusyUntil is until when it is ENABLING, or with Ended DISABLING, however far it is.
	BusyUntil time.Time `json:"BusyUntil"`
	// Ahead is there while records of the log, or its end, lie ahead of the clock.
	Ahead *Ahead `json:"Ahead,omitempty"`

	path  string // streamPath of it
	meter *metrics.Stream
}

// streamPath is the end of a stream's ARN, by which streams are ordered.
func streamPath(table, label string) string { return table + "/stream/" + label }

// Shard is a shard of a stream: all records of a range of hashes.
type Shard struct {
	ID     string
	Number uint32
	// Start is where records may begin. End is, with Closed, where they end for good.
	Start, End Position
	Closed     bool
}

// newLog is the log that a table of the descriptor gets now. The label is the present time, or later: it is above the table's
// latest one, and above those of other tables that had the name.
func newLog(desc *Descriptor, others []*Log, now time.Time) *Log {
	desc.NextLog++
	latest := desc.StreamLabel
	for _, l := range others {
		if l.Table == desc.Name {
			latest = max(latest, l.Label)
		}
	}
	l := &Log{
		Format: logFormat, ID: uint64(desc.ID)<<32 | uint64(desc.NextLog), Namespace: desc.Namespace,
		Table: desc.Name, TableID: desc.ID, TableUUID: desc.UUID, Label: nextLabel(latest, now), ViewType: desc.StreamViewType,
		Keys: desc.Keys, Created: now.Round(0), Shards: shardsFor(desc), BusyUntil: desc.BusyUntil,
	}
	l.path = streamPath(l.Table, l.Label)
	desc.StreamLog, desc.StreamLabel = l.ID, l.Label
	return l
}

// labelLayout is the form of a stream's label.
const labelLayout = "2006-01-02T15:04:05.000"

// nextLabel labels a stream that begins now, later than the latest one (empty: none).
func nextLabel(latest string, now time.Time) string {
	label := now.UTC().Format(labelLayout)
	if t, err := time.Parse(labelLayout, latest); err == nil && label <= latest {
		label = t.Add(time.Millisecond).Format(labelLayout)
	}
	return label
}

// maxShards is the most that a stream has.
const maxShards = 64

// shardsFor is how many shards the table's next stream has: as many as DynamoDB's documentation has it make partitions for
// the table's throughput ("Partitions and data distribution"), four on demand.
func shardsFor(desc *Descriptor) int {
	if desc.Billing == PayPerRequest {
		return 4
	}
	n := (desc.Throughput.Read + 3*desc.Throughput.Write + 2999) / 3000 // ⌈read/3000 + write/1000⌉
	return int(min(max(n, 1), maxShards))
}

// ended is the log when its table, whose new descriptor this is, has let go of it.
func (l *Log) ended(desc *Descriptor, now time.Time) *Log {
	e := *l
	e.Ended, e.BusyUntil, e.Ahead = now.Round(0), desc.BusyUntil, nil
	return &e
}

// settleLog gives a descriptor that is about to be stored the log that it asks for with its StreamViewType, and ends the one
// that it asks for no more. It returns the logs that this makes and changes. The caller holds d.schema.
func (d *DB) settleLog(desc *Descriptor) (changed []*Log) {
	wanted := desc.StreamViewType
	if desc.State != StatePublic {
		wanted = ""
	}
	c := d.catalog.Load()
	if l := c.logs[desc.StreamLog]; l != nil && l.ViewType != wanted {
		changed = append(changed, l.ended(desc, d.now()))
		desc.StreamLog = 0
	}
	if wanted != "" && desc.StreamLog == 0 {
		changed = append(changed, newLog(desc, c.streams[desc.Namespace], d.now()))
	}
	return changed
}

// setLog writes a log's row, unless it could not be read again.
func setLog(tx kv.Txn, l *Log) error {
	if f := l.verify(); f != nil {
		return fmt.Errorf("the descriptor of stream %s of table %q is not stored: %s", l.Label, l.Table, f)
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("log %x of %s: %w", l.ID, l.Table, err)
	}
	tx.Set(logKey(l.ID), b)
	return nil
}

// startLogJobs starts what the log says is under way.
func (d *DB) startLogJobs(l *Log) {
	if !l.Ended.IsZero() && l.Ends == nil {
		d.startWork(fmt.Sprintf("close log %x", l.ID), l.Table, func() error { return d.closeLog(l.ID) })
	}
}

// closeLog notes the end of each shard of a log that has ended, when no writer can append any more.
func (d *DB) closeLog(id uint64) error {
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
	if err := d.storeLog(l); err != nil {
		return err
	}
	closed := *l
	closed.Ends = make([]Position, l.Shards)
	for i := range closed.Ends {
		var err error
		if _, closed.Ends[i], err = d.kv.ReadLog(d.ctx, id, uint32(i), Position{}, 0, 0); err != nil {
			return err
		}
	}
	if err := d.storeLog(&closed); err != nil {
		return err
	}
	d.change(func(c *catalog) { c.logs[id] = &closed })
	return nil
}

// storeLog writes a log's row alone.
func (d *DB) storeLog(l *Log) error {
	return d.kv.Update(d.ctx, kv.WriteOptions{Lock: [][]byte{logKey(l.ID)}, MakesRoom: true}, func(tx kv.Txn) error { return setLog(tx, l) })
}

// gone tells whether the log's time is over.
func (l *Log) gone(now time.Time) bool {
	if isAhead(l.Ended, now) {
		return l.Ahead != nil && l.Ahead.Age >= Retention
	}
	return !l.Ended.IsZero() && !now.Before(l.Ended.Add(Retention))
}

// ShardsAt returns the stream's shards at the time, by id. While it is ENABLING there are none. One
// that was made ahead of the clock may have records from any time on.
func (l *Log) ShardsAt(now time.Time) []Shard {
	if l.Status(now) == StatusEnabling {
		return nil
	}
	shards := make([]Shard, l.Shards)
	var start Position
	if !isAhead(l.Created, now) {
		start = PositionAt(l.Created)
	}
	for i := range shards {
		s := &shards[i]
		s.Number, s.ID, s.Start = uint32(i), l.shardID(uint32(i)), start
		if s.Closed = l.Status(now) == StatusDisabled; s.Closed {
			s.End = l.Ends[i]
			if string(s.End[:]) < string(s.Start[:]) {
				s.End = s.Start // nothing was ever appended
			}
		}
	}
	slices.SortFunc(shards, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	return shards
}

// shardID is the id of a shard: shardId-, 20 digits of the time of its making, and 8 hexadecimal ones that differ within the log.
func (l *Log) shardID(number uint32) string {
	h := uint32(xxhash.Sum64(binary.BigEndian.AppendUint64(nil, l.ID))) + number
	h *= 0x9E3779B1 // odd, so that no two numbers of a log meet
	return fmt.Sprintf("shardId-%020d-%08x", l.Created.UnixMilli(), h)
}

// PositionAt is a position before those of all records of the time's millisecond and later, and behind all earlier ones.
func PositionAt(t time.Time) (p Position) {
	if ms := t.UnixMilli(); ms > 0 {
		binary.BigEndian.PutUint64(p[:8], uint64(ms)<<16)
	}
	return p
}

// TimeOf is the time of a record, in milliseconds.
func TimeOf(p Position) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(p[:8]) >> 16)) }

// Stream returns the stream of the table with the label, or nil.
func (d *DB) Stream(ns Namespace, table, label string) *Log {
	streams := d.catalog.Load().streams[ns]
	i, ok := slices.BinarySearchFunc(streams, streamPath(table, label), func(l *Log, path string) int { return strings.Compare(l.path, path) })
	if !ok || streams[i].gone(d.now()) {
		return nil
	}
	return streams[i]
}

// StreamByID returns the stream with the id, or nil.
func (d *DB) StreamByID(id uint64) *Log {
	if l := d.catalog.Load().logs[id]; l != nil && !l.gone(d.now()) {
		return l
	}
	return nil
}

// Streams returns at most limit streams behind that of afterTable with afterLabel (empty: from the first), in the order of
// their ARNs, and whether more follow: those of tables named table, or, if it is empty, of all.
func (d *DB) Streams(ns Namespace, table, afterTable, afterLabel string, limit int) (logs []*Log, more bool) {
	after, now := "", d.now()
	if afterTable != "" {
		after = streamPath(afterTable, afterLabel)
	}
	for _, l := range d.catalog.Load().streams[ns] {
		switch {
		case l.path <= after || table != "" && l.Table != table || l.gone(now):
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
func (d *DB) Horizon(l *Log, shard uint32) Position {
	return higher(PositionAt(d.now().Add(-Retention)), l.old(shard, Retention))
}

// LastPosition is the position of a shard's newest durable record: later ones have later positions.
func (d *DB) LastPosition(ctx context.Context, l *Log, shard uint32) (Position, error) {
	_, end, err := d.kv.ReadLog(ctx, l.ID, shard, Position{}, 0, 0)
	return end, err
}

// maxRecordBytes is how much of a log ReadStream reads at once.
const maxRecordBytes = 1 << 20

// ReadStream calls emit for at most limit records of a shard after a position, oldest first, until one is refused. It
// returns the position to go on from, that of the last one taken, and whether nothing will ever follow. ErrTrimmed if the first record after the position
// was there when the place was taken, at most IteratorAge ago, and is older than Retention by now.
func (d *DB) ReadStream(
	ctx context.Context, l *Log, shard uint32, after Position, limit int, emit func(*StreamRecord) (taken bool),
) (last Position, ended bool, err error) {
	last = after
	records, _, err := d.kv.ReadLog(ctx, l.ID, shard, after, limit, maxRecordBytes)
	if err != nil {
		return last, false, err
	}
	if horizon := d.Horizon(l, shard); len(records) > 0 && string(records[0].Position[:]) <= string(horizon[:]) {
		return last, false, ErrTrimmed
	}
	for _, raw := range records {
		r, err := parseRecord(raw)
		if err != nil {
			return last, false, fmt.Errorf("stream %s: %w", l.path, err)
		}
		if !emit(r) {
			break
		}
		last = raw.Position
	}
	l.meter.Reached(shard, placeOf(last))
	// l is from before the read: if it was closed then, the read saw all that there is.
	ended = l.Ends != nil && (len(records) == 0 || string(last[:]) >= string(l.Ends[shard][:]))
	return last, ended, nil
}

// trimLogs removes the records that nobody can have a place at any more, and the logs whose time is over.
func (d *DB) trimLogs(ctx context.Context) error {
	var errs []error
	now := d.now()
	upTo := now.Add(-Retention - IteratorAge).Truncate(trimEvery)
	trim := !upTo.Equal(d.trimmed)
	if d.hasRun(now); trim {
		maps.DeleteFunc(d.aged, func(id uint64, _ time.Duration) bool { return d.catalog.Load().logs[id] == nil })
	}
	for _, l := range d.catalog.Load().logs {
		switch {
		case l.gone(now) && l.Ends != nil:
			errs = append(errs, d.dropLog(ctx, l))
		case trim:
			errs = append(errs, d.trimLog(ctx, l, now, PositionAt(upTo)))
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		d.trimmed = upTo
	}
	return err
}

// trimLog removes a log's records up to a position, and those ahead of the clock that are as old.
func (d *DB) trimLog(ctx context.Context, l *Log, now time.Time, upTo Position) error {
	l, err := d.ageLog(ctx, l, now)
	if err != nil || l == nil {
		return err
	}
	for shard := range uint32(l.Shards) {
		if err := d.kv.TrimLog(ctx, l.ID, shard, higher(upTo, l.old(shard, Retention+IteratorAge))); err != nil {
			return err
		}
	}
	if l.Ahead == nil || l.Ahead.Age < Retention+IteratorAge || !l.Ended.IsZero() {
		return nil
	}
	ends, ahead, err := d.endsOf(ctx, l, now)
	if err != nil || !ahead {
		return err
	}
	_, err = d.setAhead(l, &Ahead{Ends: ends})
	return err
}

// dropLog removes all that there is of a log.
func (d *DB) dropLog(ctx context.Context, l *Log) error {
	if err := d.kv.DropLog(ctx, l.ID); err != nil {
		return err
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	err := d.kv.Update(ctx, kv.WriteOptions{Lock: [][]byte{logKey(l.ID)}, MakesRoom: true}, func(tx kv.Txn) error {
		tx.Delete(logKey(l.ID))
		return nil
	})
	if err == nil {
		d.change(func(c *catalog) { delete(c.logs, l.ID) })
	}
	return err
}
