package pebblekv

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/kvtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener opens engines over the same options, each after closing the one before.
func opener(base Options) func(testing.TB, kvtest.Options) kv.Engine {
	return func(t testing.TB, o kvtest.Options) kv.Engine {
		t.Helper()
		base := base
		base.Clock, base.Stripes, base.LatchTimeout = o.Clock, o.Stripes, o.LatchTimeout
		e, err := Open(base)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return e
	}
}

// inMemory is an engine without a disk.
func inMemory(testing.TB) kvtest.Medium {
	return kvtest.Medium{Open: opener(Options{InMemory: true}), Volatile: true}
}

// onDisk is an engine in a directory of the operating system's.
func onDisk(t testing.TB) kvtest.Medium {
	return kvtest.Medium{Open: opener(Options{Dir: t.TempDir()})}
}

// crashable is an engine on a disk in memory that can lose its power and hold its syncs.
func crashable(testing.TB) kvtest.Medium { return crashableOn(vfs.NewCrashableMem(), syncing) }

// syncs is what a disk makes of the syncs of the log.
type syncs uint8

const (
	syncing    syncs = iota
	pretending       // it does not sync
)

// crashableOn is an engine on such a disk.
func crashableOn(mem *vfs.MemFS, s syncs) kvtest.Medium {
	fs := &gateFS{FS: mem, lossy: s == pretending}
	return kvtest.Medium{
		Open:     opener(Options{Dir: "data", FS: fs}),
		HoldSync: fs.hold,
		Crash: func(rng *rand.Rand) kvtest.Medium {
			percent := []int{0, 0, 50, 100}[rng.IntN(4)]
			return crashableOn(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), s)
		},
	}
}

// gateFS can hold the syncs of logs, and takes a little time for each, as disks do.
type gateFS struct {
	vfs.FS
	lossy bool
	gate  sync.RWMutex // held for writing while syncs are held
}

// hold holds the syncs that begin from now on.
func (g *gateFS) hold() (release func()) {
	g.gate.Lock()
	return sync.OnceFunc(g.gate.Unlock)
}

// Create implements vfs.FS.
func (g *gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, c)
	if err == nil && strings.HasSuffix(name, ".log") {
		f = &gateFile{f, g}
	}
	return f, err
}

// gateFile is a log behind a gate.
type gateFile struct {
	vfs.File
	fs *gateFS
}

// Sync implements vfs.File.
func (f *gateFile) Sync() error { return f.SyncData() }

// SyncData implements vfs.File.
func (f *gateFile) SyncData() error {
	f.fs.gate.RLock()
	defer f.fs.gate.RUnlock()
	time.Sleep(50 * time.Microsecond)
	if f.fs.lossy {
		return nil
	}
	return f.File.SyncData()
}
