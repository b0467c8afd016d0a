package listen

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// admit registers a connection, after it has made room if necessary and possible. It tells whether
// there was room. It may wait up to unauthenticatedGrace, in the goroutine that accepts.
func (cs *connections) admit(c *Conn) bool {
	old, wait, ok := cs.add(c)
	for wait > 0 {
		time.Sleep(wait)
		old, wait, ok = cs.add(c)
	}
	for _, o := range old {
		_ = o.Conn.Close() // outside mu, as it is a system call
	}
	return ok
}

// add registers a connection if there is room, and unregisters those whose place it takes, which
// the caller is to close. If wait is positive there is no room yet, and add is to be called again
// after that time.
func (cs *connections) add(c *Conn) (old []*Conn, wait time.Duration, ok bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.limit > 0 && len(cs.conns) >= cs.limit {
		if old, wait = cs.makeRoom(); wait > 0 || len(old) == 0 {
			return nil, wait, false
		}
		for _, o := range old {
			cs.remove(o)
		}
	}
	cs.conns[c] = struct{}{}
	if cs.authenticates {
		c.unauthenticated.Store(true)
		c.accepted = time.Now()
		c.place = cs.unauthenticated.PushBack(c)
		c.awaitRequest()
	}
	return old, 0, true
}

// makeRoom returns the connections that are to be closed for a new one: the oldest unauthenticated
// one, whatever it is doing, but not before its grace is over, for which the caller is to wait.
// Where there is none, it returns those that have been unused for longest, and at least since
// before the last round.
//
// Finding these takes a pass over all connections, which a client must not be able to cause with
// each connection that it opens. Therefore it returns 1/64 of the limit at once, and after a pass
// that found none it does not search again in the same round. The caller holds mu.
func (cs *connections) makeRoom() (old []*Conn, wait time.Duration) {
	if e := cs.unauthenticated.Front(); e != nil {
		oldest := e.Value.(*Conn)
		return []*Conn{oldest}, unauthenticatedGrace - time.Since(oldest.accepted)
	}
	now := time.Duration(cs.now.Load())
	if cs.full == now && now > 0 {
		return nil, 0
	}
	var unused []*Conn
	for c := range cs.conns {
		if c.currentState() != http.StateActive && c.since() < now {
			unused = append(unused, c)
		}
	}
	if len(unused) == 0 {
		cs.full = now
		return nil, 0
	}
	slices.SortFunc(unused, func(a, b *Conn) int { return cmp.Compare(a.since(), b.since()) })
	return unused[:min(len(unused), 1+cs.limit/64)], 0
}

// since is when the connection entered its state, as connections.now.
func (c *Conn) since() time.Duration { return time.Duration(c.state.Load() >> 2) }

// retryAfter is how many seconds a rejected client should wait.
var retryAfter = []string{"1"}

// busyAnswer is the answer to a connection for which there is no room.
func busyAnswer(contentType, body string) []byte {
	return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + contentType + "\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nRetry-After: 1\r\nX-Amz-Retry-After: 1000\r\nConnection: close\r\n\r\n" + body)
}

// reject closes a connection. Without TLS it answers first, before any request: with TLS that would
// take a handshake, which costs more than the connection that is rejected.
func (cs *connections) reject(c net.Conn) {
	// The answer fits the kernel's buffer; the deadline is for a case in which it does not, since
	// no other connection is accepted meanwhile.
	if cs.plain && c.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = c.Write(cs.busyAnswer)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	_ = c.Close()
}
