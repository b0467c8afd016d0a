package data

import (
	"errors"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// updateItemRequest is the request of UpdateItem.
type updateItemRequest struct {
	singleWrite
	key     wire.OptItem
	updates legacyUpdates // AttributeUpdates
	update  wire.OptString
	change  updateChange
}

// updateItemMembers are UpdateItem's members, in the order of the service model.
var updateItemMembers = members[*updateItemRequest]{
	{Name: "TableName", Read: (*updateItemRequest).readTableName},
	{Name: "Key", Read: func(r *updateItemRequest, c *exec) error { return c.ReadItem(&r.key) }},
	{Name: "AttributeUpdates", Read: func(r *updateItemRequest, c *exec) error { return r.updates.decode(c) }},
	{Name: "Expected", Read: (*updateItemRequest).readExpected},
	{Name: "ConditionalOperator", Read: (*updateItemRequest).readConditionalOperator},
	{Name: "ReturnValues", Read: (*updateItemRequest).readReturnValues},
	{Name: "ReturnConsumedCapacity", Read: (*updateItemRequest).readReturnConsumedCapacity},
	{Name: "ReturnItemCollectionMetrics", Read: (*updateItemRequest).readReturnItemCollectionMetrics},
	{Name: "UpdateExpression", Read: func(r *updateItemRequest, c *exec) error { return c.ReadString(&r.update) }},
	{Name: "ConditionExpression", Read: (*updateItemRequest).readConditionExpression},
	{Name: "ExpressionAttributeNames", Read: (*updateItemRequest).readExpressionAttributeNames},
	{Name: "ExpressionAttributeValues", Read: (*updateItemRequest).readExpressionAttributeValues},
	{Name: "ReturnValuesOnConditionCheckFailure", Read: (*updateItemRequest).readReturnValuesOnConditionCheckFailure},
}

// UpdateItem answers the operation of that name.
func UpdateItem(c *call.Call) error { return run(c, (*exec).updateItem) }

// updateItem answers UpdateItem.
func (c *exec) updateItem() error {
	r := &c.hot.update
	*r = updateItemRequest{}
	if err := wire.Decode(&c.Reader, r, c, updateItemMembers); err != nil {
		return err
	}
	update, condition, err := r.check(c)
	if err != nil {
		return err
	}
	w := r.want("UpdateItem", r.key.V, condition)
	w.Update = update
	t, err := c.TableFor(r.table.V, w)
	if err != nil {
		return err
	}
	if err := checkKey(t, r.key.V); err != nil {
		return err
	}
	if update != nil {
		if err := checkTargets(t, update); err != nil {
			return err
		}
	}
	r.change = updateChange{table: t, update: update, key: r.key.V}
	returns := r.returnValues.V
	r.write = db.Write{
		Table: t, Key: r.key.V, Condition: condition, Change: &r.change,
		KeepOld: returns == "ALL_OLD" || returns == "UPDATED_OLD" || returns == "UPDATED_NEW",
	}
	done, err := r.run(c, keyOfNew)
	if err != nil {
		return err
	}
	return r.answer(c, updated(returns, update, done), done.Units)
}

// check makes the checks that need no table, in DynamoDB's order, and returns the update (nil if
// nothing is to be changed) and the parsed ConditionExpression.
func (r *updateItemRequest) check(c *exec) (*expr.Update, *expr.Condition, error) {
	if err := r.checkTable(); err != nil {
		return nil, nil, err
	}
	if err := r.checkEnums(); err != nil {
		return nil, nil, err
	}
	w := words{wraps: true}
	if err := r.checkParams(c, w); err != nil {
		return nil, nil, err
	}
	if f := r.key.Faults.Earliest(); f != nil {
		return nil, nil, w.fault(f)
	}
	if err := r.updates.check(w); err != nil {
		return nil, nil, err
	}
	if err := r.checkExpected(w); err != nil {
		return nil, nil, err
	}
	return r.expressions(c, w)
}

// checkEnums checks the constraints of all members but the table's name. Of the first three enums only one is reported.
func (r *updateItemRequest) checkEnums() error {
	var v violations
	if !r.key.Set {
		v.Null("key")
	}
	n := v.Count()
	v.Enum(r.returnValues, "returnValues", enumReturnValues)
	if v.Count() == n {
		v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	}
	if v.Count() == n {
		v.Enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	}
	r.updates.checkEnums(&v)
	r.checkConditionEnums(&v)
	return v.Err()
}

// checkParams checks the parameters against each other.
func (r *updateItemRequest) checkParams(c *exec, w words) error {
	legacy := []usage{{"AttributeUpdates", r.updates.set}, {"Expected", r.expected.set}}
	expressions := []usage{{"UpdateExpression", r.update.Set}, {"ConditionExpression", r.condition.Set}}
	if err := w.checkFamilies(legacy, expressions); err != nil {
		return err
	}
	return c.ph.check(w, expressions, expressions)
}

// expressions parses the expressions, the update first, or builds the update from AttributeUpdates.
func (r *updateItemRequest) expressions(c *exec, w words) (update *expr.Update, condition *expr.Condition, err error) {
	switch {
	case r.update.Set:
		if update, err = c.DB.Expressions().Update(r.update.V, c.ph.params); err != nil {
			return nil, nil, w.expression(err)
		}
	case len(r.updates.list) > 0:
		update = r.updates.update()
	}
	if condition, err = r.conditionExpression(c, w); err != nil {
		return nil, nil, err
	}
	return update, condition, c.ph.checkUnused()
}

// checkTargets checks that an update leaves the table's key attributes alone, and does not look into keys.
func checkTargets(t *db.Table, u *expr.Update) error {
	for target := range u.Targets() {
		if t.IsKey(target.Attribute) && !target.Nested {
			return wire.Validation(wire.Invalid + "Cannot update attribute " + target.Attribute + ". This attribute is part of the key")
		}
	}
	return checkNested(t, u.Nested())
}

// updateChange is the db.Change of UpdateItem.
type updateChange struct {
	table  *db.Table
	update *expr.Update // nil: nothing is changed, but a missing item is made
	key    item.Item
	flat   bool // the new item's own size counts alone, as in transactions and statements
}

// Apply computes the updated item and checks what only it can show: the types of index keys, and the size.
func (u *updateChange) Apply(old item.Item) (item.Item, error) {
	base := old
	if !old.Exists() {
		if u.update != nil && u.update.OnlyDeletes() {
			return item.Item{}, nil
		}
		base = u.key
	}
	if u.update == nil {
		return base, nil
	}
	new, err := u.update.Apply(old, base)
	if err != nil {
		return item.Item{}, err
	}
	if err := u.table.CheckIndexKeys(new); err != nil {
		return item.Item{}, u.wordIndexKey(err)
	}
	size := new.Size()
	if !u.flat {
		size = updateSize(u.update.Costs(), new, u.key)
	}
	if size > maxItemBytes {
		return item.Item{}, wire.Validation("Item size to update has exceeded the maximum allowed size")
	}
	return new, nil
}

// Forget implements what package db asks of a Change that keeps what it has made.
func (u *updateChange) Forget() {
	if u.update != nil {
		u.update.Forget()
	}
}

// wordIndexKey words an index key of a wrong type that the request has not given itself: it comes from elsewhere in the item,
// or was there before the index was. (AWS's answer for the latter: question 58032718 of stackoverflow.com; its guide says
// that writes of such items are refused.)
func (u *updateChange) wordIndexKey(err error) error {
	var e *db.KeyError
	if errors.As(err, &e) && e.Problem == db.KeyType && !u.update.Assigns(e.Attribute) {
		return wire.Validation("The update expression attempted to update the secondary index key to unsupported type")
	}
	return err
}

// updateSize is the size by which DynamoDB judges an updated item: its own, or the sum of what the update costs and the
// attributes beyond the key, whichever is larger (measured at the 400 KB gate).
func updateSize(costs expr.Costs, new, key item.Item) int {
	s := new.Size()
	return max(s, s-key.Size()+3+19*costs.Sets+2*costs.Removes+costs.ListSets+50*costs.Arithmetic)
}

// updated returns what ReturnValues asks for, a missing item if there is nothing to return.
func updated(returns string, u *expr.Update, done db.Written) item.Item {
	switch returns {
	case "ALL_OLD":
		return done.Old
	case "ALL_NEW":
		return done.New
	case "UPDATED_OLD":
		if u != nil && done.Old.Exists() {
			return u.UpdatedOld(done.Old)
		}
	case "UPDATED_NEW":
		if u != nil && done.New.Exists() {
			return u.UpdatedNew(done.Old, done.New)
		}
	}
	return item.Item{}
}
