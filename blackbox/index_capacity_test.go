package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// capacityTable is a table whose indexes hold p and nothing else besides keys.
var capacityTable = schema{
	hash: "h:S", sort: "r:S",
	global: []index{{name: "gsi", hash: []string{"g:S"}, project: []string{"p"}}},
	local:  []index{{name: "lsi", sort: []string{"l:S"}, project: []string{"p"}}},
}

// long is a string of so many bytes.
func long(bytes int) av { return s(strings.Repeat("x", bytes)) }

// TestIndexWriteUnits goes through the cases of what a write costs on an index: the row is made,
// stays, changes, moves, goes. The numbers are of entries with their keys, not of items.
func TestIndexWriteUnits(t *testing.T) {
	t.Parallel()
	table := capacityTable.table(t)
	key := attrs{"h": s("1"), "r": s("2")} // 4 bytes
	item := func(more attrs) attrs {
		it := attrs{"h": key["h"], "r": key["r"]}
		for name, v := range more {
			it[name] = v
		}
		return it
	}
	for _, c := range []struct {
		what string
		it   attrs
		want string
	}{
		{"outside", item(nil), "1 = table 1"},
		{"still outside", item(attrs{"o": long(3000)}), "3 = table 3"},
		{"comes in", item(attrs{"g": s("a"), "p": long(1500)}), "5 = table 3 + g:gsi 2"},
		{"the same", item(attrs{"g": s("a"), "p": long(1500)}), "2 = table 2"},
		{"changes beside it", item(attrs{"g": s("a"), "p": long(1500), "o": long(3000)}), "5 = table 5"},
		{"shrinks in place", item(attrs{"g": s("a"), "p": long(10)}), "7 = table 5 + g:gsi 2"},
		{"grows in place", item(attrs{"g": s("a"), "p": long(2100)}), "6 = table 3 + g:gsi 3"},
		{"moves", item(attrs{"g": s("b"), "p": long(10)}), "7 = table 3 + g:gsi 4"},
		{"a set", item(attrs{"g": s("b"), "p": ss("x", "y")}), "2 = table 1 + g:gsi 1"},
		{"the set in another order", item(attrs{"g": s("b"), "p": ss("y", "x")}), "1 = table 1"},
		{"another form of a number", item(attrs{"g": s("b"), "p": n("1")}), "2 = table 1 + g:gsi 1"},
		{"the same number", item(attrs{"g": s("b"), "p": n("1.0")}), "1 = table 1"},
		{"both indexes", item(attrs{"g": s("b"), "l": s("c"), "p": long(1500)}), "6 = table 2 + g:gsi 2 + l:lsi 2"},
		{"moves in both", item(attrs{"g": s("B"), "l": s("C"), "p": long(1500)}), "10 = table 2 + g:gsi 4 + l:lsi 4"},
		{"leaves one", item(attrs{"l": s("C"), "p": long(1500)}), "4 = table 2 + g:gsi 2"},
		{"leaves the other", item(attrs{"p": long(1500)}), "4 = table 2 + l:lsi 2"},
		{"exactly a kilobyte", item(attrs{"g": s("a"), "p": long(1024 - 7)}), "3 = table 2 + g:gsi 1"},
		{"one byte more", item(attrs{"g": s("a"), "p": long(1024 - 6)}), "4 = table 2 + g:gsi 2"},
	} {
		out := must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: c.it, ReturnConsumedCapacity: "INDEXES"}))(t)
		same(t, "put: "+c.what, showUnits(out.ConsumedCapacity), c.want)
	}
	for _, c := range []struct{ expression, want string }{
		{"SET o = :x", "2 = table 2"},
		{"SET l = :x", "4 = table 2 + l:lsi 2"},
		{"SET l = :y", "6 = table 2 + l:lsi 4"},
		{"REMOVE p", "6 = table 2 + g:gsi 2 + l:lsi 2"},
		{"REMOVE l SET g = :y", "4 = table 1 + g:gsi 2 + l:lsi 1"},
	} {
		values := attrs{}
		for name, v := range map[string]av{":x": s("x"), ":y": s("y")} {
			if strings.Contains(c.expression, name) {
				values[name] = v
			}
		}
		in := &dynamodb.UpdateItemInput{TableName: table, Key: key, UpdateExpression: new(c.expression), ReturnConsumedCapacity: "INDEXES"}
		if len(values) > 0 {
			in.ExpressionAttributeValues = values
		}
		same(t, c.expression, showUnits(must(client.UpdateItem(ctx, in))(t).ConsumedCapacity), c.want)
	}
	gone := must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ReturnConsumedCapacity: "INDEXES"}))(t)
	same(t, "delete", showUnits(gone.ConsumedCapacity), "2 = table 1 + g:gsi 1")
	gone = must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ReturnConsumedCapacity: "INDEXES"}))(t)
	same(t, "delete nothing", showUnits(gone.ConsumedCapacity), "1 = table 1")
}

