package blackbox_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// compare is a legacy condition.
func compare(operator types.ComparisonOperator, values ...av) types.Condition {
	return types.Condition{ComparisonOperator: operator, AttributeValueList: values}
}

// TestLegacyOperators evaluates each operator, as ScanFilter and as Expected: they are the same.
func TestLegacyOperators(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "n": n("5"), "str": s("hello"), "tags": ss("x", "y"), "l": l(s("x"), n("1")), "nil": null(true),
		"bin": b("ab"), "yes": boolean(true)})
	for _, c := range []struct {
		attribute string
		operator  types.ComparisonOperator
		values    []av
		want      bool
	}{
		{"n", "EQ", []av{n("5.0")}, true}, {"n", "EQ", []av{s("5")}, false}, {"gone", "EQ", []av{n("5")}, false},
		{"tags", "EQ", []av{ss("y", "x")}, true}, {"l", "EQ", []av{l(s("x"), n("1"))}, true}, {"yes", "EQ", []av{boolean(true)}, true},
		{"n", "NE", []av{n("5")}, false}, {"n", "NE", []av{n("6")}, true}, {"n", "NE", []av{s("5")}, true}, {"gone", "NE", []av{n("5")}, true},
		{"n", "LT", []av{n("6")}, true}, {"n", "LT", []av{n("5")}, false}, {"n", "LT", []av{s("6")}, false},
		{"n", "LE", []av{n("5")}, true}, {"n", "GT", []av{n("5")}, false}, {"n", "GE", []av{n("5")}, true}, {"gone", "GE", []av{n("5")}, false},
		{"n", "BETWEEN", []av{n("5"), n("6")}, true}, {"n", "BETWEEN", []av{n("6"), n("7")}, false},
		{"n", "IN", []av{n("6"), n("5")}, true}, {"n", "IN", []av{n("6")}, false}, {"gone", "IN", []av{n("6")}, false},
		{"n", "NULL", nil, false}, {"gone", "NULL", nil, true}, {"nil", "NULL", nil, false},
		{"n", "NOT_NULL", nil, true}, {"gone", "NOT_NULL", nil, false}, {"nil", "NOT_NULL", nil, true},
		{"str", "BEGINS_WITH", []av{s("he")}, true}, {"str", "BEGINS_WITH", []av{s("ell")}, false}, {"bin", "BEGINS_WITH", []av{b("a")}, true},
		{"n", "BEGINS_WITH", []av{s("5")}, false},
		{"str", "CONTAINS", []av{s("ell")}, true}, {"tags", "CONTAINS", []av{s("y")}, true}, {"tags", "CONTAINS", []av{s("z")}, false},
		{"l", "CONTAINS", []av{n("1")}, true}, {"gone", "CONTAINS", []av{s("y")}, false},
		{"str", "NOT_CONTAINS", []av{s("ell")}, false}, {"tags", "NOT_CONTAINS", []av{s("z")}, true}, {"gone", "NOT_CONTAINS", []av{s("z")}, false},
	} {
		out := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table,
			ScanFilter: map[string]types.Condition{c.attribute: compare(c.operator, c.values...)}}))(t)
		if got := out.Count == 1; got != c.want {
			t.Errorf("%s %s %v: ScanFilter says %v", c.attribute, c.operator, c.values, got)
		}
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")},
			Expected: map[string]types.ExpectedAttributeValue{c.attribute: {ComparisonOperator: c.operator, AttributeValueList: c.values}}})
		var failed *types.ConditionalCheckFailedException
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("%s %s %v: %v", c.attribute, c.operator, c.values, err)
		} else if got := err == nil; got != c.want {
			t.Errorf("%s %s %v: Expected says %v", c.attribute, c.operator, c.values, got)
		}
	}
}

