package cli

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// stranger takes an address, answers everything with 200, and tells whether anybody has sent it a
// token.
func stranger(t *testing.T, addr string) (told *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	told = new(atomic.Int64)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			told.Add(1)
		}
		w.Write([]byte("hello"))
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return told
}

// says runs a command and wants it to end with the status, after words that it says.
func says(t *testing.T, status int, words string, args ...string) {
	t.Helper()
	p := begin(t, nil, nil, args...)
	got := p.status()
	if said := p.stdout.String() + p.stderr.String(); got != status || !strings.Contains(said, words) {
		t.Errorf("%v: status %d, %s, want %d and %q", args, got, said, status, words)
	}
}

// TestAdminFileThatIsLeft has a server killed, so that its admin.json stays, and somebody else
// listen where it was: nobody is told the token, and the commands say what is wrong. The next start
// writes the file anew. The file in a copy of the directory is of no use either while the original
// is served.
func TestAdminFileThatIsLeft(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	s := startProgram(t, program, dir)
	first, err := findAdmin("", dir)
	if err != nil || first.Token == "" || first.PID != s.cmd.Process.Pid {
		t.Fatalf("admin.json says %+v, %v; want process %d", first, err, s.cmd.Process.Pid)
	}
	says(t, 0, "ready", "health", "--data", dir)
	s.kill()
	says(t, 1, "no server answers on "+first.Addr, "health", "--data", dir)
	const left = "is left from one that was killed"
	dest := filepath.Join(t.TempDir(), "backup")
	says(t, 1, left, "backup", dest, "--data", dir)
	told := stranger(t, first.Addr)
	says(t, 1, "is not the admin address of a Partita", "health", "--data", dir)
	says(t, 1, left, "backup", dest, "--data", dir)
	says(t, 1, "", "backup", dest, "--data", dir, "--admin-addr", first.Addr)

	s = startProgram(t, program, dir)
	second, err := findAdmin("", dir)
	if err != nil || second.Addr == first.Addr || second.Token == first.Token || second.PID != s.cmd.Process.Pid {
		t.Errorf("after another start admin.json says %+v, %v; before it said %+v", second, err, first)
	}
	says(t, 0, "ready", "health", "--data", dir)
	copied := t.TempDir() // of what matters here: a table file could go while it is copied
	for _, name := range []string{adminFile, "FORMAT", "LOCK"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(copied, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	says(t, 1, left, "backup", dest, "--data", copied)
	says(t, 0, "backup written", "backup", dest, "--data", dir)
	s.kill()
	checkDir(t, dest)
	if n := told.Load(); n > 0 {
		t.Errorf("a stranger was told the token %d times", n)
	}
	if matches, _ := filepath.Glob(filepath.Join(dest, adminFile+"*")); len(matches) > 0 {
		t.Errorf("the backup has %v", matches)
	}
}

// TestAdminFileIsNotWritten checks that nothing is left of a file that could not be written: it
// would have the token in it.
func TestAdminFileIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, adminFile)
	if err := os.MkdirAll(filepath.Join(file, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeAdminFile(file, adminAt{Token: "token"}); err == nil {
		t.Error("a directory was replaced")
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}
