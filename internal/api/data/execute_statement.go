package data

import (
	"unicode/utf8"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/partiql"
)

const maxNextToken = 32768

type executeStatementRequest struct {
	statementRequest
	nextToken, consumed wire.OptString
	limit               wire.OptInt
}

var executeStatementMembers = members[*executeStatementRequest]{
	{Name: "Statement", Read: (*executeStatementRequest).readStatement},
	{Name: "Parameters", Read: (*executeStatementRequest).readParameters},
	{Name: "ConsistentRead", Read: (*executeStatementRequest).readConsistentRead},
	{Name: "NextToken", Read: func(r *executeStatementRequest, c *exec) error { return c.ReadString(&r.nextToken) }},
	{Name: "ReturnConsumedCapacity", Read: func(r *executeStatementRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
	{Name: "Limit", Read: func(r *executeStatementRequest, c *exec) error { return c.ReadInt(&r.limit, "Integer") }},
	{Name: "ReturnValuesOnConditionCheckFailure",
		Read: (*executeStatementRequest).readReturnValuesOnConditionCheckFailure},
}

// ExecuteStatement answers one statement: a SELECT with a page of items and a NextToken, others
// with what RETURNING asks for.
func ExecuteStatement(c *call.Call) error { return run(c, (*exec).executeStatement) }

func (c *exec) executeStatement() error {
	r := new(executeStatementRequest)
	if err := wire.Decode(&c.Reader, r, c, executeStatementMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	s, err := r.bind(c)
	if err != nil {
		return err
	}
	if s.Kind == partiql.KindExists {
		return errExists
	}
	at, err := r.position()
	if err != nil {
		return err
	}
	if err := s.open(c, r.consumed); err != nil {
		return err
	}
	if s.Kind == partiql.KindSelect {
		return r.read(c, s, at)
	}
	return r.write(c, s)
}

func (r *executeStatementRequest) check() error {
	var v violations
	r.checkConstraints(&v, "")
	if r.nextToken.Set {
		v.Length(utf8.RuneCountInString(r.nextToken.V), r.nextToken.V, "nextToken", 1, maxNextToken)
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.Integer(r.limit, "limit", 1, 0)
	r.checkOnFailure(&v, "")
	return v.Err()
}

// fingerprint is what a NextToken has of the statement and its parameters: the token is valid for
// these only.
func (r *executeStatementRequest) fingerprint() [tokenFingerprintLen]byte {
	f := newFingerprint()
	r.addTo(f)
	sum := f.sum()
	return [tokenFingerprintLen]byte(sum[:tokenFingerprintLen])
}

// position is where the page begins according to NextToken; the zero position without one.
func (r *executeStatementRequest) position() (position, error) {
	if !r.nextToken.Set {
		return position{}, nil
	}
	return parseNextToken(r.nextToken.V, r.fingerprint())
}

func (r *executeStatementRequest) read(c *exec, s *statement, at position) error {
	x, err := c.newSelection(s, r.consistent.V)
	if err != nil {
		return err
	}
	x.read.Limit = int(r.limit.V)
	if err := x.begin(at); err != nil {
		return err
	}
	c.BeginObject()
	c.Name("Items")
	c.BeginList()
	if err := x.run(c, s); err != nil {
		return err
	}
	c.EndList()
	if x.last.Exists() {
		c.StringMember("NextToken", nextToken(r.fingerprint(), x.at))
		c.Name("LastEvaluatedKey")
		c.Item(x.last)
	}
	c.Report.NoteRead(x.used.total())
	r.answerConsumed(c, s, x.used)
	c.EndObject()
	return nil
}

func (r *executeStatementRequest) write(c *exec, s *statement) error {
	if err := s.fix(errNoFullKey); err != nil {
		return err
	}
	w := s.write(r.keepFailed())
	if w.KeepOld {
		w.Change = &roomyChange{Change: w.Change, room: &writtenRoom{c: c}}
	}
	done, err := c.DB.Write(c.Ctx, &w)
	if err != nil {
		c.Report.NoteFailed(err)
		return writeError(s.table, err, s.keyWords())
	}
	c.BeginObject()
	c.Name("Items")
	c.BeginList()
	if it := s.returned(done); it.Exists() {
		c.EncodeWritten(it)
	}
	c.EndList()
	used := consumption{table: done.Units.Table, indexes: done.Units.Indexes}
	c.Report.NoteWritten(used.total())
	r.answerConsumed(c, s, used)
	c.EndObject()
	return nil
}

func (r *executeStatementRequest) answerConsumed(c *exec, s *statement, u consumption) {
	if wantsConsumed(r.consumed) {
		c.Name("ConsumedCapacity")
		c.consumed(r.consumed.V, s.table.Name, u)
	}
}
