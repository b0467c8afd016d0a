package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// sideBySide is how many of the tests that call t.Parallel run at a time, if -parallel does not
// say: most of their time they wait, for a timeout, a disk that hangs or a process that starts, and
// need no processor for that. A test may not be one of them if it opens a directory that this
// process has had open: a process that another test is starting has a copy of its LOCK, locked,
// until it executes its program.
const sideBySide = "8"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		os.RemoveAll(buildDir)
		os.Exit(status)
	}))
}

// output is a writer that can be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// program is the program running in this process.
type program struct {
	t              *testing.T
	stdout, stderr output
	tell           context.CancelFunc // tells it to end
	ended          chan int
}

// begin starts the program.
func begin(t *testing.T, env []string, engines []Engine, args ...string) *program {
	t.Helper()
	p := &program{t: t, ended: make(chan int, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	p.tell = cancel
	s := &streams{ctx: ctx, args: args, env: env, stdout: &p.stdout, stderr: &p.stderr}
	go func() { p.ended <- run(s, engines...) }()
	t.Cleanup(cancel)
	return p
}

// status waits for the end.
func (p *program) status() int {
	p.t.Helper()
	select {
	case status := <-p.ended:
		return status
	case <-time.After(20 * time.Second):
		p.t.Fatalf("the program does not end; it said:\n%s%s", &p.stdout, &p.stderr)
		return 0
	}
}

// stop tells it to end and expects it to do so well.
func (p *program) stop() {
	p.t.Helper()
	p.tell()
	if status := p.status(); status != 0 {
		p.t.Errorf("exit status %d, want 0; it said:\n%s", status, &p.stderr)
	}
}

// said runs a command that ends by itself, and returns its status and what it prints.
func said(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := begin(t, env, nil, args...)
	status = p.status()
	return status, p.stdout.String(), p.stderr.String()
}

// listening is in the banner, text or JSON.
var listening = regexp.MustCompile(`listening(?: +|":")http://[^\s"]+:(\d+)["\n]`)

// port waits until the program serves, and returns its port.
func (p *program) port() string {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if m := listening.FindStringSubmatch(p.stdout.String()); m != nil {
			return m[1]
		}
		if len(p.ended) > 0 {
			break
		}
	}
	p.t.Fatalf("the program does not listen; it said:\n%s%s", &p.stdout, &p.stderr)
	return ""
}

// health asks for the health answer.
func health(host, port string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestServe(t *testing.T) {
	t.Chdir(t.TempDir())
	for range 2 { // the second time on what the first one left
		p := begin(t, nil, nil, "serve", "--port", "0", "--region", "eu-west-3")
		port := p.port()
		for _, host := range []string{"127.0.0.1", "::1"} {
			got, err := health(host, port)
			if host == "::1" && err != nil {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			if want := "healthy: dynamodb.eu-west-3.amazonaws.com "; err != nil || got != want {
				t.Errorf("health at %s: %q, %v, want %q", host, got, err, want)
			}
		}
		p.stop()
		dir, _ := os.Getwd()
		for _, want := range []string{
			"listening  http://localhost:" + port,
			"data       " + filepath.Join(dir, "partita-data"),
			"aws dynamodb list-tables --endpoint-url http://localhost:" + port + " --region eu-west-3",
		} {
			if !strings.Contains(p.stdout.String(), want) {
				t.Errorf("standard output has no %q:\n%s", want, &p.stdout)
			}
		}
		if _, err := os.Stat("partita-data/FORMAT"); err != nil {
			t.Error(err)
		}
	}
}

func TestServeInMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	p := begin(t, []string{"PARTITA_IN_MEMORY=true", "PARTITA_LOG_FORMAT=json"}, nil, "serve", "--addr", "127.0.0.1:0")
	if _, err := health("127.0.0.1", p.port()); err != nil {
		t.Error(err)
	}
	p.stop()
	if files, _ := os.ReadDir("."); len(files) != 0 {
		t.Errorf("it left %v", files)
	}
	if !strings.Contains(p.stderr.String(), `"msg":"stopped"`) {
		t.Errorf("the log is not JSON:\n%s", &p.stderr)
	}
}

// TestServeEverywhere listens on all addresses, as it is told to.
func TestServeEverywhere(t *testing.T) {
	p := begin(t, nil, nil, "serve", "--addr", ":0", "--in-memory", "--no-auth")
	if _, err := health("127.0.0.1", p.port()); err != nil {
		t.Error(err)
	}
	p.stop()
	if !strings.Contains(p.stdout.String(), "http://localhost:") || !strings.Contains(p.stderr.String(), "any credentials are accepted") {
		t.Errorf("it said:\n%s%s", &p.stdout, &p.stderr)
	}
}

// TestRefusals holds the ways of not starting: one line, and exit status 1, or 2 for a command line
// that cannot be read.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	holder := begin(t, nil, nil, "serve", "--port", "0", "--data", filepath.Join(dir, "held"))
	taken := holder.port()
	file := filepath.Join(dir, "file")
	newer := filepath.Join(dir, "newer")
	foreign := filepath.Join(dir, "foreign")
	for name, text := range map[string]string{
		file:                            "",
		filepath.Join(newer, "FORMAT"):  "partita 999\nencryption none\n",
		filepath.Join(foreign, "notes"): "mine",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args   string
		status int
		want   string
	}{
		{"serve --in-memory --port " + taken, 1, "cannot listen on localhost:" + taken + ": the port is in use"},
		{"serve --in-memory --addr 127.0.0.1:" + taken, 1, "the port is in use"},
		{"serve --in-memory --addr nowhere", 1, `"nowhere" is not an address`},
		{"serve --in-memory --addr 192.0.2.1:0 --no-auth", 1, "cannot listen on 192.0.2.1:0"},
		{"serve --port 0 --data " + filepath.Join(dir, "held"), 1, "open already, in this process or another"},
		{"serve --port 0 --data " + filepath.Join(file, "below"), 1, "cannot be written to"},
		{"serve --port 0 --data " + newer, 1, "written by a newer release"},
		{"serve --port 0 --data " + foreign, 1, "not a Partita data directory"},
		{"serve --port 0 --addr :0 --in-memory", 1, "--addr and --port"},
		{"serve --port 0 --data x --in-memory", 1, "--in-memory and --data"},
		{"serve --in-memory --memory-limit 10MB", 1, "the minimum is 128MB"},
		{"serve --in-memory --table-delay=-1s", 1, "is negative"},
		{"serve --in-memory --ttl-interval 0s", 1, "--ttl-interval 0s is not a time to wait"},
		{"serve --in-memory --ttl-interval=-1s", 1, "--ttl-interval -1s is not a time to wait"},
		{"serve --memory-limit lots", 2, `"lots" is not a size`},
		{"serve --log-level loud", 2, "must be one of"},
		{"serve --port 70000", 2, "--port"},
		{"serve --no-such-flag", 2, "unknown flag"},
		{"serve extra", 2, "unexpected argument"},
		{"perform", 2, "perform"},
	} {
		p := begin(t, nil, nil, strings.Fields(test.args)...)
		if status := p.status(); status != test.status {
			t.Errorf("%s: exit status %d, want %d", test.args, status, test.status)
		}
		said := p.stderr.String()
		if !strings.HasPrefix(said, "partita: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, test.want) {
			t.Errorf("%s: said %q, want one line with %q", test.args, said, test.want)
		}
		if out := p.stdout.String(); out != "" {
			t.Errorf("%s: printed %q", test.args, out)
		}
	}
	holder.stop()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"serve", "--help"}} {
		p := begin(t, nil, nil, args...)
		if status := p.status(); status != 0 {
			t.Errorf("%q: exit status %d", args, status)
		}
		if !strings.Contains(p.stdout.String(), "serve") || p.stderr.String() != "" {
			t.Errorf("%q printed:\n%s%s", args, &p.stdout, &p.stderr)
		}
		if len(args) < 2 {
			continue
		}
		for _, flag := range []string{
			"addr", "port", "credentials", "no-auth", "data", "in-memory", "memory-limit", "region", "table-delay", "ttl-interval", "free-space-floor", "log-level", "log-format",
		} {
			if !strings.Contains(p.stdout.String(), "--"+flag) || !strings.Contains(p.stdout.String(), "$"+variable(flag)) {
				t.Errorf("the help does not tell of --%s and $%s:\n%s", flag, variable(flag), &p.stdout)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	p := begin(t, nil, nil, "version")
	if status := p.status(); status != 0 || !strings.HasPrefix(p.stdout.String(), "partita ") {
		t.Errorf("status %d, %q", status, &p.stdout)
	}
}

// lent is another engine: one in memory, behind a flag.
type lent struct {
	Lend    string `help:"Keep the data with somebody else."`
	options EngineOptions
}

func (l *lent) Chosen() bool { return l.Lend != "" }

func (l *lent) Open(_ context.Context, o EngineOptions) (kv.Engine, string, error) {
	if l.Lend == "nobody" {
		return nil, "", errors.New("nobody is there")
	}
	l.options = o
	e, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	return e, "lent to " + l.Lend, err
}

func TestFurtherEngine(t *testing.T) {
	l := new(lent)
	p := begin(t, []string{"PARTITA_LEND=a friend"}, []Engine{l}, "serve", "--port", "0", "--memory-limit", "1GiB")
	p.port()
	p.stop()
	if !strings.Contains(p.stdout.String(), "data       lent to a friend\n") {
		t.Errorf("printed:\n%s", &p.stdout)
	}
	if l.options.MemoryLimit != 1<<30 {
		t.Errorf("the engine was given a limit of %d", l.options.MemoryLimit)
	}
	p = begin(t, nil, []Engine{new(lent)}, "serve", "--port", "0", "--lend", "nobody")
	if status := p.status(); status != 1 || p.stderr.String() != "partita: nobody is there\n" {
		t.Errorf("status %d, %q", status, &p.stderr)
	}
	p = begin(t, nil, []Engine{new(lent)}, "serve", "--port", "0", "--data", t.TempDir()) // not chosen
	p.port()
	p.stop()
}

// TestFailStop checks that the program ends with exit status 1, and says why, when the engine has
// stopped itself.
func TestFailStop(t *testing.T) {
	l := new(lent)
	p := begin(t, nil, []Engine{l}, "serve", "--port", "0", "--lend", "out")
	p.port()
	for range 3 {
		l.options.OnFailure(fmt.Errorf("the disk is on fire"))
	}
	if status := p.status(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if !strings.Contains(p.stderr.String(), "partita: the storage engine has stopped itself") ||
		!strings.Contains(p.stderr.String(), "the disk is on fire") {
		t.Errorf("said:\n%s", &p.stderr)
	}
}

func TestSize(t *testing.T) {
	for _, test := range []struct {
		text, printed string
		want          size
	}{
		{"512MB", "512MB", 512_000_000},
		{"512M", "512MB", 512_000_000},
		{"1GiB", "1GiB", 1 << 30},
		{" 1 gib ", "1GiB", 1 << 30},
		{"1.5GiB", "1536MiB", 3 << 29},
		{"67108864", "64MiB", 64 << 20},
		{"10k", "10kB", 10_000},
		{"1", "1B", 1},
		{"0", "0B", 0},
		{"2TB", "2TB", 2_000_000_000_000},
	} {
		var s size
		if err := s.UnmarshalText([]byte(test.text)); err != nil || s != test.want || s.String() != test.printed {
			t.Errorf("size(%q) = %d (%v), %v, want %d (%s)", test.text, s, s, err, test.want, test.printed)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1PB", "1..2", "5 apples", "9999999999TB", "0x10"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size(%q) = %d, want an error", text, s)
		}
	}
}
