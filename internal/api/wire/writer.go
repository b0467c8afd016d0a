package wire

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/item"
)

// Writer writes an answer: JSON, without spaces. Its methods append to out, each what it is named
// for. name and element put the commas; what they go by is the last byte of out.
type Writer struct {
	Out    []byte // the answer so far; handlers may append to it
	memory Memory // where a large answer comes from; nil: it has no bound
	// granted is the capacity of out that the memory knows of.
	granted int
	large   chan struct{} // has a place for each large item that may be written out at a time
}

// NewWriter returns a writer. large has a place for each large item that may be written out at a
// time, by all writers together.
func NewWriter(large chan struct{}) Writer { return Writer{large: large} }

// Begin has it append an answer to out.
func (w *Writer) Begin(out []byte, memory Memory) {
	w.Out, w.memory, w.granted = out, memory, cap(out)
}

// End returns the answer.
func (w *Writer) End() []byte {
	out := w.Out
	w.Out, w.memory = nil, nil
	return out
}

// BeginObject begins an object, and EndObject ends it.
func (w *Writer) BeginObject() { w.Out = append(w.Out, '{') }
func (w *Writer) EndObject()   { w.Out = append(w.Out, '}') }

// BeginList begins a list, and EndList ends it. element begins each of its elements.
func (w *Writer) BeginList() { w.Out = append(w.Out, '[') }
func (w *Writer) EndList()   { w.Out = append(w.Out, ']') }

// Element writes the comma before an element of a list that is not the first.
func (w *Writer) Element() {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '[' {
		w.Out = append(w.Out, ',')
	}
}

// Name writes the name of the next member of an object, with the comma before it.
func (w *Writer) Name(name string) {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '{' {
		w.Out = append(w.Out, ',')
	}
	w.Out = append(w.Out, '"')
	w.Out = append(w.Out, name...) // names of ours: nothing to escape
	w.Out = append(w.Out, '"', ':')
}

// NameQuoted is name for names that come from users.
func (w *Writer) NameQuoted(name string) {
	if n := len(w.Out); n > 0 && w.Out[n-1] != '{' {
		w.Out = append(w.Out, ',')
	}
	w.Out = append(item.AppendQuoted(w.Out, name), ':')
}

// Raw writes what is JSON already.
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

// Item writes an item as a map of attribute names to values. A large one needs room (encode).
func (w *Writer) Item(it item.Item) { w.Out = it.AppendJSON(w.Out) }

// Value writes an attribute's value, with its type.
func (w *Writer) Value(v item.Value) { w.Out = v.AppendJSON(w.Out) }

// Length is how much has been written, and truncate takes back what stands behind such a length.
func (w *Writer) Length() int    { return len(w.Out) }
func (w *Writer) Truncate(n int) { w.Out = w.Out[:n] }

// StringMember, IntegerMember, FloatMember, BooleanMember and TimeMember write a member of an
// object. Times are seconds with milliseconds; a zero time is left out.
func (w *Writer) StringMember(name, s string) {
	w.Name(name)
	w.Str(s)
}

func (w *Writer) IntegerMember(name string, n int64) {
	w.Name(name)
	w.Integer(n)
}

func (w *Writer) FloatMember(name string, f float64) {
	w.Name(name)
	w.Float(f)
}

func (w *Writer) BooleanMember(name string, b bool) {
	w.Name(name)
	w.Boolean(b)
}

func (w *Writer) TimeMember(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.FloatMember(name, float64(t.UnixMilli())/1000)
}
