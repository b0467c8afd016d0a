package pebblekv

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/kvtest"
)

// clockTest is an engine that goes by a test's clock, and by the time that passes on it.
type clockTest struct {
	t     *testing.T
	fs    *vfs.MemFS
	clock *clocktest.Clock
	began time.Duration // of the clock's Elapsed when the process began
	log   bytes.Buffer
	*Engine
}

// newTurned opens an engine in a process that began an hour ago.
func newTurned(t *testing.T) *clockTest {
	x := &clockTest{t: t, fs: vfs.NewCrashableMem(), clock: clocktest.New(clocktest.Start), began: -time.Hour}
	x.open()
	return x
}

func (x *clockTest) open() {
	x.Engine = mustOpen(x.t, Options{
		Dir: "data", FS: x.fs, Logger: slog.New(slog.NewTextHandler(&x.log, nil)),
		Clock: x.clock.Now, Elapsed: func() time.Duration { return x.clock.Elapsed() - x.began },
	})
}

// restart closes the engine and opens it.
func (x *clockTest) restart() {
	x.t.Helper()
	x.began = x.clock.Elapsed()
	if err := x.Close(); err != nil {
		x.t.Fatal(err)
	}
	x.open()
}

// kill opens the engine as it is on the disk, and not closed.
func (x *clockTest) kill() {
	x.t.Helper()
	x.began = x.clock.Elapsed()
	x.fs = x.fs.CrashClone(vfs.CrashCloneCfg{})
	x.open()
}

// set moves the clock, as an administrator does: no time passes.
func (x *clockTest) set(by time.Duration) { x.clock.Set(x.clock.Now().Add(by)) }

// write takes a stamp and a position in a log, and returns their times.
func (x *clockTest) write(log uint64) (stamp, position time.Time) {
	x.t.Helper()
	if err := x.Update(x.t.Context(), kv.WriteOptions{Lock: [][]byte{{1}}}, func(tx kv.Txn) error {
		stamp = time.UnixMicro(int64(tx.Stamp()))
		tx.Set([]byte{1}, []byte{1})
		tx.AppendLog(log, 1, []byte("x"))
		return nil
	}); err != nil {
		x.t.Fatal(err)
	}
	_, end, err := x.ReadLog(x.t.Context(), log, 1, kv.Position{}, kv.Page{})
	if err != nil {
		x.t.Fatal(err)
	}
	return stamp, time.UnixMilli(int64(binary.BigEndian.Uint64(end[:8]) >> 16))
}

// goesOn wants stamps and positions to go on from what they were, for two seconds, as the time that
// passes.
func (x *clockTest) goesOn(what string, stamp, position time.Time) (time.Time, time.Time) {
	x.t.Helper()
	const lag = 50 * time.Millisecond // for each second
	s, p := x.write(1)
	if d := s.Sub(stamp); d <= 0 || d > 2*time.Second {
		x.t.Errorf("%s: the first stamp is %v after the last", what, d)
	}
	if d := p.Sub(position); d < 0 || d > 2*time.Second {
		x.t.Errorf("%s: the first position is %v after the last", what, d)
	}
	stamp, position = s, p
	for range 20 {
		x.clock.Advance(100 * time.Millisecond)
		s, p = x.write(1)
	}
	for name, d := range map[string]time.Duration{"stamps": s.Sub(stamp), "positions": p.Sub(position)} {
		if d < 2*time.Second-2*lag || d > 2*time.Second+2*time.Millisecond {
			x.t.Errorf("%s: %s have gone on by %v in two seconds", what, name, d)
		}
	}
	return s, p
}

