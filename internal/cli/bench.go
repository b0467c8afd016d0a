package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/bench"
)

// benchCommand measures servers.
type benchCommand struct {
	Run    benchRun    `cmd:"" default:"withargs" help:"Measure a server: one of this program, or any endpoint."`
	Report benchReport `cmd:"" help:"Compare the results of earlier runs."`
}

// Help adds to the command's help.
func (*benchCommand) Help() string {
	return `Without flags it starts a server of its own, measures it and removes it again. The word run can
be left out. "partita bench run --help" lists the workloads and the flags.

Examples:

	partita bench
	partita bench a b c --endpoint-url http://localhost:8000 --html bench.html
	partita bench report mine.json theirs.json`
}

// benchRun runs workloads.
type benchRun struct {
	Workloads []string `arg:"" optional:"" workloads:"" help:"What to measure, one after another. Default: get, put, update, query."`

	EndpointURL string   `group:"Server:" name:"endpoint-url" placeholder:"URL" help:"Server to measure, such as http://localhost:8000. Default: one that is started for the run, with a data directory of its own."`
	Pid         int      `group:"Server:" placeholder:"PID" help:"Process of the server at --endpoint-url, if it is on this machine: its processor time and memory are then reported."`
	Yes         bool     `group:"Server:" help:"Measure AWS's DynamoDB: tables are made there, and requests cost money."`
	InMemory    bool     `group:"Server:" help:"Start the server with --in-memory."`
	MemoryLimit size     `group:"Server:" default:"512MB" placeholder:"SIZE" help:"Memory budget of the server that is started. Default: ${default}."`
	TLSCA       string   `group:"Server:" name:"tls-ca" placeholder:"FILE" help:"Accept servers with certificates of these authorities, in PEM, instead of the system's."`
	Sign        benchKey `embed:"" group:"Server:"`

	Label string `group:"Report:" placeholder:"NAME" help:"Name of the server in reports. Default: partita, or the endpoint."`
	JSON  string `group:"Report:" name:"json" placeholder:"FILE" help:"Write the results as JSON, also for \"partita bench report\"."`
	HTML  string `group:"Report:" name:"html" placeholder:"FILE" help:"Write a page of HTML with latency curves."`

	Records     int64  `group:"Data:" default:"10000" placeholder:"N" help:"Records in each table. Default: ${default}."`
	RecordBytes size   `group:"Data:" default:"1000" placeholder:"SIZE" help:"Size of a record. Default: ${default} bytes."`
	Fields      int    `group:"Data:" default:"10" placeholder:"N" help:"Fields of a record. Default: ${default}."`
	Indexes     int    `group:"Data:" default:"0" placeholder:"N" help:"Global secondary indexes of each table, with all attributes. Default: ${default}."`
	Collection  int64  `group:"Data:" default:"1000" placeholder:"N" help:"Items with the same partition key, in tables with sort keys. Default: ${default}."`
	Table       string `group:"Data:" default:"partita-bench" placeholder:"PREFIX" help:"Beginning of the names of tables. Default: ${default}."`
	Load        string `group:"Data:" enum:"auto,always,never" default:"auto" placeholder:"WHEN" help:"Which tables to fill: auto (those that do not exist or lack records), always or never. Default: ${default}."`
	LoadBatch   int    `group:"Data:" default:"25" placeholder:"N" help:"Records in one request while tables are filled. Default: ${default}."`
	Keep        bool   `group:"Data:" help:"Leave the tables that were made at the endpoint, for another run."`

	Connections int           `group:"Requests:" default:"16" placeholder:"N" help:"Connections, each with one request at a time. Default: ${default}."`
	Duration    time.Duration `group:"Requests:" default:"10s" placeholder:"TIME" help:"Time that each workload is measured for. Default: ${default}."`
	Warmup      time.Duration `group:"Requests:" default:"2s" placeholder:"TIME" help:"Time that each workload runs for before it is measured. Default: ${default}."`
	Rate        float64       `group:"Requests:" placeholder:"N" help:"Operations per second over all connections; latencies then count from the moment that an operation was due. Default: as many as possible."`
	Dist        string        `group:"Requests:" enum:",zipfian,uniform,latest" default:"" placeholder:"NAME" help:"Distribution by which records are chosen: zipfian, uniform or latest. Default: zipfian, and latest in workload d."`
	Theta       float64       `group:"Requests:" default:"0.99" placeholder:"N" help:"Exponent of the zipfian distribution. Default: ${default}."`
	ScanLength  int           `group:"Requests:" default:"100" placeholder:"N" help:"Items that a Query of workload e returns at most. Default: ${default}."`
	Batch       int           `group:"Requests:" default:"25" placeholder:"N" help:"Items of a BatchWriteItem or BatchGetItem. Default: ${default}."`
	Consistent  bool          `group:"Requests:" help:"Make reads strongly consistent."`
	Seed        uint64        `group:"Requests:" placeholder:"N" help:"Seed of the random numbers. Default: taken from the clock."`
}

