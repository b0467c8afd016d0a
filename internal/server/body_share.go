package server

import (
	"time"

	"github.com/partita-db/partita/internal/listen"
)

// unauthenticatedConn is the connection that the request came on, nil if a signature has been
// verified on it.
func (x *exchange) unauthenticatedConn() *listen.Conn {
	if c := listen.ConnOf(x.r.Context()); c != nil && c.Unauthenticated() {
		return c
	}
	return nil
}

// A bodyShare is what the body of an unauthenticated connection takes of the budget while it is
// being read. A valid claim needs only an access key's id, which is no secret, so clients without
// the secret could fill the budget with large bodies that they send slowly. Therefore all
// unauthenticated connections together have at most half of it. A single one may exceed the half:
// it may be the first request of a client with a key. When the half is used up, the oldest
// connection that has held some for longer than its grace (see package listen) is closed.
type bodyShare struct {
	h     *Handler
	c     *listen.Conn
	bytes int64
}

const (
	// bodyShareTries and bodyShareWait are how often, and how long each time, raise waits for the
	// memory of a connection that it has closed: 100 ms, in which its goroutine notices the end.
	bodyShareTries = 20
	bodyShareWait  = 5 * time.Millisecond
)

// raise raises the share to n bytes, and tells whether it could. c is nil for a connection that is
// authenticated, which has no limit but the budget. It adds first and takes back on failure, so
// that two connections at a time cannot both get the last bytes.
func (s *bodyShare) raise(c *listen.Conn, n int64) bool {
	if c == nil {
		return true
	}
	s.c = c
	more, cut := n-s.bytes, false
	for range bodyShareTries {
		own := c.HoldBytes(more)
		all := s.h.unauthenticatedBytes.Add(more)
		if all <= s.h.bufferBytes/2 || all <= own {
			s.bytes = n
			return true
		}
		c.HoldBytes(-more)
		s.h.unauthenticatedBytes.Add(-more)
		if cut = c.CloseOtherHolder() || cut; !cut {
			return false
		}
		time.Sleep(bodyShareWait)
	}
	return false
}

// giveBack gives the whole share back. From then on only the budget counts the body.
func (s *bodyShare) giveBack() {
	if s.c != nil {
		s.c.HoldBytes(-s.bytes)
		s.h.unauthenticatedBytes.Add(-s.bytes)
	}
}
