package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// parsed is what a test looks at of a page.
type parsed struct {
	cells, legend, titles []string // texts of td, of span, of h3
	paths                 []string
	text                  strings.Builder
}

// parse reads a page as strict XML, which it is as well, and checks that it loads nothing.
func parse(t *testing.T, page []byte) *parsed {
	t.Helper()
	p := new(parsed)
	var open []string
	for d := xml.NewDecoder(bytes.NewReader(page)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("the page: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			p.start(t, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				p.read(open[len(open)-1], string(e))
			}
		}
	}
}

// start looks at the beginning of an element.
func (p *parsed) start(t *testing.T, e xml.StartElement) {
	t.Helper()
	switch e.Name.Local {
	case "script", "link", "img", "iframe", "object", "embed", "a":
		t.Errorf("the page has an element %s", e.Name.Local)
	case "td":
		p.cells = append(p.cells, "")
	case "span":
		p.legend = append(p.legend, "")
	case "h3":
		p.titles = append(p.titles, "")
	}
	for _, a := range e.Attr {
		if e.Name.Local == "path" && a.Name.Local == "d" {
			p.paths = append(p.paths, a.Value)
		}
		if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.Contains(a.Value, "ZgotmplZ") {
			t.Errorf("%s has a %s of %q", e.Name.Local, a.Name.Local, a.Value)
		}
	}
}

// read takes a text.
func (p *parsed) read(element, text string) {
	for name, into := range map[string]*[]string{"td": &p.cells, "span": &p.legend, "h3": &p.titles} {
		if n := len(*into); name == element && n > 0 {
			(*into)[n-1] += text
		}
	}
	p.text.WriteString(text)
}

// html returns the page of reports, which it has read from their JSON.
func html(t *testing.T, reports ...*Report) *parsed {
	t.Helper()
	var again []*Report
	for _, r := range reports {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		read := new(Report)
		if err := json.Unmarshal(text, read); err != nil {
			t.Fatal(err)
		}
		again = append(again, read)
	}
	var page bytes.Buffer
	if err := WriteHTML(&page, again...); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "url(") || strings.Contains(page.String(), "@import") {
		t.Error("the page loads something")
	}
	return parse(t, page.Bytes())
}

// TestHTML checks that the page shows what the report says: each figure of the summary, and a line
// for each kind of operation in each chart.
func TestHTML(t *testing.T) {
	s := serve(t, database(t, nil))
	c := small(s.URL)
	var one, two *Report
	patiently(func(d time.Duration) bool {
		c.Duration, c.Label, c.Workloads = d, `<b>"one" & only</b>`, []string{"f", "get"}
		one = mustRun(t, c)
		c.Label, c.Workloads = "two", []string{"get", "query"}
		two = mustRun(t, c)
		return one.Workloads[0].Count > 20 && one.Workloads[1].Count > 0 && two.Workloads[0].Count > 0 && two.Workloads[1].Count > 0
	})

	p := html(t, one)
	var cells []string
	for _, res := range one.Workloads {
		for _, row := range res.rows() {
			cells = append(cells, row...)
		}
	}
	if !slices.Equal(p.cells, cells) {
		t.Errorf("the summary is %q, want %q", p.cells, cells)
	}
	if len(p.paths) != 3*(4+1) || slices.Contains(p.paths, "") {
		t.Errorf("there are the lines %q, want one for each of 5 kinds of operations in each of 3 charts", p.paths)
	}
	if !strings.Contains(p.text.String(), c.Endpoint) || !strings.Contains(p.text.String(), one.Label) {
		t.Errorf("the page does not name %q and %q", c.Endpoint, one.Label)
	}

	p = html(t, one, two)
	if want := 3*(4+1) + 3*(1+1); len(p.paths) != want {
		t.Errorf("side by side there are %d lines, want %d", len(p.paths), want)
	}
	if i := slices.Index(p.titles, "GetItem: latency by percentile"); i < 0 {
		t.Errorf("the charts are %q", p.titles)
	}
	for _, label := range []string{one.Label, "two"} {
		if !slices.Contains(p.legend, label) || !slices.Contains(p.cells, label) {
			t.Errorf("%q is not in the legends %q and the cells %q", label, p.legend, p.cells)
		}
	}
}

// TestHTMLOfLittle draws results with next to nothing in them.
func TestHTMLOfLittle(t *testing.T) {
	r := &Report{Label: "little", Workloads: []*Result{
		{Workload: "get", StepSeconds: 1, Wrong: 7, Errors: []string{"<wrong>"}},
		{Workload: "put", StepSeconds: 1, Operations: []Operation{{Name: "PutItem", Count: 1, Curve: []Point{{.13, 0.5}}, Series: []Second{{1, 0.5}, {}}}}},
		{Workload: "no longer there", StepSeconds: 1, Operations: []Operation{{Name: "PutItem"}}},
	}}
	p := html(t, r)
	if !strings.Contains(p.text.String(), "<wrong>") || !slices.Contains(p.cells, "7") {
		t.Errorf("the errors are not shown: %s", p.text.String())
	}
}

