package check_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// checkClock is the time in the databases that are damaged here.
var checkClock = time.Unix(1_700_000_000, 0)

// checkedStore is a database with a bit of everything: the table "model" with indexes, a stream and
// items that expire, the stream of the table "old", which is gone, and the token of a transaction.
// The items are p/1 to p/3 and q/1; p/1 was changed, and r/1 is gone.
type checkedStore struct {
	fs       *vfs.MemFS
	t        *schema.Table
	log, old *schema.Stream
	shards   map[uint32][]kv.Record // of the stream
}

// checkedItem is an item of the table "model".
func checkedItem(pk string, sk int64, a string) item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(pk)), attr("sk", item.Int(sk)), attr("a", item.String(a)), attr("n", item.Int(-sk)),
		attr("b", item.Binary([]byte(a))), attr("secret", item.String("s3cret")), attr("e", item.Int(4_102_444_800)),
	})
}

// newCheckedStore writes the database and closes it.
func newCheckedStore(t *testing.T) *checkedStore {
	s := &checkedStore{fs: vfs.NewCrashableMem(), shards: map[uint32][]kv.Record{}}
	d := dbtest.Open(t, dbtest.Options{Engine: pebblekv.Options{Dir: "data", FS: s.fs}, Clock: clocktest.New(checkClock)})
	s.fill(t, d.Engine, d.DB)
	d.Close()
	return s
}

