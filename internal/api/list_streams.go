package api

import "github.com/partita-db/partita/internal/db"

// listStreamsRequest is a ListStreams request.
type listStreamsRequest struct {
	table optString
	limit optInt
	start optString
}

// listStreamsMembers are ListStreams' members, in the order of the service model.
var listStreamsMembers = opMembers[*listStreamsRequest]{
	{"TableName", func(r *listStreamsRequest, c op) error { return c.readString(&r.table) }},
	{"Limit", func(r *listStreamsRequest, c op) error { return c.readInt(&r.limit, "Integer") }},
	{"ExclusiveStartStreamArn", func(r *listStreamsRequest, c op) error { return c.readString(&r.start) }},
}

// check checks the constraints.
func (r *listStreamsRequest) check() error {
	var v violations
	v.name(r.table, "tableName")
	v.integer(r.limit, "limit", 1, maxPage)
	v.streamARN(r.start, "exclusiveStartStreamArn", false)
	return v.err()
}

// ListStreams answers ListStreams: the streams in the order of their ARNs, those too that ended within the last day.
func ListStreams(cl *call) error {
	c := op{cl}
	r := new(listStreamsRequest)
	if err := decode(&c.reader, r, c, listStreamsMembers); err != nil {
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
	if err := c.askAny("ListStreams"); err != nil {
		return err
	}
	limit := maxPage
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	streams, more := c.db.Streams(db.DefaultNamespace, r.table.V, table, label, limit)
	c.beginObject()
	c.name("Streams")
	c.beginList()
	for _, l := range streams {
		c.element()
		c.beginObject()
		c.stringMember("StreamArn", c.streamARN(l))
		c.stringMember("TableName", l.Table)
		c.stringMember("StreamLabel", l.Label)
		c.endObject()
	}
	c.endList()
	if more {
		c.stringMember("LastEvaluatedStreamArn", c.streamARN(streams[len(streams)-1]))
	}
	c.endObject()
	return nil
}
