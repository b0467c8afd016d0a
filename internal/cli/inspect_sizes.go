package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/partita-db/partita/internal/inspect"
)

// inspectSizes shows how large each part of the data is.
type inspectSizes struct {
	Count bool `help:"Read all rows and count them, and the bytes of their keys and values."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectSizes) Help() string {
	return `Shows for each table and section what its counter says, and about how many bytes it takes on the disk;
with --count also how many rows there are, and the bytes of their keys and values. A counter's bytes are
those by which DynamoDB counts. With --json a section is an object on one line.
` + inspectRules + `

Examples:

	partita inspect sizes --data /backups/monday
	partita inspect sizes --count --json`
}

// printedSize is how large a part is. Members that are not known are left out.
type printedSize struct {
	Table     string              `json:"table,omitempty"` // of the part; none: catalog, tokens
	TableID   uint32              `json:"tableId,omitempty"`
	Stream    string              `json:"stream,omitempty"` // whose records the part is
	Section   string              `json:"section"`
	SectionID uint16              `json:"sectionId,omitempty"`
	Kind      inspect.SectionKind `json:"kind,omitempty"`

	CounterItems *int64 `json:"counterItems,omitempty"`
	CounterBytes *int64 `json:"counterBytes,omitempty"`

	Rows       *int64 `json:"rows,omitempty"`
	KeyBytes   *int64 `json:"keyBytes,omitempty"`
	ValueBytes *int64 `json:"valueBytes,omitempty"`
	DiskBytes  *int64 `json:"diskBytes,omitempty"`
}

// Run implements the command.
func (c *inspectSizes) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		var all []printedSize
		for size, err := range x.Sizes(c.Count) {
			if err != nil {
				return err
			}
			out := sizeOf(&size)
			if !x.asJSON {
				all = append(all, out)
			} else if err := x.encode(out, false); err != nil {
				return err
			}
		}
		if !x.asJSON {
			x.columns(func(w *tabwriter.Writer) { printSizes(w, all) })
		}
		return nil
	})
}

// sizeOf is a size to print.
func sizeOf(s *inspect.Size) printedSize {
	out := printedSize{Section: s.Section.Name, SectionID: s.Section.ID, Kind: s.Section.Kind}
	if s.Table != nil {
		out.Table, out.TableID = s.Table.Label(), s.Table.ID
	}
	if s.Stream != nil {
		out.Stream = fmt.Sprintf("%x", s.Stream.ID)
		if s.Stream.Schema != nil {
			out.Stream, out.Table = s.Stream.Schema.Path(), s.Stream.Schema.Table
		}
	}
	if s.Counter != nil {
		out.CounterItems, out.CounterBytes = &s.Counter.Items, &s.Counter.Bytes
	}
	if s.Counted {
		out.Rows, out.KeyBytes, out.ValueBytes = &s.Rows, &s.KeyBytes, &s.ValueBytes
	}
	if s.DiskBytes >= 0 {
		out.DiskBytes = &s.DiskBytes
	}
	return out
}

// printSizes prints sizes as text.
func printSizes(w *tabwriter.Writer, all []printedSize) {
	fmt.Fprintln(w, "TABLE\tSECTION\tCOUNTER: ITEMS\tBYTES\tROWS\tKEY BYTES\tVALUE BYTES\tDISK BYTES")
	for i := range all {
		s := &all[i]
		table, section := s.Table, s.Section
		if s.Stream != "" {
			table = s.Stream
		}
		fmt.Fprintf(w, "%s\t%s", dash(table), section)
		for _, n := range []*int64{s.CounterItems, s.CounterBytes, s.Rows, s.KeyBytes, s.ValueBytes, s.DiskBytes} {
			fmt.Fprintf(w, "\t%s", numberText(n))
		}
		fmt.Fprintln(w)
	}
}
