package expr

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/item"
)

// pathTree is a set of document paths, merged where they begin alike. Below one node names come
// before indexes, both in order; after buildPaths has found no error, there is only one kind of
// them.
type pathTree struct {
	name  string
	index int // of a list element, or -1 for a name
	path  int // the number of the path that ends here, or -1
	first int // the number of the first path that goes through or ends here
	kids  []*pathTree

	few [2]*pathTree // memory for few kids
}

// pathError is a reason why DynamoDB rejects two paths.
type pathError uint8

// The reasons.
const (
	pathsFine pathError = iota
	pathsOverlap
	pathsConflict
)

// buildPaths merges n paths into a tree, with nodes in the memory given. It returns a message if
// two paths overlap or, else, conflict: for the first path that does so with one before it.
func (b *binding) buildPaths(memory *[]pathTree, n int, path func(int) path) (*pathTree, string) {
	steps := 1
	for i := range n {
		steps += len(path(i))
	}
	nodes := slices.Grow((*memory)[:0], steps) // enough for all: nodes must not move, kids point to them
	nodes = append(nodes, pathTree{index: -1, path: -1})
	*memory = nodes[:steps]
	root, conflict := &nodes[0], ""
	for i := range n {
		problem, other := root.add(b, path(i), i, &nodes)
		switch {
		case problem == pathsOverlap:
			return nil, b.twoPaths("overlap", path(other), path(i))
		case problem == pathsConflict && conflict == "":
			conflict = b.twoPaths("conflict", path(other), path(i))
		}
	}
	return root, conflict
}

// twoPaths is the message for two paths that cannot be together.
func (b *binding) twoPaths(problem string, one, two path) string {
	return "Two document paths " + problem + " with each other; must remove or rewrite one of these paths; path one: " +
		b.pathText(one) + ", path two: " + b.pathText(two)
}

// add merges path number i, and appends new nodes to nodes. It returns the first path that it
// overlaps (one is a part of the other) or conflicts with (one treats as a map what the other
// treats as a list).
func (t *pathTree) add(b *binding, p path, i int, nodes *[]pathTree) (problem pathError, other int) {
	for _, s := range p {
		if t.path >= 0 {
			return pathsOverlap, t.path
		}
		if problem == pathsFine {
			for _, kid := range t.kids {
				if (kid.index >= 0) != (s.index >= 0) && (problem == pathsFine || kid.first < other) {
					problem, other = pathsConflict, kid.first
				}
			}
		}
		t = t.kid(b, s, i, nodes)
	}
	if t.path >= 0 || len(t.kids) > 0 {
		return pathsOverlap, t.first
	}
	t.path = i
	return problem, other
}

// kid returns the node one step below t, which it adds if there is none.
func (t *pathTree) kid(b *binding, s step, i int, nodes *[]pathTree) *pathTree {
	name := ""
	if s.index < 0 {
		name = b.name(s)
	}
	at, ok := slices.BinarySearchFunc(t.kids, s.index, func(kid *pathTree, index int) int {
		if index < 0 && kid.index < 0 {
			return strings.Compare(kid.name, name)
		}
		return cmp.Compare(kid.index, index)
	})
	if !ok {
		*nodes = append(*nodes, pathTree{name: name, index: s.index, path: -1, first: i})
		if t.kids == nil {
			t.kids = t.few[:0]
		}
		t.kids = slices.Insert(t.kids, at, &(*nodes)[len(*nodes)-1])
	}
	return t.kids[at]
}

// isList tells whether the paths go on with list indexes.
func (t *pathTree) isList() bool { return t.kids[0].index >= 0 }

// manyKids is the number of names from which on one walk over all of an item is faster than a
// look-up of each name.
const manyKids = 16

// pick returns the entries of the attributes that the paths name and that the item has, cut down to
// what they name.
func (t *pathTree) pick(it item.Item) []item.Entry {
	if len(t.kids) >= manyKids {
		return t.pickEntries(it.Attributes())
	}
	entries := make([]item.Entry, 0, len(t.kids))
	for _, kid := range t.kids {
		if v := kid.pickValue(it.Get(kid.name)); v.Exists() {
			entries = append(entries, item.Entry{Name: kid.name, Value: v})
		}
	}
	return entries
}

// pickEntries is pick for entries in the order of their names.
func (t *pathTree) pickEntries(all iter.Seq2[string, item.Value]) []item.Entry {
	var entries []item.Entry
	kids := t.kids
	for name, v := range all {
		for len(kids) > 0 && kids[0].name < name {
			kids = kids[1:]
		}
		if len(kids) == 0 {
			break
		}
		if kids[0].name == name {
			if v = kids[0].pickValue(v); v.Exists() {
				entries = append(entries, item.Entry{Name: name, Value: v})
			}
		}
	}
	return entries
}

// pickValue returns the parts of a value that the paths name, in their structure, or a missing
// value if it has none.
func (t *pathTree) pickValue(v item.Value) item.Value {
	switch {
	case t.path >= 0 || !v.Exists():
		return v
	case t.isList() && v.Type() == item.L:
		return t.pickElements(v)
	case !t.isList() && v.Type() == item.M:
		if entries := t.pickEntries(v.Entries()); entries != nil {
			return item.Map(entries)
		}
	}
	return item.Value{}
}

// pickElements is pickValue for a list; the elements come out in the order of their indexes,
// without gaps.
func (t *pathTree) pickElements(v item.Value) item.Value {
	var elements []item.Value
	kids, i := t.kids, 0
	for e := range v.Elements() {
		if len(kids) == 0 {
			break
		}
		if kids[0].index == i {
			if e = kids[0].pickValue(e); e.Exists() {
				elements = append(elements, e)
			}
			kids = kids[1:]
		}
		i++
	}
	if elements == nil {
		return item.Value{}
	}
	return item.List(elements)
}
