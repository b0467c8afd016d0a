package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/api"
)

// sink is a ResponseWriter that keeps nothing, so that the benchmark sees the handler's own work.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkHandler is what a request of 300 bytes and an answer of 1 KB cost beyond net/http and the operation.
func BenchmarkHandler(b *testing.B) {
	answer := []byte(object(1000))
	h := NewHandler(Options{
		Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 200, append(out, answer...)
		},
	})
	text := object(300)
	body := strings.NewReader(text)
	r, _ := http.NewRequest("POST", "/", nil)
	r.Body, r.ContentLength = io.NopCloser(body), int64(len(text))
	for _, line := range strings.Split(strings.TrimSpace(signed("GetItem")), "\r\n")[1:] {
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

// BenchmarkPack is an answer of a megabyte compressed.
func BenchmarkPack(b *testing.B) {
	body := bytes.Repeat([]byte(`{"sku":{"S":"TEE-M-BLUE"},"qty":{"N":"2"}},`), 1<<20/43)
	x := &exchange{r: &http.Request{Header: http.Header{"Accept-Encoding": {"gzip"}}}}
	header := http.Header{}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		x.pack(header, body)
	}
}
