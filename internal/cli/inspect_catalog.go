package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/partita-db/partita/internal/inspect"
	"github.com/partita-db/partita/internal/schema"
)

// inspectCatalog shows what tables and streams there are.
type inspectCatalog struct{ inspectFlags }

// Help adds to the command's help.
func (*inspectCatalog) Help() string {
	return `Shows the tables with their states, counters, indexes and streams, and the streams of tables that are
gone. ` + inspectRules + `

Examples:

	partita inspect catalog --data /backups/monday
	partita inspect catalog --json`
}

// printedCatalog is what "partita inspect catalog --json" prints. Scripts read this and all that
// the other commands print: members may be added, and none goes or changes its meaning.
type printedCatalog struct {
	Directory   string            `json:"directory"`
	Format      map[string]string `json:"format"` // the file FORMAT
	NextTableID uint32            `json:"nextTableId"`
	Tables      []printedTable    `json:"tables"`
	// Streams are those whose table is gone, and those that cannot be read.
	Streams []printedStream `json:"streamsWithoutTable"`
	Damaged []printedDamage `json:"damaged"`
}

// printedTable is a table. Members that do not apply, or cannot be read, are left out.
type printedTable struct {
	Name     string           `json:"name"`
	ID       uint32           `json:"id"`
	Account  string           `json:"account,omitempty"`
	Region   string           `json:"region,omitempty"`
	Named    bool             `json:"named"` // false: deleted, and its rows are being removed
	State    schema.State     `json:"state,omitempty"`
	Status   schema.Status    `json:"status,omitempty"` // that DescribeTable would show
	Sections []printedSection `json:"sections"`
	// Stream is the one that writers append to.
	Stream string   `json:"stream,omitempty"`
	Faults []string `json:"faults,omitempty"`
}

// printedSection is a section of a table.
type printedSection struct {
	ID       uint16              `json:"id"`
	Kind     inspect.SectionKind `json:"kind"`
	Name     string              `json:"name"`
	State    schema.State        `json:"state,omitempty"`
	Dropping bool                `json:"dropping,omitempty"`
	Status   schema.Status       `json:"status,omitempty"`
	Items    *int64              `json:"items,omitempty"` // of the counter; the index by expiry has none
	Bytes    *int64              `json:"bytes,omitempty"`
	// Cursor is the key of the last item that a backfill has done, as far as it can be read.
	Cursor string `json:"cursor,omitempty"`
}

// printedDamage is a row of the catalog that cannot be read.
type printedDamage struct {
	What string `json:"what"`
	Why  string `json:"why"`
	printedBytes
}

// Run implements the command.
func (c *inspectCatalog) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		out := x.catalog()
		if x.asJSON {
			return x.encode(out, true)
		}
		x.printCatalog(out)
		return nil
	})
}

// catalog is the catalog to print. What is damaged is counted.
func (x *inspection) catalog() *printedCatalog {
	out := &printedCatalog{
		Directory: x.dir, Format: readFormatFile(x.dir), NextTableID: x.NextTableID,
		Tables: []printedTable{}, Streams: []printedStream{}, Damaged: []printedDamage{},
	}
	for _, t := range x.Tables {
		out.Tables = append(out.Tables, x.tableOf(t))
	}
	for _, s := range x.Streams {
		if s.Schema == nil || s.Gone {
			out.Streams = append(out.Streams, x.streamOf(s))
		}
	}
	for _, d := range x.Damaged {
		x.damaged++
		out.Damaged = append(out.Damaged, printedDamage{d.What, d.Why, bytesOf(d.Key, d.Value)})
	}
	return out
}

