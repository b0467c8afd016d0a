package api

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
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

// hold runs a write of the item with the string id in table held, in a transaction with the token
// or, if that is empty, alone, and returns when it holds the latch. It goes on with release.
func (s *testService) hold(t *testing.T, id, token string) (release func()) {
	t.Helper()
	it := item.New([]item.Entry{{Name: "id", Value: item.String(id)}})
	h := heldPut{db.Put{Item: it}, make(chan struct{}), make(chan struct{}), new(sync.Once)}
	write := db.Write{Table: s.db.Lookup(schema.DefaultNamespace, "held"), Key: it, Change: h}
	done := make(chan error)
	go func() {
		var err error
		if token == "" {
			_, err = s.db.Write(context.Background(), &write)
		} else {
			_, err = s.db.Transact(context.Background(), &db.Transaction{
				Actions: []db.Action{{Write: write}},
				Token:   &schema.Token{Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems, Value: token},
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

// TestTransactionConflicts meets items that a transaction, then a plain write, holds for longer
// than anybody waits.
func TestTransactionConflicts(t *testing.T) {
	s := newServiceOn(t, dbtest.Options{Engine: pebblekv.Options{LatchTimeout: 20 * time.Millisecond}})
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
