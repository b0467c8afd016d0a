// Package listen serves an http.Handler on listeners: HTTP/1.1 by code of its own for the requests
// that SDKs send and by net/http for all others, HTTP/2 by net/http over TLS. It closes connections
// that take too long and limits their number; when there are too many, those on which the handler
// has not yet authenticated a request are closed first.
//
// It depends on net/http and on no other package of Partita.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	// maxHeaderBytes is how long the head of a request may be, as with AWS: far more than a signed
	// request with a session token needs. A parsed header takes many times its length in memory:
	// each short line a hundred bytes.
	maxHeaderBytes = 16 << 10
	// moreHeaderBytes is net/http's own limit. It is higher so that strict rejects too long heads,
	// with AWS's answer. It only matters for HTTP/2, which counts 32 bytes more for each line (RFC
	// 9113, section 6.5.2) and announces the limit; for HTTP/1.1 Conn.Read stops before.
	moreHeaderBytes = 32 << 10
)

// Server serves a handler on listeners, once: after Shutdown it is of no use.
type Server struct {
	handler     http.Handler
	http        http.Server
	connections connections
	tls         *tls.Config // nil: no TLS

	base       context.Context // of the requests that http1.go serves; ends with the server
	cut        context.CancelFunc
	closing    atomic.Bool // Shutdown was called
	listeners  []net.Listener
	mu         sync.Mutex // guards listeners
	handedOver handedListener
	running    sync.WaitGroup // the listeners, and the connections that http1.go serves
}

// Options are what a Server must know of its handler.
type Options struct {
	// Log takes net/http's errors, which are about clients, at debug level.
	Log *slog.Logger
	// Authenticates says that the handler verifies who sent a request, and then calls
	// Conn.MarkAuthenticated. Until then a connection counts as unauthenticated.
	Authenticates bool
	// BusyType and BusyBody are the content type and the body of the answer, with status 503, to
	// connections over the limit.
	BusyType, BusyBody string
}

// New returns a Server of the handler. Without LimitConnections and UseTLS it has no limit of
// connections and no TLS.
func New(h http.Handler, o Options) *Server {
	s := &Server{
		handler:    h,
		handedOver: handedListener{conns: make(chan net.Conn), done: make(chan struct{})},
		connections: connections{
			conns: map[*Conn]struct{}{}, streams: map[*stream]struct{}{},
			plain: true, busyAnswer: busyAnswer(o.BusyType, o.BusyBody),
			authenticates: o.Authenticates, interval: roundTime, bodyGrace: bodyGrace,
		},
	}
	if o.Authenticates {
		s.connections.interval = unauthenticatedRoundTime
	}
	s.base, s.cut = context.WithCancel(context.Background())
	s.http = http.Server{
		Handler:     s.connections.watchStreams(strict(h)),
		ConnState:   connState,
		ConnContext: connContext,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrameBytes,
			SendPingTimeout: pingTime, PingTimeout: pongTime, WriteByteTimeout: activeTime,
		},
		MaxHeaderBytes: moreHeaderBytes,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(s.connections.closeUnused)
	return s
}

// UseTLS makes the server use TLS, with HTTP/2 and HTTP/1.1. It must be called before Serve.
func (s *Server) UseTLS(c *tls.Config) {
	s.tls, s.connections.plain = c, false
	s.http.TLSConfig = c.Clone() // net/http changes it
}

// LimitConnections sets how many connections there may be; 0 is no limit. For one more, the oldest
// unauthenticated connection is closed, or else those that have been unused for longest; if all are
// in use the new one is rejected. It must be called before Serve.
func (s *Server) LimitConnections(n int) { s.connections.limit = n }

// Serve accepts connections on all listeners, which it closes, until Shutdown, and then returns
// nil. If one of them fails it closes everything and returns that error. It may be called once.
func (s *Server) Serve(listeners ...net.Listener) error {
	done := make(chan struct{})
	var rounds sync.WaitGroup
	rounds.Go(func() { s.connections.run(done) })
	defer rounds.Wait()
	defer close(done)
	if !s.begin(listeners) {
		closeAll(listeners)
		return nil
	}
	var g errgroup.Group
	if len(listeners) > 0 {
		s.handedOver.addr = listeners[0].Addr()
		g.Go(func() error { return s.ended(s.http.Serve(&s.handedOver)) })
	}
	for _, l := range listeners {
		g.Go(func() error {
			defer s.running.Done()
			return s.ended(s.accept(watchedListener{l, &s.connections}))
		})
	}
	return g.Wait()
}

// begin notes the listeners for Shutdown to close, unless that was called already. running must be
// raised under mu: a Wait of Shutdown must not come between.
func (s *Server) begin(listeners []net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.listeners = listeners
	s.running.Add(len(listeners))
	return true
}

// ended returns what Serve is to return for the error with which one listener has ended, and ends
// the others.
func (s *Server) ended(err error) error {
	if s.closing.Load() || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	s.close() // the other listeners' calls return
	return err
}

// handOver gives a connection to net/http, as upper: the Conn, or for HTTP/2 a *tls.Conn, which
// net/http must have itself. The caller must not use it any more.
func (s *Server) handOver(c *Conn, upper net.Conn) {
	c.fastPath.Store(false)
	select {
	case s.handedOver.conns <- upper:
	case <-s.handedOver.done:
		_ = c.cut() // net/http accepts no more
	}
}

// Shutdown closes the listeners, waits until the requests in progress are answered, and closes all
// connections. If ctx ends before that, it closes them at once and returns the context's error.
// closing is set first: connections that are accepted later are closed by serve, those that exist
// are retired here.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closeListeners()
	s.connections.closeIf((*Conn).retire)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.running.Wait()
	}()
	err := s.http.Shutdown(ctx)
	select {
	case <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.close()
	}
	s.cut()
	return err
}

// closeListeners closes the listeners, and makes every connection that http1.go serves end with its
// next answer.
func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	closeAll(s.listeners)
}

// closeAll closes listeners. Those that are closed already return an error, which does not matter.
func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// close closes listeners and connections at once.
func (s *Server) close() {
	s.closeListeners()
	s.cut()
	_ = s.http.Close()
	s.connections.closeIf(func(*Conn) bool { return true })
}
