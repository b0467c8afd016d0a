package db

import (
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// powerFS is a file system whose power can be cut in the middle of anything: it counts the
// operations that change it, and calls cut just before or just after some of them, chosen at
// random. Everything else on the file system stands still meanwhile.
type powerFS struct {
	vfs.FS
	cut func() // nil: the power stays on

	mu  sync.Mutex // held during cut
	rnd *rand.Rand
	gap int // about so many operations lie between two cuts
	// left is how many operations of the kind are left before the next cut. Nearly all operations
	// are those of the log, so half of the cuts look at the others only: tables, manifests,
	// directories.
	left int
	rare bool
}

// newPowerFS wraps a file system.
func newPowerFS(fs vfs.FS, rnd *rand.Rand, gap int) *powerFS {
	p := &powerFS{FS: fs, rnd: rnd, gap: gap}
	p.choose()
	return p
}

// choose chooses the next operation.
func (p *powerFS) choose() {
	if p.rare = p.rnd.IntN(2) == 0; p.rare {
		p.left = p.rnd.IntN(1 + p.gap/4)
	} else {
		p.left = p.rnd.IntN(1 + 2*p.gap)
	}
}

// arm has cut called from now on; nil: no more.
func (p *powerFS) arm(cut func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

// step is told of an operation before it is done. The function that it returns is told after.
func (p *powerFS) step(name string) (after func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cut == nil || p.rare && strings.HasSuffix(name, ".log"):
	case p.left > 0:
		p.left--
	case p.rnd.IntN(2) == 0:
		p.choose()
		p.cut()
	default:
		p.choose()
		return func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.cut != nil {
				p.cut()
			}
		}
	}
	return func() {}
}

// opened wraps a file.
func (p *powerFS) opened(f vfs.File, err error, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &powerFile{f, p, name}, nil
}

// Create implements vfs.FS.
func (p *powerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	defer p.step(name)()
	f, err := p.FS.Create(name, c)
	return p.opened(f, err, name)
}

// ReuseForWrite implements vfs.FS.
func (p *powerFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	defer p.step(name)()
	f, err := p.FS.ReuseForWrite(old, name, c)
	return p.opened(f, err, name)
}

// OpenDir implements vfs.FS.
func (p *powerFS) OpenDir(name string) (vfs.File, error) {
	f, err := p.FS.OpenDir(name)
	return p.opened(f, err, name)
}

// Rename implements vfs.FS.
func (p *powerFS) Rename(old, name string) error {
	defer p.step(name)()
	return p.FS.Rename(old, name)
}

// Link implements vfs.FS.
func (p *powerFS) Link(old, name string) error {
	defer p.step(name)()
	return p.FS.Link(old, name)
}

// Remove implements vfs.FS.
func (p *powerFS) Remove(name string) error {
	defer p.step(name)()
	return p.FS.Remove(name)
}

// powerFile is a file or directory on a powerFS.
type powerFile struct {
	vfs.File
	fs   *powerFS
	name string
}

// Write implements io.Writer.
func (f *powerFile) Write(b []byte) (int, error) {
	defer f.fs.step(f.name)()
	return f.File.Write(b)
}

// WriteAt implements io.WriterAt.
func (f *powerFile) WriteAt(b []byte, off int64) (int, error) {
	defer f.fs.step(f.name)()
	return f.File.WriteAt(b, off)
}

// Sync implements vfs.File.
func (f *powerFile) Sync() error {
	defer f.fs.step(f.name)()
	return f.File.Sync()
}

// SyncData implements vfs.File.
func (f *powerFile) SyncData() error {
	defer f.fs.step(f.name)()
	return f.File.SyncData()
}

// SyncTo implements vfs.File.
func (f *powerFile) SyncTo(length int64) (fullSync bool, err error) {
	defer f.fs.step(f.name)()
	return f.File.SyncTo(length)
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
