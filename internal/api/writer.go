package api

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/item"
)

// writer writes an answer: JSON, without spaces. Its methods append to out, each what it is named
// for. name and element put the commas; what they go by is the last byte of out.
type writer struct {
	out    []byte // the answer so far; handlers may append to it
	memory Memory // where a large answer comes from; nil: it has no bound
	// granted is the capacity of out that the memory knows of.
	granted int
	large   chan struct{} // has a place for each large item that may be written out at a time
}

// newWriter returns a writer. large has a place for each large item that may be written out at a
// time, by all writers together.
func newWriter(large chan struct{}) writer { return writer{large: large} }

// begin has it append an answer to out.
func (w *writer) begin(out []byte, memory Memory) {
	w.out, w.memory, w.granted = out, memory, cap(out)
}

// end returns the answer.
func (w *writer) end() []byte {
	out := w.out
	w.out, w.memory = nil, nil
	return out
}

// beginObject begins an object, and endObject ends it.
func (w *writer) beginObject() { w.out = append(w.out, '{') }
func (w *writer) endObject()   { w.out = append(w.out, '}') }

// beginList begins a list, and endList ends it. element begins each of its elements.
func (w *writer) beginList() { w.out = append(w.out, '[') }
func (w *writer) endList()   { w.out = append(w.out, ']') }

// element writes the comma before an element of a list that is not the first.
func (w *writer) element() {
	if n := len(w.out); n > 0 && w.out[n-1] != '[' {
		w.out = append(w.out, ',')
	}
}

// name writes the name of the next member of an object, with the comma before it.
func (w *writer) name(name string) {
	if n := len(w.out); n > 0 && w.out[n-1] != '{' {
		w.out = append(w.out, ',')
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, name...) // names of ours: nothing to escape
	w.out = append(w.out, '"', ':')
}

// nameQuoted is name for names that come from users.
func (w *writer) nameQuoted(name string) {
	if n := len(w.out); n > 0 && w.out[n-1] != '{' {
		w.out = append(w.out, ',')
	}
	w.out = append(item.AppendQuoted(w.out, name), ':')
}

// raw writes what is JSON already.
func (w *writer) raw(json string) { w.out = append(w.out, json...) }

// str writes a string.
func (w *writer) str(s string) { w.out = item.AppendQuoted(w.out, s) }

// integer writes a number.
func (w *writer) integer(n int64) { w.out = strconv.AppendInt(w.out, n, 10) }

// float writes a number as Java prints a double: 1.0, 0.5.
func (w *writer) float(f float64) {
	n := len(w.out)
	w.out = strconv.AppendFloat(w.out, f, 'f', -1, 64)
	for _, c := range w.out[n:] {
		if c == '.' {
			return
		}
	}
	w.out = append(w.out, ".0"...)
}

// boolean writes true or false.
func (w *writer) boolean(b bool) { w.out = strconv.AppendBool(w.out, b) }

// item writes an item as a map of attribute names to values. A large one needs room (encode).
func (w *writer) item(it item.Item) { w.out = it.AppendJSON(w.out) }

// value writes an attribute's value, with its type.
func (w *writer) value(v item.Value) { w.out = v.AppendJSON(w.out) }

// length is how much has been written, and truncate takes back what stands behind such a length.
func (w *writer) length() int    { return len(w.out) }
func (w *writer) truncate(n int) { w.out = w.out[:n] }

// stringMember, integerMember, floatMember, booleanMember and timeMember write a member of an
// object. Times are seconds with milliseconds; a zero time is left out.
func (w *writer) stringMember(name, s string) {
	w.name(name)
	w.str(s)
}

func (w *writer) integerMember(name string, n int64) {
	w.name(name)
	w.integer(n)
}

func (w *writer) floatMember(name string, f float64) {
	w.name(name)
	w.float(f)
}

func (w *writer) booleanMember(name string, b bool) {
	w.name(name)
	w.boolean(b)
}

func (w *writer) timeMember(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.floatMember(name, float64(t.UnixMilli())/1000)
}
