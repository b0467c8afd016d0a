package data

import (
	"strings"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/params"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// maxPageBytes is the size of the encoded items at which a page ends. The limit of 1 MB is one of
// evaluated rows and does not limit the body: a number that takes two bytes of a row can have more
// than a hundred in JSON.
const maxPageBytes = 16 << 20

// readRequest is what Query and Scan share: members, and what the checks make of them.
type readRequest struct {
	tableName, indexName, sel, consumed wire.OptString
	limit                               wire.OptInt
	consistent                          wire.OptBool
	start                               wire.OptItem // ExclusiveStartKey
	attributesToGet                     wire.OptStrings
	projectionText, filterText          wire.OptString
	legacyFilter                        params.LegacyConditions // QueryFilter or ScanFilter
	conditional                         wire.OptString          // ConditionalOperator

	read       db.Read
	begin      int              // the length of the answer before the items
	projection *expr.Projection // nil: whole items
	plain      bool             // the projection has whole attributes only, so no item need be made
}

// The members that the requests with a readRequest share.
func (r *readRequest) readTableName(c *exec) error                 { return c.ReadString(&r.tableName) }
func (r *readRequest) readIndexName(c *exec) error                 { return c.ReadString(&r.indexName) }
func (r *readRequest) readSelect(c *exec) error                    { return c.ReadString(&r.sel) }
func (r *readRequest) readAttributesToGet(c *exec) error           { return c.ReadStrings(&r.attributesToGet) }
func (r *readRequest) readLimit(c *exec) error                     { return c.ReadInt(&r.limit, "Integer") }
func (r *readRequest) readConsistentRead(c *exec) error            { return c.ReadBool(&r.consistent) }
func (r *readRequest) readConditionalOperator(c *exec) error       { return c.ReadString(&r.conditional) }
func (r *readRequest) readExclusiveStartKey(c *exec) error         { return c.ReadItem(&r.start) }
func (r *readRequest) readReturnConsumedCapacity(c *exec) error    { return c.ReadString(&r.consumed) }
func (r *readRequest) readProjectionExpression(c *exec) error      { return c.ReadString(&r.projectionText) }
func (r *readRequest) readFilterExpression(c *exec) error          { return c.ReadString(&r.filterText) }
func (r *readRequest) readExpressionAttributeNames(c *exec) error  { return c.ph.ReadNames(&c.Reader) }
func (r *readRequest) readExpressionAttributeValues(c *exec) error { return c.ph.ReadValues(&c.Reader) }

// count tells whether only counts are answered.
func (r *readRequest) count() bool { return r.sel.V == "COUNT" }

// checkLegacyFilter checks QueryFilter or ScanFilter, and the operator that combines it.
func (r *readRequest) checkLegacyFilter() error {
	if err := r.legacyFilter.CheckFilter(); err != nil {
		return err
	}
	return r.legacyFilter.CheckConditionalOperator(r.conditional)
}

// bindFilter makes read.Filter of FilterExpression or its legacy form; nil if neither was sent.
func (r *readRequest) bindFilter(c *exec) error {
	if !r.filterText.Set {
		r.read.Filter = r.legacyFilter.Condition(r.conditional)
		return nil
	}
	filter, err := c.DB.Expressions().Condition(expr.KindFilter, r.filterText.V, &c.params)
	r.read.Filter = filter
	return params.Wording{}.Expression(err)
}

// bindProjection makes the projection of ProjectionExpression or its legacy form.
func (r *readRequest) bindProjection(c *exec) error {
	if !r.projectionText.Set {
		if r.attributesToGet.Set {
			r.projection, r.plain = expr.NewProjection(r.attributesToGet.V), true
		}
		return nil
	}
	projection, err := c.DB.Expressions().Projection(r.projectionText.V, &c.params)
	r.projection = projection
	r.plain = !strings.ContainsAny(r.projectionText.V, ".[") // in the name of a placeholder they mean nothing
	return params.Wording{}.Expression(err)
}

// checkSelect checks that Select agrees with the other parameters that say what is returned. shown
// is for the one error that the two operations word differently.
func (r *readRequest) checkSelect(shown params.Wording) error {
	asked := ""
	switch {
	case r.projectionText.Set:
		asked = "ProjectionExpression"
	case r.attributesToGet.Set:
		asked = "AttributesToGet"
	}
	switch r.sel.V {
	case "":
	case "SPECIFIC_ATTRIBUTES":
		if asked == "" {
			return shown.Static("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		}
	case "COUNT":
		if asked != "" {
			return wire.Validation("Cannot specify the " + asked + " when choosing to get only the Count")
		}
	default:
		if asked != "" {
			return wire.Validation("Cannot specify the " + asked + " when choosing to get " + r.sel.V)
		}
		if r.sel.V == "ALL_PROJECTED_ATTRIBUTES" && !r.indexName.Set {
			return wire.Validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
		}
	}
	return nil
}

// resolve finds the table and the index, and checks that the index can be read with the parameters.
// w is what the policy is asked for.
func (r *readRequest) resolve(c *exec, w call.Want) error {
	t, err := c.TableFor(r.tableName.V, w)
	if err != nil {
		return err
	}
	r.read.Table = t
	r.read.Consistent = r.consistent.V
	r.read.Limit = int(r.limit.V)
	if !r.indexName.Set {
		return nil
	}
	x := t.Index(r.indexName.V)
	if x == nil || x.Dropping {
		return wire.Validation("The table does not have the specified index: " + r.indexName.V)
	}
	if x.Kind == schema.GlobalIndex && r.consistent.V {
		return wire.Validation("Consistent reads are not supported on global secondary indexes")
	}
	r.read.Index = x
	c.Report.Index = x.Name
	return c.checkBuilt(t, x)
}

// checkBuilt checks that an index is complete: a read of one that is still being built would miss
// items.
func (c *exec) checkBuilt(t *db.Table, x *schema.Index) error {
	if status, _ := t.IndexStatus(x, c.DB.Now()); status == schema.StatusCreating {
		return wire.Validation("Cannot read from backfilling global secondary index: " + x.Name)
	}
	return nil
}

// checkPaths checks that filter and projection do not look into keys.
func (r *readRequest) checkPaths() error {
	if err := checkNested(r.read.Table, r.read.Filter.Nested()); err != nil {
		return err
	}
	return checkNested(r.read.Table, r.projection.Nested())
}

// checkProjected checks that the index has the attributes to be returned. A local index has those
// that it lacks fetched from the table.
func (r *readRequest) checkProjected() error {
	t, x := r.read.Table, r.read.Index
	if x == nil || x.Projection == schema.ProjectionAll {
		return nil
	}
	if r.sel.V == "ALL_ATTRIBUTES" {
		if x.Kind == schema.GlobalIndex {
			return wire.Validation(wire.Invalid + "Select type ALL_ATTRIBUTES is not supported for global secondary index " + x.Name +
				" because its projection type is not ALL")
		}
		r.read.Fetch = true
	}
	if r.projection == nil {
		return nil
	}
	missing := unprojected(t, x, r.projection.Attributes())
	if len(missing) == 0 {
		return nil
	}
	if x.Kind == schema.GlobalIndex {
		return wire.Validation(wire.Invalid + "Global secondary index " + x.Name +
			" does not project [" + strings.Join(missing, ", ") + "]")
	}
	r.read.Fetch = true
	return nil
}

// answer runs the read and writes its answer.
func (r *readRequest) answer(c *exec) error {
	c.BeginObject()
	emit := countOnly
	if !r.count() {
		c.Name("Items")
		c.BeginList()
		r.begin, c.page, emit = c.Length(), r, c.showRow
	}
	page, err := c.DB.Read(c.Ctx, &r.read, emit)
	if err != nil {
		return err
	}
	c.Report.NotePage(page)
	if !r.count() {
		c.EndList()
	}
	c.IntegerMember("Count", int64(page.Count))
	c.IntegerMember("ScannedCount", int64(page.Scanned))
	if page.Last.Exists() && !r.atMostOne() {
		c.Name("LastEvaluatedKey")
		c.Item(page.Last)
	}
	if c.countsConsumed(r.consumed) {
		r.answerConsumed(c, pageConsumption(&r.read, page))
	}
	c.EndObject()
	return nil
}

// answerConsumed notes the capacity in the report, and answers it if that was asked for.
func (r *readRequest) answerConsumed(c *exec, used consumption) {
	c.Report.NoteRead(used.total())
	if wantsConsumed(r.consumed) {
		c.Name("ConsumedCapacity")
		c.consumed(r.consumed.V, r.read.Table.Name, used)
	}
}

// countOnly takes the items of a Select COUNT.
func countOnly(item.Item) (more bool, err error) { return true, nil }

// appendRow appends an item to the Items of c.page, and says whether the page has room for more.
// The item is encoded while package db holds the row, without a copy.
func (c *exec) appendRow(it item.Item) (more bool, err error) {
	r := c.page
	c.Element()
	more, err = c.EncodeRow(it.Size(), func() { r.append(c, it) })
	return more && c.Length()-r.begin < maxPageBytes, err
}

// append appends an item, or the attributes of it that were asked for.
func (r *readRequest) append(c *exec, it item.Item) {
	switch {
	case r.projection == nil:
		c.Item(it)
	case r.plain:
		c.attributes(it, r.projection.Attributes())
	default:
		c.Item(r.projection.Apply(it))
	}
}

// attributes appends the named attributes of an item, in one walk over both, which are sorted. It
// makes no item of them, as a projection would: Query and Scan do this for each row.
func (c *exec) attributes(it item.Item, names []string) {
	c.BeginObject()
	for name, v := range it.Attributes() {
		for len(names) > 0 && names[0] < name {
			names = names[1:]
		}
		if len(names) == 0 {
			break
		}
		if names[0] == name {
			c.NameQuoted(name)
			c.Value(v)
		}
	}
	c.EndObject()
}

// atMostOne tells whether this is a Query of a table without a sort key. Such a read has no
// LastEvaluatedKey, whatever its Limit: DynamoDB rejects an ExclusiveStartKey after its one item
// (checkStartBounds), so a client that pages until the end would get that error.
func (r *readRequest) atMostOne() bool {
	return r.read.Hash != nil && r.read.Index == nil && len(r.read.Table.Keys) == 1
}

// want is what Query or Scan wants. The ExclusiveStartKey has no attributes beyond those that Pages
// adds.
func (r *readRequest) want(action string) call.Want {
	w := call.Want{
		Action: action, Index: r.indexName.V, Pages: true, Condition: r.read.Filter, Projection: r.projection,
		Consumed: r.consumed.V,
	}
	switch {
	case r.sel.Set:
		w.Select = r.sel.V
	case r.projection == nil && r.indexName.Set:
		w.Select = "ALL_PROJECTED_ATTRIBUTES"
	default:
		w.Select = selected(r.projection != nil)
	}
	return w
}
