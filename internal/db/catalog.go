package db

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// catalog is all tables and streams at one moment. It never changes; a schema change makes a new
// one.
type catalog struct {
	byID    map[uint32]*Table
	streams map[uint64]*Stream
	spaces  map[schema.Namespace]*space // without tables that are dropped
	// streamsByPath are the streams in the order of their ARNs.
	streamsByPath map[schema.Namespace][]*Stream
	weight        int64 // what it takes in memory, in bytes
}

// space is the tables of one namespace.
type space struct {
	byName map[string]*Table
	names  []string // byName's keys, sorted
}

// newCatalog derives a catalog from its tables and streams.
func newCatalog(byID map[uint32]*Table, streams map[uint64]*Stream) *catalog {
	c := &catalog{
		byID: byID, streams: streams,
		spaces: map[schema.Namespace]*space{}, streamsByPath: map[schema.Namespace][]*Stream{},
	}
	for _, t := range byID {
		if t.State == schema.StateDropped {
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
	for _, stream := range streams {
		c.streamsByPath[stream.Namespace] = append(c.streamsByPath[stream.Namespace], stream)
	}
	for _, ls := range c.streamsByPath {
		slices.SortFunc(ls, func(a, b *Stream) int { return strings.Compare(a.Path(), b.Path()) })
	}
	c.weigh()
	return c
}

// named returns the table with the name, or nil.
func (d *DB) named(ns schema.Namespace, name string) *Table {
	if s := d.catalog.Load().spaces[ns]; s != nil {
		return s.byName[name]
	}
	return nil
}

// change replaces the catalog by one whose tables and streams edit has changed. The caller holds
// d.schema.
func (d *DB) change(edit func(*catalog)) {
	old := d.catalog.Load()
	c := &catalog{byID: maps.Clone(old.byID), streams: maps.Clone(old.streams)}
	edit(c)
	d.catalog.Store(newCatalog(c.byID, c.streams))
}

// publish puts t in place of the table with its id, and streams in place of those with theirs;
// writers see it from now on, and what is under way begins. The caller holds d.schema.
func (d *DB) publish(t *Table, streams []*Stream) {
	d.change(func(c *catalog) {
		for _, s := range streams {
			c.streams[s.ID] = s
		}
		t.setShards(c.streams)
		d.equip(t, streams)
		c.byID[t.ID] = t
	})
	for _, s := range streams {
		d.startStreamJobs(s)
	}
}

// setShards tells a table that is not published yet how many shards its stream has.
func (t *Table) setShards(streams map[uint64]*Stream) {
	if s := streams[t.StreamID]; s != nil {
		t.shards = s.Shards
	}
}

// loadCatalog reads all descriptors, of tables and of streams.
func (d *DB) loadCatalog() error {
	byID, streams := map[uint32]*Table{}, map[uint64]*Stream{}
	err := d.kv.View(d.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		id, err := r.Get(schema.NextIDKey())
		if err != nil {
			return err
		}
		d.nextID = 1
		switch next, ok := schema.ReadTableID(id); {
		case ok:
			d.nextID = next
		case id != nil:
			f := schema.Faults{fmt.Sprintf("the next table id is %d bytes long", len(id))}
			return f.Refuse("row %x", schema.NextIDKey())
		}
		// Streams first: a table takes its number of shards from its stream.
		err = r.Scan(schema.StreamRange(), kv.Forward, func(key, value []byte) (bool, error) {
			parsed, f := schema.ParseStream(key, value)
			if f.Given(parsed.TableID, d.nextID); f != nil {
				return false, f.Refuse("stream %s of table %q, row %x", parsed.Label, parsed.Table, key)
			}
			stream := &Stream{Stream: *parsed}
			d.equipStream(stream)
			streams[stream.ID] = stream
			return true, nil
		})
		if err != nil {
			return err
		}
		return r.Scan(schema.DescriptorRange(), kv.Forward, func(key, value []byte) (bool, error) {
			desc, f := schema.ParseDescriptor(key, value)
			if f.Given(desc.ID, d.nextID); f != nil {
				return false, f.Refuse("table %q, row %x", desc.Name, key)
			}
			t := newTable(desc)
			t.setShards(streams)
			d.equip(t, nil)
			byID[desc.ID] = t
			return true, nil
		})
	})
	d.catalog.Store(newCatalog(byID, streams))
	return err
}

// Freeze keeps the catalog, in memory and stored, as it is until release is called; further calls
// of release do nothing. It returns all tables. It is for check.Run, which compares the two.
func (d *DB) Freeze() (tables map[uint32]*schema.Table, release func()) {
	d.schema.Lock()
	tables = map[uint32]*schema.Table{}
	for id, t := range d.catalog.Load().byID {
		tables[id] = &t.Table
	}
	return tables, sync.OnceFunc(d.schema.Unlock)
}

// Lookup returns the table by name in any state, DELETING included, for the control plane; nil if
// there is none.
func (d *DB) Lookup(ns schema.Namespace, name string) *Table {
	t := d.named(ns, name)
	if t == nil || d.deleted(t) {
		return nil
	}
	return t
}

// Table returns a table that is ready for items, for the data plane. Otherwise ErrTableNotFound: in
// particular while it is CREATING.
func (d *DB) Table(ns schema.Namespace, name string) (*Table, error) {
	t := d.named(ns, name)
	if t == nil || t.State != schema.StatePublic ||
		t.Busy == schema.StatusCreating && schema.Busy(t.BusyUntil, d.now()) {
		return nil, ErrTableNotFound
	}
	return t, nil
}

// List returns at most limit names of tables after the given name, in order, and whether more
// follow.
func (d *DB) List(ns schema.Namespace, after string, limit int) (names []string, more bool) {
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
	if t.State != schema.StateNoWrites || schema.Busy(t.BusyUntil, d.now()) {
		return false
	}
	d.startJob(t, nil, d.drop)
	return true
}

// current returns the table with t's id as it stands now. ErrTableNotFound if it takes no writes
// any more.
func (d *DB) current(t *Table) (*Table, error) {
	c := d.catalog.Load().byID[t.ID]
	if c == nil || c.State != schema.StatePublic {
		return nil, ErrTableNotFound
	}
	return c, nil
}
