package inspect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/inspect"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// testNow is the time in the databases here.
var testNow = time.Unix(1_700_000_000, 0)

// store is a database with a bit of everything, closed: the table "model" with indexes, a stream
// and items that expire, the stream of the table "old", which is gone, and the token of a
// transaction.
type store struct {
	fs    *vfs.MemFS
	table schema.Table
	items []item.Item
}

// attr is an entry for item.New.
func attr(name string, v item.Value) item.Entry { return item.Entry{Name: name, Value: v} }

// newItem is an item of the table "model".
func newItem(pk string, sk int64, a string) item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(pk)), attr("sk", item.Int(sk)), attr("a", item.String(a)), attr("n", item.Int(-sk)),
		attr("b", item.Binary([]byte(a))), attr("e", item.Int(4_102_444_800+sk)),
	})
}

// model is the descriptor of a table: a composite key, two GSIs, an LSI and a stream.
func model(name string) *schema.Descriptor {
	key := func(names ...string) (keys []schema.KeyElement) {
		for _, name := range names {
			keys = append(keys, schema.KeyElement{Name: strings.TrimPrefix(name, "|"), Range: name[0] == '|'})
		}
		return keys
	}
	return &schema.Descriptor{
		Name: name, Namespace: schema.DefaultNamespace, Billing: schema.PayPerRequest,
		Attributes: []schema.AttributeDefinition{
			{Name: "a", Type: item.S}, {Name: "b", Type: item.B}, {Name: "n", Type: item.N},
			{Name: "pk", Type: item.S}, {Name: "sk", Type: item.N},
		},
		Keys: key("pk", "|sk"),
		Indexes: []schema.Index{
			{Name: "local", Kind: schema.LocalIndex, Keys: key("pk", "|n"), Projection: schema.ProjectionAll},
			{Name: "two", Projection: schema.ProjectionAll, Keys: key("a", "b", "|n")},
			{Name: "one", Projection: schema.ProjectionKeysOnly, Keys: key("b")},
		},
		StreamViewType: schema.ViewNewAndOldImages,
	}
}

// newStore writes the database.
func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{fs: vfs.NewCrashableMem()}
	engine := s.open(t, false)
	d, err := db.Open(engine, db.Options{
		Now: func() time.Time { return testNow }, SweepInterval: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = s.fill(t, d)
		err = errors.Join(err, d.Close())
	}
	if err = errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
	return s
}

// fill makes the tables and writes to them.
func (s *store) fill(t *testing.T, d *db.DB) error {
	old, err := d.Create(t.Context(), model("old"))
	if err != nil {
		return err
	}
	it := newItem("o", 1, "o")
	_, err = d.Write(t.Context(), &db.Write{Table: old, Key: it, Change: db.Put{Item: it}})
	if err != nil {
		return err
	}
	_, err = d.Delete(t.Context(), schema.DefaultNamespace, "old", func(*db.Table) error { return nil })
	if err != nil {
		return err
	}
	if _, err := d.Create(t.Context(), model("model")); err != nil {
		return err
	}
	same := func(*schema.Descriptor) error { return nil }
	err = d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", "e", same)
	if err = errors.Join(err, d.Settle(t.Context())); err != nil {
		return err
	}
	table := d.Lookup(schema.DefaultNamespace, "model")
	s.table = table.Table
	for i := range 12 {
		s.items = append(s.items, newItem(fmt.Sprint("p", i%3), int64(i-5), fmt.Sprint("a", i%2)))
		write := db.Write{Table: table, Key: s.items[i], Change: db.Put{Item: s.items[i]}}
		if _, err := d.Write(t.Context(), &write); err != nil {
			return err
		}
	}
	token := &schema.Token{
		Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems,
		Value: "once", Fingerprint: [32]byte{1},
	}
	change := db.Write{Table: table, Key: s.items[0], Change: db.Put{Item: newItem("p0", -5, "changed")}}
	s.items[0] = newItem("p0", -5, "changed")
	_, err = d.Transact(t.Context(), &db.Transaction{Actions: []db.Action{{Write: change}}, Token: token})
	return err
}

