package data

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/partiql"
	"github.com/partita-db/partita/internal/schema"
)

// This file has what the operations with PartiQL share: ExecuteStatement, BatchExecuteStatement,
// ExecuteTransaction. A statement is decoded as a statementRequest, bound to its parameters, and
// opened on its table. Then it is a read or a write like those of the other operations.

// StatementCacheBytes is the size of the cache of parsed statements, which all calls share.
const StatementCacheBytes = 8 << 20

const maxStatementLength = 8192

// statementRequest is a statement as it was sent: members of ExecuteStatement itself, elsewhere an
// element of a list.
type statementRequest struct {
	text          wire.OptString
	parametersSet bool
	parameters    []item.Value
	fault         *item.Fault // the first one in the parameters
	consistent    wire.OptBool
	onFailure     wire.OptString
}

// The members that the requests with a statementRequest share.
func (r *statementRequest) readStatement(c *exec) error      { return c.ReadString(&r.text) }
func (r *statementRequest) readParameters(c *exec) error     { return r.decodeParameters(c) }
func (r *statementRequest) readConsistentRead(c *exec) error { return c.ReadBool(&r.consistent) }
func (r *statementRequest) readReturnValuesOnConditionCheckFailure(c *exec) error {
	return c.ReadString(&r.onFailure)
}

// statementMembers are the members of a statement in a list of them.
var statementMembers = members[*statementRequest]{
	{Name: "Statement", Read: (*statementRequest).readStatement},
	{Name: "Parameters", Read: (*statementRequest).readParameters},
	{Name: "ConsistentRead", Read: (*statementRequest).readConsistentRead},
	{Name: "ReturnValuesOnConditionCheckFailure", Read: (*statementRequest).readReturnValuesOnConditionCheckFailure},
}

func (r *statementRequest) decodeParameters(c *exec) error {
	r.parametersSet, r.parameters, r.fault = true, nil, nil
	return c.ReadList(func(int) error {
		v, faults, err := c.ReadValue()
		if r.fault == nil {
			r.fault = faults.Earliest()
		}
		r.parameters = append(r.parameters, v)
		return err
	})
}

// checkConstraints checks the constraints of the statement's members, whose paths begin with
// prefix. That of onFailure is apart (checkOnFailure): ExecuteStatement reports it after others.
func (r *statementRequest) checkConstraints(v *violations, prefix string) {
	if !r.text.Set {
		v.Null(prefix + "statement")
	} else {
		v.Length(utf8.RuneCountInString(r.text.V), r.text.V, prefix+"statement", 1, maxStatementLength)
	}
	if r.parametersSet {
		v.Length(len(r.parameters), "[]", prefix+"parameters", 1, 0)
	}
}

func (r *statementRequest) checkOnFailure(v *violations, prefix string) {
	v.Enum(r.onFailure, prefix+"returnValuesOnConditionCheckFailure", enumOnFailure)
}

// checkElement checks the constraints of element i of a list of statements.
func (r *statementRequest) checkElement(v *violations, list string, i int) {
	prefix := list + "." + strconv.Itoa(i+1) + ".member."
	r.checkConstraints(v, prefix)
	r.checkOnFailure(v, prefix)
}

// keepFailed tells whether a failed condition is to be answered with the item.
func (r *statementRequest) keepFailed() bool { return r.onFailure.V == "ALL_OLD" }

// addTo feeds the statement, with its parameters, to a fingerprint.
func (r *statementRequest) addTo(f *fingerprint) {
	f.text(r.text.V)
	f.count(len(r.parameters))
	for _, v := range r.parameters {
		f.bytes(v.Raw())
	}
}

// statement is a statement with its parameters, and from open on with its table.
type statement struct {
	*partiql.Bound
	table *db.Table
	key   item.Item // of the one item that the statement is about, set by fix; for INSERT the item itself
	// filter is the rest of the WHERE clause, beyond that key; nil: none.
	filter *expr.Condition

	onFailure wire.OptString // of the request
}

// bind parses the statement, binds the parameters, and makes the checks that need no table.
func (r *statementRequest) bind(c *exec) (*statement, error) {
	if r.fault != nil {
		return nil, wire.Validation(r.fault.Message)
	}
	parsed, err := c.Statements.Parse(r.text.V)
	if err != nil {
		return nil, statementError(err)
	}
	bound, err := parsed.Bind(r.parameters)
	if err != nil {
		return nil, statementError(err)
	}
	if bound.Kind == partiql.KindInsert && bound.Item.Size() > maxItemBytes {
		return nil, errItemSize
	}
	return &statement{Bound: bound, onFailure: r.onFailure}, nil
}

// statementError words an error of package partiql.
func statementError(err error) error {
	var e *partiql.Error
	if errors.As(err, &e) {
		return wire.Validation(e.Message)
	}
	return err
}

// Errors of statements that are well-formed.
var (
	errNoFullKey = wire.Validation("Where clause does not contain a mandatory equality on all key attributes")
	errKeyType   = wire.Validation("Key attribute's data type should match its data type in table's schema")
	// errExists: the guide documents EXISTS for transactions only; the words are ours.
	errExists = wire.Validation("EXISTS is supported in ExecuteTransaction only")
)

// open finds the statement's table, and asks the policy. consumed is the request's
// ReturnConsumedCapacity, on which policies can have conditions.
func (s *statement) open(c *exec, consumed wire.OptString) (err error) {
	s.table, err = c.TableFor(s.Table, s.want(consumed))
	return err
}

