package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/partita-db/partita/internal/kv"
)

// apart are the options of reads of which each is for itself.
var apart = kv.ReadOptions{Apart: true}

// getApart returns a row, as get does, by a read for itself.
func (s *suite) getApart(e kv.Engine, key []byte) string {
	s.Helper()
	var got string
	s.ok("Get", view(e, apart, func(r kv.Reader) error {
		v, err := r.Get(key)
		got = text(v)
		return err
	}))
	return got
}

// testApart checks that rows which are read again and again are what was written last: other
// values, shorter and longer ones, empty ones, none.
func testApart(s *suite) {
	e := s.open(Options{})
	k := row(1, 1)
	check := func(want string) {
		s.Helper()
		for range 3 {
			if got := s.getApart(e, k); got != want {
				s.Fatalf("Get of what was set to %d bytes: %d bytes, %.20q", len(want), len(got), got)
			}
		}
	}
	check("-")
	for _, n := range []int{0, 5, 5, 3, 0, 100, 60_000, 7, 200_000, 30_000, 30_001} {
		value := string(bytes.Repeat([]byte{byte(n)}, n))
		s.put(e, string(k), value)
		check(value)
	}
	err := errMaybe
	for errors.Is(err, errMaybe) {
		err = update(e, [][]byte{k}, func(tx kv.Txn) error {
			tx.Set(k, []byte("not this"))
			tx.Delete(k)
			return nil
		})
	}
	s.ok("Delete", err)
	check("-")
	s.put(e, string(k), "again")
	check("again")
}

// testApartDropRange checks that no read shows a row that was dropped, or misses one that was not.
func testApartDropRange(s *suite) {
	e := s.open(Options{})
	for p := range 3 {
		for i := range 20 {
			s.put(e, string(row(p, i)), "x")
			s.getApart(e, row(p, i))
		}
	}
	err := errMaybe
	for errors.Is(err, errMaybe) || transient(err) {
		err = e.DropRange(context.Background(), kv.Range{Start: row(1, 0), End: row(2, 0)})
	}
	s.ok("DropRange", err)
	for p := range 3 {
		want := map[bool]string{true: "-", false: "x"}[p == 1]
		for i := range 20 {
			if got := s.getApart(e, row(p, i)); got != want {
				s.Errorf("after DropRange of partition 1 a row of partition %d is %q", p, got)
			}
		}
	}
	s.put(e, string(row(1, 5)), "new")
	if got := s.getApart(e, row(1, 5)); got != "new" {
		s.Errorf("a row written after DropRange is %q", got)
	}
}

// testApartOldView writes rows while a View lasts that has read others. What the View shows of them
// is what it likes; whoever reads them after it sees the new.
func testApartOldView(s *suite) {
	e := s.open(Options{})
	a, b, c := row(1, 1), row(2, 1), row(3, 1)
	s.put(e, string(a), "1", string(b), "1", string(c), "1")
	s.ok("View", view(e, apart, func(r kv.Reader) error {
		_, err := r.Get(a)
		s.put(e, string(b), "2")
		_, errB := r.Get(b)
		return errors.Join(err, errB)
	}))
	if got := s.getApart(e, b); got != "2" {
		s.Errorf("after a View that may have been older than its last Get the row is %q", got)
	}
	d, f := row(4, 1), row(5, 1)
	s.put(e, string(d), "1", string(f), "1")
	s.ok("View", view(e, apart, func(r kv.Reader) error {
		return r.GetMulti([][]byte{c, d, f}, func(i int, _ []byte) error { // none was read before
			if i == 0 {
				s.put(e, string(d), "3", string(f), "3")
			}
			return nil
		})
	}))
	for _, k := range [][]byte{d, f} {
		if got := s.getApart(e, k); got != "3" {
			s.Errorf("after a GetMulti that may have been older than its last row the row %s is %q", k, got)
		}
	}
}

// testApartOrder has readers and writers at the same rows, few and many, and checks that no reader
// goes back in time: behind what any reader was told before this one asked.
func testApartOrder(s *suite) {
	for _, rows := range []int{1, 8, 300} {
		e := s.open(Options{Stripes: 8})
		c := &counting{e: e, told: make([]atomic.Uint64, rows)}
		s.parallel(12, func(g int, rng *rand.Rand) error {
			for range 250 {
				if err := c.turn(g, rng); err != nil {
					return fmt.Errorf("of %d rows: %w", rows, err)
				}
			}
			return nil
		})
		s.close(e)
	}
}

// counting is rows that are counted up. Their values begin with the number; their lengths change.
type counting struct {
	e    kv.Engine
	told []atomic.Uint64 // what somebody was told of each row
}

// count is the number that a value begins with, 0 if there is none.
func count(v []byte) uint64 { return number(v[:min(8, len(v))]) }

func (c *counting) key(i int) []byte { return row(i%5, i) }

// turn does what goroutine g does: a third of them write.
func (c *counting) turn(g int, rng *rand.Rand) error {
	i := rng.IntN(len(c.told))
	switch g % 6 {
	case 0, 1:
		return c.write(rng, i)
	case 2:
		return c.readMany(rng)
	case 3:
		return c.readLocked(i)
	}
	return c.read(i)
}

func (c *counting) write(rng *rand.Rand, i int) error {
	var n uint64
	before := c.told[i].Load()
	size := rng.IntN(100)
	if rng.IntN(20) == 0 {
		size = rng.IntN(50_000)
	}
	err := update(c.e, [][]byte{c.key(i)}, func(tx kv.Txn) error {
		v, err := tx.Get(c.key(i))
		n = count(v) + 1
		tx.Set(c.key(i), append(encoded(n), make([]byte, size)...))
		return err
	})
	if errors.Is(err, errMaybe) {
		return nil
	}
	return errors.Join(err, c.tell(i, before, n))
}

func (c *counting) read(i int) error {
	var n uint64
	before := c.told[i].Load()
	err := view(c.e, apart, func(r kv.Reader) error {
		v, err := r.Get(c.key(i))
		n = count(v)
		return err
	})
	return errors.Join(err, c.tell(i, before, n))
}

// readMany reads some rows in one View.
func (c *counting) readMany(rng *rand.Rand) error {
	var keys [][]byte
	var of []int
	before, got := map[int]uint64{}, map[int]uint64{}
	for range 5 {
		i := rng.IntN(len(c.told))
		if _, ok := before[i]; !ok {
			of, keys = append(of, i), append(keys, c.key(i))
			before[i] = c.told[i].Load()
		}
	}
	err := view(c.e, apart, func(r kv.Reader) error {
		return r.GetMulti(keys, func(n int, v []byte) error {
			got[of[n]] = count(v)
			return nil
		})
	})
	for _, i := range of {
		err = errors.Join(err, c.tell(i, before[i], got[i]))
	}
	return err
}

// readLocked reads a row in an update that writes nothing.
func (c *counting) readLocked(i int) error {
	var n uint64
	before := c.told[i].Load()
	err := update(c.e, [][]byte{c.key(i)}, func(tx kv.Txn) error {
		v, err := tx.Get(c.key(i))
		n = count(v)
		return err
	})
	if errors.Is(err, errMaybe) {
		return nil
	}
	return errors.Join(err, c.tell(i, before, n))
}

// tell notes that somebody was told n, who began when before was known.
func (c *counting) tell(i int, before, n uint64) error {
	if n < before {
		return fmt.Errorf("row %d is %d, though somebody was told %d before", i, n, before)
	}
	for {
		known := c.told[i].Load()
		if known >= n || c.told[i].CompareAndSwap(known, n) {
			return nil
		}
	}
}
