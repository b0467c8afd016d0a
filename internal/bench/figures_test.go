package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestHistogram holds quantiles against those of the sorted values.
func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	h := new(histogram)
	add := func(n int) (values []time.Duration) {
		for range n {
			d := time.Duration(math.Exp(r.Float64()*18 + 3)) // 20 ns to 1.3 s
			values = append(values, d)
			h.add(d)
		}
		slices.Sort(values)
		return values
	}
	first := add(50_000)
	before := h.snapshot()
	second := add(20_000)
	all := slices.Sorted(slices.Values(append(slices.Clone(first), second...)))
	merged := &snapshot{}
	merged.add(before)
	merged.add(h.snapshot().since(before))
	for _, test := range []struct {
		name   string
		s      *snapshot
		values []time.Duration
	}{{"the first", before, first}, {"the second", h.snapshot().since(before), second}, {"all", h.snapshot(), all}, {"merged", merged, all}} {
		sum := time.Duration(0)
		for _, v := range test.values {
			sum += v
		}
		if want := sum / time.Duration(len(test.values)); test.s.mean() != want {
			t.Errorf("%s: mean %v, want %v", test.name, test.s.mean(), want)
		}
		for _, q := range []float64{0, .01, .5, .95, .99, .999, .9999, 1} {
			want := test.values[max(0, int(math.Ceil(q*float64(len(test.values))))-1)]
			if got := test.s.quantile(q); math.Abs(float64(got-want)) > float64(want)/100 {
				t.Errorf("%s: quantile %v is %v, want %v", test.name, q, got, want)
			}
		}
	}
	if got, want := h.snapshot().quantile(1), all[len(all)-1]; got != want {
		t.Errorf("the greatest is %v, want %v", got, want)
	}
	if empty := new(histogram).snapshot(); empty.quantile(.5) != 0 || empty.mean() != 0 {
		t.Error("an empty histogram has latencies")
	}
	new(histogram).add(math.MaxInt64)
}

// TestZipfian checks how often the hottest records are drawn.
func TestZipfian(t *testing.T) {
	const draws = 200_000
	for _, test := range []struct {
		records  int64
		theta    float64
		hottest  int64
		low, top float64
	}{
		{100_000, ycsbTheta, int64(fnv64(0) % 100_000), .036, .040}, // 1/ycsbZeta = 3.78 %
		{1000, .5, int64(fnv64(0) % 1000), .0145, .020},             // 1/zeta(1000, .5) = 1.62 %, and what is hashed onto it
		{1, ycsbTheta, 0, 1, 1},
	} {
		r, n := rand.New(rand.NewPCG(1, 1)), 0
		c := newChooser(Zipfian, test.theta, test.records, nil)
		for range draws {
			rec := c.next(r)
			if rec < 0 || rec >= test.records {
				t.Fatalf("of %d records, %d was drawn", test.records, rec)
			}
			if rec == test.hottest {
				n++
			}
		}
		if share := float64(n) / draws; share < test.low || share > test.top {
			t.Errorf("of %d records with theta %v the hottest is %.4f of all, want %v to %v", test.records, test.theta, share, test.low, test.top)
		}
	}
	ins := newInserts(10)
	for range 5 {
		ins.ack(ins.take())
	}
	ins.take() // under way
	ins.ack(ins.take())
	newest := newChooser(Latest, ycsbTheta, 10, ins)
	for r, i := rand.New(rand.NewPCG(1, 1)), 0; i < 1000; i++ {
		if rec := newest.next(r); rec < 5 || rec > 14 {
			t.Fatalf("latest has drawn %d, of 5 to 14", rec)
		}
	}
}

// TestTracker checks which values a field may hold after writes one after another and at the same
// time.
func TestTracker(t *testing.T) {
	tr := newTracker(10)
	at := func(ms int) time.Time { return time.Now().Add(time.Duration(ms) * time.Millisecond) }
	holds := func(want string, values ...string) {
		t.Helper()
		for _, v := range []string{"a", "b", "c", "d"} {
			if got := tr.watched[3].holds(0, []byte(v)); got != slices.Contains(values, v) {
				t.Errorf("%s: %s may be there: %v", want, v, got)
			}
		}
	}
	holds("before any write", "a", "b", "c", "d")
	tr.wrote(3, 0, []byte("a"), at(-20), true)
	tr.wrote(3, 0, []byte("b"), at(-10), true) // a was under way still
	holds("at the same time", "a", "b")
	tr.wrote(3, 0, []byte("c"), at(1), true)
	holds("after both", "c")
	tr.wrote(3, 0, []byte("d"), at(2), false)
	holds("nobody knows", "c", "d")
	tr.wrote(3, 0, []byte("a"), at(1000), true)
	holds("nobody knows still", "a", "d")
}

// TestFilter checks that the filter lets about one of ten records through.
func TestFilter(t *testing.T) {
	s := &Settings{Fields: 10, RecordBytes: 1000, Table: "t"}
	l, n := newLayout(s, false), 0
	for rec := range int64(10_000) {
		if l.passes(rec) {
			n++
		}
	}
	if n < 1000 || n > 1200 {
		t.Errorf("%d of 10,000 records pass", n)
	}
}
