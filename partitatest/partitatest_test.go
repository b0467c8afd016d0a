package partitatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// s and n are string and number values.
func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

// put puts an item whose key is a.
func put(ctx context.Context, db *DB, table, a string) error {
	_, err := db.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: attributes{"a": s(a)}})
	return err
}

// scan returns all items of a table.
func scan(t testing.TB, db *DB, table string) []attributes {
	t.Helper()
	out, err := db.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return out.Items
}

// record is a testing.TB that keeps what it is told, and ends the goroutine at Fatalf. That must be
// told of a line in a test.
type record struct {
	testing.TB
	log      strings.Builder
	helpers  []string // functions
	cleanups []func()
}

func (r *record) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *record) Errorf(f string, a ...any) { fmt.Fprintf(&r.log, f+"\n", a...) }

func (r *record) Helper() {
	pc, _, _, _ := runtime.Caller(1)
	r.helpers = append(r.helpers, runtime.FuncForPC(pc).Name())
}

func (r *record) Fatalf(format string, a ...any) {
	r.Errorf(format, a...)
	var pcs [20]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	at, _ := frames.Next()
	for slices.Contains(r.helpers, at.Function) {
		at, _ = frames.Next()
	}
	if !strings.HasSuffix(at.File, "_test.go") {
		r.TB.Errorf("the test fails at %s:%d", at.File, at.Line)
	}
	runtime.Goexit()
}

// run calls f with a database of a test of its own, ends that test, and returns what it had to say.
func run(t *testing.T, f func(db *DB), opts ...Option) string {
	r := &record{TB: t}
	var running sync.WaitGroup
	running.Go(func() { f(New(r, opts...)) })
	running.Wait()
	for _, cleanup := range r.cleanups {
		cleanup()
	}
	return r.log.String()
}

// TestHundred opens a hundred databases side by side. Each has a table of the same name with an
// item of its own.
func TestHundred(t *testing.T) {
	for i := range 100 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := New(t)
			db.CreateTable(Table("table", "a:S"))
			db.Seed("table", attributes{"a": s(t.Name())})
			if items := scan(t, db, "table"); len(items) != 1 || items[0]["a"].(*types.AttributeValueMemberS).Value != t.Name() {
				t.Errorf("the table holds %v", items)
			}
		})
	}
}

// TestFootprint holds the memory of an open database with a table and an item to 2 MB, and all of
// it is given back. The memory for the newest rows is not on the Go heap where there is cgo: 256
// KiB of addresses, of which a few pages are touched.
func TestFootprint(t *testing.T) {
	const databases = 100
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // the first one moves what sync.Pools hold aside, the second frees it
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var dbs []*DB
	before, goroutines := heap(), runtime.NumGoroutine()
	for range databases {
		db, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		db.CreateTable(Table("table", "a:S"))
		db.Seed("table", attributes{"a": s("item")})
		dbs = append(dbs, db)
	}
	each := (heap() - before) / databases
	t.Logf("%d bytes of heap and %d goroutines each", each, (runtime.NumGoroutine()-goroutines)/databases)
	if each > 2<<20 {
		t.Errorf("%d bytes each, want 2 MiB at most", each)
	}
	for _, db := range dbs {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	clear(dbs)
	if left := heap() - before; left > 2<<20 {
		t.Errorf("%d bytes are left of all", left)
	}
}

// TestClose checks that the end of a test closes its database, once, and that who still uses it is
// told at once.
func TestClose(t *testing.T) {
	var db *DB
	if said := run(t, func(opened *DB) {
		db = opened
		db.CreateTable(Table("table", "a:S"))
	}); said != "" {
		t.Errorf("the test said %s", said)
	}
	attempts := 0
	out, err := db.Client.ListTables(t.Context(), nil, func(o *dynamodb.Options) { o.Retryer = counting{o.Retryer, &attempts} })
	if !errors.As(err, new(closedError)) || attempts != 1 {
		t.Errorf("ListTables of a closed database: %v, %v after %d attempts", out, err, attempts)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// counting is a retryer that counts attempts.
type counting struct {
	aws.Retryer
	attempts *int
}

func (c counting) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	*c.attempts++
	return c.Retryer.(aws.RetryerV2).GetAttemptToken(ctx)
}

// TestCloseInUse closes a database under the hands of eight who write to it. A write either was
// answered or meets closedError.
func TestCloseInUse(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:S"))
	var writers, begun sync.WaitGroup
	begun.Add(8)
	for range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				err := put(t.Context(), db, "table", "x")
				if i == 0 {
					begun.Done()
				}
				if err != nil {
					if !errors.As(err, new(closedError)) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	begun.Wait()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	writers.Wait()
}

// TestOptions checks region and logger.
func TestOptions(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	debug := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db := New(t, WithRegion("eu-central-1"), WithLogger(debug))
	arn := *db.CreateTable(Table("table", "a:S")).TableArn
	if want := "arn:aws:dynamodb:eu-central-1:000000000000:table/table"; arn != want {
		t.Errorf("the table is %s, want %s", arn, want)
	}
	if !strings.Contains(log.String(), "operation=CreateTable") {
		t.Errorf("the log of a CreateTable is %q", log.String())
	}
}

// TestConfig makes a client with options of its own, without the endpoint.
func TestConfig(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:S"))
	config := db.Config()
	config.BaseEndpoint = nil
	client := dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.Region = "sa-east-1" })
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("table")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:dynamodb:sa-east-1:000000000000:table/table"; *out.Table.TableArn != want {
		t.Errorf("the table is %s, want %s", *out.Table.TableArn, want)
	}
}

