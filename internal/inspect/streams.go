package inspect

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Shard is a shard of a stream, with what is there of it.
type Shard struct {
	Number uint32
	ID     string
	// Start is where records may begin. End is, with Closed, the last position that was ever given,
	// zero if none was.
	Start, End schema.Position
	Closed     bool
	// Trimmed is the highest position that was removed; zero: none.
	Trimmed schema.Position
	// Records and Bytes are how many there are, and of how many bytes. First and Last are the
	// positions of two of them.
	Records, Bytes int64
	First, Last    schema.Position
}

// Record is a record of a stream.
type Record struct {
	Shard    uint32
	Position schema.Position
	Stored   []byte
	// Record is what it says; nil if it cannot be read.
	Record *schema.StreamRecord
	Damage string // why not
}

// Shards are the stream's shards, by number. All records are read, to be counted. A stream whose
// descriptor cannot be read has none.
func (v *View) Shards(s *Stream) (shards []Shard, err error) {
	if s.Schema == nil {
		return nil, nil
	}
	for number := range uint32(s.Schema.Shards) {
		shard := Shard{
			Number: number, ID: s.Schema.ShardID(number), Start: schema.PositionAt(s.Schema.Created),
			Closed: s.Schema.Ends != nil, Trimmed: s.Trimmed[number],
		}
		if shard.Closed {
			shard.End = s.Schema.Ends[number]
		}
		err := v.own.Records(s.ID, number, func(r kv.Record) bool {
			if shard.Records == 0 {
				shard.First = r.Position
			}
			shard.Last = r.Position
			shard.Records++
			shard.Bytes += int64(len(r.Data))
			return v.ctx.Err() == nil
		})
		if err = cmp.Or(err, v.ctx.Err()); err != nil {
			return nil, err
		}
		shards = append(shards, shard)
	}
	return shards, nil
}

// Records are the records of a shard, from the oldest on.
func (v *View) Records(s *Stream, shard uint32) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		more := true
		err := v.own.Records(s.ID, shard, func(r kv.Record) bool {
			if v.ctx.Err() != nil {
				return false
			}
			more = yield(readRecord(shard, r), nil)
			return more
		})
		if err = cmp.Or(err, v.ctx.Err()); err != nil && more {
			yield(Record{}, err)
		}
	}
}

// readRecord reads a record.
func readRecord(shard uint32, r kv.Record) Record {
	out := Record{Shard: shard, Position: r.Position, Stored: r.Data}
	record, err := schema.ParseRecord(r)
	if err == nil {
		for _, it := range []item.Item{record.Keys, record.New, record.Old} {
			err = cmp.Or(err, it.Verify())
		}
	}
	switch {
	case err != nil:
		out.Damage = err.Error()
	case !record.Understood():
		out.Damage = "it says of its change what this version does not know"
	default:
		out.Record = record
	}
	return out
}

// TableStreams are the streams of tables that have, or had, the name; all streams if it is empty.
// With "id:" and an id they are those of that table. Those that cannot be read are among all only.
func (c *Catalog) TableStreams(table string) (found []*Stream) {
	for _, s := range c.Streams {
		if table == "" || s.Schema != nil &&
			(s.Schema.Table == table || fmt.Sprint(idPrefix, s.Schema.TableID) == table) {
			found = append(found, s)
		}
	}
	return found
}

// Stream finds a stream by its label, by TABLE/stream/LABEL as its ARN ends, or by the name of a
// table, whose latest it is then.
func (c *Catalog) Stream(name string) (*Stream, error) {
	var labelled []*Stream
	for _, s := range c.Streams {
		if s.Schema != nil && (s.Schema.Label == name || s.Schema.Path() == name) {
			labelled = append(labelled, s)
		}
	}
	switch len(labelled) {
	case 0:
	case 1:
		return labelled[0], nil
	default:
		return nil, fmt.Errorf("streams of %d tables have the label %s: name one as %s",
			len(labelled), name, labelled[0].Schema.Path())
	}
	of := c.TableStreams(name)
	if len(of) == 0 || name == "" {
		return nil, fmt.Errorf("there is no stream %q, and no stream of a table of that name", name)
	}
	return slices.MaxFunc(of, func(a, b *Stream) int { return cmp.Compare(a.Schema.Label, b.Schema.Label) }), nil
}

// TimeOf is the time in a position; zero for the zero position.
func TimeOf(p schema.Position) time.Time {
	if p == (schema.Position{}) {
		return time.Time{}
	}
	return schema.TimeOf(p).UTC()
}
