// Package historytest records what concurrent clients ask of a database and are answered, and lets
// porcupine find out whether there is an order in which one request after the other would have had
// these answers, none before its call or after its answer: linearizability of single items, and of
// transactions strict serializability.
//
// A Load is a number of clients that send random requests through the AWS SDK to a few items. The
// database may die under them and come back: what was not answered then has happened, or has not,
// before it died. A Load does not repeat requests, except transactions with a token, which it sends
// again until they are answered, and which must then have happened once.
package historytest

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// History is what clients have asked and were answered.
type History struct {
	began time.Time

	mu   sync.Mutex
	done []porcupine.Operation
	open []porcupine.Operation // unanswered, and not known to be over
}

// NewHistory returns an empty history, which begins now.
func NewHistory() *History { return &History{began: time.Now()} }

// Now is the time since the history's beginning.
func (h *History) Now() int64 { return int64(time.Since(h.began)) }

// Add notes a request of a client that was made at a time and has just been answered.
func (h *History) Add(client int, made int64, q Request, a Answer) {
	now := h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, porcupine.Operation{ClientId: client, Call: made, Input: q, Output: a, Return: now})
}

// AddUnanswered notes a request that was not answered, and may still go on.
func (h *History) AddUnanswered(client int, made int64, q Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, porcupine.Operation{ClientId: client, Call: made, Input: q, Output: Answer{Unknown: true}})
}

// Settle says that the server is gone: whatever was not answered has happened before now, or never.
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

// patience is how long the search for an order may take. It takes seconds for histories of ten
// thousands of requests.
const patience = 2 * time.Minute

// Check fails the test unless the history could be that of a database that takes one request after
// the other. All requests are looked at together, so that transactions are seen whole.
func (h *History) Check(t testing.TB) {
	t.Helper()
	h.Settle()
	check(t, Model(), h.done)
}

// CheckItems does so item by item, for a history of requests that promise nothing about several
// items.
func (h *History) CheckItems(t testing.TB) {
	t.Helper()
	h.Settle()
	m := Model()
	m.Partition = byItem
	check(t, m, h.done)
}

// Finds tells whether CheckItems, or Check, finds that there is no order. Not to find one in time
// is no finding.
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
