package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// checkCommand verifies a data directory, or a backup.
type checkCommand struct {
	Data string `placeholder:"DIR" help:"Data directory of a stopped server, or a backup. Default: ./partita-data, or /var/lib/partita/data or /var/lib/partita if only that exists."`
	All  bool   `help:"List all problems, up to 100000, instead of the first 100."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// How many problems are listed.
const (
	fewProblems = 100
	allProblems = 100_000
)

// Help adds to the command's help.
func (*checkCommand) Help() string {
	return `Reads all files and rows in the directory and verifies that they agree. Nothing in it is changed.
No server may have it open: of a running one, take a backup and check that. The exit status is 0 if there is
no problem and 1 if there is one. The keys of damaged rows are printed, and no other values.

Examples:

	partita check --data /backups/monday
	partita check --data /backups/monday --json`
}

// Run implements the command.
func (c *checkCommand) Run(s *streams) error {
	data := findData(c.Data, s.systemData)
	dir, err := filepath.Abs(data.path)
	if err != nil {
		return err
	}
	most := fewProblems
	if c.All {
		most = allProblems
	}
	p := newProgress(s.stderr)
	report, err := verifyDir(s.ctx, dir, most, p, s.stderr)
	p.end()
	if report == nil {
		return data.explain(err)
	}
	if c.JSON {
		report.printJSON(s.stdout, dir, p.took(), err == nil)
	} else {
		report.print(s.stdout, dir, p.took())
	}
	switch {
	case err != nil:
		return fmt.Errorf("the check of %s was not completed: %w", dir, err)
	case !report.Clean():
		return fmt.Errorf("there are problems in %s", dir)
	}
	return nil
}

// checked is a report to print.
type checked struct{ *check.Report }

// verifyDir checks a directory. The report is nil if the check could not begin. The engine's
// warnings, such as about what a crash has left, go to stderr.
func verifyDir(ctx context.Context, dir string, maxProblems int, p *progress, stderr io.Writer) (*checked, error) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	engine, err := pebblekv.Open(pebblekv.Options{Dir: dir, ReadOnly: true, Logger: log})
	if errors.Is(err, pebblekv.ErrLocked) {
		err = fmt.Errorf("%w (a server has it open: stop it, or take a backup with \"partita backup\" and check that)", err)
	}
	if err != nil {
		return nil, err
	}
	tell := func(at check.Progress) {
		amount := rowCount
		if at.Stage == check.StageFiles {
			amount = byteCount
		}
		p.tell("checking "+string(at.Stage), at.Done, at.Total, amount)
	}
	report, err := check.Run(ctx, engine, check.Options{Files: true, MaxProblems: maxProblems, Progress: tell})
	return &checked{report}, errors.Join(err, engine.Close())
}

// print prints the report as text.
func (r *checked) print(w io.Writer, dir string, took time.Duration) {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s: %v\n", p.Kind, p)
	}
	seen := r.Items + r.IndexRows + r.ExpiryRows + r.StreamRecords + r.Tokens
	fmt.Fprintf(w, "%s\n", dir)
	for _, line := range []struct {
		what string
		n    int64
	}{
		{"tables", r.Tables}, {"items", r.Items}, {"index rows", r.IndexRows}, {"expiry rows", r.ExpiryRows},
		{"streams", r.Streams}, {"stream records", r.StreamRecords}, {"tokens", r.Tokens},
	} {
		fmt.Fprintf(w, "  %-15s %d\n", line.what, line.n)
	}
	fmt.Fprintf(w, "  %-15s %s\n", "size of rows", byteCount(r.Bytes))
	fmt.Fprintf(w, "  %-15s %v, %d rows/s\n", "time", took.Round(time.Millisecond),
		int64(float64(seen)/max(took.Seconds(), 1e-3)))
	r.printFound(w)
}

// printFound prints how many problems of what kind there are.
func (r *checked) printFound(w io.Writer) {
	if r.Unfollowed > 0 {
		fmt.Fprintf(w, "  %d stream records were not held against others of their items, which are too many\n", r.Unfollowed)
	}
	if r.Clean() {
		fmt.Fprintf(w, "  %-15s none\n", "problems")
		return
	}
	total := int64(0)
	for _, n := range r.Found {
		total += n
	}
	fmt.Fprintf(w, "  %-15s %d", "problems", total)
	if left := total - int64(len(r.Problems)); left > 0 {
		fmt.Fprintf(w, ", of which %d are not listed", left)
	}
	fmt.Fprintln(w)
	for _, kind := range check.Kinds {
		if n := r.Found[kind]; n > 0 {
			fmt.Fprintf(w, "    %-25s %d\n", kind, n)
		}
	}
	if r.Found[check.KindFile] > 0 {
		fmt.Fprintln(w, "  a file is damaged, so that the rows were not looked at")
	}
}
