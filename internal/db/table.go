package db

import (
	"slices"
	"sort"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/metrics"
)

// Table is a table as it stands at one moment: its descriptor and what is derived from it. It never changes; a schema
// change makes a new one. Holding an old one is fine: writes notice and plan anew.
type Table struct {
	Descriptor
	hash, sort attribute    // the key; sort.name is empty if there is none
	own        []attribute  // hash and, if there is one, sort
	plans      []*indexPlan // of Indexes, in the same order
	byName     []*indexPlan // the same by name, the order in which problems are reported
	lastKeys   []string     // the key's names, sorted
	local      bool         // has a local index
	shards     int          // of the log that StreamLog names
	meter      *metrics.Table
	weight     int64 // what it takes in memory, in bytes
}

// indexPlan is an index with what its rows need.
type indexPlan struct {
	x         *Index
	hash, rng []attribute
	names     []string // the projected attributes, sorted; nil: all
	lastKeys  []string // the attributes of a LastEvaluatedKey, sorted
}

// newTable derives a Table. It takes the descriptor over.
func newTable(desc *Descriptor) *Table {
	t := &Table{Descriptor: *desc}
	for _, k := range t.Keys {
		a := attribute{k.Name, t.AttributeType(k.Name)}
		if k.Range {
			t.sort = a
		} else {
			t.hash = a
		}
	}
	t.weight = t.Descriptor.weight()
	t.own = append(t.own, t.hash)
	if t.sort.name != "" {
		t.own = append(t.own, t.sort)
	}
	t.lastKeys = t.ReadKeys(nil)
	slices.Sort(t.lastKeys)
	for i := range t.Indexes {
		p := t.newPlan(&t.Indexes[i])
		t.plans = append(t.plans, p)
		t.local = t.local || p.x.Kind == LocalIndex
	}
	t.byName = slices.Clone(t.plans)
	sort.Slice(t.byName, func(i, j int) bool { return t.byName[i].x.Name < t.byName[j].x.Name })
	return t
}

// newPlan derives what the rows of an index need.
func (t *Table) newPlan(x *Index) *indexPlan {
	p := &indexPlan{x: x}
	for _, k := range x.Keys {
		a := attribute{k.Name, t.AttributeType(k.Name)}
		if k.Range {
			p.rng = append(p.rng, a)
		} else {
			p.hash = append(p.hash, a)
		}
	}
	p.lastKeys = t.ReadKeys(x)
	slices.Sort(p.lastKeys)
	if x.Projection != ProjectionAll {
		p.names = append(slices.Clone(p.lastKeys), x.NonKey...)
		slices.Sort(p.names)
		p.names = slices.Compact(p.names)
	}
	return p
}

// plan returns the plan of one of the table's indexes.
func (t *Table) plan(x *Index) *indexPlan {
	for _, p := range t.plans {
		if p.x.ID == x.ID {
			return p
		}
	}
	panic("db: index " + x.Name + " is not one of table " + t.Name)
}

// entry is the item as the index holds it.
func (p *indexPlan) entry(it item.Item) item.Item {
	if p.names == nil {
		return it
	}
	return it.Pick(p.names)
}

// shrinks tells whether the table is being deleted, or an index of it: that is done even when space is short.
func (t *Table) shrinks() bool {
	return t.State != StatePublic || slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Dropping })
}

// KeySchema returns the key elements of the table (x nil) or an index.
func (t *Table) KeySchema(x *Index) []KeyElement {
	if x == nil {
		return t.Keys
	}
	return x.Keys
}

