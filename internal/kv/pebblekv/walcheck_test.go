package pebblekv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/kv/pebblekv/manifest"
)

// noTables fails the making of table files while it is armed, so that logs pile up.
type noTables struct{ armed atomic.Bool }

// MaybeError implements errorfs.Injector.
func (n *noTables) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpCreate && isTable(op.Path) && n.armed.Load() {
		return syscall.EIO
	}
	return nil
}

// String implements errorfs.Injector.
func (n *noTables) String() string { return "noTables" }

// killed runs a history on the operating system's files while nothing becomes a table, and returns
// a copy of the directory as SIGKILL would leave it.
func killed(t *testing.T, history func(e *Engine, tables *noTables)) (dir string) {
	t.Helper()
	tables := &noTables{}
	tables.armed.Store(true)
	from := filepath.Join(t.TempDir(), "data")
	e, err := Open(Options{Dir: from, FS: errorfs.Wrap(vfs.Default, tables), MemtableBytes: 1 << 20, Stripes: 64})
	if err != nil {
		t.Fatal(err)
	}
	e.flushPatience = time.Millisecond
	history(e, tables)
	dir = copyFiles(t, from)
	tables.armed.Store(false)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	return dir
}

// copyFiles copies a directory, whose files may be in use, into a new one. While a compaction makes
// and removes files it begins anew: such a copy would be of no one moment.
func copyFiles(t *testing.T, from string) (to string) {
	t.Helper()
	for {
		to = filepath.Join(t.TempDir(), "data")
		before := filesIn(t, from)
		err := os.CopyFS(to, os.DirFS(from))
		switch {
		case err == nil && slices.Equal(before, filesIn(t, from)):
			return to
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			t.Fatal(err)
		}
	}
}

// filesIn are the names of the files of a directory, in order.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	names, err := vfs.Default.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// logsIn are the names of the logs of a directory, in order.
func logsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, l := range liveLogs(filesIn(t, dir), 0) {
		names = append(names, l.name)
	}
	return names
}

// TestMissingLogs writes 3,000 rows into a few logs, one after the other, and takes away one of the
// logs or a part of it: unless it is the newest, the directory is refused, also for reading, with a
// file's name and what to do. Without its newest log, or a part of it, it opens with all rows up to
// some.
func TestMissingLogs(t *testing.T) {
	const rows = 3000
	value := strings.Repeat("x", 700)
	dir := killed(t, func(e *Engine, _ *noTables) {
		for i := range rows {
			if err := set(e, fmt.Sprintf("%04d", i), value); err != nil {
				t.Fatal(err)
			}
		}
	})
	logs := logsIn(t, dir)
	if len(logs) < 3 {
		t.Fatalf("there are the logs %v only", logs)
	}
	if n := prefix(t, copyFiles(t, dir), value); n != rows {
		t.Fatalf("of %d rows %d are there", rows, n)
	}
	for i, name := range logs {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		ends := chunkEnds(b, name)
		for what, cut := range map[string]int{
			"gone": -1, "empty": 0,
			"cut in the middle of a chunk": ends[len(ends)/2] - 3, "cut at a chunk's end": ends[len(ends)/2],
			"without its last batch": ends[len(ends)-2], "without its mark": ends[len(ends)-1],
		} {
			damaged := copyFiles(t, dir)
			if cut < 0 {
				err = os.Remove(filepath.Join(damaged, name))
			} else {
				err = os.Truncate(filepath.Join(damaged, name), int64(cut))
			}
			if err != nil {
				t.Fatal(err)
			}
			newest := i == len(logs)-1
			for _, readOnly := range []bool{true, false} {
				e, err := Open(Options{Dir: damaged, ReadOnly: readOnly})
				if err == nil {
					err = e.Close()
				}
				if newest && err != nil || !newest && (!errors.Is(err, ErrDamaged) ||
					named("refused", err) != "refused") {
					t.Errorf("log %d of %d %s (read only: %v): %v", i+1, len(logs), what, readOnly, err)
				}
			}
			if n := prefix(t, damaged, value); newest && n == 0 {
				t.Errorf("without the end of the newest log (%s) nothing is left", what)
			}
		}
	}
}

