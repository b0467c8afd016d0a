package schema

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// CatalogRange is all rows of the catalog.
func CatalogRange() kv.Range { return prefixRange(spaceCatalog) }

// NameRange is the rows of the tables' names.
func NameRange() kv.Range { return prefixRange(spaceCatalog, catalogName) }

// DescriptorRange is the descriptors of tables.
func DescriptorRange() kv.Range { return prefixRange(spaceCatalog, catalogDescriptor) }

// StreamRange is the descriptors of streams.
func StreamRange() kv.Range { return prefixRange(spaceCatalog, catalogStream) }

// BackfillRange is the cursors of backfills.
func BackfillRange() kv.Range { return prefixRange(spaceCatalog, catalogBackfill) }

// RowsRange is the rows of all tables.
func RowsRange() kv.Range { return prefixRange(spaceRows) }

// TokenRange is the rows of all tokens, and behind them their expiry rows.
func TokenRange() kv.Range { return prefixRange(spaceTokens) }

// StrayRanges are where no rows are, but those of the engine.
func StrayRanges() []kv.Range {
	return []kv.Range{{End: []byte{spaceCatalog}}, {Start: []byte{spaceTokens + 1}}}
}

// prefixRange is the rows whose keys begin with some bytes.
func prefixRange(prefix ...byte) kv.Range { return kv.Range{Start: prefix, End: prefixEnd(prefix)} }

// TableRange is all rows of a table.
func TableRange(id uint32) kv.Range {
	k := binary.BigEndian.AppendUint32([]byte{spaceRows}, id)
	return kv.Range{Start: k, End: prefixEnd(k)}
}

// SectionRange is the rows of one section of a table.
func SectionRange(id uint32, section uint16) kv.Range {
	k := appendSection(nil, id, section)
	return kv.Range{Start: k, End: prefixEnd(k)}
}

// prefixEnd is the first key behind all that begin with prefix. The first byte of prefix is never
// 0xFF.
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

// Bounds is memory for a range of keys, used again.
type Bounds struct {
	start, end []byte
	front      [kv.FrontLen]byte // of lock keys
}

// LockFront is the front of the lock keys of all rows of a range of QueryRange, of the table or of
// a local index: they are written under the keys of the items of one partition. It lies in b.
func (b *Bounds) LockFront() []byte {
	copy(b.front[:], b.start)
	binary.BigEndian.PutUint16(b.front[sectionPrefixLen-2:], SectionItems)
	return b.front[:]
}

// HashValues are the values of the hash attribute of the table's own key in an item, for
// QueryRange.
func (t *Table) HashValues(it item.Item) []item.Value { return []item.Value{it.Get(t.Hash.Name)} }

// appendPartition appends the front and hash attributes of a Query: what the keys of all its rows
// begin with.
func (t *Table) appendPartition(dst []byte, x *Index, hash []item.Value) []byte {
	section := uint16(SectionItems)
	if x != nil {
		section = x.ID
	}
	n := len(dst)
	dst = startPartition(dst, t.ID, section)
	for _, v := range hash {
		dst = appendComponent(dst, v)
	}
	endPartition(dst[n:])
	return dst
}

// QueryRange is the range of keys that a Query reads: conditions on the first range attributes, of
// which all but the last are equalities. It lies in b.
func (t *Table) QueryRange(b *Bounds, x *Index, hash []item.Value, conditions []expr.KeyPart) kv.Range {
	p := t.appendPartition(b.start[:0], x, hash)
	for _, c := range conditions[:max(0, len(conditions)-1)] {
		p = appendComponent(p, c.Values[0])
	}
	b.start, b.end = p, append(b.end[:0], p...)
	if len(conditions) == 0 {
		b.end = toPrefixEnd(b.end)
	} else {
		b.narrow(x == nil, &conditions[len(conditions)-1])
	}
	return kv.Range{Start: b.start, End: b.end}
}

// narrow narrows a range, both of whose bounds are the same prefix still, to the rows behind it for
// which a condition holds. raw tells that the attribute is the table's sort key, which is last and
// raw.
func (b *Bounds) narrow(raw bool, c *expr.KeyPart) {
	at := func(dst []byte, v item.Value) []byte {
		if raw {
			return append(dst, v.Bytes()...)
		}
		return appendComponent(dst, v)
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
		panic("schema: " + c.Operator.String() + " is no operator of a key condition")
	}
}

// likeType is a string or binary value of b, of v's type.
func likeType(v item.Value, b []byte) item.Value {
	if v.Type() == item.S {
		return item.String(string(b))
	}
	return item.Binary(b)
}

// SegmentRange is the part of a section that is segment i of n: the hashes [⌊i·2⁶⁴/n⌋,
// ⌊(i+1)·2⁶⁴/n⌋). It lies in b.
func SegmentRange(b *Bounds, id uint32, section uint16, i, n int) kv.Range {
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

// ShardOf is the shard, of so many, that takes the records of the item with the key.
func ShardOf(itemKey []byte, shards int) uint32 {
	return uint32(segmentOf(HashOf(itemKey), max(1, shards)))
}
