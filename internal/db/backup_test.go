package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// checkCopy checks a copy without opening it as a database, and then opens it as one.
func checkCopy(t *testing.T, dir string, now func() time.Time, fn func(*DB)) {
	t.Helper()
	engine := openEngine(t, pebblekv.Options{Dir: dir, ReadOnly: true})
	report, err := check.Run(t.Context(), engine, check.Options{Files: true, Now: now})
	if err := errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %v: %v", dir, p.Kind, p)
	}
	within(t, pebblekv.Options{Dir: dir, Clock: now, FreeSpaceFloor: -1}, fn)
}

// TestBackups copies a bank again and again while money is being moved, on disk and in memory, and
// copies of copies: each has the right sum and all that was acknowledged before it was asked for.
func TestBackups(t *testing.T) {
	for _, inMemory := range []bool{false, true} {
		t.Run(fmt.Sprint("in memory ", inMemory), func(t *testing.T) {
			dir := t.TempDir()
			engine := openEngine(t, pebblekv.Options{Dir: filepath.Join(dir, "data"), InMemory: inMemory, FreeSpaceFloor: -1})
			b := newBank(t, openOn(t, engine, unswept(nil)))
			acked, stop := b.run()
			for n := range 3 {
				before := make([]int64, len(acked))
				for i := range acked {
					before[i] = acked[i].Load()
				}
				to := filepath.Join(dir, fmt.Sprint("copy", n))
				if err := b.d.Backup(t.Context(), to); err != nil {
					t.Fatal(err)
				}
				b.verifyCopy(to, before)
			}
			stop()
		})
	}
}

