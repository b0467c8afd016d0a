package blackbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tryPut puts an item and returns the error.
func tryPut(table *string, it attrs) error {
	_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: it})
	return err
}

func TestPutItem(t *testing.T) {
	t.Parallel()
	table := simple(t)
	out := must(client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: table, Item: attrs{"a": s("1"), "x": n("1"), "y": s("kept?")}, ReturnValues: types.ReturnValueAllOld,
	}))(t)
	same(t, "old item of a new one", show(out.Attributes), "none")
	out = must(client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: table, Item: attrs{"a": s("1"), "x": n("2")}, ReturnValues: types.ReturnValueAllOld,
	}))(t)
	same(t, "replaced item", show(out.Attributes), `{a: "1", x: 1, y: "kept?"}`)
	same(t, "a put replaces the whole item", get(t, table, attrs{"a": s("1")}), `{a: "1", x: 2}`)
	out = must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: attrs{"a": s("1")}}))(t)
	same(t, "without ReturnValues", show(out.Attributes), "none")
}

func TestPutItemARN(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, arn := range []string{
		"arn:aws:dynamodb:eu-west-1:000000000000:table/" + *table,
		"arn:aws:dynamodb:us-east-2:123456789012:table/" + *table, // region and account are not looked at
	} {
		out := must(client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &arn, Item: attrs{"a": s(arn)}, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		}))(t)
		same(t, "the table's name in the answer", *out.ConsumedCapacity.TableName, *table)
		same(t, "item", get(t, table, attrs{"a": s(arn)}), `{a: "`+arn+`"}`)
	}
	for arn, problem := range map[string]string{
		"arn:aws:s3:eu-west-1:000000000000:table/abc":       "Invalid resource type",
		"arn:aws:dynamodb:eu-west-1:000000000000:stack/abc": "Invalid resource type",
		"arn:moon:dynamodb:eu-west-1:000000000000:table/ab": "Invalid AWS partition",
	} {
		invalid(t, tryPut(&arn, attrs{"a": s("1")}), oneError+problem+" in '"+arn+"'")
	}
}

// keyed is a table whose items are in two global and one local index.
var keyed = schema{
	hash: "h:S", sort: "r:N",
	global: []index{{name: "gsi", hash: []string{"g:S"}, sort: []string{"k:N"}}, {name: "binary", hash: []string{"z:B"}}},
	local:  []index{{name: "lsi", sort: []string{"l:S"}}},
}

