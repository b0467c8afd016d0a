package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestRecent checks that a kind has a line a minute, which tells of those left out, and what
// happens to kinds and lines beyond their bounds.
func TestRecent(t *testing.T) {
	var r recent
	at := time.Unix(6000, 0)
	expect := func(group, kind string, after time.Duration, ok bool, left int) {
		t.Helper()
		if gotLeft, got := r.admit(group, kind, at.Add(after)); got != ok || gotLeft != left {
			t.Errorf("%s %s after %v: %d left out, %v, want %d, %v", group, kind, after, gotLeft, got, left, ok)
		}
	}
	expect("g", "a", 0, true, 0)
	expect("g", "a", time.Second, false, 0)
	expect("g", "b", time.Second, true, 0)
	expect("h", "a", time.Second, true, 0)
	expect("g", "a", recentEvery-1, false, 0)
	expect("g", "a", recentEvery, true, 2)
	expect("g", "a", 2*recentEvery, true, 0)
	for i := range 1000 { // a flood of one group, then of all
		expect("g", fmt.Sprint("other ", i), 2*recentEvery, i < recentGroup-1, 0)
	}
	expect("h", "a", 2*recentEvery, true, 0)
	for i := range 1000 {
		expect(fmt.Sprint("group ", i), "a", 2*recentEvery, i < recentLines-recentGroup-1, 0)
	}
	expect("g", "a", 3*recentEvery-1, false, 0) // it is remembered
	expect("g", "b", 3*recentEvery-1, false, 0) // and that has no room in this minute
	expect("g", "b", 3*recentEvery, true, 1+1000-recentGroup+1)
	expect("g", "a", 3*recentEvery, true, 1)
	expect("group 999", "a", 3*recentEvery, true, 0) // of more groups than are remembered
	expect("group 100", "a", 3*recentEvery, true, 1)
	for i := range 2 * recentKinds {
		r.admit("g", fmt.Sprint("later ", i), at.Add(time.Duration(4+i/recentGroup)*recentEvery))
	}
	if len(r.kinds) != recentKinds || r.order.Len() != recentKinds || len(r.lost) > recentKinds {
		t.Errorf("%d kinds are remembered, %d in order, %d groups, want %d",
			len(r.kinds), r.order.Len(), len(r.lost), recentKinds)
	}
}

// logged is a handler with a log to read.
type logged struct {
	*Handler
	t    *testing.T
	text bytes.Buffer
	seen int
}

// withLog returns a handler whose log can be read.
func withLog(t *testing.T, o Options) *logged {
	l := &logged{t: t}
	o.Logger = slog.New(slog.NewTextHandler(&l.text, nil))
	o.Now = func() time.Time { return wiretest.Noon }
	l.Handler = NewHandler(o)
	return l
}

// after sends a request and returns the lines that it led to.
func (l *logged) after(r *http.Request) string {
	l.t.Helper()
	l.ServeHTTP(httptest.NewRecorder(), r)
	text := l.text.String()[l.seen:]
	l.seen = l.text.Len()
	return text
}

// expectLine checks the one line that a request led to; without words it must be none.
func (l *logged) expectLine(r *http.Request, words ...string) {
	l.t.Helper()
	line := l.after(r)
	want := min(len(words), 1)
	if strings.Count(line, "\n") != want {
		l.t.Errorf("lines:\n%s\nwant %d with %q", line, want, words)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			l.t.Errorf("the line lacks %q: %s", word, line)
		}
	}
}

// TestRefusedSignatures reads what the log has of requests that are refused for their signatures.
func TestRefusedSignatures(t *testing.T) {
	store, err := iam.Parse([]byte(wiretest.Everybody))
	if err != nil {
		t.Fatal(err)
	}
	l := withLog(t, Options{Credentials: store, Serve: wiretest.Whoami})
	l.noDeadlinesLogged.Store(true) // of deadlines this is not about
	call := func(s *sigv4test.Signing) *http.Request {
		r := wiretest.CallBy(s, "localhost", "/", "{}")
		r.RemoteAddr = "192.0.2.7:4711"
		return r
	}
	const text = `msg="a request was refused for its signature"`
	l.expectLine(call(wiretest.Alice))
	l.expectLine(call(wiretest.Liar), "level=WARN", text, "code=InvalidSignatureException", "claimed_access_key=AKIDALICE",
		"client=192.0.2.7:4711",
		"operation=GetItem", "request_id=",
		`reason="The request signature we calculated does not match the signature you provided.`)
	l.expectLine(call(wiretest.Liar))
	l.expectLine(call(wiretest.Nobody), text, "code=UnrecognizedClientException", "claimed_access_key=AKIDNOBODY",
		`why="there is no such access key"`)
	l.expectLine(call(&sigv4test.Signing{Key: "AKIDALICE", Secret: "x", Token: "token"}), "code=UnrecognizedClientException",
		`why="the request has a session token, and the access key has none"`)
	l.expectLine(call(nil), text, "code=MissingAuthenticationTokenException", `claimed_access_key=""`)
	l.expectLine(call(&sigv4test.Signing{Key: "ASIAENDED", Secret: "ended", Token: "token"}), text,
		"code=ExpiredTokenException", "claimed_access_key=ASIAENDED")
	l.expectLine(call(&sigv4test.Signing{Key: "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY", Secret: "AKIDALICE"}), text,
		"code=UnrecognizedClientException", "claimed_access_key=wJal… ") // who has mixed up the two
	broken := call(wiretest.Alice)
	broken.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A\x1bé"+strings.Repeat("é",
		2000)+"/20261122/x, Signature=hunter2")
	line := l.after(broken)
	if !strings.Contains(line, "code=IncompleteSignatureException") || !strings.Contains(line,
		"claimed_access_key=A?é… ") {
		t.Errorf("the line about a broken signature: %s", line)
	}
	if strings.Contains(line, "hunter2") || len(line) > 2000 {
		t.Errorf("the line has what it should not: %s", line)
	}
	for i := range 1000 {
		l.after(call(&sigv4test.Signing{Key: fmt.Sprint("AKID", i), Secret: "x"}))
	}
	if n := strings.Count(l.text.String(), "\n"); n > 3*recentLines { // three minutes may have begun
		t.Errorf("%d lines after 1000 keys", n)
	}
}

