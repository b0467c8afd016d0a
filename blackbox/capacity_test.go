package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	total   = types.ReturnConsumedCapacityTotal
	indexes = types.ReturnConsumedCapacityIndexes
)

// sized is an item of that many bytes with the key a.
func sized(key string, bytes int) attrs {
	return attrs{"a": s(key), "p": s(strings.Repeat("x", bytes-1-len(key)-1))}
}

// TestCapacityOfReads is about the units of single reads: a half for each 4 KB begun, or a whole
// one if consistent.
func TestCapacityOfReads(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for bytes, units := range map[int]float64{100: 1, 4096: 1, 4097: 2, 8192: 2, 40000: 10, 409600: 100} {
		put(t, table, sized("k", bytes))
		for _, consistent := range []bool{false, true} {
			want := units
			if !consistent {
				want /= 2
			}
			in := &dynamodb.GetItemInput{TableName: table, Key: attrs{"a": s("k")}, ConsistentRead: &consistent, ReturnConsumedCapacity: total,
				ProjectionExpression: new("a")} // which does not make it cheaper
			out := must(client.GetItem(ctx, in))(t)
			same(t, fmt.Sprint(bytes, " bytes"), showUnits(out.ConsumedCapacity), fmt.Sprint(want))
			in.ReturnConsumedCapacity = indexes
			out = must(client.GetItem(ctx, in))(t)
			same(t, fmt.Sprint(bytes, " bytes"), showUnits(out.ConsumedCapacity), fmt.Sprint(want, " = table ", want))
		}
	}
	for consistent, want := range map[bool]string{false: "0.5", true: "1"} {
		out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"a": s("none")}, ConsistentRead: &consistent,
			ReturnConsumedCapacity: total}))(t)
		same(t, "a missing item", showUnits(out.ConsumedCapacity), want)
	}
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"a": s("k")}, ReturnConsumedCapacity: "NONE"}))(t)
	same(t, "NONE", showUnits(out.ConsumedCapacity), "none")
}

// TestCapacityOfWrites is about the units of single writes: one for each KB begun of the larger of
// the old and the new item.
func TestCapacityOfWrites(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put := func(bytes int) string {
		out := must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: sized("k", bytes), ReturnConsumedCapacity: total}))(t)
		return showUnits(out.ConsumedCapacity)
	}
	update := func(expression string, values attrs) string {
		out := must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("k")}, UpdateExpression: &expression,
			ExpressionAttributeValues: values, ReturnConsumedCapacity: indexes}))(t)
		return showUnits(out.ConsumedCapacity)
	}
	remove := func() string {
		out := must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: attrs{"a": s("k")}, ReturnConsumedCapacity: total}))(t)
		return showUnits(out.ConsumedCapacity)
	}
	same(t, "delete nothing", remove(), "1")
	same(t, "put 1 KB", put(1024), "1")
	same(t, "put 1 KB and a byte", put(1025), "2")
	same(t, "replace by less", put(100), "2")
	same(t, "again", put(100), "1")
	same(t, "replace by more", put(3000), "3")
	same(t, "update a little", update("SET n = :n", attrs{":n": n("1")}), "3 = table 3")
	same(t, "shrink", update("REMOVE p", nil), "3 = table 3")
	same(t, "grow", update("SET p = :p", attrs{":p": s(strings.Repeat("x", 5000))}), "5 = table 5")
	same(t, "delete 5 KB", remove(), "5")
}

