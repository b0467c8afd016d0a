package data

import (
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type queryRequest struct {
	readRequest
	forward       wire.OptBool
	keyText       wire.OptString // KeyConditionExpression
	keyConditions params.LegacyConditions

	parts  []expr.KeyPart // the key conditions of either form
	keyErr error          // why KeyConditionExpression, which parses, is no key condition

	// The memory of read.Hash and read.Range.
	hash   [maxKeyConditions]item.Value
	ranges [maxKeyConditions]expr.KeyPart
}

var queryMembers = members[*queryRequest]{
	{Name: "TableName", Read: (*queryRequest).readTableName},
	{Name: "IndexName", Read: (*queryRequest).readIndexName},
	{Name: "Select", Read: (*queryRequest).readSelect},
	{Name: "AttributesToGet", Read: (*queryRequest).readAttributesToGet},
	{Name: "Limit", Read: (*queryRequest).readLimit},
	{Name: "ConsistentRead", Read: (*queryRequest).readConsistentRead},
	{Name: "KeyConditions", Read: func(q *queryRequest, c *exec) error { return q.keyConditions.Read(&c.Reader) }},
	{Name: "QueryFilter", Read: func(q *queryRequest, c *exec) error { return q.legacyFilter.Read(&c.Reader) }},
	{Name: "ConditionalOperator", Read: (*queryRequest).readConditionalOperator},
	{Name: "ScanIndexForward", Read: func(q *queryRequest, c *exec) error { return c.ReadBool(&q.forward) }},
	{Name: "ExclusiveStartKey", Read: (*queryRequest).readExclusiveStartKey},
	{Name: "ReturnConsumedCapacity", Read: (*queryRequest).readReturnConsumedCapacity},
	{Name: "ProjectionExpression", Read: (*queryRequest).readProjectionExpression},
	{Name: "FilterExpression", Read: (*queryRequest).readFilterExpression},
	{Name: "KeyConditionExpression", Read: func(q *queryRequest, c *exec) error { return c.ReadString(&q.keyText) }},
	{Name: "ExpressionAttributeNames", Read: (*queryRequest).readExpressionAttributeNames},
	{Name: "ExpressionAttributeValues", Read: (*queryRequest).readExpressionAttributeValues},
}

// Query answers a page of the items of one partition, of a table or an index. Its order of checks
// is DynamoDB's; many errors depend on it.
func Query(c *call.Call) error { return run(c, (*exec).query) }

func (c *exec) query() error {
	q := &c.hot.query
	*q = queryRequest{}
	if err := wire.Decode(&c.Reader, q, c, queryMembers); err != nil {
		return err
	}
	if err := q.checkConstraints(); err != nil {
		return err
	}
	if err := q.checkParameters(c); err != nil {
		return err
	}
	if err := q.bind(c); err != nil {
		return err
	}
	if err := q.checkSelect(params.Wording{Wraps: true}); err != nil {
		return err
	}
	if err := q.convertKeyConditions(c); err != nil {
		return err
	}
	w := q.want("Query")
	w.KeyConditions = q.parts
	if err := q.resolve(c, w); err != nil {
		return err
	}
	if err := q.checkSchema(); err != nil {
		return err
	}
	q.read.Reverse = q.forward.Set && !q.forward.V
	return q.answer(c)
}

// checkConstraints checks the constraints of the model, in the order in which DynamoDB reports
// them.
func (q *queryRequest) checkConstraints() error {
	var v violations
	v.Enum(q.consumed, "returnConsumedCapacity", enumConsumed)
	v.attributesToGet(q.attributesToGet, "attributesToGet", 0)
	v.TableName(q.tableName, 1)
	v.IndexName(q.indexName, "indexName")
	v.Enum(q.conditional, "conditionalOperator", enumConditional)
	q.keyConditions.CheckEnums(&v.Violations, "keyConditions", true)
	if q.limit.Set && q.limit.V < 1 {
		// Query alone spells the member so and leaves the value out.
		v.Note("Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
	q.legacyFilter.CheckEnums(&v.Violations, "queryFilter", true)
	v.Enum(q.sel, "select", enumSelect)
	return v.Err()
}

// checkParameters checks which parameters can be together, and the legacy ones except
// KeyConditions.
func (q *queryRequest) checkParameters(c *exec) error {
	expressions := [...]params.Parameter{
		{Name: "ProjectionExpression", Set: q.projectionText.Set},
		{Name: "FilterExpression", Set: q.filterText.Set},
		{Name: "KeyConditionExpression", Set: q.keyText.Set},
	}
	legacy := [...]params.Parameter{
		{Name: "AttributesToGet", Set: q.attributesToGet.Set},
		{Name: "QueryFilter", Set: q.legacyFilter.Set},
		{Name: "ConditionalOperator", Set: q.conditional.Set},
		// KeyConditions is the only legacy parameter that can be sent with other expressions.
		{Name: "KeyConditions", Set: q.keyConditions.Set && q.keyText.Set},
	}
	if err := (params.Wording{}).CheckFamilies(legacy[:], expressions[:]); err != nil {
		return err
	}
	if err := c.ph.CheckUse(params.Wording{}, expressions[:], expressions[1:]); err != nil {
		return err
	}
	if err := q.checkLegacyFilter(); err != nil {
		return err
	}
	if err := checkDistinct(q.attributesToGet.V); err != nil {
		return err
	}
	if err := q.checkStartValues(); err != nil {
		return err
	}
	if !q.keyText.Set && !q.keyConditions.Set {
		return wire.Validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	return nil
}

// bind parses and binds the expressions. The error of a KeyConditionExpression that parses but is
// no key condition is kept for convertKeyConditions, since AWS reports it later.
func (q *queryRequest) bind(c *exec) error {
	if err := c.ph.CheckContents(params.Wording{}); err != nil {
		return err
	}
	if q.keyText.Set {
		condition, err := c.DB.Expressions().KeyCondition(q.keyText.V, &c.params)
		switch {
		case err == nil:
			q.parts = condition.Parts
		case strings.HasPrefix(err.Error(), "Invalid "+expr.KindKeyCondition.String()+": "):
			return params.Wording{}.Expression(err)
		default:
			q.keyErr = params.Wording{}.Expression(err)
		}
	}
	if err := q.bindFilter(c); err != nil {
		return err
	}
	if err := q.bindProjection(c); err != nil {
		return err
	}
	return c.ph.CheckUnused()
}

// convertKeyConditions reports errors of the key conditions that do not depend on the table's key.
func (q *queryRequest) convertKeyConditions(c *exec) error {
	if q.keyErr != nil {
		return q.keyErr
	}
	if !q.keyText.Set {
		if err := q.keyConditions.CheckFilter(); err != nil {
			return err
		}
		q.parts = q.keyConditions.KeyParts()
	}
	c.how.parts = q.parts
	return q.checkConditionCount()
}

// checkSchema checks the request against the keys and the projection of what is read.
func (q *queryRequest) checkSchema() error {
	if err := q.checkStartKey(false); err != nil {
		return err
	}
	if err := q.placeConditions(); err != nil {
		return err
	}
	if err := q.checkPaths(); err != nil {
		return err
	}
	if err := q.checkFilterKeys(); err != nil {
		return err
	}
	if err := q.checkStartBounds(); err != nil {
		return err
	}
	if err := q.checkProjected(); err != nil {
		return err
	}
	return checkFilterProjected(&q.read)
}

// checkFilterKeys rejects a filter on the key of what is read, which is for the key conditions. A
// filter on the table's key is allowed when an index is read.
func (q *queryRequest) checkFilterKeys() error {
	if q.read.Filter == nil {
		return nil
	}
	filtered := q.read.Filter.Attributes()
	parameter := "QueryFilter"
	if q.filterText.Set {
		parameter = "Filter Expression"
	}
	for _, k := range q.read.Table.KeySchema(q.read.Index) {
		if slices.Contains(filtered, k.Name) {
			return wire.Validation(parameter + " can only contain non-primary key attributes: Primary key attribute: " + k.Name)
		}
	}
	return nil
}

// checkFilterProjected rejects a filter on attributes that the index does not have. Nothing is
// fetched from the table for a filter, so Query rejects it, for local indexes too and whatever it
// returns; in a Scan such attributes count as missing. (Answers of the service: issue 377 of
// sensedeep/dynamodb-onetable for a global index, issue 1195 of dynamodb-toolbox for a local one.
// AWS's documentation does not say it.)
func checkFilterProjected(r *db.Read) error {
	if r.Filter == nil || r.Index == nil {
		return nil
	}
	missing := unprojected(r.Table, r.Index, r.Filter.Attributes())
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return wire.Validation(wire.Invalid + "Secondary index " + r.Index.Name + " does not project one or more filter attributes: [" +
		strings.Join(missing, ", ") + "]")
}
