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

// This file asks the policy of the principal that signed a request whether it allows an action on a
// resource. Each operation asks after it has checked its parameters, since policies have conditions
// on their values, and before it reports anything about the table: without permission a client
// cannot find out whether a table or an item exists. (Service Authorization Reference, "Actions,
// resources, and condition keys for Amazon DynamoDB"; Developer Guide, "Using IAM policy conditions
// for fine-grained access control".)

// Want is what a request wants to do to a table or an index, as far as policies can ask. Handlers
// make it when everything in it is known, and pass it on as a value, so that no order of
// assignments decides what a policy sees. The values of condition keys are derived from it only
// when a statement of the policy asks for them.
//
// A new operation sets every member that it has a value for: a condition key that is missing here
// lets a policy's Deny pass.
type Want struct {
	Action    string
	Index     string // the index that is read; empty for the table itself
	Enclosing string // for an action in a transaction: the operation

	Select, ReturnValues string // in effect, defaults included; empty for actions without the parameter
	Consumed             string // ReturnConsumedCapacity; empty is NONE

	Item          item.Item   // the key, or the item to be put; missing: none
	Items         []item.Item // for batches: all keys and items
	KeyConditions []expr.KeyPart
	Statement     Statement // PartiQL, before its table is known; nil: none
	Scan          bool      // there is no dynamodb:LeadingKeys, although items are read
	Pages         bool      // it reads in pages, and so compares with and returns key attributes

	Condition  *expr.Condition // nil: none, as for the members below
	Expected   attributeNamer  // legacy conditions
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
	names []string  // dynamodb:Attributes, kept since several statements can ask for it
}

// Asks tells whether there is a policy to ask. Without one, batches spare themselves the Want of
// each table, which allocates.
func (c *Call) Asks() bool { return c.principal != nil }

// TableFor returns the table that a checked TableName (or ARN) names, if it is ready for items and
// the policy allows what the request wants there. A denial comes before ErrTableNotFound, so it
// does not depend on whether there is such a table.
func (c *Call) TableFor(name string, w Want) (t *db.Table, err error) {
	var missing error
	if t, err = c.TableAmong(name, w, &missing); err == nil {
		err = missing
	}
	return t, err
}

// TableAmong is TableFor for a request on several tables: if there is no such table it notes the
// error in missing, unless one is noted already, and returns nil without error. The caller returns
// missing after the policy has allowed all of the request's tables.
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

// ask asks for a want; t is nil if there is no table of the name.
func (c *Call) ask(name string, t *db.Table, w Want) error {
	resource := c.TableARN(wire.BareTableName(name))
	if w.Index != "" {
		resource += "/index/" + w.Index
	}
	q := &question{Want: w, table: t}
	return c.decide(&iam.Access{Action: w.Action, Resource: resource, Values: q.values})
}

// AskTable returns the error of a denied action on a table as a whole; name may be an ARN. It does
// not look whether there is such a table.
func (c *Call) AskTable(action, name string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.TableARN(wire.BareTableName(name))})
}

// AskStream is AskTable for the stream of a table with the label.
func (c *Call) AskStream(action, table, label string) error {
	if c.principal == nil {
		return nil
	}
	return c.decide(&iam.Access{Action: action, Resource: c.TableARN(table) + "/stream/" + label})
}

// AskAny is AskTable for an action that is on no resource, such as ListTables.
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
	message := "User: " + c.principal.ARN() + " is not authorized to perform: dynamodb:" + a.Action +
		" on resource: " + a.Resource
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
// If the partition key has several attributes, these are the values of all of them. Without a table
// they are not known, and a policy that requires them denies.
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

// attributes are the names of the top-level attributes anywhere in the request, sorted.
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

// expressionNames are the names of attributes in expressions, in their legacy forms and in
// statements.
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

// fullTableScan says whether a SELECT reads the whole table because it has no condition on the
// partition key: true or false; empty for other actions.
func (q *question) fullTableScan() string {
	keys := q.keys()
	if q.Statement == nil || q.Action != ActionSelect || keys == nil {
		return ""
	}
	return strconv.FormatBool(q.Statement.HashValues(keys) == nil)
}

// ActionSelect is the action of a SELECT.
const ActionSelect = "PartiQLSelect"
