package item

import (
	"encoding/base64"
	"slices"
)

// FaultKind says which of DynamoDB's rules a value breaks. Some operations word the families
// differently.
type FaultKind int

// The kinds of Fault.
const (
	FaultEmpty    FaultKind = iota + 1 // an AttributeValue without a member
	FaultMultiple                      // an AttributeValue with more than one member
	FaultNumber                        // not a number, out of range, too many digits
	FaultNull                          // NULL with false
	FaultSet                           // an empty set or a repeated member
	FaultNesting                       // more than 32 levels
	FaultName                          // an empty attribute name or map key
	FaultLongName                      // an attribute name or map key over 65535 bytes
)

// Fault is content that is well-formed JSON of the right types but that DynamoDB rejects with a
// ValidationException. Message is DynamoDB's own text.
type Fault struct {
	Kind    FaultKind
	Message string
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// Faults are what DynamoDB would find in one value or item, in the order in which it looks: depth
// first, names and members as they were sent, and in one AttributeValue: no member, then each
// member's own faults, then several members; in a set: emptiness, the numbers, repetition. Null is
// the first NULL:false; First is the first fault of any other kind. PutItem reports Null before
// First; elsewhere the earlier one counts, which Earliest returns.
type Faults struct {
	Null, First *Fault
	nullEarlier bool
}

// Earliest returns the fault that comes first in the walk, or nil.
func (f *Faults) Earliest() *Fault {
	if f.First == nil || f.nullEarlier {
		return f.Null
	}
	return f.First
}

// add takes the next fault of the walk.
func (f *Faults) add(x *Fault) {
	switch {
	case x.Kind == FaultNull && f.Null == nil:
		f.Null, f.nullEarlier = x, f.First == nil
	case x.Kind != FaultNull && f.First == nil:
		f.First = x
	}
}

// DynamoDB's messages for faults, where they are fixed. The one for an empty name is not known from
// AWS itself (only in ExpressionAttributeNames); the one for a long name was recorded in 2026.
const (
	invalidPrefix      = "One or more parameter values were invalid: "
	messageEmpty       = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
	messageMultiple    = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
	messageNull        = invalidPrefix + "Null attribute value types must have the value of true"
	messageEmptySS     = invalidPrefix + "An string set  may not be empty"
	messageEmptyNS     = invalidPrefix + "An number set  may not be empty"
	messageEmptyBS     = invalidPrefix + "Binary sets should not be empty"
	messageDuplicateNS = "Input collection contains duplicates"
	messageNesting     = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
	messageEmptyName   = invalidPrefix + "Empty attribute name"
	messageLongName    = "Attribute name is too large, must be less than 65536 bytes"
)

// Decoder turns DynamoDB's JSON into canonical values. It owns the buffer in which the decoded
// bytes lie: they are valid until Reset. The zero Decoder is ready; reuse saves allocations.
// Callers limit the input: at a gigabyte it panics.
type Decoder struct {
	buf     []byte // decoded values, one after the other
	scratch []byte // elements on their way into order
	refs    []ref  // the elements of the maps and sets being decoded, outer before inner
	faults  []*Fault
	spilled *Fault // the first fault beyond maxFaults
}

// ref says where in the decoder's buffer an element of a map or set lies. It is small because
// sorting moves it; begin makes sure that the offsets fit.
type ref struct {
	front            uint64 // the key's first 8 bytes, big-endian: most comparisons end here
	start, end       int32  // all of it
	key, keyEnd      int32  // what it is sorted by: the name, or the member
	size             int32  // as DynamoDB counts it, the name included
	faults, faultEnd uint16 // its part of the decoder's faults
}

// maxFaults limits the faults that are kept. More than one must be: the faults of an attribute are
// dropped if its name comes again, since the last one counts.
const maxFaults = 1000

// maxInput limits the text that can be decoded, and the buffer that it is decoded into, to what a
// ref can address. Requests are far smaller.
const maxInput = 1 << 30

// Reset makes the decoder's buffer free for reuse. Values decoded before are no longer valid. Large
// buffers are dropped, so that one large request does not keep its memory.
func (d *Decoder) Reset() {
	d.buf, d.refs = d.buf[:0], d.refs[:0]
	if cap(d.buf) > maxKept {
		d.buf = nil
	}
	if cap(d.scratch) > maxKept {
		d.scratch = nil
	}
	if cap(d.refs) > maxKept/32 {
		d.refs = nil
	}
}

// Item decodes the JSON object at s into an item: a map of attribute names to AttributeValues. The
// error is a *TypeError or ErrSyntax of s. Faults do not stop it: with any fault the returned Item
// is the zero Item. Repeated names: the last one counts. null members are dropped as if absent;
// unknown members are ignored.
//
// After a TypeError the rest of the text is not read. DynamoDB reports text that is not JSON first,
// so callers have to check the whole text then.
func (d *Decoder) Item(s *Scanner) (Item, Faults, error) {
	start := d.begin(s)
	_, size, err := d.entries(s, 0)
	faults := d.finish(start, err)
	if err != nil || faults.Earliest() != nil {
		return Item{}, faults, err
	}
	return Item{attrs: d.buf[start:len(d.buf):len(d.buf)], size: size}, faults, nil
}

// Value decodes the AttributeValue at s, as Item does an item: with any fault the Value is missing.
func (d *Decoder) Value(s *Scanner) (Value, Faults, error) {
	start := d.begin(s)
	_, err := d.value(s, 0)
	faults := d.finish(start, err)
	if err != nil || faults.Earliest() != nil {
		return Value{}, faults, err
	}
	return Value{d.buf[start:len(d.buf):len(d.buf)]}, faults, nil
}

// begin readies d for the next item or value and returns where its bytes will start.
func (d *Decoder) begin(s *Scanner) int {
	if len(s.data) >= maxInput {
		panic("item: text of a gigabyte")
	}
	if len(d.buf)+len(s.data) >= maxInput {
		d.buf = nil // values that lie in the old one keep it alive
	}
	d.refs, d.faults, d.spilled = d.refs[:0], d.faults[:0], nil
	return len(d.buf)
}

// finish returns the faults found, and takes back the bytes if they are not to be used.
func (d *Decoder) finish(start int, err error) (faults Faults) {
	if err != nil {
		d.buf = d.buf[:start]
		return Faults{}
	}
	if len(d.faults) == 0 {
		return Faults{}
	}
	for _, f := range append(d.faults, d.spilled) {
		if f != nil {
			faults.add(f)
		}
	}
	clear(d.faults)
	if faults.Earliest() != nil {
		d.buf = d.buf[:start]
	}
	return faults
}

// fault notes the next fault of the walk.
func (d *Decoder) fault(kind FaultKind, message string) { d.note(&Fault{kind, message}) }

// note is fault with a Fault.
func (d *Decoder) note(f *Fault) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, f)
	} else if d.spilled == nil {
		d.spilled = f
	}
}