// ReadKeys returns the attributes of a LastEvaluatedKey: the keys of the index, then those of the table that are not
// among them.
func (t *Table) ReadKeys(x *Index) []string {
	var names []string
	for _, k := range t.KeySchema(x) {
		names = append(names, k.Name)
	}
	for _, k := range t.Keys {
		if !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names
}

// Projects tells whether the index (nil: the table) holds the attribute.
func (t *Table) Projects(x *Index, name string) bool {
	if x == nil {
		return true
	}
	p := t.plan(x)
	if p.names == nil {
		return true
	}
	_, ok := slices.BinarySearch(p.names, name)
	return ok
}

// IsKey tells whether the attribute is part of the table's key.
func (t *Table) IsKey(name string) bool {
	return name == t.hash.name || name == t.sort.name && name != ""
}

// CheckKey reports as *KeyError (of the table) whether key has exactly the table's key attributes, with their types, not
// empty and not too long. Problems are looked for in this order: wrong number or names or types, then empty values, then
// lengths.
func (t *Table) CheckKey(key item.Item) error {
	for _, a := range t.own {
		if err := checkPart(key, a, ""); err != nil && err.Problem != KeyEmpty {
			return err
		}
	}
	if key.Len() != len(t.Keys) {
		return &KeyError{Problem: KeyExtra}
	}
	return t.checkOwnKey(key)
}

// CheckItem reports as *KeyError whether an item to be put has the table's key attributes and whether its index key
// attributes, where present, fit: first the table's keys, then the indexes' by index name.
func (t *Table) CheckItem(it item.Item) error {
	for _, a := range t.own {
		if err := checkPart(it, a, ""); err != nil && err.Problem != KeyEmpty {
			return err
		}
	}
	if err := t.checkOwnKey(it); err != nil {
		return err
	}
	return t.CheckIndexKeys(it)
}

// checkOwnKey looks for empty, then for too long values of key attributes that have the right types.
func (t *Table) checkOwnKey(it item.Item) error {
	for _, a := range t.own {
		if err := checkPart(it, a, ""); err != nil {
			return err
		}
	}
	if keyLen(it.Get(t.hash.name)) > maxHashBytes {
		return &KeyError{Problem: KeyHashTooLong, Attribute: t.hash.name}
	}
	if t.sort.name != "" && keyLen(it.Get(t.sort.name)) > maxRangeBytes {
		return &KeyError{Problem: KeyRangeTooLong, Attribute: t.sort.name}
	}
	return nil
}

// checkPart looks at one key attribute of the table or of an index.
func checkPart(it item.Item, a attribute, index string) *KeyError {
	v := it.Get(a.name)
	switch {
	case !v.Exists():
		return &KeyError{Problem: KeyMissing, Attribute: a.name, Index: index, Want: a.typ}
	case v.Type() != a.typ:
		return &KeyError{Problem: KeyType, Attribute: a.name, Index: index, Want: a.typ, Got: v.Type()}
	case keyLen(v) == 0:
		return &KeyError{Problem: KeyEmpty, Attribute: a.name, Index: index, Want: a.typ, Got: v.Type()}
	}
	return nil
}

// CheckIndexKeys is the part of CheckItem about indexes.
func (t *Table) CheckIndexKeys(it item.Item) error {
	for _, p := range t.byName {
		if p.x.Dropping {
			continue
		}
		if err := p.check(it); err != nil {
			return err
		}
	}
	return nil
}

// check looks at the index's key attributes that the item has.
func (p *indexPlan) check(it item.Item) error {
	hash, err := p.checkParts(it, p.hash)
	if err != nil {
		return err
	}
	rng, err := p.checkParts(it, p.rng)
	switch {
	case err != nil:
		return err
	case hash > maxHashBytes:
		return &KeyError{Problem: KeyHashTooLong, Attribute: p.hash[0].name, Index: p.x.Name}
	case rng > maxRangeBytes:
		return &KeyError{Problem: KeyRangeTooLong, Attribute: p.rng[0].name, Index: p.x.Name}
	}
	return nil
}

// checkParts looks at some key attributes and returns the bytes of those present.
func (p *indexPlan) checkParts(it item.Item, as []attribute) (bytes int, _ error) {
	for _, a := range as {
		switch err := checkPart(it, a, p.x.Name); {
		case err == nil:
			bytes += keyLen(it.Get(a.name))
		case err.Problem != KeyMissing: // sparse: absent is fine
			return 0, err
		}
	}
	return bytes, nil
}
