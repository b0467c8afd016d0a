package blackbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestConditions evaluates conditions on an item, as ConditionExpression and as FilterExpression:
// they are the same.
func TestConditions(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{
		"a": s("1"), "n": n("5"), "m5": n("-5"), "str": s("hello"), "bin": b("\x00\x01\x02"), "yes": boolean(true), "nil": null(true),
		"ss": ss("x", "y"), "ns": ns("1", "2"), "bs": bs("p"), "l": l(n("1"), s("two"), m(attrs{"k": n("3")})),
		"m": m(attrs{"k": s("v"), "n": n("5")}), "blank": s(""), "wide": s("é☃𝄞"),
	})
	values := attrs{
		":4": n("4"), ":5": n("5.0"), ":6": n("6"), ":hello": s("hello"), ":he": s("he"), ":ell": s("ell"), ":z": s("z"),
		":true": boolean(true), ":null": null(true), ":ss": ss("y", "x"), ":x": s("x"), ":1": n("1"), ":two": s("two"),
		":map": m(attrs{"n": n("5"), "k": s("v")}), ":bin": b("\x00\x01"), ":bin2": b("\x01"), ":S": s("S"), ":N": s("N"), ":NULL": s("NULL"),
		":M": s("M"), ":list": l(n("1.0"), s("two"), m(attrs{"k": n("3")})), ":0": n("0"), ":2": n("2"), ":3": n("3"), ":sub": m(attrs{"k": n("3")}),
	}
	for condition, want := range map[string]bool{
		"n = :5": true, "n = :hello": false, "n <> :hello": true, "n <> :5": false, ":5 = n": true, "n < :6": true, "n < :5": false,
		"n <= :5": true, "n > :4": true, "n >= :6": false, "str < :z": true, "str > :4": false, "bin > :bin": true, "m5 < n": true,
		"str = :hello AND n = :5": true, "str = :z OR n = :5": true, "str = :z AND n = :5 OR n = :5": true,
		"n = :5 OR n = :5 AND str = :z": true, "(n = :5 OR n = :5) AND str = :z": false, "NOT n = :5": false, "NOT (n = :5 AND str = :z)": true,
		"NOT NOT n = :5": true, "n between :4 and :6": true, "n BETWEEN :5 AND :5": true, "str BETWEEN :he AND :z": true,
		":5 BETWEEN :4 AND n": true, "n IN (:4, :5)": true, "n IN (:4, :6, :hello)": false, ":hello IN (n, str)": true,
		// What is missing equals nothing, and only is different.
		"gone = :5": false, "gone <> :5": true, "NOT gone = :5": true, "gone < :5": false, "NOT gone < :5": true, "gone BETWEEN :4 AND :6": false,
		"gone IN (:4)": false, "m.gone = :5": false, "l[9] = :5": false, "l.k = :5": false, "m[0] = :5": false, "n.k = :5": false,
		"attribute_exists(n)": true, "attribute_exists(nil)": true, "attribute_exists(gone)": false, "attribute_not_exists(gone)": true,
		"attribute_exists(m.k)": true, "attribute_exists(l[2].k)": true, "attribute_not_exists(l[3])": true,
		"attribute_type(str, :S)": true, "attribute_type(n, :S)": false, "attribute_type(nil, :NULL)": true, "attribute_type(m, :M)": true,
		"attribute_type(gone, :S)": false, "attribute_type(m.n, :N)": true,
		"begins_with(str, :he)": true, "begins_with(str, :ell)": false, "begins_with(bin, :bin)": true, "begins_with(n, :he)": false,
		"begins_with(gone, :he)": false, "begins_with(str, blank)": true,
		"contains(str, :ell)": true, "contains(str, :z)": false, "contains(ss, :x)": true, "contains(ss, :z)": false, "contains(ns, :2)": true,
		"contains(l, :two)": true, "contains(l, :1)": true, "contains(l, :sub)": true, "contains(m, :x)": false, "contains(gone, :x)": false,
		"contains(ns, :x)": false, "contains(n, :5)": false, "contains(bin, :bin2)": true,
		"size(str) = :5": true, "size(bin) = :3": true, "size(ss) = :2": true, "size(l) = :3": true, "size(m) = :2": true, "size(blank) = :0": true,
		"size(wide) = :4": true, "size(n) = :1": false, "size(gone) = :0": false, "NOT size(gone) = :0": true, "size(ss) < size(l)": true,
		"n = m.n": true, "n = m5": false, "l[0] = :1": true, "l[2].k = :3": true, "ss = :ss": true, "m = :map": true, "l = :list": true,
		"yes = :true": true, "nil = :null": true, "nil = :true": false, "str = #hash": false,
	} {
		used, names := attrs{}, map[string]string(nil)
		for key, v := range values {
			if strings.Contains(condition+" ", key+" ") || strings.Contains(condition, key+")") || strings.Contains(condition, key+",") {
				used[key] = v
			}
		}
		if len(used) == 0 {
			used = nil
		}
		if strings.Contains(condition, "#hash") {
			names = map[string]string{"#hash": "n"}
		}
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")},
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: used})
		var failed *types.ConditionalCheckFailedException
		switch {
		case err == nil:
			same(t, condition, true, want)
		case errors.As(err, &failed):
			same(t, condition, false, want)
		default:
			t.Errorf("%s: %v", condition, err)
		}
		out, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: table,
			FilterExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: used})
		same(t, "filter "+condition, must(out, err)(t).Count == 1, want)
	}
}

