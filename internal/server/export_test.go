package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The constants for tests, which are of another package: they serve DynamoDB's handler.
const (
	NewTime                  = newTime
	ActiveTime               = activeTime
	IdleTime                 = idleTime
	RoundTime                = roundTime
	UnauthenticatedRate      = unauthenticatedRate
	UnauthenticatedGrace     = unauthenticatedGrace
	UnauthenticatedRoundTime = unauthenticatedRoundTime
	MaxHeaderBytes           = maxHeaderBytes
	MoreHeaderBytes          = moreHeaderBytes
	MaxHeaderLines           = maxHeaderLines
	MaxFrameBytes            = maxFrameBytes
	LookInterval             = lookInterval
)

// round makes a round after so much time.
func (s *Server) round(passed time.Duration) { s.connections.round(passed) }

// setInterval sets the time between two rounds, before Serve.
func (s *Server) setInterval(d time.Duration) { s.connections.interval = d }

// setBodyGrace sets bodyGrace.
func (s *Server) setBodyGrace(d time.Duration) { s.connections.bodyGrace = d }

// states is how many connections are new, active and idle.
func (s *Server) states() (have [3]int) {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	for c := range s.connections.conns {
		have[c.currentState()]++
	}
	return have
}

// connCount is how many connections are open.
func (s *Server) connCount() int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return len(s.connections.conns)
}

// streamCount is how many requests of HTTP/2 are served.
func (s *Server) streamCount() int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return len(s.connections.streams)
}

// connFrom is the connection from an address, nil if there is none.
func (s *Server) connFrom(addr net.Addr) *conn {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	for c := range s.connections.conns {
		if c.RemoteAddr().String() == addr.String() {
			return c
		}
	}
	return nil
}

// wait waits until nothing is served any more.
func (s *Server) wait() { s.running.Wait() }

// onShutdown has f called when net/http has closed its listeners.
func (s *Server) onShutdown(f func()) { s.http.RegisterOnShutdown(f) }

// stateOf is the state that the connection is in.
func (c *conn) stateOf() http.ConnState { return c.currentState() }

// receivedBytes is how much has come since the time of its request began.
func (c *conn) receivedBytes() int64 { return c.received.Load() }

// cutOff closes the connection.
func (c *conn) cutOff() { _ = c.cut() }

// withConn is the context of a request on a connection.
func withConn(ctx context.Context, c *conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// newTLSByClock is NewTLS by a clock.
func newTLSByClock(files TLSFiles, log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	return newTLS(files, log, now)
}

// strictHandler is the handler behind strict.
func strictHandler(h http.Handler) http.Handler { return strict(h) }
