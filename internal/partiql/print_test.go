package partiql

import (
	"strconv"
	"strings"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// String prints a statement: one blank between tokens, keywords in capitals, names in quotes where
// they need them, and parentheses around what would otherwise be read differently.
func (s *syntax) String() string {
	out := s.clauses()
	if s.where != nil {
		out += " WHERE " + s.text(s.where, 0)
	}
	for i, o := range s.Order {
		out += [...]string{" ORDER BY ", ", "}[min(i, 1)] + s.orderText(o)
	}
	if s.Returning != ReturningNone {
		out += " RETURNING " + s.Returning.String() + " *"
	}
	if s.Kind == KindExists {
		out = "EXISTS(" + out + ")"
	}
	return out
}

// clauses prints what stands before WHERE.
func (s *syntax) clauses() string {
	source := quotedName(s.Table)
	if s.Index != "" {
		source += "." + quotedName(s.Index)
	}
	switch s.Kind {
	case KindInsert:
		return "INSERT INTO " + source + " VALUE " + s.item.text()
	case KindDelete:
		return "DELETE FROM " + source
	case KindUpdate:
		out := "UPDATE " + source
		for _, a := range s.actions {
			if a.Value == nil {
				out += " REMOVE " + quotedPath(a.Path)
			} else {
				out += " SET " + quotedPath(a.Path) + " = " + s.text(a.Value, 0)
			}
		}
		return out
	}
	columns := []string{"*"}
	if !s.All {
		columns = nil
	}
	for _, c := range s.Columns {
		columns = append(columns, quotedPath(c.path))
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + source
}

// orderText prints a term of ORDER BY: its path is text already, so that one that needs quotes is
// printed as one name.
func (s *syntax) orderText(o Order) string {
	if o.Descending {
		return quotedName(o.Attribute) + " DESC"
	}
	return quotedName(o.Attribute) + " ASC"
}

// The strengths of operators.
const (
	strengthOr = iota + 1
	strengthAnd
	strengthNot
)

// text prints a node among operators of the given strength.
func (s *syntax) text(n *expr.Node, strength int) string {
	arg := func(i int) string { return s.text(n.Args[i], strengthNot+1) }
	switch n.Op {
	case expr.OpPath:
		return quotedPath(n.Path)
	case expr.OpValue:
		return s.values[n.Value].text()
	case expr.OpOr:
		return s.joined(n, " OR ", strengthOr, strength)
	case expr.OpAnd:
		return s.joined(n, " AND ", strengthAnd, strength)
	case expr.OpNot:
		return "NOT " + s.text(n.Args[0], strengthNot)
	case expr.OpAttributeExists:
		return arg(0) + " IS NOT MISSING"
	case expr.OpAttributeNotExists:
		return arg(0) + " IS MISSING"
	case expr.OpBetween:
		return arg(0) + " BETWEEN " + arg(1) + " AND " + arg(2)
	case expr.OpIn:
		return arg(0) + " IN (" + s.list(n.Args[1:]) + ")"
	case expr.OpEQ, expr.OpNE, expr.OpLT, expr.OpLE, expr.OpGT, expr.OpGE, expr.OpPlus, expr.OpMinus:
		return arg(0) + " " + n.Op.String() + " " + arg(1)
	}
	return n.Op.String() + "(" + s.list(n.Args) + ")"
}

// joined prints the operands of AND or OR, in parentheses if what is around binds closer, or is the
// same operator.
func (s *syntax) joined(n *expr.Node, operator string, own, around int) string {
	parts := make([]string, len(n.Args))
	for i, arg := range n.Args {
		parts[i] = s.text(arg, own)
	}
	if out := strings.Join(parts, operator); around < own {
		return out
	}
	return "(" + strings.Join(parts, operator) + ")"
}

// list prints nodes with commas.
func (s *syntax) list(nodes []*expr.Node) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = s.text(n, strengthNot+1)
	}
	return strings.Join(parts, ", ")
}

// text prints a literal.
func (l *literal) text() string {
	switch {
	case l.isConstant():
		return valueText(l.value)
	case l.param >= 0:
		return "?"
	}
	parts := make([]string, len(l.elements))
	for i := range l.elements {
		if l.isMap {
			parts[i] = quoted(l.names[i], "'") + ": "
		}
		parts[i] += l.elements[i].text()
	}
	if l.isMap {
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// valueText prints a value as a literal.
func valueText(v item.Value) string {
	var parts []string
	for e := range v.Elements() {
		parts = append(parts, valueText(e))
	}
	for name, e := range v.Entries() {
		parts = append(parts, quoted(name, "'")+": "+valueText(e))
	}
	all := strings.Join(parts, ", ")
	switch v.Type() {
	case item.S:
		return quoted(string(v.Bytes()), "'")
	case item.N:
		text := string(v.AppendText(nil)) // {N:1}
		return text[3 : len(text)-1]
	case item.BOOL:
		return strconv.FormatBool(v.Bool())
	case item.NULL:
		return "null"
	case item.L:
		return "[" + all + "]"
	case item.M:
		return "{" + all + "}"
	}
	return "<<" + all + ">>"
}

// quotedPath prints a path.
func quotedPath(path expr.Path) string {
	out := ""
	for i, s := range path {
		switch {
		case s.Index >= 0:
			out += "[" + strconv.Itoa(s.Index) + "]"
			continue
		case i > 0:
			out += "."
		}
		out += quotedName(s.Name)
	}
	return out
}

// quotedName prints a name, in quotes if it needs them.
func quotedName(name string) string {
	if tok := lex(name, 0); tok.kind == tokenWord && tok.start == 0 && tok.end == len(name) && !isKeyword(name) {
		return name
	}
	return quoted(name, `"`)
}

// quoted prints text between quotation marks.
func quoted(text, mark string) string { return mark + strings.ReplaceAll(text, mark, mark+mark) + mark }
