package partita

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is this module's path.
const module = "github.com/partita-db/partita"

// mayImport says, for each of our packages, which others of ours its files may import. Imports
// point one way: values and storage know nothing, the database builds on them, operations on it,
// HTTP on those. Whoever embeds Partita inherits what this says and no more. A package that is not
// listed here must not exist.
var mayImport = map[string][]string{
	"internal/item":                 {},
	"internal/kv":                   {},
	"internal/clock":                {},
	"internal/capacity":             {},
	"internal/exception":            {},
	"internal/expr":                 {"internal/item"},
	"internal/partiql":              {"internal/item", "internal/expr"},
	"internal/schema":               {"internal/item", "internal/expr", "internal/kv"}, // expr: key conditions; kv: Range, Position, Record, FrontLen
	"internal/check":                {"internal/item", "internal/kv", "internal/schema"},
	"internal/inspect":              {"internal/item", "internal/kv", "internal/schema"},
	"internal/db":                   {"internal/capacity", "internal/expr", "internal/invariants", "internal/item", "internal/kv", "internal/metrics", "internal/schema"},
	"internal/iam":                  {"internal/sigv4"}, // its signing keys
	"internal/metrics":              {"internal/capacity", "internal/exception"},
	"internal/api/wire":             {"internal/exception", "internal/item"},
	"internal/api/call":             {"internal/api/wire", "internal/capacity", "internal/db", "internal/expr", "internal/iam", "internal/item", "internal/partiql", "internal/schema"},
	"internal/api/params":           {"internal/api/wire", "internal/expr", "internal/item"},
	"internal/api/data":             {"internal/api/call", "internal/api/params", "internal/api/wire", "internal/capacity", "internal/db", "internal/expr", "internal/item", "internal/partiql", "internal/schema"},
	"internal/api/control":          {"internal/api/call", "internal/api/wire", "internal/db", "internal/item", "internal/schema"},
	"internal/api/streams":          {"internal/api/call", "internal/api/wire", "internal/db", "internal/schema"},
	"internal/api":                  {"internal/api/call", "internal/api/control", "internal/api/data", "internal/api/streams", "internal/api/wire", "internal/db", "internal/partiql", "internal/schema", "internal/word"},
	"internal/webpage":              {},
	"internal/word":                 {},
	"internal/clocktest":            {},
	"internal/dbtest":               {"internal/check", "internal/clocktest", "internal/db", "internal/kv", "internal/kv/pebblekv"},
	"internal/servertest":           {"internal/server"},
	"internal/server":               {"internal/api", "internal/word", "internal/exception", "internal/iam", "internal/listen", "internal/metrics", "internal/webpage", "internal/sigv4"},
	"internal/admin":                {"internal/exception", "internal/db", "internal/kv", "internal/metrics", "internal/webpage"},
	"internal/kv/kvtest":            {"internal/kv"},
	"internal/historytest":          {},
	"internal/golden":               {}, // for tests only
	"internal/malloc":               {},
	"internal/kv/rowcache":          {},
	"internal/invariants":           {},
	"internal/kv/pebblekv":          {"internal/invariants", "internal/kv", "internal/kv/pebblekv/manifest", "internal/kv/rowcache", "internal/metrics"},
	"internal/kv/pebblekv/manifest": {},
	".":                             {"internal/admin", "internal/api", "internal/clock", "internal/db", "internal/iam", "internal/kv", "internal/kv/pebblekv", "internal/metrics", "internal/server"},
	"partitatest":                   {".", "internal/word"}, // word: which table may be meant
	"internal/bench":                {"internal/sigv4"},
	"internal/cli":                  {".", "internal/bench", "internal/check", "internal/iam", "internal/inspect", "internal/kv", "internal/kv/pebblekv", "internal/listen", "internal/malloc", "internal/schema", "internal/server", "internal/word"},
	"cmd/partita":                   {"internal/cli"},

	"internal/listen":          {},
	"internal/sigv4":           {},
	"internal/sigv4/sigv4test": {},
	"internal/wiretest":        {"internal/api", "internal/sigv4/sigv4test"}, // api: what a handler serves
}

// onlyIn says which packages may import what is not ours and heavy.
var onlyIn = map[string][]string{
	"github.com/cockroachdb/pebble":     {"internal/kv/pebblekv"},
	"github.com/alecthomas/kong":        {"internal/cli"},
	"net/http":                          {"internal/admin", "internal/webpage", "internal/server", "internal/cli", ".", "partitatest", "internal/historytest", "internal/sigv4", "internal/sigv4/sigv4test", "internal/listen", "internal/wiretest", "internal/servertest"},
	"github.com/prometheus":             {"internal/admin"},
	"net/http/httptest":                 {"internal/wiretest"}, // it brings a flag
	"testing":                           {"partitatest", "internal/golden", "internal/kv/kvtest", "internal/historytest", "internal/wiretest", "internal/dbtest", "internal/servertest"},
	"github.com/cockroachdb/datadriven": {"internal/golden"},                     // it brings a flag
	"github.com/aws":                    {"partitatest", "internal/historytest"}, // a test's client
	"github.com/anishathalye":           {"internal/historytest"},
	"github.com/tikv":                   {}, // a module of its own, tikv/
	"google.golang.org/grpc":            {},
}

// TestImports holds the packages to the directions of mayImport and onlyIn. Tests may import more:
// they stand beside what they test, and look at it from above.
func TestImports(t *testing.T) {
	files := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files++
		checkImports(t, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Error("no Go file was looked at")
	}
}

// skipped tells whether a directory holds no packages of this module: hidden ones, test data, the
// other languages' tests, modules of their own.
func skipped(dir string) bool {
	switch base := path.Base(dir); {
	case strings.HasPrefix(base, "."), base == "testdata", base == "conformance":
		return true
	}
	_, err := os.Stat(path.Join(dir, "go.mod"))
	return err == nil
}

// checkImports reports the imports of one file that nothing allows.
func checkImports(t *testing.T, name string) {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	pkg := path.Dir(name)
	allowed, listed := mayImport[pkg]
	if !listed {
		t.Errorf("%s: package %s is not listed in mayImport", name, pkg)
		return
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ours, ok := ownPackage(imported); ok && !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s, which %s may not", name, ours, pkg)
		}
		for prefix, in := range onlyIn {
			if (imported == prefix || strings.HasPrefix(imported, prefix+"/")) && !slices.Contains(in, pkg) {
				t.Errorf("%s imports %s, which only %q may", name, imported, in)
			}
		}
	}
}

// ownPackage returns the path within the module of an import that is ours.
func ownPackage(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}