// TestCapacityOfIndexes is about what a write costs in indexes: by the index's rows, and nothing
// where nothing changes.
func TestCapacityOfIndexes(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:S",
		global: []index{{name: "keys", hash: []string{"g:S"}}, {name: "some", hash: []string{"g:S"}, project: []string{"x"}}},
		local:  []index{{name: "all", sort: []string{"l:S"}, project: []string{"ALL"}}},
	}.table(t)
	write := func(what string, it attrs, want string) {
		t.Helper()
		it["h"], it["r"] = s("1"), s("1")
		out := must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: it, ReturnConsumedCapacity: indexes}))(t)
		same(t, what, showUnits(out.ConsumedCapacity), want)
		same(t, "table", *out.ConsumedCapacity.TableName, *table)
	}
	large := s(strings.Repeat("x", 2000))
	write("in no index", attrs{"x": s("1")}, "1 = table 1")
	write("into two", attrs{"x": s("1"), "g": s("1")}, "3 = table 1 + g:keys 1 + g:some 1")
	write("unchanged", attrs{"x": s("1"), "g": s("1")}, "1 = table 1")
	write("changed outside of them", attrs{"x": s("1"), "y": s("1"), "g": s("1")}, "1 = table 1")
	write("changed inside of one", attrs{"x": large, "y": s("1"), "g": s("1")}, "4 = table 2 + g:some 2")
	write("key changed: a delete and a put each", attrs{"x": large, "g": s("2")}, "8 = table 2 + g:keys 2 + g:some 4")
	write("into the local one", attrs{"x": large, "g": s("2"), "l": s("1")}, "4 = table 2 + l:all 2")
	write("any change is one of it", attrs{"x": large, "y": s("1"), "g": s("2"), "l": s("1")}, "4 = table 2 + l:all 2")
	write("out of all", attrs{}, "7 = table 2 + g:keys 1 + g:some 2 + l:all 2")

	write("back", attrs{"g": s("1"), "l": s("1")}, "4 = table 1 + g:keys 1 + g:some 1 + l:all 1")
	out := must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: attrs{"h": s("1"), "r": s("1")}, ReturnConsumedCapacity: total}))(t)
	same(t, "deleted, in all", showUnits(out.ConsumedCapacity), "4")
}

// TestCapacityOfQueries is about the units of pages: of the sum of all that is evaluated.
func TestCapacityOfQueries(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:N",
		global: []index{{name: "global", hash: []string{"h:S"}, sort: []string{"k:N"}, project: []string{"ALL"}}},
		local:  []index{{name: "local", sort: []string{"k:N"}}},
	}.table(t)
	for i := range 3 {
		put(t, table, attrs{"h": s("1"), "r": n(fmt.Sprint(i)), "k": n(fmt.Sprint(9 - i)), "p": s(strings.Repeat("x", 9000))})
	}
	for _, c := range []struct {
		in   dynamodb.QueryInput
		want string
	}{
		{dynamodb.QueryInput{}, "3.5 = table 3.5"}, // 27 KB are 7 times 4
		{dynamodb.QueryInput{ConsistentRead: new(true)}, "7 = table 7"},
		{dynamodb.QueryInput{Select: types.SelectCount}, "3.5 = table 3.5"},
		{dynamodb.QueryInput{ProjectionExpression: new("r")}, "3.5 = table 3.5"},
		{dynamodb.QueryInput{FilterExpression: new("attribute_not_exists(h2)"), Limit: new(int32(1))}, "1.5 = table 1.5"},
		{dynamodb.QueryInput{IndexName: new("global")}, "3.5 = table 0 + g:global 3.5"},
		{dynamodb.QueryInput{IndexName: new("local")}, "0.5 = table 0 + l:local 0.5"},
		{dynamodb.QueryInput{IndexName: new("local"), ConsistentRead: new(true)}, "1 = table 0 + l:local 1"},
		{dynamodb.QueryInput{IndexName: new("local"), Select: types.SelectAllAttributes}, "5 = table 4.5 + l:local 0.5"},
		{dynamodb.QueryInput{IndexName: new("local"), ProjectionExpression: new("p"), ConsistentRead: new(true)}, "10 = table 9 + l:local 1"},
	} {
		c.in.TableName, c.in.ReturnConsumedCapacity = table, indexes
		c.in.KeyConditionExpression, c.in.ExpressionAttributeValues = new("h = :h"), attrs{":h": s("1")}
		same(t, "query", showUnits(must(client.Query(ctx, &c.in))(t).ConsumedCapacity), c.want)
		c.in.ExpressionAttributeValues[":h"] = s("2")
		if c.in.IndexName == nil && c.in.ConsistentRead == nil {
			same(t, "empty", showUnits(must(client.Query(ctx, &c.in))(t).ConsumedCapacity), "0.5 = table 0.5")
		}
	}
	scan := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table, ReturnConsumedCapacity: total}))(t)
	same(t, "scan", showUnits(scan.ConsumedCapacity), "3.5")
	scan = must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table, IndexName: new("local"), ReturnConsumedCapacity: indexes}))(t)
	same(t, "scan of an index", showUnits(scan.ConsumedCapacity), "0.5 = table 0 + l:local 0.5")
}

