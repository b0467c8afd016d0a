package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/partita-db/partita/internal/capacity"
)

// MaxTables and MaxIndexes are how many tables and indexes have figures of their own. Those that
// come when there are so many share one, for as long as they live: its sums only grow.
const (
	MaxTables  = 1000
	MaxIndexes = 2000
)

// Units are a sum of capacity units.
type Units struct{ halves atomic.Int64 }

// Add adds units, which are whole or halves.
func (u *Units) Add(units float64) { u.halves.Add(capacity.Halves(units)) }

// Load is the sum since the start.
func (u *Units) Load() float64 { return capacity.OfHalves(u.halves.Load()) }

// Table is the figures of a table. A nil one counts nothing.
type Table struct {
	Shared      bool // it is that of all tables that have none of their own
	Read, Write Units
	Expired     atomic.Uint64 // items that their time to live has ended
	Records     atomic.Uint64 // written to its streams

	indexes map[uint16]*Index // under tables.mu
}

// Index is the figures of an index, or, Shared, of all that have none of their own.
type Index struct {
	Shared      bool
	Read, Write Units
}

// tables are the figures of the tables that there are.
type tables struct {
	mu      sync.Mutex
	own     map[uint32]*Table
	indexes int // with figures of their own
	shared  Table
	other   Index
}

// Table returns the figures of the table with the id, and those of its indexes with theirs, in
// their order.
func (m *Metrics) Table(id uint32, indexes []uint16) (*Table, []*Index) {
	ts := &m.tables
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.own[id]
	switch {
	case t != nil:
	case len(ts.own) < MaxTables:
		if ts.own == nil {
			ts.own = map[uint32]*Table{}
		}
		t = &Table{indexes: map[uint16]*Index{}}
		ts.own[id] = t
	default:
		t = &ts.shared
	}
	return t, ts.indexesOf(t, indexes)
}

// indexesOf returns the figures of the table's indexes, and forgets those of others.
func (ts *tables) indexesOf(t *Table, ids []uint16) []*Index {
	kept, list := make(map[uint16]*Index, len(ids)), make([]*Index, len(ids))
	ts.indexes -= len(t.indexes)
	for i, id := range ids {
		x := t.indexes[id]
		if x == nil && !t.Shared && ts.indexes+len(kept) < MaxIndexes {
			x = new(Index)
		}
		if x != nil {
			kept[id], list[i] = x, x
			continue
		}
		list[i] = &ts.other
	}
	t.indexes = kept
	ts.indexes += len(kept)
	return list
}

// Forget forgets the figures of a table that is gone.
func (m *Metrics) Forget(id uint32) {
	ts := &m.tables
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.own[id]; t != nil {
		ts.indexes -= len(t.indexes)
		delete(ts.own, id)
	}
}

// Shared returns the figures that tables, and indexes, without own ones share.
func (m *Metrics) Shared() (*Table, *Index) { return &m.tables.shared, &m.tables.other }

// Stream is how far the shards of a stream have been read. A nil one notes nothing.
type Stream struct{ shards []atomic.Uint64 }

// NewStream returns that of a stream without readers so far.
func NewStream(shards int) *Stream { return &Stream{make([]atomic.Uint64, shards)} }

// Reached notes that a reader has seen all records of a shard up to a place, a number that grows
// with the records. What counts is who is furthest.
func (s *Stream) Reached(shard uint32, place uint64) {
	if s == nil {
		return
	}
	for seen := &s.shards[shard]; ; {
		old := seen.Load()
		if old > place || seen.CompareAndSwap(old, place+1) { // 0 is for unread
			return
		}
	}
}

// ReadTo is the furthest place in the shard that anybody has reached; false if nobody has asked for
// records.
func (s *Stream) ReadTo(shard int) (place uint64, asked bool) {
	if s == nil {
		return 0, false
	}
	n := s.shards[shard].Load()
	return n - 1, n > 0
}

// Backfill is how far the making of an index is.
type Backfill struct{ Done, Estimated atomic.Int64 }
