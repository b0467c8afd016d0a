package item

import (
	"bytes"
	"iter"
)

// maxWalk limits the recursion into lists and maps. DynamoDB's limit is maxLevels; values that are
// made here can be deeper until they are rejected. Anything deeper than maxWalk is treated as
// damage, so that no stored bytes can exhaust the stack.
const maxWalk = 256

// Exists tells whether v is a value at all.
func (v Value) Exists() bool { return len(v.b) != 0 }

// Type returns v's type, or Missing.
func (v Value) Type() Type {
	if len(v.b) == 0 {
		return Missing
	}
	switch t := Type(v.b[0]); t {
	case tagTrue:
		return BOOL
	case NULL, BOOL, S, N, B, SS, NS, BS, L, M:
		return t
	}
	return Missing
}

// Raw returns v's canonical encoding, tag and length included. Equal values have equal Raw bytes.
func (v Value) Raw() []byte { return v.b }

// Bytes returns the payload: of S the UTF-8 text, of B the bytes, of N the order-preserving
// encoding of number.go. It panics for other types.
func (v Value) Bytes() []byte {
	switch t := v.Type(); t {
	case S, N, B:
		return v.payload()
	default:
		panic("item: Bytes of a value of type " + t.String())
	}
}

// payload returns what follows v's tag and length, nil if there is nothing.
func (v Value) payload() []byte {
	if len(v.b) < 2 {
		return nil
	}
	start, end, ok := span(v.b, 1)
	if !ok {
		return nil
	}
	return v.b[start:end:end]
}

// Bool returns the truth of a BOOL.
func (v Value) Bool() bool { return len(v.b) != 0 && Type(v.b[0]) == tagTrue }

// Int64 returns the value of an N that is a whole number within int64; ok is false for everything
// else.
func (v Value) Int64() (n int64, ok bool) {
	if v.Type() != N {
		return 0, false
	}
	n, whole, ok := numberFloor(v.payload())
	return n, whole && ok
}

// Floor returns the greatest whole number that is not above an N; ok is false if it is not within
// int64, and for everything else.
func (v Value) Floor() (n int64, ok bool) {
	if v.Type() != N {
		return 0, false
	}
	n, _, ok = numberFloor(v.payload())
	return n, ok
}

// Len returns the number of elements of a set, list or map.
func (v Value) Len() int {
	switch v.Type() {
	case SS, NS, BS, L, M:
		n, _ := readCount(v.payload())
		return n
	}
	return 0
}

// Index returns element i of a list, or a missing Value if v is no list or has no such element.
func (v Value) Index(i int) Value {
	if v.Type() != L || i < 0 {
		return Value{}
	}
	p := v.payload()
	n, at := readCount(p)
	if i >= n {
		return Value{}
	}
	for {
		end := valueEnd(p, at)
		if end < 0 {
			return Value{}
		}
		if i == 0 {
			return Value{p[at:end:end]}
		}
		i, at = i-1, end
	}
}

// Key returns the entry of a map, or a missing Value if v is no map or has no such entry.
func (v Value) Key(name string) Value {
	if v.Type() != M {
		return Value{}
	}
	return find(v.payload(), name)
}

// Elements yields the elements of a list, or the members of a set as S, N or B values, in stored
// order.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		switch t := v.Type(); t {
		case L:
			for e := range elements(v.payload()) {
				if !yield(e) {
					return
				}
			}
		case SS, NS, BS:
			p := v.payload()
			n, _ := readCount(p)
			// Members have no tags in the set, so they are written again as values, into one
			// buffer.
			b := make([]byte, 0, len(p)+n)
			for m := range members(p) {
				start := len(b)
				b = appendValue(b, memberType(t), m)
				if !yield(Value{b[start:len(b):len(b)]}) {
					return
				}
			}
		}
	}
}

// Entries yields the entries of a map, by name. The names are views of v's bytes.
func (v Value) Entries() iter.Seq2[string, Value] {
	return entriesOf(v.entries())
}

// entries is the payload of a map, nil of what is none.
func (v Value) entries() []byte {
	if v.Type() != M {
		return nil
	}
	return v.payload()
}

