package partita_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/servertest"
)

// alarm is a log that only says whether anything went wrong.
type alarm struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (a *alarm) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(p)
}

// wire is a server on a socket, on a database in memory.
type wire struct {
	socket string
	stop   func() error
	alarm  *alarm
	left   int // streams that it still takes
}

// wireStreams is how many streams one server takes: what they have written is gone after that.
const wireStreams = 1000

// newWire starts a server. A socket of the file system has no ports to run out of.
func newWire(socket string) (*wire, error) {
	w := &wire{socket: socket, alarm: &alarm{}, left: wireStreams}
	log := slog.New(slog.NewTextHandler(w.alarm, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := partita.Open(partita.Options{InMemory: true, Logger: log, MaxRequests: 64})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	stop := servertest.Serve(l, db.Handler(), log)
	w.stop = func() error { return errors.Join(stop(), db.Close()) }
	_, err = w.send([]byte(wireCall("CreateTable", wireTable)))
	return w, err
}

// send sends bytes over a connection of their own and returns all that is answered.
func (w *wire) send(data []byte) ([]byte, error) {
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		c.Write(data) // the server may have closed: it has seen enough
		c.(*net.UnixConn).CloseWrite()
	}()
	answer, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return answer, fmt.Errorf("no answer, and no end of it: %w", err)
	}
	return answer, nil
}

