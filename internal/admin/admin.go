// Package admin is the second address of a server, for those who run it: health, metrics, profiles,
// backups.
//
// Nothing of it is reachable on the address for data. What only tells how the server is doing is
// open to this machine; what shows its inside or acts needs the token.
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
	// Token is what "Authorization: Bearer" must bring. Empty: a random one.
	Token string
	// Exposed says that other machines reach the address: /metrics needs the token then. As long as
	// it is not set, requests must name a loopback, or an address, as their Host, so that no web
	// page gets here by a name of its own.
	Exposed bool
	// Version is the program's, for partita_build_info.
	Version string
	// Profiles serves /debug/pprof/ to those who have the token; nil: there is no such thing.
	Profiles http.Handler
	// Logger takes what goes wrong while answering; nil: slog.Default.
	Logger *slog.Logger
}

// Source is the open database that a Handler tells of.
type Source struct {
	DB      *db.DB
	Engine  kv.Engine
	Metrics *metrics.Metrics
	// Buffers tells how much of the memory for large bodies and answers is in use, of how much.
	Buffers func() (used, limit int64)
	// Credentials tells how the access keys are; nil: nobody is asked for one.
	Credentials func() Credentials
}

// Handler answers those who run the server. It does so before there is a database (it says that it
// is starting), and while the server ends. It is safe for concurrent use.
type Handler struct {
	mux    http.ServeMux
	o      Options
	token  [sha256.Size]byte
	log    *slog.Logger
	source atomic.Pointer[Source]
	ending atomic.Bool
	closed atomic.Bool // the database is
	// claimed is set once some database is going to be, or is, the handler's.
	claimed atomic.Bool
	// backingUp is held while a backup is being written.
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

// maxScrapes is how many requests for metrics are answered at a time.
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

// Token is what guarded requests must bring.
func (h *Handler) Token() string { return h.o.Token }

// Claim reserves the handler for one database. It is false if another has it.
func (h *Handler) Claim() bool { return h.claimed.CompareAndSwap(false, true) }

// Release undoes a Claim: the database was not opened.
func (h *Handler) Release() { h.claimed.Store(false) }

// Attach tells the handler of the database, which is open.
func (h *Handler) Attach(s Source) { h.source.Store(&s) }

// Close tells the handler that its database is closed: it will not be open again.
func (h *Handler) Close() { h.closed.Store(true) }

// Drain tells the handler that the server has begun to end: it is not ready any more.
func (h *Handler) Drain() { h.ending.Store(true) }

// maxBodyBytes is far above what any request here has to say.
const maxBodyBytes = 64 << 10

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.o.Exposed && !local(r.Host) {
		http.Error(w, "this address answers requests to a loopback or an IP address only", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	w.Header()["Cache-Control"] = []string{"no-store"}
	h.mux.ServeHTTP(w, r)
}

// local tells whether a Host header has a name of this machine, or none that DNS could have led
// here: an IP address.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil
}

// guarded is a handler for requests with the token only.
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

// authorized tells whether the request brings the token. The comparison takes as long whatever it
// brings.
func (h *Handler) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	brought := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(brought[:], h.token[:]) == 1
}
