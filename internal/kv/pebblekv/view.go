package pebblekv

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/invariants"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/rowcache"
)

// view is a kv.Reader over one state of the store: that of its first read, when the iterator is
// made. One iterator serves all reads. A point read through it costs about what Pebble's Get does
// (each has a cheaper case), its Bloom filters spare the read of a key that is not there, and the
// next read finds the same state.
type view struct {
	e    *Engine
	iter *pebble.Iterator
	// inner is a clone of iter, for the point reads that are made while iter walks a range.
	inner *pebble.Iterator
	// bounded says that iter has the bounds of a scan, walking that a scan is under way.
	bounded, walking bool
	// inCallback says that the caller's code runs, whose panics are not the engine's.
	inCallback bool

	// What must be durable before anybody hears of what was read: the commits in unsynced, and if
	// everything is set, all commits that the view may show.
	unsynced   [8]*commit
	nUnsynced  int
	everything bool
	// latched says that the view is a Txn's, whose caller looks at the latched stripes itself.
	latched bool
	// within is the stripe that ReadOptions.Within names, or -1.
	within int64

	// apart is ReadOptions.Apart, and held are the stripes whose latches a Txn has: their rows may
	// come from the cache of rows.
	apart bool
	held  []uint32
	row   []byte // one that came from there
	// lent is what the last Get has returned.
	lent invariants.Loan
}

// views holds views to use again.
var views = sync.Pool{New: func() any { return new(view) }}

// View implements kv.Engine.
func (e *Engine) View(ctx context.Context, o kv.ReadOptions, fn func(kv.Reader) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	v := views.Get().(*view)
	*v = view{e: e, within: -1, apart: o.Apart, row: v.row}
	if o.Within != nil {
		v.within = int64(e.stripeOf(o.Within))
	}
	err := v.run(fn)
	e.lockSets.viewed(v)
	if waitErr := v.awaitSeen(ctx); waitErr != nil {
		err = waitErr
	}
	*v = view{row: kept(v.row)}
	views.Put(v)
	return err
}

// run calls fn and closes the view, whatever happens.
func (v *view) run(fn func(kv.Reader) error) (err error) {
	defer v.closeInto(&err)
	return fn(v)
}

// closeInto closes the iterators. An error of theirs counts if there is none before it.
func (v *view) closeInto(err *error) {
	if closeErr := v.close(); *err == nil {
		*err = closeErr
	}
}

func (v *view) close() (err error) {
	v.lent.TakeBack()
	if v.e.poisoned.Load() {
		return v.e.failure() // Pebble's locks may be held forever
	}
	defer v.e.engineCall(&err)
	if v.inner != nil {
		err = v.inner.Close()
		v.inner = nil
	}
	if v.iter != nil {
		if iterErr := v.iter.Close(); err == nil {
			err = iterErr
		}
		v.iter = nil
	}
	return err
}

// awaitSeen waits until all that the view showed is durable.
func (v *view) awaitSeen(ctx context.Context) error {
	for _, c := range v.unsynced[:v.nUnsynced] {
		if err := v.e.awaitCommit(ctx, c); err != nil {
			return err
		}
	}
	if v.everything {
		if err := v.e.awaitAll(ctx); err != nil {
			return err
		}
	}
	return v.e.failure()
}

// saw notes that rows of the stripe were shown. It is called after the read.
func (v *view) saw(stripe uint32) {
	if v.latched || v.everything {
		return
	}
	c := v.e.stripes[stripe].last.Load()
	if c == nil || c.durable() {
		return
	}
	if v.nUnsynced == len(v.unsynced) {
		v.everything = true
		return
	}
	v.unsynced[v.nUnsynced] = c
	v.nUnsynced++
}

// leave is deferred by every read: a panic in Pebble stops the engine, one in the caller's code is
// none of ours.
func (v *view) leave(inCallback bool, err *error) {
	if !v.inCallback {
		if r := recover(); r != nil {
			*err = v.e.failPanic(r)
		}
	}
	v.inCallback = inCallback
}

// pointIter is the iterator for a point read.
func (v *view) pointIter() (it *pebble.Iterator, err error) {
	if v.walking {
		if v.inner == nil {
			v.inner, err = v.iter.Clone(pebble.CloneOptions{IterOptions: &pointOptions})
		}
		return v.inner, err
	}
	if v.iter == nil {
		v.iter, err = v.e.db.NewIter(&pointOptions)
		return v.iter, err
	}
	if v.bounded {
		v.iter.SetBounds(nil, nil)
		v.bounded = false
	}
	return v.iter, nil
}

// pointOptions make point reads look at the Bloom filters of the last level too: many are for keys
// that are not there, since every new item is looked for first.
var pointOptions = pebble.IterOptions{UseL6Filters: true}

// Get implements kv.Reader.
func (v *view) Get(key []byte) (value []byte, err error) {
	value, err = v.getRow(key, 0)
	v.e.lockSets.read(v, key)
	return v.lent.Lend(value), err
}

// getRow is Get, without what builds with invariants check. early is a ticket that was taken before
// the view's state was.
func (v *view) getRow(key []byte, early rowcache.Ticket) (value []byte, err error) {
	was := v.inCallback
	v.inCallback = false
	defer v.leave(was, &err)
	stripe := v.e.stripeOf(key)
	if v.mayCache(stripe) {
		value, err = v.getCached(key, early)
	} else {
		value, err = v.get(key)
	}
	if !v.latched {
		v.saw(stripe)
		if v.within >= 0 {
			v.saw(uint32(v.within))
		}
	}
	return value, err
}

