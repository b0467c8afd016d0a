package pebblekv

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/metrics"
)

// failStopFS is the file system under Pebble. It is what makes the engine stop cleanly.
//
// Pebble answers a failed write of its log by panicking with its locks held, or by ending the
// process, so callers in it would hang forever. failStopFS therefore keeps such failures to
// itself: it stops the engine first, and discards all that is written from then on. Nothing changes
// the disk any more: writes and syncs of what is there pretend to succeed, new files live in
// memory, and Pebble runs on undisturbed until it is closed. No client sees such a success, because
// every caller looks at the engine's failure after its sync.
//
// Failures of table files are passed on: Pebble throws such a file away and tries again.
type failStopFS struct {
	vfs.FS
	// required is the same file system for what has to be written: where it has no room, the
	// ballast is given back first.
	required vfs.FS
	dir      string
	// stop is called at the first failure. It is nil until Pebble is opened: what comes before
	// reports its own failures.
	stop atomic.Pointer[func(error)]
	// leave refuses a compaction's write while the room is needed otherwise; nil: never.
	leave func() error
	// patience is how many failures of table files are left while Pebble is being opened, which
	// would try forever; 0: any number.
	patience   atomic.Int64
	discarding atomic.Bool
	scratch    vfs.FS            // the files made meanwhile, in memory
	syncs      metrics.Histogram // of the log
	// copies are the directories that checkpoints are written into, each with the context.Context
	// that ends it.
	copies sync.Map
	// lastTableFailure is when a table file last could not be written, in nanoseconds since the
	// process began.
	lastTableFailure atomic.Int64
}

// newFailStopFS wraps the file system that holds dir.
func newFailStopFS(fs vfs.FS, dir string) *failStopFS {
	return &failStopFS{FS: fs, required: fs, dir: dir, scratch: vfs.NewMem()}
}

// openPatience is how many failures of table files an Open bears. There are one to three a try.
const openPatience = 10

// flushCategory is what Pebble calls the tables that it makes of memory.
const flushCategory vfs.DiskWriteCategory = "pebble-memtable-flush"

// processStart is what times within the process count from. They advance evenly though the wall
// clock is set.
var processStart = time.Now()

// sinceStart is how long the process has run.
func sinceStart() time.Duration { return time.Since(processStart) }

// discard lets nothing more reach the disk. What is being written when it is called may still get
// there, as after a crash.
func (s *failStopFS) discard() {
	_ = s.scratch.MkdirAll(s.dir, 0o755) // in memory
	s.discarding.Store(true)
}

// vital says whether the engine cannot go on after a failed write of the file. The files of a
// checkpoint are not.
func (s *failStopFS) vital(name string) bool {
	return s.FS.PathDir(name) == s.dir && !isTable(name)
}

// isTable says whether the file is one that Pebble writes anew if it fails.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// failed stops the engine for a failed operation on a vital file, and says whether that keeps the
// error from Pebble.
func (s *failStopFS) failed(err error) bool {
	stop := s.stop.Load()
	if stop == nil {
		return false
	}
	(*stop)(err)
	return true
}

// pause slows Pebble down when its table files fail: it would try again at once and forever.
func (s *failStopFS) pause() {
	if t := s.lastTableFailure.Load(); t != 0 && sinceStart()-time.Duration(t) < time.Second {
		time.Sleep(50 * time.Millisecond)
	}
}

// tableFailed notes that a table file could not be written. An Open that has tried often enough it
// lets go on and discards what it writes, so that it comes to its end.
func (s *failStopFS) tableFailed(err error) {
	s.lastTableFailure.Store(int64(sinceStart()))
	if s.patience.Load() > 0 && s.patience.Add(-1) == 0 {
		s.failed(fmt.Errorf("writing out the log has failed %d times: %w", openPatience, err))
	}
}

// at is the file system for a file that is written: compactions, which can wait, leave the ballast
// alone.
func (s *failStopFS) at(name string, c vfs.DiskWriteCategory) vfs.FS {
	if s.vital(name) || c == flushCategory {
		return s.required
	}
	return s.FS
}

// Create implements vfs.FS.
func (s *failStopFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if s.discarding.Load() {
		return s.scratch.Create(name, c)
	}
	if ctx := s.copying(name); ctx != nil {
		return createCopy(ctx, s.FS, name, c)
	}
	if isTable(name) {
		s.pause()
	}
	err := s.syncManifest(name)
	var f vfs.File
	if err == nil {
		f, err = s.at(name, c).Create(name, c)
	}
	if err == nil && isTable(name) && c != flushCategory && s.leave != nil {
		f = &compactionFile{File: f, leave: s.leave}
	}
	return s.opened(f, err, name, func() (vfs.File, error) { return s.scratch.Create(name, c) })
}

// syncManifest syncs the directory before the file is made that points to a new manifest. Pebble
// syncs it after that only, when a power cut may have kept the pointer and lost the manifest.
func (s *failStopFS) syncManifest(name string) error {
	if !strings.HasPrefix(s.FS.PathBase(name), "marker.manifest") {
		return nil
	}
	return syncDir(s.FS, s.FS.PathDir(name))
}

// opened wraps a file that was opened for writing; if that failed and the engine stopped, inScratch
// opens it instead.
func (s *failStopFS) opened(f vfs.File, err error, name string, inScratch func() (vfs.File, error)) (vfs.File, error) {
	if err == nil {
		return &failStopFile{File: f, fs: s, vital: s.vital(name), wal: strings.HasSuffix(name, ".log")}, nil
	}
	if s.vital(name) && s.failed(err) {
		return inScratch()
	}
	s.tableFailed(err)
	return nil, err
}

