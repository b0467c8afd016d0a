package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// tableRequest is a request with nothing but a TableName: DescribeTable's and DeleteTable's.
type tableRequest struct{ table wire.OptString }

// tableMembers are the members, in the order of the service model.
var tableMembers = members[*tableRequest]{
	{Name: "TableName", Read: func(r *tableRequest, c op) error { return c.ReadString(&r.table) }},
}

// check checks the name of the table.
func (r *tableRequest) check() error {
	if err := tableRequired(r.table); err != nil {
		return err
	}
	var v violations
	v.controlTable(r.table)
	return v.Err()
}

// DescribeTable answers DescribeTable.
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
