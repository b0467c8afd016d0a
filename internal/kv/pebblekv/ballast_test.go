package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/kv"
)

// Sizes of the tests with a small disk.
const (
	testDisk    = 24 << 20
	testFloor   = 1 << 20
	testBallast = 3 << 20
	testMemory  = 256 << 10 // a memtable
)

// smallOptions are for an engine on the disk.
func smallOptions(d vfs.FS, log *testLog) Options {
	return Options{
		Dir: "data", FS: d, MemtableBytes: testMemory, FreeSpaceFloor: testFloor, BallastBytes: testBallast,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// testLog is what an engine logs.
type testLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all of it.
func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fillRows writes rows of 8 KiB that do not compress, from number from up to number to.
func fillRows(t *testing.T, e *Engine, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := set(e, smallKey(n), smallValue(n)); err != nil {
			t.Fatalf("row %d: %v", n, err)
		}
	}
}

// expectRows checks that these rows are there.
func expectRows(t *testing.T, e *Engine, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if v, err := get(e, smallKey(n)); v != smallValue(n) || err != nil {
			t.Fatalf("row %d has %d bytes, %v", n, len(v), err)
		}
	}
}

func smallKey(n int) string { return fmt.Sprintf("r%014d", n) }

func smallValue(n int) string {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, 8<<10)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

// makesRoom writes a row as what leads to the removal of much is written.
func makesRoom(e *Engine, key, value string) error {
	o := kv.WriteOptions{Lock: [][]byte{[]byte(key)}, MakesRoom: true}
	return e.Update(context.Background(), o, func(tx kv.Txn) error {
		tx.Set([]byte(key), []byte(value))
		return nil
	})
}

// await waits until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come about", what)
		}
	}
}

// settle has the engine finish what it does in the background: a flush that finds the disk full
// would give the ballast.
func settle(t *testing.T, e *Engine) {
	t.Helper()
	if err := errors.Join(e.db.Flush(), e.db.Compact(t.Context(), []byte("0"), []byte("z"), false)); err != nil {
		t.Fatal(err)
	}
	await(t, "a moment without work", func() bool {
		m := e.db.Metrics()
		return m.Flush.NumInProgress == 0 && m.Compact.NumInProgress == 0 && m.Table.ObsoleteCount == 0
	})
}

// TestBallast has others fill the disk under an engine: what makes room goes on with the room of
// the ballast, and all is as before when there is room again. The engine is closed and opened on
// the full disk, too.
func TestBallast(t *testing.T) {
	log := new(testLog)
	d := newSmallDisk(t, vfs.NewMem(), testDisk)
	e := mustOpen(t, smallOptions(d, log))
	e.space.every = 0
	fillRows(t, e, 0, 100)
	e.maintainBallast()
	if e.ballast.there.Load() {
		t.Fatal("a store that is smaller than the ballast has one")
	}
	fillRows(t, e, 100, 600) // 4.7 MB
	settle(t, e)
	e.maintainBallast()
	info, err := d.Stat("data/" + ballastFile)
	if told := e.Metrics().BallastBytes; err != nil || info.Size() != testBallast || told != testBallast {
		t.Fatalf("the ballast: %v, %v; %d bytes are told", info, err, told)
	}
	e.stopBallast() // from here on the test looks after it
	d.fill()
	if err := set(e, "a", "1"); !errors.Is(err, kv.ErrNoSpace) {
		t.Fatalf("a write on the full disk: %v", err)
	}
	if !e.ballast.there.Load() {
		t.Fatal("the ballast is given for what is refused")
	}
	if err := makesRoom(e, "dropped", "yes"); err != nil {
		t.Fatalf("what makes room: %v\n%s", err, log)
	}
	if m := e.Metrics(); m.BallastBytes != 0 || m.FloorBytes != testFloor+testBallast {
		t.Errorf("a ballast of %d bytes and a floor of %d are told", m.BallastBytes, m.FloorBytes)
	}
	if err := set(e, "a", "1"); !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("a write into the ballast's room: %v", err)
	}
	rows := kv.Range{Start: []byte(smallKey(100)), End: []byte(smallKey(600))}
	if err := e.DropRange(context.Background(), rows); err != nil {
		t.Fatalf("DropRange: %v\n%s", err, log)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, smallOptions(d, log))
	expectRows(t, e, 0, 100)
	if v, err := get(e, "dropped"); v != "yes" || err != nil {
		t.Errorf("what was written on the full disk: %q, %v", v, err)
	}
	await(t, "the room of what was dropped", func() bool {
		usage, _ := d.GetDiskUsage("")
		return usage.AvailBytes > testFloor+testBallast
	})
	if err := set(e, "a", "1"); err != nil {
		t.Errorf("a write when there is room again: %v", err)
	}
}

