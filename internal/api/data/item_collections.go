package data

import (
	"math"
	"slices"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// collections are the item collections that a request on several tables has written to.
type collections []*collectionsOf

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

// collectionsOf are those of one table. Each of keys is a key or item in one of them.
type collectionsOf struct {
	name  string // as the request has it, maybe an ARN
	table *db.Table
	keys  []item.Item
}

// collectionsList appends the member ItemCollectionMetrics of a request on several tables, if there
// is anything to report.
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

// collectionMetrics appends an ItemCollectionMetrics object for the collection of the item with
// key.
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
