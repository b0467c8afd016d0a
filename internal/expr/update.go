package expr

import (
	"iter"
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/item"
)

// Update is a bound update expression, or legacy AttributeUpdates. It holds views of the request's
// names and values, and the memory of the item that Apply makes.
type Update struct {
	actions []action
	paths   *pathTree             // the actions' targets; nil until needed if all are top-level attributes
	legacy  bool                  // AttributeUpdates: a wrong type has other words
	was     map[string]item.Value // the old attributes, if there are many actions (lookAhead)
	binding binding
	scratch scratch
}

// scratch is the memory of an Update's Apply. Params that are reused keep it for the next Update.
type scratch struct {
	item    []byte     // of the new item
	nodes   []pathTree // of the paths
	changes [4]item.Entry
	results [4]item.Value
}

// The largest scratch memory that is kept for reuse.
const (
	maxKeptItem  = 64 << 10
	maxKeptNodes = 16
)

// kept returns what of s may be used again, emptied.
func (s *scratch) kept() (k scratch) {
	if cap(s.item) <= maxKeptItem {
		k.item = s.item[:0]
	}
	if cap(s.nodes) <= maxKeptNodes {
		clear(s.nodes)
		k.nodes = s.nodes[:0]
	}
	return k
}

// RuntimeError is an update that cannot be applied to the existing item. Message is DynamoDB's
// text.
type RuntimeError struct{ Message string }

// Error returns the message.
func (e *RuntimeError) Error() string { return e.Message }

// The reasons why an update cannot be applied.
var (
	errNoAttribute = &RuntimeError{"The provided expression refers to an attribute that does not exist in the item"}
	errPath        = &RuntimeError{"The document path provided in the update expression is invalid for update"}
	errType        = &RuntimeError{"An operand in the update expression has an incorrect data type"}
	errLegacyType  = &RuntimeError{"Type mismatch for attribute to update"}
)

// Update parses and binds an update expression. The result can lie in p's memory: it is valid until
// p is Reset. Errors are *Error.
func (c *Cache) Update(text string, p *Params) (*Update, error) {
	t, err := c.get(KindUpdate, text)
	if err != nil {
		return nil, err
	}
	u := p.newUpdate()
	u.actions = t.actions
	if message := u.bind(t, p); message != "" {
		return nil, refuse(KindUpdate, message)
	}
	return u, nil
}

// bind binds an update and makes the checks that need its names and values. It returns a message or
// "".
func (u *Update) bind(t *tree, p *Params) string {
	if message := u.binding.bind(t, p); message != "" {
		return message
	}
	return u.check(t)
}

// check makes the checks that need names and values. It returns a message or "".
func (u *Update) check(t *tree) string {
	if !t.plain || !u.areDistinct() {
		if message := u.buildPaths(); message != "" {
			return message
		}
	}
	if t.late != "" {
		return t.late
	}
	for i := range u.actions {
		if message := u.checkAction(&u.actions[i]); message != "" {
			return message
		}
	}
	return ""
}

// areDistinct tells whether the targets, all top-level attributes, are few and distinct. Then the
// paths need not be built, which is the usual case. Many are left to buildPaths, to avoid a
// quadratic loop.
func (u *Update) areDistinct() bool {
	if len(u.actions) > manyPlaceholders {
		return false
	}
	for i := range u.actions {
		for j := range i {
			if u.binding.name(u.actions[i].path[0]) == u.binding.name(u.actions[j].path[0]) {
				return false
			}
		}
	}
	return true
}

// buildPaths merges the targets, and returns the message if that fails.
func (u *Update) buildPaths() (message string) {
	target := func(i int) path { return u.actions[i].path }
	u.paths, message = u.binding.buildPaths(&u.scratch.nodes, len(u.actions), target)
	return message
}

// checkAction returns the message for a value of a type that an action cannot take, or "".
func (u *Update) checkAction(a *action) string {
	switch a.section {
	case sectionSet:
		return u.binding.checkOperandTypes(a.value)
	case sectionAdd:
		if t := u.binding.staticType(a.value); t != item.N && !isSet(t) {
			return sectionType(a.section, t)
		}
	case sectionDelete:
		if t := u.binding.staticType(a.value); !isSet(t) {
			return sectionType(a.section, t)
		}
	}
	return ""
}

// sectionType is the message for a value of a type that ADD or DELETE does not take.
func sectionType(s section, t item.Type) string {
	return "Incorrect operand type for operator or function; operator: " + s.String() + ", operand type: " + t.LongName()
}

// isSet tells whether the type is a set's.
func isSet(t item.Type) bool { return t == item.SS || t == item.NS || t == item.BS }

