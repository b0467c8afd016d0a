//go:build unix

package iam

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives a file the owner of another: when root adds credentials to the file of a server, the
// server's user must still be able to read it.
func giveTo(f *os.File, old fs.FileInfo) error {
	owner, ok := old.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
