package pebblekv

import (
	"errors"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// allocate gives the file blocks for its whole size. there says that it has that size, and may have
// them.
func allocate(f vfs.File, size int64, there bool, abort *atomic.Bool) error {
	fd := f.Fd()
	err := error(syscall.EOPNOTSUPP)
	if fd != vfs.InvalidFd {
		err = syscall.Fallocate(int(fd), 0, 0, size)
		for errors.Is(err, syscall.EINTR) {
			err = syscall.Fallocate(int(fd), 0, 0, size)
		}
	}
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		if there {
			return nil
		}
		return writeZeros(f, size, abort)
	}
	return err
}
