package partitatest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// order is an item as programs have it.
type order struct {
	Customer string   `dynamodbav:"a"`
	Number   int      `dynamodbav:"b"`
	Parts    []string `dynamodbav:"parts,stringset"`
}

// unwilling is a value that does not become an attribute.
type unwilling struct{}

func (unwilling) MarshalDynamoDBAttributeValue() (types.AttributeValue, error) {
	return nil, errors.New("no")
}

// TestSeed loads Go values.
func TestSeed(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:S", "b:N"))
	db.Seed("table")
	db.Seed("table", order{"ann", 1, []string{"x"}}, &order{"ann", 2, nil}, attributes{"a": s("ann"), "b": n("3")},
		[]order{{"ben", 1, nil}, {"ben", 2, nil}}, []attributes{}, []any{map[string]any{"a": "cid", "b": 1, "deep": []any{true, nil}}})
	got := show(t, scan(t, db, "table"))
	for _, want := range []string{
		`{"a":{"S":"ann"},"b":{"N":"1"},"parts":{"SS":["x"]}}`, `{"a":{"S":"ann"},"b":{"N":"2"},"parts":{"NULL":true}}`,
		`{"a":{"S":"ann"},"b":{"N":"3"}}`, `{"a":{"S":"ben"},"b":{"N":"1"},"parts":{"NULL":true}}`,
		`{"a":{"S":"ben"},"b":{"N":"2"},"parts":{"NULL":true}}`,
		`{"a":{"S":"cid"},"b":{"N":"1"},"deep":{"L":[{"BOOL":true},{"NULL":true}]}}`,
	} {
		if !got[want] {
			t.Errorf("%s is not in the table", want)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("the table holds %v as well", got)
	}
}

// show returns items in DynamoDB's JSON.
func show(t testing.TB, items []attributes) map[string]bool {
	t.Helper()
	texts := map[string]bool{}
	for _, it := range items {
		parts := []string{}
		for _, name := range []string{"a", "b", "parts", "deep", "v"} {
			if v := it[name]; v != nil {
				text, err := attributevalue.MarshalJSON(v)
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, fmt.Sprintf("%q:%s", name, text))
			}
		}
		texts["{"+strings.Join(parts, ",")+"}"] = true
	}
	return texts
}

// TestSeedMany loads more than one batch, of items that fill more than one answer.
func TestSeedMany(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:N"))
	var lines strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&lines, "{\"a\": %d}\n", i)
	}
	db.SeedJSON("table", strings.NewReader(lines.String()))
	if got := len(scan(t, db, "table")); got != 1001 {
		t.Errorf("the table holds %d items, want 1001", got)
	}
}

// TestSeedJSON loads plain and typed JSON, in every shape.
func TestSeedJSON(t *testing.T) {
	t.Parallel()
	plain, typed := (*DB).SeedJSON, (*DB).SeedDynamoDBJSON
	for _, c := range []struct {
		seed  func(*DB, string, io.Reader)
		input string
		want  []string // values of v
	}{
		{plain, `[]`, nil},
		{plain, `{"a":"1","v":"text"}{"a":"2","v":""}`, []string{`{"S":"text"}`, `{"S":""}`}},
		{plain, `[{"a":"1","v":1},{"a":"2","v":true}]` + "\n" + `{"a":"3","v":null}`,
			[]string{`{"N":"1"}`, `{"BOOL":true}`, `{"NULL":true}`}},
		{plain, `{"a":"1","v":12345678901234567890123456789012345678}`, []string{`{"N":"12345678901234567890123456789012345678"}`}},
		{plain, `{"a":"1","v":0.1}`, []string{`{"N":"0.1"}`}},
		{plain, "{\n \"a\": \"1\",\n \"v\": [1, {\"x\": []}, {}]\n}\n", []string{`{"L":[{"N":"1"},{"M":{"x":{"L":[]}}},{"M":{}}]}`}},
		{typed, `[]`, nil},
		{typed, `{"Items": [], "Count": 0, "ScannedCount": 0, "ConsumedCapacity": null}`, nil},
		{typed, `{"Items": [{"a":{"S":"1"},"v":{"N":"1"}}, {"a":{"S":"2"},"v":{"SS":["x"]}}], "Count": 2}`,
			[]string{`{"N":"1"}`, `{"SS":["x"]}`}},
		{typed, `{"Item":{"a":{"S":"1"},"v":{"B":"AAE="}}}` + "\n" + `{"Item":{"a":{"S":"2"},"v":{"BOOL":false}}}`,
			[]string{`{"B":"AAE="}`, `{"BOOL":false}`}},
		{typed, `[{"a":{"S":"1"},"v":{"M":{"S":{"L":[{"NULL":true}]}}}}]`, []string{`{"M":{"S":{"L":[{"NULL":true}]}}}`}},
		{typed, `{"a":{"S":"1"},"Item":{"M":{"x":{"S":""}}},"Items":{"L":[]},"v":{"NS":["1"]}}`, []string{`{"NS":["1"]}`}},
	} {
		db := New(t)
		db.CreateTable(Table("table", "a:S"))
		c.seed(db, "table", strings.NewReader(c.input))
		items := scan(t, db, "table")
		got := map[string]string{}
		for _, it := range items {
			text, err := attributevalue.MarshalJSON(it["v"])
			if err != nil {
				t.Fatal(err)
			}
			got[it["a"].(*types.AttributeValueMemberS).Value] = string(text)
		}
		if len(items) != len(c.want) {
			t.Errorf("%s: %d items, want %d", c.input, len(items), len(c.want))
		}
		for i, want := range c.want {
			if key := fmt.Sprint(i + 1); got[key] != want {
				t.Errorf("%s: item %s has %s, want %s", c.input, key, got[key], want)
			}
		}
		db.Close()
	}
}