// TestClockBehind sets the clock back under a running engine, and over restarts: stamps and
// positions go on as time passes, and are the clock's when it has got there.
func TestClockBehind(t *testing.T) {
	for _, back := range []time.Duration{time.Second, time.Hour, 20 * 365 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			x := newTurned(t)
			for range 3 {
				x.clock.Advance(time.Second)
				if stamp, position := x.write(1); !stamp.Equal(x.clock.Now()) || !position.Equal(x.clock.Now()) {
					t.Fatalf("the stamp is of %v, the position of %v, and it is %v", stamp, position, x.clock.Now())
				}
			}
			stamp, position := x.clock.Now(), x.clock.Now()
			x.set(-back)
			stamp, position = x.goesOn("set back", stamp, position)
			for _, again := range []func(){x.kill, x.restart} {
				again()
				stamp, position = x.goesOn("after a restart", stamp, position)
			}
			if stamp, position := x.write(2); !position.Equal(x.clock.Now()) {
				t.Errorf("a new log's first position is of %v, the stamp of %v, and it is %v", position, stamp, x.clock.Now())
			}
			if back > time.Hour {
				return
			}
			for n := time.Duration(0); n < back*(slewPart+1); n += back / 4 {
				x.clock.Advance(back / 4)
				x.write(1)
			}
			if stamp, position := x.write(1); stamp.Sub(x.clock.Now()) > slewSlack*time.Microsecond ||
				position.Sub(x.clock.Now()) > slewSlack*time.Microsecond {
				t.Errorf("in the end the stamp is of %v, the position of %v, and it is %v", stamp, position, x.clock.Now())
			}
		})
	}
}

// TestClockBehindAfterRest sets the clock back while nobody writes: the time of the rest has passed
// as well.
func TestClockBehindAfterRest(t *testing.T) {
	x := newTurned(t)
	x.write(1)
	x.clock.Advance(20 * time.Minute)
	want := x.clock.Now()
	x.set(-time.Hour)
	if stamp, position := x.write(1); want.Sub(stamp).Abs() > time.Second || want.Sub(position).Abs() > time.Second {
		t.Errorf("the stamp is of %v, the position of %v, and it would be %v", stamp, position, want)
	}
}

// TestClockAlone: a clock that a test turns tells all the time there is. Set back, it is waited
// for.
func TestClockAlone(t *testing.T) {
	clock := clocktest.New(clocktest.Start)
	x := &clockTest{t: t, clock: clock, Engine: mustOpen(t, Options{InMemory: true, Clock: clock.Now})}
	first, _ := x.write(1)
	x.set(-time.Hour)
	for i := range 3 {
		x.clock.Advance(time.Second)
		stamp, position := x.write(1)
		if want := first.Add(time.Duration(i+1) * time.Microsecond); !stamp.Equal(want) || !position.Equal(first) {
			t.Errorf("the stamp is of %v, the position of %v; want %v, %v", stamp, position, want, first)
		}
	}
}

// TestStampsAheadAreTold: the log has a line at the start and one when a stamp is given, and no
// more of them.
func TestStampsAheadAreTold(t *testing.T) {
	x := newTurned(t)
	x.write(1)
	told := func(want int) {
		t.Helper()
		if got := strings.Count(x.log.String(), "the newest stamp is ahead of the clock"); got != want {
			t.Errorf("the log says %d times that stamps are ahead, want %d:\n%s", got, want, x.log.String())
		}
	}
	x.set(-time.Hour + time.Second)
	x.write(1)
	told(0)
	x.set(-time.Minute)
	for range 100 {
		x.write(1)
	}
	told(1)
	if got := x.Metrics().StampsAheadSeconds; got < 3659 || got > 3660 {
		t.Errorf("stamps are %v seconds ahead, says Metrics", got)
	}
	x.restart()
	told(2)
	x.set(2 * time.Hour)
	x.write(1)
	if got := x.Metrics().StampsAheadSeconds; got != 0 {
		t.Errorf("stamps are %v seconds ahead, says Metrics", got)
	}
	told(2)
}

