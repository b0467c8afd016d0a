package bench

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"time"
)

//go:embed report.html
var pageSource string

// pageTemplate is the report: one file, with nothing to load.
var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"half": func(a, b float64) float64 { return (a + b) / 2 },
}).Parse(pageSource))

// page is what the template shows.
type page struct {
	Title    string
	Several  bool // reports
	Columns  []string
	Rows     []pageRow
	Sections []section
	Reports  []pageReport

	Width, Height            float64
	Left, Right, Top, Bottom float64
}

// palette is how many colours the lines have; more lines begin anew.
const palette = 8

// Palette returns something for each colour.
func (p *page) Palette() []struct{} { return make([]struct{}, palette) }

// pageRow is a line of the summary.
type pageRow struct {
	Label string
	Cells []string
	Wrong bool
	First bool // of a workload
}

// section is what there is of one workload.
type section struct {
	Name, About string
	Charts      []*chart
	Notes       []string
	Errors      []string
}

// pageReport is one report's settings.
type pageReport struct {
	Label string
	Facts [][2]string
}

// WriteHTML writes a page with the tables and curves of reports. Those of several are drawn side by
// side: a line for each in every chart.
func WriteHTML(w io.Writer, reports ...*Report) error {
	p := &page{
		Title: "partita bench", Several: len(reports) > 1, Columns: columns, Width: chartWidth, Height: chartHeight,
		Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom,
	}
	for _, name := range workloadsOf(reports) {
		p.add(name, reports)
	}
	for _, r := range reports {
		p.Reports = append(p.Reports, pageReport{r.Label, r.facts()})
	}
	if !p.Several {
		p.Title += ": " + reports[0].Label
	}
	return pageTemplate.Execute(w, p)
}

// workloadsOf returns the names of all workloads of the reports, each once, in the order of the
// reports.
func workloadsOf(reports []*Report) (names []string) {
	for _, r := range reports {
		for _, res := range r.Workloads {
			if !slices.Contains(names, res.Workload) {
				names = append(names, res.Workload)
			}
		}
	}
	return names
}

// labelled is the result of one report.
type labelled struct {
	label  string
	number int // of the report
	*Result
}

// add adds a workload.
func (p *page) add(name string, reports []*Report) {
	s := section{Name: name}
	if wl, err := workloadOf(name); err == nil {
		s.About = wl.About
	}
	var results []labelled
	for i, r := range reports {
		for _, res := range r.Workloads {
			if res.Workload != name {
				continue
			}
			results = append(results, labelled{r.Label, i, res})
			for _, note := range r.notes(res) {
				s.Notes = append(s.Notes, p.prefixed(r.Label, note.String()))
			}
			for _, text := range res.Errors {
				s.Errors = append(s.Errors, p.prefixed(r.Label, text))
			}
		}
	}
	p.addRows(results)
	s.Charts = p.charts(results)
	p.Sections = append(p.Sections, s)
}

// addRows adds a workload's lines of the summary, with those of the same kind of operation
// together.
func (p *page) addRows(results []labelled) {
	first := true
	for _, op := range append(operationsOf(results), allOperations) {
		for _, res := range results {
			for _, cells := range res.rows() {
				if cells[1] == op {
					p.Rows = append(p.Rows, pageRow{res.label, cells, res.Wrong > 0, first})
					first = false
				}
			}
		}
	}
}

// prefixed puts the label of a report before a text, where there are several.
func (p *page) prefixed(label, text string) string {
	if p.Several {
		return label + ": " + text
	}
	return text
}

// charts draws a workload. Of one report, a chart has a line for each kind of operation; of several
// there are charts for each kind, with a line for each report.
func (p *page) charts(results []labelled) (charts []*chart) {
	operations := operationsOf(results)
	if p.Several {
		for _, op := range operations {
			t := newTrio(op + ": ")
			for _, res := range results {
				t.add(res.Result, op, res.label, res.number)
			}
			charts = append(charts, t.draw()...)
		}
		return charts
	}
	for _, res := range results { // the same workload may have been run twice
		t := newTrio("")
		for i, op := range operations {
			t.add(res.Result, op, op, i)
		}
		charts = append(charts, t.draw()...)
	}
	return charts
}

