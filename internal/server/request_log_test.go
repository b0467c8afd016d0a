package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/wiretest"
)

// BenchmarkRequestLog is what it costs to count a request and to look whether it was slow, beside
// one that nobody watches.
func BenchmarkRequestLog(b *testing.B) {
	for _, watched := range []bool{false, true} {
		name := map[bool]string{false: "no", true: "yes"}[watched]
		b.Run(name, func(b *testing.B) {
			o := watching(watched)
			b.ReportAllocs()
			for b.Loop() {
				o()
			}
		})
	}
}

// TestRequestLogAllocates checks that nothing is allocated for the sake of counting.
func TestRequestLogAllocates(t *testing.T) {
	plain, watched := testing.AllocsPerRun(200, watching(false)), testing.AllocsPerRun(200, watching(true))
	if watched > plain {
		t.Errorf("a watched request makes %v allocations, another one %v", watched, plain)
	}
}

// watching returns a function that answers one request, watched or not.
func watching(watched bool) func() {
	o := Options{
		Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 200, append(out, "{}"...)
		},
	}
	if watched {
		o.Metrics, o.SlowRequest = metrics.New(api.OperationNames()), time.Second
	}
	h := NewHandler(o)
	body := strings.NewReader("{}")
	r, _ := http.NewRequest("POST", "/", nil)
	r.Body, r.ContentLength = io.NopCloser(body), 2
	for _, line := range strings.Split(strings.TrimSpace(wiretest.Signed("GetItem")), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := &sink{header: http.Header{}}
	return func() {
		body.Reset("{}")
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// TestSlowLogRate checks that there are so many lines a second, and that the next one tells of
// those left out.
func TestSlowLogRate(t *testing.T) {
	var l slowLog
	at := time.Unix(100, 0)
	for i := range 25 {
		if _, ok := l.admit(at); ok != (i < slowLines) {
			t.Fatalf("line %d of a second: admitted %v", i, ok)
		}
	}
	if left, ok := l.admit(at.Add(time.Second)); !ok || left != 15 {
		t.Errorf("the next second's first: admitted %v, %d left out, want 15", ok, left)
	}
	if left, ok := l.admit(at.Add(time.Second)); !ok || left != 0 {
		t.Errorf("the one after it: admitted %v, %d left out, want none", ok, left)
	}
}

// TestSlowLine checks the line about a slow request that does not come to an operation, and that a
// made-up target is not repeated.
func TestSlowLine(t *testing.T) {
	var log bytes.Buffer
	h := NewHandler(Options{
		SlowRequest: 1, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 400, append(out, unknownOperation...)
		},
	})
	r, _ := http.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.hunter2")
	r.Header.Set("Content-Type", amzJSON)
	h.ServeHTTP(&sink{header: http.Header{}}, r)
	line, _, _ := strings.Cut(log.String(), "\n") // the next one is about the target
	for _, want := range []string{"level=WARN", `msg="a slow request"`, "operation=Unknown", "code=UnknownOperationException", "status=400", "request_id="} {
		if !strings.Contains(line, want) {
			t.Errorf("the line lacks %q: %s", want, line)
		}
	}
	if strings.Contains(line, "hunter2") {
		t.Errorf("the line has what the client made up: %s", line)
	}
}
