// Package listen serves an http.Handler on listeners: HTTP/1.1 by code of its own for the requests
// that SDKs send and by package http for all others, HTTP/2 by package http, over TLS or not. It
// closes connections that take too long, bounds their number, and closes those first on which the
// handler has authenticated nobody.
//
// It knows package http and nothing of Partita's.
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
	// maxHeaderBytes is how long the head of a request may be, as AWS has it: far above what a
	// signed one with a session token needs. What package http makes of a header takes many times
	// its length: each short line costs a hundred bytes.
	maxHeaderBytes = 16 << 10
	// moreHeaderBytes is what net/http may read, so that it is strict that refuses what is too
	// long. With HTTP/1.1 it does not come to that (see Conn.Read); HTTP/2 counts 32 bytes more for
	// each line, and clients are told of this limit.
	moreHeaderBytes = 32 << 10
)

// Server serves a handler on listeners.
type Server struct {
	handler     http.Handler
	http        http.Server
	connections connections
	tls         *tls.Config // nil: it speaks none

	base       context.Context // of the requests that are served here (http1.go)
	cut        context.CancelFunc
	closing    atomic.Bool // Shutdown was called
	listeners  []net.Listener
	mu         sync.Mutex // guards listeners
	handedOver handedListener
	running    sync.WaitGroup // the listeners, and the connections that are served here
}

// Options are what a Server has to know of its handler.
type Options struct {
	// Log takes what net/http has to say, at debug level: it is about clients.
	Log *slog.Logger
	// Authenticates says that the handler finds out who sent a request, and notes it with
	// Conn.MarkAuthenticated. Until then the connection is an unauthenticated one.
	Authenticates bool
	// BusyType and BusyBody are the content type and the body of the answer, with status 503, to
	// connections for which there is no room.
	BusyType, BusyBody string
}

// New returns a Server of the handler, which has no limits of connections and speaks no TLS unless
// it is told to before Serve.
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

// UseTLS has the server speak TLS, with HTTP/2 and HTTP/1.1. It is called before Serve.
func (s *Server) UseTLS(c *tls.Config) {
	s.tls, s.connections.plain = c, false
	s.http.TLSConfig = c.Clone() // which net/http changes
}

// LimitConnections sets how many connections there may be. When there are so many, the oldest of
// the unauthenticated connections makes room for a new one, or those that have not been used for
// longest; if all are in use, it is rejected. It is called before Serve.
func (s *Server) LimitConnections(n int) { s.connections.limit = n }

// Serve accepts connections on all listeners until Shutdown, then returns nil. If one of them fails
// it closes all of them and returns that failure. It is called once.
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

// begin notes the listeners, and that connections may come, unless the server has ended already.
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

// ended is what Serve makes of the error with which one listener has ended.
func (s *Server) ended(err error) error {
	if s.closing.Load() || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	s.close() // the other listeners' calls return
	return err
}

// handOver gives a connection to net/http, which is to know it as upper.
func (s *Server) handOver(c *Conn, upper net.Conn) {
	c.fastPath.Store(false)
	select {
	case s.handedOver.conns <- upper:
	case <-s.handedOver.done:
		_ = c.cut() // the server ends
	}
}

// Shutdown closes the listeners, waits until the requests in progress are answered, and closes all
// connections. When ctx ends before that, it cuts them off and returns the context's error.
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

// closeListeners closes the listeners, and has every connection that is served here end with its
// next answer.
func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	closeAll(s.listeners)
}

// closeAll closes listeners, which may be closed already.
func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// close cuts everything off.
func (s *Server) close() {
	s.closeListeners()
	s.cut()
	_ = s.http.Close() // as above
	s.connections.closeIf(func(*Conn) bool { return true })
}
