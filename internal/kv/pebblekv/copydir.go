package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// CheckFormat tells whether dir is a data directory, or a copy of one, that this release can read
// and that no process has open: ErrForeign, ErrNewerFormat or ErrLocked, wrapped, if not.
func CheckFormat(dir string) error {
	lock, err := readableDir(vfs.Default, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return lock.Close()
}

// CopyDir copies a data directory, or a copy of one, that no process has open, into another, which
// must not exist, or be empty. Table files, which never change, are linked where that is possible;
// all others are copied, as an engine goes on to write or to use them again. The copy is durable
// when CopyDir returns; if it fails, or ctx ends, nothing is left of it, and after a crash half of
// it is no data directory. progress, if not nil, is told the bytes that are there, of how many.
func CopyDir(ctx context.Context, from, to string, progress func(done, total int64)) error {
	return copyDir(ctx, vfs.Default, from, to, progress)
}

// copyDir is CopyDir on any file system.
func copyDir(ctx context.Context, fsys vfs.FS, from, to string, progress func(done, total int64)) error {
	source, err := readableDir(fsys, from)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	defer func() { _ = source.Close() }() // nothing was written
	if err := makeDir(fsys, fsys.PathDir(fsys.PathJoin(to))); err != nil {
		return err
	}
	t, err := newTarget(fsys, to, from)
	if err != nil {
		return err
	}
	lock, err := prepareDir(fsys, t.dir) // no server begins there meanwhile
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, fs: fsys, from: from, to: t.work, progress: progress}
	return errors.Join(t.end(c.run()), lock.Close())
}

// copier copies the files of a directory.
type copier struct {
	ctx         context.Context
	fs          vfs.FS
	from, to    string
	done, total int64
	progress    func(done, total int64)
}

// run copies all files but FORMAT.
func (c *copier) run() error {
	names, err := c.names()
	if err != nil {
		return err
	}
	if err := c.fs.MkdirAll(c.to, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		if err := c.file(name); err != nil {
			return err
		}
	}
	return nil
}

// names returns the names of the files that belong to the store, and adds up their sizes.
func (c *copier) names() (names []string, err error) {
	all, err := c.fs.List(c.from)
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		if !stored(name) {
			continue
		}
		info, err := c.fs.Stat(c.fs.PathJoin(c.from, name))
		if err != nil {
			return nil, err
		}
		c.total += info.Size()
		names = append(names, name)
	}
	return names, nil
}

// stored tells whether a file of that name is Pebble's and holds data, or says where it is.
func stored(name string) bool {
	return isTable(name) || name == sealFile || strings.HasSuffix(name, ".log") ||
		strings.HasPrefix(name, "MANIFEST-") || strings.HasPrefix(name, "OPTIONS-") ||
		strings.HasPrefix(name, "marker.")
}

func (c *copier) file(name string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	from, to := c.fs.PathJoin(c.from, name), c.fs.PathJoin(c.to, name)
	if isTable(name) && c.fs.Link(from, to) == nil {
		info, err := c.fs.Stat(to)
		if err == nil {
			c.tell(info.Size())
		}
		return err
	}
	return c.copy(from, to)
}

func (c *copier) tell(n int64) {
	c.done += n
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
}

// copy copies one file, and syncs it: settle takes all files for durable.
func (c *copier) copy(from, to string) error {
	in, err := c.fs.Open(from, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := createCopy(c.ctx, c.fs, to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(progressWriter{out, c}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	return errors.Join(err, out.Sync(), out.Close())
}

// progressWriter tells a copier what was written.
type progressWriter struct {
	io.Writer
	c *copier
}

func (t progressWriter) Write(p []byte) (int, error) {
	n, err := t.Writer.Write(p)
	t.c.tell(int64(n))
	return n, err
}

// CheckVacant tells whether a copy can be written into dir: it does not exist, or is empty, and no
// process has it open (ErrLocked).
func CheckVacant(dir string) error {
	fsys := vfs.Default
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := readOnlyFS{fsys}.Lock(fsys.PathJoin(dir, lockFile))
	if err != nil {
		return fmt.Errorf("%s: %w: %w", dir, ErrLocked, err)
	}
	err = checkEmpty(fsys, dir)
	if err != nil {
		err = fmt.Errorf("%s is not empty: it %w", dir, err)
	}
	return errors.Join(err, lock.Close())
}
