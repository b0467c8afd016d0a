package listen_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
	"github.com/partita-db/partita/internal/wiretest"
)

// secured are the TLS files of a test and their server's clock.
type secured struct {
	t     *testing.T
	files listen.TLSFiles
	clock *clocktest.Clock
	log   func() string
	sink  *slog.Logger
}

// newSecured makes files with the pair, and the authority of clients if it is not nil.
func newSecured(t *testing.T, p, clientCA *wiretest.Pair) *secured {
	dir := t.TempDir()
	sink, log := wiretest.LogTo()
	s := &secured{t: t, clock: clocktest.New(time.Now()), log: log, sink: sink}
	s.files = listen.TLSFiles{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	s.write(s.files.Cert, p.PEM)
	s.write(s.files.Key, p.PrivatePEM)
	if clientCA != nil {
		s.files.ClientCA = filepath.Join(dir, "ca")
		s.write(s.files.ClientCA, clientCA.PEM)
	}
	return s
}

// write writes one of the files.
func (s *secured) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a server with the files.
func (s *secured) start(serve func(context.Context, *api.Request, []byte) (int, []byte)) (*listen.Server, string) {
	s.t.Helper()
	config, err := listen.NewTLSByClock(s.files, s.sink, s.clock.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	return startServer(s.t, server.NewHandler(server.Options{Serve: serve, Logger: s.sink}), func(s *listen.Server) { s.UseTLS(config) })
}

func TestTLS(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	_, addr := newSecured(t, p, nil).start(wiretest.Told)
	for http2, want := range map[bool]string{true: "HTTP/2.0 {}", false: "HTTP/1.1 {}"} {
		if got, err := wiretest.Ping(wiretest.Client(t, p, nil, wiretest.Protocol(http2)), addr); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", addr, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	c, r := wiretest.Dial(t, addr) // who does not know is told
	io.WriteString(c, wiretest.Request("Echo", "", "{}"))
	if resp, body := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 400 || !strings.Contains(body, "HTTPS server") {
		t.Errorf("plain HTTP is answered %d %s", resp.StatusCode, body)
	}
}

func TestCertificateReload(t *testing.T) {
	one, two := wiretest.Certify(t, "one", nil), wiretest.Certify(t, "two", nil)
	s := newSecured(t, one, nil)
	_, addr := s.start(wiretest.Told)
	check := func(when string, p *wiretest.Pair) {
		t.Helper()
		if _, err := wiretest.Ping(wiretest.Client(t, p, nil, wiretest.HTTP2), addr); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("at first", one)
	s.write(s.files.Cert, two.PEM) // the key does not fit it yet
	check("within the second", one)
	for range 3 {
		s.clock.Advance(listen.LookInterval)
		check("half changed", one)
	}
	s.write(s.files.Key, two.PrivatePEM)
	s.clock.Advance(listen.LookInterval)
	check("changed", two)
	if err := os.Remove(s.files.Key); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(listen.LookInterval)
	check("with the key gone", two)
	s.write(s.files.Key, two.PrivatePEM)
	s.clock.Advance(listen.LookInterval)
	check("with the key back", two)
	if log := s.log(); strings.Count(log, "level=ERROR") != 2 || strings.Count(log, "loaded anew") != 2 {
		t.Errorf("the log:\n%s", log)
	}
}

func TestClientCertificates(t *testing.T) {
	server, ca, other := wiretest.Certify(t, "server", nil), wiretest.Certify(t, "ca", nil), wiretest.Certify(t, "other", nil)
	s := newSecured(t, server, ca)
	_, addr := s.start(wiretest.Told)
	mine, others := wiretest.Certify(t, "mine", ca), wiretest.Certify(t, "others", other)
	check := func(when string, own *wiretest.Pair, good bool) {
		t.Helper()
		for _, http2 := range []bool{true, false} {
			if _, err := wiretest.Ping(wiretest.Client(t, server, own, wiretest.Protocol(http2)), addr); (err == nil) != good {
				t.Errorf("%s: %v, want it to be good: %v", when, err, good)
			}
		}
	}
	check("mine", mine, true)
	check("of another authority", others, false)
	check("none", nil, false)
	s.write(s.files.ClientCA, []byte("nothing"))
	s.clock.Advance(listen.LookInterval)
	check("mine, with a broken file", mine, true)
	check("none, with a broken file", nil, false)
	s.write(s.files.ClientCA, other.PEM)
	s.clock.Advance(listen.LookInterval)
	check("mine, of the old authority", mine, false)
	check("of the new authority", others, true)
}

func TestTLSFilesThatAreWrong(t *testing.T) {
	one, two := wiretest.Certify(t, "one", nil), wiretest.Certify(t, "two", nil)
	for name, spoil := range map[string]func(*secured){
		"no such file":       func(s *secured) { s.files.Cert += "x" },
		"another's key":      func(s *secured) { s.write(s.files.Key, two.PrivatePEM) },
		"no key":             func(s *secured) { s.write(s.files.Key, nil) },
		"no authority":       func(s *secured) { s.write(s.files.ClientCA, one.PrivatePEM) },
		"no authority there": func(s *secured) { s.files.ClientCA += "x" },
	} {
		s := newSecured(t, one, one)
		spoil(s)
		if _, err := listen.NewTLS(s.files, s.sink); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// lateListener is a listener whose Accept, when it is closed, does not return before it is
// released.
type lateListener struct {
	net.Listener
	release chan struct{}
}

// Accept implements net.Listener.
func (l lateListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.release
	}
	return c, err
}

// TestShutdownTLS ends a server of TLS while net/http still waits on the listener that is closed:
// both close it, and none may fail.
func TestShutdownTLS(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	files := newSecured(t, p, nil)
	config, err := listen.NewTLSByClock(files.files, files.sink, files.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.NewHandler(server.Options{Serve: wiretest.Told, Logger: files.sink}), files.sink)
	s.UseTLS(config)
	late := lateListener{l, make(chan struct{})}
	s.OnShutdown(func() { close(late.release) }) // which follows when net/http has closed its listeners
	done := make(chan error, 1)
	go func() { done <- s.Serve(late) }()
	if _, err := wiretest.Ping(wiretest.Client(t, p, nil, wiretest.HTTP1), l.Addr().String()); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestTimeoutsTLS turns the clock of the timeouts under connections of TLS.
func TestTimeoutsTLS(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	busy, finish := make(chan struct{}), make(chan struct{})
	s, addr := newSecured(t, p, nil).start(func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		if api.OperationName(r.Target) == "Hold" {
			busy <- struct{}{}
			<-finish
		}
		return 200, append(out, r.Body...)
	})
	defer close(finish)
	_, mute := wiretest.Dial(t, addr) // never finishes its handshake
	half, halfReader := wiretest.Dial(t, addr)
	io.WriteString(half, "\x16\x03\x01\x02") // begins it
	idle := wiretest.Client(t, p, nil, wiretest.HTTP1)
	for range 2 {
		if _, err := wiretest.Ping(idle, addr); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(plain, wiretest.Request("Hold", "", "{}"))
	<-busy
	await(t, s, [3]int{2, 1, 1})
	s.Round(listen.NewTime + time.Second)
	for _, r := range []*bufio.Reader{mute, halfReader} {
		if _, err := r.ReadByte(); err == nil {
			t.Error("a handshake that does not end was answered")
		}
	}
	await(t, s, [3]int{0, 1, 1})
	s.Round(listen.ActiveTime)
	if _, err := plain.Read(make([]byte, 1)); err == nil {
		t.Error("a request that does not end was answered")
	}
	s.Round(listen.IdleTime)
	await(t, s, [3]int{0, 0, 0})
}

// TestTimeoutsHTTP2 turns the clock of the timeouts under a connection of HTTP/2 that is busy all
// the time, with requests that end and with some that do not.
func TestTimeoutsHTTP2(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	s, addr := newSecured(t, p, nil).start(func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		if api.OperationName(r.Target) == "Large" {
			return 200, append(out, wiretest.Object(12<<20)...) // more than the client's window
		}
		return 200, append(out, r.Body...)
	})
	c := wiretest.Client(t, p, nil, wiretest.HTTP2)
	if _, err := wiretest.Ping(c, addr); err != nil {
		t.Fatal(err)
	}
	streams := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			n := s.StreamCount()
			if n == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d streams, want %d", n, want)
			}
		}
	}
	// Bodies that overlap keep the connection active, far longer than one request may be.
	type answer struct {
		text string
		err  error
	}
	begin := func() (*io.PipeWriter, chan answer) {
		body, w := io.Pipe()
		t.Cleanup(func() { w.Close() }) // or Shutdown would wait for its end
		answers := make(chan answer, 1)
		go func() {
			resp, err := wiretest.Post(c, addr, "Echo", body)
			if err != nil {
				answers <- answer{err: err}
				return
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			answers <- answer{string(text), err}
		}()
		io.WriteString(w, "{")
		return w, answers
	}
	last, lastAnswers := begin()
	streams(1)
	for range 6 {
		next, nextAnswers := begin()
		streams(2)
		s.Round(listen.ActiveTime / 2)
		io.WriteString(last, "}")
		last.Close()
		if a := <-lastAnswers; a.err != nil || a.text != "{}" {
			t.Fatalf("a request of a busy connection: %v", a)
		}
		streams(1)
		last, lastAnswers = next, nextAnswers
	}
	// A body that does not end, and an answer that is not read.
	resp, err := wiretest.Post(c, addr, "Large", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	streams(2)
	s.Round(listen.ActiveTime + time.Second)
	streams(0)
	if a := <-lastAnswers; a.err == nil && a.text != malformedBody {
		t.Errorf("a body that does not end was answered %q", a.text)
	}
	last.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("an answer came whole that was not read in time")
	}
	if got, err := wiretest.Ping(c, addr); err != nil || got != "HTTP/2.0 {}" {
		t.Errorf("the next request: %q, %v", got, err)
	}
	await(t, s, [3]int{0, 0, 1}) // all that on one connection
	s.Round(listen.IdleTime + time.Second)
	await(t, s, [3]int{0, 0, 0})
}
