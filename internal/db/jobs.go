package db

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// A backfill chunk is at most so many items or bytes: short enough that the writes that wait for its latches do not notice.
const (
	backfillItems = 64
	backfillBytes = 256 << 10
)

// part is what a job builds or removes: an index, or the index by expiry.
type part struct {
	section uint16
	// since is, for the index by expiry, Expiry.Since: such indexes follow one another in the same section. Ids of others are
	// never used again.
	since uint64
}

// String names the part in logs.
func (p *part) String() string {
	if p.section == sectionExpiry {
		return fmt.Sprintf("the index by expiry since epoch %d", p.since)
	}
	return fmt.Sprintf("index %d", p.section)
}

// phase is how far a part of the table is; nil if it is gone.
func (d *Descriptor) phase(p *part) *Phase {
	if e := d.Expiry; p.section == sectionExpiry {
		if e == nil || e.Since != p.since {
			return nil
		}
		return &e.Phase
	}
	for i := range d.Indexes {
		if x := &d.Indexes[i]; x.ID == p.section {
			return &x.Phase
		}
	}
	return nil
}

// startJobs starts what t's descriptor says is under way.
func (d *DB) startJobs(t *Table) {
	if t.State != StatePublic {
		d.startJob(t, nil, d.drop)
		return
	}
	for i := range t.Indexes {
		d.startPart(t, &part{section: t.Indexes[i].ID})
	}
	if e := t.Expiry; e != nil && e.State != StateDropped {
		d.startPart(t, &part{sectionExpiry, e.Since})
	}
	if t.StreamViewType != "" && t.StreamLog == 0 {
		// Written before there were logs. Any change gives it one.
		d.startWork("stream of table "+t.UUID, t.Name, func() error {
			_, err := d.step(t.ID, func(*Descriptor) bool { return true })
			return err
		})
	}
}

// startPart starts the job of a part that is not as it shall be.
func (d *DB) startPart(t *Table, p *part) {
	switch phase := t.phase(p); {
	case phase.Dropping:
		d.startJob(t, p, d.dropPart)
	case *phase != phasePublic:
		d.startJob(t, p, d.buildPart)
	}
}

// startJob starts the work of run on a table (p nil) or a part of it.
func (d *DB) startJob(t *Table, p *part, run func(*Table, *part) error) {
	what := "drop table " + t.UUID
	if p != nil {
		what = fmt.Sprintf("%v of table %s", p, t.UUID)
		if t.phase(p).Dropping {
			what = "drop " + what
		}
	}
	d.startWork(what, t.Name, func() error { return run(t, p) })
}

