package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// hooked is an engine that a test reaches into.
type hooked struct {
	kv.Engine
	before func() // called once, before the next Update
	full   bool   // everything seems to hold as much as an item collection may
}

// Update implements kv.Engine.
func (h *hooked) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if before := h.before; before != nil {
		h.before = nil
		before()
	}
	return h.Engine.Update(ctx, o, func(tx kv.Txn) error {
		short := &shortLived{Txn: tx}
		defer short.end()
		return fn(short)
	})
}

// shortLived is a Txn whose values live no longer than they must.
type shortLived struct {
	kv.Txn
	last []byte
}

// Get implements kv.Reader.
func (s *shortLived) Get(key []byte) ([]byte, error) {
	s.end()
	v, err := s.Txn.Get(key)
	s.last = bytes.Clone(v)
	return s.last, err
}

// end ends the life of the last value.
func (s *shortLived) end() {
	for i := range s.last {
		s.last[i] = 0xFF
	}
}

// Counter implements kv.Engine.
func (h *hooked) Counter(counter uint64) []kv.Count {
	if h.full {
		return []kv.Count{{Bytes: maxCollectionBytes}}
	}
	return h.Engine.Counter(counter)
}

// SizeOf implements kv.Engine.
func (h *hooked) SizeOf(r kv.Range) (int64, error) {
	if h.full {
		return maxCollectionBytes, nil
	}
	return h.Engine.SizeOf(r)
}

// openHooked returns a database on a hooked engine.
func openHooked(t *testing.T) (*DB, *hooked, *Table) {
	t.Helper()
	return openHookedOn(t, pebblekv.Options{})
}

// openImpatient is openHooked where latches are waited for a short time only: for tests that hold
// them. Two items may share a latch, so that writes which do their work meanwhile would conflict on
// a busy machine.
func openImpatient(t *testing.T) (*DB, *hooked, *Table) {
	t.Helper()
	return openHookedOn(t, pebblekv.Options{LatchTimeout: 20 * time.Millisecond})
}

// openHookedOn is openHooked with the engine's options.
func openHookedOn(t *testing.T, o pebblekv.Options) (*DB, *hooked, *Table) {
	t.Helper()
	h := &hooked{Engine: openEngine(t, o)}
	d := openOn(t, h, unswept(nil))
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	return d, h, table
}

// plainItem is an item of the model's table in a partition of its own.
func plainItem(pk string) item.Item {
	return item.New([]item.Entry{attr("pk", item.String(pk)), attr("sk", item.Int(1))})
}

// putOf is an action that puts plainItem(pk).
func putOf(table *Table, pk string) Action {
	it := plainItem(pk)
	return Action{Write: Write{Table: table, Key: it, Change: Put{it}}}
}

// transactionOf puts the plain items of some partitions.
func transactionOf(table *Table, pks ...string) *Transaction {
	t := &Transaction{}
	for _, pk := range pks {
		t.Actions = append(t.Actions, putOf(table, pk))
	}
	return t
}

// TestModelShortLived is TestModel on an engine whose values end with the next read, or with the
// update.
func TestModelShortLived(t *testing.T) {
	d, _, table := openHooked(t)
	m := &model{t: t, d: d, table: table, rnd: rand.New(rand.NewPCG(seed(t), 1)), items: map[string]item.Item{}}
	m.run(*modelOps / 10)
	checkClean(t, d)
}

// held is a Change that holds its item's latch until it is released.
type held struct {
	Change
	once          *sync.Once
	begun, finish chan struct{}
}

// hold returns a held change.
func hold(c Change) held { return held{c, new(sync.Once), make(chan struct{}), make(chan struct{})} }

// Apply implements Change.
func (h held) Apply(old item.Item) (item.Item, error) {
	h.once.Do(func() { close(h.begun) })
	<-h.finish
	return h.Change.Apply(old)
}

// while calls fn while run, which applies h, holds its latches.
func (h held) while(t *testing.T, run func() error, fn func()) {
	t.Helper()
	done := make(chan error)
	go func() { done <- run() }()
	<-h.begun
	fn()
	close(h.finish)
	if err := <-done; err != nil {
		t.Errorf("what held the latches: %v", err)
	}
}

