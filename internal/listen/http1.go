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
// Content-Length, and the next request on the same connection after the answer. For those, net/http
// is more than half of what a GetItem costs. So each connection of HTTP/1.1, over TLS or not,
// begins here, and is served here as long as its requests have that form, which is strict (see
// http1Head.parse). The first request that does not, whether it is rare, malformed or merely
// unusual, is handed to net/http unparsed, with the connection and everything that follows on it.
// Only net/http decides what a request with two lengths, chunks or a folded line means: two parsers
// that disagree are what request smuggling exploits. Both call the same handler with an
// http.Request of the same form. Connections of HTTP/2 are net/http's from the start.
//
// One thing differs for the handler: the request's context does not end when the client closes the
// connection during the call, since detecting that takes a second goroutine that reads. Calls are
// short, or wait with deadlines of their own.

// http1Conn serves the requests of one connection, in the goroutine of Server.serve. It reuses
// request, header and response for all of them, so a handler must not keep them after it returns;
// header values are strings of their own and may be kept.
type http1Conn struct {
	server *Server
	conn   *Conn
	// buf[from:] was read from the connection and is not consumed yet. Its capacity is
	// http1BufferBytes, and more only while a longer head is being read.
	buf      []byte
	from     int
	scanned  int  // how many bytes of buf[from:] are known not to contain the end of the head
	used     bool // a request was served on the connection before
	head     http1Head
	request  *http.Request
	uri      url.URL
	body     http1Body
	response http1Response
}

const (
	// http1BufferBytes holds the head of most requests together with a short body, so that both
	// arrive in one read.
	http1BufferBytes = 4 << 10
	// maxLeftover is how much of a body that the handler has not read is skipped to keep the
	// connection, as in net/http.
	maxLeftover = 256 << 10
	// lingerTime is the time between the end of sending and the closing of a connection on which
	// the client has not sent its whole request, as in net/http. If it were closed at once, the
	// kernel would answer what still arrives with a reset, at which the client drops the answer.
	lingerTime = 500 * time.Millisecond
)

// Why the loop of serveHTTP1 ends. Other errors are of the connection.
var (
	errHandOver = errors.New("listen: the request is for net/http")
	errEnded    = errors.New("listen: the connection ends") // after a complete answer, or in Shutdown
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
		// Such as too many open files: accepting goes on when others are closed. net/http does the
		// same, with the same waits.
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		time.Sleep(wait)
	}
}

// serve serves a connection until it ends or is handed over to net/http.
func (s *Server) serve(c *Conn) {
	if s.closing.Load() { // it was accepted after Shutdown had looked for connections to retire
		_ = c.cut()
		return
	}
	if s.tls == nil || s.handshake(c) {
		s.serveHTTP1(c)
	}
}

// serveHTTP1 serves a plain connection, or one whose TLS handshake is done.
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
			if c.CloseWrite() == nil { // it fails if the connection was cut
				l.server.linger()
			}
		}
		_ = c.Close()
		return
	}
}

// behindBody removes the line ends that some clients send after the body of a POST. net/http skips
// as many itself, but only after a request that it has parsed.
func behindBody(b []byte) []byte {
	for n := 0; n < 4 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n'); n++ {
		b = b[1:]
	}
	return b
}

// linger waits for lingerTime, or until Shutdown is over.
func (s *Server) linger() {
	t := time.NewTimer(lingerTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.base.Done():
	}
}

// next reads and serves the next request. nil means that another one may follow.
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

// readHead reads until the head of a request is complete, and parses it. It stops at the first
// bytes that show that the request is for net/http.
func (h *http1Conn) readHead() error {
	least := 0
	if h.used {
		least = 4 // net/http ignores fewer bytes between a request and the end of the connection
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
			return errHandOver // an incomplete head, to which net/http answers
		case err != nil:
			return err
		}
	}
}

// readMore reads more of a head into buf, which it compacts, grows or, when it is empty, shrinks
// back to http1BufferBytes. Nothing refers to buf from outside: heads and bodies are copied.
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
			return errHandOver // net/http's handler rejects it (see Conn.Read and strict)
		case h.from > 0: // the head begins behind the previous request
			h.buf = append(h.buf[:0], h.buf[h.from:]...)
		default:
			h.buf = append(make([]byte, 0, 2*h.scanned), h.buf...)
		}
		h.from = 0
	}
	n, err := h.conn.fetch(h.buf[len(h.buf):cap(h.buf)])
	h.buf = h.buf[:len(h.buf)+n]
	if n > 0 {
		return nil // the next read returns the error again
	}
	return err
}

// prepare fills in the http.Request, whose header parse has filled in.
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

// serve calls the handler and sends the rest of its answer. A panic closes the connection, as in
// net/http.
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

// http1Body is the body of the request in progress.
type http1Body struct {
	conn *http1Conn
	left int64
}

// Read implements io.Reader. It takes first what arrived with the head, then reads from the
// connection directly into p, without buf.
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

// Close implements io.Closer. It does nothing: skip reads the rest.
func (b *http1Body) Close() error { return nil }

// skip reads what the handler has left of the body, up to maxLeftover, and tells whether the next
// request begins where it stops.
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
	// conn is Conn.upper, not the Conn: net.Buffers makes one writev of head and body only for the
	// kernel's connection.
	conn    net.Conn
	body    *http1Body
	header  http.Header
	out     []byte // the head, and behind it a short body
	begun   bool   // the head is in out, or was sent
	closing bool   // the connection is closed after this answer
	err     error  // of writing
	parts   [2][]byte
	rest    net.Buffers // over parts; both are fields so that they are not allocated for each answer
}

// maxJoined is how long head and body together may be to be copied into one buffer. A longer body
// is sent from the handler's buffer, in the same system call.
const maxJoined = 4 << 10

// begin prepares for the next answer. closing says that the connection is closed after it.
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
		// Without a length only the end of the connection ends the answer's body; and if the
		// request's body is not skipped, the beginning of the next request is not known.
		a.closing = true
	}
	if delete(a.header, "Connection"); a.closing {
		a.header["Connection"] = closeConnection
	}
	a.out = appendHead(a.out, status, a.header, time.Now())
}

// Write implements http.ResponseWriter. It does not keep p.
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

// end sends what is still in out.
func (a *http1Response) end() error {
	a.WriteHeader(http.StatusOK)
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.conn.Write(a.out)
	}
	return a.err
}

// handedListener is the listener of the http.Server: it accepts the connections that are handed
// over to net/http.
type handedListener struct {
	conns chan net.Conn // a *Conn, or a *tls.Conn over it
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

// Close implements net.Listener. http.Server calls it once.
func (h *handedListener) Close() error {
	close(h.done)
	return nil
}

// Addr implements net.Listener.
func (h *handedListener) Addr() net.Addr { return h.addr }
