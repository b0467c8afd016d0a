package listen

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

// http1Conn is a connection whose requests are served here.
type http1Conn struct {
	server *Server
	conn   *Conn
	// buf has what was read of the connection and not used: of buf[from:] nothing yet. It is
	// http1BufferBytes long but for the time in which a longer header comes.
	buf      []byte
	from     int
	scanned  int  // of buf[from:], in which the end of the head is not
	used     bool // a request was served
	head     http1Head
	request  *http.Request
	uri      url.URL
	body     http1Body
	response http1Response
}

const (
	// http1BufferBytes is the size of the buffer for what comes: the head of most requests, with
	// the whole of a short body.
	http1BufferBytes = 4 << 10
	// maxLeftover is how much of a body that the handler has left is read over for the sake of the
	// connection; so in net/http.
	maxLeftover = 256 << 10
	// lingerTime is how long a connection is kept that is closed before the client has sent all:
	// closing it at once would take the answer away from a client that is still sending. So in
	// net/http.
	lingerTime = 500 * time.Millisecond
)

// Why a connection is not served here any more.
var (
	errHandOver = errors.New("listen: the request is for net/http")
	errEnded    = errors.New("listen: the connection ends") // all is said
)

// accept accepts connections until the listener fails.
func (s *Server) accept(l net.Listener) error {
	var wait time.Duration
	for {
		accepted, err := l.Accept()
		if err == nil {
			wait = 0
			s.running.Go(func() { s.serve(accepted.(*Conn)) })
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
func (s *Server) serve(c *Conn) {
	if s.closing.Load() { // it came while Shutdown looked for those to close
		_ = c.cut()
		return
	}
	if s.tls == nil || s.handshake(c) {
		s.serveHTTP1(c)
	}
}

// serveHTTP1 is serve without what TLS comes before.
func (s *Server) serveHTTP1(c *Conn) {
	l := &http1Conn{server: s, conn: c, buf: make([]byte, 0, http1BufferBytes)}
	l.request = (&http.Request{}).WithContext(context.WithValue(s.base, connKey{}, c))
	l.request.Header = make(http.Header, 16)
	l.head.header = l.request.Header
	l.response.header = make(http.Header, 8)
	l.response.conn, l.response.body = c.upper(), &l.body
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
				l.server.linger()
			}
		}
		_ = c.Close() // the connection ends anyway
		return
	}
}

// behindBody is what follows on a POST, without the line ends that some clients send behind its
// body. net/http skips as many, of a connection whose last request it has seen itself.
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
func (h *http1Conn) next(remote string) error {
	if err := h.readHead(); err != nil {
		return err
	}
	if !h.conn.begin() {
		return errEnded
	}
	h.prepare(remote)
	if err := h.serve(); err != nil {
		return err
	}
	if h.response.closing {
		return errEnded
	}
	h.used = true
	h.conn.enter(http.StateIdle)
	if h.server.closing.Load() {
		return errEnded
	}
	return nil
}

// readHead reads until the whole head of a request is there, and parses it.
func (h *http1Conn) readHead() error {
	least := 0
	if h.used {
		least = 4 // fewer bytes behind a request and then the end are nothing; so in net/http
	}
	for h.scanned = 0; ; {
		if len(h.buf)-h.from >= least {
			size, err := h.head.parse(h.buf[h.from:], h.scanned)
			if err != nil {
				return err
			}
			if h.from += size; size > 0 {
				return nil
			}
			h.scanned = len(h.buf) - h.from
		}
		err := h.readMore()
		switch {
		case err == io.EOF && h.scanned > 0:
			return errHandOver // half a head: net/http says so
		case err != nil:
			return err
		}
	}
}