// TestIndexWriteTotals: TOTAL counts the indexes in, and batches sum the writes of a table.
func TestIndexWriteTotals(t *testing.T) {
	t.Parallel()
	table := capacityTable.table(t)
	it := func(r string) attrs { return attrs{"h": s("1"), "r": s(r), "g": s("a"), "l": s("b"), "p": long(1500)} }
	put := must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: it("1"), ReturnConsumedCapacity: "TOTAL"}))(t)
	same(t, "total", showUnits(put.ConsumedCapacity), "6")
	batch := func(mode types.ReturnConsumedCapacity, writes ...types.WriteRequest) string {
		out := must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{*table: writes}, ReturnConsumedCapacity: mode,
		}))(t)
		return showUnits(&out.ConsumedCapacity[0])
	}
	writes := []types.WriteRequest{
		{PutRequest: &types.PutRequest{Item: it("1")}}, // as it is
		{PutRequest: &types.PutRequest{Item: it("2")}},
		{PutRequest: &types.PutRequest{Item: attrs{"h": s("1"), "r": s("3"), "g": s("a")}}},
	}
	same(t, "batch", batch("INDEXES", writes...), "10 = table 5 + g:gsi 3 + l:lsi 2")
	same(t, "batch again", batch("TOTAL", writes...), "5")
	same(t, "batch of deletes", batch("INDEXES", types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: attrs{"h": s("1"), "r": s("2")}}},
		types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: attrs{"h": s("1"), "r": s("3")}}}), "8 = table 3 + g:gsi 3 + l:lsi 2")
}

