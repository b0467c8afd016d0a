package pebblekv

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// stampSlack is how far ahead stamps are bounded at once, in microseconds: one commit in about as long carries the
// bound, and after a kill stamps may run ahead of the clock by as much.
const stampSlack = 1_000_000

// stamps gives the commits' places in time. So that none is given twice, even after a kill and with a clock that went
// back, every commit whose stamp passes the bound that is on the disk raises it in its own batch.
type stamps struct {
	last  atomic.Uint64
	limit atomic.Uint64 // the bound known to be on the disk

	mu      sync.Mutex // held while a bound is applied, so that the log holds them ascending
	written uint64     // the highest bound in any batch
	// pending is a commit that carries pendingLimit and was not yet seen to be durable.
	pending      *commit
	pendingLimit uint64
}

// next gives a stamp.
func (s *stamps) next(now time.Time) uint64 {
	for {
		last := s.last.Load()
		stamp := max(uint64(now.UnixMicro()), last+1)
		if s.last.CompareAndSwap(last, stamp) {
			return stamp
		}
	}
}

// bound adds a bound to the batch if the stamp needs one, and says so: then bounded is to be called when the batch is
// applied. It is the last thing to do before that.
func (s *stamps) bound(stamp uint64, b *pebble.Batch) bool {
	if stamp <= s.limit.Load() {
		return false
	}
	s.mu.Lock()
	if s.pending != nil && s.pending.durable() {
		s.limit.Store(s.pendingLimit)
		s.pending = nil
	}
	if stamp <= s.limit.Load() {
		s.mu.Unlock()
		return false
	}
	s.written = max(s.written, stamp+stampSlack)
	_ = b.Set(stampKey, binary.BigEndian.AppendUint64(nil, s.written), nil) // never fails
	return true
}

// bounded notes that c carries the bound that was written last.
func (s *stamps) bounded(c *commit) {
	if s.pending == nil { // else an older one will be durable sooner
		s.pending, s.pendingLimit = c, s.written
	}
	s.mu.Unlock()
}

// load takes up where the last bound on the disk left off.
func (s *stamps) load(value []byte) {
	if len(value) == 8 {
		bound := binary.BigEndian.Uint64(value)
		s.last.Store(bound)
		s.limit.Store(bound)
		s.written = bound
	}
}

// save is the bound for a clean stop: no stamp was given above it, so that none has to be skipped.
func (s *stamps) save() []byte {
	return binary.BigEndian.AppendUint64(nil, s.last.Load())
}
