package streams

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type listStreamsRequest struct {
	table wire.OptString
	limit wire.OptInt
	start wire.OptString
}

var listStreamsMembers = members[*listStreamsRequest]{
	{Name: "TableName", Read: func(r *listStreamsRequest, c op) error { return c.ReadString(&r.table) }},
	{Name: "Limit", Read: func(r *listStreamsRequest, c op) error { return c.ReadInt(&r.limit, "Integer") }},
	{Name: "ExclusiveStartStreamArn", Read: func(r *listStreamsRequest, c op) error { return c.ReadString(&r.start) }},
}

func (r *listStreamsRequest) check() error {
	var v violations
	v.IndexName(r.table, "tableName")
	v.Integer(r.limit, "limit", 1, maxPage)
	v.streamARN(r.start, "exclusiveStartStreamArn", false)
	return v.Err()
}

// ListStreams answers ListStreams: the streams in the order of their ARNs, including those that
// ended within the last day.
func ListStreams(cl *call.Call) error {
	c := op{cl}
	r := new(listStreamsRequest)
	if err := wire.Decode(&c.Reader, r, c, listStreamsMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	var table, label string
	if r.start.Set {
		ok := false
		if table, label, ok = streamOfARN(r.start.V); !ok {
			return errStreamARN(r.start.V)
		}
	}
	if err := c.AskAny("ListStreams"); err != nil {
		return err
	}
	limit := maxPage
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	streams, more := c.DB.Streams(schema.DefaultNamespace, r.table.V, table, label, limit)
	c.BeginObject()
	c.Name("Streams")
	c.BeginList()
	for _, l := range streams {
		c.Element()
		c.BeginObject()
		c.StringMember("StreamArn", c.streamARN(l))
		c.StringMember("TableName", l.Table)
		c.StringMember("StreamLabel", l.Label)
		c.EndObject()
	}
	c.EndList()
	if more {
		c.StringMember("LastEvaluatedStreamArn", c.streamARN(streams[len(streams)-1]))
	}
	c.EndObject()
	return nil
}
