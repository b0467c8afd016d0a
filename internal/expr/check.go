package expr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/partita-db/partita/internal/item"
)

// class orders the static errors of an expression: of several, DynamoDB reports the one of the
// first class, and within a class the one that comes first in the text. Syntax errors and the size
// come before them all.
type class uint8

// The classes, first ones first.
const (
	classParens class = iota
	classOperators
	classReservedUpdate // updates and projections look at reserved words first, conditions later
	classFunction
	classMisuse
	classSection
	classReserved
	classIndex
	classDepth
	classNone
)

// Messages that parser.enter reports too.
const (
	parensMessage = "The expression has redundant parentheses;"
	// DynamoDB stops counting at the first operator beyond the limit.
	operatorsMessage = "The expression contains too many operators; operator count: 301"
	depthMessage     = "The document path has too many nesting levels; nesting levels: " // and how many
)

// finder keeps the error of the first class.
type finder struct {
	class   class
	message string
}

// note keeps an error, unless there is one of the same class or an earlier one. Errors are noted in
// the order of the text.
func (f *finder) note(c class, parts ...string) {
	if c < f.class {
		f.class, f.message = c, strings.Join(parts, "")
	}
}

// check looks for the errors that need no names and values, and returns the message of the one to
// report, or "". It also notes in the tree what is left to check with them (checks, late), so that
// the result can be cached.
func (p *parser) check() string {
	t, f := p.tree, &finder{class: classNone}
	if p.redundant {
		f.note(classParens, parensMessage)
	}
	if p.operators > maxOperators {
		f.note(classOperators, operatorsMessage)
	}
	if p.index != "" {
		f.note(classIndex, "List index is not within the allowable range; index: [", p.index, "]")
	}
	t.plain = true
	switch t.kind {
	case KindProjection:
		for _, path := range t.paths {
			f.path(path, classReservedUpdate)
			t.plain = t.plain && len(path) == 1
		}
	case KindUpdate:
		if p.again {
			f.note(classSection, `The "`, p.repeated.String(), `" section can only be used once in an update expression;`)
		}
		for i := range t.actions {
			a := &t.actions[i]
			f.path(a.path, classReservedUpdate)
			t.plain = t.plain && len(a.path) == 1
			if a.value != nil {
				f.updateOperand(t, a.value)
			}
		}
	default:
		f.condition(t, t.root)
	}
	return f.message
}

// path checks a path's names and length.
func (f *finder) path(path path, reserved class) {
	for _, s := range path {
		if s.index < 0 && s.slot < 0 && isReserved(s.name) {
			f.note(reserved, "Attribute name is a reserved keyword; reserved keyword: ", s.name)
		}
	}
	if len(path) > maxPathSteps {
		f.note(classDepth, depthMessage, strconv.Itoa(len(path)))
	}
}

// condition checks a node where a condition belongs.
func (f *finder) condition(t *tree, n *node) {
	switch n.op {
	case opAnd, opOr, opNot:
		for _, arg := range n.args {
			f.condition(t, arg)
		}
		return
	case opSize:
		f.misuse(n)
	}
	f.operation(t, n)
}

// operation checks a function or comparison and its operands.
func (f *finder) operation(t *tree, n *node) {
	switch {
	case n.op == opUnknown:
		f.note(classFunction, "Invalid function name; function: ", n.function)
	case n.op == opIfNotExists || n.op == opListAppend:
		f.note(classMisuse, "The function is not allowed in a condition expression; function: ", n.function)
	}
	for _, arg := range n.args {
		switch {
		case arg.op == opPath:
			f.path(arg.path, classReserved)
		case arg.op.isCall():
			if arg.op >= opAttributeExists && arg.op <= opContains {
				f.misuse(arg)
			}
			f.operation(t, arg)
		}
	}
	if message := operandCount(n); message != "" && t.late == "" {
		t.late = message
	}
	if needsCheck(n) {
		t.checks = append(t.checks, n)
	}
}

// misuse reports a condition used as an operand, or an operand used as a condition.
func (f *finder) misuse(n *node) {
	f.note(classMisuse, "The function is not allowed to be used this way in an expression; function: ", n.function)
}

// updateOperand checks what an update assigns.
func (f *finder) updateOperand(t *tree, n *node) {
	switch {
	case n.op == opPath:
		f.path(n.path, classReservedUpdate)
	case n.op == opUnknown:
		f.note(classFunction, "Invalid function name; function: ", n.function)
	case n.op >= opAttributeExists && n.op <= opSize:
		f.note(classFunction, "The function is not allowed in an update expression; function: ", n.function)
	}
	for _, arg := range n.args {
		f.updateOperand(t, arg)
	}
	if message := operandCount(n); message != "" && t.late == "" {
		t.late = message
	}
}

// operandCount is the message for a function or IN with a wrong number of operands, or "".
func operandCount(n *node) string {
	got := len(n.args)
	switch n.op {
	case opAttributeExists, opAttributeNotExists, opSize:
		if got == 1 {
			return ""
		}
	case opAttributeType, opBeginsWith, opContains, opIfNotExists, opListAppend, opSetAdd, opSetDelete:
		if got == 2 {
			return ""
		}
	case opIn:
		got-- // the operand before IN does not count
		if got <= maxInOperands {
			return ""
		}
	default:
		return ""
	}
	return "Incorrect number of operands for operator or function; operator or function: " + n.op.String() +
		", number of operands: " + strconv.Itoa(got)
}

