package data

import (
	"slices"
	"strconv"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/partiql"
	"github.com/partita-db/partita/internal/schema"
)

// The bounds of IN on the hash key (Developer Guide, "PartiQL operators").
const (
	maxInValues = 50
	// inPageItems is how many items a page of such a SELECT has at most.
	inPageItems = 10
)

// selection is one page of a SELECT: a read of one item, a Query, a Scan, or a Query for each of
// several values of the hash key.
type selection struct {
	read   db.Read        // Hash and After change from one Query to the next
	hashes [][]item.Value // of each Query; for a Scan one nil element
	point  bool           // the table's whole key is fixed: one item is read
	single bool           // each Query returns one item at most
	most   int            // items in the page; 0: no limit of its own

	at   position    // where the next page begins
	last item.Item   // LastEvaluatedKey, missing at the end
	used consumption // of this page
}

// newSelection plans the SELECT of an open statement. What the WHERE clause says of the key of the
// table or index decides how items are read. The order of checks is that of recorded answers.
func (c *exec) newSelection(s *statement, consistent bool) (*selection, error) {
	x := &selection{read: db.Read{Table: s.table, Consistent: consistent}}
	if err := x.resolve(c, s.Index); err != nil {
		return nil, err
	}
	keys := s.table.KeySchema(x.read.Index)
	use := s.keyUse(keys)
	if err := x.order(s, keys, &use); err != nil {
		return nil, err
	}
	if err := checkKeyUse(s.table, keys, &use); err != nil {
		return nil, err
	}
	x.read.Filter = use.Filter
	c.how.use, c.how.keys = use, keys
	if err := x.checkProjected(s, &use); err != nil {
		return nil, err
	}
	return x, x.plan(s, keys, &use)
}

// resolve finds the index, if the statement names one, and checks that it can be read. Query has
// the same checks with other words (readRequest.resolve).
func (x *selection) resolve(c *exec, name string) error {
	if name == "" {
		return nil
	}
	index := x.read.Table.Index(name)
	if index == nil || index.Dropping {
		return wire.Validation("The table does not have the specified index")
	}
	if index.Kind == schema.GlobalIndex && x.read.Consistent {
		return wire.Validation("Strongly consistent read is not supported on Global Secondary Indexes")
	}
	x.read.Index = index
	c.Report.Index = index.Name
	return c.checkBuilt(x.read.Table, index)
}

// plan chooses how items are read.
func (x *selection) plan(s *statement, keys []schema.KeyElement, use *partiql.KeyUse) error {
	if use.Hash == nil {
		x.hashes = [][]item.Value{nil}
		return nil
	}
	x.hashes, x.read.Range = append(x.hashes, use.Hash...), use.Range
	if len(use.Hash) > maxInValues { // the words are ours
		return wire.Validation("The IN operator on a hash key is provided with too many values; number of values: " +
			strconv.Itoa(len(use.Hash)) + ", maximum: " + strconv.Itoa(maxInValues))
	}
	if use.In {
		x.most = inPageItems
	}
	if x.read.Index != nil {
		return nil
	}
	equal := !slices.ContainsFunc(use.Range, func(p expr.KeyPart) bool { return p.Operator != expr.EQ })
	x.single = equal && 1+len(use.Range) == len(keys)
	if use.Full {
		x.point = true
		s.take(use)
	}
	return nil
}

