// Package kvtest is the suite that every kv.Engine passes: the contract of package kv, as tests. It
// also has an engine that injects faults into another, for those who write on top of the contract.
//
// Random tests print their seed; -kvtest.seed takes it back.
package kvtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

var seedFlag = flag.Uint64("kvtest.seed", 0, "seed of the random tests of kv engines; 0 takes one from the clock")

// Medium is the place where an engine keeps its data. The zero value of what it cannot do skips the
// tests that need it.
type Medium struct {
	// Open opens an engine over the medium. One that was opened before is closed first.
	Open func(t testing.TB, o Options) kv.Engine
	// Volatile says that nothing survives Close.
	Volatile bool
	// Crash returns a copy of the medium as a power cut now would leave it: all that was synced
	// and, of the rest, any part. It may be called while an engine runs.
	Crash func(rng *rand.Rand) Medium
	// HoldSync blocks the syncs that begin from now on until release is called.
	HoldSync func() (release func())
	// Faulty says that the engine fails and conflicts at random: tests that count on success are
	// skipped.
	Faulty bool
}

// Options are what the suite asks of an engine. Zero values are the engine's own.
type Options struct {
	Clock        func() time.Time
	Stripes      int
	LatchTimeout time.Duration
}

// suite is one test's surroundings.
type suite struct {
	*testing.T
	m   Medium
	rng *rand.Rand
}

// Run runs the suite. newMedium makes an empty medium for each test.
func Run(t *testing.T, newMedium func(t testing.TB) Medium) {
	seed := Seed(t)
	for _, test := range []struct {
		name  string
		run   func(*suite)
		needs func(Medium) bool
	}{
		{"Rows", testRows, nil},
		{"OneView", testOneView, nil},
		{"Ranges", testRanges, nil},
		{"ScanStops", testScanStops, nil},
		{"Panics", testPanics, steady},
		{"UpdateEach", testUpdateEach, steady},
		{"Oversize", testOversize, steady},
		{"ReservedKeys", testReservedKeys, steady},
		{"DropRange", testDropRange, nil},
		{"Apart", testApart, nil},
		{"ApartDropRange", testApartDropRange, nil},
		{"ApartOldView", testApartOldView, nil},
		{"ApartOrder", testApartOrder, nil},
		{"SizeOf", testSizeOf, steady},
		{"BankSum", testBankSum, nil},
		{"WriteSkew", testWriteSkew, nil},
		{"RandomLocks", testRandomLocks, nil},
		{"Deadline", testDeadline, steady},
		{"Cancel", testCancel, steady},
		{"Barrier", testBarrier, steady},
		{"Closed", testClosed, steady},
		{"Stamps", testStamps, nil},
		{"LogOrder", testLogOrder, nil},
		{"LogPages", testLogPages, steady},
		{"LogTrim", testLogTrim, steady},
		{"LogTrimRestart", testLogTrimRestart, both(steady, lasting)},
		{"DropLog", testDropLog, nil},
		{"Counters", testCounters, nil},
		{"CountersRestart", testCountersRestart, both(steady, lasting)},
		{"Restart", testRestart, both(steady, lasting)},
		{"StampsRestart", testStampsRestart, both(steady, lasting)},
		{"BlockedSync", testBlockedSync, both(steady, holding)},
		{"NewestIsAwaited", testNewestIsAwaited, both(steady, holding)},
		{"KilledBeforeSync", testKilledBeforeSync, both(steady, both(holding, crashing))},
		{"NoSync", testNoSync, both(steady, crashing)},
		{"DropRangeCrash", testDropRangeCrash, both(steady, crashing)},
		{"DropLogCrash", testDropLogCrash, both(steady, crashing)},
		{"Crashes", testCrashes, both(steady, crashing)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMedium(t)
			if test.needs != nil && !test.needs(m) {
				t.Skip("not for this engine")
			}
			h := fnv.New64a()
			_, _ = h.Write([]byte(test.name))
			test.run(&suite{t, m, rand.New(rand.NewPCG(seed, h.Sum64()))})
		})
	}
}

func steady(m Medium) bool   { return !m.Faulty }
func lasting(m Medium) bool  { return !m.Volatile }
func holding(m Medium) bool  { return m.HoldSync != nil }
func crashing(m Medium) bool { return m.Crash != nil }

