package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/partita-db/partita/internal/inspect"
)

// inspectRows shows rows of a table.
type inspectRows struct {
	Table   string `arg:"" placeholder:"TABLE" help:"Name of the table, or id: and its id."`
	Section string `default:"items" placeholder:"NAME" help:"Which rows: items, expiry (which say when items expire), those of the named index, or section: and a section's id. Default: ${default}."`
	Key     string `placeholder:"JSON" help:"Only rows with this key, or of this partition, in DynamoDB's JSON."`
	After   string `placeholder:"KEY" help:"Only rows behind this key: all key attributes in DynamoDB's JSON, or the key's bytes in hexadecimal."`
	Limit   int64  `default:"25" placeholder:"N" help:"Number of rows to show at most; 0 shows all. Default: ${default}."`
	Raw     bool   `help:"Also show keys and values as they are stored, in hexadecimal."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectRows) Help() string {
	return `Shows rows in the order of their keys: the key attributes, the hash of the partition, the stamp (when
the item was written), and the item in DynamoDB's JSON. With --json a row is an object on one line.
` + inspectRules + `

Examples:

	partita inspect rows orders --data /backups/monday --limit 100
	partita inspect rows orders --section by-customer --key '{"customer":{"S":"ann"}}'`
}

// printedRow is a row. Members that do not apply, or cannot be read, are left out.
type printedRow struct {
	Key json.RawMessage `json:"key,omitempty"`
	// Hash is that of the partition, 16 hexadecimal digits.
	Hash string `json:"hash"`
	// Stamp is when the item was written, in microseconds since 1970; rows of indexes have none.
	Stamp   uint64          `json:"stamp,omitempty"`
	Expires *uint64         `json:"expires,omitempty"` // seconds since 1970, in the index by expiry
	Item    json.RawMessage `json:"item,omitempty"`
	Damage  string          `json:"damage,omitempty"`
	printedBytes
}

// Run implements the command.
func (c *inspectRows) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		q, err := c.query(x)
		if err != nil {
			return err
		}
		shown, last := int64(0), ""
		for row, err := range x.Rows(q) {
			if err != nil {
				return err
			}
			if c.Limit > 0 && shown == c.Limit {
				x.more("rows", "go on with --after "+singleQuoted(last)+", or ")
				return nil
			}
			out := c.rowOf(&row, q.Section.Kind)
			if err := x.row(out); err != nil {
				return err
			}
			shown++
			if last = string(out.Key); out.Key == nil || out.Expires != nil {
				last = fmt.Sprintf("%x", row.Key)
			}
		}
		return nil
	})
}

// query is which rows are read.
func (c *inspectRows) query(x *inspection) (q *inspect.RowQuery, err error) {
	q = new(inspect.RowQuery)
	if q.Table, err = x.table(c.Table); err != nil {
		return nil, err
	}
	if q.Section, err = q.Table.Section(c.Section); err != nil {
		return nil, err
	}
	if c.Key != "" {
		if q.Key, err = inspect.ParseKey(c.Key); err != nil {
			return nil, err
		}
	}
	if c.After != "" {
		q.After, err = q.ParseAfter(c.After)
	}
	return q, err
}

// rowOf is a row to print.
func (c *inspectRows) rowOf(row *inspect.Row, kind inspect.SectionKind) *printedRow {
	out := &printedRow{
		Key: inspect.JSON(row.Attributes), Hash: fmt.Sprintf("%016x", row.Hash), Stamp: row.Item.Stamp(),
		Item: inspect.JSON(row.Item), Damage: row.Damage,
	}
	if kind == inspect.ExpiryRows && out.Key != nil {
		out.Expires = &row.Expires
	}
	if c.Raw || row.Damage != "" {
		out.printedBytes = bytesOf(row.Key, row.Value)
	}
	return out
}

// row prints a row, and counts it if it is damaged.
func (x *inspection) row(r *printedRow) error {
	if r.Damage != "" {
		x.damaged++
	}
	if x.asJSON {
		return x.encode(r, false)
	}
	fmt.Fprintf(x.out, "%s  hash %s", dash(string(r.Key)), r.Hash)
	if r.Stamp != 0 {
		fmt.Fprintf(x.out, "  written %s", timeText(time.UnixMicro(int64(r.Stamp))))
	}
	if r.Expires != nil {
		fmt.Fprintf(x.out, "  expires %d (%s)", *r.Expires, timeText(time.Unix(int64(*r.Expires), 0)))
	}
	fmt.Fprintln(x.out)
	if r.Damage != "" {
		fmt.Fprintf(x.out, "    cannot be read: %s\n", r.Damage)
	}
	if r.Item != nil {
		fmt.Fprintf(x.out, "    %s\n", r.Item)
	}
	r.print(x.out)
	return nil
}

// more says that there is more than was shown, to people. how is another way to see it, or empty.
func (x *inspection) more(what, how string) {
	if !x.asJSON {
		fmt.Fprintf(x.out, "more %s follow: %sshow more with --limit\n", what, how)
	}
}
