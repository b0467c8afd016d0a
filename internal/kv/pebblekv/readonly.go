package pebblekv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errReadOnly refuses a write to an engine that was opened with Options.ReadOnly.
var errReadOnly = errors.New("pebblekv: the store is open for reading only")

// readOnlyFS is the file system under an engine that only reads. Nothing on the disk changes: no
// file is made, not even that of the lock. A directory without that file, such as a backup, was
// never opened by a server. Methods that would change something return errReadOnly.
type readOnlyFS struct{ vfs.FS }

// Lock implements vfs.FS. Where the file may not be written to, a server that could have it open
// would be another user's, whose directory cannot be read either.
func (r readOnlyFS) Lock(name string) (io.Closer, error) {
	if _, err := r.FS.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return unlocked{}, nil
	}
	lock, err := r.FS.Lock(name)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		return unlocked{}, nil
	}
	return lock, err
}

// unlocked is the lock of what needs none.
type unlocked struct{}

func (unlocked) Close() error { return nil }

func (readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }

func (readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}

func (readOnlyFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}

func (readOnlyFS) Link(string, string) error { return errReadOnly }

func (readOnlyFS) Rename(string, string) error { return errReadOnly }

func (readOnlyFS) Remove(string) error { return errReadOnly }

func (readOnlyFS) RemoveAll(string) error { return errReadOnly }

func (readOnlyFS) MkdirAll(string, os.FileMode) error { return errReadOnly }

func (r readOnlyFS) Unwrap() vfs.FS { return r.FS }

// readableDir checks the FORMAT of a directory that is only read, and locks it, if it was ever
// open.
func readableDir(fsys vfs.FS, dir string) (*dirLock, error) {
	if _, err := fsys.List(dir); err != nil {
		return nil, err
	}
	err := readFormat(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = foreign(checkEmpty(fsys, dir))
	}
	if err != nil {
		return nil, err
	}
	return lockDir(readOnlyFS{fsys}, dir, shared)
}
