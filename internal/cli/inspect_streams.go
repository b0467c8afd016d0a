package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/partita-db/partita/internal/inspect"
	"github.com/partita-db/partita/internal/schema"
)

// inspectStreams shows streams.
type inspectStreams struct {
	Table string `arg:"" optional:"" placeholder:"TABLE" help:"Name of the table, or id: and its id. Default: all tables, those too that are gone."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectStreams) Help() string {
	return `Shows streams and their shards, with the sequence numbers and the number of records. All records are
read, to be counted. With --json a stream is an object on one line. ` + inspectRules + `

Examples:

	partita inspect streams --data /backups/monday
	partita inspect streams orders --json`
}

// printedStream is a stream.
type printedStream struct {
	Stream       string          `json:"stream"` // TABLE/stream/LABEL, as its ARN ends
	ID           string          `json:"id"`     // of its log, in hexadecimal
	Table        string          `json:"table"`
	TableID      uint32          `json:"tableId"`
	TableDeleted bool            `json:"tableDeleted"`
	Label        string          `json:"label"`
	ViewType     schema.ViewType `json:"viewType"`
	Status       schema.Status   `json:"status"`
	Created      string          `json:"created"`
	Ended        string          `json:"ended,omitempty"`
	Shards       []printedShard  `json:"shards,omitempty"` // of "inspect streams"
	Faults       []string        `json:"faults,omitempty"`
	Raw          string          `json:"rawValue,omitempty"` // of one that is damaged
}

// printedShard is a shard. Sequence numbers are as clients see them.
type printedShard struct {
	ID      string `json:"id"`
	Number  uint32 `json:"number"`
	Start   string `json:"startSequenceNumber"`
	End     string `json:"endSequenceNumber,omitempty"` // of one that is closed
	Closed  bool   `json:"closed"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	// First and Last are those of records that are there, Trimmed that of the last one that is not
	// there any more.
	First   string `json:"firstSequenceNumber,omitempty"`
	Last    string `json:"lastSequenceNumber,omitempty"`
	Trimmed string `json:"trimmedSequenceNumber,omitempty"`
}

// Run implements the command.
func (c *inspectStreams) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		found := x.TableStreams(c.Table)
		if _, err := x.table(c.Table); err != nil && c.Table != "" && len(found) == 0 {
			return err
		}
		for i, stream := range found {
			out := x.streamOf(stream)
			shards, err := x.Shards(stream)
			if err != nil {
				return err
			}
			for _, shard := range shards {
				out.Shards = append(out.Shards, shardOf(&shard))
			}
			switch {
			case x.asJSON:
				if err := x.encode(out, false); err != nil {
					return err
				}
				continue
			case i > 0:
				fmt.Fprintln(x.out)
			}
			x.printStream(&out)
		}
		return nil
	})
}

// streamOf is a stream to print, without its shards. One that is damaged is counted.
func (x *inspection) streamOf(s *inspect.Stream) printedStream {
	out := printedStream{ID: fmt.Sprintf("%x", s.ID), TableDeleted: s.Gone, Faults: s.Faults}
	d := s.Schema
	if d == nil {
		x.damaged++
		out.Raw = fmt.Sprintf("%x", s.Stored)
		return out
	}
	out.Stream, out.Table, out.TableID, out.Label = d.Path(), d.Table, d.TableID, d.Label
	out.ViewType, out.Status = d.ViewType, d.Status(x.Now())
	out.Created, out.Ended = timeText(d.Created), timeText(d.Ended)
	return out
}

// shardOf is a shard to print.
func shardOf(s *inspect.Shard) printedShard {
	out := printedShard{
		ID: s.ID, Number: s.Number, Start: schema.SequenceNumber(s.Start), Closed: s.Closed,
		Records: s.Records, Bytes: s.Bytes, Trimmed: sequenceText(s.Trimmed),
	}
	if s.Closed {
		out.End = schema.SequenceNumber(schema.Later(s.Start, s.End)) // with no record it ends where it starts
	}
	if s.Records > 0 {
		out.First, out.Last = schema.SequenceNumber(s.First), schema.SequenceNumber(s.Last)
	}
	return out
}

// sequenceText is the sequence number of a position; empty for the zero position.
func sequenceText(p schema.Position) string {
	if p == (schema.Position{}) {
		return ""
	}
	return schema.SequenceNumber(p)
}

// printFaults says what is wrong with a stream that is damaged.
func (x *inspection) printFaults(s *printedStream) {
	if s.Faults != nil {
		fmt.Fprintf(x.out, "    the descriptor of the stream %s is damaged: %s\n", s.ID, strings.Join(s.Faults, "; "))
		printedBytes{Value: s.Raw}.print(x.out)
	}
}

// printStream prints a stream as text.
func (x *inspection) printStream(s *printedStream) {
	if s.Faults != nil {
		x.printFaults(s)
		return
	}
	gone := ""
	if s.TableDeleted {
		gone = ", whose table is deleted"
	}
	fmt.Fprintf(x.out, "%s%s  log %s, %s, %s, created %s, ended %s\n",
		s.Stream, gone, s.ID, s.ViewType, s.Status, s.Created, dash(s.Ended))
	for i := range s.Shards {
		x.printShard(&s.Shards[i])
	}
}

