package server

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/exception"
)

// admit takes a connection under watch, after it has made room if it must and can. It tells
// whether there was room.
func (p *patrol) admit(c *conn) bool {
	old, wait, ok := p.enlist(c)
	for wait > 0 {
		time.Sleep(wait)
		old, wait, ok = p.enlist(c)
	}
	for _, o := range old {
		_ = o.Conn.Close() // whoever it was is gone
	}
	return ok
}

// enlist takes a connection under watch, if there is room, and takes out those in whose place it
// comes, which are to be closed. wait is how long to wait before there may be some.
func (p *patrol) enlist(c *conn) (old []*conn, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most > 0 && len(p.conns) >= p.most {
		if old, wait = p.makeRoom(); wait > 0 || len(old) == 0 {
			return nil, wait, false
		}
		for _, o := range old {
			p.remove(o)
		}
	}
	p.conns[c] = struct{}{}
	if p.guarded {
		c.stranger.Store(true)
		c.came = time.Now()
		c.place = p.strangers.PushBack(c)
		c.await()
	}
	return old, 0, true
}

// makeRoom returns the connections that are to be closed for a new one: the oldest stranger,
// whatever it is doing, but not before its grace is over, for which the caller is to wait. Where
// there is none, some of those, longest first, in which no request has begun since before the last
// round. It is some, and not one, so that a crowd does not have all of them looked at for each that
// comes; for the same reason it does not look again in a round in which there was none. The caller
// holds mu.
func (p *patrol) makeRoom() (old []*conn, wait time.Duration) {
	if e := p.strangers.Front(); e != nil {
		oldest := e.Value.(*conn)
		return []*conn{oldest}, strangerGrace - time.Since(oldest.came)
	}
	now := time.Duration(p.now.Load())
	if p.full == now && now > 0 {
		return nil, 0
	}
	var unused []*conn
	for c := range p.conns {
		if c.in() != http.StateActive && c.since() < now {
			unused = append(unused, c)
		}
	}
	if len(unused) == 0 {
		p.full = now
		return nil, 0
	}
	slices.SortFunc(unused, func(a, b *conn) int { return cmp.Compare(a.since(), b.since()) })
	return unused[:min(len(unused), 1+p.most/64)], 0
}

// since is the patrol's now when the connection entered its state.
func (c *conn) since() time.Duration { return time.Duration(c.state.Load() >> 2) }

// noRoom is what a connection is told for which there is no room.
var noRoom = []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + amzJSON + "\r\nContent-Length: " +
	strconv.Itoa(len(noRoomBody)) + "\r\nRetry-After: 1\r\nX-Amz-Retry-After: 1000\r\nConnection: close\r\n\r\n" + noRoomBody)

// noRoomBody is its body.
var noRoomBody = string(exception.Of("ServiceUnavailable").Body("There are too many connections. Please try again."))

// turnAway closes a connection, and tells why if that can be told without a handshake.
func (p *patrol) turnAway(c net.Conn) {
	if p.plain && c.SetWriteDeadline(time.Now().Add(time.Second)) == nil { // a moment will do
		_, _ = c.Write(noRoom)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	_ = c.Close() // whoever it was is gone
}
