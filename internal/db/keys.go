package db

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// The keys of everything that is stored. All integers are big-endian.
//
//	catalog, space 0x01:
//	  01 'n' groups(account) groups(region) name   the id (4 bytes) of the table with that name
//	  01 'd' table(4)                              its descriptor, JSON (schema.go)
//	  01 'i'                                       the next table id (4 bytes)
//	  01 'b' table(4) index(2)                     how far a backfill has come: the last item key done
//	  01 'l' log(8)                                a stream's own descriptor, JSON (logs.go); it outlives the table
//
//	rows, space 0x02:
//	  02 table(4) section(2) hash(8)  …            the front, kv.FrontLen bytes, and behind it:
//	    section 0, items:      pk            sk        → item with stamp
//	    section 1, expiry:     hash(8) pk    sk        → nothing; instead of a hash the front has the time, seconds
//	                                                     since 1970, and the hash is that of the item (expiry.go)
//	    section 16…, a GSI:    h1…h4  r1…r4  pk  sk    → projected item without stamp
//	    section 16…, an LSI:   pk     r      sk        → projected item without stamp
//
//	tokens, space 0x03:
//	  03 't' operation(1) hash(8) scope token      what became of a transaction with that token (token.go); scope is
//	                                               groups(account) groups(region), the hash that of scope and token
//	  03 'x' time(8) operation(1) scope token      that it is forgotten then, milliseconds since 1970 → nothing
//
// pk and sk are the table's partition and sort key, h and r the hash and range
// attributes of an index. The hash is XXH64 (seed 0) of all hash attributes as encoded behind the front.
//
// Every part but sk is self-delimiting, so that parts compare one after the other: a string or binary is in groups
// of 8 bytes, each followed by a byte that says how many of them count (0xFF: all, more groups follow; 0xF7+n, n<8: the
// first n, this is the last group, filled up with zeros); a number is in the prefix-free form of item/number.go. sk is last and raw: the
// bytes of a string or binary as they are, or the number's form. All of it orders as bytes like the values themselves.
//
// The lock key of a row is the key of the item that it belongs to; those of catalog rows are their own keys.
const (
	spaceCatalog = 0x01
	spaceRows    = 0x02
	spaceTokens  = 0x03

	catalogName       = 'n'
	catalogDescriptor = 'd'
	catalogNextID     = 'i'
	catalogBackfill   = 'b'
	catalogLog        = 'l'

	tokenRow    = 't'
	tokenExpiry = 'x'

	sectionItems  = 0
	sectionExpiry = 1
	firstIndexID  = 16

	maxHashBytes  = 2048
	maxRangeBytes = 1024

	sectionPrefixLen = 7 // space, table, section: what a front begins with
	usualKeyBytes    = 64
)

// attribute is a key attribute with its declared type.
type attribute struct {
	name string
	typ  item.Type
}

// nameKey is the catalog key of a table's name.
func nameKey(ns Namespace, name string) []byte {
	k := append(namePrefix(ns), name...)
	return k
}

// namePrefix is what the nameKeys of a namespace begin with.
func namePrefix(ns Namespace) []byte {
	k := []byte{spaceCatalog, catalogName}
	k = appendGroups(k, []byte(ns.Account))
	return appendGroups(k, []byte(ns.Region))
}

// descriptorKey is the catalog key of a table's descriptor.
func descriptorKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{spaceCatalog, catalogDescriptor}, id)
}

// nextIDKey is the catalog key of the next table id.
func nextIDKey() []byte { return []byte{spaceCatalog, catalogNextID} }

// backfillKey is the catalog key of a backfill's cursor.
func backfillKey(id uint32, index uint16) []byte {
	k := binary.BigEndian.AppendUint32([]byte{spaceCatalog, catalogBackfill}, id)
	return binary.BigEndian.AppendUint16(k, index)
}

// logKey is the catalog key of a log's descriptor.
func logKey(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceCatalog, catalogLog}, id)
}

// catalogRange is all rows of the catalog that are of one kind.
func catalogRange(kind byte) kv.Range {
	prefix := []byte{spaceCatalog, kind}
	return kv.Range{Start: prefix, End: prefixEnd(prefix)}
}

// tableRange is all rows of a table, sectionRange those of one section.
func tableRange(id uint32) kv.Range {
	k := binary.BigEndian.AppendUint32([]byte{spaceRows}, id)
	return kv.Range{Start: k, End: prefixEnd(k)}
}

func sectionRange(id uint32, section uint16) kv.Range {
	k := appendSection(nil, id, section)
	return kv.Range{Start: k, End: prefixEnd(k)}
}

