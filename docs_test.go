package partita

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPromises checks that every test that docs/reliability.md names as the holder of a promise
// exists.
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

// goName is a Go name, or several with dots between them, in a page's code.
var goName = regexp.MustCompile("`([A-Za-z][A-Za-z0-9]*(?:\\.[A-Za-z][A-Za-z0-9]*)*)`")

// fileName is the name of a file in a page's code, with directories or without, and perhaps a name
// that it declares behind a colon.
var fileName = regexp.MustCompile("`((?:[a-z0-9_]+/)*[a-z0-9_]+\\.(?:go|txt|md))(?::([A-Za-z0-9.]+))?`")

// TestInternalsNameFiles checks that the files which the pages of docs/internals name exist, and
// that each declares the name that stands behind it: `single_write.go:singleWrite.run`.
func TestInternalsNameFiles(t *testing.T) {
	pages, err := filepath.Glob("docs/internals/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, match := range fileName.FindAllStringSubmatch(withoutBlocks(t, page), -1) {
			paths := filesNamed(t, match[1])
			if len(paths) == 0 {
				t.Errorf("%s names %s, which does not exist", page, match[1])
			}
			there := func(path string) bool { return declares(t, path, match[2]) }
			if match[2] != "" && !slices.ContainsFunc(paths, there) {
				t.Errorf("%s: %s declares no %s", page, match[1], match[2])
			}
		}
	}
}

