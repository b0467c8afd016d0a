package server

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/wiretest"
)

// packing are the compressions by the name that a Content-Encoding gives them.
var packing = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, 1); return z },
	"x-gzip":  func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, 1); return z },
	"deflate": func(w io.Writer) io.WriteCloser { z, _ := zlib.NewWriterLevel(w, 1); return z },
	"Deflate": func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 1); return z }, // bare, as some send it
}

// compressed returns the text compressed.
func compressed(t *testing.T, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := packing[encoding](&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// chunked writes the body in chunks of the sizes given, the last one repeated.
func chunked(operation, more, body string, sizes ...int) string {
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\n" + wiretest.Signed(operation) + more + "Transfer-Encoding: chunked\r\n\r\n")
	for i := 0; body != ""; i++ {
		n := min(len(body), sizes[min(i, len(sizes)-1)])
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

// callRaw sends a raw request on a connection of its own that must survive it, but for one with
// chunks, and returns the answer.
func callRaw(t *testing.T, addr, raw string) (*http.Response, string) {
	t.Helper()
	c, r := wiretest.Dial(t, addr)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	resp, body := wiretest.AnswerTo(t, r, "POST")
	if sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10); resp.Header.Get("X-Amz-Crc32") != sum {
		t.Errorf("x-amz-crc32 is %s, the body's is %s", resp.Header.Get("X-Amz-Crc32"), sum)
	}
	if resp.Close {
		if !strings.Contains(raw, "Transfer-Encoding: chunked\r\n") || !wiretest.Closed(r) {
			t.Errorf("the connection is closed, or is said to be")
		}
		return resp, body
	}
	if _, err := io.WriteString(c, wiretest.Request("Echo", "", `{"still":"here"}`)); err != nil {
		t.Fatal(err)
	}
	if _, again := wiretest.AnswerTo(t, r, "POST"); again != `{"still":"here"}` {
		t.Errorf("the next request on the connection was answered %q", again)
	}
	return resp, body
}

func TestBodies(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told})
	sizes := []int{2, 1000, freeBytes - 1, freeBytes, freeBytes + 1, 3 * freeBytes, pooledBytes + 1}
	for _, n := range sizes {
		body := "{}"
		if n > 8 {
			body = wiretest.Object(n)
		}
		for name, raw := range map[string]string{
			"with its length": wiretest.Request("Echo", "", body),
			"in chunks":       chunked("Echo", "", body, 1, 7, 30000),
			"in one chunk":    chunked("Echo", "", body, n),
			"identity":        wiretest.Request("Echo", "Content-Encoding: identity\r\n", body),
		} {
			if _, got := callRaw(t, addr, raw); got != body {
				t.Errorf("%d bytes %s: %d bytes came back", n, name, len(got))
			}
		}
		for encoding := range packing {
			if n == pooledBytes+1 && encoding != "gzip" {
				continue // the decompressors differ in what they do at the end, not by size
			}
			more, small := "Content-Encoding: "+encoding+"\r\n", compressed(t, encoding, body)
			if _, got := callRaw(t, addr, wiretest.Request("Echo", more, small)); got != body {
				t.Errorf("%d bytes as %s: %d bytes came back", n, encoding, len(got))
			}
			if _, got := callRaw(t, addr, chunked("Echo", more, small, 10, 4000)); got != body {
				t.Errorf("%d bytes as %s in chunks: %d bytes came back", n, encoding, len(got))
			}
		}
	}
}

func TestBodyLimit(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told})
	whole, over := wiretest.Object(maxBodyBytes), wiretest.Object(maxBodyBytes+1)
	if testing.Short() { // what the race detector would see, it sees in TestBodies too
		t.Skip("slow with the race detector")
	}
	for name, raw := range map[string]string{
		"with its length": wiretest.Request("Echo", "", whole),
		"in chunks":       chunked("Echo", "", whole, 1<<20),
		"gzip":            wiretest.Request("Echo", "Content-Encoding: gzip\r\n", compressed(t, "gzip", whole)),
	} {
		if resp, got := callRaw(t, addr, raw); resp.StatusCode != 200 || got != whole {
			t.Errorf("16 MiB %s: %d, %d bytes", name, resp.StatusCode, len(got))
		}
	}
	for name, raw := range map[string]string{
		"with its length": wiretest.Request("Echo", "", over),
		"in chunks":       chunked("Echo", "", over, 1<<20),
		"gzip":            wiretest.Request("Echo", "Content-Encoding: gzip\r\n", compressed(t, "gzip", over)),
		"deflate":         wiretest.Request("Echo", "Content-Encoding: deflate\r\n", compressed(t, "deflate", over)),
		"a gzip bomb":     wiretest.Request("Echo", "Content-Encoding: gzip\r\n", compressed(t, "gzip", strings.Repeat("0", 1<<26))),
		"unsigned":        strings.Replace(wiretest.Request("Echo", "", over), "Authorization", "Other", 1), // size is looked at first
	} {
		resp, got := callRaw(t, addr, raw)
		if resp.StatusCode != 413 || got != "" || resp.Header.Get("Content-Length") != "0" {
			t.Errorf("16 MiB and a byte %s: %d, %d bytes, want an empty 413", name, resp.StatusCode, len(got))
		}
	}
}

