// Package pebblekv is the embedded engine: a kv.Engine on Pebble, a log-structured merge tree in a
// local directory or in memory.
//
// Pebble brings ordered rows, atomic batches and a log that several writers sync together. This
// package adds latches, which make updates serializable; the rule that nobody is shown what a crash
// can take back; logs and counters; and the ways of stopping: cleanly, and at the first write that
// failed.
package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/rowcache"
)

// limits are what callers may write.
var limits = kv.Limits{Key: 32 << 10, Value: 16 << 20, Update: 64 << 20}

// Engine is a kv.Engine on Pebble. It is also a kv.Checkpointer and a kv.Verifier, and its Readers
// are kv.Inspectors.
type Engine struct {
	db    *pebble.DB
	fs    *failStopFS
	lock  *dirLock
	watch lockWatch
	dir   string
	clock func() time.Time
	// elapsed is Options.Elapsed; nil: none.
	elapsed func() time.Duration
	log     *slog.Logger
	// volatile says that there is no log and nothing to sync: it is all gone after Close.
	volatile bool
	readOnly bool

	stripes      []stripe
	stripeMask   uint64
	latchTimeout time.Duration
	// flushPatience is how long Close waits for its flush.
	flushPatience time.Duration

	rows        *rowcache.Cache // nil: none
	lockSets    lockSets
	order       order
	syncer      syncer
	stamps      stamps
	counters    counters
	space       space
	ballast     *ballast
	ballastStop chan struct{} // closed to end the goroutine of startBallast; nil: there is none
	ballastDone sync.WaitGroup
	commits     atomic.Uint64
	waits       waits         // for latches
	stalls      waits         // of writes
	copies      atomic.Uint64 // names the checkpoints of an engine in memory
	scheduler   *scheduler

	shardsMu sync.RWMutex
	shards   map[shardID]*shard

	calls      calls
	background limitedLog // of background work

	opened    atomic.Bool // until then a failure is Open's to report
	failOnce  sync.Once
	failed    chan struct{} // closed when the engine has stopped itself
	failCause error         // set before
	poisoned  atomic.Bool   // a panic in Pebble may have left its locks held
	onFailure func(error)
}

var (
	_ kv.Engine       = (*Engine)(nil)
	_ kv.Checkpointer = (*Engine)(nil)
	_ kv.Verifier     = (*Engine)(nil)
)

// Open opens the store in o.Dir, which it makes if there is none. It returns ErrLocked,
// ErrNewerFormat, ErrForeign, ErrDamaged or ErrUnwritable or ErrFull, wrapped, where they apply.
func Open(o Options) (*Engine, error) {
	e := newEngine(o)
	err := e.open(o)
	switch {
	case err == nil:
		return e, nil
	case isFull(err):
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil, fmt.Errorf("opening %s: %w", e.dir, err)
}

// newEngine applies the defaults of the options. It touches no file.
func newEngine(o Options) *Engine {
	e := &Engine{
		dir: o.Dir, clock: o.Clock, elapsed: o.Elapsed, log: o.Logger, onFailure: o.OnFailure,
		volatile: o.InMemory && o.FS == nil, latchTimeout: o.LatchTimeout, readOnly: o.ReadOnly,
		flushPatience: 10 * time.Second,
		shards:        make(map[shardID]*shard), failed: make(chan struct{}),
	}
	if e.clock == nil {
		e.clock = time.Now
		if start := time.Now(); e.elapsed == nil {
			e.elapsed = func() time.Duration { return time.Since(start) }
		}
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.latchTimeout == 0 {
		e.latchTimeout = 10 * time.Second
	}
	n := o.Stripes
	if n == 0 {
		n = 4096
		if e.volatile {
			n = 1024
		}
	}
	n = 1 << bits.Len(uint(n-1))
	e.stripes, e.stripeMask = make([]stripe, n), uint64(n-1)
	e.calls.idle = make(chan struct{}, 1)
	e.rows = rowcache.New(o.memory().rows)

	disk := o.FS
	switch {
	case e.volatile:
		disk = vfs.NewMem()
		e.dir = "memory"
	case disk == nil:
		disk = vfs.Default
	}
	if e.readOnly {
		disk = readOnlyFS{disk}
	}
	e.dir = disk.PathJoin(e.dir) // cleans it
	e.fs = newFailStopFS(disk, e.dir)
	if e.volatile || e.readOnly {
		o.BallastBytes = -1
	}
	e.ballast = newBallast(disk, e.dir, o.BallastBytes, e.log)
	e.fs.required = vfs.OnDiskFull(disk, e.full)
	e.space = space{
		fs: disk, dir: e.dir, floor: o.FreeSpaceFloor, every: time.Second, ballast: e.ballast, log: e.log,
		now: time.Now, began: time.Now(),
	}
	if !e.volatile {
		e.fs.leave = e.space.leave
	}
	return e
}

// open opens Pebble and reads what is kept in memory. FORMAT is checked before anything is written,
// and the files before Pebble sees them: Pebble removes what it does not know and opens what it can
// read, so what would lose rows has to be refused before.
func (e *Engine) open(o Options) (err error) {
	if e.dir == "" {
		return errors.New("no data directory is named")
	}
	if e.readOnly {
		e.lock, err = readableDir(e.fs, e.dir)
	} else {
		e.lock, err = prepareDir(e.fs, e.dir)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.closeAfter())
		}
	}()
	if !e.readOnly {
		if err := checkFormat(e.fs, e.dir); err != nil {
			return err
		}
	}
	dropped, err := checkFiles(e.fs, e.dir)
	if err != nil {
		return err
	}
	if dropped != "" {
		e.log.Warn(dropped)
	}
	if !e.readOnly && !e.volatile {
		if err := e.taken(o.OnLocked); err != nil {
			return err
		}
	}
	stop := e.fail
	e.fs.stop.Store(&stop)
	e.fs.patience.Store(openPatience)
	if err := e.openPebble(o); err != nil {
		return err
	}
	e.fs.patience.Store(0)
	if err := e.failure(); err != nil {
		return err
	}
	if e.readOnly {
		e.opened.Store(true)
		return nil
	}
	if err := e.load(); err != nil {
		return err
	}
	e.scheduler.start()
	e.opened.Store(true)
	if err = errors.Join(err, e.failure()); err == nil {
		e.startBallast()
		e.startWatch()
	}
	return err
}

