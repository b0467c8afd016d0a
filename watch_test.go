package partita_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/historytest"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// safeLog is a log that can be read while it is written.
type safeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watchedDB is a database with an admin address, both on real listeners.
type watchedDB struct {
	t       *testing.T
	db      *partita.DB
	admin   *httptest.Server
	client  *dynamodb.Client
	streams *dynamodbstreams.Client
	log     safeLog
	clock   *clocktest.Clock
}

// watchBegin is when the clock of a watched database begins.
var watchBegin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// watch opens a database in memory, or on the options' engine.
func watch(t *testing.T, o partita.Options) *watchedDB {
	t.Helper()
	return watchBy(t, clocktest.New(watchBegin), o)
}

// watchBy is watch with a clock that others may have.
func watchBy(t *testing.T, clock *clocktest.Clock, o partita.Options) *watchedDB {
	t.Helper()
	w := &watchedDB{t: t, clock: clock}
	o.InMemory = o.Engine == nil
	o.Clock = clock.Now
	if o.SweepInterval == 0 {
		o.SweepInterval = -1
	}
	o.Logger = slog.New(slog.NewTextHandler(&w.log, nil))
	o.Admin = partita.NewAdmin(partita.AdminOptions{Token: "a token of the test's", Version: "test", Logger: o.Logger})
	var err error
	if w.db, err = partita.Open(o); err != nil {
		t.Fatal(err)
	}
	data := httptest.NewServer(w.db.Handler())
	w.admin = httptest.NewServer(o.Admin)
	wire := historytest.Transport{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}}
	w.client = historytest.NewClient(data.URL, wire)
	w.streams = dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: &data.URL, Region: "us-east-1", Credentials: w.client.Options().Credentials, Retryer: aws.NopRetryer{},
		HTTPClient: &http.Client{Transport: wire},
	})
	t.Cleanup(func() {
		wire.CloseIdleConnections()
		data.Close()
		w.admin.Close()
		w.db.Close()
	})
	return w
}

// text is the page of metrics.
func (w *watchedDB) text() string {
	w.t.Helper()
	r, err := w.admin.Client().Get(w.admin.URL + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		w.t.Fatalf("scraping: %v, %d %s", err, r.StatusCode, b)
	}
	return string(b)
}

// scrape is the metrics by name and labels, as the page has them.
func (w *watchedDB) scrape() map[string]float64 {
	w.t.Helper()
	m := map[string]float64{}
	for line := range strings.Lines(w.text()) {
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			w.t.Fatalf("the line %q has no number", line)
		}
		m[line[:at]] = v
	}
	return m
}

// expect compares metrics; one that must not be there is -1.
func (w *watchedDB) expect(want map[string]float64) {
	w.t.Helper()
	got := w.scrape()
	for name, v := range want {
		switch is, there := got["partita_"+name]; {
		case v < 0 && there:
			w.t.Errorf("%s = %v, and should not be there", name, is)
		case v >= 0 && (!there || is != v):
			w.t.Errorf("%s = %v (there: %v), want %v", name, is, there, v)
		}
	}
}

// settled scrapes until the requests that are answered are counted: that is done after the answer.
func (w *watchedDB) settled(calls float64) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		sum := 0.0
		for name, v := range w.scrape() {
			if strings.HasPrefix(name, "partita_requests_total{") {
				sum += v
			}
		}
		if sum == calls {
			return
		}
	}
	w.t.Fatalf("%v calls are not counted:\n%s", calls, w.text())
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// makeTable makes a table Tab with the keys pk and sk, an index Idx on other, and a stream.
func (w *watchedDB) makeTable(stream bool) {
	w.t.Helper()
	_, err := w.client.CreateTable(context.Background(), &dynamodb.CreateTableInput{
		TableName: aws.String("Tab"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"},
			{AttributeName: aws.String("colour"), AttributeType: "S"},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("Idx"), Projection: &types.Projection{ProjectionType: "ALL"},
			KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("colour"), KeyType: "HASH"}},
		}},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: &stream, StreamViewType: map[bool]types.StreamViewType{true: "KEYS_ONLY"}[stream]},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestMetrics scrapes after calls of the real SDK and compares exactly.
