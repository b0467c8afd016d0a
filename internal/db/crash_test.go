package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// crashWriter writes versions of a few items of its own, one after the other, and remembers what it asked for and what it
// was told.
type crashWriter struct {
	d     *DB
	table *Table
	name  string
	rnd   *rand.Rand

	mu    sync.Mutex
	keys  map[string]*history
	order []string
}

// history is what became of one item: versions[i] is the item after its write number i, missing after a delete.
type history struct {
	key      item.Item
	versions []item.Item
	acked    int // the number of the last acknowledged write
}

// run writes until done is closed.
func (w *crashWriter) run(t *testing.T, done chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		h, old := w.next()
		write, new, err := w.write(h.key, old, n)
		if err != nil {
			t.Error(err)
			return
		}
		w.mu.Lock()
		h.versions = append(h.versions, new)
		w.mu.Unlock()
		if _, err := w.d.Write(context.Background(), write); err != nil {
			t.Errorf("write: %v", err)
			return
		}
		w.mu.Lock()
		h.acked = len(h.versions) - 1
		w.mu.Unlock()
		time.Sleep(time.Duration(w.rnd.IntN(1000)) * time.Microsecond) // or the clones would spend their time replaying logs
	}
}

// next chooses an item and returns it with its current version.
func (w *crashWriter) next() (*history, item.Item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pk, sk := fmt.Sprintf("%s-%d", w.name, w.rnd.IntN(4)), int64(w.rnd.IntN(5))
	text := fmt.Sprint(pk, sk)
	h := w.keys[text]
	if h == nil {
		key := item.New([]item.Entry{attr("pk", item.String(pk)), attr("sk", item.Int(sk))})
		h = &history{key: key, versions: []item.Item{{}}}
		w.keys[text] = h
		w.order = append(w.order, text)
	}
	return h, h.versions[len(h.versions)-1]
}

// write is a random write of the item and the version that it makes.
func (w *crashWriter) write(key, old item.Item, n int) (*Write, item.Item, error) {
	switch {
	case old.Exists() && w.rnd.IntN(5) == 0:
		return &Write{Table: w.table, Key: key, Change: Delete{}}, item.Item{}, nil
	case old.Exists() && w.rnd.IntN(2) == 0:
		v := item.Int(int64(n))
		u, err := w.d.Expressions().Update("SET n = :v", &expr.Params{Values: []expr.Value{{Key: ":v", Value: v}}})
		return &Write{Table: w.table, Key: key, Change: updateChange{u, key}}, old.With([]item.Entry{attr("n", v)}), err
	}
	it := key.With([]item.Entry{
		attr("n", item.Int(int64(n))), attr("a", item.String(fmt.Sprint(w.rnd.IntN(4)))),
		attr("x", item.String(strings.Repeat("x", w.rnd.IntN(300)))),
	})
	return &Write{Table: w.table, Key: it, Change: Put{it}}, it, nil
}

// bounds is which versions of an item a crash may leave: from the last acknowledged before it to the last asked for after.
type bounds struct {
	h    *history
	from int
}

// snapshot returns the bounds of all items as of now.
func (w *crashWriter) snapshot() []bounds {
	w.mu.Lock()
	defer w.mu.Unlock()
	var bs []bounds
	for _, text := range w.order {
		bs = append(bs, bounds{w.keys[text], w.keys[text].acked})
	}
	return bs
}