// open opens the store's engine.
func (s *store) open(t *testing.T, readOnly bool) *pebblekv.Engine {
	t.Helper()
	engine, err := pebblekv.Open(pebblekv.Options{
		Dir: "data", FS: s.fs, ReadOnly: readOnly, Clock: func() time.Time { return testNow },
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// edit writes rows past the database.
func (s *store) edit(t *testing.T, lock []byte, fn func(kv.Txn)) {
	t.Helper()
	engine := s.open(t, false)
	err := engine.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{lock}}, func(tx kv.Txn) error {
		fn(tx)
		return nil
	})
	if err = errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
}

// set writes a row past the database.
func (s *store) set(t *testing.T, key, value []byte) {
	t.Helper()
	s.edit(t, key, func(tx kv.Txn) { tx.Set(key, value) })
}

// look looks into the store.
func (s *store) look(t *testing.T, fn func(*inspect.View)) {
	t.Helper()
	engine := s.open(t, true)
	err := inspect.Run(t.Context(), engine, testNow, func(v *inspect.View) error {
		fn(v)
		return nil
	})
	if err = errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
}

// all collects what an iterator yields, each in words.
func all[T any](t *testing.T, seq iter.Seq2[T, error], word func(T) string) (words []string) {
	t.Helper()
	for of, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, word(of))
	}
	return words
}

// rowWord is a row in words: its key, or why there is none.
func rowWord(r inspect.Row) string {
	return string(inspect.JSON(r.Attributes)) + string(inspect.JSON(r.Item)) + r.Damage
}

// TestRowsByKey reads the rows of each section by every key and every part of one, and goes on
// after every row: what comes is what a look at all rows finds.
func TestRowsByKey(t *testing.T) {
	s := newStore(t)
	s.look(t, func(v *inspect.View) {
		table, err := v.Table("model")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"items", "local", "two", "one", "expiry"} {
			section, err := table.Section(name)
			if err != nil {
				t.Fatal(err)
			}
			q := &inspect.RowQuery{Table: table, Section: section}
			words := all(t, v.Rows(q), rowWord)
			if len(words) != len(s.items) {
				t.Errorf("%s has %d rows, want %d", name, len(words), len(s.items))
			}
			byKey(t, v, q, words)
		}
	})
}

// byKey reads the rows of one section by parts of their keys.
func byKey(t *testing.T, v *inspect.View, q *inspect.RowQuery, words []string) {
	t.Helper()
	var keys []item.Item
	var raw [][]byte
	for row, err := range v.Rows(q) {
		if err != nil || row.Damage != "" {
			t.Fatal(err, row.Damage)
		}
		keys, raw = append(keys, row.Attributes.Clone()), append(raw, slices.Clone(row.Key))
	}
	hash := map[string][]string{
		"local": {"pk"}, "two": {"a", "b"}, "one": {"b"}, "items": {"pk"}, "expiry": {"sk"},
	}[q.Section.Name]
	for i, key := range keys {
		at := *q
		for _, part := range []item.Item{key, key.Pick(hash), key.Pick(append(slices.Clone(hash), "sk"))} {
			at.Key = part
			var want []string
			for j := range keys {
				if item.SameAttributes(keys[j].Pick(names(part)), part) {
					want = append(want, words[j])
				}
			}
			if got := all(t, v.Rows(&at), rowWord); !slices.Equal(got, want) {
				t.Errorf("%s of %s: %q, want %q", q.Section.Name, inspect.JSON(part), got, want)
			}
		}
		at = *q
		afters := []string{fmt.Sprintf("%x", raw[i])}
		if q.Section.Kind != inspect.ExpiryRows {
			afters = append(afters, string(inspect.JSON(key)))
		}
		for _, after := range afters {
			var err error
			if at.After, err = at.ParseAfter(after); err != nil {
				t.Fatal(err)
			}
			if got := all(t, v.Rows(&at), rowWord); !slices.Equal(got, words[i+1:]) {
				t.Errorf("%s after %s: %q, want %q", q.Section.Name, after, got, words[i+1:])
			}
		}
	}
}

