package listen

import (
	"bytes"
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How long a connection may stay in one state.
const (
	// newTime is for the first request's header.
	newTime = time.Minute
	// idleTime is for the next request's header. It is longer than the SDKs keep an unused
	// connection, so that it is the client who lets go of it and no request is sent into a
	// connection that is being closed.
	idleTime = 5 * time.Minute
	// activeTime is for a body to come, the operation, and the answer to go: 16 MiB each way at 1.1
	// Mbit/s.
	activeTime = 4 * time.Minute
	// roundTime is the time between two rounds.
	roundTime = 5 * time.Second
)

// connections closes the connections that stay in one state for too long: unused, or with a client
// that has stopped sending or reading. It stands in for net/http's timeouts, which set deadlines
// several times a request and so cost it a tenth of all its work; a glance every few seconds does
// as well.
//
// A connection of HTTP/2 stays active while requests come and go on it, each in a stream of its
// own, so there it is the streams that are looked at.
type connections struct {
	now     atomic.Int64 // time.Duration since the beginning, as of the last round
	mu      sync.Mutex
	conns   map[*Conn]struct{}
	streams map[*stream]struct{}
	// unauthenticated connections and unauthenticatedStreams are those of conns and streams that
	// are nobody's yet, the oldest first (unauthenticated.go).
	unauthenticated, unauthenticatedStreams list.List
	// most is how many connections, and how many streams, there may be; 0: any number.
	limit         int
	full          time.Duration // under mu: the round in which no connection was found that could go; see makeRoom
	plain         bool          // clients can be told in plain text that there is no room
	busyAnswer    []byte        // what they are told then
	authenticates bool          // there are credentials: new connections are unauthenticated connections
	// every is the time between two rounds: roundTime, or unauthenticatedRoundTime where there are
	// unauthenticated connections; tests make the rounds by hand.
	interval time.Duration
	sinceAll time.Duration // the time since all connections were looked at
	// bodyGrace is the constant of that name, but for tests.
	bodyGrace time.Duration
}

// Conn is a connection under watch.
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
	heldBytes         atomic.Int64  // what its bodies take of the memory for large ones; see share
	accepted          time.Time     // when it was accepted
	place             *list.Element // of connections.unauthenticated, under its mu; nil: it is none
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

// cut closes the connection at once, whoever serves it, and ends the watch.
func (c *Conn) cut() error {
	c.all.forget(c)
	return c.Conn.Close()
}

// forget ends the watch of a connection.
func (cs *connections) forget(c *Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.remove(c)
}

// remove is forget for whoever holds mu.
func (cs *connections) remove(c *Conn) {
	delete(cs.conns, c)
	cs.removeUnauthenticated(c)
}

// CloseWrite lets net/http end an answer before it closes, so that a client who is still sending
// can read it.
func (c *Conn) CloseWrite() error {
	if half, ok := c.upper().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
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

// overstays tells whether the connection has been in its state for too long.
func (c *Conn) overstays(now time.Duration) bool {
	s := c.state.Load()
	if http.ConnState(s&3) == http.StateActive && c.http2.Load() {
		return false
	}
	limit := [...]time.Duration{http.StateNew: newTime, http.StateActive: activeTime, http.StateIdle: idleTime, stateRetired: 0}[s&3]
	return now-time.Duration(s>>2) > limit
}

// round lets time pass and closes those that overstay. Only unauthenticated connections are looked
// at in all rounds, where there are some.
func (cs *connections) round(passed time.Duration) {
	now := time.Duration(cs.now.Add(int64(passed)))
	if cs.authenticates {
		cs.closeOverdue(now)
		cs.resetOverdue(now)
		if cs.sinceAll += passed; cs.sinceAll < roundTime {
			return
		}
		cs.sinceAll = 0
	}
	cs.closeIf(func(c *Conn) bool { return c.overstays(now) })
	cs.resetStreams(now)
}

// closeUnused closes the connections that have not sent a request yet. Shutdown would wait five
// seconds for it.
func (cs *connections) closeUnused() {
	cs.closeIf(func(c *Conn) bool { return c.currentState() == http.StateNew })
}

// closeIf closes the connections of which close holds.
func (cs *connections) closeIf(close func(*Conn) bool) {
	cs.mu.Lock()
	var found []*Conn
	for c := range cs.conns {
		if close(c) {
			found = append(found, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range found {
		_ = c.cut() // whoever it was is gone
	}
}

// run makes its rounds until done is closed.
func (cs *connections) run(done <-chan struct{}) {
	tick := time.NewTicker(cs.interval)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			cs.round(now.Sub(last))
			last = now
		}
	}
}
