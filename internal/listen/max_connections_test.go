package listen_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"log/slog"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestMaxConnections fills a server with connections that are in use, and with some that are not.
func TestMaxConnections(t *testing.T) {
	busy, finish := make(chan struct{}, 8), make(chan struct{})
	h := server.NewHandler(server.Options{Logger: slog.New(slog.DiscardHandler), Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		if api.OperationName(r.Target) == "Hold" {
			busy <- struct{}{}
			<-finish
		}
		return 200, append(out, "{}"...)
	}})
	s, addr := startServer(t, h, func(s *listen.Server) { s.LimitConnections(4) })
	var answers []func()
	for range 2 {
		c, r := wiretest.Dial(t, addr)
		io.WriteString(c, wiretest.Request("Hold", "", "{}"))
		<-busy
		answers = append(answers, func() {
			if resp, _ := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 200 {
				t.Errorf("a connection in use was answered %d", resp.StatusCode)
			}
		})
	}
	_, unused := wiretest.Dial(t, addr)
	used, idle := wiretest.Dial(t, addr)
	io.WriteString(used, wiretest.Request("Echo", "", "{}"))
	wiretest.AnswerTo(t, idle, "POST")
	await(t, s, [3]int{1, 2, 1})
	turnedAway := func(when string) {
		t.Helper()
		c, r := wiretest.Dial(t, addr)
		resp, body := wiretest.AnswerTo(t, r, "POST")
		if resp.StatusCode != 503 || body != busyBody || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: answered %d %q", when, resp.StatusCode, body)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the connection is open", when)
		}
		c.Close()
	}
	turnedAway("all have been used in this round")
	s.Round(listen.RoundTime)
	io.WriteString(used, wiretest.Request("Echo", "", "{}")) // the other one is now the longest without a request
	wiretest.AnswerTo(t, idle, "POST")
	await(t, s, [3]int{1, 2, 1})
	next, nextReader := wiretest.Dial(t, addr)
	io.WriteString(next, wiretest.Request("Hold", "", "{}"))
	<-busy
	if _, err := unused.ReadByte(); err == nil {
		t.Error("the connection that was never used is open")
	}
	await(t, s, [3]int{0, 3, 1})
	turnedAway("the one that is not in use has just been")
	s.Round(listen.RoundTime)
	last, lastReader := wiretest.Dial(t, addr)
	io.WriteString(last, wiretest.Request("Hold", "", "{}"))
	<-busy
	if _, err := idle.ReadByte(); err == nil {
		t.Error("the idle connection is open")
	}
	s.Round(listen.RoundTime)
	turnedAway("all are in use")
	close(finish)
	wiretest.AnswerTo(t, nextReader, "POST")
	wiretest.AnswerTo(t, lastReader, "POST")
	for _, answer := range answers {
		answer()
	}
}

// TestHeaderLines sends a header of many short lines that does not end, and what is long without
// being such a header.
func TestHeaderLines(t *testing.T) {
	_, addr := startServer(t, server.NewHandler(server.Options{Serve: wiretest.Told, Logger: slog.New(slog.DiscardHandler)}), nil)
	c, r := wiretest.Dial(t, addr)
	body := "{" + strings.Repeat("\n", 8<<10) + "}"
	for range 2 {
		io.WriteString(c, wiretest.Request("PutItem", strings.Repeat("X: y\r\n", listen.MaxHeaderLines-50), body))
		if resp, got := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 200 {
			t.Fatalf("a body of many lines was answered %d %s", resp.StatusCode, got)
		}
	}
	io.WriteString(c, "POST / HTTP/1.1\r\n"+wiretest.Signed("PutItem"))
	for i := range 4 * listen.MaxHeaderLines {
		if _, err := fmt.Fprintf(c, "X%d:\r\n", i); err != nil {
			break // closed already
		}
	}
	rest, _ := io.ReadAll(r) // an error, if what was still sent met a closed connection
	if len(rest) > 0 && !strings.HasPrefix(string(rest), "HTTP/1.1 400 ") {
		t.Errorf("a header without an end was answered %q", rest)
	}
	if c.SetReadDeadline(time.Now().Add(time.Second)); !wiretest.Closed(r) {
		t.Error("a header without an end is waited for")
	}
}

// TestSlowReader has a client that does not read its answer.
func TestSlowReader(t *testing.T) {
	s, addr := startServer(t, server.NewHandler(server.Options{Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 200, append(out, wiretest.Object(16<<20)...)
		},
	}), nil)
	c, r := wiretest.Dial(t, addr)
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	io.WriteString(c, wiretest.Request("PutItem", "", "{}"))
	if _, err := r.Peek(1); err != nil {
		t.Fatal(err)
	}
	await(t, s, [3]int{0, 1, 0})
	s.Round(listen.ActiveTime)
	await(t, s, [3]int{0, 1, 0})
	s.Round(time.Second)
	await(t, s, [3]int{0, 0, 0}) // what the kernel has taken by then may still come
}

// busyBody and malformedBody are bodies of answers.
var (
	busyBody      = string(exception.Of("ServiceUnavailable").Body("There are too many connections. Please try again."))
	malformedBody = string(exception.Of("SerializationException").Body(""))
)
