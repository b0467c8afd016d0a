package server

import (
	"net/http"
	"sync/atomic"

	"github.com/partita-db/partita/internal/exception"
)

// requestLimit limits how many calls run at a time. There is no queue: it would add latency when
// the server is overloaded, while clients time out and retry. Reading a body and sending an answer
// do not count, so slow clients cannot use the limit up; the budget limits their memory, and
// package listen their connections.
type requestLimit struct {
	limit   int64
	running atomic.Int64
}

// acquire tells whether one more call may run. If so, the caller must call release after it.
func (l *requestLimit) acquire() bool {
	if l.running.Add(1) <= l.limit {
		return true
	}
	l.release()
	return false
}

// release ends a call.
func (l *requestLimit) release() { l.running.Add(-1) }

// defaultMaxRequests is Options.MaxRequests for 0.
const defaultMaxRequests = 4096

// tooManyRequests answers a call over the limit. The SDKs would retry a 503 as well, but sooner:
// after a throttled call boto3, the JavaScript SDK and the Go SDK wait longer, those in adaptive
// mode send less from then on, and it costs less of the Go SDK's retry quota.
var tooManyRequests = exception.Of("ThrottlingException").
	Body("There are too many requests in progress. Please try again shortly.")

// How long a client should wait: Retry-After is in seconds (RFC 9110, section 10.2.3), the AWS SDKs
// read X-Amz-Retry-After in milliseconds.
var (
	retrySeconds      = []string{"1"}
	retryMilliseconds = []string{"1000"}
)

// tooMany sets the header of the answer to a call over the limit, and returns status and body.
func (x *exchange) tooMany() (status int, body []byte) {
	header := x.w.Header()
	header["Retry-After"] = retrySeconds
	header["X-Amz-Retry-After"] = retryMilliseconds
	return http.StatusBadRequest, tooManyRequests
}
