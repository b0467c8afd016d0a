package server

import (
	"hash/crc32"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/wiretest"
)

// FuzzRequest sends headers and bodies of any form through a Handler. Whatever comes, there is one
// answer, its headers fit its body, and the memory for large bodies is all there afterwards.
func FuzzRequest(f *testing.F) {
	const header = "AWS4-HMAC-SHA256 Credential=a/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
	f.Add("POST", "", amzJSON, header, "gzip;q=0, deflate", "", []byte("{}"))
	f.Add("POST", "X-Amz-Algorithm=a&X-Amz-Credential=a", plainJSON, "", "gzip", "gzip", []byte("\x1f\x8b\x08"))
	f.Add("GET", "X-Amz-Algorithm=%", "text/plain; a=b", "AWS4-", "*", "deflate", []byte("\x78\x9c"))
	f.Add("OPTIONS", "", "", "AWS4-HMAC-SHA256 Credential=/////, Credential", "", "br", []byte("["))
	h := NewHandler(Options{Serve: wiretest.Told, Logger: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, method, query, contentType, authorization, accept, encoding string, body []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Method, r.URL = method, &url.URL{Path: "/", RawQuery: query}
		r.Header = http.Header{
			"X-Amz-Target": {"DynamoDB_20120810.Echo"}, "Date": {"now"}, "Content-Type": {contentType},
			"Authorization": {authorization}, "Accept-Encoding": {accept}, "Content-Encoding": {encoding},
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 404, 413, 500:
		default:
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if got, want := w.Header().Get("Content-Length"), strconv.Itoa(w.Body.Len()); got != want {
			t.Errorf("Content-Length is %s, want %s", got, want)
		}
		sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10)
		if got := w.Header().Get("X-Amz-Crc32"); got != sum {
			t.Errorf("x-amz-crc32 is %s, want %s", got, sum)
		}
		if left := h.budget.left.Load(); left != defaultBufferBytes {
			t.Errorf("%d bytes of the budget are left", left)
		}
	})
}
