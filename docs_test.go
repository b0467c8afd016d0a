package partita

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromises checks that every test that docs/reliability.md names as the holder of a promise exists.
func TestPromises(t *testing.T) {
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testNames(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, match := range named {
		if !there[match[1]] {
			t.Errorf("docs/reliability.md names %s, which does not exist", match[1])
		}
	}
}

// testNames are the names of all tests and fuzz tests of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(name)
		for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
			names[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// documents are the README and the pages of docs.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 6 {
		t.Fatalf("pages %v: %v", pages, err)
	}
	return append(pages, "README.md", "CHANGELOG.md")
}

// TestLinks checks that what the README and the pages of docs link to within this repository is
// there, headings included.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]:\s*(\S+))`)
	checked := 0
	for _, page := range documents(t) {
		text := withoutBlocks(t, page)
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := match[1] + match[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			file, heading, _ := strings.Cut(target, "#")
			if file = filepath.Join(filepath.Dir(page), file); strings.HasPrefix(target, "#") {
				file = page
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			} else if heading != "" && !headings(t, file)[heading] {
				t.Errorf("%s links to %s: there is no such heading", page, target)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were found", checked)
	}
}

// withoutBlocks is the text of a page without its fenced blocks, whose brackets are no links.
func withoutBlocks(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(string(text), "")
}

// headings are the anchors of a page's headings, as GitHub makes them.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	anchors := map[string]bool{}
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, match := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(withoutBlocks(t, page), -1) {
		anchors[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return anchors
}

// TestQuickstartsRun checks that conformance/run runs each quick start of the README, and that
// none that it runs is missing. typescript is the block of javascript again, compiled.
func TestQuickstartsRun(t *testing.T) {
	marked, run := map[string]bool{"typescript": true}, map[string]bool{}
	for _, find := range []struct {
		file, form string
		names      map[string]bool
	}{
		{"README.md", "(?m)^<!-- quickstart: (.*) -->\n```", marked},
		{"conformance/run", `(?m)^\t+quickstart (\S+)$`, run},
	} {
		text, err := os.ReadFile(find.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(find.form).FindAllStringSubmatch(string(text), -1) {
			find.names[match[1]] = true
		}
	}
	if !maps.Equal(marked, run) {
		t.Errorf("the README has the quick starts %v, conformance/run runs %v", marked, run)
	}
}