// TestPutItemKeys is about the keys that an item to put can have.
func TestPutItemKeys(t *testing.T) {
	t.Parallel()
	table := keyed.table(t)
	const empty = "One or more parameter values are not valid. "
	const noString = "The AttributeValue for a key attribute cannot contain an empty string value."
	for _, c := range []struct {
		it      attrs
		message string
	}{
		{attrs{"r": n("1")}, oneOrMore + "Missing the key h in the item"},
		{attrs{"h": s("1")}, oneOrMore + "Missing the key r in the item"},
		{attrs{"h": n("1"), "r": n("1")}, oneOrMore + "Type mismatch for key h expected: S actual: N"},
		{attrs{"h": s("1"), "r": s("1")}, oneOrMore + "Type mismatch for key r expected: N actual: S"},
		{attrs{"h": s("1"), "r": null(true)}, oneOrMore + "Type mismatch for key r expected: N actual: NULL"},
		{attrs{"h": s("1"), "r": m(attrs{})}, oneOrMore + "Type mismatch for key r expected: N actual: M"},
		{attrs{"h": s(""), "r": n("1")}, empty + noString + " Key: h"},
		{attrs{"h": s(strings.Repeat("x", 2049)), "r": n("1")},
			oneOrMore + "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{attrs{"h": s("1"), "r": n("1"), "g": n("1")},
			oneOrMore + "Type mismatch for Index Key g Expected: S Actual: N IndexName: gsi"},
		{attrs{"h": s("1"), "r": n("1"), "g": null(true)},
			oneOrMore + "Type mismatch for Index Key g Expected: S Actual: NULL IndexName: gsi"},
		{attrs{"h": s("1"), "r": n("1"), "k": l()},
			oneOrMore + "Type mismatch for Index Key k Expected: N Actual: L IndexName: gsi"},
		{attrs{"h": s("1"), "r": n("1"), "g": n("1"), "l": n("1"), "z": n("1")}, // the first index by name is named
			oneOrMore + "Type mismatch for Index Key z Expected: B Actual: N IndexName: binary"},
		{attrs{"h": s("1"), "r": n("1"), "g": s("")}, empty + "A value specified for a secondary index key is not supported. " +
			noString + " IndexName: gsi, IndexKey: g"},
		{attrs{"h": s("1"), "r": n("1"), "z": b("")}, empty + "A value specified for a secondary index key is not supported. " +
			"The AttributeValue for a key attribute cannot contain an empty binary value. IndexName: binary, IndexKey: z"},
		{attrs{"h": s("1"), "r": n("1"), "g": s(strings.Repeat("x", 2049))},
			oneOrMore + "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{attrs{"h": s("1"), "r": n("1"), "l": s(strings.Repeat("x", 1025))},
			oneOrMore + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
	} {
		invalid(t, tryPut(table, c.it), c.message)
	}
	put(t, table, attrs{"h": s(strings.Repeat("x", 2048)), "r": n("1"), "g": s(strings.Repeat("y", 2048)), "k": n("2"),
		"l": s(strings.Repeat("z", 1024)), "z": b(strings.Repeat("b", 2048))})
}

// TestPutItemParameters is about parameters that PutItem refuses, and what of that it shows as a
// validation error detected.
func TestPutItemParameters(t *testing.T) {
	t.Parallel()
	table := simple(t)
	it := attrs{"a": s("1")}
	yes := new("attribute_exists(a)")
	deep := nested(32)
	for name, c := range map[string]struct {
		in      dynamodb.PutItemInput
		message string
	}{
		"return values of updates": {
			dynamodb.PutItemInput{Item: it, ReturnValues: types.ReturnValueAllNew},
			oneError + "ReturnValues can only be ALL_OLD or NONE"},
		"no such return value": {
			dynamodb.PutItemInput{Item: it, ReturnValues: "EVERYTHING"},
			oneError + "Value 'EVERYTHING' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
		"several enums": {
			dynamodb.PutItemInput{Item: it, ReturnConsumedCapacity: "X", ReturnItemCollectionMetrics: "Y"},
			"2 validation errors detected: Value 'X' at 'returnConsumedCapacity' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'Y' at 'returnItemCollectionMetrics' failed to satisfy " +
				"constraint: Member must satisfy enum value set: [SIZE, NONE]"},
		"both families": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes,
				Expected: map[string]types.ExpectedAttributeValue{"a": {Exists: new(false)}}},
			oneError + "Can not use both expression and non-expression parameters in the same request: " +
				"Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"},
		"names without an expression": {
			dynamodb.PutItemInput{Item: it, ExpressionAttributeNames: map[string]string{"#a": "a"}},
			"ExpressionAttributeNames can only be specified when using expressions"},
		"values without an expression": {
			dynamodb.PutItemInput{Item: it, ExpressionAttributeValues: attrs{":a": s("a")}},
			oneError + "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		"no names": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeNames: map[string]string{}},
			"ExpressionAttributeNames must not be empty"},
		"no values": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeValues: attrs{}},
			"ExpressionAttributeValues must not be empty"},
		"bad name": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeNames: map[string]string{"a": "a"}},
			`ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`},
		"bad value": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeValues: attrs{":a-b": s("a")}},
			`ExpressionAttributeValues contains invalid key: Syntax error; key: ":a-b"`},
		"unused name": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeNames: map[string]string{"#a": "a"}},
			"Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"},
		"unused value": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeValues: attrs{":a": s("a")}},
			"Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"},
		"a value that is no number": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeValues: attrs{":a": n("one")}},
			"ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: one for key :a"},
		"a value that is nested too deep": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: yes, ExpressionAttributeValues: attrs{":a": deep}},
			"Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"},
		"empty expression": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: new("")},
			"Invalid ConditionExpression: The expression can not be empty;"},
		"syntax": {
			dynamodb.PutItemInput{Item: it, ConditionExpression: new("a ==  :a")},
			oneError + `Invalid ConditionExpression: Syntax error; token: "=", near: "==  :a"`},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.TableName = table
			_, err := client.PutItem(ctx, &c.in)
			invalid(t, err, c.message)
		})
	}
}
