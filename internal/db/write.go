package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Change computes a write's new item from the old one, which may be missing. It is pure and may be
// called more than once. A missing new item means: delete. Its error is returned by Write
// unchanged; a *ConditionFailed gets the Item, if it is wanted.
type Change interface {
	Apply(old item.Item) (new item.Item, err error)
}

// Put is the Change that replaces the item.
type Put struct{ Item item.Item }

// Apply returns the item to put.
func (p Put) Apply(item.Item) (item.Item, error) { return p.Item, nil }

// itemPut returns the item of a Change that is a Put, or a pointer to one.
func itemPut(c Change) (it item.Item, is bool) {
	switch c := c.(type) {
	case Put:
		return c.Item, true
	case *Put:
		return c.Item, true
	}
	return it, false
}

// Delete is the Change that removes the item.
type Delete struct{}

// Apply returns the missing item.
func (Delete) Apply(item.Item) (item.Item, error) { return item.Item{}, nil }

// Write is one write of one item.
type Write struct {
	Table *Table
	// Key has the table's key attributes, checked; it may have others, which are ignored (a Put's
	// item is its own key).
	Key       item.Item
	Condition *expr.Condition // nil: none
	Change    Change          // nil, in a Transaction only: the condition is merely tested
	// KeepOld asks for Written.Old, and KeepFailed for ConditionFailed.Item; both cost a copy.
	KeepOld, KeepFailed bool
	// ByService marks a write that no user asked for, as when an item expires; stream records tell.
	ByService bool
}

// Written is what a write did.
type Written struct {
	Old, New item.Item // Old only with KeepOld
	Units    WriteUnits
}

// WriteUnits are the write capacity units of a write: of the table, and of each index that it
// touched.
type WriteUnits struct {
	Table   float64
	Indexes []IndexUnits
}

// IndexUnits are the units spent on one index.
type IndexUnits struct {
	Index *schema.Index
	Units float64
}

// errReplan says that the table's schema moved between planning and locking.
var errReplan = errors.New("db: the schema changed")

// writer is the scratch memory of one write in progress, reused.
type writer struct {
	d      *DB
	do     func(kv.Txn) error // w.run, bound once
	lock   [1][]byte
	t      *Table
	write  *Write
	out    Written
	key    []byte
	row    []byte // encoded item or index entry
	oldRow []byte // index row keys
	newRow []byte
	counts []kv.Count
	// expires is the second of the expiry row that was written; Never: none.
	expires uint64
	changed bool // something was recorded
	// holding is the memory that the write holds: mine, or that of several writes.
	holding *holding
	mine    holding
	kept    int64 // what of it is kept when the write is done
	owned   bool  // the old item is a copy that lasts, and no view
}

// newWriter returns a writer of d.
func newWriter(d *DB) *writer {
	w := &writer{d: d, expires: schema.Never, mine: holding{m: &d.memory}}
	w.do, w.holding = w.run, &w.mine
	return w
}

// release puts w back into the pool, without what it refers to.
func (w *writer) release() {
	w.t, w.write, w.out, w.lock[0] = nil, nil, Written{}, nil
	w.expires = schema.Never // a write that panicked has noted nothing
	w.row, w.kept, w.owned = keptRow(w.row), 0, false
	w.mine.release()
	w.mine.until, w.holding = time.Time{}, &w.mine
	w.d.writers.Put(w)
}

func releaseAll(ws []*writer) {
	for _, w := range ws {
		if w != nil {
			w.release()
		}
	}
}

// plan prepares w for a write against the table as it stands now.
func (w *writer) plan(write *Write) (err error) {
	if w.t, err = w.d.current(write.Table); err != nil {
		return err
	}
	w.write = write
	w.key = w.t.AppendItemKey(w.key[:0], write.Key)
	w.lock[0] = w.key
	return nil
}

// Write runs one write: it locks the item's key, reads the old item, tests the condition, applies
// the change, and records what follows from it (index rows, counters), durably when it returns.
// Errors: *ConditionFailed, *KeyError of an index, ErrTableNotFound, ErrCollectionTooLarge,
// ErrTransactionConflict, ErrNoMemory, what Change.Apply returned, and those of package kv.
func (d *DB) Write(ctx context.Context, write *Write) (Written, error) {
	return d.writeUntil(ctx, write, time.Time{})
}

