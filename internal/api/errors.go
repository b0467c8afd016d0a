package api

import (
	"cmp"
	"fmt"

	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/item"
)

// Error is an answer that is an error, as DynamoDB words it.
type Error struct {
	Code    string // the exception's name, without namespace
	Message string
	Status  int       // HTTP status; fill sets it
	Item    item.Item // ConditionalCheckFailedException: the item that failed the condition, if it was asked for
	Reasons []Reason  // TransactionCanceledException: one for each action
	bare    bool      // without a message member at all
}

// Reason is what one action had to do with a transaction's being cancelled. The zero Reason is None.
type Reason struct {
	Code, Message string
	Item          item.Item // ConditionalCheckFailed: the item that failed the condition, if it was asked for
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// mistake is the message of the first reason of a cancelled transaction that is a mistake in the
// request, empty for none.
func (e *Error) mistake() string {
	for i := range e.Reasons {
		if e.Reasons[i].Code == "ValidationError" {
			return e.Reasons[i].Message
		}
	}
	return ""
}

// newError returns an error with the code and the message.
func newError(code, message string) *Error { return (&Error{Code: code, Message: message}).fill() }

// fill sets what follows from the code.
func (e *Error) fill() *Error {
	if e.Status == 0 {
		e.Status = exception.Of(e.Code).Status
	}
	return e
}

// The fixed errors.
var (
	errUnknownOperation = (&Error{Code: "UnknownOperationException", bare: true}).fill()
	errSyntax           = (&Error{Code: "SerializationException", bare: true}).fill()
	// errNotFound is the data plane's.
	errNotFound = newError("ResourceNotFoundException", "Requested resource not found")
)

// validation returns a ValidationException.
func validation(message string) *Error {
	return newError("ValidationException", message)
}

// validationf returns a ValidationException with a formatted message.
func validationf(format string, args ...any) *Error { return validation(fmt.Sprintf(format, args...)) }

// invalid is the beginning of many of DynamoDB's messages.
const invalid = "One or more parameter values were invalid: "

// wrapped is err as PutItem and UpdateItem show some of their errors.
func wrapped(message string) *Error { return validation("1 validation error detected: " + message) }

// limitExceeded returns a LimitExceededException.
func limitExceeded(message string) *Error {
	return newError("LimitExceededException", message)
}

// subscriberLimit begins most messages of LimitExceededException.
const subscriberLimit = "Subscriber limit exceeded: "

// appendError appends the error's body to the answer. The items in it take their room as those of
// any answer do: the error is then errNoRoom.
func (w *writer) appendError(e *Error) error {
	form := exception.Of(e.Code)
	w.beginObject()
	w.stringMember("__type", form.Namespace+e.Code)
	if e.Reasons != nil {
		w.name("CancellationReasons")
		if err := w.appendReasons(e.Reasons); err != nil {
			return err
		}
	}
	if !e.bare {
		w.stringMember(form.MessageKey, e.Message)
	}
	if e.Item.Exists() {
		if err := w.appendFailed(e.Item); err != nil {
			return err
		}
	}
	w.endObject()
	return nil
}

// fail puts an error in the place of what has been written from n on. It returns the error that was
// written: errNoRoom if there is no room for the items in it.
func (w *writer) fail(e *Error, n int) *Error {
	w.truncate(n)
	if w.appendError(e) != nil {
		e = errNoRoom
		w.truncate(n)
		_ = w.appendError(e) // has no items
	}
	return e
}

// maxReasonsBytes is where CancellationReasons stop to show items, as pages of results end: a
// hundred items of 400 KB are more than an answer should have. The limit is ours.
const maxReasonsBytes = 16 << 20

// appendReasons appends CancellationReasons, with the members in the order of recorded answers.
func (w *writer) appendReasons(reasons []Reason) error {
	begin := w.length()
	w.beginList()
	for _, r := range reasons {
		w.element()
		w.beginObject()
		w.stringMember("Code", r.code())
		if r.Item.Exists() && w.length()-begin < maxReasonsBytes {
			if err := w.appendFailed(r.Item); err != nil {
				return err
			}
		}
		if r.Code != "" {
			w.stringMember("Message", r.Message)
		}
		w.endObject()
	}
	w.endList()
	return nil
}

// appendFailed appends the member with an item that failed a condition.
func (w *writer) appendFailed(it item.Item) error {
	return w.encode(it.Size(), func() {
		w.name("Item")
		w.item(it)
	})
}

// code is the Code, None for an action without a problem.
func (r Reason) code() string { return cmp.Or(r.Code, "None") }
