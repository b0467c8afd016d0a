package cli

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/bench"
)

// benchProgram is a command that runs the program's bench, with a directory for temporary files of
// its own.
func benchProgram(t *testing.T, args ...string) (cmd *exec.Cmd, temporary string, stdout, stderr *output) {
	t.Helper()
	temporary, stdout, stderr = t.TempDir(), new(output), new(output)
	cmd = childCommand(build(t), append([]string{"bench"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "PARTITA_DATA=/nowhere")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, temporary, stdout, stderr
}

// little are the flags of a run of a moment.
var little = []string{"--records", "200", "--record-bytes", "200", "--connections", "2", "--warmup", "0s", "--duration", "150ms"}

// TestBench runs the program, which measures a server that it starts, on disk and in memory, and
// draws both results into one report.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	printed, err := childCommand(build(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(printed), " (")
	for _, memory := range []string{"disk", "memory"} {
		args := append([]string{"get", "update", "--label", memory, "--json", filepath.Join(dir, memory), "--html", filepath.Join(dir, memory+".html")}, little...)
		if memory == "memory" {
			args = append(args, "--in-memory")
		}
		cmd, temporary, stdout, stderr := benchProgram(t, args...)
		if err := cmd.Run(); err != nil || stderr.String() != "" {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		for _, want := range []string{"server: " + version + "\n", "loaded 200 records", "workload   operation", "get     GetItem", "update  UpdateItem", "values read back"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("it does not print %q:\n%s", want, stdout)
			}
		}
		if left, _ := os.ReadDir(temporary); len(left) > 0 {
			t.Errorf("it has left %v", left)
		}
		checkBenchReport(t, filepath.Join(dir, memory), strings.TrimPrefix(version, "partita "))
		if page, err := os.ReadFile(filepath.Join(dir, memory+".html")); err != nil || !strings.Contains(string(page), "<h2>update</h2>") {
			t.Errorf("the page: %v", err)
		}
	}
	p := begin(t, nil, nil, "bench", "report", filepath.Join(dir, "disk"), filepath.Join(dir, "memory"), "--html", filepath.Join(dir, "both.html"))
	p.stop()
	if page, err := os.ReadFile(filepath.Join(dir, "both.html")); err != nil || !strings.Contains(string(page), "memory</span>") {
		t.Errorf("the page of both: %v", err)
	}
}

// checkBenchReport checks a report in JSON.
func checkBenchReport(t *testing.T, name, version string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := new(bench.Report)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	if r.ServerVersion != version || r.Label != filepath.Base(name) || len(r.Workloads) != 2 || r.Wrong() != 0 {
		t.Errorf("the report: %s", text)
	}
	for _, res := range r.Workloads {
		if linux := runtime.GOOS == "linux"; res.Usage.ServerKnown != linux || linux && res.Usage.RSS < 10<<20 {
			t.Errorf("the server's share is %+v", res.Usage)
		}
	}
}

// TestBenchReportWarns draws runs side by side that were made with different settings, and says so.
func TestBenchReportWarns(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, records := range map[string]int64{"few": 10, "many": 1000} {
		r := &bench.Report{Label: name, Settings: bench.Settings{Records: records}, Workloads: []*bench.Result{{Workload: "get", StepSeconds: 1}}}
		if err := writeFile(name, func(w io.Writer) error { return json.NewEncoder(w).Encode(r) }); err != nil {
			t.Fatal(err)
		}
	}
	for files, want := range map[string]string{
		"few many": "! the runs differ in records: their figures should not be compared\n", "few few": "",
	} {
		status, _, stderr := said(t, nil, append([]string{"bench", "report"}, strings.Fields(files)...)...)
		if status != 0 || stderr != want {
			t.Errorf("%s: status %d, said %q, want %q", files, status, stderr, want)
		}
	}
}

// TestBenchInterrupted checks that nothing is left of a run that is interrupted.
func TestBenchInterrupted(t *testing.T) {
	cmd, temporary, stdout, stderr := benchProgram(t, "get", "--duration", "1h")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(childPatience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if left, _ := filepath.Glob(filepath.Join(temporary, "*", "FORMAT")); len(left) == 1 {
			break
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "partita: interrupted") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("it has left %v", left)
	}
}

// TestBenchHelp checks that the help names the workloads and the flags.
func TestBenchHelp(t *testing.T) {
	p := begin(t, nil, nil, "bench", "run", "--help")
	p.stop()
	for _, w := range bench.Workloads {
		if !strings.Contains(p.stdout.String(), "  "+w.Name+" ") || !strings.Contains(p.stdout.String(), w.About) {
			t.Errorf("the help does not tell of the workload %s", w.Name)
		}
	}
	for _, flag := range []string{"endpoint-url", "pid", "records", "rate", "indexes", "json", "html", "keep"} {
		if !strings.Contains(p.stdout.String(), "--"+flag) {
			t.Errorf("the help does not tell of --%s", flag)
		}
	}
}

// TestBenchEndpoint measures a server that is there already, with and without its process.
func TestBenchEndpoint(t *testing.T) {
	server := begin(t, nil, nil, "serve", "--addr", "127.0.0.1:0", "--in-memory", "--admin-addr", "off")
	url := "http://127.0.0.1:" + server.port()
	env := []string{"AWS_ACCESS_KEY_ID=KEY", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-3"}
	p := begin(t, env, nil, append([]string{"bench", "a", "--endpoint-url", url, "--sign"}, little...)...)
	if status := p.status(); status != 0 || !strings.Contains(p.stdout.String(), "UpdateItem") {
		t.Errorf("status %d:\n%s%s", status, &p.stdout, &p.stderr)
	}
	server.stop()
}

// TestBenchRefusals holds what is refused before anything is asked of a server.
func TestBenchRefusals(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing")
	if err := os.WriteFile(nothing, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"bench nothing --endpoint-url http://127.0.0.1:1", `there is no workload "nothing"`},
		{"bench --endpoint-url https://dynamodb.eu-west-1.amazonaws.com", "give --yes"},
		{"bench --endpoint-url https://DYNAMODB.eu-west-1.AMAZONAWS.com.", "give --yes"},
		{"bench --pid 1", "--pid and --keep are for a server that is already running"},
		{"bench --in-memory --endpoint-url http://127.0.0.1:1", "--in-memory is for the server that is started"},
		{"bench --sign --endpoint-url http://127.0.0.1:1", "give --access-key"},
		{"bench --access-key K --endpoint-url http://127.0.0.1:1", "give --access-key"},
		{"bench --tls-ca " + nothing + " --endpoint-url https://127.0.0.1:1", "no certificate"},
		{"bench report " + nothing, "has no results"},
		{"bench report " + nothing + "-at-all", "no such file"},
	} {
		p := begin(t, nil, nil, strings.Fields(test.args)...)
		if status := p.status(); status != 1 || !strings.Contains(p.stderr.String(), test.want) {
			t.Errorf("%s: status %d, said %q, want %q", test.args, status, &p.stderr, test.want)
		}
	}
}
