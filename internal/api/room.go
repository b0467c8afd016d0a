package api

import (
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// What a large answer takes is asked for while it grows, and not when it is there: many of them at a time would be more than
// the process has.

const (
	// freeAnswer is the size up to which an answer needs no permission.
	freeAnswer = 64 << 10
	// largeItem is the size from which on few items are written out at a time. An item can print as forty times of what it
	// counts, and what that takes is known only afterwards.
	largeItem = 16 << 10
)

// errNoRoom is answered where the memory for large answers is in use. The words are ours; SDKs try again by themselves.
var errNoRoom = &Error{
	Code: "ServiceUnavailable", Status: 503, Message: "The memory for large requests is in use. Please try again shortly.",
}

// room makes room for about n bytes more in the answer.
func (c *call) room(n int) error {
	need := len(c.out) + n
	if c.memory == nil || need <= cap(c.out) && cap(c.out) <= c.granted {
		return nil
	}
	if max(need, cap(c.out)) <= freeAnswer {
		if need > cap(c.out) && need > freeAnswer/4 {
			// append would make it a little larger than what is kept for the next answer
			c.out = append(make([]byte, 0, freeAnswer), c.out...)
		}
		return nil
	}
	out, ok := c.memory.Grow(c.out, n)
	if !ok {
		return errNoRoom
	}
	c.out, c.granted = out, cap(out)
	return nil
}

// encodeRow is encode for one of the rows of a page, which ends with it when there is no room for another one like it.
func (c *call) encodeRow(size int, write func()) (more bool, err error) {
	before := len(c.out)
	if err := c.encode(size, write); err != nil {
		return false, err
	}
	return c.room(len(c.out)-before) == nil, nil
}

// encode calls write, which appends an item of such a size to the answer, or a part of it.
func (c *call) encode(size int, write func()) error {
	if size >= largeItem {
		c.large <- struct{}{}
		defer func() { <-c.large }()
	}
	if err := c.room(size + size/4); err != nil {
		return err
	}
	before := c.out
	write()
	err := c.room(0)
	if err != nil {
		c.out = before // of which the memory knows
	}
	return err
}

// roomyChange is a Change after which the items before and after it have room in the answer: a write must not be done when it
// turns out that what it returns cannot be answered.
type roomyChange struct {
	db.Change
	room *writtenRoom
	had  int // what it has asked for, in bytes
}

// writtenRoom is the room in the answer for what all writes of a call return.
type writtenRoom struct {
	c    *call
	size int // bytes that have been asked for
}

// Apply applies the change.
func (r *roomyChange) Apply(old item.Item) (new item.Item, err error) {
	if new, err = r.Change.Apply(old); err != nil {
		return new, err
	}
	n := max(r.room.c.printed(old), r.room.c.printed(new))
	r.room.size += n - r.had
	r.had = n
	return new, r.room.c.room(r.room.size)
}

// Forget has the Change forget what it has made.
func (r *roomyChange) Forget() {
	if f, ok := r.Change.(interface{ Forget() }); ok {
		f.Forget()
	}
}

// printed is how much a large item takes in an answer; of others nobody asks. It is found out by writing it.
func (c *call) printed(it item.Item) int {
	if it.Size() < largeItem {
		return 0
	}
	c.large <- struct{}{}
	defer func() { <-c.large }()
	return len(it.AppendJSON(nil))
}

// encodeWritten appends an item that a write returns. The write is done, so this cannot fail.
func (c *call) encodeWritten(it item.Item) {
	if it.Size() >= largeItem {
		c.large <- struct{}{}
		defer func() { <-c.large }()
	}
	c.out = it.AppendJSON(c.out)
}
