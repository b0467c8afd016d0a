package data

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type putItemRequest struct {
	singleWrite
	item   wire.OptItem
	change db.Put
}

var putItemMembers = members[*putItemRequest]{
	{Name: "TableName", Read: (*putItemRequest).readTableName},
	{Name: "Item", Read: func(r *putItemRequest, c *exec) error { return c.ReadItem(&r.item) }},
	{Name: "Expected", Read: (*putItemRequest).readExpected},
	{Name: "ReturnValues", Read: (*putItemRequest).readReturnValues},
	{Name: "ReturnConsumedCapacity", Read: (*putItemRequest).readReturnConsumedCapacity},
	{Name: "ReturnItemCollectionMetrics", Read: (*putItemRequest).readReturnItemCollectionMetrics},
	{Name: "ConditionalOperator", Read: (*putItemRequest).readConditionalOperator},
	{Name: "ConditionExpression", Read: (*putItemRequest).readConditionExpression},
	{Name: "ExpressionAttributeNames", Read: (*putItemRequest).readExpressionAttributeNames},
	{Name: "ExpressionAttributeValues", Read: (*putItemRequest).readExpressionAttributeValues},
	{Name: "ReturnValuesOnConditionCheckFailure", Read: (*putItemRequest).readReturnValuesOnConditionCheckFailure},
}

// PutItem answers PutItem: the item replaces one with the same key.
func PutItem(c *call.Call) error { return run(c, (*exec).putItem) }

func (c *exec) putItem() error {
	r := &c.hot.put
	*r = putItemRequest{}
	if err := wire.Decode(&c.Reader, r, c, putItemMembers); err != nil {
		return err
	}
	condition, err := r.check(c)
	if err != nil {
		return err
	}
	t, err := c.TableFor(r.table.V, r.want("PutItem", r.item.V, condition))
	if err != nil {
		return err
	}
	if err := t.CheckItem(r.item.V); err != nil {
		return keyInPut.word(t, err)
	}
	r.change = db.Put{Item: r.item.V}
	r.write = db.Write{
		Table: t, Key: r.item.V, Condition: condition, Change: &r.change, KeepOld: r.returnValues.V == "ALL_OLD",
	}
	done, err := r.run(c, keyInPut)
	if err != nil {
		return err
	}
	return r.answer(c, done.Old, done.Units)
}

// check makes the checks that need no table, in DynamoDB's order, and returns the parsed
// ConditionExpression.
func (r *putItemRequest) check(c *exec) (*expr.Condition, error) {
	if err := r.checkTable(); err != nil {
		return nil, err
	}
	if err := r.checkEnums(); err != nil {
		return nil, err
	}
	w := params.Wording{Wraps: true}
	// PutItem reports NULL:false, of the item and of values, before all other faults.
	for _, f := range [...]*item.Fault{r.item.Faults.Null, c.ph.NullFault, r.item.Faults.First} {
		if f != nil {
			return nil, w.Fault(f)
		}
	}
	if err := r.checkParams(c, w); err != nil {
		return nil, err
	}
	condition, err := r.conditionExpression(c, w)
	if err != nil {
		return nil, err
	}
	if err := c.ph.CheckUnused(); err != nil {
		return nil, err
	}
	if err := r.checkAllOldOrNone(w); err != nil {
		return nil, err
	}
	if err := r.checkExpected(w); err != nil {
		return nil, err
	}
	if r.item.V.Size() > maxItemBytes {
		return nil, errItemSize
	}
	return condition, nil
}

// checkEnums checks the constraints of all members but the table's name, which was checked alone.
func (r *putItemRequest) checkEnums() error {
	var v violations
	if !r.item.Set {
		v.Null("item")
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.Enum(r.returnValues, "returnValues", enumReturnValues)
	v.Enum(r.metrics, "returnItemCollectionMetrics", enumMetrics)
	r.checkConditionEnums(&v)
	return v.Err()
}
