package listen_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestTimeouts turns the clock of the timeouts by hand and watches which connections it closes.
func TestTimeouts(t *testing.T) {
	busy, finish := make(chan struct{}), make(chan struct{})
	s, addr := startServer(t, server.NewHandler(server.Options{Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			if api.OperationName(r.Target) == "Hold" {
				busy <- struct{}{}
				<-finish
			}
			return 200, append(out, "{}"...)
		}}), nil)
	defer close(finish)

	open := func(send string) (net.Conn, *bufio.Reader) {
		c, r := wiretest.Dial(t, addr)
		io.WriteString(c, send)
		return c, r
	}
	_, unused := open("")
	_, slowHeader := open("POST / HT")
	slowBodyConn, slowBody := open("POST / HTTP/1.1\r\n" + wiretest.Signed("Echo") + "Content-Length: 2\r\n\r\n{")
	idleConn, idle := open(wiretest.Request("Echo", "", "{}"))
	wiretest.AnswerTo(t, idle, "POST")
	_, held := open(wiretest.Request("Hold", "", "{}"))
	<-busy
	want := func(what string, r *bufio.Reader, c net.Conn, closed bool) {
		t.Helper()
		if !closed {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			defer c.SetReadDeadline(time.Now().Add(20 * time.Second))
		}
		_, err := r.ReadByte()
		var timeout net.Error
		if open := errors.As(err, &timeout) && timeout.Timeout(); open == closed {
			t.Errorf("%s: %v, want it closed: %v", what, err, closed)
		}
	}
	await(t, s, [3]int{2, 2, 1})
	s.Round(listen.NewTime)
	await(t, s, [3]int{2, 2, 1})
	s.Round(time.Second)
	want("unused", unused, nil, true)
	want("slow header", slowHeader, nil, true)
	want("slow body", slowBody, slowBodyConn, false)
	s.Round(listen.ActiveTime - listen.NewTime)
	want("slow body", slowBody, nil, true)
	want("held", held, nil, true)
	want("idle", idle, idleConn, false)
	io.WriteString(idleConn, wiretest.Request("Echo", "", "{}")) // used again: its time begins anew
	wiretest.AnswerTo(t, idle, "POST")
	await(t, s, [3]int{0, 0, 1})
	s.Round(listen.IdleTime - time.Second)
	want("idle", idle, idleConn, false)
	s.Round(2 * time.Second)
	want("idle", idle, nil, true)
}

// await waits until so many of the server's connections are in each state: new, active, idle.
func await(t *testing.T, s *listen.Server, want [3]int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		have := s.States()
		if have == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v connections are new, active and idle, want %v", have, want)
		}
	}
}
