// Package partiql is DynamoDB's statement language, a small part of PartiQL: it lexes and parses
// SELECT, INSERT, UPDATE and DELETE statements, with DynamoDB's limits and messages, and builds
// them into the conditions and updates of package expr and the items of package item.
//
// A statement is used in two steps, like an expression. Parsing depends on the text alone, and its
// result is cached by it. Binding puts the request's parameters in the places of the question marks
// and runs the checks that need them. What comes out, a Bound, belongs to one request and is not
// safe for concurrent use.
//
// The language is that of the Amazon DynamoDB Developer Guide ("PartiQL - a SQL-compatible query
// language for Amazon DynamoDB"); messages are those of recorded answers of the service, where
// there are any.
//
// The package knows nothing of tables: which attributes are keys is for its callers, who name them
// to Keys.
package partiql

import (
	"iter"
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// Kind is what a statement does.
type Kind uint8

// The kinds. EXISTS(SELECT …) is a statement of ExecuteTransaction alone; other operations reject
// it.
const (
	KindSelect Kind = iota
	KindInsert
	KindUpdate
	KindDelete
	KindExists
)

// IsWrite tells whether statements of the kind belong with writes: all but SELECT. EXISTS only
// looks, but is one of a transaction's writes as ConditionCheck is.
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

// Error is the error of a rejected statement, answered as a ValidationException. Message is
// DynamoDB's whole text, including "Statement wasn't well formed, can't be processed: " where
// DynamoDB has it.
type Error struct{ Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Statement is a parsed statement. It depends on the text alone, is shared by all requests that
// send the text, and never changes.
type Statement struct {
	Kind       Kind
	Table      string // as written: the name, or an ARN
	Index      string // SELECT and EXISTS only; "" for the table itself
	Parameters int    // how many question marks there are
	Returning  Returning
	All        bool     // SELECT *: the whole item
	Columns    []Column // SELECT without *
	Order      []Order  // ORDER BY; Parse rejects it without WHERE
	Text       string

	where  *expr.ConditionForm
	update *expr.UpdateForm
	item   *literal
	values []literal // of where and update
	size   int       // about how many bytes of memory it takes, text included
}

// Column is a path that SELECT names, and the name under which its value is returned: the path's
// last step. m.k is returned as k, m.k[1] as k[1].
type Column struct {
	Name string
	path expr.Path
}

// Order is one term of ORDER BY.
type Order struct {
	Attribute  string
	Descending bool
}

// Bound is a statement with its parameters, for one request: it holds views of them.
type Bound struct {
	*Statement
	Where  *expr.Condition // the whole WHERE clause; nil without one
	Item   item.Item       // INSERT
	Update *expr.Update    // UPDATE
}

// Parse reads a statement. Errors are *Error. The Statement holds views of text.
func Parse(text string) (*Statement, error) {
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	return s.build(), nil
}

// build makes a Statement of s. Conditions and updates become the forms of package expr here, so
// that the cache has them.
func (s *syntax) build() *Statement {
	built := s.Statement
	built.values, built.item = s.values, s.item
	if s.where != nil {
		built.where = expr.NewConditionForm(s.where)
	}
	if s.actions != nil {
		built.update = expr.NewUpdateForm(s.actions)
	}
	return &built
}

// Cache keeps parsed statements by their text, bounded by bytes. It is safe for concurrent use.
// Texts with errors are not kept.
type Cache struct{ statements *expr.TextCache[*Statement] }

// NewCache returns a cache that keeps about maxBytes. With 0 it keeps nothing.
func NewCache(maxBytes int) *Cache { return &Cache{expr.NewTextCache[*Statement](maxBytes)} }

// Parse is Parse of a text that may have been seen before. text may be a view of the request.
func (c *Cache) Parse(text string) (*Statement, error) {
	if s, ok := c.statements.Get(0, text); ok {
		return s, nil
	}
	text = strings.Clone(text) // the Statement, which is kept, holds views of it
	s, err := Parse(text)
	if err == nil {
		c.statements.Put(0, text, s, s.size)
	}
	return s, err
}

// Bind puts the parameters in their places and makes the checks that need them: their number (a
// surplus is accepted, as DynamoDB does), the types of operands, the target paths of an UPDATE, how
// deep values are nested. Errors are *Error.
func (s *Statement) Bind(params []item.Value) (*Bound, error) {
	if len(params) < s.Parameters {
		return nil, &Error{"Number of parameters in request and statement don't match."}
	}
	b := &Bound{Statement: s}
	if err := b.bind(params); err != nil {
		return nil, &Error{err.Error()}
	}
	return b, nil
}

// bind fills b. Errors are *expr.Error or *item.Fault.
func (b *Bound) bind(params []item.Value) (err error) {
	values := make([]item.Value, len(b.values))
	for i := range b.values {
		if values[i], err = b.values[i].bindWhole(params); err != nil {
			return err
		}
	}
	if b.item != nil {
		if err := b.bindItem(params); err != nil {
			return err
		}
	}
	if b.update != nil {
		if b.Update, err = b.update.Bind(values); err != nil {
			return err
		}
	}
	if b.where != nil {
		b.Where, err = b.where.Bind(values)
	}
	return err
}

// bindItem makes the item of an INSERT.
func (b *Bound) bindItem(params []item.Value) error {
	entries := b.item.entries(params)
	for _, e := range entries {
		if f := item.NestingFault(e.Value, 0); f != nil {
			return f
		}
	}
	b.Item = item.New(entries)
	return nil
}

// Select yields the columns that the item has, with their names, in the order selected; for SELECT
// * all attributes.
func (s *Statement) Select(it item.Item) iter.Seq2[string, item.Value] {
	if s.All {
		return it.Attributes()
	}
	return func(yield func(string, item.Value) bool) {
		for i := range s.Columns {
			if v := s.Columns[i].path.Get(it); v.Exists() && !yield(s.Columns[i].Name, v) {
				return
			}
		}
	}
}

// AppendJSON appends the columns that the item has in DynamoDB's JSON: {"name":{"S":"…"},…}, or {}.
// It makes no item of them, whose attributes would be sorted.
func (s *Statement) AppendJSON(dst []byte, it item.Item) []byte {
	if s.All {
		return it.AppendJSON(dst)
	}
	dst = append(dst, '{')
	separator := ""
	for name, v := range s.Select(it) {
		dst = append(dst, separator...)
		dst = append(item.AppendQuoted(dst, name), ':')
		dst = v.AppendJSON(dst)
		separator = ","
	}
	return append(dst, '}')
}

// Attributes returns the top-level attributes that the columns lie in, in the order selected,
// distinct; nil for SELECT *.
func (s *Statement) Attributes() []string {
	var names []string
	for i := range s.Columns {
		if name := s.Columns[i].path[0].Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