// checkOperandTypes checks an operand and those in it, inner ones first.
func (b *binding) checkOperandTypes(n *node) string {
	for _, arg := range n.args {
		if message := b.checkOperandTypes(arg); message != "" {
			return message
		}
	}
	return b.checkTypes(n)
}

// Target is an attribute that an update changes. Nested tells that the path goes below the
// top-level attribute.
type Target struct {
	Attribute string
	Nested    bool
}

// Targets yields the targets of all actions, in order of appearance.
func (u *Update) Targets() iter.Seq[Target] {
	return func(yield func(Target) bool) {
		for i := range u.actions {
			p := u.actions[i].path
			if !yield(Target{u.binding.name(p[0]), len(p) > 1}) {
				return
			}
		}
	}
}

// Attributes returns the names of the top-level attributes that the update changes or computes
// with, in order of appearance, distinct.
func (u *Update) Attributes() []string {
	var names []string
	for i := range u.actions {
		if name := u.binding.name(u.actions[i].path[0]); !slices.Contains(names, name) {
			names = append(names, name)
		}
		if u.actions[i].value != nil {
			names = u.binding.attributes(u.actions[i].value, names)
		}
	}
	return names
}

// Nested returns the names of the top-level attributes below which the update has paths, in order
// of appearance.
func (u *Update) Nested() []string { return u.binding.nestedNames() }

// Assigns tells whether an action gives the top-level attribute a value of the request, rather than
// one of the item.
func (u *Update) Assigns(attribute string) bool {
	for i := range u.actions {
		a := &u.actions[i]
		if len(a.path) == 1 && u.binding.name(a.path[0]) == attribute {
			return a.value != nil && a.value.op == opValue
		}
	}
	return false
}

// Costs are the numbers of actions that count in DynamoDB's size limit for updates: SET and ADD
// actions, REMOVE and DELETE actions, actions that assign to a list index, and SET actions with +
// or -.
type Costs struct{ Sets, Removes, ListSets, Arithmetic int }

// Costs returns u's counts.
func (u *Update) Costs() Costs {
	var c Costs
	for i := range u.actions {
		a := &u.actions[i]
		if a.section == sectionRemove || a.section == sectionDelete {
			c.Removes++
			continue
		}
		c.Sets++
		if a.path[len(a.path)-1].index >= 0 {
			c.ListSets++
		}
		if a.section == sectionSet && (a.value.op == opPlus || a.value.op == opMinus) {
			c.Arithmetic++
		}
	}
	return c
}

// OnlyDeletes tells whether u is a legacy update of DELETE actions alone, which does not create a
// missing item.
func (u *Update) OnlyDeletes() bool {
	return u.legacy && len(u.actions) > 0 && !slices.ContainsFunc(u.actions, func(a action) bool {
		return a.section != sectionRemove && a.section != sectionDelete
	})
}

// Apply computes the updated item. old is the item before (possibly missing), which the right-hand
// sides read; base is what the actions change: old, or for a missing item the item that has only
// its key. Errors are *RuntimeError or *item.Fault (numbers, nesting). The result lies in u's
// memory: it is valid until the next Apply or Forget, or until u's Params are Reset.
func (u *Update) Apply(old, base item.Item) (item.Item, error) {
	if u.paths != nil {
		return u.applyPaths(old, base)
	}
	u.lookAhead(old)
	changes := u.scratch.changes[:0]
	for i := range u.actions {
		v, err := u.result(&u.actions[i], old)
		if err != nil {
			return item.Item{}, err
		}
		changes = append(changes, item.Entry{Name: u.binding.name(u.actions[i].path[0]), Value: v})
	}
	return u.with(base, changes), nil
}

func (u *Update) with(base item.Item, changes []item.Entry) (new item.Item) {
	new, u.scratch.item = base.WithIn(u.scratch.item, changes)
	return new
}

// Forget drops the memory of the item that the last Apply has made, if it is large. The item must
// not be in use any more.
func (u *Update) Forget() {
	if cap(u.scratch.item) > maxKeptItem {
		u.scratch.item = nil
	}
}

// applyPaths is Apply for nested targets: it rebuilds each top-level attribute with all actions
// below it at once.
func (u *Update) applyPaths(old, base item.Item) (item.Item, error) {
	results, err := u.results(old)
	if err != nil {
		return item.Item{}, err
	}
	changes := u.scratch.changes[:0]
	for _, kid := range u.paths.kids {
		v, err := kid.change(base.Get(kid.name), results)
		if err != nil {
			return item.Item{}, err
		}
		changes = append(changes, item.Entry{Name: kid.name, Value: v})
	}
	return u.with(base, changes), nil
}

