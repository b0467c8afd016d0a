package cli

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHealth asks a server for its health that lives, by its data directory and by its address, and
// one that has ended.
func TestHealth(t *testing.T) {
	t.Chdir(t.TempDir())
	ask := func(args ...string) (status int, said string) {
		p := begin(t, nil, nil, append([]string{"health"}, args...)...)
		status = p.status()
		return status, p.stdout.String() + p.stderr.String()
	}
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", "data")
	server.port()
	file := filepath.Join("data", adminFile)
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("the file that tells the admin address: %v, %v", info, err)
	}
	at, err := findAdmin("", "data")
	if err != nil || at.Token == "" || at.PID != os.Getpid() {
		t.Fatalf("it says %+v, %v", at, err)
	}
	for _, args := range [][]string{{"--data", "data"}, {"--admin-addr", at.Addr}} {
		if status, said := ask(args...); status != 0 || said != "ready\n" {
			t.Errorf("health %v: %d %q, want ready", args, status, said)
		}
	}
	server.stop()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file stays after the end: %v", err)
	}
	if status, said := ask("--admin-addr", at.Addr); status != 1 || !strings.Contains(said, "no server answers on "+at.Addr) {
		t.Errorf("after the end: %d %q", status, said)
	}
}

// TestHealthOfAnother asks for the health of a server that was killed, whose address another one
// has by now; and of one without an admin address, that runs where one was killed.
func TestHealthOfAnother(t *testing.T) {
	t.Chdir(t.TempDir())
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", "alive")
	server.port()
	at, err := findAdmin("", "alive")
	if err != nil {
		t.Fatal(err)
	}
	at.Instance = "another"
	if err := os.Mkdir("killed", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeAdminFile(filepath.Join("killed", adminFile), at); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := said(t, nil, "health", "--data", "killed"); status != 1 ||
		!strings.Contains(stderr, "another answers there") {
		t.Errorf("health: %d %q", status, stderr)
	}
	server.stop()
	if err := writeAdminFile(filepath.Join("alive", adminFile), at); err != nil {
		t.Fatal(err)
	}
	begin(t, nil, nil, "serve", "--port", "0", "--data", "alive", "--admin-addr", "off").port()
	if _, err := os.Stat(filepath.Join("alive", adminFile)); !os.IsNotExist(err) {
		t.Errorf("the file of the killed server is there: %v", err)
	}
}

// TestHealthOfStranger checks that nobody who answers on an address can move the terminal's cursor.
func TestHealthOfStranger(t *testing.T) {
	for status, want := range map[int]string{http.StatusOK: "ready ?[2J\n", 503: "partita: not ready: ready ?[2J\n"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte("ready \x1b[2J\n"))
		}))
		defer s.Close()
		_, stdout, stderr := said(t, nil, "health", "--admin-addr", s.Listener.Addr().String())
		if got := stdout + stderr; got != want {
			t.Errorf("status %d: %q, want %q", status, got, want)
		}
	}
}

// TestHealthOfDirectory asks for the health of directories in which no server runs. One that is
// named is not taken for another.
func TestHealthOfDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		env, args []string
		want      string
	}{
		{nil, []string{"--data", "data"}, "no server with an admin address is running in data, or it has not got that far yet: "},
		{[]string{"PARTITA_DATA=data"}, nil, "no server with an admin address is running in data, or it has not got that far yet: "},
		{nil, []string{"--data", "data", "--admin-addr", "127.0.0.1:1"}, "no server answers on 127.0.0.1:1"},
		{nil, []string{"--data", "data", "--wait", "1ms"}, "no server was ready within 1ms; the last answer was: no server with an admin address"},
		{nil, []string{"--admin-addr", "127.0.0.1:1", "--wait", "1ms"}, "no server was ready within 1ms; the last answer was: no server answers on"},
		{nil, []string{"--wait=-1s"}, "--wait -1s is negative"},
		{nil, []string{"--admin-addr", "nonsense", "--wait", "1h"}, `"nonsense" is not an address`},
	} {
		status, _, stderr := said(t, test.env, append([]string{"health"}, test.args...)...)
		if status != 1 || !strings.HasPrefix(stderr, "partita: "+test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("health %v: %d %q, want %q", test.args, status, stderr, test.want)
		}
	}
}