// fix finds the key of the one item that the statement is about, and checks it and the attributes
// that an UPDATE changes. incomplete is the error for a WHERE clause that does not fix the whole
// key.
func (s *statement) fix(incomplete error) error {
	if s.Kind == partiql.KindInsert {
		s.key = s.Item
		return keyInPut.word(s.table, s.table.CheckItem(s.Item))
	}
	use := s.keyUse(s.table.Keys)
	if !use.Full {
		return incomplete
	}
	s.take(&use)
	if err := checkKeyUse(s.table, s.table.Keys, &use); err != nil {
		return err
	}
	if s.Update != nil {
		return checkTargets(s.table, s.Update)
	}
	return nil
}

// take takes the key of one item from a Full KeyUse of the table's key.
func (s *statement) take(use *partiql.KeyUse) {
	entries := make([]item.Entry, 1, ordinaryKeyConditions)
	entries[0] = item.Entry{Name: s.table.Keys[0].Name, Value: use.Hash[0][0]}
	for _, part := range use.Range {
		entries = append(entries, item.Entry{Name: part.Attribute, Value: part.Values[0]})
	}
	s.key, s.filter = item.New(entries), use.Filter
}

// keyUse is what the WHERE clause says of a key.
func (s *statement) keyUse(keys []schema.KeyElement) partiql.KeyUse {
	var hash, rng []string
	for _, k := range keys {
		if k.Range {
			rng = append(rng, k.Name)
		} else {
			hash = append(hash, k.Name)
		}
	}
	return s.Keys(hash, rng)
}

// checkKeyUse checks the values that a WHERE clause has for key attributes: their types, then that
// they are not empty or too long.
func checkKeyUse(t *db.Table, keys []schema.KeyElement, use *partiql.KeyUse) error {
	for _, hash := range use.Hash {
		placed := placeUse(keys, hash, use.Range)
		if !fitTypes(t, keys, &placed) {
			return errKeyType
		}
		if err := checkKeyValues(t, keys, &placed); err != nil {
			return err
		}
	}
	return nil
}

// placeUse puts the values of the hash attributes, and the conditions on the first range
// attributes, into the order of the schema, which begins with the hash attributes.
func placeUse(keys []schema.KeyElement, hash []item.Value, rng []expr.KeyPart) (placed placedParts) {
	for i := range hash {
		placed[i] = &expr.KeyPart{Attribute: keys[i].Name, Operator: expr.EQ, Values: hash[i : i+1]}
	}
	for i := range rng {
		placed[len(hash)+i] = &rng[i]
	}
	return placed
}

// matches tells whether an item with the statement's key exists and meets the rest of the WHERE
// clause.
func (s *statement) matches(it item.Item) bool {
	return it.Exists() && (s.filter == nil || s.filter.Holds(it))
}

// write is the statement as a write; EXISTS is one without a Change. If the item does not meet the
// WHERE clause, UPDATE and EXISTS fail, even if it does not exist; DELETE fails only if it exists.
func (s *statement) write(keepFailed bool) db.Write {
	w := db.Write{Table: s.table, Key: s.key, KeepFailed: keepFailed}
	switch s.Kind {
	case partiql.KindInsert:
		w.Change = insertChange{s.Item}
	case partiql.KindUpdate:
		w.Condition = s.Where
		w.Change = &updateChange{table: s.table, update: s.Update, key: s.key, flat: true}
		w.KeepOld = s.Returning != partiql.ReturningNone
	case partiql.KindDelete:
		w.Change = deleteChange{s.filter}
		w.KeepOld = s.Returning != partiql.ReturningNone
	case partiql.KindExists:
		w.Condition = s.Where
	}
	return w
}

// keyWords select the words for errors of the item's keys.
func (s *statement) keyWords() keyWords {
	if s.Kind == partiql.KindInsert {
		return keyInPut
	}
	return keyOfNew
}

// returned is what the RETURNING clause asks for, a missing item if there is nothing to return.
func (s *statement) returned(done db.Written) item.Item {
	return updated(s.returns(), s.Update, done)
}

// returns is the RETURNING clause as a ReturnValues.
func (s *statement) returns() string {
	return [...]string{"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"}[s.Returning]
}

// want is what a statement wants. EXISTS is a SELECT for policies; with ReturnValues, since a
// failure can answer the item.
func (s *statement) want(consumed wire.OptString) call.Want {
	w := call.Want{Statement: s, Index: s.Index, Condition: s.Where, Update: s.Update, Consumed: consumed.V}
	if s.Kind != partiql.KindSelect && s.Kind != partiql.KindInsert {
		w.ReturnValues = returnedValues(s.returns(), s.onFailure)
	}
	switch s.Kind {
	case partiql.KindSelect, partiql.KindExists:
		w.Action, w.Pages = call.ActionSelect, s.Kind == partiql.KindSelect
		w.Select = selected(!s.All)
		if s.All && s.Index != "" {
			w.Select = "ALL_PROJECTED_ATTRIBUTES"
		}
	case partiql.KindInsert:
		w.Action, w.Item = "PartiQLInsert", s.Item
	case partiql.KindUpdate:
		w.Action = "PartiQLUpdate"
	case partiql.KindDelete:
		w.Action = "PartiQLDelete"
	}
	return w
}

// HashValues implements call.Statement.
func (s *statement) HashValues(keys []schema.KeyElement) [][]item.Value { return s.keyUse(keys).Hash }

// AttributeNames are the attributes that the statement names beyond its conditions and updates:
// those of SELECT and ORDER BY.
func (s *statement) AttributeNames() []string {
	names := s.Statement.Attributes()
	for _, term := range s.Order {
		names = append(names, term.Attribute)
	}
	return names
}
