package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// TestLongStartIsLogged holds back a database that is being opened: the log says so again and
// again, until it is open or the program is told to end.
func TestLongStartIsLogged(t *testing.T) {
	for _, open := range []bool{true, false} {
		said, opened := new(output), make(chan opening, 1)
		ctx, cancel := context.WithCancel(t.Context())
		type result struct {
			opening
			ok bool
		}
		ended := make(chan result, 1)
		go func() {
			r, ok := awaitOpening(ctx, slog.New(slog.NewTextHandler(said, nil)), time.Millisecond, opened)
			ended <- result{r, ok}
		}()
		const line = `level=INFO msg="the database is being opened" for=`
		for begun := time.Now(); strings.Count(said.String(), line) < 3; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("the log says:\n%s", said)
			}
		}
		if open {
			opened <- opening{err: errors.ErrUnsupported}
		} else {
			cancel()
		}
		if r := <-ended; r.ok != open || open && !errors.Is(r.err, errors.ErrUnsupported) {
			t.Errorf("open %v: the result is %v, %v", open, r.err, r.ok)
		}
		cancel()
	}
}

// TestHolderOfALock words the error about a locked directory: with the server that has written
// admin.json there, and without one that is no longer there.
func TestHolderOfALock(t *testing.T) {
	t.Chdir(t.TempDir())
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", "data")
	port := server.port()
	status, _, stderr := said(t, nil, "serve", "--port", "0", "--data", "data")
	want := fmt.Sprintf(" (the server with process id %d at http://localhost:%s)\n", os.Getpid(), port)
	if status != 1 || !strings.HasSuffix(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("status %d, %q, want it to end with %q", status, stderr, want)
	}
	at, err := findAdmin("", "data")
	if err != nil {
		t.Fatal(err)
	}
	at.Instance = "killed"
	if err := writeAdminFile(filepath.Join("data", adminFile), at); err != nil {
		t.Fatal(err)
	}
	if got := withHolder(t.Context(), pebblekv.ErrLocked, "data"); got != pebblekv.ErrLocked {
		t.Errorf("with the file of another: %v", got)
	}
	if got := withHolder(t.Context(), os.ErrPermission, "data"); got != os.ErrPermission {
		t.Errorf("of another error: %v", got)
	}
	server.stop()
}

// TestFatalErrorFormat checks that serve's last words have the form of its log.
func TestFatalErrorFormat(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"--in-memory", "--data", "x"}, {"--in-memory", "--addr", "nonsense"}} {
		args = append([]string{"serve"}, args...)
		status, stdout, text := said(t, nil, args...)
		if status != 1 || stdout != "" || !strings.HasPrefix(text, "partita: ") || strings.Count(text, "\n") != 1 {
			t.Errorf("%v: %d %q %q", args, status, stdout, text)
		}
		var line struct{ Level, Msg, Error string }
		status, stdout, got := said(t, nil, append(args, "--log-format", "json")...)
		if err := json.Unmarshal([]byte(got), &line); status != 1 || stdout != "" || err != nil {
			t.Fatalf("%v: %d %q %q, %v", args, status, stdout, got, err)
		}
		if line.Level != "ERROR" || line.Msg != "the server ends" || "partita: "+line.Error+"\n" != text {
			t.Errorf("%v logs %s, want the error %q", args, got, text)
		}
	}
}

// traced is an error that prints more than its text with %+v.
type traced struct{}

func (traced) Error() string { return "disk full" }

func (traced) Format(f fmt.State, _ rune) { fmt.Fprint(f, "disk full\n(1) attached stack trace") }

// TestErrorsInTheLog checks that an error among a log's attributes is its text only.
func TestErrorsInTheLog(t *testing.T) {
	for format, want := range map[string]string{
		"text": ` error="disk full" group.error="disk full" n=1 none=<nil>`,
		"json": `,"error":"disk full","group":{"error":"disk full"},"n":1,"none":null}`,
	} {
		said := new(output)
		c := &serve{LogLevel: "info", LogFormat: format}
		log := c.logger(&streams{stderr: said})
		log.Warn("message", "error", traced{}, slog.Group("group", "error", traced{}), "n", 1, "none", nil)
		if got := said.String(); !strings.HasSuffix(got, want+"\n") {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}
