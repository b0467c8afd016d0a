package partita

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clock"
	"github.com/partita-db/partita/internal/clocktest"
)

// jumpy is a machine with a database, whose clock a test turns.
type jumpy struct {
	t     *testing.T
	clock *clocktest.Clock
	dir   string
	db    *DB
}

// openJumpy opens a database that goes by such a clock, as by the machine's where Options.Clock is
// nil.
func openJumpy(t *testing.T) *jumpy {
	j := &jumpy{t: t, clock: clocktest.New(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)), dir: t.TempDir()}
	j.open()
	t.Cleanup(func() { j.close() })
	return j
}

func (j *jumpy) open() {
	j.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	machine := clock.NewFrom(j.clock.Now, j.clock.Elapsed, quiet)
	var err error
	if j.db, err = Open(Options{Dir: j.dir, FreeSpaceFloor: -1, SweepInterval: -1, Logger: quiet, machine: machine}); err != nil {
		j.t.Fatal(err)
	}
}

func (j *jumpy) close() {
	j.t.Helper()
	if err := j.db.Close(); err != nil {
		j.t.Error(err)
	}
}

// pass lets time pass in steps of at most ten minutes, sweeping.
func (j *jumpy) pass(d time.Duration) {
	j.t.Helper()
	for d > 0 {
		step := min(d, 10*time.Minute)
		d -= step
		j.clock.Advance(step)
		if err := j.db.Sweep(j.t.Context()); err != nil {
			j.t.Fatal(err)
		}
	}
}

// jump sets the machine's clock, and sweeps.
func (j *jumpy) jump(d time.Duration) {
	j.t.Helper()
	j.clock.Set(j.clock.Now().Add(d))
	if err := j.db.Sweep(j.t.Context()); err != nil {
		j.t.Fatal(err)
	}
}

// call sends a request, and returns the answer, which must be OK.
func (j *jumpy) call(service, operation, body string) (answer map[string]any) {
	j.t.Helper()
	r := httptest.NewRequestWithContext(j.t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", service+"_20120810."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Date", "20261130T120000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	j.db.Handler().ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err == nil && w.Code == http.StatusOK {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || w.Code != http.StatusOK {
		j.t.Fatalf("%s: %d, %s, %v", operation, w.Code, text, err)
	}
	return answer
}

// create makes a table with a stream, and items that expire.
func (j *jumpy) create() {
	j.t.Helper()
	j.call("DynamoDB", "CreateTable", `{"TableName":"table","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST",
		"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`)
	j.call("DynamoDB", "UpdateTimeToLive", `{"TableName":"table","TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true}}`)
	if err := j.db.Sweep(j.t.Context()); err != nil {
		j.t.Fatal(err)
	}
}

// count adds 1 to an item's number in a transaction with a token.
func (j *jumpy) count(token string) {
	j.t.Helper()
	j.call("DynamoDB", "TransactWriteItems", fmt.Sprintf(`{"ClientRequestToken":"%s","TransactItems":[{"Update":{"TableName":"table",
		"Key":{"a":{"S":"%[1]s"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}]}`, token))
}

// counted is the number of an item.
func (j *jumpy) counted(token string) any {
	j.t.Helper()
	answer := j.call("DynamoDB", "GetItem", fmt.Sprintf(`{"TableName":"table","Key":{"a":{"S":"%s"}},"ConsistentRead":true}`, token))
	item, _ := answer["Item"].(map[string]any)
	n, _ := item["n"].(map[string]any)
	return n["N"]
}

// put puts an item that expires in a day.
func (j *jumpy) put(key string) {
	j.t.Helper()
	j.call("DynamoDB", "PutItem", fmt.Sprintf(`{"TableName":"table","Item":{"a":{"S":"%s"},"ttl":{"N":"%d"}}}`, key,
		j.clock.Now().Unix()+24*3600))
}