// TestIndexReadUnits: reads of an index cost by its rows; what a local one fetches is read from the
// table item by item.
func TestIndexReadUnits(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:S",
		global: []index{{name: "gsi", hash: []string{"g:S"}, project: []string{"p"}}, {name: "gall", hash: []string{"g:S"}, project: []string{"ALL"}}},
		local:  []index{{name: "lsi", sort: []string{"l:S"}}},
	}.table(t)
	for _, r := range []string{"1", "2", "3"} {
		put(t, table, attrs{"h": s("1"), "r": s(r), "g": s("a"), "l": s("b"), "p": long(2000), "o": long(7000)}) // 9,012 bytes
	}
	query := func(index, condition string, change func(*dynamodb.QueryInput)) string {
		t.Helper()
		in := searchInput(table, index, condition, "v", s("1"))
		if index == "gsi" || index == "gall" {
			in.ExpressionAttributeValues[":v"] = s("a")
		}
		in.ReturnConsumedCapacity = "INDEXES"
		if change != nil {
			change(in)
		}
		return showUnits(must(client.Query(ctx, in))(t).ConsumedCapacity)
	}
	strong := func(in *dynamodb.QueryInput) { in.ConsistentRead = new(true) }
	all := func(in *dynamodb.QueryInput) { in.Select = types.SelectAllAttributes }
	same(t, "table", query("", "h = :v", nil), "3.5 = table 3.5")
	same(t, "table, strong", query("", "h = :v", strong), "7 = table 7")
	same(t, "global", query("gsi", "g = :v", nil), "1 = table 0 + g:gsi 1")
	same(t, "global, all", query("gall", "g = :v", nil), "3.5 = table 0 + g:gall 3.5")
	same(t, "global, all selected", query("gall", "g = :v", all), "3.5 = table 0 + g:gall 3.5")
	same(t, "global, counted", query("gsi", "g = :v", func(in *dynamodb.QueryInput) { in.Select = types.SelectCount }), "1 = table 0 + g:gsi 1")
	same(t, "global, filtered and projected", query("gsi", "g = :v", func(in *dynamodb.QueryInput) {
		in.FilterExpression, in.ProjectionExpression = new("attribute_not_exists(p)"), new("h")
	}), "1 = table 0 + g:gsi 1")
	same(t, "local", query("lsi", "h = :v", nil), "0.5 = table 0 + l:lsi 0.5")
	same(t, "local, strong", query("lsi", "h = :v", strong), "1 = table 0 + l:lsi 1")
	same(t, "local, fetched", query("lsi", "h = :v", all), "5 = table 4.5 + l:lsi 0.5")
	same(t, "local, fetched, strong", query("lsi", "h = :v", func(in *dynamodb.QueryInput) { all(in); strong(in) }), "10 = table 9 + l:lsi 1")
	same(t, "local, one attribute fetched", query("lsi", "h = :v", func(in *dynamodb.QueryInput) { in.ProjectionExpression = new("o") }), "5 = table 4.5 + l:lsi 0.5")
	same(t, "local, one item fetched", query("lsi", "h = :v", func(in *dynamodb.QueryInput) { all(in); in.Limit = new(int32(1)) }), "2 = table 1.5 + l:lsi 0.5")
	same(t, "nothing there", query("gsi", "g = :v", func(in *dynamodb.QueryInput) { in.ExpressionAttributeValues[":v"] = s("?") }), "0.5 = table 0 + g:gsi 0.5")
	same(t, "total", query("gsi", "g = :v", func(in *dynamodb.QueryInput) { in.ReturnConsumedCapacity = "TOTAL" }), "1")
	for index, want := range map[string]string{"gsi": "1 = table 0 + g:gsi 1", "gall": "3.5 = table 0 + g:gall 3.5", "lsi": "0.5 = table 0 + l:lsi 0.5"} {
		out := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table, IndexName: &index, ReturnConsumedCapacity: "INDEXES"}))(t)
		same(t, "scan of "+index, showUnits(out.ConsumedCapacity), want)
	}
}

// TestIndexPages: a page of an index ends behind the row that makes its rows a megabyte, even if it
// is the last one.
func TestIndexPages(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", sort: "r:S", global: []index{{name: "gsi", hash: []string{"g:S"}, sort: []string{"r:S"}, project: []string{"p"}}}}.table(t)
	for _, r := range []string{"1", "2", "3"} {
		put(t, table, attrs{"h": s("1"), "r": s(r), "g": s("a"), "p": long(349_000), "o": long(1000)})
	}
	in := searchInput(table, "gsi", "g = :g", "g", s("a"))
	in.ReturnConsumedCapacity, in.ProjectionExpression = "INDEXES", new("r")
	out := must(client.Query(ctx, in))(t)
	same(t, "rows", showAll(out.Items), "{r: \"1\"}\n{r: \"2\"}\n{r: \"3\"}")
	same(t, "last key of short rows", show(out.LastEvaluatedKey), "none")
	same(t, "units", showUnits(out.ConsumedCapacity), "128 = table 0 + g:gsi 128")
	put(t, table, attrs{"h": s("1"), "r": s("3"), "g": s("a"), "p": long(351_000)})
	out = must(client.Query(ctx, in))(t)
	same(t, "rows", len(out.Items), 3)
	same(t, "last key of long rows", show(out.LastEvaluatedKey), `{g: "a", h: "1", r: "3"}`)
	same(t, "units", showUnits(out.ConsumedCapacity), "128.5 = table 0 + g:gsi 128.5")
	in.ExclusiveStartKey = out.LastEvaluatedKey
	out = must(client.Query(ctx, in))(t)
	same(t, "the rest", fmt.Sprint(len(out.Items), " ", show(out.LastEvaluatedKey), " ", showUnits(out.ConsumedCapacity)), "0 none 0.5 = table 0 + g:gsi 0.5")
}

