package bench

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// faulty stands before a server and does wrong now and then.
type faulty struct {
	inner  http.Handler
	fault  string
	target string // of the requests that it is done to; empty: all
	every  int

	mu      sync.Mutex
	seen    int
	last    []byte          // the request before
	known   map[string]bool // the clients' addresses that have been answered
	dropped bool
}

// ServeHTTP does a request right or wrong.
func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	target := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	f.mu.Lock()
	last := f.last
	now := f.target == "" && target != "CreateTable" && target != "DescribeTable" && target != "DeleteTable" || f.target == target
	if now {
		f.seen++
		f.last = body
		now = f.seen%f.every == 0
		if f.fault == "dropped" {
			now = f.mayDrop(r.RemoteAddr)
		}
	}
	f.mu.Unlock()
	if !now {
		last = nil
	}
	f.answer(w, r, body, last, now)
}

// mayDrop tells whether a request is the one to be dropped. Only a connection that has been in use
// may end so: a server that drops the first request of one is faulty.
func (f *faulty) mayDrop(client string) bool {
	if f.known == nil {
		f.known = map[string]bool{}
	}
	now := !f.dropped && f.seen >= f.every && f.known[client]
	f.known[client] = true
	f.dropped = f.dropped || now
	return now
}

// forward has the server answer a request.
func (f *faulty) forward(r *http.Request, body []byte) *httptest.ResponseRecorder {
	out := r.Clone(r.Context())
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	rec := httptest.NewRecorder()
	f.inner.ServeHTTP(rec, out)
	return rec
}

// answer answers; now says that something is to go wrong.
func (f *faulty) answer(w http.ResponseWriter, r *http.Request, body, last []byte, now bool) {
	var rec *httptest.ResponseRecorder
	if now {
		switch f.fault {
		case "another record":
			body = last
		case "lost":
			io.WriteString(w, "{}")
			return
		case "one less":
			body = bytes.Replace(body, []byte(`"Limit":20`), []byte(`"Limit":19`), 1)
		case "a page left out":
			if key := object(f.forward(r, body).Body.Bytes(), `"LastEvaluatedKey"`); key != nil {
				body = []byte(`{"TableName":"bench-4x50","Limit":100,"ExclusiveStartKey":` + string(key) + `}`)
			}
		case "status 500":
			w.WriteHeader(500)
			return
		case "throttled":
			w.WriteHeader(400)
			io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"later"}`)
			return
		case "dropped":
			panic(http.ErrAbortHandler)
		case "closes":
			w.Header().Set("Connection", "close")
		}
	}
	rec = f.forward(r, body)
	answer := rec.Body.Bytes()
	if now {
		answer = f.spoil(answer, w.Header())
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	if now && f.fault == "truncated" {
		w.Write(answer[:len(answer)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(rec.Code)
	w.Write(answer)
}

// spoil changes an answer.
func (f *faulty) spoil(answer []byte, h http.Header) []byte {
	switch f.fault {
	case "no item":
		return []byte("{}")
	case "a field short":
		if i := bytes.Index(answer, []byte(`,"field3"`)); i > 0 {
			end := i + bytes.Index(answer[i:], []byte(`"}`)) + 2
			return append(answer[:i:i], answer[end:]...)
		}
	case "a letter":
		if i := bytes.Index(answer, []byte(`"field0":{"S":"`)); i > 0 {
			answer[i+len(`"field0":{"S":"`)] = '!'
		}
	case "checksum":
		h.Set("X-Amz-Crc32", "1")
	}
	return answer
}

// TestFaultsAreFound plants faults between the client and a real server, of which each must be
// found, and none of what is no fault.
func TestFaultsAreFound(t *testing.T) {
	for _, test := range []struct {
		workload, fault, target string
		every                   int
		want                    string // in the first errors; empty: none
	}{
		{"a", "", "", 1, ""},
		{"a", "closes", "", 3, ""},
		{"get", "dropped", "GetItem", 20, ""},
		{"transact-write", "throttled", "TransactWriteItems", 3, ""},
		{"get", "another record", "GetItem", 20, "lacks its field"},
		{"get", "no item", "GetItem", 20, "lacks its field"},
		{"get", "a field short", "GetItem", 2, "has 4 attributes"},
		{"get", "a letter", "GetItem", 2, "field0"},
		{"get", "truncated", "GetItem", 20, "unexpected EOF"},
		{"get", "status 500", "GetItem", 20, "status 500"},
		{"get", "checksum", "GetItem", 20, "checksum"},
		{"update", "lost", "UpdateItem", 2, "no acknowledged write that is the newest"},
		{"put", "lost", "PutItem", 2, "no acknowledged write that is the newest"},
		{"d", "lost", "PutItem", 5, "lacks its field"},
		{"batch-write", "lost", "BatchWriteItem", 30, "no acknowledged write that is the newest"},
		{"transact-write", "lost", "TransactWriteItems", 2, "no acknowledged write that is the newest"},
		{"batch-get", "another record", "BatchGetItem", 3, "batch-get"},
		{"batch-get", "no item", "BatchGetItem", 3, "has answered 0"},
		{"query", "one less", "Query", 10, "19 came, of 20 at least"},
		{"query", "another record", "Query", 10, "query: "},
		{"scan", "a page left out", "Scan", 5, "the pages of the whole table have"},
		{"scan-filter", "no item", "Scan", 5, "ScannedCount of -1"},
	} {
		if testing.Short() && test.fault == "lost" && test.workload != "update" {
			continue // four times much the same
		}
		t.Run(test.workload+" "+test.fault, func(t *testing.T) {
			s := serve(t, &faulty{inner: database(t, nil), fault: test.fault, target: test.target, every: test.every})
			var found *Result
			var told []string
			patiently(func(d time.Duration) bool {
				found, told = runWithFault(t, s.URL, test.workload, d)
				return test.want == "" || strings.Contains(strings.Join(told, "\n"), test.want)
			})
			switch {
			case int64(len(found.Errors)) != min(found.Wrong, fewErrors) || len(told) != len(found.Errors):
				t.Errorf("%d answers are wrong, and in the result are %q", found.Wrong, found.Errors)
			case test.want != "" && !strings.Contains(strings.Join(told, "\n"), test.want):
				t.Errorf("it has found %q, want %q", told, test.want)
			case test.want == "" && (found.Wrong > 0 || (test.fault == "throttled") != (found.Throttled > 0) || (test.fault == "dropped") != (found.Dropped > 0)):
				t.Errorf("%d answers are wrong, %d throttled, %d dropped: %q", found.Wrong, found.Throttled, found.Dropped, told)
			}
		})
	}
}

// runWithFault runs a workload, and returns its result and what was told of errors. So many errors
// that the run ends are no surprise.
func runWithFault(t *testing.T, endpoint, workload string, d time.Duration) (res *Result, told []string) {
	t.Helper()
	c := small(endpoint, workload)
	if c.Duration, c.Dist = d, Uniform; workload == "d" {
		c.Dist = Latest
	}
	var mu sync.Mutex
	c.Complain = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, text)
	}
	r, err := Run(t.Context(), c)
	if r == nil || len(r.Workloads) != 1 || err != nil && !strings.Contains(err.Error(), "1000 errors") {
		t.Fatalf("no result: %v", err)
	}
	return r.Workloads[0], told
}
