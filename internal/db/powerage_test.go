package db

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// ageCuts is how often TestPowerLossOverDays cuts the power.
const ageCuts = 24

// agedWrites are writes over days: the n-th puts n into one of a few items of one partition, so
// that one shard of the stream tells of all of them in their order. Every third is a transaction
// with a token.
type agedWrites struct {
	w     *powerWorld
	mu    sync.Mutex
	times []time.Time // of each write, on the clock
	acked atomic.Int64
}

// transaction is the n-th write; it can be asked for again.
func (a *agedWrites) transaction(table *Table, n int) *Transaction {
	it := expiring(n%5, item.Value{}).With([]item.Entry{attr("v", item.Int(int64(n)))})
	x := &Transaction{Actions: []Action{{Write: Write{Table: table, Key: it, Change: Put{it}}}}}
	if n%3 == 0 {
		x.Token = &schema.Token{Operation: schema.TokenTransactWriteItems, Value: fmt.Sprint("token ", n)}
	}
	return x
}

// agedCut is what a cut leaves, and what was known then.
type agedCut struct {
	clone *vfs.MemFS
	now   time.Time
	acked int
	times []time.Time // of those asked for
}

// cut cuts the power.
func (a *agedWrites) cut(mem *vfs.MemFS, rnd *rand.Rand) agedCut {
	c := agedCut{acked: int(a.acked.Load()), now: a.w.clock.Now()}
	c.clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rnd.IntN(3)], RNG: rnd})
	a.mu.Lock()
	defer a.mu.Unlock()
	c.times = a.times
	return c
}

// TestPowerLossOverDays writes for weeks, in which streams are trimmed and tokens forgotten, and
// cuts the power at random moments, also in the middle of that. After each cut the stream has all
// of the last day without a gap and nothing that is long gone, the tokens of the last ten minutes
// do nothing again, those before are forgotten, and Check finds nothing.
func TestPowerLossOverDays(t *testing.T) {
	s := seed(t)
	rnd, cutRnd := rand.New(rand.NewPCG(s, 7)), rand.New(rand.NewPCG(s, 8)) // cuts come in the engine's goroutines
	a := &agedWrites{w: &powerWorld{t: t, clock: clocktest.New(clocktest.Start)}}
	mem := vfs.NewCrashableMem()
	fs := newPowerFS(mem, cutRnd, 8)
	engine, d, err := a.w.open(fs)
	if err != nil {
		t.Fatal(err)
	}
	table, err := d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	var cuts []agedCut
	var left atomic.Int64
	left.Store(ageCuts)
	fs.arm(func() {
		if left.Add(-1) >= 0 {
			cuts = append(cuts, a.cut(mem, cutRnd))
		}
	})
	for left.Load() > 0 {
		for range 1 + rnd.IntN(6) {
			a.mu.Lock()
			a.times = append(a.times, a.w.clock.Now())
			n := len(a.times) - 1
			a.mu.Unlock()
			if _, err := d.Transact(t.Context(), a.transaction(table, n)); err != nil {
				t.Fatal(err)
			}
			a.acked.Add(1)
			a.w.clock.Advance(time.Duration(rnd.IntN(240)) * time.Second)
		}
		if rnd.IntN(2) == 0 {
			a.w.clock.Advance(time.Duration(rnd.IntN(48)) * time.Hour)
		}
		if err := d.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fs.arm(nil)
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	var all agedSeen
	for i, c := range cuts {
		if all.verify(t, a, &c); t.Failed() {
			t.Fatalf("cut %d of %d", i, len(cuts))
		}
	}
	if all.trimmed == 0 || all.replayed == 0 || all.forgotten == 0 {
		t.Errorf("%d cuts, %+v: the test tests nothing", len(cuts), all)
	}
	t.Logf("%d writes, %d cuts, %+v", len(a.times), len(cuts), all)
}

// agedSeen counts what the cuts have left: streams of which more than a day is gone, tokens that
// did nothing again, and forgotten ones.
type agedSeen struct{ trimmed, replayed, forgotten int }

// verify opens what the cut has left and compares it.
func (s *agedSeen) verify(t *testing.T, a *agedWrites, c *agedCut) {
	t.Helper()
	a.w.clock.Set(c.now)
	engine, d, err := a.w.open(c.clone)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(d.Close(), engine.Close()); err != nil {
			t.Error(err)
		}
	}()
	table := d.Lookup(schema.DefaultNamespace, "model")
	if table == nil {
		t.Fatal("the table is gone")
	}
	if c.records(t, d, table) > 0 {
		s.trimmed++
	}
	checkClean(t, d)
	if err := d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	c.records(t, d, table)
	c.oldest(t, d, table)
	s.tokens(t, a, c, d, table)
	checkClean(t, d)
}

