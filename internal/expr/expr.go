// Package expr is DynamoDB's expression language: it lexes, parses and checks condition, filter, key condition, projection
// and update expressions, with DynamoDB's limits and messages, and runs them on encoded items. The legacy parameters
// (Expected, QueryFilter, AttributeUpdates, AttributesToGet, …) are built into the same forms.
//
// An expression is used in two steps. Parsing depends on the text alone, and its result is cached by it. Binding gives the
// placeholders their names and values, runs the checks that need them, and is done for each request. What comes out
// (Condition, KeyCondition, Projection, Update) belongs to one request and is not safe for concurrent use.
//
// The package knows nothing of tables: which attributes are keys is for its callers.
package expr

import "github.com/partita-db/partita/internal/item"

// Kind is the kind of an expression; its String is the parameter's name, as messages print it.
type Kind int

// The kinds of expressions.
const (
	KindCondition Kind = iota
	KindFilter
	KindKeyCondition
	KindProjection
	KindUpdate
)

// String returns the parameter's name: "ConditionExpression", "FilterExpression", …
func (k Kind) String() string { panic("unbuilt") }

// Error is a refused expression. Message is DynamoDB's whole text, "Invalid <Kind>: " included where DynamoDB has it.
type Error struct {
	Message string
	// Empty marks the error of an empty expression, which PutItem and UpdateItem word like any other operation.
	Empty bool
}

func (e *Error) Error() string { return e.Message }

// RuntimeError is an update that cannot be applied to the item it met. Message is DynamoDB's text.
type RuntimeError struct{ Message string }

func (e *RuntimeError) Error() string { return e.Message }

// Params are a request's ExpressionAttributeNames and ExpressionAttributeValues, in the order sent, keys with their # or :.
// Binding notes which were used. Reset before reuse.
type Params struct {
	Names  []Name
	Values []Value
	// (which were used, lookup for many)
}

// Name is one entry of ExpressionAttributeNames: #placeholder and attribute name.
type Name struct{ Key, Name string }

// Value is one entry of ExpressionAttributeValues: :placeholder and value.
type Value struct {
	Key   string
	Value item.Value
}

// Reset empties p for reuse.
func (p *Params) Reset() { panic("unbuilt") }

// CheckKeys reports malformed placeholders (reference validation.md §2.4 steps 5 and 7).
func (p *Params) CheckNames() error  { panic("unbuilt") }
func (p *Params) CheckValues() error { panic("unbuilt") }

// CheckUnused reports names, then values, that no expression bound so far has used: "Value provided in
// ExpressionAttributeNames unused in expressions: keys: {#a, #b}".
func (p *Params) CheckUnused() error { panic("unbuilt") }

// Cache keeps parsed expressions by kind and text, bounded by bytes. It is safe for concurrent use. Failures are not kept.
type Cache struct{}

// NewCache returns a cache that keeps about maxBytes.
func NewCache(maxBytes int) *Cache { panic("unbuilt") }

// Condition parses and binds a condition or filter expression. Errors are *Error.
func (c *Cache) Condition(kind Kind, text string, p *Params) (*Condition, error) { panic("unbuilt") }

// KeyCondition parses, binds and converts a key condition expression (reference expressions.md §4.5).
func (c *Cache) KeyCondition(text string, p *Params) (*KeyCondition, error) { panic("unbuilt") }

// Projection parses and binds a projection expression.
func (c *Cache) Projection(text string, p *Params) (*Projection, error) { panic("unbuilt") }

// Update parses and binds an update expression.
func (c *Cache) Update(text string, p *Params) (*Update, error) { panic("unbuilt") }

// Condition is a bound condition or filter.
type Condition struct{}

// Holds evaluates the condition on an item; a missing item has no attributes.
func (c *Condition) Holds(it item.Item) bool { panic("unbuilt") }

// Attributes returns the names of the top-level attributes that the condition mentions, in order of appearance, distinct.
func (c *Condition) Attributes() []string { panic("unbuilt") }

// Operator is a comparison of a key condition or of a legacy condition.
type Operator int

// The operators.
const (
	EQ Operator = iota
	NE
	LT
	LE
	GT
	GE
	BETWEEN
	BEGINS_WITH
	IN
	CONTAINS
	NOT_CONTAINS
	NULL
	NOT_NULL
)