// elements yields the values of a list's payload, up to the first damage.
func elements(payload []byte) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		n, i := readCount(payload)
		for ; n > 0; n-- {
			end := valueEnd(payload, i)
			if end < 0 || !yield(Value{payload[i:end:end]}) {
				return
			}
			i = end
		}
	}
}

// members yields the members' own payloads of a set's payload, up to the first damage.
func members(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		n, i := readCount(payload)
		for ; n > 0; n-- {
			start, end, ok := span(payload, i)
			if !ok || !yield(payload[start:end:end]) {
				return
			}
			i = end
		}
	}
}

// memberType returns the type of a set's members, and Missing of what is no set.
func memberType(set Type) Type {
	switch set {
	case SS:
		return S
	case NS:
		return N
	case BS:
		return B
	}
	return Missing
}

// Contains tells whether a set has the member (an S, N or B value of the set's element type), or a
// list an equal element.
func (v Value) Contains(member Value) bool {
	switch t := v.Type(); t {
	case L:
		for e := range elements(v.payload()) {
			if Equal(e, member) {
				return true
			}
		}
	case SS, NS, BS:
		if member.Type() != memberType(t) {
			return false
		}
		want := member.payload()
		for m := range members(v.payload()) {
			if order := bytes.Compare(m, want); order >= 0 {
				return order == 0
			}
		}
	}
	return false
}

// Size is v's size in bytes as DynamoDB counts it (numbers about half a byte a digit, 3 for a list
// or map and 1 more for each element), without the attribute's name.
func (v Value) Size() int { return v.sizeWithin(maxWalk) }

// sizeWithin is Size down to the given number of levels.
func (v Value) sizeWithin(levels int) int {
	switch t := v.Type(); t {
	case NULL, BOOL:
		return 1
	case S, B:
		return len(v.payload())
	case N:
		return numberSize(v.payload())
	case SS, BS, NS:
		size := 0
		for m := range members(v.payload()) {
			if t == NS {
				size += numberSize(m)
			} else {
				size += len(m)
			}
		}
		return size
	case L:
		size := containerSize
		for e := range elements(v.payload()) {
			size += elementSize
			if levels > 0 {
				size += e.sizeWithin(levels - 1)
			}
		}
		return size
	case M:
		size := containerSize
		for name, e := range entriesOf(v.payload()) {
			size += elementSize + len(name)
			if levels > 0 {
				size += e.sizeWithin(levels - 1)
			}
		}
		return size
	}
	return 0
}

// What DynamoDB adds for a list or map, and for each of its elements.
const (
	containerSize = 3
	elementSize   = 1
)

// Depth is the number of nested lists and maps: 0 for a scalar or set, 1 for a list of scalars.
func (v Value) Depth() int { return v.depthWithin(maxWalk) }

// depthWithin is Depth, at most the given number of levels and one.
func (v Value) depthWithin(levels int) int {
	t := v.Type()
	if t != L && t != M {
		return 0
	}
	deepest := 0
	if levels > 0 {
		if t == L {
			for e := range elements(v.payload()) {
				deepest = max(deepest, e.depthWithin(levels-1))
			}
		} else {
			for _, e := range entriesOf(v.payload()) {
				deepest = max(deepest, e.depthWithin(levels-1))
			}
		}
	}
	return deepest + 1
}

// Equal tells whether two values are equal as DynamoDB compares: by type and content, sets without
// order, numbers by value. Two missing values are equal.
func Equal(a, b Value) bool { return string(a.b) == string(b.b) }

// Compare orders two values of one and the same type S, N or B: strings and binaries by unsigned
// bytes, numbers by value. ok is false for other types, different types and missing values.
func Compare(a, b Value) (order int, ok bool) {
	t := a.Type()
	if t != b.Type() || t != S && t != N && t != B {
		return 0, false
	}
	return bytes.Compare(a.payload(), b.payload()), true
}

// Clone returns a copy of v with bytes of its own.
func (v Value) Clone() Value { return Value{bytes.Clone(v.b)} }
