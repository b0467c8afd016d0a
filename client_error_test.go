package partita_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/historytest"
)

// loggedDB is a database in memory whose log can be read.
type loggedDB struct {
	t   testing.TB
	db  *partita.DB
	log safeLog
}

// openLogged opens one with a table Tab: keys pk and sk, an index Idx on colour.
func openLogged(t testing.TB, level slog.Level) *loggedDB {
	t.Helper()
	l := &loggedDB{t: t}
	var err error
	l.db, err = partita.Open(partita.Options{InMemory: true, SweepInterval: -1,
		Logger: slog.New(slog.NewTextHandler(&l.log, &slog.HandlerOptions{Level: level}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.db.Close() })
	status, answer := l.call("CreateTable", `{"TableName":"Tab","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"},{"AttributeName":"colour","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
		"GlobalSecondaryIndexes":[{"IndexName":"Idx","KeySchema":[{"AttributeName":"colour","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}`)
	if status != http.StatusOK {
		t.Fatal(answer)
	}
	return l
}

// call sends a request of its own.
func (l *loggedDB) call(operation, body string) (status int, answer string) {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	w := httptest.NewRecorder()
	l.db.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// mistakes returns the requests of testdata/client_errors.txt.
func mistakes(t testing.TB) (requests []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/client_errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			requests = append(requests, strings.TrimSpace(line))
		}
	}
	return requests
}

// send sends the request with the text in its places. It returns how many lines the log had of it.
func (l *loggedDB) send(request, text string) (status, lines int) {
	operation, body, _ := strings.Cut(request, " ")
	quoted, err := json.Marshal(text)
	if err != nil {
		l.t.Fatal(err)
	}
	before := strings.Count(l.log.String(), "\n")
	status, _ = l.call(operation, strings.ReplaceAll(body, "$", string(quoted[1:len(quoted)-1])))
	return status, strings.Count(l.log.String(), "\n") - before
}

// secret is a text to look for in the log: the form is random, and so are the letters.
func secret(random *rand.Rand) string {
	letters := func(from string) string {
		b := make([]byte, 12)
		for i := range b {
			b[i] = from[random.IntN(len(from))]
		}
		return string(b)
	}
	const small, digits = "abcdefghijklmnopqrstuvwxyz", "123456789"
	word := letters(small)
	return [...]string{
		word, letters(digits), letters(digits) + "." + letters(digits), word + "-" + letters(digits),
		word + "' at '" + letters(small), "it's " + word, `"` + word + `"`, "table " + word + " deleted",
		word + "\n" + letters(small), word + `", near: "` + letters(small),
		word + "." + letters(small), "é" + word + "ü", word + "@" + letters(small) + ".com",
		"reserved keyword: " + word, "S:" + word,
	}[random.IntN(15)]
}

// TestClientErrorsHideValues sends requests that are answered with errors, with random texts as
// keys, values, names and literals. The log at its default level tells of each kind, and has no
// word of the texts.
func TestClientErrorsHideValues(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	for _, request := range mistakes(t) {
		l := openLogged(t, slog.LevelInfo)
		for range 4 {
			text := secret(random)
			status, lines := l.send(request, text)
			if status == http.StatusOK && !strings.HasPrefix(request, "Batch") {
				t.Errorf("%s with %q succeeds", request, text)
			}
			if log := l.log.String(); status != http.StatusOK && log == "" {
				t.Errorf("%s with %q has %d lines:\n%s", request, text, lines, log)
			}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool {
				return strings.ContainsRune(" "+
					"'\"\n:@-.", r)
			}) {
				if len(word) >= 12 && strings.Contains(l.log.String(), word) {
					t.Fatalf("seed %d: the log has %q of %s with %q:\n%s", seed, word, request, text, &l.log)
				}
			}
		}
		l.db.Close()
	}
}

// TestClientErrorsHideWords sends texts that are made of the words of messages, which cannot be
// told from these by themselves.
func TestClientErrorsHideWords(t *testing.T) {
	const text = "the table value is wrong"
	for _, request := range mistakes(t) {
		l := openLogged(t, slog.LevelInfo) // of its own, since there are not many lines in a minute
		l.send(request, text)
		if log := l.log.String(); strings.Contains(log, "table value is") {
			t.Errorf("%s with %q has the lines:\n%s", request, text, log)
		}
		l.db.Close()
	}
}

