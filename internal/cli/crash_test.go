package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "seed of TestCrashes; 0 takes one from the clock")
	crashKills = flag.Int("crash.kills", 20, "how often TestCrashes kills the server")
)

// What TestCrashes does between two kills.
const (
	crashWriters = 4
	crashKeys    = 150 // of each writer
	crashTable   = "crashes"
	crashCounter = "counter" // the key of the item that all writers count in
)

// TestCrashes starts the real program, writes from several clients at once, kills it with SIGKILL
// at a random moment, and finds every acknowledged write after a restart on the same directory,
// twenty times over. What was under way at the kill may have happened or not, but not in part. Nor
// may anything be gone that a reader was shown. The table's stream, read from its beginning, makes
// exactly the table, over all restarts. At the end the whole database is checked: each index row
// against its item and back, counters, orphans.
func TestCrashes(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash.seed=%d", seed)
	kills := *crashKills
	if testing.Short() {
		kills = 3
	}
	random := rand.New(rand.NewPCG(seed, 1))
	program := build(t)
	dir := filepath.Join(t.TempDir(), "data")
	w := &world{t: t, writers: make([]*writer, crashWriters), stream: streamed{shown: map[string][]string{}}}
	for i := range w.writers {
		w.writers[i] = &writer{id: i, random: rand.New(rand.NewPCG(seed, uint64(2+i))), items: map[string]fate{}}
	}
	for kill := range kills {
		s := startProgram(t, program, dir)
		if kill == 0 {
			w.stream.arn = s.create()
		}
		w.verify(s)
		if random.IntN(4) == 0 { // the next start comes upon one that was killed while it recovered
			s.kill()
			early := childCommand(program, "serve", "--port", "0", "--data", dir)
			if err := early.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			early.Process.Kill()
			early.Wait()
			s = startProgram(t, program, dir)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := w.work(ctx, s)
		time.Sleep(time.Duration(50+random.IntN(350)) * time.Millisecond)
		s.kill()
		cancel()
		ended.Wait()
		if t.Failed() {
			return
		}
	}
	s := startProgram(t, program, dir)
	w.verify(s)
	t.Logf("%d acknowledged writes, %d of unknown outcome", w.acknowledged(), w.unknown())
	s.kill()
	checkDir(t, dir)
}

// checkDir opens the data directory in this process and checks all that is in it.
func checkDir(t *testing.T, dir string) {
	t.Helper()
	d := dbtest.Open(t, dbtest.Options{Engine: pebblekv.Options{Dir: dir, Clock: time.Now}, DB: db.Options{Now: time.Now}})
	defer d.Close()
	d.Check()
}

// world is what the clients know of the database.
type world struct {
	t       *testing.T
	writers []*writer
	stream  streamed

	mu             sync.Mutex
	counted, tried int // additions to the counter: acknowledged, and sent
	seen           int // the highest count that a reader was shown
}

// fate is what is known of one item: its value, empty if it does not exist, or two of which it has
// one.
type fate struct {
	value     string
	other     string
	uncertain bool
}

// writer is one client, with the keys that only it writes.
type writer struct {
	id     int
	random *rand.Rand
	items  map[string]fate
	serial int
	acked  int
	lost   int
}

// work starts the clients. They end when the server is gone.
func (w *world) work(ctx context.Context, s *child) *sync.WaitGroup {
	var ended sync.WaitGroup
	for _, one := range w.writers {
		ended.Go(func() { w.write(ctx, s, one) })
	}
	ended.Go(func() { w.read(ctx, s) })
	ended.Go(func() { w.stream.follow(ctx, s) })
	return &ended
}

// write writes until the server is gone.
func (w *world) write(ctx context.Context, s *child, one *writer) {
	for {
		var err error
		switch one.random.IntN(10) {
		case 0:
			err = w.count(ctx, s)
		case 1:
			err = one.batch(ctx, s)
		default:
			err = one.single(ctx, s)
		}
		if err == nil {
			continue
		}
		if answer := (*refusal)(nil); errors.As(err, &answer) {
			w.t.Errorf("writer %d: %v", one.id, err) // a dying server does not answer
		}
		return
	}
}

// single puts, updates or deletes one item.
func (one *writer) single(ctx context.Context, s *child) error {
	key := one.key()
	operation, body, value := "DeleteItem", object{"Key": object{"k": str(key)}}, ""
	switch one.random.IntN(5) {
	case 0, 1:
		value = one.value()
		operation, body = "PutItem", object{"Item": item(key, value)}
	case 2, 3:
		value = one.value()
		operation = "UpdateItem"
		body = object{
			"Key": object{"k": str(key)}, "UpdateExpression": "SET v = :v, g = :g",
			"ExpressionAttributeValues": object{":v": str(value), ":g": str(group(value))},
		}
	}
	body["TableName"] = crashTable
	_, err := s.call(ctx, operation, body)
	one.settle(map[string]string{key: value}, err)
	return err
}

// batch writes up to 25 items, each atomic alone.
func (one *writer) batch(ctx context.Context, s *child) error {
	var requests []object
	values := map[string]string{}
	for range 1 + one.random.IntN(25) {
		key := one.key()
		if _, twice := values[key]; twice {
			continue
		}
		if one.random.IntN(4) == 0 {
			values[key] = ""
			requests = append(requests, object{"DeleteRequest": object{"Key": object{"k": str(key)}}})
			continue
		}
		values[key] = one.value()
		requests = append(requests, object{"PutRequest": object{"Item": item(key, values[key])}})
	}
	out, err := s.call(ctx, "BatchWriteItem", object{"RequestItems": object{crashTable: requests}})
	if err == nil && len(out["UnprocessedItems"].(object)) > 0 {
		return &refusal{400, fmt.Sprint(out)}
	}
	one.settle(values, err)
	return err
}

// settle notes the outcome of writes.
func (one *writer) settle(values map[string]string, err error) {
	for key, value := range values {
		if err == nil {
			one.items[key] = fate{value: value}
			one.acked++
			continue
		}
		one.items[key] = fate{value: one.items[key].value, other: value, uncertain: true}
		one.lost++
	}
}

// count adds to the item that all writers share.
func (w *world) count(ctx context.Context, s *child) error {
	w.mu.Lock()
	w.tried++
	w.mu.Unlock()
	_, err := s.call(ctx, "UpdateItem", object{
		"TableName": crashTable, "Key": object{"k": str(crashCounter)}, "UpdateExpression": "ADD n :one",
		"ExpressionAttributeValues": object{":one": object{"N": "1"}},
	})
	if err == nil {
		w.mu.Lock()
		w.counted++
		w.mu.Unlock()
	}
	return err
}

// read looks at the counter until the server is gone.
func (w *world) read(ctx context.Context, s *child) {
	for {
		n, err := s.counter(ctx)
		if err != nil {
			if answer := (*refusal)(nil); errors.As(err, &answer) {
				w.t.Errorf("reader: %v", err)
			}
			return
		}
		w.mu.Lock()
		w.seen = max(w.seen, n)
		w.mu.Unlock()
	}
}

// verify compares all that the server has with what the clients know, and settles what they do not.
func (w *world) verify(s *child) {
	w.t.Helper()
	stored := s.scan("")
	n, err := s.counter(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if n < w.counted || n < w.seen || n > w.tried {
		w.t.Errorf("the counter is %d; %d additions of %d sent were acknowledged, and a reader saw %d", n, w.counted, w.tried, w.seen)
	}
	w.counted, w.tried = n, n
	known := 0
	for _, one := range w.writers {
		for key, f := range one.items {
			got := stored[key]
			if got != f.value && (!f.uncertain || got != f.other) {
				w.t.Errorf("item %s is %.40q, want %.40q or (%v) %.40q", key, got, f.value, f.uncertain, f.other)
			}
			one.items[key] = fate{value: got}
			if got != "" {
				known++
			}
		}
	}
	if len(stored) != known {
		w.t.Errorf("%d items are stored, of which the clients wrote %d", len(stored), known)
	}
	if indexed := s.scan("by-group"); len(indexed) != known {
		w.t.Errorf("%d items are in the index, of %d", len(indexed), known)
	}
	w.stream.verify(s, stored, n)
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// acknowledged and unknown count the writes.
func (w *world) acknowledged() (n int) {
	for _, one := range w.writers {
		n += one.acked
	}
	return n + w.counted
}

func (w *world) unknown() (n int) {
	for _, one := range w.writers {
		n += one.lost
	}
	return n
}

// key picks one of the writer's keys.
func (one *writer) key() string { return fmt.Sprintf("w%d-%d", one.id, one.random.IntN(crashKeys)) }

// value makes a value that was never there before.
func (one *writer) value() string {
	one.serial++
	return fmt.Sprintf("%d.%d.%s", one.id, one.serial, strings.Repeat("x", one.random.IntN(1500)))
}

// group is the index key of a value.
func group(value string) string { return fmt.Sprint("g", len(value)%7) }

// object is a JSON object.
type object = map[string]any

// str is a string attribute.
func str(s string) object { return object{"S": s} }

// item is an item of the test's table.
func item(key, value string) object {
	return object{"k": str(key), "v": str(value), "g": str(group(value))}
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("answered %d %s", r.status, r.body) }

// call calls an operation.
func (s *child) call(ctx context.Context, operation string, in object) (object, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", s.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", apiOf(operation)+operation)
	r.Header.Set("X-Amz-Date", "20261122T120000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=crash/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err // killed in the middle of an answer: not acknowledged
	}
	if resp.StatusCode != 200 {
		return nil, &refusal{resp.StatusCode, string(text)}
	}
	var out object
	err = json.Unmarshal(text, &out)
	return out, err
}

// must calls an operation that cannot fail.
func (s *child) must(operation string, in object) object {
	s.t.Helper()
	out, err := s.call(context.Background(), operation, in)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", operation, err, s.stderr)
	}
	return out
}

// create makes the table, with an index and a stream, whose ARN it returns.
func (s *child) create() string {
	s.t.Helper()
	hash := func(name string) object { return object{"AttributeName": name, "KeyType": "HASH"} }
	out := s.must("CreateTable", object{
		"StreamSpecification": object{"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
		"TableName":           crashTable, "BillingMode": "PAY_PER_REQUEST", "KeySchema": []object{hash("k")},
		"AttributeDefinitions": []object{
			{"AttributeName": "k", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"},
		},
		"GlobalSecondaryIndexes": []object{{
			"IndexName": "by-group", "KeySchema": []object{hash("g")}, "Projection": object{"ProjectionType": "ALL"},
		}},
	})
	return out["TableDescription"].(object)["LatestStreamArn"].(string)
}

// counter reads the shared counter.
func (s *child) counter(ctx context.Context) (int, error) {
	out, err := s.call(ctx, "GetItem", object{
		"TableName": crashTable, "Key": object{"k": str(crashCounter)}, "ConsistentRead": true,
	})
	if err != nil || out["Item"] == nil {
		return 0, err
	}
	var n int
	_, err = fmt.Sscan(out["Item"].(object)["n"].(object)["N"].(string), &n)
	return n, err
}

// scan returns the values of all items but the counter, of the table or of its index.
func (s *child) scan(index string) map[string]string {
	s.t.Helper()
	in := object{"TableName": crashTable}
	if index != "" {
		in["IndexName"] = index
	}
	values := map[string]string{}
	for {
		out := s.must("Scan", in)
		for _, i := range out["Items"].([]any) {
			it := i.(object)
			if v, ok := it["v"].(object); ok {
				values[it["k"].(object)["S"].(string)] = v["S"].(string)
			}
		}
		if out["LastEvaluatedKey"] == nil {
			return values
		}
		in["ExclusiveStartKey"] = out["LastEvaluatedKey"]
	}
}

// TestSignals checks that SIGTERM and SIGINT end the real program with exit status 0, and that what
// it was told is there when it starts again.
func TestSignals(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	for i, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := startProgram(t, program, dir)
		if i == 0 {
			s.create()
			in := item("a", "1")
			s.must("PutItem", object{"TableName": crashTable, "Item": in})
		}
		if got := s.scan(""); len(got) != 1 {
			t.Errorf("start %d: %d items", i, len(got))
		}
		s.client.CloseIdleConnections()
		if err := s.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := s.wait(); err != nil {
			t.Errorf("after %v: %v\n%s", signal, err, s.stderr)
		}
	}
	checkDir(t, dir)
}

// TestDiskFails lets the real program's writes to the disk fail, by a limit on the size of its
// files, and checks that it says why, ends with exit status 1, and that what it had acknowledged is
// there when it starts again.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell to set the limit")
	}
	const script = `ulimit -f 2048 && exec "$0" serve --port 0 --data "$1"` // 1 or 2 MiB, as the shell counts
	s := startCommand(t, childCommand(shell, "-c", script, program, dir))
	s.create()
	var acknowledged int
	for {
		value := strings.Repeat("x", 20000)
		in := item(fmt.Sprint("i", acknowledged), value)
		if _, err = s.call(context.Background(), "PutItem", object{"TableName": crashTable, "Item": in}); err != nil {
			break
		}
		if acknowledged++; acknowledged > 1000 {
			t.Fatal("the limit does not work")
		}
	}
	if answer := (*refusal)(nil); errors.As(err, &answer) && answer.status != 500 {
		t.Errorf("the write that failed was %v", err)
	}
	s.client.CloseIdleConnections()
	var exit *exec.ExitError
	if err := s.wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the program ended with %v, want exit status 1", err)
	}
	if said := s.stderr.String(); !strings.Contains(said, "partita: the storage engine has stopped itself: ") ||
		!strings.Contains(said, "file too large") {
		t.Errorf("it said:\n%s", said)
	}
	s = startProgram(t, program, dir)
	if got := len(s.scan("")); got < acknowledged || got > acknowledged+1 {
		t.Errorf("%d items are there, of %d acknowledged", got, acknowledged)
	}
	s.kill()
	checkDir(t, dir)
}
