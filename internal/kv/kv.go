// Package kv is the ordered, transactional key-value store that everything in Partita rests on.
//
// It knows nothing of tables or items: keys and values are bytes, ordered by bytes.Compare. What it
// promises is what the database above needs and no more: atomic updates of named keys that are
// serializable among each other, consistent views, append-only logs whose readers never see a hole,
// and durability of all that anybody is shown.
//
// The database names every key that an update touches up front and never reads a range inside one,
// so an engine needs no protection against phantoms, only serializability over the named lock keys.
//
// The suite in kvtest states the contract as tests; every engine passes it.
package kv

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
)

// FrontLen is the length of a key's fixed front. An engine may map lock keys to latches by their
// first FrontLen bytes only, so that the keys of one partition share a latch; a shorter key is its
// own front.
const FrontLen = 15

// ReservedPrefix is the first byte from which on keys belong to the engine itself (counters, logs,
// its own bookkeeping). A key that the database passes in begins with a smaller byte.
const ReservedPrefix = 0xF0

// Errors that engines return. They are wrapped, so compare with errors.Is.
var (
	// ErrConflict says that a latch or lock could not be had within the deadline. Nothing was
	// written. An engine that knows which keys it was about returns a *Conflict.
	ErrConflict = errors.New("kv: conflict: the keys are locked by another update")
	// ErrTooLarge says that a key, a value or a whole update passes the engine's Limits. Nothing
	// was written.
	ErrTooLarge = errors.New("kv: too large")
	// ErrCommitUnknown says that the update may or may not have been committed. It is never retried
	// blindly.
	ErrCommitUnknown = errors.New("kv: the outcome of the commit is unknown")
	// ErrSnapshotTooOld says that a view outlived what the engine keeps. The read may be started
	// anew.
	ErrSnapshotTooOld = errors.New("kv: the view is too old")
	// ErrFailed says that the engine has stopped itself after a failed write or sync: every pending
	// and later call fails with it, reads too. Only a restart, which serves what is durable, ends
	// it. That of an update which was already visible is ErrCommitUnknown as well.
	ErrFailed = errors.New("kv: the engine has stopped after a failure")
	// ErrNoSpace says that a write was refused because the volume's free space is below the floor.
	// Reads go on.
	ErrNoSpace = errors.New("kv: writes are refused: the volume is nearly full")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("kv: the engine is closed")
)

// Conflict is an ErrConflict that tells for which keys it came: Keys are indexes into the update's
// Lock, ascending. One of them at least was waited for in vain, and all of them were held by others
// when the time was over.
type Conflict struct{ Keys []int }

// Error is the text of ErrConflict.
func (*Conflict) Error() string { return ErrConflict.Error() }

// Is makes every Conflict an ErrConflict.
func (*Conflict) Is(target error) bool { return target == ErrConflict }

// Range is the keys k with Start <= k < End. An empty End means: up to ReservedPrefix.
type Range struct{ Start, End []byte }

// Direction is the order in which a Scan meets its rows.
type Direction uint8

// The directions.
const (
	Forward  Direction = iota // by ascending key
	Backward                  // by descending key
)

// ReadOptions shape a View. What they refer to, and the bounds of a Range, are the caller's:
// engines keep nothing of it when the call returns.
type ReadOptions struct {
	// Consistent asks for the newest committed state. An engine with one copy of the data always
	// gives it.
	Consistent bool
	// Follower allows an engine with replicas to read from one that lags.
	Follower bool
	// Within, if not nil, promises that all rows that the view's Scans show are written under lock
	// keys with this front (FrontLen bytes): the view then waits for the durability of those
	// commits only, and not of all that it might show. The rows may have other fronts, as those of
	// a local index, which are written under their item's lock key.
	Within []byte
	// Apart says that each row which the view gets is read for itself: Get and GetMulti may show it
	// as it was committed at any moment during the View, one row of the one and another of another,
	// so that an engine may take them from a cache.
	Apart bool
}

// WriteOptions shape an Update.
type WriteOptions struct {
	// Lock holds every key that fn reads or writes, in any order, repeated or not. fn may write
	// only keys whose lock key is named here; which rows a lock key covers (index rows under their
	// item's key) is the caller's convention. The slices must not be changed until the call
	// returns; an engine does not keep them after that. Only an update that writes no rows, but
	// logs or counters, may go without.
	Lock [][]byte
	// NoSync returns before the commit is durable. Later commits that are durable cover it, and
	// readers wait for it as for any other.
	NoSync bool
	// MakesRoom lets the update through where others get ErrNoSpace: it is small and leads to the
	// removal of a lot.
	MakesRoom bool
}