// startWork runs a job in the background, unless it runs already. It is tried again after an error until the database is closed.
// what names the job for ever, table is for people.
func (d *DB) startWork(what, table string, run func() error) {
	if _, running := d.working.LoadOrStore(what, struct{}{}); running || d.ctx.Err() != nil {
		return
	}
	d.jobs.Go(func() {
		defer d.working.Delete(what)
		var told lately
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			err := run()
			if err == nil || stopped(err) || errors.Is(err, kv.ErrFailed) || d.ctx.Err() != nil {
				return
			}
			d.countFailure()
			if told.isNew(err) {
				d.log.Warn("a background job failed and is tried again", "job", what, "table", table, "error", err)
			}
			d.sleep(wait)
		}
	})
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
func (d *DB) drop(t *Table, _ *part) error {
	if t.State == StateNoWrites {
		if Busy(t.BusyUntil, d.now()) {
			return nil // the next sweep, or whoever looks at the table then, comes back
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
	lock := [][]byte{descriptorKey(t.ID), backfillKey(t.ID, sectionExpiry)}
	for i := range t.Indexes {
		lock = append(lock, backfillKey(t.ID, t.Indexes[i].ID))
	}
	err := d.kv.Update(d.ctx, kv.WriteOptions{Lock: lock, MakesRoom: true}, func(tx kv.Txn) error {
		for _, key := range lock {
			tx.Delete(key)
		}
		tx.DropCounter(uint64(t.ID))
		return nil
	})
	if err == nil {
		d.change(func(c *catalog) { delete(c.byID, t.ID) })
		d.marks.Delete(t.ID)
		d.unequip(t)
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

// move is a change for step that moves the part from one phase to the next; false if it is gone or
// elsewhere.
func (p *part) move(from, to Phase) func(*Descriptor) bool {
	return func(desc *Descriptor) bool {
		phase := desc.phase(p)
		return phase != nil && phase.move(from, to)
	}
}

// dropPart removes a part that is Dropping.
func (d *DB) dropPart(t *Table, p *part) error {
	if err := d.kv.Barrier(d.ctx); err != nil { // nobody takes it for public any more
		return err
	}
	if _, err := d.step(t.ID, p.move(phaseLeaving, phaseClearing)); err != nil {
		return err
	}
	if err := d.kv.Barrier(d.ctx); err != nil { // nobody writes it any more, even where the step was taken before a restart
		return err
	}
	if err := d.kv.DropRange(d.ctx, sectionRange(t.ID, p.section)); err != nil {
		return err
	}
	lock := [][]byte{backfillKey(t.ID, p.section), descriptorKey(t.ID)}
	err := d.kv.Update(d.ctx, kv.WriteOptions{Lock: lock, MakesRoom: true}, func(tx kv.Txn) error {
		tx.Delete(lock[0])
		for _, c := range d.kv.Counter(uint64(t.ID)) {
			if c.Section == uint32(p.section) {
				tx.Add(uint64(t.ID), kv.Count{Section: c.Section, Items: -c.Items, Bytes: -c.Bytes})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.step(t.ID, func(desc *Descriptor) bool { return desc.forgetPart(p, d.now()) })
	return err
}

// forgetPart takes a part whose rows are removed out of the descriptor; false if it is gone already.
func (d *Descriptor) forgetPart(p *part, now time.Time) bool {
	switch phase := d.phase(p); {
	case phase == nil:
		return false
	case p.section != sectionExpiry:
		d.Indexes = slices.DeleteFunc(d.Indexes, func(x Index) bool { return x.ID == p.section })
		d.pruneAttributes()
	case Busy(d.Expiry.BusyUntil, now):
		*phase = phaseCleared // it is shown as DISABLING until then
	default:
		d.Expiry = nil
	}
	return true
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

// buildPart takes a new part from DELETE_ONLY over WRITE_ONLY, in which all items get their rows, to PUBLIC.
func (d *DB) buildPart(t *Table, p *part) error {
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if _, err := d.step(t.ID, p.move(phaseComing, phaseFilling)); err != nil {
		return err
	}
	if err := d.kv.Barrier(d.ctx); err != nil { // also where the step was taken before a restart
		return err
	}
	now := d.building(t.ID, p)
	if now == nil {
		d.endFilling(t, p) // it was given up between two attempts
		return nil
	}
	if err := d.backfill(now, p); err != nil {
		return err
	}
	_, err := d.step(t.ID, p.move(phaseFilling, phasePublic))
	return err
}

// backfill gives all items of the table their rows in the part, chunk by chunk, from where the cursor stands.
func (d *DB) backfill(t *Table, p *part) (err error) {
	cursorKey := backfillKey(t.ID, p.section)
	rows := sectionRange(t.ID, sectionItems)
	fill := t.filler(p)
	progress := d.beginFilling(t, p)
	defer func() {
		if err == nil { // else the work pauses, and whoever watches sees where it stands
			d.endFilling(t, p)
		}
	}()
	for {
		if err := d.ctx.Err(); err != nil {
			return err // the next Open goes on
		}
		var keys [][]byte
		err := d.kv.View(d.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
			cursor, err := r.Get(cursorKey)
			if err != nil {
				return err
			}
			if cursor != nil {
				rows.Start = append(bytes.Clone(cursor), 0)
			}
			progress.resume(cursor)
			keys, err = chunk(r, rows)
			return err
		})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return d.kv.Update(d.ctx, kv.WriteOptions{Lock: [][]byte{cursorKey}}, func(tx kv.Txn) error {
				if d.building(t.ID, p) != nil {
					tx.Delete(cursorKey)
				}
				return nil
			})
		}
		err = d.kv.Update(d.ctx, kv.WriteOptions{Lock: append(keys, cursorKey), NoSync: true}, func(tx kv.Txn) error {
			if d.building(t.ID, p) == nil {
				return errAbandoned // the part, or the table, is being dropped
			}
			return backfillChunk(tx, t, fill, keys, cursorKey)
		})
		switch {
		case errors.Is(err, errAbandoned):
			return nil
		case err != nil && !errors.Is(err, kv.ErrConflict):
			return err
		case err == nil:
			progress.Done.Add(int64(len(keys)))
		}
	}
}

// errAbandoned ends a backfill whose part is not wanted any more.
var errAbandoned = errors.New("db: the index is being dropped")

// building returns the table if the part is still in backfill, nil otherwise. Asked under latches, the answer holds until they
// are released: a drop begins its work with a Barrier.
func (d *DB) building(id uint32, p *part) *Table {
	t := d.catalog.Load().byID[id]
	if t == nil || t.State != StatePublic {
		return nil
	}
	if phase := t.phase(p); phase == nil || *phase != phaseFilling {
		return nil
	}
	return t
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

// backfillChunk writes the rows of the locked items, and where the work stands.
func backfillChunk(tx kv.Txn, t *Table, fill filler, keys [][]byte, cursorKey []byte) error {
	var count kv.Count
	for _, key := range keys {
		it, err := t.getItem(tx, key)
		if err != nil {
			return err
		}
		if !it.Exists() {
			continue // deleted meanwhile
		}
		if err := fill(tx, key, it, &count); err != nil {
			return err
		}
	}
	tx.Set(cursorKey, keys[len(keys)-1])
	if count.Items > 0 {
		tx.Add(uint64(t.ID), count)
	}
	return nil
}

// filler writes an item's row in a part that is being built, and counts it. key is that of the locked item.
type filler func(tx kv.Txn, key []byte, it item.Item, count *kv.Count) error

// filler returns the filler of a part. Writers keep the part up to date at the same time, so a row that is there already is
// right and counted.
func (t *Table) filler(p *part) filler {
	if p.section == sectionExpiry {
		return t.fillExpiry
	}
	for _, plan := range t.plans {
		if plan.x.ID == p.section {
			return func(tx kv.Txn, _ []byte, it item.Item, count *kv.Count) error { return plan.fill(tx, t, it, count) }
		}
	}
	panic(fmt.Sprintf("db: table %s has no %v", t.Name, p))
}

// fill is the filler of an index.
func (p *indexPlan) fill(tx kv.Txn, t *Table, it item.Item, count *kv.Count) error {
	rowKey, ok := p.appendKey(nil, t, it)
	if !ok {
		return nil
	}
	entry := p.entry(it).Clone() // the next Get ends the life of the view that it is
	there, err := tx.Get(rowKey)
	if err != nil || there != nil {
		return err
	}
	tx.Set(rowKey, entry.AppendStored(nil, 0))
	count.Section = uint32(p.x.ID)
	count.Items++
	count.Bytes += int64(entry.Size())
	return nil
}
