package expr

import (
	"math"
	"slices"
	"strconv"
	"unsafe"
)

// The limits on an expression's text.
const (
	maxExpressionBytes = 4096
	maxOperators       = 300
	maxInOperands      = 100
	maxPathSteps       = 32
)

// maxDepth bounds the recursion. An expression that is nested deeper has more than maxOperators
// operators, or redundant parentheses: without those, at least every second level is an operator.
const maxDepth = 2*maxOperators + 100

// parser reads one expression. Syntax errors are panics of type syntaxError, which parse recovers.
type parser struct {
	text      string
	tree      *tree
	prev, tok token // the token before the one at hand, and that one
	operators int
	depth     int    // parentheses, calls and NOTs around the token
	redundant bool   // two pairs of parentheses around one thing
	index     string // the first list index that is too large
	repeated  section
	again     bool           // the section repeated stands twice
	parts     int            // nodes, path steps and actions so far
	slots     map[string]int // the placeholders' numbers, once there are many
}

// syntaxError is a token in a wrong place, or too deep nesting.
type syntaxError struct{ message string }

// parse reads the text and checks what needs no names and values. The tree's strings are views of
// text.
func parse(kind Kind, text string) (t *tree, err *Error) {
	if isEmpty(text) {
		return nil, &Error{Message: invalid(kind, "The expression can not be empty;"), Empty: true}
	}
	if len(text) > maxExpressionBytes {
		return nil, refuse(kind, "Expression size has exceeded the maximum allowed size; expression size: "+strconv.Itoa(len(text)))
	}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			t, err = nil, refuse(kind, s.message)
		}
	}()
	p := &parser{text: text, tree: &tree{kind: kind}}
	p.advance()
	switch kind {
	case KindProjection:
		p.tree.paths = append(p.tree.paths, p.path())
		for p.accept(tokenComma) {
			p.tree.paths = append(p.tree.paths, p.path())
		}
	case KindUpdate:
		p.update()
	default:
		n, form := p.or()
		p.require(form, formCondition)
		p.tree.root = n
	}
	p.expect(tokenEnd)
	if message := p.check(); message != "" {
		return nil, refuse(kind, message)
	}
	p.tree.size = p.size()
	return p.tree, nil
}

// isEmpty tells whether text is empty but for blanks.
func isEmpty(text string) bool {
	return lex(text, 0).kind == tokenEnd
}

// invalid is the message of a rejected expression.
func invalid(kind Kind, message string) string { return "Invalid " + kind.String() + ": " + message }

// refuse is the error of a rejected expression.
func refuse(kind Kind, message string) *Error { return &Error{Message: invalid(kind, message)} }

// size is about the memory that the tree takes, text included, for the cache.
func (p *parser) size() int {
	return len(p.text) + int(unsafe.Sizeof(tree{})) + p.parts*int(unsafe.Sizeof(node{})+8) +
		(len(p.tree.names)+len(p.tree.values))*int(unsafe.Sizeof(placeholder{})) +
		len(p.tree.nested)*int(unsafe.Sizeof(step{}))
}

// advance goes to the next token.
func (p *parser) advance() {
	p.prev = p.tok
	p.tok = lex(p.text, p.tok.end)
}