// TestUnknownOperations reads what the log has of operations that are not implemented, and of what
// is none.
func TestUnknownOperations(t *testing.T) {
	figures := metrics.New(api.OperationNames())
	l := withLog(t, Options{Open: true, Metrics: figures, Serve: api.New(nil, api.Options{}).Serve})
	call := func(target string) *http.Request {
		r := wiretest.CallBy(nil, "localhost", "/", "{}")
		r.Header.Set("X-Amz-Target", target)
		return r
	}
	for _, name := range []string{"CreateBackup", "RestoreTableFromBackup"} {
		l.expectLine(call("DynamoDB_20120810."+name), "level=WARN", `msg="an operation that is not implemented"`,
			"operation="+name)
		l.expectLine(call("DynamoDB_20120810." + name))
	}
	l.expectLine(call("DynamoDB_20120810.Create\nBackup2"), "level=WARN",
		`msg="an operation that DynamoDB does not have"`, "operation=Unknown",
		"target=DynamoDB_20120810.Create?Backup2")
	l.expectLine(call("DynamoDB_20120810.Create\nBackup2"))
	l.expectLine(call("Other_20120810.GetItem"), "target=Other_20120810.GetItem")
	l.expectLine(call(strings.Repeat("x", 5000)), "target="+strings.Repeat("x", maxPrintable)+" ")
	l.expectLine(call(""), `msg="a request without an operation"`, `why="it has no X-Amz-Target"`)
	for i := range 1000 {
		l.after(call(fmt.Sprint("made up ", i)))
	}
	if n := strings.Count(l.text.String(), "\n"); n > 3*recentLines { // three minutes may have begun
		t.Errorf("%d lines after 1000 targets", n)
	}
	l.expectLine(httptest.NewRequest("GET", "http://localhost/favicon.ico", nil))
}

// TestFormFaults reads what the log has of requests whose form is wrong, and whether the metrics
// know the operation.
func TestFormFaults(t *testing.T) {
	figures := metrics.New(api.OperationNames())
	l := withLog(t, Options{Open: true, Metrics: figures, Serve: wiretest.Whoami})
	plain := wiretest.CallBy(nil, "localhost", "/", "{}")
	plain.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	l.expectLine(plain, "level=INFO", `msg="a client error"`, "code=UnknownOperationException",
		`why="the request's Content-Type is not application/x-amz-json-1.0"`)
	bare := wiretest.CallBy(nil, "localhost", "/", "{}")
	bare.Header.Del("Content-Type")
	l.expectLine(bare, `why="the request has no Content-Type; it must be application/x-amz-json-1.0"`)
	packed := wiretest.CallBy(nil, "localhost", "/", "{}")
	packed.Header.Set("Content-Encoding", "zstd")
	l.expectLine(packed, "level=INFO", "operation=GetItem", "code=SerializationException",
		`why="the Content-Encoding is not known`)
	number := api.OperationNumber("DynamoDB_20120810.GetItem")
	counted := map[string]uint64{}
	for i := range figures.Operations[number].Codes {
		counted[metrics.Code(i)] = figures.Operations[number].Codes[i].Load()
	}
	if counted["SerializationException"] != 1 {
		t.Errorf("of GetItem are counted %v, want one SerializationException", counted)
	}
	large := wiretest.CallBy(nil, "localhost", "/", "{}")
	large.ContentLength = maxBodyBytes + 1
	l.expectLine(large, "operation=GetItem", "code=RequestEntityTooLarge")
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "evil.example" },
		func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		r := wiretest.CallBy(nil, "localhost", "/", "{}")
		change(r)
		l.expectLine(r, "level=WARN", "a request was refused: it came", "evil.example")
	}
}
