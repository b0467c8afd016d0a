package pebblekv

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/kv"
)

// commit is one update on its way to the disk, as those see it who have read its rows.
type commit struct {
	order *order
	// lazy says that the update did not ask for a sync: it becomes durable with a later one, which
	// whoever needs it asks for.
	lazy bool
	// seq is Pebble's number of the batch, zero until it is applied.
	seq  atomic.Uint64
	done atomic.Bool

	mu      sync.Mutex
	waiting chan struct{} // made by the first to wait, closed when done
}

// durable says whether the commit is known to be on the disk.
func (c *commit) durable() bool {
	if c.done.Load() {
		return true
	}
	seq := c.seq.Load()
	return seq != 0 && seq <= c.order.synced.Load()
}

// finish lets the waiting go.
func (c *commit) finish() {
	c.done.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		close(c.waiting)
	}
}

// wait returns a channel that is closed when the commit is durable.
func (c *commit) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.Load() {
		return closed
	}
	if c.waiting == nil {
		c.waiting = make(chan struct{})
	}
	return c.waiting
}

// closed is a channel that is closed.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// order is what is known of all commits together. The log holds them in the order of Pebble's
// numbers.
type order struct {
	_ [64]byte
	// inFlight counts the commits that readers may see and that are not known to be durable, save
	// lazy ones that are applied: those are all at or below lazy.
	inFlight atomic.Int64
	_        [56]byte
	lazy     atomic.Uint64
	// synced is a number at and below which everything is durable.
	synced atomic.Uint64
	_      [48]byte
}

// raise sets v to at least to.
func raise(v *atomic.Uint64, to uint64) {
	for {
		old := v.Load()
		if old >= to || v.CompareAndSwap(old, to) {
			return
		}
	}
}

// Update implements kv.Engine.
func (e *Engine) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	tx := e.newTxn()
	defer tx.release()
	tx.makesRoom, tx.lazy = o.MakesRoom, o.NoSync
	c, err := tx.run(ctx, o.Lock, fn)
	if c == nil {
		if waitErr := tx.awaitSeen(ctx); waitErr != nil {
			err = waitErr
		}
		return err
	}
	return tx.sync(c)
}

// UpdateEach implements kv.Engine. The updates are applied without a sync of their own and covered
// by one at the end, which also covers what the failed ones have seen.
func (e *Engine) UpdateEach(ctx context.Context, o kv.WriteOptions, writes []kv.Write) []error {
	errs := make([]error, len(writes))
	if err := e.enter(); err != nil {
		return fill(errs, err)
	}
	defer e.exit()
	var written []int
	unsynced := false
	for i, w := range writes {
		c, err := e.updateOne(ctx, w, &unsynced)
		errs[i] = err
		if c != nil {
			written = append(written, i)
		}
	}
	if (unsynced || len(written) > 0) && !o.NoSync {
		if err := e.awaitAll(ctx); err != nil {
			return e.unsure(errs, written, err)
		}
	}
	if err := e.failure(); err != nil {
		return e.unsure(errs, written, err)
	}
	return errs
}

// updateOne applies one of UpdateEach's writes. It sets unsynced if the write has seen what may not
// be durable.
func (e *Engine) updateOne(ctx context.Context, w kv.Write, unsynced *bool) (*commit, error) {
	tx := e.newTxn()
	defer tx.release()
	tx.lazy = true
	c, err := tx.run(ctx, w.Lock, w.Do)
	*unsynced = *unsynced || tx.nUnsynced > 0 || tx.everything
	return c, err
}

