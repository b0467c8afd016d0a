package pebblekv

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how to open an Engine. Only Dir is needed, or InMemory.
type Options struct {
	// Dir is the data directory. It is made if there is none.
	Dir string
	// InMemory keeps everything in memory, for tests: nothing survives Close, and nothing is
	// synced.
	InMemory bool
	// FS replaces the operating system's files. Unlike InMemory it is treated as a disk.
	FS vfs.FS
	// ReadOnly opens what is there without changing anything, not even the log, whose rows are read
	// into memory; every write is refused. A directory that another process has open is ErrLocked
	// as ever. No row is read before a caller asks for it, so that damage can be found:
	// Counter says nothing, but Readers show the counters as they show all rows (kv.Inspector).
	ReadOnly bool
	// Clock tells the time for stamps and log positions; nil is time.Now.
	Clock func() time.Time
	// Elapsed is the time that has passed since some moment; it is never set back. While the clock
	// is behind the last stamp or position, the next ones advance by it. nil is Go's own reading.
	// With a Clock, nil is none: then each stamp is just above the last until the clock is there.
	Elapsed func() time.Duration
	// MemoryLimit is what the process may take, in bytes. Caches get a part of it (see memory), as
	// the Go heap needs room to collect; 0 means that of 512 MiB on a disk, and next to nothing in
	// memory. The caches fill as they are used.
	MemoryLimit int64
	// MemtableBytes is how much is kept in memory before it is written out as a table file; 0 means
	// 16 MiB. Tests make it small, so that a short history has flushes and compactions.
	MemtableBytes uint64
	// FreeSpaceFloor is the free space, in bytes, below which writes are refused. 0 means a
	// twentieth of the volume, between 96 MiB (or half of the volume) and 1 GiB; negative means
	// none.
	FreeSpaceFloor int64
	// BallastBytes is the size of a file that is kept in the directory so that it can be removed
	// when the volume is full: what is written even then finds room. There is none while the store
	// is smaller, or on a volume without room for it above the floor. 0 means 96 MiB; negative
	// means none.
	BallastBytes int64
	// Logger gets what the person on call should know; nil is silence.
	Logger *slog.Logger
	// OnLocked is called by Open when the directory is this engine's alone and before the store is
	// read, which can take long. An error ends Open. It is not called in memory or with ReadOnly.
	OnLocked func() error
	// OnFailure is called once, in a goroutine of its own, when the engine has stopped itself. The
	// process should report the cause and end.
	OnFailure func(error)
	// LatchTimeout is how long an Update waits for one that holds its keys; 0 means 10 seconds.
	LatchTimeout time.Duration
	// Stripes is the number of latches, rounded up to a power of two; 0 means 4096, or 1024 in
	// memory.
	Stripes int
}

// Sizes of the store. Of the memory limit the blocks get a little less than the rows, and both
// together leave the collector a third. A cache miss costs by the size of the block (reading,
// checking, allocating): 16 KiB cost little more than half of 32 KiB, and a Query of a few items
// still needs few blocks. With memtables of 16 MiB an open after a kill takes a quarter of the time
// that it takes with 64 MiB.
const (
	blocksPercent = 28
	rowsPercent   = 34
	// Of a small limit the caches get less, and fewer memtables are kept before writers wait: what
	// is written, and what readers hold of blocks beside the cache, does not shrink with the limit.
	smallLimit         = 384 << 20
	smallBlocksPercent = 22
	smallRowsPercent   = 30
	memtables          = 4
	smallMemtables     = 3
	blockSize          = 16 << 10
	indexBlockSize     = 64 << 10
	memtableSize       = 16 << 20
	defaultMemory      = 512 << 20
	// An engine in memory has its blocks in memory anyway: they are small, as each miss copies one,
	// and few are cached.
	memoryBlockSize    = 4 << 10
	memoryCache        = 32 << 20
	memoryRows         = 8 << 20
	memoryMemtableSize = 64 << 20 // most tests never flush
)

// memory is how what the caches take is divided: blocks of the store's files, and rows that were
// read by their key. memtables is how many may be full and not written out when writers have to
// wait.
type memory struct {
	blocks, rows int64
	memtables    int
}

// memory divides the memory limit. An engine that only reads gets no cache of rows.
func (o Options) memory() memory {
	limit := o.MemoryLimit
	switch {
	case limit <= 0 && o.InMemory && o.FS == nil:
		return memory{blocks: memoryCache, rows: memoryRows, memtables: memtables}
	case limit <= 0:
		limit = defaultMemory
	}
	m := memory{blocks: limit / 100 * blocksPercent, rows: limit / 100 * rowsPercent, memtables: memtables}
	if limit < smallLimit {
		m.blocks, m.rows = limit/100*smallBlocksPercent, limit/100*smallRowsPercent
		m.memtables = smallMemtables
	}
	m.blocks = max(m.blocks, 8<<20)
	if o.ReadOnly {
		m.rows = 0
	}
	return m
}

// pebbleOptions are what Pebble is opened with. Comparer, Merger and format version are part of
// what is stored: another value is another format.
func (e *Engine) pebbleOptions(o Options) *pebble.Options {
	p := &pebble.Options{
		FS:                          e.fs,
		Lock:                        e.lock.Lock,
		ReadOnly:                    e.readOnly,
		Comparer:                    pebble.DefaultComparer,
		Merger:                      merger,
		FormatMajorVersion:          pebbleFormat,
		CacheSize:                   o.memory().blocks,
		MemTableSize:                memtableSize, // it begins with 256 KiB and grows as it fills
		MemTableStopWritesThreshold: o.memory().memtables,
		// Two cores: compact early, as long reads through many files cost more than the compaction,
		// and stop writers late, as a stall holds their latches.
		L0CompactionThreshold:      2,
		L0StopWritesThreshold:      40,
		LBaseMaxBytes:              64 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, runtime.GOMAXPROCS(0)/2) },
		MaxManifestFileSize:        16 << 20,
		// A dropped range should give its space back even if nobody writes.
		FlushDelayDeleteRange: 10 * time.Second,
		Logger:                pebbleLogger{e},
		EventListener:         e.events(),
	}
	if o.MemtableBytes != 0 {
		p.MemTableSize = o.MemtableBytes
	}
	for i := range p.Levels {
		p.Levels[i].BlockSize = blockSize
		p.Levels[i].IndexBlockSize = indexBlockSize
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if e.volatile {
		p.DisableWAL = true
		p.MemTableSize = memoryMemtableSize
		p.Experimental.FileCacheShards = 1
		for i := range p.Levels {
			p.Levels[i].BlockSize = memoryBlockSize
		}
		p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	}
	return p
}
