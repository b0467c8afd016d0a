package data

import (
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/partiql"
	"github.com/partita-db/partita/internal/schema"
)

type executeTransactionRequest struct {
	set      bool
	requests []statementRequest // at most one more than there may be
	token    wire.OptString
	consumed wire.OptString

	statements []*statement
}

var executeTransactionMembers = members[*executeTransactionRequest]{
	{Name: "TransactStatements", Read: (*executeTransactionRequest).readTransactStatements},
	{Name: "ClientRequestToken", Read: func(r *executeTransactionRequest, c *exec) error {
		return c.ReadString(&r.token)
	}},
	{Name: "ReturnConsumedCapacity", Read: func(r *executeTransactionRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
}

func (r *executeTransactionRequest) readTransactStatements(c *exec) error {
	r.set, r.requests = true, nil
	var s statementRequest // one for all elements: memory must not grow with those that are not kept
	return c.ReadList(func(int) error {
		s = statementRequest{}
		err := c.ReadObject(wire.InElement, "ParameterizedStatement", func(name string) error {
			if name == "ConsistentRead" { // not a member here: transactions always read consistently
				return c.Skip()
			}
			return statementMembers.Read(&s, c, &c.Reader, name)
		})
		if len(r.requests) <= maxTransactItems {
			r.requests = append(r.requests, s)
		}
		return err
	})
}

// ExecuteTransaction runs up to 100 statements as one transaction, all reads or all writes. Errors
// of the statements themselves fail the call; errors of their items cancel the transaction, which
// is an error with a Reason for each statement.
func ExecuteTransaction(c *call.Call) error { return run(c, (*exec).executeTransaction) }

func (c *exec) executeTransaction() error {
	r := new(executeTransactionRequest)
	if err := wire.Decode(&c.Reader, r, c, executeTransactionMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := r.bind(c); err != nil {
		return err
	}
	reasons, err := r.open(c)
	if err != nil {
		return err
	}
	if r.statements[0].Kind.IsWrite() {
		return r.write(c, reasons)
	}
	return r.read(c, reasons)
}

func (r *executeTransactionRequest) check() error {
	var v violations
	const path = "transactStatements"
	switch n := len(r.requests); { // recorded without the value
	case !r.set:
		v.Null(path)
	case n == 0:
		v.Note("Value at '" + path + "' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxTransactItems:
		v.Note("Value at '" + path + "' failed to satisfy constraint: Member must have length less than or equal to " +
			strconv.Itoa(maxTransactItems))
	}
	for i := range r.requests {
		r.requests[i].checkElement(&v, path, i)
	}
	v.clientToken(r.token)
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	return v.Err()
}

// bind binds all statements to their parameters and checks that they can be in one transaction.
func (r *executeTransactionRequest) bind(c *exec) error {
	reads, writes := false, false
	for i := range r.requests {
		s, err := r.requests[i].bind(c)
		if err != nil {
			return err
		}
		switch {
		case s.Returning != partiql.ReturningNone:
			return inTransaction(i, "RETURNING clause is not supported in ExecuteTransaction.")
		case s.Index != "":
			return inTransaction(i, "Reads on indices are not supported within transactions.")
		}
		reads, writes = reads || !s.Kind.IsWrite(), writes || s.Kind.IsWrite()
		r.statements = append(r.statements, s)
	}
	if reads && writes {
		return wire.Validation("ExecuteTransaction API does not support both read and write operations in the same request.")
	}
	return nil
}

// inTransaction is an error of statement i.
func inTransaction(i int, message string) error {
	return wire.Validation("Validation failed in TransactStatements[" + strconv.Itoa(i) + "]: " + message)
}

// errTransactSelect is the error for a SELECT that is not about one item. The words are ours, after
// those of errBatchSelect.
var errTransactSelect = wire.Validation("Select statements within ExecuteTransaction must specify the primary key in the where clause.")

// open finds the tables of all statements, then the keys of their items, and checks that the items
// are distinct. reasons are the errors of keys that cancel the transaction, nil for sound ones.
func (r *executeTransactionRequest) open(c *exec) (reasons []error, err error) {
	var missing error
	for _, s := range r.statements {
		w := s.want(r.consumed)
		w.Enclosing = "ExecuteTransaction"
		if s.table, err = c.TableAmong(s.Table, w, &missing); err != nil {
			return nil, err
		}
	}
	if missing != nil {
		return nil, missing
	}
	reasons = make([]error, len(r.statements))
	var sound []*statement
	for i, s := range r.statements {
		incomplete := error(errNoFullKey)
		if s.Kind == partiql.KindSelect {
			incomplete = errTransactSelect
		}
		err := s.fix(incomplete)
		switch {
		case err == incomplete, err != nil && s.Kind.IsWrite() && s.hasEmptyKey():
			return nil, err // an empty key value fails TransactWriteItems, too
		case err != nil:
			reasons[i] = err
		default:
			sound = append(sound, s)
		}
	}
	if sameItemTwice(sound) {
		return nil, errSameItem
	}
	return reasons, nil
}

// hasEmptyKey tells whether the key that fix found has an empty value.
func (s *statement) hasEmptyKey() bool {
	for _, k := range s.table.Keys {
		if isEmptyKey(s.key.Get(k.Name)) {
			return true
		}
	}
	return false
}

func (r *executeTransactionRequest) read(c *exec, reasons []error) error {
	if err := canceledBy(reasons); err != nil {
		return err
	}
	var keys []db.ItemKey
	for _, s := range r.statements {
		keys = append(keys, db.ItemKey{Table: s.table, Key: s.key})
	}
	c.BeginObject()
	sizes, err := c.transactResponses(keys, func(i int, it item.Item) { r.statements[i].appendResponse(c, it) })
	if err != nil {
		return err
	}
	if c.countsConsumed(r.consumed) {
		c.transactReadConsumed(r.consumed, keys, sizes)
	}
	c.EndObject()
	return nil
}

// appendResponse appends an ItemResponse with the attributes that a SELECT selects of its item,
// without Item if it selects none.
func (s *statement) appendResponse(c *exec, it item.Item) {
	c.BeginObject()
	if s.matches(it) {
		for range s.Select(it) {
			c.Name("Item")
			c.Out = s.AppendJSON(c.Out, it)
			break
		}
	}
	c.EndObject()
}

func (r *executeTransactionRequest) write(c *exec, reasons []error) error {
	t := &db.Transaction{Token: token(schema.TokenExecuteTransaction, r.token, r.feed)}
	for i, s := range r.statements {
		t.Actions = append(t.Actions, db.Action{Write: s.write(r.requests[i].keepFailed()), Err: reasons[i]})
	}
	done, err := c.transact(t)
	if err != nil {
		return err
	}
	c.BeginObject()
	c.Name("Responses")
	c.Raw("[]")
	if c.countsConsumed(r.consumed) {
		c.transactWriteConsumed(r.consumed, t, done)
	}
	c.EndObject()
	return nil
}

func (r *executeTransactionRequest) feed(f *fingerprint) {
	f.count(len(r.requests))
	for i := range r.requests {
		r.requests[i].addTo(f)
		f.option(r.requests[i].onFailure)
	}
}
