package server

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"time"
)

// hasRoom tells whether one more connection may come, after it has made room if it must and can.
func (p *patrol) hasRoom() bool {
	if p.most <= 0 {
		return true
	}
	for _, c := range p.makeRoom() {
		_ = c.cut() // whoever it was is gone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) < p.most
}

// makeRoom returns the connections that are to be closed for a new one: some of those, longest first, in which no request has
// begun since before the last round. It is some, and not one, so that a crowd does not have all of them looked at for each
// that comes; for the same reason it does not look again in a round in which there was none.
func (p *patrol) makeRoom() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Duration(p.now.Load())
	if len(p.conns) < p.most || p.full == now && now > 0 {
		return nil
	}
	var unused []*conn
	for c := range p.conns {
		if c.in() != http.StateActive && c.since() < now {
			unused = append(unused, c)
		}
	}
	if len(unused) == 0 {
		p.full = now
		return nil
	}
	slices.SortFunc(unused, func(a, b *conn) int { return cmp.Compare(a.since(), b.since()) })
	return unused[:min(len(unused), 1+p.most/64)]
}

// since is the patrol's now when the connection entered its state.
func (c *conn) since() time.Duration { return time.Duration(c.state.Load() >> 2) }

// noRoom is what a connection is told for which there is no room.
const noRoom = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + amzJSON + "\r\nContent-Length: 126\r\n" +
	"Retry-After: 1\r\nX-Amz-Retry-After: 1000\r\nConnection: close\r\n\r\n" + noRoomBody

// noRoomBody is its body.
const noRoomBody = `{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"There are too many connections. Please try again."}`

// turnAway closes a connection, and tells why if that can be told without a handshake.
func (p *patrol) turnAway(c net.Conn) {
	if p.plain {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // of a new connection, a moment will do
		_, _ = c.Write([]byte(noRoom))
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	_ = c.Close() // whoever it was is gone
}