// prefix opens the directory, wants it to have the rows up to some, and returns how many. It is 0
// if it does not open.
func prefix(t *testing.T, dir, value string) (n int) {
	t.Helper()
	e, err := Open(Options{Dir: dir, MemoryLimit: 16 << 20})
	if err != nil {
		return 0
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	gone := false
	for i := range 3000 {
		v, err := get(e, fmt.Sprintf("%04d", i))
		switch {
		case err != nil:
			t.Fatal(err)
		case v == value && gone:
			t.Fatalf("row %d is there, and %d is not", i, n)
		case v == value:
			n++
		default:
			gone = true
		}
	}
	return n
}

// chunkEnds is where the chunks of a log end, without its mark. The first log of a store has
// shorter headers than all others.
func chunkEnds(b []byte, name string) (ends []int) {
	number, _ := manifest.FileNumber(name, "", ".log")
	header := endMark
	if b[6] > 8 {
		header += 8
	}
	for at := 0; at+header <= len(b); {
		if left := 32<<10 - at%(32<<10); left < header {
			at += left
			continue
		}
		if binary.LittleEndian.Uint32(b[at+7:]) != uint32(number) {
			break
		}
		at += header + int(binary.LittleEndian.Uint16(b[at+4:]))
		ends = append(ends, at)
	}
	return ends
}

// TestMissingOnlyLog takes away all logs: of a fresh store, of one after a flush, of one that was
// opened again. That is refused, but after a clean end, when no row was in them.
func TestMissingOnlyLog(t *testing.T) {
	write := func(e *Engine) {
		if err := set(e, "a", "b"); err != nil {
			t.Fatal(err)
		}
	}
	for name, history := range map[string]func(e *Engine){
		"fresh": write,
		"flushed": func(e *Engine) {
			write(e)
			if err := e.db.Flush(); err != nil {
				t.Fatal(err)
			}
			write(e)
		},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", opened again: ", again), func(t *testing.T) {
				dir := killed(t, func(e *Engine, tables *noTables) {
					tables.armed.Store(false)
					history(e)
				})
				if again {
					e := mustOpen(t, Options{Dir: dir})
					write(e)
					dir = copyFiles(t, dir)
				}
				removeLogs(t, dir)
				if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrDamaged) || named("", err) != "" {
					t.Errorf("Open: %v", err)
				}
			})
		}
	}
	t.Run("closed", func(t *testing.T) {
		dir := t.TempDir()
		e := filled(t, Options{Dir: dir}, 100)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		removeLogs(t, dir)
		e = mustOpen(t, Options{Dir: dir})
		holds(t, e, 100)
	})
}

