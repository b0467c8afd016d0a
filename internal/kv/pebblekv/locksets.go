package pebblekv

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/invariants"
)

// lockSets checks, in builds with invariants, that updates lock what they touch. Which rows a lock
// key covers is the database's convention (rows of an index are under their item's key), so what is
// checked is its effect: for each row there is a latch which everybody who writes it
// holds, and everybody who reads it to write. The latches that all who have written a row had in
// common are kept; as soon as none is left, two can change the row at once. (This is the algorithm
// of Eraser: Savage et al., "Eraser: a dynamic data race detector for multithreaded programs",
// 1997.)
//
// A row that is read with Get in a View must have that of its own front among them, or that of
// ReadOptions.Within: the view waits for the durability of no other's commits, unless a Scan makes
// it wait for all.
type lockSets struct {
	mu   sync.Mutex
	rows map[uint64][]uint32 // by the hash of the key: the stripes, ascending
	// early are the views that have read a row for which they do not wait, unless they come to wait
	// foreverything.
	early map[*view]string
}

// wrote notes that a row is written by one who holds the latches of these stripes, ascending.
func (l *lockSets) wrote(key []byte, held []uint32) {
	if !invariants.Enabled {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = make(map[uint64][]uint32)
	}
	hash := xxhash.Sum64(key)
	before, known := l.rows[hash]
	if !known {
		l.rows[hash] = slices.Clone(held)
		return
	}
	if slices.Equal(before, held) {
		return
	}
	both := common(before, held)
	if len(both) == 0 {
		panic(fmt.Sprintf("pebblekv: row %x (%q) is written under the latches %v, and was written under %v: "+
			"they have none in common", key, key, held, before))
	}
	l.rows[hash] = both
}

// read looks at a row that a view has read. An update must hold a latch that all hold who write the
// row; any other view must wait for the commits under a latch that all hold.
func (l *lockSets) read(v *view, key []byte) {
	if !invariants.Enabled {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	writers, known := l.rows[xxhash.Sum64(key)]
	if !known {
		return
	}
	if v.latched {
		if len(common(writers, v.held)) == 0 {
			panic(fmt.Sprintf("pebblekv: row %x (%q) is read in an update under the latches %v, and was written under %v: "+
				"they have none in common", key, key, v.held, writers))
		}
		return
	}
	own := v.e.stripeOf(key)
	if !slices.Contains(writers, own) && (v.within < 0 || !slices.Contains(writers, uint32(v.within))) {
		if l.early == nil {
			l.early = make(map[*view]string)
		}
		l.early[v] = fmt.Sprintf("pebblekv: a view has read row %x (%q), which was written under the latches %v, and waits for "+
			"the commits under %d and %d only", key, key, writers, own, v.within)
	}
}

// viewed looks at a view that has read all that it reads, and is about to wait.
func (l *lockSets) viewed(v *view) {
	if !invariants.Enabled {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.early[v]
	delete(l.early, v)
	if text != "" && !v.everything {
		panic(text)
	}
}

// forget forgets all rows: a range of them was dropped, and what comes there next may lie under
// other latches.
func (l *lockSets) forget() {
	if !invariants.Enabled {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.rows)
}

// common are the numbers that are in both; both ascend.
func common(a, b []uint32) (both []uint32) {
	for _, n := range a {
		if _, found := slices.BinarySearch(b, n); found {
			both = append(both, n)
		}
	}
	return both
}