// trio is the three charts that show the same lines.
type trio struct{ curve, p99, throughput *chart }

// newTrio returns charts without lines, whose titles begin with the prefix.
func newTrio(prefix string) trio {
	return trio{
		&chart{Title: prefix + "latency by percentile"}, &chart{Title: prefix + "99th percentile over time"},
		&chart{Title: prefix + "operations a second over time"},
	}
}

// add adds a line for a kind of operation of a result, if it has any.
func (t trio) add(res *Result, op, name string, colour int) {
	i := slices.IndexFunc(res.Operations, func(o Operation) bool { return o.Name == op })
	if i < 0 {
		return
	}
	o, colour := &res.Operations[i], colour%palette
	curve := &line{Name: name, Colour: colour}
	p99 := &line{Name: name, Colour: colour}
	throughput := &line{Name: name, Colour: colour}
	for _, point := range o.Curve {
		curve.add(nines(point.Quantile), point.Micros,
			fmt.Sprintf("%s, %s %%: %s ms", name, percent(point.Quantile), millis(point.Micros)))
	}
	for i, s := range o.Series {
		at := float64(i+1) * res.StepSeconds
		p99.add(at, s.P99, fmt.Sprintf("%s, %.4g s: %s ms", name, at, millis(s.P99)))
		throughput.add(at, s.OpsPerSecond, fmt.Sprintf("%s, %.4g s: %.0f ops/s", name, at, s.OpsPerSecond))
	}
	t.curve.Lines, t.p99.Lines = append(t.curve.Lines, curve), append(t.p99.Lines, p99)
	t.throughput.Lines = append(t.throughput.Lines, throughput)
}

// draw finishes the charts.
func (t trio) draw() []*chart {
	return []*chart{t.curve.latencyCurve(), t.p99.overTime(true), t.throughput.overTime(false)}
}

// percent writes a quantile.
func percent(q float64) string { return strconv.FormatFloat(q*100, 'g', 6, 64) }

// operationsOf returns the names of all kinds of operations of the results.
func operationsOf(results []labelled) (names []string) {
	for _, res := range results {
		for _, op := range res.Operations {
			if !slices.Contains(names, op.Name) {
				names = append(names, op.Name)
			}
		}
	}
	return names
}

// facts are a report's settings in words.
func (r *Report) facts() [][2]string {
	s, m := r.Settings, r.Machine
	facts := [][2]string{
		{"endpoint", r.Endpoint},
		{"server's version", cmp.Or(r.ServerVersion, "not known")},
		{"began", r.Began.Format("2006-01-02 15:04:05 MST")},
		{"client's machine", fmt.Sprintf("%s, %d cores, %.1f GiB memory, %s",
			m.System, m.Cores, float64(m.MemoryBytes)/(1<<30), m.Processor)},
		{"records", fmt.Sprintf("%s of %d fields, %s bytes together",
			grouped(s.Records), s.Fields, grouped(int64(s.RecordBytes)))},
		{"connections", fmt.Sprint(s.Connections)},
		{"rate", "as many as there can be"},
		{"measured", fmt.Sprintf("%v, after %v to warm up", s.Duration, s.Warmup.Round(time.Millisecond))},
		{"keys", "as the workload says"},
		{"global secondary indexes", fmt.Sprint(s.Indexes)},
		{"reads", "eventually consistent"},
		{"requests", "not signed"},
		{"seed", fmt.Sprint(s.Seed)},
	}
	set := func(name, value string, is bool) {
		for i := range facts {
			if facts[i][0] == name && is {
				facts[i][1] = value
			}
		}
	}
	set("rate", whole(s.Rate)+" operations a second; latencies count from when they were due", s.Rate > 0)
	set("keys", s.Dist, s.Dist != "")
	set("reads", "consistent", s.Consistent)
	set("requests", "signed", r.Signed)
	return facts
}
