package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Catalog is what tables and streams there are.
type Catalog struct {
	NextTableID uint32    // 1 as long as there was none
	Tables      []*Table  // by id, those too whose rows are being removed
	Streams     []*Stream // by id
	// StampBound is what no stamp of an item was above.
	StampBound uint64
	Damaged    []Damaged // rows of the catalog, but for descriptors, and of the engine
}

// Table is a table, as far as its descriptor can be read.
type Table struct {
	ID     uint32
	Name   string        // empty if even that cannot be read
	Stored []byte        // the descriptor as it is stored; nil: there is none
	Faults schema.Faults // what is wrong with it
	Schema *schema.Table // nil if Faults is not
	// Named tells that the table stands in the catalog under a name.
	Named bool
	// Counts are what the counters say, by section.
	Counts map[uint16]kv.Count
	// Cursors are the last item keys that backfills have done, by section.
	Cursors map[uint16][]byte
}

// Stream is a stream, as far as its descriptor can be read.
type Stream struct {
	ID     uint64
	Stored []byte
	Faults schema.Faults
	Schema *schema.Stream // nil if Faults is not
	// Gone tells that its table is.
	Gone bool
	// Trimmed are the highest positions that were removed, by shard.
	Trimmed map[uint32]schema.Position
}

// SectionKind is what the rows of a section are.
type SectionKind string

// The kinds of sections.
const (
	ItemRows        SectionKind = "items"
	ExpiryRows      SectionKind = "expiry"
	GlobalIndexRows SectionKind = "global index"
	LocalIndexRows  SectionKind = "local index"
	UnknownRows     SectionKind = "unknown" // of nothing that the descriptor knows
)

// Section is a part of a table's rows.
type Section struct {
	ID   uint16
	Kind SectionKind
	Name string        // of an index; else as the kind
	Plan *schema.Plan  // of an index
	At   *schema.Phase // of an index, or the index by expiry
}

