package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// column is the values of one attribute of items, in order.
func column(items []attrs, attribute string) string {
	parts := make([]string, len(items))
	for i := range items {
		parts[i] = "-"
		if v := items[i][attribute]; v != nil {
			parts[i] = showValue(v)
		}
	}
	return strings.Join(parts, " ")
}

// TestQuery is about the conditions on sort keys of each type, in both directions.
func TestQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   string
		values []av // in order
		x, y   av   // bounds
		prefix av
		// what the conditions find, by the positions in values
		eq, lt, le, gt, ge, between, begins string
	}{
		{"S", []av{s("A"), s("a"), s("ab"), s("abc"), s("b"), s("é"), s("☃"), s("𝄞")}, s("ab"), s("é"), s("a"),
			"2", "0 1", "0 1 2", "3 4 5 6 7", "2 3 4 5 6 7", "2 3 4 5", "1 2 3"},
		{"N", []av{n("-100"), n("-1.5"), n("0"), n("0.3"), n("2"), n("10"), n("1E+30")}, n("0.30"), n("10"), nil,
			"3", "0 1 2", "0 1 2 3", "4 5 6", "3 4 5 6", "3 4 5", ""},
		{"B", []av{b("\x00"), b("\x00\x00"), b("\x01"), b("\x01\xff"), b("\x02"), b("\xff"), b("\xff\xff")}, b("\x01"), b("\xff"), b("\xff"),
			"2", "0 1", "0 1 2", "3 4 5 6", "2 3 4 5 6", "2 3 4 5", "5 6"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			table := schema{hash: "h:S", sort: "r:" + c.kind}.table(t)
			for i := range c.values {
				j := (i*5 + 3) % len(c.values) // in no order; 5 has no divisor in common with 7 and 8
				put(t, table, attrs{"h": s("1"), "r": c.values[j], "i": n(fmt.Sprint(j))}, attrs{"h": s("2"), "r": c.values[j], "i": n("99")})
			}
			for condition, want := range map[string]string{
				"r = :x": c.eq, "r < :x": c.lt, "r <= :x": c.le, "r > :x": c.gt, "r >= :x": c.ge, "r BETWEEN :x AND :y": c.between,
				"begins_with(r, :p)": c.begins, ":x < r": c.gt,
			} {
				values := attrs{":h": s("1")}
				if c.prefix == nil && strings.Contains(condition, ":p") {
					continue
				}
				for key, v := range map[string]av{":x": c.x, ":y": c.y, ":p": c.prefix} {
					if strings.Contains(condition, key) {
						values[key] = v
					}
				}
				for _, full := range []string{"h = :h AND " + condition, "(" + condition + ") and :h = h"} {
					in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: &full, ExpressionAttributeValues: values}
					same(t, full, column(must(client.Query(ctx, in))(t).Items, "i"), want)
					in.ScanIndexForward = new(false)
					same(t, full+" backward", column(must(client.Query(ctx, in))(t).Items, "i"), reversed(want))
				}
			}
		})
	}
}

// reversed reverses the words.
func reversed(text string) string {
	words := strings.Fields(text)
	for i, j := 0, len(words)-1; i < j; i, j = i+1, j-1 {
		words[i], words[j] = words[j], words[i]
	}
	return strings.Join(words, " ")
}

// indexed is a table with indexes of all projections.
var indexed = schema{
	hash: "h:S", sort: "r:N",
	global: []index{
		{name: "all", hash: []string{"g:S"}, sort: []string{"k:N"}, project: []string{"ALL"}},
		{name: "keys", hash: []string{"g:S"}},
		{name: "some", hash: []string{"g:S"}, sort: []string{"k:N"}, project: []string{"x"}},
		{name: "multi", hash: []string{"g:S", "h:S"}, sort: []string{"k:N", "r:N"}, project: []string{"ALL"}},
	},
	local: []index{
		{name: "local", sort: []string{"l:S"}, project: []string{"x"}},
	},
}

