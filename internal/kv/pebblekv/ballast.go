package pebblekv

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ballastFile is a file of the data directory that holds nothing but room. It is removed when the
// volume is full, so that what must be written even then finds some: what a start writes,
// DeleteTable, and what gives its rows' space back. It helps once whoever fills the volume has
// stopped. No copy of the directory has it.
const ballastFile = "BALLAST"

// What a ballast is, where the options do not say otherwise, and how often it is looked after.
const (
	// defaultBallast is what a start may have to write: the logs of the memtables, and the next
	// ones.
	defaultBallast = 6 * memtableSize
	maintainEvery  = time.Second
	// ballastRetry is how long after a failure it is made again.
	ballastRetry = time.Minute
)

// errAborted says that the ballast was not made because the room is needed.
var errAborted = errors.New("the room is needed")

// ballast is the file. There is none while the store is smaller than it, or while it would leave
// less free space than the floor.
type ballast struct {
	fs   vfs.FS // the disk
	dir  string
	path string
	size int64 // 0: none is wanted
	log  *slog.Logger

	there atomic.Bool // changed under mu
	// allocated says that this process has seen the file's blocks: a copy of a directory may have a
	// file without.
	allocated atomic.Bool
	// owed is the size from when it was given back until it is made again. The floor is higher by
	// so much.
	owed  atomic.Int64
	given atomic.Int64 // how often it was given back; changed under mu
	abort atomic.Bool  // what is being made should be given up
	mu    sync.Mutex

	later time.Time // when to make it after a failure; only maintain's
}

// newBallast is a ballast that is not looked for yet. bytes are those of Options.
func newBallast(disk vfs.FS, dir string, bytes int64, log *slog.Logger) *ballast {
	if bytes == 0 {
		bytes = defaultBallast
	}
	return &ballast{fs: disk, dir: dir, path: disk.PathJoin(dir, ballastFile), size: max(bytes, 0), log: log}
}

// find looks for what an earlier run has left. A file of another size is removed: it is made anew
// when there is room.
func (b *ballast) find() error {
	info, err := b.fs.Stat(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case b.size > 0 && info.Size() == b.size:
		b.there.Store(true)
		return nil
	}
	return errors.Join(b.fs.Remove(b.path), syncDir(b.fs, b.dir))
}

// give removes the file, and returns when its room can be used. It may be called at any moment, by
// whoever finds the volume full.
func (b *ballast) give() {
	if b.size == 0 {
		return
	}
	b.abort.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.abort.Store(false)
	if !b.there.Load() {
		return
	}
	if err := b.fs.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Error("the ballast cannot be given back", "path", b.path, "error", err.Error())
		return
	}
	b.gone()
	err := syncDir(b.fs, b.dir) // some file systems free the blocks no sooner
	b.log.Warn("the volume is full: the ballast is given back, and writes are refused until there is room for it again",
		"path", b.path, "bytes", b.size)
	if err != nil {
		b.log.Warn("the directory cannot be synced", "path", b.dir, "error", err.Error())
	}
}

func (b *ballast) gone() {
	b.there.Store(false)
	b.allocated.Store(false)
	b.owed.Store(b.size)
	b.given.Add(1)
}

// make makes the file, durably. given is what b.given was before the caller looked at the volume:
// if the ballast has been given back since, its room is needed, and make returns errAborted.
func (b *ballast) make(given int64) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	there := b.there.Load()
	switch {
	case b.given.Load() != given:
		return errAborted
	case there && b.allocated.Load():
		return nil // another call has made it
	}
	f, err := b.fs.OpenReadWrite(b.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err = allocate(f, b.size, there, &b.abort); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncDir(b.fs, b.dir)
	}
	if err != nil {
		if !there {
			err = errors.Join(err, b.fs.Remove(b.path))
		}
		return err
	}
	b.there.Store(true) // it is durable: room that a crash could give back does not count
	b.allocated.Store(true)
	b.owed.Store(0)
	return nil
}

