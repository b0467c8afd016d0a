package historytest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

type attributes = map[string]types.AttributeValue

// index is the name of the table's global index, which has the table's own key.
const index = "again"

// CreateTable makes the table of a history.
func CreateTable(ctx context.Context, c *dynamodb.Client, name string) error {
	keys := []types.KeySchemaElement{
		{AttributeName: new("k"), KeyType: types.KeyTypeHash}, {AttributeName: new("r"), KeyType: types.KeyTypeRange},
	}
	_, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keys,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("k"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("r"), AttributeType: types.ScalarAttributeTypeN},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: new(index), KeySchema: keys,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	})
	return err
}

// sender sends requests to a table.
type sender struct {
	*dynamodb.Client
	table string
}

// send sends a request and says how it was answered. An error is one that no answer explains.
func (s sender) send(ctx context.Context, q Request) (Answer, error) {
	a, err := s.methods()[q.Method](ctx, q)
	if err != nil {
		return answerOf(q, err)
	}
	return a, nil
}

// methods are the operations.
func (s sender) methods() map[string]func(context.Context, Request) (Answer, error) {
	return map[string]func(context.Context, Request) (Answer, error){
		"PutItem": s.putItem, "UpdateItem": s.updateItem, "DeleteItem": s.deleteItem, "GetItem": s.getItem,
		"Query": s.query, "QueryIndex": s.query, "Scan": s.scan,
		"BatchGetItem": s.batchGet, "BatchWriteItem": s.batchWrite,
		"TransactWriteItems": s.transactWrite, "TransactGetItems": s.transactGet,
		"ExecuteStatement": s.executeStatement, "ExecuteTransaction": s.executeTransaction,
	}
}

// answerOf is the answer that an error is: a condition that did not hold, or a conflict.
func answerOf(q Request, err error) (Answer, error) {
	var failed *types.ConditionalCheckFailedException
	var cancelled *types.TransactionCanceledException
	var e smithy.APIError
	switch {
	case errors.As(err, &failed):
		result := Result{Failed: true, Shown: q.Actions[0].Old, Cell: cellOf(failed.Item)}
		return Answer{Cancelled: true, Results: []Result{result}}, nil
	case errors.As(err, &cancelled):
		return cancellation(q, cancelled)
	case errors.As(err, &e) && e.ErrorCode() == "DuplicateItemException":
		return Answer{Cancelled: true, Results: []Result{{Failed: true}}}, nil
	case errors.As(err, &e) && e.ErrorCode() == "TransactionConflictException":
		return Answer{Conflict: true}, nil
	}
	return Answer{}, err
}

// cancellation is the answer of a transaction that was cancelled.
func cancellation(q Request, e *types.TransactionCanceledException) (Answer, error) {
	a := Answer{Cancelled: true}
	if len(e.CancellationReasons) != len(q.Actions) {
		return a, fmt.Errorf("%d reasons for %d actions: %w", len(e.CancellationReasons), len(q.Actions), e)
	}
	for i, r := range e.CancellationReasons {
		switch *r.Code {
		case "None":
			a.Results = append(a.Results, Result{})
		case "ConditionalCheckFailed":
			a.Results = append(a.Results, Result{Failed: true, Shown: q.Actions[i].Old, Cell: cellOf(r.Item)})
		case "DuplicateItem":
			a.Results = append(a.Results, Result{Failed: true})
		case "TransactionConflict":
			return Answer{Conflict: true}, nil
		default:
			return a, fmt.Errorf("the reason %s: %w", *r.Code, e)
		}
	}
	return a, nil
}

// number is a number attribute.
func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

// intOf is the value of a number attribute, 0 if it is not there.
func intOf(v types.AttributeValue) int {
	if v, ok := v.(*types.AttributeValueMemberN); ok {
		n, err := strconv.Atoi(v.Value)
		if err != nil {
			panic(fmt.Sprintf("historytest: the number %q", v.Value)) // a load writes integers
		}
		return n
	}
	return 0
}

// cellOf is what an item says.
func cellOf(it attributes) Cell {
	return Cell{Exists: len(it) > 0, V: intOf(it["v"]), C: intOf(it["c"])}
}

// key is the key of the action's item.
func (a Action) key() attributes {
	return attributes{"k": &types.AttributeValueMemberS{Value: "all"}, "r": number(a.Key)}
}

// item is what the action puts.
func (a Action) item() attributes {
	it := a.key()
	it["v"] = number(a.V)
	return it
}

// condition is the action's condition as an expression, with its value, or nil.
func (a Action) condition() (*string, attributes) {
	switch a.Condition {
	case Exists:
		return new("attribute_exists(k)"), nil
	case Absent:
		return new("attribute_not_exists(r)"), nil
	case Equals:
		return new("v = :want"), attributes{":want": number(a.Want)}
	}
	return nil, nil
}