// removeLogs removes all logs of a directory.
func removeLogs(t *testing.T, dir string) {
	t.Helper()
	for _, name := range logsIn(t, dir) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// ingest has Pebble take a table of rows with that beginning.
func ingest(t *testing.T, e *Engine, prefix string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table")
	f, err := vfs.Default.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), sstable.WriterOptions{
		TableFormat: pebbleFormat.MaxTableFormat(), MergerName: merger.Name,
	})
	for i := range 10 {
		if err := w.Set(fmt.Appendf(nil, "%s%d", prefix, i), []byte("ingested")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.db.Ingest(context.Background(), []string{path}); err != nil {
		t.Fatal(err)
	}
}

// TestIngestedTables ingests tables between writes: some that get sequence numbers which are in no
// log, and one that lies over rows in memory, and has a log of its own. After a kill the directory
// opens with all of it, and without one of the logs it does not.
func TestIngestedTables(t *testing.T) {
	value := strings.Repeat("x", 700)
	dir := killed(t, func(e *Engine, _ *noTables) {
		for i := range 2000 {
			if err := set(e, fmt.Sprintf("%04d", i), value); err != nil {
				t.Fatal(err)
			}
			switch i {
			case 50, 51, 1200:
				ingest(t, e, fmt.Sprintf("w%04d-", i))
			case 1300:
				ingest(t, e, "1299-")
			}
		}
	})
	logs := logsIn(t, dir)
	for _, name := range logs[:len(logs)-1] {
		damaged := copyFiles(t, dir)
		if err := os.Remove(filepath.Join(damaged, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: damaged}); !errors.Is(err, ErrDamaged) {
			t.Errorf("without %s of %v: %v, want ErrDamaged", name, logs, err)
		}
	}
	e := mustOpen(t, Options{Dir: dir})
	for _, key := range []string{"0000", "1999", "w0050-0", "w0051-9", "w1200-5", "1299-3"} {
		if v, err := get(e, key); v == "" || err != nil {
			t.Errorf("row %s is %q, %v", key, v, err)
		}
	}
}

// TestManifestIsUnderstood wants every edit that Pebble writes to be understood: flushes,
// compactions, ingested tables, and those that an excise has made parts of files. The tables are
// those that Pebble has, and the oldest log with rows is one that there is.
func TestManifestIsUnderstood(t *testing.T) {
	dir := t.TempDir()
	e := filled(t, Options{Dir: dir, MemtableBytes: 64 << 10}, 3000)
	ingest(t, e, "w")
	if err := e.db.RangeKeySet([]byte("x"), []byte("y"), nil, []byte("z"), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.db.Flush(), e.db.Compact(t.Context(), []byte("0"), []byte("z"), false)); err != nil {
		t.Fatal(err)
	}
	if err := e.db.Excise(t.Context(), pebble.KeyRange{Start: []byte("15"), End: []byte("16")}); err != nil {
		t.Fatal(err)
	}
	names, err := vfs.Default.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := currentManifest(vfs.Default, dir, names)
	if err != nil {
		t.Fatal(err)
	}
	if m.Unrecognized || !slices.Contains(names, fmt.Sprintf("%06d.log", m.MinLog)) {
		t.Errorf("the oldest log is said to be %d (unrecognized: %v), there are %v", m.MinLog, m.Unrecognized, names)
	}
	if missing := missingTables(vfs.Default, dir, names); len(missing) > 0 {
		t.Errorf("the tables %v are said to be missing", missing)
	}
	want := map[uint64]bool{}
	levels, err := e.db.SSTables()
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, level := range levels {
		for _, table := range level {
			want[uint64(table.BackingSSTNum)] = true
			if table.Virtual {
				parts++
			}
		}
	}
	if parts == 0 {
		t.Error("no table is a part of a file")
	}
	for number := range m.Files() {
		if !want[number] {
			t.Errorf("the file %d is said to be a table", number)
		}
		delete(want, number)
	}
	if len(want) > 0 {
		t.Errorf("the tables %v are not known", want)
	}
}

// heldManifest holds writes of the MANIFEST while it is locked.
type heldManifest struct{ gate sync.RWMutex }

// MaybeError implements errorfs.Injector.
func (h *heldManifest) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST") {
		h.gate.RLock()
		defer h.gate.RUnlock()
	}
	return nil
}

// String implements errorfs.Injector.
func (h *heldManifest) String() string { return "heldManifest" }

// TestIngestCutOff kills an ingest that has its sequence numbers, and is not in the MANIFEST yet,
// while a write that came after it is in the log. Neither was acknowledged. The directory opens.
func TestIngestCutOff(t *testing.T) {
	from, held := filepath.Join(t.TempDir(), "data"), &heldManifest{}
	e := mustOpen(t, Options{Dir: from, FS: errorfs.Wrap(vfs.Default, held)})
	if err := set(e, "a", "before"); err != nil {
		t.Fatal(err)
	}
	held.gate.Lock()
	var ended sync.WaitGroup
	ended.Go(func() { ingest(t, e, "w") })
	dir := ""
	for i := 0; dir == "" || !hasHole(t, dir); i++ {
		ended.Go(func() { _ = set(e, fmt.Sprint("b", i), "after") })
		time.Sleep(time.Millisecond)
		dir = copyFiles(t, from)
	}
	held.gate.Unlock()
	ended.Wait()
	c := mustOpen(t, Options{Dir: dir})
	if v, err := get(c, "a"); v != "before" || err != nil {
		t.Errorf("the row of before is %q, %v", v, err)
	}
	if v, err := get(c, "w0"); v != "" || err != nil {
		t.Errorf("a row that was ingested into nothing is %q, %v", v, err)
	}
}