// TestHandler serves the database on a port, beside the clients that need none.
func TestHandler(t *testing.T) {
	t.Parallel()
	db := New(t)
	server := httptest.NewServer(db.Handler())
	defer server.Close()
	db.CreateTable(Table("table", "a:S"))
	config := db.Config()
	config.HTTPClient, config.BaseEndpoint = server.Client(), &server.URL
	out, err := dynamodb.NewFromConfig(config).ListTables(t.Context(), nil)
	if err != nil || fmt.Sprint(out.TableNames) != "[table]" {
		t.Errorf("on the port there are the tables %v, %v", out, err)
	}
}

// TestStreams checks that the client of streams reaches the database.
func TestStreams(t *testing.T) {
	t.Parallel()
	db := New(t)
	in := Table("table", "a:S")
	in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage}
	arn := db.CreateTable(in).LatestStreamArn
	out, err := db.Streams.ListStreams(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Streams) != 1 || *out.Streams[0].StreamArn != *arn {
		t.Errorf("the streams are %v, want %s", out.Streams, *arn)
	}
}

// TestCreateTable looks at what Table and AddIndex make, and at how a fault is told.
func TestCreateTable(t *testing.T) {
	t.Parallel()
	said := run(t, func(db *DB) {
		table := db.CreateTable(AddIndex(Table("table", "a:S", "b:N"), "by-b", "b:N", "c:B"))
		got := fmt.Sprint(roles(table.KeySchema), " ", roles(table.GlobalSecondaryIndexes[0].KeySchema), " ",
			table.GlobalSecondaryIndexes[0].Projection.ProjectionType)
		if want := "a:HASH b:RANGE  b:HASH c:RANGE  ALL"; got != want {
			t.Errorf("the keys are %q, want %q", got, want)
		}
		wrong := Table("wrong", "a:S")
		wrong.BillingMode = "FREE"
		db.CreateTable(wrong)
		t.Error("the test went on after an error")
	})
	for _, want := range []string{`creating table "wrong": `, "ValidationException: "} {
		if !strings.Contains(said, want) {
			t.Errorf("the test said %q, want %q in it", said, want)
		}
	}
}

// roles prints key elements.
func roles(keys []types.KeySchemaElement) (text string) {
	for _, k := range keys {
		text += *k.AttributeName + ":" + string(k.KeyType) + " "
	}
	return text
}

// TestNoTest checks that without a test errors panic.
func TestNoTest(t *testing.T) {
	t.Parallel()
	db, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, `partitatest: seeding table "none": item 1: `) {
			t.Errorf("the panic says %s", p)
		}
	}()
	db.Seed("none", attributes{"a": s("x")})
	t.Error("seeding a table that does not exist succeeded")
}

// TestMistakes checks that what can only be a mistake is told where it is made.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mistake func()
		want    string
	}{
		{func() { NewClock(time.Time{}) }, "partitatest: NewClock needs a time; time.Time{} is none"},
		{func() { NewClock(newYear).Set(time.Time{}) }, "partitatest: Clock.Set needs a time; time.Time{} is none"},
		{func() { AddIndex(nil, "x", "a:S") },
			"partitatest: AddIndex needs the input of CreateTable, as Table returns it; it was given nil"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != c.want {
					t.Errorf("the panic says %q, want %q", got, c.want)
				}
			}()
			c.mistake()
		}()
	}
	db := New(t, nil, WithRegion("eu-west-1"), nil)
	if got := db.Config().Region; got != "eu-west-1" {
		t.Errorf("among nil options the region is %s", got)
	}
}

// TestSets seeds sets in each way that the documentation names, and in the one that makes none.
func TestSets(t *testing.T) {
	t.Parallel()
	type tagged struct {
		A     string   `dynamodbav:"a"`
		Parts []string `dynamodbav:"parts,stringset"`
	}
	set := &types.AttributeValueMemberSS{Value: []string{"x"}}
	db := New(t)
	db.CreateTable(Table("table", "a:S"))
	db.Seed("table", tagged{"1", []string{"x"}}, attributes{"a": s("2"), "parts": set},
		map[string]any{"a": "3", "parts": set})
	got := show(t, scan(t, db, "table"))
	for _, want := range []string{
		`{"a":{"S":"1"},"parts":{"SS":["x"]}}`, `{"a":{"S":"2"},"parts":{"SS":["x"]}}`,
		`{"a":{"S":"3"},"parts":{"M":{"Value":{"L":[{"S":"x"}]}}}}`,
	} {
		if !got[want] {
			t.Errorf("%s is not in the table, but %v", want, got)
		}
	}
}

// BenchmarkNew opens and closes a database, with its clients.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		db, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}

// BenchmarkTable is what a test takes before it begins: a database, a table, an item.
func BenchmarkTable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		db, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		db.CreateTable(Table("table", "a:S"))
		db.Seed("table", map[string]string{"a": "x"})
		db.Close()
	}
}
