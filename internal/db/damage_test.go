package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// damaging is an engine that shows one of its rows, or one of the records of its logs, or a
// counter, damaged. What is written to it is forgotten, so that one engine serves any number of
// runs.
type damaging struct {
	kv.Engine
	row        []byte // the key of the damaged one; nil: none
	record     *kv.Position
	counters   bool
	key, value func([]byte) []byte // what it looks like; a nil key: it is not there
}

// shown is a row as it looks.
func (d *damaging) shown(key, value []byte) ([]byte, []byte) {
	if d.row == nil || !bytes.Equal(key, d.row) {
		return key, value
	}
	return d.key(key), d.value(value)
}

// damagedReader reads through the damage.
type damagedReader struct {
	kv.Reader
	d *damaging
}

func (r damagedReader) Get(key []byte) ([]byte, error) {
	value, err := r.Reader.Get(key)
	if value == nil || err != nil {
		return value, err
	}
	shown, value := r.d.shown(key, value)
	if !bytes.Equal(shown, key) {
		return nil, nil
	}
	return value, nil
}

func (r damagedReader) GetMulti(keys [][]byte, fn func(i int, value []byte) error) error {
	for i, key := range keys {
		value, err := r.Get(key)
		if err == nil {
			err = fn(i, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r damagedReader) Scan(rows kv.Range, direction kv.Direction, fn func(key, value []byte) (bool, error)) error {
	return r.Reader.Scan(rows, direction, func(key, value []byte) (bool, error) {
		key, value = r.d.shown(key, value)
		if key == nil || string(key) < string(rows.Start) || len(rows.End) > 0 && string(key) >= string(rows.End) {
			return true, nil // a scan finds what lies in its range
		}
		return fn(key, value)
	})
}

// forgetful is a Txn that reads through the damage and writes nothing.
type forgetful struct {
	kv.Txn
	damagedReader
}

func (f forgetful) Get(key []byte) ([]byte, error) { return f.damagedReader.Get(key) }
func (f forgetful) GetMulti(keys [][]byte, fn func(int, []byte) error) error {
	return f.damagedReader.GetMulti(keys, fn)
}
func (f forgetful) Scan(rows kv.Range, direction kv.Direction, fn func(key, value []byte) (bool, error)) error {
	return f.damagedReader.Scan(rows, direction, fn)
}
func (forgetful) Set(_, _ []byte)                  {}
func (forgetful) Delete([]byte)                    {}
func (forgetful) AppendLog(uint64, uint32, []byte) {}
func (forgetful) Add(uint64, ...kv.Count)          {}
func (forgetful) DropCounter(uint64)               {}

func (d *damaging) View(ctx context.Context, o kv.ReadOptions, fn func(kv.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.Engine.View(ctx, o, func(r kv.Reader) error { return fn(damagedReader{r, d}) })
}

func (d *damaging) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.Engine.Update(ctx, o, func(tx kv.Txn) error { return fn(forgetful{tx, damagedReader{tx, d}}) })
}

func (d *damaging) UpdateEach(ctx context.Context, o kv.WriteOptions, writes []kv.Write) (errs []error) {
	for _, w := range writes {
		errs = append(errs, d.Update(ctx, kv.WriteOptions{Lock: w.Lock}, w.Do))
	}
	return errs
}

func (d *damaging) ReadLog(
	ctx context.Context, log uint64, shard uint32, after kv.Position, page kv.Page,
) ([]kv.Record, kv.Position, error) {
	records, end, err := d.Engine.ReadLog(ctx, log, shard, after, page)
	for i := range records {
		if d.record != nil && records[i].Position == *d.record {
			records[i].Data = d.value(records[i].Data)
		}
	}
	return records, end, err
}

func (d *damaging) Counter(counter uint64) []kv.Count {
	counts := d.Engine.Counter(counter)
	if d.counters && len(counts) > 0 {
		counts[0].Section, counts[0].Items, counts[0].Bytes = counts[0].Section^1, -counts[0].Items, -counts[0].Bytes
	}
	return counts
}

func (*damaging) TrimLog(context.Context, uint64, uint32, kv.Position) error { return nil }
func (*damaging) DropLog(context.Context, uint64) error                      { return nil }
func (*damaging) DropRange(context.Context, kv.Range) error                  { return nil }

// damageable is a database with a row of each kind.
type damageable struct {
	engine  kv.Engine
	clock   *clocktest.Clock
	rows    [][]byte
	records []kv.Position
	token   *Transaction
}

// newDamageable fills a database.
func newDamageable(t testing.TB) *damageable {
	t.Helper()
	clock := clocktest.New(clocktest.Start)
	engine := openEngine(t, pebblekv.Options{Clock: clock.Now})
	m := &damageable{engine: engine, clock: clock}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(engine, unswept(m.clock.Now))
	must(err)
	ctx := context.Background()
	table, err := d.Create(ctx, streamedDescriptor())
	must(err)
	must(d.AlterExpiry(ctx, schema.DefaultNamespace, "model", "e", always))
	ended := streamedDescriptor()
	ended.Name = "ended"
	other, err := d.Create(ctx, ended)
	must(err)
	for i := range 6 {
		it := expiring(i, item.Int(m.clock.Now().Unix()+int64(i)))
		_, errs := d.WriteEach(ctx, []Write{{Table: table, Key: it, Change: Put{it}}, {Table: other, Key: it, Change: Put{it}}})
		must(errors.Join(errs...))
	}
	_, _, err = d.Alter(ctx, schema.DefaultNamespace, "ended", Unseen, setStream(""))
	must(err)
	m.token = transactionOf(table, "t1", "t2")
	m.token.Token = &schema.Token{Operation: schema.TokenTransactWriteItems, Value: "token"}
	_, err = d.Transact(ctx, m.token)
	must(err)
	must(engine.Update(ctx, kv.WriteOptions{Lock: [][]byte{schema.BackfillKey(table.ID, 99)}}, func(tx kv.Txn) error {
		tx.Set(schema.BackfillKey(table.ID, 99), table.AppendItemKey(nil, expiring(1, item.Value{})))
		return nil
	}))
	must(engine.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
		return r.Scan(kv.Range{}, kv.Forward, func(key, _ []byte) (bool, error) {
			m.rows = append(m.rows, bytes.Clone(key))
			return true, nil
		})
	}))
	for _, l := range d.catalog.Load().streams {
		for shard := range uint32(l.Shards) {
			page := kv.Page{Records: 100, Bytes: 1 << 20}
			records, _, err := engine.ReadLog(ctx, l.ID, shard, schema.Position{}, page)
			must(err)
			for _, r := range records {
				m.records = append(m.records, r.Position)
			}
		}
	}
	must(d.Close())
	return m
}

// damage is a way to damage bytes.
func damage(how byte, at int, with []byte) (key, value func([]byte) []byte) {
	same := func(b []byte) []byte { return b }
	change := func(b []byte) []byte {
		b = bytes.Clone(b)
		at := at % (len(b) + 1)
		switch how % 4 {
		case 0:
			for i := range with {
				if at+i < len(b) {
					b[at+i] ^= with[i]
				}
			}
		case 1:
			return b[:at]
		case 2:
			return append(b[:at], append(bytes.Clone(with), b[at:]...)...)
		case 3:
			return append(b[:at], with...)
		}
		return b
	}
	switch {
	case how == 255:
		return func([]byte) []byte { return nil }, same
	case how >= 128:
		return change, same
	}
	return same, change
}

// FuzzStoredRows opens a database one of whose rows, stream records or counters is damaged, and
// does everything with it: it may answer with errors, and does not panic or hang.
func FuzzStoredRows(f *testing.F) {
	m := newDamageable(f)
	f.Cleanup(func() { _ = m.engine.Close() })
	all := len(m.rows) + len(m.records) + 1
	for n := range all {
		f.Add(uint16(n), byte(n), uint16(7*n), []byte{0x80})
		f.Add(uint16(n), byte(1), uint16(n), []byte{})
	}
	f.Fuzz(func(t *testing.T, n uint16, how byte, at uint16, with []byte) {
		d := &damaging{Engine: m.engine}
		d.key, d.value = damage(how, int(at), with)
		switch i := int(n) % all; {
		case i < len(m.rows):
			d.row = m.rows[i]
		case i < len(m.rows)+len(m.records):
			d.record = &m.records[i-len(m.rows)]
		default:
			d.counters = true
		}
		watch := time.AfterFunc(30*time.Second, func() { panic(fmt.Sprintf("damage of row %d hangs: %x", n, d.row)) })
		defer watch.Stop()
		m.use(d)
	})
}

// use does everything with the database that the engine shows.
func (m *damageable) use(engine kv.Engine) {
	d, err := Open(engine, unswept(m.clock.Now))
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }()
	ctx := context.Background()
	for _, name := range []string{"model", "ended"} {
		d.Lookup(schema.DefaultNamespace, name)
		if table, err := d.Table(schema.DefaultNamespace, name); err == nil {
			table.Status(m.clock.Now())
			m.useTable(d, table)
		}
	}
	d.List(schema.DefaultNamespace, "", 100)
	streams, _ := d.Streams(schema.DefaultNamespace, "", "", "", 100)
	for _, l := range streams {
		for _, s := range l.ShardsAt(m.clock.Now()) {
			read := StreamRead{Stream: l, Shard: s.Number, Limit: 100}
			_, _, _ = d.ReadStream(ctx, read, func(r *schema.StreamRecord) bool {
				useItems(r.Keys, r.New, r.Old)
				return true
			})
		}
	}
	_, _ = d.Transact(ctx, m.token)
	_, _ = checkOpen(ctx, d)
	m.clock.Advance(20 * time.Second)
	_ = d.Sweep(ctx)
	m.clock.Set(m.clock.Now().Add(-20 * time.Second))
}

