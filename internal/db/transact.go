package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// MaxTransactionBytes is what the items of a transaction take together at most, in DynamoDB's
// sizes.
const MaxTransactionBytes = 4 << 20

// Transaction is some actions on distinct items, of one table or several, of which all happen or
// none.
type Transaction struct {
	Actions []Action
	Token   *schema.Token // nil: none
}

// Action is one action of a transaction: a write, or without a Change the mere test of its
// condition.
type Action struct {
	Write
	// Err is what was found wrong with the action beforehand, such as a key of a wrong type. The
	// transaction will be cancelled with it as the action's reason; of the Write nothing is looked
	// at.
	Err error
}

// Transacted is what a transaction did.
type Transacted struct {
	// Written is what each action did, with the units that it would have consumed alone; of a
	// condition check it has only these. Nil for a replay.
	Written []Written
	// Replayed tells that a transaction with the same token and fingerprint has happened before, so
	// that nothing was done. Images are the sizes, of each action, of the larger of the item before
	// and after it, as they were then.
	Replayed bool
	Images   []int
}

// Canceled is a transaction that did nothing. Reasons has the error of each action, nil where there
// was nothing wrong: *ConditionFailed, *KeyError of an index, ErrCollectionTooLarge,
// ErrTransactionConflict, what Change.Apply returned, or the action's own Err.
type Canceled struct{ Reasons []error }

// Error has the reasons of all actions.
func (e *Canceled) Error() string {
	return fmt.Sprintf("db: the transaction was cancelled: %v", e.Reasons)
}

// transactor is a transaction in progress. It is not reused, as its writers are.
type transactor struct {
	d      *DB
	t      *Transaction
	ws     []*writer // of the actions; nil for one that came with an error
	token  []byte    // key of the token's row; nil if there is no token
	lock   [][]byte
	of     []int // whose key each in lock is: an action's number, or tokenLock
	olds   []item.Item
	news   []item.Item
	images []int
	out    Transacted
	holds  holding
}

// tokenLock stands in transactor.of for the token.
const tokenLock = -1

// Transact runs a transaction: it locks the keys of all items and the token, reads all old items,
// tests all conditions and applies all changes to what was there before, and if nothing is wrong
// with any of them records all, in one atomic batch, durable when it returns. With a token that a
// completed transaction of the last ten minutes had, nothing is done. Errors: *Canceled,
// ErrTableNotFound, ErrTransactionInProgress, ErrTokenMismatch, ErrTransactionTooLarge,
// ErrNoMemory, and those of package kv. Transacted is valid only without an error.
func (d *DB) Transact(ctx context.Context, t *Transaction) (Transacted, error) {
	n := len(t.Actions)
	x := &transactor{
		d: d, t: t, ws: make([]*writer, n),
		olds: make([]item.Item, n), news: make([]item.Item, 0, n), images: make([]int, 0, n),
		lock: make([][]byte, 0, n+1), of: make([]int, 0, n+1), holds: holding{m: &d.memory},
	}
	defer x.holds.release()
	defer releaseAll(x.ws)
	if t.Token != nil {
		x.token = t.Token.AppendKey(nil)
	}
	for {
		if err := x.plan(); err != nil {
			return Transacted{}, err
		}
		err := x.update(ctx)
		needed, short := memoryNeeded(err)
		switch {
		case err == nil:
			return x.out, nil
		case short:
			x.forget()
			if err := x.holds.wait(ctx, needed); err != nil {
				return Transacted{}, err
			}
		case errors.Is(err, kv.ErrConflict):
			return Transacted{}, x.conflict(err)
		case errors.Is(err, kv.ErrTooLarge):
			return Transacted{}, fmt.Errorf("%w: %w", ErrTransactionTooLarge, err)
		case !errors.Is(err, errReplan):
			return Transacted{}, err
		}
	}
}

// plan prepares the actions against the tables as they stand now.
func (x *transactor) plan() error {
	x.lock, x.of = x.lock[:0], x.of[:0]
	for i := range x.t.Actions {
		a := &x.t.Actions[i]
		if a.Err != nil {
			continue
		}
		if x.ws[i] == nil {
			x.ws[i] = x.d.writers.Get().(*writer)
			x.ws[i].owned = true
		}
		if err := x.ws[i].plan(&a.Write); err != nil {
			return err
		}
		x.lock, x.of = append(x.lock, x.ws[i].key), append(x.of, i)
	}
	if x.token != nil {
		x.lock, x.of = append(x.lock, x.token), append(x.of, tokenLock)
	}
	return nil
}

// update runs the transaction once.
func (x *transactor) update(ctx context.Context) error {
	defer x.d.ongoing.leave(x)
	err := x.d.kv.Update(ctx, kv.WriteOptions{Lock: x.lock}, x.run)
	for _, w := range x.ws {
		if w != nil {
			w.noteExpiry()
		}
	}
	x.meter(err)
	return err
}

// run is the transaction under its latches. It may run again from the start.
func (x *transactor) run(tx kv.Txn) error {
	x.d.ongoing.enter(x) // here and not before Update: until now it may wait for latches itself
	x.out = Transacted{}
	for _, w := range x.ws {
		if w == nil {
			continue
		}
		if now, err := x.d.current(w.t); err != nil || now != w.t {
			return errReplan // planning anew finds out which
		}
	}
	// The token comes first: the conditions of a transaction that has happened need not hold again.
	used, err := x.readToken(tx)
	if err != nil || x.out.Replayed {
		return err
	}
	if err := x.read(tx); err != nil {
		return err
	}
	if err := x.apply(); err != nil {
		return err
	}
	if err := x.hold(tx); err != nil {
		return err
	}
	if err := x.record(tx); err != nil {
		return err
	}
	x.writeToken(tx, used)
	return nil
}

