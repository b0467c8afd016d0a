package db

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Create makes a table of the descriptor, whose ID, Epoch, UUID, Created, State, and those of its
// indexes, it sets. If the name is taken: ErrTableExists (look at Lookup for its status).
// ErrCatalogFull if there is no memory for one more.
func (d *DB) Create(ctx context.Context, desc *schema.Descriptor) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if old := d.named(desc.Namespace, desc.Name); old != nil {
		if !d.deleted(old) {
			return nil, ErrTableExists
		}
		if err := d.forget(ctx, old.Clone()); err != nil {
			return nil, err
		}
	}
	if err := d.admit(nil, desc); err != nil {
		return nil, err
	}
	now := d.now()
	desc = desc.Clone()
	desc.Format, desc.ID, desc.Epoch, desc.UUID = schema.DescriptorFormat, d.nextID, 1, newUUID()
	desc.Created = now
	desc.BeginCreate(d.busyUntil(now))
	desc.NextIndex = schema.FirstIndexID
	for i := range desc.Indexes {
		x := &desc.Indexes[i]
		x.ID, x.Phase, x.Created = desc.NextIndex, schema.PhasePublic, now
		desc.NextIndex++
	}
	desc.SortAttributes()
	streams := d.settleStream(desc)
	t := newTable(desc)
	err := d.store(ctx, t, streams, func(tx kv.Txn) {
		tx.Set(schema.NextIDKey(), schema.AppendTableID(nil, desc.ID+1))
		tx.Set(schema.NameKey(desc.Namespace, desc.Name), schema.AppendTableID(nil, desc.ID))
	})
	if err != nil {
		return nil, err
	}
	d.nextID++
	d.publish(t, streams)
	return t, nil
}

// store writes a table's descriptor, the streams that change with it, and what more writes besides.
// The caller holds d.schema. A descriptor that could not be read again is not stored.
func (d *DB) store(ctx context.Context, t *Table, streams []*Stream, more func(kv.Txn)) error {
	if f := t.Verify(); f != nil {
		return fmt.Errorf("the descriptor of table %q is not stored: %s", t.Name, f)
	}
	b, err := json.Marshal(&t.Descriptor)
	if err != nil {
		return fmt.Errorf("descriptor of %s: %w", t.Name, err)
	}
	lock := [][]byte{schema.DescriptorKey(t.ID), schema.NameKey(t.Namespace, t.Name), schema.NextIDKey()}
	for _, stream := range streams {
		lock = append(lock, schema.StreamKey(stream.ID))
	}
	return d.kv.Update(ctx, kv.WriteOptions{Lock: lock, MakesRoom: t.Shrinks()}, func(tx kv.Txn) error {
		tx.Set(schema.DescriptorKey(t.ID), b)
		for _, stream := range streams {
			if err := putStream(tx, stream); err != nil {
				return err
			}
		}
		if more != nil {
			more(tx)
		}
		return nil
	})
}

// Shown is whether a change of a table is shown in its status.
type Shown bool

// How a change may be shown.
const (
	Unseen     Shown = false
	AsUpdating Shown = true // for TableDelay
)

// Alter changes a table. change gets a copy of its descriptor, edits the copy, or returns an error,
// which Alter returns unchanged. It may be called more than once. An index that it appended (ID 0)
// is built in the background, one that it dropped (Index.Drop) is removed; at most one of either
// (the caller checks). A stream begins or ends as it sets or clears StreamViewType. shown
// says whether the table is UPDATING for TableDelay. Alter returns the table before and after.
// ErrTableNotFound if there is none, ErrCatalogFull if there is no memory for what it adds.
func (d *DB) Alter(
	ctx context.Context, ns schema.Namespace, name string, shown Shown, change func(*schema.Descriptor) error,
) (old, new *Table, err error) {
	old, new, err = d.alter(ctx, ns, name, shown, change)
	if err == nil && d.delay == 0 {
		d.awaitJobs(ctx, new)
		d.awaitStream(ctx, old)
	}
	return old, new, err
}

// alter is Alter without the wait for a quick job.
func (d *DB) alter(
	ctx context.Context, ns schema.Namespace, name string, shown Shown, change func(*schema.Descriptor) error,
) (old, new *Table, err error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if old = d.Lookup(ns, name); old == nil {
		return nil, nil, ErrTableNotFound
	}
	desc := old.Clone()
	if err := change(desc); err != nil {
		return old, nil, err
	}
	if err := d.admit(&old.Descriptor, desc); err != nil {
		return old, nil, err
	}
	now := d.now()
	desc = desc.Clone() // change may have put in strings that are not its own
	for i := range desc.Indexes {
		switch x := &desc.Indexes[i]; {
		case x.ID == 0:
			x.ID, x.Phase, x.Created = desc.NextIndex, schema.PhaseComing, now
			desc.NextIndex++
			if shown == AsUpdating {
				x.BusyUntil = d.busyUntil(now)
			}
		case x.MarkedUpdating():
			x.BusyUntil = now.Add(d.delay)
		}
	}
	if shown == AsUpdating && d.delay > 0 {
		desc.BeginUpdate(now.Add(d.delay))
	}
	if new, err = d.replace(ctx, desc); err != nil {
		return old, nil, err
	}
	d.startJobs(new)
	return old, new, nil
}

