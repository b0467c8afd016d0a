package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// recoverPanic is deferred around a request: a panic is that request's InternalServerError, and
// nobody else's. If the answer has begun already, the connection is cut off, so that nobody takes
// half of it for the whole.
func (x *exchange) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	begun := x.status != 0
	x.logPanic(p)
	if begun {
		panic(http.ErrAbortHandler)
	}
	x.hangUp() // what is left of the body nobody knows
	x.w.Header()["Content-Type"] = typeAmzJSON
	x.send(http.StatusInternalServerError, internalError)
}

// logPanic logs a panic with its stack, and lets go of the buffers: whoever panicked may have left
// them with somebody. It passes http.ErrAbortHandler on, which is meant to end the connection.
func (x *exchange) logPanic(p any) {
	x.in, x.out, x.compressed = nil, nil, nil
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	x.h.log.Error("a request panicked", "target", x.call.Target, "request_id", x.id,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}
