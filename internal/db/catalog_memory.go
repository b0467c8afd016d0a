package db

import (
	"cmp"
	"errors"

	"github.com/partita-db/partita/internal/schema"
)

// The descriptors of all tables, and the streams, are kept in memory, with what is derived from
// them and with figures of each. What that takes is bounded, so that tables cannot be made until
// the process dies, or does not come up again: who asks for one more gets ErrCatalogFull.

// defaultCatalogMemory is Options.CatalogMemory where nothing is said.
const defaultCatalogMemory = 128 << 20

// ErrCatalogFull says that a table, an index, a stream or a tag more would take more memory than
// there is for the descriptors of all.
var ErrCatalogFull = errors.New("db: the memory for the descriptors of tables is full")

func (c *catalog) weigh() {
	c.weight = 0
	for _, t := range c.byID {
		c.weight += t.weight
	}
	for _, s := range c.streams {
		c.weight += s.Weight()
	}
}

// admit refuses, with ErrCatalogFull, a table that takes so much more than the one that it replaces
// (nil: none) that there is no memory for it. What takes no more than before is always admitted.
// The caller holds d.schema.
func (d *DB) admit(old, new *schema.Descriptor) error {
	more := new.Weight()
	if new.StreamViewType != "" && (old == nil || old.StreamViewType == "") {
		more += new.NewStreamWeight()
	}
	if old != nil {
		more -= old.Weight()
	}
	if more > 0 && d.catalog.Load().weight+more > d.catalogMemory {
		return ErrCatalogFull
	}
	return nil
}

// catalogMemory is what the options say of the memory for descriptors.
func (o Options) catalogMemory() int64 { return cmp.Or(o.CatalogMemory, defaultCatalogMemory) }
