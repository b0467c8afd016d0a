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

// roomyChange is a Change after which the items before and after it have room in the answer: a
// write must not be done when it turns out that what it returns cannot be answered.
type roomyChange struct {
	db.Change
	room *writtenRoom
	had  int // what it has asked for, in bytes
}

// writtenRoom is the room in the answer for what all writes of a call return.
type writtenRoom struct {
	c    *exec
	size int // bytes that have been asked for
}

// Apply applies the change.
func (r *roomyChange) Apply(old item.Item) (new item.Item, err error) {
	if new, err = r.Change.Apply(old); err != nil {
		return new, err
	}
	n := max(r.room.c.Printed(old), r.room.c.Printed(new))
	r.room.size += n - r.had
	r.had = n
	return new, r.room.c.Room(r.room.size)
}

// Forget has the Change forget what it has made.
func (r *roomyChange) Forget() {
	if f, ok := r.Change.(interface{ Forget() }); ok {
		f.Forget()
	}
}

// updateChange is the db.Change of UpdateItem.
type updateChange struct {
	table  *db.Table
	update *expr.Update // nil: nothing is changed, but a missing item is made
	key    item.Item
	flat   bool // the new item's own size counts alone, as in transactions and statements
}

// Apply computes the updated item and checks what only it can show: the types of index keys, and
// the size.
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

// Forget implements what package db asks of a Change that keeps what it has made.
func (u *updateChange) Forget() {
	if u.update != nil {
		u.update.Forget()
	}
}

// wordIndexKey words an index key of a wrong type that the request has not given itself: it comes
// from elsewhere in the item, or was there before the index was. (AWS's answer for the latter:
// question 58032718 of stackoverflow.com; its guide says that writes of such items are refused.)
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

// deleteChange is the db.Change of DELETE, which unlike that of DeleteItem is content with a
// missing item whatever the filter.
type deleteChange struct{ filter *expr.Condition } // nil: none

// Apply removes the item, if it is what the statement describes.
func (d deleteChange) Apply(old item.Item) (item.Item, error) {
	if !old.Exists() || d.filter == nil || d.filter.Holds(old) {
		return item.Item{}, nil
	}
	return item.Item{}, &db.ConditionFailed{Size: old.Size()}
}

// duplicateItem is errDuplicateItem with the write units that it costs.
type duplicateItem struct{ units float64 }

func (d *duplicateItem) Error() string { return errDuplicateItem.Error() }

func (d *duplicateItem) Unwrap() error { return errDuplicateItem }

// errDuplicateItem: an INSERT of an item that exists.
var errDuplicateItem = wire.NewError("DuplicateItemException", "Duplicate primary key exists in table")
