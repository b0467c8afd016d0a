package check

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// The rows of a table and of its indexes lie far apart, and to look up one for each of the other
// would cost more than all the rest. So a first walk through everything adds up digests: of the
// rows that the items ask for, and of those that are there. Only where these differ, each row is
// looked up, to find out which it is.

// digest is the sum of two keyed hashes over rows, in any order. Two sets of rows that differ have
// the same digest about once in 2^128.
type digest [2]uint64

// sectionCheck is what is known of a section of a table.
type sectionCheck struct {
	section uint16
	index   string // its name, if it is one
	items   int64  // rows, and their bytes as counters count them
	bytes   int64
	// uncountable says that a row was damaged, so that its bytes are not known.
	uncountable  bool
	wanted, seen digest
	strays       int64
}

// add adds a row to a digest.
func (c *checker) add(d *digest, key, value []byte) {
	c.scratch = append(append(c.scratch[:0], key...), value...)
	c.scratch = binary.BigEndian.AppendUint32(c.scratch, uint32(len(key)))
	for i, seed := range c.seeds {
		d[i] += maphash.Bytes(seed, c.scratch)
	}
}

// section returns what is known of a section.
func (c *checker) section(t *schema.Table, s uint16) *sectionCheck {
	return c.sectionOf(sectionID{t.ID, s}, t)
}

// sectionOf is section for a table that may not be there.
func (c *checker) sectionOf(s sectionID, t *schema.Table) *sectionCheck {
	p := c.sections[s]
	if p == nil {
		p = &sectionCheck{section: s.section}
		if t != nil {
			if plan := t.PlanOfSection(s.section); plan != nil {
				p.index = plan.Name
			}
		}
		c.sections[s] = p
	}
	return p
}

func (c *checker) rows() error {
	c.done = 0
	return c.r.Scan(schema.RowsRange(), kv.Forward, func(key, value []byte) (bool, error) {
		c.row(key, value)
		return true, c.saw(StageRows, c.total, len(key)+len(value))
	})
}

// row looks at one row of any section.
func (c *checker) row(key, value []byte) {
	front, _, ok := schema.SplitFront(key)
	if !ok {
		c.notef(KindStray, "key %x is too short", key)
		return
	}
	s := sectionID{front.Table, front.Section}
	t := c.tables[s.table]
	switch {
	case t == nil && c.broken[s.table]:
	case t == nil:
		c.sectionOf(s, nil).strays++
	case t.State == schema.StateDropped: // being removed
	case s.section == schema.SectionExpiry:
		c.expiryRow(t, key, value)
	case s.section == schema.SectionItems:
		c.item(t, key, value)
	default:
		c.indexRow(t, s.section, key, value)
	}
}

// parse reads a row, and notes what is wrong with its form.
func (c *checker) parse(t *schema.Table, sec *sectionCheck, key, value []byte) (it item.Item, ok bool) {
	it, err := item.Parse(value)
	if err == nil {
		err = it.Verify()
	}
	sec.items++
	sec.bytes += int64(it.Size())
	if err == nil {
		err = t.CheckKeyAttributes(it)
	}
	if err != nil {
		sec.uncountable = true
		c.noteRow(KindRow, t, key, "%v", err)
	}
	return it, err == nil
}

// item looks at an item, and adds up what it asks of other sections.
func (c *checker) item(t *schema.Table, key, value []byte) {
	c.out.Items++
	it, ok := c.parse(t, c.section(t, schema.SectionItems), key, value)
	if !ok {
		return
	}
	if string(t.AppendItemKey(nil, it)) != string(key) {
		c.noteRow(KindKey, t, key, "the item that stands here has another key")
		return
	}
	if stamp := it.Stamp(); stamp == 0 || c.own.shown && stamp > c.own.bound {
		c.noteRow(KindStamp, t, key, "the item's stamp is %d, and none above %d was given", stamp, c.own.bound)
	}
	var row []byte
	for _, p := range t.Plans {
		if rowKey, ok := p.AppendKey(row[:0], it); ok && p.State == schema.StatePublic {
			row = p.Entry(it).AppendStored(rowKey, 0)
			c.add(&c.section(t, p.ID).wanted, row[:len(rowKey)], row[len(rowKey):])
		}
	}
	if t.Expiry != nil && t.Expiry.State == schema.StatePublic {
		if seconds, ok := t.ExpiryTime(it); ok {
			c.add(&c.section(t, schema.SectionExpiry).wanted, schema.AppendExpiryKey(row[:0], key, seconds), nil)
		}
	}
}

