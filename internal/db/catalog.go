package db

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// catalog is all tables and streams at one moment. It never changes; a schema change makes a new one.
type catalog struct {
	byID   map[uint32]*Table
	logs   map[uint64]*Log
	spaces map[Namespace]*space // without tables that are dropped
	// streams are the logs in the order of their ARNs.
	streams map[Namespace][]*Log
	weight  int64 // what it takes in memory, in bytes
}

// space is the tables of one namespace.
type space struct {
	byName map[string]*Table
	names  []string // byName's keys, sorted
}

// newCatalog derives a catalog from its tables and logs.
func newCatalog(byID map[uint32]*Table, logs map[uint64]*Log) *catalog {
	c := &catalog{byID: byID, logs: logs, spaces: map[Namespace]*space{}, streams: map[Namespace][]*Log{}}
	for _, t := range byID {
		if t.State == StateDropped {
			continue
		}
		s := c.spaces[t.Namespace]
		if s == nil {
			s = &space{byName: map[string]*Table{}}
			c.spaces[t.Namespace] = s
		}
		s.byName[t.Name] = t
	}
	for _, s := range c.spaces {
		s.names = slices.Sorted(maps.Keys(s.byName))
	}
	for _, l := range logs {
		c.streams[l.Namespace] = append(c.streams[l.Namespace], l)
	}
	for _, ls := range c.streams {
		slices.SortFunc(ls, func(a, b *Log) int { return strings.Compare(a.path, b.path) })
	}
	c.weigh()
	return c
}

// named returns the table with the name, or nil.
func (d *DB) named(ns Namespace, name string) *Table {
	if s := d.catalog.Load().spaces[ns]; s != nil {
		return s.byName[name]
	}
	return nil
}

// change replaces the catalog by one whose tables and logs edit has changed. The caller holds d.schema.
func (d *DB) change(edit func(*catalog)) {
	old := d.catalog.Load()
	c := &catalog{byID: maps.Clone(old.byID), logs: maps.Clone(old.logs)}
	edit(c)
	d.catalog.Store(newCatalog(c.byID, c.logs))
}

// publish puts t in place of the table with its id, and logs in place of those with theirs; writers see it from now on, and
// what is under way begins. The caller holds d.schema.
func (d *DB) publish(t *Table, logs []*Log) {
	d.change(func(c *catalog) {
		for _, l := range logs {
			c.logs[l.ID] = l
		}
		t.setShards(c.logs)
		d.equip(t, logs)
		c.byID[t.ID] = t
	})
	for _, l := range logs {
		d.startLogJobs(l)
	}
}

// setShards tells a table that nobody has seen yet how many shards its log has.
func (t *Table) setShards(logs map[uint64]*Log) {
	if l := logs[t.StreamLog]; l != nil {
		t.shards = l.Shards
	}
}

// loadCatalog reads all descriptors, of tables and of streams.
func (d *DB) loadCatalog() error {
	byID, logs := map[uint32]*Table{}, map[uint64]*Log{}
	err := d.kv.View(d.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		id, err := r.Get(nextIDKey())
		if err != nil {
			return err
		}
		d.nextID = 1
		switch {
		case len(id) == 4:
			d.nextID = binary.BigEndian.Uint32(id)
		case id != nil:
			return faults{fmt.Sprintf("the next table id is %d bytes long", len(id))}.refuse("row %x", nextIDKey())
		}
		err = r.Scan(catalogRange(catalogLog), false, func(key, value []byte) (bool, error) {
			l, f := parseLog(key, value)
			if f.given(l.TableID, d.nextID); f != nil {
				return false, f.refuse("stream %s of table %q, row %x", l.Label, l.Table, key)
			}
			logs[l.ID] = l
			d.equipLog(l)
			return true, nil
		})
		if err != nil {
			return err
		}
		return r.Scan(catalogRange(catalogDescriptor), false, func(key, value []byte) (bool, error) {
			desc, f := parseDescriptor(key, value)
			if f.given(desc.ID, d.nextID); f != nil {
				return false, f.refuse("table %q, row %x", desc.Name, key)
			}
			t := newTable(desc)
			t.setShards(logs)
			d.equip(t, nil)
			byID[desc.ID] = t
			return true, nil
		})
	})
	d.catalog.Store(newCatalog(byID, logs))
	return err
}

// Lookup returns the table by name in any state, DELETING included, for the control plane; nil if there is none.
func (d *DB) Lookup(ns Namespace, name string) *Table {
	t := d.named(ns, name)
	if t == nil || d.deleted(t) {
		return nil
	}
	return t
}

// Table returns a table that is ready for items, for the data plane. Otherwise ErrTableNotFound: in particular while it
// is CREATING.
func (d *DB) Table(ns Namespace, name string) (*Table, error) {
	t := d.named(ns, name)
	if t == nil || t.State != StatePublic || t.Busy == StatusCreating && Busy(t.BusyUntil, d.now()) {
		return nil, ErrTableNotFound
	}
	return t, nil
}

