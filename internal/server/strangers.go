package server

import (
	"context"
	"net"
	"net/http"
	"time"
)

// A stranger is a connection, of a server that asks for credentials, on which no signature has been
// verified yet: whatever access key its requests name, for the ids of keys are no secret. Strangers
// have little time for a request, and when a new connection needs room the oldest of them go first,
// before any that is known and whatever they are doing. So whoever has no key can be many and can
// be slow, and takes no room from those who have one. Servers that ask nobody for credentials have
// no strangers.

const (
	// strangerTime is how long a stranger may take for a whole request: from the first byte that it
	// may send, which is when it was accepted or when its last answer was sent, until the request
	// is verified.
	strangerTime = 20 * time.Second
	// strangerRate is how many bytes in a second give it another second.
	strangerRate = 64 << 10
	// strangerGrace is how long a stranger may stay in any case. Whoever has a key needs a moment
	// to show it, which a crowd that comes again as fast as it is sent away must not take from it:
	// the crowd waits in the kernel's queue meanwhile.
	strangerGrace = 250 * time.Millisecond
	// strangerRound is the time between two looks at the strangers.
	strangerRound = 500 * time.Millisecond
)

// connKey is the key of a request's *conn in its context.
type connKey struct{}

// connOf is the connection that a request came on, nil if it is none of a Server.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connContext is http.Server's ConnContext.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, watchedConn(c))
}

// await begins the time that a stranger has for its next request. The patrol's now is that of its
// last round; so that nobody gets less, the time begins with the next one.
func (c *conn) await() {
	if c.stranger.Load() {
		c.awaited.Store(c.patrol.now.Load() + int64(strangerRound))
		c.received.Store(0)
	}
}

// count counts what a stranger has sent.
func (c *conn) count(n int) {
	if c.stranger.Load() {
		c.received.Add(int64(n))
	}
}

// overdue tells whether a stranger has taken too long that is awaited since a time and has sent so
// many bytes from then on.
func overdue(now time.Duration, awaited, received int64) bool {
	return now-time.Duration(awaited) > strangerTime+time.Duration(received)*time.Second/strangerRate
}

// vouch notes that a signature was verified on the connection. It tells whether the connection is
// still there: if it has made room in the meantime, nobody would get the answer.
func (c *conn) vouch() bool {
	if !c.stranger.Load() {
		return true
	}
	p := c.patrol
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.conns[c]; !there {
		return false
	}
	c.stranger.Store(false)
	p.known(c)
	return true
}

// stranger is the connection that the request came on, if that is a stranger, or nil.
func (x *exchange) stranger() *conn {
	if c := connOf(x.r.Context()); c != nil && c.stranger.Load() {
		return c
	}
	return nil
}

// A share is what a body that a stranger sends takes of the memory for large ones. While they come,
// which strangers can make last, these have at most half of that memory together; one that is alone
// may have more, as it may be the first request of a client with a key. Where there is no more, the
// oldest of those that have some for longer than shareGrace goes.
type share struct {
	h     *Handler
	c     *conn
	bytes int64
}

const (
	// shareGrace is how long a stranger with a large body may stay in any case.
	shareGrace = time.Second
	// shareTries and shareWait are how often, and how long each time, the memory is waited for of one
	// that goes.
	shareTries = 20
	shareWait  = 5 * time.Millisecond
)

// raise raises the share of a stranger, nil for none, to n bytes. It tells whether it could.
func (s *share) raise(c *conn, n int64) bool {
	if c == nil {
		return true
	}
	s.c = c
	more, cut := n-s.bytes, false
	for range shareTries {
		own := c.body.Add(more)
		all := s.h.strangeBytes.Add(more)
		if all <= s.h.bufferBytes/2 || all <= own {
			s.bytes = n
			return true
		}
		c.body.Add(-more)
		s.h.strangeBytes.Add(-more)
		if cut = c.patrol.cutHolder(c) || cut; !cut {
			return false
		}
		time.Sleep(shareWait) // until who was cut has noticed
	}
	return false
}

// giveBack gives all of it back.
func (s *share) giveBack() {
	if s.c != nil {
		s.c.body.Add(-s.bytes)
		s.h.strangeBytes.Add(-s.bytes)
	}
}

// cutHolder closes the oldest stranger, other than c, that has memory for a large body and had its
// grace. It tells whether there was one.
func (p *patrol) cutHolder(c *conn) bool {
	p.mu.Lock()
	var found *conn
	for e := p.strangers.Front(); e != nil && found == nil; e = e.Next() {
		if o := e.Value.(*conn); o != c && o.body.Load() > 0 && time.Since(o.came) > p.shareGrace {
			found = o
		}
	}
	p.mu.Unlock()
	if found == nil {
		return false
	}
	_ = found.cut() // whoever it was is gone
	return true
}

// known takes a connection out of the strangers, if it is one of them. The caller holds mu.
func (p *patrol) known(c *conn) {
	if c.place != nil {
		p.strangers.Remove(c.place)
		c.place = nil
	}
}

// closeOverdue closes the strangers that have taken too long.
func (p *patrol) closeOverdue(now time.Duration) {
	p.mu.Lock()
	var found []*conn
	for e := p.strangers.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); overdue(now, c.awaited.Load(), c.received.Load()) {
			found = append(found, c)
		}
	}
	p.mu.Unlock()
	for _, c := range found {
		c.cut()
	}
}

// guards tells whether a handler asks for credentials.
func guards(h http.Handler) bool {
	g, ok := h.(*Handler)
	return ok && g.credentials != nil
}