// OpenReadWrite implements vfs.FS.
func (s *failStopFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	inScratch := func() (vfs.File, error) { return s.scratch.OpenReadWrite(name, c, opts...) }
	if s.discarding.Load() {
		return inScratch()
	}
	f, err := s.at(name, c).OpenReadWrite(name, c, opts...)
	return s.opened(f, err, name, inScratch)
}

// ReuseForWrite implements vfs.FS.
func (s *failStopFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	inScratch := func() (vfs.File, error) { return s.scratch.Create(name, c) }
	if s.discarding.Load() {
		return inScratch()
	}
	f, err := s.at(name, c).ReuseForWrite(old, name, c)
	return s.opened(f, err, name, inScratch)
}

// Open implements vfs.FS.
func (s *failStopFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if s.discarding.Load() {
		if f, err := s.scratch.Open(name, opts...); err == nil {
			return f, nil
		}
	}
	return s.FS.Open(name, opts...)
}

// OpenDir implements vfs.FS.
func (s *failStopFS) OpenDir(name string) (vfs.File, error) {
	f, err := s.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &failStopFile{File: f, fs: s, vital: name == s.dir}, nil
}

// Stat implements vfs.FS.
func (s *failStopFS) Stat(name string) (vfs.FileInfo, error) {
	if s.discarding.Load() {
		if i, err := s.scratch.Stat(name); err == nil {
			return i, nil
		}
	}
	return s.FS.Stat(name)
}

// Rename implements vfs.FS.
func (s *failStopFS) Rename(old, name string) error {
	return s.change(name, func(fs vfs.FS) error { return fs.Rename(old, name) })
}

// Link implements vfs.FS.
func (s *failStopFS) Link(old, name string) error {
	if ctx := s.copying(name); ctx != nil {
		return linkCopy(ctx, s.FS, old, name)
	}
	return s.change(name, func(fs vfs.FS) error { return fs.Link(old, name) })
}

// change changes the directory; what is discarded changes the files in memory only.
func (s *failStopFS) change(name string, do func(vfs.FS) error) error {
	if s.discarding.Load() {
		_ = do(s.scratch)
		return nil
	}
	err := do(s.required)
	if err != nil && s.vital(name) && s.failed(err) {
		return nil
	}
	return err
}

// Remove implements vfs.FS. A file that stays behind does no harm, so a failure is passed on.
func (s *failStopFS) Remove(name string) error {
	if s.discarding.Load() {
		_ = s.scratch.Remove(name)
		return nil
	}
	return s.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (s *failStopFS) RemoveAll(name string) error {
	if s.discarding.Load() {
		return nil
	}
	return s.FS.RemoveAll(name)
}

// MkdirAll implements vfs.FS.
func (s *failStopFS) MkdirAll(dir string, perm os.FileMode) error {
	if s.discarding.Load() {
		return s.scratch.MkdirAll(dir, perm)
	}
	return s.FS.MkdirAll(dir, perm)
}

// Unwrap implements vfs.FS.
func (s *failStopFS) Unwrap() vfs.FS { return s.FS }

// compactionFile is a table that a compaction writes.
type compactionFile struct {
	vfs.File
	leave func() error
	room  int // how many bytes it writes before it asks
}

// Write implements io.Writer.
func (f *compactionFile) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		if err := f.leave(); err != nil {
			return 0, err
		}
		f.room = leaveEvery
	}
	return f.File.Write(p)
}

// failStopFile is a file or directory that was opened for writing on the disk. A vital one never
// tells Pebble of a failure.
type failStopFile struct {
	vfs.File
	fs         *failStopFS
	vital, wal bool
}

// Write implements io.Writer.
func (f *failStopFile) Write(p []byte) (int, error) {
	if f.discards() {
		return len(p), nil
	}
	n, err := f.File.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if f.absorbs(err) {
		return len(p), nil
	}
	return n, err
}

func (f *failStopFile) WriteAt(p []byte, off int64) (int, error) {
	if f.discards() {
		return len(p), nil
	}
	n, err := f.File.WriteAt(p, off)
	if f.absorbs(err) {
		return len(p), nil
	}
	return n, err
}

func (f *failStopFile) Sync() error { return f.sync(f.File.Sync) }

func (f *failStopFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *failStopFile) sync(do func() error) error {
	if f.discards() {
		return nil
	}
	began := time.Now()
	err := do()
	if f.wal {
		f.fs.syncs.Observe(time.Since(began))
	}
	if f.absorbs(err) {
		return nil
	}
	return err
}

func (f *failStopFile) SyncTo(length int64) (fullSync bool, err error) {
	if f.discards() {
		return true, nil
	}
	fullSync, err = f.File.SyncTo(length)
	if f.absorbs(err) {
		return true, nil
	}
	return fullSync, err
}

func (f *failStopFile) Preallocate(offset, length int64) error {
	if f.discards() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

func (f *failStopFile) Close() error {
	err := f.File.Close()
	if f.discards() || f.absorbs(err) {
		return nil
	}
	return err
}

// discards says whether the file's writes no longer reach the disk. A table half written may go on:
// nothing refers to it yet, and the next Open removes it.
func (f *failStopFile) discards() bool { return f.vital && f.fs.discarding.Load() }

// absorbs looks at an operation's error, stops the engine if it must, and says whether the error is
// kept from Pebble.
func (f *failStopFile) absorbs(err error) bool {
	if err == nil {
		return false
	}
	if f.vital {
		return f.fs.failed(err)
	}
	f.fs.tableFailed(err)
	return false
}
