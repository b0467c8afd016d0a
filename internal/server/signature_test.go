package server

import (
	"bufio"
	"context"
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

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/iam"
)

// TestVectors signs the requests of AWS's Signature Version 4 test suite and of its guide, and
// expects their signatures.
func TestVectors(t *testing.T) {
	const vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, test := range []struct {
		name, method, target, headers, signed, body, want string
	}{
		{name: "get-vanilla", target: "/", want: vanilla},
		{name: "get-slash", target: "//", want: vanilla},
		{name: "get-relative", target: "/example/..", want: vanilla},
		{name: "get-relative-relative", target: "/example1/example2/../..", want: vanilla},
		{name: "get-slash-dot-slash", target: "/./", want: vanilla},
		{name: "get-slashes", target: "//example//", want: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{name: "get-slash-pointless-dot", target: "/./example", want: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{name: "get-unreserved", target: "/" + unreserved, want: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{name: "get-utf8", target: "/ሴ", want: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{name: "get-vanilla-query-order-key-case", target: "/?Param2=value2&Param1=value1",
			want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "get-vanilla-empty-query-key", target: "/?Param1=value1",
			want: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{name: "get-vanilla-query-order-value", target: "/?Param1=value2&Param1=value1",
			want: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
		{name: "get-vanilla-query-unreserved", target: "/?" + unreserved + "=" + unreserved,
			want: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{name: "get-vanilla-utf8-query", target: "/?ሴ=bar", want: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{name: "get-header-key-duplicate", target: "/", headers: "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n",
			signed: "host;my-header1;x-amz-date", want: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{name: "get-header-value-order", target: "/", headers: "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n",
			signed: "host;my-header1;x-amz-date", want: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{name: "get-header-value-trim", target: "/", headers: "My-Header1: value1\nMy-Header2: \"a   b   c\"\n",
			signed: "host;my-header1;my-header2;x-amz-date", want: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{name: "post-vanilla", method: "POST", target: "/", want: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "post-vanilla-query", method: "POST", target: "/?Param1=value1",
			want: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{name: "post-header-key-sort", method: "POST", target: "/", headers: "My-Header1:value1\n",
			signed: "host;my-header1;x-amz-date", want: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{name: "post-header-value-case", method: "POST", target: "/", headers: "My-Header1:VALUE1\n",
			signed: "host;my-header1;x-amz-date", want: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
		{name: "post-x-www-form-urlencoded", method: "POST", target: "/", body: "Param1=value1",
			headers: "Content-Type:application/x-www-form-urlencoded\n", signed: "content-type;host;x-amz-date",
			want: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.method == "" {
				test.method = "GET"
			}
			if test.signed == "" {
				test.signed = "host;x-amz-date"
			}
			raw := test.method + " " + test.target + " HTTP/1.1\nHost:example.amazonaws.com\n" + test.headers + "X-Amz-Date:20150830T123600Z\n\n"
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
			if err != nil {
				t.Fatal(err)
			}
			s := signing{secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", date: "20150830T123600Z", service: "service"}.complete()
			c := canonical{date: s.date, scope: s.scope()}
			text, ok := c.stringToSign(r, &signature{signedHeaders: test.signed}, sha256.Sum256([]byte(test.body)))
			if !ok {
				t.Fatal("the request is said to be too long")
			}
			if got := s.signature(string(text)); got != test.want {
				t.Errorf("signature %s, want %s; signed:\n%s", got, test.want, text)
			}
		})
	}
}

// TestGuide is the example of AWS's guide, with its string to sign.
func TestGuide(t *testing.T) {
	r := httptest.NewRequest("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	c := canonical{date: "20150830T123600Z", scope: "20150830/us-east-1/iam/aws4_request"}
	text, _ := c.stringToSign(r, &signature{signedHeaders: "content-type;host;x-amz-date"}, sha256.Sum256(nil))
	const want = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n" +
		"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
	if string(text) != want {
		t.Errorf("the string to sign is\n%s\nwant\n%s", text, want)
	}
}

// everybody are the credentials of these tests.
const everybody = `{"credentials": [
	{"accessKeyId": "AKIDALICE", "secretAccessKey": "alices", "user": "alice", "policy": ` + everything + `},
	{"accessKeyId": "AKIDBOB", "secretAccessKey": "bobs", "expires": "2026-11-22T12:00:01Z", "policy": ` + everything + `},
	{"accessKeyId": "ASIAALICE", "secretAccessKey": "alices", "sessionToken": "to+ken/=", "user": "alice", "policy": ` + everything + `},
	{"accessKeyId": "ASIAENDED", "secretAccessKey": "ended", "sessionToken": "token", "expires": "2026-11-22T12:00:00Z",
		"policy": ` + everything + `}
]}`

const everything = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`

// noon is the time in these tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// whoami answers who the handler says it is, and what it was sent.
func whoami(_ context.Context, r *api.Request, out []byte) (int, []byte) {
	p := r.Principal
	return 200, fmt.Appendf(out, "%s is %s in %s: %.40s", p.AccessKeyID, p.User, r.Region, r.Body)
}

// guarded returns a handler that asks for the credentials of everybody.
func guarded(t testing.TB, now func() time.Time) *Handler {
	t.Helper()
	store, err := iam.Parse([]byte(everybody))
	if err != nil {
		t.Fatal(err)
	}
	return NewHandler(Options{Serve: whoami, Credentials: store, Now: now, Logger: slog.New(slog.DiscardHandler)})
}

// TestSignatures sends requests that are signed, and then changed, and shows the answers. See
// testdata/signatures for how.
func TestSignatures(t *testing.T) {
	datadriven.RunTest(t, "testdata/signatures", func(t *testing.T, d *datadriven.TestData) string {
		now := noon
		h := guarded(t, func() time.Time { return now })
		r := httptest.NewRequest("POST", "http://localhost:8000/", nil)
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
		body := "{}"
		setBody(r, body)
		for _, line := range strings.Split(d.Input, "\n") {
			op, rest, _ := strings.Cut(line, " ")
			name, value, _ := strings.Cut(rest, ": ")
			switch op {
			case "":
			case "now":
				now = parseTime(t, rest)
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
				setBody(r, body)
			case "pack":
				body = compressed(t, rest, body)
				setBody(r, body)
				r.Header.Set("Content-Encoding", rest)
			case "more": // behind the compressed body
				body += rest
				setBody(r, body)
			case "sign":
				signingOf(t, rest).sign(r, []byte(body))
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
	at, err := time.Parse(basicFormat, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// signingOf reads key=value pairs.
func signingOf(t *testing.T, text string) signing {
	t.Helper()
	s := signing{key: "AKIDALICE", secret: "alices"}
	fields := map[string]*string{
		"key": &s.key, "secret": &s.secret, "token": &s.token, "date": &s.date, "region": &s.region, "service": &s.service,
		"algorithm": &s.algorithm, "day": &s.day, "term": &s.term, "headers": &s.headers,
	}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		if name == "query" {
			s.query = true
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
	h := guarded(t, func() time.Time { return noon })
	r := httptest.NewRequest("POST", "/", nil)
	signing{key: "AKIDALICE", secret: "alices"}.sign(r, nil)
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
	h := guarded(t, func() time.Time { return noon })
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("A", strings.Repeat("x", 30_000))
	signing{key: "AKIDALICE", secret: "alices", headers: "host" + strings.Repeat(";a", 100)}.sign(r, nil)
	if err := authenticateOn(h, r); err != errMismatch {
		t.Errorf("authenticate: %v", err)
	}
}

// TestChunkedBody signs a body that is sent in chunks, whose length nobody announces.
func TestChunkedBody(t *testing.T) {
	h := guarded(t, func() time.Time { return noon })
	for _, test := range []struct {
		sent string
		want error
	}{{object(100_000), nil}, {object(100_001), errMismatch}} {
		r := httptest.NewRequest("POST", "/", nil)
		signing{key: "AKIDALICE", secret: "alices"}.sign(r, []byte(object(100_000)))
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
	h := guarded(f, func() time.Time { return noon })
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
		setBody(r, body)
		want := false
		if _, err := url.ParseQuery(query); sign && err == nil && !strings.Contains(query, "X-Amz-") && token == "" {
			headers := "host"
			if signable(name) {
				headers += ";" + strings.ToLower(name)
			} else {
				delete(r.Header, http.CanonicalHeaderKey(name))
			}
			r.Header.Del("Authorization")
			signing{key: "AKIDALICE", secret: "alices", headers: headers, query: inQuery}.sign(r, []byte(body))
			want = true
		}
		err = authenticateOn(h, r)
		if (err == nil) != want {
			t.Errorf("%s %s %q, signed well: %v: %v", r.Method, r.URL, r.Header, want, err)
		}
	})
}
