package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

const (
	// openingEvery is the time between two lines of the log while the database is being opened.
	openingEvery = 10 * time.Second
	// holderTime is how long the server that has the data directory open may take to answer.
	holderTime = time.Second
)

// opening is a database that is being opened, or an error.
type opening struct {
	store *store
	err   error
}

// start opens the database. If the program is told to end meanwhile, it returns neither a store nor
// an error: if the database is open within closeTime it is closed, and otherwise left as by a kill,
// which the next start recovers from.
func (c *serve) start(ctx context.Context, log *slog.Logger, onFailure func(error)) (*store, error) {
	opened, closed := make(chan opening, 1), make(chan error, 1)
	go func() {
		s, err := c.open(ctx, log, onFailure)
		opened <- opening{s, err}
	}()
	if r, ok := awaitOpening(ctx, log, openingEvery, opened); ok {
		return r.store, r.err
	}
	c.drain()
	log.Info("stopping, before the database is open")
	go func() {
		r := <-opened
		if r.err == nil {
			r.err = r.store.Close()
		}
		closed <- r.err
	}()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, ctx.Err()) {
			return nil, err
		}
		log.Info("stopped")
	case <-time.After(closeTime):
		log.Warn("stopped during the start; the next start begins again")
	}
	return nil, nil
}

// awaitOpening waits until the database is open, and logs each time every has passed that it is not
// yet. The result is false if ctx ended before.
func awaitOpening(ctx context.Context, log *slog.Logger, every time.Duration, opened <-chan opening) (opening, bool) {
	began, tick := time.Now(), time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case r := <-opened:
			return r, true
		case <-ctx.Done():
			return opening{}, false
		case <-tick.C:
			log.Info("the database is being opened", "for", time.Since(began).Round(time.Second))
		}
	}
}

// withHolder adds, to the error about a locked directory, the address of the server that has it
// open, if the directory's file names one that answers. It returns other errors unchanged.
func withHolder(ctx context.Context, err error, dir string) error {
	if !errors.Is(err, pebblekv.ErrLocked) {
		return err
	}
	at, findErr := findAdmin("", dir)
	if findErr != nil || at.PID == 0 || !at.answers(ctx) {
		return err // the file may be left from a server that was killed
	}
	return fmt.Errorf("%w (the server with process id %d at %s)", err, at.PID, at.Endpoint)
}

// answers tells whether the server that has written the file answers.
func (at adminAt) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, holderTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.Addr+"/healthz", nil)
	if err != nil {
		return false
	}
	answer, err := adminClient().Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return at.Instance != "" && answer.Header.Get(instanceHeader) == at.Instance
}
