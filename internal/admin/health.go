package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// readTime is how long the read of /readyz may take.
const readTime = 2 * time.Second

// health answers whether the process lives: it does, unless its engine has stopped itself, or its
// database was closed while nobody was ending it, which only a restart ends. One that lives and
// serves nobody, as it is starting or ending, says so with 202: for those who restart what is dead
// that is as good as 200 (they take any 2xx), and nobody mistakes it for a server.
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

// ready answers whether requests are served now. Refused writes do not make a server unready, as
// reads go on; they are told.
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

// state says in a few words how the server is, or why it is not ready.
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