// names are the names of an item's attributes.
func names(it item.Item) (all []string) {
	for name := range it.Attributes() {
		all = append(all, strings.Clone(name))
	}
	return all
}

// TestRefusedKeys asks for keys that a section has not.
func TestRefusedKeys(t *testing.T) {
	s := newStore(t)
	s.look(t, func(v *inspect.View) {
		table, err := v.Table("model")
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct{ section, key, after, want string }{
			{"items", `{"sk":{"N":"1"}}`, "", `lacks the hash attribute "pk"`},
			{"items", `{"pk":{"N":"1"}}`, "", `"pk" is of type S, not N`},
			{"items", `{"pk":{"S":"1"},"x":{"S":"1"}}`, "", `"x" is no key attribute of items`},
			{"items", `{"pk":`, "", "is no key such as"},
			{"items", `{"pk":{"N":"x"}}`, "", "cannot be converted to a numeric value"},
			{"two", `{"a":{"S":"1"}}`, "", `lacks the hash attribute "b"`},
			{"items", "", `{"pk":{"S":"1"}}`, `["pk" "sk"], all of them`},
			{"items", "", `zz`, "is no key such as"},
			{"items", "", `0100`, "is no key of items"},
			{"expiry", "", `{"pk":{"S":"1"}}`, "in hexadecimal"},
			{"section:99", `{"pk":{"S":"1"}}`, "", "has no index of section 99"},
			{"three", "", "", `no index "three"`},
		} {
			err := refused(v, table, test.section, test.key, test.after)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: %v", test, err)
			}
		}
	})
}

// refused is the error of a query.
func refused(v *inspect.View, table *inspect.Table, section, key, after string) (err error) {
	q := &inspect.RowQuery{Table: table}
	if q.Section, err = table.Section(section); err != nil {
		return err
	}
	if key != "" {
		if q.Key, err = inspect.ParseKey(key); err != nil {
			return err
		}
	}
	if after != "" {
		if q.After, err = q.ParseAfter(after); err != nil {
			return err
		}
	}
	for _, err := range v.Rows(q) {
		return err
	}
	return nil
}

// TestDamagedRows shows rows that cannot be read, among those that can.
func TestDamagedRows(t *testing.T) {
	s := newStore(t)
	key := s.table.AppendItemKey(nil, s.items[1])
	row, _ := s.table.Plans[0].AppendKey(nil, s.items[1])
	stray := func(section uint16) []byte {
		return append(schema.SectionRange(s.table.ID, section).Start, make([]byte, 9)...)
	}
	s.set(t, key, []byte{9, 9})                                           // of another format
	s.set(t, row, s.items[1].AppendStored(nil, 0)[:12])                   // cut short
	s.set(t, stray(schema.SectionItems), s.items[1].AppendStored(nil, 1)) // under a damaged key
	s.set(t, schema.AppendExpiryKey(nil, key, 4_102_444_796), []byte("x"))
	s.set(t, stray(77), []byte("x"))
	nobody := append(schema.SectionRange(900, 0).Start, key[7:]...)
	s.set(t, nobody, s.items[1].AppendStored(nil, 1))
	s.look(t, func(v *inspect.View) {
		for _, test := range []struct{ table, section, want string }{
			{"model", "items", "item: stored row has format 9"}, {"model", "items", "its key is damaged"},
			{"model", "local", "item: "}, {"model", "expiry", "it has a value"},
			{"model", "section:77", "no index has such a section; item: stored row is damaged"},
			{"id:900", "items", "its key cannot be read without the table's descriptor"},
		} {
			table, err := v.Table(test.table)
			if err != nil {
				t.Fatal(err)
			}
			q := &inspect.RowQuery{Table: table}
			if q.Section, err = table.Section(test.section); err != nil {
				t.Fatal(err)
			}
			damaged := all(t, v.Rows(q), func(r inspect.Row) string { return r.Damage })
			if !slices.ContainsFunc(damaged, func(d string) bool { return strings.Contains(d, test.want) }) {
				t.Errorf("%s of %s: the damage is %q, want %q", test.section, test.table, damaged, test.want)
			}
		}
		sections := all(t, v.Sizes(true), func(s inspect.Size) string {
			return fmt.Sprint(s.Section.Name, " ", s.Rows)
		})
		for _, want := range []string{"items 13", "section 77 1", "items 1", "records 13", "tokens 2"} {
			if !slices.Contains(sections, want) {
				t.Errorf("the sizes are %q, without %q", sections, want)
			}
		}
	})
}

