package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
)

// filled opens an engine in dir with n rows, half of them in a table file, and half in the log
// only.
func filled(t *testing.T, o Options, n int) *Engine {
	t.Helper()
	e := mustOpen(t, o)
	for i := range n {
		if err := set(e, fmt.Sprint(i), strings.Repeat(fmt.Sprint(i), 20)); err != nil {
			t.Fatal(err)
		}
		if i == n/2 {
			if err := e.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return e
}

// holds wants the rows of filled in a store.
func holds(t *testing.T, e *Engine, n int) {
	t.Helper()
	for i := range n {
		if v, err := get(e, fmt.Sprint(i)); v != strings.Repeat(fmt.Sprint(i), 20) || err != nil {
			t.Fatalf("row %d is %q, %v", i, v, err)
		}
	}
}

// files reads all of a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same wants two directories, or one at two times, to have the same files.
func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, b := range before {
		if after[name] != b {
			t.Errorf("the file %s has changed, or is gone", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("there is a new file %s", name)
		}
	}
}

// TestCheckpointLinks wants table files to be links, the directory to be private, and an empty
// directory to be taken.
func TestCheckpointLinks(t *testing.T) {
	dir := t.TempDir()
	e := filled(t, Options{Dir: filepath.Join(dir, "data")}, 100)
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(dir, "new"), empty} {
		if err := e.Checkpoint(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		linked := 0
		tables, _ := filepath.Glob(filepath.Join(to, "*.sst"))
		for _, table := range tables {
			a, errA := os.Stat(table)
			b, errB := os.Stat(filepath.Join(dir, "data", filepath.Base(table)))
			if errA == nil && errB == nil && os.SameFile(a, b) {
				linked++
			}
		}
		if linked == 0 || linked != len(tables) {
			t.Errorf("%s: %d of %d tables are links", to, linked, len(tables))
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "new")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the copy's directory: %v, %v", info.Mode(), err)
	}
}

// TestCheckpointPlaces wants directories refused that cannot take a copy, and nothing changed in
// them.
func TestCheckpointPlaces(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	e := filled(t, Options{Dir: data}, 10)
	if err := os.Symlink(data, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	taken, file := filepath.Join(dir, "taken"), filepath.Join(dir, "file")
	if err := errors.Join(os.Mkdir(taken, 0o700), os.WriteFile(filepath.Join(taken, "x"), nil, 0o600), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		data:                             "within the data directory",
		filepath.Join(data, "copy"):      "within the data directory",
		filepath.Join(dir, "link"):       "within the data directory",
		filepath.Join(dir, "link/copy"):  "within the data directory",
		filepath.Join(dir, "no/parent"):  "no such file",
		taken:                            "holds x",
		file:                             "is no directory",
		filepath.Join(dir, "file/inner"): "not a directory",
	} {
		if err := e.Checkpoint(t.Context(), to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Checkpoint into %s: %v, want %q", to, err, want)
		}
	}
	if names, _ := os.ReadDir(taken); len(names) != 1 {
		t.Errorf("the directory that was refused holds %v", names)
	}
}

// brokenFS lets some changes happen, and from then on none: like a machine that stops, or a volume
// that is full.
type brokenFS struct {
	vfs.FS
	left int
}

// errBroken is the error of what does not happen any more.
var errBroken = errors.New("no space left on device")

func (f *brokenFS) step() error {
	if f.left--; f.left < 0 {
		return errBroken
	}
	return nil
}

func (f *brokenFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.FS.Create(name, c)
}

func (f *brokenFS) Link(old, name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.FS.Link(old, name)
}

func (f *brokenFS) Rename(old, name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.FS.Rename(old, name)
}

func (f *brokenFS) Remove(name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *brokenFS) RemoveAll(name string) error {
	if f.left < 0 {
		return errBroken
	}
	return f.FS.RemoveAll(name)
}

// fullFS is brokenFS with room for removals.
type fullFS struct{ *brokenFS }

func (f fullFS) RemoveAll(name string) error { return f.FS.RemoveAll(name) }

// TestCopyStops stops a copy after each of its steps: what is there then is no data directory, and
// after the last it is one.
func TestCopyStops(t *testing.T) {
	mem := vfs.NewMem()
	e := filled(t, Options{Dir: "data", FS: mem}, 100)
	if err := e.Checkpoint(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		to := fmt.Sprint("restored", n)
		err := copyDir(t.Context(), &brokenFS{mem, n}, "backup", to, nil)
		if err == nil {
			holds(t, mustOpen(t, Options{Dir: to, FS: mem}), 100)
			if n < 10 {
				t.Errorf("a copy took %d steps: the test saw nothing", n)
			}
			return
		}
		if left, _ := mem.List(to); len(left) > 1 { // a LOCK alone is nothing
			if _, err := Open(Options{Dir: to, FS: mem}); !errors.Is(err, ErrForeign) {
				t.Errorf("after %d steps the directory opens with %v, want ErrForeign", n, err)
			}
		}
		full := fmt.Sprint("full", n)
		if err := copyDir(t.Context(), fullFS{&brokenFS{mem, n}}, "backup", full, nil); !errors.Is(err, errBroken) {
			t.Errorf("a copy to a volume that is full after %d steps: %v", n, err)
		}
		if _, err := mem.Stat(full); err == nil {
			t.Errorf("a copy that failed after %d steps has left something", n)
		}
	}
}

// TestCheckpointFails writes checkpoints to a volume that is full, and with a context that has
// ended: nothing is left, and the engine goes on.
func TestCheckpointFails(t *testing.T) {
	mem := vfs.NewMem()
	disk := &brokenFS{FS: mem, left: 1 << 30}
	e := filled(t, Options{Dir: "data", FS: fullFS{disk}}, 100)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Checkpoint(ended, "cancelled"); !errors.Is(err, context.Canceled) {
		t.Errorf("a checkpoint with a context that has ended: %v", err)
	}
	if _, err := mem.Stat("cancelled"); err == nil {
		t.Error("a cancelled checkpoint has left something")
	}
	failed := 0
	for n := 0; ; n++ {
		to := fmt.Sprint("copy", n)
		disk.left = n
		err := e.Checkpoint(t.Context(), to)
		disk.left = 1 << 30
		if err == nil {
			holds(t, mustOpen(t, Options{Dir: to, FS: mem}), 100)
			break
		}
		failed++
		if _, statErr := mem.Stat(to); !errors.Is(err, errBroken) || statErr == nil {
			t.Errorf("a checkpoint that failed after %d steps: %v, left: %v", n, err, statErr == nil)
		}
	}
	if err := set(e, "later", "x"); err != nil || failed < 5 {
		t.Errorf("after %d failed checkpoints a write fails with %v", failed, err)
	}
}

// TestCheckpointIsDurable cuts the power right after a checkpoint, and after a copy of it.
func TestCheckpointIsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	e := filled(t, Options{Dir: "data", FS: mem}, 100)
	if err := e.Checkpoint(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	after := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := copyDir(t.Context(), after, "backup", "deep/restored", nil); err != nil {
		t.Fatal(err)
	}
	again := after.CrashClone(vfs.CrashCloneCfg{})
	holds(t, mustOpen(t, Options{Dir: "backup", FS: after}), 100)
	holds(t, mustOpen(t, Options{Dir: "deep/restored", FS: again}), 100)
}

// TestCopyLeavesSource writes to a copy, with flushes and compactions, and wants the bytes of the
// backup as they were.
func TestCopyLeavesSource(t *testing.T) {
	dir := t.TempDir()
	backup, restored := filepath.Join(dir, "backup"), filepath.Join(dir, "restored")
	e := filled(t, Options{Dir: filepath.Join(dir, "data")}, 200)
	if err := e.Checkpoint(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	before := files(t, backup)
	var done, total int64
	if err := CopyDir(t.Context(), backup, restored, func(d, all int64) { done, total = d, all }); err != nil {
		t.Fatal(err)
	}
	if done != total || total == 0 {
		t.Errorf("the copy told of %d bytes of %d", done, total)
	}
	for range 3 {
		r := mustOpen(t, Options{Dir: restored})
		holds(t, r, 200)
		for i := range 100 {
			if err := set(r, fmt.Sprint("more", i), strings.Repeat("x", 5000)); err != nil {
				t.Fatal(err)
			}
		}
		err := errors.Join(r.db.Flush(), r.DropRange(t.Context(), kv.Range{Start: []byte("more")}), r.db.Compact(t.Context(), []byte("0"), []byte("z"), false), r.Close())
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, before, files(t, backup))
	if err := CopyDir(t.Context(), backup, restored, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a copy over a database: %v", err)
	}
	if err := CopyDir(t.Context(), filepath.Join(dir, "data"), filepath.Join(dir, "copy"), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a copy of a directory that is open: %v", err)
	}
	if err := CopyDir(t.Context(), dir, filepath.Join(dir, "copy"), nil); !errors.Is(err, ErrForeign) {
		t.Errorf("a copy of what is no data directory: %v", err)
	}
}

// TestReadOnly reads a directory with rows in its log, and wants no byte of it changed.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	e := filled(t, Options{Dir: data}, 100)
	if _, err := Open(Options{Dir: data, ReadOnly: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("reading a directory that is open: %v, want ErrLocked", err)
	}
	if err := e.Checkpoint(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	before := files(t, backup)
	r := mustOpen(t, Options{Dir: backup, ReadOnly: true})
	holds(t, r, 100)
	if err := set(r, "x", "y"); !errors.Is(err, errReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if err := r.DropRange(t.Context(), kv.Range{}); !errors.Is(err, errReadOnly) {
		t.Errorf("DropRange: %v", err)
	}
	if damage, err := r.VerifyFiles(t.Context(), nil); len(damage) != 0 || err != nil {
		t.Errorf("healthy files: %q, %v", damage, err)
	}
	holds(t, r, 100)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, before, files(t, backup))
	for _, missing := range []string{filepath.Join(dir, "none"), dir} {
		if _, err := Open(Options{Dir: missing, ReadOnly: true}); err == nil {
			t.Errorf("%s opens", missing)
		}
	}
}

// TestVerifyFiles damages one byte in the middle of each table and of the log.
func TestVerifyFiles(t *testing.T) {
	dir := t.TempDir()
	e := filled(t, Options{Dir: filepath.Join(dir, "data")}, 200)
	for range 4 { // a log of several blocks: damage to the last one cannot be told from a write that was cut short
		if err := set(e, "long", strings.Repeat("x", 30_000)); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"*.sst", "*.log"} {
		backup := filepath.Join(dir, strings.TrimPrefix(pattern, "*."))
		if err := e.Checkpoint(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		names, _ := filepath.Glob(filepath.Join(backup, pattern))
		if len(names) == 0 {
			t.Fatal("there is no ", pattern)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/3] ^= 0x40
			if err := errors.Join(os.Remove(name), os.WriteFile(name, b, 0o600)); err != nil { // it may be a link
				t.Fatal(err)
			}
		}
		r, err := Open(Options{Dir: backup, ReadOnly: true})
		if pattern == "*.log" {
			if err == nil || !strings.Contains(err.Error(), "invalid chunk") {
				t.Errorf("a damaged log opens with %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		damage, err := r.VerifyFiles(t.Context(), nil)
		if len(damage) != len(names) || err != nil || !strings.Contains(damage[0], filepath.Base(names[0])) {
			t.Errorf("damaged %s: %q, %v", pattern, damage, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
