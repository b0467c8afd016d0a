package pebblekv

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"

	"github.com/partita-db/partita/internal/kv"
)

// rowCache keeps rows that were read by their key, in front of the store: it has the rows that are asked for often and
// not, as the block cache has, their neighbours. What it answers is what the store would answer at that moment:
//
//   - Whoever changes rows says so before the store shows the change (begin) and after it (end), all while it holds the rows'
//     latches. In between the rows are not in the cache for anybody, and nobody puts any in. end replaces what the cache has.
//   - Whoever did not find a row takes a ticket before he reads the store, and may put in what he has read if the
//     row was not changed since.
//
// "The row" is here all rows that share a slot, so that the memory for this is small and fixed. A change whose end is never
// called, as the store failed, leaves its slot closed for ever.
//
// What is in the cache need not be durable. Its readers wait for their stripe's last commit as if they had read the store.
type rowCache struct {
	shards []rowShard
	mask   uint64 // of the shards' numbers
}

const (
	// leastRowCache is what a cache must have to be worth it.
	leastRowCache = 1 << 20
	// A shard has 4 MiB at least: it holds more of its rows than is lost to whole segments.
	leastRowShard = 4 << 20
	mostRowShards = 256
	// rowSlots is how many slots a shard has.
	rowSlots = 256
)

// ticket allows to put a row into the cache that was read from the store after the ticket was taken. Zero allows nothing.
type ticket uint64

// slot is what is known of the changes of some rows.
type slot struct {
	version ticket // changes that have ended, and one
	writing int32  // changes that have begun and not ended
}

// newRowCache is a cache of so many bytes, nil if they are too few. It takes memory as it fills.
func newRowCache(size int64) *rowCache {
	if size < leastRowCache {
		return nil
	}
	n := uint64(max(1, min(size/leastRowShard, mostRowShards)))
	n = 1 << (bits.Len64(n) - 1)
	c := &rowCache{shards: make([]rowShard, n), mask: n - 1}
	for i := range c.shards {
		c.shards[i].limit(int(size / int64(n)))
	}
	return c
}

// shard is the one that a hash belongs to. The lowest bits choose the slot, and the highest the place in Go's maps.
func (c *rowCache) shard(hash uint64) *rowShard { return &c.shards[hash>>16&c.mask] }

// hashRow is the hash of a row's key.
func hashRow(key []byte) uint64 { return xxhash.Sum64(key) }

// get appends the row of the key to dst; nil says that the store has none. Where the cache does not know, ok is false, and ticket
// allows to add the row.
func (c *rowCache) get(hash uint64, key, dst []byte) (row []byte, ok bool, t ticket) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.slot(hash)
	if at.writing == 0 {
		if e := s.find(hash, key); e != nil {
			s.hits++
			e.touch()
			if e.gone() {
				return nil, true, 0
			}
			if row = append(dst, e.row()...); row == nil {
				row = []byte{} // there is one, and it is empty
			}
			return row, true, 0
		}
		t = at.version
	}
	s.misses++
	return dst, false, t
}

// ticket is a ticket for the row.
func (c *rowCache) ticket(hash uint64) ticket {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slot(hash); at.writing == 0 {
		return at.version
	}
	return 0
}

// add puts in a row that was read after the ticket was taken, if it is still what the store has.
func (c *rowCache) add(hash uint64, key, row []byte, t ticket) {
	if t == 0 || len(key)+len(row) > largestRow {
		return
	}
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slot(hash); at.writing == 0 && at.version == t {
		s.add(hash, key, row)
	}
}

// begin announces a change of the row. Its latch is held until end.
func (c *rowCache) begin(hash uint64) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slot(hash).writing++
}

// end ends a change: the row is now this one, or gone. Only one that the cache had before is kept.
func (c *rowCache) end(hash uint64, key, row []byte, gone bool) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case gone:
		s.vanish(hash, key)
	case len(key)+len(row) > largestRow:
		s.remove(hash, key)
	default:
		s.replace(hash, key, row)
	}
	s.slot(hash).ended()
}

// ended ends one change.
func (s *slot) ended() {
	s.writing--
	s.version++
}

// beginAll announces the removal of a range of rows, of which nobody knows which there are.
func (c *rowCache) beginAll() {
	if c == nil {
		return
	}
	c.all(func(s *rowShard) {
		for i := range s.slots {
			s.slots[i].writing++
		}
	})
}

// endAll ends it: the rows from start to before end are gone.
func (c *rowCache) endAll(start, end []byte) {
	if c == nil {
		return
	}
	c.all(func(s *rowShard) {
		s.removeRange(start, end)
		for i := range s.slots {
			s.slots[i].ended()
		}
	})
}

// all calls fn for each shard, locked and with slots.
func (c *rowCache) all(fn func(*rowShard)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.slot(0)
		fn(s)
		s.mu.Unlock()
	}
}

// changes are the operations of a batch. They stay readable after it was applied.
type changes batchrepr.Reader

// changesOf are the operations of the batch.
func changesOf(b *pebble.Batch) changes { return changes(b.Reader()) }

// rows calls fn for each row of the database's that is changed.
func (ch changes) rows(fn func(hash uint64, key, row []byte, gone bool)) {
	r := batchrepr.Reader(ch)
	for {
		kind, key, value, ok, err := r.Next()
		if err != nil {
			panic(err) // the batch is our own
		}
		if !ok {
			return
		}
		if len(key) > 0 && key[0] < kv.ReservedPrefix {
			fn(hashRow(key), key, value, kind != pebble.InternalKeyKindSet)
		}
	}
}

// begin announces all changes.
func (c *rowCache) beginChanges(ch changes) {
	if c != nil {
		ch.rows(func(hash uint64, _, _ []byte, _ bool) { c.begin(hash) })
	}
}

// endChanges ends all changes. Where a batch changes a row twice the last one counts: until then its slot is closed.
func (c *rowCache) endChanges(ch changes) {
	if c != nil {
		ch.rows(c.end)
	}
}

// figures are what the cache has done, and what memory its rows take.
func (c *rowCache) figures() (hits, misses, size int64) {
	if c == nil {
		return 0, 0, 0
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		hits, misses, size = hits+s.hits, misses+s.misses, size+s.size()
		s.mu.Unlock()
	}
	return hits, misses, size
}
