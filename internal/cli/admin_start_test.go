//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// poller asks an admin address over and over with the token that the file in a directory has at the
// moment.
type poller struct {
	t                        *testing.T
	addr, dir                string
	accepted, later, nowhere atomic.Int64 // how often a token was, one was told to come again, and nobody answered
	stop                     chan struct{}
	stopped                  sync.WaitGroup
}

// pollAdmin starts one.
func pollAdmin(t *testing.T, addr, dir string) *poller {
	p := &poller{t: t, addr: addr, dir: dir, stop: make(chan struct{})}
	p.stopped.Go(func() {
		for {
			select {
			case <-p.stop:
				return
			default:
				p.ask()
			}
		}
	})
	t.Cleanup(p.end)
	return p
}

// end stops it.
func (p *poller) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.stopped.Wait()
}

// token is that of the file; empty if there is none.
func (p *poller) token() string {
	at, err := findAdmin("", p.dir)
	if err != nil {
		p.t.Errorf("reading the file: %v", err)
	}
	return at.Token
}

// ask asks once. A token that is refused must not be that of the file any more.
func (p *poller) ask() {
	token := p.token()
	r, err := http.NewRequest(http.MethodGet, "http://"+p.addr+"/debug/pprof/cmdline", nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: childPatience}
	answer, err := client.Do(r)
	if err != nil {
		p.nowhere.Add(1)
		return
	}
	answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		p.accepted.Add(1)
	case http.StatusServiceUnavailable:
		p.later.Add(1)
	case http.StatusUnauthorized:
		if token != "" && p.token() == token {
			p.t.Errorf("the server refuses the token that %s has", adminFile)
		}
	default:
		p.t.Errorf("the server answers %s", answer.Status)
	}
}

// TestAdminFileIsRightWhileStarting kills a server and has it start again where reading hangs, as
// on a slow disk: the file of the first one is there still, and at no moment does the second one
// refuse the token that the file has.
func TestAdminFileIsRightWhileStarting(t *testing.T) {
	t.Parallel()
	program, dir, addr := build(t), filepath.Join(t.TempDir(), "data"), freePort(t)
	start := func() *child {
		return startCommand(t, childCommand(program, "serve", "--port", "0", "--data", dir, "--admin-addr", addr))
	}
	s := start()
	p := pollAdmin(t, addr, dir)
	until := func(what string, n *atomic.Int64) {
		t.Helper()
		before := n.Load()
		eventually(t, s, what, func() bool { return n.Load() > before })
	}
	until("an answer to the token", &p.accepted)
	for range 3 {
		s.kill()
		until("nobody who answers", &p.nowhere)
		s = start()
		until("an answer to the token after a start", &p.accepted)
	}
	s.kill()
	format := filepath.Join(dir, "FORMAT")
	text, err := os.ReadFile(format)
	if err == nil {
		err = os.Rename(format, format+".kept")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(format, 0o600); err != nil {
		t.Skipf("no FIFO can be made: %v", err)
	}
	said := new(output)
	cmd := childCommand(program, "serve", "--port", "0", "--data", dir, "--admin-addr", addr)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s = &child{t: t, cmd: cmd, stderr: said, client: new(http.Client)}
	t.Cleanup(s.kill)
	until("an answer to the token while the start hangs", &p.later)
	if status, text := askOnce("http://" + addr + "/healthz"); status != http.StatusAccepted ||
		!strings.HasPrefix(text, "starting: ") {
		t.Errorf("meanwhile /healthz answers %d %s", status, text)
	}
	feed(t, format, text, func() bool {
		status, _ := askOnce("http://" + addr + "/readyz")
		return status == http.StatusOK
	})
	until("an answer to the token in the end", &p.accepted)
	p.end()
}

// feed writes the text into a FIFO each time that somebody reads it, until done.
func feed(t *testing.T, fifo string, text []byte, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(childPatience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the start does not come to its end")
		}
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue // nobody reads it
		}
		_, _ = f.Write(text) // whoever reads may have gone
		f.Close()
	}
}

// TestAdminFileOfTwo starts a second server on a directory: the file stays that of the first, which
// has the data address in it.
func TestAdminFileOfTwo(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	s := startProgram(t, program, dir)
	file := filepath.Join(dir, adminFile)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var at map[string]any
	if err := json.Unmarshal(before, &at); err != nil || at["endpoint"] != s.url ||
		fmt.Sprint(at["pid"]) != fmt.Sprint(s.cmd.Process.Pid) {
		t.Errorf("the file says %s, %v; want the endpoint %s", before, err, s.url)
	}
	for range 3 {
		out, err := childCommand(program, "serve", "--port", "0", "--data", dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "open already, in this process or another") {
			t.Fatalf("a second server on the directory: %v\n%s", err, out)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(before) {
			t.Errorf("the file says %s, %v; before it said %s", now, err, before)
		}
	}
	s.kill()
}

// TestRetract checks that a server removes its own file alone, and writes none when it has begun to
// end.
func TestRetract(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, adminFile)
	newServer := func() *adminFlags {
		f := &adminFlags{AdminAddr: "127.0.0.1:0"}
		if err := f.open(true, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.close)
		return f
	}
	one, two := newServer(), newServer()
	for _, f := range []*adminFlags{one, two} {
		if err := f.announce(dir, "http://localhost:1"); err != nil {
			t.Fatal(err)
		}
	}
	one.retract()
	if at, err := findAdmin("", dir); err != nil || at.Token != two.server.handler.Token() ||
		at.Endpoint != "http://localhost:1" {
		t.Errorf("the file says %+v, %v; want what the second server wrote", at, err)
	}
	two.retract()
	if err := two.announce(dir, ""); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}
