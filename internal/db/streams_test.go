package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// streamedDescriptor is the model's table with a stream.
func streamedDescriptor() *schema.Descriptor {
	desc := modelDescriptor()
	desc.StreamViewType = "NEW_AND_OLD_IMAGES"
	return desc
}

// setStream switches the stream of the model's table on or off.
func setStream(view schema.ViewType) func(*schema.Descriptor) error {
	return func(desc *schema.Descriptor) error {
		desc.StreamViewType = view
		return nil
	}
}

// records reads all of a log and wants the changes of each item to follow one another: it returns
// the items that they add up to, by key, and how many there are. The items that it begins with are
// not known: whatever the first change says.
func records(t *testing.T, d *DB, l *Stream) (items map[string]item.Item, n int) {
	t.Helper()
	items = map[string]item.Item{}
	for shard := range uint32(l.Shards) {
		var after schema.Position
		for {
			before := n
			read := StreamRead{Stream: l, Shard: shard, After: after, Limit: 50}
			last, ended, err := d.ReadStream(context.Background(), read, func(r *schema.StreamRecord) bool {
				n++
				if was, ok := items[keyText(r.Keys)]; ok && !item.SameAttributes(was, r.Old) {
					t.Errorf("%s of %s begins with %s, after %s", r.Name, r.Keys.AppendJSON(nil), r.Old.AppendJSON(nil), was.AppendJSON(nil))
				}
				items[keyText(r.Keys)] = r.New
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if after = last; n == before || ended {
				break
			}
		}
	}
	return items, n
}

// closed waits until a log is closed.
func (s *store) closed(id uint64) *Stream {
	s.t.Helper()
	for range 1000 {
		if l := s.d.StreamByID(id); l == nil || l.Ends != nil {
			return l
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("log %x is not closed", id)
	return nil
}

// TestLogLife follows a log from its beginning to its end, through restarts: one before the job
// that closes it has begun.
func TestLogLife(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	id := table.StreamID
	if id != uint64(table.ID)<<32|1 || table.shards != 4 {
		t.Errorf("the first log of table %d is %x, with %d shards", table.ID, id, table.shards)
	}
	fill(t, s.d, table, 100)
	s.reopen()
	if l := s.d.StreamByID(id); l.Status(s.clock.Now()) != "ENABLED" || l.Ends != nil || s.table().shards != 4 {
		t.Errorf("after a restart the log is %s", l.Status(s.clock.Now()))
	}
	fill(t, s.d, s.table(), 110) // 100 of these change nothing
	s.d.stop()                   // no job begins any more
	if _, _, err := s.d.alter(t.Context(), schema.DefaultNamespace, "model", AsUpdating, setStream("")); err != nil {
		t.Fatal(err)
	}
	if l := s.d.StreamByID(id); l.Status(s.clock.Now()) != "DISABLING" || l.Ends != nil {
		t.Errorf("the log that has ended is %s", l.Status(s.clock.Now()))
	}
	s.reopen()
	l := s.closed(id)
	if l.Status(s.clock.Now()) != "DISABLED" {
		t.Errorf("the closed log is %s", l.Status(s.clock.Now()))
	}
	fill(t, s.d, s.table(), 130) // nobody hears of these
	if _, n := records(t, s.d, l); n != 110 {
		t.Errorf("the log has %d records, want 110", n)
	}
	checkClean(t, s.d)
	for _, shard := range l.ShardsAt(s.clock.Now()) {
		if end, err := s.d.LastPosition(t.Context(), l, shard.Number); end != shard.End || !shard.Closed || err != nil {
			t.Errorf("shard %s ends at %x, and its last record is at %x (%v)", shard.ID, shard.End, end, err)
		}
	}
	if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(schema.Retention - 1)
	if err := s.d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	s.reopen()
	if _, n := records(t, s.d, s.d.StreamByID(id)); n != 110 {
		t.Errorf("on its last day the log of the deleted table has %d records, want 110", n)
	}
	s.clock.Advance(1)
	if err := s.d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	s.reopen()
	if got := s.d.catalog.Load().streams; len(got) != 0 {
		t.Errorf("%d logs are left in the catalog", len(got))
	}
	for shard := range uint32(4) {
		rs, end, err := s.engine.ReadLog(t.Context(), id, shard, schema.Position{}, kv.Page{Records: 10, Bytes: 1000})
		if len(rs) > 0 || end != (schema.Position{}) || err != nil {
			t.Errorf("%d records of the log that is gone are left, its end is %x (%v)", len(rs), end, err)
		}
	}
}

// TestTableWithoutLog opens a database whose table has a stream from a time when streams had no
// logs: it gets one.
func TestTableWithoutLog(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	old := table.Clone()
	old.StreamID, old.StreamCount = 0, 0
	b, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	lock := [][]byte{schema.DescriptorKey(old.ID), schema.StreamKey(table.StreamID)}
	err = s.engine.Update(t.Context(), kv.WriteOptions{Lock: lock}, func(tx kv.Txn) error {
		tx.Set(lock[0], b)
		tx.Delete(lock[1])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.reopen()
	settle(t, s.d)
	l := s.d.StreamByID(s.table().StreamID)
	if l == nil || l.Label <= old.StreamLabel || s.table().StreamLabel != l.Label {
		t.Fatalf("the log is %+v, after a stream labelled %s", l, old.StreamLabel)
	}
	fill(t, s.d, s.table(), 20)
	if _, n := records(t, s.d, l); n != 20 {
		t.Errorf("the log has %d records, want 20", n)
	}
	checkClean(t, s.d)
}

// TestStreamsAmongWriters switches the stream on and off while items are written. Each stream has,
// from its first record of an item on, every change of it, and none that came after its end.
func TestStreamsAmongWriters(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	seed := seed(t)
	done := make(chan struct{})
	var writing sync.WaitGroup
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(seed, uint64(w)))
		writing.Go(func() { scribble(t, s.d, table, rnd, done) })
	}
	ids := map[uint64]bool{}
	for range 30 {
		_, on, err := s.d.Alter(t.Context(), schema.DefaultNamespace, "model", Unseen, setStream("NEW_AND_OLD_IMAGES"))
		if err != nil {
			t.Fatal(err)
		}
		ids[on.StreamID] = true
		time.Sleep(5 * time.Millisecond)
		if _, _, err = s.d.Alter(t.Context(), schema.DefaultNamespace, "model", Unseen, setStream("")); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	writing.Wait()
	total := 0
	for id := range ids {
		l := s.closed(id)
		_, n := records(t, s.d, l)
		total += n
		for shard := range uint32(l.Shards) {
			if end, err := s.d.LastPosition(t.Context(), l, shard); end != l.Ends[shard] || err != nil {
				t.Errorf("a record at %x came after the end at %x (%v)", end, l.Ends[shard], err)
			}
		}
	}
	if len(ids) != 30 || total == 0 {
		t.Errorf("%d streams have %d records", len(ids), total)
	}
	checkClean(t, s.d)
}

// scribble writes and deletes a few items until done is closed, each alone and in transactions.
func scribble(t *testing.T, d *DB, table *Table, rnd *rand.Rand, done chan struct{}) {
	for n := int64(0); ; n++ {
		select {
		case <-done:
			return
		default:
		}
		var writes []Write
		for i := range 1 + rnd.IntN(3) {
			it := item.New([]item.Entry{
				attr("pk", item.String(fmt.Sprint("p", rnd.IntN(10)))), attr("sk", item.Int(int64(i))), attr("n", item.Int(n)), attr("x", item.Int(rnd.Int64())),
			})
			w := Write{Table: table, Key: it, Change: Put{it}}
			if rnd.IntN(5) == 0 {
				w.Change = Delete{}
			}
			writes = append(writes, w)
		}
		if err := writeAll(d, writes, rnd.IntN(3) == 0); err != nil {
			t.Error(err)
			return
		}
	}
}

// writeAll runs writes in one transaction, or each alone.
func writeAll(d *DB, writes []Write, atOnce bool) error {
	if !atOnce {
		_, errs := d.WriteEach(context.Background(), writes)
		return errors.Join(errs...)
	}
	actions := make([]Action, len(writes))
	for i := range writes {
		actions[i].Write = writes[i]
	}
	_, err := d.Transact(context.Background(), &Transaction{Actions: actions})
	return err
}

// TestRecordLayout holds the stored form of records, and of a stream's descriptor, to what was
// released.
func TestRecordLayout(t *testing.T) {
	d := open(t)
	desc := streamedDescriptor()
	desc.Attributes, desc.Keys, desc.Indexes = []schema.AttributeDefinition{{Name: "pk", Type: item.S}}, []schema.KeyElement{{Name: "pk"}}, nil
	table, err := d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	it := item.New([]item.Entry{attr("pk", item.String("p")), attr("n", item.Int(1))})
	for _, w := range []Write{{Key: it, Change: Put{it}}, {Key: it, Change: Delete{}, ByService: true}} {
		w.Table = table
		if _, err := d.Write(t.Context(), &w); err != nil {
			t.Fatal(err)
		}
	}
	shard := schema.ShardOf(table.AppendItemKey(nil, it), table.shards)
	rs, _, err := d.kv.ReadLog(t.Context(), table.StreamID, shard, schema.Position{}, kv.Page{Records: 10, Bytes: 1000})
	if err != nil || len(rs) != 2 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	for i, want := range []string{
		"01020a0100030102706b1001701201000602016e11040381020002706b10017000",
		"01050a0100030102706b100170001201000602016e11040381020002706b100170",
	} {
		if got := fmt.Sprintf("%x", rs[i].Data); got != want {
			t.Errorf("record %d is %s, want %s", i, got, want)
		}
	}
	l := *d.StreamByID(table.StreamID)
	l.TableUUID, l.Created = "uuid", time.Unix(1_700_000_000, 0).UTC()
	l.Label, l.BusyUntil, l.Ended, l.Ends = "label", l.Created, l.Created, []schema.Position{{15: 1}}
	b, err := json.Marshal(&l)
	const want = `{"Format":1,"ID":4294967297,"Namespace":{"Account":"000000000000","Region":""},"Table":"model","TableID":1,"TableUUID":"uuid",` +
		`"Label":"label","ViewType":"NEW_AND_OLD_IMAGES","Keys":[{"Name":"pk","Range":false}],"Created":"2023-11-14T22:13:20Z","Shards":4,` +
		`"Ended":"2023-11-14T22:13:20Z","Ends":["00000000000000000000000000000001"],"BusyUntil":"2023-11-14T22:13:20Z"}`
	if string(b) != want || err != nil {
		t.Errorf("the descriptor is %s (%v), want %s", b, err, want)
	}
}
