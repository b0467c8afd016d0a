package streams

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

type getRecordsRequest struct {
	iterator wire.OptString
	limit    wire.OptInt
}

var getRecordsMembers = members[*getRecordsRequest]{
	{Name: "ShardIterator", Read: func(r *getRecordsRequest, c op) error { return c.ReadString(&r.iterator) }},
	{Name: "Limit", Read: func(r *getRecordsRequest, c op) error { return c.ReadInt(&r.limit, "Integer") }},
}

const (
	// maxRecords is the greatest page of GetRecords, and the default one.
	maxRecords = 1000
	// maxRecordsBytes ends a page: a record with which the answer would pass it begins the next
	// one.
	maxRecordsBytes = 1 << 20
)

func (r *getRecordsRequest) check() error {
	var v violations
	v.text(r.iterator, "shardIterator", true, 1, 2048)
	v.Integer(r.limit, "limit", 1, maxRecords)
	return v.Err()
}

// GetRecords answers GetRecords. The iterator alone says which stream is read, so what it says is
// checked, its age included, before the stream is looked for.
func GetRecords(cl *call.Call) error {
	c := op{cl}
	r := new(getRecordsRequest)
	if err := wire.Decode(&c.Reader, r, c, getRecordsMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	it, ok := parseIterator(r.iterator.V)
	if !ok {
		return wire.Validation("Invalid ShardIterator")
	}
	now := c.DB.Now()
	if err := it.expired(now); err != nil {
		return err
	}
	l := c.DB.StreamByID(it.log)
	if err := r.ask(c, l); err != nil {
		return err
	}
	if l == nil || it.shard >= uint32(l.Shards) {
		return errNoShard
	}
	c.Report.Table = l.Table
	limit := maxRecords
	if r.limit.Set {
		limit = int(r.limit.V)
	}
	return c.records(l, it, limit, now)
}

// ask asks whether the stream l, nil if it is gone, may be read. If the stream exists, the policy
// is asked about its own name and not about the ARN in the iterator: the records are found by the
// iterator's id, and with another ARN it could pass a policy that allows that one only.
func (r *getRecordsRequest) ask(c op, l *db.Stream) error {
	if l != nil {
		return c.AskStream("GetRecords", l.Table, l.Label)
	}
	arn, _, _ := strings.Cut(r.iterator.V, iteratorMark)
	table, label, _ := streamOfARN(arn)
	return c.AskStream("GetRecords", table, label)
}

// records answers with the records from the iterator on, and the iterator to go on with, unless the
// shard has ended.
func (c op) records(l *db.Stream, it iterator, limit int, now time.Time) error {
	c.BeginObject()
	c.Name("Records")
	c.BeginList()
	start, n := c.Length(), 0
	var full error
	read := db.StreamRead{Stream: l, Shard: it.shard, After: it.after, Limit: limit}
	last, ended, err := c.DB.ReadStream(c.Ctx, read, func(r *schema.StreamRecord) bool {
		end := c.Length()
		c.Element()
		size := r.Keys.Size() + r.New.Size() + r.Old.Size()
		if full = c.Encode(size, func() { c.record(l, it.shard, r) }); full != nil {
			if c.Truncate(end); n > 0 {
				full = nil // the records before it can be answered
			}
			return false
		}
		if n > 0 && c.Length()-start > maxRecordsBytes {
			c.Truncate(end)
			return false
		}
		n++
		return true
	})
	if errors.Is(err, db.ErrTrimmed) {
		return errTrimmed
	}
	if err := cmp.Or(err, full); err != nil {
		return err
	}
	c.EndList()
	c.Report.Read, c.Report.Returned = n, n
	if !ended {
		it.after, it.made = last, now
		c.Name("NextShardIterator")
		c.Out = append(appendIterator(append(c.Out, '"'), c.streamARN(l), it), '"')
	}
	c.EndObject()
	return nil
}

func (c op) record(l *db.Stream, shard uint32, r *schema.StreamRecord) {
	id := eventID(l.ID, shard, r.Position)
	c.BeginObject()
	c.StringMember("eventID", hex.EncodeToString(id[:16]))
	c.StringMember("eventName", r.Name)
	c.StringMember("eventVersion", "1.1")
	c.StringMember("eventSource", "aws:dynamodb")
	c.StringMember("awsRegion", c.Region)
	c.Name("dynamodb")
	c.BeginObject()
	c.TimeMember("ApproximateCreationDateTime", schema.TimeOf(r.Position).Truncate(time.Second))
	c.Name("Keys")
	c.Item(r.Keys)
	if r.New.Exists() {
		c.Name("NewImage")
		c.Item(r.New)
	}
	if r.Old.Exists() {
		c.Name("OldImage")
		c.Item(r.Old)
	}
	c.sequenceMember("SequenceNumber", r.Position)
	c.IntegerMember("SizeBytes", int64(r.Keys.Size()+r.New.Size()+r.Old.Size()))
	c.StringMember("StreamViewType", string(l.ViewType))
	c.EndObject()
	if r.ByService {
		c.Name("userIdentity")
		c.Raw(`{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}`)
	}
	c.EndObject()
}

// eventID is what a record's eventID is made of: a hash of its place, so that the record has the
// same one whenever it is read. Consumers drop repeated records by it.
func eventID(log uint64, shard uint32, p schema.Position) [sha256.Size]byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 28), log)
	b = binary.BigEndian.AppendUint32(b, shard)
	return sha256.Sum256(append(b, p[:]...))
}