// writeUntil is Write, which waits for memory until then; zero: as long as one write does.
func (d *DB) writeUntil(ctx context.Context, write *Write, until time.Time) (Written, error) {
	w := d.writers.Get().(*writer)
	defer w.release()
	w.mine.until = until
	for {
		if err := w.plan(write); err != nil {
			return Written{}, err
		}
		err := d.kv.Update(ctx, kv.WriteOptions{Lock: w.lock[:]}, w.do)
		w.noteExpiry()
		w.meter(err)
		needed, short := memoryNeeded(err)
		switch {
		case short:
			w.forget()
			if err := w.mine.wait(ctx, needed); err != nil {
				return Written{}, err
			}
		case !errors.Is(err, errReplan):
			return w.out, w.blame(err)
		}
	}
}

// blame returns err, the outcome of w's update, as ErrTransactionConflict if it is a conflict with
// a transaction.
func (w *writer) blame(err error) error {
	if err != nil && errors.Is(err, kv.ErrConflict) && w.d.ongoing.holds(w.key) {
		return fmt.Errorf("%w: %w", ErrTransactionConflict, err)
	}
	return err
}

// WriteEach runs writes of distinct items, each atomic alone, with one wait for all.
func (d *DB) WriteEach(ctx context.Context, writes []Write) ([]Written, []error) {
	out, errs := make([]Written, len(writes)), make([]error, len(writes))
	ws := make([]*writer, len(writes))
	defer releaseAll(ws)
	batch, of := make([]kv.Write, 0, len(writes)), make([]int, 0, len(writes))
	for i := range writes {
		w := d.writers.Get().(*writer)
		ws[i], w.holding = w, &w.mine
		if i > 0 {
			w.holding = ws[0].holding // they run one after the other
		}
		if errs[i] = w.plan(&writes[i]); errs[i] == nil {
			batch, of = append(batch, kv.Write{Lock: w.lock[:], Do: w.do}), append(of, i)
		}
	}
	var again []int
	for n, err := range d.kv.UpdateEach(ctx, kv.WriteOptions{}, batch) {
		i := of[n]
		ws[i].noteExpiry()
		ws[i].meter(err)
		if _, short := memoryNeeded(err); short || errors.Is(err, errReplan) {
			again = append(again, i)
			continue
		}
		out[i], errs[i] = ws[i].out, ws[i].blame(err)
	}
	until := d.memory.patienceEnd()
	// Whoever waits may hold nothing (write_memory.go): so these writes run one by one, each with
	// memory of its own.
	for _, i := range again {
		ws[i].forget()
		ws[0].mine.release()
		out[i], errs[i] = d.writeUntil(ctx, &writes[i], until)
	}
	return out, errs
}

// run is the one write path, under the item's latch. It may run again from the start.
func (w *writer) run(tx kv.Txn) error {
	w.out, w.changed = Written{}, false
	w.keep(0)
	// Asked under the latch, so that a Barrier after a change of schema waits for all who still
	// write by the table before it.
	if now, err := w.d.current(w.t); err != nil || now != w.t {
		return errReplan // planning anew finds out which
	}
	old, err := w.t.getItem(tx, w.key)
	if err != nil {
		return err
	}
	if err := w.holding.raise(w.guess(old).total()); err != nil {
		return err
	}
	new, err := w.apply(old)
	if err != nil {
		w.forget()
		return err
	}
	kept := w.out.Old.EncodedLen()
	if _, put := itemPut(w.write.Change); !put { // whose item is the caller's
		kept += new.EncodedLen()
	}
	if item.SameAttributes(old, new) {
		w.keep(kept)
		return nil
	}
	if err := w.checkCollection(old, new); err != nil {
		return err
	}
	holds := w.footprint(old, new)
	if err := w.holding.raise(holds.total()); err != nil {
		return err
	}
	w.keep(kept)
	tx.Expect(holds.batch)
	return w.record(tx, old, new)
}

// keep notes that so many bytes stay held when the write is done, until its results are taken.
func (w *writer) keep(n int) {
	w.holding.kept += int64(n) - w.kept
	w.kept = int64(n)
}

