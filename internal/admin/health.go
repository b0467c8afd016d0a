package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// readTime is how long the read that /readyz makes may take.
const readTime = 2 * time.Second

// health answers liveness probes: 503 only if nothing but a restart helps, because the engine has
// stopped itself, or the database was closed without Drain. While the server is starting or ending
// it answers 202: probes accept any 2xx and do not kill it, and scripts can tell it from a server
// that answers requests.
func (h *Handler) health(w http.ResponseWriter, r *http.Request) {
	s := h.source.Load()
	if s != nil {
		if err := s.Engine.Metrics().Failed; errors.Is(err, kv.ErrFailed) {
			http.Error(w, "failed: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	switch {
	case h.ending.Load():
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, errEnding)
	case h.closed.Load():
		http.Error(w, errClosed.Error(), http.StatusServiceUnavailable)
	case s == nil:
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, errStarting)
	default:
		fmt.Fprintln(w, "ok")
	}
}

// ready answers readiness probes. A server that rejects writes because its volume is full stays
// ready, as reads go on and DeleteTable can free space; the answer says so.
func (h *Handler) ready(w http.ResponseWriter, r *http.Request) {
	state, err := h.state(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, state)
}

// Why a server is not ready.
var (
	errStarting = errors.New("starting: the database is being opened")
	errEnding   = errors.New("draining: the server is being stopped")
	errClosed   = errors.New("closed: the database is closed")
)

// state describes the server in a few words, or returns why it is not ready.
func (h *Handler) state(ctx context.Context) (string, error) {
	s := h.source.Load()
	switch {
	case h.ending.Load():
		return "", errEnding
	case h.closed.Load():
		return "", errClosed
	case s == nil:
		return "", errStarting
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	m := s.Engine.Metrics()
	if m.Failed == nil {
		m.Failed = s.DB.Ping(ctx)
	}
	switch {
	case errors.Is(m.Failed, kv.ErrFailed):
		return "", fmt.Errorf("failed: %w", m.Failed)
	case m.Failed != nil:
		return "", fmt.Errorf("reads fail: %w", m.Failed)
	case m.NoSpace:
		return fmt.Sprintf("ready, but writes are refused: the volume has %d bytes free, and %d are kept", m.FreeBytes, m.FloorBytes), nil
	}
	return "ready", nil
}
