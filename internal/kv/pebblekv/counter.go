package pebblekv

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/invariants"
	"github.com/partita-db/partita/internal/kv"
)

// A counter's value, and each operand merged into it, is a vector, ascending by section:
//
//	section uvarint · items zigzag varint · bytes zigzag varint · ...
//
// A commit merges one vector of differences for all sections of a counter: a row for each section
// would cost as much as all the rest of a write. A merge needs no read, so that commits under
// different latches can count on one counter.

// appendCounts appends the vector of counts, which are sorted, each section once.
func appendCounts(dst []byte, counts []kv.Count) []byte {
	for _, c := range counts {
		dst = binary.AppendUvarint(dst, uint64(c.Section))
		dst = binary.AppendVarint(dst, c.Items)
		dst = binary.AppendVarint(dst, c.Bytes)
	}
	return dst
}

// parseCounts appends a vector's counts to dst.
func parseCounts(dst []kv.Count, b []byte) ([]kv.Count, error) {
	for len(b) > 0 {
		section, n := binary.Uvarint(b)
		items, m := binary.Varint(b[max(n, 0):])
		if n <= 0 || m <= 0 || section > 1<<32-1 {
			return nil, fmt.Errorf("pebblekv: a counter's value is damaged: %x", b)
		}
		size, l := binary.Varint(b[n+m:])
		if l <= 0 {
			return nil, fmt.Errorf("pebblekv: a counter's value is damaged: %x", b)
		}
		dst = append(dst, kv.Count{Section: uint32(section), Items: items, Bytes: size})
		b = b[n+m+l:]
	}
	return dst, nil
}

// sumCounts sorts counts and adds up those of one section, in place. Sections that are zero are
// left out.
func sumCounts(counts []kv.Count) []kv.Count {
	slices.SortFunc(counts, func(a, b kv.Count) int { return cmp.Compare(a.Section, b.Section) })
	sum := counts[:0]
	for _, c := range counts {
		if n := len(sum); n > 0 && sum[n-1].Section == c.Section {
			sum[n-1].Items += c.Items
			sum[n-1].Bytes += c.Bytes
		} else {
			sum = append(sum, c)
		}
	}
	return slices.DeleteFunc(sum, func(c kv.Count) bool { return c.Items == 0 && c.Bytes == 0 })
}

// merger is Pebble's merge operator. Its name is written into every table file, so neither the name
// nor what it does can change.
var merger = &pebble.Merger{
	Name: "partita.counters.v1",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		m := &counterMerger{}
		return m, m.MergeNewer(value)
	},
}

// counterMerger adds up vectors, in any order.
type counterMerger struct{ counts []kv.Count }

// MergeNewer implements pebble.ValueMerger. Sums do not depend on the order.
func (m *counterMerger) MergeNewer(value []byte) (err error) {
	m.counts, err = parseCounts(m.counts, value)
	if len(m.counts) > 1024 {
		m.counts = sumCounts(m.counts) // so that a long row of operands takes little memory
	}
	return err
}

func (m *counterMerger) MergeOlder(value []byte) error { return m.MergeNewer(value) }

func (m *counterMerger) Finish(bool) ([]byte, io.Closer, error) {
	return appendCounts(nil, sumCounts(m.counts)), nil, nil
}

// counters is the copy in memory of all counters. Each is changed after its commit is visible, and
// so may lag behind a view by the commits that are between the two.
type counters struct {
	mu sync.RWMutex
	m  map[uint64]*counter
}

type counter struct {
	mu     sync.Mutex
	counts []kv.Count
}

// get returns the counter, which it makes if there is none.
func (cs *counters) get(id uint64) *counter {
	cs.mu.RLock()
	c := cs.m[id]
	cs.mu.RUnlock()
	if c != nil {
		return c
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c = cs.m[id]; c == nil {
		c = &counter{}
		cs.m[id] = c
	}
	return c
}

func (cs *counters) drop(id uint64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.m, id)
}

