// Package db is the database over what package schema says is stored: the catalog, the one write
// path, index maintenance, transactions, reads and pages, streams, expiry, and schema changes with
// their background jobs.
//
// It works on decoded requests: items, bound expressions, descriptors. It knows nothing of JSON
// requests, DynamoDB's error texts or HTTP; its errors are typed, and package api words them.
package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/schema"
)

// Errors of the package, compared with errors.Is.
var (
	// ErrTableNotFound: no table of that name, or it is still being created or already being
	// deleted.
	ErrTableNotFound = errors.New("db: table not found")
	// ErrConditionFailed is returned as *ConditionFailed.
	ErrConditionFailed = errors.New("db: the condition failed")
	// ErrTableExists: CreateTable of a name in use.
	ErrTableExists = errors.New("db: table exists")
	// ErrCollectionTooLarge: the item collection of a table with local indexes would pass 10 GB.
	ErrCollectionTooLarge = errors.New("db: item collection too large")
	// ErrTransactionConflict: the item could not be locked in time because of a transaction. That
	// of a single write is ErrBusy as well.
	ErrTransactionConflict = errors.New("db: a transaction is ongoing for the item")
	// ErrTransactionInProgress: another transaction with the same token has not come to its end.
	ErrTransactionInProgress = errors.New("db: a transaction with the token is in progress")
	// ErrTokenMismatch: a transaction's token was used before, for another request.
	ErrTokenMismatch = errors.New("db: the token was used for another request")
	// ErrTransactionTooLarge: the items of a transaction take more than 4 MB together.
	ErrTransactionTooLarge = errors.New("db: transaction too large")
)

// Errors of the engine that callers tell apart: they are the engine's own values.
var (
	// ErrBusy: the items were locked by others for too long. Nothing was written, and the request
	// may be sent again.
	ErrBusy = kv.ErrConflict
	// ErrNoSpace: the volume is nearly full. Only what makes room is written.
	ErrNoSpace = kv.ErrNoSpace
	// ErrTooLarge: a write passes what the engine takes at once. Nothing was written.
	ErrTooLarge = kv.ErrTooLarge
)

// ConditionFailed is a write whose condition did not hold. Item is the item it met (a copy), if
// there was one and the Write asked for it, and Size the item's size, 0 if there was none.
type ConditionFailed struct {
	Item item.Item
	Size int
}

// Error is the text of ErrConditionFailed, without the item.
func (*ConditionFailed) Error() string { return ErrConditionFailed.Error() }

// Is makes every ConditionFailed an ErrConditionFailed.
func (*ConditionFailed) Is(target error) bool { return target == ErrConditionFailed }

// Options for Open.
type Options struct {
	// Now is the clock of everything that depends on time. nil: time.Now.
	Now func() time.Time
	// Elapsed is the time that has passed since some moment, which is never set. nil: Go's own
	// reading; with a Now, what that goes ahead.
	Elapsed func() time.Duration
	// TableDelay is how long tables stay CREATING, UPDATING and DELETING. 0: usable from the next
	// request on.
	TableDelay time.Duration
	// SweepInterval is how often Sweep runs by itself. 0: every second; negative: never.
	SweepInterval time.Duration
	// WriteMemory is what all writes in progress may hold in memory together, in bytes: items
	// before and after them, index rows, stream records. A large one waits until there is enough,
	// for ten seconds at most. 0: 64 MiB.
	WriteMemory int64
	// CatalogMemory is what the descriptors of all tables and streams may take, in bytes; more are
	// refused. 0: 128 MiB.
	CatalogMemory int64
	// Metrics count what is read, written and done in the background. nil: nothing is counted.
	Metrics *metrics.Metrics
	// Logger takes what the background jobs have to say. nil: slog.Default.
	Logger *slog.Logger
}

// expressionCacheBytes bounds the cache of parsed expressions.
const expressionCacheBytes = 8 << 20

// DB is an open database.
type DB struct {
	kv          kv.Engine
	now         func() time.Time
	elapsed     func() time.Duration // nil: what now goes ahead
	delay       time.Duration
	log         *slog.Logger
	metrics     *metrics.Metrics // nil: none
	expressions *expr.Cache

	schema  sync.Mutex // held while the catalog changes
	catalog atomic.Pointer[catalog]
	nextID  uint32 // under schema
	// catalogMemory is Options.CatalogMemory.
	catalogMemory int64

	jobs     sync.WaitGroup
	sweeping sync.Mutex // held by Sweep
	marks    sync.Map   // table id → *expiryMark
	trimmed  time.Time  // under sweeping: up to when streams are trimmed
	// Under sweeping, of streams_ahead.go: for how long the database has run, when the last sweep
	// was, and, by stream, what run was when the stream's age was stored.
	run     time.Duration
	swept   time.Time
	aged    map[uint64]time.Duration
	working sync.Map // key of a job that runs → struct{}
	filling sync.Map // fillingOf → *metrics.Backfill
	stop    context.CancelFunc
	ctx     context.Context // of the background jobs

	ongoing ongoing // transactions
	memory  memory  // of the writes in progress

	writers sync.Pool // of *writer
	readers sync.Pool // of *reader
	pagers  sync.Pool // of *pager
}

// Open reads the catalog, and resumes the schema changes that were under way. The engine stays the
// caller's to close, after Close.
func Open(engine kv.Engine, o Options) (*DB, error) {
	d := &DB{
		kv: engine, now: o.Now, elapsed: o.Elapsed, delay: o.TableDelay, log: o.Logger, metrics: o.Metrics,
		aged: map[uint64]time.Duration{}, expressions: expr.NewCache(expressionCacheBytes),
	}
	d.catalogMemory = o.catalogMemory()
	d.memory.most = cmp.Or(o.WriteMemory, defaultWriteMemory)
	if d.now == nil {
		d.now = time.Now
		if start := time.Now(); d.elapsed == nil {
			d.elapsed = func() time.Duration { return time.Since(start) }
		}
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.writers.New = func() any { return newWriter(d) }
	d.readers.New = func() any { return newReader(d) }
	d.pagers.New = func() any { return newPager() }
	if err := d.loadCatalog(); err != nil {
		d.stop()
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	d.schema.Lock()
	defer d.schema.Unlock()
	for _, t := range d.catalog.Load().byID {
		d.startJobs(t)
	}
	for _, s := range d.catalog.Load().streams {
		d.startStreamJobs(s)
	}
	if o.SweepInterval >= 0 {
		d.jobs.Go(func() { d.sweepEvery(cmp.Or(o.SweepInterval, time.Second)) })
	}
	return d, nil
}

// Close stops the background jobs and waits for them. What they had to do continues at the next
// Open.
func (d *DB) Close() error {
	d.stop()
	d.jobs.Wait()
	return nil
}

// Now is the database's clock.
func (d *DB) Now() time.Time { return d.now() }

// Ping reads a row, for health checks: its error says that the engine answers no reads.
func (d *DB) Ping(ctx context.Context) error {
	return d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		_, err := r.Get(schema.NextIDKey())
		return err
	})
}

// Expressions is the cache of parsed expressions.
func (d *DB) Expressions() *expr.Cache { return d.expressions }

// Counts returns the live number of rows and their bytes (DynamoDB's sizes) of the table itself (x
// nil) or of an index.
func (d *DB) Counts(t *Table, x *schema.Index) (items, bytes int64) {
	section := uint32(schema.SectionItems)
	if x != nil {
		section = uint32(x.ID)
	}
	for _, c := range d.kv.Counter(uint64(t.ID)) {
		if c.Section == section {
			return c.Items, c.Bytes
		}
	}
	return 0, 0
}
