package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// started runs an Update in the background and returns when it is visible: it has run, and its
// latches are free.
func (s *suite) started(e kv.Engine, o kv.WriteOptions, fn func(kv.Txn)) (done <-chan error) {
	running, result := make(chan bool), make(chan error, 1)
	go func() {
		result <- e.Update(context.Background(), o, func(tx kv.Txn) error {
			fn(tx)
			close(running)
			return nil
		})
	}()
	<-running
	s.ok("Barrier", e.Barrier(context.Background()))
	return result
}

var errCondition = errors.New("the condition failed")

// way is a way to be shown a row.
type way struct {
	name string
	look func(ctx context.Context, e kv.Engine) (string, error)
}

// seeing are all the ways to be shown the row of partition 1 that testBlockedSync writes.
var seeing = []way{
	{"Get apart", lookApart},
	{"Get", func(ctx context.Context, e kv.Engine) (got string, err error) {
		err = e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
			v, err := r.Get(row(1, 0))
			got = text(v)
			return err
		})
		return got, err
	}},
	{"Get that fails", func(ctx context.Context, e kv.Engine) (got string, err error) {
		err = e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
			v, _ := r.Get(row(1, 0))
			got = text(v)
			return errCondition
		})
		return got, err
	}},
	{"GetMulti", func(ctx context.Context, e kv.Engine) (got string, err error) {
		keys := [][]byte{row(1, 0)}
		for i := range 30 {
			keys = append(keys, row(i, 0))
		}
		err = e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
			return r.GetMulti(keys, func(i int, v []byte) error {
				if i == 0 {
					got = text(v)
				}
				return nil
			})
		})
		return got, err
	}},
	{"range within", func(ctx context.Context, e kv.Engine) (string, error) {
		rows := kv.Range{Start: row(1, 0), End: row(1, 1)}
		return lookScan(ctx, e, kv.ReadOptions{Within: row(1, 0)[:kv.FrontLen]}, rows)
	}},
	{"other range", func(ctx context.Context, e kv.Engine) (string, error) {
		return lookScan(ctx, e, kv.ReadOptions{}, kv.Range{Start: row(0, 0), End: row(1, 1)})
	}},
	{"failed condition", func(ctx context.Context, e kv.Engine) (got string, err error) {
		err = e.Update(ctx, kv.WriteOptions{Lock: [][]byte{row(1, 0), row(5, 0)}}, func(tx kv.Txn) error {
			v, _ := tx.Get(row(1, 0))
			got = text(v)
			tx.Set(row(5, 0), []byte("never"))
			return errCondition
		})
		return got, err
	}},
	{"Update that writes nothing", func(ctx context.Context, e kv.Engine) (got string, err error) {
		err = e.Update(ctx, kv.WriteOptions{Lock: [][]byte{row(1, 0)}}, func(tx kv.Txn) error {
			v, err := tx.Get(row(1, 0))
			got = text(v)
			tx.Add(1) // is nothing
			return err
		})
		return got, err
	}},
	{"UpdateEach that fails", func(ctx context.Context, e kv.Engine) (got string, err error) {
		errs := e.UpdateEach(ctx, kv.WriteOptions{}, []kv.Write{{Lock: [][]byte{row(1, 0)}, Do: func(tx kv.Txn) error {
			v, _ := tx.Get(row(1, 0))
			got = text(v)
			return errCondition
		}}})
		return got, errs[0]
	}},
}

// lookApart is the way of a read for itself, which may be answered from a cache.
func lookApart(ctx context.Context, e kv.Engine) (got string, err error) {
	err = e.View(ctx, apart, func(r kv.Reader) error {
		v, err := r.Get(row(1, 0))
		got = text(v)
		return err
	})
	return got, err
}

// lookScan returns the last value of a range.
func lookScan(ctx context.Context, e kv.Engine, o kv.ReadOptions, r kv.Range) (got string, err error) {
	err = e.View(ctx, o, func(rd kv.Reader) error {
		return rd.Scan(r, kv.Forward, func(_, v []byte) (bool, error) {
			got = text(v)
			return true, nil
		})
	})
	return got, err
}