// String returns the operator as the legacy parameters spell it: "EQ", "BEGINS_WITH", …
func (o Operator) String() string { panic("unbuilt") }

// ParseOperator reads a legacy ComparisonOperator.
func ParseOperator(s string) (Operator, bool) { panic("unbuilt") }

// KeyCondition is a bound key condition: one part for each key attribute named, in the order written.
type KeyCondition struct{ Parts []KeyPart }

// KeyPart is a condition on one key attribute. Values has two elements for BETWEEN, else one.
type KeyPart struct {
	Attribute string
	Operator  Operator // EQ LT LE GT GE BETWEEN BEGINS_WITH (legacy KeyConditions: any)
	Values    []item.Value
}

// Projection is a bound projection.
type Projection struct{}

// Apply returns the projected item: the named paths that it has, in their structure (expressions.md §4.6). For an item
// of which nothing is left it returns an item without attributes. scratch is reused for the result if it is large enough.
func (p *Projection) Apply(it item.Item) item.Item { panic("unbuilt") }

// Attributes returns the names of the top-level attributes of the paths, sorted, distinct.
func (p *Projection) Attributes() []string { panic("unbuilt") }

// NewProjection makes a projection of whole top-level attributes (AttributesToGet).
func NewProjection(names []string) *Projection { panic("unbuilt") }

// Update is a bound update expression, or legacy AttributeUpdates.
type Update struct{}

// Apply computes the updated item. old is the item before (possibly missing), which the right-hand sides read; base is what
// the actions change: old, or for a missing item the item that has only its key. Errors are *RuntimeError or
// *item.Fault (numbers).
func (u *Update) Apply(old, base item.Item) (item.Item, error) { panic("unbuilt") }

// Target is an attribute that an update changes. Nested tells that the path goes below the top-level attribute.
type Target struct {
	Attribute string
	Nested    bool
}

// Targets returns the targets of all actions, in order of appearance.
func (u *Update) Targets() []Target { panic("unbuilt") }

// UpdatedOld returns the parts of the old item that the update names, for ReturnValues UPDATED_OLD: a missing Item if
// there are none. UpdatedNew does so for the new item (UPDATED_NEW), without what REMOVE names.
func (u *Update) UpdatedOld(old item.Item) item.Item      { panic("unbuilt") }
func (u *Update) UpdatedNew(old, new item.Item) item.Item { panic("unbuilt") }

// Costs are the counts of actions by which DynamoDB's size gate for updates goes (types-and-sizes.md §3.6): SET and ADD
// actions, REMOVE and DELETE actions, actions that assign to a list index, and SET actions with + or -.
type Costs struct{ Sets, Removes, ListSets, Arithmetic int }

// Costs returns u's counts.
func (u *Update) Costs() Costs { panic("unbuilt") }

// OnlyDeletes tells whether u is a legacy update of DELETE actions alone, which does not create a missing item.
func (u *Update) OnlyDeletes() bool { panic("unbuilt") }

// LegacyCondition is one attribute's condition of Expected, QueryFilter or ScanFilter, already checked.
type LegacyCondition struct {
	Attribute string
	Operator  Operator
	Values    []item.Value
}

// NewLegacyCondition combines the conditions with AND, or with OR (expressions.md §4.9).
func NewLegacyCondition(conditions []LegacyCondition, or bool) *Condition { panic("unbuilt") }

// LegacyAction is the Action of an AttributeUpdates entry.
type LegacyAction int

// The actions.
const (
	PUT LegacyAction = iota
	ADD
	DELETE
)

// LegacyUpdate is one entry of AttributeUpdates, already checked. Value is missing for DELETE without one.
type LegacyUpdate struct {
	Attribute string
	Action    LegacyAction
	Value     item.Value
}

// NewLegacyUpdate makes an update of AttributeUpdates (expressions.md §4.10).
func NewLegacyUpdate(updates []LegacyUpdate) *Update { panic("unbuilt") }

// LegacyArguments says how many values op takes in the legacy parameters: at least min, at most max (-1: no limit).
func LegacyArguments(op Operator) (min, max int) { panic("unbuilt") }
