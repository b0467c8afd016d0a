package db

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// formatDirs are data directories that earlier versions wrote, one for each format. A new format adds one; none is ever
// written again (REWRITE=1 makes those that are missing).
const formatDirs = "testdata/formats"

// formatItems are the items of the table "model" in those directories, one of them with every type of value.
func formatItems(t *testing.T) []item.Item {
	list := item.List([]item.Value{item.Null(), item.Bool(true), item.Map([]item.Entry{attr("k", num(t, "-1E-130"))})})
	set := item.Union(numberSet(t, "1"), numberSet(t, "2.5"))
	return []item.Item{
		item.New([]item.Entry{attr("pk", item.String("p")), attr("sk", item.Int(1))}),
		item.New([]item.Entry{
			attr("pk", item.String("p")), attr("sk", num(t, "99999999999999999999999999999999999999")), attr("a", item.String("ä")),
			attr("b", item.Binary([]byte{0, 0xFF})), attr("n", num(t, "-0.5")), attr("list", list), attr("set", set),
			attr("empty", item.String("")),
		}),
	}
}

// numberSet is a set of one number.
func numberSet(t *testing.T, n string) item.Value {
	t.Helper()
	var s item.Scanner
	var d item.Decoder
	s.Reset([]byte(`{"NS":["` + n + `"]}`))
	v, faults, err := d.Value(&s)
	if err != nil || faults.Earliest() != nil {
		t.Fatal(err, faults.Earliest())
	}
	return v.Clone()
}

// TestFormats opens a copy of each directory, finds what was written, and runs Check.
func TestFormats(t *testing.T) {
	if os.Getenv("REWRITE") != "" {
		writeFormat(t, filepath.Join(formatDirs, "1"))
	}
	dirs, err := os.ReadDir(formatDirs)
	if err != nil || len(dirs) == 0 {
		t.Fatal("no directories of released formats: ", err)
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			work := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(work, os.DirFS(filepath.Join(formatDirs, dir.Name()))); err != nil {
				t.Fatal(err)
			}
			inDir(t, work, func(d *DB) { readFormat(t, d) })
		})
	}
}

// inDir runs fn on the database in the directory.
func inDir(t *testing.T, dir string, fn func(*DB)) {
	t.Helper()
	engine, err := pebblekv.Open(pebblekv.Options{Dir: dir, FreeSpaceFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(engine, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	fn(d)
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
}

// readFormat wants the items, their index rows, and nothing for Check to find.
func readFormat(t *testing.T, d *DB) {
	table, err := d.Table(DefaultNamespace, "model")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range formatItems(t) {
		err := d.Get(context.Background(), table, want, true, func(got item.Item) error {
			if !item.SameAttributes(got, want) {
				t.Errorf("got %s, want %s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			if got.Stamp() == 0 {
				t.Error("the item has no stamp")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n, _ := d.Counts(table, table.Index("ga")); n != 1 {
		t.Errorf("index ga has %d rows, want 1", n)
	}
	check(t, d)
}

// writeFormat writes a directory unless it is there.
func writeFormat(t *testing.T, dir string) {
	if _, err := os.Stat(dir); err == nil {
		return
	}
	inDir(t, dir, func(d *DB) {
		table, err := d.Create(t.Context(), modelDescriptor())
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range formatItems(t) {
			if _, err := d.Write(t.Context(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
