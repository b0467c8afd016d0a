package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// gate is an engine that holds back the work of filling an index, whose updates alone do not wait
// for the disk. Each token in pass lets one of them go, and all go when it is closed.
type gate struct {
	kv.Engine
	pass chan struct{}
}

func (g *gate) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if o.NoSync {
		select {
		case <-g.pass:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Engine.Update(ctx, o, fn)
}

// openGate opens a database on a gate that is shut. dir is empty for one in memory.
func openGate(t testing.TB, dir string) (*database, *gate) {
	t.Helper()
	engine := must(pebblekv.Open(pebblekv.Options{Dir: dir, InMemory: dir == "", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))(t)
	g := &gate{Engine: engine, pass: make(chan struct{})}
	d := open(t, partita.Options{Engine: g})
	shut := d.shut
	d.shut = sync.OnceValue(func() error { return errors.Join(shut(), engine.Close()) })
	return d, g
}

// addIndex adds the index global by the string g to Table.
const addIndex = `{TableName: Table, AttributeDefinitions: <g:S>, GlobalSecondaryIndexUpdates: [
	{Create: {IndexName: global, KeySchema: <g>, Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [v]}}}]}`

// fill writes n items with a key of their number, in batches.
func (d *database) fill(t testing.TB, n int) {
	t.Helper()
	for i := 0; i < n; i += 25 {
		var writes []types.WriteRequest
		for j := i; j < min(n, i+25); j++ {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: numbered(j, 0)}})
		}
		must(d.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"Table": writes}}))(t)
	}
}

// numbered is the item with a number, in a version of it.
func numbered(i, version int) attrs {
	return attrs{"a": s(fmt.Sprint(i)), "g": s(fmt.Sprint("g", (i+version)%5)), "v": n(fmt.Sprint(version)), "o": s(strings.Repeat("o", 100))}
}

// row is an item as the index has it.
func row(it attrs) string { return show(attrs{"a": it["a"], "g": it["g"], "v": it["v"]}) }

// rows reads the whole index, sorted.
func (d *database) rows(t testing.TB) []string {
	t.Helper()
	var rows []string
	for p := dynamodb.NewScanPaginator(d.Client, &dynamodb.ScanInput{TableName: new("Table"), IndexName: new("global")}); p.HasMorePages(); {
		for _, it := range must(p.NextPage(ctx))(t).Items {
			rows = append(rows, show(it))
		}
	}
	return slices.Sorted(slices.Values(rows))
}

// await waits until DescribeTable shows what is wanted of the indexes.
func (d *database) await(t testing.TB, what string, shown func(string) bool) {
	t.Helper()
	last := ""
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(2 * time.Millisecond) {
		if last = d.call("DescribeTable", "{TableName: Table}", "GlobalSecondaryIndexes"); shown(last) {
			return
		}
	}
	t.Fatalf("the table is not %s after 20 seconds: %s", what, last)
}

// built and backfilling are states to wait for.
func built(indexes string) bool       { return strings.Contains(indexes, "IndexStatus ACTIVE") }
func backfilling(indexes string) bool { return strings.Contains(indexes, "Backfilling true") }

// TestBackfill: an index is added to a live table. Nobody waits for it, DescribeTable tells how far
// it is, and in the end it has exactly the rows of the items there are.
func TestBackfill(t *testing.T) {
	t.Parallel()
	d, g := openGate(t, "")
	d.make(t, `{TableName: Table}`)
	const items = 600
	d.fill(t, items)
	answer := d.call("UpdateTable", addIndex, "TableStatus", "AttributeDefinitions", "GlobalSecondaryIndexes")
	same(t, "answer", answer, `AttributeDefinitions: [{AttributeName a, AttributeType S} {AttributeName g, AttributeType S}]
GlobalSecondaryIndexes: [{Backfilling false, IndexArn arn:aws:dynamodb:eu-west-1:000000000000:table/Table/index/global, IndexName global, `+
		`IndexSizeBytes 0, IndexStatus CREATING, ItemCount 0, KeySchema [{AttributeName g, KeyType HASH}], `+
		`Projection {NonKeyAttributes [v], ProjectionType INCLUDE}, `+
		`ProvisionedThroughput {NumberOfDecreasesToday 0, ReadCapacityUnits 0, WriteCapacityUnits 0}}]
TableStatus: UPDATING`)
	d.await(t, "backfilling", backfilling)
	same(t, "table", d.call("DescribeTable", "{TableName: Table}", "TableStatus"), "TableStatus: ACTIVE")
	d.refuses(t)
	now := d.write(t, items, func() {
		for range 3 { // a piece at a time, among the writers
			g.pass <- struct{}{}
		}
		close(g.pass)
		d.await(t, "built", built)
	})
	same(t, "rows", strings.Join(d.rows(t), "\n"), strings.Join(now, "\n"))
	described := must(d.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: new("Table")}))(t).Table
	same(t, "row count", *described.GlobalSecondaryIndexes[0].ItemCount, int64(len(now)))
	same(t, "item count", *described.ItemCount, int64(len(now)))
	if x := described.GlobalSecondaryIndexes[0]; x.Backfilling != nil {
		t.Errorf("Backfilling is %v of a built index", *x.Backfilling)
	}
}

