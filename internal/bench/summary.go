package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// muchElse is the share of the machine that others may take before a result is worth measuring again.
const muchElse = 0.05

// WriteSummary writes the report as text: a table with a line for each kind of operation, and what else there is to know.
func (r *Report) WriteSummary(out io.Writer) error {
	for _, l := range r.Loads {
		fmt.Fprintf(out, "loaded %d records into %s in %.1f s: %.0f a second\n", l.Records, l.Table, l.Seconds, float64(l.Records)/max(l.Seconds, 1e-3))
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
	for _, res := range r.Workloads {
		for _, note := range r.notes(res) {
			fmt.Fprintf(out, "%s: %s\n", res.Workload, note)
		}
	}
	return nil
}

// columns are the columns of the summary.
var columns = []string{"workload", "operation", "count", "ops/s", "mean ms", "p50", "p95", "p99", "p99.9", "max", "CPU µs/op", "RSS", "errors"}

// allOperations stands in the column of operations where all are meant.
const allOperations = "all"

// rows are a result's lines of the summary: one for each kind of operation, and one for all where there are several.
func (res *Result) rows() (rows [][]string) {
	cpu, rss := "-", "-"
	if res.Usage.ServerKnown {
		cpu, rss = fmt.Sprintf("%.1f", res.ServerMicros), mebibytes(res.Usage.RSS)
	}
	totals := []string{cpu, rss, fmt.Sprint(res.Wrong)}
	for _, op := range res.Operations {
		row := []string{res.Workload, op.Name, fmt.Sprint(op.Count), fmt.Sprintf("%.0f", op.OpsPerSecond), millis(op.Mean),
			millis(op.P50), millis(op.P95), millis(op.P99), millis(op.P999), millis(op.Max)}
		if len(res.Operations) == 1 {
			return append(rows, append(row, totals...))
		}
		rows = append(rows, append(row, "", "", ""))
	}
	all := []string{res.Workload, allOperations, fmt.Sprint(res.Count), fmt.Sprintf("%.0f", res.OpsPerSecond), "", "", "", "", "", ""}
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
		return fmt.Sprintf("%.0f", ms)
	}
}

// mebibytes writes a number of bytes.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// notes are what else there is to say of a result: what the machine did, and what to take care of.
func (r *Report) notes(res *Result) (notes []string) {
	u := res.Usage
	if u.MachineKnown {
		notes = append(notes, u.cores())
	}
	if els := u.OtherCores + u.StealCores; u.MachineKnown && u.ServerKnown && els > muchElse*float64(r.Machine.Cores) {
		notes = append(notes, fmt.Sprintf("other processes took %.2f of %d cores: measure again when the machine is quieter", els, r.Machine.Cores))
	}
	if rate := r.Settings.Rate; rate > 0 && res.OpsPerSecond < 0.99*rate {
		notes = append(notes, fmt.Sprintf("of %.0f operations a second that were due, %.0f were done: latencies grow with the time measured", rate, res.OpsPerSecond))
	}
	if res.Races > 0 {
		notes = append(notes, fmt.Sprintf("%d conditions or transactions came too late and were tried again", res.Races))
	}
	if res.Throttled > 0 {
		notes = append(notes, fmt.Sprintf("%d times the server was too busy, and was asked again", res.Throttled))
	}
	if res.Dropped > 0 {
		notes = append(notes, fmt.Sprintf("%d times the server closed the connection instead of answering, and was asked again", res.Dropped))
	}
	if res.ReadBack > 0 {
		notes = append(notes, fmt.Sprintf("%d written values read back", res.ReadBack))
	}
	return notes
}

// cores says what the processors did.
func (u Usage) cores() string {
	var b strings.Builder
	others := "other processes"
	if u.ServerKnown {
		fmt.Fprintf(&b, "server %.2f cores, peak memory %s, ", u.ServerCores, mebibytes(u.PeakRSS))
	} else {
		others += " (the server too, if it is here)"
	}
	fmt.Fprintf(&b, "client %.2f cores, %s %.2f, idle %.2f, steal %.2f", u.ClientCores, others, u.OtherCores, u.IdleCores, u.StealCores)
	return b.String()
}

// Line is the progress as a line.
func (p Progress) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", p.Workload, p.Stage)
	switch {
	case p.Of > 0:
		fmt.Fprintf(&b, " %v of %v, %.0f ops/s, p99 %s ms", p.Done.Round(100*time.Millisecond), p.Of, p.OpsPerSecond, millis(micros(p.P99)))
	case p.Records > 0:
		fmt.Fprintf(&b, ", %d records, %.0f/s", p.Records, p.OpsPerSecond)
	}
	if p.Wrong > 0 {
		fmt.Fprintf(&b, ", %d errors", p.Wrong)
	}
	return b.String()
}
