package wire

import (
	"github.com/partita-db/partita/internal/item"
)

// The memory of a large answer is requested while the answer grows, not when it is complete: many
// complete answers at a time would be more than the process has. Handlers write items in Encode or
// EncodeRow, which request it; everything else in an answer is small.

const (
	// freeAnswer is the size up to which an answer needs no permission.
	freeAnswer = 64 << 10
	// largeItem is the DynamoDB size from which on only a few items are encoded at a time. The JSON
	// of an item can have forty times its DynamoDB size, and what it takes is known only
	// afterwards.
	largeItem = 16 << 10
)

// ErrNoRoom is answered when the memory for large answers is in use. The words are ours; SDKs retry
// it by themselves.
var ErrNoRoom = &Error{
	Code: "ServiceUnavailable", Status: 503, Message: "The memory for large requests is in use. Please try again shortly.",
}

// Memory provides the memory of large answers. Package server implements it with a budget.
type Memory interface {
	// Grow returns the answer with room for n bytes more, in the same or in other memory; false if
	// there is no memory for it at the moment. It is called for all answers above 64 KiB while they
	// grow, and with n 0 for one that append has moved already, so that its capacity is counted.
	Grow(out []byte, n int) ([]byte, bool)
}

// Room requests memory for about n bytes more in the answer. Its error is ErrNoRoom, with which the
// handler ends, unless the answer can be one without what was to come.
func (w *Writer) Room(n int) error {
	need := len(w.Out) + n
	if w.memory == nil || need <= cap(w.Out) && cap(w.Out) <= w.granted {
		return nil
	}
	if max(need, cap(w.Out)) <= freeAnswer {
		if need > cap(w.Out) && need > freeAnswer/4 {
			// append would choose a capacity just above what the server keeps for the next answer
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

// EncodeRow is Encode for one of the rows of a page. more is false if there is no room for another
// row like it: the page then ends, and the client goes on with the next one.
func (w *Writer) EncodeRow(size int, write func()) (more bool, err error) {
	before := len(w.Out)
	if err := w.Encode(size, write); err != nil {
		return false, err
	}
	return w.Room(len(w.Out)-before) == nil, nil
}

// Encode calls write, which appends an item of this DynamoDB size, or a part of it, to the answer.
// Before that it requests memory for the size and a quarter, which is enough for most items, and
// afterwards for what write took beyond. The error is ErrNoRoom: nothing of the item is in the
// answer then, but what the caller has written for it (a comma, a name) is, so the caller fails or
// calls Truncate.
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
		w.Out = before // the memory that is counted
	}
	return err
}

// Printed is the length of a large item's JSON, and 0 for others, which need no room. The item is
// encoded to find out.
func (w *Writer) Printed(it item.Item) int {
	if it.Size() < largeItem {
		return 0
	}
	w.large <- struct{}{}
	defer func() { <-w.large }()
	return len(it.AppendJSON(nil))
}

// EncodeWritten appends an item that a write returns. The write is done, so this must not fail: the
// room was requested before the write (Printed, Room).
func (w *Writer) EncodeWritten(it item.Item) {
	if it.Size() >= largeItem {
		w.large <- struct{}{}
		defer func() { <-w.large }()
	}
	w.Item(it)
}
