package data

import (
	"errors"
	"slices"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/partiql"
)

const maxBatchStatements = 25

type batchStatementsRequest struct {
	set        bool
	statements []batchStatement // at most one more than there may be
	consumed   wire.OptString
}

// batchStatement is one statement of a batch, and what came of it.
type batchStatement struct {
	statementRequest
	*statement
	err   error // of this statement alone
	done  db.Written
	units float64 // of a read, and of a write that failed at the item
}

var batchStatementsMembers = members[*batchStatementsRequest]{
	{Name: "Statements", Read: (*batchStatementsRequest).readStatements},
	{Name: "ReturnConsumedCapacity", Read: func(r *batchStatementsRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
}

func (r *batchStatementsRequest) readStatements(c *exec) error {
	r.set, r.statements = true, nil
	var s batchStatement // one for all elements: memory must not grow with those that are not kept
	return c.ReadList(func(int) error {
		s = batchStatement{}
		err := c.ReadObject(wire.InElement, "BatchStatementRequest", func(name string) error {
			return statementMembers.Read(&s.statementRequest, c, &c.Reader, name)
		})
		if len(r.statements) <= maxBatchStatements {
			r.statements = append(r.statements, s)
		}
		return err
	})
}

// BatchExecuteStatement answers up to 25 statements, all reads or all writes. An error of one
// statement is answered in its place; only errors of all statements together fail the call.
func BatchExecuteStatement(c *call.Call) error { return run(c, (*exec).batchExecuteStatement) }

func (c *exec) batchExecuteStatement() error {
	r := new(batchStatementsRequest)
	if err := wire.Decode(&c.Reader, r, c, batchStatementsMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	for i := range r.statements {
		s := &r.statements[i]
		s.statement, s.err = s.bind(c)
	}
	if err := r.checkKinds(); err != nil {
		return err
	}
	for i := range r.statements {
		r.statements[i].open(c, r.consumed)
	}
	if err := r.checkDistinct(); err != nil {
		return err
	}
	r.write(c)
	return r.answer(c)
}

func (r *batchStatementsRequest) check() error {
	var v violations
	switch n := len(r.statements); {
	case !r.set:
		v.Null("statements")
	case n == 0 || n > maxBatchStatements:
		v.Length(n, r.dump(), "statements", 1, maxBatchStatements)
	}
	for i := range r.statements {
		r.statements[i].checkElement(&v, "statements", i)
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	return v.Err()
}

// dump prints Statements as messages do: as Java prints objects, cut off at maxDumpBytes.
func (r *batchStatementsRequest) dump() string {
	b := []byte{'['}
	for i := range r.statements {
		if i > 0 {
			b = append(b, ", "...)
		}
		if len(b) > maxDumpBytes {
			return string(append(b, "...]"...))
		}
		b = append(append(b, "BatchStatementRequest(statement="...), r.statements[i].text.V...)
		b = append(b, ')')
	}
	return string(append(b, ']'))
}

// checkKinds checks that the statements are all reads or all writes.
func (r *batchStatementsRequest) checkKinds() error {
	reads, writes := false, false
	for i := range r.statements {
		if s := &r.statements[i]; s.err == nil {
			reads, writes = reads || !s.Kind.IsWrite(), writes || s.Kind.IsWrite()
		}
	}
	if reads && writes {
		return wire.Validation("Read and write requests together in the same batch is not supported.")
	}
	return nil
}

// errBatchSelect is the error for a SELECT that is not about one item of a table.
var errBatchSelect = wire.Validation("Select statements within BatchExecuteStatement must specify the primary key in the where clause.")

// open finds the statement's table and the key of its item, unless it has failed already.
func (s *batchStatement) open(c *exec, consumed wire.OptString) {
	if s.err != nil {
		return
	}
	if s.Kind == partiql.KindExists {
		s.err = errExists
		return
	}
	if s.err = s.statement.open(c, consumed); s.err != nil {
		return
	}
	switch {
	case s.Kind != partiql.KindSelect:
		s.err = s.fix(errNoFullKey)
	case s.Index != "":
		s.err = errBatchSelect
	default:
		s.err = s.fix(errBatchSelect)
	}
}

func (r *batchStatementsRequest) checkDistinct() error {
	var all []*statement
	for i := range r.statements {
		if s := &r.statements[i]; s.err == nil {
			all = append(all, s.statement)
		}
	}
	if sameItemTwice(all) {
		return errDuplicateKeys
	}
	return nil
}

// write runs the writes among the statements, each atomic alone.
func (r *batchStatementsRequest) write(c *exec) {
	var writes []db.Write
	var of []*batchStatement
	room := &writtenRoom{c: c}
	for i := range r.statements {
		s := &r.statements[i]
		if s.err != nil || !s.Kind.IsWrite() {
			continue
		}
		w := s.statement.write(false)
		if w.KeepOld {
			w.Change = &roomyChange{Change: w.Change, room: room}
		}
		writes, of = append(writes, w), append(of, s)
	}
	done, errs := c.DB.WriteEach(c.Ctx, writes)
	for i, s := range of {
		s.done = done[i]
		if errs[i] != nil {
			s.fail(errs[i])
		}
	}
}

// fail notes why the write failed. A write that failed because of the existing item consumes the
// units of the larger of that item and its own. Unlike elsewhere the item is not answered, even if
// the statement asks for it.
func (s *batchStatement) fail(err error) {
	var (
		failed    *db.ConditionFailed
		duplicate *duplicateItem
	)
	switch {
	case errors.As(err, &failed):
		s.units = capacity.FailedUnits(failed.Size)
		err = &db.ConditionFailed{}
	case errors.As(err, &duplicate):
		s.units = duplicate.units
	}
	if err == error(wire.ErrNoRoom) || errors.Is(err, db.ErrNoMemory) {
		err = errBatchFull // the call succeeds, so it cannot answer ServiceUnavailable
	}
	s.err = writeError(s.table, err, s.keyWords())
}

// answer reads the items of SELECTs while it writes the response, so that no item is kept. Past
// maxBatchBytes the statements that follow get errBatchFull.
func (r *batchStatementsRequest) answer(c *exec) error {
	c.BeginObject()
	c.Name("Responses")
	begin := c.Length()
	c.BeginList()
	for i := range r.statements {
		c.Element()
		if err := r.statements[i].answer(c, c.Length()-begin < maxBatchBytes); err != nil {
			return err
		}
	}
	c.EndList()
	if c.countsConsumed(r.consumed) {
		us := r.usages()
		// checkKinds: all statements that could be parsed are writes, or none is.
		writes := func(s batchStatement) bool { return s.statement != nil && s.Kind.IsWrite() }
		if slices.ContainsFunc(r.statements, writes) {
			c.Report.WriteUnits = us.total()
		} else {
			c.Report.ReadUnits = us.total()
		}
		if len(us) > 0 {
			c.consumedList(r.consumed, us)
		}
	}
	c.EndObject()
	return nil
}

// errBatchFull is the error of a statement whose item does not fit the response. On AWS that cannot
// happen: it takes items whose JSON is much longer than their DynamoDB size, or a server with
// little memory. So the words are ours. SDKs do not retry a statement; the client can.
var errBatchFull = (&wire.Error{
	Code: "ThrottlingException", Message: "The response has no room for the item. Please try again.",
}).Fill()

// answer appends what came of one statement, after it has read what a SELECT selects.
func (s *batchStatement) answer(c *exec, room bool) error {
	if s.err == nil && !room && !s.Kind.IsWrite() {
		s.err = errBatchFull
	}
	c.BeginObject()
	defer c.EndObject()
	if s.err != nil {
		return s.answerError(c)
	}
	c.StringMember("TableName", s.table.Name)
	found := func(it item.Item) {
		c.Name("Item")
		c.Out = s.AppendJSON(c.Out, it)
	}
	if !s.Kind.IsWrite() {
		size, err := c.getStatement(s.statement, s.consistent.V, found)
		s.units = capacity.ReadUnits(size, s.consistent.V)
		return err
	}
	if it := s.returned(s.done); it.Exists() {
		c.Name("Item")
		c.EncodeWritten(it)
	}
	return nil
}

// answerError appends the error of one statement. The table is named only in errors that the
// existing item is the reason of.
func (s *batchStatement) answerError(c *exec) error {
	e := call.Worded(s.err)
	if e == nil {
		return s.err
	}
	reason := reasonOf(e)
	c.Report.NoteStatement(reason)
	c.Name("Error")
	c.BeginObject()
	c.StringMember("Code", reason.Code)
	c.StringMember("Message", reason.Message)
	c.EndObject()
	if s.units > 0 {
		c.StringMember("TableName", s.table.Name)
	}
	return nil
}

// usages are what the statements used. Those that failed because of an item count only for tables
// on which another one succeeded, and only for the table itself, not for its indexes.
func (r *batchStatementsRequest) usages() (us usages) {
	for i := range r.statements {
		if s := &r.statements[i]; s.err == nil {
			u := us.of(s.table)
			u.table += s.units
			u.add(s.done.Units)
		}
	}
	for i := range r.statements {
		s := &r.statements[i]
		if s.err == nil || s.units == 0 {
			continue
		}
		for _, u := range us {
			if u.name == s.table.Name {
				u.table += s.units
			}
		}
	}
	return us
}
