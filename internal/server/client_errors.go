package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/exception"
)

// clientErrors is what the log has of requests that were answered with an error, so that it
// reports each kind once in a while only.
type clientErrors struct {
	client, signature recent
	unknown           recent        // operations that are none of DynamoDB's
	missing           []atomic.Bool // by Report.Operation: those that are not implemented and were asked for
}

// logClientError logs why a request was answered with an error. Errors that are the server's own
// are logged where they arise.
//
// Each kind of client error is logged at level INFO once a minute: operation, code, table, and the
// message without values that the client supplied (api.Report.Cut), which may be personal data. A
// table that does not exist is logged, since a wrong name is the most frequent mistake, although a
// program that waits for a table gets it, too. Errors that correct programs get (see ordinary) are
// logged at debug level only, as every request is.
func (x *exchange) logClientError() {
	h, code := x.h, x.code()
	x.noteOperation()
	switch {
	case x.reported || x.status == http.StatusOK && x.call.Report.Inner == "":
	case exception.Of(code).Signature:
		x.logSignature(code)
	case x.call.Report.Code == "UnknownOperationException":
		x.logUnknown()
	case (x.status < 500 || x.why != "") && h.log.Enabled(x.r.Context(), slog.LevelInfo):
		x.logOperationError(code)
	}
}

// logOperationError logs a client error, unless it is an ordinary one. Operation and code are the
// group, which a client cannot multiply; the texts that it can are the kind.
func (x *exchange) logOperationError(code string) {
	r := &x.call.Report
	message, reason := r.Message, r.Reason
	if r.Inner != "" { // a statement of a batch that was answered
		code, message, reason = r.Inner, reason, ""
	}
	if ordinary(code) || code == "TransactionCanceledException" && reason == "" {
		return
	}
	message, reason = r.Cut(message), r.Cut(reason)
	operation, table := x.operation(), printable(r.TableName())
	group, kind := operation+"\n"+code, message+"\n"+reason+"\n"+x.why+"\n"+table
	left, ok := x.h.clientErrors.client.admit(group, kind, time.Now())
	if !ok {
		return
	}
	attrs := append(make([]slog.Attr, 0, 12), slog.String("operation", operation), slog.String("code", code))
	for _, a := range [...]struct{ name, value string }{
		{"message", message}, {"reason", reason}, {"why", x.why},
		{"table", table}, {"index", r.Index},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	x.logLine(slog.LevelInfo, "a client error", left, attrs)
}

// maxExplained is the longest body that is parsed a second time to find where it is not JSON.
const maxExplained = 1 << 20

// explain sets x.why for a body that is not JSON: AWS's answer has no message then.
func (x *exchange) explain() {
	r := &x.call.Report
	if r.Code == "SerializationException" && r.Message == "" && x.why == "" &&
		x.h.log.Enabled(x.r.Context(), slog.LevelInfo) {
		x.why = whyMalformed(x.in)
	}
}

// whyMalformed tells at which byte a body stops being JSON, without quoting it.
func whyMalformed(body []byte) string {
	if len(body) > maxExplained {
		return ""
	}
	var whole json.RawMessage
	if fault := (*json.SyntaxError)(nil); errors.As(json.Unmarshal(body, &whole), &fault) {
		return fmt.Sprintf("the body is not JSON, from byte %d of %d on", fault.Offset, len(body))
	}
	return "the body is not one JSON object"
}

// ordinary tells whether correct programs get the code: for conditions, conflicts with other
// requests, throttling, and readers of a stream whose records have been trimmed.
func ordinary(code string) bool {
	name := strings.TrimSuffix(strings.TrimSuffix(code, "Exception"), "Error") // statements have codes without
	return exception.Of(code).Ordinary || exception.Of(name+"Exception").Ordinary
}

// logSignature warns of a request that was refused for its signature: of each access key and code
// once a minute.
func (x *exchange) logSignature(code string) {
	key := printable(x.claimedKey())
	left, ok := x.h.clientErrors.signature.admit(code, key, time.Now())
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("code", code), slog.String("claimed_access_key", key),
		slog.String("reason", x.call.Report.Cut(x.call.Report.Message)), slog.String("operation", x.operation()),
	}
	if code == "UnrecognizedClientException" {
		attrs = append(attrs, slog.String("why", x.whyUnrecognized()))
	}
	x.logLine(slog.LevelWarn, "a request was refused for its signature", left, attrs)
}