// oldest wants nothing to be in the stream that is long gone.
func (c *agedCut) oldest(t *testing.T, d *DB, table *Table) {
	t.Helper()
	l := d.StreamByID(table.StreamID)
	for shard := range uint32(l.Shards) {
		read := StreamRead{Stream: l, Shard: shard, Limit: 1}
		_, _, err := d.ReadStream(t.Context(), read, func(r *schema.StreamRecord) bool {
			if age := c.now.Sub(schema.TimeOf(r.Position)); age > schema.Retention+IteratorAge+trimEvery {
				t.Errorf("after a sweep a record is there that is %v old", age)
			}
			return true
		})
		if err != nil && !errors.Is(err, ErrTrimmed) {
			t.Error(err)
		}
	}
}

// records wants the records of the last day in the table's stream to be those of one write after
// the other, up to all acknowledged ones, and returns the first; -1 if there is none.
func (c *agedCut) records(t *testing.T, d *DB, table *Table) (first int) {
	t.Helper()
	first, last := -1, -1
	l := d.StreamByID(table.StreamID)
	for shard := range uint32(l.Shards) {
		read := StreamRead{Stream: l, Shard: shard, After: d.Horizon(l, shard), Limit: 1000}
		_, _, err := d.ReadStream(t.Context(), read, func(r *schema.StreamRecord) bool {
			v, _ := r.New.Get("v").Int64()
			switch n := int(v); {
			case first < 0:
				first = n
			case n != last+1:
				t.Errorf("record %d follows record %d", n, last)
			}
			last = int(v)
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}
	for n := range c.acked {
		if age := c.now.Sub(c.times[n]); age < schema.Retention && (first < 0 || n < first || n > last) {
			t.Errorf("write %d is %v old and acknowledged, and the stream has %d to %d", n, age, first, last)
		}
	}
	return first
}

// tokens sends the transactions with tokens again: the young ones do nothing, the others, of which
// some will do, happen again.
func (s *agedSeen) tokens(t *testing.T, a *agedWrites, c *agedCut, d *DB, table *Table) {
	t.Helper()
	for n := range c.acked {
		age := c.now.Sub(c.times[n])
		if n%3 != 0 || age >= tokenLife && n%30 != 0 {
			continue
		}
		before := stored(t, d, table, n)
		out, err := d.Transact(t.Context(), a.transaction(table, n))
		switch {
		case err != nil:
			t.Errorf("transaction %d again, after %v: %v", n, age, err)
		case out.Replayed != (age < tokenLife):
			t.Errorf("transaction %d again, after %v: replayed is %v", n, age, out.Replayed)
		case out.Replayed:
			s.replayed++
			if after := stored(t, d, table, n); after != before {
				t.Errorf("transaction %d again makes %d of %d", n, after, before)
			}
		default:
			s.forgotten++
		}
	}
}

// stored is what the item of the n-th write says.
func stored(t *testing.T, d *DB, table *Table, n int) (v int64) {
	t.Helper()
	err := d.Get(t.Context(), table, expiring(n%5, item.Value{}), true, func(it item.Item) error {
		v, _ = it.Get("v").Int64()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return v
}
