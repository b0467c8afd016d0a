package partitatest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	// maxDumped is how many items of a table are printed.
	maxDumped = 100
	// maxItemText is how many bytes of an item are printed.
	maxItemText = 10 << 10
	// maxDumpText is after how many bytes no more items are printed.
	maxDumpText = 1 << 20
)

// Dump prints the items of tables to the test's log, of all tables if none is named: a line for
// each table, with its keys, the number of its items, its indexes and the attribute of its time to
// live, and below it a line of JSON for each item, in the order of the keys. Numbers, strings,
// booleans, null, lists and maps are plain JSON, which [DB.SeedJSON] takes; sets and binary values
// are DynamoDB's JSON, such as {"SS":["L","M"]}. Of a table the first 100 items are printed, of an
// item 10 KiB, and 1 MiB in all; what is left out is counted.
//
// It does not fail the test: a table that does not exist, or cannot be read, is a line that says
// so. The log of a test is shown when the test fails, or with go test -v.
func (d *DB) Dump(t testing.TB, tables ...string) {
	t.Helper()
	names := tables
	if len(names) == 0 {
		var err error
		if names, err = d.tableNames(own(), d.client); err != nil {
			t.Logf("listing the tables: %v", err)
			return
		}
	}
	if len(names) == 0 {
		t.Log("there are no tables")
		return
	}
	var b strings.Builder
	for _, name := range names {
		d.dumpTable(&b, name)
	}
	t.Log(strings.TrimSuffix(b.String(), "\n"))
}

// dumpTable writes one table.
func (d *DB) dumpTable(b *strings.Builder, name string) {
	out, err := d.client.DescribeTable(own(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		if hint := hintOf(err); hint != "" {
			fmt.Fprintf(b, "%s\n", hint)
			return
		}
		fmt.Fprintf(b, "reading table %q: %v\n", name, err)
		return
	}
	keys := make([]string, len(out.Table.KeySchema))
	for i, k := range out.Table.KeySchema {
		keys[i] = aws.ToString(k.AttributeName)
	}
	items, count, err := d.first(name, keys)
	if err != nil {
		fmt.Fprintf(b, "reading table %q: %v\n", name, err)
		return
	}
	live, err := d.client.DescribeTimeToLive(own(), &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		fmt.Fprintf(b, "reading the time to live of table %q: %v\n", name, err)
		return
	}
	b.WriteString(header(out.Table, live.TimeToLiveDescription, count) + "\n")
	printed := 0
	for ; printed < len(items) && b.Len() < maxDumpText; printed++ {
		text := string(appendItem(nil, items[printed], keys))
		if more := len(text) - maxItemText; more > 0 {
			text = fmt.Sprintf("%s (%d more bytes)", cut(text, maxItemText), more)
		}
		b.WriteString("  " + text + "\n")
	}
	if left := count - printed; left > 0 {
		fmt.Fprintf(b, "  … and %d more\n", left)
	}
}

// header is the line about a table with so many items.
func header(t *types.TableDescription, live *types.TimeToLiveDescription, count int) string {
	noun := "items"
	if count == 1 {
		noun = "item"
	}
	parts := []string{fmt.Sprintf("table %q with the key %s has %d %s",
		aws.ToString(t.TableName), keysText(t.KeySchema, t.AttributeDefinitions), count, noun)}
	parts = append(parts, indexTexts(t)...)
	if live != nil && live.TimeToLiveStatus == types.TimeToLiveStatusEnabled {
		parts = append(parts, fmt.Sprintf("time to live in %q", aws.ToString(live.AttributeName)))
	}
	return strings.Join(parts, "; ")
}

// first returns the first items of a table in the order of its keys, as many as are printed, and
// the number of all.
func (d *DB) first(table string, keys []string) (items []attributes, count int, err error) {
	in := &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}
	for pages := dynamodb.NewScanPaginator(d.client, in); pages.HasMorePages(); {
		out, err := pages.NextPage(own())
		if err != nil {
			return nil, 0, err
		}
		count += len(out.Items)
		items = append(items, out.Items...)
		slices.SortFunc(items, func(a, b attributes) int { return compareKeys(a, b, keys) })
		items = items[:min(len(items), maxDumped)]
	}
	return items, count, nil
}

// compareKeys compares the keys of two items: strings and binary values by their bytes, numbers by
// their values.
func compareKeys(a, b attributes, keys []string) int {
	for _, k := range keys {
		if c := compareKey(a[k], b[k]); c != 0 {
			return c
		}
	}
	return 0
}

// compareKey compares two values of a key.
func compareKey(a, b types.AttributeValue) int {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		if b, ok := b.(*types.AttributeValueMemberS); ok {
			return cmp.Compare(a.Value, b.Value)
		}
	case *types.AttributeValueMemberB:
		if b, ok := b.(*types.AttributeValueMemberB); ok {
			return bytes.Compare(a.Value, b.Value)
		}
	case *types.AttributeValueMemberN:
		if b, ok := b.(*types.AttributeValueMemberN); ok {
			return number(a.Value).Cmp(number(b.Value))
		}
	}
	return 0 // which cannot be: a key attribute has one type
}

// number is the value of a number, with more digits than the 38 that there can be.
func number(text string) *big.Float {
	n, _, err := big.ParseFloat(text, 10, 256, big.ToNearestEven)
	if err != nil {
		panic(fmt.Sprintf("partitatest: the number %q: %v", text, err)) // it comes from the database
	}
	return n
}

// appendItem appends an item as JSON: its key first, then the other attributes by their names.
func appendItem(out []byte, it attributes, keys []string) []byte {
	names := slices.Clone(keys)
	for _, name := range slices.Sorted(maps.Keys(it)) {
		if !slices.Contains(keys, name) {
			names = append(names, name)
		}
	}
	return appendMap(out, it, names)
}

// appendMap appends the named members of a map.
func appendMap(out []byte, m attributes, names []string) []byte {
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = append(appendText(out, name), ": "...)
		out = appendValue(out, m[name])
	}
	return append(out, '}')
}

// appendValue appends a value as JSON.
func appendValue(out []byte, v types.AttributeValue) []byte {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return appendText(out, v.Value)
	case *types.AttributeValueMemberN:
		return append(out, v.Value...)
	case *types.AttributeValueMemberBOOL:
		return fmt.Append(out, v.Value)
	case *types.AttributeValueMemberNULL:
		return append(out, "null"...)
	case *types.AttributeValueMemberL:
		out = append(out, '[')
		for i, element := range v.Value {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = appendValue(out, element)
		}
		return append(out, ']')
	case *types.AttributeValueMemberM:
		return appendMap(out, v.Value, slices.Sorted(maps.Keys(v.Value)))
	case *types.AttributeValueMemberB:
		return fmt.Appendf(out, `{"B": "%s"}`, base64.StdEncoding.EncodeToString(v.Value))
	}
	text, err := attributevalue.MarshalJSON(v) // a set
	if err != nil {
		panic(fmt.Sprintf("partitatest: the value %v: %v", v, err)) // it comes from the database
	}
	return append(out, text...)
}

// appendText appends a JSON string, in which < > and & stay as they are.
func appendText(out []byte, text string) []byte {
	b := bytes.NewBuffer(out)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(fmt.Sprintf("partitatest: the text %q: %v", text, err)) // a string: cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
