// Package data has the operations on items, a file for each: reads and writes of one item, Query
// and Scan, batches, transactions, and those with PartiQL. What several of them share has a file
// named after it. An operation checks its request in DynamoDB's order (checks that need no table,
// policy, table, key schema), hands package db a db.Read or a db.Write with a pure Change, and
// writes the answer.
package data

import (
	"sync"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// members is the member table of a request R of the data plane.
type members[R any] = wire.Members[R, *exec]

// exec is a call of the data plane while its handler runs, with the memory that the next one
// reuses. It goes back to the pool when the handler returns, and an error is written after that: an
// error must not hold views of anything here. The body and the Reader's memory belong to the Call,
// which lives longer.
type exec struct {
	*call.Call
	params expr.Params
	ph     params.Placeholders // ExpressionAttributeNames and -Values; its params are those above
	hot    hotRequests
	how    choice

	// Method values, bound once: to bind one allocates.
	show    func(item.Item) error         // showItem
	showRow func(item.Item) (bool, error) // appendRow
	page    *readRequest                  // the Query or Scan whose rows appendRow takes
}

// hotRequests are the requests of the most frequent operations, kept to be reused. A handler
// empties its own first; after a call they hold views of its body until then.
type hotRequests struct {
	get    getItemRequest
	put    putItemRequest
	update updateItemRequest
	delete deleteItemRequest
	query  queryRequest
	scan   scanRequest
}

var execs = sync.Pool{New: func() any {
	x := new(exec)
	x.show, x.showRow = x.showItem, x.appendRow
	return x
}}

// run runs the handler of an operation in an exec. One that a large body has grown is not kept.
func run(c *call.Call, handle func(*exec) error) error {
	x := execs.Get().(*exec)
	x.Call = c
	x.params.Reset()
	x.ph = params.Placeholders{Params: &x.params}
	x.how = choice{}
	err := handle(x)
	if x.how.given() && c.ExplainsChoice() {
		c.Report.Condition = x.how.String()
	}
	x.Call, x.page = nil, nil
	if len(c.Body) <= call.MaxKeptBody {
		execs.Put(x)
	}
	return err
}
