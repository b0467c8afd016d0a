package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// model is the model of the command line.
func model() *kong.Application {
	return newParser(new(commands), nil, new(bytes.Buffer), new(bytes.Buffer), nil).Model
}

// eachCommand calls fn with every command that can be run and with every group of commands.
func eachCommand(n *kong.Node, fn func(*kong.Node)) {
	for _, child := range n.Children {
		fn(child)
		eachCommand(child, fn)
	}
}

// TestWaysToHelp asks for the same help in each way there is.
func TestWaysToHelp(t *testing.T) {
	eachCommand(model().Node, func(n *kong.Node) {
		path := strings.Fields(n.Path())
		_, want, _ := said(t, nil, append(path, "--help")...)
		if !strings.HasPrefix(want, "Usage: "+n.FullPath()) || !strings.Contains(want, n.Help) {
			t.Errorf("%v --help prints:\n%s", path, want)
		}
		for _, args := range [][]string{append(path, "-h"), append([]string{"help"}, path...)} {
			if status, got, stderr := said(t, nil, args...); status != 0 || got != want || stderr != "" {
				t.Errorf("%v: status %d, said %q, and prints:\n%s\nwant:\n%s", args, status, stderr, got, want)
			}
		}
	})
	_, want, _ := said(t, nil, "--help")
	if _, got, _ := said(t, nil, "help"); got != want || !strings.Contains(want, "credentials new") {
		t.Errorf("help prints:\n%s\nand --help:\n%s", got, want)
	}
}

// TestHelpPages holds the form of each page: no wider than can be read, a description, and an
// example where the name of the command does not say all.
func TestHelpPages(t *testing.T) {
	t.Setenv("COLUMNS", "200")
	plain := map[string]bool{"version": true, "credentials": true, "help": true}
	eachCommand(model().Node, func(n *kong.Node) {
		_, page, _ := said(t, nil, append([]string{"help"}, strings.Fields(n.Path())...)...)
		for _, line := range strings.Split(page, "\n") {
			if utf8.RuneCountInString(line) > helpColumns {
				t.Errorf("%s --help has a line of %d columns: %s", n.Path(), utf8.RuneCountInString(line), line)
			}
		}
		if !plain[n.Path()] && (n.Detail == "" || !strings.Contains(page, "\n    partita ") && !strings.Contains(page, "partita completion")) {
			t.Errorf("%s --help has no description or no example", n.Path())
		}
	})
}

// TestServeHelp checks that flags are in groups, and that the token's variable is named, which no
// flag of its own does.
func TestServeHelp(t *testing.T) {
	_, page, _ := said(t, nil, "serve", "--help")
	rest := page
	for _, want := range []string{
		"\nExamples:", "\nWhere:", "  --ready-file=FILE", "\nAccess:", "  --no-auth", "\nNetwork:", "  --tls-cert=FILE", "\nLimits:", "  --memory-limit=SIZE",
		"  --ballast=SIZE", "\nTables:", "  --table-delay=TIME", "\nAdmin:", "$PARTITA_ADMIN_TOKEN ", "\nLog:", "  --log-format=FORMAT",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("%q is missing, or not where it belongs:\n%s", want, page)
		}
		rest = after
	}
	if _, page, _ := said(t, nil, "backup", "--help"); !strings.Contains(page, "$PARTITA_ADMIN_TOKEN ") {
		t.Errorf("backup --help does not name the variable of the token:\n%s", page)
	}
}

// TestVersionFlag checks that the flag does what the command does, whatever a variable says, and
// that commands do not list it.
func TestVersionFlag(t *testing.T) {
	env := []string{"PARTITA_VERSION=1.2.3", "PARTITA_HELP=1"}
	_, want, _ := said(t, nil, "version")
	if status, got, stderr := said(t, env, "--version"); status != 0 || got != want || stderr != "" {
		t.Errorf("--version: %d %q %q, want %q", status, got, stderr, want)
	}
	if _, got, _ := said(t, env, "version"); got != want {
		t.Errorf("with variables version prints %q, want %q", got, want)
	}
	if _, page, _ := said(t, nil, "--help"); !strings.Contains(page, "--version") {
		t.Errorf("--help does not list --version:\n%s", page)
	}
	if _, page, _ := said(t, nil, "health", "--help"); strings.Contains(page, "--version") {
		t.Errorf("health --help lists --version:\n%s", page)
	}
}

// TestNoArguments holds what a newcomer sees first.
func TestNoArguments(t *testing.T) {
	status, got, stderr := said(t, nil)
	if status != 0 || stderr != "" || strings.Count(got, "\n") > 12 {
		t.Errorf("status %d, %q, %q", status, got, stderr)
	}
	for _, want := range []string{"partita serve", "partita health", "partita credentials new", `"partita --help"`, "https://github.com/partita-db/partita"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not name %q:\n%s", want, got)
		}
	}
}