// both is what needs a and b.
func both(a, b func(Medium) bool) func(Medium) bool {
	return func(m Medium) bool { return a(m) && b(m) }
}

// Seed returns the seed of the flag, or a new one, and logs it.
func Seed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-kvtest.seed=%d", seed)
	return seed
}

// open opens the medium and closes it at the end of the test, if the test does not.
func (s *suite) open(o Options) kv.Engine {
	s.Helper()
	e := s.m.Open(s, o)
	s.Cleanup(func() { _ = e.Close() })
	return e
}

func (s *suite) close(e kv.Engine) {
	s.Helper()
	if err := e.Close(); err != nil {
		s.Fatalf("Close: %v", err)
	}
}

func (s *suite) ok(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// errMaybe is a commit of which nobody knows.
var errMaybe = kv.ErrCommitUnknown

// transient says that an operation may be tried again: nothing was written.
func transient(err error) bool {
	return errors.Is(err, kv.ErrConflict) || errors.Is(err, kv.ErrSnapshotTooOld) || errors.Is(err, errInjected)
}

// update runs an Update until it is not refused. It may return kv.ErrCommitUnknown.
func update(e kv.Engine, lock [][]byte, fn func(kv.Txn) error) error {
	for {
		err := e.Update(context.Background(), kv.WriteOptions{Lock: lock}, fn)
		if !transient(err) {
			return err
		}
	}
}

// view runs a View until it is not refused.
func view(e kv.Engine, o kv.ReadOptions, fn func(kv.Reader) error) error {
	for {
		err := e.View(context.Background(), o, fn)
		if !transient(err) {
			return err
		}
	}
}

// put sets keys and values by turns, each pair in an update of its own, again until it is certain.
func (s *suite) put(e kv.Engine, pairs ...string) {
	s.Helper()
	for i := 0; i < len(pairs); i += 2 {
		k := []byte(pairs[i])
		err := errMaybe
		for errors.Is(err, errMaybe) {
			err = update(e, [][]byte{k}, func(tx kv.Txn) error {
				tx.Set(k, []byte(pairs[i+1]))
				return nil
			})
		}
		s.ok("Set "+pairs[i], err)
	}
}

// get returns a row as "value", or "-" if there is none.
func (s *suite) get(e kv.Engine, key string) string {
	s.Helper()
	var got string
	s.ok("Get "+key, view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		v, err := r.Get([]byte(key))
		got = text(v)
		return err
	}))
	return got
}

// text shows a value; "-" is none.
func text(v []byte) string {
	if v == nil {
		return "-"
	}
	return string(v)
}

// scan returns a range as "key=value" each.
func (s *suite) scan(e kv.Engine, r kv.Range, direction kv.Direction) []string {
	s.Helper()
	var rows []string
	s.ok("Scan", view(e, kv.ReadOptions{}, func(rd kv.Reader) error {
		rows = nil
		return rd.Scan(r, direction, func(k, v []byte) (bool, error) {
			rows = append(rows, string(k)+"="+string(v))
			return true, nil
		})
	}))
	return rows
}

// readLog returns all records after a position and the durable end.
func readLog(e kv.Engine, log uint64, shard uint32, after kv.Position) (all []kv.Record, end kv.Position, err error) {
	for {
		records, end, err := e.ReadLog(context.Background(), log, shard, after, kv.Page{Records: 100, Bytes: 1 << 20})
		if transient(err) {
			continue
		}
		if err != nil || len(records) == 0 {
			return all, end, err
		}
		all = append(all, records...)
		after = records[len(records)-1].Position
	}
}

// row is a key: all of one partition share a front.
func row(partition, i int) []byte { return fmt.Appendf(nil, "p%0*d.%06d", kv.FrontLen-1, partition, i) }

// parallel runs fn n times at once and reports their first error.
func (s *suite) parallel(n int, fn func(i int, rng *rand.Rand) error) {
	s.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		rng := rand.New(rand.NewPCG(s.rng.Uint64(), uint64(i)))
		wg.Go(func() { errs[i] = fn(i, rng) })
	}
	wg.Wait()
	s.ok("one of the goroutines", errors.Join(errs...))
}

// clock is a clock that a test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// newClock is a clock that shows some time.
func newClock() *clock { return &clock{now: time.UnixMilli(1_700_000_000_000)} }

// read is what the clock shows.
func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
