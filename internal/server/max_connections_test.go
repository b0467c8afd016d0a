package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"log/slog"

	"github.com/partita-db/partita/internal/api"
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
		if resp.StatusCode != 503 || body != tooManyConnections || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: answered %d %q", when, resp.StatusCode, body)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the connection is open", when)
		}
		c.Close()
	}
	turnedAway("all have been used in this round")
	s.connections.round(roundTime)
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
	s.connections.round(roundTime)
	last, lastReader := dial(t, addr)
	io.WriteString(last, request("Hold", "", "{}"))
	<-busy
	if _, err := idle.ReadByte(); err == nil {
		t.Error("the idle connection is open")
	}
	s.connections.round(roundTime)
	turnedAway("all are in use")
	close(finish)
	answerTo(t, nextReader, "POST")
	answerTo(t, lastReader, "POST")
	for _, answer := range answers {
		answer()
	}
}

// TestMaxRequests has more calls than may run, and asks for health meanwhile.
func TestMaxRequests(t *testing.T) {
	const most, more = 8, 100
	finish := make(chan struct{})
	var running atomic.Int32
	h := NewHandler(Options{MaxRequests: most, Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			running.Add(1)
			<-finish
			return 200, append(out, "{}"...)
		}})
	_, addr := startServer(t, h, nil)
	codes := make(chan string, most+more)
	var calls sync.WaitGroup
	for range most + more {
		c, r := dial(t, addr)
		calls.Go(func() {
			io.WriteString(c, request("PutItem", "", "{}"))
			resp, body := answerTo(t, r, "POST")
			codes <- fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Retry-After"), " ", strings.Contains(body, "#ThrottlingException"))
		})
	}
	for range more { // they are answered while the others run
		if got := <-codes; got != "400 1 true" {
			t.Errorf("one too many was answered %s", got)
		}
	}
	if n := running.Load(); n != most {
		t.Errorf("%d calls ran, want %d", n, most)
	}
	c, r := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if resp, body := answerTo(t, r, "GET"); resp.StatusCode != 200 || !strings.HasPrefix(body, "healthy") {
		t.Errorf("health was answered %d %s", resp.StatusCode, body)
	}
	close(finish)
	for range most {
		if got := <-codes; got != "200  false" {
			t.Errorf("a call that ran was answered %s", got)
		}
	}
	calls.Wait()
	io.WriteString(c, request("PutItem", "", "{}"))
	if resp, _ := answerTo(t, r, "POST"); resp.StatusCode != 200 {
		t.Errorf("a call afterwards was answered %d", resp.StatusCode)
	}
}

// TestHeaderLines sends a header of many short lines that does not end, and what is long without
// being such a header.
func TestHeaderLines(t *testing.T) {
	addr := start(t, Options{Serve: told})
	c, r := dial(t, addr)
	body := "{" + strings.Repeat("\n", 8<<10) + "}"
	for range 2 {
		io.WriteString(c, request("PutItem", strings.Repeat("X: y\r\n", maxHeaderLines-50), body))
		if resp, got := answerTo(t, r, "POST"); resp.StatusCode != 200 {
			t.Fatalf("a body of many lines was answered %d %s", resp.StatusCode, got)
		}
	}
	io.WriteString(c, "POST / HTTP/1.1\r\n"+signed("PutItem"))
	for i := range 4 * maxHeaderLines {
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

// closed tells whether the connection ends, rather than stays open with nothing to read.
func closed(r io.Reader) bool {
	_, err := r.Read(make([]byte, 1))
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
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
	s.connections.round(activeTime)
	await(t, s, [3]int{0, 1, 0})
	s.connections.round(time.Second)
	await(t, s, [3]int{0, 0, 0}) // what the kernel has taken by then may still come
}
