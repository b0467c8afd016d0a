package api

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api/wire"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// heldPut is a change that holds its item's latch until it is released.
type heldPut struct {
	db.Put
	begun, release chan struct{}
	once           *sync.Once
}

// Apply implements db.Change.
func (h heldPut) Apply(old item.Item) (item.Item, error) {
	h.once.Do(func() { close(h.begun) })
	<-h.release
	return h.Put.Apply(old)
}

// hold runs a write of the item with the string id in table held, in a transaction with the token or, if that is empty, alone, and
// returns when it holds the latch. It goes on with release.
func (s *testService) hold(t *testing.T, id, token string) (release func()) {
	t.Helper()
	it := item.New([]item.Entry{{Name: "id", Value: item.String(id)}})
	h := heldPut{db.Put{Item: it}, make(chan struct{}), make(chan struct{}), new(sync.Once)}
	write := db.Write{Table: s.db.Lookup(db.DefaultNamespace, "held"), Key: it, Change: h}
	done := make(chan error)
	go func() {
		var err error
		if token == "" {
			_, err = s.db.Write(context.Background(), &write)
		} else {
			_, err = s.db.Transact(context.Background(), &db.Transaction{
				Actions: []db.Action{{Write: write}},
				Token:   &db.Token{Namespace: db.DefaultNamespace, Operation: db.TokenTransactWriteItems, Value: token},
			})
		}
		done <- err
	}()
	<-h.begun
	return func() {
		close(h.release)
		if err := <-done; err != nil {
			t.Errorf("the write that was held open: %v", err)
		}
	}
}

// TestTransactionConflicts meets items that a transaction, then a plain write, holds for longer than anybody waits.
func TestTransactionConflicts(t *testing.T) {
	s := newServiceWith(t, pebblekv.Options{LatchTimeout: 20 * time.Millisecond})
	s.must(t, "CreateTable", `{"TableName":"held","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}`)
	const (
		exception = `{"__type":"com.amazonaws.dynamodb.v20120810#`
		conflict  = exception + `TransactionConflictException","message":"Transaction is ongoing for the item"}`
		throttled = exception + `ThrottlingException","message":"The item is locked by other requests. Please try again shortly."}`
		cancelled = exception + `TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict",` +
			`"Message":"Transaction is ongoing for the item"}],"Message":"Transaction cancelled, please refer cancellation reasons ` +
			`for specific reasons [None, TransactionConflict]"}`
		inProgress = exception + `TransactionInProgressException","Message":"Transaction from previous request is still in progress"}`

		key      = `{"TableName":"held","Key":{"id":{"S":"held"}}}`
		update   = `{"TableName":"held","Key":{"id":{"S":"held"}},"UpdateExpression":"SET a = id"}`
		put      = `{"TableName":"held","Item":{"id":{"S":"held"}}}`
		transact = `{"TransactItems":[{"Put":{"TableName":"held","Item":{"id":{"S":"free"}}}},{"Delete":` + key + `}]}`
		token    = `{"ClientRequestToken":"t","TransactItems":[{"Put":{"TableName":"held","Item":{"id":{"S":"free"}}}}]}`
		left     = `{"DeleteRequest":{"Key":{"id":{"S":"held"}}}}`
		batch    = `{"RequestItems":{"held":[` + left + `]}}`
		batch2   = `{"RequestItems":{"held":[{"PutRequest":{"Item":{"id":{"S":"free"}}}},` + left + `]}}`
		unworked = `{"UnprocessedItems":{"held":[` + left + `]}}`
	)
	type call struct{ operation, body, want string }
	run := func(holder string, calls []call) {
		t.Helper()
		for _, c := range calls {
			if _, got := s.call(t, c.operation, c.body); got != c.want {
				t.Errorf("%s of what %s holds:\n got %s\nwant %s", c.operation, holder, got, c.want)
			}
		}
	}
	release := s.hold(t, "held", "t")
	run("a transaction", []call{
		{"PutItem", put, conflict}, {"UpdateItem", update, conflict}, {"DeleteItem", key, conflict},
		{"TransactWriteItems", transact, cancelled}, {"TransactWriteItems", token, inProgress},
		{"BatchWriteItem", batch, unworked}, {"BatchWriteItem", batch2, unworked},
		{"GetItem", key, `{}`}, {"TransactGetItems", `{"TransactItems":[{"Get":` + key + `}]}`, `{"Responses":[{}]}`},
	})
	release()
	release = s.hold(t, "held", "")
	run("a plain write", []call{
		{"PutItem", put, throttled}, {"TransactWriteItems", transact, cancelled},
		{"BatchWriteItem", batch, throttled}, {"BatchWriteItem", batch2, unworked},
	})
	release()
	run("nothing", []call{{"DeleteItem", key, `{}`}, {"TransactWriteItems", transact, `{}`}})
}