// entries decodes a map's payload: the object at s, inside level lists and maps. size is that of
// all names and values. The entries are written as they come, with a ref for each. If they turn out
// not to be in order, they are put in order at the end.
func (d *Decoder) entries(s *Scanner, level int) (n, size int, err error) {
	if s.peek() != '{' {
		return 0, 0, mismatch(s, shapeMap)
	}
	if err := s.Enter(); err != nil {
		return 0, 0, err
	}
	at, base, sorted := len(d.buf), len(d.refs), true
	d.buf = append(d.buf, 0) // for the count
	for {
		name, more, err := s.NextKey()
		if err != nil {
			return 0, 0, err
		}
		if !more {
			break
		}
		if s.peek() == 'n' {
			if err := s.Literal(); err != nil {
				return 0, 0, err
			}
			continue // as if absent
		}
		r := ref{front: front(name), start: int32(len(d.buf)), faults: uint16(len(d.faults))}
		d.buf = appendLength(d.buf, len(name))
		r.key = int32(len(d.buf))
		d.buf = append(d.buf, name...)
		r.keyEnd = int32(len(d.buf))
		if len(name) == 0 || len(name) > maxNameBytes {
			d.note(NameFault(view(name)))
		}
		valueSize, err := d.value(s, level)
		if err != nil {
			return 0, 0, err
		}
		r.size = int32(len(name) + valueSize)
		r.end, r.faultEnd = int32(len(d.buf)), uint16(len(d.faults))
		if sorted && len(d.refs) > base {
			sorted = d.compare(&d.refs[len(d.refs)-1], &r) < 0
		}
		d.refs = append(d.refs, r)
	}
	if !sorted {
		d.sort(base)
		d.dropRepeated(base)
		d.reorder(base, at+1)
	}
	for i := range d.refs[base:] {
		size += int(d.refs[base+i].size)
	}
	n = len(d.refs) - base
	d.refs = d.refs[:base]
	d.buf = setLength(d.buf, at, n)
	return n, size, nil
}

