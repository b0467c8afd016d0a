package rowcache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/partita-db/partita/internal/kv/kvtest"
)

// cacheRow reads a row of a cache; missed rows are added.
func cacheRow(c *Cache, key, row []byte) (got []byte, hit bool) {
	hash := Hash(key)
	got, hit, t := c.Get(hash, key, nil)
	if !hit {
		c.Add(hash, key, row, t)
	}
	return got, hit
}

// change changes a row.
func change(c *Cache, key, row []byte, what Change) {
	c.Begin(Hash(key))
	c.End(Hash(key), key, row, what)
}

// TestRowCacheModel adds, changes, removes and reads rows of all sizes in a cache that holds a part
// of them, and compares what it answers with a map.
func TestRowCacheModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	const limit = 2 << 20
	c := New(limit)
	model := map[string][]byte{}
	hits, gone := 0, 0
	for i := range 60_000 {
		key := fmt.Appendf(nil, "%x", rng.IntN(1<<rng.IntN(14)))
		value := make([]byte, rng.IntN(1<<rng.IntN(16)))
		binary.LittleEndian.AppendUint32(value[:0], uint32(i))
		switch rng.IntN(8) {
		case 0:
			change(c, key, value, Replaced)
			model[string(key)] = value
		case 1:
			change(c, key, nil, Removed)
			delete(model, string(key))
		case 2:
			if rng.IntN(1000) == 0 {
				c.BeginAll()
				c.EndAll([]byte("4"), []byte("9"))
				for k := range model {
					if k >= "4" && k < "9" {
						delete(model, k)
					}
				}
			}
		default:
			want, there := model[string(key)]
			if !there {
				want = value
			}
			got, hit := cacheRow(c, key, want)
			if !hit {
				model[string(key)] = want // the store has it
				continue
			}
			if hits++; (got != nil) != there || there && !bytes.Equal(got, want) {
				t.Fatalf("step %d: row %s is %d bytes, want %d, there: %v", i, key, len(got), len(want), there)
			}
			if !there {
				gone++
			}
		}
	}
	if _, _, size := c.Figures(); size > limit*11/10 {
		t.Errorf("the cache takes %d bytes", size)
	}
	if hits < 1000 || gone < 100 {
		t.Errorf("only %d of 60,000 steps found their row, and %d that it was gone", hits, gone)
	}
}

// TestRowCacheKeepsHotRows reads a few rows often and many once: those that are read often stay.
func TestRowCacheKeepsHotRows(t *testing.T) {
	c := New(4 << 20)
	row := make([]byte, 1000)
	read := func(n int) bool {
		_, hit := cacheRow(c, fmt.Appendf(nil, "key %d", n), row)
		return hit
	}
	const hot = 2000 // half of the cache
	for range 3 {
		for n := range hot {
			read(n)
		}
	}
	missed := 0
	for n := range 50_000 {
		read(hot + n)
		if n%5 == 0 && !read(n/5%hot) {
			missed++
		}
	}
	if missed > 10_000/20 {
		t.Errorf("while 50,000 rows were read once, %d of 10,000 reads of the 2,000 hot ones missed", missed)
	}
}

// TestRowCacheTickets checks each reason for which a row that was read may not be added.
func TestRowCacheTickets(t *testing.T) {
	key, old, newer := []byte("key"), []byte("old"), []byte("new")
	hash := Hash(key)
	for _, test := range []struct {
		name string
		run  func(c *Cache, read func() Ticket, add func(Ticket))
	}{
		{"changed since", func(c *Cache, read func() Ticket, add func(Ticket)) {
			ticket := read()
			change(c, key, newer, Replaced)
			add(ticket)
		}},
		{"being changed", func(c *Cache, read func() Ticket, add func(Ticket)) {
			ticket := read()
			c.Begin(hash)
			add(ticket)
		}},
		{"read during the change", func(c *Cache, read func() Ticket, add func(Ticket)) {
			c.Begin(hash)
			ticket := read()
			c.End(hash, key, newer, Replaced)
			add(ticket)
		}},
		{"range removed since", func(c *Cache, read func() Ticket, add func(Ticket)) {
			ticket := read()
			c.BeginAll()
			c.EndAll([]byte("a"), []byte("z"))
			add(ticket)
		}},
		{"range being removed", func(c *Cache, read func() Ticket, add func(Ticket)) {
			ticket := read()
			c.BeginAll()
			add(ticket)
		}},
		{"never ended", func(c *Cache, read func() Ticket, add func(Ticket)) {
			add(read())
			c.Begin(hash)
		}},
	} {
		c := New(leastSize)
		test.run(c, func() Ticket {
			_, _, ticket := c.Get(hash, key, nil)
			return ticket
		}, func(ticket Ticket) { c.Add(hash, key, old, ticket) })
		if got, hit, _ := c.Get(hash, key, nil); hit {
			t.Errorf("%s: the cache has %q", test.name, got)
		}
	}
}

// benchKey is the key of a row, about as long as that of an item.
func benchKey(dst []byte, i int) []byte {
	dst = append(dst[:0], "table/i"...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(i)*0x9E3779B97F4A7C15)
	return append(dst, "/sortkey"...)
}

// BenchmarkHit reads a row that is there.
func BenchmarkHit(b *testing.B) {
	const rows = 100_000
	c := New(256 << 20)
	var key, buf []byte
	for i := range rows {
		key = benchKey(key, i)
		cacheRow(c, key, make([]byte, 1024))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key = benchKey(key, i*7919%rows)
		hash := Hash(key)
		row, hit, _ := c.Get(hash, key, buf[:0])
		if !hit {
			b.Fatal("a row is missing")
		}
		buf = row
	}
}

// BenchmarkMiss adds rows that are read once, to a cache that is full.
func BenchmarkMiss(b *testing.B) {
	c := New(64 << 20)
	var key []byte
	row := make([]byte, 1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key = benchKey(key, i)
		cacheRow(c, key, row)
	}
}
