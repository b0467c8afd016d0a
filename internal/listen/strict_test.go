package listen_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestLongHeads sends heads that are too long, by much and by little, in a few lines and in many,
// complete and without an end.
func TestLongHeads(t *testing.T) {
	for _, secure := range []transport{plain, overTLS} {
		for name, send := range map[string]string{
			"a byte":               "POST / HTTP/1.1\r\n" + long(wiretest.Signed("Echo"), listen.MaxHeaderBytes+1) + "\r\n",
			"double":               "POST / HTTP/1.1\r\n" + long(wiretest.Signed("Echo"), 2*listen.MaxHeaderBytes) + "\r\n",
			"a megabyte":           "POST / HTTP/1.1\r\n" + long(wiretest.Signed("Echo"), 1<<20) + "\r\n",
			"no end":               "POST / HTTP/1.1\r\n" + long(wiretest.Signed("Echo"), 2*listen.MaxHeaderBytes),
			"a line":               "POST /" + strings.Repeat("x", listen.MaxHeaderBytes) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"a line of a megabyte": "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"for net/http":         "POST /x HTTP/1.1\r\n" + long(wiretest.Signed("Echo"), 2*listen.MaxHeaderBytes) + "\r\n",
		} {
			g := startGuarded(t, secure, 0)
			c, r := g.open("")
			go io.WriteString(c, send)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Errorf("%s, TLS %v: %v", name, secure, err)
				continue
			}
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != 400 || !resp.Close || err != nil {
				t.Errorf("%s, TLS %v: answered %d %q %v, closing %v", name, secure, resp.StatusCode, body, err, resp.Close)
			}
			c.Close()
		}
	}
}

// long pads a head to a length, together with a request line of 17 bytes and the empty line at its
// end.
func long(head string, n int) string {
	return head + "X-Long: " + strings.Repeat("x", n-len(head)-len("POST / HTTP/1.1\r\nX-Long: \r\n\r\n")) + "\r\n"
}

// TestLongHeadsHTTP2 sends some over HTTP/2, and the longest that is served.
func TestLongHeadsHTTP2(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	_, addr := newSecured(t, p, nil).start(wiretest.Told)
	c := wiretest.Client(t, p, nil, wiretest.HTTP2)
	for n, want := range map[int]int{listen.MaxHeaderBytes - 1000: 200, listen.MaxHeaderBytes: 400, listen.MoreHeaderBytes - 1000: 400} {
		r := wiretest.CallBy(nil, addr, "/", "{}")
		r.Header.Set("X-Long", strings.Repeat("x", n))
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 2 {
			t.Errorf("%d bytes: %s %s, want %d", n, resp.Proto, resp.Status, want)
		}
	}
}

// TestTwoLengths sends a request with a Content-Length and chunks, and one behind it, which must
// not be answered: who passes requests on may have taken it for a part of the first one.
func TestTwoLengths(t *testing.T) {
	for _, secure := range []transport{plain, overTLS} {
		for _, lengths := range []string{
			"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
			"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n",
			"transfer-encoding: Chunked\r\ncontent-length: 12\r\n",
		} {
			for _, before := range []string{"", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"} { // it is then on a connection of net/http's
				g := startGuarded(t, secure, 0)
				c, r := g.open(before)
				if before != "" {
					wiretest.AnswerTo(t, r, "GET")
				}
				fmt.Fprintf(c, "POST / HTTP/1.1\r\n%s%s\r\n2\r\n{}\r\n0\r\n\r\n", wiretest.Signed("Echo"), lengths)
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
				if resp, body := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 400 || !resp.Close || !strings.Contains(body, "Exception") {
					t.Errorf("TLS %v, %q: answered %d %s, closing %v", secure, lengths, resp.StatusCode, body, resp.Close)
				}
				if rest, _ := io.ReadAll(r); len(rest) > 0 {
					t.Errorf("TLS %v, %q: and then %q", secure, lengths, rest)
				}
			}
		}
	}
}

// TestNotTLS sends what is neither TLS nor HTTP.
func TestNotTLS(t *testing.T) {
	g := startGuarded(t, overTLS, 0)
	for _, send := range []string{"\x00\x01\x02\x03\x04\x05", "\x16\x03\x01\xff\xff", "quit\r\n"} {
		c, r := g.open("")
		c = c.(*tls.Conn).NetConn()
		io.WriteString(c, send)
		c.(interface{ CloseWrite() error }).CloseWrite()
		if b, err := r.Discard(1 << 20); err == nil {
			t.Errorf("%q: %d bytes came", send, b)
		}
	}
	g.await("all are closed", func(conns int) bool { return conns == 0 })
}
