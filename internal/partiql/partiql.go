// Package partiql is DynamoDB's statement language, a small part of PartiQL: it lexes and parses SELECT, INSERT, UPDATE and
// DELETE statements, with DynamoDB's limits and messages, and builds them into the conditions and updates of package expr and
// the items of package item.
//
// A statement is used in two steps, like an expression. Parsing depends on the text alone, and its result is cached by it.
// Binding puts the request's parameters in the places of the question marks and runs the checks that need them. What comes
// out, a Bound, belongs to one request and is not safe for concurrent use.
//
// The language is that of the Amazon DynamoDB Developer Guide ("PartiQL - a SQL-compatible query language for Amazon
// DynamoDB"); messages are those of recorded answers of the service, where there are any.
//
// The package knows nothing of tables: which attributes are keys is for its callers, who name them to Keys.
package partiql

import (
	"iter"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// Kind is what a statement does.
type Kind uint8

// The kinds. EXISTS(SELECT …) is a statement of ExecuteTransaction alone; everywhere else its callers refuse it.
const (
	KindSelect Kind = iota
	KindInsert
	KindUpdate
	KindDelete
	KindExists
)

// IsWrite tells whether statements of the kind belong with writes: all but SELECT. EXISTS only looks, but is one of a
// transaction's writes as ConditionCheck is.
func (k Kind) IsWrite() bool { return k != KindSelect }

// Returning is a statement's RETURNING clause. Its String is "ALL OLD", "MODIFIED NEW", …
type Returning uint8

// The clauses. DELETE has ReturningNone and ReturningAllOld only.
const (
	ReturningNone Returning = iota
	ReturningAllOld
	ReturningModifiedOld
	ReturningAllNew
	ReturningModifiedNew
)

// String returns the clause without RETURNING and the star.
func (r Returning) String() string {
	return [...]string{"", "ALL OLD", "MODIFIED OLD", "ALL NEW", "MODIFIED NEW"}[r]
}

// Error is a refused statement: a ValidationException. Message is DynamoDB's whole text, "Statement wasn't well formed, can't
// be processed: " included where DynamoDB has it.
type Error struct{ Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Statement is a parsed statement. It depends on the text alone, is shared by all requests that send the text, and never
// changes.
type Statement struct {
	Kind       Kind
	Table      string // as written: the name, or an ARN
	Index      string // SELECT and EXISTS only; "" for the table itself
	Parameters int    // how many question marks there are
	Returning  Returning
	All        bool     // SELECT *: the whole item
	Columns    []Column // SELECT without *
	Order      []Order  // ORDER BY; without WHERE it is refused by Parse
	Text       string
}

// Column is a path that SELECT names, and the name under which its value is returned: the path's last step. m.k is returned
// as k, m.k[1] as k[1].
type Column struct {
	Name string
	path []step
}

// Order is one term of ORDER BY. Attribute is the path as written, for a top-level attribute its name.
type Order struct {
	Attribute  string
	Descending bool
}

// Bound is a statement with its parameters.
type Bound struct {
	*Statement
	Where  *expr.Condition // the whole WHERE clause; nil without one
	Item   item.Item       // INSERT
	Update *expr.Update    // UPDATE
}

// KeyUse is what a WHERE clause says of a key.
type KeyUse struct {
	// Hash are the values of the hash key that rows must have, each a value for each hash attribute, in their order: one for
	// equality, several for IN and for equalities joined by OR, distinct, in the order written. Nil means that the clause
	// does not fix the hash key: the read is a Scan, Range is nil and Filter is all of the clause.
	Hash [][]item.Value
	// In tells that Hash comes from IN or OR, even if it has one value only. Such a statement fixes no full key.
	In bool
	// Range are conditions on the range key, in the order of its attributes, each EQ but the last one, which may be LT, LE,
	// GT, GE, BETWEEN or BEGINS_WITH. Types are as written, not checked against a schema.
	Range []expr.KeyPart
	// Full tells that each key attribute is fixed by one equality: the clause can mean one item at most.
	Full bool
	// Filter is what the clause says beyond Hash and Range; nil if that is nothing.
	Filter *expr.Condition
}

// Parse reads a statement. Errors are *Error. The Statement holds views of text.
func Parse(text string) (*Statement, error) {
	return nil, &Error{Message: "Statement wasn't well formed, can't be processed: Expected data manipulation"}
}

// Cache keeps parsed statements by their text, bounded by bytes. It is safe for concurrent use. Failures are not kept.
type Cache struct{}

// NewCache returns a cache that keeps about maxBytes. With 0 it keeps nothing.
func NewCache(maxBytes int) *Cache { return &Cache{} }

// Parse is Parse of a text that may have been seen before. text may be a view of the request.
func (c *Cache) Parse(text string) (*Statement, error) { return Parse(text) }

// Bind puts the parameters in their places and makes the checks that need them: their number (a surplus is accepted, as
// DynamoDB does), the types of operands, the target paths of an UPDATE, the attributes of an INSERT. Errors are *Error.
func (s *Statement) Bind(params []item.Value) (*Bound, error) {
	return nil, &Error{Message: "Number of parameters in request and statement don't match."}
}

// Select yields the columns that it has, with their names, in the order selected; for SELECT * all attributes.
func (s *Statement) Select(it item.Item) iter.Seq2[string, item.Value] { return it.Attributes() }

// AppendJSON appends the columns of it in DynamoDB's JSON: {"name":{"S":"…"},…}, {} if it has none of them.
func (s *Statement) AppendJSON(dst []byte, it item.Item) []byte { return it.AppendJSON(dst) }

// Attributes returns the top-level attributes that the columns lie in, in the order selected, distinct; nil for SELECT *.
func (s *Statement) Attributes() []string { return nil }

// Keys finds what the WHERE clause says of a key whose attributes are named. It looks at conditions that AND joins at the
// top of the clause. A condition on a key attribute that is not part of KeyUse's Hash or Range, such as a second
// equality, stays in its Filter.
func (b *Bound) Keys(hash, rng []string) KeyUse { return KeyUse{Filter: b.Where} }

// step is one element of a document path.
type step struct {
	name  string
	index int // of a list element, or -1 for a name
}
