package api

import (
	"github.com/partita-db/partita/internal/db"
)

// describeStreamRequest is a DescribeStream request.
type describeStreamRequest struct {
	arn    optString
	limit  optInt
	start  optString
	filter shardFilter
}

// shardFilter is a ShardFilter as sent.
type shardFilter struct {
	kind, shard optString
}

// describeStreamMembers are DescribeStream's members, in the order of the service model.
var describeStreamMembers = opMembers[*describeStreamRequest]{
	{"StreamArn", func(r *describeStreamRequest, c op) error { return c.readString(&r.arn) }},
	{"Limit", func(r *describeStreamRequest, c op) error { return c.readInt(&r.limit, "Integer") }},
	{"ExclusiveStartShardId", func(r *describeStreamRequest, c op) error { return c.readString(&r.start) }},
	{"ShardFilter", (*describeStreamRequest).readShardFilter},
}

// readShardFilter decodes ShardFilter.
func (r *describeStreamRequest) readShardFilter(c op) error {
	r.filter = shardFilter{}
	return c.readObject(inField, "ShardFilter", func(name string) error {
		switch name {
		case "Type":
			return c.readString(&r.filter.kind)
		case "ShardId":
			return c.readString(&r.filter.shard)
		}
		return c.skip()
	})
}

// check checks the constraints.
func (r *describeStreamRequest) check() error {
	var v violations
	v.streamARN(r.arn, "streamArn", true)
	v.integer(r.limit, "limit", 1, maxPage)
	v.shardID(r.start, "exclusiveStartShardId", false)
	v.enum(r.filter.kind, "shardFilter.type", enumShardFilter)
	v.shardID(r.filter.shard, "shardFilter.shardId", false)
	return v.err()
}

// DescribeStream answers DescribeStream.
func DescribeStream(cl *call) error {
	c := op{cl}
	r := new(describeStreamRequest)
	if err := decode(&c.reader, r, c, describeStreamMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	l, err := c.streamFor("DescribeStream", r.arn.V)
	if err != nil {
		return err
	}
	now := c.db.Now()
	c.beginObject()
	c.name("StreamDescription")
	c.beginObject()
	c.stringMember("StreamArn", c.streamARN(l))
	c.stringMember("StreamLabel", l.Label)
	c.stringMember("StreamStatus", string(l.Status(now)))
	c.stringMember("StreamViewType", string(l.ViewType))
	c.timeMember("CreationRequestDateTime", l.Created)
	c.stringMember("TableName", l.Table)
	c.keySchemaMember(l.Keys)
	c.shardsMember(r.shards(l.ShardsAt(now)))
	c.endObject()
	c.endObject()
	return nil
}

// shards returns a page of the shards, which are in order, and whether more follow. An ExclusiveStartShardId that is none of
// them stands for its place in the order. Shards live as long as their stream and have no children, so that is what a filter
// finds.
func (r *describeStreamRequest) shards(all []db.Shard) (page []db.Shard, more bool) {
	if r.filter.kind.Set {
		return nil, false
	}
	limit := maxPage
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	for len(all) > 0 && all[0].ID <= r.start.V {
		all = all[1:]
	}
	n := min(limit, len(all))
	return all[:n], n < len(all)
}

// shardsMember appends Shards, and the last one's id if more follow.
func (c op) shardsMember(shards []db.Shard, more bool) {
	c.name("Shards")
	c.beginList()
	for i := range shards {
		s := &shards[i]
		c.element()
		c.beginObject()
		c.stringMember("ShardId", s.ID)
		c.name("SequenceNumberRange")
		c.beginObject()
		c.sequenceMember("StartingSequenceNumber", s.Start)
		if s.Closed {
			c.sequenceMember("EndingSequenceNumber", s.End)
		}
		c.endObject()
		c.endObject()
	}
	c.endList()
	if more {
		c.stringMember("LastEvaluatedShardId", shards[len(shards)-1].ID)
	}
}

// sequenceMember appends a SequenceNumber.
func (c op) sequenceMember(name string, p db.Position) {
	c.name(name)
	c.out = append(appendSequenceNumber(append(c.out, '"'), p), '"')
}
