package db

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// A backfill chunk is at most so many items or bytes: short enough that the writes that wait for its latches do not notice.
const (
	backfillItems = 64
	backfillBytes = 256 << 10
)

// startJobs starts what t's descriptor says is under way.
func (d *DB) startJobs(t *Table) {
	if t.State != StatePublic {
		d.startJob(t, nil, d.drop)
		return
	}
	for i := range t.Indexes {
		switch x := &t.Indexes[i]; {
		case x.Dropping:
			d.startJob(t, x, d.dropIndex)
		case x.State != StatePublic:
			d.startJob(t, x, d.buildIndex)
		}
	}
}

// startJob runs a job in the background, unless it runs already. It is tried again after an error until the database is closed.
func (d *DB) startJob(t *Table, x *Index, run func(*Table, *Index) error) {
	what := "drop table " + t.UUID
	if x != nil {
		what = fmt.Sprintf("index %d of table %s", x.ID, t.UUID)
		if x.Dropping {
			what = "drop " + what
		}
	}
	if _, running := d.working.LoadOrStore(what, struct{}{}); running || d.ctx.Err() != nil {
		return
	}
	d.jobs.Add(1)
	go func() {
		defer d.jobs.Done()
		defer d.working.Delete(what)
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			err := run(t, x)
			if err == nil || stopped(err) || errors.Is(err, kv.ErrFailed) || d.ctx.Err() != nil {
				return
			}
			d.log.Warn("a background job failed and is tried again", "job", what, "table", t.Name, "error", err)
			d.sleep(wait)
		}
	}()
}

// sleep waits, or until the database is closed.
func (d *DB) sleep(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-d.ctx.Done():
	case <-timer.C:
	}
}

