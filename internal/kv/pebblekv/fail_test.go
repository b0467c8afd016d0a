package pebblekv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/kv"
)

// breaker makes the operations that match fail once it is armed.
type breaker struct {
	armed atomic.Bool
	match func(op errorfs.Op) bool
	hits  atomic.Int64
	with  func(op errorfs.Op) error // nil: errorfs.ErrInjected
}

// MaybeError implements errorfs.Injector.
func (b *breaker) MaybeError(op errorfs.Op) error {
	if b.armed.Load() && b.match(op) {
		b.hits.Add(1)
		if b.with != nil {
			return b.with(op)
		}
		return errorfs.ErrInjected
	}
	return nil
}

// String implements errorfs.Injector.
func (b *breaker) String() string { return "breaker" }

// on matches operations by their kind and the beginning or end of the file's name.
func on(name string, kinds ...errorfs.OpKind) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		base := op.Path[strings.LastIndexByte(op.Path, '/')+1:]
		for _, k := range kinds {
			if op.Kind == k && (strings.HasSuffix(base, name) || strings.HasPrefix(base, name)) {
				return true
			}
		}
		return false
	}
}

// failing is a run of writers and readers whose disk breaks.
type failing struct {
	t   *testing.T
	e   *Engine
	mu  sync.Mutex
	max [failWriters]uint64 // the highest update of each writer that was acknowledged or shown
	// ends are the errors that ended the goroutines.
	ends []error
}

const failWriters = 8

// failRow is the row of a writer.
func failRow(g int) []byte { return fmt.Appendf(nil, "w%014d", g) }

// TestFailStop breaks the disk in the middle of writes: whatever breaks, every call ends, with
// kv.ErrFailed, Close does not hang, and the next Open serves all that was acknowledged or shown.
func TestFailStop(t *testing.T) {
	for _, test := range []struct {
		name  string
		match func(errorfs.Op) bool
	}{
		{"log sync", on(".log", errorfs.OpFileSync, errorfs.OpFileSyncData)},
		{"log write", on(".log", errorfs.OpFileWrite)},
		{"log create", on(".log", errorfs.OpCreate, errorfs.OpReuseForWrite)},
		{"manifest write", on("MANIFEST", errorfs.OpFileWrite)},
		{"manifest sync", on("MANIFEST", errorfs.OpFileSync, errorfs.OpFileSyncData)},
		{"directory sync", on("data", errorfs.OpFileSync)},
		{"everything", func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }},
	} {
		t.Run(test.name, func(t *testing.T) { testFailStop(t, &breaker{match: test.match}) })
	}
}

func testFailStop(t *testing.T, b *breaker) {
	mem := vfs.NewCrashableMem()
	failures := make(chan error, 2)
	e, err := Open(Options{Dir: "data", FS: newFaultFS(mem, b), OnFailure: func(err error) { failures <- err }})
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{t: t, e: e}
	var wg sync.WaitGroup
	for g := range failWriters {
		wg.Go(func() { f.until(func(n uint64) error { return f.write(g, n) }) })
		wg.Go(func() { f.until(func(n uint64) error { return f.read(g, n) }) })
	}
	time.Sleep(20 * time.Millisecond)
	b.armed.Store(true)
	waitFor(t, &wg)
	unknown := 0
	for _, err := range f.ends {
		if !errors.Is(err, kv.ErrFailed) {
			t.Errorf("a call ends with %v, want ErrFailed", err)
		}
		if errors.Is(err, kv.ErrCommitUnknown) {
			unknown++
		}
	}
	if unknown == 0 {
		t.Error("no commit is unknown, though some must have waited for the disk")
	}
	f.later()
	if err := e.Close(); !errors.Is(err, kv.ErrFailed) {
		t.Errorf("Close: %v, want ErrFailed", err)
	}
	if err := <-failures; !errors.Is(err, errorfs.ErrInjected) || b.hits.Load() == 0 {
		t.Errorf("OnFailure is told %v after %d faults", err, b.hits.Load())
	}
	if len(failures) > 0 {
		t.Errorf("OnFailure is called again, with %v", <-failures)
	}
	for name, fs := range map[string]vfs.FS{"the disk": mem, "the disk after a power cut": mem.CrashClone(vfs.CrashCloneCfg{})} {
		f.reopened(name, fs)
	}
}

// waitFor ends the test with the stacks if the goroutines hang.
func waitFor(t *testing.T, wg *sync.WaitGroup) {
	t.Helper()
	done := make(chan bool)
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		panic("the calls hang")
	}
}

// until calls fn with rising numbers until it fails.
func (f *failing) until(fn func(n uint64) error) {
	for n := uint64(1); ; n++ {
		if err := fn(n); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.ends = append(f.ends, err)
			return
		}
	}
}

// tell notes that somebody knows of g's n-th update.
func (f *failing) tell(g int, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.max[g] = max(f.max[g], n)
}

// write writes g's n-th update: values large enough that logs and memtables fill quickly.
func (f *failing) write(g int, n uint64) error {
	value := make([]byte, 40<<10)
	binary.BigEndian.PutUint64(value, n)
	lock := [][]byte{failRow(g)}
	do := func(tx kv.Txn) error {
		tx.Set(failRow(g), value)
		tx.AppendLog(1, uint32(g%2), value[:100])
		return nil
	}
	var err error
	if n%5 == 0 {
		err = f.e.UpdateEach(context.Background(), kv.WriteOptions{}, []kv.Write{{Lock: lock, Do: do}})[0]
	} else {
		err = f.e.Update(context.Background(), kv.WriteOptions{Lock: lock}, do)
	}
	if err == nil {
		f.tell(g, n)
	}
	return err
}

