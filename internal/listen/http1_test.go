package listen_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// witness answers with all that a handler sees of its request. The query or the header X-Read says
// how much of the body it reads, and X-Long how long its answer is.
func witness(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s %s host %q length %d\n", r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %q\n", name, r.Header[name])
	}
	body := io.Reader(r.Body)
	if n, err := strconv.ParseInt(r.Header.Get("X-Read"), 10, 32); err == nil {
		body = io.LimitReader(body, n)
	}
	read, err := io.ReadAll(body)
	fmt.Fprintf(&b, "body %q %v\n", read, err != nil)
	if n, err := strconv.Atoi(r.Header.Get("X-Long")); err == nil && n < 1<<20 {
		b.Write(bytes.Repeat([]byte("long"), max(0, n/4)))
	}
	if r.Header.Get("X-Close") != "" {
		w.Header()["Connection"] = []string{"close"}
	}
	w.Header()["Content-Type"] = nil
	w.Header()["Content-Length"] = []string{strconv.Itoa(b.Len())}
	if r.Header.Get("X-Fail") != "" {
		w.WriteHeader(http.StatusBadRequest)
	}
	w.Write(b.Bytes())
}

// twins are a server as it is, one with TLS, and one of net/http alone that is as strict, on
// sockets of the file system.
type twins struct{ ours, secure, theirs string }

// newTwins starts them.
func newTwins(t testing.TB, h http.Handler) twins {
	dir := t.TempDir()
	p := twins{filepath.Join(dir, "ours"), filepath.Join(dir, "secure"), filepath.Join(dir, "theirs")}
	listenOn := func(path string) net.Listener {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	s, secure := server.New(h, slog.New(slog.DiscardHandler)), server.New(h, slog.New(slog.DiscardHandler))
	one := wiretest.Certify(t, "one", nil)
	certificate := tls.Certificate{Certificate: [][]byte{one.Cert.Raw}, PrivateKey: one.Key}
	secure.UseTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})
	done := make(chan error, 3)
	go func(l net.Listener) { done <- s.Serve(l) }(listenOn(p.ours))
	go func(l net.Listener) { done <- secure.Serve(l) }(listenOn(p.secure))
	theirs := &http.Server{Handler: listen.StrictHandler(h), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func(l net.Listener) { done <- theirs.Serve(l) }(listenOn(p.theirs))
	t.Cleanup(func() {
		theirs.Close()
		for _, s := range []*listen.Server{s, secure} {
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
		<-done
		<-done
		<-done
	})
	return p
}

// exchangeRaw is one try of exchangeAll. lost tells that the connection was reset, as it is when a
// server closes it before it has read all: then the end of what was answered may be lost.
func exchangeRaw(t testing.TB, socket string, pieces []string) (answers string, lost bool) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if strings.HasSuffix(socket, "secure") {
		secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		c = secure
	}
	go func() {
		for i, piece := range pieces {
			if i > 0 {
				runtime.Gosched() // so that it is read by itself, mostly
			}
			if _, err := io.WriteString(c, piece); err != nil {
				return // the server has closed
			}
		}
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	r := bufio.NewReader(c)
	var out strings.Builder
	for {
		if _, err := r.Peek(1); err != nil {
			if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				fmt.Fprintf(&out, "no answer: %v\n", err)
			}
			return out.String(), errors.Is(err, syscall.ECONNRESET)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			fmt.Fprintf(&out, "no answer: %v\n", err)
			return out.String(), errors.Is(err, syscall.ECONNRESET)
		}
		body, err := io.ReadAll(resp.Body)
		out.WriteString(wiretest.Show(resp, string(body)))
		out.WriteString("--\n")
		if err != nil {
			return out.String(), errors.Is(err, syscall.ECONNRESET)
		}
		if _, err := r.Peek(1); err == nil && resp.Close {
			out.WriteString("more, behind an answer that was to be the last\n")
		}
	}
}

// exchangeAll sends the pieces on a connection of its own, ends its half of it, and returns all
// answers, without their dates. It tries again while answers may be lost, unless they are as
// wanted.
func exchangeAll(t testing.TB, socket string, pieces []string, want string) string {
	for try := 0; ; try++ {
		answers, lost := exchangeRaw(t, socket, pieces)
		if !lost || answers == want || try == 100 {
			return answers
		}
	}
}

