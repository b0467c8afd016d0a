package pebblekv

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/kv"
)

// txn is a kv.Txn: a view taken under latches, and what is to be written.
type txn struct {
	view
	batch *pebble.Batch // rows and counters; nil until the first
	// stripes are the latched ones, ascending.
	stripes []uint32
	stamp   uint64
	err     error // the first write that was refused
	// makesRoom is WriteOptions.MakesRoom, and lazy says that nobody waits for the commit's own
	// sync.
	makesRoom, lazy bool

	// expected is what Expect has told, in bytes.
	expected int
	// rows says that the batch has rows of the database's, and not only records and counters.
	rows bool

	records  []pendingRecord
	shards   []*shard
	counters []pendingCounter
	scratch  []byte // for counters
}

// pendingRecord is a log record that lies in the batch under a key whose place is at in the
// batch's bytes. The key is filled in at commit, when the record gets its position: so a record is
// copied once.
type pendingRecord struct {
	id shardID
	at int
}

// keptBytes is the largest buffer that an object which goes back to a pool takes with it: a few
// large requests must not become the standing size of everything that is pooled.
const keptBytes = 64 << 10

// kept returns the buffer, emptied, if it may go back to a pool.
func kept(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}

// smallBatch are the options of a batch of ordinary size.
var smallBatch = []pebble.BatchOption{pebble.WithMaxRetainedSizeBytes(keptBytes)}

// txns holds txns to use again.
var txns = sync.Pool{New: func() any { return new(txn) }}

func (e *Engine) newTxn() *txn {
	tx := txns.Get().(*txn)
	tx.view = view{e: e, within: -1, latched: true, row: tx.row}
	return tx
}

// release gives back all that the txn holds. Its batch may not be in Pebble's hands any more.
func (tx *txn) release() {
	// After a failure Pebble may still have the batch in a queue: it is left to the collector then.
	if tx.batch != nil && tx.e.failure() == nil {
		_ = tx.batch.Close() // it never fails
	}
	clear(tx.shards)
	*tx = txn{
		view: view{row: kept(tx.row)}, stripes: tx.stripes[:0], records: tx.records[:0],
		shards: tx.shards[:0], counters: tx.counters[:0], scratch: tx.scratch[:0],
	}
	txns.Put(tx)
}

// run latches, runs fn and commits what it wrote. It returns the commit if there is one, which is
// visible and, if it is not lazy, must be synced; else the view's unsynced commits are to be
// awaited before err is told.
func (tx *txn) run(ctx context.Context, lock [][]byte, fn func(kv.Txn) error) (c *commit, err error) {
	e := tx.e
	tx.stripes = e.stripesOf(tx.stripes[:0], lock)
	if had, err := e.lockStripes(ctx, tx.stripes); err != nil {
		if err == kv.ErrConflict {
			err = e.conflict(lock, tx.stripes[had:])
		}
		return nil, err
	}
	// The latches are released before the commit is synced, so that the next update of these keys
	// joins the same sync. Whoever reads the rows in between finds the commit in stripe.last, and
	// waits for it.
	defer e.unlockStripes(tx.stripes)
	tx.held = tx.stripes
	err = tx.read(fn)
	if err == nil {
		err = tx.check()
	}
	if err == nil && tx.wrote() {
		c, err = tx.commit()
	}
	if c == nil {
		tx.sawLatched()
	}
	return c, err
}

// read runs fn and closes the view, whatever happens.
func (tx *txn) read(fn func(kv.Txn) error) (err error) {
	defer tx.closeInto(&err)
	return fn(tx)
}

// wrote says whether there is anything to commit. An empty batch is nothing: Pebble would not sync
// it, so it would not cover what the txn has read.
func (tx *txn) wrote() bool {
	return len(tx.records) > 0 || tx.batch != nil && !tx.batch.Empty()
}

