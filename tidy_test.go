package partita

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/golden"
)

// The limits of how code and pages are written. Columns are characters, and four for a tab.
const (
	maxFunctionLines   = 60
	maxFileLines       = 600
	maxCodeColumns     = 120 // more in a line of which half is text in quotes
	maxCommentColumns  = 100 // more in a line with a URL
	maxMarkdownColumns = 100 // more in tables, blocks of code, and where a link makes it longer
	maxParameters      = 5
)

// tidyFile has what exceeds the limits today: a kind, a file, and how often.
const tidyFile = "testdata/tidy.txt"

// An excess is one place that exceeds a limit.
type excess struct {
	kind, file string
	line       int
	what       string
}

// TestTidy holds Go files, tests included, and Markdown pages to the limits. What exceeds them is
// listed in tidyFile, which may only become shorter. After a file has moved, or is within the
// limits now, write it anew and read the diff:
//
//	go test . -run Tidy -rewrite
func TestTidy(t *testing.T) {
	found := moduleExcesses(t)
	if golden.Rewrite() {
		golden.Write(t, tidyFile, tidyText(found))
		return
	}
	listed, err := os.ReadFile(tidyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range tidyComplaints(found, string(listed)) {
		t.Error(complaint)
	}
}

// tidyKey is what tidyFile says of an excess.
func tidyKey(x excess) string { return fmt.Sprintf("%-12s %s", x.kind, x.file) }

// tidyText is the text of tidyFile.
func tidyText(found []excess) []byte {
	counts := map[string]int{}
	for _, x := range found {
		counts[tidyKey(x)]++
	}
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%s %d\n", key, counts[key])
	}
	return text.Bytes()
}

// tidyComplaints compares what was found with what is listed. Of a file with more than that, all
// places are told: which of them is the new one cannot be known.
func tidyComplaints(found []excess, listed string) (complaints []string) {
	counts := map[string]int{}
	for line := range strings.Lines(listed) {
		var n int
		i := strings.LastIndexByte(line, ' ')
		if _, err := fmt.Sscan(line[i+1:], &n); i < 0 || err != nil {
			return []string{fmt.Sprintf("%s: %q is no entry", tidyFile, line)}
		}
		counts[line[:i]] = n
	}
	places := map[string][]excess{}
	for _, x := range found {
		places[tidyKey(x)] = append(places[tidyKey(x)], x)
	}
	for _, key := range slices.Sorted(maps.Keys(places)) {
		n := counts[key]
		delete(counts, key)
		switch all := places[key]; {
		case len(all) > n:
			for _, x := range all {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s (%d such places, %s has %d)",
					x.file, x.line, x.what, len(all), tidyFile, n))
			}
		case len(all) < n:
			complaints = append(complaints, fmt.Sprintf("%s: %s: it is %d now; keep that with -rewrite",
				tidyFile, key, len(all)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		complaints = append(complaints, fmt.Sprintf("%s: %s: it is 0 now; keep that with -rewrite", tidyFile, key))
	}
	return complaints
}

// moduleExcesses looks at all Go files and Markdown pages of the module.
func moduleExcesses(t *testing.T) (found []excess) {
	t.Helper()
	goFiles, pages := 0, 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(name, ".go"):
			goFiles++
			in, err := goExcesses(name, source)
			found = append(found, in...)
			return err
		case strings.HasSuffix(name, ".md"):
			pages++
			found = append(found, markdownExcesses(name, string(source))...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if goFiles < 100 || pages < 10 {
		t.Errorf("only %d Go files and %d pages were found", goFiles, pages)
	}
	return found
}

// A tidyCheck is one Go file that is looked at.
type tidyCheck struct {
	name  string
	set   *token.FileSet
	file  *ast.File
	found []excess
}

// goExcesses looks at one Go file.
func goExcesses(name string, source []byte) ([]excess, error) {
	c := &tidyCheck{name: name, set: token.NewFileSet()}
	var err error
	c.file, err = parser.ParseFile(c.set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	c.lines(string(source))
	ast.Inspect(c.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			c.function(n)
		case *ast.FuncType:
			c.parameters(n)
		}
		return true
	})
	if !strings.HasSuffix(name, "_test.go") {
		c.documented()
	}
	return c.found, nil
}

// report notes an excess.
func (c *tidyCheck) report(kind string, at token.Pos, format string, args ...any) {
	c.found = append(c.found, excess{kind, c.name, c.set.Position(at).Line, fmt.Sprintf(format, args...)})
}

// function reports a declared function that is too long. Its comment does not count.
func (c *tidyCheck) function(f *ast.FuncDecl) {
	lines := c.set.Position(f.End()).Line - c.set.Position(f.Pos()).Line + 1
	if lines > maxFunctionLines {
		c.report("function", f.Pos(), "%s has %d lines, more than %d", f.Name.Name, lines, maxFunctionLines)
	}
}

// parameters reports a function, or type of one, with too many parameters, or with two of type bool
// beside each other: a caller that confuses them compiles.
func (c *tidyCheck) parameters(f *ast.FuncType) {
	n, bools, beside := 0, 0, false
	for _, field := range f.Params.List {
		names := max(1, len(field.Names))
		n += names
		if id, ok := field.Type.(*ast.Ident); ok && id.Name == "bool" {
			bools += names
		} else {
			bools = 0
		}
		beside = beside || bools > 1
	}
	if n > maxParameters {
		c.report("parameters", f.Pos(), "there are %d parameters, more than %d", n, maxParameters)
	}
	if beside {
		c.report("bools", f.Pos(), "two parameters beside each other are of type bool")
	}
}

// documented reports exported names without a comment. One comment is enough for all that one
// declaration declares.
func (c *tidyCheck) documented() {
	for _, d := range c.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d.Recv) {
				c.report("undocumented", d.Pos(), "%s is exported and has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if id, has := exportedSpec(spec); id != nil && !has && d.Doc == nil {
					c.report("undocumented", id.Pos(), "%s is exported and has no comment", id.Name)
				}
			}
		}
	}
}

