//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package iam

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	// lockTime is how long lock waits for other processes, each of which holds it for milliseconds.
	lockTime = 10 * time.Second
	// lockPause is the time between two attempts.
	lockPause = 5 * time.Millisecond
)

// lock locks a file for rewriting, until Close. Since a rewrite replaces the file, the one that is
// locked may no longer have the name; then the error is errChanged. On file systems without locks,
// such as some network file systems, it returns without one.
func lock(path string) (io.Closer, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(lockTime); ; time.Sleep(lockPause) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		busy := errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
		if !busy {
			break
		}
		if time.Now().After(until) {
			return nil, errors.Join(fmt.Errorf("another process has %s locked", path), f.Close())
		}
	}
	ours, err := f.Stat()
	if err == nil {
		if now, statErr := os.Stat(path); statErr != nil || !os.SameFile(ours, now) {
			err = errChanged
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
