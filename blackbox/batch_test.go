package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The requests of a BatchWriteItem.
func putRequest(it attrs) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: it}}
}

func deleteRequest(key attrs) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}
}

// keys are the keys from "k<first>" on.
func keys(first, count int) []attrs {
	ks := make([]attrs, count)
	for i := range ks {
		ks[i] = attrs{"a": s(fmt.Sprint("k", first+i))}
	}
	return ks
}

// puts are requests to put items that are only keys.
func puts(first, count int) (requests []types.WriteRequest) {
	for _, key := range keys(first, count) {
		requests = append(requests, putRequest(key))
	}
	return requests
}

// TestBatch writes and reads two tables at once.
func TestBatch(t *testing.T) {
	t.Parallel()
	one, two := simple(t), keyed.table(t)
	put(t, one, attrs{"a": s("old"), "x": n("1")})
	written := must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		*one: {putRequest(attrs{"a": s("1"), "x": n("1")}), deleteRequest(attrs{"a": s("old")}), deleteRequest(attrs{"a": s("never")})},
		*two: {putRequest(attrs{"h": s("1"), "r": n("1.0"), "x": s("x"), "y": s("y")})},
	}}))(t)
	same(t, "left over", fmt.Sprint(written.UnprocessedItems == nil, len(written.UnprocessedItems)), "false 0")
	same(t, "deleted", get(t, one, attrs{"a": s("old")}), "none")

	read := must(client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*one: {Keys: []attrs{{"a": s("1")}, {"a": s("old")}}},
		*two: {Keys: []attrs{{"h": s("1"), "r": n("1")}}, ProjectionExpression: new("#x, r"), ExpressionAttributeNames: map[string]string{"#x": "x"},
			ConsistentRead: new(true)},
	}}))(t)
	same(t, "of one", showAll(read.Responses[*one]), `{a: "1", x: 1}`)
	same(t, "of two", showAll(read.Responses[*two]), `{r: 1, x: "x"}`)
	same(t, "left over", fmt.Sprint(read.UnprocessedKeys == nil, len(read.UnprocessedKeys)), "false 0")

	read = must(client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*one: {Keys: []attrs{{"a": s("old")}}},
	}}))(t)
	same(t, "a table without items", fmt.Sprint(read.Responses[*one] == nil, len(read.Responses), len(read.Responses[*one])), "false 1 0")
}

// TestBatchLimits is about the largest batches.
func TestBatchLimits(t *testing.T) {
	t.Parallel()
	table, other := simple(t), simple(t)
	for first := 0; first < 100; first += 25 {
		must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
			*table: puts(first, 24), *other: puts(first+24, 1),
		}}))(t)
	}
	out := must(client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*table: {Keys: keys(0, 99)}, *other: {Keys: keys(99, 1)},
	}}))(t)
	same(t, "found", fmt.Sprint(len(out.Responses[*table]), len(out.Responses[*other])), "96 1")
}

// TestBatchGetItemFull reads more than fits into one answer: 16 MB.
func TestBatchGetItemFull(t *testing.T) {
	t.Parallel()
	table := simple(t)
	big := s(strings.Repeat("x", 400<<10-64))
	for i := range 42 {
		put(t, table, attrs{"a": s(fmt.Sprint("k", i)), "p": big})
	}
	in := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*table: {Keys: keys(0, 42), ProjectionExpression: new("#a"), ExpressionAttributeNames: map[string]string{"#a": "a"}, ConsistentRead: new(true)},
	}}
	out := must(client.BatchGetItem(ctx, in))(t)
	left := out.UnprocessedKeys[*table]
	same(t, "items and keys left", fmt.Sprintln(len(out.Responses[*table]), len(left.Keys)), "40 2\n")
	same(t, "what else was said of the table", fmt.Sprint(*left.ProjectionExpression, left.ExpressionAttributeNames, *left.ConsistentRead),
		"#amap[#a:a] true")
	in.RequestItems = out.UnprocessedKeys
	out = must(client.BatchGetItem(ctx, in))(t)
	same(t, "the rest", fmt.Sprintln(len(out.Responses[*table]), len(out.UnprocessedKeys)), "2 0\n")
}

