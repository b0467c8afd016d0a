package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// counts is what went otherwise than planned.
type counts struct {
	wrong     atomic.Int64 // answers that are errors, or not the right ones
	races     atomic.Int64 // conditions and transactions that others came before
	throttled atomic.Int64 // requests, or parts of batches, that the server wanted to have again later

	dropped  int // requests that were sent again, as the server had closed the connection; counted in the end
	readBack int // fields; counted in the end

	mu    sync.Mutex
	first []string // of the wrong ones
}

// How many errors are told one by one, and how many end a run.
const (
	fewErrors  = 5
	mostErrors = 1000
)

// A worker has one connection and does one operation after another.
type worker struct {
	*run
	c       *conn
	random  *rand.Rand
	answers int
	lost    bool // the last UpdateItem's condition did not hold
	walk    walk
	records []int64 // of a batch
	body    []byte  // of the request; the others are parts of it, and what was answered
	again   []byte
	value   []byte
	old     []byte
	tag     []byte
}

// newWorker returns the i-th worker of a run.
func (r *run) newWorker(i int) *worker {
	return &worker{run: r, c: r.dialer.connect(), random: rand.New(rand.NewPCG(r.Seed, uint64(i)))}
}

// work does operations until the run is stopped. The latency of an operation counts from when it
// was to begin: with a rate that is a moment of a schedule, from which the next free worker takes
// it.
func (w *worker) work() {
	defer w.c.close()
	for {
		began, ok := w.due()
		if !ok {
			return
		}
		if kind, ok := w.next(); ok {
			w.took(kind, began)
		}
	}
}

// due waits for the moment when the next operation is to begin, and returns it; false says that the
// run is over.
func (w *worker) due() (time.Time, bool) {
	if w.Rate == 0 {
		return time.Now(), !w.stopped.Load()
	}
	at := w.began.Add(time.Duration(float64(w.tickets.Add(1)-1) / w.Rate * float64(time.Second)))
	if wait := time.Until(at); wait > 0 && !sleep(wait, w.stop) {
		return at, false
	}
	return at, !w.stopped.Load()
}

// took counts an operation that is done now.
func (w *worker) took(k kind, began time.Time) { w.histograms[k].add(time.Since(began)) }

// call sends a request and returns the answer, which is good until the next call; nil says that it
// failed, which has been counted then. What the server wants to have later it gets later.
func (w *worker) call(target string, body []byte) []byte {
	for tries := 0; ; tries++ {
		status, answer, err := w.c.do(target, body)
		switch {
		case err != nil:
			w.wrong("%s: %v", target, err)
			w.pause(tries)
			return nil
		case status == 200:
			return answer
		case status == 400 && target == "UpdateItem" &&
			bytes.Contains(answer, []byte("ConditionalCheckFailedException")):
			w.counts.races.Add(1)
			w.lost = true
			return nil
		case status == 400 && tries < mostRaces && bytes.Contains(answer, []byte("TransactionConflict")):
			w.counts.races.Add(1)
		case status == 400 && tries < mostRaces && throttled(answer):
			w.counts.throttled.Add(1)
		default:
			w.wrong("%s: status %d: %s", target, status, clipped(answer))
			return nil
		}
		if !w.pause(tries) {
			return nil
		}
	}
}

// throttled tells whether an error says that the request should come later.
func throttled(answer []byte) bool {
	for _, code := range []string{"#ThrottlingException", "#ProvisionedThroughputExceededException", "#RequestLimitExceeded"} {
		if bytes.Contains(answer, []byte(code)) {
			return true
		}
	}
	return false
}

// pause waits a while that doubles with the tries, up to a second, and is never the same. It
// returns false if the run has ended.
func (w *worker) pause(tries int) bool {
	most := time.Millisecond << min(tries, 10)
	return sleep(most/2+time.Duration(w.random.Int64N(int64(most/2))), w.ended)
}

// sleep waits. It returns false if stop was closed meanwhile.
func sleep(d time.Duration, stop <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

// deep tells whether to look at all of this answer: at one of each 256.
func (w *worker) deep() bool {
	w.answers++
	return w.answers%w.DeepEvery == 0
}

// hold counts an error, if it is one, and returns whether it is none.
func (w *worker) hold(target string, err error) bool {
	return err == nil || w.wrong("%s: %v", target, err)
}

// wrong counts an error, and tells of the first ones. It returns false.
func (r *run) wrong(format string, args ...any) bool {
	select {
	case <-r.ended:
		return false // the connections have been closed under the workers
	default:
	}
	n := r.counts.wrong.Add(1)
	if n <= fewErrors {
		text := r.workload.Name + ": " + fmt.Sprintf(format, args...)
		r.counts.mu.Lock()
		r.counts.first = append(r.counts.first, text)
		r.counts.mu.Unlock()
		r.complain(text)
	}
	if n == mostErrors {
		r.end(fmt.Errorf("workload %s: %d errors", r.workload.Name, mostErrors))
	}
	return false
}

// clipped is the beginning of an answer.
func clipped(answer []byte) []byte { return answer[:min(len(answer), 300)] }
