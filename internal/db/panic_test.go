package db

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// broken is a Change that panics, as one with a fault would.
type broken struct{}

func (broken) Apply(item.Item) (item.Item, error) { panic("the change is broken") }

// TestPanics has panics under latches and inside of reads. Afterwards the same keys can be written
// at once, other requests go on, the engine has not stopped itself, and nothing is left open: the
// engine's Close would tell of an iterator.
func TestPanics(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	key := func(i int) item.Item {
		return item.New([]item.Entry{attr("pk", item.String(fmt.Sprint("p", i/10))), attr("sk", item.Int(int64(i)))})
	}
	fill(t, s.d, table, 30)
	keys := []item.Item{key(1), key(2), key(25)}
	puts := func() (ws []Write) {
		for _, k := range keys {
			ws = append(ws, Write{Table: table, Key: k, Change: Put{item.New(slices.Concat(entries(k), []item.Entry{attr("v", item.Int(1))}))}})
		}
		return ws
	}
	hash := []item.Value{item.String("p0")}
	emit := func(item.Item) (bool, error) { panic("emit is broken") }
	each := func(i int, _ item.Item) error {
		if i == 1 {
			panic("the callback is broken")
		}
		return nil
	}
	ctx := t.Context()
	for name, run := range map[string]func(){
		"Write": func() { s.d.Write(ctx, &Write{Table: table, Key: keys[0], Change: broken{}}) },
		"WriteEach": func() {
			ws := puts()
			ws[1].Change = broken{}
			s.d.WriteEach(ctx, ws)
		},
		"Transact": func() {
			x := &Transaction{Token: &schema.Token{Namespace: schema.DefaultNamespace, Value: "token"}}
			for _, w := range puts() {
				x.Actions = append(x.Actions, Action{Write: w})
			}
			x.Actions[2].Change = broken{}
			s.d.Transact(ctx, x)
		},
		"Get":     func() { s.d.Get(ctx, table, keys[0], true, func(item.Item) error { panic("the callback is broken") }) },
		"GetMany": func() { s.d.GetMany(ctx, table, keys, true, each) },
		"GetEach": func() { s.d.GetEach(ctx, []ItemKey{{table, keys[0]}, {table, keys[1]}}, each) },
		"a Query": func() { s.d.Read(ctx, &Read{Table: table, Hash: hash, Consistent: true}, emit) },
		"a Scan":  func() { s.d.Read(ctx, &Read{Table: table}, emit) },
		"a Scan with other reads in it": func() {
			s.d.Read(ctx, &Read{Table: table}, func(it item.Item) (bool, error) {
				return true, s.d.GetMany(ctx, table, keys, true, each)
			})
		},
		"a Query of a local index that fetches": func() {
			s.d.Read(ctx, &Read{Table: table, Index: table.Index("ln"), Hash: hash, Fetch: true}, emit)
		},
	} {
		for range 20 { // more than one is in the pools
			mustPanic(t, name, run)
		}
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		for i, w := range puts() {
			if _, err := s.d.Write(within, &w); err != nil {
				t.Errorf("after panics in %s, writing item %d: %v", name, i, err)
			}
		}
		x := &Transaction{Token: &schema.Token{Namespace: schema.DefaultNamespace, Value: "after " + name}}
		for _, w := range puts() {
			x.Actions = append(x.Actions, Action{Write: w})
		}
		if _, err := s.d.Transact(within, x); err != nil {
			t.Errorf("after panics in %s, a transaction: %v", name, err)
		}
		if page, err := s.d.Read(within, &Read{Table: table, Consistent: true}, all); err != nil || page.Count != 30 {
			t.Errorf("after panics in %s, a Scan finds %d items: %v", name, page.Count, err)
		}
		if len(s.d.ongoing.all) != 0 {
			t.Errorf("after panics in %s, transactions are noted as ongoing", name)
		}
		cancel()
	}
	checkClean(t, s.d)
	s.reopen() // fails for an iterator that is open
	checkClean(t, s.d)
}

// entries are the attributes of an item.
func entries(it item.Item) (es []item.Entry) {
	for name, v := range it.Attributes() {
		es = append(es, item.Entry{Name: name, Value: v})
	}
	return es
}

// all takes every item.
func all(item.Item) (bool, error) { return true, nil }

// mustPanic expects run to panic.
func mustPanic(t *testing.T, name string, run func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not pass the panic on", name)
		}
	}()
	run()
}
