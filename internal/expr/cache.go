package expr

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// Cache keeps parsed expressions by kind and text, bounded by bytes. It is safe for concurrent use. Failures are not kept.
//
// It is split into shards by a hash of the text, so that lookups of different expressions do not meet at one lock. In a
// shard the CLOCK algorithm chooses what makes room: a hand goes round the expressions and takes the first one that was
// not looked up since it last came by.
type Cache struct {
	shards []shard
	seed   maphash.Seed
}

// shard is one part of a Cache.
type shard struct {
	mu       sync.RWMutex
	kinds    [KindUpdate + 1]map[string]*cached
	clock    []*cached
	hand     int
	bytes    int
	maxBytes int
	_        [64]byte // shards do not share a cache line
}

// cached is one expression of a shard. Its text is the clone that the tree's strings are views of.
type cached struct {
	tree *tree
	text string
	used atomic.Bool // since the hand last came by
}

// cachedBytes is what an expression takes in a shard besides its tree: the entry, its places in map and clock.
const cachedBytes = 128

// shardBytes is the least size of a shard: a smaller cache has one only.
const shardBytes = 64 << 10

// NewCache returns a cache that keeps about maxBytes. With 0 it keeps nothing.
func NewCache(maxBytes int) *Cache {
	n := min(max(maxBytes/shardBytes, 1), 16)
	c := &Cache{shards: make([]shard, n), seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.maxBytes = maxBytes / n
		for k := range s.kinds {
			s.kinds[k] = make(map[string]*cached)
		}
	}
	return c
}

// get returns the parsed expression, from the cache if it is there.
func (c *Cache) get(kind Kind, text string) (*tree, *Error) {
	s := &c.shards[0]
	if len(c.shards) > 1 {
		s = &c.shards[maphash.String(c.seed, text)%uint64(len(c.shards))]
	}
	s.mu.RLock()
	e := s.kinds[kind][text]
	s.mu.RUnlock()
	if e != nil {
		if !e.used.Load() { // a store would make every reader wait for the line
			e.used.Store(true)
		}
		return e.tree, nil
	}
	if len(text) > maxExpressionBytes { // not worth a copy
		return parse(kind, text)
	}
	text = strings.Clone(text) // the caller's may be a view of the request
	t, err := parse(kind, text)
	if err == nil {
		s.put(&cached{tree: t, text: text})
	}
	return t, err
}

// put adds an expression and makes room for it.
func (s *shard) put(e *cached) {
	size := e.tree.size + cachedBytes
	if size > s.maxBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds[e.tree.kind][e.text] != nil {
		return // another request was first
	}
	for s.bytes+size > s.maxBytes {
		s.evict()
	}
	s.kinds[e.tree.kind][e.text] = e
	s.clock = append(s.clock, e)
	s.bytes += size
}

// evict removes one expression; there is one.
func (s *shard) evict() {
	for {
		if s.hand >= len(s.clock) {
			s.hand = 0
		}
		e := s.clock[s.hand]
		if e.used.Swap(false) {
			s.hand++
			continue
		}
		delete(s.kinds[e.tree.kind], e.text)
		s.bytes -= e.tree.size + cachedBytes
		last := len(s.clock) - 1
		s.clock[s.hand], s.clock[last] = s.clock[last], nil
		s.clock = s.clock[:last]
		return
	}
}