// printShard prints a shard as text.
func (x *inspection) printShard(s *printedShard) {
	state := "open"
	if s.Closed {
		state = "closed"
	}
	fmt.Fprintf(x.out, "  shard %d  %s, %s, %d records of %d bytes\n", s.Number, s.ID, state, s.Records, s.Bytes)
	for _, line := range []struct{ what, sequence string }{
		{"starts at", s.Start}, {"ends at", s.End}, {"trimmed to", s.Trimmed}, {"first", s.First}, {"last", s.Last},
	} {
		if line.sequence != "" {
			fmt.Fprintf(x.out, "    %-10s  %s\n", line.what, line.sequence)
		}
	}
}

// inspectRecords shows the records of a stream.
type inspectRecords struct {
	Stream string `arg:"" placeholder:"STREAM" help:"The stream: its label, TABLE/stream/LABEL, or the name of a table, which is its latest one."`
	Shard  int64  `default:"-1" placeholder:"N" help:"Only the shard of this number. Default: all, one after the other."`
	Limit  int64  `default:"25" placeholder:"N" help:"Number of records to show at most; 0 shows all. Default: ${default}."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectRecords) Help() string {
	return `Shows the records of a stream, shard by shard, oldest first, as GetRecords would: event, sequence
number, time, keys, images, and who made the change if no user did. With --json a record is an object on one
line. ` + inspectRules + `

Examples:

	partita inspect records orders --data /backups/monday
	partita inspect records orders --shard 2 --limit 0 --json`
}

// printedRecord is a record of a stream. Members that do not apply are left out.
type printedRecord struct {
	Shard          string           `json:"shard"`
	SequenceNumber string           `json:"sequenceNumber"`
	Time           string           `json:"time"`
	Event          string           `json:"event,omitempty"` // INSERT, MODIFY or REMOVE
	Keys           json.RawMessage  `json:"keys,omitempty"`
	NewImage       json.RawMessage  `json:"newImage,omitempty"`
	OldImage       json.RawMessage  `json:"oldImage,omitempty"`
	UserIdentity   *printedIdentity `json:"userIdentity,omitempty"`
	Damage         string           `json:"damage,omitempty"`
	Raw            string           `json:"rawValue,omitempty"` // of one that is damaged
}

// printedIdentity is who made a change that no user made.
type printedIdentity struct {
	PrincipalID string `json:"principalId"`
	Type        string `json:"type"`
}

// Run implements the command.
func (c *inspectRecords) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		stream, err := x.Stream(c.Stream)
		if err != nil {
			return err
		}
		shards := int64(stream.Schema.Shards)
		first, end := int64(0), shards
		if c.Shard >= 0 {
			first, end = c.Shard, c.Shard+1
		}
		if c.Shard >= shards {
			return fmt.Errorf("%s has the shards 0 to %d, and no shard %d", stream.Schema.Path(), shards-1, c.Shard)
		}
		shown := int64(0)
		for shard := first; shard < end; shard++ {
			for r, err := range x.Records(stream, uint32(shard)) {
				if err != nil {
					return err
				}
				if c.Limit > 0 && shown == c.Limit {
					x.more("records", "")
					return nil
				}
				if err := x.record(recordOf(stream.Schema, &r)); err != nil {
					return err
				}
				shown++
			}
		}
		return nil
	})
}

// recordOf is a record to print.
func recordOf(s *schema.Stream, r *inspect.Record) *printedRecord {
	out := &printedRecord{
		Shard: s.ShardID(r.Shard), SequenceNumber: schema.SequenceNumber(r.Position),
		Time: timeText(inspect.TimeOf(r.Position)), Damage: r.Damage,
	}
	if r.Record == nil {
		out.Raw = fmt.Sprintf("%x", r.Stored)
		return out
	}
	out.Event, out.Keys = r.Record.Name, inspect.JSON(r.Record.Keys)
	out.NewImage, out.OldImage = inspect.JSON(r.Record.New), inspect.JSON(r.Record.Old)
	if r.Record.ByService {
		out.UserIdentity = &printedIdentity{"dynamodb.amazonaws.com", "Service"}
	}
	return out
}

// record prints a record, and counts it if it is damaged.
func (x *inspection) record(r *printedRecord) error {
	if r.Damage != "" {
		x.damaged++
	}
	if x.asJSON {
		return x.encode(r, false)
	}
	by := ""
	if r.UserIdentity != nil {
		by = "  by " + r.UserIdentity.PrincipalID
	}
	fmt.Fprintf(x.out, "%s  %s  %s  %s%s\n", dash(r.Event), r.SequenceNumber, r.Time, r.Shard, by)
	if r.Damage != "" {
		fmt.Fprintf(x.out, "    cannot be read: %s\n", r.Damage)
	}
	for _, part := range []struct {
		name string
		item json.RawMessage
	}{{"keys", r.Keys}, {"new", r.NewImage}, {"old", r.OldImage}} {
		if part.item != nil {
			fmt.Fprintf(x.out, "    %-5s  %s\n", part.name, part.item)
		}
	}
	printedBytes{Value: r.Raw}.print(x.out)
	return nil
}
