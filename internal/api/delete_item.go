package api

import (
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
)

// deleteItemRequest is the request of DeleteItem.
type deleteItemRequest struct {
	singleWrite
	key optItem
}

// deleteItemMembers are DeleteItem's members, in the order of the service model.
var deleteItemMembers = members[*deleteItemRequest]{
	{"TableName", (*deleteItemRequest).readTableName},
	{"Key", func(r *deleteItemRequest, c *exec) error { return c.readItem(&r.key) }},
	{"Expected", (*deleteItemRequest).readExpected},
	{"ConditionalOperator", (*deleteItemRequest).readConditionalOperator},
	{"ReturnValues", (*deleteItemRequest).readReturnValues},
	{"ReturnConsumedCapacity", (*deleteItemRequest).readReturnConsumedCapacity},
	{"ReturnItemCollectionMetrics", (*deleteItemRequest).readReturnItemCollectionMetrics},
	{"ConditionExpression", (*deleteItemRequest).readConditionExpression},
	{"ExpressionAttributeNames", (*deleteItemRequest).readExpressionAttributeNames},
	{"ExpressionAttributeValues", (*deleteItemRequest).readExpressionAttributeValues},
	{"ReturnValuesOnConditionCheckFailure", (*deleteItemRequest).readReturnValuesOnConditionCheckFailure},
}

// DeleteItem answers the operation of that name.
func DeleteItem(c *call) error { return run(c, (*exec).deleteItem) }

// deleteItem answers DeleteItem.
func (c *exec) deleteItem() error {
	r := &c.hot.delete
	*r = deleteItemRequest{}
	if err := decode(&c.reader, r, c, deleteItemMembers); err != nil {
		return err
	}
	condition, err := r.check(c)
	if err != nil {
		return err
	}
	t, err := c.tableFor(r.table.V, r.want("DeleteItem", r.key.V, condition))
	if err != nil {
		return err
	}
	if err := checkKey(t, r.key.V); err != nil {
		return err
	}
	r.write = db.Write{
		Table: t, Key: r.key.V, Condition: condition, Change: db.Delete{}, KeepOld: r.returnValues.V == "ALL_OLD",
	}
	done, err := r.run(c, keyOnly)
	if err != nil {
		return err
	}
	return r.answer(c, done.Old, done.Units)
}

// check makes the checks that need no table, in DynamoDB's order, and returns the parsed
// ConditionExpression.
func (r *deleteItemRequest) check(c *exec) (*expr.Condition, error) {
	if err := r.checkEnums(); err != nil {
		return nil, err
	}
	w := words{}
	if err := r.checkAllOldOrNone(w); err != nil {
		return nil, err
	}
	if err := r.checkParams(c, w); err != nil {
		return nil, err
	}
	if f := r.key.Faults.Earliest(); f != nil {
		return nil, validation(f.Message)
	}
	if err := r.checkExpected(w); err != nil {
		return nil, err
	}
	condition, err := r.conditionExpression(c, w)
	if err != nil {
		return nil, err
	}
	return condition, c.ph.checkUnused()
}

// checkEnums checks the constraints of all members together.
func (r *deleteItemRequest) checkEnums() error {
	var v violations
	v.tableName(r.table, 1)
	if !r.key.Set {
		v.null("key")
	}
	v.enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.enum(r.returnValues, "returnValues", enumReturnValues)
	v.enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	r.checkConditionEnums(&v)
	return v.err()
}
