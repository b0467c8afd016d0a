package blackbox_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestDeleteItem(t *testing.T) {
	t.Parallel()
	table := simple(t)
	key := attrs{"a": s("1")}
	put(t, table, attrs{"a": s("1"), "x": n("1")})
	out := must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ReturnValues: types.ReturnValueAllOld}))(t)
	same(t, "deleted item", show(out.Attributes), `{a: "1", x: 1}`)
	same(t, "after", get(t, table, key), "none")
	out = must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ReturnValues: types.ReturnValueAllOld}))(t)
	same(t, "nothing to delete", show(out.Attributes), "none")
}

// TestDeleteItemCondition deletes only what is as it should be.
func TestDeleteItemCondition(t *testing.T) {
	t.Parallel()
	table := simple(t)
	key := attrs{"a": s("1")}
	in := dynamodb.DeleteItemInput{TableName: table, Key: key, ConditionExpression: new("x = :x"), ExpressionAttributeValues: attrs{":x": n("1")}}
	_, err := client.DeleteItem(ctx, &in)
	refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	put(t, table, attrs{"a": s("1"), "x": n("1.0")})
	must(client.DeleteItem(ctx, &in))(t)
	same(t, "after", get(t, table, key), "none")
}

// TestDeleteItemParameters shows that DeleteItem, unlike PutItem, wraps no message, and collects
// all constraints.
func TestDeleteItemParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in      dynamodb.DeleteItemInput
		message string
	}{
		{dynamodb.DeleteItemInput{ReturnValues: types.ReturnValueAllNew}, "ReturnValues can only be ALL_OLD or NONE"},
		{dynamodb.DeleteItemInput{ReturnValues: types.ReturnValueUpdatedOld}, "ReturnValues can only be ALL_OLD or NONE"},
		{dynamodb.DeleteItemInput{ConditionExpression: new("a = :a"), ExpressionAttributeValues: attrs{":a": null(false)}},
			oneOrMore + "Null attribute value types must have the value of true"},
		{dynamodb.DeleteItemInput{ConditionExpression: new("((a = :a))"), ExpressionAttributeValues: attrs{":a": s("1")}},
			"Invalid ConditionExpression: The expression has redundant parentheses;"},
		{dynamodb.DeleteItemInput{ExpressionAttributeValues: attrs{":a": s("1")}},
			"ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		{dynamodb.DeleteItemInput{ConditionExpression: new("a = :a"), ExpressionAttributeValues: attrs{":a": ss()}},
			"ExpressionAttributeValues contains invalid value: " + oneOrMore + "An string set  may not be empty for key :a"},
		{dynamodb.DeleteItemInput{TableName: new("a;"), ReturnValues: "X", ReturnConsumedCapacity: "Y"},
			"3 validation errors detected: Value 'a;' at 'tableName' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
				"Value 'Y' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; " +
				"Value 'X' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
	} {
		if c.in.TableName == nil {
			c.in.TableName = new("no-such-table")
		}
		c.in.Key = attrs{"a": s("1")}
		_, err := client.DeleteItem(ctx, &c.in)
		invalid(t, err, c.message)
	}
}
