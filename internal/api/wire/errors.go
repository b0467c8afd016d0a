package wire

import (
	"cmp"
	"fmt"

	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/item"
)

// Error is an answer that is an error, as DynamoDB words it. A handler that returns one, alone or
// wrapped, has it answered; any other error is answered as InternalServerError unless package call
// words it. Fixed errors are shared by all requests: they never change.
type Error struct {
	Code    string // the exception's name, without namespace; package exception has its form
	Message string
	Status  int       // HTTP status; 0 until Fill sets it
	Item    item.Item // ConditionalCheckFailedException: the item that failed the condition, if requested
	Reasons []Reason  // TransactionCanceledException: one for each action
	bare    bool      // without a message member at all
}

// Reason is the part that one action had in the cancellation of a transaction. The zero Reason is
// None: the action would have succeeded.
type Reason struct {
	Code, Message string
	Item          item.Item // ConditionalCheckFailed: the item that failed the condition, if requested
}

// Error is for logs; clients get the form that package exception has for the Code.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Mistake is, for a cancelled transaction, the message of the first reason that is a mistake in the
// request; empty for none.
func (e *Error) Mistake() string {
	for i := range e.Reasons {
		if e.Reasons[i].Code == "ValidationError" {
			return e.Reasons[i].Message
		}
	}
	return ""
}

// NewError returns an error to be answered. The code must be in the table of package exception.
func NewError(code, message string) *Error { return (&Error{Code: code, Message: message}).Fill() }

// Fill sets the Status that belongs to the code and returns e. An Error that is not made by
// NewError needs it.
func (e *Error) Fill() *Error {
	if e.Status == 0 {
		e.Status = exception.Of(e.Code).Status
	}
	return e
}

// The errors without a message of their own for each case.
var (
	// ErrUnknownOperation is answered to operations that are not DynamoDB's, or not implemented.
	ErrUnknownOperation = (&Error{Code: "UnknownOperationException", bare: true}).Fill()
	// ErrSyntax is answered to a body that is not JSON. A wrong type within JSON is a TypeError.
	ErrSyntax = (&Error{Code: "SerializationException", bare: true}).Fill()
	// ErrNotFound is the data plane's error for a missing table; the control plane names the table.
	ErrNotFound = NewError("ResourceNotFoundException", "Requested resource not found")
)

// Validation returns a ValidationException. Its message is DynamoDB's, to the letter; where no
// answer is recorded, a comment says that the text is ours.
func Validation(message string) *Error {
	return NewError("ValidationException", message)
}

// Validationf returns a ValidationException with a formatted message.
func Validationf(format string, args ...any) *Error { return Validation(fmt.Sprintf(format, args...)) }

// Invalid is the beginning of many of DynamoDB's messages.
const Invalid = "One or more parameter values were invalid: "

// Wrapped is a ValidationException in the form in which PutItem and UpdateItem show some errors
// that are no violations of constraints.
func Wrapped(message string) *Error { return Validation("1 validation error detected: " + message) }

// LimitExceeded returns a LimitExceededException.
func LimitExceeded(message string) *Error {
	return NewError("LimitExceededException", message)
}

// SubscriberLimit begins most messages of LimitExceededException.
const SubscriberLimit = "Subscriber limit exceeded: "

// appendError appends the error's body to the answer. The items in it need memory as those of any
// answer do; if there is none, it returns ErrNoRoom and what it has written is of no use.
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

// Fail replaces what has been written from the length n on by an error, and returns the error that
// was written: ErrNoRoom if there is no memory for the items in it.
func (w *Writer) Fail(e *Error, n int) *Error {
	w.Truncate(n)
	if w.appendError(e) != nil {
		e = ErrNoRoom
		w.Truncate(n)
		_ = w.appendError(e) // has no items
	}
	return e
}

// maxReasonsBytes is the size from which on CancellationReasons show no more items, as pages of
// results end: a hundred items of 400 KB are more than an answer should have. The limit is ours.
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