// indexRow looks at the form of an index row.
func (c *checker) indexRow(t *schema.Table, section uint16, key, value []byte) {
	p := t.PlanOfSection(section)
	sec := c.section(t, section)
	switch {
	case p == nil:
		sec.strays++
		return
	case p.State == schema.StateAbsent: // being removed
		return
	}
	c.out.IndexRows++
	c.add(&sec.seen, key, value)
	if it, ok := c.parse(t, sec, key, value); ok && it.Stamp() != 0 {
		c.noteRow(KindStamp, t, key, "a row of an index has a stamp")
	}
}

// expiryRow looks at the form of an expiry row.
func (c *checker) expiryRow(t *schema.Table, key, value []byte) {
	sec := c.section(t, schema.SectionExpiry)
	switch {
	case t.Expiry == nil || t.Expiry.State == schema.StateDropped:
		sec.strays++
		return
	case t.Expiry.State == schema.StateAbsent: // being removed
		return
	case len(value) != 0:
		c.noteRow(KindExpiry, t, key, "the row has a value")
	}
	c.out.ExpiryRows++
	c.add(&sec.seen, key, nil)
}

// compare looks up the rows of those sections of which the digests differ, and of those that are
// not finished.
func (c *checker) compare() error {
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		if t.State == schema.StateDropped {
			continue
		}
		for _, p := range t.Plans {
			sec := c.section(t, p.ID)
			if err := c.compareSection(t, sec, p.State, c.indexWants(t, p), c.indexHas(t, p)); err != nil {
				return err
			}
		}
		if e := t.Expiry; e != nil && e.State != schema.StateDropped {
			sec := c.section(t, schema.SectionExpiry)
			if err := c.compareSection(t, sec, e.State, c.expiryWants(t), c.expiryHas(t)); err != nil {
				return err
			}
		}
	}
	c.noteStrays()
	return nil
}

// look looks at a row of a Scan.
type look = func(key, value []byte) (more bool, err error)

// compareSection looks up the rows of a section: what is there must be right in every state, and
// all must be there when it is public. wants looks up the row of an item, has the item of a row.
// Rows whose form is wrong were noted by the first walk, and are passed over.
func (c *checker) compareSection(t *schema.Table, sec *sectionCheck, state schema.State, wants, has look) error {
	if state == schema.StateAbsent || state == schema.StatePublic && sec.wanted == sec.seen {
		return nil
	}
	if state == schema.StatePublic {
		if err := c.r.Scan(schema.SectionRange(t.ID, schema.SectionItems), kv.Forward, wants); err != nil {
			return err
		}
	}
	return c.r.Scan(schema.SectionRange(t.ID, sec.section), kv.Forward, has)
}

// whole parses a row that is known to be one, of the key that it stands under; ok is false for the
// others, which are noted already.
func whole(t *schema.Table, key, value []byte) (it item.Item, ok bool) {
	it, err := item.Parse(value)
	if err != nil || it.Verify() != nil || t.CheckKeyAttributes(it) != nil {
		return it, false
	}
	return it, string(t.AppendItemKey(nil, it)) == string(key)
}