// lost describes the items of d that are none of the versions they may be.
func (w *crashWriter) lost(d *DB, bs []bounds) (lost []string, err error) {
	t, err := d.Table(DefaultNamespace, "model")
	if err != nil {
		return nil, err
	}
	for _, b := range bs {
		w.mu.Lock()
		allowed := b.h.versions[b.from:]
		w.mu.Unlock()
		err := d.Get(context.Background(), t, b.h.key, true, func(it item.Item) error {
			for _, v := range allowed {
				if item.SameAttributes(v, it) {
					return nil
				}
			}
			lost = append(lost, fmt.Sprintf("%s: has %s", b.h.key.AppendJSON(nil), it.AppendJSON(nil)))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return lost, nil
}

// TestCrashClones takes crash clones of the file system during concurrent writes, each without what was not synced, and
// wants every acknowledged write in every clone, and nothing for Check to find.
func TestCrashClones(t *testing.T) {
	clones := 200
	if testing.Short() {
		clones = 40
	}
	if lost := crashClones(t, clones, true); len(lost) > 0 {
		t.Errorf("%d acknowledged writes were lost, such as %s", len(lost), lost[0])
	}
}

// TestCrashClonesNeedTheSync switches the sync of commits off and wants the test above to notice.
func TestCrashClonesNeedTheSync(t *testing.T) {
	lost := crashClones(t, 20, false)
	if len(lost) == 0 {
		t.Error("no acknowledged write was lost although commits were not synced: the crash test tests nothing")
	} else {
		t.Logf("%d acknowledged writes were lost, as they should, such as %s", len(lost), lost[0])
	}
}

// unsyncedLogs is a file system whose write-ahead logs are never synced.
type unsyncedLogs struct{ vfs.FS }

func (fs unsyncedLogs) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err == nil && strings.HasSuffix(name, ".log") {
		return unsyncedFile{f}, nil
	}
	return f, err
}

func (fs unsyncedLogs) ReuseForWrite(old, new string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, new, c)
	if err == nil && strings.HasSuffix(new, ".log") {
		return unsyncedFile{f}, nil
	}
	return f, err
}

// unsyncedFile is a file that says it was synced.
type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error                           { return nil }
func (unsyncedFile) SyncData() error                       { return nil }
func (unsyncedFile) SyncTo(int64) (fullSync bool, _ error) { return true, nil }

// crashClones runs writers and checks so many crash clones of their file system. It returns what was lost.
func crashClones(t *testing.T, clones int, synced bool) (lost []string) {
	s := seed(t)
	fs := vfs.NewCrashableMem()
	var use vfs.FS = fs
	if !synced {
		use = unsyncedLogs{fs}
	}
	engine, err := pebblekv.Open(pebblekv.Options{Dir: "data", FS: use})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(engine, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	table, err := d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	churned := modelDescriptor()
	churned.Name = "churned"
	if _, err := d.Create(t.Context(), churned); err != nil {
		t.Fatal(err)
	}
	// The tables themselves are not what is tested: they must outlive the crash even where commits are not synced.
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	if engine, err = pebblekv.Open(pebblekv.Options{Dir: "data", FS: use}); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(engine, Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	writers := make([]*crashWriter, 6)
	for i := range writers {
		writers[i] = &crashWriter{
			d: d, table: table, name: fmt.Sprint("w", i), rnd: rand.New(rand.NewPCG(s, uint64(i))), keys: map[string]*history{},
		}
		all.Go(func() { writers[i].run(t, done) })
	}
	all.Go(func() { churnIndexes(t, d, done) })
	all.Go(func() { churnExpiry(t, d, done) })
	all.Go(func() { churnStreams(t, d, done) })
	rnd := rand.New(rand.NewPCG(s, 99))
	for n := range clones {
		before := make([][]bounds, len(writers))
		for i, w := range writers {
			before[i] = w.snapshot()
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{})
		lost = append(lost, checkClone(t, clone, writers, before, n%20 == 0)...)
		if synced && rnd.IntN(4) == 0 { // also one that kept some of what was not synced
			clone = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rnd})
			lost = append(lost, checkClone(t, clone, writers, before, n%20 == 0)...)
		}
	}
	close(done)
	all.Wait()
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	return lost
}

// checkClone opens a crash clone, looks for every item, runs Check, and, if stream says so, holds the stream against the table.
func checkClone(t *testing.T, clone *vfs.MemFS, writers []*crashWriter, before [][]bounds, stream bool) (lost []string) {
	t.Helper()
	engine, err := pebblekv.Open(pebblekv.Options{Dir: "data", FS: clone})
	if err != nil {
		t.Fatalf("opening a crash clone: %v", err)
	}
	d, err := Open(engine, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("opening a crash clone: %v", err)
	}
	for i, w := range writers {
		l, err := w.lost(d, before[i])
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, l...)
	}
	check(t, d)
	if stream {
		checkStream(t, d)
	}
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	return lost
}