// List returns at most limit names of tables after the given name, in order, and whether more follow.
func (d *DB) List(ns Namespace, after string, limit int) (names []string, more bool) {
	s := d.catalog.Load().spaces[ns]
	if s == nil {
		return nil, false
	}
	from := sort.SearchStrings(s.names, after)
	for _, name := range s.names[from:] {
		switch {
		case name == after || d.deleted(s.byName[name]):
		case len(names) == limit:
			return names, true
		default:
			names = append(names, name)
		}
	}
	return names, false
}

// deleted tells whether t is a table whose time in DELETING is over. If so, it sees to its end.
func (d *DB) deleted(t *Table) bool {
	if t.State != StateNoWrites || Busy(t.BusyUntil, d.now()) {
		return false
	}
	d.startJob(t, nil, d.drop)
	return true
}

// Create makes a table of the descriptor, whose ID, Epoch, UUID, Created, State, and those of its indexes, it sets. If
// the name is taken: ErrTableExists (look at Lookup for its status). ErrCatalogFull if there is no memory for one more.
func (d *DB) Create(ctx context.Context, desc *Descriptor) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if old := d.named(desc.Namespace, desc.Name); old != nil {
		if !d.deleted(old) {
			return nil, ErrTableExists
		}
		if err := d.forget(ctx, old.clone()); err != nil {
			return nil, err
		}
	}
	if err := d.admit(nil, desc); err != nil {
		return nil, err
	}
	now := d.now()
	desc = desc.clone()
	desc.Format, desc.ID, desc.Epoch, desc.UUID = descriptorFormat, d.nextID, 1, newUUID()
	desc.Created = now
	desc.beginCreate(d.busyUntil(now))
	desc.NextIndex = firstIndexID
	for i := range desc.Indexes {
		x := &desc.Indexes[i]
		x.ID, x.Phase, x.Created = desc.NextIndex, phasePublic, now
		desc.NextIndex++
	}
	slices.SortFunc(desc.Attributes, func(a, b AttributeDefinition) int { return strings.Compare(a.Name, b.Name) })
	logs := d.settleLog(desc)
	t := newTable(desc)
	err := d.store(ctx, t, logs, func(tx kv.Txn) {
		tx.Set(nextIDKey(), binary.BigEndian.AppendUint32(nil, desc.ID+1))
		tx.Set(nameKey(desc.Namespace, desc.Name), binary.BigEndian.AppendUint32(nil, desc.ID))
	})
	if err != nil {
		return nil, err
	}
	d.nextID++
	d.publish(t, logs)
	return t, nil
}

// store writes a table's descriptor, the logs that change with it, and what more writes besides. The caller holds d.schema. A
// descriptor that could not be read again is not stored.
func (d *DB) store(ctx context.Context, t *Table, logs []*Log, more func(kv.Txn)) error {
	if f := t.verify(); f != nil {
		return fmt.Errorf("the descriptor of table %q is not stored: %s", t.Name, f)
	}
	b, err := json.Marshal(&t.Descriptor)
	if err != nil {
		return fmt.Errorf("descriptor of %s: %w", t.Name, err)
	}
	lock := [][]byte{descriptorKey(t.ID), nameKey(t.Namespace, t.Name), nextIDKey()}
	for _, l := range logs {
		lock = append(lock, logKey(l.ID))
	}
	return d.kv.Update(ctx, kv.WriteOptions{Lock: lock, MakesRoom: t.shrinks()}, func(tx kv.Txn) error {
		tx.Set(descriptorKey(t.ID), b)
		for _, l := range logs {
			if err := setLog(tx, l); err != nil {
				return err
			}
		}
		if more != nil {
			more(tx)
		}
		return nil
	})
}

// Alter changes a table. change gets a copy of its descriptor, edits the copy, or returns an error,
// which Alter returns unchanged. It may be called more than once. An index that it appended (ID 0)
// is built in the background, one that it dropped (Index.Drop) is removed; at most one of either
// (the caller checks). A stream begins or ends as it sets or clears StreamViewType. busy makes the
// table UPDATING for TableDelay. Alter returns the table before and after. ErrTableNotFound if
// there is none, ErrCatalogFull if there is no memory for what it adds.
func (d *DB) Alter(ctx context.Context, ns Namespace, name string, busy bool, change func(*Descriptor) error) (old, new *Table, err error) {
	old, new, err = d.alter(ctx, ns, name, busy, change)
	if err == nil && d.delay == 0 {
		d.awaitJobs(ctx, new)
		d.awaitLog(ctx, old)
	}
	return old, new, err
}