// check adds the counters to the batch and says why the txn may not be committed, if so.
func (tx *txn) check() error {
	if tx.err != nil {
		return tx.err
	}
	if tx.rows && len(tx.stripes) == 0 {
		return errors.New("pebblekv: an update wrote rows without naming a lock key")
	}
	if err := tx.addCounters(); err != nil {
		return err
	}
	if err := tx.e.failure(); err != nil || !tx.wrote() {
		return err
	}
	if tx.makesRoom {
		return tx.e.room(tx.batch.Len())
	}
	if tx.e.readOnly {
		return errReadOnly
	}
	return tx.e.space.check(tx.batch.Len())
}

// sawLatched notes what a txn that commits nothing has seen: under its latches the last commits are
// all there are.
func (tx *txn) sawLatched() {
	tx.latched = false
	for _, n := range tx.stripes {
		tx.saw(n)
	}
}

// commit makes the txn visible. Locks are taken in one order by everybody: the latches of the
// stripes, which are held here, the shards, the bound of the stamps, and those of Pebble. The
// shards are found before any of them is locked, as that takes shardsMu and may read the store.
func (tx *txn) commit() (*commit, error) {
	e := tx.e
	tx.needBatch()
	if err := tx.findShards(); err != nil {
		return nil, err
	}
	tx.lockShards()
	defer tx.unlockShards()
	tx.addRecords()

	c := &commit{order: &e.order, lazy: tx.lazy && !e.volatile}
	if tx.stamp != 0 && e.stamps.bound(tx.stamp, tx.batch) {
		defer e.stamps.bounded()
	}
	for _, n := range tx.stripes {
		e.stripes[n].last.Store(c) // before the rows are visible, see stripe.last
	}
	rows := changesOf(tx.batch)
	rows.begin(e.rows)
	// If apply fails the engine has stopped, and the cache's slots stay closed: nobody knows
	// whether the store has the old rows or the new.
	if err := e.apply(c, tx.batch); err != nil {
		return c, unknown(err)
	}
	rows.end(e.rows)
	tx.applied(c)
	return c, nil
}

// applied tells counters and shards that the commit is visible.
func (tx *txn) applied(c *commit) {
	for i := range tx.counters {
		tx.e.counters.apply(&tx.counters[i])
	}
	for _, s := range tx.shards {
		s.applied(c)
	}
}

func (tx *txn) sync(c *commit) error {
	e := tx.e
	if err := e.failure(); err != nil {
		return unknown(err)
	}
	if c.lazy {
		return nil
	}
	if err := e.syncWait(c, tx.batch); err != nil {
		return unknown(err)
	}
	return nil
}

// Set implements kv.Txn.
func (tx *txn) Set(key, value []byte) {
	if tx.accept(key, len(value)) {
		tx.refuse(tx.batch.Set(key, value, nil))
	}
}

// Delete implements kv.Txn.
func (tx *txn) Delete(key []byte) {
	if tx.accept(key, 0) {
		tx.refuse(tx.batch.Delete(key, nil))
	}
}

// accept checks a write of one of the database's rows and makes the batch that takes it.
func (tx *txn) accept(key []byte, valueLen int) bool {
	switch {
	case tx.err != nil:
		return false
	case len(key) == 0 || key[0] >= kv.ReservedPrefix:
		tx.refuse(fmt.Errorf("pebblekv: key %x is empty or reserved", key))
		return false
	case len(key) > limits.Key:
		tx.refuse(fmt.Errorf("%w: a key of %d bytes, at most %d", kv.ErrTooLarge, len(key), limits.Key))
		return false
	case valueLen > limits.Value:
		tx.refuse(fmt.Errorf("%w: a value of %d bytes, at most %d", kv.ErrTooLarge, valueLen, limits.Value))
		return false
	}
	if !tx.fits(len(key) + valueLen) {
		return false
	}
	tx.e.lockSets.wrote(key, tx.held)
	tx.needBatch()
	tx.rows = true
	return true
}