func TestMetrics(t *testing.T) {
	w, ctx := watch(t, partita.Options{}), context.Background()
	w.makeTable(true)
	table := aws.String("Tab")
	put := func(sk string, more map[string]types.AttributeValue) *dynamodb.PutItemInput {
		it := map[string]types.AttributeValue{"pk": text("a"), "sk": text(sk)}
		for k, v := range more {
			it[k] = v
		}
		return &dynamodb.PutItemInput{TableName: table, Item: it, ReturnConsumedCapacity: "INDEXES"}
	}
	written, indexed, read, readIndex := 0.0, 0.0, 0.0, 0.0
	for i, more := range []map[string]types.AttributeValue{
		nil, {"colour": text("x")}, {"colour": text("x"), "big": text(strings.Repeat("b", 3000))}, {"until": &types.AttributeValueMemberN{Value: fmt.Sprint(w.clock.Now().Unix() + 10)}},
	} {
		out, err := w.client.PutItem(ctx, put(strconv.Itoa(i), more))
		if err != nil {
			t.Fatal(err)
		}
		written += *out.ConsumedCapacity.Table.CapacityUnits
		if x, there := out.ConsumedCapacity.GlobalSecondaryIndexes["Idx"]; there {
			indexed += *x.CapacityUnits
		}
	}
	failing := put("2", nil)
	failing.ConditionExpression = aws.String("attribute_not_exists(pk)")
	if _, err := w.client.PutItem(ctx, failing); err == nil {
		t.Error("the condition held")
	}
	written += 3 // of the item that it met
	key := map[string]types.AttributeValue{"pk": text("a"), "sk": text("2")}
	for _, consistent := range []bool{false, true} {
		out, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: &consistent, ReturnConsumedCapacity: "TOTAL"})
		if err != nil {
			t.Fatal(err)
		}
		read += *out.ConsumedCapacity.CapacityUnits
	}
	if _, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key}); err != nil { // that does not ask
		t.Fatal(err)
	}
	read += 0.5
	query, err := w.client.Query(ctx, &dynamodb.QueryInput{
		TableName: table, IndexName: aws.String("Idx"), KeyConditionExpression: aws.String("colour = :o"), ReturnConsumedCapacity: "INDEXES",
		ExpressionAttributeValues: map[string]types.AttributeValue{":o": text("x")},
	})
	if err != nil {
		t.Fatal(err)
	}
	readIndex += *query.ConsumedCapacity.GlobalSecondaryIndexes["Idx"].CapacityUnits
	transacted, err := w.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		ReturnConsumedCapacity: "INDEXES", TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: table, Item: put("t", nil).Item}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	written += *transacted.ConsumedCapacity[0].CapacityUnits
	if _, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("none"), Key: key}); err == nil {
		t.Error("there is a table none")
	}
	if _, err := w.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("until"), Enabled: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Minute)
	if err := w.db.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	w.settled(13)
	w.expect(map[string]float64{
		`requests_total{code="OK",operation="PutItem"}`:                              4,
		`requests_total{code="ConditionalCheckFailedException",operation="PutItem"}`: 1,
		`requests_total{code="OK",operation="GetItem"}`:                              3,
		`requests_total{code="ResourceNotFoundException",operation="GetItem"}`:       1,
		`requests_total{code="OK",operation="Query"}`:                                1,
		`request_duration_seconds_count{operation="PutItem"}`:                        5,
		`throttled_requests_total{operation="PutItem"}`:                              0,
		`requests_in_flight`: 0,
		`consumed_capacity_units_total{index="",kind="write",table="Tab"}`:    written,
		`consumed_capacity_units_total{index="Idx",kind="write",table="Tab"}`: indexed,
		`consumed_capacity_units_total{index="",kind="read",table="Tab"}`:     read,
		`consumed_capacity_units_total{index="Idx",kind="read",table="Tab"}`:  readIndex,
		`expired_items_total{table="Tab"}`:                                    1,
		`table_items{index="",table="Tab"}`:                                   4,
		`table_items{index="Idx",table="Tab"}`:                                2,
		`stream_records_total{table="Tab"}`:                                   6,
		`stream_newest_record_age_seconds{table="Tab"}`:                       0,
		`stream_oldest_record_age_seconds{table="Tab"}`:                       60,
		`stream_lag_seconds{table="Tab"}`:                                     -1,
		`sweep_duration_seconds_count`:                                        1,
		`tables`:                                                              1,
		`engine_failed`:                                                       0,
	})
	if _, err := w.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table}); err != nil {
		t.Fatal(err)
	}
	w.expect(map[string]float64{`table_items{index="",table="Tab"}`: -1, `consumed_capacity_units_total{index="",kind="write",table="Tab"}`: -1, "tables": 0})
}

