package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadyFile starts the built program on a free port, over a file that an earlier run has left,
// asks the server at the URL that the file comes to have, and ends it.
func TestReadyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	const stale = "http://localhost:1\n"
	if err := os.WriteFile(file, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(build(t), "serve", "--port", "0", "--data", filepath.Join(dir, "data"), "--ready-file", file)
	stdout, stderr := new(output), new(output)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	text := stale
	for deadline := time.Now().Add(childPatience); text == stale; time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil {
			text = string(b) // whole, whenever it is read
		} else if !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("no file:\n%s%s", stdout, stderr)
		}
	}
	url, ended := strings.CutSuffix(text, "\n")
	if !ended || !strings.HasPrefix(url, "http://localhost:") {
		t.Errorf("the file has %q in it", text)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: childPatience}
	if answer, err := client.Get(url + "/ping"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the server answers %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
		t.Errorf("the server has left %v", left)
	}
}

// TestReadyFileOfRefusedStart checks that a start that comes to nothing leaves no file that says
// otherwise.
func TestReadyFileOfRefusedStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("https://example.com:8000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := said(t, nil, "serve", "--addr", "nowhere", "--in-memory", "--ready-file", file)
	if _, err := os.Stat(file); status != 1 || !os.IsNotExist(err) {
		t.Errorf("status %d, %s, the file: %v", status, stderr, err)
	}
}

// TestReadyFileRefusals holds the files that are not touched, and the errors.
func TestReadyFileRefusals(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"notes": "mine\n", "urls": "http://a\nhttp://b\n", "long": "http://" + strings.Repeat("a", maxReadyFile) + "\n", "open": "http://a",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(in("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, want string }{
		{"notes", "no server has written it"},
		{"urls", "no server has written it"},
		{"long", "no server has written it"},
		{"open", "no server has written it"},
		{"dir", "already exists, and is not a file"},
		{filepath.Join("nowhere", "url"), "no such file or directory"},
		{filepath.Join("notes", "url"), "not a directory"},
	} {
		status, _, stderr := said(t, nil, "serve", "--port", "0", "--in-memory", "--ready-file", in(test.name))
		if status != 1 || !strings.HasPrefix(stderr, "partita: --ready-file: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: status %d, said %q, want %q", test.name, status, stderr, test.want)
		}
	}
	if left, _ := filepath.Glob(in("*")); len(left) != 5 {
		t.Errorf("there are %v", left)
	}
	if err := os.WriteFile(in("empty"), nil, 0o600); err != nil { // as mktemp makes it
		t.Fatal(err)
	}
	if err := (&readyFile{name: in("empty")}).begin(); err != nil {
		t.Error(err)
	}
}

// TestReadyFileOfAnother checks that a server which takes its time to end leaves the file that the
// next one has written.
func TestReadyFileOfAnother(t *testing.T) {
	first := readyFile{name: filepath.Join(t.TempDir(), "url")}
	next := first
	for _, step := range []func() error{
		first.begin, func() error { return first.write("http://localhost:1") }, func() error { first.remove(); return nil },
		next.begin, func() error { return next.write("http://localhost:1") }, func() error { first.remove(); return nil },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(next.name); err != nil || string(text) != "http://localhost:1\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	other := readyFile{name: next.name} // that runs at the same time
	for _, step := range []func() error{
		other.begin, func() error { return other.write("http://localhost:2") },
		func() error { next.remove(); return nil },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(next.name); err != nil || string(text) != "http://localhost:2\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}
