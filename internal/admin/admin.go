// Package admin is the second address of a server, for its operators: health, metrics, profiles,
// backups.
//
// None of it can be reached on the address for data. Health and metrics are open to this machine;
// profiles, which show what is in memory, and backups, which write files, require the token.
package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
)

// Options for New.
type Options struct {
	// Token is what "Authorization: Bearer" must contain. Empty: a random one.
	Token string
	// Exposed says that other machines reach the address: /metrics requires the token then. If it
	// is not set, the Host of requests must be localhost or an IP address, so that no web page can
	// send requests under a host name of its own (DNS rebinding).
	Exposed bool
	// Version is the program's, for partita_build_info.
	Version string
	// Profiles answers requests for /debug/pprof/ with the token; nil: 404.
	Profiles http.Handler
	// Logger takes what goes wrong while answering; nil: slog.Default.
	Logger *slog.Logger
}

// Source is the open database that a Handler reports on.
type Source struct {
	DB      *db.DB
	Engine  kv.Engine
	Metrics *metrics.Metrics
	// Buffers returns, in bytes, how much of the memory for large bodies and answers is in use, and
	// its limit.
	Buffers func() (used, limit int64)
	// Credentials returns the state of the access keys; nil: no authentication.
	Credentials func() Credentials
}

// Handler answers the requests of operators. It can be served before there is a database, when it
// reports that the server is starting, and until the server has ended. It is safe for concurrent
// use.
type Handler struct {
	mux    http.ServeMux
	o      Options
	token  [sha256.Size]byte
	log    *slog.Logger
	source atomic.Pointer[Source]
	ending atomic.Bool
	closed atomic.Bool // the database was closed
	// claimed is set from Claim on, before there is a source: opening a database takes long, and
	// another one must not take the handler meanwhile.
	claimed atomic.Bool
	// backingUp is held while a backup is being written. It is only taken by TryLock.
	backingUp sync.Mutex
}

// New returns a Handler without a database.
func New(o Options) *Handler {
	if o.Token == "" {
		o.Token = rand.Text()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handler{o: o, token: sha256.Sum256([]byte(o.Token)), log: o.Logger}
	h.mux.HandleFunc("GET /{$}", h.index)
	h.mux.HandleFunc("GET /healthz", h.health)
	h.mux.HandleFunc("GET /readyz", h.ready)
	h.mux.Handle("POST /backup", h.guarded(http.HandlerFunc(h.backup)))
	figures := h.figures()
	if o.Exposed {
		figures = h.guarded(figures)
	}
	h.mux.Handle("GET /metrics", figures)
	if o.Profiles != nil {
		h.mux.Handle("/debug/pprof/", h.guarded(o.Profiles))
	}
	return h
}

// maxScrapes is how many requests for metrics are answered at a time: each reads all figures.
const maxScrapes = 4

// figures returns the handler of /metrics.
func (h *Handler) figures() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), h)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	})
}

// Token returns what guarded requests must contain.
func (h *Handler) Token() string { return h.o.Token }

// Claim reserves the handler for one database. It is false if it is reserved already.
func (h *Handler) Claim() bool { return h.claimed.CompareAndSwap(false, true) }

// Release undoes a Claim, when the database could not be opened.
func (h *Handler) Release() { h.claimed.Store(false) }

// Attach gives the handler its database, which is open.
func (h *Handler) Attach(s Source) { h.source.Store(&s) }

// Close notes that the database is closed, for good.
func (h *Handler) Close() { h.closed.Store(true) }

// Drain notes that the server has begun to end: from now on it is not ready, so that load balancers
// stop sending requests before the listener is closed.
func (h *Handler) Drain() { h.ending.Store(true) }

// maxBodyBytes is far above the size of any request here.
const maxBodyBytes = 64 << 10

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.o.Exposed && !local(r.Host) {
		http.Error(w, "this address answers requests to a loopback or an IP address only", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	w.Header()["Cache-Control"] = []string{"no-store"}
	h.mux.ServeHTTP(w, r)
}

// local tells whether a Host header is localhost or an IP address, and not a name that somebody's
// DNS resolves to this machine.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil
}

// guarded wraps a handler: requests without the token are rejected.
func (h *Handler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.authorized(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="partita"`)
			http.Error(w, "this needs the admin token, as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized tells whether the request contains the token. The comparison takes constant time, so
// that the token cannot be found byte by byte.
func (h *Handler) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	brought := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(brought[:], h.token[:]) == 1
}
