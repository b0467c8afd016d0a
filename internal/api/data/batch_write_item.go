package data

import (
	"errors"
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
)

const maxBatchWrites = 25

type batchWriteRequest struct {
	set      bool
	tables   []batchWriteTable // in the order sent; at most one more than there may be
	consumed wire.OptString
	metrics  wire.OptString
}

// batchWriteTable is what a request does to one table.
type batchWriteTable struct {
	name   string       // as the request has it, maybe an ARN
	writes []batchWrite // at most one more than there may be
	table  *db.Table
	first  int // index of its first write in writes() and its results
}

// batchWrite is a WriteRequest. It must be either a put or a delete.
type batchWrite struct {
	putSet, deleteSet bool
	put               wire.OptItem // PutRequest.Item
	key               wire.OptItem // DeleteRequest.Key
}

var batchWriteMembers = members[*batchWriteRequest]{
	{Name: "RequestItems", Read: (*batchWriteRequest).readRequestItems},
	{Name: "ReturnConsumedCapacity", Read: func(r *batchWriteRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
	{Name: "ReturnItemCollectionMetrics", Read: func(r *batchWriteRequest, c *exec) error {
		return c.ReadString(&r.metrics)
	}},
}

func (r *batchWriteRequest) readRequestItems(c *exec) error {
	r.set, r.tables = true, nil
	err := c.ReadObject(wire.InMap, "java.util.List<"+wire.ShapePrefix+"WriteRequest>", func(table string) error {
		t := batchWriteTable{name: table}
		err := t.decode(c)
		if len(r.tables) <= maxBatchWrites {
			r.tables = append(r.tables, t)
		}
		return err
	})
	r.tables = wire.LastOfEach(r.tables, func(t *batchWriteTable) string { return t.name })
	return err
}

func (t *batchWriteTable) decode(c *exec) error {
	if err := c.nested(); err != nil {
		return err
	}
	return c.ReadList(func(int) error {
		var w batchWrite
		err := c.ReadObject(wire.InElement, "WriteRequest", func(name string) error { return w.member(c, name) })
		if len(t.writes) <= maxBatchWrites {
			t.writes = append(t.writes, w)
		}
		return err
	})
}

func (w *batchWrite) member(c *exec, name string) error {
	switch name {
	case "PutRequest":
		w.putSet = true
		return c.ReadObject(wire.InField, "PutRequest", func(name string) error {
			if name == "Item" {
				return c.ReadItem(&w.put)
			}
			return c.Skip()
		})
	case "DeleteRequest":
		w.deleteSet = true
		return c.ReadObject(wire.InField, "DeleteRequest", func(name string) error {
			if name == "Key" {
				return c.ReadItem(&w.key)
			}
			return c.Skip()
		})
	}
	return c.Skip()
}

// BatchWriteItem puts and deletes up to 25 items, each atomic alone. Writes that met a lock or for
// which there was no memory are answered as UnprocessedItems, which the client sends again.
func BatchWriteItem(c *call.Call) error { return run(c, (*exec).batchWriteItem) }

func (c *exec) batchWriteItem() error {
	r := new(batchWriteRequest)
	if err := wire.Decode(&c.Reader, r, c, batchWriteMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := r.open(c); err != nil {
		return err
	}
	writes := r.writes()
	done, errs := c.DB.WriteEach(c.Ctx, writes)
	if err := batchError(writes, errs); err != nil {
		return err
	}
	return r.answer(c, done, errs)
}

// check makes the checks that need no table, in DynamoDB's order.
func (r *batchWriteRequest) check() error {
	if err := r.checkCounts(); err != nil {
		return err
	}
	for i := range r.tables {
		for j := range r.tables[i].writes {
			if err := r.tables[i].writes[j].checkMembers(); err != nil {
				return err
			}
		}
	}
	for i := range r.tables {
		for j := range r.tables[i].writes {
			if err := r.tables[i].writes[j].checkValues(); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCounts checks the constraints of members and the numbers of requests.
func (r *batchWriteRequest) checkCounts() error {
	var v violations
	if !r.set {
		v.Null("requestItems")
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.Enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	n := 0
	for i := range r.tables {
		v.batchTable(r.tables[i].name)
		n += len(r.tables[i].writes)
	}
	r.checkLengths(&v)
	for i := range r.tables {
		r.tables[i].checkRequired(&v)
	}
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case len(r.tables) == 0:
		return wire.Validation("The requestItems parameter is required for BatchWriteItem")
	case n > maxBatchWrites:
		return wire.Validation("Too many items requested for the BatchWriteItem call")
	}
	return nil
}

// checkLengths reports each table that has no requests, and once that tables have too many.
func (r *batchWriteRequest) checkLengths(v *violations) {
	for i := range r.tables {
		if len(r.tables[i].writes) == 0 {
			v.Note("Value at 'requestItems." + r.tables[i].name + ".member' failed to satisfy constraint: " +
				"Member must have length greater than or equal to 1")
		}
	}
	for i := range r.tables {
		if len(r.tables[i].writes) > maxBatchWrites {
			v.Add(r.dump(), "requestItems", "Map value must satisfy constraint: [Member must have length less than or equal to "+
				strconv.Itoa(maxBatchWrites)+", Member must have length greater than or equal to 1]")
			return
		}
	}
}

// checkRequired reports requests without an item or key.
func (t *batchWriteTable) checkRequired(v *violations) {
	null := func(i int, member string) {
		v.Null("requestItems." + t.name + ".member." + strconv.Itoa(i+1) + ".member." + member)
	}
	for i := range t.writes {
		w := &t.writes[i]
		if w.putSet && !w.put.Set {
			null(i, "putRequest.item")
		}
		if w.deleteSet && !w.key.Set {
			null(i, "deleteRequest.key")
		}
	}
}

// dump prints RequestItems as messages do: as Java prints objects, cut off at maxDumpBytes.
func (r *batchWriteRequest) dump() string {
	b := []byte{'{'}
	for i := range r.tables {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, r.tables[i].name...), "=["...)
		for j := range r.tables[i].writes {
			if j > 0 {
				b = append(b, ", "...)
			}
			if len(b) > maxDumpBytes {
				return string(append(b, "...]}"...))
			}
			b = r.tables[i].writes[j].appendDump(b)
		}
		b = append(b, ']')
	}
	return string(append(b, '}'))
}

func (w *batchWrite) appendDump(b []byte) []byte {
	b = append(b, "WriteRequest("...)
	if w.putSet {
		b = append(append(b, "putRequest=PutRequest(item="...), dumpItem(w.put.V)...)
		b = append(b, ')')
	}
	if w.putSet && w.deleteSet {
		b = append(b, ", "...)
	}
	if w.deleteSet {
		b = append(append(b, "deleteRequest=DeleteRequest(key="...), dumpItem(w.key.V)...)
		b = append(b, ')')
	}
	return append(b, ')')
}

// checkMembers checks that the request is a put or a delete. The message, which is about attribute
// values, is what DynamoDB answers.
func (w *batchWrite) checkMembers() error {
	if w.putSet == w.deleteSet {
		return wire.Validation("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	return nil
}

// checkValues checks the values of the item or key, and the item's size.
func (w *batchWrite) checkValues() error {
	it := w.item()
	if f := it.Faults.Earliest(); f != nil {
		return wire.Validation(f.Message)
	}
	if w.putSet && it.V.Size() > maxItemBytes {
		return wire.Validation("Item size has exceeded the maximum allowed size")
	}
	return nil
}

// item is the item to put, or the key to delete.
func (w *batchWrite) item() *wire.OptItem {
	if w.putSet {
		return &w.put
	}
	return &w.key
}

// open finds all tables, then checks the items and keys against them, and that no item is written
// twice: the key attributes of a put's item are known only with its table.
func (r *batchWriteRequest) open(c *exec) (err error) {
	var missing error
	n := 0
	for i := range r.tables {
		t := &r.tables[i]
		if t.table, err = c.TableAmong(t.name, t.want(c, r.consumed), &missing); err != nil {
			return err
		}
		t.first = n
		n += len(t.writes)
	}
	if missing != nil {
		return missing
	}
	for i := range r.tables {
		if err := r.tables[i].checkKeys(); err != nil {
			return err
		}
	}
	writes := r.writes()
	for i := range writes { // at most 25
		for j := range writes[:i] {
			if sameTable(writes[i].Table, writes[j].Table) && sameKey(writes[i].Table, writes[i].Key, writes[j].Key) {
				return errDuplicateKeys
			}
		}
	}
	return nil
}

// checkKeys checks the items and keys against the schema of table and indexes.
func (t *batchWriteTable) checkKeys() error {
	for i := range t.writes {
		w := &t.writes[i]
		if w.deleteSet {
			if err := checkKey(t.table, w.key.V); err != nil {
				return err
			}
		} else if err := t.table.CheckItem(w.put.V); err != nil {
			return keyOnly.word(t.table, err)
		}
	}
	return nil
}

// writes returns the writes of all requests, in the order sent.
func (r *batchWriteRequest) writes() []db.Write {
	n := 0
	for i := range r.tables {
		n += len(r.tables[i].writes)
	}
	ws, puts := make([]db.Write, 0, n), make([]db.Put, 0, n)
	for i := range r.tables {
		t := &r.tables[i]
		for j := range t.writes {
			w := db.Write{Table: t.table, Key: t.writes[j].item().V, Change: db.Delete{}}
			if t.writes[j].putSet {
				puts = append(puts, db.Put{Item: w.Key})
				w.Change = &puts[len(puts)-1]
			}
			ws = append(ws, w)
		}
	}
	return ws
}

// batchError returns the error that fails the whole call. Writes that met a lock, or for which
// there was no memory, are left for the client to send again, but if all did, the call fails, so
// that SDKs wait before they do. Writes that met a transaction are always left, since
// BatchWriteItem has no error for that.
func batchError(writes []db.Write, errs []error) error {
	conflicts := 0
	for i, err := range errs {
		switch {
		case errors.Is(err, db.ErrTransactionConflict):
		case errors.Is(err, db.ErrBusy), errors.Is(err, db.ErrNoMemory):
			conflicts++
		case err != nil:
			return keyOnly.word(writes[i].Table, err)
		}
	}
	if conflicts == len(errs) {
		return errs[0]
	}
	return nil
}

func (r *batchWriteRequest) answer(c *exec, done []db.Written, errs []error) error {
	c.BeginObject()
	c.Name("UnprocessedItems")
	c.BeginObject()
	for i := range r.tables {
		r.tables[i].unprocessed(c, errs)
	}
	c.EndObject()
	if r.metrics.V == "SIZE" {
		var cs collections
		for i := range r.tables {
			r.tables[i].collections(&cs, errs)
		}
		if err := c.collectionsList(cs); err != nil {
			return err
		}
	}
	if c.countsConsumed(r.consumed) {
		var us usages
		for i := range r.tables {
			t := &r.tables[i]
			for j := range t.writes {
				if n := t.first + j; errs[n] == nil {
					us.of(t.table).add(done[n].Units)
				}
			}
		}
		c.Report.WriteUnits += us.total()
		c.consumedList(r.consumed, us)
	}
	c.EndObject()
	return nil
}

// unprocessed appends the table's requests that are left over.
func (t *batchWriteTable) unprocessed(c *exec, errs []error) {
	begun := false
	for i := range t.writes {
		if errs[t.first+i] == nil {
			continue
		}
		if !begun {
			c.NameQuoted(t.name)
			c.BeginList()
			begun = true
		}
		c.Element()
		if t.writes[i].putSet {
			c.Raw(`{"PutRequest":{"Item":`)
		} else {
			c.Raw(`{"DeleteRequest":{"Key":`)
		}
		c.Item(t.writes[i].item().V)
		c.Raw(`}}`)
	}
	if begun {
		c.EndList()
	}
}

// collections notes the item collections of the table that were written to.
func (t *batchWriteTable) collections(cs *collections, errs []error) {
	for i := range t.writes {
		if errs[t.first+i] == nil {
			cs.add(t.name, t.table, t.writes[i].item().V)
		}
	}
}

// want is what the request wants of the table; empty if no policy is asked.
func (t *batchWriteTable) want(c *exec, consumed wire.OptString) call.Want {
	if !c.Asks() {
		return call.Want{}
	}
	w := call.Want{Action: "BatchWriteItem", Consumed: consumed.V}
	for i := range t.writes {
		w.Items = append(w.Items, t.writes[i].item().V)
	}
	return w
}