// testBlockedSync has a commit wait for its sync and checks that nobody is told of it until that is
// done.
func testBlockedSync(s *suite) {
	for _, noSync := range []bool{false, true} {
		s.Run(fmt.Sprintf("NoSync=%v", noSync), func(t *testing.T) {
			s := &suite{t, s.m, s.rng}
			e := s.open(Options{})
			s.put(e, string(row(1, 0)), "old")
			s.appendOne(e, "old")
			_, oldEnd, err := readLog(e, 1, 1, kv.Position{})
			s.ok("ReadLog", err)
			s.getApart(e, row(1, 0)) // where there is a cache it is there now

			release := s.m.HoldSync()
			written := s.started(e, kv.WriteOptions{Lock: [][]byte{row(1, 0)}, NoSync: noSync}, func(tx kv.Txn) {
				tx.Set(row(1, 0), []byte("new"))
				tx.AppendLog(1, 1, []byte("new"))
			})
			s.notTold(e, written, noSync, oldEnd)
			s.untouched(e)

			var wg sync.WaitGroup
			for _, w := range seeing {
				wg.Go(func() {
					got, err := w.look(context.Background(), e)
					if got != "new" || err != nil && !errors.Is(err, errCondition) {
						s.Errorf("%s after the sync: %q, %v", w.name, got, err)
					}
				})
			}
			release()
			wg.Wait()
			if !noSync {
				s.ok("Update", <-written)
			}
			if records, _, err := readLog(e, 1, 1, oldEnd); len(records) != 1 || err != nil {
				s.Errorf("after the sync there are %d new records, %v", len(records), err)
			}
			s.close(e)
		})
	}
}

// testNewestIsAwaited looks at a row all the time while commits of it become visible and wait for
// their sync: nobody is told of one in the moment between.
func testNewestIsAwaited(s *suite) {
	e := s.open(Options{})
	for n := range 150 {
		old, value := fmt.Sprint(n), fmt.Sprint(n+1)
		s.put(e, string(row(1, 0)), old)
		release := s.m.HoldSync()
		written := make(chan error, 1)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
		var wg sync.WaitGroup
		s.getApart(e, row(1, 0))
		for _, w := range append(seeing[n%2*3+1:][:2:2], seeing[0]) { // Gets, or ranges
			wg.Go(func() {
				for {
					got, err := w.look(ctx, e)
					if errors.Is(err, context.DeadlineExceeded) {
						return
					}
					if got != old || err != nil && !errors.Is(err, errCondition) {
						s.Errorf("%s is answered with %q, %v while the sync of %q is blocked", w.name, got, err, value)
						return
					}
				}
			})
		}
		go func() {
			o := kv.WriteOptions{Lock: [][]byte{row(1, 0)}}
			written <- e.Update(context.Background(), o, func(tx kv.Txn) error {
				tx.Set(row(1, 0), []byte(value))
				return nil
			})
		}()
		wg.Wait()
		cancel()
		release()
		s.ok("Update", <-written)
		if s.Failed() {
			return
		}
	}
}

// notTold checks that every way to see the blocked commit waits.
func (s *suite) notTold(e kv.Engine, written <-chan error, noSync bool, oldEnd kv.Position) {
	s.Helper()
	var wg sync.WaitGroup
	for _, w := range seeing {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			defer cancel()
			if got, err := w.look(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("%s is answered with %q, %v while the sync is blocked", w.name, got, err)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	records, end, err := e.ReadLog(ctx, 1, 1, oldEnd, kv.Page{Records: 10, Bytes: 1000})
	if noSync { // a reader has to ask for the sync itself
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("ReadLog is answered with %d records, %v while the sync is blocked", len(records), err)
		}
		s.ok("Update without a sync", <-written)
		return
	}
	if len(records) != 0 || end != oldEnd || err != nil {
		s.Errorf("ReadLog is answered with %d records, end %x, %v while the sync is blocked", len(records), end, err)
	}
	select {
	case err := <-written:
		s.Errorf("Update returns %v while its sync is blocked", err)
	default:
	}
}

// untouched checks that a row of another partition is answered at once. One may share the latch by
// chance.
func (s *suite) untouched(e kv.Engine) {
	s.Helper()
	var err error
	for i := 2; i < 5; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
			_, err := r.Get(row(i, 0))
			return err
		})
		cancel()
		if err == nil {
			return
		}
	}
	s.Errorf("a row that nobody writes is answered with %v while the sync is blocked", err)
}