// indexedTable makes the table and puts six items: 1 to 4 are in all indexes, 5 is in none, 6 only
// in the local one.
func indexedTable(t testing.TB) *string {
	t.Helper()
	table := indexed.table(t)
	for i := range 4 {
		put(t, table, attrs{"h": s("1"), "r": n(fmt.Sprint(i + 1)), "g": s("G"), "k": n(fmt.Sprint((7 * i) % 4)), "l": s(string(rune('z' - i))),
			"x": s("X"), "y": s("Y")})
	}
	put(t, table, attrs{"h": s("1"), "r": n("5"), "x": s("X"), "y": s("Y")}, attrs{"h": s("1"), "r": n("6"), "l": s("a"), "g": s("G"), "y": s("Y")})
	return table
}

// TestQueryIndex reads indexes.
func TestQueryIndex(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for _, c := range []struct {
		index, condition string
		attribute, want  string
	}{
		{"all", "g = :g", "r", "1 4 3 2"},
		{"all", "g = :g AND k > :one", "r", "3 2"},
		{"keys", "g = :g", "x", "- - - - -"}, // without a sort key, item 6 is in it
		{"some", "g = :g", "x", `"X" "X" "X" "X"`},
		{"some", "g = :g", "y", `- - - -`},
		{"local", "h = :h", "r", "6 4 3 2 1"},
		{"local", "h = :h AND begins_with(l, :y)", "r", "2"},
		{"local", "h = :h", "x", `- "X" "X" "X" "X"`},
		{"multi", "g = :g AND h = :h", "r", "1 4 3 2"}, // not item 6: all of the key's attributes must be there
		{"multi", "h = :h AND g = :g AND k = :one", "r", "4"},
		{"multi", "h = :h AND g = :g AND k = :one AND r > :one", "r", "4"},
		{"multi", "h = :h AND g = :g AND k >= :one", "r", "4 3 2"},
	} {
		values := attrs{}
		for key, v := range map[string]av{":g": s("G"), ":h": s("1"), ":one": n("1"), ":y": s("y")} {
			if strings.Contains(c.condition, key) {
				values[key] = v
			}
		}
		out := must(client.Query(ctx, &dynamodb.QueryInput{TableName: table, IndexName: &c.index,
			KeyConditionExpression: &c.condition, ExpressionAttributeValues: values}))(t)
		same(t, c.index+" "+c.condition, column(out.Items, c.attribute), c.want)
	}
}

