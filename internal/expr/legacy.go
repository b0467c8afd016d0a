package expr

import (
	"github.com/partita-db/partita/internal/item"
)

// Operator is a comparison of a key condition or of a legacy condition.
type Operator int

// The operators.
const (
	EQ Operator = iota
	NE
	LT
	LE
	GT
	GE
	BETWEEN
	BEGINS_WITH
	IN
	CONTAINS
	NOT_CONTAINS
	NULL
	NOT_NULL
)

// operators are the operators' names, how many values they take at least and at most (-1: no
// limit), and the operations that they are.
var operators = [...]struct {
	name     string
	min, max int
	op       op
}{
	EQ:           {"EQ", 1, 1, opEQ},
	NE:           {"NE", 1, 1, opNE},
	LT:           {"LT", 1, 1, opLT},
	LE:           {"LE", 1, 1, opLE},
	GT:           {"GT", 1, 1, opGT},
	GE:           {"GE", 1, 1, opGE},
	BETWEEN:      {"BETWEEN", 2, 2, opBetween},
	BEGINS_WITH:  {"BEGINS_WITH", 1, 1, opBeginsWith},
	IN:           {"IN", 1, -1, opIn},
	CONTAINS:     {"CONTAINS", 1, 1, opContains},
	NOT_CONTAINS: {"NOT_CONTAINS", 1, 1, opNotContains},
	NULL:         {"NULL", 0, 0, opAttributeNotExists},
	NOT_NULL:     {"NOT_NULL", 0, 0, opAttributeExists},
}

// String returns the operator as the legacy parameters spell it: "EQ", "BEGINS_WITH", …
func (o Operator) String() string { return operators[o].name }

// ParseOperator reads a legacy ComparisonOperator.
func ParseOperator(s string) (Operator, bool) {
	for o := range operators {
		if operators[o].name == s {
			return Operator(o), true
		}
	}
	return 0, false
}

// LegacyArguments says how many values op takes in the legacy parameters: at least min, at most max
// (-1: no limit).
func LegacyArguments(op Operator) (min, max int) { return operators[op].min, operators[op].max }

// LegacyCondition is one attribute's condition of Expected, QueryFilter or ScanFilter, already
// checked.
type LegacyCondition struct {
	Attribute string
	Operator  Operator
	Values    []item.Value
}

// NewLegacyCondition combines the conditions with AND, or with OR. Without conditions it always
// holds.
func NewLegacyCondition(conditions []LegacyCondition, or bool) *Condition {
	if len(conditions) == 0 {
		return &Condition{root: &node{op: opAlways}}
	}
	c := &Condition{root: &node{op: opAnd}}
	if or {
		c.root.op = opOr
	}
	for i := range conditions {
		l := &conditions[i]
		n := &node{op: operators[l.Operator].op, args: []*node{{op: opPath, path: attribute(l.Attribute)}}}
		for _, v := range l.Values {
			n.args = append(n.args, c.binding.literal(v))
		}
		c.root.args = append(c.root.args, n)
	}
	return c
}

func attribute(name string) path { return path{{name: name, slot: -1, index: -1}} }

// literal returns a node for a value that no placeholder stands for.
func (b *binding) literal(v item.Value) *node {
	b.values = append(b.values, v)
	return &node{op: opValue, slot: len(b.values) - 1}
}

// LegacyAction is the Action of an AttributeUpdates entry.
type LegacyAction int

// The actions.
const (
	PUT LegacyAction = iota
	ADD
	DELETE
)

// LegacyUpdate is one entry of AttributeUpdates, already checked. Value is missing for DELETE
// without one.
type LegacyUpdate struct {
	Attribute string
	Action    LegacyAction
	Value     item.Value
}

// NewLegacyUpdate makes an update of AttributeUpdates. Of entries for one attribute the last
// counts.
func NewLegacyUpdate(updates []LegacyUpdate) *Update {
	u := &Update{legacy: true, actions: make([]action, 0, len(updates))}
	last := make(map[string]int, len(updates))
	for i := range updates {
		last[updates[i].Attribute] = i
	}
	for i, l := range updates {
		if last[l.Attribute] != i {
			continue
		}
		a := action{section: sectionSet, path: attribute(l.Attribute)}
		switch {
		case l.Action == DELETE && !l.Value.Exists():
			a.section = sectionRemove
		case l.Action == DELETE:
			a.section = sectionDelete
		case l.Action == ADD && l.Value.Type() == item.L:
			a.section = sectionAppend
		case l.Action == ADD:
			a.section = sectionAdd
		}
		if l.Value.Exists() {
			a.value = u.binding.literal(l.Value)
		}
		u.actions = append(u.actions, a)
	}
	return u
}