// testKilledBeforeSync cuts the power between the visibility of a log record and its sync, while a
// reader waits at the end of the log: the reader misses nothing and is told nothing twice, whether
// the record survives or not.
func testKilledBeforeSync(s *suite) {
	clock := newClock()
	e := s.open(Options{Clock: clock.read})
	first := s.appendOne(e, "first")
	release := s.m.HoldSync()
	defer release()
	written := s.started(e, kv.WriteOptions{}, func(tx kv.Txn) { tx.AppendLog(1, 1, []byte("lost")) })
	records, end, err := e.ReadLog(context.Background(), 1, 1, kv.Position{}, kv.Page{Records: 10, Bytes: 1000})
	if len(records) != 1 || end != first || err != nil {
		s.Fatalf("the reader sees %d records, end %x, %v; want 1, %x", len(records), end, err, first)
	}
	for range 10 {
		m := s.m.Crash(s.rng)
		after := newClock()
		after.turn(-time.Hour)
		e := m.Open(s, Options{Clock: after.read})
		survived, survivedEnd, err := readLog(e, 1, 1, end)
		s.ok("ReadLog", err)
		p := s.appendOne(e, "next")
		s.above(p, survivedEnd)
		got, _, err := readLog(e, 1, 1, end)
		if err != nil || len(got) != len(survived)+1 || string(got[len(got)-1].Data) != "next" {
			s.Errorf("after the crash the reader sees %d and then %d records, %v", len(survived), len(got), err)
		}
		for _, r := range survived {
			s.above(r.Position, end)
		}
		s.close(e)
	}
	release()
	s.ok("Update", <-written)
}

// testNoSync checks what covers an Update that did not ask for a sync: a later one that did, and
// whoever reads it.
func testNoSync(s *suite) {
	e := s.open(Options{})
	k := row(1, 0)
	lazily := func(value string) {
		s.Helper()
		o := kv.WriteOptions{Lock: [][]byte{k}, NoSync: true}
		s.ok("Update", e.Update(context.Background(), o, func(tx kv.Txn) error {
			tx.Set(k, []byte(value))
			tx.AppendLog(1, 1, []byte(value))
			return nil
		}))
	}
	survives := func(how, value string) {
		s.Helper()
		for range 3 {
			crashed := s.m.Crash(s.rng).Open(s, Options{})
			if got := s.get(crashed, string(k)); got != value {
				s.Errorf("%s: after a crash the row is %q, want %q", how, got, value)
			}
			s.close(crashed)
		}
	}
	lazily("a")
	s.put(e, string(row(2, 0)), "synced")
	survives("a later Update", "a")
	lazily("b")
	_ = s.get(e, string(k))
	survives("Get", "b")
	lazily("c")
	_ = s.scan(e, kv.Range{}, kv.Backward)
	survives("Scan", "c")
	lazily("d")
	if records, _, err := readLog(e, 1, 1, kv.Position{}); err != nil || len(records) != 4 {
		s.Errorf("ReadLog: %d records, %v", len(records), err)
	}
	survives("ReadLog", "d")
	lazily("e")
	_ = update(e, [][]byte{k}, func(kv.Txn) error { return errCondition })
	survives("a failed condition", "e")
	lazily("f")
	errs := e.UpdateEach(context.Background(), kv.WriteOptions{}, []kv.Write{{
		Lock: [][]byte{k}, Do: func(tx kv.Txn) error {
			tx.Set(k, []byte("g"))
			return nil
		}}})
	s.ok("UpdateEach", errs[0])
	survives("UpdateEach", "g")
	errs = e.UpdateEach(context.Background(), kv.WriteOptions{NoSync: true}, []kv.Write{{
		Lock: [][]byte{k}, Do: func(tx kv.Txn) error {
			tx.Set(k, []byte("h"))
			return nil
		}}})
	s.ok("UpdateEach", errs[0])
	_ = s.get(e, string(k))
	survives("Get after UpdateEach", "h")
}