// wireTable makes the table that the seeds use.
const wireTable = `{"TableName":"tab","KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"RANGE"}],` +
	`"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"N"}],` +
	`"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
	`"LocalSecondaryIndexes":[{"IndexName":"loc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"RANGE"}],` +
	`"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["z"]}}]}`

// wireBodies are requests of every kind of operation.
var wireBodies = [][2]string{
	{"PutItem", `{"TableName":"tab","Item":{"a":{"S":"x"},"b":{"N":"1"},"c":{"L":[{"N":"1E125"},{"NULL":true},{"M":{"d":{"SS":["e"]}}}]}},"ReturnValues":"ALL_OLD"}`},
	{"GetItem", `{"TableName":"tab","Key":{"a":{"S":"x"},"b":{"N":"1"}},"ProjectionExpression":"c[0],#d","ExpressionAttributeNames":{"#d":"d"}}`},
	{"UpdateItem", `{"TableName":"tab","Key":{"a":{"S":"x"},"b":{"N":"1"}},"UpdateExpression":"SET c[1] = if_not_exists(e, :v) + :v ADD f :v REMOVE g","ConditionExpression":"attribute_exists(a) OR size(c) > :v","ExpressionAttributeValues":{":v":{"N":"2"}},"ReturnValues":"UPDATED_NEW","ReturnConsumedCapacity":"INDEXES"}`},
	{"DeleteItem", `{"TableName":"tab","Key":{"a":{"S":"x"},"b":{"N":"1"}},"Expected":{"c":{"Exists":false}},"ReturnValues":"ALL_OLD"}`},
	{"Query", `{"TableName":"tab","IndexName":"loc","KeyConditionExpression":"a = :a AND b BETWEEN :b AND :c","FilterExpression":"attribute_not_exists(z)","ExpressionAttributeValues":{":a":{"S":"x"},":b":{"N":"0"},":c":{"N":"9"}},"Select":"ALL_ATTRIBUTES","Limit":2}`},
	{"Query", `{"TableName":"tab","KeyConditions":{"a":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"x"}]}},"ScanIndexForward":false}`},
	{"Scan", `{"TableName":"tab","Segment":1,"TotalSegments":2,"ExclusiveStartKey":{"a":{"S":"x"},"b":{"N":"1"}},"Select":"COUNT"}`},
	{"BatchGetItem", `{"RequestItems":{"tab":{"Keys":[{"a":{"S":"x"},"b":{"N":"1"}}],"AttributesToGet":["c"]}}}`},
	{"BatchWriteItem", `{"RequestItems":{"tab":[{"PutRequest":{"Item":{"a":{"S":"y"},"b":{"N":"2"}}}},{"DeleteRequest":{"Key":{"a":{"S":"x"},"b":{"N":"1"}}}}]}}`},
	{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"tab","Item":{"a":{"S":"z"},"b":{"N":"1"}}}},{"ConditionCheck":{"TableName":"tab","Key":{"a":{"S":"q"},"b":{"N":"1"}},"ConditionExpression":"attribute_not_exists(a)"}}],"ClientRequestToken":"k"}`},
	{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"tab","Key":{"a":{"S":"x"},"b":{"N":"1"}}}}]}`},
	{"ExecuteStatement", `{"Statement":"SELECT a, c[0] FROM \"tab\" WHERE a = ? AND b > 1","Parameters":[{"S":"x"}]}`},
	{"BatchExecuteStatement", `{"Statements":[{"Statement":"INSERT INTO tab VALUE {'a': 'p', 'b': 1}"},{"Statement":"DELETE FROM tab WHERE a='p' AND b=1"}]}`},
	{"ExecuteTransaction", `{"TransactStatements":[{"Statement":"UPDATE tab SET c = c + 1 WHERE a='x' AND b=1"}]}`},
	{"DescribeTable", `{"TableName":"tab"}`}, {"ListTables", `{"Limit":1}`}, {"DeleteTable", `{"TableName":"tub"}`},
	{"UpdateTable", `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"glo"}}]}`},
	{"UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"AttributeName":"e","Enabled":true}}`},
	{"DescribeTimeToLive", `{"TableName":"tab"}`}, {"DescribeLimits", `{}`}, {"DescribeEndpoints", `{}`},
	{"TagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab","Tags":[{"Key":"k","Value":"v"}]}`},
	{"ListTagsOfResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab"}`},
	{"UntagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab","TagKeys":["k"]}`},
	{"DescribeContinuousBackups", `{"TableName":"tab"}`}, {"NoSuchThing", `{}`}, {"CreateTable", wireTable},
}

// wireStreamsBodies are those of the streams API.
var wireStreamsBodies = [][2]string{
	{"ListStreams", `{"TableName":"tab"}`}, {"DescribeStream", `{"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/2026"}`},
	{"GetShardIterator", `{"StreamArn":"arn","ShardId":"shardId-00000000000000000000-00000000","ShardIteratorType":"TRIM_HORIZON"}`},
	{"GetRecords", `{"ShardIterator":"x","Limit":1}`},
}

// wireHead are the header lines of a call.
func wireHead(target string) string {
	return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: " + target + "\r\n" +
		"X-Amz-Date: 20261122T120000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20261122/us-east-1/dynamodb/aws4_request, " +
		"SignedHeaders=host, Signature=00\r\n"
}

// wireCall is a whole call.
func wireCall(operation, body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", wireHead("DynamoDB_20120810."+operation), len(body), body)
}

// FuzzWire sends bytes of any kind to a real server with a real database. Whatever comes, nothing
// panics, nothing is answered 500 (but a body that is not encoded as it says), the server answers
// others as before, and its memory stays within bounds.
func FuzzWire(f *testing.F) {
	all := ""
	for _, b := range wireBodies {
		f.Add([]byte(wireCall(b[0], b[1])))
		all += wireCall(b[0], b[1])
	}
	f.Add([]byte(all))
	for _, b := range wireStreamsBodies {
		f.Add(fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", wireHead("DynamoDBStreams_20120810."+b[0]), len(b[1]), b[1]))
	}
	put := wireBodies[0][1]
	chunks := fmt.Sprintf("%x\r\n%s\r\n%x;x=y\r\n%s\r\n0\r\nTrailer: x\r\n\r\n", 7, put[:7], len(put)-7, put[7:])
	f.Add([]byte(wireHead("DynamoDB_20120810.PutItem") + "Transfer-Encoding: chunked\r\n\r\n" + chunks + wireCall("Scan", `{"TableName":"tab"}`)))
	f.Add([]byte(wireHead("DynamoDB_20120810.PutItem") + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nzz\r\n"))
	f.Add([]byte(wireHead("DynamoDB_20120810.Scan") + "Content-Length: 18446744073709551616\r\n\r\n{}"))
	f.Add([]byte(wireHead("DynamoDB_20120810.Scan") + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"))
	f.Add([]byte(wireHead("DynamoDB_20120810.Scan") + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("GET /ping HTTP/1.0\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: [::1\r\nOrigin: null\r\n\r\n"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\x00: y\r\n\r\n"))
	good := []byte(wireCall("GetItem", wireBodies[1][1]) + "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

	dir, err := os.MkdirTemp("", "wire") // t.TempDir may be longer than a socket's name
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	var w *wire
	servers := 0
	f.Cleanup(func() {
		if w != nil {
			if err := w.stop(); err != nil {
				f.Error(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		if w == nil || w.left == 0 {
			if w != nil {
				if err := w.stop(); err != nil {
					t.Fatal(err)
				}
			}
			servers++
			if w, err = newWire(filepath.Join(dir, fmt.Sprint(servers))); err != nil {
				t.Fatal(err)
			}
		}
		w.left--
		answer, err := w.send(data)
		if err != nil {
			t.Error(err)
		}
		encoded := bytes.Contains(bytes.ToLower(data), []byte("content-encoding"))
		if i := bytes.Index(answer, []byte("HTTP/1.1 500")); !encoded && (i == 0 || i > 0 && answer[i-1] == '\n' ||
			bytes.Contains(answer, []byte(`#InternalServerError"`))) {
			t.Errorf("answered %q", answer)
		}
		if answer, err = w.send(good); err != nil || bytes.Count(answer, []byte("HTTP/1.1 ")) != 2 ||
			!bytes.Contains(answer, []byte("healthy: ")) || bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
			t.Errorf("a good request afterwards: %q, %v", answer, err)
		}
		w.alarm.mu.Lock()
		defer w.alarm.mu.Unlock()
		if w.alarm.text.Len() > 0 {
			t.Errorf("the log: %s", &w.alarm.text)
			w.alarm.text.Reset()
		}
		if heap := liveHeap(); heap > 1<<30 {
			t.Errorf("the heap has %d MB", heap>>20)
		}
	})
}

// liveHeap is what the collector found in use the last time.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestWireSeeds checks that the seeds are what they are meant to be.
func TestWireSeeds(t *testing.T) {
	w, err := newWire(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	for _, b := range wireBodies[:9] {
		answer, err := w.send([]byte(wireCall(b[0], b[1])))
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") && b[0] != "DeleteItem" {
			t.Errorf("%s: %q, %v", b[0], answer, err)
		}
	}
}
