package db

import (
	"fmt"

	"github.com/partita-db/partita/internal/invariants"
	"github.com/partita-db/partita/internal/item"
)

// mustBeCanonical panics, in builds with invariants, if an item that is about to be stored is not
// canonical: equal items would not be equal bytes, and the check would call the row damaged. What
// came of an item that was damaged on the disk may be damaged as well.
func mustBeCanonical(row []byte, from, it item.Item) {
	if !invariants.Enabled || from.Verify() != nil {
		return
	}
	if err := it.Verify(); err != nil {
		panic(fmt.Sprintf("db: row %x: what is stored is not canonical: %v", row, err))
	}
}
