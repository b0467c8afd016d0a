package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

const (
	// expiryYears is how long ago an item may have expired to be deleted. What is older is taken
	// for a mistake, and left alone.
	expiryYears = 5
	// expiryChunk is how many expired items are deleted with one wait for the disk, before requests
	// have their turn.
	expiryChunk = 64
	// maxExpiryPause is for how long they have it at most.
	maxExpiryPause = 100 * time.Millisecond
)

// ErrExpiryBusy refuses a change of a table's expiry while the last one is under way.
var ErrExpiryBusy = errors.New("db: the table's expiry is being changed")

// AlterExpiry switches the time to live of a table's items on, with the attribute that holds it, or
// off, where attribute is empty. check gets a copy of the table's descriptor and may refuse; if it
// does not, the table has an expiry that is not Dropping to be switched off, or none to be switched
// on. The index by expiry is built or removed in the background. ErrTableNotFound if there is no
// such table, ErrExpiryBusy while the last change is ENABLING or DISABLING for TableDelay, or the
// rows of the last index are still being removed.
func (d *DB) AlterExpiry(
	ctx context.Context, ns schema.Namespace, name, attribute string, check func(*schema.Descriptor) error,
) error {
	if old := d.named(ns, name); attribute != "" && old != nil {
		d.await(ctx, old, func() bool {
			t := d.named(ns, name)
			return t == nil || t.Expiry == nil || !t.Expiry.Dropping || t.Expiry.Settled()
		})
	}
	_, _, err := d.Alter(ctx, ns, name, Unseen, d.changeExpiry(attribute, check))
	return err
}

// changeExpiry is AlterExpiry's change of the descriptor.
func (d *DB) changeExpiry(attribute string, check func(*schema.Descriptor) error) func(*schema.Descriptor) error {
	return func(desc *schema.Descriptor) error {
		if err := check(desc); err != nil {
			return err
		}
		now := d.now()
		switch e := desc.Expiry; {
		case e != nil && (schema.Busy(e.BusyUntil, now) || e.Dropping && !e.Settled()):
			return ErrExpiryBusy
		case attribute == "":
			e.Phase, e.BusyUntil = schema.PhaseLeaving, d.busyUntil(now)
		default:
			desc.Expiry = &schema.Expiry{
				Attribute: attribute, Since: desc.Epoch + 1, Phase: schema.PhaseComing, BusyUntil: d.busyUntil(now),
			}
		}
		return nil
	}
}

// recordExpiry brings the item's expiry row up to date. Nobody counts these rows, so it need not
// know which exist.
func (w *writer) recordExpiry(tx kv.Txn, old, new item.Item) {
	if s := w.t.Expiry.State; s == schema.StateAbsent || s == schema.StateDropped {
		return
	}
	was, had := w.t.ExpiryTime(old)
	is, has := w.t.ExpiryTime(new)
	has = has && w.t.Expiry.State != schema.StateDeleteOnly
	if had && !(has && is == was) {
		w.row = schema.AppendExpiryKey(w.row[:0], w.key, was)
		tx.Delete(w.row)
	}
	if has && !(had && is == was && w.t.Expiry.State == schema.StatePublic) {
		w.row = schema.AppendExpiryKey(w.row[:0], w.key, is)
		tx.Set(w.row, nil)
		w.expires = is
	}
}

// fillExpiry is the filler of the index by expiry.
func (t *Table) fillExpiry(tx kv.Txn, key []byte, it item.Item, _ *kv.Count) error {
	if seconds, ok := t.ExpiryTime(it); ok {
		tx.Set(schema.AppendExpiryKey(nil, key, seconds), nil)
	}
	return nil
}

// due is the times at which what is deleted now has expired: from oldest on, and before now,
// exactly. As values they are seconds since 1970, and as numbers cut off to whole ones.
type due struct {
	oldest, now item.Value
	from, to    uint64
}

