package pebblekv

import (
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// smallDisk is a disk in memory with little room, of which others take a part: what does not fit is
// ENOSPC. A byte takes a byte, and a name takes nothing.
type smallDisk struct {
	*vfs.MemFS
	t    *testing.T
	size int64

	mu     sync.Mutex
	others int64
	greedy bool // others take all that becomes free, too
	fails  int  // how often there was no room
}

// newSmallDisk is a disk of so many bytes. Of the files in mem only those in the directory "data"
// count.
func newSmallDisk(t *testing.T, mem *vfs.MemFS, size int64) *smallDisk {
	return &smallDisk{MemFS: mem, t: t, size: size}
}

// free is the room that is left. The disk is locked.
func (d *smallDisk) free() int64 {
	if d.greedy {
		return 0
	}
	free := d.size - d.others
	names, _ := d.List("data") // none before it is made
	for _, name := range names {
		if info, err := d.Stat("data/" + name); err == nil { // else it has been removed meanwhile
			free -= info.Size()
		}
	}
	return max(free, 0)
}

// fill has others take all that is left.
func (d *smallDisk) fill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others += d.free()
}

// takeFreed has others take all that becomes free.
func (d *smallDisk) takeFreed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.greedy = true
}

// leaveFreed is the end of takeFreed.
func (d *smallDisk) leaveFreed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.greedy = false
}

// empty has others take nothing.
func (d *smallDisk) empty() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others = 0
}

// failures is how often there was no room.
func (d *smallDisk) failures() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fails
}

// GetDiskUsage implements vfs.FS.
func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	free := uint64(d.free())
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: uint64(d.size), UsedBytes: uint64(d.size) - free}, nil
}

// Create implements vfs.FS.
func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(d.MemFS.Create(name, c))
}

// OpenReadWrite implements vfs.FS.
func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(d.MemFS.OpenReadWrite(name, c, o...))
}

// ReuseForWrite implements vfs.FS.
func (d *smallDisk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(d.MemFS.ReuseForWrite(old, name, c))
}

func (d *smallDisk) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &smallFile{File: f, d: d}, nil
}

// smallFile is a file on a small disk.
type smallFile struct {
	vfs.File
	d  *smallDisk
	at int64 // where Write goes on
}

// Write implements io.Writer.
func (f *smallFile) Write(p []byte) (int, error) {
	n, err := f.write(p, f.at, f.File.Write)
	f.at += int64(n)
	return n, err
}

// WriteAt implements io.WriterAt.
func (f *smallFile) WriteAt(p []byte, at int64) (int, error) {
	return f.write(p, at, func(p []byte) (int, error) { return f.File.WriteAt(p, at) })
}

// write writes as much as there is room for.
func (f *smallFile) write(p []byte, at int64, do func([]byte) (int, error)) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	room := max(info.Size()-at, 0) + f.d.free()
	if int64(len(p)) <= room {
		return do(p)
	}
	f.d.fails++
	n, err := do(p[:room])
	if err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}
