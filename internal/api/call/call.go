package call

import (
	"context"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/partiql"
)

// Account is the account id of everybody.
const Account = iam.Account

// Request is one call as it came over the wire.
type Request struct {
	Target   string // X-Amz-Target: prefix.Operation
	Body     []byte // must not change until Serve returns; not kept after that
	Region   string // that the request was signed for; empty: the service's own
	Endpoint string // host[:port] that the request was sent to, for clients that ask where to send others
	ID       string // the request's id, for the log
	// Principal is who signed it; nil: nobody is asked, and everything is allowed.
	Principal *iam.Principal

	// Began is when the request came, and Slow for how long it may take before Report.Condition is
	// wanted. 0: it never is.
	Began time.Time
	Slow  time.Duration
	// Explain says that the log tells of every request: the Report is to have all that it can
	// have.
	Explain bool

	// Memory is where a large answer comes from. nil: it has no bound.
	Memory wire.Memory

	Report Report // Serve fills it
}

// Call is one request being answered, with the scratch memory that is reused for the next.
type Call struct {
	wire.Reader
	wire.Writer
	Ctx        context.Context
	DB         *db.DB
	Statements *partiql.Cache
	Region     string
	Endpoint   string
	principal  *iam.Principal // whose policy is asked; nil: everything is allowed

	Report Report

	Explain bool // Request.Explain
	began   time.Time
	slow    time.Duration // Request.Slow
}

// New returns a call to be used again and again. large, which all calls share, has a place for
// each large item that may be written out at a time.
func New(d *db.DB, statements *partiql.Cache, large chan struct{}) *Call {
	return &Call{DB: d, Statements: statements, Writer: wire.NewWriter(large)}
}

// Begin begins the answer to a request, which is appended to out. region stands in for that of a
// request without one.
func (c *Call) Begin(ctx context.Context, r *Request, region string, out []byte) {
	c.Ctx, c.Region, c.Endpoint = ctx, r.Region, r.Endpoint
	c.Reader.Begin(r.Body)
	c.Writer.Begin(out, r.Memory)
	if c.Region == "" || strings.Contains(c.Region, ":") { // whoever signs chooses the region: it must not make another ARN
		c.Region = region
	}
	if c.principal = r.Principal; c.principal != nil && c.principal.MayEverything() {
		c.principal = nil
	}
	r.Report = Report{}
	c.Report, c.Explain, c.began, c.slow = Report{}, r.Explain, r.Began, r.Slow
}

// End returns the answer, and forgets the request.
func (c *Call) End() (answer []byte) {
	c.Ctx, c.principal = nil, nil
	c.Reader.End()
	return c.Writer.End()
}

// MaxKeptBody is the largest body whose call is reused: what a larger one has grown in its call
// goes with it.
const MaxKeptBody = 64 << 10

// ExplainsChoice tells whether the report is to say how the call chose its items.
func (c *Call) ExplainsChoice() bool {
	return c.Explain || c.slow > 0 && time.Since(c.began) >= c.slow
}