// newDue returns what is due at the time.
func newDue(now time.Time) due {
	oldest := now.AddDate(-expiryYears, 0, 0)
	if oldest.Unix() < 0 {
		oldest = time.Unix(0, 0)
	}
	return due{secondsOf(oldest), secondsOf(now), uint64(oldest.Unix()), uint64(max(0, now.Unix()))}
}

// secondsOf is the time as a number of seconds since 1970.
func secondsOf(at time.Time) item.Value {
	v, err := item.Number(fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()))
	if err != nil {
		panic(fmt.Sprintf("db: the time %v is no number: %v", at, err)) // at most 28 digits
	}
	return v
}

// holds tells whether the item's attribute says that it is due.
func (u due) holds(it item.Item, attribute string) bool {
	v := it.Get(attribute)
	older, isNumber := item.Compare(v, u.oldest)
	before, _ := item.Compare(v, u.now)
	return isNumber && older >= 0 && before < 0
}

// expiring tells whether items of the table are deleted when they expire.
func (t *Table) expiring() bool {
	return t.State == schema.StatePublic &&
		t.Expiry != nil && t.Expiry.State == schema.StatePublic && !t.Expiry.Dropping
}

// expire deletes the items of all tables that have expired.
func (d *DB) expire(ctx context.Context) error {
	u := newDue(d.now())
	var sweeps []*expirySweep
	for _, t := range d.catalog.Load().byID {
		if t.expiring() {
			sweeps = append(sweeps, d.newExpirySweep(t, u))
		}
	}
	if len(sweeps) == 0 {
		return nil
	}
	if err := d.findDue(ctx, sweeps); err != nil {
		return fmt.Errorf("looking for expired items: %w", err)
	}
	var errs []error
	for _, s := range sweeps {
		if err := s.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("deleting expired items of table %s: %w", s.t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// expiryMark remembers how far the expiry rows of a table have been swept. The engine steps over
// removed rows for as long as it has not cleaned them away, so a sweep does not begin where the
// last one has been.
type expiryMark struct {
	since uint64        // of the table's Expiry
	swept atomic.Uint64 // a second: all rows of earlier ones are gone, but for
	mu    sync.Mutex
	// left is the second from which on rows were left over, or written behind the sweep; Never:
	// none were.
	left uint64
}

// begin returns the second at which a sweep up to the second to begins. It moves the mark before
// the sweep looks: a write that does not see it moved was there to be seen.
func (m *expiryMark) begin(to uint64) (from uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from = min(m.swept.Load(), m.left); to < m.swept.Load() {
		from = 0 // the clock was turned back
	}
	m.left = schema.Never
	m.swept.Store(to)
	return from
}

// leave has the next sweep begin at the second, or earlier.
func (m *expiryMark) leave(second uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = min(m.left, second)
}

// noteExpiry tells the sweeps of the expiry row that w has written, if it lies behind them. It is
// called after the commit.
func (w *writer) noteExpiry() {
	if w.expires == schema.Never {
		return
	}
	if m, ok := w.d.marks.Load(w.t.ID); ok && w.expires < m.(*expiryMark).swept.Load() {
		m.(*expiryMark).leave(w.expires)
	}
	w.expires = schema.Never
}

// expirySweep is one sweep of one table.
type expirySweep struct {
	expiration
	mark *expiryMark
	from uint64
	due  bool // there may be something to delete
}

// newExpirySweep begins a sweep. A new index by expiry (Since) gets a mark of its own.
func (d *DB) newExpirySweep(t *Table, u due) *expirySweep {
	s := &expirySweep{expiration: expiration{d, t, u}}
	if m, ok := d.marks.Load(t.ID); ok && m.(*expiryMark).since == t.Expiry.Since {
		s.mark = m.(*expiryMark)
	} else {
		s.mark = &expiryMark{since: t.Expiry.Since, left: schema.Never}
		d.marks.Store(t.ID, s.mark)
	}
	s.from = s.mark.begin(u.to)
	return s
}

// rows is the range of the rows to look at.
func (s *expirySweep) rows() kv.Range {
	return schema.ExpiryRange(s.t.ID, max(s.from, s.u.from), s.u.to)
}

// findDue finds out which sweeps have rows to look at. One view looks at all tables: when there is
// nothing to do, which is nearly always, a sweep costs no more than that.
func (d *DB) findDue(ctx context.Context, sweeps []*expirySweep) error {
	err := d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		for _, s := range sweeps {
			s.due = false
			err := r.Scan(s.rows(), kv.Forward, func(_, _ []byte) (bool, error) {
				s.due = true
				return false, ctx.Err()
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, s := range sweeps {
			s.mark.leave(s.from)
		}
	}
	return err
}

// run deletes the items of the table that are due, chunk by chunk. After each it rests for as long
// as the chunk took, so that requests, which are in more of a hurry, find at least half of the
// machine whatever expires. An item that is locked for long stays until the next sweep, and so does
// all of a table whose expiry is changed meanwhile.
func (s *expirySweep) run(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.mark.leave(s.from) // begin has moved the mark past what was not deleted
		}
	}()
	for rows := s.rows(); s.due; {
		begin := time.Now()
		keys, last, err := s.expired(ctx, rows)
		if err != nil || last == nil || !s.wanted() {
			return err
		}
		rows.Start = append(last, 0)
		writes := make([]Write, len(keys))
		for i := range keys {
			writes[i] = Write{Table: s.t, Key: keys[i], Change: &s.expiration, ByService: true}
		}
		_, errs := s.d.WriteEach(ctx, writes)
		for _, err := range errs {
			switch {
			case errors.Is(err, kv.ErrConflict):
				s.mark.leave(s.from)
			case err != nil && !errors.Is(err, ErrTableNotFound):
				return err
			}
		}
		s.d.sleep(min(time.Since(begin), maxExpiryPause))
	}
	return nil
}

// expired returns the keys of the first items in a range of expiry rows that are due, and the key
// of the last row that it has looked at; nil if there was none. It leaves those that are not due
// quite yet to the next sweep.
func (s *expirySweep) expired(ctx context.Context, rows kv.Range) (keys []item.Item, last []byte, err error) {
	var itemKey []byte
	err = s.d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		keys, last = nil, nil
		return r.Scan(rows, kv.Forward, func(row, _ []byte) (bool, error) {
			second, ok := schema.ExpirySecond(row)
			if !ok {
				return false, fmt.Errorf("expiry row %x is damaged", row)
			}
			last = append(last[:0], row...)
			itemKey = schema.AppendExpiringKey(itemKey[:0], row)
			it, err := s.t.getItem(r, itemKey)
			if err != nil {
				return false, err
			}
			if s.u.holds(it, s.t.Expiry.Attribute) {
				keys = append(keys, it.Pick(s.t.LastKeys).Clone())
			} else {
				s.mark.leave(second)
			}
			return len(keys) < expiryChunk, ctx.Err()
		})
	})
	return keys, bytes.Clone(last), err
}

// expiration is the Change that deletes an item that is due, by the table as it stands then.
type expiration struct {
	d *DB
	t *Table // as it was when the row was found
	u due
}

// Apply returns no item, or the old one if its attribute or the table
// has been changed meanwhile.
func (x *expiration) Apply(old item.Item) (item.Item, error) {
	if old.Exists() && x.u.holds(old, x.t.Expiry.Attribute) && x.wanted() {
		return item.Item{}, nil
	}
	return old, nil
}

// wanted tells whether the table's expiry is still the one that the row was found with.
func (x *expiration) wanted() bool {
	t, err := x.d.current(x.t)
	return err == nil && t.expiring() && t.Expiry.Since == x.t.Expiry.Since
}
