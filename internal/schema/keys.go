package schema

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// The keys of everything that is stored. All integers are big-endian.
//
//	catalog, space 0x01:
//	  01 'n' groups(account) groups(region) name   the id (4 bytes) of the table with that name
//	  01 'd' table(4)                              its descriptor, JSON (descriptor.go)
//	  01 'i'                                       the next table id (4 bytes)
//	  01 'b' table(4) index(2)                     how far a backfill has come: the
//	                                               last item key done
//	  01 'l' stream(8)                             a stream's own descriptor, JSON (stream.go);
//	                                               it outlives the table
//
//	rows, space 0x02:
//	  02 table(4) section(2) hash(8)  …            the front, kv.FrontLen bytes, and behind it:
//	    section 0, items:      pk            sk        → item with stamp
//	    section 1, expiry:     hash(8) pk    sk        → nothing (expiry.go)
//	    section 16…, a GSI:    h1…h4  r1…r4  pk  sk    → projected item without stamp
//	    section 16…, an LSI:   pk     r      sk        → projected item without stamp
//
//	tokens, space 0x03:
//	  03 't' operation(1) hash(8) scope token      what became of a transaction with that token
//	                                               (token.go)
//	  03 'x' time(8) operation(1) scope token      that it is forgotten then, milliseconds since
//	                                               1970 → nothing
//
// pk and sk are the table's partition and sort key, h and r the hash and range attributes of an
// index. The hash is XXH64 (seed 0) of all hash attributes as encoded behind the front. In
// section 1 the front has the time instead of it, in seconds since 1970, and the hash behind it
// is that of the item. The scope of a token is groups(account) groups(region); its hash is that
// of scope and token.
//
// Every component but sk is self-delimiting, so that components compare one after the other: a
// string or binary is in groups of 8 bytes, each followed by a byte that says how many of them
// count (0xFF: all, more groups follow; 0xF7+n, n<8: the first n, this is the last group,
// filled up with zeros); a number is in the prefix-free form of item/number.go. sk is last and
// raw: the bytes of a string or binary as they are, or the number's form. All of it orders as
// bytes like the values themselves.
//
// The lock key of a row is the key of the item that it belongs to; those of catalog rows are
// their own keys.
const (
	spaceCatalog = 0x01
	spaceRows    = 0x02
	spaceTokens  = 0x03

	catalogName       = 'n'
	catalogDescriptor = 'd'
	catalogNextID     = 'i'
	catalogBackfill   = 'b'
	catalogStream     = 'l'

	tokenRow    = 't'
	tokenExpiry = 'x'

	SectionItems  = 0
	SectionExpiry = 1
	FirstIndexID  = 16

	maxHashBytes  = 2048
	maxRangeBytes = 1024

	sectionPrefixLen = 7 // space, table, section: what a front begins with
	hashLen          = kv.FrontLen - sectionPrefixLen
	usualKeyBytes    = 64
)

// NameKey is the catalog key of a table's name.
func NameKey(ns Namespace, name string) []byte {
	k := []byte{spaceCatalog, catalogName}
	k = appendGroups(k, []byte(ns.Account))
	k = appendGroups(k, []byte(ns.Region))
	return append(k, name...)
}

// DescriptorKey is the catalog key of a table's descriptor.
func DescriptorKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{spaceCatalog, catalogDescriptor}, id)
}

// NextIDKey is the catalog key of the next table id.
func NextIDKey() []byte { return []byte{spaceCatalog, catalogNextID} }

// BackfillKey is the catalog key of a backfill's cursor.
func BackfillKey(id uint32, index uint16) []byte {
	k := binary.BigEndian.AppendUint32([]byte{spaceCatalog, catalogBackfill}, id)
	return binary.BigEndian.AppendUint16(k, index)
}

// StreamKey is the catalog key of a stream's descriptor.
func StreamKey(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceCatalog, catalogStream}, id)
}

// AppendTableID appends a table id in the form of row values, which ReadTableID reads.
func AppendTableID(dst []byte, id uint32) []byte { return binary.BigEndian.AppendUint32(dst, id) }

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

// appendComponent appends a key value as a component that others may follow.
func appendComponent(dst []byte, v item.Value) []byte {
	if v.Type() == item.N {
		return append(dst, v.Bytes()...)
	}
	return appendGroups(dst, v.Bytes())
}

// startPartition appends the first sectionPrefixLen bytes and room for the hash, which endPartition
// fills in when the hash attributes stand behind it.
func startPartition(dst []byte, id uint32, section uint16) []byte {
	dst = slices.Grow(dst, usualKeyBytes) // once, and not with each component
	dst = appendSection(dst, id, section)
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
}

// endPartition fills in the hash.
func endPartition(key []byte) {
	binary.BigEndian.PutUint64(key[sectionPrefixLen:], xxhash.Sum64(key[kv.FrontLen:]))
}

// AppendItemKey appends the key of an item, from the item or anything else that has the table's key
// attributes. It does not check them: CheckKey does.
func (t *Table) AppendItemKey(dst []byte, it item.Item) []byte {
	n := len(dst)
	dst = startPartition(dst, t.ID, SectionItems)
	dst = appendComponent(dst, it.Get(t.Hash.Name))
	endPartition(dst[n:])
	return appendSortKey(dst, t.Sort, it)
}

// appendSortKey appends the raw sort key, if the table has one.
func appendSortKey(dst []byte, sk KeyAttribute, it item.Item) []byte {
	if sk.Name != "" {
		dst = append(dst, it.Get(sk.Name).Bytes()...)
	}
	return dst
}

// AppendKey appends the key of the item's row in the index. ok is false if the item does not belong
// there: a key attribute is absent, or cannot be one (only rows written before the index existed
// can have such).
func (p *Plan) AppendKey(dst []byte, it item.Item) (key []byte, ok bool) {
	if !it.Exists() {
		return dst, false
	}
	n, used := len(dst), 0
	dst = startPartition(dst, p.table, p.ID)
	for _, a := range p.Hash {
		v := it.Get(a.Name)
		if used += KeyLen(v); v.Type() != a.Type || KeyLen(v) == 0 || used > maxHashBytes {
			return dst[:n], false
		}
		dst = appendComponent(dst, v)
	}
	endPartition(dst[n:])
	used = 0
	for _, a := range p.Range {
		v := it.Get(a.Name)
		if used += KeyLen(v); v.Type() != a.Type || KeyLen(v) == 0 || used > maxRangeBytes {
			return dst[:n], false
		}
		dst = appendComponent(dst, v)
	}
	if p.Kind == GlobalIndex {
		dst = appendComponent(dst, it.Get(p.pk.Name))
	}
	return appendSortKey(dst, p.sk, it), true
}

// KeyLen is the length that key limits count: of a string or binary its bytes, of a number those of
// its form. 0 for what cannot be a key.
func KeyLen(v item.Value) int {
	switch v.Type() {
	case item.S, item.B, item.N:
		return len(v.Bytes())
	}
	return 0
}

// RowKey is the key of the row that a LastEvaluatedKey names.
func (t *Table) RowKey(x *Index, after item.Item) []byte {
	if x == nil {
		return t.AppendItemKey(nil, after)
	}
	key, ok := t.Plan(x).AppendKey(nil, after)
	if !ok {
		panic("schema: an unchecked start key")
	}
	return key
}

// SegmentOf returns the segment of n in which the row of the LastEvaluatedKey after lies, for
// Scan's check.
func (t *Table) SegmentOf(x *Index, after item.Item, n int) int {
	return segmentOf(HashOf(t.RowKey(x, after)), n)
}
