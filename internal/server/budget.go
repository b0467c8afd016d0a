package server

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// budget is the memory for all bodies and answers that are under way at a time. What counts is what
// their buffers take, and not how much of them is filled, and of a body what it is decoded into as
// well; buffers up to freeBytes are not counted.
type budget struct{ left atomic.Int64 }

// take takes n bytes, if there are as many.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// counted is what a buffer of such a capacity counts.
func counted(capacity int) int64 {
	if capacity <= freeBytes {
		return 0
	}
	return int64(capacity)
}

// reservation is what one buffer has drawn from the budget.
type reservation struct{ drawn int64 }

// hold draws what a buffer of such a capacity counts, or gives back what it does not any more. It
// may be refused, and then changes nothing.
func (r *reservation) hold(b *budget, capacity int) bool {
	if more := counted(capacity) - r.drawn; more > 0 {
		if !b.take(more) {
			return false
		}
		r.drawn += more
		return true
	}
	r.force(b, capacity)
	return true
}

// force is hold for a buffer that is there whatever the budget has.
func (r *reservation) force(b *budget, capacity int) {
	if more := counted(capacity) - r.drawn; more != 0 {
		b.left.Add(-more)
		r.drawn += more
	}
}

// release gives back what the exchange holds.
func (x *exchange) release() {
	b := &x.h.budget
	x.inReservation.force(b, 0)
	x.outReservation.force(b, 0)
	x.compressedReservation.force(b, 0)
	if cap(x.out) > pooledBytes {
		x.h.answers.put(x.out)
		x.out = nil
	}
}

// holdAnswer draws what the answer takes, in whatever way it has grown, and tells whether it may be
// sent. A refused one is let go; without refusable there is none.
func (x *exchange) holdAnswer(refusable bool) bool {
	if !refusable {
		x.outReservation.force(&x.h.budget, cap(x.out))
		return true
	}
	if x.outReservation.hold(&x.h.budget, cap(x.out)) {
		return true
	}
	x.out = nil
	return false
}

// shrink gives a short answer, as an error is, a buffer of its size, where it is in that of a long
// one that came to nothing.
func (x *exchange) shrink() {
	if len(x.out) <= freeBytes && cap(x.out) > pooledBytes {
		large := x.out
		x.out = append([]byte(nil), large...)
		x.h.answers.put(large)
	}
}

// decodedBytes is what a body of so many bytes takes: itself, and what it is decoded into, which is
// not longer.
func decodedBytes(n int) int {
	if n <= freeBytes {
		return n
	}
	return 2 * n
}

// growBody gives the body a buffer for n bytes, or returns errBudgetSpent.
func (x *exchange) growBody(n int) error {
	b := &x.h.budget
	if cap(x.in) > freeBytes && len(x.in) == 0 && !x.inReservation.hold(b, decodedBytes(cap(x.in))) {
		x.in = nil // one that was kept, and is too large for now
	}
	if n <= cap(x.in) {
		return nil
	}
	if !x.inReservation.hold(b, decodedBytes(n)) {
		return errBudgetSpent
	}
	x.in = append(make([]byte, 0, n), x.in...)
	return nil
}

// Grow implements api.Memory for the call.
func (x *exchange) Grow(out []byte, n int) ([]byte, bool) {
	size, need := cap(out), len(out)+n
	if need > size {
		size = grownSize(need)
	}
	if !x.outReservation.hold(&x.h.budget, size) {
		if size = max(need, cap(out)); size > mostShared && x.outReservation.hold(&x.h.budget, size) {
			return append(make([]byte, 0, size), out...), true
		}
		return out, false
	}
	if size == cap(out) {
		return out, true
	}
	grown := append(x.h.answers.get(size), out...)
	if cap(out) <= pooledBytes {
		x.small = out
	} else {
		x.h.answers.put(out)
	}
	return grown, true
}

// Sizes of the buffers that all exchanges share.
const (
	leastShared = 128 << 10
	mostShared  = 1 << 20
)

// grownSize is the size of the buffer for an answer of so many bytes and what may follow.
func grownSize(need int) int {
	if need > mostShared {
		return need + need/4
	}
	size := leastShared
	for size < need {
		size *= 2
	}
	return size
}

// shared are buffers for large answers, by size: powers of two from leastShared to mostShared.
type shared struct{ pools [4]sync.Pool }

// get returns an empty buffer of the size, a power of two from leastShared on.
func (s *shared) get(size int) []byte {
	if size <= mostShared {
		if b, ok := s.pools[bits.Len(uint(size/leastShared))-1].Get().(*[]byte); ok {
			return (*b)[:0]
		}
	}
	return make([]byte, 0, size)
}

// put takes a buffer that is not used any more, if it is one of those.
func (s *shared) put(b []byte) {
	if n := cap(b); n >= leastShared && n <= mostShared && n&(n-1) == 0 {
		s.pools[bits.Len(uint(n/leastShared))-1].Put(&b)
	}
}
