package wire

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

// Reason is what one action had to do with a transaction's being cancelled. The zero Reason is
// None.
type Reason struct {
	Code, Message string
	Item          item.Item // ConditionalCheckFailed: the item that failed the condition, if it was asked for
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Mistake is the message of the first reason of a cancelled transaction that is a mistake in the
// request, empty for none.
func (e *Error) Mistake() string {
	for i := range e.Reasons {
		if e.Reasons[i].Code == "ValidationError" {
			return e.Reasons[i].Message
		}
	}
	return ""
}

// NewError returns an error with the code and the message.
func NewError(code, message string) *Error { return (&Error{Code: code, Message: message}).Fill() }

// Fill sets what follows from the code.
func (e *Error) Fill() *Error {
	if e.Status == 0 {
		e.Status = exception.Of(e.Code).Status
	}
	return e
}

// The fixed errors.
var (
	ErrUnknownOperation = (&Error{Code: "UnknownOperationException", bare: true}).Fill()
	ErrSyntax           = (&Error{Code: "SerializationException", bare: true}).Fill()
	// ErrNotFound is the data plane's.
	ErrNotFound = NewError("ResourceNotFoundException", "Requested resource not found")
)

// Validation returns a ValidationException.
func Validation(message string) *Error {
	return NewError("ValidationException", message)
}

// Validationf returns a ValidationException with a formatted message.
func Validationf(format string, args ...any) *Error { return Validation(fmt.Sprintf(format, args...)) }

// Invalid is the beginning of many of DynamoDB's messages.
const Invalid = "One or more parameter values were invalid: "

// Wrapped is err as PutItem and UpdateItem show some of their errors.
func Wrapped(message string) *Error { return Validation("1 validation error detected: " + message) }

// LimitExceeded returns a LimitExceededException.
func LimitExceeded(message string) *Error {
	return NewError("LimitExceededException", message)
}

// SubscriberLimit begins most messages of LimitExceededException.
const SubscriberLimit = "Subscriber limit exceeded: "

// appendError appends the error's body to the answer. The items in it take their room as those of
// any answer do: the error is then ErrNoRoom.
func (w *Writer) appendError(e *Error) error {
	form := exception.Of(e.Code)
	w.BeginObject()
	w.StringMember("__type", form.Namespace+e.Code)
	if e.Reasons != nil {
		w.Name("CancellationReasons")
		if err := w.appendReasons(e.Reasons); err != nil {
			return err
		}
	}
	if !e.bare {
		w.StringMember(form.MessageKey, e.Message)
	}
	if e.Item.Exists() {
		if err := w.appendFailed(e.Item); err != nil {
			return err
		}
	}
	w.EndObject()
	return nil
}

// Fail puts an error in the place of what has been written from n on. It returns the error that was
// written: ErrNoRoom if there is no room for the items in it.
func (w *Writer) Fail(e *Error, n int) *Error {
	w.Truncate(n)
	if w.appendError(e) != nil {
		e = ErrNoRoom
		w.Truncate(n)
		_ = w.appendError(e) // has no items
	}
	return e
}

// maxReasonsBytes is where CancellationReasons stop to show items, as pages of results end: a
// hundred items of 400 KB are more than an answer should have. The limit is ours.
const maxReasonsBytes = 16 << 20

// appendReasons appends CancellationReasons, with the members in the order of recorded answers.
func (w *Writer) appendReasons(reasons []Reason) error {
	begin := w.Length()
	w.BeginList()
	for _, r := range reasons {
		w.Element()
		w.BeginObject()
		w.StringMember("Code", r.CodeOrNone())
		if r.Item.Exists() && w.Length()-begin < maxReasonsBytes {
			if err := w.appendFailed(r.Item); err != nil {
				return err
			}
		}
		if r.Code != "" {
			w.StringMember("Message", r.Message)
		}
		w.EndObject()
	}
	w.EndList()
	return nil
}

// appendFailed appends the member with an item that failed a condition.
func (w *Writer) appendFailed(it item.Item) error {
	return w.Encode(it.Size(), func() {
		w.Name("Item")
		w.Item(it)
	})
}

// CodeOrNone is the Code, None for an action without a problem.
func (r Reason) CodeOrNone() string { return cmp.Or(r.Code, "None") }