// TestBodyFarTooLarge announces more than anybody would read to the end.
func TestBodyFarTooLarge(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told})
	for _, more := range []string{"", "Expect: 100-continue\r\n"} {
		c, r := wiretest.Dial(t, addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n", wiretest.Signed("Echo"), more, int64(1)<<40)
		if resp, _ := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 413 || !resp.Close {
			t.Errorf("a terabyte %q: %d, closing %v", more, resp.StatusCode, resp.Close)
		}
	}
}

// TestExpectContinue checks that a client that waits for it is told to go on.
func TestExpectContinue(t *testing.T) {
	c, r := wiretest.Dial(t, startServer(t, Options{Serve: wiretest.Told}))
	fmt.Fprintf(c, "POST / HTTP/1.1\r\n%sExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", wiretest.Signed("Echo"))
	line, _ := r.ReadString('\n')
	if !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, want 100 Continue", line)
	}
	r.ReadString('\n')
	io.WriteString(c, "{}")
	if _, body := wiretest.AnswerTo(t, r, "POST"); body != "{}" {
		t.Errorf("answered %q", body)
	}
}

// encoded is a request with a body that is said to be encoded so.
func encoded(encoding, body string) string {
	return wiretest.Request("Echo", "Content-Encoding: "+encoding+"\r\n", body)
}

// badSum is a gzip of which a bit of the checksum is wrong.
func badSum(gzip string) string {
	b := []byte(gzip)
	b[len(b)-8] ^= 1
	return string(b)
}

// TestGzipMembers sends what gzip allows, and what AWS takes beside it: several members, and
// anything behind the last one.
func TestGzipMembers(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told})
	first, second := compressed(t, "gzip", `{"a":`), compressed(t, "gzip", `1}`)
	for name, body := range map[string]string{
		"two members":          first + second,
		"and one with nothing": first + compressed(t, "gzip", "") + second,
		"and junk":             first + second + "junk",
		"and a byte":           first + second + "\x1f",
		"and much junk":        first + second + strings.Repeat("j", 300_000),
	} {
		if resp, got := callRaw(t, addr, wiretest.Request("Echo", "Content-Encoding: gzip\r\n", body)); got != `{"a":1}` {
			t.Errorf("%s: %d %s", name, resp.StatusCode, got)
		}
	}
}

// TestBrokenBodies sends bodies that are not what their encoding says, and some in encodings that
// nobody knows. None is executed.
func TestBrokenBodies(t *testing.T) {
	var served atomic.Int32
	addr := startServer(t, Options{Serve: func(ctx context.Context, r *api.Request, out []byte) (int, []byte) {
		if !strings.Contains(string(r.Body), "still") { // callRaw's own
			served.Add(1)
		}
		return wiretest.Told(ctx, r, out)
	}})
	for name, raw := range map[string]string{
		"not gzip":           encoded("gzip", "{}"),
		"half a gzip":        encoded("gzip", compressed(t, "gzip", wiretest.Object(5000))[:30]),
		"bad deflate":        encoded("deflate", "\x78\x01nothing"),
		"bad bare deflate":   encoded("deflate", "\xffnothing"),
		"half a deflate":     encoded("deflate", compressed(t, "deflate", wiretest.Object(5000))[:30]),
		"a bad checksum":     encoded("gzip", badSum(compressed(t, "gzip", "{}"))),
		"a bad member":       encoded("gzip", compressed(t, "gzip", "{}")+compressed(t, "gzip", " ")[:15]),
		"no gzip":            encoded("gzip", ""),
		"no gzip, chunked":   chunked("Echo", "Content-Encoding: gzip\r\n", ""),
		"no deflate":         encoded("deflate", ""),
		"brotli":             encoded("br", "{}"),
		"an unknown one":     encoded("x", "{}"),
		"unknown, chunked":   chunked("Echo", "Content-Encoding: x\r\n", "{}", 1),
		"twice":              encoded("gzip, gzip", compressed(t, "gzip", compressed(t, "gzip", "{}"))),
		"gzip, identity":     encoded("gzip, identity", compressed(t, "gzip", "{}")),
		"in two headers":     encoded("identity\r\nContent-Encoding: gzip", compressed(t, "gzip", "{}")),
		"gzip, then unknown": encoded("gzip\r\nContent-Encoding: x", compressed(t, "gzip", "{}")),
		"a second unknown":   encoded("identity\r\nContent-Encoding: x", "{}"),
	} {
		if resp, body := callRaw(t, addr, raw); resp.StatusCode != 500 || body != string(internalError) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d of them were executed", n)
	}
	// Where the next request would begin is lost, so the connection is closed after the answer.
	c, r := wiretest.Dial(t, addr)
	io.WriteString(c, "POST / HTTP/1.1\r\n"+wiretest.Signed("Echo")+"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
	if resp, body := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 400 || body != string(malformed) || !resp.Close {
		t.Errorf("malformed chunks: %d %s, closing %v", resp.StatusCode, body, resp.Close)
	}
}

// TestEncodings checks when and how answers are compressed.
func TestEncodings(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told})
	noise := func(n int) string { // does not compress below its size: all 256 bytes, in no order
		b, x := make([]byte, n), uint32(1)
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = byte(x >> 24)
		}
		return string(b)
	}
	for _, test := range []struct {
		operation, accept, body, want string
	}{
		{"Echo", "gzip", wiretest.Object(compressBytes), "gzip"},
		{"Echo", "gzip, deflate, br", wiretest.Object(100000), "gzip"},
		{"Echo", "br, deflate", wiretest.Object(100000), "deflate"},
		{"Echo", "deflate, gzip;q=0", wiretest.Object(100000), "deflate"},
		{"Echo", "GZIP; q=0.5", wiretest.Object(3 << 20), "gzip"},
		{"Echo", "gzip", wiretest.Object(compressBytes - 1), ""},
		{"Echo", "identity", wiretest.Object(100000), ""},
		{"Echo", "gzip;q=0", wiretest.Object(100000), ""},
		{"Echo", "br", wiretest.Object(100000), ""},
		{"Echo", "gzip", noise(5000), ""},
		{"FailWith", "gzip", wiretest.Object(100000), ""},
	} {
		resp, body := callRaw(t, addr, wiretest.Request(test.operation, "Accept-Encoding: "+test.accept+"\r\n", test.body))
		if got := resp.Header.Get("Content-Encoding"); got != test.want {
			t.Errorf("%s, Accept-Encoding %q, %d bytes: Content-Encoding %q, want %q", test.operation, test.accept, len(test.body), got,
				test.want)
		}
		var unpacked io.Reader = strings.NewReader(body)
		var err error
		switch test.want {
		case "gzip":
			unpacked, err = gzip.NewReader(unpacked)
		case "deflate":
			unpacked, err = zlib.NewReader(unpacked)
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(unpacked); err != nil || string(text) != test.body {
			t.Errorf("Accept-Encoding %q: %d bytes of %d came back: %v", test.accept, len(text), len(test.body), err)
		}
	}
}

