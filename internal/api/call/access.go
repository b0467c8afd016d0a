package call

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// This file asks the policy of whoever made a request whether it may do what it wants to: which
// action on which resource, and what the request has for the condition keys. Each operation asks
// after it has checked its parameters and before it tells anything of what it found. (Service
// Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB"; Developer
// Guide, "Using IAM policy conditions for fine-grained access control".)

// Want is what a request wants to do to a table or an index, as far as policies can ask. It is made
// when all of it is known, and passed on as a value. The values of condition keys are made of it
// when a statement asks for them.
type Want struct {
	Action    string
	Index     string // that is read; empty for the table itself
	Enclosing string // the operation, of an action in a transaction

	Select, ReturnValues string // Select and ReturnValues; empty for actions that have no such parameter
	Consumed             string // ReturnConsumedCapacity

	Item          item.Item      // the key, or the item to be put
	Items         []item.Item    // further ones
	KeyConditions []expr.KeyPart // key conditions
	Statement     Statement      // PartiQL; it is not fixed yet. nil: none
	Scan          bool           // the keys of what it reads are not among what it says
	Pages         bool           // it reads a table or an index from somewhere on

	Condition  *expr.Condition // nil: none, as of the others
	Expected   attributeNamer  // of legacy conditions
	Projection *expr.Projection
	Update     *expr.Update
}

// Statement is a PartiQL statement, as far as policies can ask.
type Statement interface {
	attributeNamer
	// HashValues are the values that the WHERE clause has for the hash attributes of a key, those
	// of each alternative together; nil if it says nothing of them.
	HashValues(keys []schema.KeyElement) [][]item.Value
}

// attributeNamer tells which attributes it names.
type attributeNamer interface{ AttributeNames() []string }

// question is a want with the table that it is about, while the policy is asked.
type question struct {
	Want
	table *db.Table // nil: there is no such table
	names []string  // the values of Attributes, once they were asked for
}

// Asks tells whether the policy of whoever made the request is asked. If it is not, a want needs
// not be made.
func (c *Call) Asks() bool { return c.principal != nil }

// TableFor returns the table that a checked TableName (or ARN) names, if it is ready for items, and
// if the request may do there what it wants. Who may not is told so whether there is such a table
// or not.
func (c *Call) TableFor(name string, w Want) (t *db.Table, err error) {
	var missing error
	if t, err = c.TableAmong(name, w, &missing); err == nil {
		err = missing
	}
	return t, err
}

// TableAmong is TableFor for a request that is about several tables: that there is no such one is
// noted in missing, to be told when all of them may be asked for.
func (c *Call) TableAmong(name string, w Want, missing *error) (*db.Table, error) {
	t, err := c.ItemTable(name)
	if err != nil && *missing == nil {
		*missing = err
	}
	if !c.Asks() {
		return t, nil
	}
	return t, c.ask(name, t, w)
}

// ask asks whether the request may do what it wants to a table, by name (or ARN).
func (c *Call) ask(name string, t *db.Table, w Want) error {
	resource := c.TableARN(wire.BareTableName(name))
	if w.Index != "" {
		resource += "/index/" + w.Index
	}
	q := &question{Want: w, table: t}
	return c.decide(&iam.Access{Action: w.Action, Resource: resource, Values: q.values})
}

// AskTable asks whether the request may do an action that concerns a table, by name (or ARN), as a
// whole.
func (c *Call) AskTable(action, name string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.TableARN(wire.BareTableName(name))})
}

// AskStream asks whether the request may do an action on a stream.
func (c *Call) AskStream(action, table, label string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.TableARN(table) + "/stream/" + label})
}

// AskAny asks whether the request may do an action that is on no resource.
func (c *Call) AskAny(action string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: "*"})
}

// decide asks the policy, and returns the error of a denial.
func (c *Call) decide(a *iam.Access) error {
	decision := c.principal.Decide(a)
	if decision == iam.Allowed {
		return nil
	}
	message := "User: " + c.principal.ARN() + " is not authorized to perform: dynamodb:" + a.Action + " on resource: " + a.Resource
	if decision == iam.DeniedExplicitly {
		message += " with an explicit deny in an identity-based policy"
	} else {
		message += " because no identity-based policy allows the dynamodb:" + a.Action + " action"
	}
	return wire.NewError("AccessDeniedException", message)
}

