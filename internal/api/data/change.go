package data

import (
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// roomyChange is a Change after which the items before and after it have room in the answer: a write must not be done when it
// turns out that what it returns cannot be answered.
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