// testDropRangeCrash checks that what DropRange removed stays away.
func testDropRangeCrash(s *suite) {
	e := s.open(Options{})
	for i := range 20 {
		s.put(e, string(row(1, i)), "x")
	}
	s.put(e, string(row(2, 0)), "stays")
	s.ok("DropRange", e.DropRange(context.Background(), kv.Range{Start: row(1, 0), End: row(2, 0)}))
	for range 5 {
		crashed := s.m.Crash(s.rng).Open(s, Options{})
		if got := s.scan(crashed, kv.Range{}, kv.Forward); len(got) != 1 {
			s.Errorf("after DropRange and a crash the rows are %q", got)
		}
		s.close(crashed)
	}
}

// testCrashes cuts the power many times during writes.
func testCrashes(s *suite) {
	crashes := 200
	if testing.Short() {
		crashes = 50
	}
	s.ok("after a crash", CheckCrashes(s, s.m, crashes, s.rng))
}

// CheckCrashes runs writers and readers on the medium, crashes copies of it all the while, and
// checks that each copy holds all that was acknowledged or shown before, each update whole, and
// counters and logs that agree with the rows.
func CheckCrashes(t testing.TB, m Medium, crashes int, rng *rand.Rand) error {
	e := m.Open(t, Options{})
	defer func() { _ = e.Close() }()
	c := &crasher{e: e, stop: make(chan bool), tickets: make(chan bool, 5)}
	var wg sync.WaitGroup
	for g := range crashWriters {
		rng, turn := rand.New(rand.NewPCG(rng.Uint64(), uint64(g))), rng.IntN(5)
		wg.Go(func() { c.write(g, rng) })
		wg.Go(func() { c.look(g, turn) })
	}
	var err error
	for i := 0; i < crashes && err == nil; i++ {
		for len(c.tickets) < cap(c.tickets) {
			c.tickets <- true // there is room: nobody else sends
		}
		time.Sleep(time.Duration(rng.IntN(500)) * time.Microsecond)
		told := c.told()
		copied := m.Crash(rng)
		if err = checkCrashed(t, copied, told); err != nil {
			err = fmt.Errorf("crash %d: %w", i, err)
		}
	}
	close(c.stop)
	wg.Wait()
	return errors.Join(err, c.err)
}

// crashWriters is how many write at once, each in a partition of its own.
const crashWriters = 4

// crasher is a run of writers and readers. Writer g's n-th update sets its partition's row 0 to n
// and row 1+n%40 too, counts rows of a table, and appends g and n to log 1, shard g%2.
type crasher struct {
	e       kv.Engine
	stop    chan bool
	tickets chan bool // one for each write, so that there are some between crashes and not too many

	mu    sync.Mutex
	known [crashWriters]uint64 // the highest n that was acknowledged or shown
	err   error
}

// tell notes that somebody knows of g's n-th update.
func (c *crasher) tell(g int, n uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[g] = max(c.known[g], n)
	if c.err == nil {
		c.err = err
	}
}

func (c *crasher) told() [crashWriters]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// write writes by turns with a sync, without one, and several at once.
func (c *crasher) write(g int, rng *rand.Rand) {
	ctx := context.Background()
	for n := uint64(1); ; n++ {
		select {
		case <-c.stop:
			return
		case <-c.tickets:
		}
		lock := [][]byte{row(g, 0)}
		do := func(tx kv.Txn) error {
			tx.Set(row(g, 0), encoded(n))
			tx.Set(row(g, 1+int(n%40)), encoded(n))
			tx.AppendLog(1, uint32(g%2), append([]byte{byte(g)}, encoded(n)...))
			tx.Stamp()
			return countedWrite(tx, 1+uint64(g%2), uint32(g%3), 1000*g+rng.IntN(20), rng)
		}
		var err error
		switch rng.IntN(4) {
		case 0:
			err = c.e.Update(ctx, kv.WriteOptions{Lock: lock, NoSync: true}, do)
			c.tell(g, 0, err)
			continue
		case 1:
			last := n + 1
			again := func(tx kv.Txn) error {
				n = last
				return do(tx)
			}
			errs := c.e.UpdateEach(ctx, kv.WriteOptions{}, []kv.Write{{Lock: lock, Do: do}, {Lock: lock, Do: again}})
			err = errors.Join(errs...)
		default:
			err = c.e.Update(ctx, kv.WriteOptions{Lock: lock}, do)
		}
		if err != nil {
			c.tell(g, 0, err)
			return
		}
		c.tell(g, n, nil)
	}
}