// update is the action as an update expression, with its value and that of the condition.
func (a Action) update(values attributes) (*string, attributes) {
	all := attributes{":v": number(a.V)}
	for name, v := range values {
		all[name] = v
	}
	if a.Kind == Add {
		return new("ADD c :v"), all
	}
	return new("SET v = :v"), all
}

// onFailure asks for the item that fails a condition.
func (a Action) onFailure() types.ReturnValuesOnConditionCheckFailure {
	if a.Old {
		return types.ReturnValuesOnConditionCheckFailureAllOld
	}
	return types.ReturnValuesOnConditionCheckFailureNone
}

// returned asks for the item before or after the write.
func (a Action) returned() types.ReturnValue {
	switch {
	case a.New:
		return types.ReturnValueAllNew
	case a.Old:
		return types.ReturnValueAllOld
	}
	return types.ReturnValueNone
}

// shows is the answer of a write that shows the item if it was asked to.
func (a Action) shows(it attributes) Answer {
	return Answer{Results: []Result{{Shown: a.Old || a.New, Cell: cellOf(it)}}}
}

func (s sender) putItem(ctx context.Context, q Request) (Answer, error) {
	a := q.Actions[0]
	in := &dynamodb.PutItemInput{
		TableName: &s.table, Item: a.item(),
		ReturnValues: a.returned(), ReturnValuesOnConditionCheckFailure: a.onFailure(),
	}
	in.ConditionExpression, in.ExpressionAttributeValues = a.condition()
	out, err := s.PutItem(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	return a.shows(out.Attributes), nil
}

func (s sender) updateItem(ctx context.Context, q Request) (Answer, error) {
	a := q.Actions[0]
	condition, values := a.condition()
	in := &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: a.key(), ConditionExpression: condition, ReturnValues: a.returned(),
		ReturnValuesOnConditionCheckFailure: a.onFailure(),
	}
	in.UpdateExpression, in.ExpressionAttributeValues = a.update(values)
	out, err := s.UpdateItem(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	return a.shows(out.Attributes), nil
}

func (s sender) deleteItem(ctx context.Context, q Request) (Answer, error) {
	a := q.Actions[0]
	in := &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: a.key(),
		ReturnValues: a.returned(), ReturnValuesOnConditionCheckFailure: a.onFailure(),
	}
	in.ConditionExpression, in.ExpressionAttributeValues = a.condition()
	out, err := s.DeleteItem(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	return a.shows(out.Attributes), nil
}

func (s sender) getItem(ctx context.Context, q Request) (Answer, error) {
	out, err := s.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: q.Actions[0].key(), ConsistentRead: &q.Consistent,
	})
	if err != nil {
		return Answer{}, err
	}
	return q.reads(out.Item), nil
}

// reads is the answer of a read of items, each of which says which it is; the others are not there.
func (q Request) reads(items ...attributes) Answer {
	a := Answer{Results: make([]Result, len(q.Actions))}
	for i, action := range q.Actions {
		a.Results[i].Shown = true
		for _, it := range items {
			if len(it) > 0 && intOf(it["r"]) == action.Key {
				a.Results[i].Cell = cellOf(it)
			}
		}
	}
	return a
}

func (s sender) query(ctx context.Context, q Request) (Answer, error) {
	in := &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: new("k = :k"), ConsistentRead: &q.Consistent,
		ExpressionAttributeValues: attributes{":k": q.Actions[0].key()["k"]},
	}
	if q.Method == "QueryIndex" {
		in.IndexName, in.ConsistentRead = new(index), nil
	}
	out, err := s.Query(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	return q.reads(out.Items...), nil
}

func (s sender) scan(ctx context.Context, q Request) (Answer, error) {
	out, err := s.Scan(ctx, &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: &q.Consistent})
	if err != nil {
		return Answer{}, err
	}
	return q.reads(out.Items...), nil
}

func (s sender) batchGet(ctx context.Context, q Request) (Answer, error) {
	want := types.KeysAndAttributes{ConsistentRead: &q.Consistent}
	for _, a := range q.Actions {
		want.Keys = append(want.Keys, a.key())
	}
	out, err := s.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{s.table: want},
	})
	if err != nil {
		return Answer{}, err
	}
	if len(out.UnprocessedKeys) > 0 {
		return Answer{}, fmt.Errorf("BatchGetItem leaves keys: %v", out.UnprocessedKeys)
	}
	return q.reads(out.Responses[s.table]...), nil
}

func (s sender) batchWrite(ctx context.Context, q Request) (Answer, error) {
	var writes []types.WriteRequest
	for _, a := range q.Actions {
		if a.Kind == Delete {
			writes = append(writes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: a.key()}})
			continue
		}
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: a.item()}})
	}
	out, err := s.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{s.table: writes},
	})
	if err != nil {
		return Answer{}, err
	}
	if len(out.UnprocessedItems) > 0 {
		return Answer{}, fmt.Errorf("BatchWriteItem leaves items: %v", out.UnprocessedItems)
	}
	return Answer{Results: make([]Result, len(q.Actions))}, nil
}
