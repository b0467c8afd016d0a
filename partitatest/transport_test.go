package partitatest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// calls are requests as a program may make them, most of them in ways in which the SDK does not.
func calls() map[string]func() *http.Request {
	const put = `{"TableName":"table","Item":{"a":{"S":"x"},"b":{"S":"` // an item that is the same however often it is put
	call := func(operation string, body io.Reader, change ...func(*http.Request)) func() *http.Request {
		return func() *http.Request {
			if seeker, ok := body.(io.Seeker); ok {
				seeker.Seek(0, io.SeekStart)
			}
			return newCall(operation, body, change...)
		}
	}
	text := func(s string) io.Reader { return strings.NewReader(s) }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	large := put + strings.Repeat("y", 300_000) + `"}}}`
	return map[string]func() *http.Request{
		"put":            call("PutItem", text(put+`y"}}}`)),
		"chunked":        call("PutItem", text(put+`y"}}}`), func(r *http.Request) { r.ContentLength = -1 }),
		"unknown length": call("PutItem", io.NewSectionReader(strings.NewReader(large), 0, int64(len(large)))),
		"large":          call("PutItem", text(large)),
		"too large":      call("PutItem", text(strings.Repeat(" ", 17<<20))),
		"gzip":           call("PutItem", bytes.NewReader(zip(large)), header("Content-Encoding", "gzip")),
		"not gzip":       call("PutItem", text(put+`y"}}}`), header("Content-Encoding", "gzip")),
		"small answer":   call("ListTables", text(`{}`), header("Accept-Encoding", "gzip")),
		"gzip answer":    call("GetItem", text(`{"TableName":"table","Key":{"a":{"S":"big"}}}`), header("Accept-Encoding", "gzip")),
		"large answer":   call("GetItem", text(`{"TableName":"table","Key":{"a":{"S":"big"}}}`)),
		"deflate answer": call("Scan", text(`{"TableName":"table"}`), header("accept-encoding", "deflate")),
		"refused":        call("GetItem", text(`{"TableName":"none","Key":{"a":{"S":"x"}}}`)),
		"invalid":        call("GetItem", text(`{"TableName":"t"}`)),
		"malformed":      call("GetItem", text(`{`)),
		"no operation":   call("Get", text(`{}`)),
		"unsigned":       call("ListTables", text(`{}`), func(r *http.Request) { r.Header.Del("Authorization") }),
		"from a page":    call("ListTables", text(`{}`), header("Origin", "http://localhost")),
		"another type":   call("ListTables", text(`{}`), header("Content-Type", "text/plain")),
		"plain JSON":     call("ListTables", text(`{}`), header("Content-Type", " application/json ")),
		"no body":        call("ListTables", nil),
		"closing":        call("ListTables", text(`{}`), func(r *http.Request) { r.Close = true }),
		"GET":            call("", nil, func(r *http.Request) { r.Method = http.MethodGet }),
		"no method":      call("", nil, func(r *http.Request) { r.Method = "" }),
		"HEAD":           call("", nil, func(r *http.Request) { r.Method = http.MethodHead }),
		"PUT":            call("PutItem", text(`{}`), func(r *http.Request) { r.Method = http.MethodPut }),
		"preflight": call("", nil, header("Origin", "http://localhost"), header("Access-Control-Request-Method", "POST"),
			func(r *http.Request) { r.Method = http.MethodOptions }),
		"expect": call("PutItem", text(large), header("Expect", "100-continue")),
	}
}

// newCall returns a signed request without a host.
func newCall(operation string, body io.Reader, change ...func(*http.Request)) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "/?x=%20", body)
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Date", "20260102T030405Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=someone/20260102/eu-west-1/dynamodb/aws4_request, "+
		"SignedHeaders=host;x-amz-date;x-amz-target, Signature=00")
	for _, f := range change {
		f(r)
	}
	return r
}

// zip compresses.
func zip(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

// listen serves a handler on a port, and returns its address and a client as plain as ours.
func listen(t *testing.T, h http.Handler) (url string, client *http.Client) {
	t.Helper()
	server := httptest.NewServer(h)
	wire := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		wire.CloseIdleConnections()
		server.Close()
	})
	return server.URL, &http.Client{Transport: wire}
}

// exchange makes a request and returns all of the answer as text, without what is new every time.
func exchange(t *testing.T, client *http.Client, url string, r *http.Request) string {
	t.Helper()
	var err error
	if r.URL, err = r.URL.Parse(url + r.URL.String()); err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Request != r {
		t.Errorf("the answer is one to %v", response.Request)
	}
	if _, err := http.ParseTime(response.Header.Get("Date")); err != nil {
		t.Error(err)
	}
	response.Header.Del("Date")
	response.Header.Del("X-Amzn-Requestid")
	return fmt.Sprintf("%s %s %d %v close %t unpacked %t\n%s%s", response.Status, response.Proto, response.ContentLength,
		response.TransferEncoding, response.Close, response.Uncompressed, lines(response.Header), body)
}

