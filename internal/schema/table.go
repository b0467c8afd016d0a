package schema

import (
	"slices"
	"sort"

	"github.com/partita-db/partita/internal/item"
)

// KeyAttribute is a key attribute with its declared type.
type KeyAttribute struct {
	Name string
	Type item.Type
}

// Table is a descriptor and what is derived from it. It never changes.
type Table struct {
	Descriptor
	// Plans are those of Indexes, in the same order.
	Plans []*Plan
	// LastKeys are the names of the key's attributes, sorted: those of a LastEvaluatedKey.
	LastKeys []string

	Hash, Sort    KeyAttribute   // the key; Sort.Name is empty if there is none
	KeyAttributes []KeyAttribute // Hash and, if there is one, Sort

	byName []*Plan // the plans by name, the order in which problems are reported
	local  bool    // has a local index
}

// Plan is an index with what its rows need.
type Plan struct {
	*Index
	Hash, Range []KeyAttribute // its key
	// LastKeys are the attributes of a LastEvaluatedKey, sorted.
	LastKeys []string

	table  uint32       // the table's id, and its key
	pk, sk KeyAttribute // sk.Name is empty if there is none
	names  []string     // the projected attributes, sorted; nil: all
}

// NewTable derives a table. It takes the descriptor over.
func NewTable(desc *Descriptor) *Table {
	t := &Table{Descriptor: *desc}
	for _, k := range t.Keys {
		a := KeyAttribute{k.Name, t.AttributeType(k.Name)}
		if k.Range {
			t.Sort = a
		} else {
			t.Hash = a
		}
	}
	t.KeyAttributes = append(t.KeyAttributes, t.Hash)
	if t.Sort.Name != "" {
		t.KeyAttributes = append(t.KeyAttributes, t.Sort)
	}
	t.LastKeys = t.ReadKeys(nil)
	slices.Sort(t.LastKeys)
	for i := range t.Indexes {
		p := t.newPlan(&t.Indexes[i])
		t.Plans = append(t.Plans, p)
		t.local = t.local || p.Kind == LocalIndex
	}
	t.byName = slices.Clone(t.Plans)
	sort.Slice(t.byName, func(i, j int) bool { return t.byName[i].Name < t.byName[j].Name })
	return t
}

// newPlan derives what the rows of an index need.
func (t *Table) newPlan(x *Index) *Plan {
	p := &Plan{Index: x, table: t.ID, pk: t.Hash, sk: t.Sort}
	for _, k := range x.Keys {
		a := KeyAttribute{k.Name, t.AttributeType(k.Name)}
		if k.Range {
			p.Range = append(p.Range, a)
		} else {
			p.Hash = append(p.Hash, a)
		}
	}
	p.LastKeys = t.ReadKeys(x)
	slices.Sort(p.LastKeys)
	if x.Projection != ProjectionAll {
		p.names = append(slices.Clone(p.LastKeys), x.NonKey...)
		slices.Sort(p.names)
		p.names = slices.Compact(p.names)
	}
	return p
}

// Plan returns the plan of one of the table's indexes, by its ID: x may be of an older descriptor.
func (t *Table) Plan(x *Index) *Plan {
	for _, p := range t.Plans {
		if p.ID == x.ID {
			return p
		}
	}
	panic("schema: index " + x.Name + " is not one of table " + t.Name)
}

// Entry is the item as the index holds it.
func (p *Plan) Entry(it item.Item) item.Item {
	if p.names == nil {
		return it
	}
	return it.Pick(p.names)
}

// EntryLen is the encoded length of Entry(it).
func (p *Plan) EntryLen(it item.Item) int {
	if p.names == nil {
		return it.EncodedLen()
	}
	return it.PickedLen(p.names)
}

// HasLocalIndex is that of the descriptor, answered without a look at the indexes.
func (t *Table) HasLocalIndex() bool { return t.local }

// Shrinks tells whether the table is being deleted, or an index of it: that is done even when
// space is short.
func (t *Table) Shrinks() bool {
	return t.State != StatePublic || slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Dropping })
}

// KeySchema returns the key elements of the table (x nil) or an index.
func (t *Table) KeySchema(x *Index) []KeyElement {
	if x == nil {
		return t.Keys
	}
	return x.Keys
}

// ReadKeys returns the attributes of a LastEvaluatedKey: the keys of the index, then those of the
// table that are not among them.
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
	p := t.Plan(x)
	if p.names == nil {
		return true
	}
	_, ok := slices.BinarySearch(p.names, name)
	return ok
}

// IsKey tells whether the attribute is part of the table's key.
func (t *Table) IsKey(name string) bool {
	return name == t.Hash.Name || name == t.Sort.Name && name != ""
}
