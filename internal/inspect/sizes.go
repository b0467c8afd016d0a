package inspect

import (
	"cmp"
	"iter"
	"slices"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Size is how large a part of what is stored is.
type Size struct {
	Table   *Table  // nil: the part is of no table
	Stream  *Stream // not nil: its records
	Section Section // of the table; else only with a name
	// Counter is what the table's counter says of the section, in rows and in bytes as DynamoDB
	// counts them; nil where there is none.
	Counter *kv.Count
	// Rows, KeyBytes and ValueBytes were counted, if Counted is set.
	Counted                    bool
	Rows, KeyBytes, ValueBytes int64
	// DiskBytes is an estimate of what the part takes on the disk; -1: the engine has none, as for
	// records of streams.
	DiskBytes int64
}

// Sizes are the sizes of all parts: the catalog, each section of each table, those too that nobody
// has, each stream's records, and tokens. With count all rows are read and counted.
func (v *View) Sizes(count bool) iter.Seq2[Size, error] {
	return func(yield func(Size, error) bool) {
		parts, err := v.parts()
		if err != nil {
			yield(Size{}, err)
			return
		}
		for _, p := range parts {
			err := v.measure(&p, count)
			if !yield(p.Size, err) || err != nil {
				return
			}
		}
	}
}

// part is a Size, and where its rows are.
type part struct {
	Size
	rows kv.Range
}

// parts are all parts that there are.
func (v *View) parts() ([]part, error) {
	all := []part{{Size: Size{Section: Section{Name: "catalog"}}, rows: schema.CatalogRange()}}
	present, err := v.presentSections()
	if err != nil {
		return nil, err
	}
	for _, t := range v.tablesWith(present) {
		sections := t.Sections()
		for _, id := range present[t.ID] {
			if !slices.ContainsFunc(sections, func(s Section) bool { return s.ID == id }) {
				sections = append(sections, t.section(id))
			}
		}
		slices.SortFunc(sections, func(a, b Section) int { return cmp.Compare(a.ID, b.ID) })
		for _, s := range sections {
			p := part{Size: Size{Table: t, Section: s}, rows: schema.SectionRange(t.ID, s.ID)}
			if n, ok := t.Counts[s.ID]; ok {
				p.Counter = &n
			} else if t.Schema != nil && s.Kind != ExpiryRows && s.Kind != UnknownRows {
				p.Counter = new(kv.Count) // the engine leaves out what is zero
			}
			all = append(all, p)
		}
	}
	for _, s := range v.Streams {
		all = append(all, part{Size: Size{Stream: s, Section: Section{Name: "records"}}})
	}
	return append(all, part{Size: Size{Section: Section{Name: "tokens"}}, rows: schema.TokenRange()}), nil
}

// presentSections are the sections that have rows, by table. It steps from one to the next.
func (v *View) presentSections() (present map[uint32][]uint16, err error) {
	present = map[uint32][]uint16{}
	for r := schema.RowsRange(); ; {
		key, err := v.first(r)
		if err != nil || key == nil {
			return present, err
		}
		front, _, ok := schema.SplitFront(key)
		if !ok {
			r.Start = append(key, 0) // too short for a row
			continue
		}
		present[front.Table] = append(present[front.Table], front.Section)
		r.Start = schema.SectionRange(front.Table, front.Section).End
		if string(r.Start) >= string(r.End) {
			return present, nil
		}
	}
}

// tablesWith are all tables, and stand-ins for those that have rows and no descriptor, by id.
func (v *View) tablesWith(present map[uint32][]uint16) []*Table {
	all := slices.Clone(v.Tables)
	for id := range present {
		if v.TableByID(id) == nil {
			all = append(all, &Table{ID: id, Faults: schema.Faults{noDescriptor}})
		}
	}
	slices.SortFunc(all, func(a, b *Table) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// measure fills in the sizes of a part.
func (v *View) measure(p *part, count bool) (err error) {
	p.Counted = count
	if p.Stream != nil {
		p.DiskBytes = -1
		p.Counted = count && p.Stream.Schema != nil
		if !count {
			return nil
		}
		shards, err := v.Shards(p.Stream)
		for _, s := range shards {
			p.Rows += s.Records
			p.ValueBytes += s.Bytes
			p.KeyBytes += s.Records * int64(len(s.Last))
		}
		return err
	}
	if p.DiskBytes, err = v.engine.SizeOf(p.rows); err != nil || !count {
		return err
	}
	return v.r.Scan(p.rows, kv.Forward, func(key, value []byte) (bool, error) {
		p.Rows++
		p.KeyBytes += int64(len(key))
		p.ValueBytes += int64(len(value))
		return true, v.ctx.Err()
	})
}
