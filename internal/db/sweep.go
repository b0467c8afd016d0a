package db

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Sweep does what is due by the database's clock: it deletes the items that have expired, trims
// streams, forgets the tokens of old transactions, and sees to the end of deleted tables whose time
// in DELETING is over. When it returns, all of that is done, but for the rows of deleted tables,
// which go in the background. Sweeps run one at a time.
func (d *DB) Sweep(ctx context.Context) (err error) {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	defer d.countSweep(time.Now(), &err)
	for _, t := range d.catalog.Load().byID {
		d.deleted(t)
	}
	return errors.Join(d.expire(ctx), d.trimStreams(ctx), d.forgetTokens(ctx))
}

// Settle waits until the indexes of all tables, those by expiry too, are as they should be, or
// nobody works on them any more: what is due in a table whose index by expiry is still being built,
// Sweep cannot see.
func (d *DB) Settle(ctx context.Context) error {
	for !d.settled() && d.works() {
		if err := errors.Join(ctx.Err(), d.ctx.Err()); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// settled tells whether no index is being built or removed.
func (d *DB) settled() bool {
	for _, t := range d.catalog.Load().byID {
		if t.State == schema.StatePublic && !t.Settled() {
			return false
		}
	}
	return true
}

// works tells whether a background job runs.
func (d *DB) works() (some bool) {
	d.working.Range(func(_, _ any) bool {
		some = true
		return false
	})
	return some
}

// sweepEvery runs Sweep until the database is closed.
func (d *DB) sweepEvery(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var told lately
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		err := d.Sweep(d.ctx)
		switch {
		case errors.Is(err, kv.ErrFailed):
			return // only a restart ends that
		case err != nil && !stopped(err) && told.isNew(err):
			d.log.Warn("a sweep failed and is tried again", "error", err)
		}
	}
}

// lately is the failure that was logged last, and when: one that lasts is logged once a minute.
type lately struct {
	text string
	at   time.Time
}

// isNew tells whether the failure is to be logged, as another one than last, or after a minute.
// Tables that fail together do so in any order.
func (l *lately) isNew(err error) bool {
	lines := strings.Split(err.Error(), "\n")
	slices.Sort(lines)
	if text := strings.Join(lines, "\n"); text != l.text || time.Since(l.at) >= time.Minute {
		l.text, l.at = text, time.Now()
		return true
	}
	return false
}