// TestConditionMissing is about conditions on an item that is not there.
func TestConditionMissing(t *testing.T) {
	t.Parallel()
	table := simple(t)
	in := &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")}, ConditionExpression: new("attribute_exists(a)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	_, err := client.UpdateItem(ctx, in) // the key does not count before the item is there
	refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		same(t, "no item", show(failed.Item), "none")
	}
	once := &dynamodb.PutItemInput{TableName: table, Item: attrs{"a": s("1"), "x": n("1")}, ConditionExpression: new("attribute_not_exists(a)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	must(client.PutItem(ctx, once))(t)
	once.Item["x"] = n("2")
	_, err = client.PutItem(ctx, once)
	refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	if errors.As(err, &failed) {
		same(t, "the item in the way", show(failed.Item), `{a: "1", x: 1}`)
	}
	once.ReturnValuesOnConditionCheckFailure = ""
	_, err = client.PutItem(ctx, once)
	if errors.As(err, &failed) {
		same(t, "not asked for", show(failed.Item), "none")
	}
	same(t, "unharmed", get(t, table, attrs{"a": s("1")}), `{a: "1", x: 1}`)
}

// TestConditionErrors is about conditions that are refused. PutItem and UpdateItem show them as
// validation errors detected, DeleteItem and Scan as they are.
func TestConditionErrors(t *testing.T) {
	t.Parallel()
	one, text, yes := attrs{":v": n("1")}, attrs{":v": s("x")}, attrs{":v": boolean(true)}
	for _, c := range []struct {
		condition string
		values    attrs
		message   string
	}{
		{"x", nil, `Syntax error; token: "<EOF>", near: "x"`},
		{"x = ", nil, `Syntax error; token: "<EOF>", near: "="`},
		{"x y", nil, `Syntax error; token: "y", near: "x y"`},
		{"x = :v AND", one, `Syntax error; token: "<EOF>", near: "AND"`},
		{"x = :v !", one, `Syntax error; token: "!", near: ":v !"`},
		{"x = 'v'", nil, `Syntax error; token: "'", near: "= 'v"`},
		{"(x = :v", one, `Syntax error; token: "<EOF>", near: ":v"`},
		{"x = :v)", one, `Syntax error; token: ")", near: ":v)"`},
		{"((x = :v))", one, "The expression has redundant parentheses;"},
		{"x = ((:v))", one, "The expression has redundant parentheses;"},
		{"exists(x)", nil, "Invalid function name; function: exists"},
		{"ATTRIBUTE_EXISTS(x)", nil, "Invalid function name; function: ATTRIBUTE_EXISTS"},
		{"size(x)", nil, "The function is not allowed to be used this way in an expression; function: size"},
		{"size(attribute_exists(x)) = :v", one, "The function is not allowed to be used this way in an expression; function: attribute_exists"},
		{"if_not_exists(x, :v)", one, "The function is not allowed in a condition expression; function: if_not_exists"},
		{"status = :v", one, "Attribute name is a reserved keyword; reserved keyword: status"},
		{"x.Name = :v", one, "Attribute name is a reserved keyword; reserved keyword: Name"},
		{"#x = :v", one, "An expression attribute name used in the document path is not defined; attribute name: #x"},
		{"x = :w", nil, "An expression attribute value used in expression is not defined; attribute value: :w"},
		{"attribute_exists(x, y)", nil, "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2"},
		{"begins_with(x)", nil, "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"},
		{"x IN (" + strings.Repeat(":v,", 100) + ":v)", one, "Incorrect number of operands for operator or function; operator or function: IN, number of operands: 101"},
		{"x = x", nil, "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [x]"},
		{"x[0].y <> x[0].y", nil, "The first operand must be distinct from the remaining operands for this operator or function; operator: <>, first operand: [x, [0], y]"},
		{"contains(x, x)", nil, "The first operand must be distinct from the remaining operands for this operator or function; operator: contains, first operand: [x]"},
		{"attribute_exists(:v)", one, "Operator or function requires a document path; operator or function: attribute_exists"},
		{"attribute_type(x, :v)", one, "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N"},
		{"attribute_type(x, y)", nil, "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"},
		{"attribute_type(x, :v)", text, "Invalid attribute type name found; type: x, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
		{"begins_with(x, :v)", one, "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
		{"x < :v", yes, "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL"},
		{"x >= :v", attrs{":v": ss("x")}, "Incorrect operand type for operator or function; operator or function: >=, operand type: SS"},
		{"x BETWEEN :v AND :v", yes, "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: BOOL"},
		{"size(:v) = x", one, "Incorrect operand type for operator or function; operator or function: size, operand type: N"},
		{"x BETWEEN :v AND :w", attrs{":v": s("a"), ":w": n("1")}, "The BETWEEN operator requires same data type for lower and upper bounds; " +
			"lower bound operand: AttributeValue: {S:a}, upper bound operand: AttributeValue: {N:1}"},
		{"x BETWEEN :v AND :w", attrs{":v": n("2"), ":w": n("1")}, "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " +
			"lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"},
		{"x = :v" + strings.Repeat(" ", 4091), one, "Expression size has exceeded the maximum allowed size; expression size: 4097"},
		{"x = :v" + strings.Repeat(" OR x = :v", 150), one, "The expression contains too many operators; operator count: 301"},
	} {
		key := attrs{"a": s("1")}
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: new("no-such-table"), Item: key,
			ConditionExpression: &c.condition, ExpressionAttributeValues: c.values})
		invalid(t, err, oneError+"Invalid ConditionExpression: "+c.message)
		_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: new("no-such-table"), Key: key,
			ConditionExpression: &c.condition, ExpressionAttributeValues: c.values})
		invalid(t, err, oneError+"Invalid ConditionExpression: "+c.message)
		_, err = client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: new("no-such-table"), Key: key,
			ConditionExpression: &c.condition, ExpressionAttributeValues: c.values})
		invalid(t, err, "Invalid ConditionExpression: "+c.message)
		_, err = client.Scan(ctx, &dynamodb.ScanInput{TableName: new("no-such-table"),
			FilterExpression: &c.condition, ExpressionAttributeValues: c.values})
		invalid(t, err, "Invalid FilterExpression: "+c.message)
	}
}

// TestConditionLimits shows what is just allowed.
func TestConditionLimits(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, condition := range []string{
		"x <> :v" + strings.Repeat(" ", 4089),
		"NOT (x = :v" + strings.Repeat(" OR x = :v", 149) + ")", // 300 operators
		"NOT x IN (" + strings.Repeat(":v,", 99) + ":v)",
		"(x <> (:v))",
		"not\tx\r\n=:v",
		"NOT x" + strings.Repeat(".y", 31) + " = :v",
	} {
		_, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: attrs{"a": s("1")},
			ConditionExpression: &condition, ExpressionAttributeValues: attrs{":v": n("1")}})
		if err != nil {
			t.Errorf("%.40s…: %v", condition, err)
		}
	}
}
