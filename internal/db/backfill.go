package db

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/schema"
)

// A backfill chunk is at most so many items or bytes: short enough that the writes that wait for
// its latches do not notice.
const (
	backfillItems = 64
	backfillBytes = 256 << 10
)

// buildTarget takes a new target from DELETE_ONLY over WRITE_ONLY, in which all items get their
// rows, to PUBLIC. Between two states there is a Barrier, so that writers use two neighbouring
// states at most. After a crash the job begins again from the state that is stored.
func (d *DB) buildTarget(t *Table, target *schema.Target) error {
	if err := d.kv.Barrier(d.ctx); err != nil {
		return err
	}
	if _, err := d.step(t.ID, move(target, schema.PhaseComing, schema.PhaseFilling)); err != nil {
		return err
	}
	if err := d.kv.Barrier(d.ctx); err != nil { // also where the step was taken before a restart
		return err
	}
	now := d.building(t.ID, target)
	if now == nil {
		d.endFilling(t, target) // it was given up between two attempts
		return nil
	}
	if err := d.backfill(now, target); err != nil {
		return err
	}
	_, err := d.step(t.ID, move(target, schema.PhaseFilling, schema.PhasePublic))
	return err
}

// backfill gives all items of the table their rows in the target, chunk by chunk, from where the
// cursor stands.
func (d *DB) backfill(t *Table, target *schema.Target) (err error) {
	cursorKey := schema.BackfillKey(t.ID, target.Section)
	rows := schema.SectionRange(t.ID, schema.SectionItems)
	fill := t.filler(target)
	progress := d.beginFilling(t, target)
	defer func() {
		if err == nil { // else the work pauses, and metrics show how far it is
			d.endFilling(t, target)
		}
	}()
	for {
		if err := d.ctx.Err(); err != nil {
			return err // the next Open continues
		}
		var keys [][]byte
		err := d.kv.View(d.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
			cursor, err := r.Get(cursorKey)
			if err != nil {
				return err
			}
			if cursor != nil {
				rows.Start = append(bytes.Clone(cursor), 0)
			}
			progress.resume(cursor)
			keys, err = chunk(r, rows)
			return err
		})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return d.kv.Update(d.ctx, kv.WriteOptions{Lock: [][]byte{cursorKey}}, func(tx kv.Txn) error {
				if d.building(t.ID, target) != nil {
					tx.Delete(cursorKey)
				}
				return nil
			})
		}
		// NoSync: rows and cursor are one commit, so a power cut takes away both, and the chunk is
		// done again. The synced removal of the cursor at the end covers all chunks before it.
		o := kv.WriteOptions{Lock: append(keys, cursorKey), NoSync: true}
		err = d.kv.Update(d.ctx, o, func(tx kv.Txn) error {
			if d.building(t.ID, target) == nil {
				return errAbandoned // the target, or the table, is being dropped
			}
			return backfillChunk(tx, t, fill, keys, cursorKey)
		})
		switch {
		case errors.Is(err, errAbandoned):
			return nil
		case err != nil && !errors.Is(err, kv.ErrConflict):
			return err
		case err == nil:
			progress.Done.Add(int64(len(keys)))
		}
	}
}

// errAbandoned ends a backfill whose target is not wanted any more.
var errAbandoned = errors.New("db: the index is being dropped")

// building returns the table if the target is still in backfill, nil otherwise. Asked under
// latches, the answer holds until they are released: a drop begins its work with a Barrier.
func (d *DB) building(id uint32, target *schema.Target) *Table {
	t := d.catalog.Load().byID[id]
	if t == nil || t.State != schema.StatePublic {
		return nil
	}
	if phase := t.PhaseOf(target); phase == nil || *phase != schema.PhaseFilling {
		return nil
	}
	return t
}

// chunk returns the first keys of the range, at most as many as a chunk has.
func chunk(r kv.Reader, rows kv.Range) (keys [][]byte, err error) {
	size := 0
	err = r.Scan(rows, kv.Forward, func(key, value []byte) (bool, error) {
		keys = append(keys, bytes.Clone(key))
		size += len(value)
		return len(keys) < backfillItems && size < backfillBytes, nil
	})
	return keys, err
}

// backfillChunk writes the rows of the locked items, and where the work stands. It reads the items
// anew: what the view has shown may have been overwritten before the latches were held.
func backfillChunk(tx kv.Txn, t *Table, fill filler, keys [][]byte, cursorKey []byte) error {
	var count kv.Count
	for _, key := range keys {
		it, err := t.getItem(tx, key)
		if err != nil {
			return err
		}
		if !it.Exists() {
			continue // deleted meanwhile
		}
		if err := fill(tx, key, it, &count); err != nil {
			return err
		}
	}
	tx.Set(cursorKey, keys[len(keys)-1])
	if count.Items > 0 {
		tx.Add(uint64(t.ID), count)
	}
	return nil
}

// filler writes an item's row in a target that is being built, and counts it. key is that of the
// locked item.
type filler func(tx kv.Txn, key []byte, it item.Item, count *kv.Count) error

// filler returns the filler of a target. Writers keep the target up to date at the same time, so a
// row that is there already is right and counted.
func (t *Table) filler(target *schema.Target) filler {
	if target.Section == schema.SectionExpiry {
		return t.fillExpiry
	}
	for _, plan := range t.Plans {
		if plan.ID == target.Section {
			return func(tx kv.Txn, _ []byte, it item.Item, count *kv.Count) error {
				return fillIndex(tx, plan, it, count)
			}
		}
	}
	panic(fmt.Sprintf("db: table %s has no %v", t.Name, target))
}

// filling is the making of an index.
type filling struct {
	*metrics.Backfill
	begun bool
}

// fillingOf names an index that is being made.
type fillingOf struct {
	table   uint32
	section uint16
}

// beginFilling notes that a target of the table is being built.
func (d *DB) beginFilling(t *Table, target *schema.Target) *filling {
	f := &filling{Backfill: new(metrics.Backfill)}
	items, _ := d.Counts(t, nil)
	f.Estimated.Store(items)
	d.filling.Store(fillingOf{t.ID, target.Section}, f.Backfill)
	return f
}

func (d *DB) endFilling(t *Table, target *schema.Target) {
	d.filling.Delete(fillingOf{t.ID, target.Section})
}

// resume is called with where the work stands, before each chunk; nil is the beginning. If that is
// where an earlier run has left it, as much as lies before it counts as done: hashes spread the
// items evenly.
func (f *filling) resume(cursor []byte) {
	if !f.begun && cursor != nil {
		done, _ := bits.Mul64(schema.HashOf(cursor), uint64(f.Estimated.Load()))
		f.Done.Store(int64(done))
	}
	f.begun = true
}
