package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"
)

// Nearly all requests of SDKs look alike: "POST / HTTP/1.1", a dozen ordinary headers, a
// Content-Length, and the next one on the same connection when the answer is there. For those,
// package http is more than half of what a GetItem costs. So each plain connection, and each of
// HTTP/1.1 over TLS, begins here, and is served here for as long as its requests are of that form,
// which is a strict one (see parseHead). The first request that is not, whether it is rare,
// malformed or merely odd, goes to net/http unread, with the connection and all that follows on it:
// what a request means that has two lengths, or chunks, or a folded line, is decided there and
// nowhere else. Both call the same handler with the same http.Request. Connections of HTTP/2 are
// net/http's from the start.
//
// What differs for the handler: the request's context does not end when the client hangs up while
// the call runs, for to notice that takes a second goroutine that reads. Calls are short, or wait
// with deadlines of their own.

// lean is a connection whose requests are served here.
type lean struct {
	s *Server
	c *conn
	// buf has what was read of the connection and not used: of buf[from:] nothing yet. It is leanBytes long but for the time in which a
	// longer header comes.
	buf      []byte
	from     int
	scanned  int  // of buf[from:], in which the end of the head is not
	used     bool // a request was served
	head     head
	request  *http.Request
	uri      url.URL
	body     leanBody
	response leanAnswer
}

const (
	// leanBytes is the size of the buffer for what comes: the head of most requests, with the whole of a short body.
	leanBytes = 4 << 10
	// maxLeftover is how much of a body that the handler has left is read over for the sake of the connection; so in net/http.
	maxLeftover = 256 << 10
	// lingerTime is how long a connection is kept that is closed before the client has sent all: closing it at once would take the
	// answer away from a client that is still sending. So in net/http.
	lingerTime = 500 * time.Millisecond
)

// Why a connection is not served here any more.
var (
	errHandOver = errors.New("server: the request is for net/http")
	errEnded    = errors.New("server: the connection ends") // all is said
)

// accept accepts connections until the listener fails.
func (s *Server) accept(l net.Listener) error {
	var wait time.Duration
	for {
		accepted, err := l.Accept()
		if err == nil {
			wait = 0
			s.running.Go(func() { s.serve(accepted.(*conn)) })
			continue
		}
		if s.closing.Load() {
			return http.ErrServerClosed
		}
		var passing interface{ Temporary() bool } // out of files, say; package http asks the same
		if !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		time.Sleep(wait)
	}
}

// serve serves a connection until it ends or is handed over.
func (s *Server) serve(c *conn) {
	if s.closing.Load() { // it came while Shutdown looked for those to close
		_ = c.cut()
		return
	}
	if s.tls == nil || s.handshake(c) {
		s.serveLean(c)
	}
}

// serveLean is serve without what TLS comes before.
func (s *Server) serveLean(c *conn) {
	l := &lean{s: s, c: c, buf: make([]byte, 0, leanBytes)}
	l.request = (&http.Request{}).WithContext(context.WithValue(s.base, connKey{}, c))
	l.request.Header = make(http.Header, 16)
	l.head.header = l.request.Header
	l.response.header = make(http.Header, 8)
	l.response.c, l.response.body = c.upper(), &l.body
	remote := c.RemoteAddr().String()
	for {
		err := l.next(remote)
		switch err {
		case nil:
			continue
		case errHandOver:
			c.pending = l.buf[l.from:]
			if l.used {
				c.pending = behindBody(c.pending)
			}
			s.handOver(c, c)
			return
		}
		if l.response.closing && l.body.left != 0 {
			if c.CloseWrite() == nil { // or it is cut already
				l.s.linger()
			}
		}
		_ = c.Close() // the connection ends anyway
		return
	}
}

// behindBody is what follows on a POST, without the line ends that some clients send behind its body.
// net/http skips as many, of a connection whose last request it has seen itself.
func behindBody(b []byte) []byte {
	for n := 0; n < 4 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n'); n++ {
		b = b[1:]
	}
	return b
}

// linger waits for lingerTime, or until the server is done.
func (s *Server) linger() {
	t := time.NewTimer(lingerTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.base.Done():
	}
}

// next serves the next request.
func (l *lean) next(remote string) error {
	if err := l.readHead(); err != nil {
		return err
	}
	if !l.c.begin() {
		return errEnded
	}
	l.prepare(remote)
	if err := l.serve(); err != nil {
		return err
	}
	if l.response.closing {
		return errEnded
	}
	l.used = true
	l.c.enter(http.StateIdle)
	if l.s.closing.Load() {
		return errEnded
	}
	return nil
}

// readHead reads until the whole head of a request is there, and parses it.
func (l *lean) readHead() error {
	least := 0
	if l.used {
		least = 4 // fewer bytes behind a request and then the end are nothing; so in net/http
	}
	for l.scanned = 0; ; {
		if len(l.buf)-l.from >= least {
			size, err := l.head.parse(l.buf[l.from:], l.scanned)
			if err != nil {
				return err
			}
			if l.from += size; size > 0 {
				return nil
			}
			l.scanned = len(l.buf) - l.from
		}
		err := l.readMore()
		switch {
		case err == io.EOF && l.scanned > 0:
			return errHandOver // half a head: net/http says so
		case err != nil:
			return err
		}
	}
}

