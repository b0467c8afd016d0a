package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindData holds the order in which a data directory is looked for.
func TestFindData(t *testing.T) {
	t.Chdir(t.TempDir())
	system := filepath.Join(t.TempDir(), "system")
	check := func(given, want string) {
		t.Helper()
		if got := findData(given, system); got.path != want || got.given != (given != "") {
			t.Errorf("findData(%q) = %+v, want %s", given, got, want)
		}
	}
	check("", defaultData) // neither is there
	if err := os.Mkdir(system, 0o700); err != nil {
		t.Fatal(err)
	}
	check("", system)
	check("data", "data")
	if err := os.Mkdir(filepath.Join(system, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("", filepath.Join(system, "data"))
	if err := os.Mkdir(defaultData, 0o700); err != nil {
		t.Fatal(err)
	}
	check("", defaultData)
	check(system, system)

	denied := &fs.PathError{Op: "open", Path: system, Err: fs.ErrPermission}
	for _, test := range []struct {
		dir  string
		err  error
		want string
	}{
		{system, denied, denied.Error() + " (run it as root or as the user partita)"},
		{"data", denied, denied.Error() + " (run it as root or as the user that the server runs as)"},
		{system, fs.ErrNotExist, fs.ErrNotExist.Error()},
		{system, nil, "<nil>"},
	} {
		if got := fmt.Sprint(findData(test.dir, system).explain(test.err)); got != test.want {
			t.Errorf("%s: %q, want %q", test.dir, got, test.want)
		}
	}
}

// TestSystemData has health, backup and check find the server of the system, which runs in a
// directory that they are not told.
func TestSystemData(t *testing.T) {
	t.Chdir(t.TempDir())
	system, dest := filepath.Join(t.TempDir(), "partita"), filepath.Join(t.TempDir(), "backup")
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", system)
	server.port()
	var stdout, stderr bytes.Buffer
	s := &streams{ctx: t.Context(), stdout: &stdout, stderr: &stderr, systemData: system}
	for _, test := range []struct {
		what    string
		command interface{ Run(*streams) error }
		want    string
	}{
		{"health", new(healthCheck), "ready\n"},
		{"backup", &backup{Dest: dest}, "backup written to " + dest},
	} {
		stdout.Reset()
		if err := test.command.Run(s); err != nil || !strings.HasPrefix(stdout.String(), test.want) {
			t.Errorf("%s: %v, printed %q", test.what, err, &stdout)
		}
	}
	server.stop()
	stdout.Reset()
	if err := new(checkCommand).Run(s); err != nil || !strings.HasPrefix(stdout.String(), system+"\n") {
		t.Errorf("check: %v, printed %q", err, &stdout)
	}
	if err := (&restore{Backup: dest}).Run(s); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(defaultData, "FORMAT")); err != nil {
		t.Errorf("a restore without --data is not in %s: %v", defaultData, err)
	}
}
