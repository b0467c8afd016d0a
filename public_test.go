package partita

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

// closedTypes are the only places where what is public names a type of an internal package, which
// nobody outside of this module can look up: each says so in its comment.
var closedTypes = map[string]string{"Options.Engine": "kv.Engine"}

// TestPublic holds what other modules import to what go doc shows of it: types are declared where
// they are public, so that their fields and methods are there to be read, and everything exported
// has a comment.
func TestPublic(t *testing.T) {
	closed := map[string]string{}
	for _, dir := range []string{".", "partitatest"} {
		p := publicPackage{dir: dir, closed: closed}
		p.read(t)
		for _, fault := range p.faults {
			t.Error(fault)
		}
		if p.names < 10 {
			t.Errorf("%s: only %d exported names were looked at", dir, p.names)
		}
	}
	if fmt.Sprint(closed) != fmt.Sprint(closedTypes) {
		t.Errorf("types of internal packages are named by %v, want %v", closed, closedTypes)
	}
}

// TestPublicFaults shows TestPublic a file with all that it is to find.
func TestPublicFaults(t *testing.T) {
	p := publicPackage{dir: "x", closed: map[string]string{}}
	const source = `package x
import ( "net/http"; other "github.com/partita-db/partita/internal/kv" )
// Alias is one.
type Alias = other.Engine
// Defined has no methods.
type Defined other.Engine
// Fine is no alias of ours.
type Fine = http.Handler
type Bare struct{}
// Struct has fields.
type Struct struct {
	Field int
	// Good has a comment.
	Good []other.Range
	hidden other.Range
}
// Iface has methods.
type Iface interface { Method() }
func (s *Struct) Get() {}
// Set has a comment.
func (s *Struct) Set(map[string]*other.Range) {}
func (h hidden) Get() {}
type hidden struct{}
func Func() {}
var Var int
const Const = 1
`
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	p.file(f)
	want := []string{
		"x: Alias is an alias of other.Engine, which is internal: go doc shows nothing of it", "x: Bare has no doc comment",
		"x: Struct.Field has no doc comment", "x: Iface.Method has no doc comment", "x: Struct.Get has no doc comment",
		"x: Func has no doc comment", "x: Var has no doc comment", "x: Const has no doc comment",
	}
	if got := strings.Join(p.faults, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := fmt.Sprint(p.closed); got != "map[Defined:other.Engine Struct.Good:other.Range Struct.Set:other.Range]" {
		t.Errorf("names of internal types: %s", got)
	}
}

// publicPackage looks at the exported names of a package.
type publicPackage struct {
	dir    string
	closed map[string]string // the internal types that exported names mention
	names  int
	faults []string

	internal map[string]bool // the names, in the present file, of imports that are internal
}

// read looks at all files of the package but its tests.
func (p *publicPackage) read(t *testing.T) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path.Join(p.dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		p.file(f)
	}
}

// file looks at one file.
func (p *publicPackage) file(f *ast.File) {
	p.internal = map[string]bool{}
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		p.internal[name] = strings.HasPrefix(imported, module+"/internal/")
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			p.function(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				p.declared(d, spec)
			}
		}
	}
}

// function looks at a function, or at a method of an exported type.
func (p *publicPackage) function(d *ast.FuncDecl) {
	name := d.Name.Name
	if d.Recv != nil {
		receiver := d.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		of, ok := receiver.(*ast.Ident)
		if !ok || !of.IsExported() {
			return
		}
		name = of.Name + "." + name
	}
	if d.Name.IsExported() {
		p.exported(name, d.Doc)
		p.mentions(name, d.Type)
	}
}

// declared looks at a type, a constant or a variable. A comment on a group stands for its members.
func (p *publicPackage) declared(d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				p.exported(name.Name, d.Doc, spec.Doc, spec.Comment)
				p.mentions(name.Name, spec.Type)
			}
		}
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		p.exported(spec.Name.Name, d.Doc, spec.Doc)
		if named := p.internalType(spec.Type); spec.Assign.IsValid() && named != "" {
			p.fault(spec.Name.Name, "is an alias of "+named+", which is internal: go doc shows nothing of it")
		}
		p.members(spec)
	}
}

// members looks at what a type has.
func (p *publicPackage) members(spec *ast.TypeSpec) {
	var list *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		if !spec.Assign.IsValid() {
			p.mentions(spec.Name.Name, typ)
		}
		return
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			if name.IsExported() {
				p.exported(spec.Name.Name+"."+name.Name, field.Doc, field.Comment)
				p.mentions(spec.Name.Name+"."+name.Name, field.Type)
			}
		}
		if len(field.Names) == 0 {
			p.mentions(spec.Name.Name, field.Type)
		}
	}
}

// exported counts an exported name, which must have one of the comments.
func (p *publicPackage) exported(name string, comments ...*ast.CommentGroup) {
	p.names++
	for _, c := range comments {
		if strings.TrimSpace(c.Text()) != "" {
			return
		}
	}
	p.fault(name, "has no doc comment")
}

// mentions notes the types of internal packages in the type of an exported name.
func (p *publicPackage) mentions(name string, typ ast.Expr) {
	if typ == nil {
		return
	}
	ast.Inspect(typ, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && p.internalType(e) != "" {
			p.closed[name] = p.internalType(e)
		}
		return true
	})
}

// internalType is the name of a type of an internal package, or "".
func (p *publicPackage) internalType(typ ast.Expr) string {
	if s, ok := typ.(*ast.SelectorExpr); ok {
		if pkg, ok := s.X.(*ast.Ident); ok && p.internal[pkg.Name] {
			return pkg.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// fault notes what is wrong with a name.
func (p *publicPackage) fault(name, what string) {
	p.faults = append(p.faults, p.dir+": "+name+" "+what)
}
