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

// Conn is a connection of a Server, which watches how long it is in what state.
type Conn struct {
	net.Conn           // the kernel's
	secure   *tls.Conn // over Conn; nil: it is plain, or of HTTP/2
	all      *connections
	http2    atomic.Bool
	fastPath atomic.Bool  // served by http1.go
	pending  []byte       // what was read of it before it came to net/http
	lines    atomic.Int32 // of the head that is being read, and its bytes; see Read
	bytes    atomic.Int32
	refused  atomic.Bool // the head was too long; see Close
	// state has in the lowest two bits StateNew, StateActive, StateIdle or stateRetired, and above
	// connections.now when that began.
	state atomic.Int64

	unauthenticated atomic.Bool
	// Of an unauthenticated connection: when its time began, as connections.now, and what it has
	// sent since.
	awaited, received atomic.Int64
	heldBytes         atomic.Int64  // what its bodies take of the memory for large ones
	accepted          time.Time     // when it was accepted
	place             *list.Element // of connections.unauthenticated, under its mu; nil: it is none
}

// connKey is the key of a request's *conn in its context.
type connKey struct{}

// ConnOf is the connection that a request came on, nil if it is none of a Server.
func ConnOf(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// connContext is http.Server's ConnContext.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, watchedConn(c))
}

// watchedConn is the connection under watch that net/http knows as c, nil if there is none.
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

// stateRetired is the state of a connection that takes no further request. To package http the
// number means another thing, and it never comes from there.
const stateRetired http.ConnState = 3

// watchedListener is a listener whose connections are under watch.
type watchedListener struct {
	net.Listener
	all *connections
}

// Accept takes the next connection for which there is room.
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

// maxHeaderLines is how many lines a header may have that is not complete.
const maxHeaderLines = 256

// errHead is what net/http gets for more of them, and for more than maxHeaderBytes. Nobody else
// sees it.
var errHead = errors.New("listen: the head is too long")

// Read reads from the connection for net/http. Lines and bytes of a header are counted as they
// come. net/http counts no lines: in memory they take twenty times of what they take on the wire,
// and a client that never ends its header would have it hold all that. What comes while no request
// is being served is header, but for what the last read brings behind its end; so it is the next
// read that fails.
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

// fetch reads from the connection.
func (c *Conn) fetch(p []byte) (int, error) {
	if c.secure != nil {
		return c.secure.Read(p)
	}
	n, err := c.Conn.Read(p)
	c.count(n)
	return n, err
}

// read reads what was read before, then from the connection.
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

// newLine ends a line.
var newLine = []byte{'\n'}

// Secure tells whether the connection is one of TLS. It does not know it of HTTP/2, whose requests
// have their TLS themselves.
func (c *Conn) Secure() bool { return c.secure != nil }

// upper is what is spoken over: the kernel's connection, or that of TLS.
func (c *Conn) upper() net.Conn {
	if c.secure != nil {
		return c.secure
	}
	return c.Conn
}

// Write implements net.Conn. What net/http has to say to a head that was refused here is said as
// everywhere.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.refused.Load() {
		return c.upper().Write(p)
	}
	if _, err := c.upper().Write(appendHead(nil, http.StatusBadRequest, refusal, time.Now())); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close closes the connection and ends the watch. It is for those who serve the connection: with
// TLS it says good-bye, and so can wait for the client to read.
func (c *Conn) Close() error {
	if c.refused.CompareAndSwap(true, false) { // by net/http, which does not wait as http1Conn does
		_ = c.CloseWrite()
		time.Sleep(lingerTime)
	}
	c.all.forget(c)
	return c.upper().Close()
}

// CloseWrite lets net/http end an answer before it closes, so that a client who is still sending
// can read it.
func (c *Conn) CloseWrite() error {
	if half, ok := c.upper().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// cut closes the connection at once, whoever serves it, and ends the watch.
func (c *Conn) cut() error {
	c.all.forget(c)
	return c.Conn.Close()
}

// enter notes that the connection takes a state.
func (c *Conn) enter(state http.ConnState) {
	if state == http.StateIdle {
		c.awaitRequest()
	}
	c.state.Store(c.all.now.Load()<<2 | int64(state))
	c.lines.Store(0)
	c.bytes.Store(0)
}

// begin is enter for a request that begins, of a connection that is served here. It tells whether
// the request may be served: not on one that was let go.
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

// retire tells whether the connection can be closed because there is no request on it, and sees to
// it that none will be. It is about connections that are served here.
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

// connState is http.Server's ConnState.
func connState(c net.Conn, state http.ConnState) {
	if state > http.StateIdle {
		return
	}
	if watched := watchedConn(c); watched != nil {
		watched.enter(state)
	}
}

// currentState is the state that the connection is in.
func (c *Conn) currentState() http.ConnState { return http.ConnState(c.state.Load() & 3) }
