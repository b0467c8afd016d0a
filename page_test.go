package partita_test

import (
	"bytes"
	"html"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/servertest"
)

// serveData serves a database on a port of this machine, as the program does, and returns its URL.
func serveData(t *testing.T, o partita.Options) string {
	t.Helper()
	o.InMemory, o.Logger = true, slog.New(slog.DiscardHandler)
	db, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return servertest.Start(t, db.Handler(), o.Logger).URL
}

// commandsOf asks for the page that browsers get, and returns the two blocks of commands on it.
func commandsOf(t *testing.T, url string) (environment, curl string) {
	t.Helper()
	page := do(t, "GET", url, map[string]string{"Accept": "text/html"}, "")
	blocks := regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d blocks on the page:\n%s", len(blocks), page)
	}
	return html.UnescapeString(blocks[0][1]), html.UnescapeString(blocks[1][1])
}

// do sends a request, and returns the body of the answer.
func do(t *testing.T, method, url string, header map[string]string, body string) string {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestPageCommands does what the page for browsers says: the endpoint in its environment is right
// for an SDK, and what it gives curl is a call that is answered.
func TestPageCommands(t *testing.T) {
	url := serveData(t, partita.Options{})
	environment, curl := commandsOf(t, url)
	endpoint := regexp.MustCompile(`(?m)^export AWS_ENDPOINT_URL_DYNAMODB=(\S+)$`).FindStringSubmatch(environment)
	if endpoint == nil || endpoint[1] != url {
		t.Fatalf("the environment is\n%s", environment)
	}
	if _, err := newClient(endpoint[1]).CreateTable(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	header := map[string]string{}
	for _, h := range regexp.MustCompile(`-H '([^:]+): ([^']+)'`).FindAllStringSubmatch(curl, -1) {
		header[h[1]] = h[2]
	}
	data := regexp.MustCompile(`-d '([^']+)'`).FindStringSubmatch(curl)
	if !strings.HasPrefix(curl, "curl "+url+"/ ") || data == nil {
		t.Fatalf("the command is %s", curl)
	}
	const want = `{"TableNames":["orders"]}`
	if got := do(t, "POST", url+"/", header, data[1]); got != want {
		t.Errorf("what curl sends is answered %s, want %s", got, want)
	}
	if got := shell(t, curl); got != want {
		t.Errorf("curl prints %s, want %s", got, want)
	}
}

// TestPageCommandsSigned has curl sign the call on the page of a server that verifies signatures.
func TestPageCommandsSigned(t *testing.T) {
	keys, err := partita.ParseCredentials([]byte(`{"credentials": [
		{"accessKeyId": "KEY", "secretAccessKey": "se/cr+et", "policy": {
			"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, curl := commandsOf(t, serveData(t, partita.Options{Credentials: keys, Region: "eu-west-1"}))
	if got := shell(t, curl, "AWS_ACCESS_KEY_ID=KEY", "AWS_SECRET_ACCESS_KEY=se/cr+et"); got != `{"TableNames":[]}` {
		t.Errorf("curl prints %s", got)
	}
}

// shell runs a command with curl, and returns what it prints.
func shell(t *testing.T, command string, environment ...string) string {
	t.Helper()
	help, err := exec.Command("curl", "--help", "all").Output()
	if err != nil || !bytes.Contains(help, []byte("--aws-sigv4")) {
		t.Skip("there is no curl that signs requests")
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", command)
	c.Env = append(append(os.Environ(), "no_proxy=*"), environment...)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out)
}