// TestHTTP1IsNetHTTP sends streams of requests, whole, byte by byte and cut at random, to the
// server and to net/http alone: what the handler sees and what the client gets must be the same.
func TestHTTP1IsNetHTTP(t *testing.T) {
	p := newTwins(t, http.HandlerFunc(witness))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, c := range http1Streams {
		t.Run(c.name, func(t *testing.T) {
			want := exchangeAll(t, p.theirs, []string{c.stream}, "")
			if n := strings.Count(want, "--\n"); n != c.answers {
				t.Fatalf("net/http gives %d answers, want %d:\n%s", n, c.answers, want)
			}
			ways := [][]string{{c.stream}, cut(c.stream, rng, 3), cut(c.stream, rng, 10)}
			if len(c.stream) < 1000 {
				ways = append(ways, strings.Split(c.stream, ""))
			}
			for _, pieces := range ways {
				if got := exchangeAll(t, p.ours, pieces, want); got != want {
					t.Errorf("in %d pieces:\n%s\nnet/http:\n%s", len(pieces), got, want)
				}
			}
			if got := exchangeAll(t, p.secure, ways[1], want); got != want {
				t.Errorf("over TLS:\n%s\nnet/http:\n%s", got, want)
			}
		})
	}
}

// cut cuts a stream into about n pieces.
func cut(stream string, rng *rand.Rand, n int) (pieces []string) {
	for stream != "" {
		at := 1 + rng.IntN(1+2*len(stream)/n)
		at = min(at, len(stream))
		pieces = append(pieces, stream[:at])
		stream = stream[at:]
	}
	return pieces
}

