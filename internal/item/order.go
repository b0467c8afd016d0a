package item

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Clients send maps and sets in any order. The decoder writes elements as they come and keeps a ref
// to each; if they are not in order, it sorts the refs, and copies the elements in their order
// through its scratch buffer.

// front returns the first 8 bytes of a key as a number that has the order of the bytes. A shorter
// key is padded with zeros, so keys with equal fronts can still differ.
func front(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var x uint64
	for i, c := range key {
		x |= uint64(c) << (56 - 8*i)
	}
	return x
}

func (d *Decoder) compare(a, b *ref) int { return compareRefs(d.buf, a, b) }

// compareRefs orders two refs into buf by their keys.
func compareRefs(buf []byte, a, b *ref) int {
	if a.front != b.front {
		return cmp.Compare(a.front, b.front)
	}
	return bytes.Compare(buf[a.key:a.keyEnd], buf[b.key:b.keyEnd])
}

// sort sorts the refs from base on by their keys, equal ones as they were sent.
func (d *Decoder) sort(base int) {
	buf := d.buf
	slices.SortFunc(d.refs[base:], func(a, b ref) int {
		if order := compareRefs(buf, &a, &b); order != 0 {
			return order
		}
		return cmp.Compare(a.start, b.start)
	})
}

func (d *Decoder) sameKey(a, b *ref) bool { return d.compare(a, b) == 0 }

// repeats tells whether a key comes twice in the sorted refs from base on.
func (d *Decoder) repeats(base int) bool {
	for i := base + 1; i < len(d.refs); i++ {
		if d.sameKey(&d.refs[i-1], &d.refs[i]) {
			return true
		}
	}
	return false
}

// dropRepeated keeps of sorted refs with equal keys the one sent last, and forgets the faults of
// the others.
func (d *Decoder) dropRepeated(base int) {
	kept := d.refs[:base]
	for i := base; i < len(d.refs); i++ {
		r := d.refs[i]
		if i+1 < len(d.refs) && d.sameKey(&r, &d.refs[i+1]) {
			clear(d.faults[r.faults:r.faultEnd])
			continue
		}
		kept = append(kept, r)
	}
	d.refs = kept
}

// reorder copies the elements of the refs from base on into the refs' order. Their bytes make up
// the end of the buffer, from the offset start on; elements without a ref vanish.
func (d *Decoder) reorder(base, start int) {
	d.scratch = d.scratch[:0]
	for i := range d.refs[base:] {
		r := &d.refs[base+i]
		d.scratch = append(d.scratch, d.buf[r.start:r.end]...)
	}
	d.buf = append(d.buf[:start], d.scratch...)
}
