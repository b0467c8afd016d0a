package pebblekv

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
)

// space refuses writes while the volume is nearly full. A volume that is full fails the log, and with it the engine;
// below the floor reads go on, and writes resume by themselves when there is room again.
type space struct {
	fs    vfs.FS
	dir   string
	floor int64 // in bytes; 0 the default, negative none
	every time.Duration
	log   *slog.Logger

	next atomic.Int64 // when to look again, in nanoseconds
	// left is how many bytes may be written before the next look, whenever that is due: a fast disk fills much in a second.
	left atomic.Int64
	low  atomic.Bool
	// free and least are the bytes that are free and that shall be, as of the last look.
	free, least atomic.Uint64
}

// defaultFloor is the free space to keep on a volume: a twentieth, at least what is still to be written when writes are refused (the
// memtables, the next log), but not more than half of a small volume, and at most 1 GiB.
func defaultFloor(total uint64) uint64 { return min(max(total/20, 6*memtableSize), total/2, 1<<30) }

// check returns kv.ErrNoSpace while the free space is below the floor, to a write of n bytes. It looks once in a while.
func (s *space) check(n int) error {
	if s.floor < 0 {
		return nil
	}
	now := time.Now().UnixNano() // not the injected clock, which may stand still
	if left := s.left.Add(-int64(n)); left < 0 && !s.low.Load() {
		s.look()
	} else if next := s.next.Load(); now >= next && s.next.CompareAndSwap(next, now+int64(s.every)) {
		s.look()
	}
	if s.low.Load() {
		return kv.ErrNoSpace
	}
	return nil
}

// look measures. A file system that cannot tell has room.
func (s *space) look() {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		s.left.Store(math.MaxInt64)
		return
	}
	floor := uint64(s.floor)
	if s.floor == 0 {
		floor = defaultFloor(usage.TotalBytes)
	}
	if s.floor < 0 {
		floor = 0
	}
	s.free.Store(usage.AvailBytes)
	s.least.Store(floor)
	low := usage.AvailBytes < floor
	// What is written is written several times over, to the log, to a table and in compactions.
	s.left.Store(max(0, int64(usage.AvailBytes)-int64(floor)) / 8)
	if s.low.Swap(low) == low {
		return
	}
	if low {
		s.log.Error("writes are refused: the volume is nearly full", "free", usage.AvailBytes, "floor", floor)
	} else {
		s.log.Info("writes are taken again", "free", usage.AvailBytes, "floor", floor)
	}
}
