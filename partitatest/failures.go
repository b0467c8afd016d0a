package partitatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/smithy-go/middleware"
)

// A request that is answered with an error leaves two traces. Where it is clear what has gone wrong
// (hints.go), the error that the SDK returns says it at the end of its text; the SDK's own error
// below it, with its type, code and message, is as it would be with AWS. And when the test fails,
// it says at its end which of its requests were answered with an error.

const (
	// maxFailures is how many different failures a database remembers.
	maxFailures = 20
	// maxMessage is how many bytes of an error's message are remembered.
	maxMessage = 500
	// maxRequest is how much of a request is kept until it is answered.
	maxRequest = 1 << 20
)

// failure is a request that was answered with an error.
type failure struct {
	operation     string   // Query
	tables        []string // that the request names, in its order
	code, message string
	hint          string // what may be wrong, or ""
}

// String is a failure in one line, or with a hint in two.
func (f failure) String() string {
	text := strings.Join(append([]string{f.operation}, f.tables...), " ") + ": " + f.code
	if f.message != "" {
		text += ": " + f.message
	}
	if f.hint != "" {
		text += "\n    " + f.hint
	}
	return text
}

// failures are the requests of a test that were answered with an error.
type failures struct {
	mu    sync.Mutex
	all   int
	texts []string // of the different ones
	times map[string]int
}

// add remembers a failure.
func (fs *failures) add(f failure) {
	text := f.String()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.all++
	switch {
	case fs.times[text] > 0:
	case len(fs.texts) == maxFailures:
		return
	case fs.times == nil:
		fs.times = map[string]int{}
		fallthrough
	default:
		fs.texts = append(fs.texts, text)
	}
	fs.times[text]++
}

// String tells of all failures, each in a line or two; it is empty if there was none.
func (fs *failures) String() string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.all == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("DynamoDB requests that were answered with an error:")
	told := 0
	for _, text := range fs.texts {
		b.WriteString("\n  " + text)
		if n := fs.times[text]; n > 1 {
			fmt.Fprintf(&b, "\n    (%d times)", n)
		}
		told += fs.times[text]
	}
	if left := fs.all - told; left > 0 {
		fmt.Fprintf(&b, "\n  … and %d more", left)
	}
	return b.String()
}

// report writes the failures, and the tables to dump, to the log of a test that has failed.
func (d *DB) report(t testing.TB) {
	t.Helper()
	if text := d.failures.String(); text != "" {
		t.Log(text)
	}
	if d.dumped != nil {
		d.Dump(t, d.dumped...)
	}
}

// Keys of values in the contexts of requests.
type (
	ownKey  struct{} // the request is ours: it is not one of the failures
	hintKey struct{} // *string, which takes the hint
)

// own is the context of requests that are the package's own, and not those of the code under test.
func own() context.Context { return context.WithValue(context.Background(), ownKey{}, true) }

// failed is transport.failed: it notes the failure and adds the hint.
func (d *DB) failed(r *http.Request, body []byte, w *answer) {
	f := failure{operation: r.Header.Get("X-Amz-Target")}
	_, f.operation, _ = strings.Cut(f.operation, ".")
	var said struct {
		Type    string `json:"__type"`
		Message string // or message: package json takes both
	}
	if json.Unmarshal(w.body, &said) != nil || said.Type == "" {
		return // no call: a page that does not exist, say
	}
	f.code = said.Type[strings.LastIndexByte(said.Type, '#')+1:]
	f.message = cut(said.Message, maxMessage)
	f.tables = tablesIn(body)
	f.hint = d.hint(f, body)
	if hint, ok := r.Context().Value(hintKey{}).(*string); ok {
		*hint = f.hint
	}
	if r.Context().Value(ownKey{}) == nil {
		d.failures.add(f)
	}
}

// cut is a text of at most so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// addHints is an option of the SDK's clients: their errors say what may be wrong.
func addHints(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("partitatest", withHint), middleware.Before)
}

// withHint is the middleware of addHints: it runs a call, and adds the hint to its error.
func withHint(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error) {
	var hint string
	out, metadata, err := next.HandleInitialize(context.WithValue(ctx, hintKey{}, &hint), in)
	if err == nil {
		return out, metadata, nil
	}
	if hint == "" {
		hint = inputFault(in.Parameters) // which may not have come to the transport
	}
	if hint != "" {
		err = &hinted{err, hint}
	}
	return out, metadata, err
}

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

// Error is the error's own text, and the hint behind it.
func (h *hinted) Error() string {
	return strings.TrimSpace(h.error.Error()) + " (partitatest: " + h.hint + ")"
}

// Unwrap returns the error.
func (h *hinted) Unwrap() error { return h.error }

// hintOf is the hint of an error, or "".
func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