// appendSection appends the first sectionPrefixLen bytes of a row's key.
func appendSection(dst []byte, id uint32, section uint16) []byte {
	dst = append(dst, spaceRows)
	dst = binary.BigEndian.AppendUint32(dst, id)
	return binary.BigEndian.AppendUint16(dst, section)
}

// appendGroups appends b in groups of 8 bytes.
func appendGroups(dst, b []byte) []byte {
	for {
		if len(b) >= 8 {
			dst = append(dst, b[:8]...)
			dst = append(dst, 0xFF)
			b = b[8:]
			continue
		}
		var last [9]byte
		copy(last[:], b)
		last[8] = 0xF7 + byte(len(b))
		return append(dst, last[:]...)
	}
}

// appendPart appends a key value as a part that others may follow.
func appendPart(dst []byte, v item.Value) []byte {
	if v.Type() == item.N {
		return append(dst, v.Bytes()...)
	}
	return appendGroups(dst, v.Bytes())
}

// startPartition appends the first sectionPrefixLen bytes and room for the hash, which endPartition fills in when the
// hash attributes stand behind it.
func startPartition(dst []byte, id uint32, section uint16) []byte {
	dst = slices.Grow(dst, usualKeyBytes) // once, and not with each part
	dst = appendSection(dst, id, section)
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
}

func endPartition(key []byte) {
	binary.BigEndian.PutUint64(key[sectionPrefixLen:], xxhash.Sum64(key[kv.FrontLen:]))
}

// appendItemKey appends the key of an item, from the item or anything else that has the table's key attributes.
func (t *Table) appendItemKey(dst []byte, it item.Item) []byte {
	n := len(dst)
	dst = startPartition(dst, t.ID, sectionItems)
	dst = appendPart(dst, it.Get(t.hash.name))
	endPartition(dst[n:])
	return t.appendSortKey(dst, it)
}

// appendSortKey appends the raw sort key, if the table has one.
func (t *Table) appendSortKey(dst []byte, it item.Item) []byte {
	if t.sort.name != "" {
		dst = append(dst, it.Get(t.sort.name).Bytes()...)
	}
	return dst
}

// appendKey appends the key of the item's row in the index. ok is false if the item does not belong there: a key attribute is
// absent, or cannot be one (only rows written before the index existed can have such).
func (p *indexPlan) appendKey(dst []byte, t *Table, it item.Item) (key []byte, ok bool) {
	if !it.Exists() {
		return dst, false
	}
	n, used := len(dst), 0
	dst = startPartition(dst, t.ID, p.x.ID)
	for _, a := range p.hash {
		v := it.Get(a.name)
		if used += keyLen(v); v.Type() != a.typ || keyLen(v) == 0 || used > maxHashBytes {
			return dst[:n], false
		}
		dst = appendPart(dst, v)
	}
	endPartition(dst[n:])
	used = 0
	for _, a := range p.rng {
		v := it.Get(a.name)
		if used += keyLen(v); v.Type() != a.typ || keyLen(v) == 0 || used > maxRangeBytes {
			return dst[:n], false
		}
		dst = appendPart(dst, v)
	}
	if p.x.Kind == GlobalIndex {
		dst = appendPart(dst, it.Get(t.hash.name))
	}
	return t.appendSortKey(dst, it), true
}

// keyLen is the length that key limits count: of a string or binary its bytes, of a number those of its form. 0 for what
// cannot be a key.
func keyLen(v item.Value) int {
	switch v.Type() {
	case item.S, item.B, item.N:
		return len(v.Bytes())
	}
	return 0
}

// prefixEnd is the first key behind all that begin with prefix. The first byte of prefix is never 0xFF.
func prefixEnd(prefix []byte) []byte { return toPrefixEnd(bytes.Clone(prefix)) }

// toPrefixEnd is prefixEnd in the memory of the prefix.
func toPrefixEnd(prefix []byte) []byte {
	for prefix[len(prefix)-1] == 0xFF {
		prefix = prefix[:len(prefix)-1]
	}
	prefix[len(prefix)-1]++
	return prefix
}

// successor is the first string behind all that begin with b, or nil if there is none.
func successor(b []byte) []byte {
	b = bytes.Clone(b)
	for len(b) > 0 {
		if b[len(b)-1] != 0xFF {
			b[len(b)-1]++
			return b
		}
		b = b[:len(b)-1]
	}
	return nil
}

// bounds is memory for a range of keys, used again.
type bounds struct {
	start, end []byte
	front      [kv.FrontLen]byte // of lock keys
}

