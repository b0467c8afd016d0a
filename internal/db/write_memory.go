package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// A write holds in memory the items before and after it, and all rows and stream records that
// follow from them, until it is durable: a few kilobytes as a rule, a hundred megabytes at worst.
// So that many large ones at a time do not take more than the process has, those above freeWrite
// take what they hold from one memory.
//
// What a write will hold is known only when it has read the old items, and then it has latches. It
// asks without waiting. If there is not enough it leaves the update with *needsMemory, drops what
// it has made, waits outside of all latches until it has as much as it needs, and runs again.
// Nobody waits while it holds any of the memory, so that there can be no deadlock.

const (
	// freeWrite is how many bytes a write may hold without asking.
	freeWrite = 16 << 10
	// memoryPatience is how long a write waits for memory.
	memoryPatience = 10 * time.Second
	// defaultWriteMemory is Options.WriteMemory where nothing is said.
	defaultWriteMemory = 64 << 20
)

// ErrNoMemory says that the memory for large writes was in use for too long. Nothing was written,
// and the request may be sent again.
var ErrNoMemory = errors.New("db: the memory for large writes is in use")

// needsMemory is the error with which an update is left that needs so many bytes at once.
type needsMemory struct{ bytes int64 }

func (e *needsMemory) Error() string { return fmt.Sprintf("db: the write needs %d bytes", e.bytes) }

// memoryNeeded tells whether err is a *needsMemory, and of how many bytes.
func memoryNeeded(err error) (bytes int64, is bool) {
	if err == nil {
		return 0, false
	}
	var e *needsMemory
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.bytes, true
}

// memory is what all writes may hold together.
type memory struct {
	most     int64
	patience time.Duration // how long a write waits; 0: memoryPatience

	mu    sync.Mutex
	used  int64
	queue []*waiter // in the order of arrival; none is overtaken, so that large writes get their turn
}

// Memory tells what of the database's bounded memory is in use, in bytes.
type Memory struct {
	WritesUsed, WritesLimit   int64 // by large writes in progress
	WritesWaiting             int   // large writes that wait for some
	CatalogUsed, CatalogLimit int64 // by the descriptors of tables and streams
}

// Memory returns the present figures.
func (d *DB) Memory() Memory {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return Memory{
		WritesUsed: d.memory.used, WritesLimit: d.memory.most, WritesWaiting: len(d.memory.queue),
		CatalogUsed: d.catalog.Load().weight, CatalogLimit: d.catalogMemory,
	}
}

// waiter is a write that waits for memory.
type waiter struct {
	need    int64
	granted chan struct{} // closed when it has it
}

// fits tells whether so many bytes can be had. A write that needs more than the limit gets it when
// no other holds any. The memory is locked.
func (m *memory) fits(n int64) bool { return m.used == 0 || m.used+n <= m.most }

// giveBack takes n bytes back and lets those in whose turn has come.
func (m *memory) giveBack(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
	m.admit()
}

// admit lets in those whose turn has come. The memory is locked.
func (m *memory) admit() {
	for len(m.queue) > 0 && m.fits(m.queue[0].need) {
		m.used += m.queue[0].need
		close(m.queue[0].granted)
		m.queue = m.queue[1:]
	}
}

// holding is what a write holds of a memory, or several that run one after the other.
type holding struct {
	m     *memory
	bytes int64
	// kept is what the writes that are done have left, in bytes: their results.
	kept int64
	// until is when the patience of what it is for ends; zero: it has not waited yet.
	until time.Time
}

// raise sees to it that at least n bytes are held, beside what is kept. It does not wait: its error
// is a *needsMemory.
func (h *holding) raise(n int64) error {
	n += h.kept
	if n <= freeWrite || n <= h.bytes {
		return nil
	}
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	more := n - h.bytes
	if m.used != h.bytes && (len(m.queue) > 0 || m.used+more > m.most) {
		return &needsMemory{n}
	}
	m.used += more
	h.bytes = n
	return nil
}

