package bench

import (
	"math"
	"sync"
	"time"
)

// A tracker watches what is written to some of a table's records, the hot ones among them. After a
// run each of their fields must hold the newest acknowledged write, or one that was under way at
// the same time: what was lost is found, and what came back from the dead.
type tracker struct {
	watched map[int64]*watched
}

// watched is a record under watch.
type watched struct {
	mu     sync.Mutex
	fields map[int][]write // that may be what the field holds
}

// write is one write of a field.
type write struct {
	began, ended int64 // nanoseconds; ended is forever if it is not known whether it happened
	value        string
}

const forever = math.MaxInt64

// newTracker watches the records that a zipfian choice draws most often, and the first ones.
func newTracker(records int64) *tracker {
	t := &tracker{watched: map[int64]*watched{}}
	for i := range int64(128) {
		for _, rec := range []int64{int64(fnv64(uint64(i)) % uint64(records)), i % records} {
			t.watched[rec] = &watched{fields: map[int][]write{}}
		}
	}
	return t
}

// wrote notes a write of a field. acknowledged says that it has happened, which ends those that had
// ended before it began.
func (t *tracker) wrote(rec int64, field int, value []byte, began time.Time, acknowledged bool) {
	w := t.watched[rec]
	if w == nil {
		return
	}
	this := write{began.UnixNano(), forever, string(value)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !acknowledged {
		w.fields[field] = append(w.fields[field], this)
		return
	}
	this.ended = time.Now().UnixNano()
	kept := w.fields[field][:0]
	for _, other := range w.fields[field] {
		if other.ended >= this.began {
			kept = append(kept, other)
		}
	}
	w.fields[field] = append(kept, this)
}

// holds tells whether a field may hold the value.
func (w *watched) holds(field int, value []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.fields[field] {
		if one.value == string(value) {
			return true
		}
	}
	return len(w.fields[field]) == 0
}
