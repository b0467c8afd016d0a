package data

import (
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

type transactWriteRequest struct {
	set      bool
	elements []transactElement // at most one more than there may be
	consumed wire.OptString
	metrics  wire.OptString
	token    wire.OptString
}

// transactElement is a TransactWriteItem: it must be one action.
type transactElement struct{ actions []*transactAction }

// transactAction is a Put, Update, Delete or ConditionCheck.
type transactAction struct {
	kind      transactKind
	item      wire.OptItem // Item of a Put, Key of the others
	table     wire.OptString
	update    wire.OptString // UpdateExpression
	condition wire.OptString
	onFailure wire.OptString
	params    expr.Params
	ph        params.Placeholders

	write db.Action // what the action becomes, filled in by the checks
}

// transactKind is what an action does: its member's name in a TransactWriteItem, its part of paths
// in messages, and its Java name.
type transactKind struct{ member, path, shape string }

// The kinds of actions.
var (
	transactCheck  = transactKind{"ConditionCheck", "conditionCheck", "ConditionCheck"}
	transactPut    = transactKind{"Put", "put", "Put"}
	transactDelete = transactKind{"Delete", "delete", "Delete"}
	transactUpdate = transactKind{"Update", "update", "Update"}

	transactKinds = []transactKind{transactCheck, transactPut, transactDelete, transactUpdate}
)

var transactWriteMembers = members[*transactWriteRequest]{
	{Name: "TransactItems", Read: (*transactWriteRequest).readTransactItems},
	{Name: "ReturnConsumedCapacity", Read: func(r *transactWriteRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
	{Name: "ReturnItemCollectionMetrics", Read: func(r *transactWriteRequest, c *exec) error {
		return c.ReadString(&r.metrics)
	}},
	{Name: "ClientRequestToken", Read: func(r *transactWriteRequest, c *exec) error { return c.ReadString(&r.token) }},
}

func (r *transactWriteRequest) readTransactItems(c *exec) error {
	r.set, r.elements = true, nil
	return c.ReadList(func(int) error {
		var e transactElement
		err := c.ReadObject(wire.InElement, "TransactWriteItem", func(name string) error { return e.member(c, name) })
		if len(r.elements) <= maxTransactItems {
			r.elements = append(r.elements, e)
		}
		return err
	})
}

func (e *transactElement) member(c *exec, name string) error {
	for _, kind := range transactKinds {
		if name == kind.member {
			a := e.action(kind)
			return c.ReadObject(wire.InField, kind.shape, func(name string) error { return a.member(c, name) })
		}
	}
	return c.Skip()
}

// action returns a new action of the kind, which replaces one of the kind that was sent before.
func (e *transactElement) action(kind transactKind) *transactAction {
	a := &transactAction{kind: kind}
	a.ph.Params = &a.params
	for i := range e.actions {
		if e.actions[i].kind == kind {
			e.actions[i] = a
			return a
		}
	}
	e.actions = append(e.actions, a)
	return a
}

func (a *transactAction) member(c *exec, name string) error {
	switch {
	case name == a.itemMember():
		return c.ReadItem(&a.item)
	case name == "UpdateExpression" && a.kind == transactUpdate:
		return c.ReadString(&a.update)
	}
	switch name {
	case "TableName":
		return c.ReadString(&a.table)
	case "ConditionExpression":
		return c.ReadString(&a.condition)
	case "ExpressionAttributeNames":
		return a.ph.ReadNames(&c.Reader)
	case "ExpressionAttributeValues":
		return a.ph.ReadValues(&c.Reader)
	case "ReturnValuesOnConditionCheckFailure":
		return c.ReadString(&a.onFailure)
	}
	return c.Skip()
}

// itemMember is the name of the member that a.item is.
func (a *transactAction) itemMember() string {
	if a.kind == transactPut {
		return "Item"
	}
	return "Key"
}

// TransactWriteItems runs up to 100 actions on distinct items as one transaction. Errors of items
// cancel the transaction, which is an error with a Reason for each action.
func TransactWriteItems(c *call.Call) error { return run(c, (*exec).transactWriteItems) }

func (c *exec) transactWriteItems() error {
	r := new(transactWriteRequest)
	if err := wire.Decode(&c.Reader, r, c, transactWriteMembers); err != nil {
		return err
	}
	actions, err := r.check(c)
	if err != nil {
		return err
	}
	if err := c.openActions(actions, r.consumed); err != nil {
		return err
	}
	feed := func(f *fingerprint) { r.feed(f, actions) }
	t := &db.Transaction{Token: token(schema.TokenTransactWriteItems, r.token, feed)}
	t.Actions = make([]db.Action, 0, len(actions))
	for _, a := range actions {
		t.Actions = append(t.Actions, a.write)
	}
	done, err := c.transact(t)
	if err != nil {
		return err
	}
	return r.answer(c, actions, t, done)
}

// check makes the checks that need no table, in DynamoDB's order, and returns the actions.
func (r *transactWriteRequest) check(c *exec) ([]*transactAction, error) {
	if err := r.checkConstraints(); err != nil {
		return nil, err
	}
	actions := make([]*transactAction, 0, len(r.elements))
	for i := range r.elements {
		if len(r.elements[i].actions) != 1 {
			return nil, wire.Validation("TransactItems can only contain one of Check, Put, Update or Delete")
		}
		actions = append(actions, r.elements[i].actions[0])
	}
	var v violations
	for i, a := range actions {
		a.checkConstraints(&v, "transactItems."+strconv.Itoa(i+1)+".member."+a.kind.path+".")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	for _, a := range actions {
		if err := a.check(c); err != nil {
			return nil, err
		}
	}
	return actions, nil
}

// checkConstraints checks the constraints of the request's own members.
func (r *transactWriteRequest) checkConstraints() error {
	var v violations
	switch n := len(r.elements); {
	case !r.set:
		v.Null("transactItems")
	case n == 0 || n > maxTransactItems:
		v.Length(n, r.dump(), "transactItems", 1, maxTransactItems)
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.Enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	v.clientToken(r.token)
	return v.Err()
}

// dump prints TransactItems as messages do: as Java prints objects, cut off at maxDumpBytes.
func (r *transactWriteRequest) dump() string {
	b := []byte{'['}
	for i := range r.elements {
		if i > 0 {
			b = append(b, ", "...)
		}
		if len(b) > maxDumpBytes {
			return string(append(b, "...]"...))
		}
		b = append(b, "TransactWriteItem("...)
		for j, a := range r.elements[i].actions {
			if j > 0 {
				b = append(b, ", "...)
			}
			b = a.appendDump(b)
		}
		b = append(b, ')')
	}
	return string(append(b, ']'))
}

// appendDump appends the action to a dump: its item or key, and its table.
func (a *transactAction) appendDump(b []byte) []byte {
	b = append(append(b, a.kind.path...), '=')
	b = append(append(b, a.kind.shape...), '(')
	if a.kind == transactPut {
		b = append(b, "item="...)
	} else {
		b = append(b, "key="...)
	}
	b = append(append(b, dumpItem(a.item.V)...), ", tableName="...)
	return append(append(b, a.table.V...), ')')
}

// checkConstraints checks the constraints of an action's members, whose paths begin with path.
func (a *transactAction) checkConstraints(v *violations, path string) {
	if !a.item.Set {
		if a.kind == transactPut {
			v.Null(path + "item")
		} else {
			v.Null(path + "key")
		}
	}
	if a.kind == transactUpdate && !a.update.Set {
		v.Null(path + "updateExpression")
	}
	if a.kind == transactCheck && !a.condition.Set {
		v.Null(path + "conditionExpression")
	}
	v.TableNameAt(a.table, path+"tableName", 1)
	v.Enum(a.onFailure, path+"returnValuesOnConditionCheckFailure", enumOnFailure)
}

// check checks the expressions and values of an action, and makes its condition and change, except
// for the table.
func (a *transactAction) check(c *exec) error {
	expressions := []params.Parameter{{Name: "ConditionExpression", Set: a.condition.Set}}
	if a.kind == transactUpdate {
		expressions = []params.Parameter{
			{Name: "UpdateExpression", Set: true}, {Name: "ConditionExpression", Set: a.condition.Set},
		}
	}
	if err := a.ph.Check(params.Wording{}, expressions, expressions); err != nil {
		return err
	}
	if err := a.checkExpressions(c); err != nil {
		return err
	}
	if f := a.item.Faults.Earliest(); f != nil {
		return wire.Validation(f.Message)
	}
	a.write.Key = a.item.V
	a.write.KeepFailed = a.onFailure.V == "ALL_OLD"
	switch a.kind {
	case transactPut:
		a.write.Change = db.Put{Item: a.item.V}
	case transactDelete:
		a.write.Change = db.Delete{}
	}
	return nil
}

// checkExpressions parses the expressions, the update first.
func (a *transactAction) checkExpressions(c *exec) (err error) {
	if a.kind == transactUpdate {
		update, err := c.DB.Expressions().Update(a.update.V, &a.params)
		if err != nil {
			return params.Wording{}.Expression(err)
		}
		a.write.Change = &updateChange{update: update, key: a.item.V}
	}
	if a.condition.Set {
		a.write.Condition, err = c.DB.Expressions().Condition(expr.KindCondition, a.condition.V, &a.params)
		if err != nil {
			return params.Wording{}.Expression(err)
		}
	}
	return a.ph.CheckUnused()
}

// openActions finds the tables of all actions and makes the checks that follow, in DynamoDB's
// order: repeated items and sizes come before a missing table. Some errors of one action fail the
// call; the others are left in its write.Err, as reasons to cancel the transaction.
func (c *exec) openActions(actions []*transactAction, consumed wire.OptString) (err error) {
	var missing error
	for _, a := range actions {
		if a.write.Table, err = c.TableAmong(a.table.V, a.want(consumed), &missing); err != nil {
			return err
		}
	}
	for i, a := range actions {
		if a.repeats(actions[:i]) {
			return errSameItem
		}
	}
	if err := checkSizes(actions); err != nil {
		return err
	}
	if missing != nil {
		return missing
	}
	for _, a := range actions {
		if err := a.checkKeys(); err != nil {
			return err
		}
	}
	return nil
}

// checkSizes checks the size of each item to be put, and of all items and keys together.
func checkSizes(actions []*transactAction) error {
	bytes := 0
	for _, a := range actions {
		if a.kind == transactPut && a.item.V.Size() > maxItemBytes {
			return wire.Validation("Item size has exceeded the maximum allowed size")
		}
		bytes += a.item.V.Size()
	}
	if bytes > db.MaxTransactionBytes {
		return call.ErrTransactionTooLarge
	}
	return nil
}

// repeats tells whether one of the others is on the same item. Keys are canonical: the numbers 1
// and 1.0 are one key. Without a table it is not known which attributes of a put's item are its
// key; then only equal items, or keys, count as the same.
func (a *transactAction) repeats(others []*transactAction) bool {
	t := a.write.Table
	for _, o := range others { // at most 99
		switch {
		case !sameTable(o.write.Table, t):
		case t != nil && hasKey(t, a.item.V) && sameKey(t, a.item.V, o.item.V):
			return true
		case t == nil && wire.BareTableName(o.table.V) == wire.BareTableName(a.table.V) &&
			item.SameAttributes(o.item.V, a.item.V):
			return true
		}
	}
	return false
}

// hasKey tells whether an item has all key attributes of the table, of whatever type.
func hasKey(t *db.Table, it item.Item) bool {
	for _, k := range t.Keys {
		if !it.Get(k.Name).Exists() {
			return false
		}
	}
	return true
}

// checkKeys checks the item or key against the schema, then paths into keys. Errors are left in
// a.write.Err; only an empty value of the table's own key fails the call.
func (a *transactAction) checkKeys() error {
	t := a.write.Table
	var err error
	words := keyOnly
	if a.kind == transactPut {
		words = keyInPut
		err = t.CheckItem(a.item.V)
	} else {
		err = t.CheckKey(a.item.V)
	}
	if err != nil {
		a.write.Err = words.word(t, err)
		if e, ok := err.(*schema.KeyError); ok && e.Problem == schema.KeyEmpty && e.Index == "" {
			return a.write.Err
		}
		return nil
	}
	if u, ok := a.write.Change.(*updateChange); ok {
		u.table = t
		a.write.Err = checkTargets(t, u.update)
	}
	if a.write.Err == nil {
		a.write.Err = checkNested(t, a.write.Condition.Nested())
	}
	return nil
}

func (r *transactWriteRequest) feed(f *fingerprint, actions []*transactAction) {
	f.count(len(actions))
	for _, a := range actions {
		f.text(a.kind.member)
		f.item(a.item.V)
		f.text(wire.BareTableName(a.table.V))
		f.option(a.update)
		f.option(a.condition)
		f.params(&a.params)
		f.option(a.onFailure)
	}
	f.option(r.metrics)
}

func (r *transactWriteRequest) answer(c *exec, actions []*transactAction, t *db.Transaction, done db.Transacted) error {
	c.BeginObject()
	if c.countsConsumed(r.consumed) {
		c.transactWriteConsumed(r.consumed, t, done)
	}
	if r.metrics.V == "SIZE" {
		var cs collections
		for _, a := range actions {
			if a.kind != transactCheck {
				cs.add(a.table.V, a.write.Table, a.item.V)
			}
		}
		if err := c.collectionsList(cs); err != nil {
			return err
		}
	}
	c.EndObject()
	return nil
}

// transactActions are the actions of policies.
var transactActions = map[transactKind]string{
	transactCheck: "ConditionCheckItem", transactPut: "PutItem",
	transactDelete: "DeleteItem", transactUpdate: "UpdateItem",
}

// want is what one action wants.
func (a *transactAction) want(consumed wire.OptString) call.Want {
	w := call.Want{
		Action: transactActions[a.kind], Enclosing: "TransactWriteItems", Item: a.item.V, Condition: a.write.Condition,
		ReturnValues: returnedValues("NONE", a.onFailure), Consumed: consumed.V,
	}
	if u, ok := a.write.Change.(*updateChange); ok {
		w.Update = u.update
	}
	return w
}