// readMore reads more of a head, for which it makes room.
func (l *lean) readMore() error {
	if l.from == len(l.buf) {
		l.buf, l.from = l.buf[:0], 0
		if cap(l.buf) > leanBytes {
			l.buf = make([]byte, 0, leanBytes)
		}
	}
	if len(l.buf) == cap(l.buf) {
		switch {
		case l.scanned >= maxHeaderBytes:
			return errHandOver // where it is refused
		case l.from > 0: // behind another request
			l.buf = append(l.buf[:0], l.buf[l.from:]...)
		default:
			l.buf = append(make([]byte, 0, 2*l.scanned), l.buf...)
		}
		l.from = 0
	}
	n, err := l.c.fetch(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// prepare makes the http.Request.
func (l *lean) prepare(remote string) {
	r := l.request
	l.uri = url.URL{Path: "/"}
	l.body = leanBody{l, l.head.length}
	r.Method, r.URL, r.RequestURI = http.MethodPost, &l.uri, "/"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Host, r.RemoteAddr, r.ContentLength = l.head.host, remote, l.head.length
	if r.Body = &l.body; l.head.length == 0 {
		r.Body = http.NoBody
	}
}

// serve has the request answered. A panic ends the connection, as in net/http.
func (l *lean) serve() (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p != http.ErrAbortHandler { // the handler logs its own
			l.s.http.ErrorLog.Printf("a handler panicked: %v\n%s", p, debug.Stack())
		}
		err = errEnded
	}()
	l.response.begin(l.s.closing.Load())
	l.s.handler.ServeHTTP(&l.response, l.request)
	return l.response.end()
}

// leanBody is the body of the request that is being served.
type leanBody struct {
	l    *lean
	left int64
}

// Read implements io.Reader. What came with the head comes first, the rest straight from the connection.
func (b *leanBody) Read(p []byte) (n int, err error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	if l := b.l; l.from < len(l.buf) {
		n = copy(p, l.buf[l.from:])
		l.from += n
	} else if n, err = l.c.fetch(p); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.left -= int64(n)
	return n, err
}

// Close implements io.Closer. There is nothing to do: skip reads the rest.
func (b *leanBody) Close() error { return nil }

// skip reads over what the handler has left of the body, so that the next request can be found. It tells whether that is so.
func (b *leanBody) skip() bool {
	if b.left == 0 || b.left > maxLeftover {
		return b.left == 0
	}
	var rest [512]byte
	for b.left > 0 {
		if _, err := b.Read(rest[:]); err != nil {
			return false
		}
	}
	return true
}

// leanAnswer is the http.ResponseWriter of a lean connection.
type leanAnswer struct {
	c       net.Conn // itself, and not what watches it: only so a head and a body can go in one call, where it is plain
	body    *leanBody
	header  http.Header
	out     []byte // the head, and a short body behind it
	begun   bool   // the head is in out, or was sent
	closing bool   // the connection ends with this answer
	err     error  // of the connection
	parts   [2][]byte
	rest    net.Buffers // of parts
}

// maxJoined is how long a body may be that is copied behind its head. A longer one goes from where it is, in the same call.
const maxJoined = 4 << 10

// begin makes the writer ready for the next answer.
func (a *leanAnswer) begin(closing bool) {
	clear(a.header)
	if a.out = a.out[:0]; cap(a.out) > 2*maxJoined {
		a.out = nil
	}
	a.begun, a.closing, a.err = false, closing, nil
}

// Header implements http.ResponseWriter.
func (a *leanAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *leanAnswer) WriteHeader(status int) {
	if a.begun {
		return
	}
	a.begun = true
	for _, v := range a.header["Connection"] {
		a.closing = a.closing || v == "close"
	}
	if len(a.header["Content-Length"]) == 0 || !a.closing && !a.body.skip() {
		a.closing = true // where this body ends, or the next request begins, only the end of the connection can tell
	}
	if delete(a.header, "Connection"); a.closing {
		a.header["Connection"] = closeConnection
	}
	a.out = appendHead(a.out, status, a.header, time.Now())
}

// Write implements http.ResponseWriter.
func (a *leanAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.err != nil {
		return 0, a.err
	}
	if len(a.out)+len(p) <= maxJoined {
		a.out = append(a.out, p...)
		return len(p), nil
	}
	a.parts = [2][]byte{a.out, p}
	a.rest = a.parts[:]
	_, a.err = a.rest.WriteTo(a.c)
	a.parts, a.out = [2][]byte{}, a.out[:0]
	if a.err != nil {
		return 0, a.err
	}
	return len(p), nil
}

// end sends what was not sent.
func (a *leanAnswer) end() error {
	a.WriteHeader(http.StatusOK)
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.c.Write(a.out)
	}
	return a.err
}

// handed is a listener whose connections are those that are handed over to net/http.
type handed struct {
	conns chan net.Conn // a *conn, or one of TLS over it
	done  chan struct{} // closed by Close
	addr  net.Addr
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Serve calls it once.
func (h *handed) Close() error {
	close(h.done)
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.addr }
