package historytest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (s sender) transactWrite(ctx context.Context, q Request) (Answer, error) {
	in := &dynamodb.TransactWriteItemsInput{}
	if q.Token != "" {
		in.ClientRequestToken = &q.Token
	}
	for _, a := range q.Actions {
		in.TransactItems = append(in.TransactItems, s.transactItem(a))
	}
	if _, err := s.TransactWriteItems(ctx, in); err != nil {
		return Answer{}, err
	}
	return Answer{Results: make([]Result, len(q.Actions))}, nil
}

// transactItem is an action of TransactWriteItems.
func (s sender) transactItem(a Action) types.TransactWriteItem {
	condition, values := a.condition()
	switch a.Kind {
	case Put:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: a.item(), ConditionExpression: condition, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: a.onFailure(),
		}}
	case Delete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.table, Key: a.key(), ConditionExpression: condition, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: a.onFailure(),
		}}
	case Check:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &s.table, Key: a.key(), ConditionExpression: condition, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: a.onFailure(),
		}}
	}
	update, values := a.update(values)
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: a.key(), UpdateExpression: update,
		ConditionExpression: condition, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: a.onFailure(),
	}}
}

func (s sender) transactGet(ctx context.Context, q Request) (Answer, error) {
	in := &dynamodb.TransactGetItemsInput{}
	for _, a := range q.Actions {
		get := types.TransactGetItem{Get: &types.Get{TableName: &s.table, Key: a.key()}}
		in.TransactItems = append(in.TransactItems, get)
	}
	out, err := s.TransactGetItems(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	return q.inOrder(out.Responses), nil
}

// inOrder is the answer of a read whose responses are in the order of its actions.
func (q Request) inOrder(responses []types.ItemResponse) Answer {
	a := Answer{}
	for _, r := range responses {
		a.Results = append(a.Results, Result{Shown: true, Cell: cellOf(r.Item)})
	}
	return a
}

// statement is the action in PartiQL. A SET there is one of an item that exists, and a Put is an
// INSERT: see statements in load.go.
func (s sender) statement(a Action) (text *string, parameters []types.AttributeValue) {
	key := a.key()
	where := ` WHERE k = ? AND r = ?`
	switch a.Kind {
	case Get:
		return new(`SELECT * FROM "` + s.table + `"` + where), []types.AttributeValue{key["k"], key["r"]}
	case Put:
		return new(`INSERT INTO "` + s.table + `" VALUE {'k': ?, 'r': ?, 'v': ?}`),
			[]types.AttributeValue{key["k"], key["r"], number(a.V)}
	case Delete:
		text, parameters = new(`DELETE FROM "`+s.table+`"`+where), []types.AttributeValue{key["k"], key["r"]}
	default:
		text = new(`UPDATE "` + s.table + `" SET v = ?` + where)
		parameters = []types.AttributeValue{number(a.V), key["k"], key["r"]}
	}
	if a.Condition == Equals {
		*text, parameters = *text+" AND v = ?", append(parameters, number(a.Want))
	}
	return text, parameters
}

func (s sender) executeStatement(ctx context.Context, q Request) (Answer, error) {
	a := q.Actions[0]
	in := &dynamodb.ExecuteStatementInput{ReturnValuesOnConditionCheckFailure: a.onFailure()}
	in.Statement, in.Parameters = s.statement(a)
	if a.Kind == Get {
		in.ConsistentRead, in.ReturnValuesOnConditionCheckFailure = &q.Consistent, ""
	}
	if a.New {
		*in.Statement += " RETURNING ALL NEW *"
	}
	out, err := s.ExecuteStatement(ctx, in)
	switch {
	case err != nil:
		return Answer{}, err
	case a.Kind == Get:
		return q.reads(out.Items...), nil
	case a.New && len(out.Items) > 0:
		return a.shows(out.Items[0]), nil
	}
	return Answer{Results: []Result{{}}}, nil
}

func (s sender) executeTransaction(ctx context.Context, q Request) (Answer, error) {
	in := &dynamodb.ExecuteTransactionInput{}
	if q.Token != "" {
		in.ClientRequestToken = &q.Token
	}
	for _, a := range q.Actions {
		one := types.ParameterizedStatement{}
		one.Statement, one.Parameters = s.statement(a)
		if a.Kind != Get {
			one.ReturnValuesOnConditionCheckFailure = a.onFailure()
		}
		in.TransactStatements = append(in.TransactStatements, one)
	}
	out, err := s.ExecuteTransaction(ctx, in)
	switch {
	case err != nil:
		return Answer{}, err
	case q.Actions[0].Kind == Get:
		return q.inOrder(out.Responses), nil
	}
	return Answer{Results: make([]Result, len(q.Actions))}, nil
}