// openPebble opens Pebble, which panics over some of what can go wrong.
func (e *Engine) openPebble(o Options) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in the storage engine: %v", r)
		}
	}()
	p := e.pebbleOptions(o)
	e.scheduler = newScheduler()
	p.Experimental.CompactionScheduler = e.scheduler
	if e.db, err = pebble.Open(e.dir, p); err != nil {
		return explain(e.fs, e.dir, p, err)
	}
	return nil
}

// closeAfter closes what a failed open has opened so far.
func (e *Engine) closeAfter() error {
	var err error
	if e.db != nil {
		err = e.db.Close()
	}
	if e.failure() != nil {
		err = nil // what was written was discarded
	}
	return errors.Join(err, e.lock.Close())
}

// calls counts the calls in progress, so that Close can wait for them.
type calls struct {
	_    [64]byte
	n    atomic.Int64
	_    [56]byte
	idle chan struct{}
}

// closing is added to calls.n by Close.
const closing = 1 << 62

// enter begins a call, which ends with exit, or says why there can be none.
func (e *Engine) enter() error {
	if e.calls.n.Add(1) >= closing {
		e.exit()
		return kv.ErrClosed
	}
	if err := e.failure(); err != nil {
		e.exit()
		return err
	}
	return nil
}

func (e *Engine) exit() {
	if e.calls.n.Add(-1) == closing {
		select {
		case e.calls.idle <- struct{}{}:
		default:
		}
	}
}

// Close implements kv.Engine. After a failure it writes nothing more. The second Close returns
// kv.ErrClosed.
func (e *Engine) Close() error {
	for {
		n := e.calls.n.Load()
		if n >= closing {
			return kv.ErrClosed
		}
		if e.calls.n.CompareAndSwap(n, n+closing) {
			break
		}
	}
	e.watch.end()
	if e.poisoned.Load() {
		return e.failure() // Pebble's locks may be held forever, by calls that will not return
	}
	for e.calls.n.Load() != closing {
		<-e.calls.idle
	}
	e.syncer.wg.Wait() // a round may outlast the calls that have asked for it
	err := e.closePebble()
	if failure := e.failure(); failure != nil {
		return failure
	}
	return err
}

// closePebble flushes, so that the next Open has no log to replay, and closes.
func (e *Engine) closePebble() (err error) {
	defer e.engineCall(&err)
	e.stopBallast()
	flushed := true
	if !e.volatile && e.failure() == nil && e.commits.Load() > 0 {
		// NoSync, as the flush makes it durable. If it is lost the bound in the log counts, and
		// stamps continue at most stampSlack later.
		err = e.db.Set(stampKey, e.stamps.save(), pebble.NoSync)
		var flushErr error
		flushed, flushErr = e.flush()
		err = errors.Join(err, flushErr)
	}
	if err = errors.Join(err, e.db.Close()); err == nil && flushed && !e.volatile && !e.readOnly && e.failure() == nil {
		if err := writeSeal(e.fs.FS, e.dir); err != nil { // an older one holds as well
			e.log.Warn("the MANIFEST is not sealed", "error", err)
		}
	}
	return errors.Join(err, e.lock.Close())
}

