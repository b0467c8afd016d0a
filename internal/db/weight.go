package db

import (
	"cmp"
	"errors"
)

// The descriptors of all tables, and the streams, are kept in memory, with what is derived from
// them and with figures of each. What that takes is bounded, so that tables cannot be made until
// the process dies, or does not come up again: who asks for one more gets ErrCatalogFull.
//
// The weights were measured on tables with 0, 1 and 20 indexes and with 0 and 50 tags, with short
// names and with the longest; they are above what such tables take, by up to a third.
const (
	tableWeight     = 2000
	indexWeight     = 1200
	tagWeight       = 64
	attributeWeight = 48
	streamWeight    = 800
	// defaultCatalogMemory is Options.CatalogMemory where nothing is said.
	defaultCatalogMemory = 128 << 20
)

// ErrCatalogFull says that a table, an index, a stream or a tag more would take more memory than
// there is for the descriptors of all.
var ErrCatalogFull = errors.New("db: the memory for the descriptors of tables is full")

// textWeight is what strings of so many bytes together take: they stand in the descriptor and, in
// part, in what is derived from it.
func textWeight(bytes int) int64 { return int64(bytes + bytes/4) }

// weight is what a table of the descriptor takes in memory, in bytes, without its stream.
func (d *Descriptor) weight() int64 {
	text := 2*len(d.Name) + len(d.ResourcePolicy) + len(d.SSEKey)
	for _, a := range d.Attributes {
		text += len(a.Name)
	}
	for _, t := range d.Tags {
		text += len(t.Key) + len(t.Value)
	}
	for i := range d.Indexes {
		x := &d.Indexes[i]
		text += len(x.Name)
		for _, k := range x.Keys {
			text += len(k.Name)
		}
		for _, name := range x.NonKey {
			text += len(name)
		}
	}
	return tableWeight + indexWeight*int64(len(d.Indexes)) + tagWeight*int64(len(d.Tags)) +
		attributeWeight*int64(len(d.Attributes)) + textWeight(text)
}

// weight is what a stream takes in memory, in bytes.
func (l *Log) weight() int64 {
	return streamWeight + int64(16*len(l.Ends)) + textWeight(2*len(l.Table))
}

// weigh sets the weight of the catalog.
func (c *catalog) weigh() {
	c.weight = 0
	for _, t := range c.byID {
		c.weight += t.weight
	}
	for _, l := range c.logs {
		c.weight += l.weight()
	}
}

// admit refuses, with ErrCatalogFull, a table that takes so much more than the one that it replaces
// (nil: none) that there is no memory for it. What takes no more than before is always admitted.
// The caller holds d.schema.
func (d *DB) admit(old, new *Descriptor) error {
	more := new.weight()
	if new.StreamViewType != "" && (old == nil || old.StreamViewType == "") {
		more += streamWeight + textWeight(2*len(new.Name))
	}
	if old != nil {
		more -= old.weight()
	}
	if more > 0 && d.catalog.Load().weight+more > d.catalogMemory {
		return ErrCatalogFull
	}
	return nil
}

// catalogMemory is what the options say of the memory for descriptors.
func (o Options) catalogMemory() int64 { return cmp.Or(o.CatalogMemory, defaultCatalogMemory) }
