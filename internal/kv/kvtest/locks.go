package kvtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// number reads a row as a number, which is 0 if there is none.
func number(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func encoded(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// testBankSum moves money between accounts while others count it: the sum never changes.
func testBankSum(s *suite) {
	const accounts, each = 20, 100
	e := s.open(Options{Stripes: 8})
	var keys [][]byte
	for i := range accounts {
		keys = append(keys, row(i, 0))
		s.put(e, string(keys[i]), string(encoded(each)))
	}
	ways := []func(kv.Reader, func(v []byte)) error{readAll, readEach(keys)}
	var done atomic.Int32
	s.parallel(6, func(i int, rng *rand.Rand) error {
		if i >= 4 {
			for n := 0; done.Load() < 4 || n < 5; n++ {
				if err := countBank(e, ways[n%len(ways)], accounts*each); err != nil {
					return err
				}
			}
			return nil
		}
		defer done.Add(1)
		for range 150 {
			from, to := keys[rng.IntN(accounts)], keys[rng.IntN(accounts)]
			err := transfer(e, from, to, uint64(rng.IntN(30)))
			if err != nil && !errors.Is(err, errMaybe) {
				return err
			}
		}
		return nil
	})
	s.ok("the last count", countBank(e, readAll, accounts*each))
}

// transfer moves an amount, if it is there.
func transfer(e kv.Engine, from, to []byte, amount uint64) error {
	if string(from) == string(to) {
		return nil
	}
	return update(e, [][]byte{from, to}, func(tx kv.Txn) error {
		v, err := tx.Get(from)
		if err != nil {
			return err
		}
		have := number(v)
		if v, err = tx.Get(to); err != nil || have < amount {
			return err
		}
		tx.Set(to, encoded(number(v)+amount))
		tx.Set(from, encoded(have-amount))
		return nil
	})
}

// readAll calls fn for each row, which it scans.
func readAll(r kv.Reader, fn func(v []byte)) error {
	return r.Scan(kv.Range{}, kv.Forward, func(_, v []byte) (bool, error) {
		fn(v)
		return true, nil
	})
}

// readEach calls fn for each row of the keys, which it gets.
func readEach(keys [][]byte) func(kv.Reader, func(v []byte)) error {
	return func(r kv.Reader, fn func(v []byte)) error {
		return r.GetMulti(keys, func(_ int, v []byte) error {
			fn(v)
			return nil
		})
	}
}

// countBank adds up the accounts in one view.
func countBank(e kv.Engine, read func(kv.Reader, func(v []byte)) error, want uint64) error {
	var sum uint64
	err := view(e, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		sum = 0
		return read(r, func(v []byte) { sum += number(v) })
	})
	if err == nil && sum != want {
		err = fmt.Errorf("the bank holds %d, want %d", sum, want)
	}
	return err
}

// testWriteSkew has two doctors go off duty by turns, each if the other is on: one always is. Their
// rows are covered by a lock key that is no row itself.
func testWriteSkew(s *suite) {
	e := s.open(Options{Stripes: 4})
	const shifts = 4
	lock := func(shift int) [][]byte { return [][]byte{row(shift, 999_999)} }
	for i := range shifts {
		s.put(e, string(row(i, 0)), "on", string(row(i, 1)), "on")
	}
	s.parallel(8, func(g int, rng *rand.Rand) error {
		for range 60 {
			shift, me := rng.IntN(shifts), g%2
			err := update(e, lock(shift), func(tx kv.Txn) error {
				other, err := tx.Get(row(shift, 1-me))
				if err != nil {
					return err
				}
				mine, err := tx.Get(row(shift, me))
				switch {
				case err != nil:
				case string(mine) == "off":
					tx.Set(row(shift, me), []byte("on"))
				case string(other) == "on":
					tx.Set(row(shift, me), []byte("off"))
				default:
				}
				return err
			})
			if err != nil && !errors.Is(err, errMaybe) {
				return err
			}
			on := 0
			err = view(e, kv.ReadOptions{Within: row(shift, 0)[:kv.FrontLen]}, func(r kv.Reader) error {
				on = 0
				rows := kv.Range{Start: row(shift, 0), End: row(shift+1, 0)}
				return r.Scan(rows, kv.Forward, func(_, v []byte) (bool, error) {
					if string(v) == "on" {
						on++
					}
					return true, nil
				})
			})
			if err == nil && on == 0 {
				err = fmt.Errorf("nobody is on duty in shift %d", shift)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// testRandomLocks increments random sets of rows and appends to random shards, many at once on few
// latches: nothing is lost and nobody waits forever.
func testRandomLocks(s *suite) {
	const goroutines, rounds, rows, shards = 64, 12, 400, 8
	e := s.open(Options{Stripes: 4, LatchTimeout: time.Minute})
	var increments, records, maybeIncrements, maybeRecords atomic.Int64
	s.parallel(goroutines, func(_ int, rng *rand.Rand) error {
		for range rounds {
			var keys [][]byte
			distinct := map[string]bool{}
			for range 1 + rng.IntN(100) {
				k := row(rng.IntN(rows), 0)
				keys = append(keys, k)
				distinct[string(k)] = true
			}
			first, n := rng.IntN(shards), 1+rng.IntN(shards)
			err := update(e, keys, func(tx kv.Txn) error {
				for k := range distinct {
					v, err := tx.Get([]byte(k))
					if err != nil {
						return err
					}
					tx.Set([]byte(k), encoded(number(v)+1))
				}
				for i := range n {
					tx.AppendLog(1, uint32((first+i)%shards), keys[0])
				}
				return nil
			})
			switch {
			case err == nil:
				increments.Add(int64(len(distinct)))
				records.Add(int64(n))
			case errors.Is(err, errMaybe):
				maybeIncrements.Add(int64(len(distinct)))
				maybeRecords.Add(int64(n))
			default:
				return err
			}
		}
		return nil
	})
	var sum, logged int64
	s.ok("Scan", view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		sum = 0
		return r.Scan(kv.Range{}, kv.Forward, func(_, v []byte) (bool, error) {
			sum += int64(number(v))
			return true, nil
		})
	}))
	for i := range shards {
		got, _, err := readLog(e, 1, uint32(i), kv.Position{})
		s.ok("ReadLog", err)
		logged += int64(len(got))
	}
	if low := increments.Load(); sum < low || sum > low+maybeIncrements.Load() {
		s.Errorf("the rows add up to %d, want %d (and at most %d more)", sum, low, maybeIncrements.Load())
	}
	if low := records.Load(); logged < low || logged > low+maybeRecords.Load() {
		s.Errorf("the logs hold %d records, want %d (and at most %d more)", logged, low, maybeRecords.Load())
	}
}

// hold runs an Update that keeps its latches until release is called, and returns when it has them.
func (s *suite) hold(e kv.Engine, lock ...[]byte) (release func()) {
	held, free, done := make(chan bool), make(chan bool), make(chan error)
	go func() {
		done <- e.Update(context.Background(), kv.WriteOptions{Lock: lock}, func(kv.Txn) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	return func() {
		close(free)
		s.ok("the Update that held its latches", <-done)
	}
}

// testDeadline checks that nobody waits for a latch forever, and that one who gives up leaves
// nothing locked.
func testDeadline(s *suite) {
	e := s.open(Options{LatchTimeout: 20 * time.Millisecond})
	a, b, c := row(1, 0), row(2, 0), row(3, 0)
	release := s.hold(e, b, c)
	write := func(tx kv.Txn) error {
		tx.Set(a, []byte("never"))
		return nil
	}
	for _, lock := range [][][]byte{{b, a}, {a, b}, {c, a, b, a}} {
		err := e.Update(context.Background(), kv.WriteOptions{Lock: lock}, write)
		if !errors.Is(err, kv.ErrConflict) {
			s.Errorf("an Update of a locked key returns %v, want ErrConflict", err)
		}
		s.blames(err, lock, b, c)
		writes := []kv.Write{{Lock: [][]byte{a}, Do: nothing}, {Lock: lock, Do: write}}
		errs := e.UpdateEach(context.Background(), kv.WriteOptions{}, writes)
		if errs[0] != nil || !errors.Is(errs[1], kv.ErrConflict) {
			s.Errorf("UpdateEach of a free and a locked key returns %v, want ErrConflict for the second", errs)
		}
		s.blames(errs[1], lock, b, c)
	}
	s.put(e, string(a), "1") // is not locked
	release()
	s.put(e, string(b), "2")
	if got := s.get(e, string(a)); got != "1" {
		s.Errorf("Get = %q, want 1", got)
	}
}

func nothing(kv.Txn) error { return nil }

// blames checks that a conflict, if it says which keys of lock it was about, names all that are
// held and no others.
func (s *suite) blames(err error, lock [][]byte, held ...[]byte) {
	s.Helper()
	var conflict *kv.Conflict
	if !errors.As(err, &conflict) {
		return
	}
	var want []int
	for i, k := range lock {
		if slices.ContainsFunc(held, func(h []byte) bool { return string(h) == string(k) }) {
			want = append(want, i)
		}
	}
	if !slices.Equal(conflict.Keys, want) {
		s.Errorf("the conflict of %q is about %v, want %v", lock, conflict.Keys, want)
	}
}

// testCancel checks that waiting for a latch obeys the context.
func testCancel(s *suite) {
	e := s.open(Options{})
	a, b := row(1, 0), row(2, 0)
	release := s.hold(e, b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	write := func(tx kv.Txn) error {
		tx.Set(a, []byte("never"))
		return nil
	}
	err := e.Update(ctx, kv.WriteOptions{Lock: [][]byte{a, b}}, write)
	if !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("Update returns %v, want the context's error", err)
	}
	errs := e.UpdateEach(ctx, kv.WriteOptions{}, []kv.Write{{Lock: [][]byte{b}, Do: write}})
	if !errors.Is(errs[0], context.DeadlineExceeded) {
		s.Errorf("UpdateEach returns %v, want the context's error", errs[0])
	}
	if err := e.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("Barrier returns %v, want the context's error", err)
	}
	release()
	s.ok("Barrier", e.Barrier(context.Background()))
	if got := s.get(e, string(a)); got != "-" {
		s.Errorf("a cancelled Update wrote %q", got)
	}
	s.put(e, string(a), "1", string(b), "2")
}

// testBarrier checks that a Barrier waits for the Updates that began before it.
func testBarrier(s *suite) {
	e := s.open(Options{})
	release := s.hold(e, row(1, 0), row(2, 0), row(3, 0))
	passed := make(chan error, 1)
	go func() { passed <- e.Barrier(context.Background()) }()
	select {
	case err := <-passed:
		s.Errorf("Barrier passes an Update in progress, %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	release()
	s.ok("Barrier", <-passed)
}

// testStamps checks that stamps ascend, one for each commit, and that each is above those it could
// have seen.
func testStamps(s *suite) {
	clock := newClock()
	e := s.open(Options{Clock: clock.read})
	key := row(1, 0)
	s.parallel(4, func(g int, _ *rand.Rand) error {
		for i := range 100 {
			var old, stamp uint64
			lock := [][]byte{key}
			err := update(e, lock, func(tx kv.Txn) error {
				v, err := tx.Get(key)
				old, stamp = number(v), tx.Stamp()
				if again := tx.Stamp(); again != stamp {
					return fmt.Errorf("one Txn has the stamps %d and %d", stamp, again)
				}
				tx.Set(key, encoded(stamp))
				return err
			})
			if errors.Is(err, errMaybe) {
				continue // the function may not have run
			}
			if err != nil {
				return err
			}
			if stamp <= old {
				return fmt.Errorf("the stamp %d follows %d", stamp, old)
			}
			if g == 0 && i%10 == 0 {
				clock.turn(time.Duration(i-50) * time.Millisecond)
			}
		}
		return nil
	})
	clock.turn(time.Hour)
	var stamp uint64
	s.ok("Update", s.certain(e, func(tx kv.Txn) error {
		if stamp == 0 { // the first that is asked for
			stamp = tx.Stamp()
		}
		return nil
	}))
	if want := uint64(clock.read().UnixMicro()); stamp != want {
		s.Errorf("the stamp is %d, want the clock's %d", stamp, want)
	}
}
