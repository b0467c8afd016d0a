// Package item holds DynamoDB's data: attribute values, items, exact decimal numbers. It turns DynamoDB's JSON into the
// canonical encoded bytes that are stored, and back; compares, measures and edits them without decoding more than is
// touched. It knows nothing of tables, keys or expressions.
//
// The layout of the encoding is drawn atop encode.go, that of numbers atop number.go.
package item

import "iter"

// Type is the type of an attribute value.
type Type byte

// The types. Their numbers are the tags of the stored encoding and never change. False and True are two tags of one
// type: Value.Type returns BOOL for both.
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
func (t Type) String() string { panic("unbuilt") }

// LongName returns the type as some of DynamoDB's messages name it: STRING, NUMBER, BINARY, NULL, BOOLEAN, LIST, MAP,
// STRING_SET, NUMBER_SET, BINARY_SET.
func (t Type) LongName() string { panic("unbuilt") }

// ParseType returns the type that DynamoDB tags s, or Missing.
func ParseType(s string) Type { panic("unbuilt") }

// Value is one attribute value: a view of canonical encoded bytes, which it does not own. The zero Value is a missing
// value. Equal values are equal bytes. Values are immutable; whoever reuses the bytes below must have no Value left.
type Value struct{ b []byte }

// Item is a set of named attributes, encoded: a view of bytes that it does not own. The zero Item is "no item", which
// differs from an item without attributes.
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

// Exists tells whether v is a value at all.
func (v Value) Exists() bool { return len(v.b) != 0 }

// Type returns v's type, or Missing.
func (v Value) Type() Type { panic("unbuilt") }

// Raw returns v's canonical encoding, tag and length included. Equal values have equal Raw bytes.
func (v Value) Raw() []byte { return v.b }

// Bytes returns the payload: of S the UTF-8 text, of B the bytes, of N the order-preserving encoding of number.go.
// It panics for other types.
func (v Value) Bytes() []byte { panic("unbuilt") }

// Bool returns the truth of a BOOL.
func (v Value) Bool() bool { panic("unbuilt") }

// Len returns the number of elements of a set, list or map.
func (v Value) Len() int { panic("unbuilt") }

// Index returns element i of a list, or a missing Value if v is no list or has no such element.
func (v Value) Index(i int) Value { panic("unbuilt") }

// Key returns the entry of a map, or a missing Value if v is no map or has no such entry.
func (v Value) Key(name string) Value { panic("unbuilt") }

// Elements yields the elements of a list, or the members of a set as S, N or B values, in stored order.
func (v Value) Elements() iter.Seq[Value] { panic("unbuilt") }

// Entries yields the entries of a map, by name. The names are views of v's bytes.
func (v Value) Entries() iter.Seq2[string, Value] { panic("unbuilt") }

// Contains tells whether a set has the member (an S, N or B value of the set's element type), or a list an equal
// element.
func (v Value) Contains(member Value) bool { panic("unbuilt") }

// Size is v's size in bytes as DynamoDB counts it (types-and-sizes of the AWS documentation: numbers about half a byte
// a digit, 3 for a list or map and 1 more for each element), without the attribute's name.
func (v Value) Size() int { panic("unbuilt") }

// Depth is the number of nested lists and maps: 0 for a scalar or set, 1 for a list of scalars.
func (v Value) Depth() int { panic("unbuilt") }

// Equal tells whether two values are equal as DynamoDB compares: by type and content, sets without order, numbers by
// value. Two missing values are equal.
func Equal(a, b Value) bool { return string(a.b) == string(b.b) }

// Compare orders two values of one and the same type S, N or B: strings and binaries by unsigned bytes, numbers by value.
// ok is false for other types, different types and missing values.
func Compare(a, b Value) (order int, ok bool) { panic("unbuilt") }

// Clone returns a copy of v with bytes of its own.
func (v Value) Clone() Value { panic("unbuilt") }

// Exists tells whether it is an item at all.
func (it Item) Exists() bool { return it.attrs != nil }

