package listen

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// admit takes a connection under watch, after it has made room if it must and can. It tells
// whether there was room.
func (cs *connections) admit(c *Conn) bool {
	old, wait, ok := cs.add(c)
	for wait > 0 {
		time.Sleep(wait)
		old, wait, ok = cs.add(c)
	}
	for _, o := range old {
		_ = o.Conn.Close() // whoever it was is gone
	}
	return ok
}

// add takes a connection under watch, if there is room, and takes out those in whose place it
// comes, which are to be closed. wait is how long to wait before there may be some.
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
// connection, whatever it is doing, but not before its grace is over, for which the caller is to
// wait. Where there is none, some of those, longest first, in which no request has begun since
// before the last round. It is some, and not one, so that many clients do not have all of them
// looked at for each that comes; for the same reason it does not look again in a round in which
// there was none. The caller holds mu.
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

// since is connections.now when the connection entered its state.
func (c *Conn) since() time.Duration { return time.Duration(c.state.Load() >> 2) }

// retryAfter is how many seconds a client should wait for which there is no room.
var retryAfter = []string{"1"}

// busyAnswer is what a connection is told for which there is no room.
func busyAnswer(contentType, body string) []byte {
	return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + contentType + "\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nRetry-After: 1\r\nX-Amz-Retry-After: 1000\r\nConnection: close\r\n\r\n" + body)
}

// reject closes a connection, and tells why if that can be told without a handshake.
func (cs *connections) reject(c net.Conn) {
	if cs.plain && c.SetWriteDeadline(time.Now().Add(time.Second)) == nil { // a moment will do
		_, _ = c.Write(cs.busyAnswer)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	_ = c.Close() // whoever it was is gone
}
