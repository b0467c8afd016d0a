package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// fill puts n items.
func fill(t testing.TB, d *DB, table *Table, n int) {
	t.Helper()
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				it := item.New([]item.Entry{
					attr("pk", item.String(fmt.Sprint("p", i/10))), attr("sk", item.Int(int64(i))), attr("a", item.String(fmt.Sprint("a", i%7))),
					attr("n", item.Int(int64(i%3))), attr("x", item.String(strings.Repeat("x", 20))),
				})
				if _, err := d.Write(context.Background(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestBackfillSurvivesRestarts adds an index to a full table and restarts again and again while it
// is being built.
func TestBackfillSurvivesRestarts(t *testing.T) {
	s := newPacedStore(t)
	desc := modelDescriptor()
	desc.Indexes = nil
	table, err := s.d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000
	fill(t, s.d, table, n)
	_, _, err = s.d.alter(t.Context(), schema.DefaultNamespace, "model", Unseen, func(d *schema.Descriptor) error {
		d.Indexes = append(d.Indexes, gsi("late", "ALL", "a", "|", "n"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	restarts := s.inPieces(5, func() bool { return s.table().Index("late").State == schema.StatePublic })
	if want := n / backfillItems / 5; restarts < want {
		t.Errorf("%d restarts, want %d", restarts, want)
	}
	checkClean(t, s.d)
	if got, _ := s.d.Counts(s.table(), s.table().Index("late")); got != n {
		t.Errorf("the index has %d rows, want %d", got, n)
	}
}

// TestDroppedTableLeavesNothing deletes a full table, makes one of the same name at once, and
// restarts.
func TestDroppedTableLeavesNothing(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.d, table, 500)
	if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if s.d.Lookup(schema.DefaultNamespace, "model") != nil {
		t.Error("the table is still there after Delete")
	}
	again, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	if again.ID == table.ID || again.UUID == table.UUID {
		t.Error("ids were given twice")
	}
	it := item.New([]item.Entry{attr("pk", item.String("p")), attr("sk", item.Int(1))})
	if _, err := s.d.Write(t.Context(), &Write{Table: table, Key: it, Change: Put{it}}); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("a write to the dropped table: %v, want ErrTableNotFound", err)
	}
	s.reopen()
	checkClean(t, s.d)
	rows := 0
	err = s.engine.View(t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
		return r.Scan(schema.TableRange(table.ID), kv.Forward, func(_, _ []byte) (bool, error) { rows++; return true, nil })
	})
	if err != nil || rows != 0 {
		t.Errorf("%d rows are left of the dropped table (%v)", rows, err)
	}
	if c := s.engine.Counter(uint64(table.ID)); len(c) != 0 {
		t.Errorf("the dropped table still has counters: %v", c)
	}
}

// TestClockSetBack sets the clock back behind the making of a table, its expiry and its index:
// without a delay they stay as ready as they were.
func TestClockSetBack(t *testing.T) {
	s := newStore(t, 0)
	if _, err := s.d.Create(t.Context(), modelDescriptor()); err != nil {
		t.Fatal(err)
	}
	if err := s.d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", "ttl", always); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.clock.Set(s.clock.Now().Add(-time.Hour))
	s.reopen()
	table, err := s.d.Table(schema.DefaultNamespace, "model")
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Status(s.clock.Now()); got != "ACTIVE" {
		t.Errorf("the table is %s", got)
	}
	if got := table.Expiry.Status(s.clock.Now()); got != schema.StatusEnabled {
		t.Errorf("its expiry is %s", got)
	}
	for i := range table.Indexes {
		if got, _ := table.IndexStatus(&table.Indexes[i], s.clock.Now()); got != "ACTIVE" {
			t.Errorf("index %s is %s", table.Indexes[i].Name, got)
		}
	}
}

// TestTableDelay turns the clock through the life of a table with a delay.
func TestTableDelay(t *testing.T) {
	s := newStore(t, time.Hour)
	if _, err := s.d.Create(t.Context(), modelDescriptor()); err != nil {
		t.Fatal(err)
	}
	status := func(want schema.Status) {
		t.Helper()
		got := schema.Status("gone")
		if table := s.d.Lookup(schema.DefaultNamespace, "model"); table != nil {
			got = table.Status(s.clock.Now())
		}
		if got != want {
			t.Errorf("status %s, want %s", got, want)
		}
	}
	ready := func(want bool) {
		t.Helper()
		if _, err := s.d.Table(schema.DefaultNamespace, "model"); (err == nil) != want {
			t.Errorf("Table: %v, want ready %v", err, want)
		}
	}
	status("CREATING")
	ready(false)
	s.clock.Advance(time.Hour)
	status("ACTIVE")
	ready(true)
	if _, _, err := s.d.Alter(t.Context(), schema.DefaultNamespace, "model", AsUpdating, func(d *schema.Descriptor) error { d.TableClass = "STANDARD"; return nil }); err != nil {
		t.Fatal(err)
	}
	status("UPDATING")
	ready(true)
	s.clock.Advance(time.Hour)
	status("ACTIVE")
	if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	status("DELETING")
	ready(false)
	if _, err := s.d.Create(t.Context(), modelDescriptor()); !errors.Is(err, ErrTableExists) {
		t.Errorf("Create while DELETING: %v, want ErrTableExists", err)
	}
	s.reopen()
	status("DELETING")
	deleted := s.d.Lookup(schema.DefaultNamespace, "model")
	s.clock.Advance(time.Hour)
	status("gone")
	if _, err := s.d.Create(t.Context(), modelDescriptor()); err != nil {
		t.Errorf("Create after DELETING: %v", err)
	}
	// The job that sees to the deleted table's end may wake up only now. The name is not that
	// table's any more.
	if err := s.d.drop(deleted, nil); err != nil {
		t.Error(err)
	}
	s.reopen()
	status("CREATING")
}