// hasHole tells whether the logs of a directory have a hole that no table in its MANIFEST explains.
func hasHole(t *testing.T, dir string) bool {
	t.Helper()
	names, err := vfs.Default.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := currentManifest(vfs.Default, dir, names)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".sst") })
	dropped, err := checkLogs(vfs.Default, dir, names, m)
	return err != nil || dropped != ""
}

// TestDamageInNewestLog damages the newest log where whole records follow, and cuts it as a power
// cut can: the end of a block is not there, and the next one is. Pebble drops records then; whoever
// opens the directory is told, and nobody where the log merely ends.
func TestDamageInNewestLog(t *testing.T) {
	dir := killed(t, func(e *Engine, _ *noTables) {
		for i := range 300 {
			if err := set(e, fmt.Sprintf("%04d", i), strings.Repeat("x", 700)); err != nil {
				t.Fatal(err)
			}
		}
	})
	logs := logsIn(t, dir)
	newest := logs[len(logs)-1]
	const block = 32 << 10
	for _, test := range []struct {
		name   string
		damage func(b []byte)
		want   string // in the log; empty: nothing of the file
	}{
		{"as it is", func([]byte) {}, ""},
		{"four bytes", func(b []byte) { copy(b[bytes.LastIndex(b, []byte("xxxx"))/2:], "ZZZZ") }, " cannot be read from byte"},
		{"the end of a block", func(b []byte) {
			ends := chunkEnds(b, newest)
			i, _ := slices.BinarySearch(ends, 2*block-endMark)
			clear(b[ends[i-1] : 2*block])
		}, newest},
		{"the first block", func(b []byte) { clear(b[:block]) }, newest},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFiles(t, dir)
			path := filepath.Join(dir, newest)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			test.damage(b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			log := &testLog{}
			e, err := Open(Options{Dir: dir, ReadOnly: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			said := log.String()
			if test.want == "" && strings.Contains(said, newest) || !strings.Contains(said, test.want) {
				t.Errorf("want %q, told %q", test.want, said)
			}
		})
	}
}

// TestPowerCutAtBlockEnd loses the first chunk of a record that begins right before the end of a
// block, as a power cut can of what was not synced, and not what follows. Pebble takes so little
// for padding and reads on behind the record. That is told, and not refused: nobody was told that
// the record is there.
func TestPowerCutAtBlockEnd(t *testing.T) {
	const block, left, header = 32 << 10, 15, endMark
	write := func(e *Engine, i, size int) {
		if err := set(e, fmt.Sprintf("%04d", i), strings.Repeat("x", size)); err != nil {
			t.Fatal(err)
		}
	}
	var name string
	dir := killed(t, func(e *Engine, _ *noTables) {
		for i := 0; ; i++ {
			write(e, i, 700)
			logs := logsIn(t, e.dir)
			name = logs[len(logs)-1]
			b, err := os.ReadFile(filepath.Join(e.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			ends := chunkEnds(b, name)
			if last := ends[len(ends)-1]; i > 1 && block-last < 3000 { // one more ends right before the end of the block
				beside := last - ends[len(ends)-2] - 700
				write(e, i+1, block-left-last-beside)
				break
			}
		}
		for i := range 3 {
			write(e, 9000+i, 700)
		}
	})
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(chunkEnds(b, name), block-left) || left < header {
		t.Fatalf("no record begins %d bytes before the end of a block", left)
	}
	clear(b[block-left : block])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	log := &testLog{}
	e, err := Open(Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if said := log.String(); !strings.Contains(said, "in the newest log "+name+" something is missing") {
		t.Errorf("told %q", said)
	}
}
