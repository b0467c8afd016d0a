package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBannerInJSON has the log be JSON: so is all that is on standard output.
func TestBannerInJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := begin(t, nil, nil, "serve", "--port", "0", "--data", dir, "--log-format", "json", "--region", "eu-west-3")
	p.await("}\n")
	p.stop()
	var said map[string]string
	if err := json.Unmarshal([]byte(p.stdout.String()), &said); err != nil {
		t.Fatalf("standard output is no JSON object: %v\n%s", err, &p.stdout)
	}
	for name, want := range map[string]string{
		"level": "INFO", "version": Version(), "data": dir, "for": "this machine only, with any credentials",
		"region": "eu-west-3",
	} {
		if said[name] != want {
			t.Errorf("%s is %q, want %q", name, said[name], want)
		}
	}
	if !strings.HasPrefix(said["listening"], "http://localhost:") || !strings.HasPrefix(said["admin"],
		"http://localhost:") ||
		said["time"] == "" || said["msg"] == "" {
		t.Errorf("it says %v", said)
	}
	for line := range strings.Lines(p.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
}

// await waits until the program has said something on standard output.
func (p *program) await(words string) {
	p.t.Helper()
	for deadline := time.Now().Add(childPatience); !strings.Contains(p.stdout.String(),
		words); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || len(p.ended) > 0 {
			p.t.Fatalf("the program does not say %q:\n%s%s", words, &p.stdout, &p.stderr)
		}
	}
}

// TestBannerExports pastes the banner's last lines into an environment.
func TestBannerExports(t *testing.T) {
	p := begin(t, nil, nil, "serve", "--port", "0", "--in-memory")
	url := "http://localhost:" + p.port()
	p.await("_STREAMS=" + url + "\n")
	for _, name := range []string{"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"} {
		if want := "\n  export     " + name + "=" + url + "\n"; !strings.Contains(p.stdout.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, &p.stdout)
		}
	}
	p.stop()
}