// useItems does with items what answering them does.
func useItems(items ...item.Item) {
	for _, it := range items {
		it.AppendJSON(nil)
	}
}

// useTable reads and writes all items in all ways.
func (m *damageable) useTable(d *DB, table *Table) {
	ctx := context.Background()
	u, err := d.Expressions().Update("SET n = n + :v, x = a", &expr.Params{Values: []expr.Value{{Key: ":v", Value: item.Int(1)}}})
	if err != nil {
		panic(err)
	}
	for i := range 6 {
		it := expiring(i, item.Value{})
		if table.CheckKey(it.Pick(table.LastKeys)) != nil {
			return // it is another table by now, and api would say so
		}
		_ = d.Get(ctx, table, it, true, func(it item.Item) error { useItems(it); return nil })
		for _, change := range []Change{Put{it}, Delete{}, updateChange{u, it.Pick(table.LastKeys)}} {
			_, _ = d.Write(ctx, &Write{Table: table, Key: it, Change: change, KeepOld: true})
		}
	}
	reads := []Read{{Table: table, Limit: 2}, {Table: table, Segment: 1, Segments: 3}, {Table: table, Hash: []item.Value{item.String("p0")}}}
	for i := range table.Indexes {
		x := &table.Indexes[i]
		reads = append(reads, Read{Table: table, Index: x, Limit: 2},
			Read{Table: table, Index: x, Limit: 2, Reverse: true, Fetch: x.Kind == schema.LocalIndex})
	}
	for _, read := range reads {
		for range 20 {
			page, err := d.Read(ctx, &read, func(it item.Item) (bool, error) { useItems(it); return true, nil })
			if err != nil || !page.Last.Exists() {
				break
			}
			read.After = page.Last
		}
	}
}
