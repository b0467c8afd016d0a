package bench

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// The ways of choosing the record of an operation.
const (
	Zipfian = "zipfian"
	Uniform = "uniform"
	Latest  = "latest"
)

// chooser picks the record that an operation is for.
type chooser interface {
	next(*rand.Rand) int64
}

// newChooser returns the chooser of a distribution over the records loaded, and, for Latest,
// inserted since.
func newChooser(dist string, theta float64, records int64, ins *inserts) chooser {
	switch dist {
	case Uniform:
		return uniform{records}
	case Latest:
		return &latest{newZipf(records, theta, zeta(records, theta)), ins}
	}
	return newScrambled(records, theta)
}

// zipf draws ranks below n, of which rank 0 is the most frequent, as YCSB does (Gray et al.,
// "Quickly Generating Billion-Record Synthetic Databases").
type zipf struct {
	n, zetan, alpha, eta, half float64
}

// zeta is the sum of 1/i^theta up to n.
func zeta(n int64, theta float64) float64 {
	sum := 0.0
	for i := int64(1); i <= n; i++ {
		sum += 1 / math.Pow(float64(i), theta)
	}
	return sum
}

// newZipf returns a zipf; zetan is zeta(n, theta), and theta is not 1.
func newZipf(n int64, theta, zetan float64) *zipf {
	z := &zipf{n: float64(n), zetan: zetan, alpha: 1 / (1 - theta), half: 1 + math.Pow(0.5, theta)}
	z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - zeta(2, theta)/zetan)
	return z
}

// next draws a rank.
func (z *zipf) next(r *rand.Rand) int64 {
	u := r.Float64()
	switch uz := u * z.zetan; {
	case uz < 1 || z.n < 2:
		return 0
	case uz < z.half || z.n < 3:
		return 1
	}
	return min(int64(z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)), int64(z.n)-1)
}

// scrambled spreads zipfian ranks over the records by a hash, so that the frequent ones are not
// neighbours. With YCSB's theta it draws, as YCSB does, from 10¹⁰ ranks whatever the number of
// records: the most frequent record takes 3.8 % of all operations, so figures of tables of
// different sizes can be compared.
type scrambled struct {
	ranks   *zipf
	records uint64
}

// YCSB's constants: the ranks, and zeta of them for its theta.
const (
	ycsbTheta = 0.99
	ycsbRanks = 10_000_000_000
	ycsbZeta  = 26.46902820178302
)

// newScrambled returns a scrambled.
func newScrambled(records int64, theta float64) *scrambled {
	if theta == ycsbTheta {
		return &scrambled{newZipf(ycsbRanks, theta, ycsbZeta), uint64(records)}
	}
	return &scrambled{newZipf(records, theta, zeta(records, theta)), uint64(records)}
}

func (s *scrambled) next(r *rand.Rand) int64 {
	return int64(fnv64(uint64(s.ranks.next(r))) % s.records)
}

// fnv64 is the FNV-1a hash of the number's bytes.
func fnv64(v uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for range 8 {
		h = (h ^ v&0xff) * 0x100000001b3
		v >>= 8
	}
	return h
}

// uniform draws any of n records.
type uniform struct{ n int64 }

func (u uniform) next(r *rand.Rand) int64 { return r.Int64N(u.n) }

// latest draws records that were inserted a short while ago more often than others.
type latest struct {
	back *zipf
	ins  *inserts
}

func (l *latest) next(r *rand.Rand) int64 { return max(0, l.ins.known.Load()-1-l.back.next(r)) }

// inserts hands out the numbers of new records to all connections, and tracks below which number
// all have been acknowledged: only these can be expected in an answer.
type inserts struct {
	taken, known atomic.Int64
	mu           sync.Mutex
	acked        map[int64]struct{} // above known
}

// newInserts returns inserts that go on from a number.
func newInserts(from int64) *inserts {
	ins := &inserts{acked: map[int64]struct{}{}}
	ins.taken.Store(from)
	ins.known.Store(from)
	return ins
}

// take returns the next number.
func (ins *inserts) take() int64 { return ins.taken.Add(1) - 1 }

// ack says that a record is stored.
func (ins *inserts) ack(rec int64) {
	ins.mu.Lock()
	defer ins.mu.Unlock()
	ins.acked[rec] = struct{}{}
	known := ins.known.Load()
	for {
		if _, ok := ins.acked[known]; !ok {
			break
		}
		delete(ins.acked, known)
		known++
	}
	ins.known.Store(known)
}
