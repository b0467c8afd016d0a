package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestMisspelt holds what is warned of in the environment, and what is not.
func TestMisspelt(t *testing.T) {
	known := variables(model().Node)
	for _, test := range []struct{ variable, want string }{
		{"PARTITA_MEMROY_LIMIT=1GB", "PARTITA_MEMROY_LIMIT is not a variable of partita; did you mean PARTITA_MEMORY_LIMIT?"},
		{"PARTITA_DTAA=x", "PARTITA_DTAA is not a variable of partita; did you mean PARTITA_DATA?"},
		{"PARTITA_DATA_DIR=x", "PARTITA_DATA_DIR is not a variable of partita; did you mean PARTITA_DATA?"},
		{"PARTITA_LISTEN_ADDRESS=x", "PARTITA_LISTEN_ADDRESS is not a variable of partita"},
		{"PARTITA_ADMIN_TOKN=0123456789abcdef", "PARTITA_ADMIN_TOKN is not a variable of partita; did you mean PARTITA_ADMIN_TOKEN?"},
		{"PARTITA_MEMORY_LIMIT=1GB", ""},
		{"PARTITA_ENDPOINT_URL=http://x", ""}, // of bench
		{"PARTITA_ADMIN_TOKEN=x", ""},         // of a hidden flag
		{"PARTITA_VERSION=1", ""},
		{"PARTITA_TEST_SEED=1", ""},
		{"PARTITA_SERVICE_HOST=10.0.0.1", ""},
		{"PARTITA_PORT_8000_TCP_ADDR=10.0.0.1", ""},
		{"PARTITA_BACKEND_PORT=tcp://10.0.0.1:8000", ""},
		{"PARTITAMEMORY=1", ""},
		{"PATH=/bin", ""},
	} {
		if got := strings.Join(misspelt([]string{test.variable}, known), "; "); got != test.want {
			t.Errorf("misspelt(%s) = %q, want %q", test.variable, got, test.want)
		}
		if strings.Contains(test.want, "0123") {
			t.Errorf("%s: the value is told", test.variable)
		}
	}
}

// TestMisspeltIsSaid checks where the warnings go: those of serve to its log, in its form, others
// to standard error.
func TestMisspeltIsSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	const warning = "PARTITA_MEMROY_LIMIT is not a variable of partita; did you mean PARTITA_MEMORY_LIMIT?"
	env := []string{"PARTITA_MEMROY_LIMIT=1GB", "PARTITA_LOG_FORMAT=json", "PARTITA_PORT=tcp://10.0.0.1:8000"}
	p := begin(t, env, nil, "serve", "--addr", "127.0.0.1:0", "--in-memory", "--admin-addr", "off")
	p.port()
	p.stop()
	var line struct{ Level, Msg string }
	first, _, _ := strings.Cut(p.stderr.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Level != "WARN" || line.Msg != warning {
		t.Errorf("serve logs %q, %v", first, err)
	}
	for _, args := range []string{"health --admin-addr 127.0.0.1:1", "check --data nowhere", "credentials new"} {
		_, _, stderr := said(t, env, strings.Fields(args)...)
		if !strings.HasPrefix(stderr, "partita: warning: "+warning+"\n") {
			t.Errorf("%s says %q", args, stderr)
		}
	}
	for _, args := range []string{"version", "--version", "help", "serve --help", "completion bash", ""} {
		if _, _, stderr := said(t, env, strings.Fields(args)...); stderr != "" {
			t.Errorf("%q says %q", args, stderr)
		}
	}
}