// TestFailedStatementIsCounted counts a DELETE whose WHERE clause does not hold by the item that it
// met, and not by that of a write before.
func TestFailedStatementIsCounted(t *testing.T) {
	w := watch(t, partita.Options{})
	w.makeTable(false)
	large := map[string]types.AttributeValue{"pk": text("large"), "sk": text("1"), "v": text(strings.Repeat("v", 9000))}
	if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Tab"), Item: large}); err != nil {
		t.Fatal(err)
	}
	_, err := w.client.ExecuteStatement(t.Context(), &dynamodb.ExecuteStatementInput{
		Statement: aws.String(`DELETE FROM Tab WHERE pk = 'large' AND sk = '1' AND v = 'x'`),
	})
	if err == nil {
		t.Error("the statement has deleted an item that its WHERE clause excludes")
	}
	w.settled(3)
	w.expect(map[string]float64{`consumed_capacity_units_total{index="",kind="write",table="Tab"}`: 18})
}

// TestMetricsAreWellNamed holds the page to Prometheus' own linter.
func TestMetricsAreWellNamed(t *testing.T) {
	w := watch(t, partita.Options{})
	w.makeTable(true)
	w.settled(1)
	problems, err := promlint.New(strings.NewReader(w.text())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestStreamLag reads a stream by half, and looks at what is left.
func TestStreamLag(t *testing.T) {
	w, ctx := watch(t, partita.Options{}), context.Background()
	w.makeTable(true)
	put := func() {
		t.Helper()
		if _, err := w.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String("Tab"), Item: map[string]types.AttributeValue{"pk": text("a"), "sk": text(w.clock.Now().String())},
		}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	d, err := w.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("Tab")})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := w.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: d.Table.LatestStreamArn})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stream.StreamDescription.Shards {
		it, err := w.streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: d.Table.LatestStreamArn, ShardId: s.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator}); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(map[string]float64{`stream_lag_seconds{table="Tab"}`: 0})
	w.clock.Advance(10 * time.Second)
	put()
	w.clock.Advance(30 * time.Second)
	put()
	w.clock.Advance(5 * time.Second)
	w.expect(map[string]float64{
		`stream_lag_seconds{table="Tab"}`: 35, `stream_newest_record_age_seconds{table="Tab"}`: 5, `stream_oldest_record_age_seconds{table="Tab"}`: 45,
	})
}

// heldBackfill is an engine whose backfill stops behind its first chunk until it may go on.
type heldBackfill struct {
	kv.Engine
	mu     sync.Mutex
	chunks int
	goOn   chan struct{}
}

func (h *heldBackfill) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if o.NoSync && len(o.Lock) > 2 {
		h.mu.Lock()
		h.chunks++
		second := h.chunks == 2
		h.mu.Unlock()
		if second {
			<-h.goOn
		}
	}
	return h.Engine.Update(ctx, o, fn)
}

// TestBackfillProgress looks at an index of 150 items while it is built, 64 items at a time.
func TestBackfillProgress(t *testing.T) {
	e, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	held := &heldBackfill{Engine: e, goOn: make(chan struct{})}
	var once sync.Once
	release := func() { once.Do(func() { close(held.goOn) }) }
	w, ctx := watch(t, partita.Options{Engine: held}), context.Background()
	t.Cleanup(release)
	w.makeTable(false)
	for i := range 150 {
		if _, err := w.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String("Tab"), Item: map[string]types.AttributeValue{"pk": text(strconv.Itoa(i)), "sk": text("s")},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.addIndex(); err != nil {
		t.Fatal(err)
	}
	const done, all = `partita_index_backfill_rows{index="Jdx",table="Tab"}`, `partita_index_backfill_estimated_rows{index="Jdx",table="Tab"}`
	for deadline := time.Now().Add(10 * time.Second); w.scrape()[done] != 64; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backfill has done %v of %v, want 64", w.scrape()[done], w.scrape()[all])
		}
	}
	if got := w.scrape()[all]; got != 150 {
		t.Errorf("%v items are estimated, want 150", got)
	}
	release()
	if err := w.db.Sweep(ctx); err != nil { // it waits for the index
		t.Fatal(err)
	}
	w.expect(map[string]float64{`table_items{index="Jdx",table="Tab"}`: 150, `index_backfill_rows{index="Jdx",table="Tab"}`: -1})
}

