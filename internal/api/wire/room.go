package wire

import (
	"github.com/partita-db/partita/internal/item"
)

// What a large answer takes is asked for while it grows, and not when it is there: many of them at
// a time would be more than the process has.

const (
	// freeAnswer is the size up to which an answer needs no permission.
	freeAnswer = 64 << 10
	// largeItem is the size from which on few items are written out at a time. An item can print as
	// forty times of what it counts, and what that takes is known only afterwards.
	largeItem = 16 << 10
)

// ErrNoRoom is answered where the memory for large answers is in use. The words are ours; SDKs try
// again by themselves.
var ErrNoRoom = &Error{
	Code: "ServiceUnavailable", Status: 503, Message: "The memory for large requests is in use. Please try again shortly.",
}

// Memory is what large answers are made of.
type Memory interface {
	// Grow returns the answer with room for n bytes more; false if there is no memory for it at the
	// moment. It is asked for all answers above 64 KiB while they grow, and with n 0 for what has
	// grown by itself.
	Grow(out []byte, n int) ([]byte, bool)
}

// Room makes room for about n bytes more in the answer.
func (w *Writer) Room(n int) error {
	need := len(w.Out) + n
	if w.memory == nil || need <= cap(w.Out) && cap(w.Out) <= w.granted {
		return nil
	}
	if max(need, cap(w.Out)) <= freeAnswer {
		if need > cap(w.Out) && need > freeAnswer/4 {
			// append would make it a little larger than what is kept for the next answer
			w.Out = append(make([]byte, 0, freeAnswer), w.Out...)
		}
		return nil
	}
	out, ok := w.memory.Grow(w.Out, n)
	if !ok {
		return ErrNoRoom
	}
	w.Out, w.granted = out, cap(out)
	return nil
}

// EncodeRow is encode for one of the rows of a page, which ends with it when there is no room for
// another one like it.
func (w *Writer) EncodeRow(size int, write func()) (more bool, err error) {
	before := len(w.Out)
	if err := w.Encode(size, write); err != nil {
		return false, err
	}
	return w.Room(len(w.Out)-before) == nil, nil
}

// Encode calls write, which appends an item of such a size to the answer, or a part of it.
func (w *Writer) Encode(size int, write func()) error {
	if size >= largeItem {
		w.large <- struct{}{}
		defer func() { <-w.large }()
	}
	if err := w.Room(size + size/4); err != nil {
		return err
	}
	before := w.Out
	write()
	err := w.Room(0)
	if err != nil {
		w.Out = before // of which the memory knows
	}
	return err
}

// Printed is how much a large item takes in an answer; of others nobody asks. It is found out by
// writing it.
func (w *Writer) Printed(it item.Item) int {
	if it.Size() < largeItem {
		return 0
	}
	w.large <- struct{}{}
	defer func() { <-w.large }()
	return len(it.AppendJSON(nil))
}

// EncodeWritten appends an item that a write returns. The write is done, so this cannot fail.
func (w *Writer) EncodeWritten(it item.Item) {
	if it.Size() >= largeItem {
		w.large <- struct{}{}
		defer func() { <-w.large }()
	}
	w.Item(it)
}
