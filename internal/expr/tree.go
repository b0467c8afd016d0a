package expr

import (
	"strconv"
	"strings"
)

// tree is a parsed expression. It depends on the text alone, is shared by all requests that send
// the text, and never changes. Placeholders are numbered by first appearance; a request's binding
// holds what they stand for.
type tree struct {
	kind    Kind
	root    *node    // of a condition
	paths   []path   // of a projection
	actions []action // of an update

	names, values []placeholder

	checks []*node // nodes of a condition to be checked with their names and values, inner ones first
	nested []step  // the first steps of the paths that have more, in order of appearance
	late   string  // the message of an error of the text that is reported after undefined placeholders
	plain  bool    // all paths of a projection, or targets of an update, are top-level attributes
	size   int     // about how many bytes of memory it takes
}

// placeholder is a #name or :value of the text, and where it first stands.
type placeholder struct {
	key string
	pos int
}

// node is a condition or an operand.
type node struct {
	op       op
	parens   bool    // written in parentheses
	slot     int     // opValue: the number of its placeholder
	function string  // opUnknown: the name as written
	path     path    // opPath
	args     []*node // operands; AND and OR have two or more
}

// path is a document path: a top-level attribute's name and the steps below it.
type path []step

// step is one element of a document path.
type step struct {
	name  string // as written, with its # if it is a placeholder
	slot  int    // the number of its placeholder, or -1
	index int    // of a list element, or -1 for a name
}

// action is one action of an update.
type action struct {
	section section
	path    path
	value   *node // what SET assigns, or the :value of ADD and DELETE; nil for REMOVE
}

// section is a clause of an update.
type section uint8

// The sections.
const (
	sectionSet section = iota
	sectionRemove
	sectionAdd
	sectionDelete
	sectionAppend // legacy ADD of a list
)

// String returns the section's keyword.
func (s section) String() string {
	return [...]string{"SET", "REMOVE", "ADD", "DELETE", "ADD"}[s]
}

// op is what a node does.
type op uint8

// The operations: operands, conditions, sums, functions.
const (
	opPath op = iota
	opValue
	opAnd
	opOr
	opNot
	opEQ
	opNE
	opLT
	opLE
	opGT
	opGE
	opBetween
	opIn
	opPlus
	opMinus
	opAttributeExists
	opAttributeNotExists
	opAttributeType
	opBeginsWith
	opContains
	opSize
	opIfNotExists
	opListAppend
	opUnknown     // a function that does not exist
	opNotContains // legacy conditions only
	opAlways      // no conditions at all
	opSetAdd      // built updates only
	opSetDelete
)

// opNames are the operators and functions as messages print them.
var opNames = [...]string{
	opAnd: "AND", opOr: "OR", opNot: "NOT", opEQ: "=", opNE: "<>", opLT: "<", opLE: "<=", opGT: ">", opGE: ">=",
	opBetween: "BETWEEN", opIn: "IN", opPlus: "+", opMinus: "-", opAttributeExists: "attribute_exists",
	opAttributeNotExists: "attribute_not_exists", opAttributeType: "attribute_type", opBeginsWith: "begins_with",
	opContains: "contains", opSize: "size", opIfNotExists: "if_not_exists", opListAppend: "list_append",
	opNotContains: "not_contains", opSetAdd: "set_add", opSetDelete: "set_delete",
}

// String returns the operator or function as messages print it.
func (o op) String() string { return opNames[o] }

// isCall tells whether o is a function.
func (o op) isCall() bool { return o >= opAttributeExists && o <= opUnknown }

// function returns the function of that name, which is case-sensitive.
func function(name string) op {
	for o := opAttributeExists; o <= opListAppend; o++ {
		if opNames[o] == name {
			return o
		}
	}
	return opUnknown
}

// String prints the expression for tests: one blank between tokens, keywords in capitals,
// parentheses as they were written.
func (t *tree) String() string {
	var b strings.Builder
	switch t.kind {
	case KindProjection:
		for i, p := range t.paths {
			if i > 0 {
				b.WriteString(", ")
			}
			p.print(&b)
		}
	case KindUpdate:
		for i := range t.actions {
			t.printAction(&b, i)
		}
	default:
		t.root.print(t, &b)
	}
	return b.String()
}

// printAction prints action i, with its section's keyword if it is the section's first.
func (t *tree) printAction(b *strings.Builder, i int) {
	a := &t.actions[i]
	switch {
	case i > 0 && t.actions[i-1].section == a.section:
		b.WriteString(", ")
	case i > 0:
		b.WriteByte(' ')
		fallthrough
	default:
		b.WriteString(a.section.String() + " ")
	}
	a.path.print(b)
	if a.section == sectionSet {
		b.WriteString(" =")
	}
	if a.value != nil {
		b.WriteByte(' ')
		a.value.print(t, b)
	}
}

func (p path) print(b *strings.Builder) {
	for i, s := range p {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(s.name)
	}
}

func (n *node) print(t *tree, b *strings.Builder) {
	if n.parens {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch {
	case n.op == opPath:
		n.path.print(b)
	case n.op == opValue:
		b.WriteString(t.values[n.slot].key)
	case n.op == opNot:
		b.WriteString("NOT ")
		n.args[0].print(t, b)
	case n.op == opBetween:
		n.args[0].print(t, b)
		b.WriteString(" BETWEEN ")
		n.args[1].print(t, b)
		b.WriteString(" AND ")
		n.args[2].print(t, b)
	case n.op == opIn:
		n.args[0].print(t, b)
		b.WriteString(" IN (")
		printNodes(t, b, n.args[1:], ", ")
		b.WriteByte(')')
	case n.op.isCall():
		b.WriteString(n.function + "(")
		printNodes(t, b, n.args, ", ")
		b.WriteByte(')')
	default:
		printNodes(t, b, n.args, " "+n.op.String()+" ")
	}
}

// printNodes appends nodes with the separator between them.
func printNodes(t *tree, b *strings.Builder, nodes []*node, separator string) {
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(separator)
		}
		n.print(t, b)
	}
}