// posted is a request with these headers and a body.
func posted(headers, body string) string {
	return "POST / HTTP/1.1\r\nHost: localhost:8000\r\n" + headers + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// longHead is a request with a head of so many bytes, and no body.
func longHead(n int) string {
	empty := posted("Long: \r\n", "")
	return posted("Long: "+strings.Repeat("v", n-len(empty))+"\r\n", "")
}

// http1Streams are streams, and how many answers they get.
var http1Streams = []struct {
	name    string
	stream  string
	answers int
}{
	{"one", posted("X-Amz-Target: a\r\n", "{}"), 1},
	{"no body", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 1},
	{"pipelined", strings.Repeat(posted("", "{}"), 9), 9},
	{"pipelined, bodies left", posted("X-Read: 0\r\n", "{}") + posted("X-Read: 1\r\n", "{}") + posted("", "last"), 3},
	{"names and values", posted("aBc-D_e:x\r\nx:  spaced\t \r\nEmpty:\r\nX: again\r\nx: and again\r\nACCEPT-ENCODING: gzip\r\n", "{}"), 1},
	{"names that are no tokens", posted("a b: c\r\n", ""), 1},
	{"names of other tokens", posted("a!b: c\r\n", ""), 1},
	{"a long name", posted(strings.Repeat("n", 200)+": c\r\n", ""), 1},
	{"a long header", posted("Long: "+strings.Repeat("v", 9000)+"\r\n", "{}") + posted("", "{}"), 2},
	{"many headers", posted(strings.Repeat("A: b\r\n", 63), "{}"), 1},
	{"more headers", posted(strings.Repeat("A: b\r\n", 200), "{}") + posted("", ""), 2},
	{"the longest head", longHead(listen.MaxHeaderBytes) + posted("", "{}"), 2},
	{"a head that is too long", longHead(listen.MaxHeaderBytes+1) + posted("", "{}"), 1},
	{"a head that is much too long", longHead(30000), 1},
	{"a head that is too long, later", posted("", "{}") + longHead(listen.MaxHeaderBytes+1) + posted("", "{}"), 2},
	{"a head that is too long, for net/http", "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + longHead(listen.MaxHeaderBytes+1), 2},
	{"a line that is too long", "POST /" + strings.Repeat("x", listen.MaxHeaderBytes) + " HTTP/1.1\r\nHost: a\r\n\r\n", 1},
	{"no host", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1},
	{"two hosts", posted("Host: b\r\n", ""), 1},
	{"an odd host", "POST / HTTP/1.1\r\nHost: a/b\r\n\r\n", 1},
	{"an empty host", "POST / HTTP/1.1\r\nHost:\r\n\r\n", 1},
	{"two lengths", posted("Content-Length: 2\r\n", "{}"), 1},
	{"two different lengths", posted("Content-Length: 3\r\n", "{}"), 1},
	{"a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 1},
	{"a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", 1},
	{"a length of zeros", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0002\r\n\r\n{}", 1},
	{"an endless length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}", 1},
	{"a length and chunks", posted("Transfer-Encoding: chunked\r\n", "0\r\n\r\n") + posted("", "{}"), 1},
	{"chunks and a length", posted("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n") + posted("", "{}"), 1},
	{"chunks", posted("", "{}") + "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"2\r\n{}\r\n0\r\n\r\n" + posted("", "{}"), 2},
	{"chunks and HTTP/1.0", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n{}" + posted("", "{}"), 1},
	{"malformed chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 1},
	{"other encodings", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 1},
	{"a folded line", posted("A: b\r\n c\r\n", "{}"), 1},
	{"lines of LF", "POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}", 1},
	{"one line of LF", "POST / HTTP/1.1\r\nHost: a\nContent-Length: 2\r\n\r\n{}", 1},
	{"a CR in a value", posted("A: b\rc\r\n", "{}"), 1},
	{"a NUL in a value", posted("A: b\x00c\r\n", "{}"), 1},
	{"a value beyond ASCII", posted("A: \xc3\xa9\xff\r\n", "{}"), 1},
	{"a space before the colon", posted("A : b\r\n", "{}"), 1},
	{"no colon", posted("Ab\r\n", "{}"), 1},
	{"no name", posted(": b\r\n", "{}"), 1},
	{"keep-alive", posted("Connection: Keep-Alive\r\n", "{}") + posted("", "{}"), 2},
	{"close", posted("Connection: close\r\n", "{}") + posted("", "{}"), 1},
	{"close among others", posted("Connection: x, close\r\n", "{}") + posted("", "{}"), 1},
	{"closed by the handler", posted("X-Close: y\r\n", "{}") + posted("", "{}"), 1},
	{"closed by the handler, body left", posted("X-Close: y\r\nX-Read: 0\r\n", strings.Repeat("x", 5000)) + posted("", "{}"), 1},
	{"pragma", posted("Pragma: no-cache\r\n", "{}"), 1},
	{"expect", posted("Expect: something\r\n", "{}"), 1},
	{"upgrade", posted("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "{}"), 1},
	{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1},
	{"http 1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 1},
	{"other methods", "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + posted("", "{}") + "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 3},
	{"other paths", posted("", "1") + "POST /x?y=z HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" + posted("", "2"), 3},
	{"an absolute path", "POST http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 1},
	{"nothing", "", 0},
	{"noise", "\x16\x03\x01\x02\x00\x01", 1},
	{"a line end behind a body", posted("", "{}") + "\r\n" + posted("", "{}"), 2},
	{"half a line end behind a body", posted("", "{}") + "\r0 * HTTP/0.0\n\n", 2},
	{"half a head", posted("", "{}") + "POST / HTTP/1.1\r\nHo", 2},
	{"half a body", posted("", "{}") + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{}", 2},
	{"empty lines before", "\r\n" + posted("", "{}"), 1},
	{"long bodies", posted("", strings.Repeat("b", 100_000)) + posted("", strings.Repeat("c", 5000)), 2},
	{"long bodies left", posted("X-Read: 10\r\n", strings.Repeat("b", 100_000)) + posted("", "{}"), 2},
	{"longer bodies left", posted("X-Read: 10\r\n", strings.Repeat("b", 600_000)) + posted("", "{}"), 1},
	{"long answers", posted("X-Long: 3900\r\n", "{}") + posted("X-Long: 4100\r\n", "{}") + posted("X-Long: 300000\r\n", "{}") + posted("X-Fail: y\r\n", ""), 4},
}

// FuzzHTTP1 sends any bytes at all to the server and to net/http alone, cut at any place.
func FuzzHTTP1(f *testing.F) {
	for i, c := range http1Streams {
		if len(c.stream) < 2000 {
			f.Add([]byte(c.stream), uint64(i))
		}
	}
	p := newTwins(f, http.HandlerFunc(witness))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		if len(stream) > 64<<10 || bytes.Contains(bytes.ToLower(stream), []byte("100-continue")) {
			return // what is not read any more is lost when a connection is reset
		}
		want := exchangeAll(t, p.theirs, []string{string(stream)}, "")
		pieces := cut(string(stream), rand.New(rand.NewPCG(seed, 0)), 1+int(seed%7))
		// A head that is too long is refused when that is known. net/http alone reads it to its
		// end, and may find other faults.
		if got := exchangeAll(t, p.ours, pieces, want); got != want && got != malformedHead.Replace(want) {
			t.Errorf("got\n%s\nnet/http:\n%s", got, want)
		}
	})
}

// malformedHead replaces net/http's answer to a head that is malformed by that to one that is too
// long.
var malformedHead = strings.NewReplacer("400\nContent-Type: text/plain; charset=utf-8\n\"400 Bad Request\"\n",
	"400\nContent-Length: 0\n\"\"\n")

// TestHTTP1Shutdown wants unused connections closed at once, and those with a request when it is
// answered.
func TestHTTP1Shutdown(t *testing.T) {
	busy, finish := make(chan struct{}), make(chan struct{})
	h := server.NewHandler(server.Options{Logger: slog.New(slog.DiscardHandler), Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		if api.OperationName(r.Target) == "Hold" {
			busy <- struct{}{}
			<-finish
		}
		return 200, append(out, "{}"...)
	}})
	s, addr := startServer(t, h, nil)
	open := func(send string) (net.Conn, *bufio.Reader) {
		c, r := wiretest.Dial(t, addr)
		io.WriteString(c, send)
		return c, r
	}
	_, unused := open("")
	_, begun := open("POST / HTTP/1.1\r\nHost:")
	_, idle := open(wiretest.Request("Echo", "", "{}"))
	wiretest.AnswerTo(t, idle, "POST")
	_, held := open(wiretest.Request("Hold", "", "{}") + wiretest.Request("Echo", "", "{}"))
	<-busy
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	for _, r := range []*bufio.Reader{unused, begun, idle} {
		if b, err := r.ReadByte(); err == nil {
			t.Errorf("a connection without a request got %q", b)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown did not wait for a request: %v", err)
	default:
	}
	close(finish)
	if resp, body := wiretest.AnswerTo(t, held, "POST"); resp.StatusCode != 200 || body != "{}" {
		t.Errorf("the request in progress was answered %d %s", resp.StatusCode, body)
	}
	if _, err := held.ReadByte(); err == nil {
		t.Error("a request was answered after the end")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Error("the server still takes connections")
	}
}

// TestHTTP1CutOff wants a Shutdown whose time is over to cut off who is still there, and to say so.
func TestHTTP1CutOff(t *testing.T) {
	busy, finish := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	h := server.NewHandler(server.Options{Logger: slog.New(slog.DiscardHandler), Serve: func(ctx context.Context, _ *api.Request, out []byte) (int, []byte) {
		busy <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		<-finish
		return 200, append(out, "{}"...)
	}})
	s, addr := startServer(t, h, nil)
	c, r := wiretest.Dial(t, addr)
	io.WriteString(c, wiretest.Request("Echo", "", "{}"))
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the request was answered")
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call's context ended with %v", err)
	}
	close(finish)
	s.Wait()
}

// TestHTTP1Allocations wants the connection itself to allocate one string for each request: that of
// the head.
func TestHTTP1Allocations(t *testing.T) {
	answer := []byte(`{"Item":{}}`)
	length, typed := []string{strconv.Itoa(len(answer))}, []string{"application/x-amz-json-1.0"}
	var body [100]byte
	_, addr := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.ReadFull(r.Body, body[:r.ContentLength])
		w.Header()["Content-Length"], w.Header()["Content-Type"] = length, typed
		if n == 2 {
			w.WriteHeader(http.StatusOK)
			w.Write(answer)
		}
	}), nil)
	c, r := wiretest.Dial(t, addr)
	send := []byte(wiretest.Request("Echo", "Accept-Encoding: identity\r\nUser-Agent: aws-sdk-go-v2/1.2.3\r\n", "{}"))
	got := make([]byte, 0, 1000)
	once := func() {
		c.Write(send)
		for got = got[:0]; !bytes.HasSuffix(got, answer); {
			b, err := r.ReadByte()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b)
		}
	}
	once()
	// A Date is written anew once a second.
	if n := testing.AllocsPerRun(200, once); n > 1 {
		t.Errorf("a request makes %v allocations, want 1", n)
	}
}
