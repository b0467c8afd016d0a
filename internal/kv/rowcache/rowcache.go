// Package rowcache keeps rows that were read by their key in memory, in front of an engine's store.
// It knows keys, rows and their bytes, and nothing of the store: the engine tells it of every
// change, and reads what it does not have.
package rowcache

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Cache keeps rows that were read by their key, in front of the store: it has the rows that are
// asked for often and not, as the block cache has, their neighbours. What it answers is what the
// store would answer at that moment:
//
//   - Whoever changes rows says so before the store shows the change (Begin) and after it (End),
//     all while it holds the rows' latches. In between the rows are not in the cache for anybody,
//     and nobody puts any in. End replaces what the cache has.
//   - Whoever did not find a row takes a ticket before they read the store, and may put in what
//     they have read if the row was not changed since.
//
// "The row" is here all rows that share a slot, so that the memory for this is small and fixed. A
// change whose End is never called, as the store failed, leaves its slot closed forever.
//
// What is in the cache need not be durable. Its readers wait for their stripe's last commit as if
// they had read the store.
type Cache struct {
	shards []shard
	mask   uint64 // of the shards' numbers
}

const (
	// leastSize is what a cache must have to be worth it.
	leastSize = 1 << 20
	// A shard has 4 MiB at least: it holds more of its rows than is lost to whole segments.
	leastShard = 4 << 20
	mostShards = 256
	// slotsPerShard is how many slots a shard has.
	slotsPerShard = 256
)

// Ticket allows to put a row into the cache that was read from the store after the ticket was
// taken. Zero allows nothing.
type Ticket uint64

// slot is what is known of the changes of some rows.
type slot struct {
	version Ticket // changes that have ended, and one
	writing int32  // changes that have begun and not ended
}

// New is a cache of so many bytes, nil if they are too few. It takes memory as it fills.
func New(size int64) *Cache {
	if size < leastSize {
		return nil
	}
	n := uint64(max(1, min(size/leastShard, mostShards)))
	n = 1 << (bits.Len64(n) - 1)
	c := &Cache{shards: make([]shard, n), mask: n - 1}
	for i := range c.shards {
		c.shards[i].limit(int(size / int64(n)))
	}
	return c
}

// shard is the one that a hash belongs to. The lowest bits choose the slot, and the highest the
// place in Go's maps.
func (c *Cache) shard(hash uint64) *shard { return &c.shards[hash>>16&c.mask] }

// Hash is what all methods take as the hash of a key.
func Hash(key []byte) uint64 { return xxhash.Sum64(key) }

// Get appends the row of the key to dst; nil says that the store has none. Where the cache does not
// know, ok is false, and ticket allows to add the row.
func (c *Cache) Get(hash uint64, key, dst []byte) (row []byte, ok bool, t Ticket) {
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

// Ticket returns a ticket for the row without a look at the cache. It is taken before the state of
// the store is from which the row will be read.
func (c *Cache) Ticket(hash uint64) Ticket {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slot(hash); at.writing == 0 {
		return at.version
	}
	return 0
}

// Add puts in a row that was read after the ticket was taken, if it is still what the store has.
func (c *Cache) Add(hash uint64, key, row []byte, t Ticket) {
	if t == 0 || len(key)+len(row) > LargestRow {
		return
	}
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slot(hash); at.writing == 0 && at.version == t {
		s.add(hash, key, row)
	}
}

// Begin announces a change of the row. Its latch is held until End.
func (c *Cache) Begin(hash uint64) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slot(hash).writing++
}

// Change is what became of a row.
type Change uint8

const (
	Replaced Change = iota // it has a new value, or its first one
	Removed                // there is none any more
)

// End ends a change: the row is now this one, or gone. Only one that the cache had before is kept.
func (c *Cache) End(hash uint64, key, row []byte, change Change) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case change == Removed:
		s.vanish(hash, key)
	case len(key)+len(row) > LargestRow:
		s.remove(hash, key)
	default:
		s.replace(hash, key, row)
	}
	s.slot(hash).ended()
}

func (s *slot) ended() {
	s.writing--
	s.version++
}

// BeginAll announces the removal of a range of rows. Which rows are in it is unknown, so it closes
// all slots.
func (c *Cache) BeginAll() {
	if c == nil {
		return
	}
	c.all(func(s *shard) {
		for i := range s.slots {
			s.slots[i].writing++
		}
	})
}

// EndAll ends it: the rows from start to before end are gone.
func (c *Cache) EndAll(start, end []byte) {
	if c == nil {
		return
	}
	c.all(func(s *shard) {
		s.removeRange(start, end)
		for i := range s.slots {
			s.slots[i].ended()
		}
	})
}

// all calls fn for each shard, locked and with slots.
func (c *Cache) all(fn func(*shard)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.slot(0)
		fn(s)
		s.mu.Unlock()
	}
}

// Figures are what the cache has done, and what memory its rows take.
func (c *Cache) Figures() (hits, misses, size int64) {
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
