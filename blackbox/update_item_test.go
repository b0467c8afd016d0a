package blackbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// thing is the item that updates are tried on.
func thing() attrs {
	return attrs{
		"a": s("1"), "n": n("1"), "s": s("text"), "tags": ss("x", "y"), "nums": ns("1", "2"),
		"l": l(n("0"), n("1"), n("2"), n("3")), "m": m(attrs{"x": n("1"), "y": m(attrs{"z": s("deep")}), "l": l(m(attrs{"p": n("1")}))}),
	}
}

// updateThing updates a fresh thing and returns what it is then, or the error.
func updateThing(t *testing.T, table *string, expression string, names map[string]string, values attrs) (string, error) {
	t.Helper()
	put(t, table, thing())
	out, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: table, Key: attrs{"a": s("1")}, UpdateExpression: &expression, ExpressionAttributeNames: names,
		ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllNew,
	})
	if err != nil {
		return "", err
	}
	// What is left as it was is not of interest.
	before := thing()
	for name, v := range out.Attributes {
		if old, ok := before[name]; ok && showValue(old) == showValue(v) {
			delete(out.Attributes, name)
		}
		delete(before, name)
	}
	text := show(out.Attributes)
	for _, name := range []string{"a", "l", "m", "n", "nums", "s", "tags"} {
		if before[name] != nil {
			text += " without " + name
		}
	}
	return text, nil
}

// TestUpdateItem shows what update expressions make of an item.
func TestUpdateItem(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, c := range []struct {
		expression string
		values     attrs
		want       string
	}{
		{"SET s = :v", attrs{":v": n("5")}, `{s: 5}`},
		{"set x = :v, y = s", attrs{":v": null(true)}, `{x: null, y: "text"}`},
		{"SET n = n + :v", attrs{":v": n("0.1")}, `{n: 1.1}`},
		{"SET n = :v - n", attrs{":v": n("0.1")}, `{n: -0.9}`},
		{"SET n = s, s = n", nil, `{n: "text", s: 1}`}, // what is read is the old item
		{"SET n = n + n", nil, `{n: 2}`},
		{"SET x = n - n", nil, `{x: 0}`},
		{"SET x = if_not_exists(x, :v), n = if_not_exists(n, :v)", attrs{":v": n("9")}, `{x: 9}`},
		{"SET x = if_not_exists(x, :v) + :v", attrs{":v": n("9")}, `{x: 18}`},
		{"SET x = if_not_exists(nothing, s)", nil, `{x: "text"}`},
		{"SET x = list_append(l, :v)", attrs{":v": l(s("e"))}, `{x: [0, 1, 2, 3, "e"]}`},
		{"SET l = list_append(:v, l)", attrs{":v": l(s("e"))}, `{l: ["e", 0, 1, 2, 3]}`},
		{"SET x = list_append(if_not_exists(x, :empty), :v)", attrs{":v": l(s("e")), ":empty": l()}, `{x: ["e"]}`},
		{"SET x = (n + :v)", attrs{":v": n("1")}, `{x: 2}`},
		{"SET l[1] = :v", attrs{":v": s("b")}, `{l: [0, "b", 2, 3]}`},
		{"SET l[9] = :v, l[5] = :w", attrs{":v": s("9"), ":w": s("5")}, `{l: [0, 1, 2, 3, "5", "9"]}`},
		{"SET l[0] = l[3], l[3] = l[0]", nil, `{l: [3, 1, 2, 0]}`},
		{"SET m.x = :v, m.fresh = :v, m.y.z = :v", attrs{":v": n("7")}, `{m: {fresh: 7, l: [{p: 1}], x: 7, y: {z: 7}}}`},
		{"SET m.l[0].q = m.y.z", nil, `{m: {l: [{p: 1, q: "deep"}], x: 1, y: {z: "deep"}}}`},
		{"REMOVE s, nothing", nil, `{} without s`},
		{"REMOVE l[0], l[2]", nil, `{l: [1, 3]}`},
		{"REMOVE l[17]", nil, `{}`},
		{"REMOVE l[1] SET l[2] = :v", attrs{":v": s("two")}, `{l: [0, "two", 3]}`},
		{"REMOVE m.y.z, m.nothing", nil, `{m: {l: [{p: 1}], x: 1, y: {}}}`},
		{"REMOVE l, m, n, nums, s, tags", nil, `{} without l without m without n without nums without s without tags`},
		{"ADD n :v", attrs{":v": n("2.5")}, `{n: 3.5}`},
		{"ADD x :v", attrs{":v": n("2.5")}, `{x: 2.5}`},
		{"ADD x :v", attrs{":v": ns("1")}, `{x: NS(1)}`},
		{"ADD nums :v", attrs{":v": ns("1.0", "3")}, `{nums: NS(1, 2, 3)}`},
		{"ADD tags :v", attrs{":v": ss("x", "z")}, `{tags: SS("x", "y", "z")}`},
		{"ADD m.x :v", attrs{":v": n("1")}, `{m: {l: [{p: 1}], x: 2, y: {z: "deep"}}}`},
		{"DELETE tags :v", attrs{":v": ss("x", "z")}, `{tags: SS("y")}`},
		{"DELETE tags :v", attrs{":v": ss("x", "y")}, `{} without tags`},
		{"DELETE nothing :v", attrs{":v": ss("x", "y")}, `{}`},
		{"SET x = :v REMOVE s ADD n :n DELETE tags :s", attrs{":v": s(""), ":n": n("1"), ":s": ss("x")},
			`{n: 2, tags: SS("y"), x: ""} without s`},
	} {
		got, err := updateThing(t, table, c.expression, nil, c.values)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		same(t, c.expression, got, c.want)
	}
}

