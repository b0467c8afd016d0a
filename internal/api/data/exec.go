package data

import (
	"sync"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// members is the member table of a request R of the data plane.
type members[R any] = wire.Members[R, *exec]

// exec is a call of the data plane while it is run, with the memory that is reused for the next
// one. What is answered may have nothing of it: it is used again before an error is written.
type exec struct {
	*call.Call
	params expr.Params
	ph     placeholders // ExpressionAttributeNames and -Values; its params are those of the call
	hot    hotRequests
	how    choice

	show    func(item.Item) error         // showItem, bound once
	showRow func(item.Item) (bool, error) // appendRow, bound once
	page    *readRequest                  // the Query or Scan whose rows appendRow takes
}

// hotRequests are the requests of the operations that most calls are, kept to be used again. A
// handler empties its own first.
type hotRequests struct {
	get    getItemRequest
	put    putItemRequest
	update updateItemRequest
	delete deleteItemRequest
	query  queryRequest
	scan   scanRequest
}

// execs are those that are not in use.
var execs = sync.Pool{New: func() any {
	x := new(exec)
	x.show, x.showRow = x.showItem, x.appendRow
	return x
}}

// run runs the handler of an operation.
func run(c *call.Call, handle func(*exec) error) error {
	x := execs.Get().(*exec)
	x.Call = c
	x.params.Reset()
	x.ph = placeholders{params: &x.params}
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

// The operations of the data plane.