// TestHealthOfDefaultAddress asks without a data directory for the health of whoever has the
// default address: that it was asked is said on standard error, after the answer.
func TestHealthOfDefaultAddress(t *testing.T) {
	t.Chdir(t.TempDir())
	const note = "no data directory with an address was found, so localhost:8002 was asked"
	ask := func() (status int, stdout, stderr string) {
		var out, diag output
		s := &streams{ctx: t.Context(), stdout: &out, stderr: &diag, systemData: "nowhere"}
		if err := (&healthCheck{}).Run(s); err != nil {
			return 1, out.String(), err.Error()
		}
		return 0, out.String(), diag.String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:8002")
	if err != nil {
		t.Skipf("the default address is in use: %v", err)
	}
	var starting atomic.Bool
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if starting.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Write([]byte("ready\n"))
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	if status, stdout, stderr := ask(); status != 0 || stdout != "ready\n" || stderr != "partita: "+note+"\n" {
		t.Errorf("of a server that is ready: %d %q %q", status, stdout, stderr)
	}
	starting.Store(true)
	if status, stdout, stderr := ask(); status != 1 || stdout != "" || !strings.HasSuffix(stderr, " ("+note+")") {
		t.Errorf("of one that is not: %d %q %q", status, stdout, stderr)
	}
}

// TestHealthWaits asks for the health of a server that is started afterwards, and one that never
// becomes ready.
func TestHealthWaits(t *testing.T) {
	t.Chdir(t.TempDir())
	asker := begin(t, nil, nil, "health", "--data", "data", "--wait", "1m")
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", "data")
	if status := asker.status(); status != 0 || asker.stdout.String() != "ready\n" || asker.stderr.String() != "" {
		t.Errorf("status %d, %q, %q", status, &asker.stdout, &asker.stderr)
	}
	server.stop()

	var asked atomic.Int64
	starting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "starting", http.StatusServiceUnavailable)
	}))
	defer starting.Close()
	addr := starting.Listener.Addr().String()
	status, _, stderr := said(t, nil, "health", "--admin-addr", addr, "--wait", "300ms")
	if want := "partita: no server was ready within 300ms; the last answer was: not ready: starting\n"; status != 1 || stderr != want || asked.Load() < 2 {
		t.Errorf("status %d, %q after %d questions, want %q", status, stderr, asked.Load(), want)
	}
	asker = begin(t, nil, nil, "health", "--admin-addr", addr, "--wait", "1h")
	for before := asked.Load(); asked.Load() == before; {
		time.Sleep(time.Millisecond)
	}
	asker.tell()
	if status := asker.status(); status != 1 || !strings.Contains(asker.stderr.String(), "interrupted") {
		t.Errorf("interrupted: %d %q", status, &asker.stderr)
	}
}

// TestAdminAddressIsRefused checks what is not taken for an admin address or token.
func TestAdminAddressIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const token = "0123456789abcdef"
	os.WriteFile("open", []byte(token), 0o644)
	os.WriteFile("short", []byte("short"), 0o600)
	for _, test := range []struct {
		env, args []string
		want      string
	}{
		{nil, []string{"--admin-addr", ":0"}, "is reached by other machines"},
		{nil, []string{"--admin-addr", taken.Addr().String()}, "choose another with --admin-addr"},
		{nil, []string{"--admin-addr", "nonsense"}, "not an address"},
		{nil, []string{"--admin-token-file", "open"}, "can be read by others"},
		{nil, []string{"--admin-token-file", "short"}, "no token of at least 16 characters"},
		{nil, []string{"--admin-token", token}, "would be seen by other users"},
		{nil, []string{"--slow-request=-1s"}, "negative"},
		{[]string{"PARTITA_ADMIN_TOKEN=" + token}, []string{"--admin-token-file", "short"}, "give one of them"},
	} {
		p := begin(t, test.env, nil, append([]string{"serve", "--in-memory", "--port", "0"}, test.args...)...)
		if status := p.status(); status == 0 || !strings.Contains(p.stderr.String(), test.want) {
			t.Errorf("serve %v: status %d, %s, want %q", test.args, status, &p.stderr, test.want)
		}
	}
}