// Len returns the number of attributes.
func (it Item) Len() int { panic("unbuilt") }

// Get returns the named attribute without decoding the others, or a missing Value.
func (it Item) Get(name string) Value { panic("unbuilt") }

// Attributes yields the attributes, by name. The names are views of it's bytes.
func (it Item) Attributes() iter.Seq2[string, Value] { panic("unbuilt") }

// Size is the item's size in bytes as DynamoDB counts it: the names' UTF-8 bytes and the values' sizes.
func (it Item) Size() int { return it.size }

// Stamp is the hybrid-clock time of the commit that wrote the item, or 0.
func (it Item) Stamp() uint64 { return it.stamp }

// SameAttributes tells whether two items have equal attributes, whatever their stamps. Two missing items are the same.
func SameAttributes(a, b Item) bool {
	return a.Exists() == b.Exists() && string(a.attrs) == string(b.attrs)
}

// Clone returns a copy of it with bytes of its own.
func (it Item) Clone() Item { panic("unbuilt") }

// With returns a new item with the changes made: each Entry sets an attribute, or removes it if its Value is missing.
// Names must be distinct; the order does not matter. A missing item counts as one without attributes.
func (it Item) With(changes []Entry) Item { panic("unbuilt") }

// Pick returns a new item with only the named attributes that it has. names must be sorted by bytes and distinct.
func (it Item) Pick(names []string) Item { panic("unbuilt") }

// New returns an item of the entries, in any order, with distinct names.
func New(entries []Entry) Item { panic("unbuilt") }

// String, Binary, Bool, Null, Int make values.
func String(s string) Value { panic("unbuilt") }
func Binary(b []byte) Value { panic("unbuilt") }
func Bool(b bool) Value     { panic("unbuilt") }
func Null() Value           { panic("unbuilt") }
func Int(n int64) Value     { panic("unbuilt") }

// List makes an L of the elements.
func List(elements []Value) Value { panic("unbuilt") }

// Map makes an M of the entries, in any order, with distinct names.
func Map(entries []Entry) Value { panic("unbuilt") }

// Union returns the set of all members of two sets of one type.
func Union(a, b Value) Value { panic("unbuilt") }

// Difference returns the set a without b's members, or a missing Value if none is left. Both have one type.
func Difference(a, b Value) Value { panic("unbuilt") }

// Add returns a+b, and Subtract a-b, for two N values, exactly. A result with more than 38 significant digits or out of
// range is a *Fault with DynamoDB's message.
func Add(a, b Value) (Value, error)      { panic("unbuilt") }
func Subtract(a, b Value) (Value, error) { panic("unbuilt") }

// Number parses DynamoDB's number text into an N value. The error is a *Fault.
func Number(text string) (Value, error) { panic("unbuilt") }

// Parse reads a stored row. The Item is a view of b. An error means damage, or a row of a newer format.
func Parse(b []byte) (Item, error) { panic("unbuilt") }

// AppendStored appends the stored form of it, as Parse reads it. stamp 0 leaves the stamp out (index rows).
func (it Item) AppendStored(dst []byte, stamp uint64) []byte { panic("unbuilt") }

// Verify walks all of a parsed item and reports what is not canonical, or damaged, or a wrong size. (Parse looks at the
// header only.)
func (it Item) Verify() error { panic("unbuilt") }

// AppendJSON appends it in DynamoDB's JSON: {"name":{"S":"…"},…}.
func (it Item) AppendJSON(dst []byte) []byte { panic("unbuilt") }

// AppendJSON appends v in DynamoDB's JSON: {"S":"…"}.
func (v Value) AppendJSON(dst []byte) []byte { panic("unbuilt") }

// AppendText appends v as DynamoDB's messages print values: {S:a}, {N:1}.
func (v Value) AppendText(dst []byte) []byte { panic("unbuilt") }

// AppendQuoted appends s as a JSON string, quotes included, escaping only what JSON must have escaped.
func AppendQuoted(dst []byte, s string) []byte { panic("unbuilt") }
