package listen_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/wiretest"
)

// isOpen tells whether a connection is open on which nothing comes.
func isOpen(c net.Conn, r io.Reader) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return !wiretest.Closed(r)
}

// ends waits until a connection is closed.
func (g *guardedServer) ends(what string, c net.Conn) {
	g.t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			g.t.Errorf("%s: the connection is open", what)
		}
	}
}

// TestUnauthenticatedTime turns the clock of the timeouts under connections on which nothing was
// verified, whatever they have sent, and under some on which something was.
func TestUnauthenticatedTime(t *testing.T) {
	for _, secure := range []transport{plain, overTLS} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			g := startGuarded(t, secure, 0)
			unauthenticated := map[string]net.Conn{}
			for kind, send := range unauthenticatedSend {
				text := send(g.addr)
				unauthenticated[kind], _ = g.open(text)
				if strings.HasPrefix(kind, "all") {
					if err := readAnswer(unauthenticated[kind]); err == nil || !strings.HasPrefix(err.Error(), "400") {
						t.Fatalf("%s: answered %v", kind, err)
					}
					g.idle(unauthenticated[kind])
					continue
				}
				if text != "" {
					g.has(raw(unauthenticated[kind]), len(text))
				}
			}
			known, _ := g.open("")
			if err := ask(known, wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")); err != nil {
				t.Fatal(err)
			}
			busy, _ := g.open("")
			if err := ask(busy, wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")); err != nil {
				t.Fatal(err)
			}
			io.WriteString(busy, half(wiretest.Wire(wiretest.Liar, g.addr, "/", wiretest.Object(100)))) // that is known already
			g.await("its request begins", func(int) bool { return g.conn(raw(busy)).StateOf() == http.StateActive })
			n := len(unauthenticated) + 2
			g.s.Round(listen.UnauthenticatedTime)
			g.await("all are open", func(conns int) bool { return conns == n })
			g.s.Round(2 * listen.UnauthenticatedRoundTime)
			for kind, c := range unauthenticated {
				if kind == "nothing" {
					c = raw(c)
				}
				g.ends(kind, c)
			}
			g.await("two are open", func(conns int) bool { return conns == 2 })
			if err := ask(known, wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")); err != nil {
				t.Errorf("a connection that is known: %v", err)
			}
		})
	}
}

// idle waits until the server is done with the request on a connection.
func (g *guardedServer) idle(c net.Conn) {
	g.t.Helper()
	watched := g.conn(raw(c))
	g.await("its request is over", func(int) bool { return watched.StateOf() == http.StateIdle })
}

// raw is the connection below one of TLS.
func raw(c net.Conn) net.Conn {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		return secure.NetConn()
	}
	return c
}

// readAnswer reads an answer, and tells what is wrong with it.
func readAnswer(c net.Conn) error {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		return fmt.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	return nil
}

// TestUnauthenticatedTimeAnew has unauthenticated connections whose requests are answered: the time
// for the next begins then.
func TestUnauthenticatedTimeAnew(t *testing.T) {
	for _, path := range []string{"/", "/x"} { // here, and by net/http
		g := startGuarded(t, plain, 0)
		c, _ := g.open("")
		for range 3 {
			io.WriteString(c, wiretest.Wire(nil, g.addr, path, "{}"))
			if err := readAnswer(c); err == nil || !strings.Contains(err.Error(), "MissingAuthenticationToken") {
				t.Fatalf("answered %v", err)
			}
			g.idle(c)
			g.s.Round(listen.UnauthenticatedTime)
		}
		if err := ask(c, wiretest.Wire(wiretest.Alice, g.addr, path, "{}")); err != nil {
			t.Errorf("answered %v", err)
		}
		g.idle(c)
		g.s.Round(listen.IdleTime - time.Second)
		if err := ask(c, wiretest.Wire(wiretest.Alice, g.addr, path, "{}")); err != nil {
			t.Errorf("answered %v", err)
		}
	}
}