// TestTransactConflicts meets transactions that are held open.
func TestTransactConflicts(t *testing.T) {
	d, _, table := openImpatient(t)
	ctx := t.Context()
	first := transactionOf(table, "a", "b")
	first.Token = &schema.Token{Operation: schema.TokenTransactWriteItems, Value: "token"}
	h := hold(first.Actions[0].Change)
	first.Actions[0].Change = h
	run := func() error { _, err := d.Transact(ctx, first); return err }
	h.while(t, run, func() {
		single := putOf(table, "b").Write
		if _, err := d.Write(ctx, &single); !errors.Is(err, ErrTransactionConflict) || !errors.Is(err, kv.ErrConflict) {
			t.Errorf("Write of an item in a transaction: %v, want ErrTransactionConflict and kv.ErrConflict", err)
		}
		_, errs := d.WriteEach(ctx, []Write{putOf(table, "c").Write, single})
		if errs[0] != nil || !errors.Is(errs[1], ErrTransactionConflict) {
			t.Errorf("WriteEach of a free item and one in a transaction: %v", errs)
		}
		found := errors.New("found beforehand")
		second := transactionOf(table, "x", "b", "y", "a")
		second.Actions[0].Err = found
		wantReasons(t, d, second, found, ErrTransactionConflict, nil, ErrTransactionConflict)
		if _, err := d.Transact(ctx, first); !errors.Is(err, ErrTransactionInProgress) {
			t.Errorf("Transact with a token in progress: %v, want ErrTransactionInProgress", err)
		}
		other := transactionOf(table, "z")
		other.Token = &schema.Token{Operation: schema.TokenExecuteTransaction, Value: "token"}
		if _, err := d.Transact(ctx, other); err != nil {
			t.Errorf("Transact with the token of another operation: %v", err)
		}
	})
	if out, err := d.Transact(ctx, first); err != nil || !out.Replayed {
		t.Errorf("Transact with the token after that: %v, replayed %v", err, out.Replayed)
	}
	if d.ongoing.holds(table.AppendItemKey(nil, plainItem("a"))) {
		t.Error("a transaction that is over still holds an item")
	}
	checkClean(t, d)
}

// wantReasons runs a transaction that shall be cancelled.
func wantReasons(t *testing.T, d *DB, transaction *Transaction, want ...error) {
	t.Helper()
	_, err := d.Transact(t.Context(), transaction)
	var canceled *Canceled
	if !errors.As(err, &canceled) {
		t.Fatalf("Transact: %v, want it cancelled", err)
	}
	if !slices.EqualFunc(canceled.Reasons, want, errors.Is) {
		t.Errorf("Transact is cancelled for %v, want %v", canceled.Reasons, want)
	}
}

// TestPlainConflicts meets single writes that hold items: for those another error is due, but a
// transaction's is the same.
func TestPlainConflicts(t *testing.T) {
	d, _, table := openImpatient(t)
	ctx := t.Context()
	w := putOf(table, "a").Write
	h := hold(w.Change)
	w.Change = h
	h.while(t, func() error { _, err := d.Write(ctx, &w); return err }, func() {
		single := putOf(table, "a").Write
		if _, err := d.Write(ctx, &single); !errors.Is(err, kv.ErrConflict) || errors.Is(err, ErrTransactionConflict) {
			t.Errorf("Write of an item in a plain write: %v, want kv.ErrConflict", err)
		}
		wantReasons(t, d, transactionOf(table, "b", "a"), nil, ErrTransactionConflict)
	})
}

// TestTransactWaits runs a transaction again while it is in progress: it waits and is a replay.
func TestTransactWaits(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	transaction := transactionOf(table, "a", "b")
	transaction.Token = &schema.Token{Value: "token"}
	again := *transaction
	again.Actions = slices.Clone(transaction.Actions)
	h := hold(transaction.Actions[0].Change)
	transaction.Actions[0].Change = h
	second := make(chan error)
	h.while(t, func() error { _, err := d.Transact(t.Context(), transaction); return err }, func() {
		go func() {
			out, err := d.Transact(context.Background(), &again)
			if err == nil && !out.Replayed {
				err = errors.New("it happened twice")
			}
			second <- err
		}()
	})
	if err := <-second; err != nil {
		t.Errorf("the second call with the token: %v", err)
	}
}

