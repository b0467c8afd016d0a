package partita_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/golden"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/server"
)

// allocationsFile has the allocations of each request of requestKinds, by the way it takes.
const allocationsFile = "testdata/allocations.golden"

// TestRequestAllocations holds the requests to what they allocate, from request bytes to answer
// bytes. A count that has risen is to be explained or taken back, one that has fallen is to be
// kept:
//
//	go test . -run RequestAllocations -rewrite
func TestRequestAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var got strings.Builder
	for _, kind := range requestKinds {
		fmt.Fprintf(&got, "%-32s", kind.name)
		for _, way := range ways {
			fmt.Fprintf(&got, " %s %-3d", way.name, newBench(t, kind).allocations(t, way))
		}
		got.WriteString("\n")
	}
	if golden.Rewrite() {
		golden.Write(t, allocationsFile, []byte(got.String()))
		return
	}
	want, err := os.ReadFile(allocationsFile)
	if err != nil {
		t.Fatal(err)
	}
	compareAllocations(t, got.String(), string(want))
}

// compareAllocations reports what differs between two files of allocations.
func compareAllocations(t *testing.T, got, want string) {
	t.Helper()
	counts := map[string]int{}
	eachCount(t, want, func(what string, n int) { counts[what] = n })
	eachCount(t, got, func(what string, n int) {
		limit, there := counts[what]
		delete(counts, what)
		switch {
		case !there:
			t.Errorf("%s: %d allocations, and %s does not have it", what, n, allocationsFile)
		case n > limit:
			t.Errorf("%s: %d allocations, %d more than in %s", what, n, n-limit, allocationsFile)
		case n < limit:
			t.Errorf("%s: %d allocations, %d fewer than in %s, which is stale: write it anew (-rewrite)", what, n, limit-n, allocationsFile)
		}
	})
	for what := range counts {
		t.Errorf("%s stands in %s, and is no request any more", what, allocationsFile)
	}
}

// eachCount calls fn for each count in a file of allocations.
func eachCount(t *testing.T, file string, fn func(what string, n int)) {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(file)); lines.Scan(); {
		name, rest := lines.Text()[:32], strings.Fields(lines.Text()[32:])
		for ; len(rest) >= 2; rest = rest[2:] {
			var n int
			if _, err := fmt.Sscan(rest[1], &n); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			fn(strings.TrimSpace(name)+" "+rest[0], n)
		}
	}
}

// BenchmarkRequest measures requests of all kinds, on each of the ways.
func BenchmarkRequest(b *testing.B) {
	for _, way := range ways {
		for _, kind := range requestKinds {
			b.Run(way.name+"/"+strings.ReplaceAll(kind.name, " ", "_"), func(b *testing.B) {
				x := newBench(b, kind)
				send := way.sender(x, b)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					send(i)
					if i++; kind.undo != "" {
						b.StopTimer()
						x.serve(b, kind.undo)
						b.StartTimer()
					}
				}
			})
		}
	}
}

// requestKind is a request that comes over and over.
type requestKind struct {
	name, operation string
	// body is the request's. Its @ is another digit in each of two requests that follow each other:
	// what changes nothing is not written.
	body string
	// undo is sent after each request, without being measured: an operation, a blank, and a body.
	undo string
}

// bodies are the two bodies of the requests.
func (k *requestKind) bodies() (both [2][]byte) {
	for i := range both {
		both[i] = []byte(strings.ReplaceAll(k.body, "@", fmt.Sprint(i)))
	}
	return both
}

