package item

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// With returns a new item with the changes made: each Entry sets an attribute, or removes it if its
// Value is missing. Names must be distinct; the order does not matter. A missing item counts as one
// without attributes. The new item has bytes of its own.
func (it Item) With(changes []Entry) Item {
	new, _ := it.WithIn(nil, changes)
	return new
}

// WithIn is With for a new item that lies in the buffer, if it fits, and overwrites what is there.
// The buffer must not be that of the item or of a change. It returns the buffer that the item lies
// in, to be passed to the next call when the item is no longer in use.
func (it Item) WithIn(buffer []byte, changes []Entry) (new Item, in []byte) {
	var few [8]Entry // keeps the usual update's sorted copy off the heap
	changes = sortedEntries(few[:0], changes)
	room := len(it.attrs) + binary.MaxVarintLen64
	for i := range changes {
		room += len(changes[i].Name) + binary.MaxVarintLen32 + len(changes[i].Value.b)
	}
	m := merge{old: it.attrs, new: slices.Grow(buffer[:0], room)[:1], size: it.size}
	m.left, m.at = readCount(it.attrs)
	m.from = m.at
	for i := range changes {
		m.apply(&changes[i])
	}
	new = m.finish()
	return new, new.attrs[:0]
}

// sortedEntries appends the entries to dst, by name.
func sortedEntries(dst, entries []Entry) []Entry {
	dst = append(dst, entries...)
	byName := func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }
	if len(dst) > 1 && !slices.IsSortedFunc(dst, byName) {
		slices.SortFunc(dst, byName)
	}
	return dst
}

// merge is a walk over old attributes that writes new ones: runs of unchanged attributes are copied
// at once.
type merge struct {
	old, new []byte // new begins with a byte kept free for the count
	from, at int    // old[from:at] is passed and not copied yet
	left     int    // attributes at old[at:]
	count    int    // attributes in new and in old[from:at]
	size     int
}

// apply copies what comes before the change, and makes the change. Changes come in the names'
// order.
func (m *merge) apply(c *Entry) {
	name, v, next := m.seek(c.Name)
	m.new = append(m.new, m.old[m.from:m.at]...)
	if v.Exists() && string(name) == c.Name {
		m.size -= len(name) + v.Size()
		m.at = next
		m.left--
	}
	m.from = m.at
	if c.Value.Exists() {
		m.new = appendLength(m.new, len(c.Name))
		m.new = append(m.new, c.Name...)
		m.new = append(m.new, c.Value.b...)
		m.count++
		m.size += len(c.Name) + c.Value.Size()
	}
}

// seek passes the attributes before name and returns the next one, missing at the end.
func (m *merge) seek(name string) (at []byte, v Value, next int) {
	for ; m.left > 0; m.left-- {
		var ok bool
		at, v, next, ok = entryAt(m.old, m.at)
		if !ok {
			m.left = 0 // damage: the rest cannot be read, and so not be kept
			break
		}
		if string(at) >= name {
			return at, v, next
		}
		m.at = next
		m.count++
	}
	return nil, Value{}, 0
}

// finish copies the rest and returns the new item.
func (m *merge) finish() Item {
	if m.left > 0 {
		m.at = len(m.old)
		m.count += m.left
	}
	m.new = append(m.new, m.old[m.from:m.at]...)
	m.new = setLength(m.new, 0, m.count)
	return Item{attrs: m.new, size: m.size}
}

// Pick returns a new item with only the named attributes that it has. names must be sorted by bytes
// and distinct.
func (it Item) Pick(names []string) Item {
	count, room := 0, 0
	it.pick(names, func(entry []byte, _ int) {
		count++
		room += len(entry)
	})
	attrs := make([]byte, 0, uvarintLen(count)+room)
	attrs = appendLength(attrs, count)
	size := 0
	it.pick(names, func(entry []byte, bytes int) {
		attrs = append(attrs, entry...)
		size += bytes
	})
	return Item{attrs: attrs, size: size}
}