// FuzzClientErrors looks for a text that a request carries into the log at its default level.
func FuzzClientErrors(f *testing.F) {
	all := mistakes(f)
	for i := range all {
		f.Add(i, "hunter2")
	}
	f.Add(3, "a' at 'tableName' failed")
	f.Fuzz(func(t *testing.T, i int, text string) {
		l := openLogged(t, slog.LevelInfo) // of its own, since there are not many lines in a minute
		defer l.db.Close()
		text = strings.ToValidUTF8("zq"+text+"qz", "?")
		l.send(all[uint(i)%uint(len(all))], text)
		if log := l.log.String(); strings.Contains(log, text) || strings.Contains(log, "zq") {
			t.Fatalf("the log has %q:\n%s", text, log)
		}
	})
}

// TestClientErrorLines reads the lines of errors that a newcomer makes, and that there is none of
// what is no mistake.
func TestClientErrorLines(t *testing.T) {
	l := openLogged(t, slog.LevelInfo)
	for _, test := range []struct {
		request string
		words   []string // nil: no line
	}{
		{`GetItem {"TableName":"Tabs","Key":{"pk":{"S":"a"},"sk":{"S":"b"}}}`, []string{"operation=GetItem",
			"code=ResourceNotFoundException", "table=Tabs", `message="Requested resource not found"`}},
		{`DescribeTable {"TableName":"nothing"}`, []string{"code=ResourceNotFoundException",
			`message="Requested resource not found: Table: nothing not found"`}},
		{`PutItem {"TableName":"Tab","Item":{"pk":{"S":"a"}}}`, []string{"operation=PutItem",
			"code=ValidationException", "table=Tab", `Missing the key sk in the item"`, "request_id="}},
		{`PutItem {"TableName":"Tab","Item":{"pk":{"S":"b"},"x":{"S":"other"}}}`, nil}, // of the same kind
		{`PutItem {"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"colour":{"N":"1"}}}`,
			[]string{"Type mismatch for Index Key colour Expected: S Actual: N IndexName: Idx"}},
		{`UpdateItem {"TableName":"Tab","Key":{"pk":{"S":"a"},"sk":{"S":"b"}},"UpdateExpression":"SET status = :v","ExpressionAttributeValues":{":v":{"S":"x"}}}`,
			[]string{"Attribute name is a reserved keyword; reserved keyword: status"}},
		{`Query {"TableName":"Tab","IndexName":"nope","KeyConditionExpression":"pk = :v","ExpressionAttributeValues":{":v":{"S":"x"}}}`, []string{"The table does not have the specified index: …"}},
		{`TransactWriteItems {"TransactItems":[{"Put":{"TableName":"Tab","Item":{"pk":{"S":"a"}}}},{"Delete":{"TableName":"Tab","Key":{"pk":{"S":"a"},"sk":{"S":"b"}}}}]}`,
			[]string{"code=TransactionCanceledException", "[ValidationError, None]"}},
		{`BatchExecuteStatement {"Statements":[{"Statement":"SELECT * FROM Tabs WHERE pk = 'a' AND sk = 'b'"}]}`,
			[]string{"operation=BatchExecuteStatement", "code=ResourceNotFound"}},
		{`DeleteItem {"TableName":"Tab"`, []string{"code=SerializationException", `why="the body is not JSON, from byte 18 of 18 on"`}},
		{`DeleteItem []`, []string{"code=SerializationException", `why="the body is not one JSON object"`}},
		{`PutItem {"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"S":"b"}},"ConditionExpression":"attribute_exists(pk)"}`, nil},
		{`TransactWriteItems {"TransactItems":[{"ConditionCheck":{"TableName":"Tab","Key":{"pk":{"S":"a"},"sk":{"S":"b"}},"ConditionExpression":"attribute_exists(pk)"}}]}`, nil},
	} {
		before := l.log.String()
		status, _ := l.send(test.request, "")
		line := strings.TrimPrefix(l.log.String(), before)
		if strings.HasPrefix(test.request, "GetItem") { // there is a line "did you mean", too
			_, line, _ = strings.Cut(line, "\n")
		}
		if strings.Count(line, "\n") > 1 || (line == "") != (test.words == nil) {
			t.Errorf("%s, answered %d, has the lines:\n%s", test.request, status, line)
		}
		for _, word := range test.words {
			if !strings.Contains(line, word) || !strings.Contains(line, `level=INFO msg="a client error"`) {
				t.Errorf("%s: the line lacks %q:\n%s", test.request, word, line)
			}
		}
	}
}

