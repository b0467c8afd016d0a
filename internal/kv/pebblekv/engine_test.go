package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/kvtest"
)

// mustOpen opens an engine and closes it at the end of the test.
func mustOpen(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

// set writes a row.
func set(e *Engine, key, value string) error {
	return e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{[]byte(key)}}, func(tx kv.Txn) error {
		tx.Set([]byte(key), []byte(value))
		return nil
	})
}

// get reads a row.
func get(e *Engine, key string) (value string, err error) {
	err = e.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
		v, err := r.Get([]byte(key))
		value = string(v)
		return err
	})
	return value, err
}

// TestOpenRefuses checks what Open says of directories that it cannot use.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := t.TempDir()
	mustOpen(t, Options{Dir: locked})
	format := func(text string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "mail.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, dir string
		want      error
	}{
		{"locked", locked, ErrLocked},
		{"newer", format("partita 2\nencryption none\n"), ErrNewerFormat},
		{"newer with more", format("partita 17\nencryption none\ncompression zstd\n"), ErrNewerFormat},
		{"encrypted", format("partita 1\nencryption aes\n"), ErrNewerFormat},
		{"damaged", format("\x00\x00"), ErrForeign},
		{"empty FORMAT", format(""), ErrForeign},
		{"foreign", foreign, ErrForeign},
		{"a file", file, ErrUnwritable},
		{"below a file", filepath.Join(file, "data"), ErrUnwritable},
	} {
		e, err := Open(Options{Dir: test.dir})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if err == nil {
			_ = e.Close()
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has more than a line: %q", test.name, err)
		}
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("Open without a directory succeeds")
	}
}

// TestFirstOpenCutShort cuts the first Open short before each of its writes, by an error and by a
// power cut: the next one succeeds.
func TestFirstOpenCutShort(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	for i := 0; ; i++ {
		mem := vfs.NewCrashableMem()
		var ops atomic.Int64
		var crashed *vfs.MemFS
		e, err := Open(Options{Dir: "a/data", FS: newFaultFS(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || ops.Add(1) != int64(i)+1 {
				return nil
			}
			crashed = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			return errorfs.ErrInjected
		}))})
		if err == nil {
			_ = e.Close()
		}
		if crashed == nil {
			if i < 20 {
				t.Errorf("Open writes %d times only", i)
			}
			return // there is no such write
		}
		for name, fs := range map[string]vfs.FS{"error": mem, "power cut": crashed} {
			e, err := Open(Options{Dir: "a/data", FS: fs})
			if err != nil {
				t.Errorf("Open after an %s at write %d: %v", name, i, err)
				continue
			}
			if err := errors.Join(set(e, "a", "1"), e.Close()); err != nil {
				t.Errorf("after an %s at write %d: %v", name, i, err)
			}
		}
	}
}

// TestSpace lets the volume fill up and empty again.
func TestSpace(t *testing.T) {
	mem := vfs.NewMem()
	use := func(avail uint64) {
		mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: avail, TotalBytes: 1 << 40, UsedBytes: 1<<40 - avail})
	}
	use(1 << 39)
	e := mustOpen(t, Options{Dir: "data", FS: mem})
	e.space.every = 0
	if err := set(e, "a", "1"); err != nil {
		t.Fatal(err)
	}
	use(1<<30 - 1)
	if err := set(e, "a", "2"); !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("a write below the floor: %v, want ErrNoSpace", err)
	}
	if v, err := get(e, "a"); v != "1" || err != nil {
		t.Errorf("a read below the floor: %q, %v; want 1", v, err)
	}
	if err := e.DropRange(context.Background(), kv.Range{Start: []byte("b")}); err != nil {
		t.Errorf("DropRange below the floor: %v", err)
	}
	use(1 << 30)
	if err := set(e, "a", "3"); err != nil {
		t.Errorf("a write at the floor: %v", err)
	}
	for total, want := range map[uint64]uint64{0: 0, 1000: 500, 1 << 30: 96 << 20, 10 << 30: 1 << 29, 1 << 40: 1 << 30} {
		if got := defaultFloor(total); got != want {
			t.Errorf("defaultFloor(%d) = %d, want %d", total, got, want)
		}
	}
}