// Write is one of the updates of UpdateEach.
type Write struct {
	Lock [][]byte
	Do   func(Txn) error
}

// Reader reads one consistent view. Slices it returns or passes are valid until the next call on
// the same Reader; callers copy what they keep.
type Reader interface {
	// Get returns the value at key, or nil if there is none. (A stored empty value is a non-nil
	// empty slice.) In a View the row must be one that is written under a lock key with its own
	// front, or with that of ReadOptions.Within: the view waits for the durability of those
	// commits. Other rows, as those of a global index, are read with Scan.
	Get(key []byte) ([]byte, error)
	// GetMulti calls fn(i, value) for each keys[i] in order, with a nil value where there is none,
	// until fn returns an error, which it returns.
	GetMulti(keys [][]byte, fn func(i int, value []byte) error) error
	// Scan calls fn for each row of r in the order of direction, until fn returns false or an
	// error, which it returns. key and value are valid during the call of fn. Inside fn, Get of the
	// same Reader may be called and sees the same view; it does not invalidate key and value.
	Scan(r Range, direction Direction, fn func(key, value []byte) (more bool, err error)) error
}

// Txn is an update in progress. Its reads see the committed state and not the Txn's own writes.
// (The one write path reads everything before it writes anything.)
type Txn interface {
	Reader
	// Expect tells that about so many bytes, keys and values and records together, are going to be
	// written, so that an engine can make room for them at once. It is a hint: more may come, or
	// less.
	Expect(bytes int)
	// Set writes key. The engine copies key and value.
	Set(key, value []byte)
	// Delete removes key; it is fine if there is none.
	Delete(key []byte)
	// AppendLog adds a record to a shard of a log. Its Position is given at commit.
	AppendLog(log uint64, shard uint32, record []byte)
	// Add adds deltas to the counter. All deltas of one Txn to one counter become one write. What
	// was not counted is not taken off: no section falls below zero.
	Add(counter uint64, deltas ...Count)
	// DropCounter removes the counter with all its sections, and forgets what the Txn has added to
	// it so far. The caller has made sure that nobody else adds to it.
	DropCounter(counter uint64)
	// Stamp is the commit's place in time: microseconds since 1970 of a hybrid clock, above every
	// stamp given before (max(now, last+1), or later where the clock is behind the last), taken
	// while the locks are held. It is the same value throughout one run of fn.
	Stamp() uint64
}

// Count is one section of a counter: how many rows, and how many bytes, it counts.
type Count struct {
	Section      uint32
	Items, Bytes int64
}

// Position is a record's place in its log shard: 8 bytes ordered by time (48 bits of milliseconds
// since 1970, 16 of a counter), then 8 of sequence, both big-endian, so that positions order as
// bytes. The zero Position is before all.
type Position [16]byte

// MarshalText writes the position as 32 hexadecimal digits.
func (p Position) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, p[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Position) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err == nil && len(b) != len(p) {
		err = fmt.Errorf("kv: a position of %d bytes", len(b))
	}
	copy(p[:], b)
	return err
}

// Record is one record of a log.
type Record struct {
	Position Position
	Data     []byte
}

// Page bounds what one ReadLog returns: at most Records records and, after the first, at most Bytes
// of data. The zero Page asks for the shard's durable position alone.
type Page struct{ Records, Bytes int }

// Limits are the largest sizes, in bytes, that an engine takes.
type Limits struct{ Key, Value, Update int }

// Metrics are an engine's own figures, for the page of the person on call. An engine leaves out
// what it does not have.
type Metrics struct {
	// Failed is why the engine has stopped itself, or ErrClosed; the other figures are zero then.
	// nil: it runs.
	Failed error
	// NoSpace says that writes are refused because FreeBytes of the volume are less than
	// FloorBytes.
	NoSpace               bool
	FreeBytes, FloorBytes uint64
	// BallastBytes are set aside on the volume, to be given back when it is full.
	BallastBytes uint64

	Commits uint64
	Syncs   Histogram // of the log

	BlockCacheHits, BlockCacheMisses int64
	BlockCacheBytes                  int64

	RowCacheHits, RowCacheMisses int64 // of rows that were read by their key
	RowCacheBytes                int64

	MemtableBytes           uint64
	DiskBytes               uint64
	CompactionBytesEstimate uint64
	ReadAmplification       int
	L0Files                 int64
	WriteStalls             uint64
	WriteStallSeconds       float64

	// StampsAheadSeconds is how far the newest stamp is ahead of the clock.
	StampsAheadSeconds float64

	LatchWaits, LatchTimeouts uint64
	LatchWaitSeconds          float64
}

