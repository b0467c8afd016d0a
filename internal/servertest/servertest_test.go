package servertest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStart serves a handler, and ends under a request, which is answered.
func TestStart(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	s := Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-goOn
		io.WriteString(w, "hello")
	}), nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan string, 1)
	go func() {
		resp, err := client.Get(s.URL + "/")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answered <- string(b)
	}()
	<-entered
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	for addr := strings.TrimPrefix(s.URL, "http://"); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break // the server is ending
		}
		c.Close()
	}
	close(goOn)
	if got := <-answered; got != "hello" {
		t.Errorf("answered %q", got)
	}
	<-closed
	s.Close()
	if _, err := client.Get(s.URL); err == nil {
		t.Error("somebody serves there afterwards")
	}
}
