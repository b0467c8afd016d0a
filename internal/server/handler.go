package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/metrics"
)

// Options for NewHandler.
type Options struct {
	// Serve answers one call, appending the body to out. It is api.Service's Serve.
	Serve func(ctx context.Context, r *api.Request, out []byte) (status int, body []byte)
	// Known tells whether an operation with that X-Amz-Target exists. As with AWS, a request for
	// one that does not is answered UnknownOperationException whatever its signature; only others
	// learn what is wrong with their signature. nil: every target with one of the prefixes is
	// known.
	Known func(target string) bool
	// Region is what the health answer names. Empty: us-east-1.
	Region string
	// Open says that there is no authentication. Then the Host is checked, and requests from web
	// pages of other machines are rejected; AllowHosts and CORSOrigins name exceptions, "*" any.
	// Otherwise all pages may call, as with AWS: they cannot sign.
	Open                    bool
	AllowHosts, CORSOrigins []string
	// Credentials are the access keys that requests must be signed with. nil: signatures are parsed
	// but not verified.
	Credentials *iam.Store
	// Now tells the time that signatures must be of. nil: time.Now.
	Now func() time.Time
	// BufferBytes is the memory for all bodies and answers above 4 KiB together; 0: 256 MiB.
	BufferBytes int64
	// MaxRequests is how many calls run at a time; those that find so many are answered
	// ThrottlingException. 0: 4096.
	MaxRequests int
	// Metrics count the requests. nil: they are not counted.
	Metrics *metrics.Metrics
	// SlowRequest is the duration from which on a request is logged as slow. 0: none is.
	SlowRequest time.Duration
	// Logger takes panics, slow requests, what clients do wrong, and every request at debug
	// level. nil: slog.Default.
	Logger *slog.Logger
}

// defaultBufferBytes is Options.BufferBytes for 0.
const defaultBufferBytes = 256 << 20

// Handler answers DynamoDB requests. It is safe for concurrent use.
type Handler struct {
	serve             func(context.Context, *api.Request, []byte) (int, []byte)
	known             func(string) bool
	region            string
	health            []byte
	log               *slog.Logger
	guard             *originGuard // nil: there is authentication
	budget            budget
	answers           shared
	requestLimit      requestLimit
	pool              sync.Pool   // of *exchange
	noDeadlinesLogged atomic.Bool // limitBodyTime has warned that deadlines cannot be set
	// unauthenticatedBytes is the sum of all bodyShares.
	unauthenticatedBytes atomic.Int64

	credentials *iam.Store // nil: no authentication
	now         func() time.Time

	metrics *metrics.Metrics // nil: none
	slow    time.Duration    // 0: none is
	slowLog slowLog
	clientErrors

	bufferBytes int64 // the budget when nothing is in use
}

// NewHandler returns a Handler with the options, of which only Serve is required.
func NewHandler(o Options) *Handler {
	if o.Known == nil {
		o.Known = prefixed
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = defaultBufferBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handler{
		serve:  o.Serve,
		known:  o.Known,
		region: o.Region,
		health: []byte("healthy: dynamodb." + o.Region + ".amazonaws.com "), // AWS ends it with a space
		log:    o.Logger,
		pool:   sync.Pool{New: func() any { return new(exchange) }},

		credentials: o.Credentials,
		now:         o.Now,

		metrics: o.Metrics,
		slow:    o.SlowRequest,
	}
	h.clientErrors.missing = make([]atomic.Bool, len(api.OperationNames())+1)
	h.budget.left.Store(o.BufferBytes)
	h.bufferBytes = o.BufferBytes
	h.requestLimit.limit = int64(cmp.Or(o.MaxRequests, defaultMaxRequests))
	if o.Open {
		h.guard = newOriginGuard(o.AllowHosts, o.CORSOrigins, o.Logger)
	}
	return h
}

// ServeHTTP answers one request. The origin guard comes first: what it rejects must not have any
// effect. Then the order of the checks is AWS's: size, CORS, health, method and content type, and
// then, in answer, what needs the body. The claim of the signature is checked before the body is
// read, but a fault in it is answered only where AWS would.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer x.end()
	defer x.recoverPanic()
	if h.guard != nil {
		if why := h.guard.refusal(r); why != "" {
			x.refuse(why)
			return
		}
	}
	x.claim()
	if err := x.readBody(); err != nil {
		x.refuseBody(err)
		return
	}
	if origin(r) {
		x.cors()
		if r.Method == http.MethodOptions {
			x.preflight()
			return
		}
	}
	switch {
	case x.wantsPage():
		x.sendPage()
	case r.Method == http.MethodGet && healthPath(r.URL.Path):
		x.send(http.StatusOK, h.health)
	case r.Method != http.MethodPost || (len(x.in) > 0 && !x.typed()):
		x.refuseForm()
	default:
		x.answer()
	}
}

