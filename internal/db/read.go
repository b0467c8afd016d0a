package db

import (
	"context"
	"fmt"

	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// maxPageBytes ends a page: the row that makes the sum of sizes reach it is the last one.
const maxPageBytes = 1 << 20

// reader is the scratch memory of one point read, reused.
type reader struct {
	d    *DB
	do   func(kv.Reader) error // r.run, bound once
	key  []byte
	fn   func(item.Item) error
	size int // of the item
}

func newReader(d *DB) *reader {
	r := &reader{d: d}
	r.do = r.run
	return r
}

// run reads the item and hands it on.
func (r *reader) run(kr kv.Reader) error {
	it, err := getItem(kr, r.key)
	if err != nil {
		return err
	}
	r.size = it.Size()
	return r.fn(it)
}

// Get calls fn with the item of the key, missing if there is none. The item is valid during fn.
func (d *DB) Get(ctx context.Context, t *Table, key item.Item, consistent bool, fn func(item.Item) error) error {
	r := d.readers.Get().(*reader)
	defer func() {
		r.fn = nil
		d.readers.Put(r)
	}()
	r.key, r.fn = t.AppendItemKey(r.key[:0], key), fn
	err := d.kv.View(ctx, kv.ReadOptions{Consistent: consistent, Follower: !consistent, Apart: true}, r.do)
	if err == nil {
		t.countRead(r.size, consistent)
	}
	return err
}

// GetMany calls fn for each key in order with its item, missing if there is none, until fn returns
// an error, which it returns. Each is a read of its own: they need not be of one moment.
func (d *DB) GetMany(
	ctx context.Context, t *Table, keys []item.Item, consistent bool, fn func(i int, it item.Item) error,
) error {
	rows := make([][]byte, len(keys))
	for i := range keys {
		rows[i] = t.AppendItemKey(nil, keys[i])
	}
	o := kv.ReadOptions{Consistent: consistent, Follower: !consistent, Apart: true}
	return d.getRows(ctx, rows, o, t.counted(consistent, fn))
}

// ItemKey names an item of a table. Key has the table's key attributes, checked.
type ItemKey struct {
	Table *Table
	Key   item.Item
}

// GetEach is GetMany for items of several tables, all read in one consistent view.
func (d *DB) GetEach(ctx context.Context, keys []ItemKey, fn func(i int, it item.Item) error) error {
	rows := make([][]byte, len(keys))
	for i, k := range keys {
		rows[i] = k.Table.AppendItemKey(nil, k.Key)
	}
	return d.getRows(ctx, rows, kv.ReadOptions{Consistent: true}, countedEach(keys, fn))
}

func (d *DB) getRows(ctx context.Context, rows [][]byte, o kv.ReadOptions, fn func(i int, it item.Item) error) error {
	return d.kv.View(ctx, o, func(r kv.Reader) error {
		return r.GetMulti(rows, func(i int, raw []byte) error {
			if raw == nil {
				return fn(i, item.Item{})
			}
			it, err := item.Parse(raw)
			if err != nil {
				return fmt.Errorf("item %x: %w", rows[i], err)
			}
			return fn(i, it)
		})
	})
}

// Read is a page of a Query or a Scan.
type Read struct {
	Table      *Table
	Index      *schema.Index // nil: the table
	Consistent bool
	Reverse    bool
	Limit      int // items evaluated at most; 0: no limit
	// Spent is how many bytes of its 1 MB the page has evaluated already, by Reads before this one.
	Spent int64
	// Query: Hash has the values of all hash attributes in key order, and Range the conditions on
	// the first range attributes, in key order, checked against the schema (all but the last are
	// EQ). A Scan has Hash nil, and Segment of Segments (0 means 1).
	Hash              []item.Value
	Range             []expr.KeyPart
	Segment, Segments int
	// After, if it exists, is a LastEvaluatedKey, checked: the page begins strictly behind it.
	After  item.Item
	Filter *expr.Condition // nil: none
	// Fetch reads each matched row's item from the table: a local index asked for attributes it
	// does not project.
	Fetch bool
}

// Page is what a Read evaluated.
type Page struct {
	Count, Scanned int
	// Bytes is the sum of the evaluated rows' sizes, from which the capacity units are computed.
	Bytes int64
	// Fetched are the read units of the items that Fetch read, each rounded up alone.
	Fetched float64
	// Last is the LastEvaluatedKey (a copy), missing if the data ended.
	Last item.Item
}

// Units are the read units of a page of r: of the table, and of the index if r reads one. Then
// those of the table are for the items that were fetched from it.
func (r *Read) Units(page *Page) (table, index float64) {
	units := capacity.PageUnits(page.Bytes, r.Consistent)
	if r.Index == nil {
		return units, 0
	}
	return page.Fetched, units
}

// section is the section that the read walks.
func (r *Read) section() uint16 {
	if r.Index == nil {
		return schema.SectionItems
	}
	return r.Index.ID
}

// rows is the range of keys that the read walks. It lies in b.
func (r *Read) rows(b *schema.Bounds) kv.Range {
	var rows kv.Range
	if r.Hash != nil {
		rows = r.Table.QueryRange(b, r.Index, r.Hash, r.Range)
	} else {
		rows = schema.SegmentRange(b, r.Table.ID, r.section(), r.Segment, max(1, r.Segments))
	}
	if !r.After.Exists() {
		return rows
	}
	switch key := r.Table.RowKey(r.Index, r.After); {
	case r.Reverse && string(key) < string(rows.End):
		rows.End = key
	case !r.Reverse && string(key) >= string(rows.Start):
		rows.Start = append(key, 0)
	}
	return rows
}

// within is the front of the lock keys of all rows that the read walks, made in b; nil if there are
// several. A Query of the table or of a local index stays within one partition, whose writes all
// lock keys with the front of its items.
func (r *Read) within(b *schema.Bounds) []byte {
	if r.Hash == nil || r.Index != nil && r.Index.Kind != schema.LocalIndex {
		return nil
	}
	return b.LockFront()
}

// pager is the scratch memory of one Read, reused.
type pager struct {
	walk func(kv.Reader) error // p.run, bound once
	row  func(key, value []byte) (more bool, err error)

	bounds schema.Bounds

	read *Read
	rows kv.Range
	emit func(item.Item) (more bool, err error)
	kr   kv.Reader
	page Page
}

func newPager() *pager {
	p := new(pager)
	p.walk, p.row = p.run, p.step
	return p
}

// run walks the rows of one view. It may run again from the start.
func (p *pager) run(kr kv.Reader) error {
	p.kr, p.page = kr, Page{}
	direction := kv.Forward
	if p.read.Reverse {
		direction = kv.Backward
	}
	return kr.Scan(p.rows, direction, p.row)
}

func (p *pager) step(key, value []byte) (more bool, err error) {
	it, err := item.Parse(value)
	if err != nil {
		return false, fmt.Errorf("row %x: %w", key, err)
	}
	return p.read.step(p.kr, &p.page, it, p.emit)
}

// Read runs a page. It calls emit for each row that passes the filter; the item is valid during the
// call. A page ends at the Limit, after the row that makes its bytes reach 1 MB, or after a call
// that returned more false, at the end of the data otherwise.
func (d *DB) Read(ctx context.Context, r *Read, emit func(item.Item) (more bool, err error)) (Page, error) {
	p := d.pagers.Get().(*pager)
	defer func() {
		p.read, p.rows, p.emit, p.kr, p.page = nil, kv.Range{}, nil, nil, Page{}
		d.pagers.Put(p)
	}()
	o := kv.ReadOptions{Consistent: r.Consistent, Follower: !r.Consistent}
	p.read, p.emit, p.rows = r, emit, r.rows(&p.bounds)
	if string(p.rows.Start) >= string(p.rows.End) {
		return p.page, nil
	}
	o.Within = r.within(&p.bounds)
	err := d.kv.View(ctx, o, p.walk)
	if err == nil {
		r.countPage(&p.page)
	}
	return p.page, err
}

// step evaluates a row: it counts it, fetches its item if asked to, and emits it if the filter
// holds.
func (r *Read) step(
	kr kv.Reader, page *Page, row item.Item, emit func(item.Item) (bool, error),
) (more bool, err error) {
	page.Scanned++
	page.Bytes += int64(row.Size())
	more, it := true, row
	if r.Fetch {
		if it, err = r.fetch(kr, page, row); err != nil {
			return false, err
		}
	}
	if r.Filter == nil || r.Filter.Holds(it) {
		page.Count++
		if more, err = emit(it); err != nil {
			return false, err
		}
	}
	if !more || page.Scanned == r.Limit || r.Spent+page.Bytes >= maxPageBytes {
		page.Last, err = r.lastKey(row)
		return false, err
	}
	return true, nil
}

// fetch reads the item of an index row from the table.
func (r *Read) fetch(kr kv.Reader, page *Page, row item.Item) (item.Item, error) {
	if err := r.Table.CheckKeyAttributes(row); err != nil {
		return item.Item{}, fmt.Errorf("a row of index %s of table %s is damaged: %w", r.Index.Name, r.Table.Name, err)
	}
	it, err := getItem(kr, r.Table.AppendItemKey(nil, row))
	if err != nil {
		return it, err
	}
	if !it.Exists() {
		return it, fmt.Errorf("index %s of table %s has a row without an item", r.Index.Name, r.Table.Name)
	}
	page.Fetched += capacity.ReadUnits(it.Size(), r.Consistent)
	return it, nil
}

// lastKey is the LastEvaluatedKey that names a row. A row without it is damaged.
func (r *Read) lastKey(row item.Item) (item.Item, error) {
	names := r.Table.LastKeys
	err := r.Table.CheckKeyAttributes(row)
	if r.Index != nil {
		p := r.Table.Plan(r.Index)
		names = p.LastKeys
		if err == nil {
			if _, ok := p.AppendKey(nil, row); !ok {
				err = fmt.Errorf("the key of index %s is not there", r.Index.Name)
			}
		}
	}
	if err != nil {
		return item.Item{}, fmt.Errorf("a row of table %s is damaged: %w", r.Table.Name, err)
	}
	return row.Pick(names), nil
}
