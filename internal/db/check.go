package db

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// Problem is one thing that Check found. Table is empty where it belongs to none.
type Problem struct {
	Table  string
	Detail string
}

func (p Problem) String() string { return p.Table + ": " + p.Detail }

// maxProblems is how many problems Check lists before it gives up.
const maxProblems = 1000

// checker is a Check in progress.
type checker struct {
	d        *DB
	r        kv.Reader
	tables   map[uint32]*Table
	counts   map[uint32]map[uint32]kv.Count // by table and section
	problems []Problem
	rows     int64
	progress func(int64)
}

// Check verifies the whole database: the catalog, streams and tables against each other, every row's form, every index row
// against its item and back, counters against a recount, orphans. It wants a database at rest: writes or schema changes meanwhile look like problems.
// progress, if not nil, is told the rows seen so far now and then. The error is that of reading; what is wrong with the
// data is in the problems, of which at most 1000 are listed.
func (d *DB) Check(ctx context.Context, progress func(rows int64)) ([]Problem, error) {
	c := &checker{d: d, tables: d.catalog.Load().byID, counts: map[uint32]map[uint32]kv.Count{}, progress: progress}
	err := d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		c.r = r
		if err := c.catalog(); err != nil {
			return err
		}
		if err := c.tokens(); err != nil {
			return err
		}
		if err := c.logs(); err != nil {
			return err
		}
		prefix := []byte{spaceRows}
		return r.Scan(kv.Range{Start: prefix, End: prefixEnd(prefix)}, false, func(key, value []byte) (bool, error) {
			if c.rows++; c.progress != nil && c.rows%10000 == 0 {
				c.progress(c.rows)
			}
			c.row(key, value)
			return len(c.problems) < maxProblems, ctx.Err()
		})
	})
	if err == nil && len(c.problems) < maxProblems {
		c.counters()
	}
	return c.problems, err
}

// note notes a problem of table id.
func (c *checker) note(id uint32, format string, args ...any) {
	name := fmt.Sprintf("table id %d", id)
	if t := c.tables[id]; t != nil {
		name = t.Name
	}
	c.problems = append(c.problems, Problem{name, fmt.Sprintf(format, args...)})
}

