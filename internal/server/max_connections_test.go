package server

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
)

// TestMaxConnections fills a server with connections that are in use, and with some that are not.
func TestMaxConnections(t *testing.T) {
	busy, finish := make(chan struct{}, 8), make(chan struct{})
	h := NewHandler(Options{Logger: slog.New(slog.DiscardHandler), Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		if api.OperationName(r.Target) == "Hold" {
			busy <- struct{}{}
			<-finish
		}
		return 200, append(out, "{}"...)
	}})
	s, addr := startServer(t, h, func(s *Server) { s.LimitConnections(4) })
	var answers []func()
	for range 2 {
		c, r := dial(t, addr)
		io.WriteString(c, request("Hold", "", "{}"))
		<-busy
		answers = append(answers, func() {
			if resp, _ := answerTo(t, r, "POST"); resp.StatusCode != 200 {
				t.Errorf("a connection in use was answered %d", resp.StatusCode)
			}
		})
	}
	_, unused := dial(t, addr)
	used, idle := dial(t, addr)
	io.WriteString(used, request("Echo", "", "{}"))
	answerTo(t, idle, "POST")
	await(t, s, [3]int{1, 2, 1})
	turnedAway := func(when string) {
		t.Helper()
		c, r := dial(t, addr)
		resp, body := answerTo(t, r, "POST")
		if resp.StatusCode != 503 || body != busyBody || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: answered %d %q", when, resp.StatusCode, body)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the connection is open", when)
		}
		c.Close()
	}
	turnedAway("all have been used in this round")
	s.round(RoundTime)
	io.WriteString(used, request("Echo", "", "{}")) // the other one is now the longest without a request
	answerTo(t, idle, "POST")
	await(t, s, [3]int{1, 2, 1})
	next, nextReader := dial(t, addr)
	io.WriteString(next, request("Hold", "", "{}"))
	<-busy
	if _, err := unused.ReadByte(); err == nil {
		t.Error("the connection that was never used is open")
	}
	await(t, s, [3]int{0, 3, 1})
	turnedAway("the one that is not in use has just been")
	s.round(RoundTime)
	last, lastReader := dial(t, addr)
	io.WriteString(last, request("Hold", "", "{}"))
	<-busy
	if _, err := idle.ReadByte(); err == nil {
		t.Error("the idle connection is open")
	}
	s.round(RoundTime)
	turnedAway("all are in use")
	close(finish)
	answerTo(t, nextReader, "POST")
	answerTo(t, lastReader, "POST")
	for _, answer := range answers {
		answer()
	}
}

// TestHeaderLines sends a header of many short lines that does not end, and what is long without
// being such a header.
func TestHeaderLines(t *testing.T) {
	_, addr := startServer(t, NewHandler(Options{Serve: told, Logger: slog.New(slog.DiscardHandler)}), nil)
	c, r := dial(t, addr)
	body := "{" + strings.Repeat("\n", 8<<10) + "}"
	for range 2 {
		io.WriteString(c, request("PutItem", strings.Repeat("X: y\r\n", MaxHeaderLines-50), body))
		if resp, got := answerTo(t, r, "POST"); resp.StatusCode != 200 {
			t.Fatalf("a body of many lines was answered %d %s", resp.StatusCode, got)
		}
	}
	io.WriteString(c, "POST / HTTP/1.1\r\n"+signed("PutItem"))
	for i := range 4 * MaxHeaderLines {
		if _, err := fmt.Fprintf(c, "X%d:\r\n", i); err != nil {
			break // closed already
		}
	}
	rest, _ := io.ReadAll(r) // an error, if what was still sent met a closed connection
	if len(rest) > 0 && !strings.HasPrefix(string(rest), "HTTP/1.1 400 ") {
		t.Errorf("a header without an end was answered %q", rest)
	}
	if c.SetReadDeadline(time.Now().Add(time.Second)); !closed(r) {
		t.Error("a header without an end is waited for")
	}
}

// TestSlowReader has a client that does not read its answer.
func TestSlowReader(t *testing.T) {
	s, addr := startServer(t, NewHandler(Options{Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			return 200, append(out, object(16<<20)...)
		},
	}), nil)
	c, r := dial(t, addr)
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	io.WriteString(c, request("PutItem", "", "{}"))
	if _, err := r.Peek(1); err != nil {
		t.Fatal(err)
	}
	await(t, s, [3]int{0, 1, 0})
	s.round(ActiveTime)
	await(t, s, [3]int{0, 1, 0})
	s.round(time.Second)
	await(t, s, [3]int{0, 0, 0}) // what the kernel has taken by then may still come
}

// busyBody and malformedBody are bodies of answers.
var (
	busyBody      = string(exception.Of("ServiceUnavailable").Body("There are too many connections. Please try again."))
	malformedBody = string(exception.Of("SerializationException").Body(""))
)
