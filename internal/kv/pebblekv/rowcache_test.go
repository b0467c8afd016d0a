package pebblekv

import (
	"testing"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/rowcache"
)

// TestRowCacheOfEngine checks what an engine keeps: rows that were read for themselves or under
// their latch, up to a size, and what an update makes of those.
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
		if err := set(e, key, key+string(make([]byte, map[string]int{"large": rowcache.LargestRow}[key]))); err != nil {
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

// BenchmarkComeAndGo puts a row and removes it, over and over, as items do that stand for locks.
// Each looks first whether it is there.
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
