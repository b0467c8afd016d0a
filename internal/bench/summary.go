package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteSummary writes the report as text: a table with a line for each kind of operation, and what
// else there is to know.
func (r *Report) WriteSummary(out io.Writer) error {
	if r.ServerVersion != "" {
		fmt.Fprintf(out, "server: partita %s\n", r.ServerVersion)
	}
	for _, l := range r.Loads {
		fmt.Fprintf(out, "loaded %s records into %s in %.1f s: %s a second\n",
			grouped(l.Records), l.Table, l.Seconds, whole(float64(l.Records)/max(l.Seconds, 1e-3)))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, strings.Join(columns, "\t")+"\t")
	for _, res := range r.Workloads {
		for i, line := range res.rows() {
			if i > 0 {
				line[0] = "" // the workload is said once
			}
			fmt.Fprintln(t, strings.Join(line, "\t")+"\t")
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeNotes(out)
}

// writeNotes writes the remarks on all results: for each rank those on all workloads, and under the
// first rank what its mark means.
func (r *Report) writeNotes(out io.Writer) error {
	var err error
	marked := false
	for rank := incomparable; rank <= information; rank++ {
		for _, res := range r.Workloads {
			for _, n := range r.notes(res) {
				if n.rank == rank {
					mark, _, _ := strings.Cut(n.String(), n.text)
					_, err = fmt.Fprintf(out, "%s%s: %s\n", mark, res.Workload, n.text)
					marked = marked || rank == incomparable
				}
			}
		}
		if rank == incomparable && marked {
			_, err = fmt.Fprintln(out, "! marks workloads whose figures should not be compared with those of other runs")
		}
	}
	return err
}

// columns are the columns of the summary.
var columns = []string{"workload", "operation", "count", "ops/s", "mean ms", "p50", "p95", "p99", "p99.9", "max", "CPU µs/op", "RSS", "errors"}

// allOperations stands in the column of operations where all are meant.
const allOperations = "all"

// rows are a result's lines of the summary: one for each kind of operation, and one for all where
// there are several.
func (res *Result) rows() (rows [][]string) {
	cpu, rss := "-", "-"
	if res.Usage.ServerKnown {
		cpu, rss = fmt.Sprintf("%.1f", res.ServerMicros), mebibytes(res.Usage.RSS)
	}
	totals := []string{cpu, rss, grouped(res.Wrong)}
	for _, op := range res.Operations {
		row := []string{res.Workload, op.Name, grouped(int64(op.Count)), whole(op.OpsPerSecond), millis(op.Mean),
			millis(op.P50), millis(op.P95), millis(op.P99), millis(op.P999), millis(op.Max)}
		if len(res.Operations) == 1 {
			return append(rows, append(row, totals...))
		}
		rows = append(rows, append(row, "", "", ""))
	}
	all := []string{
		res.Workload, allOperations, grouped(int64(res.Count)), whole(res.OpsPerSecond), "", "", "", "", "", "",
	}
	return append(rows, append(all, totals...))
}

// millis writes a number of microseconds as milliseconds, with three digits that count.
func millis(us float64) string {
	switch ms := us / 1000; {
	case ms < 9.995:
		return fmt.Sprintf("%.2f", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f", ms)
	default:
		return whole(ms)
	}
}

// whole writes a number without its fraction.
func whole(f float64) string { return grouped(int64(math.RoundToEven(f))) }

// grouped writes a number with a comma after each three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 1
	if n < 0 {
		first = 2
	}
	for at := len(text) - 3; at >= first; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// mebibytes writes a number of bytes.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// Line is the progress as a line.
func (p Progress) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", p.Workload, p.Stage)
	switch {
	case p.Of > 0:
		fmt.Fprintf(&b, " %v of %v, %s ops/s, p99 %s ms",
			p.Done.Round(100*time.Millisecond), p.Of, whole(p.OpsPerSecond), millis(micros(p.P99)))
	case p.OfRecords > 0:
		fmt.Fprintf(&b, ", %s of %s records (%d %%), %s/s",
			grouped(p.Records), grouped(p.OfRecords), 100*p.Records/p.OfRecords, whole(p.OpsPerSecond))
		if left := float64(p.OfRecords - p.Records); left > 0 && p.OpsPerSecond > 0 {
			fmt.Fprintf(&b, ", %v left", time.Duration(math.Ceil(left/p.OpsPerSecond))*time.Second)
		}
	}
	if p.Wrong > 0 {
		fmt.Fprintf(&b, ", %s errors", grouped(p.Wrong))
	}
	return b.String()
}
