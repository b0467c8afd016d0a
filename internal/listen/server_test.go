package listen_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestShutdownWaits checks that Shutdown lets the request in progress finish, and closes idle
// connections.
func TestShutdownWaits(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := server.New(server.NewHandler(server.Options{Logger: log, Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		close(began)
		<-finish
		return 200, append(out, "{}"...)
	}}), log)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, r := wiretest.Dial(t, l.Addr().String())
	_, unused := wiretest.Dial(t, l.Addr().String())
	used, idle := wiretest.Dial(t, l.Addr().String())
	io.WriteString(used, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	wiretest.AnswerTo(t, idle, "GET")
	io.WriteString(c, wiretest.Request("Any", "", "{}"))
	<-began
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if extra, err := net.Dial("tcp", l.Addr().String()); err == nil {
		extra.Close()
		t.Error("a connection was accepted during Shutdown")
	}
	close(finish)
	if _, body := wiretest.AnswerTo(t, r, "POST"); body != "{}" {
		t.Errorf("the request in progress was answered %q", body)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, other := range []*bufio.Reader{idle, unused} {
		if _, err := other.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("another connection is still open: %v", err)
		}
	}
}

// TestShutdownCuts checks that Shutdown ends with its context.
func TestShutdownCuts(t *testing.T) {
	began := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := server.New(server.NewHandler(server.Options{Logger: log, Serve: func(ctx context.Context, r *api.Request, out []byte) (int, []byte) {
		close(began)
		<-ctx.Done()
		return 500, out
	}}), log)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, _ := wiretest.Dial(t, l.Addr().String())
	io.WriteString(c, wiretest.Request("Any", "", "{}"))
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want %v", err, context.Canceled)
	}
	<-done
}

// TestListenerFails checks that Serve reports a listener that breaks and closes the others.
func TestListenerFails(t *testing.T) {
	good, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	log := slog.New(slog.DiscardHandler)
	s := server.New(server.NewHandler(server.Options{Logger: log, Serve: wiretest.Told}), log)
	if err := s.Serve(good, bad); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want %v", err, net.ErrClosed)
	}
}
