package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// helpText is what --help says of a command.
func helpText(t *testing.T, command ...string) string {
	t.Helper()
	var out bytes.Buffer
	s := &streams{ctx: t.Context(), args: append(command, "--help"), stdout: &out, stderr: &out}
	if status := run(s); status != 0 {
		t.Fatalf("partita %s --help: status %d: %s", strings.Join(command, " "), status, out.String())
	}
	return out.String()
}

// flagsIn are the names of the flags in a text.
func flagsIn(text string) []string {
	var flags []string
	for _, match := range regexp.MustCompile(`--([a-z][a-z-]*[a-z])`).FindAllStringSubmatch(text, -1) {
		flags = append(flags, match[1])
	}
	slices.Sort(flags)
	return slices.Compact(flags)
}

// commandLines are what stands in a page behind the program's name, up to a pipe or another
// command: the rest of a command line, or prose.
func commandLines(page string) []string {
	page = strings.ReplaceAll(page, "\\\n", " ")
	form := regexp.MustCompile("(?m)(?:^|[`&;(\\s]|/)partita (?:partita )?([^`|;&)\\n]*)")
	var lines []string
	for _, match := range form.FindAllStringSubmatch(page, -1) {
		lines = append(lines, strings.TrimSpace(match[1]))
	}
	return lines
}

// commandOf is the one of the commands that a line gives, nil if it is none of them. "bench"
// alone is "bench run".
func commandOf(line string, commands []string) []string {
	if rest, isBench := strings.CutPrefix(line, "bench "); isBench && !strings.HasPrefix(rest, "report") {
		line = "bench run " + rest
	}
	for _, c := range commands {
		if strings.HasPrefix(line+" ", c+" ") {
			return strings.Fields(c)
		}
	}
	return nil
}

// TestDocumentedCommands checks that the command lines in the README and in docs are of commands
// that there are, with flags that they have.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	name := regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)(?: |$)`)
	for _, match := range name.FindAllStringSubmatch(helpText(t), -1) {
		commands = append(commands, match[1])
	}
	checked := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			command := commandOf(line, commands)
			flags := flagsIn(line)
			if command == nil {
				if len(flags) > 0 && !slices.Equal(flags, []string{"help"}) {
					t.Errorf("%s: there is no such command: partita %s", page, line)
				}
				continue // prose that goes on behind the program's name
			}
			checked++
			known := flagsIn(helpText(t, command...))
			for _, flag := range flags {
				if !slices.Contains(known, flag) {
					t.Errorf("%s: partita %s: there is no flag --%s", page, line, flag)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d command lines were found", checked)
	}
}

// TestFlagsAreDocumented checks that docs/serve.md lists the flags of serve, all of them and no
// others.
func TestFlagsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "\n## Flags\n")
	list, _, _ = strings.Cut(list, "\n## ")
	var listed []string
	for _, item := range regexp.MustCompile("(?m)^- (`--[^`]*`(, )?)+").FindAllString(list, -1) {
		listed = append(listed, flagsIn(item)...)
	}
	slices.Sort(listed)
	want := slices.DeleteFunc(flagsIn(helpText(t, "serve")), func(flag string) bool { return flag == "help" })
	if !found || !slices.Equal(listed, want) {
		t.Errorf("docs/serve.md lists the flags\n%v\nand serve has\n%v", listed, want)
	}
}
