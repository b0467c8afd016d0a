package listen_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// guardedServer runs a server that asks for credentials, of TLS if secure says so. clients open
// connections to it.
type guardedServer struct {
	t    *testing.T
	s    *listen.Server
	h    *server.Handler
	addr string
	tls  *tls.Config // of its clients; nil: it is plain
	pair *wiretest.Pair
}

// transport is what a guardedServer is reached over.
type transport bool

// The transports.
const (
	plain   transport = false
	overTLS transport = true
)

// startGuarded starts one.
func startGuarded(t *testing.T, secure transport, most int) *guardedServer {
	t.Helper()
	return startGuardedWith(t, secure, most, 0)
}

// startGuardedWith starts one with so much memory for large bodies; 0: the usual.
func startGuardedWith(t *testing.T, secure transport, most int, bufferBytes int64) *guardedServer {
	t.Helper()
	g := &guardedServer{t: t}
	keys, err := iam.Parse([]byte(wiretest.Everybody))
	if err != nil {
		t.Fatal(err)
	}
	g.h = server.NewHandler(server.Options{Serve: wiretest.Whoami, Credentials: keys, Now: func() time.Time { return wiretest.Noon },
		BufferBytes: bufferBytes, Logger: slog.New(slog.DiscardHandler)})
	var config *tls.Config
	if secure {
		g.pair = wiretest.Certify(t, "one", nil)
		files := newSecured(t, g.pair, nil)
		if config, err = listen.NewTLSByClock(files.files, files.sink, files.clock.Now); err != nil {
			t.Fatal(err)
		}
		g.tls = wiretest.Client(t, g.pair, nil, wiretest.HTTP1).Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	g.s, g.addr = startServer(t, g.h, func(s *listen.Server) {
		s.LimitConnections(most)
		if secure {
			s.UseTLS(config)
		}
	})
	return g
}

// dial opens a connection. With TLS the handshake is made with what is first sent or read.
func (g *guardedServer) dial() (net.Conn, error) {
	c, err := net.DialTimeout("tcp", g.addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if g.tls == nil {
		return c, nil
	}
	config := g.tls.Clone()
	config.ServerName = "localhost"
	return tls.Client(c, config), nil
}

// open opens a connection until the end of the test, and sends.
func (g *guardedServer) open(send string) (net.Conn, *bufio.Reader) {
	g.t.Helper()
	c, err := g.dial()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if send != "" {
		if _, err := io.WriteString(c, send); err != nil {
			g.t.Fatal(err)
		}
	}
	return c, bufio.NewReader(c)
}

// ask sends a request on a connection, and tells what is wrong with its answer.
func ask(c net.Conn, request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
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

// unauthenticatedSend are what unauthenticated connections send, and then nothing more.
var unauthenticatedSend = map[string]func(addr string) string{
	"nothing":                   func(string) string { return "" },
	"half a head":               func(addr string) string { return wiretest.Wire(nil, addr, "/", "{}")[:40] },
	"half a body, unsigned":     func(addr string) string { return half(wiretest.Wire(nil, addr, "/", wiretest.Object(100))) },
	"half a body, unknown key":  func(addr string) string { return half(wiretest.Wire(wiretest.Nobody, addr, "/", wiretest.Object(100))) },
	"half a body, false":        func(addr string) string { return half(wiretest.Wire(wiretest.Liar, addr, "/", wiretest.Object(100))) },
	"half a body, for net/http": func(addr string) string { return half(wiretest.Wire(wiretest.Liar, addr, "/x", wiretest.Object(100))) },
	"all, unsigned":             func(addr string) string { return wiretest.Wire(nil, addr, "/", "{}") },
	"all, false":                func(addr string) string { return wiretest.Wire(wiretest.Liar, addr, "/", "{}") },
}

// half is a request of which 99 bytes are missing.
func half(request string) string { return request[:len(request)-99] }

// crowd opens so many connections that send the same, and each anew as soon as it is closed, until
// stop is called.
func (g *guardedServer) crowd(n int, send string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				c, err := g.dial()
				if err != nil {
					continue
				}
				unhook := context.AfterFunc(ctx, func() { raw(c).SetDeadline(time.Unix(1, 0)) })
				if send == "" {
					_, _ = io.Copy(io.Discard, raw(c)) // not even a handshake
				} else if _, err := io.WriteString(c, send); err == nil {
					_, _ = io.Copy(io.Discard, c)
				}
				unhook()
				raw(c).Close() // without a good-bye
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// TestManyUnauthenticated has more unauthenticated connections than there may be connections, who
// come again as fast as they are sent away, and a client with a key. Nine of ten of its requests
// are answered within a second, on a connection that it keeps as on new ones.
func TestManyUnauthenticated(t *testing.T) {
	const most, unauthenticated, requests = 128, 160, 10
	for _, secure := range []transport{plain, overTLS} {
		for kind, send := range unauthenticatedSend {
			if secure == overTLS && testing.Short() && kind != "half a body, false" {
				continue // slow with the race detector
			}
			t.Run(fmt.Sprintf("%s, TLS %v", kind, secure), func(t *testing.T) {
				g := startGuarded(t, secure, most)
				good := wiretest.Wire(wiretest.Alice, g.addr, "/", "{}")
				kept, _ := g.open("")
				if err := ask(kept, good); err != nil {
					t.Fatal(err)
				}
				stop := g.crowd(unauthenticated, send(g.addr))
				defer stop()
				g.await("the server is full", func(conns int) bool { return conns == most })
				bad := map[string]int{}
				note := func(way string, began time.Time, err error) {
					if took := time.Since(began); err != nil || took > time.Second {
						t.Logf("%s: %v after %v", way, err, took)
						bad[way]++
					}
				}
				for range requests {
					began := time.Now()
					note("kept", began, ask(kept, good))
					began = time.Now()
					note("new", began, g.askAnew(good))
				}
				if bad["kept"] > requests/10 || bad["new"] > requests/10 {
					t.Errorf("of %d requests of a client with a key, these were not served: %v", requests, bad)
				}
			})
		}
	}
}

// askAnew sends a request on a new connection, as an SDK does: once more where the connection
// breaks, within the second.
func (g *guardedServer) askAnew(request string) (err error) {
	for began := time.Now(); time.Since(began) < time.Second; {
		var c net.Conn
		if c, err = g.dial(); err != nil {
			continue
		}
		err = ask(c, request)
		c.Close()
		if err == nil {
			return nil
		}
	}
	return err
}

// await waits until so many connections are open.
func (g *guardedServer) await(what string, is func(conns int) bool) {
	g.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		n := g.s.ConnCount()
		if is(n) {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("%d connections are open; this does not come: %s", n, what)
		}
	}
}

// Conn is the server's end of a connection.
func (g *guardedServer) conn(c net.Conn) *listen.Conn {
	g.t.Helper()
	var found *listen.Conn
	g.await("the connection is accepted", func(int) bool {
		found = g.s.ConnFrom(c.LocalAddr())
		return found != nil
	})
	return found
}

// has waits until an unauthenticated connection's bytes have come.
func (g *guardedServer) has(c net.Conn, bytes int) {
	g.t.Helper()
	watched := g.conn(c)
	g.await("its bytes have come", func(int) bool { return watched.ReceivedBytes() >= int64(bytes) })
}
