// Package inspect shows what is stored: the catalog, rows by their keys, streams and their records,
// tokens, and sizes. It is "partita inspect".
//
// It knows what is stored from package schema, and reads it from a kv.Engine, in one consistent
// view. It reads and shows, and judges nothing: that rows agree with each other is for package
// check to say. A row that cannot be read is shown as its bytes, with the reason, and the walk goes
// on.
package inspect

import (
	"context"
	"errors"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// View is a consistent view of all that is stored. It is valid during Run. Of its iterators one
// runs at a time, and what they yield is valid until the next step, unless it is said otherwise.
type View struct {
	Catalog

	ctx    context.Context
	engine kv.Engine
	r      kv.Reader
	own    kv.Inspector // r
	now    time.Time
}

// Damaged is a row that cannot be read.
type Damaged struct {
	What       string // the row is of, in words
	Key, Value []byte
	Why        string
}

// errNoInspector says of an engine that it does not show what it keeps beside the rows.
var errNoInspector = errors.New("inspect: the engine does not show its counters and logs")

// Run reads the catalog, and calls fn with the view. now is the time, which says what statuses
// tables have and which tokens are over.
func Run(ctx context.Context, engine kv.Engine, now time.Time, fn func(*View) error) error {
	return engine.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		own, ok := r.(kv.Inspector)
		if !ok {
			return errNoInspector
		}
		v := &View{ctx: ctx, engine: engine, r: r, own: own, now: now}
		if err := v.readCatalog(); err != nil {
			return err
		}
		return fn(v)
	})
}

// Now is the time of the view.
func (v *View) Now() time.Time { return v.now }

// walk yields what read makes of each row of a range, until it is told to stop. An error is the
// last that is yielded.
func walk[T any](v *View, r kv.Range, read func(key, value []byte) (T, bool), yield func(T, error) bool) {
	more := true
	err := v.r.Scan(r, kv.Forward, func(key, value []byte) (bool, error) {
		if err := v.ctx.Err(); err != nil {
			return false, err
		}
		if of, shown := read(key, value); shown {
			more = yield(of, nil)
		}
		return more, nil
	})
	if err != nil && more {
		var none T
		yield(none, err)
	}
}

// first is the first key of a range, nil if there is none. It is a copy.
func (v *View) first(r kv.Range) (key []byte, err error) {
	err = v.r.Scan(r, kv.Forward, func(k, _ []byte) (bool, error) {
		key = append([]byte{}, k...)
		return false, nil
	})
	return key, err
}
