package expr

import (
	"slices"
	"strconv"

	"github.com/partita-db/partita/internal/item"
)

// Node is a condition, an operand, or what SET assigns, in the form in which package partiql builds
// them: with attribute names instead of placeholders, and with numbered places for values.
type Node struct {
	Op    Op
	Path  Path    // of OpPath
	Value int     // of OpValue: the number of the place
	Args  []*Node // operands; AND and OR have one or more
}

// Op is what a Node does.
type Op = op

// The operations. Each takes the operands of its namesake in expressions; OpSetAdd and OpSetDelete,
// in what SET assigns, take two sets, of which the first may be missing: their union and their
// difference, which is missing if it is empty.
const (
	OpPath               = opPath
	OpValue              = opValue
	OpAnd                = opAnd
	OpOr                 = opOr
	OpNot                = opNot
	OpEQ                 = opEQ
	OpNE                 = opNE
	OpLT                 = opLT
	OpLE                 = opLE
	OpGT                 = opGT
	OpGE                 = opGE
	OpBetween            = opBetween
	OpIn                 = opIn
	OpPlus               = opPlus
	OpMinus              = opMinus
	OpAttributeExists    = opAttributeExists
	OpAttributeNotExists = opAttributeNotExists
	OpAttributeType      = opAttributeType
	OpBeginsWith         = opBeginsWith
	OpContains           = opContains
	OpSize               = opSize
	OpIfNotExists        = opIfNotExists
	OpListAppend         = opListAppend
	OpSetAdd             = opSetAdd
	OpSetDelete          = opSetDelete
)

// Path is a document path: a top-level attribute's name, and names and indexes below it. It is
// never empty.
type Path []Step

// Step is one element of a Path.
type Step struct {
	Name  string
	Index int // of a list element, or -1 for a name
}

// Get returns the value at p, or a missing one.
func (p Path) Get(it item.Item) item.Value {
	v := it.Get(p[0].Name)
	for _, s := range p[1:] {
		if s.Index >= 0 {
			v = v.Index(s.Index)
		} else {
			v = v.Key(s.Name)
		}
	}
	return v
}

// ConditionForm is a condition built of nodes. It never changes, and is shared by all requests.
type ConditionForm struct{ tree *tree }

// NewConditionForm makes a condition of its root.
func NewConditionForm(root *Node) *ConditionForm {
	t := &tree{kind: KindCondition}
	t.root = t.build(root)
	return &ConditionForm{t}
}

// Bind puts the values in their places and checks operands as those of a ConditionExpression,
// except that an operand may be repeated. The Condition keeps values. Errors are *Error, without
// "Invalid ConditionExpression: ".
func (f *ConditionForm) Bind(values []item.Value) (*Condition, error) {
	c := &Condition{root: f.tree.root, binding: binding{values: values, nested: f.tree.nested}}
	message := f.tree.late
	if message == "" {
		message = c.binding.checkAllTypes(f.tree)
	}
	if message != "" {
		return nil, &Error{Message: message}
	}
	return c, nil
}

// Action is one action of an update: it sets the path to the value, or removes it if Value is nil.
type Action struct {
	Path  Path
	Value *Node
}

// UpdateForm is an update built of nodes. It never changes, and is shared by all requests.
type UpdateForm struct{ tree *tree }

// NewUpdateForm makes an update of its actions.
func NewUpdateForm(actions []Action) *UpdateForm {
	t := &tree{kind: KindUpdate, plain: true}
	for _, a := range actions {
		built := action{section: sectionRemove, path: t.buildPath(a.Path)}
		if a.Value != nil {
			built.section, built.value = sectionSet, t.build(a.Value)
		}
		t.plain = t.plain && len(a.Path) == 1
		t.actions = append(t.actions, built)
	}
	return &UpdateForm{t}
}

// Bind puts the values in their places and makes an UpdateExpression's checks of operands and
// target paths. Errors are *Error, without "Invalid UpdateExpression: ".
func (f *UpdateForm) Bind(values []item.Value) (*Update, error) {
	u := &Update{actions: f.tree.actions, binding: binding{values: values, nested: f.tree.nested}}
	if message := u.check(f.tree); message != "" {
		return nil, &Error{Message: message}
	}
	return u, nil
}

