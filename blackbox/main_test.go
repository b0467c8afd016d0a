// Package blackbox_test holds what is known of DynamoDB's behaviour against a whole database, as
// programs use it: an AWS SDK talks to a real listener. There is a file for each feature. What no
// SDK can send goes over plain HTTP (raw).
//
// All tests share one database, and each makes tables of its own, so that they run side by side.
package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/historytest"
	"github.com/partita-db/partita/internal/servertest"
)

var (
	ctx    = context.Background()
	url    string           // of the server
	plain  *http.Client     // for requests that an SDK does not make
	client *dynamodb.Client // the SDK's
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run runs the tests against a server, and looks for goroutines that outlive it.
func run(m *testing.M) int {
	stop, err := serve()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// serve opens a database in memory, serves it on a loopback port and makes the clients.
func serve() (stop func() error, err error) {
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := partita.Open(partita.Options{InMemory: true, MemoryLimit: 512 << 20, Logger: quiet})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	end := servertest.Serve(l, db.Handler(), quiet)
	transport := historytest.Transport{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}}
	url, plain = "http://"+l.Addr().String()+"/", &http.Client{Transport: transport}
	client = dynamodb.New(dynamodb.Options{
		BaseEndpoint: &url,
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("someone", "secret", ""),
		HTTPClient:   plain,
		Retryer:      aws.NopRetryer{},
	})
	return func() error {
		transport.CloseIdleConnections()
		return errors.Join(end(), db.Close())
	}, nil
}

// The values of attributes: s("text"), n("1.5"), m(attrs{…}).
type (
	av    = types.AttributeValue
	attrs = map[string]av
)

func s(v string) av     { return &types.AttributeValueMemberS{Value: v} }
func n(v string) av     { return &types.AttributeValueMemberN{Value: v} }
func b(v string) av     { return &types.AttributeValueMemberB{Value: []byte(v)} }
func l(v ...av) av      { return &types.AttributeValueMemberL{Value: append([]av{}, v...)} }
func m(v attrs) av      { return &types.AttributeValueMemberM{Value: v} }
func ss(v ...string) av { return &types.AttributeValueMemberSS{Value: append([]string{}, v...)} }
func ns(v ...string) av { return &types.AttributeValueMemberNS{Value: append([]string{}, v...)} }
func boolean(v bool) av { return &types.AttributeValueMemberBOOL{Value: v} }
func null(v bool) av    { return &types.AttributeValueMemberNULL{Value: v} }

func bs(v ...string) av {
	set := &types.AttributeValueMemberBS{Value: [][]byte{}}
	for _, member := range v {
		set.Value = append(set.Value, []byte(member))
	}
	return set
}

// show prints an item with its attributes sorted: {a: "text", n: 1.5, set: SS("a", "b"), list:
// [true, null]}. A missing item is "none".
func show(it attrs) string {
	if it == nil {
		return "none"
	}
	parts := make([]string, 0, len(it))
	for name, v := range it {
		parts = append(parts, name+": "+showValue(v))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

// showValue prints one value. Members of sets are sorted, for they have no order.
func showValue(v av) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return fmt.Sprintf("%q", v.Value)
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return fmt.Sprintf("b%q", v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprint(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	case *types.AttributeValueMemberSS:
		return "SS" + showSet(v.Value, "%q")
	case *types.AttributeValueMemberNS:
		return "NS" + showSet(v.Value, "%s")
	case *types.AttributeValueMemberBS:
		return "BS" + showSet(v.Value, "b%q")
	case *types.AttributeValueMemberL:
		parts := make([]string, len(v.Value))
		for i := range v.Value {
			parts[i] = showValue(v.Value[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *types.AttributeValueMemberM:
		return show(v.Value)
	}
	return fmt.Sprintf("%T", v)
}

// showSet prints the members of a set.
func showSet[T any](members []T, format string) string {
	parts := make([]string, len(members))
	for i := range members {
		parts[i] = fmt.Sprintf(format, members[i])
	}
	slices.Sort(parts)
	return "(" + strings.Join(parts, ", ") + ")"
}

// showAll prints items, one a line.
func showAll(items []attrs) string {
	lines := make([]string, len(items))
	for i := range items {
		lines[i] = show(items[i])
	}
	return strings.Join(lines, "\n")
}

// showUnits prints consumed capacity: "3 = table 1 + g:index 2".
func showUnits(c *types.ConsumedCapacity) string {
	if c == nil {
		return "none"
	}
	text := fmt.Sprint(*c.CapacityUnits)
	if c.Table == nil {
		return text
	}
	parts := []string{fmt.Sprint("table ", *c.Table.CapacityUnits)}
	for name, x := range c.GlobalSecondaryIndexes {
		parts = append(parts, fmt.Sprint("g:", name, " ", *x.CapacityUnits))
	}
	for name, x := range c.LocalSecondaryIndexes {
		parts = append(parts, fmt.Sprint("l:", name, " ", *x.CapacityUnits))
	}
	slices.Sort(parts[1:])
	return text + " = " + strings.Join(parts, " + ")
}

// must is for requests that have to succeed: out := must(client.GetItem(ctx, input))(t).
func must[T any](out T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// same compares what came with what was to come.
func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// refused checks that err is the named exception with exactly this message.
func refused(t testing.TB, err error, code, message string) {
	t.Helper()
	var e interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &e) {
		t.Errorf("got %v, want %s %s", err, code, message)
		return
	}
	same(t, "error", e.ErrorCode()+" "+e.ErrorMessage(), code+" "+message)
}

// invalid checks that err is a ValidationException with exactly this message.
func invalid(t testing.TB, err error, message string) {
	t.Helper()
	refused(t, err, "ValidationException", message)
}

// Beginnings of messages.
const (
	oneOrMore = "One or more parameter values were invalid: "
	oneError  = "1 validation error detected: "
)

// schema is what a test wants its table to be like.
type schema struct {
	hash, sort    string // "name:type"; sort may be empty
	global, local []index
}

// index is an index of a schema.
type index struct {
	name string
	hash []string // "name:type"; of a local index empty
	sort []string
	// project are the projected attributes, or ALL alone; none: KEYS_ONLY.
	project []string
}

var tables atomic.Int32 // made so far

// table makes a table and returns its name.
func (x schema) table(t testing.TB) *string {
	t.Helper()
	name := fmt.Sprintf("table-%d", tables.Add(1))
	defined := map[string]bool{}
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	keys := func(hash, sort []string) (ks []types.KeySchemaElement) {
		for i, spec := range slices.Concat(hash, sort) {
			attribute, kind, _ := strings.Cut(spec, ":")
			if !defined[attribute] {
				defined[attribute] = true
				in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
					AttributeName: &attribute, AttributeType: types.ScalarAttributeType(kind),
				})
			}
			role := types.KeyTypeHash
			if i >= len(hash) {
				role = types.KeyTypeRange
			}
			ks = append(ks, types.KeySchemaElement{AttributeName: &attribute, KeyType: role})
		}
		return ks
	}
	if x.sort == "" {
		in.KeySchema = keys([]string{x.hash}, nil)
	} else {
		in.KeySchema = keys([]string{x.hash}, []string{x.sort})
	}
	for _, g := range x.global {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: new(g.name), KeySchema: keys(g.hash, g.sort), Projection: g.projection(),
		})
	}
	for _, l := range x.local {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{
			IndexName: new(l.name), KeySchema: keys([]string{x.hash}, l.sort), Projection: l.projection(),
		})
	}
	must(client.CreateTable(ctx, in))(t)
	return &name
}

// projection is the index's projection as the SDK has it.
func (x index) projection() *types.Projection {
	switch {
	case len(x.project) == 0:
		return &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
	case x.project[0] == "ALL":
		return &types.Projection{ProjectionType: types.ProjectionTypeAll}
	}
	return &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: x.project}
}

