//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package pebblekv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lockOSDir locks a directory itself, alone or together with others that share it. errHeld says
// that somebody else has it; any other error that there is no such lock on this file system.
func lockOSDir(dir string, mode lockMode) (io.Closer, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if mode == shared {
		how = syscall.LOCK_SH
	}
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errHeld
	default:
		err = fmt.Errorf("flock: %w", err)
	}
	return nil, errors.Join(err, f.Close())
}
