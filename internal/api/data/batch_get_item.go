package data

import (
	"errors"
	"strconv"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

type batchGetRequest struct {
	set      bool
	tables   []*batchGetTable // in the order sent; at most one more than there may be keys
	consumed wire.OptString
}

// batchGetTable is what a request wants of one table: a KeysAndAttributes.
type batchGetTable struct {
	name            string // as the request has it, maybe an ARN
	keysSet         bool
	keys            []wire.OptItem // at most one more than there may be
	attributesToGet wire.OptStrings
	consistent      wire.OptBool
	projection      wire.OptString
	params          expr.Params
	ph              params.Placeholders

	table     *db.Table
	projector *expr.Projection // nil: whole items
	done      int              // keys answered; those after it are left over
	units     float64
}

var batchGetMembers = members[*batchGetRequest]{
	{Name: "RequestItems", Read: (*batchGetRequest).readRequestItems},
	{Name: "ReturnConsumedCapacity", Read: func(r *batchGetRequest, c *exec) error {
		return c.ReadString(&r.consumed)
	}},
}

func (r *batchGetRequest) readRequestItems(c *exec) error {
	r.set, r.tables = true, nil
	err := c.ReadObject(wire.InMap, wire.ShapePrefix+"KeysAndAttributes", func(table string) error {
		t := &batchGetTable{name: table}
		t.ph.Params = &t.params
		if len(r.tables) <= maxBatchKeys {
			r.tables = append(r.tables, t)
		}
		return c.ReadObject(wire.InElement, "KeysAndAttributes", func(name string) error { return t.member(c, name) })
	})
	r.tables = wire.LastOfEach(r.tables, func(t **batchGetTable) string { return (*t).name })
	return err
}

func (t *batchGetTable) member(c *exec, name string) error {
	switch name {
	case "Keys":
		t.keysSet, t.keys = true, t.keys[:0]
		return c.ReadList(func(int) error {
			var key wire.OptItem
			if err := c.nested(); err != nil {
				return err
			}
			err := c.ReadItem(&key)
			if len(t.keys) <= maxBatchKeys {
				t.keys = append(t.keys, key)
			}
			return err
		})
	case "AttributesToGet":
		return c.ReadStrings(&t.attributesToGet)
	case "ConsistentRead":
		return c.ReadBool(&t.consistent)
	case "ProjectionExpression":
		return c.ReadString(&t.projection)
	case "ExpressionAttributeNames":
		return t.ph.ReadNames(&c.Reader)
	}
	return c.Skip()
}

// BatchGetItem answers items by their keys, each a read of its own. Keys whose items do not fit the
// response are answered as UnprocessedKeys, which the client sends again.
func BatchGetItem(c *call.Call) error { return run(c, (*exec).batchGetItem) }

func (c *exec) batchGetItem() error {
	r := new(batchGetRequest)
	if err := wire.Decode(&c.Reader, r, c, batchGetMembers); err != nil {
		return err
	}
	if err := r.check(c); err != nil {
		return err
	}
	if err := r.open(c); err != nil {
		return err
	}
	c.BeginObject()
	if err := r.read(c); err != nil {
		return err
	}
	r.unprocessed(c)
	for _, t := range r.tables {
		c.Report.ReadUnits += t.units
	}
	if wantsConsumed(r.consumed) {
		var us usages
		for _, t := range r.tables {
			us.of(t.table).table += t.units
		}
		c.consumedList(r.consumed, us)
	}
	c.EndObject()
	return nil
}

// check makes the checks that need no table, in DynamoDB's order.
func (r *batchGetRequest) check(c *exec) error {
	if err := r.checkCounts(); err != nil {
		return err
	}
	if err := r.checkFamilies(); err != nil {
		return err
	}
	for _, t := range r.tables {
		if err := t.check(c); err != nil {
			return err
		}
	}
	for i, t := range r.tables {
		if t.repeats(r.tables[:i]) {
			return errDuplicateKeys
		}
	}
	return nil
}

// checkCounts checks the constraints of members and the numbers of keys.
func (r *batchGetRequest) checkCounts() error {
	var v violations
	if !r.set {
		v.Null("requestItems")
	}
	v.Enum(r.consumed, "returnConsumedCapacity", enumConsumed)
	keys := 0
	for _, t := range r.tables {
		v.batchTable(t.name)
		t.checkCounts(&v)
		keys += len(t.keys)
	}
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case len(r.tables) == 0:
		return wire.Validation("The requestItems parameter is required for BatchGetItem")
	case keys > maxBatchKeys:
		return wire.Validation("Too many items requested for the BatchGetItem call")
	}
	return nil
}

