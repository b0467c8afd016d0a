package partiql

import (
	"strings"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// form says what was read: parentheses can be around a condition or an operand, and which it is
// shows only after them.
type form bool

const (
	formOperand   form = false
	formCondition form = true
)

// require fails if what was read before the token is not what is wanted.
func (p *parser) require(have, want form) {
	if have != want {
		p.fail(unexpectedToken)
	}
}

func (p *parser) node(o expr.Op, args ...*expr.Node) *expr.Node {
	p.parts++
	return &expr.Node{Op: o, Args: args}
}

// or reads conditions joined by OR, or, where that may be in parentheses, an operand.
func (p *parser) or() (*expr.Node, form) { return p.chain("OR", expr.OpOr, p.and) }

// and reads conditions joined by AND.
func (p *parser) and() (*expr.Node, form) { return p.chain("AND", expr.OpAnd, p.not) }

// chain reads one or more of what read reads, joined by the keyword.
func (p *parser) chain(keyword string, o expr.Op, read func() (*expr.Node, form)) (*expr.Node, form) {
	n, form := read()
	if !p.is(keyword) {
		return n, form
	}
	p.require(form, formCondition)
	all := p.node(o, n)
	for p.acceptWord(keyword) {
		n, form := read()
		p.require(form, formCondition)
		all.Args = append(all.Args, n)
	}
	return all, formCondition
}

// not reads a condition with any number of NOTs before it: they bind closer than AND, and less than
// comparisons.
func (p *parser) not() (*expr.Node, form) {
	if !p.acceptWord("NOT") {
		return p.comparison()
	}
	p.enter()
	n, form := p.not()
	p.require(form, formCondition)
	p.depth--
	return p.node(expr.OpNot, n), formCondition
}

// comparisons are the operators between two operands.
var comparisons = map[tokenKind]expr.Op{
	"=": expr.OpEQ, "<>": expr.OpNE, "!=": expr.OpNE,
	"<": expr.OpLT, "<=": expr.OpLE, ">": expr.OpGT, ">=": expr.OpGE,
}

// comparison reads one condition without AND, OR and NOT before it, or an operand alone.
func (p *parser) comparison() (*expr.Node, form) {
	left, form := p.primary()
	if form == formCondition {
		return left, form
	}
	if o, ok := comparisons[p.tok.kind]; ok {
		p.advance()
		return p.node(o, left, p.operand()), formCondition
	}
	if p.acceptWord("IS") {
		return p.missingOrNull(left), formCondition
	}
	negated := p.acceptWord("NOT")
	switch {
	case p.acceptWord("BETWEEN"):
		low := p.operand()
		p.expectWord("AND")
		left = p.node(expr.OpBetween, left, low, p.operand())
	case p.acceptWord("IN"):
		left = p.node(expr.OpIn, append([]*expr.Node{left}, p.alternatives()...)...)
	case negated:
		p.fail(unexpectedToken)
	default:
		return left, formOperand
	}
	if negated {
		left = p.node(expr.OpNot, left)
	}
	return left, formCondition
}

// missingOrNull reads what follows IS.
func (p *parser) missingOrNull(left *expr.Node) *expr.Node {
	negated := p.acceptWord("NOT")
	if p.acceptWord("NULL") {
		n := p.node(expr.OpAttributeType, left, p.constant(item.String(item.NULL.String())))
		if negated {
			n = p.node(expr.OpNot, n)
		}
		return n
	}
	p.expectWord("MISSING")
	if negated {
		return p.node(expr.OpAttributeExists, left)
	}
	return p.node(expr.OpAttributeNotExists, left)
}

// alternatives reads what follows IN: operands in parentheses, or in brackets.
func (p *parser) alternatives() []*expr.Node {
	end := tokenKind("]")
	if !p.accept("[") {
		p.expect("(")
		end = ")"
	}
	return p.operands(end)
}

// operands reads operands, at least one, up to the token that ends them.
func (p *parser) operands(end tokenKind) []*expr.Node {
	list := []*expr.Node{p.operand()}
	for p.accept(",") {
		list = append(list, p.operand())
	}
	p.expect(end)
	return list
}

// operand reads what can be compared.
func (p *parser) operand() *expr.Node {
	n, form := p.primary()
	p.require(form, formOperand)
	return n
}

// primary reads what can begin a condition: an operand, or a condition that is a function or stands
// in parentheses.
func (p *parser) primary() (*expr.Node, form) {
	switch {
	case p.accept("("):
		p.enter()
		n, form := p.or()
		p.expect(")")
		p.depth--
		return n, form
	case p.isCall():
		n := p.call(inCondition)
		return n, n.Op != expr.OpSize
	}
	return p.pathOrValue(), formOperand
}

// pathOrValue reads a document path or a literal.
func (p *parser) pathOrValue() *expr.Node {
	if p.isLiteral() {
		return p.placed(p.value())
	}
	n := p.node(expr.OpPath)
	n.Path = p.path()
	return n
}

// constant makes a node of a value that is not in the text.
func (p *parser) constant(v item.Value) *expr.Node { return p.placed(literal{param: -1, value: v}) }

func (p *parser) placed(l literal) *expr.Node {
	n := p.node(expr.OpValue)
	n.Value = len(p.values)
	p.values = append(p.values, l)
	return n
}

// place says where a function may stand.
type place string

// The places, as messages name them.
const (
	inCondition place = "a condition expression"
	inUpdate    place = "an update expression"
)

// functions are the functions that there are.
var functions = map[string]struct {
	op    expr.Op
	place place
}{
	"attribute_type": {expr.OpAttributeType, inCondition},
	"begins_with":    {expr.OpBeginsWith, inCondition},
	"contains":       {expr.OpContains, inCondition},
	"size":           {expr.OpSize, inCondition},
	"if_not_exists":  {expr.OpIfNotExists, inUpdate},
	"list_append":    {expr.OpListAppend, inUpdate},
	"set_add":        {expr.OpSetAdd, inUpdate},
	"set_delete":     {expr.OpSetDelete, inUpdate},
}

// isCall tells whether the token is a word before a parenthesis.
func (p *parser) isCall() bool { return p.tok.kind == tokenWord && lex(p.text, p.tok.end).kind == "(" }

// call reads a function and its operands, at least one. Names of functions can be in any case of
// letters. The messages are those for expressions; those for statements are not known.
func (p *parser) call(where place) *expr.Node {
	name := strings.ToLower(p.word())
	f, ok := functions[name]
	switch {
	case !ok:
		p.refuse("Invalid function name; function: " + name)
	case f.place != where:
		p.refuse("The function is not allowed in " + string(where) + "; function: " + name)
	}
	p.advance()
	p.expect("(")
	p.enter()
	n := p.node(f.op)
	if where == inCondition {
		n.Args = p.operands(")")
	} else {
		n.Args = p.assignedOperands()
	}
	p.depth--
	return n
}

// assigned reads what SET assigns: an operand, or a sum or difference of two. That can be in
// parentheses, but is no operand of another sum.
func (p *parser) assigned() (n *expr.Node, sum bool) {
	if p.accept("(") {
		p.enter()
		n, sum = p.assigned()
		p.expect(")")
		p.depth--
	} else {
		n = p.assignedOperand()
	}
	o := expr.OpPlus
	switch {
	case sum || p.tok.kind != "+" && p.tok.kind != "-":
		return n, sum
	case p.tok.kind == "-":
		o = expr.OpMinus
	}
	p.advance()
	return p.node(o, n, p.assignedOperand()), true
}

func (p *parser) assignedOperand() *expr.Node {
	switch {
	case p.accept("("):
		p.enter()
		n := p.assignedOperand()
		p.expect(")")
		p.depth--
		return n
	case p.isCall():
		return p.call(inUpdate)
	}
	return p.pathOrValue()
}

func (p *parser) assignedOperands() []*expr.Node {
	list := []*expr.Node{p.assignedOperand()}
	for p.accept(",") {
		list = append(list, p.assignedOperand())
	}
	p.expect(")")
	return list
}
