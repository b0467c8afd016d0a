package api

import (
	"slices"
	"strconv"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/item"
)

// This file asks the policy of whoever made a request whether it may do what it wants to: which action on which resource, and
// what the request has for the condition keys. Each operation asks after it has checked its parameters and before it tells
// anything of what it found. (Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB";
// Developer Guide, "Using IAM policy conditions for fine-grained access control".)

// want is what a request wants to do to a table or index, as far as policies can ask. The values of condition keys are made of it
// when a statement asks for them.
type want struct {
	action    string
	index     string // that is read; empty for the table itself
	enclosing string // the operation, of an action in a transaction
	table     *db.Table

	sel, returns string // Select and ReturnValues; empty for actions that have no such parameter
	consumed     optString

	items     []item.Item    // keys, and items to be put
	parts     []expr.KeyPart // key conditions
	statement *statement     // PartiQL; it is not fixed yet
	scan      bool           // the keys of what it reads are not among what it says
	pages     bool           // it reads a table or an index from somewhere on

	conditions []*expr.Condition // nil ones count for nothing
	expected   *legacyConditions
	projection *expr.Projection
	update     *expr.Update

	names []string // the values of Attributes, once they were asked for
}

// wanting is a request, or the part of one that is about one table.
type wanting interface {
	// wants fills w, but for its table and consumed. It is called only if there is somebody to be asked about.
	wants(w *want)
}

// tableFor returns the table that a checked TableName (or ARN) names, if it is ready for items, and if the request may do there
// what it wants. Who may not is told so whether there is such a table or not. consumed is the request's ReturnConsumedCapacity.
func (c *call) tableFor(name string, r wanting, consumed optString) (t *db.Table, err error) {
	var missing error
	if t, err = c.tableAmong(name, r, consumed, &missing); err == nil {
		err = missing
	}
	return t, err
}

// tableAmong is tableFor for a request that is about several tables: that there is no such one is noted in missing, to be told
// when all of them may be asked for.
func (c *call) tableAmong(name string, r wanting, consumed optString, missing *error) (*db.Table, error) {
	t, err := c.table(name)
	if err != nil && *missing == nil {
		*missing = err
	}
	if c.principal == nil {
		return t, nil
	}
	return t, c.ask(name, want{table: t, consumed: consumed}, r)
}

// ask asks whether the request may do what it wants to a table, by name (or ARN). The want has what the request does not fill.
func (c *call) ask(name string, begun want, r wanting) error {
	w := &c.want
	*w = begun
	r.wants(w)
	resource := c.tableARN(bareTableName(name))
	if w.index != "" {
		resource += "/index/" + w.index
	}
	return c.decide(&iam.Access{Action: w.action, Resource: resource, Values: w.values})
}

// askTable asks whether the request may do an action that concerns a table, by name (or ARN), as a whole.
func (c *call) askTable(action, name string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.tableARN(bareTableName(name))})
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
	return (&Error{Code: "AccessDeniedException", Message: message}).fill()
}

// values returns the values of a condition key, and whether the request has it.
func (w *want) values(key string) (values []string, there bool) {
	switch key {
	case iam.KeyLeadingKeys:
		values = w.leadingKeys()
		return values, len(values) > 0
	case iam.KeyAttributes:
		values = w.attributes()
		return values, len(values) > 0
	case iam.KeySelect:
		return oneValue(w.sel)
	case iam.KeyReturnValues:
		return oneValue(w.returns)
	case iam.KeyReturnConsumedCapacity:
		return oneValue(orNone(w.consumed))
	case iam.KeyEnclosingOperation:
		return oneValue(w.enclosing)
	case iam.KeyFullTableScan:
		return oneValue(w.fullTableScan())
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
func (w *want) keys() []db.KeyElement {
	if w.table == nil {
		return nil
	}
	if w.index == "" {
		return w.table.Keys
	}
	if x := w.table.Index(w.index); x != nil {
		return x.Keys
	}
	return nil
}

// leadingKeys are the values of the partition key: of the items and keys, or of the key conditions. A key of several partition
// key attributes has the values of all of them.
func (w *want) leadingKeys() (texts []string) {
	keys := w.keys()
	if keys == nil || w.scan {
		return nil
	}
	var values []item.Value
	for _, k := range keys {
		if !k.Range {
			values = w.appendValues(values, k.Name)
		}
	}
	if w.statement != nil {
		for _, hash := range w.statement.keyUse(keys).Hash {
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
func (w *want) appendValues(values []item.Value, attribute string) []item.Value {
	for _, it := range w.items {
		values = append(values, it.Get(attribute))
	}
	for i := range w.parts {
		if w.parts[i].Attribute == attribute {
			values = append(values, w.parts[i].Values...)
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
func (w *want) attributes() []string {
	if w.names == nil {
		names := append(w.itemNames(), w.expressionNames()...)
		slices.Sort(names)
		w.names = slices.Compact(names)
	}
	return w.names
}

// itemNames are the names of attributes in keys, items and key conditions, and in the key of what is read in pages: its order
// goes by them, a LastEvaluatedKey or a NextToken returns their values, and an ExclusiveStartKey compares with them. ("If you use
// dynamodb:Attributes, you must specify the names of all of the primary key and index key attributes": Developer Guide, "Using IAM
// policy conditions for fine-grained access control".)
func (w *want) itemNames() (names []string) {
	if w.pages && w.keys() != nil {
		names = w.table.ReadKeys(w.table.Index(w.index))
	}
	for _, it := range w.items {
		for name := range it.Attributes() {
			names = append(names, name)
		}
	}
	for i := range w.parts {
		names = append(names, w.parts[i].Attribute)
	}
	return names
}

// expressionNames are the names of attributes in expressions, and in what they are written as otherwise.
func (w *want) expressionNames() (names []string) {
	for _, condition := range w.conditions {
		if condition != nil {
			names = append(names, condition.Attributes()...)
		}
	}
	if w.expected != nil {
		for i := range w.expected.list {
			names = append(names, w.expected.list[i].attribute)
		}
	}
	if w.projection != nil {
		names = append(names, w.projection.Attributes()...)
	}
	if w.update != nil {
		names = append(names, w.update.Attributes()...)
	}
	if w.statement != nil {
		names = append(names, w.statement.Statement.Attributes()...)
		for _, term := range w.statement.Order {
			names = append(names, term.Attribute)
		}
	}
	return names
}

// fullTableScan tells of a SELECT whether it has no condition on the partition key that makes it more than a Scan: true or false.
func (w *want) fullTableScan() string {
	keys := w.keys()
	if w.statement == nil || w.action != actionSelect || keys == nil {
		return ""
	}
	return strconv.FormatBool(w.statement.keyUse(keys).Hash == nil)
}

// orNone is the value of a parameter that is NONE if it is absent.
func orNone(o optString) string {
	if !o.Set {
		return "NONE"
	}
	return o.V
}

// returnedValues is the value of ReturnValues. An item that a failed condition would show counts as one that is returned: who must
// not read what is there shall not read it so.
func returnedValues(returns string, onFailure optString) string {
	if onFailure.V == "ALL_OLD" && returns != "ALL_NEW" {
		return "ALL_OLD"
	}
	return returns
}

// selected is the value of Select for a read of items by key, and of a SELECT.
func selected(some bool) string {
	if some {
		return "SPECIFIC_ATTRIBUTES"
	}
	return "ALL_ATTRIBUTES"
}