// maintain makes the ballast if there should be one and is room for it. stored is how large the
// store is.
func (b *ballast) maintain(s *space, stored func() uint64) {
	given := b.given.Load()
	free, floor, ok := s.look()
	if b.there.Load() && b.allocated.Load() {
		if _, err := b.fs.Stat(b.path); errors.Is(err, fs.ErrNotExist) { // somebody has given it back by hand
			b.mu.Lock()
			b.gone()
			b.mu.Unlock()
		}
		return
	}
	size := uint64(b.size)
	if !ok || free < floor+size+size/8 || time.Now().Before(b.later) {
		return
	}
	if !b.there.Load() && b.owed.Load() == 0 && stored() < size {
		return
	}
	switch err := b.make(given); {
	case errors.Is(err, errAborted):
	case err != nil:
		b.log.Warn("no ballast can be made", "path", b.path, "bytes", b.size, "error", err.Error())
		b.later = time.Now().Add(ballastRetry)
		b.owed.Store(0) // nobody waits for what cannot be had
	default:
		b.log.Info("the ballast is there", "path", b.path, "bytes", b.size)
	}
	s.look()
}

func (b *ballast) bytes() uint64 {
	if !b.there.Load() {
		return 0
	}
	return uint64(b.size)
}

// writeZeros fills the file where the file system cannot allocate blocks otherwise.
func writeZeros(f vfs.File, size int64, abort *atomic.Bool) error {
	const piece = 1 << 20
	zeros := make([]byte, min(piece, size))
	for at := int64(0); at < size; at += piece {
		if abort.Load() {
			return errAborted
		}
		if _, err := f.WriteAt(zeros[:min(piece, size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// startBallast looks after the ballast until stopBallast.
func (e *Engine) startBallast() {
	if e.ballast.size == 0 {
		return
	}
	e.ballastStop = make(chan struct{})
	e.ballastDone.Go(func() {
		tick := time.NewTicker(maintainEvery)
		defer tick.Stop()
		for e.failure() == nil {
			select {
			case <-e.ballastStop:
				return
			case <-e.failed:
				return
			case <-tick.C:
				e.maintainBallast()
			}
		}
	})
}

// maintainBallast is one round of startBallast.
func (e *Engine) maintainBallast() (err error) {
	defer e.engineCall(&err)
	e.ballast.maintain(&e.space, func() uint64 { return e.db.Metrics().DiskSpaceUsage() })
	return nil
}

// stopBallast ends the goroutine of startBallast, and gives up a ballast that is being made.
func (e *Engine) stopBallast() {
	if e.ballastStop != nil {
		close(e.ballastStop)
		e.ballast.abort.Store(true)
		e.ballastDone.Wait()
		e.ballast.abort.Store(false)
		e.ballastStop = nil
	}
}

// full is called where the volume has no room for a write, which is tried again afterwards.
func (e *Engine) full() {
	e.ballast.give()
	if e.opened.Load() {
		e.space.look()
	}
}

// roomToStart gives the ballast back if the volume may have less room than what a start writes:
// tables of all that the logs hold, and the next log.
func (e *Engine) roomToStart() error {
	if err := e.ballast.find(); err != nil {
		return err
	}
	names, err := e.fs.List(e.dir)
	if err != nil {
		return err
	}
	logs := uint64(0)
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		info, err := e.fs.Stat(e.fs.PathJoin(e.dir, name))
		if err != nil {
			return err
		}
		logs += uint64(info.Size())
	}
	_ = e.space.room(logs) // where there is no room the start fails by itself, and says so
	return nil
}

// taken is called when the directory is this engine's alone: it makes room for what a start writes,
// and calls tell (Options.OnLocked), if not nil.
func (e *Engine) taken(tell func() error) error {
	if err := e.roomToStart(); err != nil || tell == nil {
		return err
	}
	return tell()
}

// room is space.room for n bytes more, of an engine that has a disk.
func (e *Engine) room(n int) error {
	if e.volatile || e.readOnly {
		return nil
	}
	return e.space.room(uint64(n))
}

// ErrFull says that the volume has no room for what a start writes, the ballast included. Open
// returns it, wrapped.
var ErrFull = errors.New("the volume has no room for what a start writes; nothing is lost, " +
	`so make room there and start again ("partita check" and "partita backup --offline" need none)`)

// isFull tells whether the error is that of a volume without room.
func isFull(err error) bool { return vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT) }