// run moves money in the background until stop is called. acked counts, by goroutine, the steps of
// an item of its own.
func (b *bank) run() (acked []atomic.Int64, stop func()) {
	acked = make([]atomic.Int64, 3)
	table, s := b.steps(), seed(b.t)
	done := make(chan struct{})
	var all sync.WaitGroup
	for g := range acked {
		rnd := rand.New(rand.NewPCG(s, uint64(g)))
		all.Go(func() {
			for n := int64(1); !isClosed(done); n++ {
				if err := b.transfer(rnd, fmt.Sprint(g, "-", n)); err != nil {
					b.t.Error(err)
				}
				it := item.New([]item.Entry{attr("pk", item.String(fmt.Sprint("g", g))), attr("n", item.Int(n))})
				if _, err := b.d.Write(context.Background(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
					b.t.Error(err)
				}
				acked[g].Store(n)
			}
		})
	}
	return acked, func() {
		close(done)
		all.Wait()
	}
}

// steps makes a table with a stream for the steps of goroutines.
func (b *bank) steps() *Table {
	b.t.Helper()
	table, err := b.d.Create(b.t.Context(), &schema.Descriptor{
		Name: "steps", Namespace: schema.DefaultNamespace, Billing: "PAY_PER_REQUEST", StreamViewType: "NEW_AND_OLD_IMAGES",
		Attributes: []schema.AttributeDefinition{{Name: "pk", Type: item.S}}, Keys: []schema.KeyElement{{Name: "pk"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return table
}

// verifyCopy wants the bank's sum and the steps in a copy, and in the copy's copy.
func (b *bank) verifyCopy(dir string, before []int64) {
	b.t.Helper()
	again := dir + "-again"
	checkCopy(b.t, dir, time.Now, func(d *DB) {
		if err := d.Backup(b.t.Context(), again); err != nil {
			b.t.Error(err)
		}
	})
	checkCopy(b.t, again, time.Now, func(d *DB) {
		if err := b.count(d); err != nil {
			b.t.Errorf("%s: %v", dir, err)
		}
		table, err := d.Table(schema.DefaultNamespace, "steps")
		if err != nil {
			b.t.Fatal(err)
		}
		for g, want := range before {
			key := item.New([]item.Entry{attr("pk", item.String(fmt.Sprint("g", g)))})
			got := int64(0)
			err := d.Get(b.t.Context(), table, key, true, func(it item.Item) error {
				got, _ = it.Get("n").Int64()
				return nil
			})
			if err != nil || got < want {
				b.t.Errorf("%s: step %d of goroutine %d was acknowledged, and the copy has %d, %v", dir, want, g, got, err)
			}
		}
	})
}

// TestBackupNeedsCheckpoints wants a clear error of an engine that cannot copy itself.
func TestBackupNeedsCheckpoints(t *testing.T) {
	d := openOn(t, struct{ kv.Engine }{openEngine(t, pebblekv.Options{})}, Options{})
	if err := d.Backup(t.Context(), filepath.Join(t.TempDir(), "copy")); !errors.Is(err, ErrNoBackup) {
		t.Errorf("Backup: %v, want ErrNoBackup", err)
	}
}

// TestRestoredGoesOn restores a copy under a clock that is four minutes behind: stamps and stream
// positions go on above the old ones, and tables, streams, tokens and expiry are those of before.
func TestRestoredGoesOn(t *testing.T) {
	dir := t.TempDir()
	clock := clocktest.New(clocktest.Start)
	engine := openEngine(t, pebblekv.Options{Dir: filepath.Join(dir, "data"), Clock: clock.Now, FreeSpaceFloor: -1})
	d := openOn(t, engine, unswept(clock.Now))
	s := &checkedStore{shards: map[uint32][]kv.Record{}}
	s.fill(t, d)
	clock.Advance(8 * time.Minute)
	it := checkedItem("p", 1, "late")
	putAll(t, d, s.t, it)
	shard := schema.ShardOf(s.t.AppendItemKey(nil, it), s.t.shards)
	if err := d.Backup(t.Context(), filepath.Join(dir, "backup")); err != nil {
		t.Fatal(err)
	}
	if err := pebblekv.CopyDir(t.Context(), filepath.Join(dir, "backup"), filepath.Join(dir, "restored"), nil); err != nil {
		t.Fatal(err)
	}
	clock.Set(clock.Now().Add(-4 * time.Minute))
	checkCopy(t, filepath.Join(dir, "restored"), clock.Now, func(r *DB) {
		table, err := r.Table(schema.DefaultNamespace, "model")
		if err != nil || table.UUID != s.t.UUID || table.ID != s.t.ID || table.StreamID != s.log.ID {
			t.Fatalf("the table is %+v, %v", table, err)
		}
		if l := r.StreamByID(s.old.ID); l == nil || !slices.Equal(l.Ends, s.old.Ends) {
			t.Errorf("the stream of the deleted table is %+v", l)
		}
		if out, err := r.Transact(t.Context(), expiringTransaction(table)); err != nil || !out.Replayed {
			t.Errorf("the token's transaction: %+v, %v", out, err)
		}
		var most uint64
		stamps := func(it item.Item) error { most = max(most, it.Stamp()); return nil }
		if err := r.Get(t.Context(), table, it, true, stamps); err != nil {
			t.Error(err)
		}
		it := checkedItem("p", 1, "after")
		putAll(t, r, table, it)
		page := kv.Page{Records: 100, Bytes: 1 << 20}
		rs, _, err := r.kv.ReadLog(t.Context(), table.StreamID, shard, schema.Position{}, page)
		if err != nil || len(rs) != len(s.shards[shard])+2 || string(rs[len(rs)-1].Position[:]) <= string(rs[len(rs)-2].Position[:]) {
			t.Errorf("the shard has %d records, %v", len(rs), err)
		}
		err = r.Get(t.Context(), table, it, true, func(it item.Item) error {
			if it.Stamp() <= most {
				t.Errorf("a stamp %d was given after %d", it.Stamp(), most)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		checkClean(t, r)
	})
}

// TestCheckStopped checks the directory of a database that was stopped while it built an index, and
// while it removed things.
func TestCheckStopped(t *testing.T) {
	s := newStore(t, 0)
	desc := streamedDescriptor()
	desc.Indexes = nil
	table, err := s.d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.d, table, 1500)
	steps := []func(){
		func() {
			s.alterIndexes(func(d *schema.Descriptor) { d.Indexes = append(d.Indexes, gsi("late", "ALL", "a", "|", "n")) })
		},
		func() { alterExpiry(t, s.d, "n") },
		func() { s.alterIndexes(func(d *schema.Descriptor) { d.Index("late").Drop() }) },
		func() {
			if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
				t.Fatal(err)
			}
		},
	}
	unfinished := 0
	for _, step := range steps {
		step()
		for range 6 {
			s.close()
			unfinished += s.checkClosed()
			s.open()
			time.Sleep(time.Millisecond)
		}
		settle(t, s.d)
	}
	if unfinished == 0 {
		t.Error("nothing was ever under way: the test tested nothing")
	}
	t.Logf("%d times something was under way", unfinished)
}

// alterIndexes changes the model's indexes without any wait.
func (s *store) alterIndexes(change func(*schema.Descriptor)) {
	s.t.Helper()
	_, _, err := s.d.alter(s.t.Context(), schema.DefaultNamespace, "model", Unseen, func(d *schema.Descriptor) error { change(d); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
}

// checkClosed checks the closed store, and says whether a table or an index was on its way.
func (s *store) checkClosed() (unfinished int) {
	s.t.Helper()
	engine := openEngine(s.t, pebblekv.Options{Dir: "data", FS: s.fs, ReadOnly: true})
	report, err := check.Run(s.t.Context(), engine, check.Options{Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	err = engine.View(s.t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
		return r.Scan(schema.DescriptorRange(), kv.Forward, func(key, value []byte) (bool, error) {
			if desc, f := schema.ParseDescriptor(key, value); f != nil || desc.State != schema.StatePublic || !desc.Settled() {
				unfinished = 1
			}
			return true, nil
		})
	})
	if err := errors.Join(err, engine.Close()); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range report.Problems {
		s.t.Errorf("%v: %v", p.Kind, p)
	}
	return unfinished
}
