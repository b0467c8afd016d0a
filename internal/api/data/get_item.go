package data

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type getItemRequest struct {
	table           wire.OptString
	key             wire.OptItem
	attributesToGet wire.OptStrings
	consistent      wire.OptBool
	consumed        wire.OptString
	projection      wire.OptString

	projector *expr.Projection // nil: the whole item
	start     int              // where the answer's members begin
	size      int              // of the item read
}

var getItemMembers = members[*getItemRequest]{
	{Name: "TableName", Read: func(r *getItemRequest, c *exec) error { return c.ReadString(&r.table) }},
	{Name: "Key", Read: func(r *getItemRequest, c *exec) error { return c.ReadItem(&r.key) }},
	{Name: "AttributesToGet", Read: func(r *getItemRequest, c *exec) error {
		return c.ReadStrings(&r.attributesToGet)
	}},
	{Name: "ConsistentRead", Read: func(r *getItemRequest, c *exec) error { return c.ReadBool(&r.consistent) }},
	{Name: "ReturnConsumedCapacity", Read: func(r *getItemRequest, c *exec) error { return c.ReadString(&r.consumed) }},
	{Name: "ProjectionExpression", Read: func(r *getItemRequest, c *exec) error { return c.ReadString(&r.projection) }},
	{Name: "ExpressionAttributeNames", Read: func(_ *getItemRequest, c *exec) error {
		return c.ph.ReadNames(&c.Reader)
	}},
}

// GetItem answers GetItem; an item that does not exist is an answer without Item.
func GetItem(c *call.Call) error { return run(c, (*exec).getItem) }

func (c *exec) getItem() error {
	r := &c.hot.get
	*r = getItemRequest{}
	if err := wire.Decode(&c.Reader, r, c, getItemMembers); err != nil {
		return err
	}
	projection, err := r.check(c)
	if err != nil {
		return err
	}
	r.projector = projection
	t, err := c.TableFor(r.table.V, call.Want{
		Action: "GetItem", Item: r.key.V, Projection: projection, Select: selected(projection != nil),
		Consumed: r.consumed.V,
	})
	if err != nil {
		return err
	}
	if err := checkKey(t, r.key.V); err != nil {
		return err
	}
	if err := checkNested(t, projection.Nested()); err != nil {
		return err
	}
	c.BeginObject()
	r.start = c.Length()
	if err := c.DB.Get(c.Ctx, t, r.key.V, r.consistent.V, c.show); err != nil {
		return err
	}
	c.Report.NoteItem(r.size > 0)
	used := consumption{table: capacity.ReadUnits(r.size, r.consistent.V)}
	c.Report.NoteRead(used.total())
	if wantsConsumed(r.consumed) {
		c.Name("ConsumedCapacity")
		c.consumed(r.consumed.V, t.Name, used)
	}
	c.EndObject()
	return nil
}

// showItem appends what GetItem asked for of the item. It runs while package db holds the row, so
// the item is encoded without a copy. It can be called again, if the engine reads once more, and
// then replaces what it wrote.
func (c *exec) showItem(it item.Item) error {
	r := &c.hot.get
	c.Truncate(r.start)
	r.size = it.Size()
	if !it.Exists() {
		return nil
	}
	if r.projector != nil {
		it = r.projector.Apply(it)
	}
	c.Name("Item")
	return c.Encode(it.Size(), func() { c.Item(it) })
}

// check makes the checks that need no table, in DynamoDB's order, and returns the projection, if
// there is one.
func (r *getItemRequest) check(c *exec) (*expr.Projection, error) {
	var v violations
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	v.attributesToGet(r.attributesToGet, "attributesToGet", maxAttributesToGet)
	v.TableName(r.table, 1)
	if !r.key.Set {
		v.Null("key")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	p := projectionOf{attributesToGet: r.attributesToGet, expression: r.projection, ph: &c.ph}
	if err := p.checkParams(); err != nil {
		return nil, err
	}
	if f := r.key.Faults.Earliest(); f != nil {
		return nil, wire.Validation(f.Message)
	}
	return p.projection(c)
}
