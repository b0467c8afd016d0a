package pebblekv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The file FORMAT in a data directory says what wrote it, one "name value" on each line:
//
//	partita 1          the version of all that is stored: rows, keys, items, Pebble's own files
//	encryption none    reserved
//
// A release that changes what is stored in a way that older ones cannot read raises the version.
const (
	formatFile    = "FORMAT"
	formatVersion = 1
)

// pebbleFormat is the version of Pebble's own files. It belongs to formatVersion: a later one may
// raise it, and a release that cannot read it must find a version that it refuses.
const pebbleFormat = pebble.FormatTableFormatV6

// Errors that Open returns, wrapped.
var (
	// ErrLocked says that another process, or another Engine of this one, has the directory open.
	ErrLocked = errors.New("the data directory is open already, in this process or another")
	// ErrNewerFormat says that a newer release wrote the directory.
	ErrNewerFormat = errors.New("the data directory was written by a newer release")
	// ErrForeign says that the directory holds files that are not ours.
	ErrForeign = errors.New("the directory is not a Partita data directory")
	// ErrUnwritable says that the directory cannot be made or written to.
	ErrUnwritable = errors.New("the data directory cannot be written to")
)

// prepareDir makes the directory if there is none, so that it outlives a crash, and locks it. In
// one that is not ours nothing is made, not even the file of the lock.
func prepareDir(fsys vfs.FS, dir string) (*dirLock, error) {
	if err := makeDir(fsys, dir); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	if _, err := readOurs(fsys, dir); err != nil {
		return nil, err
	}
	return lockDir(fsys, dir, exclusive)
}

// makeDir makes the directory and its parents, and syncs the parents of all that it made.
func makeDir(fsys vfs.FS, dir string) error {
	var parents []string
	for d := dir; ; d = fsys.PathDir(d) {
		if _, err := fsys.Stat(d); err == nil || fsys.PathDir(d) == d {
			break
		}
		parents = append(parents, fsys.PathDir(d))
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		if err := syncDir(fsys, p); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFormat reads FORMAT, and refuses what this release cannot read. Without one the error is
// fs.ErrNotExist.
func readFormat(fsys vfs.FS, dir string) error {
	f, err := fsys.Open(fsys.PathJoin(dir, formatFile))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return parseFormat(string(text))
}

// readOurs refuses a directory that is neither empty nor a data directory that this release can
// read.
func readOurs(fsys vfs.FS, dir string) (empty bool, err error) {
	err = readFormat(fsys, dir)
	var notEmpty error
	if errors.Is(err, fs.ErrNotExist) {
		if notEmpty = checkEmpty(fsys, dir); notEmpty == nil {
			return true, nil
		}
		err = readFormat(fsys, dir) // another process may have made it one meanwhile
	}
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, foreign(notEmpty)
	case errors.As(err, &pathErr):
		return false, fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return false, err
}

// errUnfinished says that a directory has a part of a copy.
var errUnfinished = fmt.Errorf("holds %s: copying into it did not come to its end; remove it and begin anew", unfinishedFile)

// foreign is the error for a directory without FORMAT. holds is what it holds instead, nil if that
// is nothing.
func foreign(holds error) error {
	switch {
	case holds == nil:
		return fmt.Errorf("%w: it is empty", ErrForeign)
	case errors.Is(holds, errUnfinished):
		return fmt.Errorf("%w: it has no file %s but %w", ErrForeign, formatFile, holds)
	}
	return fmt.Errorf("%w: it has no file %s but %w; if it is one, %s", ErrForeign, formatFile, holds, remedyFormat)
}

// checkFormat reads FORMAT, or writes it into an empty directory.
func checkFormat(fsys vfs.FS, dir string) error {
	empty, err := readOurs(fsys, dir)
	if err != nil || !empty {
		return err
	}
	if err := writeFormat(fsys, dir); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return nil
}

// lockFile is made and locked by each engine that opens a directory to write.
const lockFile = "LOCK"

// checkEmpty refuses a directory that holds anything but what may be left of a first start that was
// cut short.
func checkEmpty(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, unfinishedFile) {
		return errUnfinished
	}
	for _, name := range names {
		if name != lockFile && name != formatFile+".tmp" && name != "lost+found" {
			return fmt.Errorf("holds %s", name)
		}
	}
	return nil
}

func parseFormat(text string) error {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields[name] = value
	}
	version, err := strconv.Atoi(fields["partita"])
	if err != nil || version < 1 {
		return fmt.Errorf("%w: its file %s says %q; if it is one, %s", ErrForeign, formatFile, text, remedyFormat)
	}
	if version > formatVersion {
		return fmt.Errorf("%w: its file %s says %d, this release reads up to %d; if the file is damaged, %s",
			ErrNewerFormat, formatFile, version, formatVersion, remedyFormat)
	}
	switch e, ok := fields["encryption"]; {
	case !ok:
		return fmt.Errorf("%w: its file %s says %q, and nothing of the encryption; %s",
			ErrDamaged, formatFile, text, remedyFormat)
	case e != "none":
		return fmt.Errorf("%w: its file %s says that its encryption is %q; if the file is damaged, %s",
			ErrNewerFormat, formatFile, e, remedyFormat)
	}
	return nil
}

// remedyFormat is what to do about a FORMAT that is gone or damaged.
const remedyFormat = "put back its file " + formatFile + " from a backup, where it is the same"

func writeFormat(fsys vfs.FS, dir string) error {
	return writeFile(fsys, dir, formatFile, fmt.Sprintf("partita %d\nencryption none\n", formatVersion))
}

// writeFile replaces a file: after a crash there is the old one or the new one, whole. The new one
// is synced before it gets its name, and the directory after that.
func writeFile(fsys vfs.FS, dir, name, text string) error {
	tmp := fsys.PathJoin(dir, name+".tmp")
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, fsys.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}
