package data

import (
	"errors"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// roomyChange is a Change that requests memory in the answer for the items before and after it. It
// does so as a part of the change, which fails if there is none: after the write it would be too
// late, since a write that is done must be answered with the item that it returns.
type roomyChange struct {
	db.Change
	room *writtenRoom
	had  int // bytes in room.size that are for this change
}

// writtenRoom is the memory in the answer for what all writes of a call return.
type writtenRoom struct {
	c    *exec
	size int // bytes, of all changes together
}

// Apply applies the change. It can be called again, with another item: what it requested before is
// replaced, not added to.
func (r *roomyChange) Apply(old item.Item) (new item.Item, err error) {
	if new, err = r.Change.Apply(old); err != nil {
		return new, err
	}
	n := max(r.room.c.Printed(old), r.room.c.Printed(new))
	r.room.size += n - r.had
	r.had = n
	return new, r.room.c.Room(r.room.size)
}

// Forget passes on what package db asks of a Change that keeps the item it has made: to drop it
// while the write waits for memory.
func (r *roomyChange) Forget() {
	if f, ok := r.Change.(interface{ Forget() }); ok {
		f.Forget()
	}
}

// updateChange is the db.Change of UpdateItem.
type updateChange struct {
	table  *db.Table
	update *expr.Update // nil: nothing is changed, but a missing item is created
	key    item.Item
	flat   bool // only the new item's own size counts, as in statements (updateSize)
}

// Apply computes the updated item and makes the checks that need it: the types of index keys, and
// the size. The result lies in the memory of the Update, until the next Apply.
func (u *updateChange) Apply(old item.Item) (item.Item, error) {
	base := old
	if !old.Exists() {
		if u.update != nil && u.update.OnlyDeletes() {
			return item.Item{}, nil
		}
		base = u.key
	}
	if u.update == nil {
		return base, nil
	}
	new, err := u.update.Apply(old, base)
	if err != nil {
		return item.Item{}, err
	}
	if err := u.table.CheckIndexKeys(new); err != nil {
		return item.Item{}, u.wordIndexKey(err)
	}
	size := new.Size()
	if !u.flat {
		size = updateSize(u.update.Costs(), new, u.key)
	}
	if size > maxItemBytes {
		return item.Item{}, wire.Validation("Item size to update has exceeded the maximum allowed size")
	}
	return new, nil
}

// Forget drops the memory of the item that Apply has made.
func (u *updateChange) Forget() {
	if u.update != nil {
		u.update.Forget()
	}
}

// wordIndexKey words an index key of a wrong type that is not a value of the request: the update
// copied it from elsewhere in the item, or it is older than the index. (AWS's answer for the
// latter: question 58032718 of stackoverflow.com; its guide says that writes of such items are
// refused.)
func (u *updateChange) wordIndexKey(err error) error {
	var e *schema.KeyError
	if errors.As(err, &e) && e.Problem == schema.KeyType && !u.update.Assigns(e.Attribute) {
		return wire.Validation("The update expression attempted to update the secondary index key to unsupported type")
	}
	return err
}

// checkTargets checks that an update leaves the table's key attributes alone, and does not look
// into keys.
func checkTargets(t *db.Table, u *expr.Update) error {
	for target := range u.Targets() {
		if t.IsKey(target.Attribute) && !target.Nested {
			return wire.Validation(wire.Invalid + "Cannot update attribute " + target.Attribute + ". This attribute is part of the key")
		}
	}
	return checkNested(t, u.Nested())
}

// insertChange is the db.Change of INSERT.
type insertChange struct{ item item.Item }

// Apply returns the item, unless there is one with its key.
func (i insertChange) Apply(old item.Item) (item.Item, error) {
	if old.Exists() {
		return item.Item{}, &duplicateItem{units: capacity.WriteUnits(old.Size(), i.item.Size())}
	}
	return i.item, nil
}

// deleteChange is the db.Change of DELETE. The filter is no Condition of the write, since DELETE of
// a missing item succeeds whatever the filter.
type deleteChange struct{ filter *expr.Condition } // nil: none

// Apply removes the item, if it is what the statement describes.
func (d deleteChange) Apply(old item.Item) (item.Item, error) {
	if !old.Exists() || d.filter == nil || d.filter.Holds(old) {
		return item.Item{}, nil
	}
	return item.Item{}, &db.ConditionFailed{Size: old.Size()}
}

// duplicateItem is errDuplicateItem with the write units that it costs: only the change has seen
// the size of the existing item.
type duplicateItem struct{ units float64 }

func (d *duplicateItem) Error() string { return errDuplicateItem.Error() }

func (d *duplicateItem) Unwrap() error { return errDuplicateItem }

// errDuplicateItem is the error for an INSERT of an item that exists.
var errDuplicateItem = wire.NewError("DuplicateItemException", "Duplicate primary key exists in table")
