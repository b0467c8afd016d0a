package db

import (
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/schema"
)

// Table is a table as it stands at one moment: what its descriptor says, and what is alive of it.
// It never changes; a schema change makes a new one. Holding an old one is fine: writes notice and
// plan anew.
type Table struct {
	schema.Table
	shards int            // of the stream that it writes
	weight int64          // what it takes in memory, in bytes
	meter  *metrics.Table // nil: nothing is counted
	// meters are those of Indexes, in the same order, if there is a meter.
	meters []*metrics.Index
}

// newTable derives a Table. It takes the descriptor over.
func newTable(desc *schema.Descriptor) *Table {
	return &Table{Table: *schema.NewTable(desc), weight: desc.Weight()}
}

// meterOf is the meter of one of the table's indexes. The table has a meter.
func (t *Table) meterOf(x *schema.Index) *metrics.Index {
	for i := range t.Indexes {
		if t.Indexes[i].ID == x.ID {
			return t.meters[i]
		}
	}
	panic("db: index " + x.Name + " is not one of table " + t.Name)
}