// whyUnrecognized distinguishes for the operator what UnrecognizedClientException does not: an
// access key that does not exist, and a session token that is missing, wrong or superfluous. The
// client is not told: that would show which access keys exist.
func (x *exchange) whyUnrecognized() string {
	switch c, known := x.h.credentials.Lookup(x.who.AccessKey); {
	case !known:
		return "there is no such access key"
	case !c.HasToken():
		return "the request has a session token, and the access key has none"
	case x.sig.Token == "":
		return "the access key requires its session token"
	}
	return "the session token is not that of the access key"
}

// claimedKey is the access key id in the request's signature, empty if there is none. If it is
// neither known nor of the form of an id it may be the secret, given in place of the id by mistake:
// then it is cut to its beginning, as the log must not contain secrets.
func (x *exchange) claimedKey() string {
	credential := x.sig.Credential
	if credential == "" { // the signature could not be read
		_, rest, _ := strings.Cut(one(x.r.Header, "Authorization"), "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
	}
	key, _, _ := strings.Cut(credential, "/")
	known := false
	if x.h.credentials != nil {
		_, known = x.h.credentials.Lookup(key)
	}
	if len(key) > keyBeginning && !known && !keyForm.MatchString(key) {
		return strings.ToValidUTF8(key[:keyBeginning], "") + "…"
	}
	return key
}

// keyBeginning is how much is shown of what may be no access key id.
const keyBeginning = 4

// keyForm matches the access key ids that AWS and this program make.
var keyForm = regexp.MustCompile(`^[A-Z0-9]{4,32}$`)

// logUnknown warns of an operation that is not implemented, since AWS's answer does not name it:
// once for each of DynamoDB's, and once a minute for each other one.
func (x *exchange) logUnknown() {
	operation := printable(api.OperationName(x.call.Target))
	if n := x.call.Report.Operation; n > 0 {
		if !x.h.clientErrors.missing[n].Swap(true) {
			x.logLine(slog.LevelWarn, "an operation that is not implemented", 0,
				[]slog.Attr{slog.String("operation", operation)})
		}
		return
	}
	target := printable(x.call.Target)
	left, ok := x.h.clientErrors.unknown.admit("", target, time.Now())
	switch {
	case !ok:
	case target == "":
		x.logLine(slog.LevelWarn, "a request without an operation", left,
			[]slog.Attr{slog.String("operation", "Unknown"), slog.String("why", "it has no X-Amz-Target")})
	default:
		x.logLine(slog.LevelWarn, "an operation that DynamoDB does not have", left,
			[]slog.Attr{slog.String("operation", "Unknown"), slog.String("target", target)})
	}
}

// logLine logs a line with the attributes that all lines about a client have: address, access key,
// request id, and how many lines of the kind were left out before it.
func (x *exchange) logLine(level slog.Level, text string, left int, attrs []slog.Attr) {
	attrs = append(attrs, slog.String("client", x.r.RemoteAddr))
	if x.call.Principal != nil {
		attrs = append(attrs, x.accessKey())
	}
	attrs = append(attrs, slog.String("request_id", x.id))
	if left > 0 {
		attrs = append(attrs, slog.Int("left_out", left))
	}
	x.h.log.LogAttrs(x.r.Context(), level, text, attrs...)
}

// maxPrintable is how many characters of a text that the client chose are logged.
const maxPrintable = 128

// printable makes a text that the client chose safe to log: short, and without characters that
// could forge a line of the log or control a terminal.
func printable(s string) string {
	s = s[:min(len(s), 4*maxPrintable)]
	out, n := make([]rune, 0, min(len(s), maxPrintable)), 0
	for _, r := range s {
		if n++; n > maxPrintable {
			break
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

// noteMessage notes, for the log, the message in the body of an answer that did not come from
// Serve.
func (x *exchange) noteMessage(body []byte) {
	var answer struct{ Message string } // in any case
	if json.Unmarshal(body, &answer) == nil {
		x.call.Report.Message = answer.Message
	}
}