// needsCheck tells whether checkDistinct or checkTypes can find an error in n. Most conditions
// compare a path with a value and need no check in each request.
func needsCheck(n *node) bool {
	paths := 0
	for _, arg := range n.args {
		if arg.op == opPath {
			paths++
		}
	}
	switch n.op {
	case opEQ, opNE, opIn, opContains:
		return n.args[0].op == opPath && paths > 1
	case opAttributeExists, opAttributeNotExists, opSize:
		return paths < len(n.args)
	}
	return true
}

// checkDistinct returns the message for a first operand that stands among the others, or "".
func (b *binding) checkDistinct(n *node) string {
	first := n.args[0]
	if n.op == opAttributeType || first.op != opPath {
		return ""
	}
	for _, other := range n.args[1:] {
		if other.op == opPath && b.samePath(first.path, other.path) {
			return "The first operand must be distinct from the remaining operands for this operator or function; operator: " +
				n.op.String() + ", first operand: " + b.pathText(first.path)
		}
	}
	return ""
}

// samePath tells whether two paths are equal once placeholders are replaced.
func (b *binding) samePath(p, q path) bool {
	return slices.EqualFunc(p, q, func(s, t step) bool {
		return s.index == t.index && (s.index >= 0 || b.name(s) == b.name(t))
	})
}

// pathText prints a path as messages do: [a, [0], b].
func (b *binding) pathText(p path) string {
	elements := make([]string, len(p))
	for i, s := range p {
		if s.index >= 0 {
			elements[i] = "[" + strconv.Itoa(s.index) + "]"
		} else {
			elements[i] = b.name(s)
		}
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

// staticType is the type that an operand has whatever the item, or Missing if that depends on the
// item.
func (b *binding) staticType(n *node) item.Type {
	switch n.op {
	case opValue:
		return b.values[n.slot].Type()
	case opSize, opPlus, opMinus:
		return item.N
	case opListAppend:
		return item.L
	}
	return item.Missing
}

// checkTypes returns the message for an operand of a type that its operator cannot have, or "".
func (b *binding) checkTypes(n *node) string {
	switch n.op {
	case opAttributeExists, opAttributeNotExists:
		return requirePath(n)
	case opAttributeType:
		return b.checkAttributeType(n)
	case opSize:
		return b.checkOperands(n, isSized)
	case opBeginsWith:
		return b.checkOperands(n, func(t item.Type) bool { return t == item.S || t == item.B })
	case opLT, opLE, opGT, opGE:
		return b.checkOperands(n, isOrdered)
	case opBetween:
		if message := b.checkOperands(n, isOrdered); message != "" {
			return message
		}
		return b.checkBounds(n.args[1], n.args[2])
	case opPlus, opMinus:
		return b.checkOperands(n, func(t item.Type) bool { return t == item.N })
	case opListAppend:
		return b.checkOperands(n, func(t item.Type) bool { return t == item.L })
	case opIfNotExists:
		return requirePath(n)
	case opSetAdd, opSetDelete:
		return b.checkOperands(n, isSet)
	}
	return ""
}

// isOrdered tells whether values of the type have an order.
func isOrdered(t item.Type) bool { return t == item.S || t == item.N || t == item.B }

// isSized tells whether size() has a value for the type.
func isSized(t item.Type) bool {
	switch t {
	case item.N, item.BOOL, item.NULL, item.Missing:
		return false
	}
	return true
}

// checkOperands reports the first operand whose type is known and not accepted.
func (b *binding) checkOperands(n *node, accepts func(item.Type) bool) string {
	for _, arg := range n.args {
		if t := b.staticType(arg); t != item.Missing && !accepts(t) {
			return operandType(n, t.String())
		}
	}
	return ""
}

// operandType is the message for an operand of a type that n does not take.
func operandType(n *node, t string) string {
	return "Incorrect operand type for operator or function; operator or function: " + n.op.String() + ", operand type: " + t
}

// requirePath reports a first operand that is no path.
func requirePath(n *node) string {
	if n.args[0].op == opPath {
		return ""
	}
	return "Operator or function requires a document path; operator or function: " + n.op.String()
}

// checkAttributeType checks the operands of attribute_type: a path, and a :value that names a type.
func (b *binding) checkAttributeType(n *node) string {
	if message := requirePath(n); message != "" {
		return message
	}
	if n.args[1].op == opPath {
		// The type of a path's value is not known: AWS prints all types.
		return operandType(n, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	}
	if t := b.staticType(n.args[1]); t != item.S {
		return operandType(n, t.String())
	}
	name := string(b.values[n.args[1].slot].Bytes())
	if item.ParseType(name) == item.Missing {
		return "Invalid attribute type name found; type: " + name + ", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
	}
	return ""
}

// checkBounds reports two values that cannot be the bounds of one range.
func (b *binding) checkBounds(low, high *node) string {
	if low.op != opValue || high.op != opValue {
		return ""
	}
	l, h := b.values[low.slot], b.values[high.slot]
	problem := ""
	if l.Type() != h.Type() {
		problem = "The BETWEEN operator requires same data type for lower and upper bounds"
	} else if order, ok := item.Compare(l, h); ok && order > 0 {
		problem = "The BETWEEN operator requires upper bound to be greater than or equal to lower bound"
	}
	if problem == "" {
		return ""
	}
	return problem + "; lower bound operand: AttributeValue: " + string(l.AppendText(nil)) +
		", upper bound operand: AttributeValue: " + string(h.AppendText(nil))
}