func fill(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// unsure sets all errors to err, where something was written with a note that it may stay.
func (e *Engine) unsure(errs []error, written []int, err error) []error {
	fill(errs, err)
	for _, i := range written {
		errs[i] = unknown(err)
	}
	return errs
}

// unknown is the error of a commit that was applied and whose sync was not seen.
func unknown(err error) error { return fmt.Errorf("%w: %w", kv.ErrCommitUnknown, err) }

// apply makes the batch visible as the commit c, whose number it sets. The caller has published c
// to those who may see it and holds their latches.
func (e *Engine) apply(c *commit, b *pebble.Batch) (err error) {
	defer e.engineCall(&err)
	if e.readOnly {
		return errReadOnly
	}
	e.order.inFlight.Add(1) // before anybody can see it
	e.commits.Add(1)
	switch {
	case e.volatile:
		if err = e.db.Apply(b, pebble.NoSync); err == nil {
			c.finish()
			e.order.inFlight.Add(-1)
		}
	case c.lazy:
		if err = e.db.Apply(b, pebble.NoSync); err == nil {
			seq := uint64(b.SeqNum())
			raise(&e.order.lazy, seq)
			c.seq.Store(seq)
			e.order.inFlight.Add(-1)
		}
	default:
		if err = e.db.ApplyNoSyncWait(b, pebble.Sync); err == nil {
			c.seq.Store(uint64(b.SeqNum()))
		}
	}
	if err == nil {
		return e.failure()
	}
	e.fail(fmt.Errorf("committing: %w", err)) // Pebble cannot go on after that
	return e.failure()
}

// syncWait waits until the commit is durable and finishes it.
func (e *Engine) syncWait(c *commit, b *pebble.Batch) (err error) {
	if c.done.Load() {
		return nil
	}
	defer e.engineCall(&err)
	err = b.SyncWait()
	if err != nil {
		e.fail(fmt.Errorf("syncing the log: %w", err))
	}
	if err := e.failure(); err != nil {
		return err
	}
	raise(&e.order.synced, c.seq.Load())
	c.finish()
	e.order.inFlight.Add(-1)
	return nil
}

// awaitCommit waits until c, which somebody has seen, is durable.
func (e *Engine) awaitCommit(ctx context.Context, c *commit) error {
	if c.durable() {
		return nil
	}
	if c.lazy {
		return e.sync(ctx)
	}
	select {
	case <-c.wait():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.failed:
		return e.failure()
	}
}

// awaitAll waits until everything is durable that was visible when it was called.
func (e *Engine) awaitAll(ctx context.Context) error {
	if e.order.inFlight.Load() == 0 && e.order.lazy.Load() <= e.order.synced.Load() {
		return nil
	}
	return e.sync(ctx)
}

// syncer joins those who wait for a sync of the log without having written anything. They can give
// up, which a call of Pebble's cannot, so the call is made in a goroutine that lives while anybody
// waits.
type syncer struct {
	mu      sync.Mutex
	next    *syncRound // the one that has not begun
	running bool
	wg      sync.WaitGroup
}

// syncRound is one sync of the log. It covers everything visible before it begins.
type syncRound struct {
	done chan struct{}
	err  error
}

// sync waits until everything that is visible now is durable.
func (e *Engine) sync(ctx context.Context) error {
	s := &e.syncer
	s.mu.Lock()
	if s.next == nil {
		s.next = &syncRound{done: make(chan struct{})}
	}
	round := s.next
	if !s.running {
		s.running = true
		s.wg.Add(1)
		go e.syncRounds()
	}
	s.mu.Unlock()
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return ctx.Err()
	case <-e.failed:
		return e.failure()
	}
}

// syncRounds runs rounds until nobody waits for one.
func (e *Engine) syncRounds() {
	s := &e.syncer
	defer s.wg.Done()
	for {
		s.mu.Lock()
		round := s.next
		s.next = nil
		s.running = round != nil
		s.mu.Unlock()
		if round == nil {
			return
		}
		round.err = e.syncLog()
		close(round.done)
	}
}

// syncLog syncs the log by writing an empty record of it, which joins the group commit.
func (e *Engine) syncLog() (err error) {
	if e.volatile {
		return nil
	}
	if err := e.failure(); err != nil {
		return err
	}
	defer e.engineCall(&err)
	lazy := e.order.lazy.Load()
	if err := e.db.LogData(nil, pebble.Sync); err != nil {
		e.fail(fmt.Errorf("syncing the log: %w", err))
	}
	if err := e.failure(); err != nil {
		return err
	}
	raise(&e.order.synced, lazy)
	return nil
}
