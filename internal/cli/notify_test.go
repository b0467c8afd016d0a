//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervisor listens as systemd does where NOTIFY_SOCKET says.
type supervisor struct {
	t    *testing.T
	conn *net.UnixConn
	addr string
}

// newSupervisor listens on a socket in the file system, or on an abstract one.
func newSupervisor(t *testing.T, abstract bool) *supervisor {
	t.Helper()
	addr := filepath.Join(t.TempDir(), "notify")
	if abstract {
		addr = fmt.Sprintf("@partita-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &supervisor{t, conn, addr}
}

// hears returns the next message, and wants it to begin with some assignment and to have another.
func (s *supervisor) hears(first, status string) {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(childPatience))
	b := make([]byte, 4096)
	n, err := s.conn.Read(b)
	if err != nil {
		s.t.Fatalf("nothing is heard, want %s: %v", first, err)
	}
	got := strings.Split(string(b[:n]), "\n")
	if len(got) != 2 || got[0] != first || !strings.HasPrefix(got[1], "STATUS="+status) {
		s.t.Fatalf("heard %q, want %q and STATUS=%s…", got, first, status)
	}
}

// starting is what is heard first.
const starting = "EXTEND_TIMEOUT_USEC=60000000"

// TestNotify starts the built program as systemd would, and listens to what it tells: that it is
// starting, ready, stopping.
func TestNotify(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, abstract := range []bool{false, true} {
		heard := newSupervisor(t, abstract)
		dir := filepath.Join(t.TempDir(), "data")
		cmd := childCommand(program, "serve", "--port", "0", "--data", dir)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+heard.addr)
		s := startCommand(t, cmd)
		heard.hears(starting, "starting: the database is being opened, for 0s now")
		heard.hears("READY=1", "serving at "+s.url+", data: "+dir)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		heard.hears("STOPPING=1", "stopping")
		if err := s.wait(); err != nil {
			t.Errorf("the program ends with %v:\n%s", err, s.stderr)
		}
		if strings.Contains(s.stderr.String(), "systemd") {
			t.Errorf("it says:\n%s", s.stderr)
		}
	}
}

// TestNotifyFailedStart starts the built program so that it fails before and while it opens the
// database: systemd hears what standard error says.
func TestNotifyFailedStart(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	holder := startProgram(t, program, dir)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(holder.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	garbled := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(garbled, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--port", port, "--in-memory"}, "in use"},
		{[]string{"--port", "0", "--in-memory", "--credentials", garbled}, garbled},
		{[]string{"--port", "0", "--data", dir}, fmt.Sprintf(" (the server with process id %d at %s)", holder.cmd.Process.Pid, holder.url)},
	} {
		heard := newSupervisor(t, false)
		cmd := childCommand(program, append([]string{"serve"}, test.args...)...)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+heard.addr)
		stderr := new(output)
		cmd.Stderr = stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = (&child{cmd: cmd}).wait()
		heard.hears(starting, "starting: ")
		heard.conn.SetReadDeadline(time.Now().Add(childPatience))
		b := make([]byte, 4096)
		n, err := heard.conn.Read(b)
		status := strings.TrimPrefix(string(b[:n]), "STATUS=")
		if err != nil || !strings.Contains(status, test.want) || !strings.Contains(stderr.String(), "partita: "+status+"\n") {
			t.Errorf("serve %v: heard %q, %v, want %q; it says:\n%s", test.args, b[:n], err, test.want, stderr)
		}
	}
}

// TestNotifyWithoutSupervisor names a socket that nobody listens on: the program says so and
// serves.
func TestNotifyWithoutSupervisor(t *testing.T) {
	t.Parallel()
	cmd := childCommand(build(t), "serve", "--port", "0", "--in-memory")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "none"))
	s := startCommand(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil || !strings.Contains(s.stderr.String(), "cannot be sent to systemd") {
		t.Errorf("the program ends with %v:\n%s", err, s.stderr)
	}
}

// TestNotifyFullSocket names a socket whose queue is full, and which nobody reads: the program
// serves and ends all the same.
func TestNotifyFullSocket(t *testing.T) {
	t.Parallel()
	program := build(t)
	full := newSupervisor(t, false)
	for filled := false; !filled; {
		filled = errors.Is(notify(full.addr, "x"), os.ErrDeadlineExceeded)
	}
	cmd := childCommand(program, "serve", "--port", "0", "--in-memory")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+full.addr)
	s := startCommand(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil || !strings.Contains(s.stderr.String(), "cannot be sent to systemd") {
		t.Errorf("the program ends with %v:\n%s", err, s.stderr)
	}
}

// TestNotifyLineBreaks checks that a path with a line break is no further assignment.
func TestNotifyLineBreaks(t *testing.T) {
	heard := newSupervisor(t, false)
	t.Setenv("NOTIFY_SOCKET", heard.addr)
	n := notifyStart(context.Background(), slog.New(slog.DiscardHandler), time.Hour)
	heard.hears(starting, "starting: ")
	n.ready("url", "/srv/a\nMAINPID=1")
	heard.hears("READY=1", "serving at url, data: /srv/a MAINPID=1")
}

// TestNotifyLongStart asks for time again and again while a start goes on, and no more after it.
func TestNotifyLongStart(t *testing.T) {
	heard := newSupervisor(t, false)
	t.Setenv("NOTIFY_SOCKET", heard.addr)
	n := notifyStart(context.Background(), slog.New(slog.DiscardHandler), time.Millisecond)
	for range 5 {
		heard.hears(starting, "starting: ")
	}
	n.close()
	n.ready("url", "where")
	for { // what was said before the end
		heard.conn.SetReadDeadline(time.Now().Add(childPatience))
		b := make([]byte, 4096)
		count, err := heard.conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if string(b[:count]) == "READY=1\nSTATUS=serving at url, data: where" {
			break
		}
	}
	n.failed(fmt.Errorf("lost: %w", os.ErrPermission))
	n.close() // a second time does no harm
	heard.conn.SetReadDeadline(time.Now().Add(childPatience))
	b := make([]byte, 4096)
	if count, err := heard.conn.Read(b); err != nil || string(b[:count]) != "STATUS=lost: permission denied" {
		t.Errorf("heard %q, %v", b[:count], err)
	}
}