// simple makes a table with the string a as its key.
func simple(t testing.TB) *string {
	t.Helper()
	return schema{hash: "a:S"}.table(t)
}

// put puts items.
func put(t testing.TB, table *string, items ...attrs) {
	t.Helper()
	for _, it := range items {
		must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: it}))(t)
	}
}

// get reads an item consistently.
func get(t testing.TB, table *string, key attrs) string {
	t.Helper()
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: new(true)}))(t)
	return show(out.Item)
}

// awaitIndex waits until a global index is built.
func awaitIndex(t testing.TB, table *string, name string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		out := must(client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table}))(t)
		for _, x := range out.Table.GlobalSecondaryIndexes {
			if *x.IndexName == name && x.IndexStatus == types.IndexStatusActive {
				return
			}
		}
	}
	t.Fatalf("index %s of %s is not ACTIVE after ten seconds", name, *table)
}

// raw sends a body as it is to an operation of the main API, and returns the status and the answer.
func raw(t testing.TB, operation, body string) (status int, answer string) {
	t.Helper()
	status, _, answer = send(t, http.MethodPost, body, map[string]string{"X-Amz-Target": "DynamoDB_20120810." + operation})
	return status, answer
}

// send sends a request. Signed headers and the content type of the API are there unless the headers
// say otherwise; one with an empty value is left out.
func send(t testing.TB, method, body string, headers map[string]string) (status int, header http.Header, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Date", "20260102T030405Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=someone/20260102/eu-west-1/dynamodb/aws4_request, "+
		"SignedHeaders=host;x-amz-date;x-amz-target, Signature=00")
	for name, value := range headers {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	response, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}
