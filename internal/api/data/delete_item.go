package data

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
)

type deleteItemRequest struct {
	singleWrite
	key wire.OptItem
}

var deleteItemMembers = members[*deleteItemRequest]{
	{Name: "TableName", Read: (*deleteItemRequest).readTableName},
	{Name: "Key", Read: func(r *deleteItemRequest, c *exec) error { return c.ReadItem(&r.key) }},
	{Name: "Expected", Read: (*deleteItemRequest).readExpected},
	{Name: "ConditionalOperator", Read: (*deleteItemRequest).readConditionalOperator},
	{Name: "ReturnValues", Read: (*deleteItemRequest).readReturnValues},
	{Name: "ReturnConsumedCapacity", Read: (*deleteItemRequest).readReturnConsumedCapacity},
	{Name: "ReturnItemCollectionMetrics", Read: (*deleteItemRequest).readReturnItemCollectionMetrics},
	{Name: "ConditionExpression", Read: (*deleteItemRequest).readConditionExpression},
	{Name: "ExpressionAttributeNames", Read: (*deleteItemRequest).readExpressionAttributeNames},
	{Name: "ExpressionAttributeValues", Read: (*deleteItemRequest).readExpressionAttributeValues},
	{Name: "ReturnValuesOnConditionCheckFailure", Read: (*deleteItemRequest).readReturnValuesOnConditionCheckFailure},
}

// DeleteItem answers DeleteItem. Without a condition the item need not exist.
func DeleteItem(c *call.Call) error { return run(c, (*exec).deleteItem) }

func (c *exec) deleteItem() error {
	r := &c.hot.delete
	*r = deleteItemRequest{}
	if err := wire.Decode(&c.Reader, r, c, deleteItemMembers); err != nil {
		return err
	}
	condition, err := r.check(c)
	if err != nil {
		return err
	}
	t, err := c.TableFor(r.table.V, r.want("DeleteItem", r.key.V, condition))
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
	w := params.Wording{}
	if err := r.checkAllOldOrNone(w); err != nil {
		return nil, err
	}
	if err := r.checkParams(c, w); err != nil {
		return nil, err
	}
	if f := r.key.Faults.Earliest(); f != nil {
		return nil, wire.Validation(f.Message)
	}
	if err := r.checkExpected(w); err != nil {
		return nil, err
	}
	condition, err := r.conditionExpression(c, w)
	if err != nil {
		return nil, err
	}
	return condition, c.ph.CheckUnused()
}

// checkEnums checks the constraints of all members. Unlike PutItem and UpdateItem it reports the
// table's name together with the others.
func (r *deleteItemRequest) checkEnums() error {
	var v violations
	v.TableName(r.table, 1)
	if !r.key.Set {
		v.Null("key")
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.Enum(r.returnValues, "returnValues", enumReturnValues)
	v.Enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	r.checkConditionEnums(&v)
	return v.Err()
}
