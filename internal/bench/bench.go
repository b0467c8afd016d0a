// Package bench measures a server that speaks DynamoDB's protocol, this one or any other. It
// creates tables, fills them with records, runs workloads over kept-alive connections, checks the
// answers, and reports throughput, latencies, and processor time and memory. WriteHTML and Report's
// Table show reports. Starting a server is left to the caller.
package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Settings say what is measured. They are part of a report.
type Settings struct {
	Records     int64   `json:"records"`      // that the tables are filled with
	RecordBytes int     `json:"record_bytes"` // of a record's fields together
	Fields      int     `json:"fields"`
	Indexes     int     `json:"indexes"`    // global secondary indexes of each table, with all attributes
	Collection  int64   `json:"collection"` // items with the same partition key, in tables that have sort keys
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate"` // operations a second over all connections; 0: as many as possible
	Dist        string  `json:"dist"` // Zipfian, Uniform, Latest; empty: what the workload says
	Theta       float64 `json:"theta"`
	ScanLength  int     `json:"scan_length"` // the most items of a Query of workload e
	Batch       int     `json:"batch"`       // items of a BatchWriteItem or BatchGetItem
	Consistent  bool    `json:"consistent"`  // reads are strongly consistent
	Seed        uint64  `json:"seed"`        // of the random numbers; 0: taken from the clock
	Table       string  `json:"table"`       // what the names of the tables begin with
	DeepEvery   int     `json:"deep_every"`  // one in so many answers is decoded and checked as a whole

	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"` // that is measured
}

// The ways of filling the tables.
const (
	LoadAuto   = "auto"   // those that do not exist or lack records
	LoadAlways = "always" // delete and fill all
	LoadNever  = "never"  // all exist and are full
)

// Config says what to measure, where, and how.
type Config struct {
	Settings
	Workloads []string
	Label     string // of the server, in reports
	// ServerVersion is that of the server, for reports; empty: it is not known.
	ServerVersion string
	Endpoint      string // its URL
	TLS           *tls.Config
	Credentials   *Credentials // nil: requests are not signed
	Region        string
	PID           int    // of the server, if it is a process of this machine; 0: not known
	Load          string // LoadAuto, LoadAlways, LoadNever
	LoadBatch     int    // records of a BatchWriteItem with which tables are filled; 1: of a PutItem
	Keep          bool   // leave the tables that were made
	Progress      func(Progress)
	Complain      func(string) // called with the first errors, by several goroutines
}

// Progress is how far a run is.
type Progress struct {
	Workload     string
	Stage        string // loading, warming up, measuring, reading back
	Done, Of     time.Duration
	Records      int64 // while loading, of OfRecords
	OfRecords    int64
	OpsPerSecond float64
	P99          time.Duration
	Wrong        int64 // answers
}

// Run runs the workloads, one after another. The report has what was measured until then, also if
// it returns an error, such as the context's. Wrong answers are not errors; the report counts them.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	d, err := newDialer(c.Endpoint, c.TLS)
	if err != nil {
		return nil, err
	}
	d.credentials, d.region = c.Credentials, c.Region
	s := &session{Config: c, dialer: d, tables: map[bool]*table{}, report: newReport(&c)}
	err = s.runAll(ctx)
	if !c.Keep {
		err = errors.Join(err, s.removeTables())
	}
	return s.report, err
}

// check checks the settings, and fills in the defaults.
func (c *Config) check() error {
	for _, name := range c.Workloads {
		if _, err := workloadOf(name); err != nil {
			return err
		}
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.DeepEvery == 0 {
		c.DeepEvery = 256
	}
	for _, limit := range []struct {
		what           string
		n, least, most int64
	}{
		{"records", c.Records, 1, 1 << 40},
		{"fields", int64(c.Fields), 1, 1000},
		{"bytes of a record", int64(c.RecordBytes), int64(c.Fields) * leastField, mostItem - int64(c.Fields)*12 - 100},
		{"connections", int64(c.Connections), 1, 100_000},
		{"indexes", int64(c.Indexes), 0, 20},
		{"items of a collection", c.Collection, 1, 1 << 40},
		{"items of a Query", int64(c.ScanLength), 1, 100_000},
		{"items of a batch", int64(c.Batch), 1, 25},
		{"records of a load request", int64(c.LoadBatch), 1, 25},
	} {
		if limit.n < limit.least || limit.n > limit.most {
			return fmt.Errorf("the number of %s is %d; it is between %d and %d",
				limit.what, limit.n, limit.least, limit.most)
		}
	}
	switch {
	case c.Theta <= 0 || c.Theta >= 1:
		return fmt.Errorf("theta is %v; it is between 0 and 1", c.Theta)
	case c.Rate < 0:
		return fmt.Errorf("a rate of %v operations a second is none", c.Rate)
	case c.Duration <= 0 || c.Warmup < 0:
		return errors.New("the time to measure is more than 0, and that to warm up is not less")
	}
	return nil
}

// complain calls Complain, if it is set.
func (c *Config) complain(text string) {
	if c.Complain != nil {
		c.Complain(text)
	}
}

// tell calls Progress, if it is set.
func (c *Config) tell(p Progress) {
	if c.Progress != nil {
		c.Progress(p)
	}
}

// session is one call of Run.
type session struct {
	Config
	dialer *dialer
	tables map[bool]*table // by whether they have sort keys
	report *Report
}

// runAll runs all workloads.
func (s *session) runAll(ctx context.Context) error {
	for _, name := range s.Workloads {
		wl, err := workloadOf(name)
		if err != nil {
			return err
		}
		t, err := s.table(ctx, wl)
		if err != nil {
			return err
		}
		result, err := s.measure(ctx, wl, t)
		if result != nil {
			s.report.Workloads = append(s.report.Workloads, result)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