// checkCounts checks the constraints of a KeysAndAttributes. Those of Keys are worded without the
// value, and the maximum with the member's name in capitals (captured).
func (t *batchGetTable) checkCounts(v *violations) {
	path := "requestItems." + t.name + ".member."
	switch n := len(t.keys); {
	case !t.keysSet:
		v.Null(path + "keys")
	case n == 0:
		v.Note("Value at '" + path + "keys' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxBatchKeys:
		v.Note("Value at 'RequestItems." + t.name + ".member.Keys' failed to satisfy constraint: Member must have length less than or equal to " +
			strconv.Itoa(maxBatchKeys))
	}
	v.attributesToGet(t.attributesToGet, path+"attributesToGet", maxAttributesToGet)
}

// checkFamilies checks that the two kinds of projections are not mixed, even for different tables.
func (r *batchGetRequest) checkFamilies() error {
	legacy, expression := params.Parameter{Name: "AttributesToGet"}, params.Parameter{Name: "ProjectionExpression"}
	for _, t := range r.tables {
		legacy.Set = legacy.Set || t.attributesToGet.Set
		expression.Set = expression.Set || t.projection.Set
	}
	return params.Wording{}.CheckFamilies([]params.Parameter{legacy}, []params.Parameter{expression})
}

func (t *batchGetTable) check(c *exec) (err error) {
	p := projectionOf{attributesToGet: t.attributesToGet, expression: t.projection, ph: &t.ph}
	if err := p.checkParams(); err != nil {
		return err
	}
	if t.projector, err = p.projection(c); err != nil {
		return err
	}
	for i := range t.keys {
		if f := t.keys[i].Faults.Earliest(); f != nil {
			return wire.Validation(f.Message)
		}
	}
	return nil
}

// repeats tells whether a key is twice in t, or in t and in one of the others that is the same
// table by another name (an ARN). Keys are canonical: the numbers 1 and 1.0 are one key.
func (t *batchGetTable) repeats(others []*batchGetTable) bool {
	for i := range t.keys { // at most 100 in all
		if among(t.keys[:i], t.keys[i].V) {
			return true
		}
		for _, o := range others {
			if wire.BareTableName(o.name) == wire.BareTableName(t.name) && among(o.keys, t.keys[i].V) {
				return true
			}
		}
	}
	return false
}

func among(keys []wire.OptItem, key item.Item) bool {
	for i := range keys {
		if item.SameAttributes(keys[i].V, key) {
			return true
		}
	}
	return false
}

// open finds all tables, then checks the keys against them: on AWS a missing table comes before a
// wrong key of another one, and a denial before both.
func (r *batchGetRequest) open(c *exec) (err error) {
	var missing error
	for _, t := range r.tables {
		if t.table, err = c.TableAmong(t.name, t.want(c, r.consumed), &missing); err != nil {
			return err
		}
	}
	if missing != nil {
		return missing
	}
	for _, t := range r.tables {
		for i := range t.keys {
			if err := checkKey(t.table, t.keys[i].V); err != nil {
				return err
			}
		}
		if err := checkNested(t.table, t.projector.Nested()); err != nil {
			return err
		}
	}
	return nil
}

// errFull ends db.GetMany when the response is full. It is not answered.
var errFull = errors.New("api: the response is full")

// read reads the items and appends Responses.
func (r *batchGetRequest) read(c *exec) error {
	c.Name("Responses")
	c.BeginObject()
	room := batchRoom{c: c, begin: c.Length()}
	for _, t := range r.tables {
		c.NameQuoted(t.name)
		c.BeginList()
		if err := t.read(c, &room); err != nil && err != errFull {
			return err
		}
		c.EndList()
	}
	c.EndObject()
	return nil
}

// batchRoom is what a response has taken so far.
type batchRoom struct {
	c     *exec
	begin int // where in the answer it begins
	bytes int // of the items, in DynamoDB's sizes
	any   bool
	full  bool
}

// read reads the items of one table and appends them. Missing items are left out.
func (t *batchGetTable) read(c *exec, room *batchRoom) error {
	if room.full {
		return errFull
	}
	keys := make([]item.Item, len(t.keys))
	for i := range t.keys {
		keys[i] = t.keys[i].V
	}
	return c.DB.GetMany(c.Ctx, t.table, keys, t.consistent.V, func(i int, it item.Item) error {
		if it.Exists() {
			fits, err := t.append(c, room, it)
			if err != nil {
				return err
			}
			if !fits {
				room.full = true
				return errFull
			}
		}
		t.units += capacity.ReadUnits(it.Size(), t.consistent.V)
		c.Report.NoteItem(it.Exists())
		t.done = i + 1
		return nil
	})
}

// append appends an item if it fits the response. The first item always does: a client that sends
// UnprocessedKeys again would otherwise never come to an end.
func (t *batchGetTable) append(c *exec, room *batchRoom, it item.Item) (fits bool, err error) {
	if room.any && room.bytes+it.Size() > maxBatchBytes {
		return false, nil
	}
	room.bytes += it.Size()
	before := c.Length()
	c.Element()
	if t.projector != nil {
		it = t.projector.Apply(it)
	}
	if err := c.Encode(it.Size(), func() { c.Item(it) }); err != nil {
		if c.Truncate(before); room.any {
			err = nil // the items before it can be answered
		}
		return false, err
	}
	if room.any && c.Length()-room.begin > maxBatchBytes {
		c.Truncate(before)
		return false, nil
	}
	room.any = true
	return true, nil
}

// unprocessed appends UnprocessedKeys: the keys left over, with all other members that the request
// has for their tables, so that it can be sent again as it is.
func (r *batchGetRequest) unprocessed(c *exec) {
	c.Name("UnprocessedKeys")
	c.BeginObject()
	for _, t := range r.tables {
		if t.done == len(t.keys) {
			continue
		}
		c.NameQuoted(t.name)
		c.BeginObject()
		c.Name("Keys")
		c.BeginList()
		for i := t.done; i < len(t.keys); i++ {
			c.Element()
			c.Item(t.keys[i].V)
		}
		c.EndList()
		t.echo(c)
		c.EndObject()
	}
	c.EndObject()
}

// echo appends the members of the KeysAndAttributes but its Keys.
func (t *batchGetTable) echo(c *exec) {
	if t.attributesToGet.Set {
		c.Name("AttributesToGet")
		c.BeginList()
		for _, name := range t.attributesToGet.V {
			c.Element()
			c.Str(name)
		}
		c.EndList()
	}
	if t.consistent.Set {
		c.BooleanMember("ConsistentRead", t.consistent.V)
	}
	if t.projection.Set {
		c.StringMember("ProjectionExpression", t.projection.V)
	}
	if t.ph.NamesSet {
		c.Name("ExpressionAttributeNames")
		c.BeginObject()
		for _, n := range t.params.Names {
			c.NameQuoted(n.Key)
			c.Str(n.Name)
		}
		c.EndObject()
	}
}

// want is what the request wants of the table; empty if no policy is asked.
func (t *batchGetTable) want(c *exec, consumed wire.OptString) call.Want {
	if !c.Asks() {
		return call.Want{}
	}
	w := call.Want{
		Action: "BatchGetItem", Projection: t.projector, Select: selected(t.projector != nil), Consumed: consumed.V,
	}
	for i := range t.keys {
		w.Items = append(w.Items, t.keys[i].V)
	}
	return w
}
