package data

import (
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// consumption is the capacity that a request used on one table.
type consumption struct {
	table   float64
	indexes []db.IndexUnits
	kind    string // transactions: ReadCapacityUnits or WriteCapacityUnits, a member that repeats all units
}

func (u consumption) total() float64 {
	total := u.table
	for i := range u.indexes {
		total += u.indexes[i].Units
	}
	return total
}

func (u *consumption) add(w db.WriteUnits) {
	u.table += w.Table
	for _, x := range w.Indexes {
		u.addIndex(x)
	}
}

func (u *consumption) addIndex(x db.IndexUnits) {
	for i := range u.indexes {
		if u.indexes[i].Index.Name == x.Index.Name {
			u.indexes[i].Units += x.Units
			return
		}
	}
	u.indexes = append(u.indexes, x)
}

// wantsConsumed tells whether a checked ReturnConsumedCapacity asks for ConsumedCapacity.
func wantsConsumed(mode wire.OptString) bool { return mode.Set && mode.V != "NONE" }

// countsConsumed tells whether a request on several items is to sum up its capacity: for the
// answer, or for the log.
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
		c.indexUnits("LocalSecondaryIndexes", u, schema.LocalIndex)
		c.indexUnits("GlobalSecondaryIndexes", u, schema.GlobalIndex)
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

// indexUnits appends the map of the indexes of a kind that were used, if there are any.
func (c *exec) indexUnits(member string, u consumption, kind schema.IndexKind) {
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

// usages are what a batch used of each table.
type usages []*usageOf

// of returns the usage of a table, to be added to.
func (us *usages) of(t *db.Table) *usageOf {
	for _, u := range *us {
		if u.name == t.Name {
			return u
		}
	}
	u := &usageOf{name: t.Name}
	*us = append(*us, u)
	return u
}

func (us usages) total() float64 {
	total := 0.0
	for _, u := range us {
		total += u.consumption.total()
	}
	return total
}

// usageOf is what a batch used of one table.
type usageOf struct {
	name string
	consumption
}

// consumedList appends the member ConsumedCapacity of a request on several tables, in the order of
// their names, if it was asked for.
func (c *exec) consumedList(mode wire.OptString, us usages) {
	if !wantsConsumed(mode) {
		return
	}
	slices.SortFunc(us, func(a, b *usageOf) int { return strings.Compare(a.name, b.name) })
	c.Name("ConsumedCapacity")
	c.BeginList()
	for _, u := range us {
		c.Element()
		c.consumed(mode.V, u.name, u.consumption)
	}
	c.EndList()
}

// pageConsumption is the capacity that a page used: on the table, or on the index and for what was
// fetched from the table beside it.
func pageConsumption(r *db.Read, page db.Page) consumption {
	table, index := r.Units(&page)
	if r.Index == nil {
		return consumption{table: table}
	}
	return consumption{table: table, indexes: []db.IndexUnits{{Index: r.Index, Units: index}}}
}

// addAll adds what another part of the request used.
func (u *consumption) addAll(v consumption) {
	u.table += v.table
	for _, x := range v.indexes {
		u.addIndex(x)
	}
}
