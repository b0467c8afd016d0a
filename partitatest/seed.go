package partitatest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// batchItems is how many writes one BatchWriteItem takes.
const batchItems = 25

// attributes are an item as the SDK has it.
type attributes = map[string]types.AttributeValue

// seed is an item to be loaded, and what it was made of.
type seed struct {
	from string // where it comes from: "line 3"
	item attributes
	// advice says, of the error that loading the item has met, what may have gone wrong in making
	// it, or ""; nil: there is nothing to say.
	advice func(error) string
}

// Seed puts items into a table: Go values that attributevalue.MarshalMap makes items of (structs
// and maps), items as the SDK has them, or slices of these. What was there under the same keys is
// replaced. Names of attributes come from dynamodbav tags. An error fails the test.
func (d *DB) Seed(table string, items ...any) {
	d.t.Helper()
	seeds, err := appendSeeds(nil, items)
	if err == nil {
		err = d.load(table, seeds)
	}
	if err != nil {
		d.t.Fatalf("seeding table %q: %v", table, err)
	}
}

// appendSeeds appends the item that v stands for, or those of a slice.
func appendSeeds(seeds []seed, v any) ([]seed, error) {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && !isText(v) {
		for i := range r.Len() {
			var err error
			if seeds, err = appendSeeds(seeds, r.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		return seeds, nil
	}
	from := fmt.Sprintf("item %d", len(seeds)+1)
	if it, ok := v.(attributes); ok {
		return append(seeds, seed{from, it, nil}), nil
	}
	it, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return append(seeds, seed{from, it, tagAdvice(v)}), nil
}

// SeedJSON puts items that are written as plain JSON objects, one after the other or in arrays;
// JSON lines are both. Strings, numbers, booleans, null, arrays and objects become values of the
// types S, N, BOOL, NULL, L and M; numbers keep all their digits. An error fails the test and names
// the line. So does input without any JSON; an empty array is fine.
func (d *DB) SeedJSON(table string, r io.Reader) {
	d.t.Helper()
	d.seedFrom(table, r, plainItems)
}

// SeedDynamoDBJSON puts items that are written in DynamoDB's JSON, such as {"customer": {"S":
// "ann"}}: one after the other, in arrays, as {"Item": …} on each line of an export to S3, or as
// {"Items": […]} from "aws dynamodb scan". An error fails the test and names the line. So does
// input without any JSON; an empty array, or {"Items": []}, is fine.
func (d *DB) SeedDynamoDBJSON(table string, r io.Reader) {
	d.t.Helper()
	d.seedFrom(table, r, typedItems)
}

// errNoItems says that the input is empty, as the output of a command that has failed is.
var errNoItems = errors.New("no items in the input")

// seedFrom loads what parse makes of the JSON values in r.
func (d *DB) seedFrom(table string, r io.Reader, parse func(seeds []seed, raw []byte, line int) ([]seed, error)) {
	d.t.Helper()
	var seeds []seed
	data, err := io.ReadAll(r)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		err = errNoItems
	}
	if err == nil {
		err = eachValue(data, func(raw []byte, line int) (err error) {
			seeds, err = parse(seeds, raw, line)
			return err
		})
	}
	if err == nil {
		err = d.load(table, seeds)
	}
	if err != nil {
		d.t.Fatalf("seeding table %q: %v", table, err)
	}
}

// load puts the items, or returns what kept it from doing so and where.
func (d *DB) load(table string, seeds []seed) error {
	for batch := range slices.Chunk(seeds, batchItems) {
		if err := d.loadBatch(table, batch); err != nil {
			return d.culprit(table, batch, err)
		}
	}
	return nil
}

// loadBatch puts up to 25 items.
func (d *DB) loadBatch(table string, batch []seed) error {
	writes := make([]types.WriteRequest, len(batch))
	for i, s := range batch {
		writes[i].PutRequest = &types.PutRequest{Item: s.item}
	}
	for len(writes) > 0 {
		in := &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: writes}}
		out, err := d.Client.BatchWriteItem(own(), in)
		if err != nil {
			return err
		}
		writes = out.UnprocessedItems[table]
	}
	return nil
}

// culprit finds which item is to blame for a batch's error, by putting each alone. If none is, it
// is their company.
func (d *DB) culprit(table string, batch []seed, err error) error {
	for _, s := range batch {
		if _, err := d.Client.PutItem(own(), &dynamodb.PutItemInput{TableName: &table, Item: s.item}); err != nil {
			if s.advice != nil {
				if text := s.advice(err); text != "" {
					err = fmt.Errorf("%w: %s", err, text)
				}
			}
			return fmt.Errorf("%s: %w", s.from, err)
		}
	}
	return fmt.Errorf("%s to %s: %w", batch[0].from, batch[len(batch)-1].from, err)
}
