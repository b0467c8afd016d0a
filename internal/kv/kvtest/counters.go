package kvtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// testCounters counts rows while they come and go, and compares with the rows.
func testCounters(s *suite) {
	e := s.open(Options{})
	s.count(e, 4, 100)
	s.recount(e)

	s.ok("Update", s.certain(e, func(tx kv.Txn) error {
		tx.DropCounter(9)
		return nil
	}))
	s.ok("Update", s.certain(e, func(tx kv.Txn) error {
		tx.DropCounter(9)
		tx.Add(9, kv.Count{Section: 3, Items: 3, Bytes: 4}, kv.Count{Section: 1, Items: 5, Bytes: 5})
		tx.Add(9, kv.Count{Section: 1, Items: -5, Bytes: -5}, kv.Count{Section: 3, Items: -1, Bytes: -2})
		return nil
	}))
	if got, want := e.Counter(9), []kv.Count{{Section: 3, Items: 2, Bytes: 2}}; !slices.Equal(got, want) {
		s.Errorf("Counter = %v, want %v", got, want)
	}
	s.ok("Update", s.certain(e, func(tx kv.Txn) error {
		tx.Add(9, kv.Count{Section: 4, Items: 1, Bytes: 1})
		tx.DropCounter(9)
		return nil
	}))
	if got := e.Counter(9); len(got) != 0 {
		s.Errorf("a dropped counter is %v", got)
	}
	s.recount(e)
}

// certain runs an update that may run several times until it is known to be committed.
func (s *suite) certain(e kv.Engine, fn func(kv.Txn) error) error {
	err := errMaybe
	for errors.Is(err, errMaybe) {
		err = update(e, nil, fn)
	}
	return err
}

// testCountersRestart checks that counters outlive restarts.
func testCountersRestart(s *suite) {
	for range 3 {
		e := s.open(Options{})
		s.recount(e)
		s.count(e, 2, 50)
		s.recount(e)
		s.close(e)
	}
}

// countAll is the section that counts the rows of all others.
const countAll = 3

// count sets and deletes random rows of two tables, each with a counter of three sections.
func (s *suite) count(e kv.Engine, goroutines, rounds int) {
	s.Helper()
	s.parallel(goroutines, func(_ int, rng *rand.Rand) error {
		for range rounds {
			table, section, i := uint64(1+rng.IntN(2)), uint32(rng.IntN(3)), rng.IntN(50)
			err := update(e, [][]byte{countedRow(table, section, i)}, func(tx kv.Txn) error {
				return countedWrite(tx, table, section, i, rng)
			})
			if err != nil && !errors.Is(err, errMaybe) {
				return err
			}
		}
		return nil
	})
}

// countedRow is a key of a section of a table.
func countedRow(table uint64, section uint32, i int) []byte {
	return fmt.Appendf(nil, "t%d.%d.%04d", table, section, i)
}

// countedWrite sets or deletes a row and counts the difference.
func countedWrite(tx kv.Txn, table uint64, section uint32, i int, rng *rand.Rand) error {
	k := countedRow(table, section, i)
	old, err := tx.Get(k)
	d := kv.Count{Section: section}
	if old != nil {
		d.Items, d.Bytes = -1, -int64(len(old))
	}
	if rng.IntN(3) == 0 {
		tx.Delete(k)
	} else {
		v := make([]byte, rng.IntN(20))
		tx.Set(k, v)
		d.Items++
		d.Bytes += int64(len(v))
	}
	all := d
	all.Section = countAll
	tx.Add(table, d, all)
	return err
}

// recount compares the counters with the rows.
func (s *suite) recount(e kv.Engine) {
	s.Helper()
	s.ok("the counters", recount(e))
}

// recount compares the counters of the tables that count writes with their rows.
func recount(e kv.Engine) error {
	want := map[uint64]map[uint32]kv.Count{1: {}, 2: {}}
	err := view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		want = map[uint64]map[uint32]kv.Count{1: {}, 2: {}}
		return r.Scan(kv.Range{Start: []byte("t"), End: []byte("u")}, kv.Forward, func(k, v []byte) (bool, error) {
			var table uint64
			var section uint32
			_, err := fmt.Sscanf(string(k), "t%d.%d.", &table, &section)
			for _, s := range []uint32{section, countAll} {
				c := want[table][s]
				want[table][s] = kv.Count{Section: s, Items: c.Items + 1, Bytes: c.Bytes + int64(len(v))}
			}
			return true, err
		})
	})
	if err != nil {
		return err
	}
	for table, sections := range want {
		var rows []kv.Count
		for section := range uint32(countAll + 1) {
			if c := sections[section]; c != (kv.Count{}) {
				rows = append(rows, c)
			}
		}
		if got := e.Counter(table); !slices.Equal(got, rows) {
			return fmt.Errorf("counter %d is %v, the rows are %v", table, got, rows)
		}
	}
	return nil
}

// testRestart checks that all is there after a clean stop.
func testRestart(s *suite) {
	var want []string
	for i := range 3 {
		e := s.open(Options{})
		if got := s.scan(e, kv.Range{}, kv.Forward); !slices.Equal(got, want) {
			s.Fatalf("after restart %d the rows are %q, want %q", i, got, want)
		}
		for j := range 10 {
			k := string(row(i, j))
			s.put(e, k, "x")
			want = append(want, k+"=x")
		}
		s.close(e)
	}
}

// testStampsRestart checks that no stamp is given twice though the clock goes back between
// restarts.
func testStampsRestart(s *suite) {
	clock := newClock()
	var last uint64
	for range 4 {
		e := s.open(Options{Clock: clock.read})
		for range 5 {
			var stamp uint64
			s.ok("Update", update(e, [][]byte{row(1, 1)}, func(tx kv.Txn) error {
				stamp = tx.Stamp()
				tx.Set(row(1, 1), encoded(stamp))
				return nil
			}))
			if stamp <= last {
				s.Fatalf("the stamp %d follows %d", stamp, last)
			}
			last = stamp
			clock.turn(100 * time.Millisecond)
		}
		s.close(e)
		clock.turn(-time.Hour)
	}
}
