package bench

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts latencies in buckets that widen with the latency: 128 for each power of two of
// nanoseconds, so that a quantile is off by less than one part in a hundred from 1 ns to centuries,
// in 58 kB. All connections add to the same one, without locks; what happened between two moments
// is the difference of two snapshots.
type histogram struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Uint64 // nanoseconds
	max    atomic.Int64
}

const (
	subBits = 7 // 2⁷ buckets for each power of two
	buckets = (64 - subBits) << subBits
)

// bucketOf returns the bucket of a number of nanoseconds below 2⁶³.
func bucketOf(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift<<subBits + int(v>>shift)
}

// middleOf returns the middle of a bucket.
func middleOf(bucket int) uint64 {
	if bucket < 2<<subBits {
		return uint64(bucket)
	}
	shift := bucket>>subBits - 1
	return uint64(bucket-shift<<subBits)<<shift + (1<<shift)/2
}

// add counts a latency.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))].Add(1)
	h.sum.Add(uint64(d))
	for old := h.max.Load(); int64(d) > old && !h.max.CompareAndSwap(old, int64(d)); {
		old = h.max.Load()
	}
}

// snapshot returns what has been counted.
func (h *histogram) snapshot() *snapshot {
	s := &snapshot{sum: h.sum.Load(), max: time.Duration(h.max.Load())}
	for i := range h.counts {
		s.counts[i] = h.counts[i].Load()
		s.n += s.counts[i]
	}
	return s
}

// snapshot is a histogram at a moment, or between two of them.
type snapshot struct {
	counts [buckets]uint64
	n, sum uint64
	max    time.Duration
}

// since returns what was counted after an earlier snapshot. Its greatest latency is exact if it is
// the greatest of all.
func (s *snapshot) since(earlier *snapshot) *snapshot {
	d := &snapshot{n: s.n - earlier.n, sum: s.sum - earlier.sum}
	for i := range d.counts {
		if d.counts[i] = s.counts[i] - earlier.counts[i]; d.counts[i] > 0 {
			d.max = time.Duration(middleOf(i))
		}
	}
	if bucketOf(uint64(d.max)) == bucketOf(uint64(s.max)) {
		d.max = s.max
	}
	return d
}

// add adds what another one has counted.
func (s *snapshot) add(other *snapshot) {
	s.n, s.sum, s.max = s.n+other.n, s.sum+other.sum, max(s.max, other.max)
	for i, n := range other.counts {
		s.counts[i] += n
	}
}

// quantile returns the latency that the share q of all did not exceed; 0 if there are none.
func (s *snapshot) quantile(q float64) time.Duration {
	if s.n == 0 {
		return 0
	}
	rank := max(1, uint64(math.Ceil(q*float64(s.n))))
	if rank >= s.n {
		return s.max
	}
	seen := uint64(0)
	for i, n := range s.counts {
		if seen += n; seen >= rank {
			return min(time.Duration(middleOf(i)), s.max)
		}
	}
	return s.max
}

// mean returns the mean latency; 0 if there are none.
func (s *snapshot) mean() time.Duration {
	if s.n == 0 {
		return 0
	}
	return time.Duration(s.sum / s.n)
}