// apply tests the condition on the old item, computes the new one and fills in w.out. When both
// have the same attributes there is nothing to record.
func (w *writer) apply(old item.Item) (new item.Item, err error) {
	if err := w.test(old); err != nil {
		return new, err
	}
	if new, err = w.write.Change.Apply(old); err != nil {
		if failed, ok := err.(*ConditionFailed); ok {
			w.showMet(failed, old)
		}
		return new, err
	}
	if w.write.KeepOld && old.Exists() {
		w.out.Old = w.lasting(old)
	}
	w.out.New = new
	w.out.Units.Table = capacity.WriteUnits(old.Size(), new.Size())
	if item.SameAttributes(old, new) && old.Exists() {
		w.out.New = w.lasting(new) // it may be a view of what was read
	}
	return new, nil
}

// test returns a *ConditionFailed if the condition does not hold for the old item.
func (w *writer) test(old item.Item) error {
	if c := w.write.Condition; c == nil || c.Holds(old) {
		return nil
	}
	failed := &ConditionFailed{Size: old.Size()}
	w.showMet(failed, old)
	return failed
}

// showMet gives a failure the item that it met, if it is wanted.
func (w *writer) showMet(failed *ConditionFailed, old item.Item) {
	if w.write.KeepFailed && old.Exists() {
		failed.Item = w.lasting(old)
	}
}

// lasting returns an item that was read, or a copy of it, that outlives the update.
func (w *writer) lasting(it item.Item) item.Item {
	if w.owned {
		return it
	}
	return it.Clone()
}

// getItem reads an item, which is missing if there is none. It is a view of the reader's memory.
func getItem(r kv.Reader, key []byte) (item.Item, error) {
	raw, err := r.Get(key)
	if err != nil || raw == nil {
		return item.Item{}, err
	}
	it, err := item.Parse(raw)
	if err != nil {
		return it, fmt.Errorf("item %x: %w", key, err)
	}
	return it, nil
}

// getItem is getItem for an item of the table, which has its key: index rows cannot be found
// without.
func (t *Table) getItem(r kv.Reader, key []byte) (item.Item, error) {
	it, err := getItem(r, key)
	if err == nil && it.Exists() {
		if err = t.CheckKeyAttributes(it); err != nil {
			err = fmt.Errorf("item %x is damaged: %w", key, err)
		}
	}
	return it, err
}

// record writes all that follows from a change of an item from old to new, either of which may be
// missing: the item's row, its index rows, its expiry row, its stream record, the counters. It is
// the one place that knows them all. They are one batch, so their order is free.
func (w *writer) record(tx kv.Txn, old, new item.Item) error {
	w.changed = true
	w.counts = w.counts[:0]
	w.count(schema.SectionItems, old, new)
	if slices.ContainsFunc(w.t.Plans, func(p *schema.Plan) bool { return p.State != schema.StatePublic }) {
		old = old.Clone() // looking up the rows of an unfinished index ends the life of the view that old is
	}
	for _, p := range w.t.Plans {
		if err := w.recordIndex(tx, p, old, new); err != nil {
			return err
		}
	}
	if new.Exists() {
		mustBeCanonical(w.key, old, new)
		w.row = new.AppendStored(w.row[:0], tx.Stamp())
		tx.Set(w.key, w.row)
	} else {
		tx.Delete(w.key)
	}
	if w.t.Expiry != nil {
		w.recordExpiry(tx, old, new)
	}
	if w.t.StreamID != 0 {
		w.recordStream(tx, old, new)
	}
	tx.Add(uint64(w.t.ID), w.counts...)
	return nil
}

// recordStream appends the record of a change to the table's stream.
func (w *writer) recordStream(tx kv.Txn, old, new item.Item) {
	by := schema.ByUser
	if w.write.ByService {
		by = schema.ByService
	}
	r := slices.Grow(w.row[:0], old.EncodedLen()+new.EncodedLen()+2*len(w.key)+rowRoom)
	w.row = w.t.AppendRecord(r, old, new, by)
	tx.AppendLog(w.t.StreamID, schema.ShardOf(w.key, w.t.shards), w.row)
}

// count notes the change of a section's rows and bytes when a row goes from old to new.
func (w *writer) count(section uint16, old, new item.Item) {
	c := kv.Count{Section: uint32(section), Bytes: int64(new.Size() - old.Size())}
	if new.Exists() {
		c.Items++
	}
	if old.Exists() {
		c.Items--
	}
	if c.Items != 0 || c.Bytes != 0 {
		w.counts = append(w.counts, c)
	}
}
