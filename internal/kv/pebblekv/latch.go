package pebblekv

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/kv"
)

// A stripe is the latch of all keys whose fronts hash to it, and what readers must know of their
// last commit. It fills a cache line, so that neighbours do not slow each other down.
type stripe struct {
	latch latch
	// last is the newest commit under this latch. It is set while the latch is held and before the
	// batch becomes visible, so a reader that loads it after its read finds a commit at least as
	// new as what it saw; and since the log is appended in the order of commits, that one's
	// durability covers all earlier ones.
	last atomic.Pointer[commit]
	_    [64 - 32]byte
}

// latch is a mutual exclusion whose waiters can give up. It is handed over in the order of arrival.
type latch struct {
	mu      sync.Mutex // held for a few instructions only
	held    bool
	waiters *waiters
}

// waiters is the queue of a latch, there only while anybody waits.
type waiters struct{ queue []chan struct{} }

// tryLock takes the latch if it is free; else it queues up and returns the channel that is closed
// at the handing over.
func (l *latch) tryLock() (turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held = true
		return nil
	}
	if l.waiters == nil {
		l.waiters = &waiters{}
	}
	turn = make(chan struct{})
	l.waiters.queue = append(l.waiters.queue, turn)
	return turn
}

// isHeld tells whether the latch is held at the moment.
func (l *latch) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// unlock hands the latch to the longest waiting, or frees it.
func (l *latch) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters == nil {
		l.held = false
		return
	}
	turn := l.waiters.queue[0]
	l.waiters.queue = l.waiters.queue[1:]
	if len(l.waiters.queue) == 0 {
		l.waiters = nil
	}
	close(turn)
}

// leave gives up waiting. If the latch was handed over in the meantime it is handed on.
func (l *latch) leave(turn chan struct{}) {
	l.mu.Lock()
	if l.waiters != nil {
		if i := slices.Index(l.waiters.queue, turn); i >= 0 {
			l.waiters.queue = slices.Delete(l.waiters.queue, i, i+1)
			if len(l.waiters.queue) == 0 {
				l.waiters = nil
			}
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()
	l.unlock()
}

// front is the part of a key that chooses its stripe.
func front(key []byte) []byte { return key[:min(len(key), kv.FrontLen)] }

// stripeOf is the number of the stripe that latches key.
func (e *Engine) stripeOf(key []byte) uint32 {
	return uint32(xxhash.Sum64(front(key)) & e.stripeMask)
}

// stripesOf appends the numbers of the keys' stripes to nums, ascending and each once: sorted keys
// are not sorted stripes, and two keys may share one.
func (e *Engine) stripesOf(nums []uint32, keys [][]byte) []uint32 {
	for _, k := range keys {
		nums = append(nums, e.stripeOf(k))
	}
	if len(nums) > 1 {
		slices.Sort(nums)
		nums = slices.Compact(nums)
	}
	return nums
}

// lockStripes takes the latches of nums in their order, which is ascending foreverybody, so that
// no two updates wait for each other. After an error it holds none, and had is how many it had.
func (e *Engine) lockStripes(ctx context.Context, nums []uint32) (had int, err error) {
	var deadline *time.Timer // made when there is something to wait for
	for i, n := range nums {
		l := &e.stripes[n].latch
		turn := l.tryLock()
		if turn == nil {
			continue
		}
		if deadline == nil {
			deadline = time.NewTimer(e.latchTimeout)
			defer deadline.Stop()
		}
		if err := e.awaitTurn(ctx, l, turn, deadline.C); err != nil {
			e.unlockStripes(nums[:i])
			return i, err
		}
	}
	return len(nums), nil
}

// conflict is the kv.Conflict of an update whose keys are lock: it waited in vain for the first of
// the stripes rest, and those behind it count if they are held as well.
func (e *Engine) conflict(lock [][]byte, rest []uint32) error {
	c := &kv.Conflict{}
	for i, k := range lock {
		if n := e.stripeOf(k); n == rest[0] || slices.Contains(rest[1:], n) && e.stripes[n].latch.isHeld() {
			c.Keys = append(c.Keys, i)
		}
	}
	return c
}

// waits counts the times that an update had to wait: for a latch, or for the store to catch up.
type waits struct {
	n, timeouts atomic.Uint64
	nanos       atomic.Int64
	// began is when the wait that lasts began, in nanoseconds since the process did, where there is
	// only one at a time; 0: none lasts.
	began atomic.Int64
}

// end counts a wait that began then.
func (w *waits) end(began time.Time) {
	w.n.Add(1)
	w.nanos.Add(int64(time.Since(began)))
}

// seconds is how long all have lasted.
func (w *waits) seconds() float64 {
	nanos := w.nanos.Load()
	if began := w.began.Load(); began != 0 {
		nanos += int64(sinceStart()) - began
	}
	return time.Duration(nanos).Seconds()
}

// awaitTurn waits until the latch is handed over, and gives up with the context, the deadline or
// the engine.
func (e *Engine) awaitTurn(ctx context.Context, l *latch, turn chan struct{}, deadline <-chan time.Time) error {
	defer e.waits.end(time.Now())
	var err error
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-deadline:
		err = kv.ErrConflict
		e.waits.timeouts.Add(1)
	case <-e.failed:
		err = e.failure()
	}
	l.leave(turn)
	return err
}

func (e *Engine) unlockStripes(nums []uint32) {
	for _, n := range nums {
		e.stripes[n].latch.unlock()
	}
}

// Barrier implements kv.Engine. It has no deadline but the context's: no Update holds a latch for
// ever.
func (e *Engine) Barrier(ctx context.Context) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	for i := range e.stripes {
		l := &e.stripes[i].latch
		if turn := l.tryLock(); turn != nil {
			if err := e.awaitTurn(ctx, l, turn, nil); err != nil {
				return err
			}
		}
		l.unlock()
	}
	return nil
}