// The parts of the requests' bodies. The items are of the size that most measurements of such
// databases take: 10 attributes of 100 characters.
var (
	value    = "@" + strings.Repeat("lorem-ipsum", 9)
	fields   = `"field0":{"S":"` + value + `"},` + strings.Join(repeat(9, func(i int) string { return fmt.Sprintf(`"field%d":{"S":"%.100s"}`, i+1, value[1:]+"x") }), ",")
	oneKey   = `"TableName":"Plain","Key":{"pk":{"S":"user6284781860667377211"}}`
	oneItem  = `"TableName":"Plain","Item":{"pk":{"S":"user6284781860667377211"},` + fields + `}`
	newValue = `"ExpressionAttributeValues":{":v":{"S":"` + value + `"}`
	pageOf20 = `"TableName":"Ranged","KeyConditionExpression":"pk = :p AND sk >= :s","ExpressionAttributeValues":{":p":{"S":"collection"},":s":{"S":"00000003"}},"Limit":20`

	transaction = `"TransactItems":[{"Put":{"TableName":"Ranged","Item":` + rangedItem(1) + `}},` +
		`{"Update":{"TableName":"Ranged","Key":` + rangedKey(2) + `,"UpdateExpression":"SET field0 = :v",` + newValue + `}}},` +
		`{"Delete":{"TableName":"Ranged","Key":` + rangedKey(1000) + `}},` +
		`{"ConditionCheck":{"TableName":"Ranged","Key":` + rangedKey(3) + `,"ConditionExpression":"attribute_exists(pk)"}}]`
)

// requestKinds are the requests that most of a database's work is.
var requestKinds = []*requestKind{
	{name: "GetItem", operation: "GetItem", body: `{` + oneKey + `}`},
	{name: "GetItem projected", operation: "GetItem", body: `{` + oneKey + `,"ProjectionExpression":"#n, field3","ExpressionAttributeNames":{"#n":"field2"}}`},
	{name: "GetItem nobody", operation: "GetItem", body: `{"TableName":"Plain","Key":{"pk":{"S":"nobody"}}}`},
	{name: "PutItem", operation: "PutItem", body: `{` + oneItem + `}`},
	{name: "PutItem new", operation: "PutItem", body: `{"TableName":"Plain","Item":{"pk":{"S":"passing"},` + fields + `}}`,
		undo: `DeleteItem {"TableName":"Plain","Key":{"pk":{"S":"passing"}}}`},
	{name: "PutItem condition", operation: "PutItem", body: `{` + oneItem + `,"ConditionExpression":"attribute_exists(pk) AND field1 <> :v",` + newValue + `}}`},
	{name: "UpdateItem", operation: "UpdateItem", body: `{` + oneKey + `,"UpdateExpression":"SET #f = :v","ExpressionAttributeNames":{"#f":"field0"},` + newValue + `}}`},
	{name: "UpdateItem condition", operation: "UpdateItem", body: `{` + oneKey + `,"UpdateExpression":"SET #f = :v","ConditionExpression":"#f <> :v","ExpressionAttributeNames":{"#f":"field0"},` + newValue + `}}`},
	{name: "UpdateItem sum", operation: "UpdateItem", body: `{"TableName":"Plain","Key":{"pk":{"S":"nested"}},"UpdateExpression":"ADD visits :one","ExpressionAttributeValues":{":one":{"N":"1"}}}`},
	{name: "UpdateItem nested sum", operation: "UpdateItem", body: `{"TableName":"Plain","Key":{"pk":{"S":"nested"}},"UpdateExpression":"SET m.n = m.n + :one, #n = :n",` +
		`"ExpressionAttributeNames":{"#n":"name"},"ExpressionAttributeValues":{":one":{"N":"1"},":n":{"S":"me"}}}`},
	{name: "DeleteItem", operation: "DeleteItem", body: `{` + oneKey + `}`, undo: `PutItem {` + oneItem + `}`},
	{name: "DeleteItem nobody", operation: "DeleteItem", body: `{"TableName":"Plain","Key":{"pk":{"S":"nobody"}}}`},
	{name: "Query 20", operation: "Query", body: `{` + pageOf20 + `}`},
	{name: "Query 20 filtered", operation: "Query", body: `{` + pageOf20[:len(pageOf20)-len(`},"Limit":20`)] + `,":v":{"S":"l"}},"Limit":20,"FilterExpression":"begins_with(field1, :v)"}`},
	{name: "Scan 20", operation: "Scan", body: `{"TableName":"Ranged","Limit":20}`},
	{name: "BatchGetItem 10", operation: "BatchGetItem", body: `{"RequestItems":{"Ranged":{"Keys":[` +
		strings.Join(repeat(10, rangedKey), ",") + `]}}}`},
	{name: "BatchWriteItem 25", operation: "BatchWriteItem", body: `{"RequestItems":{"Ranged":[` +
		strings.Join(repeat(25, func(i int) string { return `{"PutRequest":{"Item":` + rangedItem(i) + `}}` }), ",") + `]}}`},
	{name: "TransactWriteItems 4", operation: "TransactWriteItems", body: `{` + transaction + `}`},
	{name: "TransactWriteItems 4 replayed", operation: "TransactWriteItems", body: `{"ClientRequestToken":"token@",` + transaction + `}`},
	{name: "ExecuteStatement SELECT", operation: "ExecuteStatement", body: `{"Statement":"SELECT * FROM Plain WHERE pk = ?","Parameters":[{"S":"user6284781860667377211"}]}`},
	{name: "ExecuteStatement UPDATE", operation: "ExecuteStatement", body: `{"Statement":"UPDATE Plain SET field0 = ? WHERE pk = ?","Parameters":[{"S":"` + value + `"},{"S":"user6284781860667377211"}]}`},
}

