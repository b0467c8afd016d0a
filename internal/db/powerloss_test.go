package db

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

var powerPoints = flag.Int("power.points", 80, "how often TestPowerLoss cuts the power")

// What TestPowerLoss does with one history.
const (
	powerClients = 4
	powerLives   = 3 // how often the history goes on after a cut
	powerCuts    = 8 // in each life, the last of which ends it
	powerGap     = 60
)

// TestPowerLoss cuts the power at random moments of a random history, also in the middle of
// flushes, compactions, changes of the manifest and of a recovery from the cut before, with any
// part of what was not synced kept. The history is of concurrent clients that write items alone, in
// batches and in transactions with tokens, of two tables whose indexes, streams and expiry come and
// go, of tables that are made and deleted, and of items that expire by a clock that is turned.
// After each cut everything that was acknowledged or shown is there, nothing is there in part, the
// stream tells exactly what happened, tokens are remembered, Check finds nothing, and the database
// goes on.
func TestPowerLoss(t *testing.T) {
	s := seed(t)
	points := *powerPoints
	if testing.Short() {
		points = min(points, 24)
	}
	for n := 0; points > 0; n++ {
		cuts := min(points, powerLives*powerCuts)
		points -= cuts
		t.Run(fmt.Sprint("history ", n), func(t *testing.T) {
			t.Parallel()
			w := newPowerWorld(t, s+uint64(n), false)
			for cuts > 0 && len(w.faults) == 0 {
				w.live(min(cuts, powerCuts))
				cuts -= powerCuts
			}
			for _, fault := range w.faults[:min(len(w.faults), 20)] {
				t.Error(fault)
			}
		})
	}
}

// TestPowerLossNeedsTheSync switches the sync of the log off and wants the test above to notice.
func TestPowerLossNeedsTheSync(t *testing.T) {
	w := newPowerWorld(t, seed(t), true)
	for range powerLives {
		if w.live(powerCuts); len(w.faults) > 0 {
			t.Logf("%d faults, as there should be, such as: %s", len(w.faults), w.faults[0])
			return
		}
	}
	t.Error("nothing was lost although the log was not synced: the test tests nothing")
}

// powerWorld is a database whose power is cut, and all that is known of it outside.
type powerWorld struct {
	t        *testing.T
	seed     uint64
	unsynced bool
	lives    int
	clock    *clocktest.Clock
	mem      *vfs.MemFS
	d        *DB
	tables   []*Table // with the stream that is never switched off, and the side table

	mu       sync.Mutex
	off      bool // nothing that happens from now on counts
	clients  []*powerClient
	features map[string][]powerFeatures // by table: those known, and those asked for
	temps    []*powerTemp
	shown    map[uint32][]powerRecord
	swept    powerSweep
	faults   []string
}

// newPowerWorld makes the tables. They outlive even a disk that does not sync.
func newPowerWorld(t *testing.T, seed uint64, unsynced bool) *powerWorld {
	w := &powerWorld{
		t: t, seed: seed, unsynced: unsynced, mem: vfs.NewCrashableMem(), features: map[string][]powerFeatures{}, shown: map[uint32][]powerRecord{},
		swept: powerSweep{acked: make([]int, powerClients)}, clock: clocktest.New(clocktest.Start),
	}
	engine, d, err := w.open(w.mem)
	if err != nil {
		t.Fatal(err)
	}
	side := modelDescriptor()
	side.Name = "side"
	for _, desc := range []*schema.Descriptor{streamedDescriptor(), side} {
		table, err := d.Create(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		w.tables = append(w.tables, table)
		w.features[table.Name] = []powerFeatures{featuresOf(&table.Descriptor)}
	}
	setExpiry(t, d, "e")
	w.features["model"] = []powerFeatures{{stream: "NEW_AND_OLD_IMAGES", expiry: "e"}}
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range powerClients {
		w.clients = append(w.clients, &powerClient{name: fmt.Sprint("c", i), rnd: w.random(uint64(i))})
	}
	return w
}

// random is a source of randomness of its own.
func (w *powerWorld) random(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed, n+1000*uint64(w.lives)))
}

// fault notes what went wrong.
func (w *powerWorld) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.off {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

// faulty tells whether anything went wrong.
func (w *powerWorld) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.faults) > 0
}

// open opens the database on a file system. Its memtables are small, so that there is something to
// flush and to compact.
func (w *powerWorld) open(fs vfs.FS) (*pebblekv.Engine, *DB, error) {
	return tryOpen(pebblekv.Options{
		Dir: "data", FS: fs, Clock: w.clock.Now, FreeSpaceFloor: -1,
		MemoryLimit: 16 << 20, MemtableBytes: 64 << 10, Stripes: 64,
	})
}

// live opens the database, works on it, and cuts the power so many times; the first cuts may come
// while it opens. What the last cut leaves is the database of the next life.
func (w *powerWorld) live(cuts int) {
	rnd := w.random(100)
	under := vfs.FS(w.mem)
	if w.unsynced {
		under = unsyncedLogs{w.mem}
	}
	fs := newPowerFS(under, rnd, powerGap)
	last := make(chan *powerCut, 1)
	fs.arm(func() {
		cut := w.cut(rnd)
		cuts--
		end := cuts <= 0 || w.faulty()
		if end {
			fs.cut = nil
			w.note(func() { w.off = true })
		}
		if cut.verify(true); end {
			last <- cut
		}
	})
	engine, d, err := w.open(fs)
	if err != nil {
		w.t.Fatal(err)
	}
	w.d = d
	all := w.load()
	cut := <-last
	all.Wait()
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		w.t.Fatal(err)
	}
	if len(w.faults) == 0 {
		w.revive(cut)
	}
}

// revive makes the world what the cut has left, in which no client knows less than there is.
func (w *powerWorld) revive(cut *powerCut) {
	w.lives++
	w.off, w.mem = false, cut.rest
	for i, c := range w.clients {
		c.ops = slices.Clone(cut.asked(i))
		for n := cut.before.acked[i]; n < len(c.ops); n++ { // it has happened in so far as verify has found out
			happened := slices.DeleteFunc(slices.Clone(c.ops[n].writes), func(one *powerWrite) bool { return cut.undone[one] })
			c.ops[n] = &powerOp{writes: happened}
		}
		c.acked, c.rnd = len(c.ops), w.random(uint64(i))
	}
	for _, table := range w.tables {
		w.features[table.Name] = []powerFeatures{cut.features[table.Name]}
	}
	w.temps = nil
	for _, temp := range cut.temps {
		w.temps = append(w.temps, &temp)
	}
	w.shown, w.swept = cut.before.shown, cut.before.swept
}
