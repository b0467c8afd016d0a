// Package manifest reads the version edits of Pebble's MANIFEST, as far as the check of the logs
// needs them: which tables and logs there should be. It knows the encoding only; where the file is,
// and what follows from it, is pebblekv's.
package manifest

import (
	"encoding/binary"
	"maps"
	"strconv"
	"strings"
)

// Manifest is what the check of the logs needs to know of a MANIFEST: a file of edits, each of
// which says what has changed in the store. Pebble writes one when a memtable has become a table
// file, and when tables were compacted or ingested.
type Manifest struct {
	name   string
	Number uint64
	// MinLog is the number of the oldest log with rows that are in no table; 0: there was no flush
	// yet.
	MinLog uint64
	// MinSeq is the last sequence number that was given when the edit was written that says MinLog,
	// if exact is set. A new MANIFEST begins with a summary that does not tell it; then MinSeq is a
	// bound above it.
	MinSeq uint64
	Exact  bool
	// Since is the last sequence number that was given when the summary was written. Of what was
	// ingested later, single is whole.
	Since uint64
	// Single are the sequence numbers of all tables that ever had one only, as those have that were
	// ingested.
	Single map[uint64]bool
	tables map[uint64]uint64 // the sizes of the files that are tables, by number
	// backings are the sizes of the files that tables are parts of.
	backings map[uint64]uint64
	known    map[uint64]bool // the numbers of all files that ever were one of these
	edits    int
	// Sealed says that the store has ended cleanly, and was not changed since.
	Sealed bool
	// Unrecognized says that there is something in it that this release does not know. Nothing else
	// is true then.
	Unrecognized bool
}

// New is what is known of an empty MANIFEST of that name.
func New(name string) *Manifest {
	m := &Manifest{
		name: name, Single: map[uint64]bool{}, known: map[uint64]bool{},
		tables: map[uint64]uint64{}, backings: map[uint64]uint64{},
	}
	m.Number, _ = FileNumber(name, "MANIFEST-", "")
	return m
}

// FileNumber is the number in the name of one of Pebble's files.
func FileNumber(name, before, after string) (n uint64, ok bool) {
	if name, ok = strings.CutPrefix(name, before); !ok {
		return 0, false
	}
	if name, ok = strings.CutSuffix(name, after); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil
}

// The tags of the fields of an edit, and of those of a new table, as Pebble's
// internal/manifest/version_edit.go has them. The format of the store is pinned (pebbleFormat), and
// with it the tags.
const (
	tagComparer       = 1
	tagMinLog         = 2
	tagNextFile       = 3
	tagLastSeq        = 4
	tagCompactPointer = 5
	tagDeletedTable   = 6
	tagPrevLog        = 9
	tagNewTable       = 100 // without fields of its own
	tagNewTableFields = 103
	tagNewTableRanges = 104 // it may have range keys
	tagNewBacking     = 105
	tagRemovedBacking = 106
	tagNewBlob        = 107
	tagDeletedBlob    = 108

	fieldEnd      = 1
	fieldUnsafe   = 64 // from here on a field that is not known may not be skipped
	fieldVirtual  = 66
	fieldPrefix   = 67
	fieldSuffix   = 68
	fieldBlobRefs = 69

	pointKeys = 1 // a bit: the table with range keys has point keys too
)

// Add takes in one more edit.
func (m *Manifest) Add(edit []byte) {
	f := &fields{b: edit}
	var comparer bool
	var minLog, lastSeq uint64
	for len(f.b) > 0 && !f.bad {
		switch tag := f.number(); tag {
		case tagComparer:
			comparer = true
			f.bytes()
		case tagMinLog:
			minLog = f.number()
		case tagLastSeq:
			lastSeq = f.number()
		case tagNextFile, tagPrevLog:
			f.number()
		case tagRemovedBacking:
			delete(m.backings, f.number())
		case tagNewBacking:
			number := f.number()
			m.backings[number], m.known[number] = f.number(), true
		case tagDeletedTable:
			f.number()
			delete(m.tables, f.number())
		case tagCompactPointer:
			f.number()
			f.bytes()
		case tagDeletedBlob:
			f.skip(2)
		case tagNewBlob:
			f.skip(5)
		case tagNewTable, tagNewTableFields, tagNewTableRanges:
			m.addTable(f.table(tag))
		default:
			f.bad = true
		}
	}
	m.Unrecognized = m.Unrecognized || f.bad
	m.advance(comparer, minLog, lastSeq)
}

// advance takes in what an edit says beside tables. One with a comparer is a summary of all before.
func (m *Manifest) advance(summary bool, minLog, lastSeq uint64) {
	m.edits++
	switch {
	case minLog != 0:
		m.MinLog, m.MinSeq, m.Exact = minLog, lastSeq, !summary
	case m.edits == 2 && !m.Exact:
		m.MinSeq = lastSeq
	}
	if m.edits == 2 && m.Number > 1 { // the first MANIFEST of a store sums up nothing
		m.Since = lastSeq
	}
}

// fields are what is left of an edit.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) number() uint64 {
	n, size := binary.Uvarint(f.b)
	if size <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[size:]
	return n
}

// bytes takes bytes behind their length, and drops them.
func (f *fields) bytes() {
	n := f.number()
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return
	}
	f.b = f.b[n:]
}

// skip drops n numbers.
func (f *fields) skip(n int) {
	for range n {
		f.number()
	}
}

// newTable is what an edit says of a table that is new, or has moved.
type newTable struct {
	number, size      uint64
	smallest, largest uint64 // sequence numbers
	virtual           bool   // it is a part of a file
}

func (m *Manifest) addTable(t newTable) {
	if !t.virtual {
		m.tables[t.number], m.known[t.number] = t.size, true
	}
	if t.smallest == t.largest {
		m.Single[t.smallest] = true
	}
}

// Files are the sizes of all table files, by number.
func (m *Manifest) Files() map[uint64]uint64 {
	all := maps.Clone(m.tables)
	maps.Copy(all, m.backings)
	return all
}

// UnknownTables is how many tables there are that the MANIFEST has never known: those that were
// being written, or ingested, when the power or the process ended.
func (m *Manifest) UnknownTables(names []string) (unknown int) {
	for _, name := range names {
		if n, ok := FileNumber(name, "", ".sst"); ok && !m.known[n] {
			unknown++
		}
	}
	return unknown
}

// table takes a new table.
func (f *fields) table(tag uint64) (t newTable) {
	f.number() // level
	t.number, t.size = f.number(), f.number()
	points := true
	if tag == tagNewTableRanges {
		if len(f.b) == 0 {
			f.bad = true
			return t
		}
		points = f.b[0]&pointKeys != 0
		f.b = f.b[1:]
		f.bytes()
		f.bytes()
	}
	if points {
		f.bytes()
		f.bytes()
	}
	t.smallest, t.largest = f.number(), f.number()
	if tag != tagNewTable {
		t.virtual = f.own()
	}
	return t
}

// own drops the fields of a table's own, but for that which says that it is virtual.
func (f *fields) own() (virtual bool) {
	for !f.bad {
		switch field := f.number(); {
		case field == fieldEnd:
			return virtual
		case field == fieldVirtual:
			virtual = true
			f.number()
		case field == fieldBlobRefs:
			f.number()
			for n := f.number(); n > 0 && !f.bad; n-- {
				f.skip(2)
			}
		case field < fieldUnsafe, field == fieldPrefix, field == fieldSuffix:
			f.bytes()
		default:
			f.bad = true
		}
	}
	return virtual
}