// TestUpdateItemMeets shows what update expressions can meet in an item.
func TestUpdateItemMeets(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const (
		missing = "The provided expression refers to an attribute that does not exist in the item"
		path    = "The document path provided in the update expression is invalid for update"
		kind    = "An operand in the update expression has an incorrect data type"
	)
	for _, c := range []struct {
		expression string
		values     attrs
		message    string
	}{
		{"SET x = y", nil, missing},
		{"SET x = x + :v", attrs{":v": n("1")}, missing},
		{"SET x = l[4]", nil, missing},
		{"SET x = list_append(x, :v)", attrs{":v": l()}, missing},
		{"SET x.y = :v", attrs{":v": n("1")}, path},
		{"SET x[0] = :v", attrs{":v": n("1")}, path},
		{"SET s.y = :v", attrs{":v": n("1")}, path},
		{"SET l.y = :v", attrs{":v": n("1")}, path},
		{"SET m[0] = :v", attrs{":v": n("1")}, path},
		{"SET m.nothing.y = :v", attrs{":v": n("1")}, path},
		{"REMOVE x.y", nil, path},
		{"REMOVE s[0]", nil, path},
		{"ADD x.y :v", attrs{":v": n("1")}, path},
		{"SET x = s + :v", attrs{":v": n("1")}, kind},
		{"SET x = list_append(s, :v)", attrs{":v": l()}, kind},
		{"ADD s :v", attrs{":v": n("1")}, kind},
		{"ADD tags :v", attrs{":v": ns("1")}, kind},
		{"ADD n :v", attrs{":v": ns("1")}, kind},
		{"DELETE n :v", attrs{":v": ns("1")}, kind},
		{"DELETE tags :v", attrs{":v": ns("1")}, kind},
		{"SET n = n + :v", attrs{":v": n("1E60")}, "Attempting to store more than 38 significant digits in a Number"},
		{"SET n = :v + :v", attrs{":v": n("9.9E125")}, "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		{"ADD n :v", attrs{":v": n("1E-60")}, "Attempting to store more than 38 significant digits in a Number"},
		{"SET x = :v", attrs{":v": s(strings.Repeat("x", 400<<10))}, "Item size to update has exceeded the maximum allowed size"},
	} {
		_, err := updateThing(t, table, c.expression, nil, c.values)
		invalid(t, err, c.message)
		same(t, "after "+c.expression, get(t, table, attrs{"a": s("1")}), show(thing()))
	}
}

// TestUpdateExpressionErrors is about expressions that are refused whatever the item is.
func TestUpdateExpressionErrors(t *testing.T) {
	t.Parallel()
	one, text := attrs{":v": n("1")}, attrs{":v": s("x")}
	for _, c := range []struct {
		expression string
		values     attrs
		message    string
	}{
		{"SET", nil, `Syntax error; token: "<EOF>", near: "SET"`},
		{"FOO x = :v", nil, `Syntax error; token: "FOO", near: "FOO x"`},
		{"SET x = :v,", one, `Syntax error; token: "<EOF>", near: ","`},
		{"SET x :v", one, `Syntax error; token: ":v", near: "x :v"`},
		{"SET x = 5", nil, `Syntax error; token: "5", near: "= 5"`},
		{"SET x = a + b + c", nil, `Syntax error; token: "+", near: "b + c"`},
		{"ADD x = :v", one, `Syntax error; token: "=", near: "x = :v"`},
		{"REMOVE x = :v", one, `Syntax error; token: "=", near: "x = :v"`},
		{"SET x = :v SET y = :v", one, `The "SET" section can only be used once in an update expression;`},
		{"REMOVE x REMOVE y", nil, `The "REMOVE" section can only be used once in an update expression;`},
		{"SET x = f(y)", nil, "Invalid function name; function: f"},
		{"SET x = IF_NOT_EXISTS(y, :v)", one, "Invalid function name; function: IF_NOT_EXISTS"},
		{"SET x = size(y)", nil, "The function is not allowed in an update expression; function: size"},
		{"SET x = if_not_exists(y)", nil, "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1"},
		{"SET x = if_not_exists(:v, y)", one, "Operator or function requires a document path; operator or function: if_not_exists"},
		{"SET x = list_append(y, :v)", text, "Incorrect operand type for operator or function; operator or function: list_append, operand type: S"},
		{"SET x = y + :v", text, "Incorrect operand type for operator or function; operator or function: +, operand type: S"},
		{"SET x = :v - y", text, "Incorrect operand type for operator or function; operator or function: -, operand type: S"},
		{"ADD x :v", text, "Incorrect operand type for operator or function; operator: ADD, operand type: STRING"},
		{"ADD x :v", attrs{":v": l()}, "Incorrect operand type for operator or function; operator: ADD, operand type: LIST"},
		{"ADD x :v", attrs{":v": m(attrs{})}, "Incorrect operand type for operator or function; operator: ADD, operand type: MAP"},
		{"ADD x :v", attrs{":v": b("x")}, "Incorrect operand type for operator or function; operator: ADD, operand type: BINARY"},
		{"DELETE x :v", one, "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER"},
		{"DELETE x :v", attrs{":v": boolean(true)}, "Incorrect operand type for operator or function; operator: DELETE, operand type: BOOLEAN"},
		{"DELETE x :v", attrs{":v": null(true)}, "Incorrect operand type for operator or function; operator: DELETE, operand type: NULL"},
		{"SET x = :v REMOVE x", one, "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [x], path two: [x]"},
		{"SET x.y = :v, x = :v", one, "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [x, y], path two: [x]"},
		{"SET x.y = :v, x[0] = :v", one, "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [x, y], path two: [x, [0]]"},
		{"SET status = :v", one, "Attribute name is a reserved keyword; reserved keyword: status"},
		{"SET #x = :v", one, "An expression attribute name used in the document path is not defined; attribute name: #x"},
		{"SET x = :w", nil, "An expression attribute value used in expression is not defined; attribute value: :w"},
		{"SET x = :v" + strings.Repeat(" ", 4087), one, "Expression size has exceeded the maximum allowed size; expression size: 4097"},
	} {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: new("no-such-table"), Key: attrs{"a": s("1")},
			UpdateExpression: &c.expression, ExpressionAttributeValues: c.values})
		invalid(t, err, oneError+"Invalid UpdateExpression: "+c.message)
	}
	_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: new("no-such-table"), Key: attrs{"a": s("1")}, UpdateExpression: new("")})
	invalid(t, err, "Invalid UpdateExpression: The expression can not be empty;")
}

