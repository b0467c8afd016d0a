package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/partita-db/partita/internal/bench"
)

// benchReport draws reports.
type benchReport struct {
	Files []string `arg:"" placeholder:"FILE" help:"Results that \"partita bench --json\" has written."`
	HTML  string   `name:"html" default:"bench.html" placeholder:"FILE" help:"File to write the report to. Default: ${default}."`
}

// Help adds to the command's help.
func (*benchReport) Help() string {
	return `Writes one page of HTML that shows the results of several runs beside each other, with their
latency curves.

Example:

	partita bench report mine.json theirs.json --html both.html`
}

// Run implements the command.
func (c *benchReport) Run(s *streams) error {
	var reports []*bench.Report
	for _, name := range c.Files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		r := new(bench.Report)
		if err := json.Unmarshal(text, r); err != nil || len(r.Workloads) == 0 {
			return fmt.Errorf("%s has no results of \"partita bench --json\" in it", name)
		}
		reports = append(reports, r)
	}
	if differ := bench.Differences(reports...); len(differ) > 0 {
		fmt.Fprintf(s.stderr, "! the runs differ in %s: their figures should not be compared\n",
			strings.Join(differ, ", "))
	}
	if err := writeFile(c.HTML, func(w io.Writer) error { return bench.WriteHTML(w, reports...) }); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "report written to %s\n", c.HTML)
	return nil
}
