package check_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// damages are all kinds of damage, and all that Check has to say of each: its kind and a part of
// its text.
var damages = map[string]struct {
	do   func(*rawStore)
	want []string
}{
	"none": {func(*rawStore) {}, nil},

	"a name without an id": {func(r *rawStore) { r.set(schema.NameKey(schema.DefaultNamespace, "x"), nil) }, []string{"catalog: the name row"}},
	"a name of no table": {func(r *rawStore) { r.set(schema.NameKey(schema.DefaultNamespace, "ghost"), []byte{0, 0, 0, 99}) },
		[]string{`catalog: the name "ghost" stands for table id 99`}},
	"a table without a name": {func(r *rawStore) { r.delete(schema.NameKey(schema.DefaultNamespace, "model")) },
		[]string{"catalog: table model: its state is PUBLIC, and it stands under a name: false"}},
	"a next id that was given": {func(r *rawStore) { r.set(schema.NextIDKey(), []byte{0, 0, 0, 2}) },
		[]string{"catalog: table model: its table id 2 is not below the next one", "stream: the stream row"}},
	"a next id cut short": {func(r *rawStore) { r.set(schema.NextIDKey(), []byte{9}) },
		[]string{"catalog: the next table id is 1 bytes", "catalog: table model: its table id", "stream: the stream row", "stream: the stream row"}},
	"a catalog row of no kind": {func(r *rawStore) { r.set([]byte{1, 'z'}, nil) }, []string{"catalog: the row 017a is of no kind"}},

	"a damaged descriptor": {func(r *rawStore) { r.set(schema.DescriptorKey(r.t.ID), []byte("{")) }, []string{"descriptor: the descriptor of table id 2"}},
	"a newer descriptor": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.Format++ }) },
		[]string{"descriptor: table model: the descriptor of table id 2: a newer version wrote it: its format is 2"}},
	"a descriptor of another id": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.ID = 1 }) },
		[]string{"descriptor: table model: the descriptor of table id 2: it says that it is of id 1", "it writes the log 200000001, which it never had"}},
	"an unknown state":     {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.State = "ODD" }) }, []string{`its state is "ODD"`}},
	"a key without a type": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.Keys[1].Name = "none" }) }, []string{`key attribute "none" has no type`}},
	"an index id twice": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.Indexes[1].ID = d.Indexes[0].ID }) },
		[]string{"has the id 16, which is another's"}},
	"an unknown state of an index": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.Indexes[2].State = "ODD" }) }, []string{`index "ga" is "ODD"`}},
	"a UUID twice": {func(r *rawStore) {
		twin := r.t.Clone()
		twin.ID, twin.Name, twin.State, twin.StreamID, twin.StreamViewType = 1, "twin", schema.StateDropped, 0, ""
		r.json(schema.DescriptorKey(1), twin)
		r.delete(schema.StreamKey(r.old.ID))
		r.db.DeleteRange(recordKey(r.old.ID, 0, schema.Position{}), recordKey(r.old.ID+1, 0, schema.Position{}), pebble.Sync)
	}, []string{"descriptor: table model: its UUID"}},

	"a cursor of no table": {func(r *rawStore) { r.set(schema.BackfillKey(99, 16), nil) }, []string{"backfill cursor: there is one of table id 99"}},
	"a cursor of a finished index": {func(r *rawStore) { r.set(schema.BackfillKey(r.t.ID, 16), r.key(checkedItem("p", 1, ""))) },
		[]string{"backfill cursor: table model: there is one of section 16, which is not being built"}},
	"a cursor that is no key": {func(r *rawStore) {
		r.descriptor(func(d *schema.Descriptor) { d.Index("gb").State = schema.StateWriteOnly })
		r.set(schema.BackfillKey(r.t.ID, r.t.Index("gb").ID), []byte("x"))
	}, []string{"backfill cursor: table model: that of section 19 stands at 78"}},
	"a cursor with an odd key": {func(r *rawStore) { r.set([]byte{1, 'b', 1}, nil) }, []string{"backfill cursor: the key 016201 is no cursor's"}},

	"rows of no table": {func(r *rawStore) {
		r.set(strayKey(99, 0, 8), nil)
		r.set(strayKey(99, 0, 9), nil)
	}, []string{"rows that are nobody's: 2 rows are of table id 99, section 0"}},
	"rows of no index": {func(r *rawStore) { r.set(strayKey(r.t.ID, 77, 8), nil) },
		[]string{"rows that are nobody's: table model: 1 rows are of section 77"}},
	"a key cut short": {func(r *rawStore) { r.set([]byte{2, 0}, nil) }, []string{"rows that are nobody's: key 0200 is too short"}},
	"rows of no space": {func(r *rawStore) { r.set([]byte{9, 9}, nil); r.set([]byte{0}, nil) },
		[]string{"rows that are nobody's: 1 rows have keys that begin with 00", "rows that are nobody's: 1 rows have keys that begin with 09"}},

	"a damaged item": {func(r *rawStore) { r.set(r.key(checkedItem("p", 2, "")), []byte("damaged")) },
		[]string{`damaged row: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: item: stored row has format`}},
	"an item with a wrong size": {func(r *rawStore) {
		key := r.key(checkedItem("p", 2, ""))
		row := r.get(key)
		row[2]++
		r.set(key, row)
	}, []string{`damaged row: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: item: size is`}},
	"an item without its key": {func(r *rawStore) {
		r.set(r.key(checkedItem("p", 2, "")), item.New([]item.Entry{attr("pk", item.String("p"))}).AppendStored(nil, 1))
	}, []string{`damaged row: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}`}},
	"a damaged index row": {func(r *rawStore) { r.set(r.row("ga", checkedItem("p", 2, "a2")), []byte{1, 2, 3}) },
		[]string{`damaged row: table model: index ga: key {"a":{"S":"a2"},"n":{"N":"-2"},"pk":{"S":"p"},"sk":{"N":"2"}}`}},

	"an item under another's key": {func(r *rawStore) { r.set(r.key(checkedItem("z", 7, "")), r.get(r.key(checkedItem("p", 2, "")))) },
		[]string{`row under another's key: table model: key {"pk":{"S":"z"},"sk":{"N":"7"}}`, "counter: table model: the counter says 4 rows"}},

	"a stamp from the future": {func(r *rawStore) {
		r.set(r.key(checkedItem("p", 2, "")), checkedItem("p", 2, "a2").AppendStored(nil, 1<<62))
	}, []string{`stamp: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the item's stamp is 4611686018427387904`}},
	"no stamp": {func(r *rawStore) {
		r.set(r.key(checkedItem("p", 2, "")), checkedItem("p", 2, "a2").AppendStored(nil, 0))
	}, []string{`stamp: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the item's stamp is 0`}},
	"an index row with a stamp": {func(r *rawStore) {
		it := checkedItem("p", 2, "a2")
		r.set(r.row("ga", it), it.AppendStored(nil, 1))
	}, []string{`stamp: table model: index ga: key {"a":{"S":"a2"},"n":{"N":"-2"},"pk":{"S":"p"},"sk":{"N":"2"}}: a row of an index has a stamp`}},

	"a missing index row": {func(r *rawStore) { r.delete(r.row("ga", checkedItem("p", 2, "a2"))) },
		[]string{`index: table model: index ga: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the item has no row`, "counter: table model: index ga: the counter says 3 rows"}},
	"an index row that differs": {func(r *rawStore) {
		r.set(r.row("ga", checkedItem("p", 2, "a2")), checkedItem("p", 2, "a9").AppendStored(nil, 0))
	}, []string{`index: table model: index ga: key {"a":{"S":"a2"},"n":{"N":"-2"},"pk":{"S":"p"},"sk":{"N":"2"}}: the row differs`}},
	"a projection with too much": {func(r *rawStore) {
		r.set(r.row("gb", checkedItem("p", 2, "a2")), checkedItem("p", 2, "a2").AppendStored(nil, 0))
	}, []string{`index: table model: index gb: key {"b":{"B":"YTI="},"pk":{"S":"p"},"sk":{"N":"2"}}: the row differs`, "counter: table model: index gb"}},
	"an index row of an item as it was": {func(r *rawStore) {
		r.set(r.row("ga", checkedItem("p", 1, "before")), checkedItem("p", 1, "before").AppendStored(nil, 0))
	}, []string{`index: table model: index ga: key {"a":{"S":"before"},"n":{"N":"-1"},"pk":{"S":"p"},"sk":{"N":"1"}}: the row is not that of its item`,
		"counter: table model: index ga: the counter says 3 rows"}},
	"an index row without an item": {func(r *rawStore) {
		it := checkedItem("r", 1, "r")
		r.set(r.row("ln", it), it.AppendStored(nil, 0))
	}, []string{`index: table model: index ln: key {"n":{"N":"-1"},"pk":{"S":"r"},"sk":{"N":"1"}}: the row has no item`, "counter: table model: index ln"}},
	"a wrong row of an unfinished index": {func(r *rawStore) {
		r.descriptor(func(d *schema.Descriptor) { d.Index("ga").State = schema.StateWriteOnly })
		r.set(r.row("ga", checkedItem("p", 2, "a2")), checkedItem("p", 2, "a9").AppendStored(nil, 0))
	}, []string{`index: table model: index ga: key {"a":{"S":"a2"},"n":{"N":"-2"},"pk":{"S":"p"},"sk":{"N":"2"}}: the row differs`}},
	"a wrong row of an index on its way out": {func(r *rawStore) {
		r.descriptor(func(d *schema.Descriptor) { d.Index("ga").Drop() })
		r.set(r.row("ga", checkedItem("p", 2, "a2")), checkedItem("p", 2, "a9").AppendStored(nil, 0))
	}, []string{`index: table model: index ga: key {"a":{"S":"a2"},"n":{"N":"-2"},"pk":{"S":"p"},"sk":{"N":"2"}}: the row differs`}},
	"rows left of an index that is being removed": {func(r *rawStore) {
		r.descriptor(func(d *schema.Descriptor) { d.Index("ga").Phase = schema.PhaseClearing })
		r.set(r.row("ga", checkedItem("p", 2, "a2")), []byte("whatever"))
		r.delete(r.row("ga", checkedItem("p", 1, "a1")))
	}, nil},
	"rows left of a table that is being removed": {func(r *rawStore) {
		r.descriptor(func(d *schema.Descriptor) { d.State, d.StreamID, d.StreamViewType = schema.StateDropped, 0, "" })
		r.delete(schema.NameKey(schema.DefaultNamespace, "model"))
		r.stream(r.log, func(l *schema.Stream) { l.Ended = checkClock })
		r.delete(r.key(checkedItem("p", 1, "")))
	}, nil},

	"a missing expiry row": {func(r *rawStore) {
		r.delete(schema.AppendExpiryKey(nil, r.key(checkedItem("p", 2, "")), 4_102_444_800))
	},
		[]string{`expiry: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the item expires at 4102444800, and has no row`}},
	"an expiry row of another time": {func(r *rawStore) { r.set(schema.AppendExpiryKey(nil, r.key(checkedItem("p", 2, "")), 7), nil) },
		[]string{`expiry: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the row says that the item expires at 7, and it does not`}},
	"an expiry row without an item": {func(r *rawStore) { r.set(schema.AppendExpiryKey(nil, r.key(checkedItem("z", 2, "")), 7), nil) },
		[]string{`expiry: table model: key {"pk":{"S":"z"},"sk":{"N":"2"}}: the row says that an item expires at 7, and there is none`}},
	"an expiry row with a value": {func(r *rawStore) {
		r.set(schema.AppendExpiryKey(nil, r.key(checkedItem("p", 2, "")), 4_102_444_800), []byte("x"))
	},
		[]string{`expiry: table model: key {"pk":{"S":"p"},"sk":{"N":"2"}}: the row has a value`}},
	"expiry rows where nothing expires": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.Expiry = nil }) },
		[]string{"rows that are nobody's: table model: 4 rows say when items expire, and none do"}},

	"a wrong counter": {func(r *rawStore) { r.set(counterKey(r.t.ID), []byte{0, 2, 4}) },
		[]string{"counter: table model: the counter says 1 rows of 2 bytes, and there are 4", "counter: table model: index lb", "counter: table model: index ln", "counter: table model: index ga", "counter: table model: index gb"}},
	"a damaged counter": {func(r *rawStore) { r.set(counterKey(r.t.ID), []byte{0xFF}) },
		[]string{"row of the engine's: row f0630000000000000002", "counter: table model: the counter says 0 rows", "index lb", "index ln", "index ga", "index gb"}},
	"a counter of no section": {func(r *rawStore) { r.merge(counterKey(r.t.ID), []byte{77, 2, 4}) },
		[]string{"counter: table model: the counter says 1 rows of section 77"}},
	"a counter of no table": {func(r *rawStore) { r.set(counterKey(99), []byte{0, 2, 4}) }, []string{"counter: there is a counter of table id 99"}},
	"an odd row of the engine's": {func(r *rawStore) { r.set([]byte{kv.ReservedPrefix, 'z'}, nil); r.set([]byte{0xF7}, nil) },
		[]string{"row of the engine's: row f07a", "row of the engine's: row f7"}},

	"a damaged stream row":   {func(r *rawStore) { r.set(schema.StreamKey(r.old.ID), []byte("{")) }, []string{"stream: the stream row"}},
	"a stream of another id": {func(r *rawStore) { r.stream(r.old, func(l *schema.Stream) { l.ID++ }) }, []string{"stream: the stream row 016c0000000100000001: it says that it is of log 100000002"}},
	"a stream of no table": {func(r *rawStore) { r.stream(r.old, func(l *schema.Stream) { l.Ended, l.Ends = time.Time{}, nil }) },
		[]string{"it has not ended, and its table is gone"}},
	"a stream that the table does not write": {func(r *rawStore) {
		other := *r.log
		other.ID, other.Label = other.ID+1, "2033-05-18T03:33:20.000"
		r.json(schema.StreamKey(other.ID), &other)
	}, []string{"stream: table model: stream 2033-05-18T03:33:20.000: it has not ended, and the table does not write it"}},
	"a stream that is not there": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.StreamID = 0; d.StreamViewType = "" }) },
		[]string{"it has not ended, and the table does not write it"}},
	"a table that writes an ended stream": {func(r *rawStore) { r.stream(r.log, func(l *schema.Stream) { l.Ended = checkClock }) },
		[]string{"stream: table model: it writes stream"}},
	"a stream of another view": {func(r *rawStore) { r.descriptor(func(d *schema.Descriptor) { d.StreamViewType = "KEYS_ONLY" }) },
		[]string{"stream: table model: it writes a stream"}},
	"a stream of another UUID": {func(r *rawStore) {
		r.stream(r.log, func(l *schema.Stream) { l.TableUUID = "00000000-0000-4000-8000-000000000000" })
	}, []string{"it names a table of the same id"}},
	"a stream with ends of other shards": {func(r *rawStore) { r.stream(r.old, func(l *schema.Stream) { l.Ends = l.Ends[:1] }) },
		[]string{"it has 4 shards, and ends of 1"}},
	"records of no stream": {func(r *rawStore) { r.delete(schema.StreamKey(r.old.ID)) }, []string{"stream: there are records, or marks of trimmed ones, of log 100000001"}},
	"records of no shard": {func(r *rawStore) { r.set(recordKey(r.log.ID, 9, schema.Position{15: 1}), nil) },
		[]string{"stream: there are records, or marks of trimmed ones, of log 200000001"}},

	"a damaged record": {func(r *rawStore) { key, _ := r.of(checkedItem("p", 2, ""), 0); r.set(key, []byte{1, 2, 99}) },
		[]string{"stream record: table model: stream 2023-11-14T22:13:20.000, shardId-"}},
	"a newer record": {func(r *rawStore) { key, _ := r.of(checkedItem("p", 2, ""), 0); r.set(key, []byte{2, 2, 0, 0, 0}) },
		[]string{"it is damaged, or was written by a newer version"}},
	"a record with too much": {func(r *rawStore) { key, raw := r.of(checkedItem("p", 2, ""), 0); r.set(key, append(raw.Data, 0)) },
		[]string{"it is damaged, or was written by a newer version"}},
	"a record with unknown flags": {func(r *rawStore) {
		key, raw := r.of(checkedItem("p", 2, ""), 0)
		raw.Data[1] |= 64
		r.set(key, raw.Data)
		raw.Data[1] &^= 64
	},
		[]string{"unknown flags"}},
	"a record without a key": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 2, ""), 0)
		r.set(key, recordData(hasNew, item.New([]item.Entry{attr("pk", item.String("p"))}), checkedItem("p", 2, "a2"), item.Item{}))
	}, []string{"it has not the key attributes of the table"}},
	"a record in another shard": {func(r *rawStore) {
		it := checkedItem("s", 1, "s")
		shard := (schema.ShardOf(r.key(it), r.log.Shards) + 1) % 4
		p := schema.Position{7: 1, 15: 1}
		if n := len(r.shards[shard]); n > 0 {
			p = after(r.shards[shard][n-1].Position, 1, 1)
		}
		r.set(recordKey(r.log.ID, shard, p), recordData(hadOld, it.Pick(r.t.LastKeys), item.Item{}, it))
	}, []string{`stream record: table model: key {"pk":{"S":"s"},"sk":{"N":"1"}}: stream 2023-11-14T22:13:20.000`}},
	"a record of nothing": {func(r *rawStore) {
		key, raw := r.of(checkedItem("r", 1, ""), 0)
		next, _ := r.of(checkedItem("r", 1, ""), 1)
		parsed, _ := schema.ParseRecord(raw)
		r.set(key, recordData(0, parsed.Keys, item.Item{}, item.Item{}))
		r.set(next, recordData(0, parsed.Keys, item.Item{}, item.Item{}))
	}, []string{"there was no item before it, and none is there after it", "there was no item before it, and none is there after it"}},
	"a record without its image": {func(r *rawStore) {
		key, _ := r.of(checkedItem("r", 1, ""), 1)
		r.set(key, recordData(hadOld, checkedItem("r", 1, "").Pick(r.t.LastKeys), item.Item{}, item.Item{}))
	}, []string{"its images are not those of a stream of NEW_AND_OLD_IMAGES"}},
	"a record of no change": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 3, ""), 0)
		it := checkedItem("p", 3, "a3")
		r.set(key, recordData(hadOld|hasNew, it.Pick(r.t.LastKeys), it, it))
	}, []string{"its images are the same"}},
	"a record of another key": {func(r *rawStore) {
		key, _ := r.of(checkedItem("r", 1, ""), 1)
		r.set(key, recordData(hadOld, checkedItem("r", 1, "").Pick(r.t.LastKeys), item.Item{}, checkedItem("s", 1, "r")))
	}, []string{"its images have another key", "its old image is not the new image of the record before it"}},
	"a record that does not follow": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 1, ""), 1)
		it := checkedItem("p", 1, "a1")
		r.set(key, recordData(hadOld|hasNew, it.Pick(r.t.LastKeys), it, checkedItem("p", 1, "never")))
	}, []string{`key {"pk":{"S":"p"},"sk":{"N":"1"}}: stream`}},
	"an insert of what was there": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 1, ""), 1)
		it := checkedItem("p", 1, "a1")
		r.set(key, recordData(hasNew, it.Pick(r.t.LastKeys), it, item.Item{}))
	}, []string{"the record before it says otherwise whether the item was there"}},
	"a missing record": {func(r *rawStore) { key, _ := r.of(checkedItem("p", 1, ""), 1); r.delete(key) }, []string{"records before it are missing"}},
	"a record out of order": {func(r *rawStore) {
		key, raw := r.of(checkedItem("p", 2, ""), 0)
		r.set(recordKey(r.log.ID, binary.BigEndian.Uint32(key[10:]), after(raw.Position, 0, 1<<40)), recordData(hadOld, checkedItem("p", 9, "").Pick(r.t.LastKeys), item.Item{}, checkedItem("p", 9, "x")))
	}, []string{"it is out of order", "it is out of order"}},
	"a record that was trimmed": {func(r *rawStore) {
		key, raw := r.of(checkedItem("p", 1, ""), 0)
		mark := append([]byte{kv.ReservedPrefix, 'h'}, key[2:14]...)
		r.set(mark, raw.Position[:])
	}, []string{"it was trimmed, and is there"}},
	"a record behind the end": {func(r *rawStore) {
		r.stream(r.old, func(l *schema.Stream) {
			l.Ends = slices.Clone(l.Ends)
			for i, end := range l.Ends {
				if end != (schema.Position{}) {
					l.Ends[i] = after(end, -1, -1)
				}
			}
		})
	}, []string{"it lies behind the end of its shard, which is closed"}},
	"a missing end": {func(r *rawStore) {
		r.stream(r.old, func(l *schema.Stream) {
			l.Ends = slices.Clone(l.Ends)
			for i, end := range l.Ends {
				if end != (schema.Position{}) {
					l.Ends[i] = after(end, 1, 1)
				}
			}
		})
	}, []string{"it is the end of the shard, which is closed, and there is no such record"}},
	"a last record that differs from its item": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 3, ""), 0)
		it := checkedItem("p", 3, "a4")
		r.set(key, recordData(hasNew, it.Pick(r.t.LastKeys), it, item.Item{}))
	}, []string{`key {"pk":{"S":"p"},"sk":{"N":"3"}}: stream`}},
	"a removal of what is there": {func(r *rawStore) {
		key, _ := r.of(checkedItem("p", 3, ""), 0)
		it := checkedItem("p", 3, "a3")
		r.set(key, recordData(hadOld, it.Pick(r.t.LastKeys), item.Item{}, it))
	}, []string{"it says that the item was removed, and the item is there"}},
	"an item that the stream has and the table has not": {func(r *rawStore) {
		key, _ := r.of(checkedItem("r", 1, ""), 1)
		it := checkedItem("r", 1, "later")
		r.set(key, recordData(hadOld|hasNew, it.Pick(r.t.LastKeys), it, checkedItem("r", 1, "r")))
	}, []string{`key {"pk":{"S":"r"},"sk":{"N":"1"}}: stream`}},

	"a damaged token": {func(r *rawStore) { r.set(checkedToken().AppendKey(nil), []byte("x")) },
		[]string{"transaction token: token row", "transaction token: row"}},
	"a token with damaged images": {func(r *rawStore) { key := checkedToken().AppendKey(nil); r.set(key, append(r.get(key), 0xFF)) },
		[]string{"its images are damaged", "is no token's"}},
	"a token under another's hash": {func(r *rawStore) {
		key := checkedToken().AppendKey(nil)
		row := r.get(key)
		r.delete(key)
		key[5]++
		r.set(key, row)
	}, []string{"stands under another's hash", "is no token's"}},
	"a token that never ends": {func(r *rawStore) {
		key := checkedToken().AppendKey(nil)
		r.delete(schema.AppendTokenExpiryKey(nil, key, binary.BigEndian.Uint64(r.get(key)[1+32:])))
	}, []string{"transaction token: a token that ends at 2023-11-14 22:23:20 +0000 UTC has no row"}},
	"the end of no token": {func(r *rawStore) {
		r.set(schema.AppendTokenExpiryKey(nil, (&schema.Token{Value: "t"}).AppendKey(nil), 1<<60), nil)
	}, []string{"is no token's"}},
}

