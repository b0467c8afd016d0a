//go:build unix

package cli

import (
	"math"
	"syscall"
)

// openFiles is how many files the process may have open. The Go runtime has raised it to what the
// system allows.
func openFiles() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(limit.Cur)
}

// hideFiles makes all files that the process creates readable by their owner only, even in an
// existing directory that other users can read.
func hideFiles() { syscall.Umask(syscall.Umask(0o077) | 0o077) }
