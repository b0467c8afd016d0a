//go:build invariants || race

package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/kv"
)

// panicOf calls fn and returns what it panics with, in words.
func panicOf(fn func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	fn()
	return ""
}

// under runs an update under the latch of one key.
func under(e *Engine, lock string, fn func(tx kv.Txn)) {
	_ = e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{[]byte(lock)}}, func(tx kv.Txn) error {
		fn(tx)
		return nil
	})
}

// TestLockSets does what no update and no view may do with rows that others write under other
// latches, and wants a panic that names the row.
func TestLockSets(t *testing.T) {
	row := []byte("the row")
	setRow := func(tx kv.Txn) { tx.Set(row, []byte("value")) }
	get := func(o kv.ReadOptions) func(*Engine) {
		return func(e *Engine) {
			_ = e.View(t.Context(), o, func(r kv.Reader) error { _, err := r.Get(row); return err })
		}
	}
	for _, test := range []struct {
		name   string
		first  string // the lock key under which the row is written first
		do     func(e *Engine)
		panics bool
	}{
		{"set under another latch", "the row", func(e *Engine) { under(e, "other", setRow) }, true},
		{"deleted under another latch", "the row", func(e *Engine) { under(e, "other", func(tx kv.Txn) { tx.Delete(row) }) }, true},
		{"read under another latch", "the row", func(e *Engine) {
			under(e, "other", func(tx kv.Txn) { _, _ = tx.Get(row) })
		}, true},
		{"set under the same latch", "the row", func(e *Engine) { under(e, "the row", setRow) }, false},
		{"an index's row under its item's latch", "item", func(e *Engine) { under(e, "item", setRow) }, false},
		{"an index's row without its item's latch", "item", func(e *Engine) { under(e, "the row", setRow) }, true},
		{"read in a view", "the row", get(kv.ReadOptions{}), false},
		{"an index's row in a view that has scanned", "item", func(e *Engine) {
			_ = e.View(t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
				_, err := r.Get(row)
				none := func(_, _ []byte) (bool, error) { return true, nil }
				return errors.Join(err, r.Scan(kv.Range{End: []byte{1}}, kv.Forward, none))
			})
		}, false},
		{"an index's row in a view", "item", get(kv.ReadOptions{}), true},
		{"an index's row in a view within the item's front", "item", get(kv.ReadOptions{Within: []byte("item")}), false},
		{"another row after a range was dropped", "item", func(e *Engine) {
			_ = e.DropRange(t.Context(), kv.Range{})
			under(e, "other", setRow)
		}, false},
	} {
		e := mustOpen(t, Options{InMemory: true})
		under(e, test.first, setRow)
		text := panicOf(func() { test.do(e) })
		if test.panics != (text != "") || test.panics && !strings.Contains(text, `"the row"`) {
			t.Errorf("%s: it panics with %q, want a panic that names the row: %v", test.name, text, test.panics)
		}
	}
}

// TestCountersBelowZero takes more off a counter than it has.
func TestCountersBelowZero(t *testing.T) {
	for _, less := range []kv.Count{{Section: 2, Items: -2, Bytes: -10}, {Section: 2, Items: -1, Bytes: -11}} {
		e := mustOpen(t, Options{InMemory: true})
		add := func(c kv.Count) { under(e, "lock", func(tx kv.Txn) { tx.Add(7, c) }) }
		add(kv.Count{Section: 2, Items: 1, Bytes: 10})
		if text := panicOf(func() { add(less) }); !strings.Contains(text, "section 2 of counter 7") {
			t.Errorf("adding %v panics with %q", less, text)
		}
	}
}

// TestViewsAreMangled keeps what readers were shown for longer than it is valid.
func TestViewsAreMangled(t *testing.T) {
	e := mustOpen(t, Options{InMemory: true, MemoryLimit: 64 << 20})
	for _, key := range []string{"a", "b"} {
		if err := set(e, key, "value of "+key); err != nil {
			t.Fatal(err)
		}
	}
	var kept [][]byte
	gone := func(what string) {
		t.Helper()
		if len(kept) == 0 {
			t.Errorf("%s: nothing was kept", what)
		}
		for _, b := range kept {
			if len(b) == 0 || bytes.Count(b, []byte{0xDB}) != len(b) {
				t.Errorf("%s: what was kept is %q", what, b)
			}
		}
		kept = nil
	}
	keep := func(b []byte, err error) error { kept = append(kept, b); return err }
	read := func(o kv.ReadOptions, fn func(r kv.Reader) error) {
		t.Helper()
		if err := e.View(t.Context(), o, fn); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time the row is in the cache
		read(kv.ReadOptions{Apart: true}, func(r kv.Reader) error { return keep(r.Get([]byte("a"))) })
		gone("a value after its view")
	}
	read(kv.ReadOptions{}, func(r kv.Reader) error {
		err := keep(r.Get([]byte("a")))
		if string(kept[0]) != "value of a" {
			t.Errorf("the value is %q", kept[0])
		}
		_, _ = r.Get([]byte("b"))
		gone("a value after the next Get")
		return err
	})
	read(kv.ReadOptions{}, func(r kv.Reader) error {
		return r.GetMulti([][]byte{[]byte("a"), []byte("b")}, func(_ int, v []byte) error { return keep(v, nil) })
	})
	gone("values after GetMulti")
	read(kv.ReadOptions{}, func(r kv.Reader) error {
		return r.Scan(kv.Range{}, kv.Forward, func(key, value []byte) (bool, error) {
			if len(kept) > 0 {
				gone("a row when the next is shown")
			}
			if got := string(value); got != "value of "+string(key) {
				t.Errorf("the row %q is %q", key, got)
			}
			kept = append(kept, key, value)
			return true, nil
		})
	})
	gone("the last row of a scan")
	under(e, "a", func(tx kv.Txn) { _ = keep(tx.Get([]byte("a"))) })
	gone("a value after its update")
}
