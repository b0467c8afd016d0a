package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var adminURL = regexp.MustCompile(`admin +http://(\S+:\d+)\n`)

// admin is the program's admin address. It serves already.
func (p *program) admin() string {
	p.t.Helper()
	m := adminURL.FindStringSubmatch(p.stdout.String())
	if m == nil {
		p.t.Fatalf("no admin address is told:\n%s", &p.stdout)
	}
	return m[1]
}

// ask asks the admin address.
func (p *program) ask(path string) (status int, text string) {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + p.admin() + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// expectHealth asks /healthz, /readyz, "partita health" and /metrics. ready has to be in what says
// whether the server is ready, and status is that of /readyz; metrics are lines.
func (p *program) expectHealth(healthz, readyz int, ready string, metrics ...string) {
	p.t.Helper()
	if status, text := p.ask("/healthz"); status != healthz {
		p.t.Errorf("/healthz: %d %s, want %d", status, text, healthz)
	}
	if status, text := p.ask("/readyz"); status != readyz || !strings.Contains(text, ready) {
		p.t.Errorf("/readyz: %d %s, want %d %s", status, text, readyz, ready)
	}
	command, want := begin(p.t, nil, nil, "health", "--admin-addr", p.admin()), 0
	if readyz != http.StatusOK {
		want = 1
	}
	if status := command.status(); status != want || !strings.Contains(command.stdout.String()+command.stderr.String(), ready) {
		p.t.Errorf("health: %d %s%s, want %d and %s", status, &command.stdout, &command.stderr, want, ready)
	}
	_, text := p.ask("/metrics")
	for _, line := range metrics {
		if !strings.Contains(text, "\n"+line+"\n") {
			p.t.Errorf("the metrics lack %s", line)
		}
	}
}

// halfRequest opens a connection and sends half of a request over it.
func halfRequest(t *testing.T, s *child) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 100"))
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 100" { // so the server waits for the body
		t.Fatalf("the server says %q, %v", answer, err)
	}
	return c
}

// TestHealthBelowTheFloor asks a server for its health whose volume is nearly full, and has room
// again.
func TestHealthBelowTheFloor(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewMem(), floor: 1 << 20}
	usage := func(free uint64) { f.mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 100 << 20}) }
	usage(50 << 20)
	p, _ := serveFaulty(t, f)
	well := []string{"partita_engine_failed 0", "partita_engine_writes_refused 0", "partita_engine_volume_free_bytes 5.24288e+07"}
	p.expectHealth(200, 200, "ready\n", well...)
	usage(1 << 19) // whoever asks has it measured
	p.expectHealth(200, 200, "ready, but writes are refused: the volume has 524288 bytes free, and 1048576 are kept",
		"partita_engine_failed 0", "partita_engine_writes_refused 1", "partita_engine_volume_free_bytes 524288",
		"partita_engine_volume_floor_bytes 1.048576e+06")
	usage(50 << 20)
	_, _ = p.ask("/metrics")
	p.expectHealth(200, 200, "ready\n", well...)
	p.stop()
}

// TestHealthAfterAFailure asks a server for its health whose engine has stopped itself, before it
// ends.
func TestHealthAfterAFailure(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewMem(), fails: ops(".log", errorfs.OpFileSync, errorfs.OpFileSyncData), with: syscall.EIO}
	p, s := serveFaulty(t, f)
	s.create()
	p.expectHealth(200, 200, "ready\n", "partita_engine_failed 0", "partita_engine_writes_refused 0")
	halfRequest(t, s) // which the program waits for, though not for long
	f.armed.Store(true)
	if put(context.Background(), s, "a", "1") == nil {
		t.Error("a write without a sync is acknowledged")
	}
	p.expectHealth(503, 503, "failed: ", "partita_engine_failed 1")
	if _, text := p.ask("/metrics"); strings.Contains(text, "partita_engine_writes_refused") || strings.Contains(text, "partita_engine_disk_bytes") {
		t.Error("the metrics have figures of an engine that has stopped")
	}
	if status := p.status(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}
