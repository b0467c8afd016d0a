package streams

import (
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

type getShardIteratorRequest struct {
	arn      wire.OptString
	shard    wire.OptString
	kind     wire.OptString
	sequence wire.OptString
	time     wire.OptTime
}

var getShardIteratorMembers = members[*getShardIteratorRequest]{
	{Name: "StreamArn", Read: func(r *getShardIteratorRequest, c op) error { return c.ReadString(&r.arn) }},
	{Name: "ShardId", Read: func(r *getShardIteratorRequest, c op) error { return c.ReadString(&r.shard) }},
	{Name: "ShardIteratorType", Read: func(r *getShardIteratorRequest, c op) error { return c.ReadString(&r.kind) }},
	{Name: "SequenceNumber", Read: func(r *getShardIteratorRequest, c op) error { return c.ReadString(&r.sequence) }},
	{Name: "Timestamp", Read: func(r *getShardIteratorRequest, c op) error { return c.ReadTime(&r.time) }},
}

// check checks the constraints, then the rules between the members. The service's answers about
// these are not known: the texts are ours. A SequenceNumber that the type does not need is ignored.
func (r *getShardIteratorRequest) check() error {
	var v violations
	v.streamARN(r.arn, "streamArn", true)
	v.shardID(r.shard, "shardId", true)
	if !r.kind.Set {
		v.Null("shardIteratorType")
	}
	v.Enum(r.kind, "shardIteratorType", enumIteratorType)
	v.sequenceNumber(r.sequence)
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case r.bySequence() && !r.sequence.Set:
		return wire.Validation("SequenceNumber must be specified for ShardIteratorType " + r.kind.V)
	case r.kind.V == "AT_TIMESTAMP" && !r.time.Set:
		return wire.Validation("Timestamp must be specified for ShardIteratorType AT_TIMESTAMP")
	case r.kind.V != "AT_TIMESTAMP" && r.time.Set:
		return wire.Validation("Timestamp can only be specified for ShardIteratorType AT_TIMESTAMP")
	}
	return nil
}

func (r *getShardIteratorRequest) bySequence() bool {
	return r.kind.V == "AT_SEQUENCE_NUMBER" || r.kind.V == "AFTER_SEQUENCE_NUMBER"
}

// GetShardIterator answers GetShardIterator. An iterator is a place that the client holds; the
// server keeps nothing of it.
func GetShardIterator(cl *call.Call) error {
	c := op{cl}
	r := new(getShardIteratorRequest)
	if err := wire.Decode(&c.Reader, r, c, getShardIteratorMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	l, err := c.streamFor("GetShardIterator", r.arn.V)
	if err != nil {
		return err
	}
	now := c.DB.Now()
	for _, s := range l.ShardsAt(now) {
		if s.ID == r.shard.V {
			return c.newIterator(r, l, &s, now)
		}
	}
	return errNoShard
}

// newIterator answers with the iterator of a shard. An iterator is the position before the first
// record that it will return, so that it is good for records that do not exist yet.
func (c op) newIterator(r *getShardIteratorRequest, l *db.Stream, s *schema.Shard, now time.Time) error {
	it := iterator{log: l.ID, shard: s.Number, made: now}
	var err error
	switch r.kind.V {
	case "TRIM_HORIZON":
		it.after = c.DB.Horizon(l, s.Number)
	case "LATEST":
		it.after, err = c.DB.LastPosition(c.Ctx, l, s.Number)
	case "AT_TIMESTAMP":
		it.after, err = c.atTimestamp(r.time, l, s, now)
	default:
		it.after, err = c.atSequence(r, l, s)
	}
	if err != nil {
		return err
	}
	c.BeginObject()
	c.Name("ShardIterator") // names, labels, base64: nothing to escape
	c.Out = append(appendIterator(append(c.Out, '"'), c.streamARN(l), it), '"')
	c.EndObject()
	return nil
}

// atTimestamp is the position before the records of the time and later, or before the oldest one
// that can still be read.
func (c op) atTimestamp(o wire.OptTime, l *db.Stream, s *schema.Shard, now time.Time) (schema.Position, error) {
	at, ok := o.Time()
	if !ok || at.After(now) {
		return schema.Position{}, wire.Validation("Timestamp must not be in the future")
	}
	p := schema.PositionAt(at)
	if horizon := c.DB.Horizon(l, s.Number); later(horizon, p) {
		return horizon, nil
	}
	return p, nil
}

// atSequence is the position before the record with the sequence number, or for AFTER that record's
// own. A number beyond the newest record is rejected: a reader that began there would miss the
// records that come before it.
func (c op) atSequence(r *getShardIteratorRequest, l *db.Stream, s *schema.Shard) (schema.Position, error) {
	p, ok := schema.ParseSequenceNumber(r.sequence.V)
	if !ok {
		return p, wire.Validation("Invalid SequenceNumber: " + r.sequence.V)
	}
	if horizon := c.DB.Horizon(l, s.Number); later(horizon, p) {
		if p == s.Start && !s.Closed {
			// Open shards of AWS are never older than a day, so readers may rely on the first
			// number of an open shard.
			return horizon, nil
		}
		return p, errTrimmed
	}
	last, err := c.DB.LastPosition(c.Ctx, l, s.Number)
	if err != nil {
		return p, err
	}
	if later(p, last) && later(p, s.Start) {
		return p, wire.Validation("Invalid SequenceNumber: " + r.sequence.V)
	}
	if r.kind.V == "AT_SEQUENCE_NUMBER" {
		p = before(p)
	}
	return p, nil
}