// exportedReceiver tells whether a method's type is exported, or a function has none.
func exportedReceiver(recv *ast.FieldList) bool {
	if recv == nil {
		return true
	}
	of := recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
		of = generic.X
	}
	id, ok := of.(*ast.Ident)
	return ok && id.IsExported()
}

// exportedSpec returns the first exported name of a part of a declaration, and whether that part
// has a comment.
func exportedSpec(spec ast.Spec) (id *ast.Ident, commented bool) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		id, commented = spec.Name, spec.Doc != nil || spec.Comment != nil
		if !id.IsExported() {
			id = nil
		}
	case *ast.ValueSpec:
		commented = spec.Doc != nil || spec.Comment != nil
		if i := slices.IndexFunc(spec.Names, (*ast.Ident).IsExported); i >= 0 {
			id = spec.Names[i]
		}
	}
	return id, commented
}

// lines reports a file that has too many lines, and lines that have too many columns.
func (c *tidyCheck) lines(source string) {
	lines := strings.Split(strings.TrimSuffix(source, "\n"), "\n")
	if len(lines) > maxFileLines {
		c.found = append(c.found, excess{"file", c.name, len(lines),
			fmt.Sprintf("the file has %d lines, more than %d", len(lines), maxFileLines)})
	}
	quoted := quotedColumns(source)
	for i, line := range lines {
		at, n, text := i+1, columns(line), strings.TrimSpace(line)
		kind, limit := "code", maxCodeColumns
		if strings.HasPrefix(text, "//") {
			kind, limit = "comment", maxCommentColumns
		}
		switch {
		case n <= limit, quoted[at]*2 >= utf8.RuneCountInString(text):
		case kind == "comment" && strings.Contains(text, "://"), strings.HasPrefix(text, "//go:"):
		default:
			c.found = append(c.found, excess{kind, c.name, at, fmt.Sprintf("the line has %d columns, more than %d", n, limit)})
		}
	}
}

// quotedColumns says, by line, how many characters of it are those of string literals.
func quotedColumns(source string) map[int]int {
	quoted := map[int]int{}
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", set.Base(), len(source)), []byte(source), nil, 0)
	for {
		pos, tok, text := s.Scan()
		switch tok {
		case token.EOF:
			return quoted
		case token.STRING:
			line := set.Position(pos).Line
			for part := range strings.Lines(text) {
				quoted[line] += utf8.RuneCountInString(part)
				line++
			}
		}
	}
}

// columns is how wide a line is.
func columns(line string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
}

// linkTarget is where a Markdown link leads to.
var linkTarget = regexp.MustCompile(`\]\([^)]*\)|<?https?://\S+|^\[[^\]]+\]: .*`)

// markdownExcesses looks at one Markdown page.
func markdownExcesses(name, text string) (found []excess) {
	inBlock, at := false, 0
	for line := range strings.Lines(text) {
		at++
		line = strings.TrimSuffix(line, "\n")
		start := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(start, "```"):
			inBlock = !inBlock
		case inBlock, strings.HasPrefix(start, "|"), strings.HasPrefix(line, "    ") && !strings.HasPrefix(start, "- "):
		case columns(linkTarget.ReplaceAllString(line, "]")) > maxMarkdownColumns:
			found = append(found, excess{"markdown", name, at,
				fmt.Sprintf("the line has %d columns, more than %d", columns(line), maxMarkdownColumns)})
		}
	}
	return found
}