// checkedToken is the token of expiringTransaction.
func checkedToken() *schema.Token {
	return &schema.Token{Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems, Value: "once"}
}

// counterKey is the engine's key of a table's counter.
func counterKey(id uint32) []byte {
	return binary.BigEndian.AppendUint64([]byte{kv.ReservedPrefix, 'c'}, uint64(id))
}

// TestCheckFindsDamage does each kind of damage to a database that is healthy otherwise, and wants
// exactly what there is to say.
func TestCheckFindsDamage(t *testing.T) {
	store := newCheckedStore(t)
	found := map[check.Kind]bool{}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			engine := store.open(t, damage.do)
			report, err := check.Run(t.Context(), engine, check.Options{Now: func() time.Time { return checkClock }})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			total := int64(0)
			for _, p := range report.Problems {
				found[p.Kind] = true
				got = append(got, string(p.Kind)+": "+p.String())
			}
			for _, n := range report.Found {
				total += n
			}
			matches := len(got) == len(damage.want)
			for _, want := range damage.want {
				matches = matches && slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, want) })
			}
			all := strings.Join(got, "\n\t")
			if !matches || total != int64(len(got)) || report.Clean() != (len(got) == 0) {
				t.Errorf("Check found\n\t%s\nwant\n\t%s", all, strings.Join(damage.want, "\n\t"))
			}
			if strings.Contains(all, "s3cret") {
				t.Error("a value was told")
			}
		})
	}
	for _, kind := range check.Kinds[1:] { // damaged files are the engine's to find
		if !found[kind] {
			t.Errorf("no damage was of the kind %q", kind)
		}
	}
}

