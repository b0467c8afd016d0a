package expr

import (
	"strconv"
	"strings"

	"github.com/partita-db/partita/internal/item"
)

// manyPlaceholders is the number of placeholders above which they are looked up in a map. A loop
// over fewer is faster.
const manyPlaceholders = 16

// Params are a request's ExpressionAttributeNames and ExpressionAttributeValues, in the order sent,
// keys with their # or :. Of entries with the same key the last counts. Binding notes which are
// used, by all expressions of the request together. The zero Params is ready. Once an expression is
// bound, entries may be added but not changed. A nil *Params has no names and values.
//
// Params that are reused, with Reset, have the memory of the expressions that are bound to them.
// The zero Params has not: its expressions have memory of their own, and live as long as they are
// used.
type Params struct {
	Names  []Name
	Values []Value

	usedNames, usedValues       []bool // as long as Names and Values, or shorter
	nameIndex, valueIndex       map[string]int
	indexedNames, indexedValues int // how many entries the indexes hold

	kept *kept // nil before the first Reset
}

// kept is memory for expressions that are bound to reused Params: for one of each kind, which is
// enough for most requests.
type kept struct {
	condition    room[Condition]
	update       room[Update]
	projection   room[Projection]
	keyCondition room[keyBuilder]
}

// reset makes the memory free, and drops what it holds of the request. The buffers of updates,
// which are worth more than the rest, are kept if they are not large.
func (k *kept) reset() {
	k.condition.reset()
	k.projection.reset()
	k.keyCondition.reset()
	scratch := k.update.value.scratch
	k.update.reset()
	k.update.value.scratch = scratch.kept()
}

// room is memory for one expression.
type room[T any] struct {
	value T
	taken bool
}

// take returns the memory, or other memory if it is taken.
func (r *room[T]) take() *T {
	if r.taken {
		return new(T)
	}
	r.taken = true
	return &r.value
}

func (r *room[T]) reset() {
	if r.taken { // most are not, and clearing one takes longer than this check
		*r = room[T]{}
	}
}

// Name is one entry of ExpressionAttributeNames: #placeholder and attribute name.
type Name struct{ Key, Name string }

// Value is one entry of ExpressionAttributeValues: :placeholder and value.
type Value struct {
	Key   string
	Value item.Value
}

// Reset empties p for reuse. Expressions that were bound to it since an earlier Reset are no longer
// valid: the next ones use their memory.
func (p *Params) Reset() {
	if p.kept == nil {
		p.kept = new(kept)
	}
	p.kept.reset()
	clear(p.Names) // names and values are views of buffers, which they would keep alive
	clear(p.Values)
	clear(p.nameIndex)
	clear(p.valueIndex)
	p.Names, p.Values = p.Names[:0], p.Values[:0]
	p.usedNames, p.usedValues = p.usedNames[:0], p.usedValues[:0]
	p.indexedNames, p.indexedValues = 0, 0
}

// newCondition returns empty memory for a condition that is to be bound to p.
func (p *Params) newCondition() *Condition {
	if p == nil || p.kept == nil {
		return new(Condition)
	}
	return p.kept.condition.take()
}

// newUpdate is newCondition for an update.
func (p *Params) newUpdate() *Update {
	if p == nil || p.kept == nil {
		return new(Update)
	}
	return p.kept.update.take()
}

// newProjection is newCondition for a projection.
func (p *Params) newProjection() *Projection {
	if p == nil || p.kept == nil {
		return new(Projection)
	}
	return p.kept.projection.take()
}

// newKeyCondition is newCondition for a key condition.
func (p *Params) newKeyCondition() *keyBuilder {
	if p == nil || p.kept == nil {
		return new(keyBuilder)
	}
	return p.kept.keyCondition.take()
}

// maxPlaceholderBytes is the longest key of Names and Values, with its # or :.
const maxPlaceholderBytes = 255

// CheckNames returns the error of a malformed key of Names, an *Error, or of a name that no
// attribute can have: an *Error for an empty one, an *item.Fault as everywhere for one too long.
func (p *Params) CheckNames() error {
	const invalidKey = "ExpressionAttributeNames contains invalid key: "
	for i := range p.Names {
		switch key := p.Names[i].Key; {
		case len(key) > maxPlaceholderBytes:
			return &Error{Message: invalidKey + keyTooLong + " size of key: " + strconv.Itoa(len(key))}
		case !isPlaceholder(key, '#'):
			return &Error{Message: invalidKey + `Syntax error; key: "` + key + `"`}
		}
	}
	for i := range p.Names {
		if p.Names[i].Name == "" {
			return &Error{Message: "ExpressionAttributeNames contains invalid value: Empty attribute name for key " + p.Names[i].Key}
		}
		if f := item.NameFault(p.Names[i].Name); f != nil {
			return f
		}
	}
	return nil
}

// keyTooLong is AWS's text for a placeholder over maxPlaceholderBytes. In Names the size follows
// it.
const keyTooLong = "The expression attribute map contains a key that is too long;"

// CheckValues returns the error of a malformed key of Values, an *Error.
func (p *Params) CheckValues() error {
	const invalidKey = "ExpressionAttributeValues contains invalid key: "
	for i := range p.Values {
		switch key := p.Values[i].Key; {
		case len(key) > maxPlaceholderBytes:
			return &Error{Message: invalidKey + keyTooLong}
		case !isPlaceholder(key, ':'):
			return &Error{Message: invalidKey + `Syntax error; key: "` + key + `"`}
		}
	}
	return nil
}