// debugLine is what a line at debug level has of a request.
type debugLine struct {
	Msg, Operation, Code, Message, Reason, Table, Index string
	KeyCondition                                        string  `json:"key_condition"`
	Read                                                int     `json:"items_read"`
	Returned                                            int     `json:"items_returned"`
	ReadUnits                                           float64 `json:"read_units"`
	WriteUnits                                          float64 `json:"write_units"`
}

// debugCalls sends requests, and notes what the debug log is to have of them.
type debugCalls struct {
	*watchedDB
	asked types.ReturnConsumedCapacity
	want  []debugLine
}

// TestDebugLines holds the debug log of requests of the real SDK to what the SDK was answered.
func TestDebugLines(t *testing.T) {
	var log safeLog
	db, err := partita.Open(partita.Options{InMemory: true, SweepInterval: -1,
		Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewServer(db.Handler())
	defer server.Close()
	client := historytest.NewClient(server.URL, historytest.Transport{Transport: &http.Transport{}})
	c := &debugCalls{watchedDB: &watchedDB{t: t, client: client}}
	c.makeTable(false)
	eventually(t, "a line of CreateTable", func() bool { return strings.Contains(log.String(), `"msg":"request"`) })
	// Each is sent twice: that the capacity is not asked for makes no difference.
	for _, c.asked = range []types.ReturnConsumedCapacity{"TOTAL", "NONE"} {
		before := len(log.String())
		c.want = nil
		c.singles()
		c.several()
		c.mistakes()
		eventually(t, "a line of each request", func() bool {
			return strings.Count(log.String()[before:], `"msg":"request"`) >= len(c.want)
		})
		checkDebugLines(t, log.String()[before:], c.want)
	}
}

// TestDebugLineOfBatch checks that a batch's writes are counted as such where its first statement
// is wrong.
func TestDebugLineOfBatch(t *testing.T) {
	l := openLogged(t, slog.LevelDebug)
	status, answer := l.call("BatchExecuteStatement",
		`{"Statements":[{"Statement":"wrong"},{"Statement":"INSERT INTO Tab VALUE {'pk': 'a', 'sk': 'b'}"}]}`)
	if log := l.log.String(); status != http.StatusOK || !strings.Contains(log, "read_units=0 write_units=1") {
		t.Errorf("answered %d %s, with the log:\n%s", status, answer, log)
	}
}

// add notes a line, of a request that ended with err.
func (c *debugCalls) add(line debugLine, err error) {
	c.t.Helper()
	if (err != nil) != (line.Code != "") {
		c.t.Fatalf("%s: %v", line.Operation, err)
	}
	line.Msg = "request"
	c.want = append(c.want, line)
}

// The table and the item of these requests.
var (
	debugTable = aws.String("Tab")
	debugKey   = map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}
	debugItem  = map[string]types.AttributeValue{"pk": text("a"), "sk": text("b"), "colour": text("red"),
		"big": text(strings.Repeat("x", 3000))}
)

// singles sends requests on one item, or one index.
func (c *debugCalls) singles() {
	ctx := context.Background()
	put, err := c.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: debugTable, Item: debugItem,
		ReturnConsumedCapacity: c.asked})
	c.add(debugLine{Operation: "PutItem", Table: "Tab", WriteUnits: units(put.ConsumedCapacity, 6)}, err)
	get, err := c.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: debugTable, Key: debugKey,
		ReturnConsumedCapacity: c.asked})
	c.add(debugLine{Operation: "GetItem", Table: "Tab", Read: 1, Returned: 1,
		ReadUnits: units(get.ConsumedCapacity, 0.5)}, err)
	query, err := c.client.Query(ctx, &dynamodb.QueryInput{TableName: debugTable, IndexName: aws.String("Idx"),
		KeyConditionExpression:    aws.String("colour = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": text("red")},
		FilterExpression:          aws.String("attribute_not_exists(big)"), ReturnConsumedCapacity: c.asked})
	c.add(debugLine{Operation: "Query", Table: "Tab", Index: "Idx", KeyCondition: "colour = ?", Read: 1,
		ReadUnits: units(query.ConsumedCapacity, 0.5)}, err)
}

