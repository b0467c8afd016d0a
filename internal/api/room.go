package api

import "github.com/partita-db/partita/internal/item"

// What a large answer takes is asked for while it grows, and not when it is there: many of them at a time would be more than
// the process has.

const (
	// freeAnswer is the size up to which an answer needs no permission.
	freeAnswer = 64 << 10
	// largeItem is the size from which on few items are written out at a time. The largest can print as forty times of what it
	// counts, and what that takes is known only afterwards.
	largeItem = 64 << 10
)

// errNoRoom is answered where the memory for large answers is in use. The words are ours; SDKs try again by themselves.
var errNoRoom = &Error{
	Code: "ServiceUnavailable", Status: 503, Message: "The memory for large requests is in use. Please try again shortly.",
}

// room makes room for about n bytes more in the answer.
func (c *call) room(n int) error {
	need := len(c.out) + n
	if c.memory == nil || need <= cap(c.out) && cap(c.out) <= c.granted || max(need, cap(c.out)) <= freeAnswer {
		return nil
	}
	out, ok := c.memory.Grow(c.out, n)
	if !ok {
		return errNoRoom
	}
	c.out, c.granted = out, cap(out)
	return nil
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
	write()
	return c.room(0)
}

// encodeWritten appends an item that a write returns. The write is done, so this cannot fail.
func (c *call) encodeWritten(it item.Item) {
	if it.Size() >= largeItem {
		c.large <- struct{}{}
		defer func() { <-c.large }()
	}
	c.out = it.AppendJSON(c.out)
}