// TestQuerySelect is about what is returned: Select, projections, and what an index has.
func TestQuerySelect(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	query := func(in dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
		in.TableName, in.Limit = table, new(int32(1))
		in.KeyConditionExpression, in.ExpressionAttributeValues = new("h = :v"), attrs{":v": s("1")}
		if in.IndexName != nil && *in.IndexName != "local" {
			in.KeyConditionExpression, in.ExpressionAttributeValues = new("g = :v"), attrs{":v": s("G")}
		}
		return client.Query(ctx, &in)
	}
	const (
		whole = `{g: "G", h: "1", k: 0, l: "z", r: 1, x: "X", y: "Y"}`
		sixth = `{g: "G", h: "1", l: "a", r: 6, y: "Y"}`
	)
	for _, c := range []struct {
		in   dynamodb.QueryInput
		want string // an item, or a message
	}{
		{dynamodb.QueryInput{}, whole},
		{dynamodb.QueryInput{Select: types.SelectAllAttributes}, whole},
		{dynamodb.QueryInput{Select: types.SelectSpecificAttributes, ProjectionExpression: new("x, r")}, `{r: 1, x: "X"}`},
		{dynamodb.QueryInput{ProjectionExpression: new("nothing")}, `{}`},
		{dynamodb.QueryInput{IndexName: new("all")}, whole},
		{dynamodb.QueryInput{IndexName: new("all"), Select: types.SelectAllAttributes}, whole},
		{dynamodb.QueryInput{IndexName: new("some")}, `{g: "G", h: "1", k: 0, r: 1, x: "X"}`},
		{dynamodb.QueryInput{IndexName: new("some"), Select: types.SelectAllProjectedAttributes}, `{g: "G", h: "1", k: 0, r: 1, x: "X"}`},
		{dynamodb.QueryInput{IndexName: new("some"), ProjectionExpression: new("x")}, `{x: "X"}`},
		{dynamodb.QueryInput{IndexName: new("local")}, `{h: "1", l: "a", r: 6}`},
		{dynamodb.QueryInput{IndexName: new("local"), Select: types.SelectAllAttributes}, sixth}, // fetched from the table
		{dynamodb.QueryInput{IndexName: new("local"), ProjectionExpression: new("y")}, `{y: "Y"}`},
		{dynamodb.QueryInput{IndexName: new("local"), ConsistentRead: new(true)}, `{h: "1", l: "a", r: 6}`},
		{dynamodb.QueryInput{IndexName: new("some"), Select: types.SelectAllAttributes},
			oneOrMore + "Select type ALL_ATTRIBUTES is not supported for global secondary index some because its projection type is not ALL"},
		{dynamodb.QueryInput{IndexName: new("some"), ProjectionExpression: new("y, x, w")},
			oneOrMore + "Global secondary index some does not project [w, y]"},
		{dynamodb.QueryInput{IndexName: new("some"), ConsistentRead: new(true)}, "Consistent reads are not supported on global secondary indexes"},
		{dynamodb.QueryInput{IndexName: new("none")}, "The table does not have the specified index: none"},
		{dynamodb.QueryInput{Select: types.SelectAllProjectedAttributes}, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
		{dynamodb.QueryInput{Select: types.SelectSpecificAttributes},
			oneError + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{dynamodb.QueryInput{Select: types.SelectAllAttributes, ProjectionExpression: new("x")},
			"Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"},
		{dynamodb.QueryInput{Select: types.SelectCount, ProjectionExpression: new("x")},
			"Cannot specify the ProjectionExpression when choosing to get only the Count"},
		{dynamodb.QueryInput{IndexName: new("all"), Select: types.SelectAllProjectedAttributes, ProjectionExpression: new("x")},
			"Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES"},
		{dynamodb.QueryInput{Select: "ALL"}, oneError + "Value 'ALL' at 'select' failed to satisfy constraint: Member must satisfy enum value set: " +
			"[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"},
	} {
		out, err := query(c.in)
		if !strings.HasPrefix(c.want, "{") {
			invalid(t, err, c.want)
			continue
		}
		same(t, "items", showAll(must(out, err)(t).Items), c.want)
	}
	out := must(query(dynamodb.QueryInput{Select: types.SelectCount}))(t)
	same(t, "items of a count", len(out.Items), 0)
	same(t, "count", fmt.Sprint(out.Count, out.ScannedCount), "1 1")
	same(t, "its end", show(out.LastEvaluatedKey), `{h: "1", r: 1}`)
}

// TestQueryFilter is about filters: what they leave out has been evaluated.
func TestQueryFilter(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: new("h = :h"), FilterExpression: new("x = :x AND k > :zero"),
		ExpressionAttributeValues: attrs{":h": s("1"), ":x": s("X"), ":zero": n("0")}}
	out := must(client.Query(ctx, in))(t)
	same(t, "found", column(out.Items, "r"), "2 3 4")
	same(t, "counts", fmt.Sprint(out.Count, out.ScannedCount), "3 6")
	in.Limit = new(int32(1)) // of what is evaluated
	out = must(client.Query(ctx, in))(t)
	same(t, "a page without items", fmt.Sprint(out.Items == nil, len(out.Items), out.Count, out.ScannedCount), "false 0 0 1")
	same(t, "its end", show(out.LastEvaluatedKey), `{h: "1", r: 1}`)

	in.Limit = nil
	for filter, message := range map[string]string{
		"r > :zero AND x = :x":    "Filter Expression can only contain non-primary key attributes: Primary key attribute: r",
		"h = :x AND x > :zero":    "Filter Expression can only contain non-primary key attributes: Primary key attribute: h",
		"x = :x AND k > :zero OR": `Invalid FilterExpression: Syntax error; token: "<EOF>", near: "OR"`,
	} {
		in.FilterExpression = &filter
		_, err := client.Query(ctx, in)
		invalid(t, err, message)
	}
	// Of an index its own keys are meant.
	out = must(client.Query(ctx, &dynamodb.QueryInput{TableName: table, IndexName: new("all"), KeyConditionExpression: new("g = :g"),
		FilterExpression: new("r > :two"), ExpressionAttributeValues: attrs{":g": s("G"), ":two": n("2")}}))(t)
	same(t, "filtered by the table's key", column(out.Items, "r"), "4 3")
}

// TestQueryKeyConditions is about key conditions that are none.
func TestQueryKeyConditions(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for _, c := range []struct{ condition, message string }{
		{"", "Invalid KeyConditionExpression: The expression can not be empty;"},
		{"h", `Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "h"`},
		{"h = :s OR r = :n", "Invalid operator used in KeyConditionExpression: OR"},
		{"NOT h = :s", "Invalid operator used in KeyConditionExpression: NOT"},
		{"h IN (:s)", "Invalid operator used in KeyConditionExpression: IN"},
		{"h <> :s", "Invalid operator used in KeyConditionExpression: <>"},
		{"attribute_exists(h)", "Invalid operator used in KeyConditionExpression: attribute_exists"},
		{"attribute_not_exists(h)", "Invalid operator used in KeyConditionExpression: attribute_not_exists"},
		{"attribute_type(h, :s)", "Invalid KeyConditionExpression: Invalid attribute type name found; type: 1, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
		{"contains(h, :s)", "Invalid operator used in KeyConditionExpression: contains"},
		{"size(h) = :n", "KeyConditionExpressions cannot contain nested operations"},
		{"h = :s AND :n BETWEEN r AND :m", "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first operand"},
		{"begins_with(:s, h)", "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand"},
		{"h = r", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
		{":s = :n", "Invalid condition in KeyConditionExpression: No key attribute specified"},
		{"h.x = :s", "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes"},
		{"h = :s AND h = :n", "KeyConditionExpressions must only contain one condition per key"},
		{"h = :s AND r = :n AND x = :s", "Conditions can be of length 1 or 2 only"},
		{"r = :n", "Query condition missed key schema element: h"},
		{"x = :s", "Query condition missed key schema element: h"},
		{"h = :s AND x = :s", "Query condition missed key schema element: r"},
		{"h > :s", "Query key condition not supported"},
		{"begins_with(h, :s)", "Query key condition not supported"},
		{"h = :n", oneOrMore + "Condition parameter type does not match schema type"},
		{"h = :s AND r = :s", oneOrMore + "Condition parameter type does not match schema type"},
		{"h = :s AND begins_with(r, :n)", "Invalid KeyConditionExpression: Incorrect operand type for operator or function; " +
			"operator or function: begins_with, operand type: N"},
		{"h = :s AND r BETWEEN :m AND :n", "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than " +
			"or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"},
		{"h = :e", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: h"},
	} {
		values := attrs{}
		for key, v := range map[string]av{":s": s("1"), ":n": n("1"), ":m": n("2"), ":e": s("")} {
			if strings.Contains(c.condition, key) {
				values[key] = v
			}
		}
		if len(values) == 0 {
			values = nil
		}
		_, err := client.Query(ctx, &dynamodb.QueryInput{TableName: table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: values})
		invalid(t, err, c.message)
	}
	_, err := client.Query(ctx, &dynamodb.QueryInput{TableName: table})
	invalid(t, err, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
}

// TestQueryMulti is about the conditions on keys of several attributes.
func TestQueryMulti(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for condition, message := range map[string]string{
		"g = :s":                       "Query condition missed key schema element: h",
		"h = :s AND k = :n":            "Query condition missed key schema element: g",
		"g = :s AND h > :s":            "Query key condition not supported",
		"g = :s AND h = :s AND r = :n": "Query condition missed key schema element: k",
		"g = :s AND h = :s AND k > :n AND r = :n": "RANGE key attributes k must have equality conditions specified in the query " +
			"because a condition is present on key attribute r",
	} {
		values := attrs{":s": s("1")}
		if strings.Contains(condition, ":n") {
			values[":n"] = n("1")
		}
		_, err := client.Query(ctx, &dynamodb.QueryInput{TableName: table, IndexName: new("multi"), KeyConditionExpression: &condition,
			ExpressionAttributeValues: values})
		invalid(t, err, message)
	}
}
