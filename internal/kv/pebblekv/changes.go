package pebblekv

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/rowcache"
)

// changes are the operations of a batch. They stay readable after it was applied.
type changes batchrepr.Reader

func changesOf(b *pebble.Batch) changes { return changes(b.Reader()) }

// rows calls fn for each row of the database's that is changed.
func (ch changes) rows(fn func(hash uint64, key, row []byte, change rowcache.Change)) {
	r := batchrepr.Reader(ch)
	for {
		kind, key, value, ok, err := r.Next()
		if err != nil {
			panic(err) // the batch is our own
		}
		if !ok {
			return
		}
		if len(key) > 0 && key[0] < kv.ReservedPrefix {
			change := rowcache.Removed
			if kind == pebble.InternalKeyKindSet {
				change = rowcache.Replaced
			}
			fn(rowcache.Hash(key), key, value, change)
		}
	}
}

func (ch changes) begin(c *rowcache.Cache) {
	if c != nil {
		ch.rows(func(hash uint64, _, _ []byte, _ rowcache.Change) { c.Begin(hash) })
	}
}

// end ends all changes. Where a batch changes a row twice the last one counts: until then its slot
// is closed.
func (ch changes) end(c *rowcache.Cache) {
	if c != nil {
		ch.rows(c.End)
	}
}