// NameFault returns what is wrong with the name of an attribute or the key of a map, or nil.
func NameFault(name string) *Fault {
	switch {
	case name == "":
		return &Fault{FaultName, messageEmptyName}
	case len(name) > maxNameBytes:
		return &Fault{FaultLongName, messageLongName}
	}
	return nil
}

// NestingFault returns what is wrong with a value as deep as v inside of level lists and maps, or
// nil.
func NestingFault(v Value, level int) *Fault {
	if level+v.Depth() > maxLevels {
		return &Fault{FaultNesting, messageNesting}
	}
	return nil
}

// value decodes the AttributeValue at s, inside level lists and maps.
func (d *Decoder) value(s *Scanner, level int) (size int, err error) {
	if s.peek() != '{' {
		return 0, mismatch(s, shapeValue)
	}
	if text, ok := s.loneString(); ok {
		d.buf = appendValue(d.buf, S, text)
		return len(text), nil
	}
	if err := s.Enter(); err != nil {
		return 0, err
	}
	start, fault, given, several := len(d.buf), len(d.faults), Missing, false
	for {
		name, more, err := s.NextKey()
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		t := ParseType(view(name))
		if t == Missing || s.peek() == 'n' {
			if err := s.Skip(); err != nil {
				return 0, err
			}
			continue
		}
		if given != Missing {
			d.buf = d.buf[:start]
			if t != given {
				several = true
			} else if !several {
				d.faults = d.faults[:fault] // the same member again: the last one counts
			}
		}
		given = t
		if size, err = d.member(s, t, level); err != nil {
			return 0, err
		}
	}
	if given == Missing {
		d.fault(FaultEmpty, messageEmpty)
	} else if several {
		d.fault(FaultMultiple, messageMultiple)
	}
	return size, nil
}

// member decodes an AttributeValue's member of type t. With a fault, what it appends is of no use.
func (d *Decoder) member(s *Scanner, t Type, level int) (size int, err error) {
	switch t {
	case S:
		text, err := textAt(s)
		d.buf = appendValue(d.buf, S, text)
		return len(text), err
	case N:
		d.buf = append(d.buf, byte(N), 0)
		return d.number(s)
	case B:
		text, err := blobAt(s)
		if err != nil {
			return 0, err
		}
		size = blobLen(text)
		d.buf = append(d.buf, byte(B))
		d.buf = appendLength(d.buf, size)
		return size, d.blob(text)
	case BOOL:
		truth, err := boolAt(s)
		if truth {
			t = tagTrue
		}
		d.buf = append(d.buf, byte(t))
		return 1, err
	case NULL:
		truth, err := boolAt(s)
		if err == nil && !truth {
			d.fault(FaultNull, messageNull)
		}
		d.buf = append(d.buf, byte(NULL))
		return 1, err
	}
	// The other types have a payload whose length is known at its end.
	d.buf = append(d.buf, byte(t), 0)
	start := len(d.buf)
	switch t {
	case L:
		size, err = d.list(s, level)
	case M:
		size, err = d.nestedMap(s, level)
	default:
		size, err = d.set(s, t)
	}
	if err == nil {
		d.buf = setLength(d.buf, start-1, len(d.buf)-start)
	}
	return size, err
}

// number decodes the number at s behind a byte kept free for its length.
func (d *Decoder) number(s *Scanner) (size int, err error) {
	text, err := textAt(s)
	if err != nil {
		return 0, err
	}
	start := len(d.buf)
	var problem numberProblem
	if d.buf, problem = appendNumber(d.buf, text); problem != 0 {
		d.note(problem.fault(string(text)))
		return 0, nil
	}
	d.buf[start-1] = byte(len(d.buf) - start)
	return numberSize(d.buf[start:]), nil
}

// blob appends the bytes that text is the base64 of.
func (d *Decoder) blob(text []byte) error {
	start, n := len(d.buf), blobLen(text)
	d.buf = slices.Grow(d.buf, len(text))
	m, err := strictBase64.Decode(d.buf[start:start+len(text)], text)
	if err != nil || m != n { // it would pass over line breaks
		return &TypeError{blobProblem(text)}
	}
	d.buf = d.buf[:start+n]
	return nil
}

// strictBase64 wants the bits after the last byte to be 0, as DynamoDB does.
var strictBase64 = base64.StdEncoding.Strict()

