package db

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// formatDirs are data directories that earlier versions wrote: 1 holds a table with indexes, and
// 1-streams one that has a stream and items that expire as well, and the token of a transaction.
// What a new format or new kinds of rows bring adds one.
const formatDirs = "testdata/formats"

// createFormats has a name of its own, so that -rewrite, which writes golden files anew, never
// touches these directories: what a released version wrote must be readable for ever. Even with
// it, a directory that is there stays as it is.
var createFormats = flag.Bool("formats.create", false, "write those directories of "+formatDirs+" that are missing")

// formatItems are the items of the table "model" in those directories, one of them with every type
// of value.
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
	if *createFormats {
		writeFormat(t, filepath.Join(formatDirs, "1"), modelDescriptor(), false)
		streamed := modelDescriptor()
		streamed.StreamViewType = "NEW_AND_OLD_IMAGES"
		writeFormat(t, filepath.Join(formatDirs, "1-streams"), streamed, true)
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
			within(t, pebblekv.Options{Dir: work, FreeSpaceFloor: -1}, func(d *DB) { readFormat(t, d) })
		})
	}
}

// readFormat wants the items, their index rows, and nothing for Check to find.
func readFormat(t *testing.T, d *DB) {
	table, err := d.Table(schema.DefaultNamespace, "model")
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
	if table.StreamViewType != "" && table.Expiry != nil {
		readStreamed(t, d, table)
	}
	checkClean(t, d)
}

// readStreamed wants the item that expires in the year 2100 and its row, three stream records, and
// one token. It looks below what is held to the clock: to readers the records are trimmed long
// since.
func readStreamed(t *testing.T, d *DB, table *Table) {
	records := 0
	for shard := range uint32(table.shards) {
		page := kv.Page{Records: 10, Bytes: 1 << 20}
		rs, _, err := d.kv.ReadLog(t.Context(), table.StreamID, shard, schema.Position{}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range rs {
			if r, err := schema.ParseRecord(raw); err != nil || r.Name != "INSERT" || !r.New.Exists() {
				t.Errorf("record %+v, %v", r, err)
			}
			records++
		}
	}
	rows := map[byte]int{}
	err := d.kv.View(t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
		count := func(key, _ []byte) (bool, error) { rows[key[0]]++; return true, nil }
		return errors.Join(r.Scan(schema.SectionRange(table.ID, schema.SectionExpiry), kv.Forward, count),
			r.Scan(schema.TokenRange(), kv.Forward, count))
	})
	if records != 3 || rows[2] != 1 || rows[3] != 2 || err != nil {
		t.Errorf("%d records, %d expiry rows, %d rows of tokens, %v, want 3, 1, 2", records, rows[2], rows[3], err)
	}
}

// expiringTransaction puts an item that expires in the year 2100, once.
func expiringTransaction(table *Table) *Transaction {
	it := item.New([]item.Entry{attr("e", item.Int(4_102_444_800)), attr("pk", item.String("q")), attr("sk", item.Int(1))})
	token := &schema.Token{Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems, Value: "once", Fingerprint: [32]byte{1}}
	return &Transaction{Actions: []Action{{Write: Write{Table: table, Key: it, Change: Put{it}}}}, Token: token}
}

// writeFormat writes a directory of the descriptor's table unless it is there; full says that items
// expire.
func writeFormat(t *testing.T, dir string, desc *schema.Descriptor, full bool) {
	if _, err := os.Stat(dir); err == nil {
		return
	}
	within(t, pebblekv.Options{Dir: dir, FreeSpaceFloor: -1}, func(d *DB) {
		table, err := d.Create(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		if full {
			setExpiry(t, d, "e")
			if _, err := d.Transact(t.Context(), expiringTransaction(table)); err != nil {
				t.Fatal(err)
			}
		}
		for _, it := range formatItems(t) {
			if _, err := d.Write(t.Context(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
