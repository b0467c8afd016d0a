// Package server is Partita's HTTP: it takes DynamoDB's requests off the wire, checks of them what is not an
// operation's business (method, content type, size, their signature), hands them to a Serve function,
// and sends the answer with the headers that the SDKs look for.
//
// It knows no operation and reads no JSON. A Handler answers requests and works under any net/http server; a Server
// is the one that Partita runs itself.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxHeaderBytes is far above what a signed request with a session token needs. What package http makes of a header takes many
// times its length: each short line costs a hundred bytes.
const maxHeaderBytes = 16 << 10

// Server serves a handler on listeners.
type Server struct {
	http   http.Server
	patrol patrol
	secure bool // speaks TLS
}

// What HTTP/2 adds. The patrol watches its streams, and these watch the connection below them, which is in use as long as any
// stream is.
const (
	// maxStreams is how many requests of one connection are served at a time. Clients keep to it, and open more connections.
	maxStreams = 100
	// pingTime is how long a connection may be silent until it is asked for a sign of life, and pongTime how long that may take.
	pingTime = time.Minute
	pongTime = 15 * time.Second
	// maxFrameBytes is the least that HTTP/2 allows. A connection keeps a buffer for the largest frame that came, of any type: with
	// the megabyte that net/http allows, nine bytes from anybody would cost one, for as long as the connection lasts.
	maxFrameBytes = 16 << 10
)

// New returns a Server of the handler. What net/http has to say goes to log at debug level: it is about clients.
func New(h http.Handler, log *slog.Logger) *Server {
	s := &Server{}
	s.patrol.plain, s.patrol.every = true, patrolTime
	s.patrol.conns, s.patrol.streams = map[*conn]struct{}{}, map[*stream]struct{}{}
	s.http = http.Server{
		Handler:   s.patrol.watch(h),
		ConnState: connState,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: pingTime, PingTimeout: pongTime, WriteByteTimeout: activeTime,
			MaxReadFrameSize: maxFrameBytes,
		},
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(s.patrol.closeUnused)
	return s
}

// UseTLS has the server speak TLS, with HTTP/2 and HTTP/1.1. It is called before Serve.
func (s *Server) UseTLS(c *tls.Config) { s.http.TLSConfig, s.secure, s.patrol.plain = c, true, false }

// LimitConnections sets how many connections there may be. When there are so many, those that have not been used for longest
// make room for a new one; if all are in use, it is turned away. It is called before Serve.
func (s *Server) LimitConnections(n int) { s.patrol.most = n }

// serve accepts connections on one listener.
func (s *Server) serve(l net.Listener) error {
	l = watched{l, &s.patrol}
	if s.secure {
		return s.http.ServeTLS(l, "", "")
	}
	return s.http.Serve(l)
}

// Serve accepts connections on all listeners until Shutdown, then returns nil. If one of them fails it closes all of
// them and returns that failure.
func (s *Server) Serve(listeners ...net.Listener) error {
	done := make(chan struct{})
	var patrolling sync.WaitGroup
	patrolling.Go(func() { s.patrol.walk(done) })
	defer patrolling.Wait()
	defer close(done)
	var g errgroup.Group
	for _, l := range listeners {
		g.Go(func() error {
			err := s.serve(l)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			s.http.Close() // the other listeners' Serve calls return
			return err
		})
	}
	return g.Wait()
}

// Shutdown closes the listeners, waits until the requests in progress are answered, and closes all connections. When
// ctx ends before that, it cuts them off and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}
