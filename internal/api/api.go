// Package api is DynamoDB's operations: it decodes requests, checks them in DynamoDB's order and with its words, runs them on
// package db, and encodes the answers. Each operation is one file; ops.go lists them all. It knows no HTTP.
//
// What it answers follows the Amazon DynamoDB API Reference and Developer Guide and the service model that AWS's SDKs are
// made from; the order of checks and the wording of errors, of which these say little, follow answers of the service that its
// users have recorded. Where nobody has recorded one, a comment says that a text is ours.
package api

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/partiql"
)

// Account is the account id of everybody.
const Account = iam.Account

// Options for New.
type Options struct {
	// Region stands in ARNs where the request was not signed for one. Empty: us-east-1.
	Region string
	Logger *slog.Logger
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	db         *db.DB
	region     string
	log        *slog.Logger
	statements *partiql.Cache
	calls      sync.Pool
	suggested  suggested
}

// New returns the service of a database.
func New(d *db.DB, o Options) *Service {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{db: d, region: o.Region, log: o.Logger, statements: partiql.NewCache(statementCacheBytes)}
	large := make(chan struct{}, runtime.GOMAXPROCS(0))
	s.calls.New = func() any {
		return &call{db: d, statements: s.statements, writer: writer{large: large}}
	}
	return s
}

// Request is one call as it came over the wire.
type Request struct {
	Target   string // X-Amz-Target: prefix.Operation
	Body     []byte // must not change until Serve returns; not kept after that
	Region   string // that the request was signed for; empty: the service's own
	Endpoint string // host[:port] that the request was sent to, for clients that ask where to send others
	ID       string // the request's id, for the log
	// Principal is who signed it; nil: nobody is asked, and everything is allowed.
	Principal *iam.Principal

	// Began is when the request came, and Slow for how long it may take before Report.Condition is wanted. 0: it never is.
	Began time.Time
	Slow  time.Duration
	// Explain says that the log tells of every request: the Report is to have all that it can
	// have.
	Explain bool

	// Memory is where a large answer comes from. nil: it has no bound.
	Memory Memory

	Report Report // Serve fills it
}

// Memory is what large answers are made of.
type Memory interface {
	// Grow returns the answer with room for n bytes more; false if there is no memory for it at the moment. It is asked for all
	// answers above 64 KiB while they grow, and with n 0 for what has grown by itself.
	Grow(out []byte, n int) ([]byte, bool)
}

// call is one request being answered, with the scratch memory that is reused for the next.
type call struct {
	reader
	writer
	ctx        context.Context
	db         *db.DB
	statements *partiql.Cache
	region     string
	endpoint   string
	principal  *iam.Principal // whose policy is asked; nil: everything is allowed

	report Report

	explain bool // Request.Explain
	began   time.Time
	slow    time.Duration // Request.Slow
}

// explainsChoice tells whether the report is to say how the call chose its items.
func (c *call) explainsChoice() bool {
	return c.explain || c.slow > 0 && time.Since(c.began) >= c.slow
}

// Serve answers one request. The body of the answer is appended to out. status is an HTTP status code.
func (s *Service) Serve(ctx context.Context, r *Request, out []byte) (status int, body []byte) {
	c := s.calls.Get().(*call)
	c.ctx, c.body, c.out = ctx, r.Body, out
	c.memory, c.granted = r.Memory, cap(out)
	c.region, c.endpoint = r.Region, r.Endpoint
	if c.region == "" || strings.Contains(c.region, ":") { // whoever signs chooses the region: it must not make another ARN
		c.region = s.region
	}
	if c.principal = r.Principal; c.principal != nil && c.principal.MayEverything() {
		c.principal = nil
	}
	c.dec.Reset()
	r.Report = Report{}
	c.report, c.explain, c.began, c.slow = Report{}, r.Explain, r.Began, r.Slow
	n := len(out)
	err := s.run(c, r)
	status, body = 200, c.out
	s.finish(c, r, err)
	if err != nil {
		status, body = s.fail(c, r, err, n)
	}
	c.ctx, c.body, c.out, c.principal, c.memory = nil, nil, nil, nil, nil
	if len(r.Body) <= maxKeptBody {
		s.calls.Put(c)
	}
	return status, body
}

// fail answers with an error. The body begins at n of the answer.
func (s *Service) fail(c *call, r *Request, err error, n int) (status int, body []byte) {
	e := s.wireError(err, r)
	c.out = c.out[:n]
	if c.appendError(e) != nil { // there is no room for the items in it
		e = errNoRoom
		c.out = c.out[:n]
		_ = c.appendError(e) // has no items
	}
	r.Report.Code, r.Report.Message, r.Report.Reason = e.Code, e.Message, e.mistake()
	return e.Status, c.out
}

// maxKeptBody is the largest body whose call is reused: what a larger one has grown in its call goes with it.
const maxKeptBody = 64 << 10

// run finds the operation and calls its handler.
func (s *Service) run(c *call, r *Request) error {
	op := operationOf(r.Target)
	if op != nil {
		c.report.Operation = op.number
	}
	if op != nil && op.handle != nil {
		return op.handle(c)
	}
	if len(c.body) > 0 { // no body at all is found fault with only where an operation would read it
		if err := c.wellFormed(); err != nil {
			return err
		}
	}
	return errUnknownOperation
}

// wireError turns any error into DynamoDB's. Those that are ours alone are logged and shown as InternalServerError.
func (s *Service) wireError(err error, r *Request) *Error {
	if e := worded(err); e != nil {
		return e
	}
	if !errors.Is(err, context.Canceled) {
		s.log.Error("request failed", "target", r.Target, "request_id", r.ID, "error", err)
	}
	return (&Error{Code: "InternalServerError", Message: "Internal server error"}).fill()
}
