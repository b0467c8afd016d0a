package expr

import (
	"bytes"
	"slices"

	"github.com/partita-db/partita/internal/item"
)

// Condition is a bound condition or filter. It holds views of the request's names and values.
type Condition struct {
	root    *node
	binding binding
}

// Condition parses and binds a condition or filter expression. The result can lie in p's memory: it
// is valid until p is Reset. Errors are *Error.
func (c *Cache) Condition(kind Kind, text string, p *Params) (*Condition, error) {
	t, err := c.get(kind, text)
	if err != nil {
		return nil, err
	}
	bound := p.newCondition()
	bound.root = t.root
	if message := bound.binding.bindCondition(t, p); message != "" {
		return nil, refuse(kind, message)
	}
	return bound, nil
}

// bindCondition binds a condition and makes the checks that need its names and values. It returns a
// message or "".
func (b *binding) bindCondition(t *tree, p *Params) string {
	if message := b.bind(t, p); message != "" {
		return message
	}
	if t.late != "" {
		return t.late
	}
	for _, n := range t.checks {
		if message := b.checkDistinct(n); message != "" {
			return message
		}
	}
	return b.checkAllTypes(t)
}

// checkAllTypes makes the checks of operands' types. It returns a message or "".
func (b *binding) checkAllTypes(t *tree) string {
	for _, n := range t.checks {
		if message := b.checkTypes(n); message != "" {
			return message
		}
	}
	return ""
}

// Attributes returns the names of the top-level attributes that the condition mentions, in order of
// appearance, distinct.
func (c *Condition) Attributes() []string {
	return c.binding.attributes(c.root, nil)
}

// Nested returns the names of the top-level attributes below which the condition has paths, in
// order of appearance; none if c is nil. The caller rejects those that are keys.
func (c *Condition) Nested() []string {
	if c == nil {
		return nil
	}
	return c.binding.nestedNames()
}

// attributes appends the names that are new in n to names.
func (b *binding) attributes(n *node, names []string) []string {
	if n.op == opPath {
		if name := b.name(n.path[0]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, arg := range n.args {
		names = b.attributes(arg, names)
	}
	return names
}

// Holds evaluates the condition on an item; a missing item has no attributes.
func (c *Condition) Holds(it item.Item) bool { return c.binding.holds(c.root, it) }

// holds evaluates a condition. There is no third truth value as in SQL: a comparison with a missing
// attribute is false (except <>), and NOT makes it true.
func (b *binding) holds(n *node, it item.Item) bool {
	switch n.op {
	case opAnd:
		for _, arg := range n.args {
			if !b.holds(arg, it) {
				return false
			}
		}
		return true
	case opOr:
		for _, arg := range n.args {
			if b.holds(arg, it) {
				return true
			}
		}
		return false
	case opNot:
		return !b.holds(n.args[0], it)
	case opAlways:
		return true
	case opIn:
		return b.holdsIn(n, it)
	}
	first := b.operand(n.args[0], it)
	switch n.op {
	case opAttributeExists:
		return first.Exists()
	case opAttributeNotExists:
		return !first.Exists()
	case opBetween:
		low, ok := item.Compare(first, b.operand(n.args[1], it))
		if !ok || low < 0 {
			return false
		}
		high, ok := item.Compare(first, b.operand(n.args[2], it))
		return ok && high <= 0
	}
	second := b.operand(n.args[1], it)
	switch n.op {
	case opEQ:
		return equal(first, second)
	case opNE:
		return !equal(first, second)
	case opAttributeType:
		return first.Exists() && second.Type() == item.S && first.Type().String() == string(second.Bytes())
	case opBeginsWith:
		return beginsWith(first, second)
	case opContains:
		return contains(first, second)
	case opNotContains:
		return first.Exists() && !contains(first, second)
	}
	return ordered(n.op, first, second)
}

// ordered evaluates <, <=, > and >=. Values of different types, or without an order, meet none of
// them.
func ordered(o op, first, second item.Value) bool {
	order, ok := item.Compare(first, second)
	if !ok {
		return false
	}
	switch o {
	case opLT:
		return order < 0
	case opLE:
		return order <= 0
	case opGT:
		return order > 0
	default:
		return order >= 0
	}
}

func (b *binding) holdsIn(n *node, it item.Item) bool {
	first := b.operand(n.args[0], it)
	if !first.Exists() {
		return false
	}
	for _, arg := range n.args[1:] {
		if equal(first, b.operand(arg, it)) {
			return true
		}
	}
	return false
}

// operand returns the value of an operand, or a missing one.
func (b *binding) operand(n *node, it item.Item) item.Value {
	switch n.op {
	case opValue:
		return b.values[n.slot]
	case opSize:
		return size(b.operand(n.args[0], it))
	}
	return b.get(n.path, it)
}

func (b *binding) get(p path, it item.Item) item.Value {
	v := it.Get(b.name(p[0]))
	for _, s := range p[1:] {
		if s.index >= 0 {
			v = v.Index(s.index)
		} else {
			v = v.Key(b.name(s))
		}
	}
	return v
}

// equal compares two values; a missing one equals nothing, not even another.
func equal(a, b item.Value) bool { return a.Exists() && item.Equal(a, b) }

// beginsWith tells whether a string or binary begins with the prefix.
func beginsWith(v, prefix item.Value) bool {
	t := v.Type()
	return (t == item.S || t == item.B) && prefix.Type() == t && bytes.HasPrefix(v.Bytes(), prefix.Bytes())
}

// contains tells whether a string or binary has the part, or a set or list the element.
func contains(v, part item.Value) bool {
	element := part.Type()
	switch v.Type() {
	case item.S:
		return element == item.S && bytes.Contains(v.Bytes(), part.Bytes())
	case item.B:
		return element == item.B && bytes.Contains(v.Bytes(), part.Bytes())
	case item.SS:
		return element == item.S && v.Contains(part)
	case item.NS:
		return element == item.N && v.Contains(part)
	case item.BS:
		return element == item.B && v.Contains(part)
	case item.L:
		return part.Exists() && v.Contains(part)
	}
	return false
}

// size is the function size(): an N, or missing for a value that has no size.
func size(v item.Value) item.Value {
	switch v.Type() {
	case item.S:
		return item.Int(int64(utf16Length(v.Bytes())))
	case item.B:
		return item.Int(int64(len(v.Bytes())))
	case item.SS, item.NS, item.BS, item.L, item.M:
		return item.Int(int64(v.Len()))
	}
	return item.Value{}
}

// utf16Length is the number of UTF-16 code units of UTF-8 text, which is what DynamoDB counts in a
// string: one for each character, two for those that take four bytes.
func utf16Length(text []byte) int {
	n := 0
	for _, c := range text {
		switch {
		case c >= 0xF0:
			n += 2
		case c < 0x80 || c >= 0xC0:
			n++
		}
	}
	return n
}
