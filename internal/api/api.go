// Package api is DynamoDB's operations: it decodes requests, checks them in DynamoDB's order and
// with its words, runs them on package db, and encodes the answers. Each operation is one file;
// ops.go lists them all. It knows no HTTP.
//
// What it answers follows the Amazon DynamoDB API Reference and Developer Guide and the service
// model that AWS's SDKs are made from; the order of checks and the wording of errors, of which
// these say little, follow answers of the service that its users have recorded. Where no answer is
// recorded, a comment says that a text is ours.
package api

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/data"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/partiql"
)

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

// New returns the service of a database, which must stay open while Serve runs.
func New(d *db.DB, o Options) *Service {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{db: d, region: o.Region, log: o.Logger, statements: partiql.NewCache(data.StatementCacheBytes)}
	large := make(chan struct{}, runtime.GOMAXPROCS(0))
	s.calls.New = func() any {
		return call.New(d, s.statements, large)
	}
	return s
}

// The types of Serve, declared in the packages that the planes import: those cannot import this
// one.
type (
	Request = call.Request
	Report  = call.Report
	Memory  = wire.Memory
)

// Serve answers one request. status is an HTTP status code, body is out with the answer appended;
// it can have been moved to other memory, by append or by Request.Memory. The answer holds no views
// of r.Body, so both buffers belong to the caller again when Serve returns.
//
// An error replaces whatever a handler has written before it failed: handlers need not undo it.
func (s *Service) Serve(ctx context.Context, r *call.Request, out []byte) (status int, body []byte) {
	c := s.calls.Get().(*call.Call)
	c.Begin(ctx, r, s.region, out)
	err := s.run(c, r)
	s.finish(c, r, err) // it sets r.Report, to which an error then adds
	status = 200
	if err != nil {
		e := c.Fail(s.wireError(err, r), len(out))
		r.Report.Code, r.Report.Message, r.Report.Reason = e.Code, e.Message, e.Mistake()
		status = e.Status
	}
	if body = c.End(); len(r.Body) <= call.MaxKeptBody {
		s.calls.Put(c)
	}
	return status, body
}

func (s *Service) run(c *call.Call, r *call.Request) error {
	op := operationOf(r.Target)
	if op != nil {
		c.Report.Operation = op.number
	}
	if op != nil && op.handle != nil {
		return op.handle(c)
	}
	// As on AWS, a malformed body comes before an unknown operation, but an empty body does not: it
	// is an error only where an operation would read it.
	if len(c.Body) > 0 {
		if err := c.WellFormed(); err != nil {
			return err
		}
	}
	return wire.ErrUnknownOperation
}

// wireError turns any error into DynamoDB's. Those that are ours alone are shown as
// InternalServerError and logged here, once, unless the client has gone: nothing was wrong then.
func (s *Service) wireError(err error, r *call.Request) *wire.Error {
	if e := call.Worded(err); e != nil {
		return e
	}
	if !errors.Is(err, context.Canceled) {
		s.log.Error("request failed", "target", r.Target, "request_id", r.ID, "error", err)
	}
	return wire.NewError("InternalServerError", "Internal server error")
}

// finish completes the report of a request that ends with err, and hands it to the caller.
func (s *Service) finish(c *call.Call, r *call.Request, err error) {
	if c.Report.MissingTable() != "" && err != nil {
		s.suggest(c, r)
	}
	c.Report.Finish(err)
	r.Report = c.Report
}
