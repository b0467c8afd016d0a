package pebblekv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// dirLock keeps all others out of a data directory. Pebble's lock is on the file LOCK, and whoever
// removes that file, believing that an ended program has left it behind, lets a second server in.
// So the directory itself is locked as well, where the operating system's files are used and allow
// it, and a lockWatch looks whether both are still there.
type dirLock struct {
	*pebble.Lock
	dir  io.Closer // the lock of the directory itself; nil: it has none
	weak error     // why not
	held []heldFile
}

// heldFile is a file or directory that must stay what it was.
type heldFile struct {
	path, what string
	info       os.FileInfo
	taken      error // the cause of the error when it is not there any more
}

// ErrTakenAway says that the data directory was removed, renamed or replaced while an engine had it
// open: what is on the disk may be elsewhere.
var ErrTakenAway = errors.New("it was in use")

// errLockTaken is the same of the file of its lock.
var errLockTaken = errors.New("it was in use")

// errHeld says that somebody else has the lock.
var errHeld = errors.New("the directory is locked")

// lockMode is who else may hold the lock of a directory.
type lockMode uint8

const (
	exclusive lockMode = iota // nobody
	shared                    // others that only read
)

// lockDir locks a directory, alone or together with others that only read. The directory itself
// comes first: where it is taken, no file LOCK is made.
func lockDir(fsys vfs.FS, dir string, mode lockMode) (*dirLock, error) {
	l := &dirLock{}
	onDisk := vfs.Root(fsys) == vfs.Default
	if onDisk {
		if l.dir, l.weak = lockOSDir(dir, mode); errors.Is(l.weak, errHeld) {
			return nil, fmt.Errorf("%w: %w", ErrLocked, l.weak)
		}
	}
	lock, err := pebble.LockDirectory(dir, fsys)
	var pathErr *fs.PathError
	switch {
	case err == nil:
	case errors.As(err, &pathErr):
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnwritable, err), l.closeDir())
	default:
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrLocked, err), l.closeDir())
	}
	l.Lock = lock
	if onDisk && mode == exclusive {
		l.hold(dir, "the data directory", ErrTakenAway)
		l.hold(fsys.PathJoin(dir, lockFile), "the lock file of the data directory", errLockTaken)
	}
	return l, nil
}

func (l *dirLock) hold(path, what string, taken error) {
	if info, err := os.Stat(path); err == nil {
		l.held = append(l.held, heldFile{path, what, info, taken})
	}
}

func (l *dirLock) closeDir() error {
	if l.dir == nil {
		return nil
	}
	return l.dir.Close()
}

func (l *dirLock) Close() error { return errors.Join(l.Lock.Close(), l.closeDir()) }

// look tells whether what is held is still there. unsure is an error that says nothing of that.
func (l *dirLock) look() (lost, unsure error) {
	for _, h := range l.held {
		info, err := os.Stat(h.path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return fmt.Errorf("%s %s was removed or renamed: %w", h.what, h.path, h.taken), nil
		case err != nil:
			unsure = err
		case !os.SameFile(info, h.info):
			return fmt.Errorf("%s %s was replaced: %w", h.what, h.path, h.taken), nil
		}
	}
	return nil, unsure
}

// watchEvery is how often a lockWatch looks.
const watchEvery = time.Second

// lockWatch stops an engine whose directory, or the lock on it, is taken away: another server can
// begin there, or what is written goes nowhere.
type lockWatch struct {
	stop    chan struct{}
	stopped sync.WaitGroup
}

// startWatch begins to look. Only an engine that writes to the operating system's files has
// something to look at.
func (e *Engine) startWatch() {
	if e.lock.weak != nil {
		e.log.Debug("the data directory itself cannot be locked, its file LOCK is", "error", e.lock.weak)
	}
	if len(e.lock.held) == 0 {
		return
	}
	e.watch.stop = make(chan struct{})
	e.watch.stopped.Go(func() { e.watch.run(e.lock, e.failed, e.fail, e.log) })
}

// run looks until it is stopped, or the engine has.
func (w *lockWatch) run(l *dirLock, failed <-chan struct{}, fail func(error), log *slog.Logger) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-w.stop:
			return
		case <-failed:
			return
		case <-tick.C:
		}
		lost, unsure := l.look()
		switch {
		case lost != nil:
			fail(lost)
			return
		case unsure != nil && !told:
			log.Warn("nobody can tell whether the data directory is still there", "error", unsure)
		}
		told = unsure != nil
	}
}

// end stops looking.
func (w *lockWatch) end() {
	if w.stop != nil {
		close(w.stop)
		w.stopped.Wait()
	}
}