// order checks ORDER BY and puts it into the read. Rows of one hash key are in the order of the
// range key. With IN, the rows of one hash key are followed by those of the next: in the order of
// the hash key if ORDER BY names it, otherwise in the order written.
func (x *selection) order(s *statement, keys []schema.KeyElement, use *partiql.KeyUse) error {
	if len(s.Order) == 0 {
		return nil
	}
	if use.Hash == nil {
		return wire.Validation("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
	}
	ranged := false
	for _, term := range s.Order {
		i := slices.IndexFunc(keys, func(k schema.KeyElement) bool { return k.Name == term.Attribute })
		switch {
		case i < 0:
			return wire.Validation("Variable reference " + term.Attribute + " in ORDER BY clause must be part of the primary key")
		case !keys[i].Range:
			sortHashes(use.Hash, i, term.Descending)
		case !ranged:
			x.read.Reverse, ranged = term.Descending, true
		}
	}
	if !ranged {
		x.read.Reverse = s.Order[0].Descending
	}
	return nil
}

// sortHashes sorts the values of the hash key by their attribute i.
func sortHashes(hashes [][]item.Value, i int, descending bool) {
	slices.SortStableFunc(hashes, func(a, b []item.Value) int {
		order, _ := item.Compare(a[i], b[i])
		if descending {
			return -order
		}
		return order
	})
}

// checkProjected checks that the index has the attributes that the statement names. A local index
// has those of the SELECT clause fetched from the table. SELECT * returns what the index has.
func (x *selection) checkProjected(s *statement, use *partiql.KeyUse) error {
	t, index := x.read.Table, x.read.Index
	if index == nil || index.Projection == schema.ProjectionAll {
		return nil
	}
	if missing := unprojected(t, index, s.Attributes()); len(missing) > 0 {
		if index.Kind == schema.GlobalIndex {
			slices.Sort(missing)
			return wire.Validation(wire.Invalid + "Global secondary index " + index.Name +
				" does not project [" + strings.Join(missing, ", ") + "]")
		}
		x.read.Fetch = true
	}
	// In a Scan, and with alternatives, attributes that the index does not have count as missing
	// (recorded answers).
	if use.Hash == nil || use.In || use.Filter == nil || use.Filter.HasAlternatives() {
		return nil
	}
	return checkFilterProjected(&x.read)
}

// begin moves the selection to the position of a NextToken. The token is from the client, so its
// key is checked against the schema, which can also have changed since.
func (x *selection) begin(at position) error {
	if at.value >= len(x.hashes) || at.after.Exists() && !isReadKey(x.read.Table, x.read.Index, at.after) {
		return errNextToken
	}
	x.at = at
	return nil
}

// isReadKey tells whether an item can be the LastEvaluatedKey of a read of the index (nil: the
// table).
func isReadKey(t *db.Table, index *schema.Index, key item.Item) bool {
	names := t.ReadKeys(index)
	return key.Len() == len(names) && !slices.ContainsFunc(names, func(name string) bool {
		return key.Get(name).Type() != t.AttributeType(name)
	})
}

// run appends the items of a page, with commas between them.
func (x *selection) run(c *exec, s *statement) error {
	if x.point {
		return x.get(c, s)
	}
	emit := x.emit(c, s)
	for ; x.at.value < len(x.hashes); x.at = (position{value: x.at.value + 1}) {
		x.read.Hash, x.read.After = x.hashes[x.at.value], x.at.after
		page, err := c.DB.Read(c.Ctx, &x.read, emit)
		if err != nil {
			return err
		}
		x.used.addAll(pageConsumption(&x.read, page))
		c.Report.NotePage(page)
		if page.Last.Exists() {
			x.stop(page.Last)
			return nil
		}
		x.read.Spent += page.Bytes
		if x.read.Limit > 0 {
			x.read.Limit -= page.Scanned // stays above 0: at the Limit a page has a Last
		}
	}
	return nil
}

// stop ends the page after the row with the key. After the last possible row of a hash key the next
// page begins with the next one, and after the last of these there is no next page.
func (x *selection) stop(last item.Item) {
	x.at.after = last
	if x.single {
		x.at = position{value: x.at.value + 1}
	}
	if x.at.value < len(x.hashes) {
		x.last = last
	}
}

// emit returns the function that appends an item, and says whether the page has room for more.
func (x *selection) emit(c *exec, s *statement) func(item.Item) (bool, error) {
	begin, n := c.Length(), 0
	return func(it item.Item) (bool, error) {
		c.Element()
		more, err := c.EncodeRow(it.Size(), func() { c.Out = s.AppendJSON(c.Out, it) })
		n++
		return more && n != x.most && c.Length()-begin < maxPageBytes, err
	}
}

// get appends the one item, if it is there and meets the rest of the WHERE clause.
func (x *selection) get(c *exec, s *statement) error {
	size, err := c.getStatement(s, x.read.Consistent, func(it item.Item) {
		c.Out = s.AppendJSON(c.Out, it)
	})
	x.used.table = capacity.ReadUnits(size, x.read.Consistent)
	return err
}

// getStatement reads the item that a SELECT with a fixed key is about, and calls found to append it
// if it exists and meets the rest of the WHERE clause. It returns the size of the item read, which
// is charged in either case. The read can run again, and then what it appended is replaced.
func (c *exec) getStatement(s *statement, consistent bool, found func(item.Item)) (size int, err error) {
	start := c.Length()
	err = c.DB.Get(c.Ctx, s.table, s.key, consistent, func(it item.Item) error {
		c.Truncate(start)
		size = it.Size()
		if !s.matches(it) {
			return nil
		}
		return c.Encode(it.Size(), func() { found(it) })
	})
	c.Report.NoteItem(size > 0)
	return size, err
}
