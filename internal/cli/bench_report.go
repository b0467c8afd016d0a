package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/partita-db/partita/internal/bench"
)

// benchReport draws reports.
type benchReport struct {
	Files []string `arg:"" help:"Results, as \"partita bench --json\" writes them."`
	HTML  string   `name:"html" default:"bench.html" placeholder:"FILE" help:"Where to write the report. Default: ${default}."`
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
	if err := writeFile(c.HTML, func(w io.Writer) error { return bench.WriteHTML(w, reports...) }); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "report written to %s\n", c.HTML)
	return nil
}
