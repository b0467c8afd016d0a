package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partita-db/partita"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database opens a database in memory.
func database(t *testing.T, credentials *partita.Credentials) http.Handler {
	t.Helper()
	db, err := partita.Open(partita.Options{InMemory: true, Credentials: credentials, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.Handler()
}

// serve serves the handler on a port of this machine.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// small is a configuration for a run of a moment.
func small(endpoint string, workloads ...string) Config {
	return Config{
		Settings: Settings{
			Records: 300, RecordBytes: 200, Fields: 4, Collection: 60, Connections: 4, Theta: ycsbTheta, ScanLength: 30, Batch: 10,
			Table: "bench", DeepEvery: 3, Seed: 1, Duration: 40 * time.Millisecond, Warmup: 5 * time.Millisecond,
		},
		Workloads: workloads, Label: "small", Endpoint: endpoint, Load: LoadAuto, LoadBatch: 25,
	}
}

// mustRun runs, and expects right answers.
func mustRun(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Workloads {
		if res.Wrong != 0 || len(res.Errors) != 0 {
			t.Errorf("workload %s: %d wrong answers: %q", res.Workload, res.Wrong, res.Errors)
		}
	}
	return r
}

// patiently does something for longer and longer until it is done: on a machine with much to do,
// little happens in a short time.
func patiently(do func(time.Duration) bool) {
	for d := 40 * time.Millisecond; !do(d) && d < 5*time.Second; d *= 3 {
	}
}

// TestWorkloads runs every workload against a real server.
func TestWorkloads(t *testing.T) {
	s := serve(t, database(t, nil))
	want := map[string][]string{
		"a": {"GetItem", "UpdateItem"}, "b": {"GetItem", "UpdateItem"}, "c": {"GetItem"}, "d": {"GetItem", "PutItem"}, "e": {"PutItem", "Query"},
		"f": {"GetItem", "read-modify-write", "· its GetItem", "· its UpdateItem"}, "get": {"GetItem"}, "put": {"PutItem"},
		"update": {"UpdateItem"}, "query": {"Query"}, "scan": {"Scan"}, "scan-filter": {"Scan"}, "batch-get": {"BatchGetItem"},
		"batch-write": {"BatchWriteItem"}, "transact-write": {"TransactWriteItems"}, "hot-item": {"UpdateItem"}, "hot-partition": {"PutItem"},
	}
	var names []string
	for _, w := range Workloads {
		names = append(names, w.Name)
		total := 0
		for _, share := range w.mix {
			total += share.percent
		}
		if total != 100 {
			t.Errorf("the shares of workload %s are %d %% together", w.Name, total)
		}
	}
	if len(names) != len(want) {
		t.Errorf("there are %d workloads, want %d", len(names), len(want))
	}
	patiently(func(d time.Duration) bool {
		c := small(s.URL, names...)
		c.Duration, names = d, nil
		for _, res := range mustRun(t, c).Workloads {
			var got []string
			for _, op := range res.Operations {
				got = append(got, op.Name)
				checkOperation(t, res, &op)
			}
			if res.OpsPerSecond <= 0 || res.ReadBack == 0 || !slices.Equal(got, want[res.Workload]) {
				names = append(names, res.Workload)
			}
		}
		return len(names) == 0
	})
	if len(names) > 0 {
		t.Errorf("the workloads %q do not do all that they are to do", names)
	}
	if got := tables(t, s.URL); got != `{"TableNames":[]}` {
		t.Errorf("after the run there are %s", got)
	}
}

// checkOperation checks that the figures of an operation agree with one another.
func checkOperation(t *testing.T, res *Result, op *Operation) {
	t.Helper()
	quantiles := []float64{op.P50, op.P95, op.P99, op.P999, op.Max}
	if op.Count == 0 || op.P50 <= 0 || !slices.IsSorted(quantiles) || op.Mean > op.Max {
		t.Errorf("workload %s: %+v", res.Workload, op)
	}
	if !slices.IsSortedFunc(op.Curve, func(a, b Point) int { return int(a.Micros - b.Micros) }) || len(op.Curve) == 0 || len(op.Series) == 0 {
		t.Errorf("workload %s: %s: curve %v, series %v", res.Workload, op.Name, op.Curve, op.Series)
	}
}

// tables asks for the names of the tables.
func tables(t *testing.T, endpoint string) string {
	t.Helper()
	d, err := newDialer(endpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := d.connect()
	defer c.close()
	answer, err := ask(c, "ListTables", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestTables checks that tables have the indexes that were asked for, that they are kept if that
// was asked for, and that a second run finds them full.
func TestTables(t *testing.T) {
	s := serve(t, database(t, nil))
	c := small(s.URL, "put", "hot-partition")
	c.Indexes, c.Keep, c.Fields = 5, true, 2
	if r := mustRun(t, c); len(r.Loads) != 2 || r.Loads[0].Records != 300 {
		t.Errorf("the first run has loaded %v", r.Loads)
	}
	if got, want := tables(t, s.URL), `{"TableNames":["bench-2x100-gsi5","bench-2x100-sorted60-gsi5"]}`; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	d, _ := newDialer(s.URL, nil)
	conn := d.connect()
	defer conn.close()
	answer, err := ask(conn, "Scan", []byte(`{"TableName":"bench-2x100-gsi5","IndexName":"index4","Select":"COUNT"}`))
	if err != nil || number(answer, `"Count"`) != 300 {
		t.Errorf("the index has %s, %v", answer, err)
	}
	c.Keep = false
	if r := mustRun(t, c); len(r.Loads) != 0 {
		t.Errorf("the second run has loaded %v", r.Loads)
	}
	if !strings.Contains(tables(t, s.URL), "gsi5") {
		t.Error("the second run has deleted tables that it had not made")
	}
	c.Load = LoadAlways
	if r := mustRun(t, c); len(r.Loads) != 2 {
		t.Errorf("the third run has loaded %v", r.Loads)
	}
}

// TestRate checks that operations begin as often as was asked for, and that one which had to wait
// for others is as late as it was: a server that stands still for a while has been slow for all
// that was due in that time, not for one request of each connection. On a busy machine the rate is
// one that it can keep.
func TestRate(t *testing.T) {
	var faults []string
	for _, rate := range []float64{500, 125, 30} {
		if faults = rateFaults(t, rate); len(faults) == 0 {
			return
		}
	}
	t.Error(strings.Join(faults, "; "))
}

// rateFaults runs 200 reads at a rate against a server that answers none while 75 of them are due,
// and says what is wrong with the result.
func rateFaults(t *testing.T, rate float64) (faults []string) {
	inner := database(t, nil)
	each := time.Duration(float64(time.Second) / rate)
	var reads atomic.Int64
	still := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "GetItem") {
			n := reads.Add(1)
			if n == 30 {
				time.AfterFunc(75*each, func() { close(still) })
			}
			if n >= 30 {
				<-still
			}
		}
		inner.ServeHTTP(w, r)
	}))
	c := small(s.URL, "get")
	c.Rate, c.Warmup, c.Duration, c.Connections, c.LoadBatch = rate, 0, 200*each, 2, 1
	res := mustRun(t, c).Workloads[0]
	if due := rate * res.Usage.Seconds; float64(res.Count) < due/2 || float64(res.Count) > due+5 {
		faults = append(faults, fmt.Sprintf("%d operations, of %.0f that were due", res.Count, due))
	}
	late := 1.0 // the share of what took more than ten times as long as is between two
	for _, p := range res.Operations[0].Curve {
		if p.Micros < float64((10 * each).Microseconds()) {
			late = 1 - p.Quantile
		}
	}
	if late < .15 {
		faults = append(faults, fmt.Sprintf("%.0f %% of the operations were late, want a third: 75 were due while nothing was answered", 100*late))
	}
	return faults
}

// TestSigned runs against a server that verifies signatures.
func TestSigned(t *testing.T) {
	const policy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`
	keys, err := partita.ParseCredentials([]byte(`{"credentials": [{"accessKeyId": "PLAIN", "secretAccessKey": "one", "policy": ` + policy + `},
		{"accessKeyId": "TEMPORARY", "secretAccessKey": "two", "sessionToken": "token", "policy": ` + policy + `}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, database(t, keys))
	c := small(s.URL, "a")
	c.Region = "eu-west-3"
	for _, good := range []Credentials{{"PLAIN", "one", ""}, {"TEMPORARY", "two", "token"}} {
		c.Credentials = &good
		if r := mustRun(t, c); !r.Signed {
			t.Error("the report says that requests were not signed")
		}
	}
	for _, bad := range []*Credentials{nil, {"PLAIN", "two", ""}, {"TEMPORARY", "two", "other"}} {
		c.Credentials = bad
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "answers with status 4") {
			t.Errorf("with the credentials %v: %v", bad, err)
		}
	}
}

// TestTLS runs over TLS.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(database(t, nil))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	c := small(s.URL, "a")
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a strange certificate: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c.TLS = &tls.Config{RootCAs: roots}
	mustRun(t, c)
}

