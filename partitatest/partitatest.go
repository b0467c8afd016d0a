// Package partitatest is a DynamoDB-compatible database for one Go test: a database in memory with
// a client of the AWS SDK. There is nothing to start, to wait for or to clean up. It is ready in
// under a millisecond, uses less than a megabyte and no port, and is closed when the test ends. So
// each test can have its own, and a hundred of them can run in parallel.
//
// # Example
//
//	func TestOrders(t *testing.T) {
//		db := partitatest.New(t)
//		db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
//		db.Seed("orders", map[string]any{"customer": "ann", "order": 1, "state": "open"})
//
//		shop := NewShop(db.Client) // a *dynamodb.Client, as in production
//		if err := shop.Ship(t.Context(), "ann", 1); err != nil {
//			t.Error(err)
//		}
//	}
//
// [DB.Client] and [DB.Streams] are ordinary clients of aws-sdk-go-v2, with its retries, middleware
// and checks. Only the transport below them is different: it calls the database in the goroutine
// that makes the request. It returns the same responses as a server on a port. Code that makes its
// own client uses [DB.Config] or [DB.HTTPClient].
//
// # Tables
//
// [Table] makes the input of CreateTable from a name and one or two keys with their types, and
// [AddIndex] adds a global secondary index to it. All other members of the input can be set:
//
//	orders := partitatest.Table("orders", "customer:S", "order:N")
//	partitatest.AddIndex(orders, "by-state", "state:S", "order:N")
//	orders.StreamSpecification = &types.StreamSpecification{
//		StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage,
//	}
//	db.CreateTable(orders)
//
// # Items
//
// [DB.Seed] puts Go values, as package attributevalue marshals them: maps, structs with dynamodbav
// tags, slices of these. [DB.SeedJSON] reads JSON objects, and [DB.SeedDynamoDBJSON] reads the
// output of the AWS CLI and DynamoDB's exports:
//
//	db.Seed("orders", orders)           // []Order
//	db.SeedJSON("orders", lines)        // {"customer": "ann", "order": 2}
//	db.SeedDynamoDBJSON("orders", file) // the output of: aws dynamodb scan --table-name orders
//
// Any error in these and in CreateTable fails the test. Read items with the client.
//
// Attributes have the names of their dynamodbav tags; json tags have no effect. Slices become
// lists. A set needs a tag, as in
//
//	type Order struct {
//		Customer string   `dynamodbav:"customer"`
//		Sizes    []string `dynamodbav:"sizes,stringset"` // or numberset, binaryset
//	}
//
// or an item as the SDK has it, a map[string]types.AttributeValue with, for example, a
// *types.AttributeValueMemberSS in it. In a map[string]any the SDK makes a map of such a value.
//
// # Time
//
// With a [Clock] the database's time does not advance until the test moves it. [Clock.Advance]
// returns when everything that is due at the new time is done: expired items are deleted and their
// deletions are in the stream, and stream records older than a day and transaction tokens older
// than ten minutes are deleted.
//
//	clock := partitatest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
//	db := partitatest.New(t, partitatest.WithClock(clock))
//	// … put a session that expires in an hour …
//	clock.Advance(time.Hour + time.Second)
//	// … the session is deleted
//
// # When a test fails
//
// The error of a call has a hint that AWS's error does not have, if the likely cause is clear:
// which table has a similar name, what the keys and indexes of the table are. The hint is in
// parentheses at the end of the error's text, such as "(partitatest: there is no table "ordrs"; did
// you mean "orders"?)". The code, message and type that errors.As finds are AWS's. A failed test
// also lists, at its end, its requests that returned an error, even if the code under test has
// handled the error.
//
// [DB.Dump] prints tables to the test's log, and with [WithDumpOnFailure] a failed test prints them
// automatically:
//
//	db := partitatest.New(t, partitatest.WithDumpOnFailure())
//
// The log then has, for each table:
//
//	table "orders" with the key customer:S, order:N has 2 items
//	  {"customer": "ann", "order": 1, "state": "open"}
//	  {"customer": "ann", "order": 2, "sizes": {"SS":["L","M"]}, "state": "shipped"}
//
// # Many tests
//
// A database costs less than one request to a remote one, so the cases of a table-driven test need
// not share one:
//
//	for _, c := range cases {
//		t.Run(c.name, func(t *testing.T) {
//			t.Parallel()
//			db := partitatest.New(t)
//			db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
//			db.Seed("orders", c.items)
//			…
//		})
//	}
//
// In TestMain and in examples, where there is no test, use [Open] and [DB.Close] instead of [New].
package partitatest

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go/middleware"

	"github.com/partita-db/partita"
)

// DB is a database in memory, as [New] and [Open] return it, with clients that reach it without a
// network. It is safe for concurrent use.
type DB struct {
	// Client is the SDK's client of the database.
	Client *dynamodb.Client
	// Streams is the SDK's client of the streams of its tables.
	Streams *dynamodbstreams.Client

	db        *partita.DB
	transport transport
	client    *dynamodb.Client // Client, whatever the test has done to that
	quiet     func() *dynamodb.Client
	failures  failures
	dumped    []string // the tables to print when the test has failed, empty for all; nil: none
	region    string
	clock     *Clock // nil: the real time
	t         testing.TB
	close     func() error
}

