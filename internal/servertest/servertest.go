// Package servertest serves handlers for tests as the program serves its own: with our listener, on
// a port of this machine. What they serve is the test's; of a database that is partita.Open or
// package dbtest.
package servertest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/server"
)

// patience is for requests that are under way when a server ends.
const patience = 10 * time.Second

// Server is a server that is running.
type Server struct {
	// URL is where it serves, without a slash at the end: http://127.0.0.1:40123.
	URL string

	t    testing.TB
	stop func() error
}

// Start serves a handler on a free port, until Close or the end of the test. Both wait for what is
// under way, so that what the handler stands on can be closed then: open it before Start, and have
// it closed by t.Cleanup, which goes backwards. log takes what the server has to say; nil: nobody.
func Start(t testing.TB, h http.Handler, log *slog.Logger) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), t: t, stop: Serve(l, h, log)}
	t.Cleanup(s.Close)
	return s
}

// Close ends the server; it fails the test if that does not go well. More calls do nothing.
func (s *Server) Close() {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Errorf("the server's end: %v", err)
	}
}

// Serve is Start where there is no test, or another listener: in TestMain, in a fuzz test's
// process. stop ends the server, waits for what is under way, and closes the listener; a second
// call does nothing.
func Serve(l net.Listener, h http.Handler, log *slog.Logger) (stop func() error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, served := server.New(h, log), make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var once sync.Once
	return func() (err error) {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			err = errors.Join(s.Shutdown(ctx), <-served)
		})
		return err
	}
}