// flush flushes, or gives up: while table files cannot be written Pebble tries forever, and the
// log has it all.
func (e *Engine) flush() (done bool, err error) {
	flushed, err := e.db.AsyncFlush()
	if err != nil {
		return false, err
	}
	patience := time.NewTimer(e.flushPatience)
	defer patience.Stop()
	select {
	case <-flushed:
		return true, nil
	case <-patience.C:
		e.log.Warn("closing without a flush, which does not end: the next start replays the log")
		return false, nil
	}
}

// DropRange implements kv.Engine. It runs even when space is short, as it makes some.
func (e *Engine) DropRange(_ context.Context, r kv.Range) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	start, end := clamp(r)
	if start == nil {
		return nil
	}
	e.lockSets.forget()
	if err := e.room(0); err != nil {
		return err
	}
	b := e.db.NewBatch()
	if err := b.DeleteRange(start, end, nil); err != nil {
		return err
	}
	e.rows.BeginAll() // without an EndAll if apply fails: the engine has stopped then
	if err := e.applySynced(b); err != nil {
		return err
	}
	e.rows.EndAll(start, end)
	return nil
}

// applySynced applies a batch of the engine's own, under no latches, and returns when it is
// durable.
func (e *Engine) applySynced(b *pebble.Batch) error {
	c := &commit{order: &e.order}
	if err := e.apply(c, b); err != nil {
		return unknown(err)
	}
	if err := e.syncWait(c, b); err != nil {
		return unknown(err)
	}
	return b.Close()
}

// SizeOf implements kv.Engine. What is not flushed yet Pebble cannot estimate, so a short look at
// the rows themselves gives a lower bound for small and fresh ranges.
func (e *Engine) SizeOf(r kv.Range) (size int64, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.exit()
	defer e.engineCall(&err)
	start, end := clamp(r)
	if start == nil {
		return 0, nil
	}
	disk, err := e.db.EstimateDiskUsage(start, end)
	if err != nil {
		return 0, err
	}
	const look = 256 << 10
	var rows int64
	v := &view{e: e, within: -1}
	defer v.closeInto(&err) // before engineCall: scan has a guard of its own
	err = v.scan(start, end, kv.Forward, func(key, value []byte) (bool, error) {
		rows += int64(len(key) + len(value))
		return rows < look, nil
	})
	return max(int64(disk), rows), err
}

// clamp returns the range's bounds within the database's own keys, or nil if it is empty.
func clamp(r kv.Range) (start, end []byte) {
	start, end = r.Start, r.End
	if len(start) == 0 {
		start = []byte{0}
	}
	if len(end) == 0 || string(end) > string(userEnd) {
		end = userEnd
	}
	if string(start) >= string(end) {
		return nil, nil
	}
	return start, end
}

// Limits implements kv.Engine: the same forevery directory.
func (e *Engine) Limits() kv.Limits { return limits }

// Metrics implements kv.Engine. It looks at the free space of the volume, too.
func (e *Engine) Metrics() kv.Metrics {
	if err := e.enter(); err != nil {
		return kv.Metrics{Failed: err}
	}
	defer e.exit()
	e.space.look()
	m, err := e.pebbleMetrics()
	if err != nil {
		return kv.Metrics{Failed: err}
	}
	var syncs kv.Histogram
	syncs.Buckets, syncs.Count, syncs.Sum = e.fs.syncs.Read()
	rowHits, rowMisses, rowBytes := e.rows.Figures()
	return kv.Metrics{
		NoSpace: e.space.low.Load(), FreeBytes: e.space.free.Load(), FloorBytes: e.space.least.Load(),
		BallastBytes: e.ballast.bytes(),
		Commits:      e.commits.Load(), Syncs: syncs,
		BlockCacheHits: m.BlockCache.Hits, BlockCacheMisses: m.BlockCache.Misses, BlockCacheBytes: m.BlockCache.Size,
		RowCacheHits: rowHits, RowCacheMisses: rowMisses, RowCacheBytes: rowBytes,
		MemtableBytes: m.MemTable.Size, DiskBytes: m.DiskSpaceUsage(),
		CompactionBytesEstimate: m.Compact.EstimatedDebt,
		ReadAmplification:       m.ReadAmp(), L0Files: m.Levels[0].TablesCount,
		WriteStalls: e.stalls.n.Load(), WriteStallSeconds: e.stalls.seconds(),
		LatchWaits: e.waits.n.Load(), LatchTimeouts: e.waits.timeouts.Load(), LatchWaitSeconds: e.waits.seconds(),
		StampsAheadSeconds: e.stamps.ahead(e.clock()).Seconds(),
	}
}

// pebbleMetrics are Pebble's own figures, which it collects under its locks.
func (e *Engine) pebbleMetrics() (m *pebble.Metrics, err error) {
	defer e.engineCall(&err)
	return e.db.Metrics(), nil
}
