// Package server is Partita's HTTP: it takes DynamoDB's requests off the wire, checks of them what is not an
// operation's business (method, content type, size, the shape of their signature), hands them to a Serve function,
// and sends the answer with the headers that the SDKs look for.
//
// It knows no operation and reads no JSON. A Handler answers requests and works under any net/http server; a Server
// is the one that Partita runs itself.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// How long a Server waits for its clients.
const (
	// readTimeout is for a whole request, header and body: 16 MiB at 1.1 Mbit/s.
	readTimeout = 2 * time.Minute
	// writeTimeout begins when the request's header is read, so it covers the operation too.
	writeTimeout = 2 * time.Minute
	// idleTimeout is longer than the SDKs keep an unused connection, so that it is the client who lets go of it and
	// no request is sent into a connection that is being closed.
	idleTimeout = 5 * time.Minute
	// maxHeaderBytes is far above what a signed request with a session token needs.
	maxHeaderBytes = 64 << 10
)

// Server serves a handler on listeners.
type Server struct{ http http.Server }

// New returns a Server of the handler. What net/http has to say goes to log at debug level: it is about clients.
func New(h http.Handler, log *slog.Logger) *Server {
	return &Server{http: http.Server{
		Handler:        h,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve accepts connections on all listeners until Shutdown, then returns nil. If one of them fails it closes all of
// them and returns that failure.
func (s *Server) Serve(listeners ...net.Listener) error {
	var g errgroup.Group
	for _, l := range listeners {
		g.Go(func() error {
			err := s.http.Serve(l)
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
