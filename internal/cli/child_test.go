package cli

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childPatience is far more than a child needs to listen, to answer a request or to end, on a
// machine with much to do.
const childPatience = 2 * time.Minute

// build returns the program's file, built once, as releases are: without cgo and symbol tables.
func build(t *testing.T) string {
	t.Helper()
	name, err := built()
	if err != nil {
		t.Fatalf("building the program: %v", err)
	}
	return name
}

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "partita-test-")
	if err != nil {
		return "", err
	}
	buildDir = dir
	name := filepath.Join(dir, "partita")
	build := childCommand("go", "build", "-ldflags", "-s -w", "-o", name, "../../cmd/partita")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return name, nil
})

// buildDir is removed after the tests.
var buildDir string

// childCommand is a command that dies with the test, and that nobody waits for only because another
// has its output open still.
func childCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.WaitDelay = 5 * time.Second
	dieWithParent(cmd)
	return cmd
}

// child is the program running as a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	client *http.Client
	stderr *output
}

// startProgram starts the program on the directory and waits until it listens.
func startProgram(t *testing.T, program, dir string) *child {
	t.Helper()
	return startCommand(t, childCommand(program, "serve", "--port", "0", "--data", dir))
}

// startCommand starts a command that ends up as the program.
func startCommand(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	s := &child{t: t, cmd: cmd, stderr: new(output), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: crashWriters + 1}, Timeout: childPatience,
	}}
	s.cmd.Stderr = s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	late := s.stacksAfter(childPatience)
	defer late.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "listening"); ok {
			s.url = strings.TrimSpace(url)
			return s
		}
	}
	s.kill()
	t.Fatalf("the program does not listen:\n%s", s.stderr)
	return nil
}

// stacksAfter has the program print its stacks and end if it is there still after the time.
func (s *child) stacksAfter(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { s.cmd.Process.Signal(syscall.SIGQUIT) })
}

// wait waits until the process has ended by itself.
func (s *child) wait() error {
	late := s.stacksAfter(childPatience)
	defer late.Stop()
	return s.cmd.Wait()
}

// kill ends the process as a power cut would, short of the page cache.
func (s *child) kill() {
	if s.cmd.ProcessState != nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGKILL)
	s.cmd.Wait()
	s.client.CloseIdleConnections()
}
