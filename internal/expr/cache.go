package expr

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// Cache keeps parsed expressions by kind and text, bounded by bytes. It is safe for concurrent use.
// Texts with errors are not kept: clients could fill the cache with them.
type Cache struct{ trees *TextCache[*tree] }

// NewCache returns a cache that keeps about maxBytes. With 0 it keeps nothing.
func NewCache(maxBytes int) *Cache { return &Cache{NewTextCache[*tree](maxBytes)} }

func (c *Cache) get(kind Kind, text string) (*tree, *Error) {
	if t, ok := c.trees.Get(uint8(kind), text); ok {
		return t, nil
	}
	if len(text) > maxExpressionBytes { // an error, which is not kept: no copy
		return parse(kind, text)
	}
	text = strings.Clone(text) // it can be a view of the request, and the tree holds views of it
	t, err := parse(kind, text)
	if err == nil {
		c.trees.Put(uint8(kind), text, t, t.size)
	}
	return t, err
}

// TextCache keeps what texts were parsed to, bounded by bytes. It is safe for concurrent use; what
// it keeps must not change.
//
// It is split into shards by a hash of the text, so that look-ups of different texts do not contend
// for one lock. A shard evicts by the CLOCK algorithm: a hand goes round the entries and takes the
// first one that was not looked up since it last passed. A look-up then writes nothing but a flag,
// and needs the lock only for reading.
type TextCache[V any] struct {
	shards []shard[V]
	seed   maphash.Seed
}

// textKinds is the number of kinds: equal texts of two kinds are two entries.
const textKinds = int(KindUpdate) + 1

// shard is one part of a TextCache.
type shard[V any] struct {
	mu       sync.RWMutex
	kinds    [textKinds]map[string]*cached[V]
	clock    []*cached[V]
	hand     int
	bytes    int
	maxBytes int
	_        [64]byte // so that shards share no cache line of the processor
}

// cached is one entry of a shard.
type cached[V any] struct {
	value V
	kind  uint8
	text  string
	bytes int
	used  atomic.Bool // since the hand last came by
}

// cachedBytes is about what an entry takes in a shard besides its value and text.
const cachedBytes = 128

// shardBytes is the smallest size of a shard: a smaller cache has only one.
const shardBytes = 64 << 10

// NewTextCache returns a cache that keeps about maxBytes. With 0 it keeps nothing.
func NewTextCache[V any](maxBytes int) *TextCache[V] {
	n := min(max(maxBytes/shardBytes, 1), 16)
	c := &TextCache[V]{shards: make([]shard[V], n), seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.maxBytes = maxBytes / n
		for k := range s.kinds {
			s.kinds[k] = make(map[string]*cached[V])
		}
	}
	return c
}

func (c *TextCache[V]) shard(text string) *shard[V] {
	if len(c.shards) == 1 {
		return &c.shards[0]
	}
	return &c.shards[maphash.String(c.seed, text)%uint64(len(c.shards))]
}

// Get returns what a text of the kind was parsed to, if it is kept. kind is a Kind, or 0 in a cache
// of another language.
func (c *TextCache[V]) Get(kind uint8, text string) (value V, ok bool) {
	s := c.shard(text)
	s.mu.RLock()
	e := s.kinds[kind][text]
	s.mu.RUnlock()
	if e == nil {
		return value, false
	}
	if !e.used.Load() { // stores of several processors to one cache line wait for each other
		e.used.Store(true)
	}
	return e.value, true
}

// Put keeps a value that takes the given bytes, and makes room for it. The cache keeps the text, so
// it must not be a view of a request.
func (c *TextCache[V]) Put(kind uint8, text string, value V, bytes int) {
	c.shard(text).put(&cached[V]{value: value, kind: kind, text: text, bytes: bytes + cachedBytes})
}

func (s *shard[V]) put(e *cached[V]) {
	if e.bytes > s.maxBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds[e.kind][e.text] != nil {
		return // another request has put it meanwhile
	}
	for s.bytes+e.bytes > s.maxBytes {
		s.evict()
	}
	s.kinds[e.kind][e.text] = e
	s.clock = append(s.clock, e)
	s.bytes += e.bytes
}

// evict removes one entry. There must be one; since put rejects what is larger than the shard,
// there is.
func (s *shard[V]) evict() {
	for {
		if s.hand >= len(s.clock) {
			s.hand = 0
		}
		e := s.clock[s.hand]
		if e.used.Swap(false) {
			s.hand++
			continue
		}
		delete(s.kinds[e.kind], e.text)
		s.bytes -= e.bytes
		last := len(s.clock) - 1
		s.clock[s.hand], s.clock[last] = s.clock[last], nil
		s.clock = s.clock[:last]
		return
	}
}