// records returns the times of all records of all streams.
func (j *jumpy) records() (times []time.Time) {
	j.t.Helper()
	for _, s := range j.call("DynamoDBStreams", "ListStreams", "{}")["Streams"].([]any) {
		arn := s.(map[string]any)["StreamArn"]
		described := j.call("DynamoDBStreams", "DescribeStream", fmt.Sprintf(`{"StreamArn":"%s"}`, arn))["StreamDescription"]
		for _, shard := range described.(map[string]any)["Shards"].([]any) {
			it := j.call("DynamoDBStreams", "GetShardIterator", fmt.Sprintf(
				`{"StreamArn":"%s","ShardId":"%s","ShardIteratorType":"TRIM_HORIZON"}`, arn, shard.(map[string]any)["ShardId"]))
			page := j.call("DynamoDBStreams", "GetRecords", fmt.Sprintf(`{"ShardIterator":"%s"}`, it["ShardIterator"]))
			for _, r := range page["Records"].([]any) {
				at := r.(map[string]any)["dynamodb"].(map[string]any)["ApproximateCreationDateTime"].(float64)
				times = append(times, time.Unix(int64(at), 0))
			}
		}
	}
	return times
}

// wantRecords wants so many records, all of the last hours.
func (j *jumpy) wantRecords(what string, want int) {
	j.t.Helper()
	times := j.records()
	for _, at := range times {
		if age := j.clock.Now().Sub(at); age < -time.Second || age > 24*time.Hour {
			j.t.Errorf("%s: a record is of %v, %v ago", what, at, age)
		}
	}
	if len(times) != want {
		j.t.Errorf("%s: the stream has %d records, want %d", what, len(times), want)
	}
}

// TestJump has the machine's clock jump twenty years ahead for half a minute: nothing expires, no
// time of then is stored, and tokens live as long as ever.
func TestJump(t *testing.T) {
	const years = 20 * 365 * 24 * time.Hour
	j := openJumpy(t)
	j.create()
	j.put("before")
	j.count("early")
	j.pass(time.Minute)
	j.jump(years)
	j.pass(10 * time.Second)
	j.count("early")
	j.count("late")
	j.pass(20 * time.Second)
	j.count("late")
	j.jump(-years)
	j.count("late")
	if early, late := j.counted("early"), j.counted("late"); early != "1" || late != "1" {
		t.Errorf("the transactions have counted to %v and %v, want 1 and 1", early, late)
	}
	j.wantRecords("after the jump", 3)
	j.pass(11 * time.Minute)
	j.count("late")
	if late := j.counted("late"); late != "2" {
		t.Errorf("after its time the token has counted to %v, want 2", late)
	}
	j.close()
	j.open()
	j.pass(25 * time.Hour)
	j.wantRecords("after a day", 1) // before expired
}

// TestJumpBelieved has it jump for longer than is doubted, and be set right later: times of then
// are stored, and go.
func TestJumpBelieved(t *testing.T) {
	const years = 20 * 365 * 24 * time.Hour
	j := openJumpy(t)
	j.create()
	j.jump(years)
	j.pass(2 * time.Minute)
	j.count("token")
	j.wantRecords("while it is believed", 1)
	j.jump(-years)
	j.count("token")
	if n := j.counted("token"); n != "2" {
		t.Errorf("when the clock is right the token has counted to %v, want 2", n)
	}
	at := j.records()
	j.pass(time.Second)
	j.count("other")
	if ahead := at[0].Sub(j.clock.Now()); ahead < years-time.Minute {
		t.Errorf("the record of a jump that was believed is %v ahead", ahead)
	}
	if n := len(j.records()); n != 3 {
		t.Errorf("the stream has %d records, want 3", n)
	}
	for day, want := range []int{2, 0} { // the others came after the clock was right
		j.pass(26 * time.Hour)
		if times := j.records(); len(times) != want {
			t.Errorf("after %d days the stream has records of %v, want %d", day+1, times, want)
		}
	}
}