// TestSlowLog sends a secret in every place where a value can be, and looks for it in the log.
func TestSlowLog(t *testing.T) {
	w, ctx := watch(t, partita.Options{SlowRequest: 1}), context.Background()
	w.makeTable(false)
	const secret = "hunter2"
	values := map[string]types.AttributeValue{":p": text(secret), ":s": text(secret)}
	condition := func(op types.ComparisonOperator) types.Condition {
		return types.Condition{ComparisonOperator: op, AttributeValueList: []types.AttributeValue{text(secret)}}
	}
	key := map[string]types.AttributeValue{"pk": text(secret), "sk": text(secret)}
	calls := []func() error{
		func() error {
			_, err := w.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("Tab"), Item: key})
			return err
		},
		func() error {
			_, err := w.client.Query(ctx, &dynamodb.QueryInput{
				TableName: aws.String("Tab"), KeyConditionExpression: aws.String("#p = :p AND begins_with(sk, :s)"), FilterExpression: aws.String("f <> :s"),
				ExpressionAttributeNames: map[string]string{"#p": "pk"}, ExpressionAttributeValues: values,
			})
			return err
		},
		func() error {
			_, err := w.client.Query(ctx, &dynamodb.QueryInput{
				TableName: aws.String("Tab"), KeyConditions: map[string]types.Condition{"pk": condition("EQ"), "sk": condition("GE")},
				QueryFilter: map[string]types.Condition{"f": condition("NE")},
			})
			return err
		},
		func() error {
			_, err := w.client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{
				Statement: aws.String(`SELECT * FROM "Tab" WHERE pk = '` + secret + `' AND sk < '` + secret + `' AND f = '` + secret + `'`),
			})
			return err
		},
		func() error {
			_, err := w.client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{
				Statement: aws.String(`SELECT * FROM "Tab"."Idx" WHERE colour IN ('` + secret + `', '` + secret + `2')`),
			})
			return err
		},
		func() error {
			w.client.Query(ctx, &dynamodb.QueryInput{ // it is refused
				TableName: aws.String("Tab"), KeyConditionExpression: aws.String(`pk = "` + secret + `"`),
			})
			w.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{ // and so is this
				TableName: aws.String("Tab"), Key: key, UpdateExpression: aws.String("SET pk = :p"), ExpressionAttributeValues: values,
			})
			return nil
		},
	}
	for _, call := range calls {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	w.settled(8)
	log := w.log.String()
	for _, want := range []string{
		"operation=PutItem", `key_condition="pk = ? AND begins_with(sk, ?)"`, `key_condition="pk = ? AND sk < ?"`,
		`index=Idx key_condition="colour IN (?, ?)"`, "items_read=1 items_returned=", "code=ValidationException", "request_id=", "table=Tab",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	// The SDK sends the members of a map in any order.
	if !strings.Contains(log, `key_condition="pk = ? AND sk >= ?"`) && !strings.Contains(log, `key_condition="sk >= ? AND pk = ?"`) {
		t.Error("the log lacks the KeyConditions")
	}
	if n := strings.Count(log, "a slow request"); n < 8 {
		t.Errorf("%d slow requests are logged, want 8", n)
	}
	if strings.Contains(log, secret) || t.Failed() {
		t.Errorf("the log:\n%s", log)
	}
}

// TestDidYouMean asks for tables by names that are nearly right.
func TestDidYouMean(t *testing.T) {
	w, ctx := watch(t, partita.Options{}), context.Background()
	for _, name := range []string{"Music", "prod-orders", "customers"} {
		if _, err := w.client.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	key := map[string]types.AttributeValue{"pk": text("hunter2")}
	for _, test := range []struct{ name, meant string }{
		{"music", "Music"}, {"Musci", "Music"}, {"Muzic", "Music"}, {"prod_orders", "prod-orders"}, {"orders", "prod-orders"},
		{"customers-dev", "customers"}, {"custmers", "customers"}, {"weather", ""},
	} {
		before := len(w.log.String())
		for range 2 { // the second time says nothing
			if _, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &test.name, Key: key}); err == nil || strings.Contains(err.Error(), "mean") {
				t.Errorf("asking for %s: %v", test.name, err)
			}
		}
		said := w.log.String()[before:]
		switch line := "did you mean " + test.meant + "?"; {
		case test.meant == "" && strings.Contains(said, "did you mean"):
			t.Errorf("asking for %s: the log says %s", test.name, said)
		case test.meant != "" && (strings.Count(said, line) != 1 || !strings.Contains(said, "table="+test.name) || !strings.Contains(said, "request_id=")):
			t.Errorf("asking for %s: the log says %q, want %q once", test.name, said, line)
		}
	}
	w.clock.Advance(2 * time.Minute)
	before := len(w.log.String())
	w.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("music")})
	if said := w.log.String()[before:]; !strings.Contains(said, "did you mean Music?") {
		t.Errorf("two minutes later the log says %q", said)
	}
}