// Histogram is how many of the things measured, in seconds, were at most as long as each bound, how
// many there were at all, and how long all took together.
type Histogram struct {
	Buckets map[float64]uint64
	Count   uint64
	Sum     float64
}

// Engine is a store. All methods may be called from any goroutine. After a failure of its own an
// engine answers every call with ErrFailed.
type Engine interface {
	// View calls fn with one consistent view and returns its error. It returns only after
	// everything that fn was shown is durable.
	View(ctx context.Context, o ReadOptions, fn func(Reader) error) error
	// Update runs fn under the latches of o.Lock and commits what it wrote, atomically, and returns
	// when that is durable. If fn returns an error nothing is written, and the error is returned
	// once all that fn was shown is durable. fn may run again from the start, so it has no effects
	// outside the Txn except assigning its results afresh.
	Update(ctx context.Context, o WriteOptions, fn func(Txn) error) error
	// UpdateEach runs each of the writes as an Update of its own, each atomic alone and in the
	// order given where they share keys, with one wait for all; errs[i] is that of writes[i].
	// o.Lock is not used. If the wait fails, all fail with its error, and those that wrote with
	// ErrCommitUnknown as well.
	UpdateEach(ctx context.Context, o WriteOptions, writes []Write) (errs []error)
	// Barrier locks and unlocks every latch once, one after the other: every Update that began
	// before it has released its latches when it returns.
	Barrier(ctx context.Context) error
	// ReadLog returns the records of a shard after the position, oldest first, at most a page of
	// them, and the shard's durable position: no record at or below it will ever appear later.
	ReadLog(ctx context.Context, log uint64, shard uint32, after Position, page Page) ([]Record, Position, error)
	// TrimLog removes the shard's records at and below upTo. Positions are never given again.
	TrimLog(ctx context.Context, log uint64, shard uint32, upTo Position) error
	// DropLog removes all that there is of a log: the records of all its shards, and what the
	// engine has noted of them. It is durable when it returns and may be called again after a
	// crash. The caller has made sure that nobody appends to the log any more, or ever will: a
	// position could be given twice.
	DropLog(ctx context.Context, log uint64) error
	// Counter returns the sections of a counter, ordered by section, without those that are zero.
	// It is served from memory and may lag behind or run ahead of a view.
	Counter(counter uint64) []Count
	// DropRange removes all rows of the range. It is durable when it returns and may be called
	// again after a crash; it is not transactional. The caller has made sure that nobody writes
	// there.
	DropRange(ctx context.Context, r Range) error
	// SizeOf estimates the bytes that the range takes on disk.
	SizeOf(r Range) (bytes int64, err error)
	// Limits never change while the engine is open.
	Limits() Limits
	// Metrics returns the figures of this moment, those of a stopped or closed engine too.
	Metrics() Metrics
	// Close waits for the calls in progress, flushes, and releases the store. Later calls return
	// ErrClosed.
	Close() error
}

// Checkpointer is an engine that can write a consistent copy of itself into a directory, for
// backups.
type Checkpointer interface {
	// Checkpoint writes a copy that holds every commit that was durable when it was called. The
	// directory must not exist, or be empty, and its parent must exist; it is private to the user.
	// The copy is durable when Checkpoint returns; if it fails, or ctx ends, nothing is left of it.
	Checkpoint(ctx context.Context, dir string) error
}

// Verifier is an engine that can check the files that it keeps its rows in.
type Verifier interface {
	// VerifyFiles reads all files and returns what is damaged, in words. progress is told bytes
	// read, of how many. The error is that of a check that could not be made.
	VerifyFiles(ctx context.Context, progress func(done, total int64)) (damage []string, err error)
}

// Inspector is a Reader that shows what an engine keeps beside the database's rows, for a check of
// all that there is.
type Inspector interface {
	// Inspect calls the functions of own, those that are not nil, for all that there is, logs in
	// the order of log and shard.
	Inspect(own Own) error
	// Records calls fn for each record of a shard, oldest first, until it returns false. Data is
	// valid during the call.
	Records(log uint64, shard uint32, fn func(Record) (more bool)) error
}

// Own is who is told by Inspect.
type Own struct {
	Counter func(counter uint64, counts []Count)
	Trimmed func(log uint64, shard uint32, upTo Position) // the highest position that was ever trimmed
	Shard   func(log uint64, shard uint32)                // one that has records
	Stamp   func(bound uint64)                            // no stamp was given above it
	// Unknown is told of a row that is none of these, or damaged.
	Unknown func(key []byte, what string)
}

// Loader is an engine that can take rows sorted by key in bulk, past the log, into a range that
// holds none.
type Loader interface {
	Load(ctx context.Context, rows func(yield func(key, value []byte) bool)) error
}
