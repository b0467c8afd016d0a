package server

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
	// idleTime is for the next request's header. It is longer than the SDKs keep an unused connection, so that it is the
	// client who lets go of it and no request is sent into a connection that is being closed.
	idleTime = 5 * time.Minute
	// activeTime is for a body to come, the operation, and the answer to go: 16 MiB each way at 1.1 Mbit/s.
	activeTime = 4 * time.Minute
	// patrolTime is the time between two rounds.
	patrolTime = 5 * time.Second
)

// patrol closes the connections that stay in one state for too long: unused, or with a client that has stopped sending or
// reading. It stands in for net/http's timeouts, which set deadlines several times a request and so cost it a tenth of
// all its work; a glance every few seconds does as well.
//
// A connection of HTTP/2 stays active while requests come and go on it, each in a stream of its own, so there it is the
// streams that the patrol looks at.
type patrol struct {
	now     atomic.Int64 // time.Duration since the beginning, as of the last round
	mu      sync.Mutex
	conns   map[*conn]struct{}
	streams map[*stream]struct{}
	// strangers and strangeStreams are those of conns and streams that are nobody's yet, the oldest
	// first (strangers.go).
	strangers, strangeStreams list.List
	// most is how many connections, and how many streams, there may be; 0: any number.
	most    int
	full    time.Duration // under mu: the round in which no connection was found that could go; see makeRoom
	plain   bool          // clients can be told in plain text that there is no room
	guarded bool          // there are credentials: new connections are strangers
	// every is the time between two rounds: patrolTime, or strangerRound where there are strangers;
	// tests make the rounds by hand.
	every  time.Duration
	walked time.Duration // the time since all connections were looked at
	// shareGrace is the constant of that name, but for tests.
	shareGrace time.Duration
}

// conn is a connection under watch.
type conn struct {
	net.Conn           // the kernel's
	secure   *tls.Conn // over Conn; nil: it is plain, or of HTTP/2
	patrol   *patrol
	http2    atomic.Bool
	lean     atomic.Bool  // served by lean.go
	pending  []byte       // what was read of it before it came to net/http
	lines    atomic.Int32 // of the head that is being read, and its bytes; see Read
	bytes    atomic.Int32
	refused  atomic.Bool // the head was too long; see Close
	// state has in the lowest two bits StateNew, StateActive, StateIdle or stateLeft, and above the
	// patrol's now when that began.
	state atomic.Int64

	stranger atomic.Bool
	// Of a stranger: when its time began, as the patrol's now, and what it has sent since.
	awaited, received atomic.Int64
	body              atomic.Int64  // what its bodies take of the memory for large ones; see share
	came              time.Time     // when it was accepted
	place             *list.Element // of the patrol's strangers, under its mu; nil: it is none
}

// stateLeft is the state of a connection that takes no further request. To package http the number means another thing, and it never
// comes from there.
const stateLeft http.ConnState = 3

// watched is a listener whose connections are under watch.
type watched struct {
	net.Listener
	patrol *patrol
}

// Accept takes the next connection for which there is room.
func (l watched) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, patrol: l.patrol}
		c.lean.Store(true)
		c.enter(http.StateNew)
		if l.patrol.admit(c) {
			return c, nil
		}
		l.patrol.turnAway(accepted)
	}
}

// maxHeaderLines is how many lines a header may have that is not complete.
const maxHeaderLines = 256

// errHead is what net/http gets for more of them, and for more than maxHeaderBytes. Nobody else
// sees it.
var errHead = errors.New("server: the head is too long")

