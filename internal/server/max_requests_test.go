package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestMaxRequests has more calls than may run, and asks for health meanwhile.
func TestMaxRequests(t *testing.T) {
	const most, more = 8, 100
	finish := make(chan struct{})
	var running atomic.Int32
	o := Options{MaxRequests: most, Logger: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, r *api.Request, out []byte) (int, []byte) {
			running.Add(1)
			<-finish
			return 200, append(out, "{}"...)
		}}
	addr := startServer(t, o)
	codes := make(chan string, most+more)
	var calls sync.WaitGroup
	for range most + more {
		c, r := wiretest.Dial(t, addr)
		calls.Go(func() {
			io.WriteString(c, wiretest.Request("PutItem", "", "{}"))
			resp, body := wiretest.AnswerTo(t, r, "POST")
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
	c, r := wiretest.Dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if resp, body := wiretest.AnswerTo(t, r, "GET"); resp.StatusCode != 200 || !strings.HasPrefix(body, "healthy") {
		t.Errorf("health was answered %d %s", resp.StatusCode, body)
	}
	close(finish)
	for range most {
		if got := <-codes; got != "200  false" {
			t.Errorf("a call that ran was answered %s", got)
		}
	}
	calls.Wait()
	io.WriteString(c, wiretest.Request("PutItem", "", "{}"))
	if resp, _ := wiretest.AnswerTo(t, r, "POST"); resp.StatusCode != 200 {
		t.Errorf("a call afterwards was answered %d", resp.StatusCode)
	}
}
