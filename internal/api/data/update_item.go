package data

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type updateItemRequest struct {
	singleWrite
	key     wire.OptItem
	updates params.LegacyUpdates // AttributeUpdates
	update  wire.OptString
	change  updateChange
}

var updateItemMembers = members[*updateItemRequest]{
	{Name: "TableName", Read: (*updateItemRequest).readTableName},
	{Name: "Key", Read: func(r *updateItemRequest, c *exec) error { return c.ReadItem(&r.key) }},
	{Name: "AttributeUpdates", Read: func(r *updateItemRequest, c *exec) error { return r.updates.Read(&c.Reader) }},
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

// UpdateItem answers UpdateItem; an item that does not exist is created.
func UpdateItem(c *call.Call) error { return run(c, (*exec).updateItem) }

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
	w := params.Wording{Wraps: true}
	if err := r.checkParams(c, w); err != nil {
		return nil, nil, err
	}
	if f := r.key.Faults.Earliest(); f != nil {
		return nil, nil, w.Fault(f)
	}
	if err := r.updates.Check(w); err != nil {
		return nil, nil, err
	}
	if err := r.checkExpected(w); err != nil {
		return nil, nil, err
	}
	return r.expressions(c, w)
}

// checkEnums checks the constraints of all members but the table's name. AWS reports only the first
// of the first three enums.
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
	r.updates.CheckEnums(&v.Violations)
	r.checkConditionEnums(&v)
	return v.Err()
}

func (r *updateItemRequest) checkParams(c *exec, w params.Wording) error {
	legacy := []params.Parameter{
		{Name: "AttributeUpdates", Set: r.updates.Set}, {Name: "Expected", Set: r.expected.Set},
	}
	expressions := []params.Parameter{
		{Name: "UpdateExpression", Set: r.update.Set}, {Name: "ConditionExpression", Set: r.condition.Set},
	}
	if err := w.CheckFamilies(legacy, expressions); err != nil {
		return err
	}
	return c.ph.Check(w, expressions, expressions)
}

// expressions parses the expressions, the update first, or builds the update from AttributeUpdates.
func (r *updateItemRequest) expressions(
	c *exec, w params.Wording,
) (update *expr.Update, condition *expr.Condition, err error) {
	switch {
	case r.update.Set:
		if update, err = c.DB.Expressions().Update(r.update.V, c.ph.Params); err != nil {
			return nil, nil, w.Expression(err)
		}
	case !r.updates.Empty():
		update = r.updates.Update()
	}
	if condition, err = r.conditionExpression(c, w); err != nil {
		return nil, nil, err
	}
	return update, condition, c.ph.CheckUnused()
}

// updateSize is the size that DynamoDB compares with the limit of 400 KB after an update: that of
// the item, or the sum of the update's costs and of the attributes beyond the key, if it is larger.
// The formula was found by measurements at the limit.
func updateSize(costs expr.Costs, new, key item.Item) int {
	s := new.Size()
	return max(s, s-key.Size()+3+19*costs.Sets+2*costs.Removes+costs.ListSets+50*costs.Arithmetic)
}