// TestExpected is about Expected's other members, and about ConditionalOperator.
func TestExpected(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "x": n("1")})
	type expected = map[string]types.ExpectedAttributeValue
	for _, c := range []struct {
		expected expected
		operator types.ConditionalOperator
		want     string // "" if it holds
	}{
		{expected{"x": {Value: n("1.0")}}, "", ""},
		{expected{"x": {Value: n("1"), Exists: new(true)}}, "", ""},
		{expected{"x": {Value: n("2")}}, "", "The conditional request failed"},
		{expected{"x": {Exists: new(false)}}, "", "The conditional request failed"},
		{expected{"y": {Exists: new(false)}}, "", ""},
		{expected{"x": {ComparisonOperator: "GT", Value: n("0")}}, "", ""},
		{expected{"x": {Value: n("1")}, "y": {Value: n("1")}}, "", "The conditional request failed"},
		{expected{"x": {Value: n("1")}, "y": {Value: n("1")}}, "AND", "The conditional request failed"},
		{expected{"x": {Value: n("1")}, "y": {Value: n("1")}}, "OR", ""},
		{expected{}, "AND", "ConditionalOperator cannot be used without Filter or Expected"},
		{expected{"x": {Value: n("1")}}, "OR", "ConditionalOperator can only be used when Filter or Expected has two or more elements"},
		{expected{"x": {Value: n("1"), AttributeValueList: []av{n("1")}}}, "",
			oneOrMore + "Value and AttributeValueList cannot be used together for Attribute: x"},
		{expected{"x": {ComparisonOperator: "EQ", Value: n("1"), Exists: new(true)}}, "",
			oneOrMore + "Exists and ComparisonOperator cannot be used together for Attribute: x"},
		{expected{"x": {ComparisonOperator: "LT"}}, "",
			oneOrMore + "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: x"},
		{expected{"x": {ComparisonOperator: "NULL", Value: n("1")}}, "",
			oneOrMore + "Invalid number of argument(s) for the NULL ComparisonOperator"},
		{expected{"x": {ComparisonOperator: "BETWEEN", AttributeValueList: []av{n("1")}}}, "",
			oneOrMore + "Invalid number of argument(s) for the BETWEEN ComparisonOperator"},
		{expected{"x": {ComparisonOperator: "IN", AttributeValueList: []av{n("1"), s("1")}}}, "",
			oneOrMore + "AttributeValues inside AttributeValueList must be of same type"},
		{expected{"x": {ComparisonOperator: "BETWEEN", AttributeValueList: []av{n("2"), n("1")}}}, "",
			"The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"},
		{expected{"x": {AttributeValueList: []av{n("1")}}}, "",
			oneOrMore + "AttributeValueList can only be used with a ComparisonOperator for Attribute: x"},
		{expected{"x": {}}, "", oneOrMore + "Value must be provided when Exists is null for Attribute: x"},
		{expected{"x": {Exists: new(true)}}, "", oneOrMore + "Value must be provided when Exists is true for Attribute: x"},
		{expected{"x": {Exists: new(false), Value: n("1")}}, "", oneOrMore + "Value cannot be used when Exists is false for Attribute: x"},
		{expected{"x": {ComparisonOperator: "=", Value: n("1")}}, "",
			oneError + "Value '=' at 'expected.x.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]"},
		{expected{"x": {Value: n("1")}, "y": {Value: n("1")}}, "XOR",
			oneError + "Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]"},
	} {
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: attrs{"a": s("1"), "x": n("1")},
			Expected: c.expected, ConditionalOperator: c.operator})
		switch c.want {
		case "":
			if err != nil {
				t.Error(err)
			}
		case "The conditional request failed":
			refused(t, err, "ConditionalCheckFailedException", c.want)
		default:
			invalid(t, err, c.want)
		}
	}
}

// TestAttributeUpdates is about updates from before there were expressions.
func TestAttributeUpdates(t *testing.T) {
	t.Parallel()
	table := simple(t)
	type updates = map[string]types.AttributeValueUpdate
	update := func(key string, u updates) (*dynamodb.UpdateItemOutput, error) {
		return client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s(key)}, AttributeUpdates: u,
			ReturnValues: types.ReturnValueAllNew})
	}
	for _, c := range []struct {
		updates updates
		want    string
	}{
		{updates{"x": {Value: n("2")}}, `{a: "1", l: [1], tags: SS("p", "q"), x: 2}`},
		{updates{"x": {Value: n("2"), Action: "PUT"}, "y": {Value: null(true)}}, `{a: "1", l: [1], tags: SS("p", "q"), x: 2, y: null}`},
		{updates{"x": {Value: n("2"), Action: "ADD"}, "z": {Value: n("2"), Action: "ADD"}}, `{a: "1", l: [1], tags: SS("p", "q"), x: 3, z: 2}`},
		{updates{"tags": {Value: ss("q", "r"), Action: "ADD"}}, `{a: "1", l: [1], tags: SS("p", "q", "r"), x: 1}`},
		{updates{"l": {Value: l(n("2")), Action: "ADD"}}, `{a: "1", l: [1, 2], tags: SS("p", "q"), x: 1}`},
		{updates{"tags": {Value: ss("q", "r"), Action: "DELETE"}}, `{a: "1", l: [1], tags: SS("p"), x: 1}`},
		{updates{"tags": {Value: ss("q", "p"), Action: "DELETE"}}, `{a: "1", l: [1], x: 1}`},
		{updates{"tags": {Action: "DELETE"}, "l": {Action: "DELETE"}, "gone": {Action: "DELETE"}}, `{a: "1", x: 1}`},
		{updates{}, `{a: "1", l: [1], tags: SS("p", "q"), x: 1}`},
	} {
		put(t, table, attrs{"a": s("1"), "x": n("1"), "tags": ss("p", "q"), "l": l(n("1"))})
		same(t, "updated", show(must(update("1", c.updates))(t).Attributes), c.want)
	}
	must(update("missing", updates{"x": {Action: "DELETE"}}))(t)
	same(t, "deletes alone make no item", get(t, table, attrs{"a": s("missing")}), "none")
	same(t, "an ADD does", show(must(update("missing", updates{"x": {Action: "ADD", Value: ns("1")}}))(t).Attributes), `{a: "missing", x: NS(1)}`)

	for _, c := range []struct {
		update  types.AttributeValueUpdate
		message string
	}{
		{types.AttributeValueUpdate{}, oneOrMore + "Only DELETE action is allowed when no attribute value is specified"},
		{types.AttributeValueUpdate{Action: "ADD"}, oneOrMore + "Only DELETE action is allowed when no attribute value is specified"},
		{types.AttributeValueUpdate{Action: "DELETE", Value: n("1")}, oneOrMore + "DELETE action with value is not supported for the type N"},
		{types.AttributeValueUpdate{Action: "ADD", Value: s("1")}, oneOrMore + "ADD action is not supported for the type S"},
		{types.AttributeValueUpdate{Action: "ADD", Value: m(attrs{})}, oneOrMore + "ADD action is not supported for the type M"},
		{types.AttributeValueUpdate{Action: "SET", Value: n("1")}, oneError + "Value 'SET' at 'attributeUpdates.tags.member.action' " +
			"failed to satisfy constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]"},
		{types.AttributeValueUpdate{Value: ss()}, oneError + oneOrMore + "An string set  may not be empty"},
		{types.AttributeValueUpdate{Action: "ADD", Value: n("1")}, "Type mismatch for attribute to update"},
		{types.AttributeValueUpdate{Action: "DELETE", Value: ns("1")}, "Type mismatch for attribute to update"},
	} {
		_, err := update("1", updates{"tags": c.update})
		if c.message == "Type mismatch for attribute to update" {
			put(t, table, attrs{"a": s("1"), "tags": ss("p")})
			_, err = update("1", updates{"tags": c.update})
		}
		invalid(t, err, c.message)
	}
	_, err := update("1", updates{"a": {Value: s("1")}})
	invalid(t, err, oneOrMore+"Cannot update attribute a. This attribute is part of the key")
}

