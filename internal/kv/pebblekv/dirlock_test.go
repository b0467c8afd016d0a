package pebblekv

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
)

// TestDirectoryIsLocked wants the directory itself to be locked: the file LOCK is removed, and then
// neither a second engine nor a reader gets in, under no name of the directory, and none leaves a
// new LOCK behind.
func TestDirectoryIsLocked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a LOCK that is held cannot be removed")
	}
	dir := t.TempDir()
	data, link := filepath.Join(dir, "data"), filepath.Join(dir, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	e, err := Open(Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, lockFile)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{data, link} {
		for _, readOnly := range []bool{false, true} {
			if second, err := Open(Options{Dir: path, ReadOnly: readOnly}); !errors.Is(err, ErrLocked) {
				t.Errorf("Open of %s (read only: %v): %v, want ErrLocked", path, readOnly, err)
				if err == nil {
					_ = second.Close()
				}
			}
		}
		if err := CheckFormat(path); !errors.Is(err, ErrLocked) {
			t.Errorf("CheckFormat of %s: %v, want ErrLocked", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(data, lockFile)); err == nil {
		t.Error("those that were refused have left a LOCK behind")
	}
	_ = e.Close() // the watch may have seen it already
	mustOpen(t, Options{Dir: link})
}

// TestReadersShare reads a copy twice at a time, while no server can begin in it.
func TestReadersShare(t *testing.T) {
	dir := t.TempDir()
	copied := filepath.Join(dir, "copy")
	if err := filled(t, Options{Dir: filepath.Join(dir, "data")}, 10).Checkpoint(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(copied, link); err != nil {
		t.Skip("there are no symbolic links:", err)
	}
	holds(t, mustOpen(t, Options{Dir: copied, ReadOnly: true}), 10)
	holds(t, mustOpen(t, Options{Dir: link, ReadOnly: true}), 10)
	if runtime.GOOS == "windows" {
		return
	}
	if _, err := Open(Options{Dir: link}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open beside readers: %v, want ErrLocked", err)
	}
}

// TestLockIsWatched takes the lock or the directory away from an engine: it stops itself, says what
// was taken, and writes nothing more.
func TestLockIsWatched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows files that are open stay")
	}
	lock := func(dir string) string { return filepath.Join(dir, lockFile) }
	for name, test := range map[string]struct {
		take func(dir string) error
		want string
	}{
		"LOCK removed": {func(dir string) error { return os.Remove(lock(dir)) }, "LOCK was removed"},
		"LOCK replaced": {func(dir string) error {
			return errors.Join(os.WriteFile(lock(dir)+"2", nil, 0o600), os.Rename(lock(dir)+"2", lock(dir)))
		}, "LOCK was replaced"},
		"directory removed": {os.RemoveAll, "data was removed"},
		"directory renamed": {func(dir string) error { return os.Rename(dir, dir+"2") }, "data was removed or renamed"},
		"directory replaced": {func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.CopyFS(dir, os.DirFS(dir+"2")))
		}, "data was replaced"},
		"parent replaced": {func(dir string) error {
			parent := filepath.Dir(dir)
			return errors.Join(os.Rename(parent, parent+"2"), os.WriteFile(parent, nil, 0o600))
		}, "data was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "parent", "data")
			failed := make(chan error, 1)
			e, err := Open(Options{Dir: dir, OnFailure: func(err error) { failed <- err }})
			if err != nil {
				t.Fatal(err)
			}
			if err := set(e, "a", "b"); err != nil {
				t.Fatal(err)
			}
			if err := test.take(dir); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-failed:
				if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
					t.Errorf("the engine has stopped itself with %v, want %s", err, test.want)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the engine goes on")
			}
			if err := set(e, "c", "d"); !errors.Is(err, kv.ErrFailed) {
				t.Errorf("a write after that: %v", err)
			}
			if err := e.Close(); !errors.Is(err, kv.ErrFailed) {
				t.Errorf("Close: %v", err)
			}
			if strings.HasPrefix(name, "directory removed") {
				if _, err := os.Stat(dir); err == nil {
					t.Error("the directory has come back")
				}
			}
		})
	}
}

// TestNothingToWatch wants no goroutine beside an engine whose files are not the operating
// system's, and no lock on any directory.
func TestNothingToWatch(t *testing.T) {
	for _, o := range []Options{{InMemory: true}, {Dir: "data", FS: vfs.NewMem()}} {
		if e := mustOpen(t, o); e.watch.stop != nil || e.lock.dir != nil {
			t.Errorf("%+v: the engine watches %v", o, e.lock.held)
		}
	}
}

// TestForeignDirectories opens directories that are not ours, in each way there is: all are
// refused, and no file of them is made or changed.
func TestForeignDirectories(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := filled(t, Options{Dir: source}, 10).Close(); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]map[string]string{
		"like /etc":         {"passwd": "root", "hosts": "::1"},
		"with a LOCK":       {"data.db": "x", lockFile: "process 17"},
		"another's FORMAT":  {formatFile: "zip"},
		"newer":             {formatFile: "partita 2\nencryption none\n", "000001.wal": ""},
		"half a backup":     {unfinishedFile: ""},
		"without a FORMAT":  {"MANIFEST-000001": "", "000002.log": ""},
		"a damaged FORMAT":  {formatFile: "partita 1\n"},
		"FORMAT being made": {formatFile + ".tmp": "partita", "passwd": "root"},
	} {
		dir := t.TempDir()
		for file, text := range there {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, openErr := Open(Options{Dir: dir})
		_, readErr := Open(Options{Dir: dir, ReadOnly: true})
		copied := filepath.Join(t.TempDir(), "copy")
		errs := []error{openErr, readErr, CheckFormat(dir), CopyDir(t.Context(), dir, copied, nil),
			CopyDir(t.Context(), source, dir, nil)}
		if slices.Contains(errs, nil) {
			t.Errorf("%s: %v", name, errs)
		}
		same(t, withSlash(there), files(t, dir))
	}
}

// withSlash puts a separator before each name.
func withSlash(there map[string]string) map[string]string {
	all := map[string]string{}
	for file, text := range there {
		all[string(filepath.Separator)+file] = text
	}
	return all
}