// TestInterrupted checks that a run that is broken off reports what there was until then, at once,
// and removes its tables.
func TestInterrupted(t *testing.T) {
	s := serve(t, database(t, nil))
	ctx, cancel := context.WithCancel(t.Context())
	c := small(s.URL, "get", "put")
	c.Duration = time.Hour
	c.Progress = func(p Progress) { cancel() }
	began := time.Now()
	r, err := Run(ctx, c)
	if err == nil || r == nil || time.Since(began) > 30*time.Second {
		t.Fatalf("%v, %v after %v", r, err, time.Since(began))
	}
	if got := tables(t, s.URL); got != `{"TableNames":[]}` {
		t.Errorf("after the run there are %s", got)
	}
}

// TestRefusals checks that settings which make no sense are refused.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		set  func(*Config)
		want string
	}{
		{func(c *Config) { c.Workloads = []string{"g"} }, `no workload "g"; there are a, b`},
		{func(c *Config) { c.Endpoint = "localhost:8000" }, "not the URL of an endpoint"},
		{func(c *Config) { c.Endpoint = "http://localhost:8000/path" }, "not the URL of an endpoint"},
		{func(c *Config) { c.Records = 0 }, "number of records is 0"},
		{func(c *Config) { c.RecordBytes = 40 }, "it is between 64 and"},
		{func(c *Config) { c.RecordBytes = 400 << 10 }, "number of bytes of a record"},
		{func(c *Config) { c.Connections = 0 }, "number of connections"},
		{func(c *Config) { c.Batch = 26 }, "between 1 and 25"},
		{func(c *Config) { c.Theta = 1 }, "theta"},
		{func(c *Config) { c.Rate = -1 }, "rate"},
		{func(c *Config) { c.Duration = 0 }, "time to measure"},
	} {
		c := small("http://127.0.0.1:1", "a")
		test.set(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Run(t.Context(), small("http://"+l.Addr().String(), "a")); err == nil || !strings.Contains(err.Error(), "DescribeTable: dial") {
		t.Errorf("nobody listens: %v", err)
	}
}