func (cs *counters) apply(p *pendingCounter) {
	if p.drop {
		cs.drop(p.id)
	}
	if len(p.deltas) == 0 {
		return
	}
	c := cs.get(p.id)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range p.deltas {
		i, found := slices.BinarySearchFunc(c.counts, d.Section, func(c kv.Count, s uint32) int {
			return cmp.Compare(c.Section, s)
		})
		if !found {
			c.counts = slices.Insert(c.counts, i, d)
			continue
		}
		if invariants.Enabled {
			mustHold(c.counts[i], p.id, d)
		}
		c.counts[i].Items += d.Items
		c.counts[i].Bytes += d.Bytes
	}
}

// mustHold panics if adding d makes a section negative that was not: more rows were taken off than
// were counted. A section that was negative before is left alone: the store was damaged, which
// package check reports.
func mustHold(n kv.Count, id uint64, d kv.Count) {
	if n.Items >= 0 && n.Items+d.Items < 0 || n.Bytes >= 0 && n.Bytes+d.Bytes < 0 {
		panic(fmt.Sprintf("pebblekv: section %d of counter %d is %d rows of %d bytes, and %d of %d are added",
			d.Section, id, n.Items, n.Bytes, d.Items, d.Bytes))
	}
}

// Counter implements kv.Engine.
func (e *Engine) Counter(id uint64) []kv.Count {
	e.counters.mu.RLock()
	c := e.counters.m[id]
	e.counters.mu.RUnlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.counts), func(c kv.Count) bool { return c.Items == 0 && c.Bytes == 0 })
}

// loadCounters reads all counters.
func (e *Engine) loadCounters() error {
	e.counters.m = make(map[uint64]*counter)
	start, end := []byte{kv.ReservedPrefix, kindCounter}, []byte{kv.ReservedPrefix, kindCounter + 1}
	v := &view{e: e, within: -1}
	err := v.scan(start, end, kv.Forward, func(key, value []byte) (bool, error) {
		counts, err := parseCounts(nil, value)
		e.counters.m[binary.BigEndian.Uint64(key[2:])] = &counter{counts: counts}
		return true, err
	})
	v.closeInto(&err)
	return err
}

// pendingCounter is what a txn does to a counter.
type pendingCounter struct {
	id     uint64
	drop   bool
	deltas []kv.Count
}

// pendingCounter returns the txn's change of a counter, which it makes if there is none.
func (tx *txn) pendingCounter(id uint64) *pendingCounter {
	for i := range tx.counters {
		if tx.counters[i].id == id {
			return &tx.counters[i]
		}
	}
	n := len(tx.counters)
	if n < cap(tx.counters) { // one of an earlier txn's, whose deltas can be used again
		tx.counters = tx.counters[:n+1]
		tx.counters[n].drop, tx.counters[n].deltas = false, tx.counters[n].deltas[:0]
	} else {
		tx.counters = append(tx.counters, pendingCounter{})
	}
	tx.counters[n].id = id
	return &tx.counters[n]
}

// Add implements kv.Txn.
func (tx *txn) Add(id uint64, deltas ...kv.Count) {
	p := tx.pendingCounter(id)
	p.deltas = append(p.deltas, deltas...)
}

// DropCounter implements kv.Txn.
func (tx *txn) DropCounter(id uint64) {
	p := tx.pendingCounter(id)
	p.drop, p.deltas = true, p.deltas[:0]
}

// addCounters adds the counters' changes to the batch, one merge for each.
func (tx *txn) addCounters() error {
	for i := range tx.counters {
		p := &tx.counters[i]
		p.deltas = sumCounts(p.deltas)
		if !p.drop && len(p.deltas) == 0 {
			continue
		}
		tx.needBatch()
		tx.scratch = appendCounterKey(tx.scratch[:0], p.id)
		n := len(tx.scratch)
		if p.drop {
			if err := tx.batch.Delete(tx.scratch, nil); err != nil {
				return err
			}
		}
		if len(p.deltas) == 0 {
			continue
		}
		tx.scratch = appendCounts(tx.scratch, p.deltas)
		if err := tx.batch.Merge(tx.scratch[:n], tx.scratch[n:], nil); err != nil {
			return err
		}
	}
	return nil
}