// TestSeedErrors checks that a fault is told with its place and its reason.
func TestSeedErrors(t *testing.T) {
	t.Parallel()
	plain, typed := (*DB).SeedJSON, (*DB).SeedDynamoDBJSON
	long := strings.Repeat("{\"a\":\"x\"}\n\n", 20)
	for _, c := range []struct {
		seed  func(*DB, string, io.Reader)
		input string
		want  string
	}{
		{plain, "", "no items in the input\n"},
		{plain, " \n", "no items in the input\n"},
		{typed, "", "no items in the input\n"},
		{plain, "{\"a\":\"1\"}\n\n{\"a\":", "line 3: unexpected EOF"},
		{plain, "{\"a\":\"1\"}\n{a:1}", "line 2: invalid character 'a'"},
		{plain, "{\"a\":\"1\"}\n\"x\"", `line 2: an item is a JSON object, not "x"`},
		{plain, "[\n{\"a\":\"1\"},\n\n 5]", "line 4: an item is a JSON object, not 5"},
		{plain, "[[{\"a\":\"1\"}]]", "line 1: an item is a JSON object, not [{"},
		{plain, "{\"a\":\"1\"}\n{\"b\":\"1\"}", "line 2: operation error DynamoDB: PutItem, "},
		{plain, "{\"a\":\"1\"}\n{\"a\":\"2\",\"n\":1e999}", "line 2: operation error DynamoDB: PutItem, "},
		{plain, "{\"a\":\"1\",\n\"b\":2}\n{\"a\":\"1\"}", "line 1 to line 3: operation error DynamoDB: BatchWriteItem, "},
		{typed, "{\"a\":{\"S\":\"1\"}}\n{\"a\":\"2\"}",
			`line 2: a: a value has one type and no more, as in {"S": "text"}, not "2"`},
		{typed, "{\"a\":{\"S\":\"1\",\"N\":\"1\"}}",
			`line 1: a: a value has one type and no more, as in {"S": "text"}, not {"N":"1","S":"1"}`},
		{typed, "{\"a\":{\"L\":[{\"X\":\"1\"}]}}", `line 1: a: a value has one type`},
		{typed, "{\"a\":{\"M\":{\"b\":{}}}}", `line 1: a: b: a value has one type`},
		{typed, "{\"a\":{\"N\":5}}", "line 1: expected NumberAttributeValue to be of type string"},
		{typed, "{\"Items\":[\n\n{\"a\":{\"S\":\"1\"}},\n{\"a\":null}],\n\"Count\":2}", "line 4: a: a value has one type"},
		{typed, "\n{\"Item\":{\"b\":{\"S\":\"1\"}}}", "line 2: operation error DynamoDB: PutItem, "},
		{typed, "5", "line 1: an item is a JSON object, not 5"},
		{typed, "{\"Item\":5}", `line 1: an item is a JSON object, not 5`},
		{plain, strings.ReplaceAll(long, "x", "") + "{", "line 41: unexpected EOF"},
	} {
		said := run(t, func(db *DB) {
			db.CreateTable(Table("table", "a:S"))
			c.seed(db, "table", strings.NewReader(c.input))
			t.Errorf("%s was taken", c.input)
		})
		if want := `seeding table "table": ` + c.want; !strings.HasPrefix(said, want) {
			t.Errorf("%s:\n got %s\nwant %s", c.input, said, want)
		}
	}
	broken := run(t, func(db *DB) { db.SeedJSON("table", iotest.ErrReader(errors.New("unplugged"))) })
	if want := "seeding table \"table\": unplugged\n"; broken != want {
		t.Errorf("a broken reader: %q, want %q", broken, want)
	}
	shy := run(t, func(db *DB) { db.Seed("table", []any{order{}, map[string]any{"a": unwilling{}}}) })
	if want := "seeding table \"table\": item 2: no\n"; shy != want {
		t.Errorf("an item that does not marshal: %q, want %q", shy, want)
	}
}