// list decodes a list's payload, inside level lists and maps.
func (d *Decoder) list(s *Scanner, level int) (size int, err error) {
	if s.peek() != '[' {
		return 0, mismatch(s, shapeList)
	}
	if level >= maxLevels {
		d.fault(FaultNesting, messageNesting)
		return 0, s.Skip()
	}
	if err := s.Enter(); err != nil {
		return 0, err
	}
	at, n := len(d.buf), 0
	d.buf = append(d.buf, 0) // for the count
	for size = containerSize; ; n++ {
		more, err := s.NextElement()
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		if s.peek() == 'n' { // leaving it out would move what follows
			d.fault(FaultEmpty, messageEmpty)
			if err := s.Literal(); err != nil {
				return 0, err
			}
			continue
		}
		elementBytes, err := d.value(s, level+1)
		if err != nil {
			return 0, err
		}
		size += elementSize + elementBytes
	}
	d.buf = setLength(d.buf, at, n)
	return size, nil
}

// nestedMap decodes a map's payload, inside level lists and maps.
func (d *Decoder) nestedMap(s *Scanner, level int) (size int, err error) {
	if level >= maxLevels && s.peek() == '{' {
		d.fault(FaultNesting, messageNesting)
		return 0, s.Skip()
	}
	n, size, err := d.entries(s, level+1)
	return containerSize + elementSize*n + size, err
}

func (d *Decoder) set(s *Scanner, t Type) (size int, err error) {
	if s.peek() != '[' {
		return 0, mismatch(s, shapeList)
	}
	if err := s.Enter(); err != nil {
		return 0, err
	}
	at, base, sorted := len(d.buf), len(d.refs), true
	d.buf = append(d.buf, 0) // for the count
	faults := len(d.faults)
	for {
		more, err := s.NextElement()
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		r, err := d.setMember(s, t)
		if err != nil {
			return 0, err
		}
		size += int(r.size)
		if sorted && len(d.refs) > base {
			sorted = d.compare(&d.refs[len(d.refs)-1], &r) < 0
		}
		d.refs = append(d.refs, r)
	}
	n := len(d.refs) - base
	if n == 0 {
		d.fault(FaultSet, emptySetMessage(t))
	}
	if !sorted && len(d.faults) == faults { // members at fault have no bytes to compare
		d.sort(base)
		if d.repeats(base) {
			d.fault(FaultSet, d.duplicatesMessage(t, at+1))
		}
		d.reorder(base, at+1)
	}
	d.refs = d.refs[:base]
	d.buf = setLength(d.buf, at, n)
	return size, nil
}

// setMember decodes one member of a set of type t. With a fault it has no bytes.
func (d *Decoder) setMember(s *Scanner, t Type) (r ref, err error) {
	start, size := len(d.buf), 0
	var text []byte
	switch {
	case s.peek() == 'n':
		d.fault(FaultEmpty, messageEmpty)
		err = s.Literal()
	case t == NS:
		d.buf = append(d.buf, 0)
		size, err = d.number(s)
	case t == BS:
		if text, err = blobAt(s); err == nil {
			size = blobLen(text)
			d.buf = appendLength(d.buf, size)
			err = d.blob(text)
		}
	default:
		text, err = textAt(s)
		size = len(text)
		d.buf = appendLength(d.buf, size)
		d.buf = append(d.buf, text...)
	}
	key, _, ok := span(d.buf, start)
	if !ok {
		key = start
	}
	return ref{
		front: front(d.buf[key:]), start: int32(start), end: int32(len(d.buf)),
		key: int32(key), keyEnd: int32(len(d.buf)), size: int32(size),
	}, err
}

// emptySetMessage is DynamoDB's message for an empty set.
func emptySetMessage(t Type) string {
	switch t {
	case SS:
		return messageEmptySS
	case NS:
		return messageEmptyNS
	}
	return messageEmptyBS
}

// duplicatesMessage is DynamoDB's message for a set with a repeated member. The members begin at
// the given offset, and are printed in the order in which they were sent: it is called before
// reorder.
func (d *Decoder) duplicatesMessage(t Type, at int) string {
	if t == NS {
		return messageDuplicateNS
	}
	b := append([]byte(invalidPrefix), "Input collection ["...)
	for separator := ""; at < len(d.buf); separator = ", " {
		start, next, _ := span(d.buf, at)
		b = append(b, separator...)
		b = appendScalarText(b, memberType(t), d.buf[start:next])
		at = next
	}
	if t == BS {
		return string(b) + "]of type BS contains duplicates."
	}
	return string(b) + "] contains duplicates."
}
