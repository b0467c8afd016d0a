package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// recoverPanic is deferred around a request: a panic in it becomes its InternalServerError, and no
// other request is affected. If the answer has begun already, the connection is closed, so that the
// client does not take half an answer for a whole one.
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
	x.hangUp() // how much of the body is unread is not known
	x.w.Header()["Content-Type"] = typeAmzJSON
	x.send(http.StatusInternalServerError, internalError)
}

// logPanic logs a panic with its stack, and drops the buffers instead of pooling them: code that
// was interrupted may still refer to them. It panics again with http.ErrAbortHandler, whose purpose
// is to close the connection.
func (x *exchange) logPanic(p any) {
	x.in, x.out, x.compressed = nil, nil, nil
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	x.h.log.Error("a request panicked", "target", x.call.Target, "request_id", x.id,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}
