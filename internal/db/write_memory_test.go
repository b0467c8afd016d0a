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
	"github.com/partita-db/partita/internal/schema"
)

// largeItem is an item of a partition of its own with n bytes more.
func largeItem(pk string, n int) item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(pk)), attr("sk", item.Int(1)), attr("v", item.String(strings.Repeat("v", n))),
	})
}

// writeItem puts an item.
func writeItem(ctx context.Context, d *DB, table *Table, it item.Item) error {
	_, err := d.Write(ctx, &Write{Table: table, Key: it, Change: Put{it}})
	return err
}

// TestLargeWritesTakeTurns has many writes, batches and transactions share a memory that only a few
// of them fit into, some of them only alone: all are done, and all comes back.
func TestLargeWritesTakeTurns(t *testing.T) {
	d, _, table := openHooked(t)
	d.memory.most = 1 << 20
	var all sync.WaitGroup
	for c := range 16 {
		all.Go(func() {
			pk := func(i int) string { return fmt.Sprint("c", c, "-", i) }
			if err := writeItem(t.Context(), d, table, largeItem(pk(0), 200_000)); err != nil {
				t.Error("Write:", err)
			}
			var writes []Write
			for i := 1; i < 5; i++ {
				it := largeItem(pk(i), 200_000)
				writes = append(writes, Write{Table: table, Key: it, Change: Put{it}})
			}
			_, errs := d.WriteEach(t.Context(), writes)
			if err := errors.Join(errs...); err != nil {
				t.Error("WriteEach:", err)
			}
			transaction := &Transaction{}
			for i := range 5 { // over those that are there: 2 MB of items before and after
				it := largeItem(pk(i), 199_999)
				transaction.Actions = append(transaction.Actions, Action{Write: Write{Table: table, Key: it, Change: Put{it}}})
			}
			if _, err := d.Transact(t.Context(), transaction); err != nil {
				t.Error("Transact:", err)
			}
		})
	}
	all.Wait()
	if m := d.Memory(); m.WritesUsed != 0 || m.WritesWaiting != 0 {
		t.Errorf("%d bytes are held at the end, and %d wait", m.WritesUsed, m.WritesWaiting)
	}
	if n, _ := d.Counts(table, nil); n != 80 {
		t.Errorf("there are %d items, want 80", n)
	}
	checkClean(t, d)
}

