package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/wiretest"
)

func TestWire(t *testing.T) {
	addr := startServer(t, Options{Serve: wiretest.Told, Known: func(target string) bool {
		return target != "" && !strings.HasSuffix(target, "NoSuchThing")
	}})
	c, r := wiretest.Dial(t, addr) // one connection: none of these answers may cost it
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
		return wiretest.Show(wiretest.AnswerTo(t, r, method))
	})
}

// TestHealthElsewhere checks the region of the health answer.
func TestHealthElsewhere(t *testing.T) {
	resp, err := http.Get("http://" + startServer(t, Options{Serve: wiretest.Told, Region: "eu-west-2"}))
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
	c, r := wiretest.Dial(t, startServer(t, Options{Serve: wiretest.Told}))
	var all strings.Builder
	for i := range 50 {
		all.WriteString(wiretest.Request("Echo", "", fmt.Sprintf(`{"n":%d}`, i)))
	}
	if _, err := io.WriteString(c, all.String()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i := range 50 {
		resp, body := wiretest.AnswerTo(t, r, "POST")
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
	o := Options{Serve: wiretest.Told, Logger: slog.New(slog.NewTextHandler(&wiretest.Locked{Mu: &mu, W: &log}, nil))}
	c, r := wiretest.Dial(t, startServer(t, o))
	for range 3 {
		io.WriteString(c, wiretest.Request("Panic", "", "{}"))
		if resp, body := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 500 || !strings.Contains(body, "#InternalServerError") {
			t.Fatalf("a panic was answered %d %s", resp.StatusCode, body)
		}
	}
	io.WriteString(c, wiretest.Request("Echo", "", "{}"))
	if _, body := wiretest.AnswerTo(t, r, "POST"); body != "{}" {
		t.Errorf("after the panics: %q", body)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"out of order", "target=DynamoDB_20120810.Panic", "wiretest.Told"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

// TestAbort checks that http.ErrAbortHandler keeps its meaning: no answer, and the connection is
// closed.
func TestAbort(t *testing.T) {
	c, r := wiretest.Dial(t, startServer(t, Options{Serve: func(context.Context, *api.Request, []byte) (int, []byte) {
		panic(http.ErrAbortHandler)
	}}))
	io.WriteString(c, wiretest.Request("Any", "", "{}"))
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("reading after an abort: %v, want EOF", err)
	}
}

// TestDebugLog checks the line that each request leaves at debug level.
func TestDebugLog(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	level := &slog.HandlerOptions{Level: slog.LevelDebug}
	c, r := wiretest.Dial(t, startServer(t, Options{Serve: wiretest.Told, Logger: slog.New(slog.NewTextHandler(&wiretest.Locked{Mu: &mu, W: &log}, level))}))
	io.WriteString(c, wiretest.Request("Echo", "", "{}"))
	wiretest.AnswerTo(t, r, "POST")
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
