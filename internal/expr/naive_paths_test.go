package expr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// TestUpdateNaive compares random SETs and REMOVEs, nested ones above all, with the same done to
// plain values.
func TestUpdateNaive(t *testing.T) {
	n := newNaive(t)
	cache := NewCache(1 << 20)
	applied := 0
	for range 6000 {
		n.params = Params{}
		it := n.item()
		var sets, removes []string
		var changes []naiveChange
		for range 1 + n.IntN(4) {
			text, path := n.path()
			change := naiveChange{path: path, value: missing{}}
			if n.IntN(3) > 0 {
				o := n.operand()
				for strings.Contains(o.text, "size") {
					o = n.operand()
				}
				change.value = o.eval(it)
				change.bad = change.value == missing{}
				sets = append(sets, text+" = "+o.text)
			} else {
				removes = append(removes, text)
			}
			changes = append(changes, change)
		}
		text := ""
		if sets != nil {
			text += "SET " + strings.Join(sets, ", ")
		}
		if removes != nil {
			text += " REMOVE " + strings.Join(removes, ", ")
		}
		u, err := cache.Update(text, &n.params)
		if err != nil {
			continue // overlap, conflict
		}
		old := item.New(n.entries(it))
		got, err := u.Apply(old, old)
		want, ok := naiveApply(it, changes)
		if (err == nil) != ok {
			t.Fatalf("%s on %v: error %v, want success %v\nnames %v", text, it, err, ok, n.params.Names)
		}
		if err != nil {
			continue
		}
		applied++
		if !item.SameAttributes(got, item.New(n.entries(want.(map[string]any)))) {
			t.Fatalf("%s on %v:\n%s, want\n%v\nnames %v", text, it, got.AppendJSON(nil), want, n.params.Names)
		}
		n.checkReturns(text, u, it, want.(map[string]any), changes)
	}
	if applied < 500 {
		t.Errorf("%d updates applied: the test tests little", applied)
	}
}

// checkReturns compares what an update returns with projections of what was and what is.
func (n *naive) checkReturns(text string, u *Update, old, updated map[string]any, changes []naiveChange) {
	var all, set [][]any
	indexes := false // which have other positions in the new item
	for _, c := range changes {
		all = append(all, c.path)
		if c.value != (missing{}) {
			set = append(set, c.path)
		}
		indexes = indexes || slices.ContainsFunc(c.path, func(e any) bool { _, ok := e.(int); return ok })
	}
	oldItem, newItem := item.New(n.entries(old)), item.New(n.entries(updated))
	n.same("UPDATED_OLD of "+text, u.UpdatedOld(oldItem), naiveProject(old, all))
	if !indexes {
		n.same("UPDATED_NEW of "+text, u.UpdatedNew(oldItem, newItem), naiveProject(updated, set))
	}
}

// same compares an item with a map, or with what is missing.
func (n *naive) same(what string, got item.Item, want any) {
	n.t.Helper()
	m, ok := want.(map[string]any)
	if got.Exists() != ok || ok && !item.SameAttributes(got, item.New(n.entries(m))) {
		n.t.Fatalf("%s: %s, want %v", what, got.AppendJSON(nil), want)
	}
}

// naiveProject returns what is at the paths, in its structure.
func naiveProject(v any, paths [][]any) any {
	if v == (missing{}) || len(paths) > 0 && len(paths[0]) == 0 {
		return v
	}
	below := make(map[any][][]any)
	for _, p := range paths {
		below[p[0]] = append(below[p[0]], p[1:])
	}
	list, m := []any{}, make(map[string]any)
	if from, ok := v.([]any); ok {
		for i, e := range from {
			if below[i] != nil {
				if e = naiveProject(e, below[i]); e != (missing{}) {
					list = append(list, e)
				}
			}
		}
	}
	if from, ok := v.(map[string]any); ok {
		for name, e := range from {
			if below[name] != nil {
				if e = naiveProject(e, below[name]); e != (missing{}) {
					m[name] = e
				}
			}
		}
	}
	switch {
	case len(list) > 0:
		return list
	case len(m) > 0:
		return m
	}
	return missing{}
}

// TestProjectionNaive compares random projections, of few paths and of many.
func TestProjectionNaive(t *testing.T) {
	n := newNaive(t)
	cache := NewCache(1 << 20)
	applied := 0
	for i := range 4000 {
		n.params = Params{}
		it := n.item()
		var texts []string
		var paths [][]any
		for range 1 + n.IntN(4) {
			text, path := n.path()
			texts, paths = append(texts, text), append(paths, path)
		}
		if i%4 == 0 {
			for j := range 2 * manyKids {
				name := fmt.Sprintf("n%d", j)
				if n.IntN(2) == 0 {
					it[name] = n.value(1)
				}
				texts, paths = append(texts, name), append(paths, []any{name})
			}
		}
		text := strings.Join(texts, ", ")
		projection, err := cache.Projection(text, &n.params)
		if err != nil {
			continue // overlap, conflict
		}
		applied++
		want := naiveProject(it, paths)
		if want == (missing{}) {
			want = map[string]any{}
		}
		n.same(text, projection.Apply(item.New(n.entries(it))), want)
	}
	if applied < 1000 {
		t.Errorf("%d projections applied: the test tests little", applied)
	}
}

// naiveChange is one action: a value to put at a path, or missing to remove what is there.
type naiveChange struct {
	path  []any
	value any
	bad   bool // the value comes from a path that is not there
}

// naiveApply makes the changes at their original positions: it marks what is removed, and drops the
// marks at the end.
func naiveApply(it map[string]any, changes []naiveChange) (any, bool) {
	root := naiveClone(it)
	type appended struct {
		path  []any
		index int
		value any
	}
	var late []appended
	for _, c := range changes {
		if c.bad {
			return nil, false
		}
		parent, last := get(root, c.path[:len(c.path)-1]), c.path[len(c.path)-1]
		switch p := parent.(type) {
		case map[string]any:
			name, ok := last.(string)
			if !ok {
				return nil, false
			}
			if _, there := p[name]; there || c.value != (missing{}) {
				p[name] = naiveClone(c.value)
			}
		case []any:
			i, ok := last.(int)
			switch {
			case !ok:
				return nil, false
			case i < len(p):
				p[i] = naiveClone(c.value)
			case c.value != missing{}:
				late = append(late, appended{c.path[:len(c.path)-1], i, c.value})
			}
		default:
			return nil, false
		}
	}
	slices.SortStableFunc(late, func(a, b appended) int { return a.index - b.index })
	for _, a := range late {
		list := append(get(root, a.path).([]any), naiveClone(a.value))
		switch parent, last := get(root, a.path[:len(a.path)-1]), a.path[len(a.path)-1]; p := parent.(type) {
		case map[string]any:
			p[last.(string)] = list
		case []any:
			p[last.(int)] = list
		}
	}
	return naiveDrop(root), true
}

// naiveClone copies lists and maps.
func naiveClone(v any) any {
	switch v := v.(type) {
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = naiveClone(v[i])
		}
		return c
	case map[string]any:
		c := make(map[string]any)
		for name := range v {
			c[name] = naiveClone(v[name])
		}
		return c
	}
	return v
}

// naiveDrop drops what is marked as missing.
func naiveDrop(v any) any {
	switch v := v.(type) {
	case []any:
		c := []any{}
		for _, e := range v {
			if e != (missing{}) {
				c = append(c, naiveDrop(e))
			}
		}
		return c
	case map[string]any:
		for name, e := range v {
			if e == (missing{}) {
				delete(v, name)
			} else {
				v[name] = naiveDrop(e)
			}
		}
	}
	return v
}
