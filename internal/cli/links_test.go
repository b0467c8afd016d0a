package cli

import (
	"strings"
	"testing"
)

// TestServiceLinks starts the program with the variables that Kubernetes sets beside a service
// named partita, and with a port that is wrong otherwise.
func TestServiceLinks(t *testing.T) {
	links := []string{"PARTITA_PORT=tcp://10.0.0.1:8000", "PARTITA_SERVICE_HOST=10.0.0.1", "PARTITA_SERVICE_PORT=8000",
		"PARTITA_PORT_8000_TCP=tcp://10.0.0.1:8000", "PARTITA_PORT_8000_TCP_PORT=8000"}
	p := begin(t, links, nil, "serve", "--addr", "localhost:0", "--in-memory")
	if got := listTables(p.port(), "any", "any"); got != "" {
		t.Errorf("ListTables: %s", got)
	}
	p.stop()
	p = begin(t, []string{"PARTITA_PORT=http://10.0.0.1:8000"}, nil, "serve", "--in-memory")
	if status := p.status(); status != 2 || !strings.Contains(p.stderr.String(), "--port") {
		t.Errorf("another PARTITA_PORT: status %d, %s", status, &p.stderr)
	}
}