// TestFingerprint tells requests apart by what they mean.
func TestFingerprint(t *testing.T) {
	params := func(names []expr.Name, values []expr.Value) [32]byte {
		f := newFingerprint()
		f.params(&expr.Params{Names: names, Values: values})
		return f.sum()
	}
	a, b := expr.Name{Key: "#a", Name: "x"}, expr.Name{Key: "#b", Name: "y"}
	one := expr.Value{Key: ":one", Value: item.Int(1)}
	if params([]expr.Name{a, b}, []expr.Value{one}) != params([]expr.Name{b, {Key: "#a", Name: "z"}, a}, []expr.Value{one}) {
		t.Error("the order of names, or one that does not count, makes a difference")
	}
	sums := map[[32]byte]string{}
	for what, sum := range map[string][32]byte{
		"nothing": params(nil, nil), "a": params([]expr.Name{a}, nil), "b": params([]expr.Name{b}, nil), "a b": params([]expr.Name{a, b}, nil),
		"swapped": params([]expr.Name{{Key: "#a", Name: "y"}, {Key: "#b", Name: "x"}}, nil), "value": params(nil, []expr.Value{one}),
		"a name like a value": params([]expr.Name{{Key: ":one", Name: string(one.Value.Raw())}}, nil),
	} {
		if other, ok := sums[sum]; ok {
			t.Errorf("%s and %s have one fingerprint", what, other)
		}
		sums[sum] = what
	}
	option := func(o wire.OptString) [32]byte { f := newFingerprint(); f.option(o); f.count(0); return f.sum() }
	if option(wire.OptString{}) == option(wire.OptString{Set: true}) {
		t.Error("an absent member and an empty one have one fingerprint")
	}
}

// TestSameItemWhileTableChanges finds that two actions are on one item though the table was changed between the looks for it.
func TestSameItemWhileTableChanges(t *testing.T) {
	s := newService(t)
	s.must(t, "CreateTable", `{"TableName":"changing","BillingMode":"PAY_PER_REQUEST",
		"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}`)
	before := s.db.Lookup(db.DefaultNamespace, "changing")
	s.must(t, "UpdateTable", `{"TableName":"changing","DeletionProtectionEnabled":true}`)
	after := s.db.Lookup(db.DefaultNamespace, "changing")
	if before == after {
		t.Fatal("UpdateTable has changed nothing")
	}
	it := item.New([]item.Entry{{Name: "id", Value: item.String("1")}})
	put := func(table *db.Table) *transactAction {
		return &transactAction{kind: transactPut, item: wire.OptItem{Set: true, V: it}, write: db.Action{Write: db.Write{Table: table}}}
	}
	if !put(after).repeats([]*transactAction{put(before)}) {
		t.Error("TransactWriteItems takes one item for two")
	}
	if !sameItemTwice([]*statement{{table: before, key: it}, {table: after, key: it}}) {
		t.Error("statements on one item are taken for statements on two")
	}
}