// benchKey is what requests are signed with.
type benchKey struct {
	Sign      bool   `help:"Sign requests; otherwise they have signatures that only a server without authentication accepts. Requests to AWS and those with --access-key are always signed."`
	AccessKey string `placeholder:"KEY" help:"Access key. Default: $$AWS_ACCESS_KEY_ID."`
	SecretKey string `placeholder:"KEY" help:"Secret of --access-key. Other users can see it on a command line. Default: $$AWS_SECRET_ACCESS_KEY."`
	Region    string `placeholder:"NAME" help:"Region to sign for. Default: $$AWS_REGION, or us-east-1."`
}

// Help adds to the command's help.
func (*benchRun) Help() string {
	var b strings.Builder
	b.WriteString("Makes tables, fills them, runs the workloads and prints throughput, latencies and what " +
		"the server used. Answers are checked, and after each workload the values written most often are read back; the exit status is 1 if anything was wrong.\n\n" +
		"Examples:\n\n\tpartita bench run a b --records 100000 --html bench.html\n" +
		"\tpartita bench run get --endpoint-url http://localhost:8000 --pid PID --json mine.json\n\nWorkloads:\n")
	for _, w := range bench.Workloads {
		fmt.Fprintf(&b, "  %-15s %s\n", w.Name, w.About)
	}
	return b.String()
}

// Run implements the command.
func (c *benchRun) Run(s *streams) (err error) {
	config, err := c.config(s)
	if err != nil {
		return err
	}
	if c.EndpointURL == "" {
		server, err := startBenchServer(s, c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		config.Endpoint, config.PID, config.ServerVersion = server.url, server.cmd.Process.Pid, Version()
	}
	line := newProgress(s.stderr)
	var mu sync.Mutex // guards stderr: Complain is called by several goroutines
	config.Complain = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		line.end()
		fmt.Fprintf(s.stderr, "wrong: %s\n", text)
	}
	if line.terminal && isTerminal(s.stdout) {
		config.Progress = func(p bench.Progress) {
			mu.Lock()
			defer mu.Unlock()
			line.over(p.Line())
		}
	}
	report, err := bench.Run(s.ctx, *config)
	line.end()
	if s.ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if report == nil || len(report.Workloads) == 0 {
		return err
	}
	return errors.Join(err, c.show(s, report))
}

// defaultWorkloads are measured if none are named.
var defaultWorkloads = []string{"get", "put", "update", "query"}