// TestSummary checks the table on the terminal.
func TestSummary(t *testing.T) {
	op := Operation{Name: "GetItem", Count: 1234, OpsPerSecond: 5, Mean: 1234, P50: 999, P95: 9995, P99: 99_951, P999: 100_000, Max: 2_000_000}
	r := &Report{Machine: Machine{Cores: 2}, Settings: Settings{Rate: 10}, ServerVersion: "v9.8.7", Loads: []Load{{"t", 1_000_000, 2}}, Workloads: []*Result{
		{Workload: "get", Operations: []Operation{op}, OpsPerSecond: 5, ServerMicros: 12.34, Wrong: 3, Races: 4, Throttled: 5,
			Usage: Usage{Seconds: 2, ServerKnown: true, MachineKnown: true, OtherCores: 1, RSS: 100 << 20}},
		{Workload: "a", Operations: []Operation{op, {Name: "UpdateItem"}}, Count: 20, OpsPerSecond: 10, Races: 2500, Usage: Usage{Seconds: 2}},
	}}
	var out strings.Builder
	if err := r.WriteSummary(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"server: partita v9.8.7",
		"loaded 1,000,000 records into t in 2.0 s: 500,000 a second",
		"workload operation count ops/s mean ms p50 p95 p99 p99.9 max CPU µs/op RSS errors",
		"get GetItem 1,234 5 1.23 1.00 10.0 100 100 2,000 12.3 100 MiB 3",
		"a GetItem 1,234 5 1.23 1.00 10.0 100 100 2,000",
		"UpdateItem 0 0 0.00 0.00 0.00 0.00 0.00 0.00",
		"all 20 10 - - 0",
		"! get: 3 answers were errors or wrong",
		"! get: other processes took 1.00 of 2 cores: measure again when the machine is quieter",
		"! get: of 10 operations a second that were due, 5 were done: latencies grow with the time measured",
		"! marks workloads whose figures should not be compared with those of other runs",
		"get: 5 times the server was too busy, and was asked again",
		"get: 4 conditions or transactions came too late and were tried again",
		"a: 2,500 conditions or transactions came too late and were tried again",
		"get: server 0.00 cores, peak memory 0 MiB, client 0.00 cores, other processes 1.00, idle 0.00, steal 0.00",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the summary is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestProgressLine holds how far a run is told to be.
func TestProgressLine(t *testing.T) {
	for _, test := range []struct {
		p    Progress
		want string
	}{
		{Progress{Workload: "load", Stage: "loading t", Records: 250_000, OfRecords: 1_000_000, OpsPerSecond: 10_000},
			"load: loading t, 250,000 of 1,000,000 records (25 %), 10,000/s, 1m15s left"},
		{Progress{Workload: "load", Stage: "loading t", OfRecords: 1000}, "load: loading t, 0 of 1,000 records (0 %), 0/s"},
		{Progress{Workload: "load", Stage: "loading t", Records: 1000, OfRecords: 1000, OpsPerSecond: 999.6, Wrong: 1234},
			"load: loading t, 1,000 of 1,000 records (100 %), 1,000/s, 1,234 errors"},
		{Progress{Workload: "get", Stage: "measuring", Done: 1500 * time.Millisecond, Of: 10 * time.Second, OpsPerSecond: 12_345, P99: time.Millisecond},
			"get: measuring 1.5s of 10s, 12,345 ops/s, p99 1.00 ms"},
		{Progress{Workload: "get", Stage: "reading back"}, "get: reading back"},
	} {
		if got := test.p.Line(); got != test.want {
			t.Errorf("%+v is told as %q, want %q", test.p, got, test.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 123_456: "123,456", 1_234_567: "1,234,567", -1: "-1", -999: "-999", -1000: "-1,000",
	} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestDifferences compares what runs were made with.
func TestDifferences(t *testing.T) {
	one := &Report{Settings: Settings{Records: 10, Seed: 1, Table: "a", Rate: 5}}
	two := &Report{Settings: Settings{Records: 10, Seed: 2, Table: "b", Rate: 5}}
	if got := Differences(one, two); len(got) != 0 {
		t.Errorf("there are the differences %q, want none", got)
	}
	three := &Report{Settings: Settings{Records: 20, Rate: 5}, Machine: Machine{Cores: 4}, Signed: true}
	if got, want := Differences(one, two, three, three), []string{"machine", "records", "signed"}; !slices.Equal(got, want) {
		t.Errorf("there are the differences %q, want %q", got, want)
	}
}
