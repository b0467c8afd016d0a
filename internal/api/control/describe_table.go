package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// DescribeTable answers DescribeTable, for a table in any state.
func DescribeTable(cl *call.Call) error {
	c := op{cl}
	r := new(tableRequest)
	if err := wire.Decode(&c.Reader, r, c, tableMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	t, err := c.lookupFor("DescribeTable", r.table.V)
	if err != nil {
		return err
	}
	c.describe("Table", newDescription(t, c.DB.Now()))
	return nil
}
