// Package metrics counts what requests and background work do, for monitoring. It
// keeps figures in memory, at a few nanoseconds each, and knows no format to show them in: package
// admin does.
//
// What counts often holds what it counts on: an operation is an element of an array, a table has
// its figures in itself. Nothing is looked up by name while a request runs, but the code of an
// error.
package metrics

import (
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/exception"
)

// Metrics are the figures of one database and its server.
type Metrics struct {
	// Operations are the operations by the numbers that New's caller has given them; 0 stands for
	// all that there are not.
	Operations []Operation
	// InFlight is how many requests are being answered.
	InFlight atomic.Int64

	Sweeps        Histogram
	SweepFailures atomic.Uint64
	// JobFailures are attempts of background jobs that are tried again.
	JobFailures atomic.Uint64
	// SlowRequests are those that took longer than the log's threshold, whether or not the log has
	// them.
	SlowRequests atomic.Uint64

	tables tables
}

// New returns the figures of a server with operations of these names.
func New(operations []string) *Metrics {
	m := &Metrics{Operations: make([]Operation, 1+len(operations))}
	for i := range m.Operations {
		m.Operations[i].Codes = make([]atomic.Uint64, len(codes))
	}
	m.Operations[0].Name = "Unknown"
	m.tables.shared.Shared, m.tables.other.Shared = true, true
	for i, name := range operations {
		m.Operations[1+i].Name = name
	}
	return m
}

// Operation is the requests of one operation.
type Operation struct {
	Name              string
	Codes             []atomic.Uint64 // requests by the number of their code
	Took              Histogram
	BytesIn, BytesOut atomic.Uint64 // of bodies, decompressed and as sent
}

// Done counts a request that was answered with an error of that code, or without one.
func (o *Operation) Done(code string, took time.Duration, in, out int) {
	o.Codes[codeOf(code)].Add(1)
	o.Took.Observe(took)
	o.BytesIn.Add(uint64(in))
	o.BytesOut.Add(uint64(out))
}

// codes are the codes that requests are counted by. The first stands for no error, the last for all
// others, of which there should be none.
var codes = func() []string {
	all := []string{"OK"}
	for _, e := range exception.All() {
		all = append(all, e.Code)
	}
	return append(all, "RequestEntityTooLarge", "Forbidden", "Other") // of answers that are no exceptions
}()

// codeNumbers are the numbers of the codes.
var codeNumbers = func() map[string]int {
	m := make(map[string]int, len(codes))
	for i, code := range codes {
		m[code] = i
	}
	return m
}()

// codeOf is the number of a code; empty is OK.
func codeOf(code string) int {
	if code == "" {
		return 0
	}
	if n, known := codeNumbers[code]; known {
		return n
	}
	return len(codes) - 1
}

// Code is the code with the number.
func Code(n int) string { return codes[n] }

// Bounds are the upper bounds of a Histogram's buckets.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations by how long they are. The zero one is empty.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts one.
func (h *Histogram) Observe(took time.Duration) {
	i := 0
	for i < len(Bounds) && took > Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(took))
}

// Read returns how many durations were at most as long as each of Bounds, in seconds, how many
// there were at all, and how many seconds they took together.
func (h *Histogram) Read() (buckets map[float64]uint64, count uint64, sum float64) {
	buckets = make(map[float64]uint64, len(Bounds))
	for i := range Bounds {
		count += h.buckets[i].Load()
		buckets[Bounds[i].Seconds()] = count
	}
	return buckets, count + h.buckets[len(Bounds)].Load(), time.Duration(h.sum.Load()).Seconds()
}