// alter is Alter without the wait for a quick job.
func (d *DB) alter(ctx context.Context, ns Namespace, name string, busy bool, change func(*Descriptor) error) (old, new *Table, err error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	if old = d.Lookup(ns, name); old == nil {
		return nil, nil, ErrTableNotFound
	}
	desc := old.clone()
	if err := change(desc); err != nil {
		return old, nil, err
	}
	if err := d.admit(&old.Descriptor, desc); err != nil {
		return old, nil, err
	}
	now := d.now()
	desc = desc.clone() // change may have put in strings that are not its own
	for i := range desc.Indexes {
		switch x := &desc.Indexes[i]; {
		case x.ID == 0:
			x.ID, x.Phase, x.Created = desc.NextIndex, phaseComing, now
			desc.NextIndex++
			if busy {
				x.BusyUntil = d.busyUntil(now)
			}
		case x.marked():
			x.BusyUntil = now.Add(d.delay)
		}
	}
	if busy && d.delay > 0 {
		desc.beginUpdate(now.Add(d.delay))
	}
	if new, err = d.replace(ctx, desc); err != nil {
		return old, nil, err
	}
	d.startJobs(new)
	return old, new, nil
}

// replace stores and publishes a changed descriptor. The caller holds d.schema.
func (d *DB) replace(ctx context.Context, desc *Descriptor) (*Table, error) {
	desc.Epoch++
	slices.SortFunc(desc.Attributes, func(a, b AttributeDefinition) int { return strings.Compare(a.Name, b.Name) })
	logs := d.settleLog(desc)
	t := newTable(desc)
	if err := d.store(ctx, t, logs, nil); err != nil {
		return nil, err
	}
	d.publish(t, logs)
	return t, nil
}

// step is replace for the background jobs: it edits the descriptor that the table has by now, and returns when no writer
// holds an older one. A nil table says that the table is gone, or that change returned false.
func (d *DB) step(id uint32, change func(*Descriptor) bool) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	old := d.catalog.Load().byID[id]
	if old == nil || old.State != StatePublic {
		return nil, nil
	}
	desc := old.clone()
	if !change(desc) {
		return nil, nil
	}
	t, err := d.replace(d.ctx, desc)
	if err != nil {
		return nil, err
	}
	return t, d.kv.Barrier(d.ctx)
}

// Delete drops a table; check may refuse. Rows are removed in the background. It returns the table as it was.
func (d *DB) Delete(ctx context.Context, ns Namespace, name string, check func(*Table) error) (*Table, error) {
	old, err := d.delete(ctx, ns, name, check)
	if err == nil && d.delay == 0 {
		d.awaitLog(ctx, old)
	}
	return old, err
}

// delete is Delete without the wait for the end of the stream.
func (d *DB) delete(ctx context.Context, ns Namespace, name string, check func(*Table) error) (*Table, error) {
	d.schema.Lock()
	defer d.schema.Unlock()
	old := d.Lookup(ns, name)
	if old == nil {
		return nil, ErrTableNotFound
	}
	if err := check(old); err != nil {
		return nil, err
	}
	desc := old.clone()
	desc.beginDelete(d.now().Add(d.delay))
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

// forget takes the name of a table out of the catalog and sees to it that its rows are removed. The caller holds d.schema.
func (d *DB) forget(ctx context.Context, desc *Descriptor) error {
	desc.State = StateDropped
	desc.Epoch++
	logs := d.settleLog(desc)
	t := newTable(desc)
	err := d.store(ctx, t, logs, func(tx kv.Txn) { tx.Delete(nameKey(t.Namespace, t.Name)) })
	if err != nil {
		return err
	}
	d.publish(t, logs)
	d.startJobs(t)
	return nil
}

// current returns the table with t's id as it stands now. ErrTableNotFound if it takes no writes any more.
func (d *DB) current(t *Table) (*Table, error) {
	c := d.catalog.Load().byID[t.ID]
	if c == nil || c.State != StatePublic {
		return nil, ErrTableNotFound
	}
	return c, nil
}

// busyUntil is until when a change that is made now takes. Without a delay it is over at once, also for a clock that is set back
// later.
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

// awaitJobs waits a little until the table's indexes, that by expiry too, are as they shall be: on a small table they are then
// ready with the next request.
func (d *DB) awaitJobs(ctx context.Context, t *Table) {
	d.await(ctx, t, func() bool {
		c := d.catalog.Load().byID[t.ID]
		return c == nil || c.settled()
	})
}

// settled tells whether the table's indexes, that by expiry too, are as they shall be.
func (t *Table) settled() bool {
	return t.Expiry.settled() && !slices.ContainsFunc(t.Indexes, func(x Index) bool { return !x.settled() })
}

// awaitLog waits a little until the log that the table had is closed, if it has ended.
func (d *DB) awaitLog(ctx context.Context, old *Table) {
	d.await(ctx, old, func() bool {
		l := d.catalog.Load().logs[old.StreamLog]
		return l == nil || l.Ended.IsZero() || l.Ends != nil
	})
}

// A table is small if it has at most so many items and bytes: jobs on it take milliseconds.
const (
	smallItems = 256
	smallBytes = 1 << 20
)

// How long a request waits for a job, in real time. The job of a small table is waited for on a busy machine too: it takes longer
// only if something is wrong.
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
