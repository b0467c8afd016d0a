package partita_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// until scrapes until the figures are as asked for.
func (w *watchedDB) until(what string, is func(map[string]float64) bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(w.scrape()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: never\n%s", what, w.text())
		}
	}
}

// streamRecords reads all of the stream of Tab and returns how many records there are.
func (w *watchedDB) streamRecords() (n int) {
	w.t.Helper()
	ctx := context.Background()
	d, err := w.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("Tab")})
	if err != nil {
		w.t.Fatal(err)
	}
	arn := d.Table.LatestStreamArn
	stream, err := w.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range stream.StreamDescription.Shards {
		it, err := w.streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: arn, ShardId: s.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		for at, empty := it.ShardIterator, 0; at != nil && empty < 2; {
			out, err := w.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: at})
			if err != nil {
				w.t.Fatal(err)
			}
			if at, empty = out.NextShardIterator, empty+1; len(out.Records) > 0 {
				n, empty = n+len(out.Records), 0
			}
		}
	}
	return n
}

// putInto puts an item with the key i that expires at the time, or never if that is zero.
func (w *watchedDB) putInto(table string, i int, until time.Time) error {
	it := map[string]types.AttributeValue{"pk": text(strconv.Itoa(i)), "sk": text("s")}
	if !until.IsZero() {
		it["until"] = &types.AttributeValueMemberN{Value: fmt.Sprint(until.Unix())}
	}
	_, err := w.client.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &table, Item: it})
	return err
}

// expire switches the time to live on.
func (w *watchedDB) expire(table string) {
	w.t.Helper()
	if _, err := w.client.UpdateTimeToLive(context.Background(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("until"), Enabled: aws.Bool(true)},
	}); err != nil {
		w.t.Fatal(err)
	}
}

// addIndex adds an index Jdx on sk to Tab.
func (w *watchedDB) addIndex() error {
	_, err := w.client.UpdateTable(context.Background(), &dynamodb.UpdateTableInput{
		TableName: aws.String("Tab"), AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("sk"), AttributeType: "S"}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: aws.String("Jdx"), Projection: &types.Projection{ProjectionType: "ALL"},
			KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("sk"), KeyType: "HASH"}},
		}}},
	})
	return err
}

// dueTables are tables beside Tab whose items expire: what fails in several at a time is still told
// once.
const dueTables = 3

