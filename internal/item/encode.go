package item

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// A stored row is an item with its metadata:
//
//	row        := format byte (1) · flags · size · [stamp] · [origin] · attributes
//	flags      := bit 0: a stamp is present · bit 1: an origin is present · the other bits: 0
//	size       := uvarint, the item's size as DynamoDB counts it
//	stamp      := 8 bytes, big-endian: the commit's hybrid-clock time
//	origin     := uvarint, the id of the region where the item was written
//	attributes := uvarint count · (uvarint length of name · name · value)*,
//	              ascending by the names' bytes
//
//	value      := tag · uvarint length of payload · payload,
//	              except that NULL, false and true are the tag alone
//
//	payload of S   UTF-8 text
//	           B   bytes
//	           N   number, as number.go draws it
//	           SS  uvarint count · (uvarint length · member)*,
//	               ascending by the members' bytes; count is not 0
//	           BS  the same
//	           NS  the same, the members being numbers and so ascending by value
//	           L   uvarint count · value*
//	           M   attributes
//
// The tags are the numbers of the Types in item.go. Names are 1 to 65535 bytes of UTF-8, no two
// alike; members are distinct; every uvarint is as short as it can be. So equal items have equal
// attributes, byte for byte.
const (
	formatByte   = 1
	flagStamp    = 1 << 0
	flagOrigin   = 1 << 1
	knownFlags   = flagStamp | flagOrigin
	maxNameBytes = 65535
	// maxLevels is how many lists and maps can be nested: DynamoDB's 32 levels count the innermost
	// scalar, or the item around it, as one. (Recorded answers of the service, 2026.)
	maxLevels = 31
)

// errTruncated says that a row ends, or overflows a number, within its header.
var errTruncated = errors.New("item: stored row is damaged: its header is cut short")

// Parse reads a stored row. The Item is a view of b. An error means damage, or a row of a newer
// format. Only the row's head is checked: reads of damaged attributes end early and do not fail, so
// that a row can be parsed without a walk over it (Verify).
func Parse(b []byte) (Item, error) {
	if len(b) < 2 {
		return Item{}, errTruncated
	}
	if b[0] != formatByte {
		return Item{}, fmt.Errorf("item: stored row has format %d, this version reads format %d only: it is damaged, or a newer version wrote it", b[0], formatByte)
	}
	flags := b[1]
	if flags&^knownFlags != 0 {
		return Item{}, fmt.Errorf("item: stored row has unknown flags %#02x: it is damaged, or a newer version wrote it", flags)
	}
	size, i, ok := readUvarint(b, 2)
	if !ok || size > math.MaxInt32 {
		return Item{}, errTruncated
	}
	it := Item{size: int(size)}
	if flags&flagStamp != 0 {
		if len(b)-i < 8 {
			return Item{}, errTruncated
		}
		it.stamp = binary.BigEndian.Uint64(b[i:])
		i += 8
	}
	if flags&flagOrigin != 0 {
		if _, i, ok = readUvarint(b, i); !ok {
			return Item{}, errTruncated
		}
	}
	if _, _, ok := readUvarint(b, i); !ok {
		return Item{}, errTruncated
	}
	it.attrs = b[i:len(b):len(b)]
	return it, nil
}

// maxRowHead is the most that a stored row made here has before its attributes.
const maxRowHead = 2 + binary.MaxVarintLen32 + 8

// AppendStored appends the item as a stored row. stamp 0 leaves the stamp out (index rows).
func (it Item) AppendStored(dst []byte, stamp uint64) []byte {
	if !it.Exists() {
		panic("item: AppendStored of a missing item")
	}
	dst = slices.Grow(dst, it.EncodedLen())
	if stamp == 0 {
		dst = append(dst, formatByte, 0)
		dst = binary.AppendUvarint(dst, uint64(it.size))
	} else {
		dst = append(dst, formatByte, flagStamp)
		dst = binary.AppendUvarint(dst, uint64(it.size))
		dst = binary.BigEndian.AppendUint64(dst, stamp)
	}
	return append(dst, it.attrs...)
}

// String makes an S.
func String(s string) Value {
	return Value{append(newValue(S, len(s)), s...)}
}

// Binary makes a B with a copy of b.
func Binary(b []byte) Value {
	return Value{append(newValue(B, len(b)), b...)}
}

// Bool makes a BOOL.
func Bool(b bool) Value {
	if b {
		return Value{[]byte{byte(tagTrue)}}
	}
	return Value{[]byte{byte(BOOL)}}
}

// Null makes a NULL.
func Null() Value { return Value{[]byte{byte(NULL)}} }

// List makes an L of the elements.
func List(elements []Value) Value {
	n := uvarintLen(len(elements))
	for _, e := range elements {
		n += len(e.b)
	}
	b := newValue(L, n)
	b = binary.AppendUvarint(b, uint64(len(elements)))
	for _, e := range elements {
		b = append(b, e.b...)
	}
	return Value{b}
}