// PickedLen is the EncodedLen of the item that Pick would return, without making it.
func (it Item) PickedLen(names []string) int {
	n := maxRowHead + binary.MaxVarintLen32
	it.pick(names, func(entry []byte, _ int) { n += len(entry) })
	return n
}

// pick calls found with each named attribute, its encoded name included, and its size.
func (it Item) pick(names []string, found func(entry []byte, size int)) {
	n, i := readCount(it.attrs)
	for n > 0 && len(names) > 0 {
		name, v, next, ok := entryAt(it.attrs, i)
		if !ok {
			return
		}
		for len(names) > 0 && names[0] < string(name) {
			names = names[1:]
		}
		if len(names) > 0 && names[0] == string(name) {
			found(it.attrs[i:next], len(name)+v.Size())
			names = names[1:]
		}
		i = next
		n--
	}
}

// New returns an item of the entries, in any order, with distinct names.
func New(entries []Entry) Item { return Item{}.With(entries) }

// Map makes an M of the entries, in any order, with distinct names. Those whose Value is missing
// are left out.
func Map(entries []Entry) Value {
	var few [8]Entry
	entries = sortedEntries(few[:0], entries)
	count, room := 0, 0
	for i := range entries {
		if e := &entries[i]; e.Value.Exists() {
			count++
			room += uvarintLen(len(e.Name)) + len(e.Name) + len(e.Value.b)
		}
	}
	b := appendLength(newValue(M, uvarintLen(count)+room), count)
	for i := range entries {
		if e := &entries[i]; e.Value.Exists() {
			b = appendLength(b, len(e.Name))
			b = append(b, e.Name...)
			b = append(b, e.Value.b...)
		}
	}
	return Value{b}
}

// Union returns the set of all members of two sets of one type.
func Union(a, b Value) Value { return combine(a, b, true) }

// Difference returns the set a without b's members, or a missing Value if none is left. Both have
// one type.
func Difference(a, b Value) Value { return combine(a, b, false) }

// combine merges two sets: all members of both, or those of a that are not in b.
func combine(a, b Value, union bool) Value {
	if a.Type() != b.Type() || memberType(a.Type()) == Missing {
		panic("item: sets of types " + a.Type().String() + " and " + b.Type().String())
	}
	x, y := newMemberReader(a), newMemberReader(b)
	payload := make([]byte, 1, binary.MaxVarintLen64+len(a.b)+len(b.b))
	count := 0
	put := func(m []byte) {
		payload = appendLength(payload, len(m))
		payload = append(payload, m...)
		count++
	}
	for x.ok || union && y.ok {
		order := -1
		if x.ok && y.ok {
			order = bytes.Compare(x.member, y.member)
		} else if y.ok {
			order = 1
		}
		switch {
		case order < 0:
			put(x.member)
		case order > 0 && union:
			put(y.member)
		case order == 0 && union:
			put(x.member)
		}
		if order <= 0 {
			x.next()
		}
		if order >= 0 {
			y.next()
		}
	}
	if count == 0 {
		return Value{}
	}
	payload = setLength(payload, 0, count)
	return Value{append(newValue(a.Type(), len(payload)), payload...)}
}

// memberReader reads the members of a set one by one.
type memberReader struct {
	payload  []byte
	at, left int
	member   []byte // the current one, if ok
	ok       bool
}

// newMemberReader returns a reader at the set's first member.
func newMemberReader(set Value) memberReader {
	r := memberReader{payload: set.payload()}
	r.left, r.at = readCount(r.payload)
	r.next()
	return r
}

// next goes to the next member; at the end, or at damage, ok becomes false.
func (r *memberReader) next() {
	r.ok = false
	if r.left == 0 {
		return
	}
	if start, end, ok := span(r.payload, r.at); ok {
		r.member, r.at, r.ok = r.payload[start:end], end, true
		r.left--
	}
}
