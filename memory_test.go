package partita_test

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita"
)

// memoryClients is how many requests of each kind TestMemory sends at a time.
var memoryClients = flag.Int("memory.clients", 0, "how many requests of each kind TestMemory sends at a time; 0: it does not run")

// heldWriter is a client that reads its answer only when all others have theirs.
type heldWriter struct {
	header http.Header
	status int
	n      int
	all    *sync.WaitGroup
	held   bool
}

func (w *heldWriter) Header() http.Header { return w.header }

func (w *heldWriter) WriteHeader(status int) { w.status = status }

func (w *heldWriter) Write(p []byte) (int, error) {
	if !w.held {
		w.held = true
		w.all.Done()
		w.all.Wait()
	}
	w.n += len(p)
	return len(p), nil
}

// peak samples the heap until stop is called, which returns the most that was in use, garbage included.
func peak() (stop func() uint64) {
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		most := uint64(0)
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-done:
				result <- most
				return
			case <-time.After(500 * time.Microsecond):
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}

// TestMemory sends many of the requests that take the most memory, all at a time, to a database with little of it, and holds
// their answers until the last one is there. Most are refused with 503, which is what keeps the rest within bounds.
func TestMemory(t *testing.T) {
	if *memoryClients == 0 {
		t.Skip("takes half a minute; see -memory.clients")
	}
	const limit = 256 << 20
	db, err := partita.Open(partita.Options{Dir: t.TempDir(), MemoryLimit: limit, Logger: slog.New(slog.DiscardHandler), AllowHosts: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // as the program does
	call := func(w http.ResponseWriter, operation, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", operation)
		db.Handler().ServeHTTP(w, r)
	}
	do := func(operation, body string) string {
		t.Helper()
		w := httptest.NewRecorder()
		call(w, "DynamoDB_20120810."+operation, body)
		if w.Code != 200 {
			t.Fatalf("%s: %d %.300s", operation, w.Code, w.Body)
		}
		return w.Body.String()
	}
	do("CreateTable", `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"a","KeyType":"HASH"},`+
		`{"AttributeName":"b","KeyType":"RANGE"}],"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},`+
		`{"AttributeName":"b","AttributeType":"N"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"},`+
		`"LocalSecondaryIndexes":[{"IndexName":"loc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b",`+
		`"KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}]}`)
	values := map[string]string{
		"plain":   `{"S":"` + strings.Repeat("x", 400_000) + `"}`,
		"numbers": `{"L":[` + strings.Repeat(`{"N":"1E125"},`, 130_000) + `{"NULL":true}]}`, // prints as 17 MB
		"control": `{"S":"` + strings.Repeat(`\u0001`, 400_000) + `"}`,
	}
	item := func(kind string, i int) string {
		return fmt.Sprintf(`{"a":{"S":"%s"},"b":{"N":"%d"},"v":%s}`, kind, i, values[kind])
	}
	for kind, n := range map[string]int{"plain": 100, "numbers": 10, "control": 10} {
		for i := range n {
			do("PutItem", `{"TableName":"tab","Item":`+item(kind, i)+`}`)
		}
	}
	keys := func(format, kind string, n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, fmt.Sprintf(`{"a":{"S":"%s"},"b":{"N":"%d"}}`, kind, i)))
		}
		return strings.Join(all, ",")
	}
	statements := func(kind string, n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"Statement":"SELECT * FROM tab WHERE a='%s' AND b=%d"}`, kind, i))
		}
		return strings.Join(all, ",")
	}
	var puts []string
	for i := range 25 {
		puts = append(puts, `{"PutRequest":{"Item":`+item("plain", 1000+i)+`}}`)
	}
	requests := map[string][2]string{
		"BatchWriteItem, 10 MB":               {"BatchWriteItem", `{"RequestItems":{"tab":[` + strings.Join(puts, ",") + `]}}`},
		"BatchGetItem of 100":                 {"BatchGetItem", `{"RequestItems":{"tab":{"Keys":[` + keys("%s", "plain", 100) + `]}}}`},
		"BatchGetItem of numbers":             {"BatchGetItem", `{"RequestItems":{"tab":{"Keys":[` + keys("%s", "numbers", 10) + `]}}}`},
		"TransactGetItems of 10":              {"TransactGetItems", `{"TransactItems":[` + keys(`{"Get":{"TableName":"tab","Key":%s}}`, "plain", 10) + `]}`},
		"TransactGetItems of control":         {"TransactGetItems", `{"TransactItems":[` + keys(`{"Get":{"TableName":"tab","Key":%s}}`, "control", 5) + `]}`},
		"Scan":                                {"Scan", `{"TableName":"tab"}`},
		"Query of numbers":                    {"Query", `{"TableName":"tab","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"numbers"}}}`},
		"Query of control characters":         {"Query", `{"TableName":"tab","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"control"}}}`},
		"Query of a local index that fetches": {"Query", `{"TableName":"tab","IndexName":"loc","Select":"ALL_ATTRIBUTES","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"control"}}}`},
		"GetItem of numbers":                  {"GetItem", `{"TableName":"tab","Key":{"a":{"S":"numbers"},"b":{"N":"1"}}}`},
		"ExecuteStatement of numbers":         {"ExecuteStatement", `{"Statement":"SELECT * FROM tab WHERE a='numbers'"}`},
		"BatchExecuteStatement of numbers":    {"BatchExecuteStatement", `{"Statements":[` + statements("numbers", 10) + `]}`},
		"ExecuteTransaction of 10":            {"ExecuteTransaction", `{"TransactStatements":[` + statements("plain", 10) + `]}`},
		"UpdateItem that returns numbers":     {"UpdateItem", `{"TableName":"tab","Key":{"a":{"S":"numbers"},"b":{"N":"1"}},"UpdateExpression":"REMOVE nothing","ReturnValues":"ALL_OLD"}`},
	}
	stream := between(do("DescribeTable", `{"TableName":"tab"}`), `"LatestStreamArn":"`, `"`)
	streams := func(operation, body string) string {
		w := httptest.NewRecorder()
		call(w, "DynamoDBStreams_20120810."+operation, body)
		return w.Body.String()
	}
	shard := between(streams("DescribeStream", `{"StreamArn":"`+stream+`"}`), `"ShardId":"`, `"`)
	iterator := between(streams("GetShardIterator", `{"StreamArn":"`+stream+`","ShardId":"`+shard+`","ShardIteratorType":"TRIM_HORIZON"}`),
		`"ShardIterator":"`, `"`)
	requests["GetRecords"] = [2]string{"GetRecords", `{"ShardIterator":"` + iterator + `"}`}
	for name, request := range requests {
		runtime.GC()
		stop := peak()
		codes := map[int]int{}
		var mu sync.Mutex
		var all, done sync.WaitGroup
		all.Add(*memoryClients)
		for range *memoryClients {
			done.Go(func() {
				w := &heldWriter{header: http.Header{}, all: &all}
				target := "DynamoDB_20120810." + request[0]
				if request[0] == "GetRecords" {
					target = "DynamoDBStreams_20120810.GetRecords"
				}
				r := httptest.NewRequest("POST", "/", io.LimitReader(strings.NewReader(request[1]), 1<<30)) // hides the length
				r.Header.Set("Content-Type", "application/x-amz-json-1.0")
				r.Header.Set("X-Amz-Target", target)
				db.Handler().ServeHTTP(w, r)
				mu.Lock()
				codes[w.status]++
				mu.Unlock()
			})
		}
		done.Wait()
		most := stop()
		t.Logf("%-36s peak %4d MB, answered %v", name, most>>20, codes)
		if codes[200] == 0 || codes[200]+codes[503] != *memoryClients {
			t.Errorf("%s: answered %v", name, codes)
		}
		if most > limit*5/4 {
			t.Errorf("%s: the heap grew to %d MB, of a limit of %d MB", name, most>>20, limit>>20)
		}
	}
}

// between is the text between the first begin and the next end.
func between(text, begin, end string) string {
	_, rest, _ := strings.Cut(text, begin)
	found, _, _ := strings.Cut(rest, end)
	return found
}