// catalog checks that names and descriptors belong to each other.
func (c *checker) catalog() error {
	prefix, named := []byte{spaceCatalog, catalogName}, map[uint32]bool{}
	err := c.r.Scan(kv.Range{Start: prefix, End: prefixEnd(prefix)}, false, func(key, value []byte) (bool, error) {
		if len(value) != 4 {
			c.problems = append(c.problems, Problem{"", fmt.Sprintf("catalog name %x has no table id", key)})
			return true, nil
		}
		id := binary.BigEndian.Uint32(value)
		named[id] = true
		if t := c.tables[id]; t == nil || string(nameKey(t.Namespace, t.Name)) != string(key) {
			c.note(id, "catalog name %x stands for no descriptor", key)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for id, t := range c.tables {
		raw, err := c.r.Get(descriptorKey(id))
		if err != nil {
			return err
		}
		var stored Descriptor
		switch {
		case json.Unmarshal(raw, &stored) != nil || stored.Epoch != t.Epoch:
			c.note(id, "the stored descriptor is not the one in use")
		case t.State != StateDropped && !named[id]:
			c.note(id, "the descriptor has no catalog name")
		}
	}
	return nil
}

// logs checks that a stream either is the one that its table writes, or has ended, and that no table writes another.
func (c *checker) logs() error {
	written := map[uint64]bool{}
	err := c.r.Scan(catalogRange(catalogLog), false, func(key, value []byte) (bool, error) {
		l, err := parseLog(key, value)
		if err != nil || string(logKey(l.ID)) != string(key) {
			c.problems = append(c.problems, Problem{"", fmt.Sprintf("stream row %x: another stream's, or %v", key, err)})
			return true, nil
		}
		if !l.Ended.IsZero() {
			return true, nil
		}
		written[l.ID] = true
		if t := c.tables[l.TableID]; t == nil || t.StreamLog != l.ID {
			c.note(l.TableID, "stream %s has not ended, and the table does not write it", l.Label)
		}
		return true, nil
	})
	for id, t := range c.tables {
		if t.StreamLog != 0 && !written[t.StreamLog] {
			c.note(id, "the table writes stream %s, which has ended, or is not there", t.StreamLabel)
		}
	}
	return err
}

// row checks one row of any section.
func (c *checker) row(key, value []byte) {
	if len(key) < kv.FrontLen {
		c.problems = append(c.problems, Problem{"", fmt.Sprintf("key %x is too short", key)})
		return
	}
	id, section := binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint16(key[5:])
	t := c.tables[id]
	switch {
	case t == nil:
		c.note(id, "row %x belongs to no table", key)
		return
	case t.State == StateDropped:
		return // being removed
	}
	if section == sectionExpiry {
		c.expiry(t, key, value)
		return
	}
	it, err := item.Parse(value)
	if err == nil {
		err = it.Verify()
	}
	if err != nil {
		c.note(id, "row %x: %v", key, err)
		return
	}
	if section == sectionItems {
		c.item(t, key, it)
		return
	}
	for _, p := range t.plans {
		if p.x.ID == section {
			c.entry(t, p, key, it)
			return
		}
	}
	c.note(id, "row %x belongs to no index", key)
}

// count counts a row of a section.
func (c *checker) count(t *Table, section uint16, it item.Item) {
	if c.counts[t.ID] == nil {
		c.counts[t.ID] = map[uint32]kv.Count{}
	}
	n := c.counts[t.ID][uint32(section)]
	n.Items++
	n.Bytes += int64(it.Size())
	c.counts[t.ID][uint32(section)] = n
}

// item checks an item and that its index rows are there.
func (c *checker) item(t *Table, key []byte, it item.Item) {
	c.count(t, sectionItems, it)
	if err := t.checkOwnKey(it); err != nil {
		c.note(t.ID, "item %x: %v", key, err)
		return
	}
	if string(t.appendItemKey(nil, it)) != string(key) {
		c.note(t.ID, "item %x stands under another item's key", key)
	}
	c.expiryOf(t, key, it)
	for _, p := range t.plans {
		rowKey, ok := p.appendKey(nil, t, it)
		if !ok || p.x.State != StatePublic {
			continue
		}
		switch row, err := getItem(c.r, rowKey); {
		case err != nil:
			c.note(t.ID, "index %s: row of item %x: %v", p.x.Name, key, err)
		case !row.Exists():
			c.note(t.ID, "index %s has no row for item %x", p.x.Name, key)
		case !item.SameAttributes(row, p.entry(it)):
			c.note(t.ID, "index %s: the row of item %x differs from it", p.x.Name, key)
		}
	}
}

// expiryOf checks that an item's expiry row is there.
func (c *checker) expiryOf(t *Table, key []byte, it item.Item) {
	if t.Expiry == nil || t.Expiry.State != StatePublic {
		return
	}
	seconds, ok := t.expiryTime(it)
	if !ok {
		return
	}
	if row, err := c.r.Get(appendExpiryKey(nil, key, seconds)); err != nil || row == nil {
		c.note(t.ID, "item %x expires at %d and has no row that says so (%v)", key, seconds, err)
	}
}

// expiry checks an expiry row against its item.
func (c *checker) expiry(t *Table, key, value []byte) {
	switch {
	case t.Expiry == nil || t.Expiry.State == StateDropped:
		c.note(t.ID, "row %x is about expiry, and nothing expires", key)
		return
	case t.Expiry.State == StateAbsent:
		return // being removed
	case len(value) != 0:
		c.note(t.ID, "expiry row %x has a value", key)
	}
	it, err := getItem(c.r, appendExpiringKey(nil, key))
	if err != nil || !it.Exists() {
		c.note(t.ID, "expiry row %x has no item (%v)", key, err)
		return
	}
	if seconds, ok := t.expiryTime(it); !ok || seconds != expirySecond(key) {
		c.note(t.ID, "expiry row %x is not that of its item", key)
	}
}

// entry checks an index row against its item.
func (c *checker) entry(t *Table, p *indexPlan, key []byte, row item.Item) {
	c.count(t, p.x.ID, row)
	if p.x.State == StateAbsent {
		return // being removed
	}
	if err := t.checkOwnKey(row); err != nil {
		c.note(t.ID, "index %s: row %x: %v", p.x.Name, key, err)
		return
	}
	it, err := getItem(c.r, t.appendItemKey(nil, row))
	if err != nil || !it.Exists() {
		c.note(t.ID, "index %s: row %x has no item (%v)", p.x.Name, key, err)
		return
	}
	rowKey, ok := p.appendKey(nil, t, it)
	if !ok || string(rowKey) != string(key) || !item.SameAttributes(row, p.entry(it)) {
		c.note(t.ID, "index %s: row %x is not that of its item", p.x.Name, key)
	}
}

// counters compares the counters with what was counted.
func (c *checker) counters() {
	for id, t := range c.tables {
		if t.State == StateDropped {
			continue
		}
		left := c.counts[id]
		for _, n := range c.d.kv.Counter(uint64(id)) {
			if want := left[n.Section]; want.Items != n.Items || want.Bytes != n.Bytes {
				c.note(id, "section %d counts %d rows of %d bytes, and has %d of %d", n.Section, n.Items, n.Bytes, want.Items, want.Bytes)
			}
			delete(left, n.Section)
		}
		for section, n := range left {
			c.note(id, "section %d counts nothing, and has %d rows", section, n.Items)
		}
	}
}
