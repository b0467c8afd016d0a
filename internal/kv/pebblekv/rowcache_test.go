package pebblekv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/kvtest"
)

// cacheRow reads a row of a cache; missed rows are added.
func cacheRow(c *rowCache, key, row []byte) (got []byte, hit bool) {
	hash := hashRow(key)
	got, hit, t := c.get(hash, key, nil)
	if !hit {
		c.add(hash, key, row, t)
	}
	return got, hit
}

// change changes a row.
func change(c *rowCache, key, row []byte, gone bool) {
	c.begin(hashRow(key))
	c.end(hashRow(key), key, row, gone)
}

// TestRowCacheModel adds, changes, removes and reads rows of all sizes in a cache that holds a part of them, and compares
// what it answers with a map.
func TestRowCacheModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	const limit = 2 << 20
	c := newRowCache(limit)
	model := map[string][]byte{}
	hits, gone := 0, 0
	for i := range 60_000 {
		key := fmt.Appendf(nil, "%x", rng.IntN(1<<rng.IntN(14)))
		value := make([]byte, rng.IntN(1<<rng.IntN(16)))
		binary.LittleEndian.AppendUint32(value[:0], uint32(i))
		switch rng.IntN(8) {
		case 0:
			change(c, key, value, false)
			model[string(key)] = value
		case 1:
			change(c, key, nil, true)
			delete(model, string(key))
		case 2:
			if rng.IntN(1000) == 0 {
				c.beginAll()
				c.endAll([]byte("4"), []byte("9"))
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
	if _, _, size := c.figures(); size > limit*11/10 {
		t.Errorf("the cache takes %d bytes", size)
	}
	if hits < 1000 || gone < 100 {
		t.Errorf("only %d of 60,000 steps found their row, and %d that it was gone", hits, gone)
	}
}

// TestRowCacheKeepsHotRows reads a few rows often and many once: those that are read often stay.
func TestRowCacheKeepsHotRows(t *testing.T) {
	c := newRowCache(4 << 20)
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
	hash := hashRow(key)
	for _, test := range []struct {
		name string
		run  func(c *rowCache, read func() ticket, add func(ticket))
	}{
		{"changed since", func(c *rowCache, read func() ticket, add func(ticket)) {
			ticket := read()
			change(c, key, newer, false)
			add(ticket)
		}},
		{"being changed", func(c *rowCache, read func() ticket, add func(ticket)) {
			ticket := read()
			c.begin(hash)
			add(ticket)
		}},
		{"read during the change", func(c *rowCache, read func() ticket, add func(ticket)) {
			c.begin(hash)
			ticket := read()
			c.end(hash, key, newer, false)
			add(ticket)
		}},
		{"range removed since", func(c *rowCache, read func() ticket, add func(ticket)) {
			ticket := read()
			c.beginAll()
			c.endAll([]byte("a"), []byte("z"))
			add(ticket)
		}},
		{"range being removed", func(c *rowCache, read func() ticket, add func(ticket)) {
			ticket := read()
			c.beginAll()
			add(ticket)
		}},
		{"never ended", func(c *rowCache, read func() ticket, add func(ticket)) {
			add(read())
			c.begin(hash)
		}},
	} {
		c := newRowCache(leastRowCache)
		test.run(c, func() ticket {
			_, _, ticket := c.get(hash, key, nil)
			return ticket
		}, func(ticket ticket) { c.add(hash, key, old, ticket) })
		if got, hit, _ := c.get(hash, key, nil); hit {
			t.Errorf("%s: the cache has %q", test.name, got)
		}
	}
}

// TestRowCacheOfEngine checks what an engine keeps: rows that were read for themselves or under their latch, up to a size, and
// what an update makes of those.
func TestRowCacheOfEngine(t *testing.T) {
	e := mustOpen(t, Options{InMemory: true, MemoryLimit: 64 << 20})
	read := func(o kv.ReadOptions, key string) {
		t.Helper()
		if err := e.View(t.Context(), o, func(r kv.Reader) error {
			_, err := r.Get([]byte(key))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	hits := func(what string, want int64, do func()) {
		t.Helper()
		before := e.Metrics().RowCacheHits
		do()
		if got := e.Metrics().RowCacheHits - before; got != want {
			t.Errorf("%s: %d rows from the cache, want %d", what, got, want)
		}
	}
	apart := kv.ReadOptions{Apart: true}
	for _, key := range []string{"row", "large"} {
		if err := set(e, key, key+string(make([]byte, map[string]int{"large": largestRow}[key]))); err != nil {
			t.Fatal(err)
		}
	}
	hits("after a write", 0, func() { read(apart, "row") })
	hits("again", 1, func() { read(apart, "row") })
	hits("in a consistent view", 0, func() { read(kv.ReadOptions{}, "row") })
	hits("after an update", 1, func() {
		if err := set(e, "row", "other"); err != nil {
			t.Fatal(err)
		}
		read(apart, "row")
	})
	hits("under a latch", 1, func() {
		if err := e.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{[]byte("row")}}, func(tx kv.Txn) error {
			v, err := tx.Get([]byte("row"))
			if string(v) != "other" {
				t.Errorf("the row is %q", v)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
	hits("a large row", 0, func() { read(apart, "large"); read(apart, "large") })
	hits("no row", 0, func() { read(apart, "none"); read(apart, "none") })
	remove := func(key string) {
		t.Helper()
		if err := e.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{[]byte(key)}}, func(tx kv.Txn) error {
			tx.Delete([]byte(key))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	hits("a row that is gone", 2, func() {
		remove("row")
		read(apart, "row")
		if err := e.View(t.Context(), apart, func(r kv.Reader) error {
			if v, err := r.Get([]byte("row")); v != nil || err != nil {
				t.Errorf("a removed row is %q, %v", v, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	hits("and comes back", 1, func() {
		if err := set(e, "row", ""); err != nil {
			t.Fatal(err)
		}
		if err := e.View(t.Context(), apart, func(r kv.Reader) error {
			if v, err := r.Get([]byte("row")); v == nil || len(v) > 0 || err != nil {
				t.Errorf("an empty row is %q, %v", v, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkRowCacheHit reads a row that is there.
func BenchmarkRowCacheHit(b *testing.B) {
	const rows = 100_000
	c := newRowCache(256 << 20)
	var key, buf []byte
	for i := range rows {
		key = benchKey(key, i)
		cacheRow(c, key, benchValue())
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key = benchKey(key, i*7919%rows)
		hash := hashRow(key)
		row, hit, _ := c.get(hash, key, buf[:0])
		if !hit {
			b.Fatal("a row is missing")
		}
		buf = row
	}
}

// BenchmarkRowCacheMiss adds rows that are read once, to a cache that is full.
func BenchmarkRowCacheMiss(b *testing.B) {
	c := newRowCache(64 << 20)
	var key []byte
	row := benchValue()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key = benchKey(key, i)
		cacheRow(c, key, row)
	}
}

// BenchmarkComeAndGo puts a row and removes it, over and over, as items do that stand for locks. Each looks first whether it is there.
func BenchmarkComeAndGo(b *testing.B) {
	e := mustOpen(b, Options{InMemory: true})
	key := []byte("lock key")
	o := kv.WriteOptions{Lock: [][]byte{key}}
	for i := 0; b.Loop(); i++ {
		err := e.Update(b.Context(), o, func(tx kv.Txn) error {
			_, err := tx.Get(key)
			if i%2 == 0 {
				tx.Set(key, benchValue())
			} else {
				tx.Delete(key)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