// Set makes a set of the members, all S, all N or all B, in any order; there is one at least. ok is
// false if one is there twice.
func Set(members []Value) (set Value, ok bool) {
	t := map[Type]Type{S: SS, N: NS, B: BS}[members[0].Type()]
	members = slices.SortedFunc(slices.Values(members), func(a, b Value) int {
		return bytes.Compare(a.payload(), b.payload())
	})
	payload := appendLength(nil, len(members))
	for i, m := range members {
		if m.Type() != memberType(t) {
			panic("item: a set of types " + members[0].Type().String() + " and " + m.Type().String())
		}
		if i > 0 && Equal(m, members[i-1]) {
			return Value{}, false
		}
		payload = appendLength(payload, len(m.payload()))
		payload = append(payload, m.payload()...)
	}
	return Value{append(newValue(t, len(payload)), payload...)}, true
}

// newValue returns a value's beginning, tag and length, with room for the payload.
func newValue(t Type, payload int) []byte {
	b := make([]byte, 0, 1+uvarintLen(payload)+payload)
	b = append(b, byte(t))
	return binary.AppendUvarint(b, uint64(payload))
}

// appendValue appends a value of a type that has a payload.
func appendValue(dst []byte, t Type, payload []byte) []byte {
	dst = append(dst, byte(t))
	dst = appendLength(dst, len(payload))
	return append(dst, payload...)
}

// appendLength appends n as a uvarint; most are a single byte.
func appendLength(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return binary.AppendUvarint(dst, uint64(n))
}

// uvarintLen returns the length of n as a uvarint.
func uvarintLen(n int) int {
	k := 1
	for n >= 0x80 {
		n >>= 7
		k++
	}
	return k
}

// setLength writes n as a uvarint over the one byte kept free for it at b[at], and moves what
// follows if one byte is not enough. Most lengths fit one byte, so that writing before the length
// is known costs nothing.
func setLength(b []byte, at, n int) []byte {
	if n < 0x80 {
		b[at] = byte(n)
		return b
	}
	var u [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(u[:], uint64(n))
	b = append(b, u[:k-1]...) // any bytes: room
	copy(b[at+k:], b[at+1:])
	copy(b[at:], u[:k])
	return b
}

// readUvarint returns the uvarint at b[i:] and the offset after it; ok is false if there is none or
// it is longer than necessary, which is not canonical.
func readUvarint(b []byte, i int) (v uint64, next int, ok bool) {
	if uint(i) >= uint(len(b)) {
		return 0, 0, false
	}
	if b[i] < 0x80 {
		return uint64(b[i]), i + 1, true
	}
	v, k := binary.Uvarint(b[i:])
	if k <= 0 || b[i+k-1] == 0 {
		return 0, 0, false
	}
	return v, i + k, true
}

// readCount returns the count at the beginning of a payload and the offset after it. A count that
// the bytes behind it cannot hold, each element having one byte at least, is damage and reads as 0.
func readCount(b []byte) (n, next int) {
	v, next, ok := readUvarint(b, 0)
	if !ok || v > uint64(len(b)-next) {
		return 0, 0
	}
	return int(v), next
}

// span returns the bounds of the bytes at b[i:] that follow their own length; ok is false if they
// are not all there.
func span(b []byte, i int) (start, end int, ok bool) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		start = i + 1
		end = start + int(b[i])
		return start, end, end <= len(b)
	}
	return spanLong(b, i)
}

// spanLong is span where the length takes several bytes.
func spanLong(b []byte, i int) (start, end int, ok bool) {
	v, start, ok := readUvarint(b, i)
	if !ok || v > uint64(len(b)-start) {
		return 0, 0, false
	}
	return start, start + int(v), true
}

// valueEnd returns the offset after the value at b[i:], or -1 if it is not all there or has an
// unknown tag.
func valueEnd(b []byte, i int) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	switch Type(b[i]) {
	case NULL, BOOL, tagTrue:
		return i + 1
	case S, N, B, SS, NS, BS, L, M:
		if _, end, ok := span(b, i+1); ok {
			return end
		}
	}
	return -1
}

// entryAt returns the entry at b[i:] and the offset after it; ok is false if it is damaged.
func entryAt(b []byte, i int) (name []byte, v Value, next int, ok bool) {
	start, end, ok := span(b, i)
	if !ok {
		return nil, Value{}, 0, false
	}
	next = valueEnd(b, end)
	if next < 0 {
		return nil, Value{}, 0, false
	}
	return b[start:end], Value{b[end:next:next]}, next, true
}

// view returns b as a string without a copy: b must not change while the string lives.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesView returns s as bytes without a copy: they must not be written to.
func bytesView(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