// TestUsageErrors holds the lines after a command line that cannot be read: what is wrong, what may
// be meant, and where the help is.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"serv", `unexpected argument serv, did you mean "serve"? ("partita --help" lists the commands)`},
		{"--nothing", `unknown flag --nothing ("partita --help" lists the commands)`},
		{"serve --memroy-limit 1GB", `unknown flag --memroy-limit, did you mean "--memory-limit"? ("partita serve --help" lists the flags)`},
		{"health --data", `--data requires a value ("partita health --help" lists the flags)`},
		{"backup", `missing argument "<dest>" ("partita backup --help" lists the flags)`},
		{"bench --pidd 1", `unknown flag --pidd, did you mean "--pid"? ("partita bench run --help" lists the flags)`},
		{"credentials", `missing command: one of "new", "list", "delete" ("partita credentials --help" lists the commands)`},
		{"credentials nwe", `unexpected argument nwe, did you mean "new"? ("partita credentials --help" lists the commands)`},
		{"credentials new --flie x", `unknown flag --flie, did you mean "--file"? ("partita credentials new --help" lists the flags)`},
		{"help serv", `unexpected argument serv, did you mean "serve"? ("partita --help" lists the commands)`},
		{"completion csh", `<shell> must be one of "bash","zsh","fish" but got "csh" ("partita completion --help" lists the flags)`},
		{"serve", `PARTITA_PORT: --port: expected a port number up to 65535, but got "abc" ("partita serve --help" lists the flags)`},
		{"serve --port 99999", `--port: expected a port number up to 65535, but got "99999" ("partita serve --help" lists the flags)`},
		{"health --wait 3", `--wait: expected a duration such as 30s or 5m, but got "3" ("partita health --help" lists the flags)`},
		{`health --wait 3"x`, `--wait: expected a duration such as 30s or 5m, but got "3\"x" ("partita health --help" lists the flags)`},
		{"serve --port 1 --table-delay=2y", `--table-delay: expected a duration such as 30s or 5m, but got "2y" ("partita serve --help" lists the flags)`},
	} {
		status, stdout, stderr := said(t, []string{"PARTITA_PORT=abc"}, strings.Fields(test.args)...)
		if want := "partita: " + test.want + "\n"; status != 2 || stdout != "" || stderr != want {
			t.Errorf("%s: status %d, printed %q, said %q, want %q", test.args, status, stdout, stderr, want)
		}
	}
}

// TestUsageErrorsOfVariables checks that a value of the environment is reported with its variable.
func TestUsageErrorsOfVariables(t *testing.T) {
	for _, test := range []struct{ variable, args, want string }{
		{"PARTITA_LOG_LEVEL=verbose", "serve", `PARTITA_LOG_LEVEL: --log-level must be one of "trace",`},
		{"PARTITA_LOG_LEVEL=verbose", "serve --log-level loud", `--log-level must be one of "trace",`},
		{"PARTITA_WAIT=3", "health", `PARTITA_WAIT: --wait: expected a duration such as 30s or 5m, but got "3" (`},
	} {
		status, _, stderr := said(t, []string{test.variable}, strings.Fields(test.args)...)
		if status != 2 || !strings.HasPrefix(stderr, "partita: "+test.want) {
			t.Errorf("%s %s: status %d, said %q, want %q", test.variable, test.args, status, stderr, test.want)
		}
	}
}

// TestFlagsOfOthers gives DynamoDB Local's flags, words with one dash, and flags without their
// command: each is told what it is here.
func TestFlagsOfOthers(t *testing.T) {
	const (
		flags    = ` ("partita serve --help" lists the flags)`
		commands = ` ("partita --help" lists the commands)`
	)
	for _, test := range []struct{ args, want string }{
		{"-inMemory", "-inMemory is --in-memory here" + flags},
		{"serve -inMemory", "-inMemory is --in-memory here" + flags},
		{"serve --inMemory", "--inMemory is --in-memory here" + flags},
		{"-port 8000", "-port is --port here" + flags},
		{"serve -port=8000", "-port is --port here" + flags},
		{"serve -dbPath . -inMemory", "-dbPath is --data here" + flags},
		{"serve --dbPath .", "--dbPath is --data here" + flags},
		{"--db-path=.", "--db-path is --data here" + flags},
		{"serve --port 0 -delayTransientStatuses", "-delayTransientStatuses is --table-delay here" + flags},
		{"serve -cors *", "-cors is --cors-origin here" + flags},
		{"serve --cors=*", "--cors is --cors-origin here" + flags},
		{"-sharedDb", "-sharedDb is not needed: all access keys and regions see the same tables" + flags},
		{"serve --sharedDb", "--sharedDb is not needed: all access keys and regions see the same tables" + flags},
		{"serve -optimizeDbBeforeStartup", "-optimizeDbBeforeStartup is not needed" + flags},
		{"serve -disableTelemetry", "-disableTelemetry is not needed" + flags},
		{"-help", "-help is --help here" + commands},
		{"serve -help", "-help is --help here" + flags},
		{"-version", "-version is --version here" + commands},
		{"serve -logLevel debug", "-logLevel is --log-level here" + flags},
		{"serve -nonsense", "unknown flag -nonsense: flags have two dashes" + flags},
		{"serve -p 8000", "unknown flag -p: flags have two dashes" + flags},
		{"health -wait 3s", `-wait is --wait here ("partita health --help" lists the flags)`},
		{"health -inMemory", `unknown flag -inMemory: flags have two dashes ("partita health --help" lists the flags)`},
		{"--in-memory", `unknown flag --in-memory: it is a flag of "partita serve"` + flags},
		{"--port 8000", `unknown flag --port: it is a flag of "partita serve"` + flags},
		{"credentials --file x", `unknown flag --file: it is a flag of "partita credentials new" (` +
			`"partita credentials new --help" lists the flags)`},
	} {
		status, stdout, stderr := said(t, nil, strings.Fields(test.args)...)
		if want := "partita: " + test.want + "\n"; status != 2 || stdout != "" || stderr != want {
			t.Errorf("%s: status %d, printed %q, said %q, want %q", test.args, status, stdout, stderr, want)
		}
	}
}
