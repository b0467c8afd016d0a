//go:build !linux

package pebblekv

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// allocate gives the file blocks for its whole size, by writing them. there says that it has that
// size.
func allocate(f vfs.File, size int64, there bool, abort *atomic.Bool) error {
	if there {
		return nil
	}
	return writeZeros(f, size, abort)
}
