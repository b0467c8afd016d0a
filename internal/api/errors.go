package api

import (
	"cmp"
	"fmt"
	"strconv"

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

// fill sets what follows from the code.
func (e *Error) fill() *Error {
	if e.Status == 0 {
		e.Status = 400
		if e.Code == "InternalServerError" || e.Code == "InternalFailure" {
			e.Status = 500
		}
	}
	return e
}

// The fixed errors.
var (
	errUnknownOperation = (&Error{Code: "UnknownOperationException", bare: true}).fill()
	errSyntax           = (&Error{Code: "SerializationException", bare: true}).fill()
	// errNotFound is the data plane's.
	errNotFound = (&Error{Code: "ResourceNotFoundException", Message: "Requested resource not found"}).fill()
)

// validation returns a ValidationException.
func validation(message string) *Error {
	return (&Error{Code: "ValidationException", Message: message}).fill()
}

// validationf returns a ValidationException with a formatted message.
func validationf(format string, args ...any) *Error { return validation(fmt.Sprintf(format, args...)) }

// invalid is the beginning of many of DynamoDB's messages.
const invalid = "One or more parameter values were invalid: "

// wrapped is err as PutItem and UpdateItem show some of their errors.
func wrapped(message string) *Error { return validation("1 validation error detected: " + message) }

// namespace returns the prefix of __type for an exception.
func namespace(code string) string {
	switch code {
	case "ValidationException":
		return "com.amazon.coral.validate#"
	case "SerializationException", "UnknownOperationException", "MissingAuthenticationTokenException",
		"IncompleteSignatureException", "InvalidSignatureException", "UnrecognizedClientException",
		"ExpiredTokenException", "AccessDeniedException", "InternalFailure":
		return "com.amazon.coral.service#"
	}
	return "com.amazonaws.dynamodb.v20120810#"
}

// messageKey is how an exception spells its message member.
func messageKey(code string) string {
	switch code {
	case "SerializationException", "AccessDeniedException", "TransactionCanceledException",
		"IdempotentParameterMismatchException", "TransactionInProgressException":
		return "Message"
	}
	return "message"
}

// append appends the error's body.
func (e *Error) append(dst []byte) []byte {
	dst = append(dst, `{"__type":"`...)
	dst = append(dst, namespace(e.Code)...)
	dst = append(dst, e.Code...)
	dst = append(dst, '"')
	if e.Reasons != nil {
		dst = appendReasons(append(dst, `,"CancellationReasons":`...), e.Reasons)
	}
	if !e.bare {
		dst = append(dst, `,"`...)
		dst = append(dst, messageKey(e.Code)...)
		dst = append(dst, `":`...)
		dst = item.AppendQuoted(dst, e.Message)
	}
	if e.Item.Exists() {
		dst = append(dst, `,"Item":`...)
		dst = e.Item.AppendJSON(dst)
	}
	return append(dst, '}')
}

// appendReasons appends CancellationReasons, with the members in the order of recorded answers.
func appendReasons(dst []byte, reasons []Reason) []byte {
	for i, r := range reasons {
		dst = append(dst, "[,"[min(i, 1)])
		dst = append(dst, `{"Code":"`...)
		dst = append(dst, r.code()...)
		dst = append(dst, '"')
		if r.Item.Exists() {
			dst = r.Item.AppendJSON(append(dst, `,"Item":`...))
		}
		if r.Code != "" {
			dst = item.AppendQuoted(append(dst, `,"Message":`...), r.Message)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// code is the Code, None for an action without a problem.
func (r Reason) code() string { return cmp.Or(r.Code, "None") }

// appendFloat appends a JSON number as Java prints a double: 1.0, 0.5.
func appendFloat(dst []byte, f float64) []byte {
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[n:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