// read looks at g's row.
func (f *failing) read(g int, turn uint64) error {
	var seen uint64
	err := f.e.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
		if turn%2 == 0 {
			return r.Scan(kv.Range{Start: failRow(g), End: failRow(g + 1)}, kv.Forward, func(_, v []byte) (bool, error) {
				seen = binary.BigEndian.Uint64(v)
				return true, nil
			})
		}
		v, err := r.Get(failRow(g))
		if v != nil {
			seen = binary.BigEndian.Uint64(v)
		}
		return err
	})
	if err == nil {
		f.tell(g, seen)
	}
	return err
}

// later checks that every later call fails, with a note if something may have been written.
func (f *failing) later() {
	ctx := context.Background()
	_, _, logErr := f.e.ReadLog(ctx, 1, 1, kv.Position{}, kv.Page{Records: 1, Bytes: 1})
	for what, err := range map[string]error{
		"Update":     f.write(0, 1),
		"UpdateEach": f.write(0, 5),
		"View":       f.read(0, 1),
		"ReadLog":    logErr,
		"TrimLog":    f.e.TrimLog(ctx, 1, 1, kv.Position{1}),
		"DropRange":  f.e.DropRange(ctx, kv.Range{}),
		"Barrier":    f.e.Barrier(ctx),
		"Checkpoint": f.e.Checkpoint(ctx, "copy"),
	} {
		if !errors.Is(err, kv.ErrFailed) {
			f.t.Errorf("a later %s returns %v, want ErrFailed", what, err)
		}
	}
}

// reopened opens what the failed engine left behind.
func (f *failing) reopened(name string, fs vfs.FS) {
	e, err := Open(Options{Dir: "data", FS: fs})
	if err != nil {
		f.t.Errorf("opening %s: %v", name, err)
		return
	}
	defer func() { _ = e.Close() }()
	err = e.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
		for g := range failWriters {
			v, err := r.Get(failRow(g))
			if err != nil {
				return err
			}
			if len(v) > 0 && binary.BigEndian.Uint64(v) < f.max[g] || len(v) == 0 && f.max[g] > 0 {
				return fmt.Errorf("update %d of writer %d is lost", f.max[g], g)
			}
		}
		return nil
	})
	if err != nil {
		f.t.Errorf("%s: %v", name, err)
	}
	if err := e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{failRow(0)}}, func(tx kv.Txn) error {
		tx.Set(failRow(0), make([]byte, 8))
		return nil
	}); err != nil {
		f.t.Errorf("%s takes no writes: %v", name, err)
	}
}

// TestTableErrors breaks table files for a while: the engine tries again and goes on.
func TestTableErrors(t *testing.T) {
	b := &breaker{match: on(".sst", errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync)}
	e, err := Open(Options{Dir: "data", FS: newFaultFS(vfs.NewMem(), b)})
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{t: t, e: e}
	b.armed.Store(true)
	for n := uint64(1); n < 400; n++ {
		if err := f.write(0, n); err != nil {
			t.Fatal(err)
		}
	}
	for b.hits.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	b.armed.Store(false)
	if err := f.read(0, 1); err != nil || f.max[0] != 399 {
		t.Errorf("Get sees update %d, %v; want 399", f.max[0], err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// panics are calls in which Pebble panics, each where it is called for another thing.
var panics = []struct {
	name string
	call func(f *failing, breakPebble func()) error
}{
	{"a read", func(f *failing, breakPebble func()) error {
		breakPebble()
		return f.read(0, 1)
	}},
	{"a commit that looks for a shard's end", func(f *failing, breakPebble func()) error {
		return f.e.Update(context.Background(), kv.WriteOptions{}, func(tx kv.Txn) error {
			tx.AppendLog(2, 0, []byte("x")) // the first record of its shard
			breakPebble()
			return nil
		})
	}},
	{"ReadLog of a shard that nobody has used", func(f *failing, breakPebble func()) error {
		breakPebble()
		_, _, err := f.e.ReadLog(context.Background(), 2, 0, kv.Position{}, kv.Page{})
		return err
	}},
	{"Metrics", func(f *failing, breakPebble func()) error {
		breakPebble()
		return f.e.Metrics().Failed
	}},
}

// TestPanicInPebble has Pebble panic: whatever the call, the engine stops.
func TestPanicInPebble(t *testing.T) {
	for _, test := range panics {
		t.Run(test.name, func(t *testing.T) { testPanicInPebble(t, test.call) })
	}
}

func testPanicInPebble(t *testing.T, call func(f *failing, breakPebble func()) error) {
	failed := make(chan error, 1)
	e, err := Open(Options{InMemory: true, OnFailure: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{t: t, e: e}
	if err := f.write(0, 1); err != nil {
		t.Fatal(err)
	}
	db := e.db
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("the caller gets the panic, and the engine goes on: %v", r)
		}
	}()
	if err := call(f, func() { e.db = nil }); !errors.Is(err, kv.ErrFailed) { // any call of it panics
		t.Fatalf("a call in which Pebble panics returns %v, want ErrFailed", err)
	}
	if err := <-failed; !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("OnFailure is told %v, want the panic", err)
	}
	f.later()
	if err := e.Close(); !errors.Is(err, kv.ErrFailed) {
		t.Errorf("Close: %v, want ErrFailed", err)
	}
	// Close left Pebble alone, as its locks may be held. None are held here, and the test wants its
	// goroutines back.
	if err := errors.Join(db.Close(), e.lock.Close()); err != nil {
		t.Error(err)
	}
}
