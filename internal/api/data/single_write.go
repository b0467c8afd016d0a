package data

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

const maxItemBytes = 400 * 1024

// errItemSize is the error for a larger item that is to be put.
var errItemSize = wire.Validation("Item size has exceeded the maximum allowed size")

// singleWrite is what the requests of PutItem, UpdateItem and DeleteItem share.
type singleWrite struct {
	table        wire.OptString
	expected     params.LegacyConditions
	operator     wire.OptString // ConditionalOperator
	returnValues wire.OptString
	consumed     wire.OptString
	metrics      wire.OptString
	condition    wire.OptString
	onFailure    wire.OptString

	write db.Write // what the request becomes
}

// The members that the requests with a singleWrite share.
func (r *singleWrite) readTableName(c *exec) error                   { return c.ReadString(&r.table) }
func (r *singleWrite) readExpected(c *exec) error                    { return r.expected.ReadExpected(&c.Reader) }
func (r *singleWrite) readConditionalOperator(c *exec) error         { return c.ReadString(&r.operator) }
func (r *singleWrite) readReturnValues(c *exec) error                { return c.ReadString(&r.returnValues) }
func (r *singleWrite) readReturnConsumedCapacity(c *exec) error      { return c.ReadString(&r.consumed) }
func (r *singleWrite) readReturnItemCollectionMetrics(c *exec) error { return c.ReadString(&r.metrics) }
func (r *singleWrite) readConditionExpression(c *exec) error         { return c.ReadString(&r.condition) }
func (r *singleWrite) readExpressionAttributeNames(c *exec) error    { return c.ph.ReadNames(&c.Reader) }
func (r *singleWrite) readExpressionAttributeValues(c *exec) error   { return c.ph.ReadValues(&c.Reader) }
func (r *singleWrite) readReturnValuesOnConditionCheckFailure(c *exec) error {
	return c.ReadString(&r.onFailure)
}

// checkTable checks the TableName alone: PutItem and UpdateItem report it before all other members.
func (r *singleWrite) checkTable() error {
	var v violations
	v.TableName(r.table, 1)
	return v.Err()
}

// checkConditionEnums checks the enums of the condition: those of Expected, and how a failure is
// answered.
func (r *singleWrite) checkConditionEnums(v *violations) {
	r.expected.CheckEnums(&v.Violations, "expected", false)
	v.Enum(r.operator, "conditionalOperator", enumConditional)
	v.Enum(r.onFailure, "returnValuesOnConditionCheckFailure", enumOnFailure)
}

// checkParams checks the parameters of PutItem and DeleteItem against each other.
func (r *singleWrite) checkParams(c *exec, w params.Wording) error {
	expressions := []params.Parameter{{Name: "ConditionExpression", Set: r.condition.Set}}
	if err := w.CheckFamilies([]params.Parameter{{Name: "Expected", Set: r.expected.Set}}, expressions); err != nil {
		return err
	}
	return c.ph.Check(w, expressions, expressions)
}

// conditionExpression returns the parsed ConditionExpression, nil for none.
func (r *singleWrite) conditionExpression(c *exec, w params.Wording) (*expr.Condition, error) {
	if !r.condition.Set {
		return nil, nil
	}
	condition, err := c.DB.Expressions().Condition(expr.KindCondition, r.condition.V, c.ph.Params)
	if err != nil {
		return nil, w.Expression(err)
	}
	return condition, nil
}

func (r *singleWrite) checkExpected(w params.Wording) error {
	if err := r.expected.CheckConditionalOperator(r.operator); err != nil {
		return err
	}
	return r.expected.CheckExpected(w)
}

// checkAllOldOrNone checks the ReturnValues of PutItem and DeleteItem.
func (r *singleWrite) checkAllOldOrNone(w params.Wording) error {
	if r.returnValues.Set && r.returnValues.V != "ALL_OLD" && r.returnValues.V != "NONE" {
		return w.Static("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

// run runs r.write, with the condition of Expected if there is no ConditionExpression. The last of
// the request's checks, that the condition has no path into a key, is here.
func (r *singleWrite) run(c *exec, k keyWords) (db.Written, error) {
	if err := checkNested(r.write.Table, r.write.Condition.Nested()); err != nil {
		return db.Written{}, err
	}
	if r.write.Condition == nil {
		r.write.Condition = r.expected.Condition(r.operator)
	}
	r.write.KeepFailed = r.onFailure.V == "ALL_OLD"
	if r.returnValues.Set && r.returnValues.V != "NONE" { // answer must then find room for an item
		r.write.Change = &roomyChange{Change: r.write.Change, room: &writtenRoom{c: c}}
	}
	done, err := c.DB.Write(c.Ctx, &r.write)
	if err != nil {
		c.Report.NoteFailed(err)
		return done, writeError(r.write.Table, err, k)
	}
	return done, nil
}

// answer encodes the response: the Attributes, if there are any, and what else was asked for.
func (r *singleWrite) answer(c *exec, attributes item.Item, units db.WriteUnits) error {
	t := r.write.Table
	c.BeginObject()
	if attributes.Exists() {
		c.Name("Attributes")
		c.EncodeWritten(attributes)
	}
	used := consumption{table: units.Table, indexes: units.Indexes}
	c.Report.NoteWritten(used.total())
	if wantsConsumed(r.consumed) {
		c.Name("ConsumedCapacity")
		c.consumed(r.consumed.V, t.Name, used)
	}
	if r.metrics.V == "SIZE" && t.HasLocalIndex() {
		c.Name("ItemCollectionMetrics")
		if err := c.collectionMetrics(t, r.write.Key); err != nil {
			return err
		}
	}
	c.EndObject()
	return nil
}

// want is what a single write wants; it is the item to be put, or the key.
func (r *singleWrite) want(action string, it item.Item, condition *expr.Condition) call.Want {
	return call.Want{
		Action: action, Item: it, Condition: condition, Expected: &r.expected, Consumed: r.consumed.V,
		ReturnValues: returnedValues(orNone(r.returnValues), r.onFailure),
	}
}