// lines prints a header, sorted.
func lines(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %q\n", name, h[name])
	}
	return b.String()
}

// TestSameAnswers makes the same requests of one database with and without a network: the answers
// are the same, byte for byte.
func TestSameAnswers(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:S"))
	db.Seed("table", map[string]string{"a": "big", "b": strings.Repeat("z", 200_000)})
	url, wire := listen(t, db.Handler())
	for name, call := range calls() {
		got, want := exchange(t, db.HTTPClient(), url, call()), exchange(t, wire, url, call())
		if got != want {
			t.Errorf("%s:\n got %.900s\nwant %.900s", name, got, want)
		}
	}
}

// TestSameRequests has a handler tell what reached it with and without a network.
func TestSameRequests(t *testing.T) {
	t.Parallel()
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		text := fmt.Sprintf("%s %s %s %s %s %d %v close %t %d %v\n%s", r.Method, r.RequestURI, r.URL, r.Proto, r.Host, r.ContentLength,
			r.TransferEncoding, r.Close, len(body), err, lines(r.Header))
		w.Header()["Content-Type"] = nil
		w.Header()["Content-Length"] = []string{fmt.Sprint(len(text))}
		io.WriteString(w, text)
	})
	here := &http.Client{Transport: &transport{handler: tell}}
	url, wire := listen(t, tell)
	for name, call := range calls() {
		if got, want := exchange(t, here, url, call()), exchange(t, wire, url, call()); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	odd := func() *http.Request {
		return newCall("X", strings.NewReader("x"), func(r *http.Request) {
			r.Host = "another.example"
			r.Header["Host"], r.Header["Content-Length"], r.Header["x-lower"] = []string{"no"}, []string{"7"}, []string{" a ", "b"}
			r.Header["User-Agent"] = []string{""}
		})
	}
	if got, want := exchange(t, here, url, odd()), exchange(t, wire, url, odd()); got != want {
		t.Errorf("an odd one:\n got %s\nwant %s", got, want)
	}
}

// TestSameOutputs makes the SDK's calls with and without a network.
func TestSameOutputs(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(AddIndex(Table("table", "a:S", "b:N"), "by-b", "b:N"))
	db.SeedJSON("table", strings.NewReader(`{"a":"x","b":1} {"a":"x","b":2,"c":[null,{"d":"e"}]} {"a":"y","b":1}`))
	url, wire := listen(t, db.Handler())
	config := db.Config()
	config.HTTPClient, config.BaseEndpoint = wire, &url
	over := dynamodb.NewFromConfig(config)
	ctx, table := t.Context(), aws.String("table")
	key := attributes{"a": s("x"), "b": n("2")}
	for name, call := range map[string]func(*dynamodb.Client) (any, error){
		"describe": func(c *dynamodb.Client) (any, error) {
			out, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table})
			return out.Table, err
		},
		"scan": func(c *dynamodb.Client) (any, error) {
			out, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: table, IndexName: aws.String("by-b")})
			return out.Items, err
		},
		"update": func(c *dynamodb.Client) (any, error) {
			out, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key, ReturnValues: types.ReturnValueAllNew,
				UpdateExpression: aws.String("SET e = :e"), ExpressionAttributeValues: attributes{":e": n("5")}})
			return out.Attributes, err
		},
		"condition": func(c *dynamodb.Client) (any, error) {
			_, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key,
				ConditionExpression: aws.String("attribute_not_exists(a)"), ReturnValuesOnConditionCheckFailure: "ALL_OLD"})
			var failed *types.ConditionalCheckFailedException
			if !errors.As(err, &failed) {
				return nil, fmt.Errorf("%w is no ConditionalCheckFailedException", err)
			}
			return failed, nil
		},
	} {
		got, err := call(db.Client)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := call(over)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
}

// TestContext checks that a context that has ended ends the request, before and while it is
// answered.
func TestContext(t *testing.T) {
	t.Parallel()
	db := New(t)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := db.Client.ListTables(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ListTables with a cancelled context: %v", err)
	}
	past, stop := context.WithTimeout(t.Context(), -1)
	defer stop()
	if _, err := db.Client.ListTables(past, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ListTables after the deadline: %v", err)
	}

	ctx, cancel = context.WithCancelCause(t.Context())
	tr := &transport{handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(cause)
		<-r.Context().Done()
	})}
	if r, err := tr.RoundTrip(newCall("X", nil).WithContext(ctx)); err != cause {
		t.Errorf("a request that is cancelled while it is answered: %v, %v", r, err)
	}
	client := &http.Client{Timeout: time.Nanosecond, Transport: tr}
	var timeout interface{ Timeout() bool }
	if r, err := client.Do(newCall("X", nil)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a request that takes longer than the client has: %v, %v", r, err)
	}
}