// TestTidyFinds has each limit exceeded, just kept, and exceeded where that is allowed.
func TestTidyFinds(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	body := func(lines int) string { return strings.Repeat("\n", lines-1) }
	for _, c := range []struct {
		file, source string
		kinds        string // of what is found, with lines
	}{
		{"a.go", "func f() {" + body(60) + "}", ""},
		{"a.go", "func f() {" + body(61) + "}", "function:2"},
		{"a.go", body(600), ""},
		{"a.go", body(601), "file:601"},
		{"a.go", "var a = " + long(112), ""},
		{"a.go", "var a = " + long(113), "code:2"},
		{"a.go", "func f() {\n\t\t_ = " + long(109) + "\n}", "code:3"},
		{"a.go", "var a = f(" + `"` + long(100) + `", ` + long(20) + ")", ""},
		{"a.go", "var a = f(" + `"` + long(40) + `", ` + long(80) + ")", "code:2"},
		{"a.go", "var a = `\n" + long(200) + "\n`", ""},
		{"a.go", "// " + long(97), ""},
		{"a.go", "// " + long(98), "comment:2"},
		{"a.go", "// https://" + long(98), ""},
		{"a.go", "func f(a, b, c int, d, e string) {}", ""},
		{"a.go", "func f(a, b, c int, d, e, f string) {}", "parameters:2"},
		{"a.go", "var f = func(int, int, int, int, int, int) {}", "parameters:2"},
		{"a.go", "func f(a bool, b int, c bool) {}", ""},
		{"a.go", "func f(a, b bool) {}", "bools:2"},
		{"a.go", "func f(a bool, b bool) (c, d bool)", "bools:2"},
		{"a.go", "// F is.\nfunc F() {}\nfunc g() {}\ntype t int\nfunc (t) F() {}", ""},
		{"a.go", "func F() {}", "undocumented:2"},
		{"a.go", "// T is.\ntype T[K any] int\nfunc (*T[K]) F() {}", "undocumented:4"},
		{"a.go", "type T int", "undocumented:2"},
		{"a.go", "const (\n\ta = 1\n\tB = 2\n\tC = 3 // c\n)", "undocumented:4"},
		{"a.go", "// These are.\nvar (\n\tA int\n\tB int\n)", ""},
		{"a_test.go", "func F() {}", ""},
		{"a.md", long(100), ""},
		{"a.md", long(101), "markdown:2"},
		{"a.md", "| " + long(101), ""},
		{"a.md", "```\n" + long(101) + "\n```\n" + long(101), "markdown:5"},
		{"a.md", "see [a](" + long(100) + ")", ""},
		{"a.md", long(99) + " [a](b.md)", "markdown:2"},
	} {
		found, err := markdownExcesses(c.file, "\n"+c.source), error(nil)
		if !strings.HasSuffix(c.file, ".md") {
			found, err = goExcesses(c.file, []byte("package a\n"+c.source))
		}
		var kinds []string
		for _, x := range slices.SortedFunc(slices.Values(found), func(a, b excess) int { return cmp.Compare(a.line, b.line) }) {
			kinds = append(kinds, fmt.Sprintf("%s:%d", x.kind, x.line))
		}
		if got := strings.Join(kinds, " "); err != nil || got != c.kinds {
			t.Errorf("%s with %q has %q (%v), want %q", c.file, c.source, got, err, c.kinds)
		}
	}
}

// TestTidyComplaints complains of what is more than listed, and of what is less.
func TestTidyComplaints(t *testing.T) {
	found := []excess{{"code", "a.go", 3, "long"}, {"code", "a.go", 7, "long"}, {"file", "b.go", 601, "long"}}
	for _, c := range []struct{ listed, complaints string }{
		{string(tidyText(found)), ""},
		{"code         a.go 1\nfile         b.go 1\n",
			"a.go:3: long (2 such places, testdata/tidy.txt has 1)\na.go:7: long (2 such places, testdata/tidy.txt has 1)"},
		{"code         a.go 2\n", "b.go:601: long (1 such places, testdata/tidy.txt has 0)"},
		{"code         a.go 3\nfile         b.go 1\n",
			"testdata/tidy.txt: code         a.go: it is 2 now; keep that with -rewrite"},
		{string(tidyText(found)) + "file         c.go 1\n",
			"testdata/tidy.txt: file         c.go: it is 0 now; keep that with -rewrite"},
		{"code\n", "testdata/tidy.txt: \"code\\n\" is no entry"},
	} {
		if got := strings.Join(tidyComplaints(found, c.listed), "\n"); got != c.complaints {
			t.Errorf("with %q it complains\n%s\nwant\n%s", c.listed, got, c.complaints)
		}
	}
}
