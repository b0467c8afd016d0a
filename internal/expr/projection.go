package expr

import (
	"slices"

	"github.com/partita-db/partita/internal/item"
)

// Projection is a bound projection. It holds views of the request's names.
type Projection struct {
	names []string  // of the top-level attributes, sorted, distinct
	paths *pathTree // nil if all paths are whole attributes: Pick then is faster

	binding   binding
	nameArray [8]string // memory for few names
}

// Projection parses and binds a projection expression. The result can lie in p's memory: it is
// valid until p is Reset. Errors are *Error.
func (c *Cache) Projection(text string, p *Params) (*Projection, error) {
	t, err := c.get(KindProjection, text)
	if err != nil {
		return nil, err
	}
	bound := p.newProjection()
	if message := bound.binding.bind(t, p); message != "" {
		return nil, refuse(KindProjection, message)
	}
	bound.names = bound.nameArray[:0]
	for _, p := range t.paths {
		bound.names = append(bound.names, bound.binding.name(p[0]))
	}
	slices.Sort(bound.names)
	distinct := len(slices.Compact(bound.names))
	if t.plain && distinct == len(t.paths) {
		return bound, nil
	}
	bound.names = bound.names[:distinct]
	var message string
	pathAt := func(i int) path { return t.paths[i] }
	bound.paths, message = bound.binding.buildPaths(new([]pathTree), len(t.paths), pathAt)
	if message != "" {
		return nil, refuse(KindProjection, message)
	}
	return bound, nil
}

// NewProjection makes a projection of whole top-level attributes (AttributesToGet).
func NewProjection(names []string) *Projection {
	names = slices.Sorted(slices.Values(names))
	return &Projection{names: slices.Compact(names)}
}

// Apply returns the projected item: the named paths that it has, in their structure. For an item
// of which nothing is left it returns an item without attributes, for a missing one a missing one.
func (p *Projection) Apply(it item.Item) item.Item {
	switch {
	case !it.Exists():
		return it
	case p.paths == nil:
		return it.Pick(p.names)
	}
	return item.New(p.paths.pick(it))
}

// Attributes returns the names of the top-level attributes of the paths, sorted, distinct.
func (p *Projection) Attributes() []string { return p.names }

// Nested returns the names of the top-level attributes of which the projection takes parts, in
// order of appearance; none if p is nil.
func (p *Projection) Nested() []string {
	if p == nil {
		return nil
	}
	return p.binding.nestedNames()
}
