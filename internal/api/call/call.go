// Package call is one call of the API, with what all operations need whatever their plane: the
// client's identity and its permissions, the table that a name stands for, the report for metrics
// and logs, and the wording of errors that package db returns to several operations.
//
// A handler gets a *Call and finds in it the request's body (wire.Reader), the answer to be written
// (wire.Writer) and the database. It belongs to one goroutine and one request at a time; everything
// in it is reused by the next request, so a handler keeps nothing of it.
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

// Account is the account id in all ARNs: there is one account only.
const Account = iam.Account

// Request is one call as it came over the wire.
type Request struct {
	Target   string // X-Amz-Target: prefix.Operation
	Body     []byte // must not change until Serve returns; not kept after that
	Region   string // the request was signed for it; empty: the service's own
	Endpoint string // host[:port] the request was sent to, which DescribeEndpoints answers
	ID       string // the request's id, for the log
	// Principal signed the request. nil: there are no policies, and everything is allowed.
	Principal *iam.Principal

	// Began is when the request came. A call that has taken Slow or longer fills Report.Condition.
	// 0: no call is slow.
	Began time.Time
	Slow  time.Duration
	// Explain asks for a complete Report, with what costs time to find out: every request is
	// logged.
	Explain bool

	// Memory provides the memory of large answers. nil: it is not limited.
	Memory wire.Memory

	Report Report // Serve fills it
}

// Call is one request being answered. What it has decoded (strings, items, values) are views of the
// body or of the Reader's memory, good until End: package db copies what it stores, everything else
// that outlives the call is cloned.
type Call struct {
	wire.Reader
	wire.Writer
	Ctx        context.Context
	DB         *db.DB
	Statements *partiql.Cache // parsed PartiQL, shared by all calls
	Region     string         // the one to be shown in ARNs
	Endpoint   string         // Request.Endpoint
	principal  *iam.Principal // its policy is asked; nil: everything is allowed

	Report Report // handlers note in it what they read and wrote

	Explain bool // Request.Explain
	began   time.Time
	slow    time.Duration // Request.Slow
}

// New returns a call to be reused. All calls share large, which has a place for each large item
// that may be encoded at a time (wire.NewWriter).
func New(d *db.DB, statements *partiql.Cache, large chan struct{}) *Call {
	return &Call{DB: d, Statements: statements, Writer: wire.NewWriter(large)}
}

// Begin makes the call one for the request r. The answer is appended to out. region is used for a
// request without one.
func (c *Call) Begin(ctx context.Context, r *Request, region string, out []byte) {
	c.Ctx, c.Region, c.Endpoint = ctx, r.Region, r.Endpoint
	c.Reader.Begin(r.Body)
	c.Writer.Begin(out, r.Memory)
	// The client chooses the region that it signs for. With a colon it would shift the parts of
	// each ARN that it is put into, and so the resource that policies are asked about.
	if c.Region == "" || strings.Contains(c.Region, ":") {
		c.Region = region
	}
	if c.principal = r.Principal; c.principal != nil && c.principal.MayEverything() {
		c.principal = nil // so that no Want is made
	}
	r.Report = Report{}
	c.Report, c.Explain, c.began, c.slow = Report{}, r.Explain, r.Began, r.Slow
}

// End returns the answer, and drops all references to the request.
func (c *Call) End() (answer []byte) {
	c.Ctx, c.principal = nil, nil
	c.Reader.End()
	return c.Writer.End()
}

// MaxKeptBody is the largest body whose call is reused. A larger body has grown the buffers of its
// call, which a pool would keep for no use.
const MaxKeptBody = 64 << 10

// ExplainsChoice tells whether the report is to say how the call chose its items. It is asked at
// the end of the call, when it is known whether that was slow.
func (c *Call) ExplainsChoice() bool {
	return c.Explain || c.slow > 0 && time.Since(c.began) >= c.slow
}
