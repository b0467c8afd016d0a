package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestPaging reads tables and indexes in pages of each size, in both directions, and finds the same
// as in one.
func TestPaging(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for _, c := range []struct {
		index, condition string
		value            av
		last             string // after one item
	}{
		{"", "h = :v", s("1"), `{h: "1", r: 1}`},
		{"all", "g = :v", s("G"), `{g: "G", h: "1", k: 0, r: 1}`},
		{"keys", "g = :v", s("G"), `{g: "G", h: "1", r: 1}`},
		{"local", "h = :v", s("1"), `{h: "1", l: "a", r: 6}`},
	} {
		in := dynamodb.QueryInput{TableName: table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: attrs{":v": c.value}}
		if c.index != "" {
			in.IndexName = &c.index
		}
		in.Limit = new(int32(1))
		same(t, c.index+": the key of the first page", show(must(client.Query(ctx, &in))(t).LastEvaluatedKey), c.last)
		in.Limit = nil
		whole := must(client.Query(ctx, &in))(t)
		same(t, "no key at the end", show(whole.LastEvaluatedKey), "none")
		all := column(whole.Items, "r")
		for limit := range int32(7) {
			in.Limit = new(limit + 1)
			in.ScanIndexForward = new(true)
			got, pages := queryAll(t, in)
			same(t, fmt.Sprint(c.index, " by ", limit+1), column(got, "r"), all)
			same(t, "pages", pages, len(whole.Items)/int(limit+1)+1) // with a last empty one, if the limit divides
			in.ScanIndexForward = new(false)
			got, _ = queryAll(t, in)
			same(t, fmt.Sprint(c.index, " backward by ", limit+1), column(got, "r"), reversed(all))
		}
	}
}

// queryAll reads to the end with the SDK's paginator.
func queryAll(t testing.TB, in dynamodb.QueryInput) (items []attrs, pages int) {
	t.Helper()
	for p := dynamodb.NewQueryPaginator(client, &in); p.HasMorePages(); pages++ {
		items = append(items, must(p.NextPage(ctx))(t).Items...)
	}
	return items, pages
}

// TestPagingGone goes on behind items that have been deleted meanwhile.
func TestPagingGone(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", sort: "r:N"}.table(t)
	for i := range 10 {
		put(t, table, attrs{"h": s("1"), "r": n(fmt.Sprint(i))})
	}
	in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: new("h = :v"), ExpressionAttributeValues: attrs{":v": s("1")},
		Limit: new(int32(2))}
	seen := ""
	for {
		out := must(client.Query(ctx, in))(t)
		seen += column(out.Items, "r") + ","
		if out.LastEvaluatedKey == nil {
			break
		}
		must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: out.LastEvaluatedKey}))(t)
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	same(t, "pages", seen, "0 1,2 3,4 5,6 7,8 9,,")
	in.ExclusiveStartKey = attrs{"h": s("1"), "r": n("4.5")} // never was an item
	same(t, "from between", column(must(client.Query(ctx, in))(t).Items, "r"), "6 8")
}

// TestPagingWhileWriting reads page by page while others write between: what was there all the time
// is read once, in order.
func TestPagingWhileWriting(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:N",
		global: []index{{name: "index", hash: []string{"g:S"}, sort: []string{"r:N"}, project: []string{"ALL"}}},
	}.table(t)
	want := ""
	for i := range 40 {
		put(t, table, attrs{"h": s("1"), "r": n(fmt.Sprint(i)), "g": s("1"), "kept": boolean(true)})
		want += fmt.Sprintf(" %d", i)
	}
	done, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			between := attrs{"h": s("1"), "r": n(fmt.Sprint(i%40, ".5"))}
			if _, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: between}); err != nil {
				t.Error(err)
				return
			}
			between["g"] = s("1")
			between["r"] = n(fmt.Sprint((7*i)%40, ".5"))
			if err := tryPut(table, between); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	kept := func(items []attrs) (text string) {
		for _, it := range items {
			if it["kept"] != nil {
				text += " " + showValue(it["r"])
			}
		}
		return text
	}
	for range 3 {
		in := dynamodb.QueryInput{TableName: table, KeyConditionExpression: new("h = :v"), ExpressionAttributeValues: attrs{":v": s("1")}, Limit: new(int32(3))}
		items, _ := queryAll(t, in)
		same(t, "of the table", kept(items), want)
		in.IndexName, in.KeyConditionExpression = new("index"), new("g = :v")
		items, _ = queryAll(t, in)
		same(t, "of the index", kept(items), want)
	}
	close(stop)
	<-done
}