// TestDocsNameGoFiles checks that the Go files which the other pages name exist. Names that begin
// elsewhere, as those in users' own repositories, are in blocks of code.
func TestDocsNameGoFiles(t *testing.T) {
	checked := 0
	for _, page := range documents(t) {
		if strings.HasPrefix(page, "docs/internals/") || page == "CHANGELOG.md" {
			continue // they have a test of their own; what was is not held to what is
		}
		for _, match := range fileName.FindAllStringSubmatch(withoutBlocks(t, page), -1) {
			if !strings.HasSuffix(match[1], ".go") {
				continue
			}
			if checked++; len(filesNamed(t, match[1])) == 0 {
				t.Errorf("%s names %s, which does not exist", page, match[1])
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d files are named", checked)
	}
}

// packageRow is a package in the table of docs/architecture.md: its path, and what it imports.
var packageRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)`(?: \\(root\\))? \\|.*\\| ([a-z0-9, —]+) \\|$")

// TestPackageTable checks that the table of packages in docs/architecture.md says what mayImport
// allows.
func TestPackageTable(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range packageRow.FindAllStringSubmatch(string(text), -1) {
		pkg, imports := row[1], row[2]
		if pkg == "partita" {
			pkg = "."
		}
		allowed, is := mayImport[pkg]
		if !is || listed[pkg] {
			t.Errorf("docs/architecture.md lists %s, which is no package, or is listed twice", pkg)
			continue
		}
		listed[pkg] = true
		if want := importsText(allowed); imports != want {
			t.Errorf("docs/architecture.md: %s imports %s; by imports_test.go it is %s", pkg, imports, want)
		}
	}
	for pkg := range mayImport {
		if !listed[pkg] {
			t.Errorf("docs/architecture.md does not list %s", pkg)
		}
	}
}

// importsText is how the table shows packages: by the last parts of their paths, sorted.
func importsText(pkgs []string) string {
	if len(pkgs) == 0 {
		return "—"
	}
	var names []string
	for _, pkg := range pkgs {
		name := path.Base(pkg)
		if pkg == "." {
			name = "root"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// TestMap checks that docs/internals/map.md has its questions, and that each leads to a function by
// the whole path of its file. That they exist is for TestInternalsNameFiles.
func TestMap(t *testing.T) {
	text, err := os.ReadFile("docs/internals/map.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.Split(string(text), "\n- **")[1:]
	if len(entries) < 30 {
		t.Errorf("map.md has only %d questions", len(entries))
	}
	for _, entry := range entries {
		question, answer, ended := strings.Cut(entry, "?** ")
		if answer, _, _ = strings.Cut(answer, "\n\n"); !ended {
			question, answer, ended = strings.Cut(entry, "?**\n")
		}
		if !ended {
			t.Errorf("%q is no question", question)
			continue
		}
		leads := false
		for _, match := range fileName.FindAllStringSubmatch(answer, -1) {
			if match[2] == "" {
				continue
			}
			leads = true
			if _, err := os.Stat(match[1]); err != nil {
				t.Errorf("%s: %v", question, err)
			}
		}
		if !leads {
			t.Errorf("%s: no function is named", question)
		}
	}
}

// filesNamed are the files of the module with a name, of which leading directories may be missing.
func filesNamed(t *testing.T, name string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && skipped(path) {
			return fs.SkipDir
		}
		if err == nil && (path == name || strings.HasSuffix(path, "/"+name)) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// declares tells whether a Go file declares a function, type, constant or variable, or a method
// (Type.method).
func declares(t *testing.T, path, name string) bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	receiver, method, isMethod := strings.Cut(name, ".")
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == name {
				return true
			}
			if isMethod && d.Recv != nil && d.Name.Name == method && receiverName(d) == receiver {
				return true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.Name == name {
						return true
					}
				case *ast.ValueSpec:
					if slices.ContainsFunc(spec.Names, func(id *ast.Ident) bool { return id.Name == name }) {
						return true
					}
				}
			}
		}
	}
	return false
}

// receiverName is the name of the type whose method it is.
func receiverName(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// TestInternalsName checks that what the pages of docs/internals name is declared in the module:
// they are about functions and types, which move to other files and get other names. Of a name with
// dots all parts count, so that `writer.record` asks for both. The first letter may have either
// case: what is exported later stays the same thing.
func TestInternalsName(t *testing.T) {
	declared := declaredNames(t)
	pages, err := filepath.Glob("docs/internals/*.md")
	if err != nil || len(pages) < 6 {
		t.Fatalf("pages %v: %v", pages, err)
	}
	for _, page := range pages {
		text := withoutBlocks(t, page)
		found := goName.FindAllStringSubmatch(text, -1)
		if n := len(found) + len(fileName.FindAllString(text, -1)); n < 10 {
			t.Errorf("%s: only %d names were found", page, n)
		}
		for _, match := range found {
			if fileName.MatchString(match[0]) {
				continue
			}
			for part := range strings.SplitSeq(match[1], ".") {
				if !declared[lowered(part)] {
					t.Errorf("%s names %s, and no %s is declared", page, match[1], part)
				}
			}
		}
	}
}

// lowered is a name with a small first letter.
func lowered(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// fromElsewhere are names in pages of docs/internals that are no declarations of the module: words
// of the protocols, and of others' packages.
var fromElsewhere = strings.Fields("code main Host Expect Upgrade Connection net.Listener http.Handler " +
	"http.Request ApplyNoSyncWait SyncWait ConsistentRead SEAL")

// declaredNames are, lowered, the names of packages, of what they declare, and of fields and
// methods.
func declaredNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, name := range fromElsewhere {
		for part := range strings.SplitSeq(name, ".") {
			names[lowered(part)] = true
		}
	}
	eachGoFile(t, func(name string) error {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		names[f.Name.Name] = true
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[lowered(n.Name.Name)] = true
				return false
			case *ast.TypeSpec:
				names[lowered(n.Name.Name)] = true
			case *ast.ValueSpec:
				addNames(names, n.Names)
			case *ast.Field:
				addNames(names, n.Names)
			}
			return true
		})
		return nil
	})
	return names
}

// addNames adds names, lowered.
func addNames(names map[string]bool, ids []*ast.Ident) {
	for _, id := range ids {
		names[lowered(id.Name)] = true
	}
}

// eachGoFile calls fn for each Go file of the module.
func eachGoFile(t *testing.T, fn func(name string) error) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		return fn(name)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testNames are the names of all tests and fuzz tests of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
	eachGoFile(t, func(name string) error {
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(name)
		for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
			names[match[1]] = true
		}
		return err
	})
	return names
}

// documents are the README, the pages beside it, and those of docs.
func documents(t *testing.T) (pages []string) {
	t.Helper()
	for _, form := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		some, err := filepath.Glob(form)
		if err != nil || len(some) < 4 {
			t.Fatalf("pages %v: %v", some, err)
		}
		pages = append(pages, some...)
	}
	return pages
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
