package api

import (
	"math"

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

// readUnits are the capacity units of reading n bytes.
func readUnits(n int64, consistent bool) float64 {
	units := math.Max(1, math.Ceil(float64(n)/4096))
	if consistent {
		return units
	}
	return units / 2
}

// consumption is the capacity that a request used on one table.
type consumption struct {
	table   float64
	indexes []db.IndexUnits
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

// consumed appends a ConsumedCapacity object. mode is TOTAL or INDEXES.
func (c *call) consumed(mode, table string, u consumption) {
	total := u.table
	for _, x := range u.indexes {
		total += x.Units
	}
	c.open()
	c.key("TableName")
	c.out = item.AppendQuoted(c.out, table)
	c.key("CapacityUnits")
	c.out = appendFloat(c.out, total)
	if mode == "INDEXES" {
		c.key("Table")
		c.units(u.table)
		c.indexUnits("LocalSecondaryIndexes", u.indexes, true)
		c.indexUnits("GlobalSecondaryIndexes", u.indexes, false)
	}
	c.close()
}

// units appends a Capacity object.
func (c *call) units(f float64) {
	c.out = append(c.out, `{"CapacityUnits":`...)
	c.out = append(appendFloat(c.out, f), '}')
}

// indexUnits appends the map of the local or the global indexes among us, if there are any.
func (c *call) indexUnits(member string, us []db.IndexUnits, local bool) {
	begun := false
	for _, x := range us {
		if x.Index.Local != local {
			continue
		}
		if !begun {
			c.key(member)
			c.open()
			begun = true
		}
		c.keyQuoted(x.Index.Name)
		c.units(x.Units)
	}
	if begun {
		c.close()
	}
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
