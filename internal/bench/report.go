package bench

import (
	"math"
	"time"
)

// Report is the result of a run. It is written and read as JSON.
type Report struct {
	Label    string `json:"label"`
	Endpoint string `json:"endpoint"`
	// ServerVersion is that of a Partita which was started for the run; empty: it is not known.
	ServerVersion string    `json:"server_version,omitempty"`
	Began         time.Time `json:"began"`
	Machine       Machine   `json:"machine"` // of the client
	Settings      Settings  `json:"settings"`
	Signed        bool      `json:"signed"`
	Loads         []Load    `json:"loads"`
	Workloads     []*Result `json:"workloads"`
}

// Load is the filling of a table.
type Load struct {
	Table   string  `json:"table"`
	Records int64   `json:"records"`
	Seconds float64 `json:"seconds"`
}

// Result is the result of one workload. Latencies are in microseconds.
type Result struct {
	Workload     string      `json:"workload"`
	Operations   []Operation `json:"operations"`
	Count        uint64      `json:"count"` // of all operations; parts of operations are none
	OpsPerSecond float64     `json:"ops_per_second"`
	Usage        Usage       `json:"usage"`
	ServerMicros float64     `json:"server_cpu_us_per_op"` // processor time of the server; 0: not known
	StepSeconds  float64     `json:"step_seconds"`         // between two values of a series
	Wrong        int64       `json:"wrong"`                // errors and wrong answers
	Errors       []string    `json:"errors,omitempty"`     // the first of them
	Races        int64       `json:"lost_races"`           // conflicts with other connections, tried again
	Throttled    int64       `json:"throttled"`            // throttled requests, and items that were left unprocessed
	Dropped      int         `json:"dropped"`              // sent again after the server closed the connection
	ReadBack     int         `json:"read_back"`            // fields that were read back after the run
}

// Usage is the use of processors during the measurement, in cores: seconds of processor time a
// second.
type Usage struct {
	Seconds      float64 `json:"seconds"`
	ServerKnown  bool    `json:"server_known"`
	ServerCores  float64 `json:"server_cores"`
	ClientCores  float64 `json:"client_cores"`
	MachineKnown bool    `json:"machine_known"`
	OtherCores   float64 `json:"other_cores"` // neither the client's nor, where it is known, the server's
	IdleCores    float64 `json:"idle_cores"`
	StealCores   float64 `json:"steal_cores"` // that the machine below did not give
	RSS          int64   `json:"rss_bytes"`
	PeakRSS      int64   `json:"peak_rss_bytes"`
}

// Operation is the result of one kind of operation of a workload.
type Operation struct {
	Name         string   `json:"name"`
	Part         bool     `json:"part"` // of another operation
	Count        uint64   `json:"count"`
	OpsPerSecond float64  `json:"ops_per_second"`
	Mean         float64  `json:"mean_us"`
	P50          float64  `json:"p50_us"`
	P95          float64  `json:"p95_us"`
	P99          float64  `json:"p99_us"`
	P999         float64  `json:"p999_us"`
	Max          float64  `json:"max_us"`
	Curve        []Point  `json:"curve"`
	Series       []Second `json:"series"`
}

// Point is one of a curve: the share of operations that took no longer.
type Point struct {
	Quantile float64 `json:"quantile"`
	Micros   float64 `json:"us"`
}

// Second is one element of a series, for Result.StepSeconds, which is mostly one second.
type Second struct {
	OpsPerSecond float64 `json:"ops_per_second"`
	P99          float64 `json:"p99_us"`
}

// newReport returns the report of a run that begins.
func newReport(c *Config) *Report {
	return &Report{Label: c.Label, Endpoint: c.Endpoint, ServerVersion: c.ServerVersion,
		Began: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(),
		Settings: c.Settings, Signed: c.Credentials != nil}
}

// Wrong returns the sum of the results' Wrong.
func (r *Report) Wrong() (n int64) {
	for _, w := range r.Workloads {
		n += w.Wrong
	}
	return n
}

// micros are the microseconds of a time.
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// result returns the result of the run.
func (r *run) result(o *observation, used Usage) *Result {
	res := &Result{
		Workload: r.workload.Name, Usage: used, StepSeconds: o.step.Seconds(), Wrong: r.counts.wrong.Load(),
		Errors: r.counts.first, Races: r.counts.races.Load(), Throttled: r.counts.throttled.Load(),
		Dropped: r.counts.dropped, ReadBack: r.counts.readBack,
	}
	for k, s := range o.kinds {
		if s.n == 0 {
			continue
		}
		res.Operations = append(res.Operations, operation(kind(k), s, o.series[k], used.Seconds))
		if !kind(k).part() {
			res.Count += s.n
		}
	}
	res.OpsPerSecond = float64(res.Count) / used.Seconds
	if res.Count > 0 {
		res.ServerMicros = used.ServerCores * used.Seconds * 1e6 / float64(res.Count)
	}
	return res
}

// operation describes the latencies of one kind.
func operation(k kind, s *snapshot, series []Second, seconds float64) Operation {
	return Operation{
		Name: kindNames[k], Part: k.part(), Count: s.n, OpsPerSecond: float64(s.n) / seconds, Mean: micros(s.mean()),
		P50: micros(s.quantile(.5)), P95: micros(s.quantile(.95)),
		P99: micros(s.quantile(.99)), P999: micros(s.quantile(.999)),
		Max: micros(s.max), Curve: curve(s), Series: series,
	}
}

// curve returns the latencies by quantile: five for each halving of what is left above, as far as
// there are operations enough for it, and one at least.
func curve(s *snapshot) (points []Point) {
	const perHalving, mostHalvings = 5, 20
	for i := range perHalving * mostHalvings {
		left := math.Exp2(-float64(i+1) / perHalving)
		if left*float64(s.n) < 1 && i > 0 {
			break
		}
		points = append(points, Point{1 - left, micros(s.quantile(1 - left))})
	}
	return points
}
