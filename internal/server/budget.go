package server

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// budget is the memory for all bodies and answers in progress. It counts the capacity of their
// buffers, and for a body also what it is decoded into; buffers up to freeBytes are not counted, so
// that small requests succeed, and cost no atomic operation, however many large ones there are.
type budget struct{ left atomic.Int64 }

// take takes n bytes, or none and returns false. left can be negative for a moment meanwhile, and
// for longer after force.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// counted is how many bytes of the budget a buffer of the capacity takes.
func counted(capacity int) int64 {
	if capacity <= freeBytes {
		return 0
	}
	return int64(capacity)
}

// reservation is what one buffer has drawn from the budget.
type reservation struct{ drawn int64 }

// hold makes the reservation fit a buffer of the capacity: it draws more, or gives back. If there
// is not enough it returns false and changes nothing.
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

// force is hold for a buffer that exists already: it always succeeds, and may leave the budget
// negative, which makes later ones wait for what this one gives back.
func (r *reservation) force(b *budget, capacity int) {
	if more := counted(capacity) - r.drawn; more != 0 {
		b.left.Add(-more)
		r.drawn += more
	}
}

// release gives back to the budget what the exchange holds, and a large buffer to its pool.
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

// holdAnswer draws what the finished answer takes, since not everything that makes it grow calls
// Grow, and tells whether it may be sent. If not, its buffer is dropped. refusable is false for an
// answer that must be sent whatever the budget has: that of a write that was executed.
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

// shrink copies a short answer, such as an error in place of a long one, out of a large buffer, so
// that a client that reads slowly does not hold the large one.
func (x *exchange) shrink() {
	if len(x.out) <= freeBytes && cap(x.out) > pooledBytes {
		large := x.out
		x.out = append([]byte(nil), large...)
		x.h.answers.put(large)
	}
}

// decodedBytes is what a body of n bytes takes: itself, and what it is decoded into, which is not
// longer.
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
		x.in = nil // the buffer kept from the last request is too large for what is left
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

// grownSize is the capacity of a buffer for an answer that needs that many bytes now and may grow.
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

// shared are pools of buffers for large answers, one for each power of two from leastShared to
// mostShared. They are apart from the pool of exchanges, so that a few large answers do not leave
// every pooled exchange with a large buffer.
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

// put takes a buffer that is not used any more, and leaves it to the collector if it did not come
// from get: its capacity tells.
func (s *shared) put(b []byte) {
	if n := cap(b); n >= leastShared && n <= mostShared && n&(n-1) == 0 {
		s.pools[bits.Len(uint(n/leastShared))-1].Put(&b)
	}
}