// refuseForm answers a request that is not a call. A POST was probably meant as one; AWS's answer
// does not say that the content type is wrong, so the log does.
func (x *exchange) refuseForm() {
	if x.reported = x.r.Method != http.MethodPost; !x.reported {
		x.why = "the request has no Content-Type; it must be application/x-amz-json-1.0"
		if mediaType(x.r) != "" {
			x.why = "the request's Content-Type is not application/x-amz-json-1.0"
		}
	}
	x.send(http.StatusNotFound, unknownXML)
}

// healthPath tells whether a path is one of those under which AWS tells its health.
func healthPath(path string) bool { return path == "/" || path == "" || path == "/ping" }

// answer authenticates the request and serves the call.
func (x *exchange) answer() {
	h, r := x.h, x.r
	contentType := typeJSON
	if isAmzJSON(r) {
		contentType = typeAmzJSON
	}
	x.w.Header()["Content-Type"] = contentType
	x.call.Target = one(r.Header, "X-Amz-Target")
	if err := x.authenticate(); err != nil {
		x.send(http.StatusBadRequest, x.unsigned(err))
		return
	}
	x.call.Endpoint, x.call.Body, x.call.ID = r.Host, x.in, x.id
	status, body := h.run(r.Context(), x)
	if !x.holdAnswer(status != http.StatusOK || api.OnlyReads(x.call.Target)) {
		// Nothing was written, so the client can retry. A write's answer is sent in any case: a 503
		// would make the SDK repeat it.
		x.sendUnavailable()
		return
	}
	x.send(status, body)
}

// run calls Serve within the limit of requests. A panic in it becomes this request's
// InternalServerError; deferred calls run in reverse, so the limit is released before.
func (h *Handler) run(ctx context.Context, x *exchange) (status int, body []byte) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		x.logPanic(p)
		status, body = http.StatusInternalServerError, internalError
	}()
	if !h.requestLimit.acquire() {
		return x.tooMany()
	}
	defer h.requestLimit.release()
	x.call.Memory = x
	status, x.out = h.serve(ctx, &x.call, x.out[:0])
	x.shrink()
	return status, x.out
}

// unsigned returns the body that answers a request whose signature has a fault. As with AWS,
// malformed JSON and unknown operations are reported before the fault.
func (x *exchange) unsigned(fault error) []byte {
	switch {
	case len(x.in) > 0 && !isObject(x.in):
		return malformed
	case !x.h.known(x.call.Target):
		return unknownOperation
	}
	return errorBody(fault)
}

// prefixed tells whether the target belongs to one of the two APIs.
func prefixed(target string) bool {
	return strings.HasPrefix(target, "DynamoDB_20120810.") || strings.HasPrefix(target, "DynamoDBStreams_20120810.")
}

// preflight answers a CORS preflight request.
func (x *exchange) preflight() {
	header := x.w.Header()
	header["Access-Control-Max-Age"] = corsMaxAge
	if v := x.r.Header["Access-Control-Request-Headers"]; len(v) > 0 {
		header["Access-Control-Allow-Headers"] = v
	}
	if v := x.r.Header["Access-Control-Request-Method"]; len(v) > 0 {
		header["Access-Control-Allow-Methods"] = v
	}
	if x.h.guard != nil && one(x.r.Header, "Access-Control-Request-Private-Network") == "true" {
		// The guard has admitted the page's origin, so it may call into a private network, too.
		header["Access-Control-Allow-Private-Network"] = yes
	}
	x.send(http.StatusOK, nil)
}

// origin tells whether the request has an Origin: a browser sent it on behalf of a page.
func origin(r *http.Request) bool { return len(r.Header["Origin"]) > 0 }

// The content types.
const (
	amzJSON   = "application/x-amz-json-1.0"
	plainJSON = "application/json"
)

// mediaType is the request's content type without parameters.
func mediaType(r *http.Request) string {
	t := one(r.Header, "Content-Type")
	if i := strings.IndexByte(t, ';'); i >= 0 {
		t = t[:i]
	}
	return strings.TrimSpace(t)
}

// isAmzJSON tells whether the request used DynamoDB's own content type.
func isAmzJSON(r *http.Request) bool { return mediaType(r) == amzJSON }

// typed tells whether the request has one of the content types that carry calls.
func (x *exchange) typed() bool {
	t := mediaType(x.r)
	return t == amzJSON || t == plainJSON
}

// one returns the first value of a header, or "". The name must be canonical: unlike Header.Get it
// does not spend time on making it so.
func one(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// begin takes an exchange from the pool for a request. The clock is read only where something needs
// the time.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := h.pool.Get().(*exchange)
	x.h, x.w, x.r = h, w, r
	x.newID()
	if x.logged = h.log.Enabled(r.Context(), slog.LevelDebug); x.logged || h.timed() {
		x.began = time.Now()
		x.call.Began, x.call.Slow, x.call.Explain = x.began, h.slow, x.logged
	}
	if h.metrics != nil {
		h.metrics.InFlight.Add(1)
	}
	return x
}
