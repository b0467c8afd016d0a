package api

import (
	"math"
	"slices"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// open begins an object in the answer, and close ends it.
func (c *call) open()  { c.out = append(c.out, '{') }
func (c *call) close() { c.out = append(c.out, '}') }

// key appends the name of the next member of the object being written, with the comma before it.
func (c *call) key(name string) {
	if n := len(c.out); n > 0 && c.out[n-1] != '{' {
		c.out = append(c.out, ',')
	}
	c.out = append(c.out, '"')
	c.out = append(c.out, name...) // names of ours: nothing to escape
	c.out = append(c.out, '"', ':')
}

// keyQuoted is key for names that come from users.
func (c *call) keyQuoted(name string) {
	if n := len(c.out); n > 0 && c.out[n-1] != '{' {
		c.out = append(c.out, ',')
	}
	c.out = append(item.AppendQuoted(c.out, name), ':')
}

// consumption is the capacity that a request used on one table.
type consumption struct {
	table   float64
	indexes []db.IndexUnits
	kind    string // of a transaction: ReadCapacityUnits or WriteCapacityUnits, a member that repeats all units
}

// total is the sum of the units, of the table and its indexes.
func (u consumption) total() float64 {
	total := u.table
	for i := range u.indexes {
		total += u.indexes[i].Units
	}
	return total
}

// add adds what a write used.
func (u *consumption) add(w db.WriteUnits) {
	u.table += w.Table
	for _, x := range w.Indexes {
		u.addIndex(x)
	}
}

// addIndex adds units of one index.
func (u *consumption) addIndex(x db.IndexUnits) {
	for i := range u.indexes {
		if u.indexes[i].Index.Name == x.Index.Name {
			u.indexes[i].Units += x.Units
			return
		}
	}
	u.indexes = append(u.indexes, x)
}

// wantsConsumed tells whether a checked ReturnConsumedCapacity asks for anything.
func wantsConsumed(mode optString) bool { return mode.Set && mode.V != "NONE" }

// countsConsumed tells whether the capacity is to be summed up: for the answer, or for the log.
func (c *call) countsConsumed(mode optString) bool { return wantsConsumed(mode) || c.explain }

// consumed appends a ConsumedCapacity object. mode is TOTAL or INDEXES.
func (c *call) consumed(mode, table string, u consumption) {
	c.open()
	c.key("TableName")
	c.out = item.AppendQuoted(c.out, table)
	c.units(u.total(), u.kind)
	if mode == "INDEXES" {
		c.key("Table")
		c.open()
		c.units(u.table, u.kind)
		c.close()
		c.indexUnits("LocalSecondaryIndexes", u, db.LocalIndex)
		c.indexUnits("GlobalSecondaryIndexes", u, db.GlobalIndex)
	}
	c.close()
}

// units appends the members of a Capacity object.
func (c *call) units(f float64, kind string) {
	c.key("CapacityUnits")
	c.out = appendFloat(c.out, f)
	if kind != "" {
		c.key(kind)
		c.out = appendFloat(c.out, f)
	}
}

// indexUnits appends the map of the indexes of a kind in u, if there are any.
func (c *call) indexUnits(member string, u consumption, kind db.IndexKind) {
	begun := false
	for _, x := range u.indexes {
		if x.Index.Kind != kind {
			continue
		}
		if !begun {
			c.key(member)
			c.open()
			begun = true
		}
		c.keyQuoted(x.Index.Name)
		c.open()
		c.units(x.Units, u.kind)
		c.close()
	}
	if begun {
		c.close()
	}
}

// collections are the item collections that a request on several tables has written to.
type collections []*collectionsOf

// collectionsOf are those of one table. Each of keys is an item, or key, of one of them.
type collectionsOf struct {
	name  string // as the request has it, maybe an ARN
	table *db.Table
	keys  []item.Item
}

// add notes the collection of an item, if its table has item collections.
func (cs *collections) add(name string, t *db.Table, it item.Item) {
	if !t.HasLocalIndex() {
		return
	}
	i := slices.IndexFunc(*cs, func(of *collectionsOf) bool { return of.name == name })
	if i < 0 {
		i = len(*cs)
		*cs = append(*cs, &collectionsOf{name: name, table: t})
	}
	hash := t.Keys[0].Name
	of := (*cs)[i]
	if !slices.ContainsFunc(of.keys, func(key item.Item) bool { return item.Equal(key.Get(hash), it.Get(hash)) }) {
		of.keys = append(of.keys, it)
	}
}

// collectionsList appends the member ItemCollectionMetrics of a request on several tables, if there is anything to report.
func (c *call) collectionsList(cs collections) error {
	if len(cs) == 0 {
		return nil
	}
	c.key("ItemCollectionMetrics")
	c.open()
	for _, of := range cs {
		c.keyQuoted(of.name)
		for i, key := range of.keys {
			c.out = append(c.out, "[,"[min(i, 1)])
			if err := c.collectionMetrics(of.table, key); err != nil {
				return err
			}
		}
		c.out = append(c.out, ']')
	}
	c.close()
	return nil
}

// collectionMetrics appends an ItemCollectionMetrics object for the collection of the item with key.
func (c *call) collectionMetrics(t *db.Table, key item.Item) error {
	size, err := c.db.CollectionSize(t, key)
	if err != nil {
		return err
	}
	hash := t.Keys[0].Name
	low := math.Floor(float64(size) / (1 << 30))
	c.open()
	c.key("ItemCollectionKey")
	c.open()
	c.keyQuoted(hash)
	c.out = key.Get(hash).AppendJSON(c.out)
	c.close()
	c.key("SizeEstimateRangeGB")
	c.out = append(c.out, '[')
	c.out = append(appendFloat(c.out, low), ',')
	c.out = append(appendFloat(c.out, low+1), ']')
	c.close()
	return nil
}