// TestCheckReport counts what is in the database.
func TestCheckReport(t *testing.T) {
	engine := newCheckedStore(t).open(t, func(*rawStore) {})
	stages := map[check.Stage]bool{}
	report, err := check.Run(t.Context(), engine, check.Options{Files: true, Now: func() time.Time { return checkClock }, Progress: func(p check.Progress) { stages[p.Stage] = true }})
	if err != nil || !report.Clean() {
		t.Fatal(report.Problems, err)
	}
	report.Bytes, report.Found = 0, nil
	got, _ := json.Marshal(report)
	want := `{"Tables":1,"Items":4,"IndexRows":12,"ExpiryRows":4,"Streams":2,"StreamRecords":8,"Tokens":1,"Unfollowed":0,"Bytes":0,"Found":null,"Problems":null}`
	if string(got) != want || !stages[check.StageFiles] {
		t.Errorf("the report is %s, want %s", got, want)
	}
	report, err = check.Run(t.Context(), engine, check.Options{FollowKeys: 1, Now: func() time.Time { return checkClock }})
	if err != nil || !report.Clean() || report.Unfollowed == 0 {
		t.Errorf("with few records followed: %+v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := check.Run(ctx, engine, check.Options{Files: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled check: %v", err)
	}
}

// TestCheckLists wants all problems counted and the first of them listed.
func TestCheckLists(t *testing.T) {
	engine := newCheckedStore(t).open(t, func(r *rawStore) {
		for i := range byte(20) {
			r.set([]byte{1, 'z', i}, nil)
		}
	})
	report, err := check.Run(t.Context(), engine, check.Options{MaxProblems: 5, Now: func() time.Time { return checkClock }})
	if err != nil || len(report.Problems) != 5 || report.Found[check.KindCatalog] != 20 {
		t.Errorf("%d problems are listed, %v are counted, %v", len(report.Problems), report.Found, err)
	}
}
