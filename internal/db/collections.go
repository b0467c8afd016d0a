package db

import (
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// maxCollectionBytes is what the item collection of a table with local indexes may hold.
const maxCollectionBytes = 10 << 30

// checkCollection refuses a growing write into a full item collection. Only a table that is that
// large as a whole can have one, so small tables never pay for the look.
func (w *writer) checkCollection(old, new item.Item) error {
	if !w.t.HasLocalIndex() || new.Size() <= old.Size() {
		return nil
	}
	total := int64(0)
	for _, c := range w.d.kv.Counter(uint64(w.t.ID)) {
		total += c.Bytes
	}
	if total < maxCollectionBytes {
		return nil
	}
	size, err := w.d.CollectionSize(w.t, w.write.Key)
	if err == nil && size >= maxCollectionBytes {
		return ErrCollectionTooLarge
	}
	return err
}

// CollectionSize estimates the bytes of the item collection with the item's partition key: its
// items and all their local index rows.
func (d *DB) CollectionSize(t *Table, key item.Item) (int64, error) {
	hash := t.HashValues(key)
	var b schema.Bounds
	total, err := d.kv.SizeOf(t.QueryRange(&b, nil, hash, nil))
	for i := range t.Indexes {
		if x := &t.Indexes[i]; x.Kind == schema.LocalIndex && err == nil {
			var n int64
			n, err = d.kv.SizeOf(t.QueryRange(&b, x, hash, nil))
			total += n
		}
	}
	return total, err
}