// TestDamagedCatalog shows what cannot be read of the catalog, of streams and of tokens.
func TestDamagedCatalog(t *testing.T) {
	s := newStore(t)
	s.edit(t, []byte("none"), func(tx kv.Txn) {
		tx.AppendLog(s.table.StreamID, 3, []byte{1})
		tx.AppendLog(s.table.StreamID, 3, []byte{7, 0, 0, 0, 0})
		tx.AppendLog(s.table.StreamID, 3, []byte{1, 1 << 5, 0, 0, 0})        // it says what nobody knows
		tx.AppendLog(s.table.StreamID, 3, []byte{1, 2, 4, 1, 0, 9, 1, 0, 0}) // its key is no item
		tx.Add(901, kv.Count{Section: 0, Items: 1})
	})
	newer, err := json.Marshal(map[string]any{"Format": 2, "Name": "later"})
	if err != nil {
		t.Fatal(err)
	}
	token := (&schema.Token{Namespace: schema.DefaultNamespace, Operation: 'w', Value: "x"}).AppendKey(nil)
	for _, row := range []struct{ key, value []byte }{
		{schema.DescriptorKey(50), []byte("{")}, {schema.DescriptorKey(51), newer}, {schema.StreamKey(52 << 32), newer},
		{schema.NameKey(schema.DefaultNamespace, "lost"), schema.AppendTableID(nil, 99)}, {[]byte{1, 'z'}, nil},
		{schema.NextIDKey(), []byte{1}}, {schema.BackfillKey(99, 16), nil}, {token, []byte{1}},
		{append(token[:3:3], 9), nil},
	} {
		s.set(t, row.key, row.value)
	}
	s.look(t, func(v *inspect.View) {
		var told []string
		for _, table := range v.Tables {
			told = append(told, table.Faults...)
		}
		for _, stream := range v.Streams {
			told = append(told, stream.Faults...)
		}
		for _, d := range v.Damaged {
			told = append(told, d.What+": "+d.Why)
		}
		stream, err := v.Stream("model")
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, all(t, v.Records(stream, 3), func(r inspect.Record) string { return r.Damage })...)
		told = append(told, all(t, v.Tokens(), func(t inspect.Token) string { return t.Damage })...)
		for _, want := range []string{
			"it cannot be read: unexpected end", "a newer version wrote it: its format is 2",
			"id 99, which has no descriptor",
			"the catalog: rows of the catalog have no such key",
			"the next table id: it is 1 bytes long", "there is no table id 99",
			"a counter: it is of table id 901", "is cut short", "was written by a newer version (record format 7)",
			"it says of its change what this version does not know", "item: ",
			"is damaged or was written by a newer version", "its key is no token's",
		} {
			if !slices.ContainsFunc(told, func(d string) bool { return strings.Contains(d, want) }) {
				t.Errorf("%q is not told:\n%s", want, strings.Join(told, "\n"))
			}
		}
	})
}