// replace stores and publishes a changed descriptor. The caller holds d.schema.
func (d *DB) replace(ctx context.Context, desc *schema.Descriptor) (*Table, error) {
	desc.Epoch++
	desc.SortAttributes()
	streams := d.settleStream(desc)
	t := newTable(desc)
	// Stored first: what writers see must not be taken back by a crash. Those that began before
	// publish notice under their latches, or are waited for by a Barrier.
	if err := d.store(ctx, t, streams, nil); err != nil {
		return nil, err
	}
	d.publish(t, streams)
	return t, nil
}

// step is replace for the background jobs: it edits the table's present descriptor, and
// returns when no writer holds an older one. A nil table says that the table is gone, or that
// change returned false.
func (d *DB) step(id uint32, change func(*schema.Descriptor) bool) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	old := d.catalog.Load().byID[id]
	if old == nil || old.State != schema.StatePublic {
		return nil, nil
	}
	desc := old.Clone()
	if !change(desc) {
		return nil, nil
	}
	t, err := d.replace(d.ctx, desc)
	if err != nil {
		return nil, err
	}
	return t, d.kv.Barrier(d.ctx)
}

// Delete drops a table; check may refuse. Rows are removed in the background. It returns the table
// as it was.
func (d *DB) Delete(ctx context.Context, ns schema.Namespace, name string, check func(*Table) error) (*Table, error) {
	old, err := d.delete(ctx, ns, name, check)
	if err == nil && d.delay == 0 {
		d.awaitStream(ctx, old)
	}
	return old, err
}

// delete is Delete without the wait for the end of the stream.
func (d *DB) delete(ctx context.Context, ns schema.Namespace, name string, check func(*Table) error) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	old := d.Lookup(ns, name)
	if old == nil {
		return nil, ErrTableNotFound
	}
	if err := check(old); err != nil {
		return nil, err
	}
	desc := old.Clone()
	desc.BeginDelete(d.now().Add(d.delay))
	if d.delay == 0 {
		return old, d.forget(ctx, desc)
	}
	t, err := d.replace(ctx, desc)
	if err != nil {
		return nil, err
	}
	d.startJobs(t)
	return old, nil
}

// forget takes the name of a table out of the catalog and sees to it that its rows are removed. The
// caller holds d.schema.
func (d *DB) forget(ctx context.Context, desc *schema.Descriptor) error {
	desc.State = schema.StateDropped
	desc.Epoch++
	streams := d.settleStream(desc)
	t := newTable(desc)
	err := d.store(ctx, t, streams, func(tx kv.Txn) { tx.Delete(schema.NameKey(t.Namespace, t.Name)) })
	if err != nil {
		return err
	}
	d.publish(t, streams)
	d.startJobs(t)
	return nil
}

// busyUntil is until when a change that is made now takes. Without a delay it is over at once, also
// for a clock that is set back later.
func (d *DB) busyUntil(now time.Time) time.Time {
	if d.delay == 0 {
		return time.Time{}
	}
	return now.Add(d.delay)
}

// newUUID is a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// awaitJobs waits a little until the table's indexes, that by expiry too, are as they should be: on
// a small table they are then ready with the next request.
func (d *DB) awaitJobs(ctx context.Context, t *Table) {
	d.await(ctx, t, func() bool {
		c := d.catalog.Load().byID[t.ID]
		return c == nil || c.Settled()
	})
}

// awaitStream waits a little until the stream that the table had is closed, if it has ended.
func (d *DB) awaitStream(ctx context.Context, old *Table) {
	d.await(ctx, old, func() bool {
		s := d.catalog.Load().streams[old.StreamID]
		return s == nil || s.Ended.IsZero() || s.Ends != nil
	})
}

// A table is small if it has at most so many items and bytes: jobs on it take milliseconds.
const (
	smallItems = 256
	smallBytes = 1 << 20
)

// How long a request waits for a job, in real time. The job of a small table is waited for on a
// busy machine too: it takes longer only if something is wrong.
const (
	patience      = 100 * time.Millisecond
	smallPatience = 10 * time.Second
)

// await polls done, which is about a job of the table, for as long as it is worth waiting.
func (d *DB) await(ctx context.Context, t *Table, done func() bool) {
	end := time.Now().Add(patience)
	if items, bytes := d.Counts(t, nil); items <= smallItems && bytes <= smallBytes {
		end = time.Now().Add(smallPatience)
	}
	for !done() && time.Now().Before(end) && ctx.Err() == nil && d.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// stopped tells whether a job ended because the database is being closed.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, kv.ErrClosed)
}