// options are what an Option changes.
type options struct {
	partita.Options
	clock  *Clock
	dumped []string // as in DB
}

// Option changes how a database is opened. A nil Option changes nothing.
type Option func(*options)

// WithClock has the clock tell the database's time. Several databases can go by one clock.
func WithClock(c *Clock) Option { return func(o *options) { o.clock = c } }

// WithRegion sets the region of the clients, which stands in ARNs. Without it: us-east-1.
func WithRegion(region string) Option { return func(o *options) { o.Region = region } }

// WithTableDelay has tables stay in CREATING, UPDATING and DELETING for a while, as AWS's do.
// Without it they are usable at once. With a Clock it is that clock's time.
func WithTableDelay(delay time.Duration) Option { return func(o *options) { o.TableDelay = delay } }

// WithLogger sets where the database logs. Without it warnings go to the output of New's test, and
// with Open everything to slog.Default.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.Logger = log } }

// WithDumpOnFailure has a test that has failed print tables at its end, as [DB.Dump] does: those
// named, or all that there are then. It has no effect with [Open], where there is no test.
func WithDumpOnFailure(tables ...string) Option {
	return func(o *options) { o.dumped = append([]string{}, tables...) }
}

// New opens an empty database for a test, and closes it when the test and its subtests are over.
// Requests of goroutines that the test has left running fail from then on. If the database cannot
// be opened, the test fails.
func New(t testing.TB, opts ...Option) *DB {
	t.Helper()
	warn := &slog.HandlerOptions{Level: slog.LevelWarn}
	toTest := WithLogger(slog.New(slog.NewTextHandler(t.Output(), warn)))
	d, err := Open(append([]Option{toTest}, opts...)...)
	if err != nil {
		t.Fatalf("opening a database: %v", err)
	}
	d.t = t
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			d.report(t)
		}
		if err := d.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return d
}

// Open is [New] without a test: the caller closes the database, and what would fail the test
// panics. It returns an error if the database cannot be opened.
func Open(opts ...Option) (*DB, error) {
	o := options{Options: partita.Options{InMemory: true, Region: "us-east-1"}}
	o.AllowHosts = []string{"*"} // whatever the URL, the request comes from the test
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.clock != nil {
		o.Clock, o.SweepInterval = o.clock.Now, -1
	}
	inner, err := partita.Open(o.Options)
	if err != nil {
		return nil, err
	}
	d := &DB{db: inner, region: o.Region, clock: o.clock, t: noTest{}, dumped: o.dumped}
	d.transport.handler = inner.Handler()
	d.close = sync.OnceValue(d.closeOnce)
	d.transport.failed = d.failed
	d.client, d.Streams = dynamodb.NewFromConfig(d.Config()), dynamodbstreams.NewFromConfig(d.Config())
	d.Client, d.quiet = d.client, sync.OnceValue(d.newQuiet)
	if d.clock != nil {
		d.clock.add(d)
	}
	return d, nil
}

// Config returns the configuration that Client and Streams were made from, for clients with options
// of their own: region, any credentials, a transport that leads every request to this database,
// whatever its endpoint, and the middleware that adds to errors what may be wrong.
func (d *DB) Config() aws.Config {
	return aws.Config{
		Region:       d.region,
		BaseEndpoint: aws.String("http://dynamodb." + d.region + ".amazonaws.com"),
		Credentials:  credentials.NewStaticCredentialsProvider("partitatest", "partitatest", ""),
		HTTPClient:   d.HTTPClient(),
		APIOptions:   []func(*middleware.Stack) error{addHints},
	}
}

// HTTPClient returns a client whose every request is answered by this database, whatever its URL.
// It does not ask for compression by itself, as there is no network to save: with the header
// Accept-Encoding the answer comes compressed, and stays so.
func (d *DB) HTTPClient() *http.Client { return &http.Client{Transport: &d.transport} }

// Handler returns the handler of DynamoDB requests, for tests that need a port after all
// (net/http/httptest.NewServer). Stop the server before the database is closed.
func (d *DB) Handler() http.Handler { return d.db.Handler() }

// Close waits for the requests in progress and frees the database. Later requests fail, and the SDK
// does not retry them. A database of [New] is closed by itself. A second Close returns what the
// first did, which is nil unless background work could not be ended in order.
func (d *DB) Close() error { return d.close() }

// closeOnce is the first Close.
func (d *DB) closeOnce() error {
	if d.clock != nil {
		d.clock.remove(d)
	}
	d.transport.close()
	return d.db.Close()
}

// noTest stands in for the test of a database that has none.
type noTest struct{ testing.TB }

func (noTest) Helper() {}

func (noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf("partitatest: "+format, args...)) }

func (noTest) Errorf(format string, args ...any) { panic(fmt.Sprintf("partitatest: "+format, args...)) }