// TestBatchGetItemErrors is about batches that are refused as a whole.
func TestBatchGetItemErrors(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const (
		pattern = "[Member must have length less than or equal to 255, Member must have length greater than or equal to 3, " +
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"
		both = "Can not use both expression and non-expression parameters in the same request: " +
			"Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
	)
	type request = map[string]types.KeysAndAttributes
	for _, c := range []struct {
		items         request
		code, message string
	}{
		{request{}, "", "The requestItems parameter is required for BatchGetItem"},
		{request{*table: {Keys: []attrs{}}}, "",
			oneError + "Value at 'requestItems." + *table + ".member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{request{*table: {Keys: keys(0, 101)}}, "",
			oneError + "Value at 'RequestItems." + *table + ".member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100"},
		{request{*table: {Keys: keys(0, 60)}, "other": {Keys: keys(0, 41)}}, "", "Too many items requested for the BatchGetItem call"},
		{request{*table: {Keys: append(keys(0, 3), keys(1, 1)...)}}, "", "Provided list of item keys contains duplicates"},
		{request{*table: {Keys: keys(0, 1)}, "no-such-table": {Keys: keys(0, 1)}}, "ResourceNotFoundException", "Requested resource not found"},
		{request{*table: {Keys: []attrs{{"b": s("1")}}}}, "", keyMismatch},
		{request{*table: {Keys: []attrs{{"a": n("1")}}}}, "", keyMismatch},
		{request{*table: {Keys: []attrs{{"a": s("")}}}}, "",
			"One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: a"},
		{request{*table: {Keys: []attrs{{"a": n("one")}}}}, "", "The parameter cannot be converted to a numeric value: one"},
		{request{*table: {Keys: keys(0, 1), ProjectionExpression: new("a, a")}}, "",
			"Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"},
		{request{*table: {Keys: keys(0, 1), ProjectionExpression: new("a"), AttributesToGet: []string{"a"}}}, "", both},
		{request{*table: {Keys: keys(0, 1), ProjectionExpression: new("a")}, "other": {Keys: keys(0, 1), AttributesToGet: []string{"a"}}}, "", both},
		{request{*table: {Keys: keys(0, 1), AttributesToGet: []string{"a", "a"}}}, "", oneOrMore + "Duplicate value in attribute name: a"},
		{request{*table: {Keys: keys(0, 1), ExpressionAttributeNames: map[string]string{"#a": "a"}}}, "",
			"ExpressionAttributeNames can only be specified when using expressions"},
		{request{"a;": {Keys: keys(0, 1)}}, "", oneError + "Value at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: " + pattern},
	} {
		if c.code == "" {
			c.code = "ValidationException"
		}
		_, err := client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: c.items})
		refused(t, err, c.code, c.message)
	}
}

// TestBatchWriteItemErrors is about batches that are refused as a whole: none of their requests has
// an effect.
func TestBatchWriteItemErrors(t *testing.T) {
	t.Parallel()
	table, two := simple(t), keyed.table(t)
	type request = map[string][]types.WriteRequest
	good := putRequest(attrs{"a": s("good")})
	const (
		multiple = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
		lengths  = "' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: " +
			"[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"
	)
	for _, c := range []struct {
		items         request
		code, message string
	}{
		{request{}, "", "The requestItems parameter is required for BatchWriteItem"},
		{request{*table: puts(0, 26)}, "", oneError + "Value '{" + *table + "=[" +
			strings.Join(javaPuts(0, 26), ", ") + "]}" + lengths},
		{request{*table: puts(0, 25), *two: puts(0, 1)}, "", "Too many items requested for the BatchWriteItem call"},
		{request{*table: {good, {}}}, "", multiple},
		{request{*table: {good, {PutRequest: &types.PutRequest{Item: attrs{"a": s("1")}}, DeleteRequest: &types.DeleteRequest{Key: attrs{"a": s("1")}}}}}, "", multiple},
		{request{*table: {good, putRequest(attrs{"a": s("1"), "p": s(strings.Repeat("x", 400<<10))})}}, "", "Item size has exceeded the maximum allowed size"},
		{request{*table: {good, putRequest(attrs{"b": s("1")})}}, "", keyMismatch},
		{request{*table: {good, putRequest(attrs{"a": n("1")})}}, "", keyMismatch},
		{request{*table: {good, deleteRequest(attrs{"a": s("1"), "b": s("1")})}}, "", keyMismatch},
		{request{*table: {good, putRequest(attrs{"a": s("")})}}, "",
			"One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: a"},
		{request{*table: {good, putRequest(attrs{"a": s("1"), "x": ss("a", "a")})}}, "", oneOrMore + "Input collection [a, a] contains duplicates."},
		{request{*table: {good, putRequest(attrs{"a": s("1"), "x": null(false)})}}, "", oneOrMore + "Null attribute value types must have the value of true"},
		{request{*table: {good}, *two: {putRequest(attrs{"h": s("1"), "r": n("1"), "g": n("1")})}}, "",
			oneOrMore + "Type mismatch for Index Key g Expected: S Actual: N IndexName: gsi"},
		{request{*table: {good, deleteRequest(attrs{"a": s("good")})}}, "", "Provided list of item keys contains duplicates"},
		{request{*two: {putRequest(attrs{"h": s("1"), "r": n("1")}), deleteRequest(attrs{"h": s("1"), "r": n("1.0")})}}, "", "Provided list of item keys contains duplicates"},
		{request{*table: {good}, "no-such-table": {good}}, "ResourceNotFoundException", "Requested resource not found"},
	} {
		if c.code == "" {
			c.code = "ValidationException"
		}
		_, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: c.items})
		refused(t, err, c.code, c.message)
	}
	same(t, "written of all that", get(t, table, attrs{"a": s("good")}), "none")
}

// javaPuts is what puts(first, count) look like in a message.
func javaPuts(first, count int) (texts []string) {
	for i := range count {
		texts = append(texts, fmt.Sprintf("WriteRequest(putRequest=PutRequest(item={a={S:k%d}}))", first+i))
	}
	return texts
}
