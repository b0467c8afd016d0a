package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unfinishedFile is the directory, within one that a copy is written into, that takes the files
// until all are there.
const unfinishedFile = "UNFINISHED"

// Checkpoint implements kv.Checkpointer. Table files are linked where the directory is on the same
// volume, and copied elsewhere; they never change. Writers go on meanwhile. The copy of an engine
// in memory is on the disk.
func (e *Engine) Checkpoint(ctx context.Context, dir string) (err error) {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	defer e.engineCall(&err)
	disk := e.fs.FS // which discards nothing: what is left of a copy is removed even then
	if e.volatile {
		disk = vfs.Default
	}
	t, err := newTarget(disk, dir, e.dir)
	if err != nil {
		return err
	}
	err = e.checkpointInto(ctx, t)
	return t.end(errors.Join(err, ctx.Err(), e.failure()))
}

// checkpointInto writes all files but FORMAT. A panic of Pebble ends here, so that the files of a
// copy that has failed are removed.
func (e *Engine) checkpointInto(ctx context.Context, t *target) (err error) {
	defer e.engineCall(&err)
	to := t.work
	if e.volatile {
		if err := e.db.Flush(); err != nil { // there is no log that would hold the newest rows
			return err
		}
		to = fmt.Sprintf("checkpoint-%d", e.copies.Add(1))
		defer func() { err = errors.Join(err, e.fs.RemoveAll(to)) }()
	}
	e.fs.copies.Store(to, ctx)
	defer e.fs.copies.Delete(to)
	if err := e.db.Checkpoint(to, pebble.WithFlushedWAL()); err != nil || !e.volatile {
		return err
	}
	_, err = vfs.Clone(e.fs, vfs.Default, to, t.work, vfs.CloneSync)
	return err
}

// target is a directory that a copy is written into.
type target struct {
	fs   vfs.FS
	dir  string
	work string // takes the files until all are there; not made yet
	made bool   // dir did not exist before
}

// newTarget checks and makes the directory for a copy of that at source (empty: of none on this
// file system). Its parent must exist.
func newTarget(fsys vfs.FS, dir, source string) (*target, error) {
	dir = fsys.PathJoin(dir) // cleans it
	t := &target{fs: fsys, dir: dir, work: fsys.PathJoin(dir, unfinishedFile)}
	if _, err := fsys.Stat(fsys.PathDir(dir)); err != nil {
		return nil, fmt.Errorf("the directory that shall hold the copy: %w", err)
	}
	if within(fsys, dir, source) {
		return nil, fmt.Errorf("%s is within the data directory %s: a copy there would be lost with it", dir, source)
	}
	switch info, err := fsys.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		t.made = true
		if err := makeDir(fsys, dir); err != nil {
			return nil, err
		}
		return t, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is no directory", dir)
	}
	if err := checkEmpty(fsys, dir); err != nil {
		return nil, fmt.Errorf("%s is not empty: it %w", dir, err)
	}
	return t, nil
}

// within tells whether dir, which need not exist, is the directory of, or lies in it.
func within(fsys vfs.FS, dir, of string) bool {
	if vfs.Root(fsys) != vfs.Default {
		return of != "" && strings.HasPrefix(dir+"/", of+"/")
	}
	container, err := os.Stat(of)
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	} else if real, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		dir = filepath.Join(real, filepath.Base(dir))
	}
	for dir, _ = filepath.Abs(dir); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && os.SameFile(info, container) {
			return true
		}
		if filepath.Dir(dir) == dir {
			return false
		}
	}
}

// end moves the files to their places, writes FORMAT, without which nobody takes the directory for
// a database, and makes all of that durable; or, if err says that it failed, removes all that was
// made.
func (t *target) end(err error) error {
	if err == nil {
		err = t.settle()
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, t.remove())
}

// settle is end without an error. FORMAT comes when all the rest is durable: after a crash at any
// step before there is no FORMAT, and the directory is no data directory.
func (t *target) settle() error {
	names, err := t.fs.List(t.work)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.fs.Rename(t.fs.PathJoin(t.work, name), t.fs.PathJoin(t.dir, name)); err != nil {
			return err
		}
	}
	if err := t.fs.Remove(t.work); err != nil {
		return err
	}
	if err := syncDir(t.fs, t.dir); err != nil {
		return err
	}
	return writeFormat(t.fs, t.dir)
}

// remove removes what was made. The directory itself stays if it was there before.
func (t *target) remove() error {
	if t.made {
		return errors.Join(t.fs.RemoveAll(t.dir), syncDir(t.fs, t.fs.PathDir(t.dir)))
	}
	names, err := t.fs.List(t.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != lockFile && name != "lost+found" {
			err = errors.Join(err, t.fs.RemoveAll(t.fs.PathJoin(t.dir, name)))
		}
	}
	return err
}

// copying returns the context of the checkpoint that the file belongs to, or nil.
func (s *failStopFS) copying(name string) context.Context {
	if ctx, ok := s.copies.Load(s.FS.PathDir(name)); ok {
		return ctx.(context.Context)
	}
	return nil
}

// createCopy makes a file of a copy, whose writes fail when ctx ends.
func createCopy(ctx context.Context, fsys vfs.FS, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := fsys.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &copiedFile{f, ctx}, nil
}

// linkCopy links a file into a copy. Where links are not allowed (some volumes, and some systems to
// the files of others) its error is none of those after which Pebble would not copy instead.
func linkCopy(ctx context.Context, fsys vfs.FS, old, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := fsys.Link(old, name)
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(err.Error())
	}
	return err
}

// copiedFile is a file of a copy while it is written.
type copiedFile struct {
	vfs.File
	ctx context.Context
}

func (f *copiedFile) Write(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}
