package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/sigv4"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
	"github.com/partita-db/partita/internal/wiretest"
)

// guarded returns a handler that asks for the credentials of everybody.
func guarded(t testing.TB, now func() time.Time) *Handler {
	t.Helper()
	store, err := iam.Parse([]byte(wiretest.Everybody))
	if err != nil {
		t.Fatal(err)
	}
	return NewHandler(Options{Serve: wiretest.Whoami, Credentials: store, Now: now, Logger: slog.New(slog.DiscardHandler)})
}

// TestSignatures sends requests that are signed, and then changed, and shows the answers. See
// testdata/signatures for how.
func TestSignatures(t *testing.T) {
	datadriven.RunTest(t, "testdata/signatures", func(t *testing.T, d *datadriven.TestData) string {
		clock := clocktest.New(wiretest.Noon)
		h := guarded(t, clock.Now)
		r := httptest.NewRequest("POST", "http://localhost:8000/", nil)
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
		body := "{}"
		sigv4test.SetBody(r, body)
		for _, line := range strings.Split(d.Input, "\n") {
			op, rest, _ := strings.Cut(line, " ")
			name, value, _ := strings.Cut(rest, ": ")
			switch op {
			case "":
			case "now":
				clock.Set(parseTime(t, rest))
			case "method":
				r.Method = rest
			case "target":
				u, err := r.URL.Parse(rest)
				if err != nil {
					t.Fatal(err)
				}
				r.URL = u
			case "set":
				r.Header.Set(name, value)
			case "add":
				r.Header.Add(name, value)
			case "del":
				r.Header.Del(rest)
			case "host":
				r.Host = rest
			case "body":
				body = rest
				sigv4test.SetBody(r, body)
			case "pack":
				body = compressed(t, rest, body)
				sigv4test.SetBody(r, body)
				r.Header.Set("Content-Encoding", rest)
			case "more": // behind the compressed body
				body += rest
				sigv4test.SetBody(r, body)
			case "sign":
				signingOf(t, rest).Sign(r, []byte(body))
			case "edit":
				edit(t, r, rest)
			default:
				t.Fatalf("%s: unknown operation", line)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return fmt.Sprintf("%d %s\n", w.Code, w.Body)
	})
}

// parseTime reads a time as signatures have it.
func parseTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(sigv4.DateFormat, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// signingOf reads key=value pairs.
func signingOf(t *testing.T, text string) sigv4test.Signing {
	t.Helper()
	s := sigv4test.Signing{Key: "AKIDALICE", Secret: "alices"}
	fields := map[string]*string{
		"key": &s.Key, "secret": &s.Secret, "token": &s.Token, "date": &s.Date, "region": &s.Region, "service": &s.Service,
		"algorithm": &s.Algorithm, "day": &s.Day, "term": &s.Term, "headers": &s.Headers,
	}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		if name == "query" {
			s.Query = true
		} else if fields[name] == nil {
			t.Fatalf("sign has no %s", name)
		} else {
			*fields[name] = value
		}
	}
	return s
}

// edit replaces a text, written OLD => NEW, in the Authorization header and the query string.
func edit(t *testing.T, r *http.Request, text string) {
	t.Helper()
	old, new, _ := strings.Cut(text, " =>")
	new = strings.TrimPrefix(new, " ")
	header, query := r.Header.Get("Authorization"), r.URL.RawQuery
	if !strings.Contains(header+query, old) {
		t.Fatalf("edit %s: there is none", text)
	}
	if header != "" {
		r.Header.Set("Authorization", strings.ReplaceAll(header, old, new))
	}
	r.URL.RawQuery = strings.ReplaceAll(query, old, new)
}

// TestTampering changes each character of a signature in turn.
func TestTampering(t *testing.T) {
	h := guarded(t, func() time.Time { return wiretest.Noon })
	r := httptest.NewRequest("POST", "/", nil)
	sigv4test.Signing{Key: "AKIDALICE", Secret: "alices"}.Sign(r, nil)
	header := r.Header.Get("Authorization")
	first := len(header) - 2*sha256.Size
	for i := first; i < len(header); i++ {
		changed := []byte(header)
		changed[i] ^= 1
		r.Header.Set("Authorization", string(changed))
		if err := authenticateOn(h, r); err != errMismatch {
			t.Errorf("with another character %d: %v", i-first, err)
		}
	}
	for _, signature := range []string{header[:len(header)-1], header + "0", header[:first] + strings.ToUpper(header[first:])} {
		r.Header.Set("Authorization", signature)
		if err := authenticateOn(h, r); err != errMismatch {
			t.Errorf("signature %s: %v", signature[first:], err)
		}
	}
	r.Header.Set("Authorization", header)
	for _, method := range []string{"PUT", "post", ""} {
		r.Method = method
		if err := authenticateOn(h, r); err != errMismatch {
			t.Errorf("as %s: %v", method, err)
		}
	}
	r.Method = "POST"
	if err := authenticateOn(h, r); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// TestLongSignedHeaders signs a long header over and over: the canonical form would take much more
// memory than the request.
func TestLongSignedHeaders(t *testing.T) {
	h := guarded(t, func() time.Time { return wiretest.Noon })
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("A", strings.Repeat("x", 30_000))
	sigv4test.Signing{Key: "AKIDALICE", Secret: "alices", Headers: "host" + strings.Repeat(";a", 100)}.Sign(r, nil)
	if err := authenticateOn(h, r); err != errMismatch {
		t.Errorf("authenticate: %v", err)
	}
}

// TestChunkedBody signs a body that is sent in chunks, whose length nobody announces.
func TestChunkedBody(t *testing.T) {
	h := guarded(t, func() time.Time { return wiretest.Noon })
	for _, test := range []struct {
		sent string
		want error
	}{{wiretest.Object(100_000), nil}, {wiretest.Object(100_001), errMismatch}} {
		r := httptest.NewRequest("POST", "/", nil)
		sigv4test.Signing{Key: "AKIDALICE", Secret: "alices"}.Sign(r, []byte(wiretest.Object(100_000)))
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader(test.sent)), -1, []string{"chunked"}
		if err := authenticateOn(h, r); err != test.want {
			t.Errorf("%d bytes: %v, want %v", len(test.sent), err, test.want)
		}
	}
}

// authenticateOn reads a request as the handler does, and tells what is wrong with its signature.
func authenticateOn(h *Handler, r *http.Request) error {
	x := h.begin(httptest.NewRecorder(), r)
	defer x.end()
	x.claim()
	if err := x.readBody(); err != nil {
		return err
	}
	return x.authenticate()
}

// signable tells whether a header of any name may be signed without more ado: package http lets no
// other characters in.
func signable(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	name = strings.ToLower(name)
	return name != "" && !strings.HasPrefix(name, "x-amz") && name != "authorization" && name != "host" && name != "content-encoding"
}

// FuzzSignature makes up requests. One that is signed well by the plain rules is let in, and no
// other.
func FuzzSignature(f *testing.F) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIDALICE/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature="
	zeros := hex.EncodeToString(make([]byte, sha256.Size))
	f.Add("POST", "/", "", "", "20261122T120000Z", "X-A", "b", "", "{}", true, false)
	f.Add("POST", "/a/./b//../c%20d/", "b=2&a=1&a=0&c=%2F+x", "", "20261122T120000Z", "X-A", "  b   c ", "", "", true, true)
	f.Add("GET", "/", "", good+zeros, "20261122T120000Z", "Date", "Sun, 22 Nov 2026 12:00:00 GMT", "token", "", false, false)
	f.Add("GET", "/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%", "", "20261122", "Content-Encoding", "gzip", "t", "\x1f", false, false)
	h := guarded(f, func() time.Time { return wiretest.Noon })
	f.Fuzz(func(t *testing.T, method, path, query, authorization, date, name, value, token, body string, sign, inQuery bool) {
		r := httptest.NewRequest("POST", "http://localhost/", nil)
		u, err := r.URL.Parse("http://localhost/" + strings.ReplaceAll(strings.ReplaceAll(path, "?", ""), "#", ""))
		if err != nil {
			return
		}
		r.Method, r.URL = method, u
		r.URL.RawQuery = query
		r.Header = http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}}
		if token != "" {
			r.Header["X-Amz-Security-Token"] = []string{token}
		}
		if name != "" {
			r.Header[http.CanonicalHeaderKey(name)] = []string{value, "second"}
		}
		sigv4test.SetBody(r, body)
		want := false
		if _, err := url.ParseQuery(query); sign && err == nil && !strings.Contains(query, "X-Amz-") && token == "" {
			headers := "host"
			if signable(name) {
				headers += ";" + strings.ToLower(name)
			} else {
				delete(r.Header, http.CanonicalHeaderKey(name))
			}
			r.Header.Del("Authorization")
			sigv4test.Signing{Key: "AKIDALICE", Secret: "alices", Headers: headers, Query: inQuery}.Sign(r, []byte(body))
			want = true
		}
		err = authenticateOn(h, r)
		if (err == nil) != want {
			t.Errorf("%s %s %q, signed well: %v: %v", r.Method, r.URL, r.Header, want, err)
		}
	})
}