// TestCapacityOfBatches is about the units of batches: each item by itself, summed for each table.
func TestCapacityOfBatches(t *testing.T) {
	t.Parallel()
	one, two := simple(t), keyed.table(t)
	written := must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{
			*one: {putRequest(sized("1", 1500)), putRequest(sized("2", 100)), deleteRequest(attrs{"a": s("3")})},
			*two: {putRequest(attrs{"h": s("1"), "r": n("1"), "l": s("1")}), putRequest(attrs{"h": s("1"), "r": n("2")}), putRequest(attrs{"h": s("2"), "r": n("2")})},
		},
		ReturnConsumedCapacity: indexes, ReturnItemCollectionMetrics: types.ReturnItemCollectionMetricsSize,
	}))(t)
	same(t, "written", showList(written.ConsumedCapacity, one, two), "one 4 = table 4\ntwo 4 = table 3 + l:lsi 1\n")
	same(t, "collections", len(written.ItemCollectionMetrics), 1) // of tables with a local index
	var hashes []attrs
	for _, metrics := range written.ItemCollectionMetrics[*two] {
		hashes = append(hashes, metrics.ItemCollectionKey)
		same(t, "size", fmt.Sprint(metrics.SizeEstimateRangeGB), "[0 1]")
	}
	same(t, "collections", sorted(hashes, "h"), `"1" "2"`)

	read := must(client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{
			*one: {Keys: []attrs{{"a": s("1")}, {"a": s("2")}, {"a": s("none")}}},
			*two: {Keys: []attrs{{"h": s("1"), "r": n("1")}}, ConsistentRead: new(true)},
		},
		ReturnConsumedCapacity: total,
	}))(t)
	same(t, "read", showList(read.ConsumedCapacity, one, two), "one 1.5\ntwo 1\n")
}

// showList prints the capacity of two tables.
func showList(list []types.ConsumedCapacity, one, two *string) string {
	lines := map[string]string{}
	for i := range list {
		lines[*list[i].TableName] = showUnits(&list[i])
	}
	return "one " + lines[*one] + "\ntwo " + lines[*two] + "\n"
}

// TestItemCollectionMetrics is about the metrics of single writes.
func TestItemCollectionMetrics(t *testing.T) {
	t.Parallel()
	table, without := keyed.table(t), simple(t)
	key := attrs{"h": s("1"), "r": n("1")}
	const size = types.ReturnItemCollectionMetricsSize
	collection := func(metrics *types.ItemCollectionMetrics) string {
		if metrics == nil {
			return "none"
		}
		return fmt.Sprint(show(metrics.ItemCollectionKey), metrics.SizeEstimateRangeGB)
	}
	const want = `{h: "1"}[0 1]`
	same(t, "put", collection(must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key, ReturnItemCollectionMetrics: size}))(t).ItemCollectionMetrics), want)
	same(t, "update", collection(must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key, ReturnItemCollectionMetrics: size}))(t).ItemCollectionMetrics), want)
	same(t, "delete", collection(must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key, ReturnItemCollectionMetrics: size}))(t).ItemCollectionMetrics), want)
	same(t, "not asked for", collection(must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key}))(t).ItemCollectionMetrics), "none")
	same(t, "no local index", collection(must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: without, Item: attrs{"a": s("1")}, ReturnItemCollectionMetrics: size}))(t).ItemCollectionMetrics), "none")
}