// isPlaceholder tells whether key is the sign and letters, digits and underscores.
func isPlaceholder(key string, sign byte) bool {
	return len(key) > 1 && key[0] == sign && wordEnd(key, 1) == len(key)
}

// CheckUnused returns the error of names, or else of values, that no expression bound so far has
// used. It is called when all expressions of the request are bound.
func (p *Params) CheckUnused() error {
	var unused []string
	for i := range p.Names {
		if !isUsed(p.usedNames, i) && p.findName(p.Names[i].Key) == i {
			unused = append(unused, p.Names[i].Key)
		}
	}
	if unused != nil {
		return unusedError("ExpressionAttributeNames", unused)
	}
	for i := range p.Values {
		if !isUsed(p.usedValues, i) && p.findValue(p.Values[i].Key) == i {
			unused = append(unused, p.Values[i].Key)
		}
	}
	if unused != nil {
		return unusedError("ExpressionAttributeValues", unused)
	}
	return nil
}

// unusedError is the error for entries that no expression uses.
func unusedError(parameter string, keys []string) error {
	return &Error{Message: "Value provided in " + parameter + " unused in expressions: keys: {" +
		strings.Join(keys, ", ") + "}"}
}

// isUsed tells whether entry i is marked.
func isUsed(used []bool, i int) bool { return i < len(used) && used[i] }

// use marks entry i of n.
func use(used []bool, i, n int) []bool {
	if len(used) < n {
		used = append(used, make([]bool, n-len(used))...)
	}
	used[i] = true
	return used
}

// findName returns the position of the name with the key, or -1.
func (p *Params) findName(key string) int {
	if len(p.Names) <= manyPlaceholders {
		for i := len(p.Names) - 1; i >= 0; i-- {
			if p.Names[i].Key == key {
				return i
			}
		}
		return -1
	}
	if p.nameIndex == nil {
		p.nameIndex = make(map[string]int, len(p.Names))
	}
	for ; p.indexedNames < len(p.Names); p.indexedNames++ {
		p.nameIndex[p.Names[p.indexedNames].Key] = p.indexedNames
	}
	if i, ok := p.nameIndex[key]; ok {
		return i
	}
	return -1
}

// findValue returns the position of the value with the key, or -1.
func (p *Params) findValue(key string) int {
	if len(p.Values) <= manyPlaceholders {
		for i := len(p.Values) - 1; i >= 0; i-- {
			if p.Values[i].Key == key {
				return i
			}
		}
		return -1
	}
	if p.valueIndex == nil {
		p.valueIndex = make(map[string]int, len(p.Values))
	}
	for ; p.indexedValues < len(p.Values); p.indexedValues++ {
		p.valueIndex[p.Values[p.indexedValues].Key] = p.indexedValues
	}
	if i, ok := p.valueIndex[key]; ok {
		return i
	}
	return -1
}

// binding is what the placeholders of a tree stand for in one request.
type binding struct {
	names  []string
	values []item.Value
	nested []step // of the tree

	// Memory for few names and values, and for what nestedNames returns. A copy of a binding
	// (Only) goes on using the memory of the first one.
	nameArray   [4]string
	valueArray  [4]item.Value
	nestedArray [2]string
}

// name returns the attribute name or map key that a step stands for.
func (b *binding) name(s step) string {
	if s.slot < 0 {
		return s.name
	}
	return b.names[s.slot]
}

// nestedNames returns the names of the top-level attributes below which paths of the expression go.
func (b *binding) nestedNames() []string {
	if len(b.nested) == 0 {
		return nil
	}
	names := b.nestedArray[:0]
	for _, s := range b.nested {
		names = append(names, b.name(s))
	}
	return names
}

// bind looks the placeholders up. It returns the message for the first one in the text that is not
// defined, or "". In an update any missing name comes before any missing value.
func (b *binding) bind(t *tree, p *Params) string {
	b.nested = t.nested
	missingName, missingValue := b.bindNames(t, p), b.bindValues(t, p)
	switch {
	case missingName == nil && missingValue == nil:
		return ""
	case missingValue == nil, missingName != nil && (t.kind == KindUpdate || missingName.pos < missingValue.pos):
		return "An expression attribute name used in the document path is not defined; attribute name: " + missingName.key
	}
	return "An expression attribute value used in expression is not defined; attribute value: " + missingValue.key
}

// bindNames looks the names up, and returns the first one that is not defined.
func (b *binding) bindNames(t *tree, p *Params) (missing *placeholder) {
	if len(t.names) == 0 {
		return nil
	}
	b.names = b.nameArray[:0]
	for i := range t.names {
		at := -1
		if p != nil {
			at = p.findName(t.names[i].key)
		}
		if at < 0 {
			return &t.names[i]
		}
		p.usedNames = use(p.usedNames, at, len(p.Names))
		b.names = append(b.names, p.Names[at].Name)
	}
	return nil
}

// bindValues looks the values up, and returns the first one that is not defined.
func (b *binding) bindValues(t *tree, p *Params) (missing *placeholder) {
	if len(t.values) == 0 {
		return nil
	}
	b.values = b.valueArray[:0]
	for i := range t.values {
		at := -1
		if p != nil {
			at = p.findValue(t.values[i].key)
		}
		if at < 0 {
			return &t.values[i]
		}
		p.usedValues = use(p.usedValues, at, len(p.Values))
		b.values = append(b.values, p.Values[at].Value)
	}
	return nil
}
