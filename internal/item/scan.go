package item

import "errors"

// Scanner reads JSON tokens from bytes, one pass, without copying strings that have no escapes. It is the JSON reader
// for requests too, since an item is the largest part of most. It accepts exactly RFC 8259 JSON.
type Scanner struct {
	data []byte
	pos  int
	esc  []byte // unescaped strings
}

// ErrSyntax says that the text is not JSON. DynamoDB answers it with a bare SerializationException.
var ErrSyntax = errors.New("item: not JSON")

// TypeError is well-formed JSON of another type than the member has. DynamoDB answers it with a SerializationException
// with this Message (reference wire-protocol.md §1.8).
type TypeError struct{ Message string }

func (e *TypeError) Error() string { return e.Message }

// Kind is the kind of a JSON value.
type Kind byte

// The kinds. Decimal is a number with a fraction or an exponent.
const (
	KindEnd Kind = iota // no more input, or something that begins no value
	KindObject
	KindArray
	KindString
	KindInteger
	KindDecimal
	KindTrue
	KindFalse
	KindNull
)

// Reset makes s read data from its beginning. Strings returned before are no longer valid.
func (s *Scanner) Reset(data []byte) { panic("unbuilt") }

// Kind returns the kind of the next value without consuming it, blanks skipped.
func (s *Scanner) Kind() Kind { panic("unbuilt") }

// Pos returns the offset of the next value, blanks skipped, and Seek goes back to such an offset.
func (s *Scanner) Pos() int     { panic("unbuilt") }
func (s *Scanner) Seek(pos int) { panic("unbuilt") }

// Enter consumes the opening bracket of the next value, which must be an object or array.
func (s *Scanner) Enter() error { panic("unbuilt") }

// NextKey, inside an object, consumes the comma before the next member, if there is one, its name and the colon; or
// the closing brace, and then more is false. The name is valid until Reset.
func (s *Scanner) NextKey() (name []byte, more bool, err error) { panic("unbuilt") }

// NextElement, inside an array, consumes the comma before the next element, if there is one; or the closing bracket, and
// then more is false.
func (s *Scanner) NextElement() (more bool, err error) { panic("unbuilt") }

// String consumes a string and returns its text with escapes resolved: a view of the input or of the scanner's own
// buffer, valid until Reset. A lone surrogate or invalid UTF-8 becomes U+FFFD.
func (s *Scanner) String() ([]byte, error) { panic("unbuilt") }

// Number consumes a number and returns its text.
func (s *Scanner) Number() ([]byte, error) { panic("unbuilt") }

// Literal consumes true, false or null.
func (s *Scanner) Literal() error { panic("unbuilt") }

// Skip consumes a whole value of any kind and depth, checking its syntax, without recursion.
func (s *Scanner) Skip() error { panic("unbuilt") }

// End reports ErrSyntax if anything but blanks follows.
func (s *Scanner) End() error { panic("unbuilt") }
