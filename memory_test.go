package partita_test

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/malloc"
)

var (
	memoryClients = flag.Int("memory.clients", 0,
		"how many requests of each kind TestMemory sends at a time; 0: it does not run")
	memoryLimits = flag.String("memory.limits", "256,512", "the memory limits of TestMemory, in MiB")
)

// heldWriter is a client that reads its answer only when all others have theirs.
type heldWriter struct {
	header http.Header
	status int
	all    *sync.WaitGroup
	held   bool
	body   []byte // the beginning
}

func (w *heldWriter) Header() http.Header { return w.header }

func (w *heldWriter) WriteHeader(status int) { w.status = status }

func (w *heldWriter) Write(p []byte) (int, error) {
	if !w.held {
		w.held = true
		w.body = append(w.body, p[:min(len(p), 200)]...)
		w.all.Done()
		w.all.Wait()
	}
	return len(p), nil
}

// resident is the resident memory of the process, in bytes; 0 where it cannot be told.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// peak samples the resident memory until stop is called, which returns the most that there was.
func peak() (stop func() uint64) {
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			most = max(most, resident())
			select {
			case <-done:
				result <- most
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}

// TestMemory sends many of the requests that take the most memory, all at a time, to a database
// with little of it, and holds their answers until the last one is there. Those that do not fit
// wait, or are answered 503, which is what keeps the rest within bounds.
func TestMemory(t *testing.T) {
	if *memoryClients == 0 {
		t.Skip("takes minutes; see -memory.clients")
	}
	if resident() == 0 {
		t.Skip("this system does not tell how much memory is resident")
	}
	malloc.KeepLittle() // as the program does
	for limit := range strings.SplitSeq(*memoryLimits, ",") {
		n, err := strconv.ParseInt(limit, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(limit+" MiB", func(t *testing.T) { testMemory(t, n<<20) })
	}
}

// memoryDB is a database under test, and what fills it.
type memoryDB struct {
	*testing.T
	db *partita.DB
}

// large stands in a body for largeValue: so what the clients send takes no memory of its own.
const large = "\x00"

// largeValue is an attribute value of 390 KB.
var largeValue = `{"S":"` + strings.Repeat("x", 390_000) + `"}`

// call sends a request.
func (m memoryDB) call(w http.ResponseWriter, target, body string) {
	var parts []io.Reader
	for i, part := range strings.Split(body, large) {
		if i > 0 {
			parts = append(parts, strings.NewReader(largeValue))
		}
		parts = append(parts, strings.NewReader(part))
	}
	r := httptest.NewRequest("POST", "/", io.MultiReader(parts...)) // hides the length, as chunks do
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target)
	m.db.Handler().ServeHTTP(w, r)
}

// do sends a request that must be answered 200.
func (m memoryDB) do(target, body string) string {
	m.Helper()
	w := httptest.NewRecorder()
	m.call(w, target, body)
	if w.Code != 200 {
		m.Fatalf("%s: %d %.300s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// The APIs, as their targets begin.
const (
	dynamoDB = "DynamoDB_20120810."
	streams  = "DynamoDBStreams_20120810."
)

// memoryValue is a large attribute value of a kind.
func memoryValue(kind string) string {
	switch kind {
	case "numbers": // prints as 17 MB
		return `{"L":[` + strings.Repeat(`{"N":"1E125"},`, 130_000) + `{"NULL":true}]}`
	case "control":
		return `{"S":"` + strings.Repeat(`\u0001`, 400_000) + `"}`
	}
	return large
}

// memoryItem is item i of a kind, with a large value.
func memoryItem(kind string, i int) string {
	return fmt.Sprintf(`{"a":{"S":"%s"},"b":{"N":"%d"},"n":{"N":"0"},"v":%s}`, kind, i, memoryValue(kind))
}

// key is the key of item i of a kind.
func key(kind string, i int) string { return fmt.Sprintf(`{"a":{"S":"%s"},"b":{"N":"%d"}}`, kind, i) }

// list is what one says of the numbers from first on, n of them.
func list(first, n int, one func(i int) string) string {
	var all []string
	for i := first; i < first+n; i++ {
		all = append(all, one(i))
	}
	return strings.Join(all, ",")
}

// createMemoryTable creates a table with a stream of both images, a local index and so many global
// ones.
func (m memoryDB) createMemoryTable(name string, indexes int) {
	gsi := list(0, indexes, func(i int) string {
		return fmt.Sprintf(`{"IndexName":"gsi%d","KeySchema":[{"AttributeName":"b","KeyType":"HASH"}],`+
			`"Projection":{"ProjectionType":"ALL"}}`, i)
	})
	m.do(dynamoDB+"CreateTable", `{"TableName":"`+name+`","BillingMode":"PAY_PER_REQUEST","KeySchema":[`+
		`{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"RANGE"}],"AttributeDefinitions":[`+
		`{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"N"}],`+
		`"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"},`+
		`"LocalSecondaryIndexes":[{"IndexName":"loc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"},`+
		`{"AttributeName":"b","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}],`+
		`"GlobalSecondaryIndexes":[`+gsi+`]}`)
}

// fill makes the tables: tab has one index, and of each client ten items of its own; many has
// twenty.
func (m memoryDB) fill() {
	m.createMemoryTable("tab", 1)
	m.createMemoryTable("many", 20)
	for kind, n := range map[string]int{"plain": 100, "numbers": 10, "control": 10} {
		for i := range n {
			m.do(dynamoDB+"PutItem", `{"TableName":"tab","Item":`+memoryItem(kind, i)+`}`)
		}
	}
	for c := range *memoryClients {
		for i := range 10 {
			m.do(dynamoDB+"PutItem", `{"TableName":"tab","Item":`+memoryItem(client(c), i)+`}`)
		}
		m.do(dynamoDB+"PutItem", fmt.Sprintf(`{"TableName":"tab","Item":%s}`, strings.ReplaceAll(memoryItem("numbers", c),
			`"S":"numbers"`, `"S":"n`+client(c)+`"`)))
	}
}

// client is the partition that belongs to a client.
func client(c int) string { return fmt.Sprintf("client%d", c) }

// memoryRequest is one kind of request: its target, and its body for each client.
type memoryRequest struct {
	name, target string
	body         func(c int) string
	refused      bool // it is a bad request for everybody
}

// same is the body that is the same for all clients.
func same(body string) func(int) string { return func(int) string { return body } }

// memoryReads are the requests that only read.
func (m memoryDB) memoryReads() []memoryRequest {
	keys := func(format, kind string, n int) string {
		return list(0, n, func(i int) string { return fmt.Sprintf(format, key(kind, i)) })
	}
	statements := func(kind string, n int) string {
		return list(0, n, func(i int) string {
			return fmt.Sprintf(`{"Statement":"SELECT * FROM tab WHERE a='%s' AND b=%d"}`, kind, i)
		})
	}
	query := func(kind, more string) func(int) string {
		return same(`{"TableName":"tab","KeyConditionExpression":"a = :a",` + more +
			`"ExpressionAttributeValues":{":a":{"S":"` + kind + `"}}}`)
	}
	get := `{"Get":{"TableName":"tab","Key":%s}}`
	reads := []memoryRequest{
		{"BatchGetItem of 100", "BatchGetItem", same(`{"RequestItems":{"tab":{"Keys":[` + keys("%s", "plain", 100) + `]}}}`), false},
		{"BatchGetItem of numbers", "BatchGetItem", same(`{"RequestItems":{"tab":{"Keys":[` + keys("%s", "numbers", 10) + `]}}}`), false},
		{"TransactGetItems of 10", "TransactGetItems", same(`{"TransactItems":[` + keys(get, "plain", 10) + `]}`), false},
		{"TransactGetItems of control", "TransactGetItems", same(`{"TransactItems":[` + keys(get, "control", 5) + `]}`), false},
		{"Scan", "Scan", same(`{"TableName":"tab"}`), false},
		{"Query of numbers", "Query", query("numbers", ""), false},
		{"Query of control characters", "Query", query("control", ""), false},
		{"Query of a local index that fetches", "Query", query("control", `"IndexName":"loc","Select":"ALL_ATTRIBUTES",`), false},
		{"GetItem of numbers", "GetItem", same(`{"TableName":"tab","Key":` + key("numbers", 1) + `}`), false},
		{"ExecuteStatement of numbers", "ExecuteStatement", same(`{"Statement":"SELECT * FROM tab WHERE a='numbers'"}`), false},
		{"BatchExecuteStatement of numbers", "BatchExecuteStatement", same(`{"Statements":[` + statements("numbers", 10) + `]}`), false},
		{"ExecuteTransaction of 10", "ExecuteTransaction", same(`{"TransactStatements":[` + statements("plain", 10) + `]}`), false},
	}
	for i := range reads {
		reads[i].target = dynamoDB + reads[i].target
	}
	arn := between(m.do(dynamoDB+"DescribeTable", `{"TableName":"tab"}`), `"LatestStreamArn":"`, `"`)
	shard := between(m.do(streams+"DescribeStream", `{"StreamArn":"`+arn+`"}`), `"ShardId":"`, `"`)
	iterator := between(m.do(streams+"GetShardIterator", `{"StreamArn":"`+arn+`","ShardId":"`+shard+
		`","ShardIteratorType":"TRIM_HORIZON"}`), `"ShardIterator":"`, `"`)
	return append(reads, memoryRequest{"GetRecords", streams + "GetRecords", same(`{"ShardIterator":"` + iterator + `"}`), false})
}

// memoryWrites are the requests that write. Those of each client are about items of its own.
func memoryWrites() []memoryRequest {
	update := func(c, i int, more string) string {
		return `{"TableName":"tab","Key":` + key(client(c), i) + `,"UpdateExpression":"ADD n :one",` + more +
			`"ExpressionAttributeValues":{":one":{"N":"1"}}}`
	}
	updates := func(n int) func(int) string {
		return func(c int) string {
			return `{"TransactItems":[` + list(0, n, func(i int) string { return `{"Update":` + update(c, i, "") + `}` }) + `]}`
		}
	}
	failing := `,"ConditionExpression":"attribute_not_exists(a)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`
	put := func(table string, c, i int, more string) string {
		return `{"TableName":"` + table + `","Item":` + memoryItem(client(c), i) + more + `}`
	}
	puts := func(table string, n int) func(int) string {
		return func(c int) string {
			return `{"RequestItems":{"` + table + `":[` +
				list(100, n, func(i int) string { return `{"PutRequest":{"Item":` + memoryItem(client(c), i) + `}}` }) + `]}}`
		}
	}
	statements := func(member, format, partition string, n int) func(int) string {
		return func(c int) string {
			return `{"` + member + `":[` + list(0, n, func(i int) string {
				return `{"Statement":"` + fmt.Sprintf(format, partition+client(c), i) + `"}`
			}) + `]}`
		}
	}
	const set = "UPDATE tab SET n = n + 1 WHERE a='%s' AND b=%d"
	writes := []memoryRequest{
		{"PutItem with 20 indexes", "PutItem", func(c int) string { return put("many", c, 0, "") }, false},
		{"PutItem over it, ALL_OLD", "PutItem", func(c int) string { return put("many", c, 0, `,"ReturnValues":"ALL_OLD"`) }, false},
		{"BatchWriteItem, 10 MB", "BatchWriteItem", puts("tab", 25), false},
		{"BatchWriteItem, 4 MB, 20 indexes", "BatchWriteItem", puts("many", 10), false},
		{"UpdateItem, ALL_NEW", "UpdateItem", func(c int) string { return update(c, 0, `"ReturnValues":"ALL_NEW",`) }, false},
		{"UpdateItem that returns numbers", "UpdateItem", func(c int) string {
			return `{"TableName":"tab","Key":` + key("n"+client(c), c) + `,"UpdateExpression":"REMOVE nothing","ReturnValues":"ALL_OLD"}`
		}, false},
		{"PutItem that fails, ALL_OLD", "PutItem", func(c int) string { return put("tab", c, 0, failing) }, true},
		{"TransactWriteItems of 10 ADD", "TransactWriteItems", updates(10), false},
		{"TransactWriteItems of 10 Put", "TransactWriteItems", func(c int) string {
			return `{"TransactItems":[` + list(0, 10, func(i int) string { return `{"Put":` + put("tab", c, i, "") + `}` }) + `]}`
		}, false},
		{"TransactWriteItems of 5 Put, 20 indexes", "TransactWriteItems", func(c int) string {
			return `{"TransactItems":[` + list(0, 5, func(i int) string { return `{"Put":` + put("many", c, i, "") + `}` }) + `]}`
		}, false},
		{"ConditionChecks of 10, ALL_OLD", "TransactWriteItems", func(c int) string {
			return `{"TransactItems":[` + list(0, 10, func(i int) string {
				return `{"ConditionCheck":{"TableName":"tab","Key":` + key(client(c), i) + failing + `}}`
			}) + `]}`
		}, true},
		{"ConditionChecks of 100, ALL_OLD", "TransactWriteItems", same(`{"TransactItems":[` + list(0, 100, func(i int) string {
			return `{"ConditionCheck":{"TableName":"tab","Key":` + key("plain", i) + failing + `}}`
		}) + `]}`), true},
		{"TransactWriteItems of 100 ADD", "TransactWriteItems", same(`{"TransactItems":[` + list(0, 100, func(i int) string {
			return `{"Update":{"TableName":"tab","Key":` + key("plain", i) + `,"UpdateExpression":"ADD n :one",` +
				`"ExpressionAttributeValues":{":one":{"N":"1"}}}}`
		}) + `]}`), true},
		{"ExecuteStatement that returns numbers", "ExecuteStatement", func(c int) string {
			return fmt.Sprintf(`{"Statement":"UPDATE tab SET n=1 WHERE a='n%s' AND b=%d RETURNING ALL NEW *"}`, client(c), c)
		}, false},
		{"BatchExecuteStatement that returns", "BatchExecuteStatement", statements("Statements", set+" RETURNING ALL OLD *", "", 10), false},
		{"ExecuteTransaction of 10 UPDATE", "ExecuteTransaction", statements("TransactStatements", set, "", 10), false},
		{"DeleteItem, ALL_OLD", "DeleteItem", func(c int) string {
			return `{"TableName":"many","Key":` + key(client(c), 0) + `,"ReturnValues":"ALL_OLD"}`
		}, false},
		{"TransactWriteItems of 10 Delete", "TransactWriteItems", func(c int) string {
			return `{"TransactItems":[` + list(0, 10, func(i int) string {
				return `{"Delete":{"TableName":"tab","Key":` + key(client(c), i) + `}}`
			}) + `]}`
		}, false},
	}
	for i := range writes {
		writes[i].target = dynamoDB + writes[i].target
	}
	return writes
}

// testMemory is TestMemory with one limit.
func testMemory(t *testing.T, limit int64) {
	db, err := partita.Open(partita.Options{
		Dir: t.TempDir(), MemoryLimit: limit, Logger: slog.New(slog.DiscardHandler), AllowHosts: []string{"*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit - 24_000_000 - pebblekv.OffHeap(limit))) // as the program does
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	m := memoryDB{t, db}
	m.fill()
	for _, r := range slices.Concat(m.memoryReads(), memoryWrites()) {
		m.measure(r, limit)
	}
}

// measure sends a request of all clients at a time.
func (m memoryDB) measure(r memoryRequest, limit int64) {
	bodies := make([]string, *memoryClients)
	for c := range bodies {
		bodies[c] = r.body(c)
	}
	runtime.GC()
	stop := peak()
	codes := map[int]int{}
	var sample string
	var mu sync.Mutex
	var all, done sync.WaitGroup
	all.Add(*memoryClients)
	for c := range *memoryClients {
		done.Go(func() {
			w := &heldWriter{header: http.Header{}, all: &all}
			m.call(w, r.target, bodies[c])
			mu.Lock()
			defer mu.Unlock()
			if codes[w.status]++; w.status != 200 {
				sample = string(w.body[:min(len(w.body), 200)]) // a whole one would count as the server's memory
			}
		})
	}
	done.Wait()
	most := stop()
	m.Logf("%-40s peak %4d MB, answered %v %.90s", r.name, most>>20, codes, sample)
	good := codes[200]
	if r.refused {
		good = codes[400]
	}
	if good == 0 || good+codes[503] != *memoryClients {
		m.Errorf("%s: answered %v: %s", r.name, codes, sample)
	}
	if most > uint64(limit)*5/4 {
		m.Errorf("%s: %d MB were resident, of a limit of %d MB", r.name, most>>20, limit>>20)
	}
}

// between is the text between the first begin and the next end.
func between(text, begin, end string) string {
	_, rest, _ := strings.Cut(text, begin)
	found, _, _ := strings.Cut(rest, end)
	return found
}