// repeat returns n texts.
func repeat(n int, text func(int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text(i)
	}
	return all
}

// rangedKey and rangedItem are those of one of the items of a collection.
func rangedKey(i int) string {
	return fmt.Sprintf(`{"pk":{"S":"collection"},"sk":{"S":"%08d"}}`, i)
}

func rangedItem(i int) string {
	return strings.TrimSuffix(rangedKey(i), "}") + `,` + fields + `}`
}

// benched is a database that one kind of requests is sent to.
type benched struct {
	kind    *requestKind
	service *api.Service
	open    *server.Handler // which asks nobody who he is
	guarded *server.Handler // which verifies signatures
	now     time.Time       // by the clock of all of it, which stands still
}

// benchCredentials are those that the guarded handler knows.
const benchKey, benchSecret = "AKIABENCHMARK", "secret"

// newBench makes a database with tables and items, in memory and with all that a user gets.
func newBench(t testing.TB, kind *requestKind) *benched {
	t.Helper()
	x := &benched{kind: kind, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	clock := func() time.Time { return x.now }
	log := slog.New(slog.DiscardHandler)
	engine, err := pebblekv.Open(pebblekv.Options{InMemory: true, Clock: clock, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	figures := metrics.New(api.OperationNames())
	inner, err := db.Open(engine, db.Options{Now: clock, SweepInterval: -1, Metrics: figures, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close(); engine.Close() })
	keys, err := iam.Parse([]byte(`{"credentials":[{"accessKeyId":"` + benchKey + `","secretAccessKey":"` + benchSecret + `",` +
		`"policy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	x.service = api.New(inner, api.Options{Logger: log})
	o := server.Options{Serve: x.service.Serve, Known: api.Known, Now: clock, Metrics: figures, SlowRequest: time.Second, Logger: log}
	o.Open = true
	x.open = server.NewHandler(o)
	o.Open, o.Credentials = false, keys
	x.guarded = server.NewHandler(o)
	x.fill(t)
	return x
}

// fill makes the tables and their items.
func (x *benched) fill(t testing.TB) {
	const columns = `"BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}`
	x.serve(t, `CreateTable {"TableName":"Plain",`+columns+`],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`)
	x.serve(t, `CreateTable {"TableName":"Ranged",`+columns+`,{"AttributeName":"sk","AttributeType":"S"}],`+
		`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`)
	x.serve(t, `PutItem {`+oneItem+`}`)
	x.serve(t, `PutItem {"TableName":"Plain","Item":{"pk":{"S":"nested"},"visits":{"N":"1"},"name":{"S":"somebody"},"tags":{"SS":["x","y"]},`+
		`"m":{"M":{"a":{"S":"b"},"n":{"N":"1.5"},"t":{"BOOL":true}}},`+fields+`}}`)
	for i := range 50 {
		x.serve(t, `PutItem {"TableName":"Ranged","Item":`+rangedItem(i)+`}`)
	}
}

// serve sends one request, an operation, a blank and a body, that must succeed.
func (x *benched) serve(t testing.TB, request string) {
	operation, body, _ := strings.Cut(request, " ")
	status, answer := x.service.Serve(context.Background(), &api.Request{Target: "DynamoDB_20120810." + operation, Body: []byte(body)}, nil)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", request, status, answer)
	}
}

// allocations is how many a request makes on a way: the median of many, so that what happens now
// and then does not count, as when a pool or a memtable has to grow.
func (x *benched) allocations(t *testing.T, way way) int {
	send := way.sender(x, t)
	counts := make([]int, 0, 61)
	var before, after runtime.MemStats
	for i := range cap(counts) + 20 {
		runtime.ReadMemStats(&before)
		send(i)
		runtime.ReadMemStats(&after)
		if i >= 20 { // the first ones fill the pools
			counts = append(counts, int(after.Mallocs-before.Mallocs))
		}
		if x.kind.undo != "" {
			x.serve(t, x.kind.undo)
		}
	}
	slices.Sort(counts)
	return counts[len(counts)/2]
}

// way is how requests go to a database. The sender sends request i, and fails the test unless it
// succeeds.
type way struct {
	name   string
	sender func(x *benched, t testing.TB) (send func(i int))
}

// ways are what the HTTP layer calls, the handler without an HTTP library, and the handler that
// verifies signatures.
var ways = []way{
	{"serve", (*benched).serveSender},
	{"handler", func(x *benched, t testing.TB) func(int) { return x.handlerSender(t, x.open, false) }},
	{"signed", func(x *benched, t testing.TB) func(int) { return x.handlerSender(t, x.guarded, true) }},
}

// serveSender sends requests as the HTTP layer does when it has read them.
func (x *benched) serveSender(t testing.TB) func(int) {
	bodies, ctx := x.kind.bodies(), context.Background()
	r := &api.Request{Target: "DynamoDB_20120810." + x.kind.operation, Slow: time.Second, Began: time.Now().Add(time.Hour)}
	var out []byte
	return func(i int) {
		r.Body = bodies[i%2]
		status, answer := x.service.Serve(ctx, r, out[:0])
		if out = answer; status != http.StatusOK {
			t.Fatalf("%s: %d %s", r.Body, status, answer)
		}
	}
}

// handlerSender sends requests to a handler, as an HTTP library does when it has read their
// headers.
func (x *benched) handlerSender(t testing.TB, h http.Handler, sign bool) func(int) {
	var requests [2]*http.Request
	var texts [2]*bytes.Reader
	for i, body := range x.kind.bodies() {
		texts[i] = bytes.NewReader(body)
		requests[i] = x.request(t, body, sign)
		requests[i].Body = io.NopCloser(texts[i])
	}
	w := &nowhere{header: http.Header{}}
	return func(i int) {
		r, text := requests[i%2], texts[i%2]
		text.Seek(0, io.SeekStart)
		clear(w.header)
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			t.Fatalf("%s: %d", x.kind.name, w.status)
		}
	}
}

// request is a request as the SDK for Go sends it, but for the compression of answers that it asks
// for.
func (x *benched) request(t testing.TB, body []byte, sign bool) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "http://localhost:8000/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810." + x.kind.operation,
		"Accept-Encoding": "identity", "Amz-Sdk-Invocation-Id": "5b0f2e1c-3f5c-4b57-8a3e-1a2b3c4d5e6f",
		"Amz-Sdk-Request": "attempt=1; max=3", "User-Agent": "aws-sdk-go-v2/1.47.7 lang/go#1.26",
	} {
		r.Header.Set(name, value)
	}
	if sign {
		sum := sha256.Sum256(body)
		who := aws.Credentials{AccessKeyID: benchKey, SecretAccessKey: benchSecret}
		if err := v4.NewSigner().SignHTTP(context.Background(), who, r, hex.EncodeToString(sum[:]), "dynamodb", "us-east-1", x.now); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// nowhere is a ResponseWriter that keeps the status.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