// look looks at the newest update of a writer, in all ways.
func (c *crasher) look(g, turn int) {
	ctx := context.Background()
	var after kv.Position // of the log
	for ; ; turn++ {
		select {
		case <-c.stop:
			return
		default:
		}
		var n uint64
		var err error
		seen := func(_, v []byte) (bool, error) {
			n = number(v)
			return true, nil
		}
		r := kv.Range{Start: row(g, 0), End: row(g, 1)}
		switch turn % 5 {
		case 0:
			err = c.e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
				v, err := r.Get(row(g, 0))
				n = number(v)
				return err
			})
		case 1:
			err = c.e.View(ctx, kv.ReadOptions{}, func(rd kv.Reader) error { return rd.Scan(r, kv.Forward, seen) })
		case 2:
			within := kv.ReadOptions{Within: row(g, 0)[:kv.FrontLen]}
			err = c.e.View(ctx, within, func(rd kv.Reader) error { return rd.Scan(r, kv.Forward, seen) })
		case 3:
			err = c.e.Update(ctx, kv.WriteOptions{Lock: [][]byte{row(g, 0)}}, func(tx kv.Txn) error {
				v, err := tx.Get(row(g, 0))
				n = number(v)
				return err
			})
		case 4:
			n, after, err = c.lastLogged(ctx, g, after)
		}
		c.tell(g, n, err)
		time.Sleep(500 * time.Microsecond)
	}
}

// lastLogged is the newest update of g after the position that the log tells of, and where it ends.
func (c *crasher) lastLogged(ctx context.Context, g int, after kv.Position) (last uint64, _ kv.Position, err error) {
	for {
		records, _, err := c.e.ReadLog(ctx, 1, uint32(g%2), after, kv.Page{Records: 1000, Bytes: 1 << 20})
		if err != nil || len(records) == 0 {
			return last, after, err
		}
		for _, r := range records {
			if writer, n := logged(r); writer == g {
				last = n
			}
		}
		after = records[len(records)-1].Position
	}
}

// logged parses a record of the crash test's.
func logged(r kv.Record) (g int, n uint64) { return int(r.Data[0]), number(r.Data[1:]) }

// checkCrashed opens a crashed copy and compares it with what was known when it was made.
func checkCrashed(t testing.TB, m Medium, told [crashWriters]uint64) error {
	e := m.Open(t, Options{})
	defer func() { _ = e.Close() }()
	var last [crashWriters]uint64
	err := e.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
		for g := range crashWriters {
			v, err := r.Get(row(g, 0))
			if err != nil {
				return err
			}
			last[g] = number(v)
			if last[g] < told[g] {
				return fmt.Errorf("writer %d: update %d is lost, %d is the last", g, told[g], last[g])
			}
			v, err = r.Get(row(g, 1+int(last[g]%40)))
			if err != nil {
				return err
			}
			if number(v) != last[g] {
				return fmt.Errorf("writer %d: update %d is half there", g, last[g])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var inLog [crashWriters]uint64
	for shard := range uint32(2) {
		records, _, err := readLog(e, 1, shard, kv.Position{})
		if err != nil {
			return err
		}
		for _, r := range records {
			g, n := logged(r)
			if n != inLog[g]+1 {
				return fmt.Errorf("writer %d: the log goes on with %d after %d", g, n, inLog[g])
			}
			inLog[g] = n
		}
	}
	if inLog != last {
		return fmt.Errorf("the rows end with %v, the log with %v", last, inLog)
	}
	return recount(e)
}
