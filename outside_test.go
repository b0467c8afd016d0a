package partita_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outsideModule is a module that is not ours, whose program uses everything that we export.
const outsideModule = `module example.com/outside

go 1.26.0

require github.com/partita-db/partita v0.0.0

replace github.com/partita-db/partita => %q
`

// outsideProgram is its test.
const outsideProgram = `package outside

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/partitatest"
)

// service is what a program has that embeds the database: its fields are of our types.
type service struct {
	db    *partita.DB
	keys  *partita.Credentials
	admin *partita.Admin
}

func open() (s service, err error) {
	const document = ` + "`" + `{"credentials": [{"accessKeyId": "KEY", "secretAccessKey": "secret", "policy":
		{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}]}` + "`" + `
	if s.keys, err = partita.ParseCredentials([]byte(document)); err != nil {
		return s, err
	}
	s.admin = partita.NewAdmin(partita.AdminOptions{Token: "a token", Version: "1"})
	s.db, err = partita.Open(partita.Options{InMemory: true, Credentials: s.keys, Admin: s.admin})
	return s, err
}

func TestEmbedded(t *testing.T) {
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	defer s.keys.Close()
	if keys, users := s.keys.Count(); keys != 1 || users != 1 {
		t.Errorf("%d keys of %d users", keys, users)
	}
	for _, c := range []struct {
		handler      http.Handler
		method, path string
		want         int
	}{
		{s.db.Handler(), "POST", "/", 400}, // it is not signed
		{s.db.Handler(), "GET", "/", 200},
		{s.admin, "GET", "/readyz", 200},
		{s.admin, "POST", "/backup", 401},
	} {
		server := httptest.NewServer(c.handler)
		r, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		server.Close()
		if answer.StatusCode != c.want {
			t.Errorf("%s %s: %s, want %d", c.method, c.path, answer.Status, c.want)
		}
	}
	s.admin.Drain()
	if s.admin.Token() != "a token" {
		t.Error("the token is another one")
	}
}

func TestWithDatabase(t *testing.T) {
	db := partitatest.New(t)
	db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
	db.Seed("orders", map[string]any{"customer": "ann", "order": 1})
	db.Dump(t, "orders")
	out, err := db.Client.ListTables(t.Context(), nil)
	if err != nil || len(out.TableNames) != 1 {
		t.Errorf("the tables are %v, %v", out, err)
	}
}
`

// TestOutside builds and runs a program in another module, as it would be written there, with what
// the module cache has: there is no network for it.
func TestOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("a program is built")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command: ", err)
	}
	dir := outside(t)
	run := func(args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), goTool, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOTOOLCHAIN=local")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	const needed = "github.com/partita-db/partita/partitatest"
	if out, err := run("list", "-deps", "-test", "-f", "{{.ImportPath}}", "./..."); err != nil {
		if strings.Contains(out, "GOPROXY=off") {
			t.Skipf("the module cache lacks what the program needs:\n%s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	} else if !strings.Contains(out, needed) {
		t.Fatalf("the program does not import %s:\n%s", needed, out)
	}
	out, err := run("test", "-count=1", "-v", "./...")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, test := range []string{"TestEmbedded", "TestWithDatabase"} {
		if !strings.Contains(out, "--- PASS: "+test) {
			t.Errorf("%s was not run:\n%s", test, out)
		}
	}
}

// outside writes the module into a directory.
func outside(t *testing.T) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("go.sum") // the checksums that its author would get from the network
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": fmt.Sprintf(outsideModule, filepath.ToSlash(root)),
		"go.sum": string(sums), "outside_test.go": outsideProgram,
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