// TestNoWaitUnderLatch has writes wait for memory, and checks that nobody else has to wait for
// them: small writes of the same items go on, and the large ones run when there is memory.
func TestNoWaitUnderLatch(t *testing.T) {
	d, _, table := openHooked(t)
	other := holding{m: &d.memory}
	if err := other.raise(d.memory.most); err != nil {
		t.Fatal(err)
	}
	defer other.release()
	transaction := &Transaction{}
	for _, pk := range []string{"b", "c"} {
		it := largeItem(pk, 200_000)
		transaction.Actions = append(transaction.Actions, Action{Write: Write{Table: table, Key: it, Change: Put{it}}})
	}
	batch := largeItem("d", 200_000)
	done := make(chan error)
	go func() { done <- writeItem(t.Context(), d, table, largeItem("a", 200_000)) }()
	go func() {
		_, err := d.Transact(t.Context(), transaction)
		done <- err
	}()
	go func() {
		_, errs := d.WriteEach(t.Context(), []Write{{Table: table, Key: batch, Change: Put{batch}}})
		done <- errs[0]
	}()
	waitFor(t, "three writes wait", func() bool { return d.Memory().WritesWaiting == 3 })
	for _, pk := range []string{"a", "b", "c", "d"} {
		if err := writeItem(t.Context(), d, table, plainItem(pk)); err != nil { // in vain, if its latch were held
			t.Errorf("a small write of %s: %v", pk, err)
		}
	}
	other.release()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, pk := range []string{"a", "b", "c", "d"} {
		err := d.Get(t.Context(), table, plainItem(pk), true, func(it item.Item) error {
			if it.Size() < 200_000 {
				t.Errorf("%s has %d bytes: the large write came to nothing", pk, it.Size())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}

// TestMemoryIsWaitedForInVain gives up with ErrNoMemory, or with the context, and leaves nothing
// behind.
func TestMemoryIsWaitedForInVain(t *testing.T) {
	d, _, table := openHooked(t)
	d.memory.patience = time.Millisecond
	other := holding{m: &d.memory}
	if err := other.raise(d.memory.most); err != nil {
		t.Fatal(err)
	}
	it := largeItem("a", 200_000)
	if err := writeItem(t.Context(), d, table, it); !errors.Is(err, ErrNoMemory) {
		t.Errorf("Write: %v, want ErrNoMemory", err)
	}
	if _, errs := d.WriteEach(t.Context(), []Write{{Table: table, Key: it, Change: Put{it}}}); !errors.Is(errs[0], ErrNoMemory) {
		t.Errorf("WriteEach: %v, want ErrNoMemory", errs[0])
	}
	transaction := &Transaction{Actions: []Action{{Write: Write{Table: table, Key: it, Change: Put{it}}}}}
	if _, err := d.Transact(t.Context(), transaction); !errors.Is(err, ErrNoMemory) {
		t.Errorf("Transact: %v, want ErrNoMemory", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.memory.patience = time.Hour
	if err := writeItem(ctx, d, table, it); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	other.release()
	if m := d.Memory(); m.WritesUsed != 0 || m.WritesWaiting != 0 {
		t.Errorf("%d bytes are held at the end, and %d wait", m.WritesUsed, m.WritesWaiting)
	}
	if n, _ := d.Counts(table, nil); n != 0 {
		t.Errorf("%d items were written", n)
	}
}

// TestBatchHasOnePatience has a batch wait in vain: all its writes together wait as long as one
// does.
func TestBatchHasOnePatience(t *testing.T) {
	d, _, table := openHooked(t)
	d.memory.patience = 300 * time.Millisecond
	other := holding{m: &d.memory}
	if err := other.raise(d.memory.most); err != nil {
		t.Fatal(err)
	}
	defer other.release()
	var writes []Write
	for i := range 25 {
		it := largeItem(fmt.Sprint(i), 200_000)
		writes = append(writes, Write{Table: table, Key: it, Change: &Put{it}})
	}
	began := time.Now()
	_, errs := d.WriteEach(t.Context(), writes)
	if took := time.Since(began); took > 10*d.memory.patience {
		t.Errorf("25 writes waited %v, with a patience of %v", took, d.memory.patience)
	}
	for i, err := range errs {
		if !errors.Is(err, ErrNoMemory) {
			t.Errorf("write %d: %v, want ErrNoMemory", i, err)
		}
	}
}

// TestWriterThatNeedsAllRunsAlone writes what is larger than the memory for all.
func TestWriterThatNeedsAllRunsAlone(t *testing.T) {
	d, _, table := openHooked(t)
	d.memory.most = 64 << 10
	for range 2 {
		if err := writeItem(t.Context(), d, table, largeItem("a", 300_000)); err != nil {
			t.Error(err)
		}
	}
	if m := d.Memory(); m.WritesUsed != 0 {
		t.Errorf("%d bytes are held at the end", m.WritesUsed)
	}
}

// TestTransactionBeyondTheEngine refuses a transaction whose rows no engine would take, before it
// has taken memory for them.
func TestTransactionBeyondTheEngine(t *testing.T) {
	d, _, _ := openHooked(t)
	desc := modelDescriptor()
	desc.Name, desc.Indexes = "wide", nil
	for i := range 20 {
		desc.Indexes = append(desc.Indexes, gsi(fmt.Sprint("gsi", i), "ALL", "pk"))
	}
	table, err := d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	transaction := &Transaction{}
	for i := range 10 {
		it := largeItem(fmt.Sprint(i), 390_000)
		transaction.Actions = append(transaction.Actions, Action{Write: Write{Table: table, Key: it, Change: Put{it}}})
	}
	if _, err := d.Transact(t.Context(), transaction); !errors.Is(err, ErrTransactionTooLarge) {
		t.Errorf("ten items of 390 KB in twenty indexes: %v, want ErrTransactionTooLarge", err)
	}
	transaction.Actions = transaction.Actions[:7]
	if _, err := d.Transact(t.Context(), transaction); err != nil {
		t.Errorf("seven of them: %v", err)
	}
}

// TestCatalogIsBounded makes tables until there is no memory for more, and checks what helps.
func TestCatalogIsBounded(t *testing.T) {
	d, _, model := openHooked(t)
	d.catalogMemory = d.catalog.Load().weight + 100_000
	tables := 0
	var err error
	for ; err == nil; tables++ {
		desc := modelDescriptor()
		desc.Name = fmt.Sprint("table", tables)
		_, err = d.Create(t.Context(), desc)
	}
	if !errors.Is(err, ErrCatalogFull) || tables < 5 {
		t.Fatalf("after %d tables: %v, want ErrCatalogFull", tables, err)
	}
	grow := func(desc *schema.Descriptor) error {
		for i := range 50 {
			desc.Tags = append(desc.Tags, schema.Tag{Key: fmt.Sprintf("key%02d", i), Value: strings.Repeat("v", 256)})
		}
		return nil
	}
	if _, _, err := d.Alter(t.Context(), schema.DefaultNamespace, model.Name, Unseen, grow); !errors.Is(err, ErrCatalogFull) {
		t.Errorf("fifty tags: %v, want ErrCatalogFull", err)
	}
	same := func(desc *schema.Descriptor) error { desc.DeletionProtection = true; return nil }
	if _, _, err := d.Alter(t.Context(), schema.DefaultNamespace, model.Name, Unseen, same); err != nil {
		t.Errorf("a change that adds nothing: %v", err)
	}
	admit := func(*Table) error { return nil }
	for i := range 4 {
		if _, err := d.Delete(t.Context(), schema.DefaultNamespace, fmt.Sprint("table", i), admit); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the tables are gone", func() bool {
		_, _, err := d.Alter(t.Context(), schema.DefaultNamespace, model.Name, Unseen, grow)
		if err != nil && !errors.Is(err, ErrCatalogFull) {
			t.Fatal(err)
		}
		return err == nil
	})
}