// TestSeedAdvice gives Seed and SeedJSON what is no item, or has other names than it seems to, and
// looks at what the test then says.
func TestSeedAdvice(t *testing.T) {
	t.Parallel()
	type untagged struct {
		Customer string
		Order    int
	}
	type jsonTagged struct {
		Name string `json:"customer"`
	}
	type private struct{ customer string }
	json := func(text string) func(*DB) {
		return func(db *DB) { db.SeedJSON("orders", strings.NewReader(text)) }
	}
	seed := func(item any) func(*DB) { return func(db *DB) { db.Seed("orders", item) } }
	wide := map[string]string{"a": ""}
	for i := range 11 {
		wide[fmt.Sprintf("b%02d", i)] = ""
	}
	const (
		none  = " is no item: an item is a struct or a map\n"
		no    = `seeding table "orders": item 1: `
		key   = `(partitatest: table "orders" has the key customer:S; `
		typed = ": this looks like DynamoDB's JSON: use SeedDynamoDBJSON\n"
	)
	for name, c := range map[string]struct {
		mistake func(*DB)
		want    string
	}{
		"a number":      {seed(7), no + "a int" + none},
		"numbers":       {seed([]int{7}), no + "a int" + none},
		"nil":           {seed(nil), no + "nil" + none},
		"a nil pointer": {seed((*order)(nil)), no + "a nil *partitatest.order" + none},
		"a nil map":     {seed(map[string]any(nil)), no + "a nil map[string]interface {} is no item"},
		"JSON": {seed(`{"customer": "x"}`),
			no + "a string is no item: SeedJSON and SeedDynamoDBJSON read JSON\n"},
		"bytes":    {seed([]byte(`{}`)), no + "a []uint8 is no item: SeedJSON and"},
		"a reader": {seed(strings.NewReader(`{}`)), no + "a *strings.Reader is no item: SeedJSON and"},
		"no tags": {seed(untagged{"x", 1}),
			key + `the item has "Customer", "Order" (case matters; dynamodbav tags name attributes: ` +
				"`dynamodbav:\"customer\"`))\n"},
		"json tags": {seed(&jsonTagged{"x"}),
			key + `the item has "Name"): partitatest.jsonTagged has json tags, and dynamodbav tags name attributes` + "\n"},
		"another name":  {seed(map[string]any{"client": "x"}), key + `the item has "client")` + "\n"},
		"no attributes": {seed(private{"x"}), key + "the item has no attributes)\n"},
		"many attributes": {seed(wide),
			`the item has "a", "b00", "b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08" and 2 more)` + "\n"},
		"typed":        {json(`{"customer": {"S": "x"}}`), typed},
		"typed items":  {json(`{"Items": [{"customer": {"S": "x"}}], "Count": 1}`), typed},
		"typed export": {json(`{"Item": {"customer": {"S": "x"}}}`), typed},
		"a map":        {json(`{"customer": {"name": "x"}}`), `has the key customer:S)` + "\n"},
		"an object":    {json(`{"Customer": "x"}`), "`dynamodbav:\"customer\"`))\n"},
	} {
		said := run(t, func(db *DB) {
			db.CreateTable(Table("orders", "customer:S"))
			c.mistake(db)
			t.Errorf("%s was taken", name)
		})
		if !strings.Contains(said, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", name, said, c.want)
		}
	}
}