// drop sees a deleted table to its end: when its time in DELETING is over its name goes, then its rows, then its descriptor.
func (d *DB) drop(t *Table, _ *Index) error {
	if t.State == StateNoWrites {
		if wait := t.BusyUntil.Sub(d.now()); wait > 0 {
			d.sleep(wait)
		}
		if d.ctx.Err() != nil || d.now().Before(t.BusyUntil) {
			return d.ctx.Err() // a clock turned by hand: whoever looks at the table next comes back
		}
		if err := d.forgetDeleted(t.ID); err != nil {
			return err
		}
	}
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if err := d.kv.DropRange(d.ctx, tableRange(t.ID)); err != nil {
		return err
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	lock := [][]byte{descriptorKey(t.ID)}
	for i := range t.Indexes {
		lock = append(lock, backfillKey(t.ID, t.Indexes[i].ID))
	}
	err := d.kv.Update(d.ctx, kv.WriteOptions{Lock: lock}, func(tx kv.Txn) error {
		for _, key := range lock {
			tx.Delete(key)
		}
		tx.DropCounter(uint64(t.ID))
		return nil
	})
	if err == nil {
		d.publish(t, true)
	}
	return err
}

// forgetDeleted is forget for a table that may have been forgotten already, so that its name is another table's by now.
func (d *DB) forgetDeleted(id uint32) error {
	d.schema.Lock()
	defer d.schema.Unlock()
	t := d.catalog.Load().byID[id]
	if t == nil || t.State == StateDropped {
		return nil
	}
	return d.forget(d.ctx, t.clone())
}

// setState is a change for step that moves an index from one state to the next; false if the index is gone or elsewhere.
func setState(id uint16, from, to State, dropping bool) func(*Descriptor) bool {
	return func(desc *Descriptor) bool {
		for i := range desc.Indexes {
			if x := &desc.Indexes[i]; x.ID == id && x.State == from && x.Dropping == dropping {
				x.State = to
				return true
			}
		}
		return false
	}
}

// dropIndex removes an index that is marked Dropping.
func (d *DB) dropIndex(t *Table, x *Index) error {
	if err := d.kv.Barrier(d.ctx); err != nil { // nobody takes it for public any more
		return err
	}
	if _, err := d.step(t.ID, setState(x.ID, StateDeleteOnly, StateAbsent, true)); err != nil {
		return err
	}
	if err := d.kv.Barrier(d.ctx); err != nil { // nobody writes it any more, even where the step was taken before a restart
		return err
	}
	if err := d.kv.DropRange(d.ctx, sectionRange(t.ID, x.ID)); err != nil {
		return err
	}
	lock := [][]byte{backfillKey(t.ID, x.ID), descriptorKey(t.ID)}
	err := d.kv.Update(d.ctx, kv.WriteOptions{Lock: lock}, func(tx kv.Txn) error {
		tx.Delete(lock[0])
		for _, c := range d.kv.Counter(uint64(t.ID)) {
			if c.Section == uint32(x.ID) {
				tx.Add(uint64(t.ID), kv.Count{Section: c.Section, Items: -c.Items, Bytes: -c.Bytes})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.step(t.ID, func(desc *Descriptor) bool {
		for i := range desc.Indexes {
			if desc.Indexes[i].ID == x.ID {
				desc.Indexes = append(desc.Indexes[:i], desc.Indexes[i+1:]...)
				desc.pruneAttributes()
				return true
			}
		}
		return false
	})
	return err
}

// pruneAttributes removes the definitions of attributes that are keys of nothing any more.
func (d *Descriptor) pruneAttributes() {
	used := map[string]bool{}
	for _, k := range d.Keys {
		used[k.Name] = true
	}
	for i := range d.Indexes {
		for _, k := range d.Indexes[i].Keys {
			used[k.Name] = true
		}
	}
	kept := d.Attributes[:0]
	for _, a := range d.Attributes {
		if used[a.Name] {
			kept = append(kept, a)
		}
	}
	d.Attributes = kept
}

// buildIndex takes a new index from DELETE_ONLY over WRITE_ONLY, in which all items get their rows, to PUBLIC.
func (d *DB) buildIndex(t *Table, x *Index) error {
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if _, err := d.step(t.ID, setState(x.ID, StateDeleteOnly, StateWriteOnly, false)); err != nil {
		return err
	}
	if err := d.kv.Barrier(d.ctx); err != nil { // also where the step was taken before a restart
		return err
	}
	now := d.catalog.Load().byID[t.ID]
	if now == nil || now.State != StatePublic {
		return nil
	}
	for i := range now.Indexes {
		if y := &now.Indexes[i]; y.ID == x.ID && y.State == StateWriteOnly && !y.Dropping {
			if err := d.backfill(now, now.plan(y)); err != nil {
				return err
			}
			_, err := d.step(t.ID, setState(x.ID, StateWriteOnly, StatePublic, false))
			return err
		}
	}
	return nil
}

// backfill gives all items of the table their rows in the index, chunk by chunk, from where the cursor stands.
func (d *DB) backfill(t *Table, p *indexPlan) error {
	cursorKey := backfillKey(t.ID, p.x.ID)
	rows := sectionRange(t.ID, sectionItems)
	for {
		var keys [][]byte
		err := d.kv.View(d.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
			cursor, err := r.Get(cursorKey)
			if err != nil {
				return err
			}
			if cursor != nil {
				rows.Start = append(bytes.Clone(cursor), 0)
			}
			keys, err = chunk(r, rows)
			return err
		})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return d.kv.Update(d.ctx, kv.WriteOptions{Lock: [][]byte{cursorKey}}, func(tx kv.Txn) error {
				tx.Delete(cursorKey)
				return nil
			})
		}
		err = d.kv.Update(d.ctx, kv.WriteOptions{Lock: append(keys, cursorKey), NoSync: true}, func(tx kv.Txn) error {
			if !d.building(t.ID, p.x.ID) {
				return errAbandoned // the index, or the table, is being dropped
			}
			return backfillChunk(tx, t, p, keys, cursorKey)
		})
		switch {
		case errors.Is(err, errAbandoned):
			return nil
		case err != nil && !errors.Is(err, kv.ErrConflict):
			return err
		}
	}
}

// errAbandoned ends a backfill whose index is not wanted any more.
var errAbandoned = errors.New("db: the index is being dropped")

// building tells whether the index is still in backfill. Asked under latches, the answer holds until they are released: a
// drop begins its work with a Barrier.
func (d *DB) building(id uint32, index uint16) bool {
	t := d.catalog.Load().byID[id]
	if t == nil || t.State != StatePublic {
		return false
	}
	for i := range t.Indexes {
		if x := &t.Indexes[i]; x.ID == index {
			return x.State == StateWriteOnly && !x.Dropping
		}
	}
	return false
}

// chunk returns the first keys of the range.
func chunk(r kv.Reader, rows kv.Range) (keys [][]byte, err error) {
	size := 0
	err = r.Scan(rows, false, func(key, value []byte) (bool, error) {
		keys = append(keys, bytes.Clone(key))
		size += len(value)
		return len(keys) < backfillItems && size < backfillBytes, nil
	})
	return keys, err
}

// backfillChunk writes the rows of the locked items, and where the work stands. Writers keep the index up to date at the same
// time, so a row that is there already is right and counted.
func backfillChunk(tx kv.Txn, t *Table, p *indexPlan, keys [][]byte, cursorKey []byte) error {
	count := kv.Count{Section: uint32(p.x.ID)}
	for _, key := range keys {
		raw, err := tx.Get(key)
		if err != nil {
			return err
		}
		if raw == nil {
			continue // deleted meanwhile
		}
		it, err := item.Parse(raw)
		if err != nil {
			return fmt.Errorf("item %x: %w", key, err)
		}
		rowKey, ok := p.appendKey(nil, t, it)
		if !ok {
			continue
		}
		entry := p.entry(it).Clone() // the next Get ends raw's life
		there, err := tx.Get(rowKey)
		if err != nil {
			return err
		}
		if there != nil {
			continue
		}
		tx.Set(rowKey, entry.AppendStored(nil, 0))
		count.Items++
		count.Bytes += int64(entry.Size())
	}
	tx.Set(cursorKey, keys[len(keys)-1])
	if count.Items > 0 {
		tx.Add(uint64(t.ID), count)
	}
	return nil
}