// wait waits until n bytes are held, which replace what is. Errors: ErrNoMemory, and the context's.
// All waits of a holding have the patience of one.
func (h *holding) wait(ctx context.Context, n int64) error {
	h.release()
	m := h.m
	if h.until.IsZero() {
		h.until = m.patienceEnd()
	}
	w := &waiter{need: n, granted: make(chan struct{})}
	m.mu.Lock()
	m.queue = append(m.queue, w)
	m.admit()
	m.mu.Unlock()
	patience := time.NewTimer(time.Until(h.until))
	defer patience.Stop()
	var err error
	select {
	case <-w.granted:
		h.bytes = n
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-patience.C:
		err = ErrNoMemory
	}
	m.leave(w)
	return err
}

// patienceEnd is until when a write waits that begins to wait now.
func (m *memory) patienceEnd() time.Time { return time.Now().Add(cmp.Or(m.patience, memoryPatience)) }

// leave ends the waiting of w. It may have been granted memory between its giving up and the lock:
// that is given back.
func (m *memory) leave(w *waiter) {
	m.mu.Lock()
	i := slices.Index(m.queue, w)
	if i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.admit() // who is first now may need less
	}
	m.mu.Unlock()
	if i < 0 {
		m.giveBack(w.need)
	}
}

func (h *holding) release() {
	if h.bytes > 0 {
		h.m.giveBack(h.bytes)
	}
	h.bytes, h.kept = 0, 0
}

// rememberingChange is a Change that keeps what Apply has made until the next Apply.
type rememberingChange interface {
	// Forget drops what the last Apply has made.
	Forget()
}

// forget drops what an attempt has made whose write is going to wait.
func (w *writer) forget() {
	w.out, w.row = Written{}, keptRow(w.row)
	if f, ok := w.write.Change.(rememberingChange); ok {
		f.Forget()
	}
}

// keptRow returns the buffer if it may stay with a writer that goes back to the pool.
func keptRow(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// rowRoom is what a row takes in a batch beside its key and value.
const rowRoom = 32

// A footprint is what a change of an item holds while it is recorded, in bytes.
type footprint struct {
	items int // the item before and after
	batch int // all rows and records
	row   int // the largest of them
}

// add adds a row of a key and a value.
func (f *footprint) add(key, value int) {
	f.batch += key + value + rowRoom
	f.row = max(f.row, value)
}

// join adds the footprint of another change that is recorded with this one, a row at a time.
func (f *footprint) join(g footprint) {
	f.items, f.batch, f.row = f.items+g.items, f.batch+g.batch, max(f.row, g.row)
}

// total is all of it together.
func (f footprint) total() int64 { return int64(f.items + f.batch + f.row) }

// roughFootprint is how large a footprint may be, in bytes, that is not computed but bounded: a
// write that touches little should not look at all of its indexes twice.
const roughFootprint = 256 << 10

// footprint is that of a change from old to new. Index entries that stay as they are count as if
// they were written.
func (w *writer) footprint(old, new item.Item) (f footprint) {
	oldLen, newLen := old.EncodedLen(), new.EncodedLen()
	if bound := (oldLen + newLen) * (2 + len(w.t.Plans)); bound <= roughFootprint {
		return footprint{items: bound}
	}
	f.items = oldLen + newLen
	if !w.owned {
		f.items += oldLen
	}
	f.add(len(w.key), newLen)
	for _, p := range w.t.Plans {
		if p.State == schema.StateAbsent {
			continue
		}
		if w.oldRow, _ = p.AppendKey(w.oldRow[:0], old); len(w.oldRow) > 0 {
			f.add(len(w.oldRow), 0)
		}
		if key, ok := p.AppendKey(w.newRow[:0], new); ok {
			f.add(len(key), p.EntryLen(new))
			w.newRow = key
		}
	}
	if w.t.StreamID != 0 {
		f.add(rowRoom, oldLen+newLen+len(w.key))
	}
	return f
}

// guess is the footprint of a write whose new item is not known yet, but its old one.
func (w *writer) guess(old item.Item) footprint {
	if it, put := itemPut(w.write.Change); put {
		return w.footprint(old, it)
	}
	switch w.write.Change.(type) {
	case nil, Delete:
		return w.footprint(old, item.Item{})
	}
	return w.footprint(old, old) // an update changes little, as a rule
}