// sizeOf is the size of a value of the types that TestCounts writes, or of an item.
func sizeOf(v any) int {
	switch v := v.(type) {
	case attrs:
		size := 0
		for name, v := range v {
			size += len(name) + sizeOf(v)
		}
		return size
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN: // an integer: a byte, one for two digits, one for the sign
		digits := strings.TrimLeft(strings.TrimRight(v.Value, "0"), "-")
		if digits == "" {
			return 1
		}
		return 1 + (len(digits)+1)/2 + strings.Count(v.Value, "-")
	case *types.AttributeValueMemberL:
		size := 3
		for _, e := range v.Value {
			size += 1 + sizeOf(e)
		}
		return size
	}
	panic(fmt.Sprintf("no size of %T", v))
}

// TestCounts: after random writes of all kinds, DescribeTable shows exactly the items and rows
// there are and their sizes.
func TestCounts(t *testing.T) {
	t.Parallel()
	table := capacityTable.table(t)
	r := random(t)
	items := map[string]attrs{}
	value := func() av {
		switch r.IntN(3) {
		case 0:
			return n(fmt.Sprint(r.IntN(200_000) - 100_000))
		case 1:
			return l(n("7"), long(r.IntN(30)))
		}
		return long(r.IntN(2000))
	}
	for range 300 {
		key := attrs{"h": s(fmt.Sprint(r.IntN(4))), "r": s(fmt.Sprint(r.IntN(8)))}
		name := show(key)
		it := attrs{"h": key["h"], "r": key["r"], "o": value()}
		for _, attribute := range []string{"g", "l", "p"} {
			if r.IntN(3) > 0 {
				it[attribute] = s(fmt.Sprint(attribute, r.IntN(3)))
			}
		}
		if r.IntN(2) == 0 {
			it["p"] = value()
		}
		switch r.IntN(4) {
		case 0:
			must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key}))(t)
			delete(items, name)
		case 1:
			must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
				*table: {{PutRequest: &types.PutRequest{Item: it}}},
			}}))(t)
			items[name] = it
		case 2:
			v := value()
			must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: table, Key: key, UpdateExpression: new("SET p = :p REMOVE g"), ExpressionAttributeValues: attrs{":p": v},
			}))(t)
			if items[name] == nil {
				items[name] = key
			}
			items[name]["p"] = v
			delete(items[name], "g")
		default:
			put(t, table, it)
			items[name] = it
		}
	}
	rows, bytes := map[string]int64{}, map[string]int64{}
	for _, it := range items {
		rows[""]++
		bytes[""] += int64(sizeOf(it))
		for index, attribute := range map[string]string{"gsi": "g", "lsi": "l"} {
			if it[attribute] == nil {
				continue
			}
			entry := attrs{"h": it["h"], "r": it["r"], attribute: it[attribute]}
			if it["p"] != nil {
				entry["p"] = it["p"]
			}
			rows[index]++
			bytes[index] += int64(sizeOf(entry))
		}
	}
	d := must(client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table}))(t).Table
	gsi, lsi := d.GlobalSecondaryIndexes[0], d.LocalSecondaryIndexes[0]
	same(t, "items", *d.ItemCount, rows[""])
	same(t, "bytes", *d.TableSizeBytes, bytes[""])
	same(t, "rows of gsi", *gsi.ItemCount, rows["gsi"])
	same(t, "bytes of gsi", *gsi.IndexSizeBytes, bytes["gsi"])
	same(t, "rows of lsi", *lsi.ItemCount, rows["lsi"])
	same(t, "bytes of lsi", *lsi.IndexSizeBytes, bytes["lsi"])
}
