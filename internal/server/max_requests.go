package server

import (
	"net/http"
	"sync/atomic"

	"github.com/partita-db/partita/internal/exception"
)

// requestLimit lets so many calls run at a time, and keeps nobody waiting: a queue would only hide
// that there are too many. Bodies that come slowly and answers that go slowly are not calls; their
// memory is bounded by the budget, their number by that of the connections.
type requestLimit struct {
	limit   int64
	running atomic.Int64
}

// acquire tells whether one more call may run. If so, leave ends it.
func (l *requestLimit) acquire() bool {
	if l.running.Add(1) <= l.limit {
		return true
	}
	l.release()
	return false
}

// release ends a call.
func (l *requestLimit) release() { l.running.Add(-1) }

// defaultMaxRequests is Options.MaxRequests where nothing is said.
const defaultMaxRequests = 4096

// tooManyRequests is what a call is answered that finds the limit reached. A 503 would be sent
// again by the SDKs as well, but sooner: for a throttled call boto3, the JavaScript SDK and the Go
// SDK wait longer, those in adaptive mode send less from then on, and it costs less of the Go SDK's
// allowance for retries.
var tooManyRequests = exception.Of("ThrottlingException").
	Body("There are too many requests in progress. Please try again shortly.")

// How long a client should wait: for everybody in seconds, and as the SDKs of AWS read it in
// milliseconds.
var (
	retrySeconds      = []string{"1"}
	retryMilliseconds = []string{"1000"}
)

// tooMany sets the header of an answer to a call that did not run because there were too many, and
// returns the rest.
func (x *exchange) tooMany() (status int, body []byte) {
	header := x.w.Header()
	header["Retry-After"] = retrySeconds
	header["X-Amz-Retry-After"] = retryMilliseconds
	return http.StatusBadRequest, tooManyRequests
}
