//go:build unix

package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStartIsInterrupted starts the real program on a directory in which reading hangs, as on a
// disk that does not answer: it says that it is starting, and ends when it is told to. When the
// disk answers, the next start serves all that is there.
func TestStartIsInterrupted(t *testing.T) {
	for _, told := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(told.String(), func(t *testing.T) {
			t.Parallel()
			program, dir := build(t), filepath.Join(t.TempDir(), "data")
			s := startProgram(t, program, dir)
			s.create()
			if err := put(context.Background(), s, "kept", "value"); err != nil {
				t.Fatal(err)
			}
			s.kill()
			format := filepath.Join(dir, "FORMAT")
			if err := os.Rename(format, format+".kept"); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(format, 0o600); err != nil { // which nobody writes to
				t.Skipf("no FIFO can be made: %v", err)
			}
			admin := freePort(t)
			cmd := childCommand(program, "serve", "--port", "0", "--data", dir, "--admin-addr", admin)
			said := new(output)
			cmd.Stderr = said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s = &child{t: t, cmd: cmd, stderr: said, client: new(http.Client)}
			t.Cleanup(s.kill)
			eventually(t, s, "an answer that it is starting", func() bool {
				status, text := askOnce("http://" + admin + "/healthz")
				return status == http.StatusAccepted && strings.HasPrefix(text, "starting: ")
			})
			began := time.Now()
			if err := cmd.Process.Signal(told); err != nil {
				t.Fatal(err)
			}
			if err := s.wait(); err != nil {
				t.Errorf("the program ended with %v:\n%s", err, said)
			}
			if took := time.Since(began); took > closeTime+20*time.Second {
				t.Errorf("it took %v to end", took)
			}
			if err := os.Rename(format+".kept", format); err != nil {
				t.Fatal(err)
			}
			if stored := startProgram(t, program, dir).scan(""); stored["kept"] != "value" {
				t.Errorf("afterwards there is %v", stored)
			}
		})
	}
}

// freePort is an address of this machine that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// askOnce asks an address that may not listen yet; then the status is 0.
func askOnce(url string) (status int, text string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, ""
	}
	return answer.StatusCode, string(b)
}
