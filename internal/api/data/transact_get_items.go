package data

import (
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type transactGetRequest struct {
	set      bool
	gets     []*transactGet // at most one more than there may be
	consumed wire.OptString
}

// transactGet is a TransactGetItem, whose only member is a Get.
type transactGet struct {
	set        bool
	key        wire.OptItem
	table      wire.OptString
	projection wire.OptString
	params     expr.Params
	ph         params.Placeholders

	of        *db.Table
	projector *expr.Projection // nil: the whole item
}

var transactGetMembers = members[*transactGetRequest]{
	{Name: "TransactItems", Read: (*transactGetRequest).readTransactItems},
	{Name: "ReturnConsumedCapacity", Read: func(r *transactGetRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
}

func (r *transactGetRequest) readTransactItems(c *exec) error {
	r.set, r.gets = true, nil
	return c.ReadList(func(int) error {
		var g *transactGet
		if len(r.gets) <= maxTransactItems {
			g = new(transactGet)
			r.gets = append(r.gets, g)
		} else {
			g = r.gets[maxTransactItems] // overwritten: one too many is kept already
		}
		return c.ReadObject(wire.InElement, "TransactGetItem", func(name string) error {
			if name != "Get" {
				return c.Skip()
			}
			*g = transactGet{set: true}
			g.ph.Params = &g.params
			return c.ReadObject(wire.InField, "Get", func(name string) error { return g.member(c, name) })
		})
	})
}

func (g *transactGet) member(c *exec, name string) error {
	switch name {
	case "Key":
		return c.ReadItem(&g.key)
	case "TableName":
		return c.ReadString(&g.table)
	case "ProjectionExpression":
		return c.ReadString(&g.projection)
	case "ExpressionAttributeNames":
		return g.ph.ReadNames(&c.Reader)
	}
	return c.Skip()
}

// TransactGetItems answers up to 100 items, read in one consistent view. A wrong key cancels the
// transaction.
func TransactGetItems(c *call.Call) error { return run(c, (*exec).transactGetItems) }

func (c *exec) transactGetItems() error {
	r := new(transactGetRequest)
	if err := wire.Decode(&c.Reader, r, c, transactGetMembers); err != nil {
		return err
	}
	if err := r.check(c); err != nil {
		return err
	}
	keys, err := r.open(c)
	if err != nil {
		return err
	}
	c.BeginObject()
	sizes, err := c.transactResponses(keys, func(i int, it item.Item) { r.gets[i].append(c, it) })
	if err != nil {
		return err
	}
	if c.countsConsumed(r.consumed) {
		c.transactReadConsumed(r.consumed, keys, sizes)
	}
	c.EndObject()
	return nil
}

// append appends an ItemResponse with the item or its projection, without Item if that is empty.
func (g *transactGet) append(c *exec, it item.Item) {
	if it.Exists() && g.projector != nil {
		it = g.projector.Apply(it)
	}
	c.BeginObject()
	if it.Exists() && it.Len() > 0 {
		c.Name("Item")
		c.Item(it)
	}
	c.EndObject()
}

// check makes the checks that need no table, in DynamoDB's order.
func (r *transactGetRequest) check(c *exec) error {
	var v violations
	switch n := len(r.gets); {
	case !r.set:
		v.Null("transactItems")
	case n == 0 || n > maxTransactItems:
		v.Length(n, r.dump(), "transactItems", 1, maxTransactItems)
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	for i, g := range r.gets {
		g.checkConstraints(&v, "transactItems."+strconv.Itoa(i+1)+".member.get")
	}
	if err := v.Err(); err != nil {
		return err
	}
	for _, g := range r.gets {
		if err := g.check(c); err != nil {
			return err
		}
	}
	return nil
}

// dump prints TransactItems as messages do: as Java prints objects, cut off at maxDumpBytes.
func (r *transactGetRequest) dump() string {
	b := []byte{'['}
	for i, g := range r.gets {
		if i > 0 {
			b = append(b, ", "...)
		}
		if len(b) > maxDumpBytes {
			return string(append(b, "...]"...))
		}
		b = append(append(b, "TransactGetItem(get=Get(key="...), dumpItem(g.key.V)...)
		b = append(append(b, ", tableName="...), g.table.V...)
		b = append(b, "))"...)
	}
	return string(append(b, ']'))
}

// checkConstraints checks the constraints of the Get at path.
func (g *transactGet) checkConstraints(v *violations, path string) {
	if !g.set {
		v.Null(path)
		return
	}
	if !g.key.Set {
		v.Null(path + ".key")
	}
	v.TableNameAt(g.table, path+".tableName", 1)
}

// check checks the projection and the values of the key.
func (g *transactGet) check(c *exec) (err error) {
	p := projectionOf{expression: g.projection, ph: &g.ph}
	if err := p.checkParams(); err != nil {
		return err
	}
	if g.projector, err = p.projection(c); err != nil {
		return err
	}
	if f := g.key.Faults.Earliest(); f != nil {
		return wire.Validation(f.Message)
	}
	return nil
}

// open checks that no item is requested twice, finds all tables, and checks the keys against them.
// Errors of keys cancel the transaction; all others fail the call.
func (r *transactGetRequest) open(c *exec) (keys []db.ItemKey, err error) {
	for i, g := range r.gets {
		if g.repeats(r.gets[:i]) {
			return nil, errSameItem
		}
	}
	var missing error
	for _, g := range r.gets {
		if g.of, err = c.TableAmong(g.table.V, g.want(r.consumed), &missing); err != nil {
			return nil, err
		}
	}
	if missing != nil {
		return nil, missing
	}
	reasons := make([]error, len(r.gets))
	for i, g := range r.gets {
		if reasons[i] = checkKey(g.of, g.key.V); reasons[i] == nil {
			reasons[i] = checkNested(g.of, g.projector.Nested())
		}
		keys = append(keys, db.ItemKey{Table: g.of, Key: g.key.V})
	}
	return keys, canceledBy(reasons)
}

// repeats tells whether one of the others has the same key. Keys are canonical: the numbers 1 and
// 1.0 are one key.
func (g *transactGet) repeats(others []*transactGet) bool {
	for _, o := range others { // at most 99
		if wire.BareTableName(o.table.V) == wire.BareTableName(g.table.V) && item.SameAttributes(o.key.V, g.key.V) {
			return true
		}
	}
	return false
}

// want is what one Get wants. Policies know it as GetItem, enclosed in the transaction.
func (g *transactGet) want(consumed wire.OptString) call.Want {
	return call.Want{
		Action: "GetItem", Enclosing: "TransactGetItems", Item: g.key.V, Projection: g.projector,
		Select: selected(g.projector != nil), Consumed: consumed.V,
	}
}