// TestStampBound cuts the power under writers of which some do not sync: by a clock that stands
// where it did, stamps are at most 20 ms ahead, and by one that was set back none is given that a
// row has. About every twentieth millisecond of the clock one commit bounds the stamps.
func TestStampBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	const writers, each, tick = 4, 200, 100 * time.Microsecond // the clock goes by a tick with each write
	for range 10 {
		mem := vfs.NewCrashableMem()
		clock := clocktest.New(clocktest.Start)
		e := mustOpen(t, Options{Dir: "data", FS: mem, Clock: clock.Now})
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					key := []byte{byte(w), byte(i)}
					o := kv.WriteOptions{Lock: [][]byte{key}, NoSync: i%7 != 0}
					if err := e.Update(context.Background(), o, func(tx kv.Txn) error {
						clock.Advance(tick)
						tx.Set(key, binary.BigEndian.AppendUint64(nil, tx.Stamp()))
						return nil
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for n := rng.Uint64N(writers * each); e.commits.Load() < n; {
			time.Sleep(10 * time.Microsecond)
		}
		before := clock.Now()
		crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		checkBound(t, crashed, before, clock.Now())
		all.Wait()
		if most := int64(writers*each*tick/time.Microsecond/stampSlack + 1); e.stamps.bounds > most {
			t.Errorf("%d commits carry a bound, want at most %d", e.stamps.bounds, most)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkBound opens what a power cut between two times has left.
func checkBound(t *testing.T, fs *vfs.MemFS, before, after time.Time) {
	t.Helper()
	e := mustOpen(t, Options{Dir: "data", FS: fs, Clock: clocktest.New(before.Add(-time.Minute)).Now})
	var newest uint64
	if err := e.View(t.Context(), kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		newest = 0
		return r.Scan(kv.Range{}, kv.Forward, func(_, value []byte) (bool, error) {
			newest = max(newest, binary.BigEndian.Uint64(value))
			return true, nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	var stamp uint64
	if err := e.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{{1}}}, func(tx kv.Txn) error {
		stamp = tx.Stamp()
		tx.Set([]byte{1}, []byte{1})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if stamp <= newest {
		t.Errorf("the stamp %d is given after the cut, and a row has %d", stamp, newest)
	}
	if ahead := int64(stamp) - after.UnixMicro(); ahead > 20_000 {
		t.Errorf("the first stamp after the cut is %v ahead", time.Duration(ahead)*time.Microsecond)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStampsByAnyClock gives stamps by clocks that are set at random: each is above the last, none
// runs ahead faster than time passes unless the clock is there, and behind the last they go on
// nearly as time passes.
func TestStampsByAnyClock(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	for seed := range uint64(5000) {
		random := rand.New(rand.NewPCG(seed, 2))
		var s stamps
		passed, offset := 5*hour, int64(1_700_000_000_000_000)
		elapsed := func() time.Duration { return time.Duration(passed) * time.Microsecond }
		if random.IntN(2) == 0 {
			s.last.Store(uint64(offset + passed + random.Int64N(2*hour))) // of an earlier life
		}
		next := func() int64 { return int64(s.next(time.UnixMicro(offset+passed), elapsed)) }
		last := next()
		for step := range 500 {
			before := passed
			switch random.IntN(10) {
			case 0:
				offset -= random.Int64N(2 * hour)
			case 1:
				offset += random.Int64N(hour)
			case 2:
				passed += random.Int64N(hour / 6)
			case 3, 4:
				passed += random.Int64N(5_000_000)
			case 5:
				offset += random.Int64N(60_000) - 30_000
			default:
				passed += random.Int64N(30_000)
			}
			stamp, clock, took := next(), offset+passed, passed-before
			switch went := stamp - last; {
			case went <= 0:
				t.Fatalf("seed %d, step %d: a stamp goes %d on", seed, step, went)
			case went > took+90_000 && stamp > clock+25_000:
				t.Fatalf("seed %d, step %d: %d µs on in %d, to %d ahead of the clock", seed, step, went, took, stamp-clock)
			case took > 1_000_000 && stamp > clock+1_000_000 && float64(went) < 0.975*float64(took)-50_000:
				t.Fatalf("seed %d, step %d: %d µs on in %d, %d ahead of the clock", seed, step, went, took, stamp-clock)
			}
			last = stamp
		}
	}
}
