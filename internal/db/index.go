package db

import (
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// This file is all that writes the rows of indexes: recordIndex with each change of an item, and
// fillIndex for the items that were there before the index.

// recordIndex brings one index up to date and counts its units: none if the entry stays the same.
func (w *writer) recordIndex(tx kv.Txn, p *schema.Plan, old, new item.Item) error {
	if p.State == schema.StateAbsent {
		return nil
	}
	var hadOld, hasNew bool
	w.oldRow, hadOld = p.AppendKey(w.oldRow[:0], old)
	w.newRow, hasNew = p.AppendKey(w.newRow[:0], new)
	if !hadOld && !hasNew {
		return nil
	}
	var oldEntry, newEntry item.Item
	if hadOld {
		oldEntry = p.Entry(old)
	}
	if hasNew {
		newEntry = p.Entry(new)
		mustBeCanonical(w.newRow, new, newEntry)
	}
	same := hadOld && hasNew && string(w.oldRow) == string(w.newRow)
	if p.State != schema.StatePublic {
		return w.recordUnfinished(tx, p, oldEntry, newEntry)
	}
	if same && item.SameAttributes(oldEntry, newEntry) {
		return nil
	}
	if hadOld && !same {
		tx.Delete(w.oldRow)
	}
	if hasNew {
		w.row = newEntry.AppendStored(w.row[:0], 0)
		tx.Set(w.newRow, w.row)
	}
	w.count(p.ID, oldEntry, newEntry)
	units := capacity.IndexUnits(oldEntry.Size(), newEntry.Size(), !same)
	w.out.Units.Indexes = append(w.out.Units.Indexes, IndexUnits{p.Index, units})
	return nil
}

// recordUnfinished is recordIndex for an index that is being built or dropped, of whose rows nobody
// knows which exist: it looks before it counts. In DELETE_ONLY rows are removed and none is added.
func (w *writer) recordUnfinished(tx kv.Txn, p *schema.Plan, oldEntry, newEntry item.Item) error {
	if p.State == schema.StateDeleteOnly {
		newEntry = item.Item{}
	}
	same := oldEntry.Exists() && newEntry.Exists() && string(w.oldRow) == string(w.newRow)
	if oldEntry.Exists() && !same {
		there, err := getItem(tx, w.oldRow)
		if err != nil {
			return err
		}
		if there.Exists() {
			w.count(p.ID, there, item.Item{})
			tx.Delete(w.oldRow)
		}
	}
	if !newEntry.Exists() {
		return nil
	}
	there, err := getItem(tx, w.newRow)
	if err != nil {
		return err
	}
	w.count(p.ID, there, newEntry)
	w.row = newEntry.AppendStored(w.row[:0], 0)
	tx.Set(w.newRow, w.row)
	units := capacity.IndexUnits(0, newEntry.Size(), false)
	w.out.Units.Indexes = append(w.out.Units.Indexes, IndexUnits{p.Index, units})
	return nil
}

// fillIndex is the filler of an index.
func fillIndex(tx kv.Txn, p *schema.Plan, it item.Item, count *kv.Count) error {
	rowKey, ok := p.AppendKey(nil, it)
	if !ok {
		return nil
	}
	entry := p.Entry(it).Clone() // the next Get ends the life of the view that it is
	there, err := tx.Get(rowKey)
	if err != nil || there != nil {
		return err
	}
	mustBeCanonical(rowKey, it, entry)
	tx.Set(rowKey, entry.AppendStored(nil, 0))
	count.Section = uint32(p.ID)
	count.Items++
	count.Bytes += int64(entry.Size())
	return nil
}