// readMore reads more of a head, for which it makes room.
func (h *http1Conn) readMore() error {
	if h.from == len(h.buf) {
		h.buf, h.from = h.buf[:0], 0
		if cap(h.buf) > http1BufferBytes {
			h.buf = make([]byte, 0, http1BufferBytes)
		}
	}
	if len(h.buf) == cap(h.buf) {
		switch {
		case h.scanned >= maxHeaderBytes:
			return errHandOver // where it is refused
		case h.from > 0: // behind another request
			h.buf = append(h.buf[:0], h.buf[h.from:]...)
		default:
			h.buf = append(make([]byte, 0, 2*h.scanned), h.buf...)
		}
		h.from = 0
	}
	n, err := h.conn.fetch(h.buf[len(h.buf):cap(h.buf)])
	h.buf = h.buf[:len(h.buf)+n]
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// prepare makes the http.Request.
func (h *http1Conn) prepare(remote string) {
	r := h.request
	h.uri = url.URL{Path: "/"}
	h.body = http1Body{h, h.head.length}
	r.Method, r.URL, r.RequestURI = http.MethodPost, &h.uri, "/"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Host, r.RemoteAddr, r.ContentLength = h.head.host, remote, h.head.length
	if r.Body = &h.body; h.head.length == 0 {
		r.Body = http.NoBody
	}
}

// serve has the request answered. A panic ends the connection, as in net/http.
func (h *http1Conn) serve() (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p != http.ErrAbortHandler { // the handler logs its own
			h.server.http.ErrorLog.Printf("a handler panicked: %v\n%s", p, debug.Stack())
		}
		err = errEnded
	}()
	h.response.begin(h.server.closing.Load())
	h.server.handler.ServeHTTP(&h.response, h.request)
	return h.response.end()
}

// http1Body is the body of the request that is being served.
type http1Body struct {
	conn *http1Conn
	left int64
}

// Read implements io.Reader. What came with the head comes first, the rest straight from the
// connection.
func (b *http1Body) Read(p []byte) (n int, err error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	if l := b.conn; l.from < len(l.buf) {
		n = copy(p, l.buf[l.from:])
		l.from += n
	} else if n, err = l.conn.fetch(p); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.left -= int64(n)
	return n, err
}

// Close implements io.Closer. There is nothing to do: skip reads the rest.
func (b *http1Body) Close() error { return nil }

// skip reads over what the handler has left of the body, so that the next request can be found. It
// tells whether that is so.
func (b *http1Body) skip() bool {
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

// http1Response is the http.ResponseWriter of an http1Conn.
type http1Response struct {
	conn    net.Conn // itself, and not what watches it: only so a head and a body can go in one call, where it is plain
	body    *http1Body
	header  http.Header
	out     []byte // the head, and a short body behind it
	begun   bool   // the head is in out, or was sent
	closing bool   // the connection ends with this answer
	err     error  // of the connection
	parts   [2][]byte
	rest    net.Buffers // of parts
}

// maxJoined is how long a body may be that is copied behind its head. A longer one goes from where
// it is, in the same call.
const maxJoined = 4 << 10

// begin makes the writer ready for the next answer.
func (a *http1Response) begin(closing bool) {
	clear(a.header)
	if a.out = a.out[:0]; cap(a.out) > 2*maxJoined {
		a.out = nil
	}
	a.begun, a.closing, a.err = false, closing, nil
}

// Header implements http.ResponseWriter.
func (a *http1Response) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *http1Response) WriteHeader(status int) {
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
func (a *http1Response) Write(p []byte) (int, error) {
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
	_, a.err = a.rest.WriteTo(a.conn)
	a.parts, a.out = [2][]byte{}, a.out[:0]
	if a.err != nil {
		return 0, a.err
	}
	return len(p), nil
}

// end sends what was not sent.
func (a *http1Response) end() error {
	a.WriteHeader(http.StatusOK)
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.conn.Write(a.out)
	}
	return a.err
}

// handedListener is a listener whose connections are those that are handed over to net/http.
type handedListener struct {
	conns chan net.Conn // a *conn, or one of TLS over it
	done  chan struct{} // closed by Close
	addr  net.Addr
}

// Accept implements net.Listener.
func (h *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Serve calls it once.
func (h *handedListener) Close() error {
	close(h.done)
	return nil
}

// Addr implements net.Listener.
func (h *handedListener) Addr() net.Addr { return h.addr }
