package api

import (
	"unicode/utf8"

	"github.com/partita-db/partita/internal/partiql"
)

// maxNextToken is how many characters a NextToken has at most.
const maxNextToken = 32768

// executeStatementRequest is the request of ExecuteStatement.
type executeStatementRequest struct {
	statementRequest
	nextToken, consumed optString
	limit               optInt
}

// executeStatementMembers are ExecuteStatement's members, in the order of the service model.
var executeStatementMembers = members[*executeStatementRequest]{
	{"Statement", (*executeStatementRequest).readStatement},
	{"Parameters", (*executeStatementRequest).readParameters},
	{"ConsistentRead", (*executeStatementRequest).readConsistentRead},
	{"NextToken", func(r *executeStatementRequest, c *exec) error { return c.readString(&r.nextToken) }},
	{"ReturnConsumedCapacity", func(r *executeStatementRequest, c *exec) error { return c.readString(&r.consumed) }},
	{"Limit", func(r *executeStatementRequest, c *exec) error { return c.readInt(&r.limit, "Integer") }},
	{"ReturnValuesOnConditionCheckFailure", (*executeStatementRequest).readReturnValuesOnConditionCheckFailure},
}

// ExecuteStatement answers the operation of that name.
func ExecuteStatement(c *call) error { return run(c, (*exec).executeStatement) }

// executeStatement answers ExecuteStatement.
func (c *exec) executeStatement() error {
	r := new(executeStatementRequest)
	if err := decode(&c.reader, r, c, executeStatementMembers); err != nil {
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

// check checks the constraints of all members.
func (r *executeStatementRequest) check() error {
	var v violations
	r.checkConstraints(&v, "")
	if r.nextToken.Set {
		v.length(utf8.RuneCountInString(r.nextToken.V), r.nextToken.V, "nextToken", 1, maxNextToken)
	}
	v.enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.integer(r.limit, "limit", 1, 0)
	r.checkOnFailure(&v, "")
	return v.err()
}

// fingerprint tells this statement, with its parameters, apart from others in NextToken.
func (r *executeStatementRequest) fingerprint() [tokenFingerprintLen]byte {
	f := newFingerprint()
	r.addTo(f)
	sum := f.sum()
	return [tokenFingerprintLen]byte(sum[:tokenFingerprintLen])
}

// position is where NextToken says that the page begins.
func (r *executeStatementRequest) position() (position, error) {
	if !r.nextToken.Set {
		return position{}, nil
	}
	return parseNextToken(r.nextToken.V, r.fingerprint())
}

// read answers a SELECT.
func (r *executeStatementRequest) read(c *exec, s *statement, at position) error {
	x, err := c.newSelection(s, r.consistent.V)
	if err != nil {
		return err
	}
	x.read.Limit = int(r.limit.V)
	if err := x.begin(at); err != nil {
		return err
	}
	c.beginObject()
	c.name("Items")
	c.beginList()
	if err := x.run(c, s); err != nil {
		return err
	}
	c.endList()
	if x.last.Exists() {
		c.stringMember("NextToken", nextToken(r.fingerprint(), x.at))
		c.name("LastEvaluatedKey")
		c.item(x.last)
	}
	c.report.read(x.used.total())
	r.answerConsumed(c, s, x.used)
	c.endObject()
	return nil
}

// write answers an INSERT, UPDATE or DELETE.
func (r *executeStatementRequest) write(c *exec, s *statement) error {
	if err := s.fix(errNoFullKey); err != nil {
		return err
	}
	w := s.write(r.keepFailed())
	if w.KeepOld {
		w.Change = &roomyChange{Change: w.Change, room: &writtenRoom{c: c}}
	}
	done, err := c.db.Write(c.ctx, &w)
	if err != nil {
		c.report.failed(err)
		return writeError(s.table, err, s.keyWords())
	}
	c.beginObject()
	c.name("Items")
	c.beginList()
	if it := s.returned(done); it.Exists() {
		c.encodeWritten(it)
	}
	c.endList()
	used := consumption{table: done.Units.Table, indexes: done.Units.Indexes}
	c.report.written(used.total())
	r.answerConsumed(c, s, used)
	c.endObject()
	return nil
}

// answerConsumed appends ConsumedCapacity if it was asked for.
func (r *executeStatementRequest) answerConsumed(c *exec, s *statement, u consumption) {
	if wantsConsumed(r.consumed) {
		c.name("ConsumedCapacity")
		c.consumed(r.consumed.V, s.table.Name, u)
	}
}