// Expect implements kv.Txn. A batch that grows by itself doubles, and so takes up to three times of
// what is in it.
func (tx *txn) Expect(bytes int) { tx.expected = min(bytes, limits.Update) }

// batchRoom is what a batch takes beside the rows that it was expected to have.
const batchRoom = 4 << 10

func (tx *txn) needBatch() {
	switch {
	case tx.batch != nil:
	case tx.expected <= keptBytes:
		tx.batch = tx.e.db.NewBatch(smallBatch...)
	default:
		tx.batch = tx.e.db.NewBatch(pebble.WithMaxRetainedSizeBytes(keptBytes),
			pebble.WithInitialSizeBytes(tx.expected+batchRoom))
	}
}

// fits says whether n bytes more stay within what one update may write.
func (tx *txn) fits(n int) bool {
	if tx.batch != nil {
		n += tx.batch.Len()
	}
	if n > limits.Update {
		tx.refuse(fmt.Errorf("%w: an update of more than %d bytes", kv.ErrTooLarge, limits.Update))
		return false
	}
	return true
}

// refuse keeps the first error; the commit fails with it.
func (tx *txn) refuse(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// AppendLog implements kv.Txn.
func (tx *txn) AppendLog(log uint64, shard uint32, record []byte) {
	if tx.err != nil || !tx.fits(len(record)) {
		return
	}
	if len(record) > limits.Value {
		tx.refuse(fmt.Errorf("%w: a log record of %d bytes, at most %d", kv.ErrTooLarge, len(record), limits.Value))
		return
	}
	tx.needBatch()
	op := tx.batch.SetDeferred(recordKeyLen, len(record))
	copy(op.Value, record)
	_ = op.Finish() // fails for indexed batches only
	var digits [binary.MaxVarintLen64]byte
	behind := binary.PutUvarint(digits[:], uint64(len(record))) + len(record)
	at := len(tx.batch.Repr()) - behind - recordKeyLen
	tx.records = append(tx.records, pendingRecord{shardID{log, shard}, at})
}

// findShards finds the distinct shards that the records go to, ascending.
func (tx *txn) findShards() error {
	for _, r := range tx.records {
		if tx.shardOf(r) < 0 {
			s, err := tx.e.shard(r.id)
			if err != nil {
				return err
			}
			tx.shards = append(tx.shards, s)
		}
	}
	slices.SortFunc(tx.shards, func(a, b *shard) int {
		return cmp.Or(cmp.Compare(a.id.log, b.id.log), cmp.Compare(a.id.shard, b.id.shard))
	})
	return nil
}

// shardOf is the index of a record's shard.
func (tx *txn) shardOf(r pendingRecord) int {
	return slices.IndexFunc(tx.shards, func(s *shard) bool { return s.id == r.id })
}

// lockShards locks the shards in their order, so that no two commits wait for each other.
func (tx *txn) lockShards() {
	for _, s := range tx.shards {
		s.mu.Lock()
	}
}

func (tx *txn) unlockShards() {
	for _, s := range tx.shards {
		s.mu.Unlock()
	}
}

// addRecords gives the records their positions, and so their keys. The shards are locked.
func (tx *txn) addRecords() {
	if len(tx.records) == 0 {
		return
	}
	now := tx.e.clock()
	batch := tx.batch.Repr()
	for _, r := range tx.records {
		appendRecordKey(batch[r.at:r.at], r.id, tx.shards[tx.shardOf(r)].next(now, tx.e.elapsed))
	}
}

// Stamp implements kv.Txn.
func (tx *txn) Stamp() uint64 {
	if tx.stamp == 0 {
		now := tx.e.clock()
		tx.stamp = tx.e.stamps.next(now, tx.e.elapsed)
		if tx.stamp > uint64(now.UnixMicro())+stampsAheadMicros {
			tx.e.warnAhead(now)
		}
	}
	return tx.stamp
}