// values returns the values of a condition key, and whether the request has it.
func (q *question) values(key string) (values []string, there bool) {
	switch key {
	case iam.KeyLeadingKeys:
		values = q.leadingKeys()
		return values, len(values) > 0
	case iam.KeyAttributes:
		values = q.attributes()
		return values, len(values) > 0
	case iam.KeySelect:
		return oneValue(q.Select)
	case iam.KeyReturnValues:
		return oneValue(q.ReturnValues)
	case iam.KeyReturnConsumedCapacity:
		return oneValue(cmp.Or(q.Consumed, "NONE"))
	case iam.KeyEnclosingOperation:
		return oneValue(q.Enclosing)
	case iam.KeyFullTableScan:
		return oneValue(q.fullTableScan())
	}
	return nil, false
}

// oneValue is the value of a key that is not there if it is empty.
func oneValue(s string) ([]string, bool) {
	if s == "" {
		return nil, false
	}
	return []string{s}, true
}

// keys is the key schema of what is read or written; nil if there is no such table or index.
func (q *question) keys() []schema.KeyElement {
	if q.table == nil {
		return nil
	}
	if q.Index == "" {
		return q.table.Keys
	}
	if x := q.table.Index(q.Index); x != nil {
		return x.Keys
	}
	return nil
}

// leadingKeys are the values of the partition key: of the items and keys, or of the key conditions.
// A key of several partition key attributes has the values of all of them.
func (q *question) leadingKeys() (texts []string) {
	keys := q.keys()
	if keys == nil || q.Scan {
		return nil
	}
	var values []item.Value
	for _, k := range keys {
		if !k.Range {
			values = q.appendValues(values, k.Name)
		}
	}
	if q.Statement != nil {
		for _, hash := range q.Statement.HashValues(keys) {
			values = append(values, hash...)
		}
	}
	for _, v := range values {
		if v.Exists() {
			texts = append(texts, keyText(v))
		}
	}
	return texts
}

// appendValues appends the values that items and key conditions have for an attribute.
func (q *question) appendValues(values []item.Value, attribute string) []item.Value {
	if q.Item.Exists() {
		values = append(values, q.Item.Get(attribute))
	}
	for _, it := range q.Items {
		values = append(values, it.Get(attribute))
	}
	for i := range q.KeyConditions {
		if q.KeyConditions[i].Attribute == attribute {
			values = append(values, q.KeyConditions[i].Values...)
		}
	}
	return values
}

// keyText is a key's value as policies have it: text as it is, a number in its shortest form,
// binary in base64.
func keyText(v item.Value) string {
	text := v.AppendText(nil) // {S:text}
	switch v.Type() {
	case item.S, item.N, item.B:
		text = text[len("{S:") : len(text)-len("}")]
	}
	return string(text)
}

// attributes are the names of the top-level attributes that the request names, wherever in it.
func (q *question) attributes() []string {
	if q.names == nil {
		names := append(q.itemNames(), q.expressionNames()...)
		slices.Sort(names)
		q.names = slices.Compact(names)
	}
	return q.names
}

// itemNames are the names of attributes in keys, items and key conditions, and in the key of what
// is read in pages: its order goes by them, a LastEvaluatedKey or a NextToken returns their values,
// and an ExclusiveStartKey compares with them. ("If you use dynamodb:Attributes, you must specify
// the names of all of the primary key and index key attributes": Developer Guide, "Using IAM policy
// conditions for fine-grained access control".)
func (q *question) itemNames() (names []string) {
	if q.Pages && q.keys() != nil {
		names = q.table.ReadKeys(q.table.Index(q.Index))
	}
	for _, it := range append([]item.Item{q.Item}, q.Items...) {
		for name := range it.Attributes() {
			names = append(names, name)
		}
	}
	for i := range q.KeyConditions {
		names = append(names, q.KeyConditions[i].Attribute)
	}
	return names
}

// expressionNames are the names of attributes in expressions, and in what they are written as
// otherwise.
func (q *question) expressionNames() (names []string) {
	if q.Condition != nil {
		names = append(names, q.Condition.Attributes()...)
	}
	if q.Expected != nil {
		names = append(names, q.Expected.AttributeNames()...)
	}
	if q.Projection != nil {
		names = append(names, q.Projection.Attributes()...)
	}
	if q.Update != nil {
		names = append(names, q.Update.Attributes()...)
	}
	if q.Statement != nil {
		names = append(names, q.Statement.AttributeNames()...)
	}
	return names
}

// fullTableScan tells of a SELECT whether it has no condition on the partition key that makes it
// more than a Scan: true or false.
func (q *question) fullTableScan() string {
	keys := q.keys()
	if q.Statement == nil || q.Action != ActionSelect || keys == nil {
		return ""
	}
	return strconv.FormatBool(q.Statement.HashValues(keys) == nil)
}

// ActionSelect is the action of a SELECT.
const ActionSelect = "PartiQLSelect"