// lookAhead collects the old attributes in a map if there are so many actions that a search for
// each would be slow: a search walks the item, and only AttributeUpdates has no limit of operators.
func (u *Update) lookAhead(old item.Item) {
	if len(u.actions) <= maxOperators || !u.legacy {
		return
	}
	u.was = make(map[string]item.Value, old.Len())
	for name, v := range old.Attributes() {
		u.was[name] = v
	}
}

// results returns what each action leaves at its path: a missing value if it removes it.
func (u *Update) results(old item.Item) ([]item.Value, error) {
	u.lookAhead(old)
	results := u.scratch.results[:0]
	for i := range u.actions {
		a := &u.actions[i]
		v, err := u.result(a, old)
		if err != nil {
			return nil, err
		}
		if len(a.path) > 1 {
			if f := item.NestingFault(v, len(a.path)-1); f != nil {
				return nil, f
			}
		}
		results = append(results, v)
	}
	return results, nil
}

// result returns what an action leaves at its path.
func (u *Update) result(a *action, old item.Item) (item.Value, error) {
	switch a.section {
	case sectionSet:
		return u.evaluate(a.value, old)
	case sectionRemove:
		return item.Value{}, nil
	}
	v := u.binding.values[a.value.slot]
	was, ok := u.was[u.binding.name(a.path[0])]
	if !ok && u.was == nil {
		was = u.binding.get(a.path, old)
	}
	wasType, t := was.Type(), v.Type()
	switch {
	case !was.Exists() && a.section == sectionDelete:
		return item.Value{}, nil
	case !was.Exists():
		return v, nil
	case wasType != t && u.legacy:
		return item.Value{}, errLegacyType
	case wasType != t:
		return item.Value{}, errType
	case a.section == sectionDelete:
		return item.Difference(was, v), nil
	case a.section == sectionAppend:
		return appendLists(was, v), nil
	case t == item.N:
		return item.Add(was, v)
	}
	return item.Union(was, v), nil
}

// evaluate returns the value of a right-hand side. It reads the item as it was before the update.
func (u *Update) evaluate(n *node, old item.Item) (item.Value, error) {
	switch n.op {
	case opValue:
		return u.binding.values[n.slot], nil
	case opPath:
		v := u.binding.get(n.path, old)
		if !v.Exists() {
			return v, errNoAttribute
		}
		return v, nil
	case opIfNotExists:
		if v := u.binding.get(n.args[0].path, old); v.Exists() {
			return v, nil
		}
		return u.evaluate(n.args[1], old)
	case opSetAdd, opSetDelete:
		return u.evaluateSet(n, old)
	}
	left, err := u.evaluate(n.args[0], old)
	if err != nil {
		return item.Value{}, err
	}
	right, err := u.evaluate(n.args[1], old)
	if err != nil {
		return item.Value{}, err
	}
	want := item.N
	if n.op == opListAppend {
		want = item.L
	}
	if left.Type() != want || right.Type() != want {
		return item.Value{}, errType
	}
	switch n.op {
	case opPlus:
		return item.Add(left, right)
	case opMinus:
		return item.Subtract(left, right)
	}
	return appendLists(left, right), nil
}

// evaluateSet returns the value of set_add or set_delete, whose first operand may be missing: the
// sum is then the second one, and a difference without members is missing.
func (u *Update) evaluateSet(n *node, old item.Item) (item.Value, error) {
	v, err := u.evaluate(n.args[1], old)
	if err != nil {
		return item.Value{}, err
	}
	was, err := u.evaluate(n.args[0], old)
	switch {
	case err == errNoAttribute && isSet(v.Type()) && n.op == opSetAdd:
		return v, nil
	case err == errNoAttribute && isSet(v.Type()):
		return item.Value{}, nil
	case err != nil && err != errNoAttribute:
		return item.Value{}, err
	case !isSet(v.Type()) || was.Type() != v.Type():
		return item.Value{}, errType
	case n.op == opSetAdd:
		return item.Union(was, v), nil
	}
	return item.Difference(was, v), nil
}

// appendLists returns the elements of a, then those of b.
func appendLists(a, b item.Value) item.Value {
	elements := make([]item.Value, 0, a.Len()+b.Len())
	for e := range a.Elements() {
		elements = append(elements, e)
	}
	for e := range b.Elements() {
		elements = append(elements, e)
	}
	return item.List(elements)
}

// change returns the value v with the results put in at and below this node.
func (t *pathTree) change(v item.Value, results []item.Value) (item.Value, error) {
	switch {
	case t.path >= 0:
		return results[t.path], nil
	case t.isList() && v.Type() == item.L:
		return t.changeList(v, results)
	case !t.isList() && v.Type() == item.M:
		return t.changeMap(v, results)
	}
	return item.Value{}, errPath
}

