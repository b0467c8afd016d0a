package expr

import (
	"slices"

	"github.com/partita-db/partita/internal/item"
)

// KeyCondition is a bound key condition: one part for each key attribute named, in the order
// written. How many there may be depends on the index, and is for the caller.
type KeyCondition struct{ Parts []KeyPart }

// KeyPart is a condition on one key attribute. Values has two elements for BETWEEN, else one.
type KeyPart struct {
	Attribute string
	Operator  Operator // EQ LT LE GT GE BETWEEN BEGINS_WITH (legacy KeyConditions: any)
	Values    []item.Value
}

// keyBuilder turns a condition into a KeyCondition. It has the memory of one with two parts, the
// most that most keys have, so that it is a single allocation.
type keyBuilder struct {
	KeyCondition
	binding binding
	parts   [2]KeyPart
	values  [3]item.Value
	used    int // how many of values are used
}

// KeyCondition parses, binds and converts a key condition expression. Errors are *Error. One about
// what makes a condition no key condition has no "Invalid KeyConditionExpression: ", except for
// nested attributes; callers report these errors later.
func (c *Cache) KeyCondition(text string, p *Params) (*KeyCondition, error) {
	t, err := c.get(KindKeyCondition, text)
	if err != nil {
		return nil, err
	}
	k := p.newKeyCondition()
	k.Parts = k.parts[:0]
	if message := k.binding.bindCondition(t, p); message != "" {
		return nil, refuse(KindKeyCondition, message)
	}
	if message := k.add(t.root); message != "" {
		return nil, &Error{Message: message}
	}
	return &k.KeyCondition, nil
}

// add converts a condition and returns a message or "".
func (k *keyBuilder) add(n *node) string {
	switch n.op {
	case opAnd:
		for _, arg := range n.args {
			if message := k.add(arg); message != "" {
				return message
			}
		}
		return ""
	case opEQ, opLT, opLE, opGT, opGE, opBetween, opBeginsWith:
		return k.addPart(n)
	}
	return "Invalid operator used in KeyConditionExpression: " + n.op.String()
}

// addPart converts one comparison.
func (k *keyBuilder) addPart(n *node) string {
	paths, key := 0, -1
	for i, arg := range n.args {
		switch {
		case arg.op.isCall():
			return "KeyConditionExpressions cannot contain nested operations"
		case arg.op == opPath:
			paths++
			if key < 0 {
				key = i
			}
		}
	}
	const inCondition = "Invalid condition in KeyConditionExpression: "
	switch {
	case key > 0 && (n.op == opBetween || n.op == opBeginsWith):
		return inCondition + n.op.String() + " operator must have the key attribute as its first operand"
	case paths > 1:
		return inCondition + "Multiple attribute names used in one condition"
	case paths == 0:
		return inCondition + "No key attribute specified"
	}
	attribute := n.args[key].path
	if len(attribute) > 1 {
		return invalid(KindKeyCondition, "KeyConditionExpressions cannot have conditions on nested attributes")
	}
	name := k.binding.name(attribute[0])
	for i := range k.Parts {
		if k.Parts[i].Attribute == name {
			return "KeyConditionExpressions must only contain one condition per key"
		}
	}
	part := KeyPart{Attribute: name, Operator: keyOperator(n.op, key > 0)}
	for i, arg := range n.args {
		if i != key {
			part.Values = k.appendValue(part.Values, k.binding.values[arg.slot])
		}
	}
	part.Values = slices.Clip(part.Values) // the memory after it is for the next part
	k.Parts = append(k.Parts, part)
	return ""
}

// appendValue appends to a part's values, which lie in k if there is room.
func (k *keyBuilder) appendValue(values []item.Value, v item.Value) []item.Value {
	if values == nil && k.used < len(k.values) {
		values = k.values[k.used:k.used]
	}
	k.used++
	return append(values, v)
}

// keyOperator is the operator of a part, mirrored if the value is on the left: ":v < key" is "key >
// :v".
func keyOperator(o op, mirrored bool) Operator {
	switch o {
	case opLT, opLE, opGT, opGE:
		operators := [...]Operator{LT, LE, GT, GE}
		if mirrored {
			operators = [...]Operator{GT, GE, LT, LE}
		}
		return operators[o-opLT]
	case opBetween:
		return BETWEEN
	case opBeginsWith:
		return BEGINS_WITH
	}
	return EQ
}