// TestCheckpoint copies an engine, on disk and in memory, while it is written to.
func TestCheckpoint(t *testing.T) {
	for _, inMemory := range []bool{false, true} {
		e := mustOpen(t, Options{Dir: t.TempDir(), InMemory: inMemory})
		for i := range 100 {
			if err := set(e, fmt.Sprint(i), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		dir := filepath.Join(t.TempDir(), "copy")
		if err := e.Checkpoint(context.Background(), dir); err != nil {
			t.Fatal(err)
		}
		if err := e.Checkpoint(context.Background(), dir); err == nil {
			t.Error("a second Checkpoint into the same directory succeeds")
		}
		if err := set(e, "0", "later"); err != nil {
			t.Fatal(err)
		}
		c := mustOpen(t, Options{Dir: dir})
		for i := range 100 {
			if v, err := get(c, fmt.Sprint(i)); v != fmt.Sprint(i) || err != nil {
				t.Errorf("in memory %v: the copy has %q for %d, %v", inMemory, v, i, err)
			}
		}
	}
}

// TestMerger checks that operands may be merged in any order and grouping.
func TestMerger(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	merge := func(operands [][]byte, add func(m pebble.ValueMerger, operand []byte) error) []byte {
		m, err := merger.Merge(nil, operands[0])
		for _, o := range operands[1:] {
			err = errors.Join(err, add(m, o))
		}
		sum, _, finishErr := m.Finish(true)
		if err != nil || finishErr != nil {
			t.Fatal(err, finishErr)
		}
		return sum
	}
	newer, older := pebble.ValueMerger.MergeNewer, pebble.ValueMerger.MergeOlder
	for range 200 {
		var operands [][]byte
		want := map[uint32]kv.Count{}
		for range 1 + rng.IntN(20) {
			var counts []kv.Count
			for range rng.IntN(200) {
				c := kv.Count{Section: rng.Uint32N(100), Items: rng.Int64N(9) - 4, Bytes: rng.Int64N(1<<40) - 1<<39}
				counts = append(counts, c)
				w := want[c.Section]
				want[c.Section] = kv.Count{Section: c.Section, Items: w.Items + c.Items, Bytes: w.Bytes + c.Bytes}
			}
			operands = append(operands, appendCounts(nil, sumCounts(counts)))
		}
		all := merge(operands, newer)
		rng.Shuffle(len(operands), func(i, j int) { operands[i], operands[j] = operands[j], operands[i] })
		cut := 1 + rng.IntN(len(operands))
		grouped := append([][]byte{merge(operands[:cut], older)}, operands[cut:]...)
		if got := merge(grouped, newer); !bytes.Equal(got, all) {
			t.Fatalf("merged in another order it is %x, want %x", got, all)
		}
		counts, err := parseCounts(nil, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			if c != want[c.Section] {
				t.Fatalf("the sum is %v, want %v", c, want[c.Section])
			}
			delete(want, c.Section)
		}
		for _, c := range want {
			if c.Items != 0 || c.Bytes != 0 {
				t.Fatalf("the sum misses %v", c)
			}
		}
	}
}

// FuzzParseCounts checks that a damaged counter is an error and nothing worse.
func FuzzParseCounts(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendCounts(nil, []kv.Count{{Section: 1, Items: -2, Bytes: 3}, {Section: 1 << 31, Items: 1 << 62, Bytes: -1 << 62}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		counts, err := parseCounts(nil, b)
		if err != nil {
			return
		}
		again, err := parseCounts(nil, appendCounts(nil, counts))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(counts) {
			t.Errorf("%x is %v, and encoded again %v, %v", b, counts, again, err)
		}
	})
}

// TestLatchOrder checks that a latch is handed over in the order of arrival and skips those who
// gave up.
func TestLatchOrder(t *testing.T) {
	var l latch
	if l.tryLock() != nil {
		t.Fatal("a new latch is held")
	}
	var turns []chan struct{}
	for range 5 {
		turns = append(turns, l.tryLock())
	}
	holds := func() (who []int) {
		for i, turn := range turns {
			select {
			case <-turn:
				who = append(who, i)
			default:
			}
		}
		return who
	}
	l.leave(turns[1])
	l.leave(turns[4])
	for _, want := range []string{"[0]", "[0 2]"} {
		l.unlock()
		if got := fmt.Sprint(holds()); got != want {
			t.Fatalf("the latch was handed to %s, want %s", got, want)
		}
	}
	l.leave(turns[2]) // it was handed over already, so it is handed on
	if got := fmt.Sprint(holds()); got != "[0 2 3]" {
		t.Fatalf("the latch was handed to %s", got)
	}
	l.unlock()
	if l.tryLock() != nil {
		t.Fatal("the latch is not free at the end")
	}
}

// TestStripeSize checks that latches do not share cache lines.
func TestStripeSize(t *testing.T) {
	if size := unsafe.Sizeof(stripe{}); size != 64 {
		t.Errorf("a stripe takes %d bytes, want a cache line of 64", size)
	}
}

// TestStampsAfterKill checks that stamps go on ascending though nothing was closed and the clock
// went back.
func TestStampsAfterKill(t *testing.T) {
	mem := vfs.NewCrashableMem()
	clock := clocktest.New(clocktest.Start)
	var last uint64
	for range 5 {
		e := mustOpen(t, Options{Dir: "data", FS: mem, Clock: clock.Now})
		for range 50 {
			if err := e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{{1}}}, func(tx kv.Txn) error {
				stamp := tx.Stamp()
				if stamp <= last {
					return fmt.Errorf("the stamp %d follows %d", stamp, last)
				}
				last = stamp
				tx.Set([]byte{1}, []byte{1})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			clock.Advance(100 * time.Millisecond)
		}
		mem = mem.CrashClone(vfs.CrashCloneCfg{})
		clock.Set(clock.Now().Add(-time.Minute))
	}
}

// TestGoroutines checks that engines in memory are light: a hundred of them are open in a test run.
func TestGoroutines(t *testing.T) {
	const n = 100
	began := time.Now()
	for range n {
		mustOpen(t, Options{InMemory: true})
	}
	t.Logf("Open in memory takes %v", time.Since(began)/n)
}

// TestCompactions checks that Pebble tidies up, without being written to, before and after a
// restart.
func TestCompactions(t *testing.T) {
	mem := vfs.NewMem()
	value := benchValue()
	for round := range 2 {
		e := mustOpen(t, Options{Dir: "data", FS: mem})
		for i := range 60 {
			if err := e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{{1}}, NoSync: true}, func(tx kv.Txn) error {
				for j := range 100 {
					tx.Set(benchKey(nil, i*100+j), value)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if i%6 == 0 {
				if err := e.db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round == 0 {
			if err := e.Close(); err != nil { // leaves work behind, or not
				t.Fatal(err)
			}
			e = mustOpen(t, Options{Dir: "data", FS: mem})
		}
		for began := time.Now(); e.Metrics().ReadAmplification > 3; time.Sleep(time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("a read still goes through %d files", e.Metrics().ReadAmplification)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
