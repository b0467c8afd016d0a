package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"

	"github.com/partita-db/partita/internal/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told answers what the handler told it, and does as the operation's name says.
func told(_ context.Context, r *api.Request, out []byte) (int, []byte) {
	switch api.OperationName(r.Target) {
	case "Panic":
		panic("out of order")
	case "Fail":
		return 400, append(out, `{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}`...)
	case "FailWith":
		return 400, append(out, r.Body...)
	case "Echo":
		return 200, append(out, r.Body...)
	}
	return 200, fmt.Appendf(out, `{"target":%q,"region":%q}`, r.Target, r.Region)
}

// start runs a server with the options on a loopback port until the end of the test and returns its
// address.
func start(t *testing.T, o Options) string {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(NewHandler(o), o.Logger)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// dial opens a connection that is closed at the end of the test.
func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, bufio.NewReader(c)
}

// signed are the header lines of a signed call of the operation.
func signed(operation string) string {
	return "Host: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n" +
		"X-Amz-Target: DynamoDB_20120810." + operation + "\r\nX-Amz-Date: 20261122T120000Z\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/dynamodb/aws4_request, " +
		"SignedHeaders=host, Signature=0123\r\n"
}

// request writes a whole request that calls the operation.
func request(operation, more, body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s", signed(operation), more, len(body), body)
}

// answerTo reads one answer with its body.
func answerTo(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	resp.Body.Close()
	return resp, string(body)
}

// show prints an answer without what differs from run to run.
func show(resp *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", resp.StatusCode)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(resp.Header[name], " | ")
		switch name {
		case "Date":
			continue
		case "X-Amzn-Requestid":
			if len(value) == 52 && strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" {
				value = "<id>"
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	fmt.Fprintf(&b, "%q\n", body)
	return b.String()
}

func TestWire(t *testing.T) {
	addr := start(t, Options{Serve: told, Known: func(target string) bool {
		return target != "" && !strings.HasSuffix(target, "NoSuchThing")
	}})
	c, r := dial(t, addr) // one connection: none of these answers may cost it
	datadriven.RunTest(t, "testdata/wire", func(t *testing.T, d *datadriven.TestData) string {
		head, body, _ := strings.Cut(d.Input+"\n", "\n\n")
		body = strings.TrimSuffix(body, "\n")
		raw := strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n"
		if body != "" {
			raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		if _, err := io.WriteString(c, raw+"\r\n"+body); err != nil {
			t.Fatal(err)
		}
		method, _, _ := strings.Cut(head, " ")
		return show(answerTo(t, r, method))
	})
}

// TestHealthElsewhere checks the region of the health answer.
func TestHealthElsewhere(t *testing.T) {
	resp, err := http.Get("http://" + start(t, Options{Serve: told, Region: "eu-west-2"}))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, _ := io.ReadAll(resp.Body)
	if want := "healthy: dynamodb.eu-west-2.amazonaws.com "; string(body) != want {
		t.Errorf("health answer %q, want %q", body, want)
	}
}

// TestPipelining sends several requests at once and expects the answers in order.
func TestPipelining(t *testing.T) {
	c, r := dial(t, start(t, Options{Serve: told}))
	var all strings.Builder
	for i := range 50 {
		all.WriteString(request("Echo", "", fmt.Sprintf(`{"n":%d}`, i)))
	}
	if _, err := io.WriteString(c, all.String()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i := range 50 {
		resp, body := answerTo(t, r, "POST")
		if want := fmt.Sprintf(`{"n":%d}`, i); body != want {
			t.Fatalf("answer %d = %q, want %q", i, body, want)
		}
		ids[resp.Header.Get("X-Amzn-Requestid")] = true
	}
	if len(ids) != 50 {
		t.Errorf("%d request ids for 50 requests", len(ids))
	}
}

// TestPanics checks that a panic is logged with its stack, and that the connection survives it.
func TestPanics(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	o := Options{Serve: told, Logger: slog.New(slog.NewTextHandler(&locked{&mu, &log}, nil))}
	c, r := dial(t, start(t, o))
	for range 3 {
		io.WriteString(c, request("Panic", "", "{}"))
		if resp, body := answerTo(t, r, "POST"); resp.StatusCode != 500 || !strings.Contains(body, "#InternalServerError") {
			t.Fatalf("a panic was answered %d %s", resp.StatusCode, body)
		}
	}
	io.WriteString(c, request("Echo", "", "{}"))
	if _, body := answerTo(t, r, "POST"); body != "{}" {
		t.Errorf("after the panics: %q", body)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"out of order", "target=DynamoDB_20120810.Panic", "server.told"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

// TestAbort checks that http.ErrAbortHandler keeps its meaning: no answer, and the connection is
// closed.
func TestAbort(t *testing.T) {
	c, r := dial(t, start(t, Options{Serve: func(context.Context, *api.Request, []byte) (int, []byte) {
		panic(http.ErrAbortHandler)
	}}))
	io.WriteString(c, request("Any", "", "{}"))
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("reading after an abort: %v, want EOF", err)
	}
}

// TestDebugLog checks the line that each request leaves at debug level.
func TestDebugLog(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	level := &slog.HandlerOptions{Level: slog.LevelDebug}
	c, r := dial(t, start(t, Options{Serve: told, Logger: slog.New(slog.NewTextHandler(&locked{&mu, &log}, level))}))
	io.WriteString(c, request("Echo", "", "{}"))
	answerTo(t, r, "POST")
	deadline := time.Now().Add(5 * time.Second)
	for {
		mu.Lock()
		line := log.String()
		mu.Unlock()
		if strings.Contains(line, "operation=Echo status=200") && strings.Contains(line, "bytes_in=2 bytes_out=2") {
			return
		}
		if time.Now().After(deadline) { // the line is written after the answer
			t.Fatalf("log: %s", line)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestShutdownWaits checks that Shutdown lets the request in progress finish, and closes idle
// connections.
func TestShutdownWaits(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := New(NewHandler(Options{Logger: log, Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
		close(began)
		<-finish
		return 200, append(out, "{}"...)
	}}), log)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, r := dial(t, l.Addr().String())
	_, unused := dial(t, l.Addr().String())
	used, idle := dial(t, l.Addr().String())
	io.WriteString(used, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answerTo(t, idle, "GET")
	io.WriteString(c, request("Any", "", "{}"))
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
	if _, body := answerTo(t, r, "POST"); body != "{}" {
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
	s := New(NewHandler(Options{Logger: log, Serve: func(ctx context.Context, r *api.Request, out []byte) (int, []byte) {
		close(began)
		<-ctx.Done()
		return 500, out
	}}), log)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, _ := dial(t, l.Addr().String())
	io.WriteString(c, request("Any", "", "{}"))
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
	s := New(NewHandler(Options{Logger: log, Serve: told}), log)
	if err := s.Serve(good, bad); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want %v", err, net.ErrClosed)
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
