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
	"github.com/partita-db/partita/internal/sigv4"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
	"github.com/partita-db/partita/internal/wiretest"
)

// sink is a ResponseWriter that keeps nothing, so that the benchmark sees the handler's own work.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkHandler is what a request of 300 bytes and an answer of 1 KB cost beyond net/http and
// the operation.
func BenchmarkHandler(b *testing.B) {
	answer := []byte(wiretest.Object(1000))
	h := NewHandler(Options{
		Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 200, append(out, answer...)
		},
	})
	text := wiretest.Object(300)
	body := strings.NewReader(text)
	r, _ := http.NewRequest("POST", "/", nil)
	r.Body, r.ContentLength = io.NopCloser(body), int64(len(text))
	for _, line := range strings.Split(strings.TrimSpace(wiretest.Signed("GetItem")), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	r.Header.Set("Accept-Encoding", "identity")
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(text)
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// BenchmarkAuthenticate is what a signature costs: that of the Go SDK's headers over a body of a
// kilobyte.
func BenchmarkAuthenticate(b *testing.B) {
	for _, test := range []struct {
		name string
		s    sigv4test.Signing
	}{
		{"header", sigv4test.Signing{Headers: "accept-encoding;amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-date;x-amz-target"}},
		{"query", sigv4test.Signing{Headers: "host", Query: true}},
		{"token", sigv4test.Signing{Key: "ASIAALICE", Token: "to+ken/=", Headers: "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"}},
	} {
		b.Run(test.name, func(b *testing.B) {
			h := guarded(b, time.Now)
			body := []byte(wiretest.Object(1000))
			r, _ := http.NewRequest("POST", "http://localhost:8000/", nil)
			for name, value := range map[string]string{
				"Accept-Encoding": "identity", "Amz-Sdk-Invocation-Id": "5b0f2e1c-3f5c-4b57-8a3e-1a2b3c4d5e6f",
				"Amz-Sdk-Request": "attempt=1; max=3", "Content-Length": "1000", "Content-Type": amzJSON,
				"X-Amz-Target": "DynamoDB_20120810.PutItem", "User-Agent": "aws-sdk-go-v2/1.47.7 lang/go#1.26",
			} {
				r.Header.Set(name, value)
			}
			test.s.Secret, test.s.Date = "alices", time.Now().UTC().Format(sigv4.DateFormat)
			if test.s.Key == "" {
				test.s.Key = "AKIDALICE"
			}
			test.s.Sign(r, body)
			x := h.begin(&sink{header: http.Header{}}, r)
			x.in = body
			b.ReportAllocs()
			for b.Loop() {
				x.claim()
				if err := x.authenticate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompress is an answer of a megabyte compressed.
func BenchmarkCompress(b *testing.B) {
	body := bytes.Repeat([]byte(`{"sku":{"S":"TEE-M-BLUE"},"qty":{"N":"2"}},`), 1<<20/43)
	x := &exchange{h: &Handler{}, r: &http.Request{Header: http.Header{"Accept-Encoding": {"gzip"}}}}
	header := http.Header{}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		x.compress(header, body)
	}
}