// TestUpdateItemKeys is about keys: they stay what they are, and those of indexes stay scalars of
// their type.
func TestUpdateItemKeys(t *testing.T) {
	t.Parallel()
	table := keyed.table(t)
	const notSupported = "One or more parameter values are not valid. The update expression attempted to update a secondary index key " +
		"to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty "
	for _, c := range []struct {
		expression string
		values     attrs
		message    string
	}{
		{"SET h = :v", attrs{":v": s("1")}, oneOrMore + "Cannot update attribute h. This attribute is part of the key"},
		{"SET x = :v REMOVE r", attrs{":v": s("1")}, oneOrMore + "Cannot update attribute r. This attribute is part of the key"},
		{"SET h.x = :v", attrs{":v": s("1")},
			"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: h"},
		{"SET g[0] = :v", attrs{":v": s("1")},
			"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g"},
		{"SET g = :v", attrs{":v": n("1")}, oneOrMore + "Type mismatch for Index Key g Expected: S Actual: N IndexName: gsi"},
		{"ADD g :v", attrs{":v": ns("1")}, oneOrMore + "Type mismatch for Index Key g Expected: S Actual: NS IndexName: gsi"},
		{"SET g = :v", attrs{":v": s("")}, notSupported + "string value."},
		{"SET z = :v", attrs{":v": b("")}, notSupported + "binary value."},
		{"SET l = :v", attrs{":v": s(strings.Repeat("x", 1025))},
			oneOrMore + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
	} {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"h": s("1"), "r": n("1")},
			UpdateExpression: &c.expression, ExpressionAttributeValues: c.values})
		invalid(t, err, c.message)
	}
	same(t, "after", get(t, table, attrs{"h": s("1"), "r": n("1")}), "none")
}

