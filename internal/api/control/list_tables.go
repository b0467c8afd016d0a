package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type listTablesRequest struct {
	start wire.OptString
	limit wire.OptInt
}

var listTablesMembers = members[*listTablesRequest]{
	{Name: "ExclusiveStartTableName", Read: func(r *listTablesRequest, c op) error { return c.ReadString(&r.start) }},
	{Name: "Limit", Read: func(r *listTablesRequest, c op) error { return c.ReadInt(&r.limit, "Integer") }},
}

// maxListed is the largest page of ListTables, and the default.
const maxListed = 100

// check checks the constraints. For the start name AWS reports the pattern before the length, and
// for a TableName after it.
func (r *listTablesRequest) check() error {
	var v violations
	if r.start.Set {
		const path = "exclusiveStartTableName"
		if !wire.IsName(r.start.V) {
			v.Add(r.start.V, path, wire.NamePattern)
		}
		v.Length(len(r.start.V), r.start.V, path, 3, 255)
	}
	v.Integer(r.limit, "limit", 1, maxListed)
	return v.Err()
}

// ListTables answers ListTables: the names in order, after the start name, which need not be that
// of a table.
func ListTables(cl *call.Call) error {
	c := op{cl}
	r := new(listTablesRequest)
	if err := wire.Decode(&c.Reader, r, c, listTablesMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := c.AskAny("ListTables"); err != nil {
		return err
	}
	limit := maxListed
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	names, more := c.DB.List(schema.DefaultNamespace, r.start.V, limit)
	c.BeginObject()
	c.Name("TableNames")
	c.BeginList()
	for _, name := range names {
		c.Element()
		c.Str(name)
	}
	c.EndList()
	if more {
		c.StringMember("LastEvaluatedTableName", names[len(names)-1])
	}
	c.EndObject()
	return nil
}
