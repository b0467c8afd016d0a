package streams

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type describeStreamRequest struct {
	arn    wire.OptString
	limit  wire.OptInt
	start  wire.OptString
	filter shardFilter
}

type shardFilter struct {
	kind, shard wire.OptString
}

var describeStreamMembers = members[*describeStreamRequest]{
	{Name: "StreamArn", Read: func(r *describeStreamRequest, c op) error { return c.ReadString(&r.arn) }},
	{Name: "Limit", Read: func(r *describeStreamRequest, c op) error { return c.ReadInt(&r.limit, "Integer") }},
	{Name: "ExclusiveStartShardId", Read: func(r *describeStreamRequest, c op) error { return c.ReadString(&r.start) }},
	{Name: "ShardFilter", Read: (*describeStreamRequest).readShardFilter},
}

func (r *describeStreamRequest) readShardFilter(c op) error {
	r.filter = shardFilter{}
	return c.ReadObject(wire.InField, "ShardFilter", func(name string) error {
		switch name {
		case "Type":
			return c.ReadString(&r.filter.kind)
		case "ShardId":
			return c.ReadString(&r.filter.shard)
		}
		return c.Skip()
	})
}

func (r *describeStreamRequest) check() error {
	var v violations
	v.streamARN(r.arn, "streamArn", true)
	v.Integer(r.limit, "limit", 1, maxPage)
	v.shardID(r.start, "exclusiveStartShardId", false)
	v.Enum(r.filter.kind, "shardFilter.type", enumShardFilter)
	v.shardID(r.filter.shard, "shardFilter.shardId", false)
	return v.Err()
}

// DescribeStream answers DescribeStream, for a day after the end of a stream too.
func DescribeStream(cl *call.Call) error {
	c := op{cl}
	r := new(describeStreamRequest)
	if err := wire.Decode(&c.Reader, r, c, describeStreamMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	l, err := c.streamFor("DescribeStream", r.arn.V)
	if err != nil {
		return err
	}
	now := c.DB.Now()
	c.BeginObject()
	c.Name("StreamDescription")
	c.BeginObject()
	c.StringMember("StreamArn", c.streamARN(l))
	c.StringMember("StreamLabel", l.Label)
	c.StringMember("StreamStatus", string(l.Status(now)))
	c.StringMember("StreamViewType", string(l.ViewType))
	c.TimeMember("CreationRequestDateTime", l.Created)
	c.StringMember("TableName", l.Table)
	c.KeySchemaMember(l.Keys)
	c.shardsMember(r.shards(l.ShardsAt(now)))
	c.EndObject()
	c.EndObject()
	return nil
}

// shards returns a page of the shards, which are in order, and whether more follow. An
// ExclusiveStartShardId that is none of them stands for its place in the order. The only filter
// there is, CHILD_SHARDS, finds nothing: shards live as long as their stream and have no children.
func (r *describeStreamRequest) shards(all []schema.Shard) (page []schema.Shard, more bool) {
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
func (c op) shardsMember(shards []schema.Shard, more bool) {
	c.Name("Shards")
	c.BeginList()
	for i := range shards {
		s := &shards[i]
		c.Element()
		c.BeginObject()
		c.StringMember("ShardId", s.ID)
		c.Name("SequenceNumberRange")
		c.BeginObject()
		c.sequenceMember("StartingSequenceNumber", s.Start)
		if s.Closed {
			c.sequenceMember("EndingSequenceNumber", s.End)
		}
		c.EndObject()
		c.EndObject()
	}
	c.EndList()
	if more {
		c.StringMember("LastEvaluatedShardId", shards[len(shards)-1].ID)
	}
}

func (c op) sequenceMember(name string, p schema.Position) {
	c.Name(name)
	c.Out = append(schema.AppendSequenceNumber(append(c.Out, '"'), p), '"')
}