// TestBody checks what becomes of bodies that are not what they were announced to be, and that all
// are closed.
func TestBody(t *testing.T) {
	t.Parallel()
	unplugged := errors.New("unplugged")
	tr := &transport{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	for _, c := range []struct {
		body   io.Reader
		length int64
		want   string
	}{
		{strings.NewReader("12345"), 5, "12345"},
		{iotest.OneByteReader(strings.NewReader("12345")), 5, "12345"},
		{iotest.DataErrReader(strings.NewReader("12345")), 5, "12345"},
		{strings.NewReader("12345"), -1, "12345"},
		{strings.NewReader("12345"), 0, "12345"},
		{strings.NewReader(""), 0, ""},
		{strings.NewReader("12345"), 7, "http: ContentLength=7 with Body length 5"},
		{strings.NewReader("12345"), 3, "http: ContentLength=3 with a longer Body"},
		{iotest.ErrReader(unplugged), 3, "unplugged"},
		{iotest.ErrReader(unplugged), -1, "unplugged"},
	} {
		body := &closing{Reader: c.body}
		r := newCall("X", nil)
		r.Body, r.ContentLength = body, c.length
		response, err := tr.RoundTrip(r)
		if !body.closed {
			t.Errorf("the body for %q was not closed", c.want)
		}
		if err != nil {
			if err.Error() != c.want {
				t.Errorf("got the error %v, want %s", err, c.want)
			}
			continue
		}
		got, err := io.ReadAll(response.Body)
		if string(got) != c.want || err != nil || response.ContentLength != int64(len(got)) {
			t.Errorf("got %q, %v, of %d bytes, want %q", got, err, response.ContentLength, c.want)
		}
	}
	gone := &transport{closed: true}
	body := &closing{Reader: strings.NewReader("x")}
	if _, err := gone.RoundTrip(newCall("X", body)); err != (closedError{}) || !body.closed {
		t.Errorf("a request to a closed database: %v, its body is closed: %t", err, body.closed)
	}
}

// closing is a body that remembers whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// TestPanic checks that a handler's panic breaks the request off, and nothing else.
func TestPanic(t *testing.T) {
	t.Parallel()
	for _, p := range []any{"oh no", http.ErrAbortHandler} {
		tr := &transport{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "begun")
			panic(p)
		})}
		response, err := tr.RoundTrip(newCall("X", nil))
		if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "oh no") != (p == "oh no") {
			t.Errorf("a handler that panics with %v: %v, %v", p, response, err)
		}
		tr.close() // would wait for ever for a request that has not ended
	}
}

// TestHeaderIsTheClients checks that what a client does to an answer's header does not reach the
// next answer.
func TestHeaderIsTheClients(t *testing.T) {
	t.Parallel()
	db := New(t)
	anywhere := func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", "any" }
	for range 2 {
		response, err := db.HTTPClient().Do(newCall("ListTables", strings.NewReader("{}"), anywhere))
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Header["Server"]; fmt.Sprint(got) != "[Server]" {
			t.Errorf("Server: %v", got)
		}
		response.Header["Server"][0] = "changed"
	}
}

// flaky answers its first requests in another way.
type flaky struct {
	http.Handler
	first []http.HandlerFunc
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := f.Handler
	if len(f.first) > 0 {
		h, f.first = f.first[0], f.first[1:]
	}
	h.ServeHTTP(w, r)
}

// TestRetries checks that the SDK's own retryer tries again after a 500 and after a connection that
// broke, and with the whole body.
func TestRetries(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("table", "a:S"))
	f := &flaky{Handler: db.Handler(), first: []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"Internal server error"}`)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}}
	client := dynamodb.NewFromConfig(db.Config(), func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: &transport{handler: f}}
		o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, time.Millisecond)
	})
	in := &dynamodb.PutItemInput{TableName: aws.String("table"), Item: attributes{"a": s("x")}}
	if _, err := client.PutItem(t.Context(), in); err != nil {
		t.Error(err)
	}
	if items := scan(t, db, "table"); len(items) != 1 {
		t.Errorf("the table holds %v", items)
	}
}

// TestCloseWaits checks that Close waits for a request in progress, and that this one is answered.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	begun, release, answered := make(chan struct{}), make(chan struct{}), false
	tr := &transport{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		answered = true
	})}
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := tr.RoundTrip(newCall("X", nil)); err != nil {
			t.Error(err)
		}
	})
	<-begun
	calls.Go(func() {
		tr.close()
		if !answered {
			t.Error("closed before the answer")
		}
	})
	for tr.mu.TryRLock() { // until close waits
		tr.mu.RUnlock()
		runtime.Gosched()
	}
	close(release)
	calls.Wait()
}
