package schema

import (
	"encoding/binary"
	"math"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// ExpiryTime is the time after which the item expires: the attribute's number, cut off to whole
// seconds since 1970. ok is false for an item that does not expire: no attribute, one of another
// type, a negative number, or one that is too large.
func (t *Table) ExpiryTime(it item.Item) (seconds uint64, ok bool) {
	if !it.Exists() {
		return 0, false
	}
	n, ok := it.Get(t.Expiry.Attribute).Floor()
	return uint64(n), ok && n >= 0
}

// AppendExpiryKey appends the key of the expiry row of an item with the key itemKey.
func AppendExpiryKey(dst []byte, itemKey []byte, seconds uint64) []byte {
	n := len(dst)
	dst = append(dst, itemKey[:sectionPrefixLen]...)
	binary.BigEndian.PutUint16(dst[n+sectionPrefixLen-2:], SectionExpiry)
	dst = binary.BigEndian.AppendUint64(dst, seconds)
	return append(dst, itemKey[sectionPrefixLen:]...)
}

// AppendExpiringKey appends the key of the item that an expiry row belongs to.
func AppendExpiringKey(dst []byte, row []byte) []byte {
	if len(row) < kv.FrontLen {
		return append(dst, row...) // damaged: it is no item's
	}
	n := len(dst)
	dst = append(dst, row[:sectionPrefixLen]...)
	binary.BigEndian.PutUint16(dst[n+sectionPrefixLen-2:], SectionItems)
	return append(dst, row[kv.FrontLen:]...)
}

// Never is later than all seconds at which items expire.
const Never = math.MaxUint64

// ExpirySecond is the second in the key of an expiry row; Never, and false, if it is damaged.
func ExpirySecond(row []byte) (second uint64, ok bool) {
	f, _, ok := SplitFront(row)
	if !ok {
		return Never, false
	}
	return f.Hash, true
}

// ExpiryRange is the rows of the table's items that expire from one second to another, both
// included.
func ExpiryRange(table uint32, from, to uint64) kv.Range {
	r := SectionRange(table, SectionExpiry)
	r.Start = binary.BigEndian.AppendUint64(r.Start, from)
	r.End = prefixEnd(binary.BigEndian.AppendUint64(appendSection(nil, table, SectionExpiry), to))
	return r
}
