package streams

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// This file has what the four operations share: names of streams and shards, sequence numbers,
// iterators.

// maxPage is the largest page of ListStreams and of the shards of DescribeStream, and the default.
const maxPage = 100

// The enums of the streams API. The order of the iterator types is that in which Kinesis, which has
// the same five, prints them.
var (
	enumIteratorType = wire.Enum{"AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"}
	enumShardFilter  = wire.Enum{"CHILD_SHARDS"}
)

func (c op) streamARN(l *db.Stream) string { return c.TableARN(l.Table) + "/stream/" + l.Label }

// streamOfARN returns the table's name and the label in a stream's ARN. Region and account are not
// compared with the request's. A label with "|" would be mistaken for the iteratorMark.
func streamOfARN(arn string) (table, label string, ok bool) {
	table, label, ok = strings.Cut(arn, "/stream/")
	if !ok || label == "" || strings.ContainsAny(label, "/|") {
		return "", "", false
	}
	name, problem := wire.TableOfARN(table)
	return name, label, problem == ""
}

// errStreamARN is the error for what is no ARN of a stream. The text is ours.
func errStreamARN(arn string) error { return wire.Validation("Invalid StreamArn: " + arn) }

// streamFor returns the stream that a StreamArn names, if the policy allows the action; it is asked
// first, so that a denial does not depend on whether the stream exists.
func (c op) streamFor(action, arn string) (*db.Stream, error) {
	table, label, ok := streamOfARN(arn)
	if !ok {
		return nil, errStreamARN(arn)
	}
	if err := c.AskStream(action, table, label); err != nil {
		return nil, err
	}
	if l := c.DB.Stream(schema.DefaultNamespace, table, label); l != nil {
		return l, nil
	}
	return nil, wire.NewError("ResourceNotFoundException", "Requested resource not found: Stream: "+arn+" not found")
}

// errNoShard is the error for a shard that does not exist, and of an iterator whose stream is gone.
var errNoShard = wire.NewError("ResourceNotFoundException", "Requested resource not found: Shard does not exist")

// errTrimmed is the error for records that have existed and are too old by now.
var errTrimmed = wire.NewError("TrimmedDataAccessException", "The data you are trying to access has been trimmed")

// text checks the length, in characters, of a string that may be absent unless it is required.
func (v *violations) text(o wire.OptString, path string, required bool, min, max int) {
	if o.Set || required {
		v.Required(o, path, min, max)
	}
}

// Members that are the same in all operations. The bounds are the service model's.

func (v *violations) streamARN(o wire.OptString, path string, required bool) {
	v.text(o, path, required, 37, 1024)
}

func (v *violations) shardID(o wire.OptString, path string, required bool) {
	v.text(o, path, required, 28, 65)
}

func (v *violations) sequenceNumber(o wire.OptString) { v.text(o, "sequenceNumber", false, 21, 40) }

// ---- sequence numbers

// before is the position next below p; the lowest one stays.
func before(p schema.Position) schema.Position {
	high, low := binary.BigEndian.Uint64(p[:8]), binary.BigEndian.Uint64(p[8:])
	switch {
	case low > 0:
		low--
	case high > 0:
		high, low = high-1, math.MaxUint64
	}
	binary.BigEndian.PutUint64(p[:8], high)
	binary.BigEndian.PutUint64(p[8:], low)
	return p
}

func later(p, q schema.Position) bool { return string(p[:]) > string(q[:]) }

// ---- iterators

// iterator is a place in a shard. A ShardIterator is the stream's ARN, "|1|", and in base64
//
//	log(8)  shard(4)  position(16)  made(8)  checksum(4)
//
// with big-endian integers: made is when it was made, in milliseconds since 1970, the checksum
// (CRC-32, IEEE) is that of all that stands before it, the ARN included. The checksum finds damage;
// it is no signature, so GetRecords relies on nothing in it but asks the policy.
type iterator struct {
	log   uint64 // the stream's id
	shard uint32
	after schema.Position // the next record is the first one after it
	made  time.Time
}

const iteratorLen = 8 + 4 + 16 + 8

// iteratorMark stands between the ARN and the rest.
const iteratorMark = "|1|"

func appendIterator(dst []byte, arn string, it iterator) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, iteratorLen+4), it.log)
	b = binary.BigEndian.AppendUint32(b, it.shard)
	b = append(b, it.after[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(it.made.UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, iteratorSum(arn, b))
	dst = append(append(dst, arn...), iteratorMark...)
	return base64.StdEncoding.AppendEncode(dst, b)
}

// parseIterator is the inverse; ok is false for a text that is damaged or not from here.
func parseIterator(s string) (it iterator, ok bool) {
	arn, text, _ := strings.Cut(s, iteratorMark)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != iteratorLen+4 ||
		binary.BigEndian.Uint32(b[iteratorLen:]) != iteratorSum(arn, b[:iteratorLen]) {
		return it, false
	}
	it.log, it.shard, it.after = binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), schema.Position(b[12:28])
	it.made = time.UnixMilli(int64(binary.BigEndian.Uint64(b[28:])))
	return it, true
}

func iteratorSum(arn string, b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(arn)), crc32.IEEETable, b)
}

// expired is the error for an iterator that is too old, or from the future because a clock was
// wrong. The text is that of Kinesis.
func (it *iterator) expired(now time.Time) error {
	if now.Sub(it.made).Abs() <= db.IteratorAge {
		return nil
	}
	const layout = "Mon Jan 02 15:04:05 UTC 2006"
	return wire.NewError("ExpiredIteratorException", "Iterator expired. The iterator was created at time "+
		it.made.UTC().Format(layout)+" while right now it is "+now.UTC().Format(layout)+
		" which is further in the future than the tolerated delay of "+
		strconv.FormatInt(db.IteratorAge.Milliseconds(), 10)+" milliseconds.")
}
