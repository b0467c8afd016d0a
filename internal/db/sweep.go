package db

import (
	"context"
	"errors"
	"time"
)

// Sweep does what is due by the database's clock: it deletes the items that have expired, trims streams, forgets the tokens
// of old transactions, and sees to the end of deleted tables whose time in DELETING is over. When it returns, all of that is
// done. Sweeps run one at a time.
func (d *DB) Sweep(ctx context.Context) error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	for _, t := range d.catalog.Load().byID {
		d.deleted(t)
	}
	return errors.Join(d.expire(ctx), d.trimLogs(ctx), d.forgetTokens(ctx))
}

// sweepEvery runs Sweep until the database is closed.
func (d *DB) sweepEvery(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		if err := d.Sweep(d.ctx); err != nil && !stopped(err) {
			d.log.Warn("a sweep failed and is tried again", "error", err)
		}
	}
}
