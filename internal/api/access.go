package api

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/partita-db/partita/internal/api/wire"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/item"
)

// This file asks the policy of whoever made a request whether it may do what it wants to: which action on which resource, and
// what the request has for the condition keys. Each operation asks after it has checked its parameters and before it tells
// anything of what it found. (Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB";
// Developer Guide, "Using IAM policy conditions for fine-grained access control".)

// want is what a request wants to do to a table or an index, as far as policies can ask. It is made
// when all of it is known, and passed on as a value. The values of condition keys are made of it
// when a statement asks for them.
type want struct {
	action    string
	index     string // that is read; empty for the table itself
	enclosing string // the operation, of an action in a transaction

	sel, returns string // Select and ReturnValues; empty for actions that have no such parameter
	consumed     string // ReturnConsumedCapacity

	item       item.Item       // the key, or the item to be put
	items      []item.Item     // further ones
	conditions []expr.KeyPart  // key conditions
	statement  policyStatement // PartiQL; it is not fixed yet. nil: none
	scan       bool            // the keys of what it reads are not among what it says
	pages      bool            // it reads a table or an index from somewhere on

	condition  *expr.Condition // nil: none, as of the others
	expected   attributeNames  // of legacy conditions
	projection *expr.Projection
	update     *expr.Update
}

// policyStatement is a PartiQL statement, as far as policies can ask.
type policyStatement interface {
	attributeNames
	// hashValues are the values that the WHERE clause has for the hash attributes of a key, those of
	// each alternative together; nil if it says nothing of them.
	hashValues(keys []db.KeyElement) [][]item.Value
}

// attributeNames tells which attributes it names.
type attributeNames interface{ attributeNames() []string }

// question is a want with the table that it is about, while the policy is asked.
type question struct {
	want
	table *db.Table // nil: there is no such table
	names []string  // the values of Attributes, once they were asked for
}

// asks tells whether the policy of whoever made the request is asked. If it is not, a want needs not
// be made.
func (c *call) asks() bool { return c.principal != nil }

// tableFor returns the table that a checked TableName (or ARN) names, if it is ready for items, and
// if the request may do there what it wants. Who may not is told so whether there is such a table or
// not.
func (c *call) tableFor(name string, w want) (t *db.Table, err error) {
	var missing error
	if t, err = c.tableAmong(name, w, &missing); err == nil {
		err = missing
	}
	return t, err
}

// tableAmong is tableFor for a request that is about several tables: that there is no such one is
// noted in missing, to be told when all of them may be asked for.
func (c *call) tableAmong(name string, w want, missing *error) (*db.Table, error) {
	t, err := c.table(name)
	if err != nil && *missing == nil {
		*missing = err
	}
	if !c.asks() {
		return t, nil
	}
	return t, c.ask(name, t, w)
}

// ask asks whether the request may do what it wants to a table, by name (or ARN).
func (c *call) ask(name string, t *db.Table, w want) error {
	resource := c.tableARN(wire.BareTableName(name))
	if w.index != "" {
		resource += "/index/" + w.index
	}
	q := &question{want: w, table: t}
	return c.decide(&iam.Access{Action: w.action, Resource: resource, Values: q.values})
}

// askTable asks whether the request may do an action that concerns a table, by name (or ARN), as a whole.
func (c *call) askTable(action, name string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.tableARN(wire.BareTableName(name))})
}

// askStream asks whether the request may do an action on a stream.
func (c *call) askStream(action, table, label string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.tableARN(table) + "/stream/" + label})
}

// askAny asks whether the request may do an action that is on no resource.
func (c *call) askAny(action string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: "*"})
}

// decide asks the policy, and returns the error of a denial.
func (c *call) decide(a *iam.Access) error {
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
		return oneValue(q.sel)
	case iam.KeyReturnValues:
		return oneValue(q.returns)
	case iam.KeyReturnConsumedCapacity:
		return oneValue(cmp.Or(q.consumed, "NONE"))
	case iam.KeyEnclosingOperation:
		return oneValue(q.enclosing)
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
func (q *question) keys() []db.KeyElement {
	if q.table == nil {
		return nil
	}
	if q.index == "" {
		return q.table.Keys
	}
	if x := q.table.Index(q.index); x != nil {
		return x.Keys
	}
	return nil
}

// leadingKeys are the values of the partition key: of the items and keys, or of the key conditions. A key of several partition
// key attributes has the values of all of them.
func (q *question) leadingKeys() (texts []string) {
	keys := q.keys()
	if keys == nil || q.scan {
		return nil
	}
	var values []item.Value
	for _, k := range keys {
		if !k.Range {
			values = q.appendValues(values, k.Name)
		}
	}
	if q.statement != nil {
		for _, hash := range q.statement.hashValues(keys) {
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
	if q.item.Exists() {
		values = append(values, q.item.Get(attribute))
	}
	for _, it := range q.items {
		values = append(values, it.Get(attribute))
	}
	for i := range q.conditions {
		if q.conditions[i].Attribute == attribute {
			values = append(values, q.conditions[i].Values...)
		}
	}
	return values
}

// keyText is a key's value as policies have it: text as it is, a number in its shortest form, binary in base64.
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

// itemNames are the names of attributes in keys, items and key conditions, and in the key of what is read in pages: its order
// goes by them, a LastEvaluatedKey or a NextToken returns their values, and an ExclusiveStartKey compares with them. ("If you use
// dynamodb:Attributes, you must specify the names of all of the primary key and index key attributes": Developer Guide, "Using IAM
// policy conditions for fine-grained access control".)
func (q *question) itemNames() (names []string) {
	if q.pages && q.keys() != nil {
		names = q.table.ReadKeys(q.table.Index(q.index))
	}
	for _, it := range append([]item.Item{q.item}, q.items...) {
		for name := range it.Attributes() {
			names = append(names, name)
		}
	}
	for i := range q.conditions {
		names = append(names, q.conditions[i].Attribute)
	}
	return names
}

// expressionNames are the names of attributes in expressions, and in what they are written as otherwise.
func (q *question) expressionNames() (names []string) {
	if q.condition != nil {
		names = append(names, q.condition.Attributes()...)
	}
	if q.expected != nil {
		names = append(names, q.expected.attributeNames()...)
	}
	if q.projection != nil {
		names = append(names, q.projection.Attributes()...)
	}
	if q.update != nil {
		names = append(names, q.update.Attributes()...)
	}
	if q.statement != nil {
		names = append(names, q.statement.attributeNames()...)
	}
	return names
}

// fullTableScan tells of a SELECT whether it has no condition on the partition key that makes it more than a Scan: true or false.
func (q *question) fullTableScan() string {
	keys := q.keys()
	if q.statement == nil || q.action != actionSelect || keys == nil {
		return ""
	}
	return strconv.FormatBool(q.statement.hashValues(keys) == nil)
}

// actionSelect is the action of a SELECT.
const actionSelect = "PartiQLSelect"
