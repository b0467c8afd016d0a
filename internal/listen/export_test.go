package listen

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

// Round makes a round after so much time.
func (s *Server) Round(passed time.Duration) { s.connections.round(passed) }

// SetInterval sets the time between two rounds, before Serve.
func (s *Server) SetInterval(d time.Duration) { s.connections.interval = d }

// SetBodyGrace sets bodyGrace.
func (s *Server) SetBodyGrace(d time.Duration) { s.connections.bodyGrace = d }

// States is how many connections are new, active and idle.
func (s *Server) States() (have [3]int) {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	for c := range s.connections.conns {
		have[c.currentState()]++
	}
	return have
}

// ConnCount is how many connections are open.
func (s *Server) ConnCount() int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return len(s.connections.conns)
}

// StreamCount is how many requests of HTTP/2 are served.
func (s *Server) StreamCount() int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return len(s.connections.streams)
}

// ConnFrom is the connection from an address, nil if there is none.
func (s *Server) ConnFrom(addr net.Addr) *Conn {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	for c := range s.connections.conns {
		if c.RemoteAddr().String() == addr.String() {
			return c
		}
	}
	return nil
}

// Wait waits until nothing is served any more.
func (s *Server) Wait() { s.running.Wait() }

// OnShutdown has f called when net/http has closed its listeners.
func (s *Server) OnShutdown(f func()) { s.http.RegisterOnShutdown(f) }

// StateOf is the state that the connection is in.
func (c *Conn) StateOf() http.ConnState { return c.currentState() }

// ReceivedBytes is how much has come since the time of its request began.
func (c *Conn) ReceivedBytes() int64 { return c.received.Load() }

// CutOff closes the connection.
func (c *Conn) CutOff() { _ = c.cut() }

// WithConn is the context of a request on a connection.
func WithConn(ctx context.Context, c *Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// NewTLSByClock is NewTLS by a clock.
func NewTLSByClock(files TLSFiles, log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	return newTLS(files, log, now)
}

// StrictHandler is the handler behind strict.
func StrictHandler(h http.Handler) http.Handler { return strict(h) }