// TestFindStreams finds streams by all their names.
func TestFindStreams(t *testing.T) {
	s := newStore(t)
	s.look(t, func(v *inspect.View) {
		label := s.table.StreamLabel
		for name, want := range map[string]string{
			"model": "model", "old": "old", "model/stream/" + label: "model", fmt.Sprint("id:", s.table.ID): "model",
		} {
			if found, err := v.Stream(name); err != nil || found.Schema.Table != want {
				t.Errorf("%s: %+v, %v", name, found, err)
			}
		}
		for _, name := range []string{label, "", "none"} { // the two tables were made at the same time
			if found, err := v.Stream(name); err == nil {
				t.Errorf("%q is %+v", name, found)
			}
		}
		if n := len(v.TableStreams("")); n != 2 {
			t.Errorf("there are %d streams, want 2", n)
		}
		old, err := v.Stream("old")
		if err != nil || !old.Gone {
			t.Errorf("the stream of the table that is gone: %+v, %v", old, err)
		}
		shards, err := v.Shards(old)
		records := int64(0)
		for _, shard := range shards {
			records += shard.Records
			if !shard.Closed || shard.Records > 0 && shard.End != shard.Last {
				t.Errorf("the shard is %+v", shard)
			}
		}
		if err != nil || records != 1 {
			t.Errorf("%d records, %v", records, err)
		}
	})
}

// TestNames finds the table that has a name now, among those that had it and are being removed.
func TestNames(t *testing.T) {
	s := newStore(t)
	for _, id := range []uint32{1, 40} {
		former := s.table.Clone()
		former.ID, former.State, former.StreamID = id, schema.StateDropped, 0
		stored, err := json.Marshal(former)
		if err != nil {
			t.Fatal(err)
		}
		s.set(t, schema.DescriptorKey(id), stored)
	}
	s.set(t, schema.NextIDKey(), schema.AppendTableID(nil, 41))
	s.look(t, func(v *inspect.View) {
		for name, want := range map[string]uint32{"model": s.table.ID, "id:1": 1, "id:40": 40, "id:41": 41} {
			if found, err := v.Table(name); err != nil || found.ID != want {
				t.Errorf("%s is %+v, %v, want id %d", name, found, err, want)
			}
		}
		for _, name := range []string{"", "id:", "id:x", "none"} {
			if found, err := v.Table(name); err == nil {
				t.Errorf("%q is %+v", name, found)
			}
		}
		if len(v.Damaged) > 0 || v.NextTableID != 41 {
			t.Errorf("next id %d, damaged %+v", v.NextTableID, v.Damaged)
		}
	})
	s.edit(t, s.table.AppendItemKey(nil, s.items[0]), func(tx kv.Txn) {
		tx.Delete(schema.NameKey(schema.DefaultNamespace, "model"))
	})
	s.look(t, func(v *inspect.View) {
		if found, err := v.Table("model"); err != nil || found.ID != 40 {
			t.Errorf("without the name it is %+v, %v, want the youngest", found, err)
		}
	})
}

// TestTokenTimes looks at a token before and after its time is over.
func TestTokenTimes(t *testing.T) {
	s := newStore(t)
	engine := s.open(t, true)
	for _, test := range []struct {
		after time.Duration
		over  bool
	}{{0, false}, {10*time.Minute - time.Millisecond, false}, {10 * time.Minute, true}} {
		err := inspect.Run(t.Context(), engine, testNow.Add(test.after), func(v *inspect.View) error {
			got := all(t, v.Tokens(), func(k inspect.Token) string {
				return fmt.Sprint(k.Token.Value, " ", k.Expires.Sub(testNow), " ", k.Over, " ", k.Images)
			})
			want := []string{fmt.Sprint("once 10m0s ", test.over, " ", []int{s.items[0].Size()})}
			if !slices.Equal(got, want) {
				t.Errorf("after %v the tokens are %q, want %q", test.after, got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
}