// TestTransactReplans moves the schema between planning and locking.
func TestTransactReplans(t *testing.T) {
	d, h, table := openHooked(t)
	transaction := transactionOf(table, "a", "b")
	for i := range transaction.Actions {
		it := transaction.Actions[i].Key.With([]item.Entry{attr("n", item.Int(1)), attr("a", item.String("x"))})
		transaction.Actions[i].Write.Change = Put{it}
	}
	h.before = func() {
		_, _, err := d.Alter(t.Context(), schema.DefaultNamespace, "model", Unseen, func(desc *schema.Descriptor) error {
			desc.Indexes = append(desc.Indexes, gsi("late", "ALL", "n", "|", "a"))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Transact(t.Context(), transaction); err != nil || h.before != nil {
		t.Fatalf("Transact: %v", err)
	}
	checkClean(t, d)
	now := d.Lookup(schema.DefaultNamespace, "model")
	if n, _ := d.Counts(now, now.Index("late")); n != 2 {
		t.Errorf("the new index has %d rows, want 2", n)
	}
	h.before = func() {
		if _, err := d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Transact(t.Context(), transaction); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("Transact on a table that goes away: %v, want ErrTableNotFound", err)
	}
}

// TestTransactCollectionLimit adds to an item collection that is full, beside one action that may.
func TestTransactCollectionLimit(t *testing.T) {
	d, h, table := openHooked(t)
	transaction := transactionOf(table, "a", "b")
	transaction.Actions[1].Write.Change = Delete{}
	h.full = true
	wantReasons(t, d, transaction, ErrCollectionTooLarge, nil)
	h.full = false
	if _, err := d.Transact(t.Context(), transaction); err != nil {
		t.Error(err)
	}
}

// TestTokens keeps tokens for ten minutes, over restarts, and forgets all of them then.
func TestTokens(t *testing.T) {
	s := newStore(t, 0)
	if _, err := s.d.Create(t.Context(), modelDescriptor()); err != nil {
		t.Fatal(err)
	}
	const n = 2*tokenChunk + 10
	run := func(i int, fingerprint byte) (bool, error) {
		transaction := transactionOf(s.table(), fmt.Sprint("p", i))
		transaction.Token = &schema.Token{Namespace: schema.DefaultNamespace, Value: fmt.Sprint("token", i), Fingerprint: [32]byte{fingerprint}}
		out, err := s.d.Transact(context.Background(), transaction)
		return out.Replayed, err
	}
	want := func(what string, i int, fingerprint byte, replay bool, err error) {
		t.Helper()
		if replayed, got := run(i, fingerprint); replayed != replay || !errors.Is(got, err) {
			t.Errorf("%s: replayed %v, %v; want %v, %v", what, replayed, got, replay, err)
		}
	}
	for i := range n {
		want("the first time", i, 0, false, nil)
	}
	want("again", 7, 0, true, nil)
	want("another request", 7, 1, false, ErrTokenMismatch)
	s.reopen()
	s.clock.Advance(tokenLife - time.Millisecond)
	s.sweep(n)
	want("after a restart", 7, 0, true, nil)
	s.clock.Advance(time.Millisecond)
	want("after its time, not swept yet", 7, 1, false, nil)
	s.sweep(n)
	want("used again, after a sweep", 7, 1, true, nil)
	if got := s.tokenRows(); got != 2 {
		t.Errorf("%d rows of tokens are left, want those of one", got)
	}
	s.clock.Advance(tokenLife)
	s.sweep(n)
	if got := s.tokenRows(); got != 0 {
		t.Errorf("%d rows of tokens are left, want none", got)
	}
}

// tokenRows is how many rows there are about tokens.
func (s *store) tokenRows() (n int) {
	s.t.Helper()
	err := s.engine.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
		n = 0
		return r.Scan(schema.TokenRange(), kv.Forward, func(_, _ []byte) (bool, error) { n++; return true, nil })
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestDamagedToken does not take a row for what it is not.
func TestDamagedToken(t *testing.T) {
	d, _, table := openHooked(t)
	transaction := transactionOf(table, "a")
	transaction.Token = &schema.Token{Value: "token"}
	key := transaction.Token.AppendKey(nil)
	whole := transaction.Token.AppendRow(nil, uint64(time.Now().Add(tokenLife).UnixMilli()), nil)
	newer := slices.Clone(whole)
	newer[0]++
	for _, row := range [][]byte{{}, whole[:1], newer, append(whole, 0x80)} {
		err := d.kv.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{key}}, func(tx kv.Txn) error {
			tx.Set(key, row)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := d.Transact(t.Context(), transaction); err == nil {
			t.Errorf("Transact with the token row %x: %+v, want an error", row, out)
		}
	}
}

// A bank of accounts in two tables. Each account also counts the single writes that it was touched
// by.
type bank struct {
	t        *testing.T
	d        *DB
	tables   []*Table
	accounts []ItemKey
	touched  []atomic.Int64 // as acknowledged
}

const (
	bankAccounts = 16
	bankBalance  = 100
)

// newBank opens the accounts.
func newBank(t *testing.T, d *DB) *bank {
	b := &bank{t: t, d: d, touched: make([]atomic.Int64, bankAccounts)}
	for _, name := range []string{"bank0", "bank1"} {
		desc := modelDescriptor()
		desc.Name = name
		table, err := d.Create(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		b.tables = append(b.tables, table)
	}
	for i := range bankAccounts {
		key := ItemKey{b.tables[i%2], item.New([]item.Entry{attr("pk", item.String(fmt.Sprint(i/6))), attr("sk", item.Int(int64(i)))})}
		it := key.Key.With([]item.Entry{attr("n", item.Int(bankBalance)), attr("touched", item.Int(0))})
		if _, err := d.Write(t.Context(), &Write{Table: key.Table, Key: it, Change: Put{it}}); err != nil {
			t.Fatal(err)
		}
		b.accounts = append(b.accounts, key)
	}
	return b
}

// change is a write that adds to an attribute of an account, if there is as much as least.
func (b *bank) change(i int, name string, add, least int64) Write {
	p := &expr.Params{
		Names:  []expr.Name{{Key: "#a", Name: name}},
		Values: []expr.Value{{Key: ":add", Value: item.Int(add)}, {Key: ":least", Value: item.Int(least)}},
	}
	u, err := b.d.Expressions().Update("SET #a = #a + :add", p)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.d.Expressions().Condition(expr.KindCondition, "#a >= :least", p)
	if err != nil {
		b.t.Fatal(err)
	}
	a := b.accounts[i]
	return Write{Table: a.Table, Key: a.Key, Condition: c, Change: updateChange{u, a.Key}}
}

// newTransfer moves an amount between several accounts, the first of which pays, if it can.
func (b *bank) newTransfer(rnd *rand.Rand, token string) *Transaction {
	order := rnd.Perm(bankAccounts)[:2+rnd.IntN(3)]
	amount := int64(rnd.IntN(20))
	payees := int64(len(order) - 1)
	t := &Transaction{}
	for n, i := range order {
		w := b.change(i, "n", amount, 0)
		if n == 0 {
			w = b.change(i, "n", -amount*payees, amount*payees)
		}
		t.Actions = append(t.Actions, Action{Write: w})
	}
	if token != "" {
		t.Token = &schema.Token{Value: token}
	}
	return t
}

// transfer makes a transfer. With a token it does so twice.
func (b *bank) transfer(rnd *rand.Rand, token string) error {
	t := b.newTransfer(rnd, token)
	_, err := b.d.Transact(context.Background(), t)
	var canceled *Canceled
	switch {
	case errors.As(err, &canceled):
		for i, reason := range canceled.Reasons {
			if i == 0 != errors.Is(reason, ErrConditionFailed) {
				return err
			}
		}
		return nil
	case err == nil && token != "":
		out, err := b.d.Transact(context.Background(), t)
		if err == nil && !out.Replayed {
			err = errors.New("a transfer happened twice")
		}
		return err
	}
	return err
}

// touch writes to a random account alone.
func (b *bank) touch(rnd *rand.Rand) error {
	i := rnd.IntN(bankAccounts)
	w := b.change(i, "touched", 1, 0)
	_, err := b.d.Write(context.Background(), &w)
	if err == nil {
		b.touched[i].Add(1)
	}
	return err
}

// count wants the right total in d, which may be a copy of the bank's, and no account below zero.
func (b *bank) count(d *DB) error {
	total := int64(0)
	err := d.GetEach(context.Background(), b.accounts, func(i int, it item.Item) error {
		if i == 0 {
			total = 0
		}
		n, ok := it.Get("n").Int64()
		if !ok || n < 0 {
			return fmt.Errorf("account %d has the balance %s", i, it.Get("n").AppendText(nil))
		}
		total += n
		return nil
	})
	if err == nil && total != bankAccounts*bankBalance {
		err = fmt.Errorf("the bank holds %d, want %d", total, bankAccounts*bankBalance)
	}
	return err
}

// TestTransactBank moves money with transactions while others count it, and write to the same items
// alone.
func TestTransactBank(t *testing.T) {
	d := open(t)
	b := newBank(t, d)
	s := seed(t)
	rounds := 250
	if testing.Short() {
		rounds = 60
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for g := range 6 {
		rnd := rand.New(rand.NewPCG(s, uint64(g)))
		writers.Go(func() {
			for n := range rounds {
				var err error
				switch {
				case g < 3:
					err = b.transfer(rnd, "")
				case g == 3:
					err = b.transfer(rnd, fmt.Sprint("token", n))
				default:
					err = b.touch(rnd)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for !isClosed(done) {
				if err := b.count(d); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if err := b.count(d); err != nil {
		t.Error(err)
	}
	_ = d.GetEach(t.Context(), b.accounts, func(i int, it item.Item) error {
		if n, _ := it.Get("touched").Int64(); n != b.touched[i].Load() {
			t.Errorf("account %d was touched %d times, and has %d", i, b.touched[i].Load(), n)
		}
		return nil
	})
	checkClean(t, d)
}

// isClosed tells whether the channel is closed.
func isClosed(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