// fillToExpire makes Tab with a stream and the other tables, and 150 items in each of which a third
// expires within ten seconds.
func (w *watchedDB) fillToExpire() {
	w.t.Helper()
	names := []string{"Tab"}
	w.makeTable(true)
	for i := range dueTables {
		names = append(names, fmt.Sprint("due", i))
		w.makeSimple(names[1+i])
	}
	for _, name := range names {
		w.expire(name)
		if err := w.db.Sweep(context.Background()); err != nil { // it waits for the index by expiry, whose chunks would count as the other's
			w.t.Fatal(err)
		}
		for i := range 150 {
			until := time.Time{}
			if i%3 == 0 {
				until = w.clock.Now().Add(10 * time.Second)
			}
			if err := w.putInto(name, i, until); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// makeSimple makes a table with the keys of Tab.
func (w *watchedDB) makeSimple(name string) {
	w.t.Helper()
	if _, err := w.client.CreateTable(context.Background(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
	}); err != nil {
		w.t.Fatal(err)
	}
}

// TestBackgroundWorkPausesOnAFullVolume takes a volume below its floor in the middle of a backfill,
// and before items expire: reads and GetRecords go on, a new index is refused as any write is,
// streams are trimmed, expiry and backfill are tried again and counted, the log hears of each once,
// and when there is room all of it is done. What was refused is not there, nor after a restart.
func TestBackgroundWorkPausesOnAFullVolume(t *testing.T) {
	mem := vfs.NewMem()
	usage := func(free uint64) { mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 100 << 20}) }
	usage(50 << 20)
	clock := clocktest.New(watchBegin)
	o := pebblekv.Options{Dir: "data", FS: mem, FreeSpaceFloor: 1 << 20, Clock: clock.Now}
	e, err := pebblekv.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	held := &heldBackfill{Engine: e, goOn: make(chan struct{})}
	w := watchBy(t, clock, partita.Options{Engine: held, SweepInterval: 5 * time.Millisecond})
	release := sync.OnceFunc(func() { close(held.goOn) })
	t.Cleanup(release) // before the database is closed
	w.fillToExpire()
	if err := w.addIndex(); err != nil {
		t.Fatal(err)
	}
	const rows, failures = `partita_index_backfill_rows{index="Jdx",table="Tab"}`, "partita_sweep_failures_total"
	w.until("the backfill has done a chunk", func(m map[string]float64) bool { return m[rows] == 64 })
	usage(1 << 19)
	w.until("writes are refused", func(m map[string]float64) bool { return m["partita_engine_writes_refused"] == 1 })
	if err := w.putInto("Tab", 1000, time.Time{}); err == nil || !strings.Contains(err.Error(), "Writes are refused because the volume") {
		t.Errorf("a write: %v", err)
	}
	release()
	clock.Advance(time.Minute)
	w.until("work fails and is tried again", func(m map[string]float64) bool {
		return m[failures] >= 20 && m["partita_background_job_failures_total"] >= 3
	})
	w.expect(map[string]float64{
		`expired_items_total{table="Tab"}`: 0, `expired_items_total{table="due0"}`: 0, `table_items{index="",table="Tab"}`: 150,
	})
	if done := w.scrape()[rows]; done < 1 || done >= 150 { // by its hashes
		t.Errorf("the backfill has done %v items, want about 64", done)
	}
	if n := w.streamRecords(); n != 150 {
		t.Errorf("the stream has %d records, want 150", n)
	}
	if err := w.addToOther(); err == nil || !strings.Contains(err.Error(), "Writes are refused because the volume") {
		t.Errorf("adding an index: %v", err)
	}
	clock.Advance(26 * time.Hour)
	w.until("the stream is trimmed", func(m map[string]float64) bool {
		_, there := m[`partita_stream_oldest_record_age_seconds{table="Tab"}`]
		return !there
	})
	if n := w.streamRecords(); n != 0 {
		t.Errorf("the stream has %d records after 26 hours, want none", n)
	}
	for line, most := range map[string]int{"a sweep failed and is tried again": 2, "a background job failed and is tried again": 1} {
		if n := strings.Count(w.log.String(), line); n < 1 || n > most {
			t.Errorf("the log says %d times %q:\n%.3000s", n, line, w.log.String())
		}
	}
	usage(50 << 20)
	w.until("all is done", func(m map[string]float64) bool {
		_, building := m[rows]
		return !building && m[`partita_expired_items_total{table="Tab"}`] == 50 && m[`partita_expired_items_total{table="due2"}`] == 50
	})
	w.expect(map[string]float64{`table_items{index="Jdx",table="Tab"}`: 100, `table_items{index="",table="Tab"}`: 100, `table_items{index="",table="due0"}`: 100})
	if err := w.addToOther(); err != nil {
		t.Error(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t, dbtest.Options{Engine: o, Clock: clock})
	d.Check()
	if n, _ := d.Counts(d.Lookup(schema.DefaultNamespace, "Tab"), nil); n != 100 {
		t.Errorf("%d items are there after a restart, want 100", n)
	}
}

// addToOther adds an index to another table than Tab.
func (w *watchedDB) addToOther() error {
	_, err := w.client.UpdateTable(context.Background(), &dynamodb.UpdateTableInput{
		TableName: aws.String("due0"), AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("size"), AttributeType: "N"}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: aws.String("Kdx"), Projection: &types.Projection{ProjectionType: "KEYS_ONLY"},
			KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("size"), KeyType: "HASH"}},
		}}},
	})
	return err
}
