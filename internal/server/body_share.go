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

// A bodyShare is what a body that an unauthenticated connection sends takes of the memory for large
// ones. While they come, which unauthenticated connections can make last, these have at most half
// of that memory together; one that is alone may have more, as it may be the first request of a
// client with a key. Where there is no more, the oldest of those that have some for longer than
// bodyGrace goes.
type bodyShare struct {
	h     *Handler
	c     *listen.Conn
	bytes int64
}

const (
	// bodyShareTries and bodyShareWait are how often, and how long each time, the memory is waited
	// for of one that goes.
	bodyShareTries = 20
	bodyShareWait  = 5 * time.Millisecond
)

// raise raises the share of an unauthenticated connection, nil for none, to n bytes. It tells
// whether it could.
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
		time.Sleep(bodyShareWait) // until who was cut has noticed
	}
	return false
}

// giveBack gives all of it back.
func (s *bodyShare) giveBack() {
	if s.c != nil {
		s.c.HoldBytes(-s.bytes)
		s.h.unauthenticatedBytes.Add(-s.bytes)
	}
}
