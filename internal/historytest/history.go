// Package historytest records the requests of concurrent clients with their answers, and checks by
// porcupine whether they could have been executed one after the other, each between its call and
// its answer: linearizability of single items, and strict serializability of transactions.
//
// A Load is a number of clients that send random requests through the AWS SDK to a few items. The
// database may be killed and restarted meanwhile: a request without an answer was executed before
// that, or never. A Load does not repeat requests, except transactions with a token, which it sends
// again until they are answered, and which must then have been executed once.
package historytest

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// History is the requests of clients with their answers. It is safe for concurrent use.
type History struct {
	began time.Time

	mu   sync.Mutex
	done []porcupine.Operation
	open []porcupine.Operation // unanswered, and not known to be over
}

// NewHistory returns an empty history. Its times count from now.
func NewHistory() *History { return &History{began: time.Now()} }

// Now is the time since NewHistory, in nanoseconds.
func (h *History) Now() int64 { return int64(time.Since(h.began)) }

// Add notes a request of a client that was sent at made, by Now, and has just been answered.
func (h *History) Add(client int, made int64, q Request, a Answer) {
	now := h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, porcupine.Operation{ClientId: client, Call: made, Input: q, Output: a, Return: now})
}

// AddUnanswered notes a request without an answer, which may still be executed until Settle.
func (h *History) AddUnanswered(client int, made int64, q Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, porcupine.Operation{ClientId: client, Call: made, Input: q, Output: Answer{Unknown: true}})
}

// Settle notes that the server has ended: requests without an answer were executed before now, or
// never.
func (h *History) Settle() {
	now := h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.open {
		o.Return = now
		h.done = append(h.done, o)
	}
	h.open = nil
}

// Len is the number of requests.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.done) + len(h.open)
}

// patience is how long the search for an order may take. It takes seconds for tens of thousands of
// requests, but is exponential in the number of concurrent ones.
const patience = 2 * time.Minute

// Check fails the test unless the requests could have been executed one after the other. It looks
// at all of them together, as transactions require.
func (h *History) Check(t testing.TB) {
	t.Helper()
	h.Settle()
	check(t, Model(), h.done)
}

// CheckItems is Check for each item alone, which takes much less time. It is for a history without
// transactions.
func (h *History) CheckItems(t testing.TB) {
	t.Helper()
	h.Settle()
	m := Model()
	m.Partition = byItem
	check(t, m, h.done)
}

// Finds tells whether CheckItems, or else Check, would fail: for tests that it can. A search that
// does not end in time finds nothing.
func (h *History) Finds(items bool) bool {
	h.Settle()
	m := Model()
	if items {
		m.Partition = byItem
	}
	return porcupine.CheckOperationsTimeout(m, h.done, patience) == porcupine.Illegal
}

// check runs porcupine. What it finds is drawn into a file.
func check(t testing.TB, m porcupine.Model, history []porcupine.Operation) {
	t.Helper()
	began := time.Now()
	if porcupine.CheckOperationsTimeout(m, history, patience) == porcupine.Ok {
		t.Logf("%s, checked in %v", summary(history), time.Since(began).Round(time.Millisecond))
		return
	}
	result, info := porcupine.CheckOperationsVerbose(m, history, patience) // slower, but it can be drawn
	f, err := os.CreateTemp("", "partita-history-*.html")
	if err == nil {
		err = porcupine.Visualize(m, info, f)
		f.Close()
	}
	if err != nil {
		t.Errorf("a history of %d requests is %s, and cannot be drawn: %v", len(history), result, err)
		return
	}
	t.Errorf("a history of %d requests is %s: see %s", len(history), result, f.Name())
}

// summary says what a history has of what is hard to hold.
func summary(history []porcupine.Operation) string {
	var cancelled, conflicts, unanswered int
	for _, o := range history {
		switch a := o.Output.(Answer); {
		case a.Unknown:
			unanswered++
		case a.Conflict:
			conflicts++
		case a.Cancelled:
			cancelled++
		}
	}
	return fmt.Sprintf("%d requests, of which %d failed a condition, %d met a conflict, %d were not answered",
		len(history), cancelled, conflicts, unanswered)
}

// byItem takes requests apart into their actions, and sorts those by their items.
func byItem(history []porcupine.Operation) [][]porcupine.Operation {
	items := make([][]porcupine.Operation, Width)
	for _, o := range history {
		q, a := o.Input.(Request), o.Output.(Answer)
		for i, action := range q.Actions {
			one, answer := q, a
			one.Actions = []Action{action}
			if !a.Unknown && !a.Conflict {
				answer.Results = a.Results[i : i+1]
				answer.Conflict = a.Cancelled && !a.Results[i].Failed // cancelled because of another item
				answer.Cancelled = a.Results[i].Failed
			}
			o.Input, o.Output = one, answer
			items[action.Key] = append(items[action.Key], o)
		}
	}
	return items
}