// refuses checks what cannot be done while the index is filled.
func (d *database) refuses(t *testing.T) {
	t.Helper()
	_, err := d.Query(ctx, searchInput(new("Table"), "global", "g = :g", "g", s("g0")))
	invalid(t, err, "Cannot read from backfilling global secondary index: global")
	_, err = d.Scan(ctx, &dynamodb.ScanInput{TableName: new("Table"), IndexName: new("global")})
	invalid(t, err, "Cannot read from backfilling global secondary index: global")
	const inUse = "ResourceInUseException: Attempt to change a resource which is still in use: "
	same(t, "delete the table", d.call("DeleteTable", "{TableName: Table}"),
		inUse+"Cannot delete table while indexes are being created, updated, or deleted.")
	same(t, "another index", d.call("UpdateTable", strings.ReplaceAll(addIndex, "global", "second")),
		"LimitExceededException: Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	same(t, "the same index", d.call("UpdateTable", addIndex), inUse+"Index is being created.  Table: Table Index: global")
	_, err = d.PutItem(ctx, &dynamodb.PutItemInput{TableName: new("Table"), Item: attrs{"a": s("bad"), "g": n("1")}})
	invalid(t, err, oneOrMore+"Type mismatch for Index Key g Expected: S Actual: N IndexName: global")
}

// write has items changed and read by several clients at once before during begins and until it
// ends, and returns the rows that the index is to have then.
func (d *database) write(t *testing.T, items int, during func()) (now []string) {
	t.Helper()
	const writers = 4
	var all sync.WaitGroup
	var done atomic.Bool
	var writes atomic.Int64
	last := make([]map[int]attrs, writers) // by number
	for w := range writers {
		mine := map[int]attrs{}
		last[w] = mine
		for i := w; i < items; i += writers {
			mine[i] = numbered(i, 0)
		}
		r := random(t)
		all.Go(func() {
			for version := 1; !done.Load() || version < 50; version++ {
				i := r.IntN(items/writers)*writers + w
				if err := d.change(mine, i, version); err != nil {
					t.Error(err)
					return
				}
				writes.Add(1)
			}
		})
	}
	for writes.Load() < 40 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	during()
	done.Store(true)
	all.Wait()
	for _, mine := range last {
		for _, it := range mine {
			now = append(now, row(it))
		}
	}
	return slices.Sorted(slices.Values(now))
}

// change writes, updates or deletes one item, reads it back, and notes what it is now.
func (d *database) change(mine map[int]attrs, i, version int) (err error) {
	key, table := attrs{"a": s(fmt.Sprint(i))}, new("Table")
	it := numbered(i, version)
	switch version % 4 {
	case 0:
		_, err = d.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key})
		delete(mine, i)
	case 1:
		if mine[i] != nil {
			_, err = d.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: table, Key: key, UpdateExpression: new("SET g = :g, v = :v"), ExpressionAttributeValues: attrs{":g": it["g"], ":v": it["v"]},
			})
			mine[i] = it
			break
		}
		fallthrough
	default:
		_, err = d.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: it})
		mine[i] = it
	}
	if err != nil {
		return err
	}
	out, err := d.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: new(true)})
	if err == nil && show(out.Item) != show(mine[i]) {
		return fmt.Errorf("item %d is %s, want %s", i, show(out.Item), show(mine[i]))
	}
	return err
}

// TestSmallIndexIsReady: an index on a small table is ready with the next request however long its
// filling takes on a busy machine.
func TestSmallIndexIsReady(t *testing.T) {
	t.Parallel()
	d, g := openGate(t, "")
	d.make(t, `{TableName: Table}`)
	d.fill(t, 50)
	answered := make(chan string, 1)
	begin := time.Now()
	go func() { answered <- d.call("UpdateTable", addIndex, "TableStatus") }()
	d.await(t, "backfilling", backfilling)
	select {
	case <-answered:
		t.Errorf("UpdateTable is answered after %v, and its index is not filled", time.Since(begin))
	case <-time.After(300 * time.Millisecond): // longer than a larger table is waited for
		close(g.pass)
		same(t, "answer", <-answered, "TableStatus: UPDATING")
		if shown := d.call("DescribeTable", "{TableName: Table}", "GlobalSecondaryIndexes"); !built(shown) {
			t.Errorf("the next request finds the index %s", shown)
		}
	}
}