// TestUpdateItemMissing is about items that are not there: an update makes them.
func TestUpdateItemMissing(t *testing.T) {
	t.Parallel()
	table := simple(t)
	update := func(key, expression string, returns types.ReturnValue, values attrs) string {
		in := &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s(key)}, ReturnValues: returns, ExpressionAttributeValues: values}
		if expression != "" {
			in.UpdateExpression = &expression
		}
		return show(must(client.UpdateItem(ctx, in))(t).Attributes)
	}
	same(t, "no expression", update("1", "", types.ReturnValueAllNew, nil), `{a: "1"}`)
	same(t, "REMOVE", update("2", "REMOVE x", types.ReturnValueAllNew, nil), `{a: "2"}`)
	same(t, "DELETE", update("3", "DELETE x :v", types.ReturnValueAllNew, attrs{":v": ss("y")}), `{a: "3"}`)
	same(t, "SET", update("4", "SET x = :v", types.ReturnValueUpdatedNew, attrs{":v": ss("y")}), `{x: SS("y")}`)
	same(t, "ADD", update("5", "ADD x :v", types.ReturnValueAllOld, attrs{":v": n("5")}), `none`)
	same(t, "updated old", update("6", "ADD x :v", types.ReturnValueUpdatedOld, attrs{":v": n("5")}), `none`)
	for key, want := range map[string]string{"1": `{a: "1"}`, "2": `{a: "2"}`, "3": `{a: "3"}`, "4": `{a: "4", x: SS("y")}`, "5": `{a: "5", x: 5}`} {
		same(t, key, get(t, table, attrs{"a": s(key)}), want)
	}
	same(t, "an update of nothing", update("4", "", types.ReturnValueAllNew, nil), `{a: "4", x: SS("y")}`)
}

// TestUpdateItemReturns is about the values that an update returns.
func TestUpdateItemReturns(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, c := range []struct {
		expression string
		returns    types.ReturnValue
		want       string
	}{
		{"SET n = :v", types.ReturnValueNone, "none"},
		{"SET n = :v", types.ReturnValueAllOld, show(thing())},
		{"SET n = :v", types.ReturnValueUpdatedOld, `{n: 1}`},
		{"SET n = :v", types.ReturnValueUpdatedNew, `{n: 7}`},
		{"SET x = :v", types.ReturnValueUpdatedOld, `none`},
		{"SET x = :v, n = :v", types.ReturnValueUpdatedOld, `{n: 1}`},
		{"SET m.x = :v, m.w = :v", types.ReturnValueUpdatedOld, `{m: {x: 1}}`},
		{"SET m.x = :v, m.w = :v", types.ReturnValueUpdatedNew, `{m: {w: 7, x: 7}}`},
		{"SET l[1] = :v, l[3] = :v", types.ReturnValueUpdatedOld, `{l: [1, 3]}`},
		{"SET l[1] = :v", types.ReturnValueUpdatedNew, `{l: [7]}`},
		{"REMOVE s, m.x", types.ReturnValueUpdatedOld, `{m: {x: 1}, s: "text"}`},
		{"REMOVE s", types.ReturnValueUpdatedNew, `none`},
	} {
		put(t, table, thing())
		in := &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")}, UpdateExpression: &c.expression, ReturnValues: c.returns}
		if strings.Contains(c.expression, ":v") {
			in.ExpressionAttributeValues = attrs{":v": n("7")}
		}
		same(t, fmt.Sprint(c.expression, " ", c.returns), show(must(client.UpdateItem(ctx, in))(t).Attributes), c.want)
	}
}

// TestUpdateItemCounts shows that updates of one item from many sides add up.
func TestUpdateItemCounts(t *testing.T) {
	t.Parallel()
	table := simple(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")},
					UpdateExpression: new("ADD n :one"), ExpressionAttributeValues: attrs{":one": n("1")}})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	same(t, "sum", get(t, table, attrs{"a": s("1")}), `{a: "1", n: 200}`)
}
