package data

import (
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/schema"
)

// projectionOf are the parameters by which a request for items by key selects attributes. The
// legacy one is not a member of TransactGetItems.
type projectionOf struct {
	attributesToGet wire.OptStrings
	expression      wire.OptString
	ph              *params.Placeholders
}

// checkParams is steps 1 to 8 of placeholders.
func (p *projectionOf) checkParams() error {
	expressions := []params.Parameter{{Name: "ProjectionExpression", Set: p.expression.Set}}
	legacy := []params.Parameter{{Name: "AttributesToGet", Set: p.attributesToGet.Set}}
	if err := (params.Wording{}).CheckFamilies(legacy, expressions); err != nil {
		return err
	}
	return p.ph.Check(params.Wording{}, expressions, nil)
}

// projection returns the projection that the request names, nil for none.
func (p *projectionOf) projection(c *exec) (*expr.Projection, error) {
	if p.attributesToGet.Set {
		if err := checkDistinct(p.attributesToGet.V); err != nil {
			return nil, err
		}
		return expr.NewProjection(p.attributesToGet.V), nil
	}
	if !p.expression.Set {
		return nil, nil
	}
	projection, err := c.DB.Expressions().Projection(p.expression.V, p.ph.Params)
	if err != nil {
		return nil, params.Wording{}.Expression(err)
	}
	return projection, p.ph.CheckUnused()
}

// attributesToGet checks AttributesToGet, which may be absent. max is the number of names allowed,
// 0 is no limit.
func (v *violations) attributesToGet(o wire.OptStrings, path string, max int) {
	if n := len(o.V); o.Set && (n == 0 || max > 0 && n > max) {
		v.Length(n, wire.JavaList(o.V), path, 1, max)
	}
	v.Elements(o.V, path, 0, maxAttributeName)
}

// Limits on AttributesToGet.
const (
	maxAttributesToGet = 255 // of an item by key; Query and Scan have no limit
	maxAttributeName   = 65535
)

// checkDistinct checks that AttributesToGet names no attribute twice.
func checkDistinct(names []string) error {
	for i, n := range names { // at most 255 of them
		for _, m := range names[:i] {
			if m == n {
				return wire.Validation(wire.Invalid + "Duplicate value in attribute name: " + n)
			}
		}
	}
	return nil
}

// unprojected returns those of the names that the index does not hold.
func unprojected(t *db.Table, x *schema.Index, names []string) []string {
	var missing []string
	for _, name := range names {
		if !t.Projects(x, name) {
			missing = append(missing, name)
		}
	}
	return missing
}