// mayCache says whether the row, which is written under the latch of the stripe, may be one that is
// newer than the view: if it is read for itself, or if nobody can change it while the view lasts.
func (v *view) mayCache(stripe uint32) bool {
	if v.e.rows == nil {
		return false
	}
	if v.apart {
		return true
	}
	_, held := slices.BinarySearch(v.held, stripe)
	return held
}

// getCached reads a row from the cache or, if it is not there, from the store, and leaves it in the
// cache.
func (v *view) getCached(key []byte, early rowcache.Ticket) (value []byte, err error) {
	hash := rowcache.Hash(key)
	row, ok, t := v.e.rows.Get(hash, key, v.row[:0])
	if row != nil {
		v.row = row
	}
	if ok {
		return row, nil
	}
	if v.iter != nil && v.apart {
		t = early // the view's state is older than t
	}
	value, err = v.get(key)
	if err == nil && value != nil {
		v.e.rows.Add(hash, key, value, t)
	}
	return value, err
}

// tickets takes tickets for rows that the view will read one after the other.
func (v *view) tickets(keys [][]byte) []rowcache.Ticket {
	ts := make([]rowcache.Ticket, len(keys))
	if v.e.rows != nil && v.apart && v.iter == nil {
		for i, k := range keys {
			ts[i] = v.e.rows.Ticket(rowcache.Hash(k))
		}
	}
	return ts
}

// get reads a key of any kind.
func (v *view) get(key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, nil // there is no such row, and Pebble does not like to be asked
	}
	it, err := v.pointIter()
	if err != nil {
		return nil, err
	}
	if !it.SeekPrefixGE(key) || !bytes.Equal(it.Key(), key) {
		return nil, damagedFile(it.Error())
	}
	value, err := it.ValueAndErr()
	if value == nil && err == nil {
		value = []byte{} // there is a row, and it is empty
	}
	return value, damagedFile(err)
}

// GetMulti implements kv.Reader.
func (v *view) GetMulti(keys [][]byte, fn func(i int, value []byte) error) error {
	early := v.tickets(keys)
	for i, k := range keys {
		value, err := v.getRow(k, early[i])
		if err != nil {
			return err
		}
		v.e.lockSets.read(v, k)
		if err := fn(i, v.lent.Lend(value)); err != nil {
			return err
		}
	}
	return nil
}

// Scan implements kv.Reader.
func (v *view) Scan(r kv.Range, direction kv.Direction, fn func(key, value []byte) (bool, error)) error {
	end := r.End
	if len(end) == 0 || bytes.Compare(end, userEnd) > 0 {
		end = userEnd
	}
	err := v.scan(r.Start, end, direction, fn)
	if v.within >= 0 {
		v.saw(uint32(v.within))
	} else {
		v.everything = true
	}
	return err
}

// scan walks rows of any kind.
func (v *view) scan(start, end []byte, direction kv.Direction, fn func(key, value []byte) (bool, error)) (err error) {
	was, walked := v.inCallback, v.walking
	v.inCallback = false
	defer v.leave(was, &err)
	defer func() { v.walking = walked }()
	v.lent.TakeBack()

	if bytes.Compare(start, end) >= 0 {
		return nil
	}
	if len(start) == 0 {
		start = nil // an empty bound is not the same to Pebble
	}
	it, done, err := v.rangeIter(start, end)
	if err != nil {
		return err
	}
	if done != nil {
		defer done(&err)
	}
	v.walking = true
	var shownKey, shownValue invariants.Loan
	for ok := first(it, direction); ok; ok = next(it, direction) {
		value, err := it.ValueAndErr()
		if err != nil {
			return damagedFile(err)
		}
		v.inCallback = true
		more, err := fn(shownKey.Lend(it.Key()), shownValue.Lend(value))
		shownKey.TakeBack()
		shownValue.TakeBack()
		v.inCallback = false
		if !more || err != nil {
			return err
		}
	}
	return damagedFile(it.Error())
}

func first(it *pebble.Iterator, d kv.Direction) bool {
	if d == kv.Backward {
		return it.Last()
	}
	return it.First()
}

// next moves to the next row.
func next(it *pebble.Iterator, d kv.Direction) bool {
	if d == kv.Backward {
		return it.Prev()
	}
	// With the default comparer a prefix is a whole key. Next would step over every older version
	// of the row that the memtable still has; NextPrefix seeks past them.
	return it.NextPrefix()
}

// rangeIter is an iterator with the bounds. A scan inside of a scan has one of its own, which done
// closes.
func (v *view) rangeIter(start, end []byte) (it *pebble.Iterator, done func(*error), err error) {
	o := pebble.IterOptions{LowerBound: start, UpperBound: end}
	if v.walking {
		it, err = v.iter.Clone(pebble.CloneOptions{IterOptions: &o})
		return it, func(err *error) {
			if closeErr := it.Close(); *err == nil {
				*err = closeErr
			}
		}, err
	}
	if v.iter == nil {
		v.iter, err = v.e.db.NewIter(&o)
	} else {
		v.iter.SetBounds(start, end)
	}
	v.bounded = true
	return v.iter, nil, err
}