// build makes a node of t, and notes what Bind has to check, inner nodes first, as their errors are
// reported first.
func (t *tree) build(n *Node) *node {
	built := &node{op: n.Op, slot: n.Value}
	if n.Op == OpPath {
		built.path = t.buildPath(n.Path)
	}
	for _, arg := range n.Args {
		built.args = append(built.args, t.build(arg))
	}
	if t.late == "" {
		t.late = operandCount(built)
	}
	if n.Op >= opLT && n.Op != opIn && t.late == "" && needsCheck(built) {
		t.checks = append(t.checks, built)
	}
	return built
}

func (t *tree) buildPath(p Path) path {
	built := make(path, len(p))
	for i, s := range p {
		built[i] = step{name: s.Name, slot: -1, index: s.Index}
	}
	if len(p) > 1 {
		t.nested = append(t.nested, built[0])
	}
	if len(p) > maxPathSteps && t.late == "" {
		t.late = depthMessage + strconv.Itoa(len(p))
	}
	return built
}

// HasAlternatives tells whether there is an OR in the condition, at whatever depth.
func (c *Condition) HasAlternatives() bool { return c.root.has(opOr) }

// has tells whether n or a node below it does op.
func (n *node) has(op op) bool {
	return n.op == op || slices.ContainsFunc(n.args, func(arg *node) bool { return arg.has(op) })
}

// Conjunct is one of the conditions that AND joins at the top of a Condition.
type Conjunct struct {
	// KeyPart is what it says, if it compares one top-level attribute with values: EQ, LT, LE, GT,
	// GE, BETWEEN, BEGINS_WITH, or IN, which stands for equalities joined by OR too. Any other
	// condition has no Values.
	KeyPart
	node *node
}

// Conjuncts returns the conditions that AND joins at the top, in the order written: one, if there
// is no AND.
func (c *Condition) Conjuncts() []Conjunct { return c.binding.appendConjuncts(nil, c.root) }

// appendConjuncts appends n's conjuncts to list.
func (b *binding) appendConjuncts(list []Conjunct, n *node) []Conjunct {
	if n.op != opAnd {
		return append(list, Conjunct{b.keyPart(n), n})
	}
	for _, arg := range n.args {
		list = b.appendConjuncts(list, arg)
	}
	return list
}

// Only returns the condition that consists of some of c's conjuncts; nil if there are none. It
// shares c's values.
func (c *Condition) Only(conjuncts []Conjunct) *Condition {
	if len(conjuncts) == 0 {
		return nil
	}
	only := &Condition{root: &node{op: opAnd}, binding: c.binding}
	for _, conjunct := range conjuncts {
		only.root.args = append(only.root.args, conjunct.node)
	}
	return only
}

// keyPart returns what n says of one top-level attribute; without Values if it is of another form.
func (b *binding) keyPart(n *node) KeyPart {
	switch n.op {
	case opOr:
		return b.keyAlternatives(n)
	case opEQ, opLT, opLE, opGT, opGE, opBetween, opBeginsWith, opIn:
	default:
		return KeyPart{}
	}
	key := 0
	if n.args[0].op == opValue && n.op != opBetween && n.op != opBeginsWith && n.op != opIn {
		key = 1
	}
	if n.args[key].op != opPath || len(n.args[key].path) > 1 {
		return KeyPart{}
	}
	part := KeyPart{Attribute: b.name(n.args[key].path[0]), Operator: keyOperator(n.op, key > 0)}
	if n.op == opIn {
		part.Operator = IN
	}
	for i, arg := range n.args {
		switch {
		case i == key:
		case arg.op != opValue:
			return KeyPart{}
		default:
			part.Values = append(part.Values, b.values[arg.slot])
		}
	}
	return part
}

// keyAlternatives returns the IN that equalities and INs of one attribute make if OR joins them.
func (b *binding) keyAlternatives(n *node) KeyPart {
	all := KeyPart{Operator: IN}
	for i, arg := range n.args {
		part := b.keyPart(arg)
		if part.Values == nil || part.Operator != EQ && part.Operator != IN ||
			i > 0 && part.Attribute != all.Attribute {
			return KeyPart{}
		}
		all.Attribute = part.Attribute
		all.Values = append(all.Values, part.Values...)
	}
	return all
}
