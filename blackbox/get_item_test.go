package blackbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// keyMismatch is for a key that has not exactly the attributes of the schema, or other types.
const keyMismatch = "The provided key element does not match the schema"

func TestGetItem(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", sort: "r:B"}.table(t)
	put(t, table, attrs{"h": s("1"), "r": b("x"), "v": boolean(true)})
	same(t, "item", get(t, table, attrs{"h": s("1"), "r": b("x")}), `{h: "1", r: b"x", v: true}`)
	same(t, "missing", get(t, table, attrs{"h": s("1"), "r": b("y")}), "none")
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"h": s("1"), "r": b("x")}}))(t)
	same(t, "eventually", show(out.Item), `{h: "1", r: b"x", v: true}`)
}

// TestGetItemProjection is about the parts of an item that are asked for.
func TestGetItemProjection(t *testing.T) {
	t.Parallel()
	table := simple(t)
	key := attrs{"a": s("1")}
	put(t, table, attrs{"a": s("1"), "size": n("7"), "b.c": s("dotted"), "m": m(attrs{
		"x": n("1"), "y": l(n("0"), m(attrs{"p": n("1"), "q": n("2")}), n("2")), "z": ss("1", "2"),
	}), "l": l(n("0"), n("1"), n("2"), l(n("3"), n("4")))})
	for _, c := range []struct {
		projection string
		names      map[string]string
		want       string
	}{
		{"a", nil, `{a: "1"}`},
		{"m.x", nil, `{m: {x: 1}}`}, // no key comes by itself
		{"m.x, m.z", nil, `{m: {x: 1, z: SS("1", "2")}}`},
		{"l[2], l[0]", nil, `{l: [0, 2]}`},
		{"l[3][1]", nil, `{l: [[4]]}`},
		{"m.y[1].q, m.y[1].p", nil, `{m: {y: [{p: 1, q: 2}]}}`},
		{" m . y [ 0 ] ", nil, `{m: {y: [0]}}`},
		{"a, nothing, m.nothing, l[9], a.b, a[0]", nil, ``}, // a and a.b overlap: see below
		{"nothing, m.nothing, l[9]", nil, `{}`},
		{"#s", map[string]string{"#s": "size"}, `{size: 7}`},
		{"#d", map[string]string{"#d": "b.c"}, `{b.c: "dotted"}`},
		{"#m.#x", map[string]string{"#m": "m", "#x": "x"}, `{m: {x: 1}}`},
	} {
		out, err := client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: table, Key: key, ProjectionExpression: &c.projection, ExpressionAttributeNames: c.names,
		})
		if c.want == "" {
			invalid(t, err, "Invalid ProjectionExpression: Two document paths overlap with each other; "+
				"must remove or rewrite one of these paths; path one: [a], path two: [a, b]")
			continue
		}
		same(t, c.projection, show(must(out, err)(t).Item), c.want)
	}
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, AttributesToGet: []string{"size", "none", "b.c"}}))(t)
	same(t, "AttributesToGet", show(out.Item), `{b.c: "dotted", size: 7}`)
}

// TestGetItemProjectionErrors is about expressions that are refused before anything is read.
func TestGetItemProjectionErrors(t *testing.T) {
	t.Parallel()
	for projection, message := range map[string]string{
		"":                "The expression can not be empty;",
		"a,":              `Syntax error; token: "<EOF>", near: ","`,
		"a b":             `Syntax error; token: "b", near: "a b"`,
		"a[b]":            `Syntax error; token: "b", near: "[b]"`,
		"a[-1]":           `Syntax error; token: "-", near: "[-1"`,
		":a":              `Syntax error; token: ":a", near: ":a"`,
		"size":            "Attribute name is a reserved keyword; reserved keyword: size",
		"x.Status":        "Attribute name is a reserved keyword; reserved keyword: Status",
		"#a":              "An expression attribute name used in the document path is not defined; attribute name: #a",
		"a, a":            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
		"a.b[1], a.b":     "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b, [1]], path two: [a, b]",
		"a.b, a[0]":       "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]",
		"a, b.c, b[0], a": "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
	} {
		_, err := client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: new("no-such-table"), Key: attrs{"a": s("1")}, ProjectionExpression: &projection,
		})
		invalid(t, err, "Invalid ProjectionExpression: "+message)
	}
}

// TestGetItemParameters is about parameters that do not go together.
func TestGetItemParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in      dynamodb.GetItemInput
		message string
	}{
		{dynamodb.GetItemInput{ProjectionExpression: new("a"), AttributesToGet: []string{"a"}},
			"Can not use both expression and non-expression parameters in the same request: " +
				"Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"},
		{dynamodb.GetItemInput{AttributesToGet: []string{"a", "b", "a"}}, oneOrMore + "Duplicate value in attribute name: a"},
		{dynamodb.GetItemInput{AttributesToGet: []string{}},
			oneError + "Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{dynamodb.GetItemInput{ExpressionAttributeNames: map[string]string{"#a": "a"}},
			"ExpressionAttributeNames can only be specified when using expressions"},
		{dynamodb.GetItemInput{ProjectionExpression: new("a"), ExpressionAttributeNames: map[string]string{"#b": "a", "#c": "c"}},
			"Value provided in ExpressionAttributeNames unused in expressions: keys: {#b, #c}"},
		{dynamodb.GetItemInput{ReturnConsumedCapacity: "ALL"},
			oneError + "Value 'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
	} {
		c.in.TableName, c.in.Key = new("no-such-table"), attrs{"a": s("1")}
		_, err := client.GetItem(ctx, &c.in)
		if err != nil && strings.Contains(c.message, "{#b, #c}") && strings.Contains(err.Error(), "{#c, #b}") {
			continue // a map has no order
		}
		invalid(t, err, c.message)
	}
}

// TestKeys is about keys that name no item, which all operations that take a key answer alike.
func TestKeys(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", sort: "r:B"}.table(t)
	const notValid = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
	for _, c := range []struct {
		key     attrs
		message string
	}{
		{attrs{}, keyMismatch},
		{attrs{"h": s("1")}, keyMismatch},
		{attrs{"r": b("1")}, keyMismatch},
		{attrs{"h": s("1"), "r": b("1"), "x": s("1")}, keyMismatch},
		{attrs{"h": s("1"), "x": b("1")}, keyMismatch},
		{attrs{"h": n("1"), "r": b("1")}, keyMismatch},
		{attrs{"h": s("1"), "r": s("1")}, keyMismatch},
		{attrs{"h": s(""), "r": b("1")}, notValid + "string value. Key: h"},
		{attrs{"h": s("1"), "r": b("")}, notValid + "binary value. Key: r"},
		{attrs{"h": s(strings.Repeat("x", 2049)), "r": b("1")}, oneOrMore + "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{attrs{"h": s("x"), "r": b(strings.Repeat("x", 1025))},
			oneOrMore + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
		{attrs{"h": n("x"), "r": b("1")}, "The parameter cannot be converted to a numeric value: x"},
	} {
		_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: c.key})
		invalid(t, err, c.message)
		_, err = client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: c.key})
		invalid(t, err, c.message)
		_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: c.key})
		invalid(t, err, c.message)
	}
}
