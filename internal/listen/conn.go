package listen

import (
	"bytes"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Conn is a connection of a Server. It notes its state and since when it is in it, for connections,
// which closes those that stay too long.
type Conn struct {
	net.Conn           // the kernel's
	secure   *tls.Conn // over Conn; nil: it is plain, or HTTP/2, where net/http has the tls.Conn
	all      *connections
	http2    atomic.Bool
	fastPath atomic.Bool  // served by http1.go, not yet handed over to net/http
	pending  []byte       // bytes that http1.go has read but net/http is to parse
	lines    atomic.Int32 // of the head that is being read, and its bytes; see Read
	bytes    atomic.Int32
	refused  atomic.Bool // the head was too long; see Close
	// state has in the lowest two bits StateNew, StateActive, StateIdle or stateRetired, and above
	// them connections.now when that began: one word, so that a request costs two atomic stores and
	// no lock.
	state atomic.Int64

	unauthenticated atomic.Bool
	// Of an unauthenticated connection: when the time for its request began, as connections.now,
	// and how many bytes it has sent since.
	awaited, received atomic.Int64
	heldBytes         atomic.Int64  // see HoldBytes
	accepted          time.Time     // set only if it was unauthenticated then
	place             *list.Element // in connections.unauthenticated, guarded by its mu; nil: in no list
}

// connKey is the key of a request's *Conn in its context.
type connKey struct{}

// ConnOf returns the connection of a request, given its context; nil if a Server of this package
// does not serve it.
func ConnOf(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// connContext is http.Server's ConnContext.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, watchedConn(c))
}

// watchedConn is the *Conn behind a connection as net/http has it; nil if there is none.
func watchedConn(c net.Conn) *Conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	switch c := c.(type) {
	case *Conn:
		return c
	case rawConn:
		return c.Conn
	}
	return nil
}

// stateRetired is the state of a connection that is being closed and must not begin another
// request. The number is http.StateHijacked, which connState ignores.
const stateRetired http.ConnState = 3

// watchedListener is a listener whose connections are *Conn, in number at most the limit.
type watchedListener struct {
	net.Listener
	all *connections
}

// Accept returns the next connection that the limit admits, and rejects those before it.
func (l watchedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &Conn{Conn: accepted, all: l.all}
		c.fastPath.Store(true)
		c.enter(http.StateNew)
		if l.all.admit(c) {
			return c, nil
		}
		l.all.reject(accepted)
	}
}

// maxHeaderLines is how many lines of an incomplete header are read.
const maxHeaderLines = 256

// errHead is what Read returns to net/http for a header with more lines, or bytes, than allowed.
var errHead = errors.New("listen: the head is too long")

// Read reads from the connection for net/http, and counts lines and bytes of headers, which
// net/http does not limit by lines: short lines take twenty times more memory than bytes on the
// wire, and a client that never ends its header would make net/http hold it all. What arrives while
// no request is being served is header, except that the last read may also have the beginning of
// the body. Therefore it is the read after the limit is exceeded that fails.
func (c *Conn) Read(p []byte) (int, error) {
	if c.currentState() == http.StateActive {
		return c.read(p)
	}
	if c.lines.Load() > maxHeaderLines || c.bytes.Load() > maxHeaderBytes {
		c.refused.Store(true)
		return 0, errHead
	}
	n, err := c.read(p)
	c.lines.Add(int32(bytes.Count(p[:n], newLine)))
	c.bytes.Add(int32(n))
	return n, err
}

// fetch reads from the network, after decryption, and counts what an unauthenticated connection
// sends. With TLS rawConn counts.
func (c *Conn) fetch(p []byte) (int, error) {
	if c.secure != nil {
		return c.secure.Read(p)
	}
	n, err := c.Conn.Read(p)
	c.count(n)
	return n, err
}

// read returns the pending bytes first, then reads from the network.
func (c *Conn) read(p []byte) (int, error) {
	if len(c.pending) == 0 {
		return c.fetch(p)
	}
	n := copy(p, c.pending)
	if c.pending = c.pending[n:]; len(c.pending) == 0 {
		c.pending = nil
	}
	return n, nil
}

var newLine = []byte{'\n'}

// Secure tells whether a connection of HTTP/1.1 uses TLS. It is false for HTTP/2, whose requests
// have Request.TLS.
func (c *Conn) Secure() bool { return c.secure != nil }

// upper is the connection that HTTP is spoken over: TLS's, or the kernel's.
func (c *Conn) upper() net.Conn {
	if c.secure != nil {
		return c.secure
	}
	return c.Conn
}

// Write implements net.Conn. After Read has refused a head, it replaces what net/http answers then
// by the answer that too long heads get everywhere.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.refused.Load() {
		return c.upper().Write(p)
	}
	if _, err := c.upper().Write(appendHead(nil, http.StatusBadRequest, refusal, time.Now())); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close closes the connection. Only the code that serves the connection may call it: with TLS it
// sends close_notify, for which it may wait until the client reads. All others call cut.
func (c *Conn) Close() error {
	if c.refused.CompareAndSwap(true, false) { // after an error of Read net/http does not linger itself
		_ = c.CloseWrite()
		time.Sleep(lingerTime)
	}
	c.all.forget(c)
	return c.upper().Close()
}

// CloseWrite ends the sending direction. net/http calls it before it closes a connection, so that a
// client that is still sending can read the answer.
func (c *Conn) CloseWrite() error {
	if half, ok := c.upper().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// cut closes the kernel's connection at once; the code that serves it gets errors from then on. It
// never waits for the client, and may be called from any goroutine.
func (c *Conn) cut() error {
	c.all.forget(c)
	return c.Conn.Close()
}

// enter notes that the connection enters a state now.
func (c *Conn) enter(state http.ConnState) {
	if state == http.StateIdle {
		c.awaitRequest()
	}
	c.state.Store(c.all.now.Load()<<2 | int64(state))
	c.lines.Store(0)
	c.bytes.Store(0)
}

// begin enters StateActive for a request that http1.go has read. It is false if retire was first:
// then the connection is being closed and the request must not be executed.
func (c *Conn) begin() bool {
	for {
		old := c.state.Load()
		if http.ConnState(old&3) == stateRetired {
			return false
		}
		if c.state.CompareAndSwap(old, c.all.now.Load()<<2|int64(http.StateActive)) {
			return true
		}
	}
}

// retire tells whether the connection can be closed because no request is in progress on it, and
// ensures that none begins. It is false for connections that net/http serves, which closes them in
// its own Shutdown. Of begin and retire only one succeeds, so that Shutdown never cuts a request
// that is being executed.
func (c *Conn) retire() bool {
	if !c.fastPath.Load() {
		return false
	}
	for {
		old := c.state.Load()
		if http.ConnState(old&3) == http.StateActive {
			return false
		}
		if c.state.CompareAndSwap(old, old|int64(stateRetired)) {
			return true
		}
	}
}

// connState is http.Server's ConnState. The states beyond StateIdle need no note: Close follows.
func connState(c net.Conn, state http.ConnState) {
	if state > http.StateIdle {
		return
	}
	if watched := watchedConn(c); watched != nil {
		watched.enter(state)
	}
}

func (c *Conn) currentState() http.ConnState { return http.ConnState(c.state.Load() & 3) }