// tableOf is a table to print.
func (x *inspection) tableOf(t *inspect.Table) printedTable {
	out := printedTable{Name: t.Name, ID: t.ID, Named: t.Named, Faults: t.Faults}
	if t.Faults != nil {
		x.damaged++
	}
	d := t.Schema
	if d != nil {
		out.Account, out.Region = d.Namespace.Account, d.Namespace.Region
		out.State, out.Status = d.State, d.Status(x.Now())
		if d.StreamID != 0 {
			out.Stream = schema.StreamPath(d.Name, d.StreamLabel)
		}
	}
	for _, s := range t.Sections() {
		n := t.Counts[s.ID]
		section := printedSection{ID: s.ID, Kind: s.Kind, Name: s.Name}
		if s.Kind != inspect.ExpiryRows {
			section.Items, section.Bytes = &n.Items, &n.Bytes
		}
		if s.At != nil {
			section.State, section.Dropping = s.At.State, s.At.Dropping
		}
		switch {
		case d != nil && s.Plan != nil:
			section.Status, _ = d.IndexStatus(s.Plan.Index, x.Now())
		case d != nil && s.Kind == inspect.ExpiryRows:
			section.Status = d.Expiry.Status(x.Now())
		}
		if cursor, ok := t.Cursors[s.ID]; ok {
			section.Cursor = fmt.Sprintf("%x", cursor)
			if d != nil {
				section.Cursor = d.DescribeKey(cursor)
			}
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

// printCatalog prints the catalog as text.
func (x *inspection) printCatalog(c *printedCatalog) {
	fmt.Fprintf(x.out, "%s\nformat %s, encryption %s; next table id %d\n\n",
		c.Directory, dash(c.Format["partita"]), dash(c.Format["encryption"]), c.NextTableID)
	for i := range c.Tables {
		x.printTable(&c.Tables[i])
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		if i == 0 {
			fmt.Fprintln(x.out, "streams without a table:")
		}
		fmt.Fprintf(x.out, "  %s  of table id %d, %s, ended %s\n",
			dash(s.Stream), s.TableID, dash(string(s.Status)), dash(s.Ended))
		x.printFaults(s)
	}
	for _, d := range c.Damaged {
		fmt.Fprintf(x.out, "a row of %s cannot be read: %s\n", d.What, d.Why)
		d.print(x.out)
	}
}

// printTable prints a table, with a line for each section.
func (x *inspection) printTable(t *printedTable) {
	named := ""
	if !t.Named {
		named = ", deleted"
	}
	fmt.Fprintf(x.out, "%s  id %d, account %s, region %s%s\n", t.title(), t.ID, dash(t.Account), dash(t.Region), named)
	if t.Faults != nil {
		fmt.Fprintf(x.out, "  the descriptor is damaged: %s\n", strings.Join(t.Faults, "; "))
	}
	x.columns(func(w *tabwriter.Writer) {
		for _, s := range t.Sections {
			state, status := string(s.State), string(s.Status)
			if s.Dropping {
				state += ", dropping"
			}
			if s.Kind == inspect.ItemRows {
				state, status = string(t.State), string(t.Status)
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s items\t%s bytes\n", s.title(), dash(state), dash(status),
				numberText(s.Items), numberText(s.Bytes))
		}
	})
	if t.Stream != "" {
		fmt.Fprintf(x.out, "  stream %s\n", t.Stream)
	}
	fmt.Fprintln(x.out)
}

// title names the table for people. A name out of a descriptor that is damaged can be anything.
func (t *printedTable) title() string {
	if t.Faults != nil {
		return strconv.Quote(t.Name)
	}
	return t.Name
}

// title names a section for people.
func (s *printedSection) title() string {
	switch s.Kind {
	case inspect.GlobalIndexRows, inspect.LocalIndexRows:
		return fmt.Sprintf("%s (%s)", s.Name, s.Kind)
	case inspect.UnknownRows:
		return s.Name + " (unknown)"
	}
	return s.Name
}

// inspectTable shows all of a table.
type inspectTable struct {
	Name string `arg:"" placeholder:"TABLE" help:"Name of the table, or id: and its id."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectTable) Help() string {
	return `Shows the descriptor of a table as it is stored, its sections with their ids, and what follows from
it: states, counters, and how far backfills are. ` + inspectRules + `

Examples:

	partita inspect table orders --data /backups/monday
	partita inspect table id:7 --json`
}

// printedDescriptor is what "partita inspect table --json" prints.
type printedDescriptor struct {
	printedTable
	// Descriptor is as it is stored (docs/storage.md). Raw is there instead if it is no JSON.
	Descriptor json.RawMessage `json:"descriptor,omitempty"`
	Raw        string          `json:"rawValue,omitempty"`
}

// Run implements the command.
func (c *inspectTable) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		t, err := x.table(c.Name)
		if err != nil {
			return err
		}
		out := printedDescriptor{printedTable: x.tableOf(t)}
		if json.Valid(t.Stored) {
			out.Descriptor = t.Stored
		} else {
			out.Raw = fmt.Sprintf("%x", t.Stored)
		}
		if x.asJSON {
			return x.encode(out, true)
		}
		x.printDescriptor(&out)
		return nil
	})
}

// printDescriptor prints a table as text.
func (x *inspection) printDescriptor(t *printedDescriptor) {
	fmt.Fprintf(x.out, "%s  id %d, state %s, status %s, stream %s\n\n",
		t.title(), t.ID, dash(string(t.State)), dash(string(t.Status)), dash(t.Stream))
	x.columns(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "SECTION\tID\tSTATE\tDROPPING\tSTATUS\tITEMS\tBYTES\tBACKFILLED UP TO")
		for _, s := range t.Sections {
			fmt.Fprintf(w, "%s\t%d\t%s\t%v\t%s\t%s\t%s\t%s\n", s.title(), s.ID, dash(string(s.State)), s.Dropping,
				dash(string(s.Status)), numberText(s.Items), numberText(s.Bytes), dash(s.Cursor))
		}
	})
	if t.Faults != nil {
		fmt.Fprintf(x.out, "\nthe descriptor is damaged: %s\n", strings.Join(t.Faults, "; "))
	}
	var pretty bytes.Buffer
	if t.Descriptor == nil || json.Indent(&pretty, t.Descriptor, "", "  ") != nil {
		fmt.Fprintf(x.out, "\nas it is stored: %s\n", dash(t.Raw))
		return
	}
	fmt.Fprintf(x.out, "\n%s\n", &pretty)
}