func (c *checker) indexWants(t *schema.Table, p *schema.Plan) func(key, value []byte) (bool, error) {
	return func(key, value []byte) (bool, error) {
		it, ok := whole(t, key, value)
		if !ok {
			return true, c.ctx.Err()
		}
		rowKey, ok := p.AppendKey(nil, it)
		if !ok {
			return true, c.ctx.Err()
		}
		raw, err := c.r.Get(rowKey)
		row, parseErr := item.Parse(raw)
		switch {
		case err != nil:
			return false, err
		case raw == nil:
			c.note(Problem{
				Kind: KindIndex, Table: t.Name, Index: p.Name, Key: t.DescribeKey(key),
				Detail: "the item has no row in the index",
			})
		case parseErr == nil && row.Verify() == nil && t.CheckKeyAttributes(row) == nil &&
			!item.SameAttributes(row, p.Entry(it)):
			c.noteRow(KindIndex, t, rowKey, "the row differs from its item")
		}
		return true, c.ctx.Err()
	}
}

func (c *checker) indexHas(t *schema.Table, p *schema.Plan) func(key, value []byte) (bool, error) {
	return func(key, value []byte) (bool, error) {
		row, err := item.Parse(value)
		if err != nil || row.Verify() != nil || t.CheckKeyAttributes(row) != nil {
			return true, c.ctx.Err() // noted already
		}
		itemKey := t.AppendItemKey(nil, row)
		raw, err := c.r.Get(itemKey)
		if err != nil {
			return false, err
		}
		if raw == nil {
			c.noteRow(KindIndex, t, key, "the row has no item")
			return true, c.ctx.Err()
		}
		it, ok := whole(t, itemKey, raw)
		if !ok {
			return true, c.ctx.Err()
		}
		switch rowKey, ok := p.AppendKey(nil, it); {
		case !ok || string(rowKey) != string(key):
			c.noteRow(KindIndex, t, key, "the row is not that of its item")
		case p.State != schema.StatePublic && !item.SameAttributes(row, p.Entry(it)):
			c.noteRow(KindIndex, t, key, "the row differs from its item")
		}
		return true, c.ctx.Err()
	}
}

func (c *checker) expiryWants(t *schema.Table) func(key, value []byte) (bool, error) {
	return func(key, value []byte) (bool, error) {
		it, ok := whole(t, key, value)
		if !ok {
			return true, c.ctx.Err()
		}
		seconds, ok := t.ExpiryTime(it)
		if !ok {
			return true, c.ctx.Err()
		}
		row, err := c.r.Get(schema.AppendExpiryKey(nil, key, seconds))
		if err == nil && row == nil {
			c.noteRow(KindExpiry, t, key, "the item expires at %d, and has no row that says so", seconds)
		}
		return err == nil, err
	}
}

func (c *checker) expiryHas(t *schema.Table) func(key, value []byte) (bool, error) {
	return func(key, _ []byte) (bool, error) {
		second, _ := schema.ExpirySecond(key)
		itemKey := schema.AppendExpiringKey(nil, key)
		raw, err := c.r.Get(itemKey)
		if err != nil {
			return false, err
		}
		if raw == nil {
			c.noteRow(KindExpiry, t, key, "the row says that an item expires at %d, and there is none", second)
			return true, c.ctx.Err()
		}
		if it, ok := whole(t, itemKey, raw); ok {
			if seconds, expires := t.ExpiryTime(it); !expires || seconds != second {
				c.noteRow(KindExpiry, t, key, "the row says that the item expires at %d, and it does not", second)
			}
		}
		return true, c.ctx.Err()
	}
}

// noteStrays notes the sections that belong to no table or index.
func (c *checker) noteStrays() {
	sections := make([]sectionID, 0, len(c.sections))
	for s := range c.sections {
		sections = append(sections, s)
	}
	slices.SortFunc(sections, func(a, b sectionID) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.section, b.section))
	})
	for _, s := range sections {
		sec := c.sections[s]
		switch t := c.tables[s.table]; {
		case sec.strays == 0:
		case t == nil:
			c.notef(KindStray, "%d rows are of table id %d, section %d, and there is no such table",
				sec.strays, s.table, s.section)
		case s.section == schema.SectionExpiry:
			c.noteTable(KindStray, t, "%d rows say when items expire, and none do", sec.strays)
		default:
			c.noteTable(KindStray, t, "%d rows are of section %d, which is no index", sec.strays, s.section)
		}
	}
}