// accept consumes the token if it is of the kind.
func (p *parser) accept(kind tokenKind) bool {
	if p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

// expect consumes a token of the kind, or fails, and returns its text.
func (p *parser) expect(kind tokenKind) string {
	if p.tok.kind != kind {
		p.fail()
	}
	text := p.text[p.tok.start:p.tok.end]
	p.advance()
	return text
}

// fail reports the present token. As "near" AWS prints the tokens before and after it, with the
// blanks that are between them in the text.
func (p *parser) fail() {
	bad := p.text[p.tok.start:p.tok.end]
	from, to := p.tok.start, p.tok.end
	if p.tok.kind == tokenEnd {
		bad, to = "<EOF>", p.prev.end
	} else if next := lex(p.text, p.tok.end); next.kind != tokenEnd {
		to = next.end
	}
	if p.prev.end > 0 {
		from = p.prev.start
	}
	panic(syntaxError{`Syntax error; token: "` + bad + `", near: "` + p.text[from:to] + `"`})
}

// enter goes one level down. Beyond maxDepth it reports the error that the expression must have,
// whatever follows (see maxDepth).
func (p *parser) enter() {
	p.depth++
	switch {
	case p.depth <= maxDepth:
	case p.operators > maxOperators:
		panic(syntaxError{operatorsMessage})
	default:
		panic(syntaxError{parensMessage})
	}
}

// form says what a piece of text can be. Parentheses can be around a condition or an operand, and a
// function can be either, which is known only after it is read.
type form uint8

const (
	formOperand form = 1 << iota
	formCondition
)

// require fails at the present token if what was read before it cannot be what is wanted.
func (p *parser) require(have, want form) {
	if have&want == 0 {
		p.fail()
	}
}

// or reads conditions joined by OR, or, where that may be in parentheses, an operand.
func (p *parser) or() (*node, form) { return p.chain(tokenOr, opOr, p.and) }

// and reads conditions joined by AND.
func (p *parser) and() (*node, form) { return p.chain(tokenAnd, opAnd, p.not) }

// chain reads one or more of what read reads, joined by the operator.
func (p *parser) chain(kind tokenKind, o op, read func() (*node, form)) (*node, form) {
	n, form := read()
	if p.tok.kind != kind {
		return n, form
	}
	p.require(form, formCondition)
	all := p.node(o, n)
	for p.accept(kind) {
		p.operators++
		n, form := read()
		p.require(form, formCondition)
		all.args = append(all.args, n)
	}
	return all, formCondition
}

// not reads a condition with any number of NOTs before it: they bind closer than AND, and less than
// comparisons.
func (p *parser) not() (*node, form) {
	if !p.accept(tokenNot) {
		return p.comparison()
	}
	p.operators++
	p.enter()
	n, form := p.not()
	p.require(form, formCondition)
	p.depth--
	return p.node(opNot, n), formCondition
}

// comparison reads one condition without AND, OR and NOT, or an operand alone.
func (p *parser) comparison() (*node, form) {
	left, form := p.primary()
	if form&formOperand == 0 {
		return left, form
	}
	switch kind := p.tok.kind; kind {
	case tokenEQ, tokenNE, tokenLT, tokenLE, tokenGT, tokenGE:
		p.advance()
		left = p.node(opEQ+op(kind-tokenEQ), left, p.operand())
	case tokenBetween:
		p.advance()
		low := p.operand()
		p.expect(tokenAnd)
		left = p.node(opBetween, left, low, p.operand())
	case tokenIn:
		p.advance()
		p.expect(tokenOpen)
		left = p.node(opIn, p.operands([]*node{left})...)
	default:
		return left, form
	}
	p.operators++
	return left, formCondition
}

// primary reads what can begin a condition: an operand, or a condition in parentheses.
func (p *parser) primary() (*node, form) {
	if !p.accept(tokenOpen) {
		n := p.operand()
		if n.op.isCall() {
			return n, formOperand | formCondition
		}
		return n, formOperand
	}
	p.enter()
	n, form := p.or()
	return p.closeParens(n), form
}

// closeParens consumes the closing parenthesis after n, and goes one level up.
func (p *parser) closeParens(n *node) *node {
	p.expect(tokenClose)
	p.depth--
	p.redundant = p.redundant || n.parens
	n.parens = true
	return n
}

// operand reads a path, a :value, a function call, or one of them in parentheses.
func (p *parser) operand() *node {
	switch p.tok.kind {
	case tokenOpen:
		p.advance()
		p.enter()
		return p.closeParens(p.operand())
	case tokenValue:
		return p.value()
	case tokenWord:
		if lex(p.text, p.tok.end).kind == tokenOpen {
			return p.call()
		}
	}
	n := p.node(opPath)
	n.path = p.path()
	return n
}

// operands reads a list of operands up to its closing parenthesis.
func (p *parser) operands(list []*node) []*node {
	list = append(list, p.operand())
	for p.accept(tokenComma) {
		list = append(list, p.operand())
	}
	p.expect(tokenClose)
	return list
}

// call reads a function and its operands, of which there is one at least.
func (p *parser) call() *node {
	n := p.node(opUnknown)
	n.function = p.expect(tokenWord)
	n.op = function(n.function)
	p.operators++
	p.expect(tokenOpen)
	p.enter()
	n.args = p.operands(nil)
	p.depth--
	return n
}

func (p *parser) value() *node {
	n := p.node(opValue)
	pos := p.tok.start
	n.slot = p.slot(&p.tree.values, p.expect(tokenValue), pos)
	return n
}

func (p *parser) path() path {
	steps := path{p.name()}
	for {
		switch p.tok.kind {
		case tokenDot:
			p.advance()
			steps = append(steps, p.name())
		case tokenOpenIndex:
			p.advance()
			digits := p.expect(tokenIndex)
			steps = append(steps, step{slot: -1, index: p.listIndex(digits)})
			p.expect(tokenCloseIndex)
		default:
			if len(steps) > 1 {
				p.tree.nested = append(p.tree.nested, steps[0])
			}
			return slices.Clip(steps)
		}
		p.parts++
	}
}

func (p *parser) name() step {
	pos := p.tok.start
	if p.tok.kind == tokenName {
		key := p.expect(tokenName)
		return step{name: key, slot: p.slot(&p.tree.names, key, pos), index: -1}
	}
	return step{name: p.expect(tokenWord), slot: -1, index: -1}
}

// listIndex returns the number that digits spell. One too large is no syntax error: check reports
// it when the whole text has been read.
func (p *parser) listIndex(digits string) int {
	index, err := strconv.Atoi(digits)
	if (err != nil || index > math.MaxInt32) && p.index == "" {
		p.index = digits
	}
	return index
}

// slot returns the number of a placeholder: that of its first appearance.
func (p *parser) slot(list *[]placeholder, key string, pos int) int {
	if i, ok := p.slots[key]; ok {
		return i
	}
	for i := 0; i < min(len(*list), manyPlaceholders); i++ {
		if (*list)[i].key == key {
			return i
		}
	}
	*list = append(*list, placeholder{key, pos})
	if len(*list) > manyPlaceholders {
		if p.slots == nil {
			p.slots = make(map[string]int)
		}
		p.slots[key] = len(*list) - 1
	}
	return len(*list) - 1
}

// update reads the sections of an update.
func (p *parser) update() {
	var seen [sectionDelete + 1]bool
	for {
		var s section
		switch p.tok.kind {
		case tokenSet:
			s = sectionSet
		case tokenRemove:
			s = sectionRemove
		case tokenAdd:
			s = sectionAdd
		case tokenDelete:
			s = sectionDelete
		default:
			p.fail()
		}
		p.advance()
		if seen[s] && !p.again {
			p.again, p.repeated = true, s
		}
		seen[s] = true
		p.action(s)
		for p.accept(tokenComma) {
			p.action(s)
		}
		if p.tok.kind == tokenEnd {
			return
		}
	}
}

func (p *parser) action(s section) {
	a := action{section: s, path: p.path()}
	switch s {
	case sectionSet:
		p.expect(tokenEQ)
		a.value, _ = p.setValue()
	case sectionAdd, sectionDelete:
		if p.tok.kind != tokenValue {
			p.fail()
		}
		a.value = p.value()
	}
	p.tree.actions = append(p.tree.actions, a)
	p.parts++
}

// setValue reads what SET assigns: an operand, or a sum or difference of two, which can be in
// parentheses but no operand of another.
func (p *parser) setValue() (n *node, sum bool) {
	if p.accept(tokenOpen) {
		p.enter()
		n, sum = p.setValue()
		p.closeParens(n)
	} else {
		n = p.operand()
	}
	if sum || p.tok.kind != tokenPlus && p.tok.kind != tokenMinus {
		return n, sum
	}
	o := opPlus
	if p.tok.kind == tokenMinus {
		o = opMinus
	}
	p.advance()
	p.operators++
	return p.node(o, n, p.operand()), true
}

func (p *parser) node(o op, args ...*node) *node {
	p.parts++
	return &node{op: o, args: args}
}