// readCatalog reads the catalog and what the engine keeps of it.
func (v *View) readCatalog() error {
	v.Catalog = Catalog{NextTableID: 1}
	value, err := v.r.Get(schema.NextIDKey())
	if err != nil {
		return err
	}
	if id, ok := schema.ReadTableID(value); ok {
		v.NextTableID = id
	} else if value != nil {
		v.damaged("the next table id", schema.NextIDKey(), value, fmt.Sprintf("it is %d bytes long", len(value)))
	}
	for _, part := range []struct {
		rows kv.Range
		read func(key, value []byte)
	}{
		{schema.DescriptorRange(), v.descriptor}, {schema.NameRange(), v.name}, {schema.BackfillRange(), v.cursor},
		{schema.StreamRange(), v.stream}, {schema.CatalogRange(), v.stray},
	} {
		err := v.r.Scan(part.rows, kv.Forward, func(key, value []byte) (bool, error) {
			part.read(key, value)
			return true, v.ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return v.own.Inspect(kv.Own{Counter: v.counter, Trimmed: v.trimmed, Stamp: v.stamp, Unknown: v.unknown})
}

// damaged notes a row that cannot be read.
func (v *View) damaged(what string, key, value []byte, why string) {
	v.Damaged = append(v.Damaged, Damaged{what, bytes.Clone(key), bytes.Clone(value), why})
}

// descriptor reads the row of a table.
func (v *View) descriptor(key, value []byte) {
	id, ok := schema.ReadDescriptorKey(key)
	if !ok {
		v.damaged("a table's descriptor", key, value, "its key has no table id")
		return
	}
	desc, faults := schema.ParseDescriptor(key, value)
	t := &Table{
		ID: id, Name: desc.Name, Stored: bytes.Clone(value), Faults: faults,
		Counts: map[uint16]kv.Count{}, Cursors: map[uint16][]byte{},
	}
	if faults == nil {
		t.Schema = schema.NewTable(desc)
	}
	v.Tables = append(v.Tables, t)
}

// name reads the row of a table's name.
func (v *View) name(key, value []byte) {
	ns, name, readable := schema.ReadNameKey(key)
	id, ok := schema.ReadTableID(value)
	switch t := v.TableByID(id); {
	case !readable || !ok:
		v.damaged("a table's name", key, value, "its name or its table id cannot be read")
	case t == nil:
		v.damaged("a table's name", key, value,
			fmt.Sprintf("%q is the name of table id %d, which has no descriptor", name, id))
	case t.Schema != nil && (t.Schema.Name != name || t.Schema.Namespace != ns):
		v.damaged("a table's name", key, value,
			fmt.Sprintf("%q is the name of table id %d, whose descriptor has another", name, id))
	default:
		t.Named = true
		t.Name = cmp.Or(t.Name, name)
	}
}

// cursor reads how far a backfill is.
func (v *View) cursor(key, value []byte) {
	id, section, ok := schema.ReadBackfillKey(key)
	if !ok {
		v.damaged("a backfill's cursor", key, value, "its key has no table id and section")
	} else if t := v.TableByID(id); t == nil {
		v.damaged("a backfill's cursor", key, value, fmt.Sprintf("there is no table id %d", id))
	} else {
		t.Cursors[section] = bytes.Clone(value)
	}
}

// stream reads the row of a stream.
func (v *View) stream(key, value []byte) {
	id, ok := schema.ReadStreamKey(key)
	if !ok {
		v.damaged("a stream's descriptor", key, value, "its key has no stream's id")
		return
	}
	stream, faults := schema.ParseStream(key, value)
	s := &Stream{ID: id, Stored: bytes.Clone(value), Faults: faults, Trimmed: map[uint32]schema.Position{}}
	if faults == nil {
		s.Schema = stream
		s.Gone = v.TableByID(stream.TableID) == nil
	}
	v.Streams = append(v.Streams, s)
}

// stray looks for rows of no kind.
func (v *View) stray(key, value []byte) {
	if !schema.IsCatalogKey(key) {
		v.damaged("the catalog", key, value, "rows of the catalog have no such key")
	}
}

// counter notes what a counter says.
func (v *View) counter(id uint64, counts []kv.Count) {
	t := v.TableByID(uint32(id))
	if t == nil || uint64(t.ID) != id {
		v.damaged("a counter", nil, nil, fmt.Sprintf("it is of table id %d, which there is not", id))
		return
	}
	for _, n := range counts {
		t.Counts[uint16(n.Section)] = n
	}
}

// trimmed notes what was removed of a shard.
func (v *View) trimmed(log uint64, shard uint32, upTo schema.Position) {
	i, ok := slices.BinarySearchFunc(v.Streams, log, func(s *Stream, log uint64) int { return cmp.Compare(s.ID, log) })
	if ok {
		v.Streams[i].Trimmed[shard] = upTo
	}
}

// stamp notes the bound of stamps.
func (v *View) stamp(bound uint64) { v.StampBound = bound }

// unknown notes a row of the engine's that it cannot read.
func (v *View) unknown(key []byte, what string) { v.damaged("the engine", key, nil, what) }

// TableByID is the table with the id, or nil.
func (c *Catalog) TableByID(id uint32) *Table {
	i, ok := slices.BinarySearchFunc(c.Tables, id, func(t *Table, id uint32) int { return cmp.Compare(t.ID, id) })
	if !ok {
		return nil
	}
	return c.Tables[i]
}

// idPrefix stands before the id of a table in the place of its name, which has no colon.
const idPrefix = "id:"

// noDescriptor is the fault of a table that has rows alone.
const noDescriptor = "there is no descriptor"

// Table finds a table by its name, or by "id:" and its id. Of tables that have had the name it is
// the one that has it now, else the youngest. By id there is one even if no descriptor is there, as
// rows may be that are nobody's.
func (c *Catalog) Table(name string) (*Table, error) {
	if digits, ok := strings.CutPrefix(name, idPrefix); ok {
		id, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no table id", name)
		}
		if t := c.TableByID(uint32(id)); t != nil {
			return t, nil
		}
		return &Table{ID: uint32(id), Faults: schema.Faults{noDescriptor}}, nil
	}
	var found *Table
	for _, t := range c.Tables {
		if t.Name == name && (found == nil || !found.Named || t.Named) {
			found = t
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no table %q", name)
	}
	return found, nil
}

// Sections are the parts of the table's rows that the descriptor knows, and those that counters or
// cursors know besides, by id.
func (t *Table) Sections() []Section {
	ids := map[uint16]bool{schema.SectionItems: true}
	if t.Schema != nil {
		for _, p := range t.Schema.Plans {
			ids[p.ID] = true
		}
		if t.Schema.Expiry != nil {
			ids[schema.SectionExpiry] = true
		}
	}
	for id := range t.Counts {
		ids[id] = true
	}
	for id := range t.Cursors {
		ids[id] = true
	}
	var all []Section
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		all = append(all, t.section(id))
	}
	return all
}

// section is the section with the id.
func (t *Table) section(id uint16) Section {
	unknown := Section{ID: id, Kind: UnknownRows, Name: "section " + strconv.Itoa(int(id))}
	switch {
	case id == schema.SectionItems:
		return Section{ID: id, Kind: ItemRows, Name: string(ItemRows)}
	case id == schema.SectionExpiry:
		s := Section{ID: id, Kind: ExpiryRows, Name: string(ExpiryRows)}
		if t.Schema != nil && t.Schema.Expiry != nil {
			s.At = &t.Schema.Expiry.Phase
		}
		return s
	case t.Schema == nil:
		return unknown
	}
	p := t.Schema.PlanOfSection(id)
	if p == nil {
		return unknown
	}
	s := Section{ID: id, Kind: GlobalIndexRows, Name: p.Name, Plan: p, At: &p.Phase}
	if p.Kind == schema.LocalIndex {
		s.Kind = LocalIndexRows
	}
	return s
}

// Section finds a section by its name: an index's, "items", "expiry", or "section:" and its id. The
// names of indexes come first.
func (t *Table) Section(name string) (Section, error) {
	if t.Schema != nil {
		if x := t.Schema.Index(name); x != nil {
			return t.section(x.ID), nil
		}
	}
	switch name {
	case string(ItemRows):
		return t.section(schema.SectionItems), nil
	case string(ExpiryRows):
		return t.section(schema.SectionExpiry), nil
	}
	if digits, ok := strings.CutPrefix(name, "section:"); ok {
		if id, err := strconv.ParseUint(digits, 10, 16); err == nil {
			return t.section(uint16(id)), nil
		}
	}
	return Section{}, fmt.Errorf("table %s has no index %q", t.Label(), name)
}

// Label names the table for people.
func (t *Table) Label() string { return cmp.Or(t.Name, idPrefix+strconv.Itoa(int(t.ID))) }