// changeList uses the elements' positions before the update. Values set beyond the end are appended
// in the order of their indexes, without gaps.
func (t *pathTree) changeList(v item.Value, results []item.Value) (item.Value, error) {
	elements := make([]item.Value, 0, v.Len()+len(t.kids))
	kids, i := t.kids, 0
	for e := range v.Elements() {
		if len(kids) > 0 && kids[0].index == i {
			var err error
			if e, err = kids[0].change(e, results); err != nil {
				return item.Value{}, err
			}
			kids = kids[1:]
		}
		if e.Exists() {
			elements = append(elements, e)
		}
		i++
	}
	for _, kid := range kids {
		e, err := kid.change(item.Value{}, results)
		if err != nil {
			return item.Value{}, err
		}
		if e.Exists() {
			elements = append(elements, e)
		}
	}
	return item.List(elements), nil
}

// changeMap walks entries and kids together: both are in the order of their names.
func (t *pathTree) changeMap(v item.Value, results []item.Value) (item.Value, error) {
	var few [8]item.Entry
	entries, kids := few[:0], t.kids
	var err error
	for name, e := range v.Entries() {
		for len(kids) > 0 && kids[0].name < name {
			if entries, err = kids[0].appendChange(entries, item.Value{}, results); err != nil {
				return item.Value{}, err
			}
			kids = kids[1:]
		}
		if len(kids) == 0 || kids[0].name != name {
			entries = append(entries, item.Entry{Name: name, Value: e})
			continue
		}
		if entries, err = kids[0].appendChange(entries, e, results); err != nil {
			return item.Value{}, err
		}
		kids = kids[1:]
	}
	for _, kid := range kids {
		if entries, err = kid.appendChange(entries, item.Value{}, results); err != nil {
			return item.Value{}, err
		}
	}
	return item.Map(entries), nil
}

// appendChange appends this node's entry of a map after the change from v, unless that removes it.
func (t *pathTree) appendChange(entries []item.Entry, v item.Value, results []item.Value) ([]item.Entry, error) {
	v, err := t.change(v, results)
	if err == nil && v.Exists() {
		entries = append(entries, item.Entry{Name: t.name, Value: v})
	}
	return entries, err
}

// UpdatedOld returns the parts of the old item at the update's targets, for ReturnValues
// UPDATED_OLD: a missing Item if there are none.
func (u *Update) UpdatedOld(old item.Item) item.Item {
	u.needPaths()
	return itemOrMissing(u.paths.pick(old))
}

// UpdatedNew returns the parts of the new item at the update's targets, without those of REMOVE,
// for ReturnValues UPDATED_NEW: a missing Item if there are none. old is the item before, to which
// the update was applied.
//
// List elements can have other positions in the new item. So the parts are not taken from it: they
// are the results of the actions, computed again.
func (u *Update) UpdatedNew(old, _ item.Item) item.Item {
	u.needPaths()
	results, err := u.results(old)
	if err != nil {
		return item.Item{} // cannot be: Apply would have failed too
	}
	var entries []item.Entry
	for _, kid := range u.paths.kids {
		if v := kid.assemble(results); v.Exists() {
			entries = append(entries, item.Entry{Name: kid.name, Value: v})
		}
	}
	return itemOrMissing(entries)
}

// assemble returns the results at and below this node in their structure, or a missing value if all
// are missing.
func (t *pathTree) assemble(results []item.Value) item.Value {
	if t.path >= 0 {
		return results[t.path]
	}
	var entries []item.Entry
	var elements []item.Value
	for _, kid := range t.kids {
		v := kid.assemble(results)
		switch {
		case !v.Exists():
		case t.isList():
			elements = append(elements, v)
		default:
			entries = append(entries, item.Entry{Name: kid.name, Value: v})
		}
	}
	switch {
	case elements != nil:
		return item.List(elements)
	case entries != nil:
		return item.Map(entries)
	}
	return item.Value{}
}

// needPaths builds the paths of an update of top-level attributes, which are distinct.
func (u *Update) needPaths() {
	if u.paths != nil {
		return
	}
	u.paths = &pathTree{index: -1, path: -1, kids: make([]*pathTree, len(u.actions))}
	for i := range u.actions {
		u.paths.kids[i] = &pathTree{name: u.binding.name(u.actions[i].path[0]), index: -1, path: i, first: i}
	}
	slices.SortFunc(u.paths.kids, func(a, b *pathTree) int { return strings.Compare(a.name, b.name) })
}

// itemOrMissing returns an item of the entries, or a missing one if there are none.
func itemOrMissing(entries []item.Entry) item.Item {
	if len(entries) == 0 {
		return item.Item{}
	}
	return item.New(entries)
}
