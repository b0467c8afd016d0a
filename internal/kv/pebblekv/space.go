package pebblekv

import (
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
)

// space refuses writes while the volume is nearly full. A volume that is full fails the log, and
// with it the engine; below the floor reads go on, and writes resume by themselves when there is
// room again. A volume that others have filled all the same gets the bytes of the ballast
// (ballast.go); if these do not suffice, a failed write stops the engine (failstopfs.go).
type space struct {
	fs      vfs.FS
	dir     string
	floor   int64 // in bytes; 0 the default, negative none
	every   time.Duration
	ballast *ballast
	log     *slog.Logger
	// now and began tell how much time has passed whatever becomes of the wall clock, which may be
	// set back.
	now   func() time.Time
	began time.Time

	next atomic.Int64 // when to look again, in nanoseconds since began
	// left is how many bytes may be written before the next look, whenever that is due: a fast disk
	// fills much in a second.
	left atomic.Int64
	low  atomic.Bool
	// free and least are the bytes that are free and that should be, as of the last look.
	free, least atomic.Uint64
}

// defaultFloor is the free space to keep on a volume: a twentieth, at least what is still to be
// written when writes are refused (the memtables, the next log), but not more than half of a small
// volume, and at most 1 GiB.
func defaultFloor(total uint64) uint64 { return min(max(total/20, 6*memtableSize), total/2, 1<<30) }

// check returns kv.ErrNoSpace while the free space is below the floor, to a write of n bytes. It
// looks once in a while.
func (s *space) check(n int) error {
	if s.floor < 0 && s.ballast.owed.Load() == 0 {
		return nil
	}
	now := int64(s.now().Sub(s.began)) // not the injected clock, which may stand still
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

// floorOf is the free space to keep, beside the ballast, on a volume of that size.
func (s *space) floorOf(total uint64) uint64 {
	switch {
	case s.floor < 0:
		return 0
	case s.floor == 0:
		return defaultFloor(total)
	}
	return uint64(s.floor)
}

// look measures, and returns what it has found: the free space, and the floor as it is with the
// ballast in place. A file system that cannot tell has room.
func (s *space) look() (free, floor uint64, ok bool) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		s.left.Store(math.MaxInt64)
		return 0, 0, false
	}
	floor = s.floorOf(usage.TotalBytes)
	least := floor + uint64(s.ballast.owed.Load())
	s.free.Store(usage.AvailBytes)
	s.least.Store(least)
	low := usage.AvailBytes < least
	// What is written is written several times over, to the log, to a table and in compactions.
	s.left.Store(max(0, int64(usage.AvailBytes)-int64(least)) / 8)
	if s.low.Swap(low) == low {
		return usage.AvailBytes, floor, true
	}
	if low {
		s.log.Error("writes are refused: the volume is nearly full", "free", usage.AvailBytes, "floor", least)
	} else {
		s.log.Info("writes are taken again", "free", usage.AvailBytes, "floor", least)
	}
	return usage.AvailBytes, floor, true
}

// leastRoom is what must be free for a write that is done below the floor. One that finds no room
// for its log stops the engine, and a volume that others have filled is no reason to end.
const leastRoom = 256 << 10

// room is called before what is written even below the floor: n bytes, and what else may come of
// it, as the next log. If the volume may have no room for that, the ballast is given back; where
// there is none, or others have taken that too, it returns kv.ErrNoSpace. (A write that finds no
// room all the same gives it back, too; but a file system may find out only when it syncs, when it
// is too late.)
func (s *space) room(n uint64) error {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return nil // a file system that cannot tell has room
	}
	if s.ballast.there.Load() && usage.AvailBytes < n+s.reserve(usage.TotalBytes) {
		s.ballast.give()
		s.look()
		if usage, err = s.fs.GetDiskUsage(s.dir); err != nil {
			return nil
		}
	}
	if usage.AvailBytes < n+leastRoom {
		return kv.ErrNoSpace
	}
	return nil
}

// reserve is the room for what cannot wait: the log, the MANIFEST, a flush.
func (s *space) reserve(total uint64) uint64 { return min(uint64(s.ballast.size)/3, s.floorOf(total)) }

// leaveEvery is how many bytes a compaction writes before it looks at the volume again.
const leaveEvery = 256 << 10

// errReserved is ENOSPC for a compaction.
var errReserved = fmt.Errorf("a compaction leaves what is left to the log: %w", syscall.ENOSPC)

// leave refuses a compaction's write while only the reserve is left: one that is larger than that
// would take it all, again and again as it is tried, and the log would fail meanwhile.
func (s *space) leave() error {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err == nil && usage.AvailBytes < s.reserve(usage.TotalBytes) {
		return errReserved
	}
	return nil
}