// TestBudget fills the memory for large bodies and answers, and checks that all of it comes back.
func TestBudget(t *testing.T) {
	const large = 1 << 20
	began, finish := make(chan struct{}), make(chan struct{})
	h := NewHandler(Options{
		BufferBytes: 6 * large,
		Logger:      slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			switch api.OperationName(r.Target) {
			case "Hold":
				began <- struct{}{}
				<-finish
			case "Scan", "UpdateItem":
				return 200, append(out, wiretest.Object(2*large+1000)...)
			}
			return 200, append(out, "{}"...)
		},
	})
	call := func(operation string, n int) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/", strings.NewReader(wiretest.Object(n)))
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
		r.Header.Set("X-Amz-Date", "20261122T120000Z")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	held := make(chan int)
	for range 2 {
		go func() { held <- call("Hold", large).Code }()
		<-began
	}
	for _, test := range []struct {
		operation string
		size      int
		want      int
	}{
		{"PutItem", 1000, 200},            // small ones go on
		{"PutItem", freeBytes, 200},       //
		{"PutItem", large, 200},           // fits
		{"PutItem", large + 1000, 503},    //
		{"Scan", 1000, 503},               // the answer does not fit
		{"UpdateItem", 1000, 200},         // nor here, but it is done
		{"PutItem", maxBodyBytes, 503},    //
		{"Any", maxBodyBytes + 1, 413},    // the size is looked at first
		{"PutItem", 2*freeBytes + 1, 200}, // and nothing was lost
	} {
		w := call(test.operation, test.size)
		if w.Code != test.want {
			t.Errorf("%s of %d bytes: %d, want %d", test.operation, test.size, w.Code, test.want)
		}
		if w.Code == 503 && w.Body.String() != string(unavailable) {
			t.Errorf("503 with %s", w.Body)
		}
	}
	close(finish)
	for range 2 {
		if code := <-held; code != 200 {
			t.Errorf("the held request: %d", code)
		}
	}
	if w := call("Scan", 1000); w.Code != 200 {
		t.Errorf("Scan afterwards: %d", w.Code)
	}
	if left := h.budget.left.Load(); left != 6*large {
		t.Errorf("%d bytes of the budget are left, want %d", left, 6*large)
	}
}

// TestBodyThatFails checks that a body that breaks off leaves nothing taken.
func TestBodyThatFails(t *testing.T) {
	h := NewHandler(Options{Serve: wiretest.Told, Logger: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(wiretest.Object(300000)), broken{}))
	r.ContentLength = 400000
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 400 || w.Header().Get("Connection") != "close" {
		t.Errorf("answered %d, Connection: %q", w.Code, w.Header().Get("Connection"))
	}
	if left := h.budget.left.Load(); left != defaultBufferBytes {
		t.Errorf("%d bytes of the budget are left", left)
	}
}

// broken is a reader that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line is dead") }
