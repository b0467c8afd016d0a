package historytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
)

// Load is a number of clients and the history of their requests.
type Load struct {
	*History
	seed         uint64
	table        string
	transactions bool
	clients      []*client
	left         atomic.Int64
	values       atomic.Int64        // the last value that was written
	seen         [Width]atomic.Int64 // a value that was seen lately, for conditions that may hold
}

// client is one of them, which has one request under way at a time.
type client struct {
	*Load
	id      int
	random  *rand.Rand
	pending *pending
}

// pending is a transaction with a token that has not been answered yet.
type pending struct {
	request Request
	made    int64
}

// NewLoad returns a load of clients that write single items, and if transactions is set also
// several items in one request. The seed is part of the transactions' tokens: two loads of one
// database must have different ones.
func NewLoad(seed uint64, table string, clients int, transactions bool) *Load {
	l := &Load{History: NewHistory(), seed: seed, table: table, transactions: transactions}
	for id := range clients {
		l.clients = append(l.clients, &client{Load: l, id: id, random: rand.New(rand.NewPCG(seed, uint64(id)))})
	}
	return l
}

// Run sends about the given number of requests, or fewer if the server ends before. The SDK client
// must not repeat requests. It returns an error for an answer that no request may get.
func (l *Load) Run(ctx context.Context, c *dynamodb.Client, requests int) error {
	l.left.Store(int64(requests))
	s := sender{Client: c, table: l.table}
	var running sync.WaitGroup
	errs := make([]error, len(l.clients))
	for i, one := range l.clients {
		running.Go(func() { errs[i] = one.run(ctx, s) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// run sends requests until there are enough or one is not answered. What was not answered before
// comes first.
func (c *client) run(ctx context.Context, s sender) error {
	for c.pending != nil || c.left.Add(-1) >= 0 {
		p := c.pending
		again := p != nil
		if !again {
			p = &pending{request: c.request(), made: c.Now()}
		}
		c.pending = nil
		a, err := s.send(ctx, p.request)
		switch e := smithy.APIError(nil); {
		case errors.As(err, &e):
			return fmt.Errorf("%s: %w", describe(p.request, a), err)
		case again && a.Conflict:
			c.pending = p // it says nothing about the first time
		case err == nil:
			c.Add(c.id, p.made, p.request, a)
			c.remember(p.request, a)
		case p.request.Token != "":
			c.pending = p
			return nil
		default:
			c.AddUnanswered(c.id, p.made, p.request)
			return nil
		}
	}
	return nil
}

// remember keeps values that are there.
func (c *client) remember(q Request, a Answer) {
	for i, action := range q.Actions {
		if !a.Conflict && a.Results[i].Shown {
			c.seen[action.Key].Store(int64(a.Results[i].Cell.V))
		}
	}
}

// value is one that was never written before.
func (c *client) value() int { return int(c.values.Add(1)) }

// request makes a random request.
func (c *client) request() Request {
	at := c.random.IntN(20)
	if c.transactions && at >= 8 {
		return c.transaction()
	}
	switch q := (Request{Consistent: c.random.IntN(2) == 0}); at % 10 {
	case 0:
		q.Method, q.Actions = "BatchGetItem", c.several(1+c.random.IntN(3), Get)
		return c.alone(q)
	case 1:
		q.Method, q.Actions = "BatchWriteItem", c.several(1+c.random.IntN(3), Put, Delete)
		return c.alone(q)
	case 2:
		q.Method, q.Actions = [...]string{"Query", "QueryIndex", "Scan"}[c.random.IntN(3)], everything
		return q
	case 3, 4:
		q.Method, q.Actions = "GetItem", c.several(1, Get)
		return q
	case 5:
		q.Method, q.Actions = "ExecuteStatement", c.statements(c.several(1, Get, Put, Set, Delete))
		q.Actions[0].New = q.Actions[0].Kind == Set && c.random.IntN(2) == 0
		return q
	case 6:
		q.Method, q.Actions = "DeleteItem", c.returning(c.conditional(c.several(1, Delete)))
		return q
	case 7, 8:
		q.Method, q.Actions = "UpdateItem", c.returning(c.conditional(c.several(1, Set, Add, Add)))
		return q
	default:
		q.Method, q.Actions = "PutItem", c.returning(c.conditional(c.several(1, Put)))
		return q
	}
}

// alone reduces a batch to one action in a load with transactions: the actions of a batch are
// executed one by one, and a history for Check has one step for a request.
func (c *client) alone(q Request) Request {
	if c.transactions {
		q.Actions = q.Actions[:1]
	}
	return q
}

// transaction makes a random transaction.
func (c *client) transaction() (q Request) {
	n := 2 + c.random.IntN(3)
	switch c.random.IntN(5) {
	case 0:
		return Request{Method: "TransactGetItems", Actions: c.several(n, Get)}
	case 1:
		q.Method, q.Actions = "ExecuteTransaction", c.several(n, Get)
		if c.random.IntN(3) > 0 {
			q.Actions = c.statements(c.several(n, Set, Set, Put, Delete))
		}
	default:
		q.Method, q.Actions = "TransactWriteItems", c.conditional(c.several(n, Put, Set, Add, Add, Delete, Check))
		for i := range q.Actions {
			if a := &q.Actions[i]; a.Kind == Check && a.Condition == Always {
				a.Condition = Exists
			}
		}
	}
	if c.random.IntN(2) == 0 && q.Actions[0].Kind != Get {
		q.Token = fmt.Sprintf("%x-%d", c.seed, c.value())
	}
	return q
}

// everything reads all items.
var everything = func() (all []Action) {
	for key := range Width {
		all = append(all, Action{Kind: Get, Key: key})
	}
	return all
}()

// several returns actions on different items.
func (c *client) several(n int, kinds ...Kind) []Action {
	actions := make([]Action, n)
	for i, key := range c.random.Perm(Width)[:n] {
		actions[i] = Action{Key: key, Kind: kinds[c.random.IntN(len(kinds))]}
		switch actions[i].Kind {
		case Put, Set:
			actions[i].V = c.value()
		case Add:
			actions[i].V = 1 + c.random.IntN(3)
		}
	}
	return actions
}

// conditional puts conditions on half of the actions, most of which hold.
func (c *client) conditional(actions []Action) []Action {
	for i := range actions {
		a := &actions[i]
		a.Old = c.random.IntN(2) == 0
		switch c.random.IntN(8) {
		case 0:
			a.Condition = Absent
		case 1, 2:
			a.Condition = Exists
		case 3:
			if a.Want = int(c.seen[a.Key].Load()); a.Want != 0 {
				a.Condition = Equals
			}
		}
	}
	return actions
}

// returning asks for the item after an update instead of the one before, now and then.
func (c *client) returning(actions []Action) []Action {
	for i := range actions {
		if a := &actions[i]; (a.Kind == Set || a.Kind == Add) && c.random.IntN(2) == 0 {
			a.New = true
		}
	}
	return actions
}

// statements gives the actions the conditions that PartiQL has by itself: an INSERT of what is not
// there, an UPDATE of what is.
func (c *client) statements(actions []Action) []Action {
	for i := range actions {
		switch a := &actions[i]; a.Kind {
		case Put:
			a.Condition = Absent
		case Set:
			a.Condition, a.Old = Exists, c.random.IntN(2) == 0
			if a.Want = int(c.seen[a.Key].Load()); a.Want != 0 && c.random.IntN(3) == 0 {
				a.Condition = Equals
			}
		}
	}
	return actions
}
