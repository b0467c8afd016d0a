package server

import (
	"bytes"
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/api"
)

// timed tells whether durations are needed beyond the debug log. Without, no clock is read.
func (h *Handler) timed() bool { return h.metrics != nil || h.slow > 0 }

// Buffers returns, in bytes, how much of Options.BufferBytes is in use, and that limit.
func (h *Handler) Buffers() (used, limit int64) {
	return h.bufferBytes - h.budget.left.Load(), h.bufferBytes
}

// logRequest counts and logs an exchange that is over, if it was a call.
func (x *exchange) logRequest() {
	h, took := x.h, time.Since(x.began)
	if h.metrics != nil {
		h.metrics.InFlight.Add(-1)
	}
	if x.logged {
		x.logDebug(took)
	}
	if x.call.Target == "" && x.status == http.StatusOK {
		return // health or a CORS preflight
	}
	x.noteOperation()
	if h.metrics != nil {
		h.metrics.Operations[x.call.Report.Operation].Done(x.code(), took, len(x.in), x.sent)
	}
	if h.slow > 0 && took >= h.slow {
		x.logSlow(took)
	}
}

// noteOperation notes the operation of a call that was rejected before Serve, which notes its own.
func (x *exchange) noteOperation() {
	if r := &x.call.Report; r.Operation == 0 {
		r.Operation = api.OperationNumber(x.call.Target)
	}
}

// code is the code of the error that was answered, empty for none.
func (x *exchange) code() string {
	if c := x.call.Report.Code; c != "" || x.status == http.StatusOK {
		return c
	}
	return codeOfStatus(x.status)
}

// codeOfStatus is the code, for metrics and log, of an answer whose body has none.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusNotFound:
		return "UnknownOperationException"
	case http.StatusRequestEntityTooLarge:
		return "RequestEntityTooLarge"
	}
	return "Other"
}

// noteCode notes the code in the body of an answer that did not come from Serve.
func (x *exchange) noteCode(body []byte) {
	_, rest, found := bytes.Cut(body, []byte("#"))
	if code, _, ended := bytes.Cut(rest, []byte(`"`)); found && ended && len(code) <= 64 {
		x.call.Report.Code = string(code)
		x.noteMessage(body)
	}
}

// operation is the name of the call's operation, "Unknown" for one that does not exist: it becomes
// part of keys that must be few.
func (x *exchange) operation() string {
	if n := x.call.Report.Operation; n > 0 {
		return api.OperationName(x.call.Target)
	}
	return "Unknown"
}

// logSlow logs a slow request: what may explain it, and no values of items.
func (x *exchange) logSlow(took time.Duration) {
	h := x.h
	if h.metrics != nil {
		h.metrics.SlowRequests.Add(1)
	}
	left, ok := h.slowLog.admit(time.Now())
	if !ok {
		return
	}
	r := &x.call.Report
	attrs := append(make([]slog.Attr, 0, 20),
		slog.String("operation", x.operation()), slog.Duration("took", took), slog.String("table", r.Table))
	if r.Tables > 1 {
		attrs = append(attrs, slog.Int("tables", r.Tables))
	}
	if r.Index != "" {
		attrs = append(attrs, slog.String("index", r.Index))
	}
	if r.Condition != "" {
		attrs = append(attrs, slog.String("key_condition", r.Condition))
	}
	attrs = append(attrs, slog.Int("items_read", r.Read), slog.Int("items_returned", r.Returned),
		slog.Int("bytes_in", len(x.in)), slog.Int("bytes_out", x.sent), slog.Int("status", x.status))
	if code := x.code(); code != "" {
		attrs = append(attrs, slog.String("code", code))
	}
	attrs = append(attrs, x.accessKey(), slog.String("request_id", x.id))
	if left > 0 {
		attrs = append(attrs, slog.Int("left_out", left))
	}
	h.log.LogAttrs(x.r.Context(), slog.LevelWarn, "a slow request", attrs...)
}

// maxDebugMessage is how many bytes of an error's message the debug log has: a message can quote a
// whole request.
const maxDebugMessage = 4 << 10

// logDebug logs a request at debug level. An error's message is as the client got it: unlike the
// other lines this one may contain values of items.
func (x *exchange) logDebug(took time.Duration) {
	r := &x.call.Report
	message := r.Message
	if len(message) > maxDebugMessage {
		message = strings.ToValidUTF8(message[:maxDebugMessage], "") + "…"
	}
	x.h.log.LogAttrs(x.r.Context(), slog.LevelDebug, "request",
		slog.String("operation", api.OperationName(x.call.Target)), slog.Int("status", x.status),
		slog.String("code", x.code()), slog.String("message", message), slog.String("reason", cmp.Or(r.Reason, x.why)),
		slog.String("table", r.TableName()), slog.String("index", r.Index), slog.String("key_condition", r.Condition),
		slog.Int("items_read", r.Read), slog.Int("items_returned", r.Returned),
		slog.Float64("read_units", r.ReadUnits), slog.Float64("write_units", r.WriteUnits),
		slog.Duration("took", took), slog.Int("bytes_in", len(x.in)), slog.Int("bytes_out", x.sent),
		slog.String("method", x.r.Method), slog.String("client", x.r.RemoteAddr), x.accessKey(),
		slog.String("request_id", x.id))
}

// accessKey is the attribute with the id of the access key that signed the request; the zero
// attribute, which is not logged, without authentication.
func (x *exchange) accessKey() slog.Attr {
	if x.call.Principal == nil {
		return slog.Attr{}
	}
	return slog.String("access_key", x.call.Principal.AccessKeyID)
}

// slowLines is how many slow requests are logged in a second at most.
const slowLines = 10

// slowLog limits the lines about slow requests: when the disk stalls, all requests are slow.
type slowLog struct {
	mu     sync.Mutex
	second int64
	lines  int // in that second
	left   int // that are left out since the last one
}

// admit tells whether a line may be logged now, and how many were left out before it.
func (l *slowLog) admit(now time.Time) (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines == slowLines {
		l.left++
		return 0, false
	}
	l.lines++
	left, l.left = l.left, 0
	return left, true
}
