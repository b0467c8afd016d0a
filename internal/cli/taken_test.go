package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refuses runs the program with a command that must end with status 1, and returns what it says.
func refuses(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd, said := childCommand(program, args...), new(output)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := (&child{cmd: cmd}).wait()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%s: %v, want status 1:\n%s", strings.Join(args, " "), err, said)
	}
	return said.String()
}

// namesIn are the names of the files of a directory.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestLockTakenAway removes the file LOCK under the real program: a second server on the directory,
// and a check, are refused at once, and the first says what was taken and ends with status 1. What
// it has acknowledged is there when it starts again. Then the whole directory is removed, and it
// ends in the same way.
func TestLockTakenAway(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	s := startProgram(t, program, dir)
	s.create()
	if err := put(t.Context(), s, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--port", "0", "--data", dir}, {"check", "--data", dir}} {
		if said := refuses(t, program, args...); !strings.Contains(said, "open already, in this process or another") {
			t.Errorf("%v beside a server: %s", args, said)
		}
	}
	s.ends(t, "LOCK was removed or renamed: it was in use (a restart serves what is on disk)")
	s = startProgram(t, program, dir)
	if got := s.scan("")["a"]; got != "b" {
		t.Errorf("after a restart the item is %q", got)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Logf("the server was writing meanwhile: %v", err)
		_ = os.RemoveAll(dir)
	}
	s.ends(t, "(put it back before the next start, which makes an empty database where there is none)")
}

// ends wants the program to end by itself with status 1, and to say something.
func (s *child) ends(t *testing.T, want string) {
	t.Helper()
	_ = s.wait()
	if status := s.cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(s.stderr.String(), want) {
		t.Errorf("the program ends with status %d, want 1 and %q:\n%s", status, want, s.stderr)
	}
}

// TestForeignDirectory starts the real program on a directory with files of others: it refuses, and
// leaves nothing behind.
func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	program, dir := build(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "passwd"), []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "data")
	startProgram(t, program, backup).kill()
	for _, args := range [][]string{
		{"serve", "--port", "0", "--data", dir}, {"check", "--data", dir}, {"restore", backup, "--data", dir},
		{"backup", "--offline", dir, "--data", backup},
		{"backup", "--offline", filepath.Join(t.TempDir(), "copy"), "--data", dir},
	} {
		said := refuses(t, program, args...)
		if names := namesIn(t, dir); len(names) != 1 {
			t.Errorf("%v has left %v behind", args, names)
		}
		if !strings.Contains(said, "passwd") && !strings.Contains(said, "not a Partita data directory") {
			t.Errorf("%v says %s", args, said)
		}
	}
}

// TestLogTakenAway kills the real program and removes the log that holds all it has acknowledged:
// neither a start nor a check takes what is left for the database, and both name what is missing
// and what to do.
func TestLogTakenAway(t *testing.T) {
	t.Parallel()
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	s := startProgram(t, program, dir)
	s.create()
	if err := put(t.Context(), s, "a", "b"); err != nil {
		t.Fatal(err)
	}
	s.kill()
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("there are the logs %v, %v", logs, err)
	}
	if err := os.Rename(logs[0], dir+".log"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "--data", dir}, {"serve", "--port", "0", "--data", dir}} {
		if said := refuses(t, program, args...); !strings.Contains(said, "ending .log is missing; put the file back") {
			t.Errorf("%v without the log: %s", args, said)
		}
	}
	if err := os.Rename(dir+".log", logs[0]); err != nil {
		t.Fatal(err)
	}
	if got := startProgram(t, program, dir).scan("")["a"]; got != "b" {
		t.Errorf("with the log back in its place the item is %q", got)
	}
}