// Read reads from the connection for net/http. Lines and bytes of a header are counted as they
// come. net/http counts no lines: in memory they take twenty times of what they take on the wire,
// and a client that never ends its header would have it hold all that. What comes while no request
// is being served is header, but for what the last read brings behind its end; so it is the next
// read that fails.
func (c *conn) Read(p []byte) (int, error) {
	if c.in() == http.StateActive {
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
func (c *conn) fetch(p []byte) (int, error) {
	if c.secure != nil {
		return c.secure.Read(p)
	}
	n, err := c.Conn.Read(p)
	c.count(n)
	return n, err
}

// read reads what was read before, then from the connection.
func (c *conn) read(p []byte) (int, error) {
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

// upper is what is spoken over: the kernel's connection, or that of TLS.
func (c *conn) upper() net.Conn {
	if c.secure != nil {
		return c.secure
	}
	return c.Conn
}

// Write implements net.Conn. What net/http has to say to a head that was refused here is said as
// everywhere.
func (c *conn) Write(p []byte) (int, error) {
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
func (c *conn) Close() error {
	if c.refused.CompareAndSwap(true, false) { // by net/http, which does not wait as lean does
		_ = c.CloseWrite()
		time.Sleep(lingerTime)
	}
	c.patrol.forget(c)
	return c.upper().Close()
}

// cut closes the connection at once, whoever serves it, and ends the watch.
func (c *conn) cut() error {
	c.patrol.forget(c)
	return c.Conn.Close()
}

// forget ends the watch of a connection.
func (p *patrol) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(c)
}

// remove is forget for whoever holds mu.
func (p *patrol) remove(c *conn) {
	delete(p.conns, c)
	p.known(c)
}

// CloseWrite lets net/http end an answer before it closes, so that a client who is still sending can read it.
func (c *conn) CloseWrite() error {
	if half, ok := c.upper().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// enter notes that the connection takes a state.
func (c *conn) enter(state http.ConnState) {
	if state == http.StateIdle {
		c.await()
	}
	c.state.Store(c.patrol.now.Load()<<2 | int64(state))
	c.lines.Store(0)
	c.bytes.Store(0)
}

// begin is enter for a request that begins, of a connection that is served here. It tells whether the request may be served: not on
// one that was let go.
func (c *conn) begin() bool {
	for {
		old := c.state.Load()
		if http.ConnState(old&3) == stateLeft {
			return false
		}
		if c.state.CompareAndSwap(old, c.patrol.now.Load()<<2|int64(http.StateActive)) {
			return true
		}
	}
}

// letGo tells whether the connection can be closed because there is no request on it, and sees to it that none will be. It is about
// connections that are served here.
func (c *conn) letGo() bool {
	if !c.lean.Load() {
		return false
	}
	for {
		old := c.state.Load()
		if http.ConnState(old&3) == http.StateActive {
			return false
		}
		if c.state.CompareAndSwap(old, old|int64(stateLeft)) {
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

// in is the state that the connection is in.
func (c *conn) in() http.ConnState { return http.ConnState(c.state.Load() & 3) }

// overstays tells whether the connection has been in its state for too long.
func (c *conn) overstays(now time.Duration) bool {
	s := c.state.Load()
	if http.ConnState(s&3) == http.StateActive && c.http2.Load() {
		return false
	}
	limit := [...]time.Duration{http.StateNew: newTime, http.StateActive: activeTime, http.StateIdle: idleTime, stateLeft: 0}[s&3]
	return now-time.Duration(s>>2) > limit
}

// round lets time pass and closes those that overstay. Only the strangers are looked at in all
// rounds, where there are some.
func (p *patrol) round(passed time.Duration) {
	now := time.Duration(p.now.Add(int64(passed)))
	if p.guarded {
		p.closeOverdue(now)
		p.resetOverdue(now)
		if p.walked += passed; p.walked < patrolTime {
			return
		}
		p.walked = 0
	}
	p.closeIf(func(c *conn) bool { return c.overstays(now) })
	p.resetStreams(now)
}

// closeUnused closes the connections that have not sent a request yet. Shutdown would wait five seconds for it.
func (p *patrol) closeUnused() {
	p.closeIf(func(c *conn) bool { return c.in() == http.StateNew })
}

// closeIf closes the connections of which close holds.
func (p *patrol) closeIf(close func(*conn) bool) {
	p.mu.Lock()
	var found []*conn
	for c := range p.conns {
		if close(c) {
			found = append(found, c)
		}
	}
	p.mu.Unlock()
	for _, c := range found {
		_ = c.cut() // whoever it was is gone
	}
}

// walk makes its rounds until done is closed.
func (p *patrol) walk(done <-chan struct{}) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			p.round(now.Sub(last))
			last = now
		}
	}
}
