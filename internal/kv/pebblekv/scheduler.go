package pebblekv

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler decides when Pebble compacts. Unlike Pebble's own it lets no compaction begin before
// the engine is open, as the few syncs of Open would wait behind all that it writes, and it has no
// goroutine that looks around ten times a second: there may be a hundred engines in a test run.
//
// That loses nothing. Pebble asks by itself after each flush and each compaction, which are all
// that gives it work or allows it more at once, and what was refused is asked again when one is
// done.
type scheduler struct {
	db pebble.DBForCompaction

	mu       sync.Mutex
	running  int
	open     bool // between start and Unregister
	granting bool // somebody calls db
	refused  bool // a compaction was refused meanwhile
	granted  sync.Cond
}

func newScheduler() *scheduler {
	s := &scheduler{}
	s.granted.L = &s.mu
	return s
}

// start lets compactions begin.
func (s *scheduler) start() {
	s.mu.Lock()
	s.open = true
	s.mu.Unlock()
	s.grant()
}

// Register implements pebble.CompactionScheduler.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister implements pebble.CompactionScheduler. The database is not called any more when it
// returns.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = false
	for s.granting {
		s.granted.Wait()
	}
}

// TrySchedule implements pebble.CompactionScheduler.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room() {
		s.refused = true
		return false, nil
	}
	s.running++
	return true, s
}

// room says whether one more may run. The scheduler is locked.
func (s *scheduler) room() bool { return s.open && s.running < s.db.GetAllowedWithoutPermission() }

// grant offers room to the compactions that wait.
func (s *scheduler) grant() {
	for s.offer() {
	}
}

// offer offers room for one, and says whether it was taken or should be offered again.
func (s *scheduler) offer() bool {
	s.mu.Lock()
	if s.granting || !s.room() {
		s.mu.Unlock()
		return false
	}
	s.granting, s.refused = true, false
	s.running++
	s.mu.Unlock()

	// Without the lock, as Pebble calls TrySchedule under locks that these calls take. granting
	// keeps Unregister waiting meanwhile.
	taken, _ := s.db.GetWaitingCompaction()
	taken = taken && s.db.Schedule(s)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.granting = false
	s.granted.Broadcast()
	if taken {
		return true
	}
	s.running--
	return s.refused // it may have been for the room that was not taken
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler. Pebble asks for itself
// right after it.
func (s *scheduler) UpdateGetAllowedWithoutPermission() {}

func (s *scheduler) Started() {}

func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle.
func (s *scheduler) Done() {
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	s.grant()
}
