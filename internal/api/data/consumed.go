package data

import (
	"math"
	"slices"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

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
func wantsConsumed(mode wire.OptString) bool { return mode.Set && mode.V != "NONE" }

// countsConsumed tells whether the capacity is to be summed up: for the answer, or for the log.
func (c *exec) countsConsumed(mode wire.OptString) bool { return wantsConsumed(mode) || c.Explain }

// consumed appends a ConsumedCapacity object. mode is TOTAL or INDEXES.
func (c *exec) consumed(mode, table string, u consumption) {
	c.BeginObject()
	c.StringMember("TableName", table)
	c.units(u.total(), u.kind)
	if mode == "INDEXES" {
		c.Name("Table")
		c.BeginObject()
		c.units(u.table, u.kind)
		c.EndObject()
		c.indexUnits("LocalSecondaryIndexes", u, db.LocalIndex)
		c.indexUnits("GlobalSecondaryIndexes", u, db.GlobalIndex)
	}
	c.EndObject()
}

// units appends the members of a Capacity object.
func (c *exec) units(f float64, kind string) {
	c.FloatMember("CapacityUnits", f)
	if kind != "" {
		c.Name(kind)
		c.Float(f)
	}
}

// indexUnits appends the map of the indexes of a kind in u, if there are any.
func (c *exec) indexUnits(member string, u consumption, kind db.IndexKind) {
	begun := false
	for _, x := range u.indexes {
		if x.Index.Kind != kind {
			continue
		}
		if !begun {
			c.Name(member)
			c.BeginObject()
			begun = true
		}
		c.NameQuoted(x.Index.Name)
		c.BeginObject()
		c.units(x.Units, u.kind)
		c.EndObject()
	}
	if begun {
		c.EndObject()
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
func (c *exec) collectionsList(cs collections) error {
	if len(cs) == 0 {
		return nil
	}
	c.Name("ItemCollectionMetrics")
	c.BeginObject()
	for _, of := range cs {
		c.NameQuoted(of.name)
		c.BeginList()
		for _, key := range of.keys {
			c.Element()
			if err := c.collectionMetrics(of.table, key); err != nil {
				return err
			}
		}
		c.EndList()
	}
	c.EndObject()
	return nil
}

// collectionMetrics appends an ItemCollectionMetrics object for the collection of the item with key.
func (c *exec) collectionMetrics(t *db.Table, key item.Item) error {
	size, err := c.DB.CollectionSize(t, key)
	if err != nil {
		return err
	}
	hash := t.Keys[0].Name
	low := math.Floor(float64(size) / (1 << 30))
	c.BeginObject()
	c.Name("ItemCollectionKey")
	c.BeginObject()
	c.NameQuoted(hash)
	c.Value(key.Get(hash))
	c.EndObject()
	c.Name("SizeEstimateRangeGB")
	c.BeginList()
	c.Float(low)
	c.Element()
	c.Float(low + 1)
	c.EndList()
	c.EndObject()
	return nil
}
