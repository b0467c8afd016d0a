//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package pebblekv

import (
	"errors"
	"io"
)

// lockOSDir has no lock to offer. On Windows the file LOCK cannot be removed while it is locked.
func lockOSDir(string, lockMode) (io.Closer, error) { return nil, errors.ErrUnsupported }
