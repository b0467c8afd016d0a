package partita

import (
	"log/slog"
	"net/http"

	"github.com/partita-db/partita/internal/admin"
)

// AdminOptions are the options of [NewAdmin]. The zero value is usable: an Admin with a random
// token, for an address that only this machine can reach.
type AdminOptions struct {
	// Token is what guarded requests must bring, as "Authorization: Bearer TOKEN": those for
	// /debug/pprof/ and /backup, and with Exposed for /metrics. Empty: a random one, which
	// [Admin.Token] returns.
	Token string
	// Exposed says that other machines reach the address. /metrics requires the token then.
	// Without it, requests are rejected with status 403 unless their Host is localhost, a name
	// under .localhost or an IP address, so that no web page can send them under a name of its own.
	Exposed bool
	// Version is the program's version, for the metric partita_build_info. Empty: the metric's
	// label is empty.
	Version string
	// Profiles answers requests for /debug/pprof/ that have the token; it is usually made of the
	// handlers of net/http/pprof. nil: these requests are answered with status 404.
	Profiles http.Handler
	// Logger takes errors in answering requests, and what became of backups. nil: slog.Default.
	Logger *slog.Logger
}

// Admin is the HTTP handler for operators of a database. Serve it on a separate address, which the
// clients of the database do not need to reach. It answers
//
//   - GET /healthz: 200 while the database works, 202 while it is being opened or the program is
//     ending, and 503 when only a restart helps: the engine has stopped itself, or the database
//     is closed without [Admin.Drain];
//   - GET /readyz: 200 if requests are served now, otherwise 503 and why;
//   - GET /metrics: figures for Prometheus;
//   - POST /backup with {"directory": "/absolute/path"}, for requests with the token: what
//     [DB.Backup] does, and progress once a second, as lines of JSON;
//   - GET /debug/pprof/, for requests with the token, if there are AdminOptions.Profiles;
//   - GET /: a list of these.
//
// It may be served before Open, and reports then that the database is being opened. An Admin is
// made by [NewAdmin], is given to Open as Options.Admin, and is for one database: a second Open
// with it fails. It is safe for concurrent use.
type Admin struct {
	handler *admin.Handler
}

// NewAdmin returns an Admin.
func NewAdmin(o AdminOptions) *Admin { return &Admin{admin.New(admin.Options(o))} }

// ServeHTTP implements http.Handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Token returns the token that guarded requests must contain: AdminOptions.Token, or the random one
// if that is empty.
func (a *Admin) Token() string { return a.handler.Token() }

// Drain marks the program as ending: from now on /readyz answers 503 and /healthz 202, so that load
// balancers send no more requests. It does not stop anything. Call it before
// http.Server.Shutdown.
func (a *Admin) Drain() { a.handler.Drain() }
