package db

import (
	"errors"
	"fmt"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// startJobs starts what t's descriptor says is under way.
func (d *DB) startJobs(t *Table) {
	if t.State != schema.StatePublic {
		d.startJob(t, nil, d.drop)
		return
	}
	for _, target := range t.Targets() {
		d.startTarget(t, target)
	}
	if t.StreamViewType != "" && t.StreamID == 0 {
		// Written before there were streams. Any change gives it one.
		d.startWork("stream of table "+t.UUID, t.Name, func() error {
			_, err := d.step(t.ID, func(*schema.Descriptor) bool { return true })
			return err
		})
	}
}

// startTarget starts the job of a target that is not as it should be.
func (d *DB) startTarget(t *Table, target *schema.Target) {
	switch phase := t.PhaseOf(target); {
	case phase.Dropping:
		d.startJob(t, target, d.dropTarget)
	case *phase != schema.PhasePublic:
		d.startJob(t, target, d.buildTarget)
	}
}

// startJob starts the work of run on a table (target nil) or a target of it.
func (d *DB) startJob(t *Table, target *schema.Target, run func(*Table, *schema.Target) error) {
	what := "drop table " + t.UUID
	if target != nil {
		what = fmt.Sprintf("%v of table %s", target, t.UUID)
		if t.PhaseOf(target).Dropping {
			what = "drop " + what
		}
	}
	d.startWork(what, t.Name, func() error { return run(t, target) })
}

// startWork runs a job in the background, unless it runs already. It is tried again after an error
// until the database is closed. what identifies the job, table is for the log alone.
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

// sleep waits, but not longer than until the database is closed.
func (d *DB) sleep(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-d.ctx.Done():
	case <-timer.C:
	}
}

// drop sees a deleted table to its end: when its time in DELETING is over its name goes, then its
// rows, then its descriptor. The descriptor is last, as it is what makes the next Open go on after
// a crash between two steps; each step may be repeated.
func (d *DB) drop(t *Table, _ *schema.Target) error {
	if t.State == schema.StateNoWrites {
		if schema.Busy(t.BusyUntil, d.now()) {
			return nil // the next sweep, or whoever looks at the table then, comes back
		}
		if err := d.forgetDeleted(t.ID); err != nil {
			return err
		}
	}
	// Writers that still have the table as PUBLIC hold latches: when the Barrier returns nobody
	// writes its rows, which DropRange demands.
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if err := d.kv.DropRange(d.ctx, schema.TableRange(t.ID)); err != nil {
		return err
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	lock := [][]byte{schema.DescriptorKey(t.ID), schema.BackfillKey(t.ID, schema.SectionExpiry)}
	for i := range t.Indexes {
		lock = append(lock, schema.BackfillKey(t.ID, t.Indexes[i].ID))
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

// forgetDeleted is forget for a table that may have been forgotten already, so that its name is
// another table's by now.
func (d *DB) forgetDeleted(id uint32) error {
	d.schema.Lock()
	defer d.schema.Unlock()
	t := d.catalog.Load().byID[id]
	if t == nil || t.State == schema.StateDropped {
		return nil
	}
	return d.forget(d.ctx, t.Clone())
}

// dropTarget removes a target that is Dropping.
func (d *DB) dropTarget(t *Table, target *schema.Target) error {
	if err := d.kv.Barrier(d.ctx); err != nil { // no reader or writer takes it for public any more
		return err
	}
	if _, err := d.step(t.ID, move(target, schema.PhaseLeaving, schema.PhaseClearing)); err != nil {
		return err
	}
	// Nobody writes it any more, even where the step was taken before a restart.
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if err := d.kv.DropRange(d.ctx, schema.SectionRange(t.ID, target.Section)); err != nil {
		return err
	}
	// Cursor and counts go after the rows, and the target leaves the descriptor last. A repetition
	// after a crash finds no rows, and counts of zero to take off.
	lock := [][]byte{schema.BackfillKey(t.ID, target.Section), schema.DescriptorKey(t.ID)}
	err := d.kv.Update(d.ctx, kv.WriteOptions{Lock: lock, MakesRoom: true}, func(tx kv.Txn) error {
		tx.Delete(lock[0])
		for _, c := range d.kv.Counter(uint64(t.ID)) {
			if c.Section == uint32(target.Section) {
				tx.Add(uint64(t.ID), kv.Count{Section: c.Section, Items: -c.Items, Bytes: -c.Bytes})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.step(t.ID, func(desc *schema.Descriptor) bool { return desc.Remove(target, d.now()) })
	return err
}

// move is a change for step that moves the target from one phase to the next; false if it is gone
// or elsewhere.
func move(target *schema.Target, from, to schema.Phase) func(*schema.Descriptor) bool {
	return func(desc *schema.Descriptor) bool { return desc.Move(target, from, to) }
}
