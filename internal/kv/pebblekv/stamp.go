package pebblekv

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// stampSlack is how far ahead stamps are bounded at once, in microseconds: one commit in about
	// as long carries the bound, and after a kill stamps run ahead of the clock by no more.
	stampSlack = 20_000
	// stampsAhead is how far ahead of the clock stamps may be before the log says so, which it does
	// each warnEvery.
	stampsAhead       = time.Hour
	stampsAheadMicros = uint64(stampsAhead / time.Microsecond)
	warnEvery         = 10 * time.Minute
)

// stamps gives the commits' places in time. So that none is given twice, even after a kill and with
// a clock that went back, every commit whose stamp passes the bound that is in the log raises it in
// its own batch. The bound need not be on the disk by then: if the commit gets there, so has what
// stands before it in the log.
type stamps struct {
	last  atomic.Uint64
	limit atomic.Uint64 // a bound that is in the log before all commits that come from now on
	slew  slewClock

	mu      sync.Mutex // held while a bound is applied, so that the log holds them ascending
	written uint64     // the highest bound in any batch
	bounds  int64      // how many batches have had one

	warned atomic.Int64 // when the log last said that stamps are ahead, nanoseconds since 1970
}

// next gives the next stamp: never one that was given before, whatever the clock says.
func (s *stamps) next(now time.Time, elapsed func() time.Duration) uint64 {
	t := uint64(s.slew.at(now.UnixMicro(), int64(s.last.Load()), elapsed))
	for {
		last := s.last.Load()
		stamp := max(t, last+1)
		if s.last.CompareAndSwap(last, stamp) {
			return stamp
		}
	}
}

// bound adds a bound to the batch if the stamp needs one, and says so: then bounded is to be called
// when the batch is applied. It is the last thing to do before that.
func (s *stamps) bound(stamp uint64, b *pebble.Batch) bool {
	if stamp <= s.limit.Load() {
		return false
	}
	s.mu.Lock()
	if stamp <= s.limit.Load() {
		s.mu.Unlock()
		return false
	}
	s.written = stamp + stampSlack
	s.bounds++
	_ = b.Set(stampKey, binary.BigEndian.AppendUint64(nil, s.written), nil) // never fails
	return true
}

// bounded notes that the batch with the bound that was written last is applied: what is applied
// from now on follows it in the log.
func (s *stamps) bounded() {
	s.limit.Store(s.written)
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

// ahead is how far the newest stamp is ahead of the clock.
func (s *stamps) ahead(now time.Time) time.Duration {
	ahead := int64(s.last.Load()) - now.UnixMicro()
	return time.Duration(min(max(0, ahead), int64(1<<63-1)/1000)) * time.Microsecond
}

// warnAhead tells the log if the newest stamp is far ahead of the clock.
func (e *Engine) warnAhead(now time.Time) {
	ahead := e.stamps.ahead(now)
	if ahead <= stampsAhead {
		return
	}
	// By the machine's clock, as the engine's may stand still.
	warned, at := e.stamps.warned.Load(), time.Now().UnixNano()
	if since := time.Duration(at - warned); 0 <= since && since < warnEvery && warned != 0 ||
		!e.stamps.warned.CompareAndSwap(warned, at) {
		return
	}
	e.log.Warn("the newest stamp is ahead of the clock, which was wrong once or is now: "+
		"items and stream records that are written get times of then",
		"ahead", ahead.Truncate(time.Second), "clock", now.UTC())
}

// load reads what is kept in memory.
func (e *Engine) load() (err error) {
	if err := e.loadCounters(); err != nil {
		return fmt.Errorf("loading the counters: %w", err)
	}
	v := &view{e: e, within: -1}
	defer v.closeInto(&err)
	bound, err := v.get(stampKey)
	e.stamps.load(bound)
	e.warnAhead(e.clock())
	return err
}
