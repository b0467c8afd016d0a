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
	Report benchReport `cmd:"" help:"Draw the results of earlier runs side by side."`
}

// Help adds to the command's help.
func (*benchCommand) Help() string {
	return "\"partita bench\" alone measures a server that it starts. \"partita bench run --help\" lists the workloads and the flags; " +
		"the word run can be left out: partita bench a b c --endpoint-url http://localhost:8000 --html bench.html."
}

// benchRun runs workloads.
type benchRun struct {
	Workloads []string `arg:"" optional:"" help:"What to measure, one after another. Default: get, put, update, query."`

	EndpointURL string   `name:"endpoint-url" placeholder:"URL" help:"The server to measure, as http://localhost:8000. Default: one of this program, started for the time of the run with a directory of its own."`
	Pid         int      `placeholder:"PID" help:"The process of the server at --endpoint-url, if it is on this machine: reports its processor time and memory."`
	Yes         bool     `help:"Measure AWS's DynamoDB: tables are made there, and it costs money."`
	InMemory    bool     `help:"Have the server that is started keep everything in memory."`
	MemoryLimit size     `default:"512MB" help:"The memory limit of the server that is started. Default: ${default}."`
	TLSCA       string   `name:"tls-ca" placeholder:"FILE" help:"Trust servers with certificates of these authorities, in PEM, instead of the system's."`
	Label       string   `help:"The name of the server in reports. Default: partita, or the endpoint."`
	JSON        string   `name:"json" placeholder:"FILE" help:"Write the results as JSON, also for \"partita bench report\"."`
	HTML        string   `name:"html" placeholder:"FILE" help:"Write a report with curves, as one file of HTML."`
	Sign        benchKey `embed:""`

	Records     int64         `default:"10000" help:"Records in each table. Default: ${default}."`
	RecordBytes size          `default:"1000" help:"Bytes of a record. Default: ${default}."`
	Fields      int           `default:"10" help:"Fields of a record. Default: ${default}."`
	Indexes     int           `default:"0" help:"Global secondary indexes of each table, with all attributes. Default: ${default}."`
	Collection  int64         `default:"1000" help:"Items of a partition, in tables with sort keys. Default: ${default}."`
	Connections int           `default:"16" help:"Connections, each with one request at a time. Default: ${default}."`
	Duration    time.Duration `default:"10s" help:"The time that is measured, of each workload. Default: ${default}."`
	Warmup      time.Duration `default:"2s" help:"The time before that. Default: ${default}."`
	Rate        float64       `placeholder:"N" help:"Operations a second, over all connections; latencies count from when an operation was due. Default: as many as there can be."`
	Dist        string        `enum:",zipfian,uniform,latest" default:"" placeholder:"NAME" help:"How records are chosen: zipfian, uniform, latest. Default: zipfian; latest in workload d."`
	Theta       float64       `default:"0.99" help:"The constant of zipfian. Default: ${default}."`
	ScanLength  int           `default:"100" help:"The most items of a Query of workload e. Default: ${default}."`
	Batch       int           `default:"25" help:"Items of a BatchWriteItem or BatchGetItem. Default: ${default}."`
	Consistent  bool          `help:"Read consistently."`
	Seed        uint64        `placeholder:"N" help:"Of all that is random. Default: from the clock."`
	Table       string        `default:"partita-bench" placeholder:"PREFIX" help:"What the names of tables begin with. Default: ${default}."`
	Load        string        `enum:"auto,always,never" default:"auto" help:"Fill tables: auto, those that are not there or not full; always; never. Default: ${default}."`
	LoadBatch   int           `default:"25" help:"Records of one request while tables are filled. Default: ${default}."`
	Keep        bool          `help:"Leave the tables that were made at the endpoint, for another run."`
}

// benchKey is what requests are signed with.
type benchKey struct {
	Sign      bool   `help:"Sign requests. Without, they have signatures that only servers that verify none accept. Default for AWS, and with --access-key."`
	AccessKey string `placeholder:"KEY" help:"The access key. Default: $AWS_ACCESS_KEY_ID."`
	SecretKey string `placeholder:"KEY" help:"Its secret, which other users can see on a command line. Default: $AWS_SECRET_ACCESS_KEY."`
	Region    string `placeholder:"NAME" help:"The region to sign for. Default: $AWS_REGION, or us-east-1."`
}

// Help adds to the command's help.
func (*benchRun) Help() string {
	var b strings.Builder
	b.WriteString("Workloads:\n")
	for _, w := range bench.Workloads {
		fmt.Fprintf(&b, "  %-15s %s\n", w.Name, w.About)
	}
	b.WriteString("\nAnswers are checked; after each workload the hot records are read back. The exit status is 1 if anything was wrong.")
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
		config.Endpoint, config.PID = server.url, server.cmd.Process.Pid
	}
	line := newProgress(s.stderr)
	var mu sync.Mutex // for what is written to stderr
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

// config is what the flags ask for.
func (c *benchRun) config(s *streams) (*bench.Config, error) {
	b := &bench.Config{
		Settings: bench.Settings{
			Records: c.Records, RecordBytes: int(c.RecordBytes), Fields: c.Fields, Indexes: c.Indexes, Collection: c.Collection,
			Connections: c.Connections, Rate: c.Rate, Dist: c.Dist, Theta: c.Theta, ScanLength: c.ScanLength, Batch: c.Batch,
			Consistent: c.Consistent, Seed: c.Seed, Table: c.Table, Warmup: c.Warmup, Duration: c.Duration,
		},
		Workloads: c.Workloads, Label: c.Label, Endpoint: c.EndpointURL, PID: c.Pid, Load: c.Load, LoadBatch: c.LoadBatch, Keep: c.Keep,
	}
	if len(b.Workloads) == 0 {
		b.Workloads = defaultWorkloads
	}
	own := c.EndpointURL == ""
	switch {
	case own && (c.Pid != 0 || c.Keep):
		return nil, errors.New("--pid and --keep are for a server that is there already (--endpoint-url)")
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
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".api.aws")
}

// warn says what a run at somebody else's server means.
func (c *benchRun) warn(s *streams) error {
	if c.EndpointURL == "" {
		return nil
	}
	if here, err := onlyHere(s.ctx, c.host()+":0"); err == nil && here {
		return nil
	}
	if c.atAWS() && !c.Yes {
		return fmt.Errorf("%s is AWS's: tables would be made there, and every request costs money; say --yes if that is meant", c.host())
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

// apply has requests be signed, if the flags ask for it.
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
		b.Credentials = &bench.Credentials{AccessKey: s.variable("AWS_ACCESS_KEY_ID"), SecretKey: k.SecretKey, SessionToken: s.variable("AWS_SESSION_TOKEN")}
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
