package pebblekv

import (
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/kv"
)

var faultEvery = flag.Int("fault.every", 40, "TestEveryOperationFails fails one of so many operations in turn, rather than each")

// failAt fails the operation of one number that changes the disk, or all from it on.
type failAt struct {
	n    atomic.Int64 // counts down
	once bool
	with error
}

// MaybeError implements errorfs.Injector.
func (f *failAt) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpLock || op.Kind == errorfs.OpFileClose {
		return nil
	}
	if n := f.n.Add(-1); n == 0 || n < 0 && !f.once {
		return f.with
	}
	return nil
}

// String implements errorfs.Injector.
func (f *failAt) String() string { return "failAt" }

// TestEveryOperationFails runs a history again and again, and each time another operation that
// changes the disk fails, alone or with all after it: opening, writing, flushing, compacting,
// closing. Every call ends. What is left, with the power on or off, has every update that was
// acknowledged, and those in between, and none that was refused without doubt.
func TestEveryOperationFails(t *testing.T) {
	all := &failAt{once: true}
	all.n.Store(1 << 40)
	faultHistory(t, vfs.NewCrashableMem(), all)
	operations := 1<<40 - all.n.Load()
	rnd, every := faultRandom(t), int64(*faultEvery)
	stopped := 0
	for n := 1 + rnd.Int64N(every); n <= operations; n += every {
		f := &failAt{once: n%2 == 0, with: []error{syscall.EIO, syscall.ENOSPC}[n/2%2]}
		f.n.Store(n)
		mem := vfs.NewCrashableMem()
		acked, doubt, stops := faultHistory(t, mem, f)
		if stops {
			stopped++
		}
		for what, fs := range map[string]vfs.FS{"power on": mem, "power off": mem.CrashClone(vfs.CrashCloneCfg{})} {
			e, err := Open(damageOptions(fs))
			if err != nil {
				t.Errorf("operation %d of %d failed (once: %v), %s: %v", n, operations, f.once, what, err)
				continue
			}
			s, err := stateOf(e)
			want := stateAfter(s.updates())
			if err != nil || !s.equal(&want) || s.updates() < acked || s.updates() > acked+doubt {
				t.Errorf("operation %d of %d failed (once: %v), %s: %d updates are there, of %d and %d in doubt (%v)",
					n, operations, f.once, what, s.updates(), acked, doubt, err)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("of %d operations every %dth; %d times the engine stopped", operations, every, stopped)
}

// faultHistory runs updates one after the other, until one fails. It returns how many were
// acknowledged, how many more may be there (0 or 1), and whether the engine had to stop.
func faultHistory(t *testing.T, mem *vfs.MemFS, f *failAt) (acked, doubt int, stops bool) {
	t.Helper()
	hang := time.AfterFunc(60*time.Second, func() { panic(fmt.Sprintf("operation %d: a call hangs", f.n.Load())) })
	defer hang.Stop()
	// Where only table files fail, writers wait for the disk to be well again once their memory is
	// full, and it is after a while.
	heal := time.AfterFunc(2*time.Second, func() {
		if f.with != nil {
			f.n.Store(1 << 40)
		}
	})
	defer heal.Stop()
	e, err := Open(damageOptions(newFaultFS(mem, f)))
	if err != nil {
		return 0, 0, false
	}
	e.flushPatience = 100 * time.Millisecond
	for ; acked < damageUpdates/2; acked++ {
		if err = damageUpdate(e, acked); err != nil {
			break
		}
	}
	if stops = errors.Is(err, kv.ErrFailed); errors.Is(err, kv.ErrCommitUnknown) {
		doubt = 1
	}
	if err != nil && !stops {
		t.Errorf("an update fails with %v, and the engine goes on", err)
	}
	_ = e.Close()
	return acked, doubt, stops
}

// faultFS is errorfs.Wrap, for log files that are used again as well: those errorfs does not watch.
type faultFS struct {
	*errorfs.FS
	injector errorfs.Injector
}

// newFaultFS wraps a file system.
func newFaultFS(fs vfs.FS, injector errorfs.Injector) *faultFS {
	return &faultFS{errorfs.Wrap(fs, injector), injector}
}

func (fs *faultFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(f, errorfs.InjectorFunc(func(op errorfs.Op) error {
		op.Path = name
		return fs.injector.MaybeError(op)
	})), nil
}