// appendPartition appends the front and hash attributes of a Query: what the keys of all its rows begin with.
func (t *Table) appendPartition(dst []byte, x *Index, hash []item.Value) []byte {
	section := uint16(sectionItems)
	if x != nil {
		section = x.ID
	}
	n := len(dst)
	dst = startPartition(dst, t.ID, section)
	for _, v := range hash {
		dst = appendPart(dst, v)
	}
	endPartition(dst[n:])
	return dst
}

// queryRange is the range of keys that a Query reads: conditions on the first range attributes, of which all but the last
// are equalities. It lies in b.
func (t *Table) queryRange(b *bounds, x *Index, hash []item.Value, conditions []expr.KeyPart) kv.Range {
	p := t.appendPartition(b.start[:0], x, hash)
	for _, c := range conditions[:max(0, len(conditions)-1)] {
		p = appendPart(p, c.Values[0])
	}
	b.start, b.end = p, append(b.end[:0], p...)
	if len(conditions) == 0 {
		b.end = toPrefixEnd(b.end)
	} else {
		b.narrow(x == nil, &conditions[len(conditions)-1])
	}
	return kv.Range{Start: b.start, End: b.end}
}

// narrow narrows a range, both of whose bounds are the same prefix still, to the rows behind it for which a condition holds. raw
// tells that the attribute is the table's sort key, which is last and raw.
func (b *bounds) narrow(raw bool, c *expr.KeyPart) {
	at := func(dst []byte, v item.Value) []byte {
		if raw {
			return append(dst, v.Bytes()...)
		}
		return appendPart(dst, v)
	}
	behind := func(dst []byte, v item.Value) []byte {
		if raw {
			return append(at(dst, v), 0)
		}
		return toPrefixEnd(at(dst, v))
	}
	v := c.Values[0]
	switch c.Operator {
	case expr.EQ:
		b.start, b.end = at(b.start, v), behind(b.end, v)
	case expr.LT:
		b.end = at(b.end, v)
	case expr.LE:
		b.end = behind(b.end, v)
	case expr.GT:
		b.start, b.end = behind(b.start, v), toPrefixEnd(b.end)
	case expr.GE:
		b.start, b.end = at(b.start, v), toPrefixEnd(b.end)
	case expr.BETWEEN:
		b.start, b.end = at(b.start, v), behind(b.end, c.Values[1])
	case expr.BEGINS_WITH:
		b.start = at(b.start, v)
		if next := successor(v.Bytes()); next != nil {
			b.end = at(b.end, likeType(v, next))
		} else {
			b.end = toPrefixEnd(b.end)
		}
	default:
		panic("db: " + c.Operator.String() + " is no operator of a key condition")
	}
}

// likeType is a string or binary value of b, of v's type.
func likeType(v item.Value, b []byte) item.Value {
	if v.Type() == item.S {
		return item.String(string(b))
	}
	return item.Binary(b)
}

// segmentRange is the part of a section that is segment i of n: the hashes [⌊i·2⁶⁴/n⌋, ⌊(i+1)·2⁶⁴/n⌋). It lies in b.
func segmentRange(b *bounds, id uint32, section uint16, i, n int) kv.Range {
	b.start, b.end = appendSection(b.start[:0], id, section), appendSection(b.end[:0], id, section)
	if i > 0 {
		b.start = binary.BigEndian.AppendUint64(b.start, segmentStart(i, n))
	}
	if i+1 < n {
		b.end = binary.BigEndian.AppendUint64(b.end, segmentStart(i+1, n))
	} else {
		b.end = toPrefixEnd(b.end)
	}
	return kv.Range{Start: b.start, End: b.end}
}

// segmentStart is ⌊i·2⁶⁴/n⌋ for i < n.
func segmentStart(i, n int) uint64 {
	q, _ := bits.Div64(uint64(i), 0, uint64(n))
	return q
}

// segmentOf is the segment of n whose hashes include h.
func segmentOf(h uint64, n int) int {
	i, _ := bits.Mul64(h, uint64(n)) // ⌊h·n/2⁶⁴⌋, at most one below the segment, since starts are rounded down
	if int(i)+1 < n && segmentStart(int(i)+1, n) <= h {
		i++
	}
	return int(i)
}

// rowKey is the key of the row that a LastEvaluatedKey names.
func (t *Table) rowKey(x *Index, after item.Item) []byte {
	if x == nil {
		return t.appendItemKey(nil, after)
	}
	key, ok := t.plan(x).appendKey(nil, t, after)
	if !ok {
		panic("db: an unchecked start key")
	}
	return key
}

// SegmentOf returns the segment of n in which the row of the LastEvaluatedKey after lies, for Scan's check.
func (t *Table) SegmentOf(x *Index, after item.Item, n int) int {
	return segmentOf(binary.BigEndian.Uint64(t.rowKey(x, after)[sectionPrefixLen:]), n)
}
