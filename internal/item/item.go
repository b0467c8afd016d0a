// Package item holds DynamoDB's data: attribute values, items, exact decimal numbers. It turns
// DynamoDB's JSON into the canonical encoded bytes that are stored, and back; compares, measures
// and edits them without decoding more than is touched. It knows nothing of tables, keys or
// expressions.
//
// Types, limits and sizes are those of the Amazon DynamoDB Developer Guide ("Supported data types",
// "Item sizes and formats"), sizes to the byte as measured at the service's limit of 400 KB.
//
// The layout of the encoding is drawn atop encode.go, that of numbers atop number.go.
package item

import (
	"bytes"
	"iter"
)

// Type is the type of an attribute value.
type Type byte

// The types. Their numbers are the tags of the stored encoding and never change. False and True are
// two tags of one type: Value.Type returns BOOL for both.
const (
	Missing Type = 0x00 // no value at all
	NULL    Type = 0x01
	BOOL    Type = 0x02 // tag of false
	tagTrue Type = 0x03
	S       Type = 0x10
	N       Type = 0x11
	B       Type = 0x12
	SS      Type = 0x20
	NS      Type = 0x21
	BS      Type = 0x22
	L       Type = 0x30
	M       Type = 0x31
)

// String returns the type as DynamoDB tags it in JSON: "S", "NS", "BOOL", …
func (t Type) String() string { short, _ := t.names(); return short }

// LongName returns the type as some of DynamoDB's messages name it: STRING, NUMBER, BINARY, NULL,
// BOOLEAN, LIST, MAP, STRING_SET, NUMBER_SET, BINARY_SET.
func (t Type) LongName() string { _, long := t.names(); return long }

// names returns both names of a type; what is no type has empty names.
func (t Type) names() (short, long string) {
	switch t {
	case NULL:
		return "NULL", "NULL"
	case BOOL, tagTrue:
		return "BOOL", "BOOLEAN"
	case S:
		return "S", "STRING"
	case N:
		return "N", "NUMBER"
	case B:
		return "B", "BINARY"
	case SS:
		return "SS", "STRING_SET"
	case NS:
		return "NS", "NUMBER_SET"
	case BS:
		return "BS", "BINARY_SET"
	case L:
		return "L", "LIST"
	case M:
		return "M", "MAP"
	}
	return "", ""
}

// ParseType returns the type that DynamoDB tags s, or Missing.
func ParseType(s string) Type {
	switch s {
	case "S":
		return S
	case "N":
		return N
	case "B":
		return B
	case "M":
		return M
	case "L":
		return L
	case "SS":
		return SS
	case "NS":
		return NS
	case "BS":
		return BS
	case "BOOL":
		return BOOL
	case "NULL":
		return NULL
	}
	return Missing
}

// Value is one attribute value: a view of canonical encoded bytes, which it does not own. The zero
// Value is a missing value. Equal values are equal bytes. Values are immutable; the bytes may be
// reused only when no Value of them is in use. Clone returns a Value with bytes of its own.
type Value struct{ b []byte }

// Item is a set of named attributes, encoded: a view of bytes that it does not own. The zero Item
// is "no item", which differs from an item without attributes.
type Item struct {
	attrs []byte // count, then name and value of each attribute, by name: the same form as a map's payload
	size  int    // DynamoDB's size in bytes
	stamp uint64 // of the commit that wrote it; 0 in rows without a stamp
}

// Entry is a named value: an attribute of an item or an entry of a map.
type Entry struct {
	Name  string
	Value Value
}

// Exists tells whether it is an item at all.
func (it Item) Exists() bool { return it.attrs != nil }

// Len returns the number of attributes.
func (it Item) Len() int { n, _ := readCount(it.attrs); return n }

// Get returns the named attribute without decoding the others, or a missing Value.
func (it Item) Get(name string) Value { return find(it.attrs, name) }

// Attributes yields the attributes in the order of their names, which are views of the item's
// bytes.
func (it Item) Attributes() iter.Seq2[string, Value] { return entriesOf(it.attrs) }

// Size is the item's size in bytes as DynamoDB counts it: the names' UTF-8 bytes and the values'
// sizes.
func (it Item) Size() int { return it.size }

// EncodedLen is the most that the item takes as a stored row; 0 for a missing item.
func (it Item) EncodedLen() int {
	if it.attrs == nil {
		return 0
	}
	return maxRowHead + len(it.attrs)
}

// Stamp is the hybrid-clock time of the commit that wrote the item, or 0.
func (it Item) Stamp() uint64 { return it.stamp }

// SameAttributes tells whether two items have equal attributes, whatever their stamps. Two missing
// items are the same.
func SameAttributes(a, b Item) bool {
	return a.Exists() == b.Exists() && string(a.attrs) == string(b.attrs)
}

// Clone returns a copy of it with bytes of its own.
func (it Item) Clone() Item {
	it.attrs = bytes.Clone(it.attrs)
	return it
}

// find returns the named entry of a map's payload. Names are in order, so it stops at the first
// greater one.
func find(payload []byte, name string) Value {
	n, i := readCount(payload)
	for ; n > 0; n-- {
		start, end, ok := span(payload, i)
		if !ok {
			break
		}
		i = valueEnd(payload, end)
		if i < 0 {
			break
		}
		if at := payload[start:end]; string(at) >= name {
			if string(at) == name {
				return Value{payload[end:i:i]}
			}
			break
		}
	}
	return Value{}
}

// entriesOf yields the entries of a map's payload, up to the first damage.
func entriesOf(payload []byte) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		n, i := readCount(payload)
		for ; n > 0; n-- {
			name, v, next, ok := entryAt(payload, i)
			if !ok || !yield(view(name), v) {
				return
			}
			i = next
		}
	}
}
