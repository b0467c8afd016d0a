package schema

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/kv"
)

// Position is a record's place in a shard of a stream.
type Position = kv.Position

// Retention is how long a stream's records can be read, and for how long it is listed after its
// end.
const Retention = 24 * time.Hour

const streamFormat = 1

// Stream is all that is known of a stream: of a table, or of one that is gone. It is stored as JSON
// in a row of the catalog (its tags are part of the format, as a Descriptor's are), and outlives
// the table by Retention. A Stream is never changed; a change makes a new one.
type Stream struct {
	Format int `json:"Format"` // version of this JSON form, 1
	// ID is the table's id << 32 | number among the table's streams, from 1; never reused.
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
	// Ends are the last positions of the shards, zero for one without records. They are known once
	// nobody can append any more: the stream is closed then.
	Ends []Position `json:"Ends"`
	// BusyUntil is until when it is ENABLING, or with Ended DISABLING, however far it is.
	BusyUntil time.Time `json:"BusyUntil"`
	// Ahead is there while records of the stream, or its end, lie ahead of the clock.
	Ahead *Ahead `json:"Ahead,omitempty"`

	path string // StreamPath of it
}

// Path is StreamPath of the stream, made once.
func (s *Stream) Path() string { return s.path }

// StreamPath is the end of a stream's ARN, by which streams are ordered.
func StreamPath(table, label string) string { return table + "/stream/" + label }

// Shard is a shard of a stream: all records of a range of hashes.
type Shard struct {
	ID     string
	Number uint32
	// Start is where records may begin. End is, with Closed, where they end for good.
	Start, End Position
	Closed     bool
}

// NewStream is the stream that a table of the descriptor gets now, which is noted there. Its label
// is the present time, or later: it is above latest, the highest of the streams of other tables
// that have had the name, and above that of the table's own latest one.
func NewStream(desc *Descriptor, latest string, now time.Time) *Stream {
	desc.StreamCount++
	s := &Stream{
		Format: streamFormat, ID: uint64(desc.ID)<<32 | uint64(desc.StreamCount), Namespace: desc.Namespace,
		Table: desc.Name, TableID: desc.ID, TableUUID: desc.UUID, Label: nextLabel(max(latest, desc.StreamLabel), now),
		ViewType: desc.StreamViewType, Keys: desc.Keys, Created: now.Round(0), Shards: shardsFor(desc),
		BusyUntil: desc.BusyUntil,
	}
	s.path = StreamPath(s.Table, s.Label)
	desc.StreamID, desc.StreamLabel = s.ID, s.Label
	return s
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

// shardsFor is how many shards the table's next stream has: as many as DynamoDB's documentation has
// it make partitions for the table's throughput ("Partitions and data distribution"), four on
// demand.
func shardsFor(desc *Descriptor) int {
	if desc.Billing == PayPerRequest {
		return 4
	}
	n := (desc.Throughput.Read + 3*desc.Throughput.Write + 2999) / 3000 // ⌈read/3000 + write/1000⌉
	return int(min(max(n, 1), maxShards))
}

// Gone tells whether the stream's time is over.
func (s *Stream) Gone(now time.Time) bool {
	if IsAhead(s.Ended, now) {
		return s.Ahead != nil && s.Ahead.Age >= Retention
	}
	return !s.Ended.IsZero() && !now.Before(s.Ended.Add(Retention))
}

// EndedAt is the stream as its table ends it. desc is the table's new descriptor, whose delay it
// takes.
func (s *Stream) EndedAt(now time.Time, desc *Descriptor) Stream {
	e := *s
	e.Ended, e.BusyUntil, e.Ahead = now.Round(0), desc.BusyUntil, nil
	return e
}

// ShardsAt returns the stream's shards at the time, by id. While it is ENABLING there are none. One
// that was made ahead of the clock may have records from any time on.
func (s *Stream) ShardsAt(now time.Time) []Shard {
	if s.Status(now) == StatusEnabling {
		return nil
	}
	shards := make([]Shard, s.Shards)
	var start Position
	if !IsAhead(s.Created, now) {
		start = PositionAt(s.Created)
	}
	for i := range shards {
		shard := &shards[i]
		shard.Number, shard.ID, shard.Start = uint32(i), s.ShardID(uint32(i)), start
		if shard.Closed = s.Status(now) == StatusDisabled; shard.Closed {
			shard.End = s.Ends[i]
			if string(shard.End[:]) < string(shard.Start[:]) {
				shard.End = shard.Start // nothing was ever appended
			}
		}
	}
	slices.SortFunc(shards, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	return shards
}

// ShardID is the id of a shard: shardId-, 20 digits of the time of its making, and 8 hexadecimal
// ones that differ within the stream.
func (s *Stream) ShardID(number uint32) string {
	h := uint32(xxhash.Sum64(binary.BigEndian.AppendUint64(nil, s.ID))) + number
	h *= 0x9E3779B1 // odd, so that no two numbers of a stream meet
	return fmt.Sprintf("shardId-%020d-%08x", s.Created.UnixMilli(), h)
}

// PositionAt is a position before those of all records of the time's millisecond and later, and
// behind all earlier ones.
func PositionAt(t time.Time) (p Position) {
	if ms := t.UnixMilli(); ms > 0 {
		binary.BigEndian.PutUint64(p[:8], uint64(ms)<<16)
	}
	return p
}

// TimeOf is the time of a record, in milliseconds.
func TimeOf(p Position) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(p[:8]) >> 16)) }

// farAhead is how far ahead of the clock a time of the past may be. One that is further was stored
// by another clock.
const farAhead = time.Hour

// IsAhead tells whether a time of the past lies too far ahead of the clock.
func IsAhead(t, now time.Time) bool { return t.Round(0).Sub(now.Round(0)) > farAhead }

// Ahead says how old the records, or the end, of a stream are at least where they lie ahead of the
// clock. If later records lie ahead as well, it begins anew when those that it is about are
// removed.
type Ahead struct {
	// Age is for how long the database has run since Ends were the ends, or a little less: a
	// restart forgets up to an hour.
	Age time.Duration `json:"Age"`
	// Ends are the last positions of the shards then: records up to them are of that age.
	Ends []Position `json:"Ends"`
}

// Old is the position up to which the records of a shard are older than age though they lie ahead
// of the clock; zero: there are none.
func (s *Stream) Old(shard uint32, age time.Duration) (p Position) {
	if s.Ahead == nil || s.Ahead.Age < age || int(shard) >= len(s.Ahead.Ends) {
		return p
	}
	return s.Ahead.Ends[shard]
}

// Later is the higher of two positions.
func Later(a, b Position) Position {
	if string(a[:]) > string(b[:]) {
		return a
	}
	return b
}

// PlaceOf is the part of a position that orders a shard's records.
func PlaceOf(p Position) uint64 { return binary.BigEndian.Uint64(p[:8]) }

// NumberOf is the part that counts the records of a shard.
func NumberOf(p Position) uint64 { return binary.BigEndian.Uint64(p[8:]) }

// BehindPlace is the position behind the record at a place.
func BehindPlace(place uint64) (p Position) {
	binary.BigEndian.PutUint64(p[:8], place)
	binary.BigEndian.PutUint64(p[8:], math.MaxUint64)
	return p
}