// TestKeyConditions is about queries from before there were expressions.
func TestKeyConditions(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	type conditions = map[string]types.Condition
	one := compare("EQ", s("1"))
	for _, c := range []struct {
		in   dynamodb.QueryInput
		want string // the sort keys, or a message
	}{
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}}, "1 2 3 4 5 6"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("GT", n("3"))}, ScanIndexForward: new(false)}, "6 5 4"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("BETWEEN", n("2"), n("3"))}}, "2 3"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, QueryFilter: conditions{"x": compare("NOT_NULL")}, AttributesToGet: []string{"r"}}, "1 2 3 4 5"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, ConditionalOperator: "OR",
			QueryFilter: conditions{"k": compare("EQ", n("0")), "x": compare("NULL")}}, "1 6"},
		{dynamodb.QueryInput{IndexName: new("local"), KeyConditions: conditions{"h": one, "l": compare("BEGINS_WITH", s("z"))}}, "1"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, FilterExpression: new("attribute_not_exists(x)")}, "6"}, // this mixture is let through

		{dynamodb.QueryInput{KeyConditions: conditions{}}, "Conditions can be of length 1 or 2 only"},
		{dynamodb.QueryInput{KeyConditions: conditions{"r": compare("EQ", n("1"))}}, "Query condition missed key schema element: h"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "x": one}}, "Query condition missed key schema element: r"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": one, "x": one}}, "Conditions can be of length 1 or 2 only"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": compare("LT", s("1"))}}, "Query key condition not supported"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("NE", n("1"))}}, "Attempted conditional constraint is not an indexable operation"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("CONTAINS", n("1"))}}, "Attempted conditional constraint is not an indexable operation"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": one}}, oneOrMore + "Condition parameter type does not match schema type"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": compare("EQ")}}, oneOrMore + "Invalid number of argument(s) for the EQ ComparisonOperator"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("BETWEEN", n("2"), n("1"))}},
			"The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one, "r": compare("BEGINS_WITH", n("2"))}},
			oneOrMore + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, QueryFilter: conditions{"r": compare("EQ", n("1"))}},
			"QueryFilter can only contain non-primary key attributes: Primary key attribute: r"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, QueryFilter: conditions{"x": compare("LT", ss("1"))}},
			oneOrMore + "ComparisonOperator LT is not valid for SS AttributeValue type"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, ConditionalOperator: "OR"}, "ConditionalOperator cannot be used without Filter or Expected"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, AttributesToGet: []string{"x", "x"}}, oneOrMore + "Duplicate value in attribute name: x"},
		{dynamodb.QueryInput{KeyConditions: conditions{"h": one}, KeyConditionExpression: new("h = :h"), AttributesToGet: []string{"x"}},
			"Can not use both expression and non-expression parameters in the same request: " +
				"Non-expression parameters: {AttributesToGet, KeyConditions} Expression parameters: {KeyConditionExpression}"},
	} {
		c.in.TableName = table
		out, err := client.Query(ctx, &c.in)
		if c.want[0] > '9' {
			invalid(t, err, c.want)
			continue
		}
		same(t, "found", column(must(out, err)(t).Items, "r"), c.want)
	}
}