// config is the configuration from the flags.
func (c *benchRun) config(s *streams) (*bench.Config, error) {
	b := &bench.Config{
		Settings: bench.Settings{
			Records: c.Records, RecordBytes: int(c.RecordBytes), Fields: c.Fields,
			Indexes: c.Indexes, Collection: c.Collection,
			Connections: c.Connections, Rate: c.Rate, Dist: c.Dist, Theta: c.Theta,
			ScanLength: c.ScanLength, Batch: c.Batch,
			Consistent: c.Consistent, Seed: c.Seed, Table: c.Table, Warmup: c.Warmup, Duration: c.Duration,
		},
		Workloads: c.Workloads, Label: c.Label, Endpoint: c.EndpointURL, PID: c.Pid,
		Load: c.Load, LoadBatch: c.LoadBatch, Keep: c.Keep,
	}
	if len(b.Workloads) == 0 {
		b.Workloads = defaultWorkloads
	}
	own := c.EndpointURL == ""
	switch {
	case own && (c.Pid != 0 || c.Keep):
		return nil, errors.New("--pid and --keep are for a server that is already running (--endpoint-url)")
	case !own && c.InMemory:
		return nil, errors.New("--in-memory is for the server that is started, and --endpoint-url names another")
	case own && b.Label == "":
		b.Label = "partita"
	case b.Label == "":
		b.Label = c.EndpointURL
	}
	if err := c.warn(s); err != nil {
		return nil, err
	}
	if err := c.trust(b); err != nil {
		return nil, err
	}
	return b, c.Sign.apply(s, b, c.atAWS())
}

// host is that of the endpoint.
func (c *benchRun) host() string {
	u, err := url.Parse(c.EndpointURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// atAWS tells whether the endpoint is AWS's.
func (c *benchRun) atAWS() bool {
	host := strings.TrimSuffix(c.host(), ".")
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") ||
		strings.HasSuffix(host, ".api.aws")
}

// warn warns of costs, and returns an error if the endpoint is AWS's and --yes is not given.
func (c *benchRun) warn(s *streams) error {
	if c.EndpointURL == "" {
		return nil
	}
	if here, err := onlyHere(s.ctx, c.host()+":0"); err == nil && here {
		return nil
	}
	if c.atAWS() && !c.Yes {
		return fmt.Errorf("%s is AWS's: tables would be made there, and requests cost money; give --yes to confirm", c.host())
	}
	fmt.Fprintf(s.stderr, "tables %s-… are made at %s, and filled; if requests cost money there, these do\n", c.Table, c.host())
	return nil
}

// trust reads the certificates of --tls-ca.
func (c *benchRun) trust(b *bench.Config) error {
	if c.TLSCA == "" {
		return nil
	}
	pem, err := os.ReadFile(c.TLSCA)
	if err != nil {
		return fmt.Errorf("--tls-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("--tls-ca: %s has no certificate in PEM", c.TLSCA)
	}
	b.TLS = &tls.Config{RootCAs: roots}
	return nil
}

// apply sets the credentials, if the flags or the endpoint require signatures.
func (k *benchKey) apply(s *streams, b *bench.Config, aws bool) error {
	b.Region = k.Region
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if b.Region == "" {
			b.Region = s.variable(name)
		}
	}
	if b.Region == "" {
		b.Region = "us-east-1"
	}
	if !k.Sign && !aws && k.AccessKey == "" {
		return nil
	}
	b.Credentials = &bench.Credentials{AccessKey: k.AccessKey, SecretKey: k.SecretKey}
	if k.AccessKey == "" {
		b.Credentials = &bench.Credentials{
			AccessKey: s.variable("AWS_ACCESS_KEY_ID"), SecretKey: k.SecretKey,
			SessionToken: s.variable("AWS_SESSION_TOKEN"),
		}
	}
	if b.Credentials.SecretKey == "" {
		b.Credentials.SecretKey = s.variable("AWS_SECRET_ACCESS_KEY")
	}
	if b.Credentials.AccessKey == "" || b.Credentials.SecretKey == "" {
		return errors.New("requests are to be signed: give --access-key and --secret-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return nil
}

// show prints the report and writes its files.
func (c *benchRun) show(s *streams, report *bench.Report) error {
	err := report.WriteSummary(s.stdout)
	if c.JSON != "" {
		err = errors.Join(err, writeFile(c.JSON, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(report)
		}))
	}
	if c.HTML != "" {
		err = errors.Join(err, writeFile(c.HTML, func(w io.Writer) error { return bench.WriteHTML(w, report) }))
	}
	if n := report.Wrong(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d answers were wrong", n))
	}
	return err
}

// writeFile makes a file.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
