package api

import (
	"github.com/partita-db/partita/internal/db"
)

// listTablesRequest is a ListTables request.
type listTablesRequest struct {
	start optString
	limit optInt
}

// listTablesMembers are ListTables' members, in the order of the service model.
var listTablesMembers = opMembers[*listTablesRequest]{
	{"ExclusiveStartTableName", func(r *listTablesRequest, c op) error { return c.readString(&r.start) }},
	{"Limit", func(r *listTablesRequest, c op) error { return c.readInt(&r.limit, "Integer") }},
}

// maxListed is the greatest page of ListTables, and the default one.
const maxListed = 100

// check checks the constraints. Of a bad start name, unlike TableName, AWS names the pattern first.
func (r *listTablesRequest) check() error {
	var v violations
	if r.start.Set {
		const path = "exclusiveStartTableName"
		if !isName(r.start.V) {
			v.add(r.start.V, path, namePattern)
		}
		v.length(len(r.start.V), r.start.V, path, 3, 255)
	}
	v.integer(r.limit, "limit", 1, maxListed)
	return v.err()
}

// ListTables answers ListTables.
func ListTables(cl *call) error {
	c := op{cl}
	r := new(listTablesRequest)
	if err := decode(&c.reader, r, c, listTablesMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := c.askAny("ListTables"); err != nil {
		return err
	}
	limit := maxListed
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	names, more := c.db.List(db.DefaultNamespace, r.start.V, limit)
	c.beginObject()
	c.name("TableNames")
	c.beginList()
	for _, name := range names {
		c.element()
		c.str(name)
	}
	c.endList()
	if more {
		c.stringMember("LastEvaluatedTableName", names[len(names)-1])
	}
	c.endObject()
	return nil
}