// TestPagingSize is about the end of a page at 1 MB: the item that crosses it still belongs to the
// page.
func TestPagingSize(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", sort: "r:N"}.table(t)
	const size = 1 << 18 // four make 1 MB
	fill := func(r, bytes int) attrs {
		it := attrs{"h": s("1"), "r": n(fmt.Sprint(r))}
		return attrs{"h": it["h"], "r": it["r"], "p": s(strings.Repeat("x", bytes-2-3-1))} // h and its value, r and its value, p
	}
	for i := range 5 {
		put(t, table, fill(i+1, size))
	}
	in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: new("h = :v"), ExpressionAttributeValues: attrs{":v": s("1")},
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal, ConsistentRead: new(true)}
	page := func() string {
		out := must(client.Query(ctx, in))(t)
		return fmt.Sprint(out.Count, " of ", out.ScannedCount, " for ", *out.ConsumedCapacity.CapacityUnits, " up to ", show(out.LastEvaluatedKey))
	}
	same(t, "exactly 1 MB", page(), `4 of 4 for 256 up to {h: "1", r: 4}`)
	put(t, table, fill(2, size-1))
	same(t, "a byte less", page(), `5 of 5 for 320 up to {h: "1", r: 5}`)
	in.FilterExpression = new("attribute_not_exists(p)") // counts what is evaluated
	same(t, "filtered", page(), `0 of 5 for 320 up to {h: "1", r: 5}`)
	in.FilterExpression, in.ProjectionExpression = nil, new("r")
	same(t, "projected", page(), `5 of 5 for 320 up to {h: "1", r: 5}`)
	in.ExclusiveStartKey = attrs{"h": s("1"), "r": n("5")}
	same(t, "after the last", page(), `0 of 0 for 1 up to none`)
}

// TestPagingStart is about start keys that no page has ended with.
func TestPagingStart(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	const (
		bad      = "The provided starting key is invalid"
		mismatch = bad + ": The provided key element does not match the schema"
	)
	for _, c := range []struct {
		index, condition string
		values           attrs
		start            attrs
		message          string
	}{
		{"", "h = :v", attrs{":v": s("1")}, attrs{}, bad},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1")}, bad},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1"), "r": n("1"), "x": n("1")}, bad},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1"), "x": n("1")}, mismatch},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1"), "r": s("1")}, mismatch},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("2"), "r": n("1")},
			"The provided starting key is outside query boundaries based on provided conditions"},
		{"", "h = :v AND r > :r", attrs{":v": s("1"), ":r": n("3")}, attrs{"h": s("1"), "r": n("1")},
			"The provided starting key does not match the range key predicate"},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1"), "r": n("x")}, "The parameter cannot be converted to a numeric value: x"},
		{"", "h = :v", attrs{":v": s("1")}, attrs{"h": s("1"), "r": null(false)}, bad + ": " + oneOrMore + "Null attribute value types must have the value of true"},
		{"all", "g = :v", attrs{":v": s("G")}, attrs{"h": s("1"), "r": n("1")}, bad},
		{"all", "g = :v", attrs{":v": s("G")}, attrs{"h": s("1"), "r": n("1"), "g": s("G"), "x": n("1")}, bad},
		{"all", "g = :v", attrs{":v": s("G")}, attrs{"h": n("1"), "r": n("1"), "g": s("G"), "k": n("1")}, mismatch},
		{"all", "g = :v", attrs{":v": s("G")}, attrs{"h": s("1"), "r": n("1"), "g": s("H"), "k": n("1")},
			"The provided starting key is outside query boundaries based on provided conditions"},
	} {
		in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: c.values, ExclusiveStartKey: c.start}
		if c.index != "" {
			in.IndexName = &c.index
		}
		_, err := client.Query(ctx, in)
		invalid(t, err, c.message)
	}
	one := simple(t)
	_, err := client.Query(ctx, &dynamodb.QueryInput{TableName: one, KeyConditionExpression: new("a = :v"),
		ExpressionAttributeValues: attrs{":v": s("1")}, ExclusiveStartKey: attrs{"a": s("1")}})
	invalid(t, err, "The query can return at most one row and cannot be restarted")
}
