package blackbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// scanAll reads to the end, page by page.
func scanAll(t testing.TB, in dynamodb.ScanInput) (items []attrs, pages int) {
	t.Helper()
	for {
		out := must(client.Scan(ctx, &in))(t)
		items, pages = append(items, out.Items...), pages+1
		if out.LastEvaluatedKey == nil {
			return items, pages
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// sorted is column with the values in order.
func sorted(items []attrs, attribute string) string {
	words := strings.Fields(column(items, attribute))
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestScan(t *testing.T) {
	t.Parallel()
	table := simple(t)
	out := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table}))(t)
	same(t, "an empty table", fmt.Sprint(out.Items == nil, len(out.Items), out.Count, out.ScannedCount, out.LastEvaluatedKey == nil), "false 0 0 0 true")
	for i := range 9 {
		put(t, table, attrs{"a": s(fmt.Sprint(i)), "odd": boolean(i%2 == 1), "n": n(fmt.Sprint(i))})
	}
	items, _ := scanAll(t, dynamodb.ScanInput{TableName: table})
	same(t, "all", sorted(items, "n"), "0 1 2 3 4 5 6 7 8")
	again, pages := scanAll(t, dynamodb.ScanInput{TableName: table, Limit: new(int32(3)), ConsistentRead: new(true)})
	same(t, "in the same order", column(again, "n"), column(items, "n"))
	same(t, "pages", pages, 4) // the third ends at the limit, not at the end

	in := &dynamodb.ScanInput{TableName: table, FilterExpression: new("odd = :yes AND a > :a"), ProjectionExpression: new("n"),
		ExpressionAttributeValues: attrs{":yes": boolean(true), ":a": s("2")}}
	out = must(client.Scan(ctx, in))(t)
	same(t, "filtered", sorted(out.Items, "n")+fmt.Sprint(" of ", out.Count, out.ScannedCount), "3 5 7 of 3 9")
	same(t, "no key by itself", len(out.Items[0]), 1)
	in.ProjectionExpression, in.Select = nil, types.SelectCount
	out = must(client.Scan(ctx, in))(t)
	same(t, "counted", fmt.Sprint(out.Items == nil, out.Count, out.ScannedCount), "true 3 9")
}

// TestScanSegments reads a table in parts: each item is in one of them, whatever the number of
// parts.
func TestScanSegments(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:N", sort: "r:N"}.table(t)
	want := ""
	for i := range 24 {
		put(t, table, attrs{"h": n(fmt.Sprint(i % 12)), "r": n(fmt.Sprint(i)), "v": n(fmt.Sprint(10 + i))})
		want += fmt.Sprint(" ", 10+i)
	}
	for _, total := range []int32{1, 2, 3, 7, 100} {
		var items []attrs
		for segment := range total {
			part, _ := scanAll(t, dynamodb.ScanInput{TableName: table, Segment: &segment, TotalSegments: &total, Limit: new(int32(5))})
			items = append(items, part...)
		}
		same(t, fmt.Sprint(total, " segments"), sorted(items, "v"), want[1:])
	}
	var last attrs // a key of one segment is none of another
	segment := int32(0)
	for ; last == nil; segment++ {
		out := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table, Segment: &segment, TotalSegments: new(int32(3)), Limit: new(int32(1))}))(t)
		last = out.LastEvaluatedKey
	}
	other := segment % 3
	_, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: table, Segment: &other, TotalSegments: new(int32(3)), ExclusiveStartKey: last})
	invalid(t, err, fmt.Sprint("The provided starting key is invalid: Invalid ExclusiveStartKey. "+
		"Please use ExclusiveStartKey with correct Segment. TotalSegments: 3 Segment: ", other))
}

// TestScanIndex reads what is in an index.
func TestScanIndex(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for name, want := range map[string]string{"all": "1 2 3 4", "some": "1 2 3 4", "keys": "1 2 3 4 6", "local": "1 2 3 4 6", "multi": "1 2 3 4"} {
		items, _ := scanAll(t, dynamodb.ScanInput{TableName: table, IndexName: &name})
		same(t, name, sorted(items, "r"), want)
		items, _ = scanAll(t, dynamodb.ScanInput{TableName: table, IndexName: &name, Limit: new(int32(2))})
		same(t, name+" by two", sorted(items, "r"), want)
	}
	items, _ := scanAll(t, dynamodb.ScanInput{TableName: table, IndexName: new("local"), ProjectionExpression: new("y, r"), ConsistentRead: new(true)})
	same(t, "fetched from the table", sorted(items, "y"), `"Y" "Y" "Y" "Y" "Y"`)
}

// TestScanErrors is about scans that are refused.
func TestScanErrors(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for _, c := range []struct {
		in      dynamodb.ScanInput
		message string
	}{
		{dynamodb.ScanInput{Segment: new(int32(1))},
			"The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
		{dynamodb.ScanInput{TotalSegments: new(int32(1))},
			"The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
		{dynamodb.ScanInput{Segment: new(int32(4)), TotalSegments: new(int32(4))},
			"The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than TotalSegments: 4"},
		{dynamodb.ScanInput{Segment: new(int32(-1)), TotalSegments: new(int32(4))},
			oneError + "Value '-1' at 'segment' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{dynamodb.ScanInput{Segment: new(int32(0)), TotalSegments: new(int32(1000001))},
			oneError + "Value '1000001' at 'totalSegments' failed to satisfy constraint: Member must have value less than or equal to 1000000"},
		{dynamodb.ScanInput{Limit: new(int32(0))},
			oneError + "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{dynamodb.ScanInput{Select: types.SelectSpecificAttributes},
			"Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{dynamodb.ScanInput{Select: types.SelectAllProjectedAttributes},
			"ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
		{dynamodb.ScanInput{IndexName: new("none")}, "The table does not have the specified index: none"},
		{dynamodb.ScanInput{IndexName: new("all"), ConsistentRead: new(true)}, "Consistent reads are not supported on global secondary indexes"},
		{dynamodb.ScanInput{IndexName: new("some"), Select: types.SelectAllAttributes},
			oneOrMore + "Select type ALL_ATTRIBUTES is not supported for global secondary index some because its projection type is not ALL"},
		{dynamodb.ScanInput{ExpressionAttributeValues: attrs{":v": s("")}},
			"ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null"},
		{dynamodb.ScanInput{ProjectionExpression: new("x"), ExpressionAttributeValues: attrs{":v": s("")}},
			"ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null"},
		{dynamodb.ScanInput{FilterExpression: new("")}, "Invalid FilterExpression: The expression can not be empty;"},
		{dynamodb.ScanInput{ExclusiveStartKey: attrs{"h": s("1")}},
			"The provided starting key is invalid: The provided key element does not match the schema"},
		{dynamodb.ScanInput{ExclusiveStartKey: attrs{"h": s("1"), "r": s("1")}},
			"The provided starting key is invalid: The provided key element does not match the schema"},
		{dynamodb.ScanInput{IndexName: new("all"), ExclusiveStartKey: attrs{"h": s("1"), "r": n("1")}}, "The provided starting key is invalid"},
	} {
		c.in.TableName = table
		_, err := client.Scan(ctx, &c.in)
		invalid(t, err, c.message)
	}
	_, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: new("no-such-table")})
	refused(t, err, "ResourceNotFoundException", "Requested resource not found")
}