// several sends batches, a transaction and a statement.
func (c *debugCalls) several() {
	ctx := context.Background()
	batch, err := c.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{ReturnConsumedCapacity: c.asked,
		RequestItems: map[string][]types.WriteRequest{"Tab": {{PutRequest: &types.PutRequest{Item: debugItem}}}}})
	c.add(debugLine{Operation: "BatchWriteItem", Table: "Tab",
		WriteUnits: units(first(batch.ConsumedCapacity), 3)}, err)
	keys := types.KeysAndAttributes{Keys: []map[string]types.AttributeValue{debugKey}}
	got, err := c.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{ReturnConsumedCapacity: c.asked,
		RequestItems: map[string]types.KeysAndAttributes{"Tab": keys}})
	c.add(debugLine{Operation: "BatchGetItem", Table: "Tab", Read: 1, Returned: 1,
		ReadUnits: units(first(got.ConsumedCapacity), 0.5)}, err)
	remove := types.TransactWriteItem{Delete: &types.Delete{TableName: debugTable, Key: debugKey}}
	transact, err := c.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		ReturnConsumedCapacity: c.asked, TransactItems: []types.TransactWriteItem{remove}})
	c.add(debugLine{Operation: "TransactWriteItems", Table: "Tab",
		WriteUnits: units(first(transact.ConsumedCapacity), 9)}, err)
	statement, err := c.client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{
		Statement: aws.String("SELECT * FROM Tab WHERE pk = 'a'"), ReturnConsumedCapacity: c.asked})
	c.add(debugLine{Operation: "ExecuteStatement", Table: "Tab", KeyCondition: "pk = ?",
		ReadUnits: units(statement.ConsumedCapacity, 0.5)}, err)
}

// mistakes sends requests that are answered with errors, which the log has as they were answered.
func (c *debugCalls) mistakes() {
	ctx := context.Background()
	_, err := c.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: debugTable,
		Item: map[string]types.AttributeValue{"pk": text("hunter2")}})
	c.add(debugLine{Operation: "PutItem", Table: "Tab", Code: "ValidationException",
		Message: "One or more parameter values were invalid: Missing the key sk in the item"}, err)
	_, err = c.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: debugTable, Key: debugKey,
		UpdateExpression: aws.String("SET hunter2 == x")}) // the table is not looked for
	c.add(debugLine{Operation: "UpdateItem", Code: "ValidationException", Message: "1 validation error detected: " +
		`Invalid UpdateExpression: Syntax error; token: "=", near: "== x"`}, err)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is never %s", what)
		}
	}
}

// first is the first of some capacities, nil if there is none.
func first(all []types.ConsumedCapacity) *types.ConsumedCapacity {
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// units are the units that were answered; expected where nobody asked for them.
func units(c *types.ConsumedCapacity, expected float64) float64 {
	if c == nil {
		return expected
	}
	return *c.CapacityUnits
}

// checkDebugLines compares the lines of the log about requests.
func checkDebugLines(t *testing.T, log string, want []debugLine) {
	t.Helper()
	var lines []debugLine
	for line := range strings.Lines(log) {
		var got debugLine
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if got.Msg == "request" {
			lines = append(lines, got)
		}
	}
	for i, got := range lines {
		if i >= len(want) || got != want[i] {
			t.Errorf("line %d:\n%+v, want\n%+v", i, got, want[min(i, len(want)-1)])
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}