// read reads all old items, before anything is written and while each lasts only until the next is
// read. Where there is no memory for them it continues, to find out how much is needed.
func (x *transactor) read(tx kv.Txn) error {
	var needs footprint
	var short error
	for i, w := range x.ws {
		if w == nil {
			continue
		}
		old, err := w.t.getItem(tx, w.key)
		if err != nil {
			return err
		}
		needs.join(w.guess(old))
		if short == nil {
			short = x.holds.raise(needs.total())
		}
		if short == nil {
			x.olds[i] = old.Clone() // the next read ends the life of the view that it is
		}
	}
	if short != nil {
		return &needsMemory{needs.total()}
	}
	return nil
}

// hold sees to it that all that will be recorded is held, now that it is known. A transaction that
// no engine would take is refused before it is made.
func (x *transactor) hold(tx kv.Txn) error {
	var holds footprint
	for i, w := range x.ws {
		if !item.SameAttributes(x.olds[i], x.news[i]) {
			holds.join(w.footprint(x.olds[i], x.news[i]))
		} else {
			holds.items += x.olds[i].EncodedLen()
		}
	}
	if holds.batch > x.d.kv.Limits().Update {
		return kv.ErrTooLarge
	}
	tx.Expect(holds.batch)
	return x.holds.raise(holds.total())
}

// forget drops what an attempt has made that is going to wait.
func (x *transactor) forget() {
	clear(x.olds)
	clear(x.news)
	for _, w := range x.ws {
		if w != nil {
			w.forget()
		}
	}
}

// apply tests all conditions and computes all new items, even after one has failed. Its error is a
// *Canceled, ErrTransactionTooLarge, or one of the engine.
func (x *transactor) apply() error {
	reasons, size := x.reasons(), 0
	x.news, x.images = x.news[:0], x.images[:0]
	for i, w := range x.ws {
		var old, new item.Item
		if w != nil {
			old = x.olds[i]
			var fatal error
			if new, reasons[i], fatal = x.applyOne(w, old); fatal != nil {
				return fatal
			}
		}
		if size += new.Size(); size > MaxTransactionBytes && !failed(reasons) {
			return ErrTransactionTooLarge
		}
		x.news, x.images = append(x.news, new), append(x.images, max(old.Size(), new.Size()))
	}
	if failed(reasons) {
		return &Canceled{reasons}
	}
	return nil
}

func failed(reasons []error) bool {
	return slices.ContainsFunc(reasons, func(err error) bool { return err != nil })
}

// reasons begins with the errors that the actions came with.
func (x *transactor) reasons() []error {
	reasons := make([]error, len(x.t.Actions))
	for i := range reasons {
		reasons[i] = x.t.Actions[i].Err
	}
	return reasons
}

// applyOne tests the condition of an action and computes its new item, which for a condition check
// is the old one. reason is what cancels the transaction, fatal an error of the engine.
func (x *transactor) applyOne(w *writer, old item.Item) (new item.Item, reason, fatal error) {
	w.out, w.changed = Written{}, false
	if w.write.Change == nil {
		w.out.Units.Table = capacity.CheckUnits(old.Size())
		return old, w.test(old), nil
	}
	if new, reason = w.apply(old); reason != nil || item.SameAttributes(old, new) {
		return new, reason, nil
	}
	if err := w.checkCollection(old, new); errors.Is(err, ErrCollectionTooLarge) {
		return new, err, nil
	} else if err != nil {
		return new, nil, err
	}
	return new, nil, nil
}

// record writes what follows from all changes.
func (x *transactor) record(tx kv.Txn) error {
	x.out.Images, x.out.Written = x.images, make([]Written, 0, len(x.ws))
	row := x.ws[0].row // the scratch of all, one after the other
	for i, w := range x.ws {
		if !item.SameAttributes(x.olds[i], x.news[i]) {
			mine := w.row
			w.row = row
			err := w.record(tx, x.olds[i], x.news[i])
			row, w.row = w.row, mine
			if err != nil {
				return err
			}
		}
		x.out.Written = append(x.out.Written, w.out)
	}
	x.ws[0].row = row
	return nil
}

// conflict is the error of a transaction that did not get all its keys in time.
func (x *transactor) conflict(err error) error {
	var c *kv.Conflict
	owners := x.of // all, if the engine does not know
	if errors.As(err, &c) {
		owners = nil
		for _, i := range c.Keys {
			owners = append(owners, x.of[i])
		}
	}
	reasons, cancels := x.reasons(), false
	for _, a := range owners {
		switch {
		case a != tokenLock:
			reasons[a], cancels = ErrTransactionConflict, true
		case x.d.ongoing.holds(x.token):
			return ErrTransactionInProgress
		}
	}
	if !cancels {
		return ErrTransactionInProgress
	}
	return &Canceled{reasons}
}

// ongoing are the transactions that hold their latches. Only who could not get a latch in time
// asks, so entering costs little and plain writes do not know of it.
type ongoing struct {
	mu  sync.Mutex
	all map[*transactor]struct{}
}

// enter notes that x holds its latches.
func (o *ongoing) enter(x *transactor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[*transactor]struct{}{}
	}
	o.all[x] = struct{}{}
}

func (o *ongoing) leave(x *transactor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, x)
}

// holds tells whether one of the transactions holds the latch of the key.
func (o *ongoing) holds(key []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for x := range o.all {
		for _, k := range x.lock {
			if schema.SameFront(k, key) {
				return true
			}
		}
	}
	return false
}