// TestBackfillRestart: an index whose filling was cut short is filled after the restart.
func TestBackfillRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, g := openGate(t, dir)
	d.make(t, `{TableName: Table}`)
	const items = 400
	d.fill(t, items+1)
	same(t, "answer", d.call("UpdateTable", addIndex, "TableStatus"), "TableStatus: UPDATING")
	for range 2 {
		g.pass <- struct{}{}
	}
	must(d.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: new("Table"), Key: attrs{"a": s(fmt.Sprint(items))}}))(t)
	d.close(t)

	d = open(t, partita.Options{Dir: dir})
	now := d.write(t, items, func() { d.await(t, "built", built) })
	same(t, "rows", strings.Join(d.rows(t), "\n"), strings.Join(now, "\n"))
}

// TestBackfillDelete: an index that is being filled can be removed, and then made anew.
func TestBackfillDelete(t *testing.T) {
	t.Parallel()
	d, g := openGate(t, "")
	d.make(t, `{TableName: Table}`)
	d.fill(t, 300)
	same(t, "answer", d.call("UpdateTable", addIndex, "TableStatus"), "TableStatus: UPDATING")
	d.await(t, "backfilling", backfilling)
	g.pass <- struct{}{}
	const remove = "{TableName: Table, GlobalSecondaryIndexUpdates: [{Delete: {IndexName: global}}]}"
	answer := d.call("UpdateTable", remove, "GlobalSecondaryIndexes", "TableStatus")
	for _, part := range []string{"IndexStatus DELETING", "TableStatus: UPDATING"} {
		if !strings.Contains(answer, part) {
			t.Errorf("answer has no %s: %s", part, answer)
		}
	}
	close(g.pass)
	d.await(t, "without index", func(indexes string) bool { return indexes == "none" })
	same(t, "definitions", d.call("DescribeTable", "{TableName: Table}", "AttributeDefinitions"), "AttributeDefinitions: [{AttributeName a, AttributeType S}]")
	same(t, "again", d.call("UpdateTable", addIndex, "TableStatus"), "TableStatus: UPDATING")
	d.await(t, "built", built)
	same(t, "rows", len(d.rows(t)), 300)
	same(t, "remove it", d.call("UpdateTable", remove, "TableStatus"), "TableStatus: UPDATING")
	d.await(t, "without index", func(indexes string) bool { return indexes == "none" })
	_, err := d.Query(ctx, searchInput(new("Table"), "global", "g = :g", "g", s("g0")))
	invalid(t, err, "The table does not have the specified index: global")
}

// TestBackfillViolations: items whose value cannot be a key of the new index stay out of it. They
// can be read and deleted, and written only so that they fit.
func TestBackfillViolations(t *testing.T) {
	t.Parallel()
	d := open(t, partita.Options{})
	d.make(t, `{TableName: Table}`)
	for i, v := range []av{s("good"), n("1"), s(""), s(strings.Repeat("x", 2049)), null(true)} {
		must(d.PutItem(ctx, &dynamodb.PutItemInput{TableName: new("Table"), Item: attrs{"a": s(fmt.Sprint(i)), "g": v, "v": n("0")}}))(t)
	}
	same(t, "answer", d.call("UpdateTable", addIndex, "TableStatus"), "TableStatus: UPDATING")
	d.await(t, "built", built)
	same(t, "rows", strings.Join(d.rows(t), "\n"), `{a: "0", g: "good", v: 0}`)
	update := func(i int, expression string) error {
		in := &dynamodb.UpdateItemInput{TableName: new("Table"), Key: attrs{"a": s(fmt.Sprint(i))}, UpdateExpression: &expression}
		if strings.Contains(expression, ":v") {
			in.ExpressionAttributeValues = attrs{":v": s("better")}
		}
		_, err := d.UpdateItem(ctx, in)
		return err
	}
	invalid(t, update(1, "SET o = :v"), "The update expression attempted to update the secondary index key to unsupported type")
	invalid(t, update(4, "SET o = :v"), "The update expression attempted to update the secondary index key to unsupported type")
	if err := errors.Join(update(1, "SET g = :v"), update(4, "REMOVE g")); err != nil {
		t.Error(err)
	}
	must(d.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: new("Table"), Key: attrs{"a": s("2")}}))(t)
	same(t, "rows", strings.Join(d.rows(t), "\n"), `{a: "0", g: "good", v: 0}`+"\n"+`{a: "1", g: "better", v: 0}`)
}
