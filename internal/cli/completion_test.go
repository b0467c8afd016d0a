package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita/internal/word"
)

// shell returns the program of a shell, or skips the test. The script for it is in the file.
func shell(t *testing.T, name string) (program, script string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed here", name)
	}
	status, stdout, stderr := said(t, nil, "completion", name)
	if status != 0 || stderr != "" {
		t.Fatalf("completion %s: status %d, %s", name, status, stderr)
	}
	script = filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return program, script
}

// completionCases are words of a command line, of which the last is completed, and what comes of
// it: all of want, in any order. Values are those that bash and fish agree on.
var completionCases = []struct {
	line string // a space at the end: nothing is there yet of the word
	want []string
}{
	{"partita ser", []string{"serve"}},
	{"partita credentials ", []string{"new", "list", "delete"}},
	{"partita help cred", []string{"credentials"}},
	{"partita completion ", []string{"bash", "zsh", "fish"}},
	{"partita serve --tls-", []string{"--tls-cert", "--tls-key", "--tls-client-ca"}},
	{"partita serve --log-level ", []string{"trace", "debug", "info", "warn", "error"}},
	{"partita serve --log-level w", []string{"warn"}},
	{"partita serve --in-memory --log-format ", []string{"text", "json"}},
	{"partita credentials new --po", []string{"--policy"}},
	{"partita check --al", []string{"--all"}},
	{"partita inspect ro", []string{"rows"}},
	{"partita inspect rows orders --sec", []string{"--section"}},
	{"partita bench run get upd", []string{"update"}},
	{"partita bench --endpoi", []string{"--endpoint-url"}},
	{"partita bench --dist ", []string{"zipfian", "uniform", "latest"}},
	{"partita restore back", []string{"backups"}},
	{"partita serve --data back", []string{"backups"}},
	{"partita serve --credentials cred", []string{"credentials.json"}},
	{"partita serve --port ", nil},
}

// completionDir makes the test's directory one with something to complete in it.
func completionDir(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"backup-notes", "credentials.json"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompletionBash has bash complete.
func TestCompletionBash(t *testing.T) {
	bash, script := shell(t, "bash")
	completionDir(t)
	cases := append(slices.Clone(completionCases), struct {
		line string
		want []string
	}{"partita serve --log-level = w", []string{"warn"}}) // as bash splits it
	var commands strings.Builder
	for _, test := range cases {
		line := strings.Split(test.line, " ")
		commands.WriteString("COMP_WORDS=(" + word.ShellQuote(line...) + "); ")
		commands.WriteString("COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _partita; echo \"${COMPREPLY[*]}\"\n")
	}
	out, err := exec.Command(bash, "--norc", "-c", "set -u; source '"+script+"'; complete -p partita\n"+commands.String()).CombinedOutput()
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(lines) != len(cases)+1 || lines[0] != "complete -F _partita partita" {
		t.Fatalf("%v:\n%s", err, out)
	}
	for i, test := range cases {
		sameWords(t, test.line, strings.Fields(lines[i+1]), test.want)
	}
}

// TestCompletionBashPaths completes names that mean something to a shell: none is a pattern, or is
// run, and where bash cannot quote them (3.2 has no compopt) the script does.
func TestCompletionBashPaths(t *testing.T) {
	bash, script := shell(t, "bash")
	t.Chdir(t.TempDir())
	names := []string{"a b", "x*y", "xzy", "$(touch made)"}
	for _, name := range names {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Skip(err)
		}
	}
	for compopt, want := range map[string][]string{
		"true": names, "false": {`a\ b`, `x\*y`, "xzy", `\$\(touch\ made\)`},
	} {
		out, err := exec.Command(bash, "--norc", "-c", "source '"+script+"'; compopt() { "+compopt+"; }\n"+
			"COMP_WORDS=(partita serve --ready-file ''); COMP_CWORD=3; _partita; "+
			"printf '%s\\n' \"${COMPREPLY[@]}\"").CombinedOutput()
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		sameWords(t, "with compopt "+compopt, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), want)
	}
}

// sameWords compares words in any order.
func sameWords(t *testing.T, line string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%q is completed to %q, want %q", line, got, want)
	}
}

// TestCompletionFish has fish complete.
func TestCompletionFish(t *testing.T) {
	fish, script := shell(t, "fish")
	completionDir(t)
	for _, test := range completionCases {
		cmd := exec.Command(fish, "--no-config", "-c", "source '"+script+"'; complete -C '"+test.line+"'")
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, strings.TrimSuffix(word, "/"))
		}
		sameWords(t, test.line, got, test.want)
	}
}

// TestCompletionZsh has zsh read the script, and call its function with what _arguments is told
// written down.
func TestCompletionZsh(t *testing.T) {
	zsh, script := shell(t, "zsh")
	if out, err := exec.Command(zsh, "-f", "-n", script).CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for line, want := range map[string]string{
		"partita serve --da":           "--data=[Directory of the data; it is made if it does not exist]:value:_files -/",
		"partita credentials new --fi": ":value:_files",
		"partita bench report x":       "*:argument:_files",
	} {
		parts := strings.Split(line, " ")
		commands := "source '" + script + "'; function _arguments() { print -l -- \"$words[1]\" \"$CURRENT\" \"$@\" }; " +
			"words=(" + word.ShellQuote(parts...) + "); CURRENT=$#words; _partita"
		out, err := exec.Command(zsh, "-f", "-c", commands).CombinedOutput()
		lines := strings.Split(string(out), "\n")
		if err != nil || len(lines) < 3 || lines[0] != parts[len(parts)-2] || lines[1] != "2" || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v\n%s\nwant %q", line, err, out, want)
		}
	}
}

// TestCompletionHasAll checks that each script names all commands and flags.
func TestCompletionHasAll(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "fish"} {
		_, script, _ := said(t, nil, "completion", name)
		eachCommand(model().Node, func(n *kong.Node) {
			for _, flag := range n.Flags {
				if has := regexp.MustCompile(flag.Name + `[^-a-z]`).MatchString(script); has == flag.Hidden {
					t.Errorf("%s: --%s of %s is there: %v", name, flag.Name, n.Path(), has)
				}
			}
			if !strings.Contains(script, n.Name) {
				t.Errorf("%s: %s is not there", name, n.Path())
			}
		})
	}
}