// fill makes the tables and writes to them.
func (s *checkedStore) fill(t *testing.T, engine kv.Engine, d *db.DB) {
	old := streamedDescriptor()
	old.Name, old.Indexes = "old", nil
	old.Attributes = []schema.AttributeDefinition{{Name: "pk", Type: item.S}, {Name: "sk", Type: item.N}}
	gone, err := d.Create(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	putAll(t, d, gone, checkedItem("p", 1, "x"))
	if _, err := d.Delete(t.Context(), schema.DefaultNamespace, "old", func(*db.Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context(), streamedDescriptor()); err != nil {
		t.Fatal(err)
	}
	if err := d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", "e", func(*schema.Descriptor) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := d.Lookup(schema.DefaultNamespace, "model")
	s.t = &table.Table
	for _, it := range []item.Item{checkedItem("p", 1, "before"), checkedItem("p", 1, "a1"), checkedItem("p", 2, "a2"), checkedItem("p", 3, "a3"), checkedItem("r", 1, "r")} {
		putAll(t, d, table, it)
	}
	if _, err := d.Write(t.Context(), &db.Write{Table: table, Key: checkedItem("r", 1, ""), Change: db.Delete{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Transact(t.Context(), expiringTransaction(table)); err != nil {
		t.Fatal(err)
	}
	report, err := check.Run(t.Context(), engine, check.Options{Now: d.Now, Open: d})
	if err != nil || !report.Clean() {
		t.Fatal(report.Problems, err)
	}
	s.log, s.old = &d.StreamByID(s.t.StreamID).Stream, &d.StreamByID(gone.StreamID).Stream
	for shard := range uint32(s.log.Shards) {
		page := kv.Page{Records: 100, Bytes: 1 << 20}
		if s.shards[shard], _, err = engine.ReadLog(t.Context(), s.log.ID, shard, schema.Position{}, page); err != nil {
			t.Fatal(err)
		}
	}
}

// rawStore writes rows past the database and its engine.
type rawStore struct {
	*checkedStore
	db *pebble.DB
}

// open opens a copy of the store for reading, after damage has been done to it.
func (s *checkedStore) open(t *testing.T, damage func(*rawStore)) *pebblekv.Engine {
	t.Helper()
	disk := s.fs.CrashClone(vfs.CrashCloneCfg{})
	db, err := pebble.Open("data", &pebble.Options{
		FS: disk, Merger: &pebble.Merger{Name: "partita.counters.v1"}, DisableAutomaticCompactions: true, Logger: quiet{},
		FormatMajorVersion: pebble.FormatTableFormatV6,
	})
	if err != nil {
		t.Fatal(err)
	}
	damage(&rawStore{s, db})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	engine, err := pebblekv.Open(pebblekv.Options{Dir: "data", FS: disk, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// quiet is a Logger of Pebble's.
type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// set, delete and merge write rows; get reads one.
func (r *rawStore) set(key, value []byte) {
	if err := r.db.Set(key, value, pebble.Sync); err != nil {
		panic(err)
	}
}

func (r *rawStore) delete(key []byte) {
	if err := r.db.Delete(key, pebble.Sync); err != nil {
		panic(err)
	}
}

func (r *rawStore) merge(key, operand []byte) {
	if err := r.db.Merge(key, operand, pebble.Sync); err != nil {
		panic(err)
	}
}

func (r *rawStore) get(key []byte) []byte {
	value, closer, err := r.db.Get(key)
	if err != nil {
		panic(fmt.Sprintf("%x: %v", key, err))
	}
	defer closer.Close()
	return slices.Clone(value)
}

// key is that of an item, row that of its row in an index.
func (r *rawStore) key(it item.Item) []byte { return r.t.AppendItemKey(nil, it) }

func (r *rawStore) row(index string, it item.Item) []byte {
	key, ok := r.t.Plan(r.t.Index(index)).AppendKey(nil, it)
	if !ok {
		panic("no row in " + index)
	}
	return key
}

// descriptor stores a changed descriptor of the table.
func (r *rawStore) descriptor(change func(*schema.Descriptor)) {
	desc := r.t.Clone()
	change(desc)
	r.json(schema.DescriptorKey(r.t.ID), desc)
}

func (r *rawStore) json(key []byte, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.set(key, b)
}

// stream stores a changed descriptor of a stream.
func (r *rawStore) stream(l *schema.Stream, change func(*schema.Stream)) {
	changed := *l
	change(&changed)
	r.json(schema.StreamKey(l.ID), &changed)
}

// recordKey is the engine's key of a stream record.
func recordKey(log uint64, shard uint32, p schema.Position) []byte {
	k := binary.BigEndian.AppendUint64([]byte{kv.ReservedPrefix, 'l'}, log)
	return append(binary.BigEndian.AppendUint32(k, shard), p[:]...)
}

// of returns an item's nth record, and its key.
func (r *rawStore) of(it item.Item, n int) (key []byte, raw kv.Record) {
	shard := schema.ShardOf(r.key(it), r.log.Shards)
	for _, raw := range r.shards[shard] {
		parsed, err := schema.ParseRecord(raw)
		if err != nil {
			panic(err)
		}
		if string(r.t.AppendItemKey(nil, parsed.Keys)) == string(r.key(it)) {
			if n == 0 {
				return recordKey(r.log.ID, shard, raw.Position), raw
			}
			n--
		}
	}
	panic("no such record")
}

// strayKey is a key of a section, with so many bytes behind it.
func strayKey(table uint32, section uint16, behind int) []byte {
	return append(schema.SectionRange(table, section).Start, make([]byte, behind)...)
}

// after is a position some steps after another.
func after(p schema.Position, time, number int64) schema.Position {
	binary.BigEndian.PutUint64(p[:8], uint64(int64(binary.BigEndian.Uint64(p[:8]))+time))
	binary.BigEndian.PutUint64(p[8:], uint64(int64(binary.BigEndian.Uint64(p[8:]))+number))
	return p
}

// What a record says of its change.
const (
	hadOld = 1
	hasNew = 2
)

// recordData is a record as it is stored.
func recordData(what byte, keys, new, old item.Item) []byte {
	data := []byte{1, what} // the form that schema/record.go draws
	for _, it := range []item.Item{keys, new, old} {
		image := []byte(nil)
		if it.Exists() {
			image = it.AppendStored(nil, 0)
		}
		data = append(binary.AppendUvarint(data, uint64(len(image))), image...)
	}
	return data
}

// streamedDescriptor is the table "model": a composite key, two GSIs, two LSIs and a stream.
func streamedDescriptor() *schema.Descriptor {
	return &schema.Descriptor{
		Name: "model", Namespace: schema.DefaultNamespace, Billing: "PAY_PER_REQUEST",
		Attributes: []schema.AttributeDefinition{{Name: "a", Type: item.S}, {Name: "b", Type: item.B}, {Name: "n", Type: item.N}, {Name: "pk", Type: item.S}, {Name: "sk", Type: item.N}},
		Keys:       []schema.KeyElement{{Name: "pk"}, {Name: "sk", Range: true}},
		Indexes: []schema.Index{
			{
				Name: "lb", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "b", Range: true}},
				Projection: "INCLUDE", NonKey: []string{"x"},
			},
			{Name: "ln", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "n", Range: true}}, Projection: "ALL"},
			gsi("ga", "ALL", "a", "|", "n"),
			gsi("gb", "KEYS_ONLY", "b"),
		},
		StreamViewType: "NEW_AND_OLD_IMAGES",
	}
}

// gsi is a global index with the keys, of which those after "|" are range keys.
func gsi(name string, projection schema.Projection, keys ...string) schema.Index {
	x := schema.Index{Name: name, Projection: projection}
	ranged := false
	for _, k := range keys {
		if k == "|" {
			ranged = true
			continue
		}
		x.Keys = append(x.Keys, schema.KeyElement{Name: k, Range: ranged})
	}
	return x
}

// attr is an entry for item.New.
func attr(name string, v item.Value) item.Entry { return item.Entry{Name: name, Value: v} }

// putAll puts items.
func putAll(t *testing.T, d *db.DB, table *db.Table, items ...item.Item) {
	t.Helper()
	writes := make([]db.Write, len(items))
	for i, it := range items {
		writes[i] = db.Write{Table: table, Key: it, Change: db.Put{Item: it}}
	}
	_, errs := d.WriteEach(t.Context(), writes)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// expiringTransaction puts an item that expires in the year 2100, once.
func expiringTransaction(table *db.Table) *db.Transaction {
	it := item.New([]item.Entry{attr("e", item.Int(4_102_444_800)), attr("pk", item.String("q")), attr("sk", item.Int(1))})
	token := &schema.Token{Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems, Value: "once", Fingerprint: [32]byte{1}}
	return &db.Transaction{Actions: []db.Action{{Write: db.Write{Table: table, Key: it, Change: db.Put{Item: it}}}}, Token: token}
}