// TestGivenWhileMade gives the ballast back between the look at the volume that lets it be made and
// the making: its room is not taken again.
func TestGivenWhileMade(t *testing.T) {
	d := newSmallDisk(t, vfs.NewMem(), testDisk)
	e := mustOpen(t, smallOptions(d, new(testLog)))
	e.stopBallast()
	e.ballast.owed.Store(1) // as if the store were large
	e.maintainBallast()
	given := e.ballast.given.Load()
	e.ballast.give()
	if err := e.ballast.make(given); !errors.Is(err, errAborted) {
		t.Errorf("making what has been given back meanwhile: %v", err)
	}
	if _, err := d.Stat("data/" + ballastFile); !errors.Is(err, fs.ErrNotExist) || e.ballast.there.Load() {
		t.Errorf("the ballast is there again: %v", err)
	}
	e.maintainBallast()
	if !e.ballast.there.Load() {
		t.Error("the next round does not make it")
	}
}

// TestNoRoomWithoutBallast has others fill the disk under an engine whose store is too small for a
// ballast: what makes room is refused, and goes on when there is some; the engine does not stop.
func TestNoRoomWithoutBallast(t *testing.T) {
	d := newSmallDisk(t, vfs.NewMem(), 16<<20)
	e, err := Open(Options{Dir: "data", FS: d, BallastBytes: -1, FreeSpaceFloor: 1 << 20, MemtableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	fillRows(t, e, 0, 20)
	d.fill()
	for name, write := range map[string]func() error{
		"an update": func() error { return makesRoom(e, smallKey(1000), "x") },
		"DropRange": func() error { return e.DropRange(context.Background(), kv.Range{Start: []byte("q"), End: []byte("r")}) },
		"DropLog":   func() error { return e.DropLog(context.Background(), 7) },
	} {
		if err := write(); !errors.Is(err, kv.ErrNoSpace) {
			t.Errorf("%s: %v, want ErrNoSpace", name, err)
		}
	}
	expectRows(t, e, 0, 20)
	d.empty()
	if err := makesRoom(e, smallKey(1000), "x"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestFullUnderAWrite has others fill the disk between the look at it and the write: the log goes
// on in the room of the ballast, and only then writes are refused.
func TestFullUnderAWrite(t *testing.T) {
	log := new(testLog)
	d := newSmallDisk(t, vfs.NewMem(), testDisk)
	e := mustOpen(t, smallOptions(d, log))
	e.stopBallast() // nobody looks at the disk meanwhile
	e.space.every = time.Hour
	fillRows(t, e, 0, 600)
	e.maintainBallast()
	e.space.left.Store(1 << 40)
	d.fill()
	rows := 600
	for ; d.failures() == 0; rows++ { // the log may be in a file that it uses again
		if err := set(e, smallKey(rows), smallValue(rows)); errors.Is(err, kv.ErrNoSpace) {
			break // a flush has found the disk full
		} else if err != nil {
			t.Fatalf("row %d: %v\n%s", rows, err, log)
		}
	}
	await(t, "the ballast's end", func() bool { return !e.ballast.there.Load() && e.space.low.Load() })
	if err := set(e, "a", "1"); !errors.Is(err, kv.ErrNoSpace) {
		t.Errorf("the next write: %v", err)
	}
	expectRows(t, e, 0, rows)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	expectRows(t, mustOpen(t, smallOptions(d, log)), 0, rows)
}

// TestBallastIsGivenInTime has little room on the disk, so that a file system which finds out late
// would fail the sync: what makes room gives the ballast back first, of whatever kind it is.
func TestBallastIsGivenInTime(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(*Engine) error{
		"an update":   func(e *Engine) error { return makesRoom(e, "a", "1") },
		"a range":     func(e *Engine) error { return e.DropRange(ctx, kv.Range{Start: []byte("x")}) },
		"a log":       func(e *Engine) error { return e.DropLog(ctx, 7) },
		"a log's end": func(e *Engine) error { return e.TrimLog(ctx, 7, 0, maxPosition) },
	} {
		d := newSmallDisk(t, vfs.NewMem(), testDisk)
		e := mustOpen(t, smallOptions(d, new(testLog)))
		err := e.Update(ctx, kv.WriteOptions{}, func(tx kv.Txn) error {
			tx.AppendLog(7, 0, []byte("record"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		e.ballast.owed.Store(1) // as if the store were large
		e.maintainBallast()
		d.mu.Lock()
		d.others = d.free() - testFloor/2
		d.mu.Unlock()
		if err := do(e); err != nil || d.failures() > 0 || e.ballast.there.Load() {
			t.Errorf("%s: %v; %d writes failed; the ballast is there: %v",
				name, err, d.failures(), e.ballast.there.Load())
		}
	}
}

// TestCompactionsLeaveTheReserve writes tables as Pebble does while there is less room than the log
// may need: that of a compaction, which can wait, gets none of it; that of a flush does.
func TestCompactionsLeaveTheReserve(t *testing.T) {
	d := newSmallDisk(t, vfs.NewMem(), testDisk)
	e := mustOpen(t, smallOptions(d, new(testLog)))
	write := func(c vfs.DiskWriteCategory, bytes int) error {
		name := "data/900000.sst"
		f, err := e.fs.Create(name, c)
		if err != nil {
			return err
		}
		for n := 0; n < bytes && err == nil; n += 4 << 10 {
			_, err = f.Write(make([]byte, 4<<10))
		}
		return errors.Join(err, f.Close(), e.fs.Remove(name))
	}
	take := func(leave int64) {
		d.empty()
		d.mu.Lock()
		d.others = d.free() - leave
		d.mu.Unlock()
	}
	take(testFloor + 1<<20)
	if err := write("pebble-compaction", 4<<20); !errors.Is(err, errReserved) || d.failures() > 0 {
		t.Errorf("a compaction that would take it all: %v; there was no room %d times", err, d.failures())
	}
	take(testFloor / 2)
	if err := write("pebble-compaction", 8<<10); !errors.Is(err, errReserved) {
		t.Errorf("a small compaction: %v", err)
	}
	if err := write(flushCategory, 64<<10); err != nil {
		t.Errorf("a flush: %v", err)
	}
	take(testDisk / 2)
	if err := write("pebble-compaction", 4<<20); err != nil {
		t.Errorf("a compaction when there is room: %v", err)
	}
}

// TestBallastComesBack has the volume full, and empty again.
func TestBallastComesBack(t *testing.T) {
	log := new(testLog)
	d := newSmallDisk(t, vfs.NewMem(), testDisk)
	e := mustOpen(t, smallOptions(d, log))
	fillRows(t, e, 0, 600)
	settle(t, e)
	e.stopBallast() // the test looks after it
	e.maintainBallast()
	for range 3 {
		d.fill()
		if err := makesRoom(e, "a", "1"); err != nil || e.ballast.there.Load() {
			t.Fatalf("on the full disk: %v; the ballast is there: %v", err, e.ballast.there.Load())
		}
		d.takeFreed() // what a compaction gives back, too
		e.maintainBallast()
		if e.ballast.there.Load() {
			t.Fatal("the ballast is made on a full disk")
		}
		d.leaveFreed()
		d.empty()
		e.maintainBallast()
		if !e.ballast.there.Load() || e.ballast.owed.Load() != 0 {
			t.Fatalf("the ballast is not made again:\n%s", log)
		}
		if err := set(e, "a", "2"); err != nil {
			t.Error(err)
		}
		if err := d.Remove("data/" + ballastFile); err != nil { // by hand, as one who needs room at once
			t.Fatal(err)
		}
		e.maintainBallast()
		if e.Metrics().BallastBytes != 0 {
			t.Error("a ballast is told that somebody has removed")
		}
		e.maintainBallast()
		if !e.ballast.there.Load() {
			t.Error("a ballast that somebody has removed is not made again")
		}
	}
}

// TestBallastFile checks what is done with the file by those who come upon it: an engine that is to
// have another or none, copies, checks.
func TestBallastFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	o := Options{Dir: dir, BallastBytes: 1 << 20, FreeSpaceFloor: -1}
	e := mustOpen(t, o)
	e.ballast.owed.Store(1) // as if it had been there
	e.maintainBallast()
	holds := func(dir string) bool {
		names, err := vfs.Default.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(names, ballastFile)
	}
	if info, err := vfs.Default.Stat(filepath.Join(dir, ballastFile)); err != nil || info.Size() != 1<<20 {
		t.Fatalf("%v, %v", info, err)
	}
	copied := filepath.Join(t.TempDir(), "checkpoint")
	if err := e.Checkpoint(context.Background(), copied); err != nil || holds(copied) {
		t.Errorf("a checkpoint: %v, with the ballast: %v", err, holds(copied))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	copied = filepath.Join(t.TempDir(), "copy")
	if err := CopyDir(context.Background(), dir, copied, nil); err != nil || holds(copied) {
		t.Errorf("a copy: %v, with the ballast: %v", err, holds(copied))
	}
	readOnly := o
	readOnly.ReadOnly, readOnly.BallastBytes = true, -1
	for _, test := range []struct {
		o    Options
		want bool
	}{{o, true}, {readOnly, true}, {Options{Dir: dir}, false}, {Options{Dir: dir, BallastBytes: -1}, false}} {
		e := mustOpen(t, test.o)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if got := holds(dir); got != test.want {
			t.Errorf("after an engine with a ballast of %d, to read only: %v: it is there: %v",
				test.o.BallastBytes, test.o.ReadOnly, got)
		}
	}
}

// TestWriteZeros makes a ballast where blocks come by writing only, whole and when it is given up.
func TestWriteZeros(t *testing.T) {
	b := newBallast(vfs.NewMem(), "", 5<<20+1, slog.New(slog.DiscardHandler))
	var abort atomic.Bool
	for _, aborted := range []bool{false, true} {
		f, err := b.fs.OpenReadWrite("f", vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		abort.Store(aborted)
		err = writeZeros(f, b.size, &abort)
		if info, _ := f.Stat(); aborted != errors.Is(err, errAborted) || info.Size() != b.size {
			t.Errorf("given up %v: %v, %d bytes", aborted, err, info.Size())
		}
		f.Close()
	}
}

// TestFullStart opens a store on a disk that others have filled, after a clean stop and after a
// kill. With a ballast it starts; without it ends soon, says why in few words, and changes nothing,
// so that it starts when there is room.
func TestFullStart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for _, ballast := range []bool{true, false} {
			t.Run(fmt.Sprintf("killed=%v,ballast=%v", killed, ballast), func(t *testing.T) {
				testFullStart(t, killed, ballast)
			})
		}
	}
}

func testFullStart(t *testing.T, killed, ballast bool) {
	log := new(testLog)
	mem := vfs.NewCrashableMem()
	o := smallOptions(newSmallDisk(t, mem, testDisk), log)
	if !ballast {
		o.BallastBytes = -1
	}
	e := mustOpen(t, o)
	fillRows(t, e, 0, 600)
	if ballast {
		e.maintainBallast()
	}
	fillRows(t, e, 600, 625) // which only the log has
	if !killed {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d := newSmallDisk(t, mem.CrashClone(vfs.CrashCloneCfg{}), testDisk)
	o.FS = d
	d.fill()
	if !ballast {
		d.takeFreed()
	}
	began := time.Now()
	log.text.Reset()
	e, err := Open(o)
	if ballast {
		if err != nil {
			t.Fatalf("Open with a ballast: %v\n%s", err, log)
		}
		expectRows(t, e, 0, 625)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Open without a ballast: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if lines := strings.Count(log.String(), "\n"); lines > 5 || len(log.String()) > 4096 {
		t.Errorf("the log has %d lines:\n%s", lines, log)
	}
	d.leaveFreed()
	d.empty()
	expectRows(t, mustOpen(t, o), 0, 625)
}

// TestTablesFailWhileOpening has no table file be written while the log is replayed, which Pebble
// would try for ever: Open returns. Its failures are not many lines, and nothing is lost.
func TestTablesFailWhileOpening(t *testing.T) {
	log := new(testLog)
	mem := vfs.NewCrashableMem()
	e := mustOpen(t, smallOptions(mem, log))
	fillRows(t, e, 0, 30) // about a memtable
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	b := &breaker{match: on(".sst", errorfs.OpFileWrite)}
	b.armed.Store(true)
	failures := make(chan error, 1)
	o := smallOptions(errorfs.Wrap(clone, b), log)
	o.OnFailure = func(err error) { failures <- err }
	if _, err := Open(o); !errors.Is(err, errorfs.ErrInjected) || errors.Is(err, kv.ErrFailed) {
		t.Fatalf("Open: %v", err)
	}
	if n := b.hits.Load(); n < 3 || n > openPatience {
		t.Errorf("%d writes failed, want a few tries and no more", n)
	}
	if len(failures) > 0 {
		t.Error("OnFailure is called for what Open reports")
	}
	if n := strings.Count(log.String(), "\n"); n > 3 {
		t.Errorf("the log has %d lines:\n%s", n, log)
	}
	b.armed.Store(false)
	expectRows(t, mustOpen(t, o), 0, 30)
}

// TestRepeatedFailuresAreCounted has table files fail under an open engine: it logs that at most
// once a second, and how often it did not.
func TestRepeatedFailuresAreCounted(t *testing.T) {
	log := new(testLog)
	b := &breaker{match: on(".sst", errorfs.OpFileWrite)}
	e := mustOpen(t, smallOptions(errorfs.Wrap(vfs.NewMem(), b), log))
	b.armed.Store(true)
	fillRows(t, e, 0, 40)
	began := time.Now()
	await(t, "a second line", func() bool { return strings.Contains(log.String(), "not_logged=") })
	failed, lines := b.hits.Load(), strings.Count(log.String(), "background work failed")
	if limit := 1 + int(time.Since(began)/time.Second) + 1; lines > limit || failed < 3 {
		t.Errorf("%d lines of %d failures, at most %d are due:\n%s", lines, failed, limit, log)
	}
	b.armed.Store(false)
	expectRows(t, e, 0, 40)
}

// TestClockSetBack sets the wall clock back by an hour while writes are refused: they are taken
// again all the same when there is room.
func TestClockSetBack(t *testing.T) {
	mem := vfs.NewMem()
	use := func(avail uint64) { mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: avail, TotalBytes: 1 << 40}) }
	use(1)
	e := mustOpen(t, Options{Dir: "data", FS: mem, BallastBytes: -1})
	clock := clocktest.New(e.space.began) // which has a monotonic time
	e.space.now = clock.Now
	for range 2 { // the second sets the time of the next look
		if err := set(e, "a", "1"); !errors.Is(err, kv.ErrNoSpace) {
			t.Fatalf("a write on the full disk: %v", err)
		}
	}
	use(1 << 39)
	clock.Set(wallSetBack(clock.Now(), time.Hour))
	clock.Advance(e.space.every + time.Second)
	now, passed := clock.Now(), clock.Elapsed()
	if !now.Round(0).Before(e.space.began.Round(0)) || now.Sub(e.space.began) != passed {
		t.Fatalf("%v is not %v after %v by a clock that was set back", now, passed, e.space.began)
	}
	if err := set(e, "a", "1"); err != nil {
		t.Errorf("a write when there is room, and the clock was set back: %v", err)
	}
}

// wallSetBack is what time.Now returns at t if the wall clock was set back by whole seconds
// meanwhile.
func wallSetBack(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= uint64(by/time.Second) << 30 // its wall seconds; the monotonic time stays
	return t
}