// TestUnauthenticatedRate sends a body under a known key: slowly it has unauthenticatedTime, and as
// much more as UnauthenticatedRate gives it.
func TestUnauthenticatedRate(t *testing.T) {
	const sent = 10 * listen.UnauthenticatedRate
	for _, path := range []string{"/", "/x"} {
		for _, secure := range []transport{plain, overTLS} {
			g := startGuarded(t, secure, 0)
			c, _ := g.open(wiretest.Wire(wiretest.Liar, g.addr, path, wiretest.Object(1<<20))[:sent])
			g.has(raw(c), sent)
			g.s.Round(listen.UnauthenticatedTime + sent/listen.UnauthenticatedRate*time.Second)
			if !isOpen(raw(c), raw(c)) {
				t.Errorf("%s, TLS %v: the connection is closed before its time", path, secure)
			}
			g.s.Round(2 * time.Second)
			g.ends(path, raw(c))
			if g.buffered() != 0 {
				g.await("the memory is given back", func(int) bool { return g.buffered() == 0 })
			}
		}
	}
}

// TestUnauthenticatedMemory has unauthenticated connections hold as much memory for bodies as they
// can: a client with a key gets some of it.
func TestUnauthenticatedMemory(t *testing.T) {
	const large = 1 << 20
	g := startGuardedWith(t, plain, 0, 8*large) // a body counts twice
	g.s.SetBodyGrace(time.Hour)
	known, _ := g.open("")
	if err := ask(known, wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")); err != nil {
		t.Fatal(err)
	}
	begun := half(wiretest.Wire(wiretest.Liar, g.addr, "/", wiretest.Object(large)))
	for range 2 {
		c, _ := g.open(begun)
		g.has(c, len(begun))
	}
	for range 2 {
		c, _ := g.open(wiretest.Wire(wiretest.Liar, g.addr, "/", wiretest.Object(large)))
		if err := readAnswer(c); err == nil || !strings.HasPrefix(err.Error(), "503") {
			t.Errorf("one unauthenticated connection too many was answered %v", err)
		}
	}
	if err := ask(known, wiretest.Wire(wiretest.Alice, g.addr, "/", wiretest.Object(large))); err != nil {
		t.Errorf("a connection that is known: %v", err)
	}
	g.s.Round(listen.UnauthenticatedTime + large/listen.UnauthenticatedRate*time.Second + time.Second)
	g.await("one is left", func(conns int) bool { return conns == 1 && g.buffered() == 0 })
	c, _ := g.open("")
	if err := ask(c, wiretest.Wire(wiretest.Alice, g.addr, "/", wiretest.Object(large))); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

// TestFirstRequestIsLarge has clients with a key begin with a request that takes more than the half
// of the memory that unauthenticated connections have: one that is alone gets it, and where others
// hold all there is, the oldest of them goes once it had its grace.
func TestFirstRequestIsLarge(t *testing.T) {
	const large = 1 << 20
	g := startGuardedWith(t, plain, 0, 4*large) // a body counts twice
	for range 2 {
		c, _ := g.open("")
		if err := ask(c, wiretest.Wire(wiretest.Alice, g.addr, "/", wiretest.Object(3*large/2))); err != nil {
			t.Errorf("alone: %v", err)
		}
	}
	g.s.SetBodyGrace(0)
	begun := half(wiretest.Wire(wiretest.Liar, g.addr, "/", wiretest.Object(large)))
	slow, _ := g.open(begun)
	g.has(slow, len(begun))
	c, _ := g.open("")
	if err := ask(c, wiretest.Wire(wiretest.Alice, g.addr, "/", wiretest.Object(3*large/2))); err != nil {
		t.Errorf("beside an unauthenticated connection: %v", err)
	}
	g.ends("the unauthenticated", slow)
	g.await("all is given back", func(int) bool { return g.buffered() == 0 })
}

// TestUnauthenticatedGoFirst fills a server, and looks at who makes room: the oldest
// unauthenticated connection, though it is in the middle of a request, before a connection that is
// known, though nobody has used that for longer.
func TestUnauthenticatedGoFirst(t *testing.T) {
	g := startGuarded(t, plain, 3)
	good := wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")
	known, _ := g.open("")
	if err := ask(known, good); err != nil {
		t.Fatal(err)
	}
	g.idle(known)
	g.s.Round(listen.RoundTime)
	begun := half(wiretest.Wire(wiretest.Liar, g.addr, "/", wiretest.Object(100)))
	first, _ := g.open(begun)
	g.has(first, len(begun))
	second, _ := g.open("")
	g.await("all are open", func(conns int) bool { return conns == 3 })
	third, _ := g.open("")
	g.ends("the oldest unauthenticated", first)
	if err := ask(second, good); err != nil { // it is known from now on
		t.Errorf("the second: %v", err)
	}
	fourth, _ := g.open("")
	g.ends("the only unauthenticated", third)
	for name, c := range map[string]net.Conn{"the known one": known, "the second": second, "the fourth": fourth} {
		if err := ask(c, good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		g.idle(c)
	}
	g.s.Round(listen.RoundTime)
	if err := ask(known, good); err != nil {
		t.Error(err)
	}
	fifth, _ := g.open("") // all are known: the one that is idle for longest
	if err := ask(fifth, good); err != nil {
		t.Error(err)
	}
	if err := ask(known, good); err != nil {
		t.Errorf("the one that was used last: %v", err)
	}
}

// TestUnauthenticatedGrace has a connection come for which another has to go that has just come.
func TestUnauthenticatedGrace(t *testing.T) {
	g := startGuarded(t, plain, 1)
	began := time.Now()
	first, _ := g.open("")
	g.await("it is accepted", func(conns int) bool { return conns == 1 })
	second, _ := g.open("")
	g.ends("the first", first)
	if took := time.Since(began); took < listen.UnauthenticatedGrace {
		t.Errorf("it had %v, want %v", took, listen.UnauthenticatedGrace)
	}
	if err := ask(second, wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestUnauthenticatedIsGone verifies a request of which the connection has made room in the
// meantime: it is not executed.
func TestUnauthenticatedIsGone(t *testing.T) {
	g := startGuarded(t, plain, 0)
	c, _ := g.open("")
	watched := g.conn(c)
	call := func() (p any, code int) {
		r := wiretest.CallBy(wiretest.Alice, g.addr, "/", "{}")
		w := httptest.NewRecorder()
		defer func() { p, code = recover(), w.Code }()
		g.h.ServeHTTP(w, r.WithContext(listen.WithConn(r.Context(), watched)))
		return
	}
	watched.CutOff()
	if p, _ := call(); p != http.ErrAbortHandler {
		t.Errorf("a request without a connection ended with %v", p)
	}
}

// TestUnauthenticatedStreams has an unauthenticated connection begin as many requests over HTTP/2
// as there may be, and a client with a key.
func TestUnauthenticatedStreams(t *testing.T) {
	g := startGuarded(t, overTLS, 3)
	one, two := wiretest.Client(t, g.pair, nil, wiretest.HTTP2), wiretest.Client(t, g.pair, nil, wiretest.HTTP2)
	answers := make(chan error, 10)
	for i := range 3 {
		r := wiretest.CallBy(wiretest.Liar, g.addr, "/", "{}")
		body, w := io.Pipe()
		r.Body, r.ContentLength = body, -1
		t.Cleanup(func() { w.Close() })
		go func() {
			resp, err := one.Do(r)
			if err == nil {
				err = fmt.Errorf("%s", resp.Status)
				resp.Body.Close()
			}
			answers <- err
		}()
		w.Write([]byte("{"))
		g.await("the request begins", func(int) bool { return g.streams() == i+1 })
	}
	resp, err := two.Do(wiretest.CallBy(wiretest.Alice, g.addr, "/", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Errorf("a client with a key was answered %s %s", resp.Proto, resp.Status)
	}
	if err := <-answers; err == nil {
		t.Error("the oldest request did not end")
	}
	g.await("two are left", func(int) bool { return g.streams() == 2 })
	g.s.Round(listen.UnauthenticatedTime / 2)
	if resp, err := one.Do(wiretest.CallBy(nil, g.addr, "/", "{}")); err != nil || resp.StatusCode != 400 {
		t.Errorf("%v %v", resp, err)
	} else {
		resp.Body.Close() // its connection has time anew, its other requests have not
	}
	g.await("two are left again", func(int) bool { return g.streams() == 2 })
	g.s.Round(listen.UnauthenticatedTime/2 + 2*listen.UnauthenticatedRoundTime)
	for range 2 {
		if err := <-answers; err == nil {
			t.Error("a request did not end in its time")
		}
	}
	g.await("none is left", func(int) bool { return g.streams() == 0 })
	g.await("both connections are", func(conns int) bool { return conns == 2 })
	g.s.Round(listen.UnauthenticatedTime + 2*listen.UnauthenticatedRoundTime)
	g.await("the unauthenticated one is closed", func(conns int) bool { return conns == 1 })
}

// streams is how many requests of HTTP/2 are under watch.
func (g *guardedServer) streams() int {
	return g.s.StreamCount()
}

// buffered is how much of the memory for large bodies is in use.
func (g *guardedServer) buffered() int64 {
	used, _ := g.h.Buffers()
	return used
}
