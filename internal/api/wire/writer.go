package wire

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/item"
)

// Writer writes an answer: JSON, without spaces, its members in the order that AWS has. Its methods
// append to Out. Name and Element put the commas; they go by the last byte of Out, so nothing needs
// to be counted. A handler that fails leaves what it has written: Serve replaces it by the error.
type Writer struct {
	Out    []byte // the answer so far; handlers may append to it
	memory Memory // provides the memory of a large answer; nil: it is not limited
	// granted is the capacity of Out that memory has counted.
	granted int
	large   chan struct{} // has a place for each large item that may be encoded at a time
}

// NewWriter returns a writer. All writers share large, which has a place for each large item that
// may be encoded at a time.
func NewWriter(large chan struct{}) Writer { return Writer{large: large} }

// Begin makes w append an answer to out, which may have other bytes before it.
func (w *Writer) Begin(out []byte, memory Memory) {
	w.Out, w.memory, w.granted = out, memory, cap(out)
}

// End returns the answer, and drops the reference to it.
func (w *Writer) End() []byte {
	out := w.Out
	w.Out, w.memory = nil, nil
	return out
}

// BeginObject begins an object, as an answer, an element or the value of a member. Its members
// follow, each begun by Name, NameQuoted or one of the Member methods.
func (w *Writer) BeginObject() { w.Out = append(w.Out, '{') }

// EndObject ends the object that was begun last.
func (w *Writer) EndObject() { w.Out = append(w.Out, '}') }

// BeginList begins a list. Its elements follow, each begun by Element.
func (w *Writer) BeginList() { w.Out = append(w.Out, '[') }

// EndList ends the list that was begun last.
func (w *Writer) EndList() { w.Out = append(w.Out, ']') }

// Element begins an element of a list: it writes the comma, unless the element is the first.
func (w *Writer) Element() {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '[' {
		w.Out = append(w.Out, ',')
	}
}

// Name begins a member of an object: it writes the comma, unless the member is the first, and the
// name, which is one of the API. One of the methods that write values follows.
func (w *Writer) Name(name string) {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '{' {
		w.Out = append(w.Out, ',')
	}
	w.Out = append(w.Out, '"')
	w.Out = append(w.Out, name...) // names of ours: nothing to escape
	w.Out = append(w.Out, '"', ':')
}

// NameQuoted is Name for names that come from clients, such as those of attributes.
func (w *Writer) NameQuoted(name string) {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '{' {
		w.Out = append(w.Out, ',')
	}
	w.Out = append(item.AppendQuoted(w.Out, name), ':')
}

// Raw writes text that is JSON already.
func (w *Writer) Raw(json string) { w.Out = append(w.Out, json...) }

// Str writes a string.
func (w *Writer) Str(s string) { w.Out = item.AppendQuoted(w.Out, s) }

// Integer writes a number.
func (w *Writer) Integer(n int64) { w.Out = strconv.AppendInt(w.Out, n, 10) }

// Float writes a number as Java prints a double: 1.0, 0.5.
func (w *Writer) Float(f float64) {
	n := len(w.Out)
	w.Out = strconv.AppendFloat(w.Out, f, 'f', -1, 64)
	for _, c := range w.Out[n:] {
		if c == '.' {
			return
		}
	}
	w.Out = append(w.Out, ".0"...)
}

// Boolean writes true or false.
func (w *Writer) Boolean(b bool) { w.Out = strconv.AppendBool(w.Out, b) }

// Item writes an item as a map of attribute names to values. It is called within Encode, EncodeRow
// or EncodeWritten, since an item can be large.
func (w *Writer) Item(it item.Item) { w.Out = it.AppendJSON(w.Out) }

// Value writes an attribute's value, with its type.
func (w *Writer) Value(v item.Value) { w.Out = v.AppendJSON(w.Out) }

// Length is how much has been written, for Truncate.
func (w *Writer) Length() int { return len(w.Out) }

// Truncate drops what has been written since Length was n.
func (w *Writer) Truncate(n int) { w.Out = w.Out[:n] }

// StringMember writes a member of an object, name and value, as its siblings for other types do.
func (w *Writer) StringMember(name, s string) {
	w.Name(name)
	w.Str(s)
}

// IntegerMember writes a member with a number.
func (w *Writer) IntegerMember(name string, n int64) {
	w.Name(name)
	w.Integer(n)
}

// FloatMember writes a member with a number as Float does.
func (w *Writer) FloatMember(name string, f float64) {
	w.Name(name)
	w.Float(f)
}

// BooleanMember writes a member with true or false.
func (w *Writer) BooleanMember(name string, b bool) {
	w.Name(name)
	w.Boolean(b)
}

// TimeMember writes a member with a time in seconds since 1970, with milliseconds. The member is
// left out for a zero time: no member of the API has one.
func (w *Writer) TimeMember(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.FloatMember(name, float64(t.UnixMilli())/1000)
}
