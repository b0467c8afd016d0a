// Package wire is DynamoDB's JSON in and out: it decodes the members of requests with DynamoDB's
// type errors (Reader, Members, the Opt types), collects violations of the service model's
// constraints (Violations), writes answers (Writer), and holds the errors that are answered
// (Error). It knows no operation and no table; which checks an operation makes, and in which order,
// is for the planes.
package wire

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/partita-db/partita/internal/item"
)

// Member is one member of a request: its name in the service model, and how its value is decoded
// into the request R, a pointer. C is the plane's type of a call: it embeds the Reader.
type Member[R, C any] struct {
	Name string
	// Read decodes the value that the Reader of c is at, and consumes all of it. The value is not
	// null. A member can come more than once, in the body or because Decode reads the body again:
	// each Read must overwrite what an earlier one has left, so that the last one counts.
	Read func(r R, c C) error
}

// Members has all members of a request, in the order of the service model: DynamoDB looks for type
// errors in this order, whatever the order in the body.
type Members[R, C any] []Member[R, C]

// Read decodes a member by its name. One that is not in the table is skipped, as AWS does: clients
// of a later service model may send members that are not known yet.
func (ms Members[R, C]) Read(r R, c C, from *Reader, name string) error {
	for i := range ms {
		if ms[i].Name == name {
			return ms[i].Read(r, c)
		}
	}
	return from.Skip()
}

// The types of members: V is the value, and Set whether it was sent, since an empty value is often
// not the same as none. Strings and items are views of the request's body or of the Reader's
// memory, good until the end of the call; what outlives it is cloned.
type (
	OptString struct {
		Set bool
		V   string
	}
	OptBool struct {
		Set bool
		V   bool
	}
	OptInt struct {
		Set bool
		V   int64
	}
	OptStrings struct {
		Set bool
		V   []string
	}
	// OptItem is a map of attribute names to values (Item, Key, ExclusiveStartKey). It can be
	// well-formed and have faults, such as an empty set: V is then missing. Faults are no error of
	// decoding; the operation reports them at their place in its order of checks.
	OptItem struct {
		Set    bool
		V      item.Item
		Faults item.Faults
	}
)

// Reader reads the body of a request. Its Read methods consume the value that comes next and set
// their destination; on an error (item.ErrSyntax, or an *item.TypeError with DynamoDB's message)
// reading ends. They never see null: ReadObject and ReadList skip it.
type Reader struct {
	Body []byte
	scan item.Scanner // over Body; owns the text of strings that have escapes
	dec  item.Decoder // owns the encoded items and values
}

// Begin makes r read a body. The memory of what was decoded before is used again, so nothing of it
// may be in use. What is decoded now is valid until the next Begin, as long as the body does not
// change.
func (r *Reader) Begin(body []byte) {
	r.Body = body
	r.scan.Reset(body)
	r.dec.Reset()
}

// End drops the reference to the body, which belongs to the caller of Serve.
func (r *Reader) End() { r.Body = nil }

// view returns b as a string without copying: b must not change while the string is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Decode decodes the body of a request into r, which must be empty; handlers begin with it. Errors
// are *Error: a body that is not JSON comes before any type error. A member whose value is null
// counts as absent.
//
// Members are decoded in the order sent, in one pass. Only if that fails is the body walked again
// in the model's order, to find the error that DynamoDB reports.
func Decode[R, C any](from *Reader, r R, c C, ms Members[R, C]) error {
	from.scan.Reset(from.Body)
	err := from.ReadObject(InField, "", func(name string) error { return ms.Read(r, c, from, name) })
	if err == nil {
		err = from.scan.End()
	}
	if err == nil {
		return nil
	}
	if err := from.WellFormed(); err != nil {
		return err
	}
	return firstTypeError(from, r, c, ms)
}

// WellFormed returns ErrSyntax unless the body is one JSON object. It moves r to the body's end.
func (r *Reader) WellFormed() error {
	r.scan.Reset(r.Body)
	if r.scan.Kind() != item.KindObject || r.scan.Skip() != nil || r.scan.End() != nil {
		return ErrSyntax
	}
	return nil
}

// firstTypeError finds the type error of the first member, in the model's order, that has one.
func firstTypeError[R, C any](from *Reader, r R, c C, ms Members[R, C]) error {
	at := map[string]int{}
	from.scan.Reset(from.Body)
	err := from.ReadObject(InField, "", func(name string) error {
		at[strings.Clone(name)] = from.scan.Pos()
		return from.scan.Skip()
	})
	if err != nil {
		return ErrSyntax
	}
	for i := range ms {
		pos, ok := at[ms[i].Name]
		if !ok {
			continue
		}
		from.scan.Seek(pos)
		if err := ms[i].Read(r, c); err != nil {
			return serialization(err)
		}
	}
	return ErrSyntax
}

func serialization(err error) error {
	var t *item.TypeError
	if errors.As(err, &t) {
		return NewError("SerializationException", t.Message)
	}
	return ErrSyntax
}

// TypeError returns the error of a value of another type than its member has, with DynamoDB's
// message. Decode answers it as a SerializationException.
func TypeError(message string) error { return &item.TypeError{Message: message} }

// ErrFieldType is the type error of a scalar where a structure, list or map is a named member. A
// structure that is an element of a list or a map's value has another (InElement).
var ErrFieldType = TypeError("Unexpected field type")

// IsScalar tells whether the next value is neither an object nor an array.
func (r *Reader) IsScalar() bool {
	switch r.scan.Kind() {
	case item.KindObject, item.KindArray, item.KindEnd:
		return false
	}
	return true
}

// Place says where a structure or map stands: its type errors depend on it.
type Place int

// The places.
const (
	InField   Place = iota // a structure as a named member
	InElement              // a structure as an element of a list or a map's value
	InMap                  // a map; shape is its value type as Java spells it
)

// Parts of the Java names of types, which are in DynamoDB's type errors.
const (
	ShapePrefix = "com.amazonaws.dynamodb.v20120810."
	JavaString  = "java.lang.String"
)

// ReadObject decodes a structure or map: it calls member for each name whose value is not null, and
// member consumes the value, with Skip if it does not know the name. shape is the Java name in the
// error for an array: the structure's, or with InMap the whole one of the map's values.
func (r *Reader) ReadObject(p Place, shape string, member func(name string) error) error {
	switch r.scan.Kind() {
	case item.KindObject:
	case item.KindArray:
		if p == InMap {
			return TypeError("Unrecognized collection type java.util.Map<java.lang.String, " + shape + ">")
		}
		return TypeError("Unrecognized collection type class " + ShapePrefix + shape)
	case item.KindEnd:
		return item.ErrSyntax
	default:
		if p == InElement {
			return TypeError("Unexpected value type in payload")
		}
		return ErrFieldType
	}
	if err := r.scan.Enter(); err != nil {
		return err
	}
	for {
		name, more, err := r.scan.NextKey()
		if err != nil || !more {
			return err
		}
		if r.scan.Kind() == item.KindNull {
			if err := r.scan.Literal(); err != nil {
				return err
			}
			continue
		}
		if err := member(view(name)); err != nil {
			return err
		}
	}
}

// ReadList decodes a list: it calls element for each element that is not null, and element consumes
// it. i counts those elements. A list that is kept needs a bound of the caller's: the body can have
// very many small elements.
func (r *Reader) ReadList(element func(i int) error) error {
	switch r.scan.Kind() {
	case item.KindArray:
	case item.KindObject:
		return TypeError("Start of structure or map found where not expected")
	case item.KindEnd:
		return item.ErrSyntax
	default:
		return ErrFieldType
	}
	if err := r.scan.Enter(); err != nil {
		return err
	}
	for i := 0; ; {
		more, err := r.scan.NextElement()
		if err != nil || !more {
			return err
		}
		if r.scan.Kind() == item.KindNull {
			if err := r.scan.Literal(); err != nil {
				return err
			}
			continue
		}
		if err := element(i); err != nil {
			return err
		}
		i++
	}
}

// Skip consumes a value of any type, for members that are not known or not used.
func (r *Reader) Skip() error { return r.scan.Skip() }

// ReadString decodes a String member.
func (r *Reader) ReadString(dst *OptString) error {
	s, err := r.ReadText()
	if err != nil {
		return err
	}
	dst.Set, dst.V = true, s
	return nil
}

// ReadText decodes a String that is not a member of its own, such as an element of a list. The text
// is a view, as those of OptString are.
func (r *Reader) ReadText() (string, error) {
	switch r.scan.Kind() {
	case item.KindString:
		b, err := r.scan.String()
		return view(b), err
	case item.KindInteger:
		return "", TypeError("NUMBER_VALUE cannot be converted to String")
	case item.KindDecimal:
		return "", TypeError("DECIMAL_VALUE cannot be converted to String")
	case item.KindTrue:
		return "", TypeError("TRUE_VALUE cannot be converted to String")
	case item.KindFalse:
		return "", TypeError("FALSE_VALUE cannot be converted to String")
	case item.KindArray:
		return "", TypeError("Unrecognized collection type class java.lang.String")
	case item.KindObject:
		return "", TypeError("Start of structure or map found where not expected")
	}
	return "", item.ErrSyntax
}

// ReadBool decodes a Boolean member. Like AWS, it accepts some strings for true and false.
func (r *Reader) ReadBool(dst *OptBool) error {
	switch r.scan.Kind() {
	case item.KindTrue, item.KindFalse:
		dst.Set, dst.V = true, r.scan.Kind() == item.KindTrue
		return r.scan.Literal()
	case item.KindInteger:
		return TypeError("NUMBER_VALUE cannot be converted to Boolean")
	case item.KindDecimal:
		return TypeError("DECIMAL_VALUE cannot be converted to Boolean")
	case item.KindString:
		b, err := r.scan.String()
		if err != nil {
			return err
		}
		switch strings.ToLower(string(b)) {
		case "true", "1", "yes":
			dst.Set, dst.V = true, true
		case "false", "0", "no":
			dst.Set, dst.V = true, false
		default:
			return TypeError("Unexpected token received from parser")
		}
		return nil
	case item.KindArray:
		return TypeError("Unrecognized collection type class java.lang.Boolean")
	case item.KindObject:
		return TypeError("Start of structure or map found where not expected")
	}
	return item.ErrSyntax
}

// ReadInt decodes an Integer or Long member; java is which of the two, for messages. A number with
// a fraction is rounded down, one out of range becomes the nearest int64.
func (r *Reader) ReadInt(dst *OptInt, java string) error {
	switch r.scan.Kind() {
	case item.KindInteger, item.KindDecimal:
		b, err := r.scan.Number()
		if err != nil {
			return err
		}
		dst.Set, dst.V = true, toInt(view(b))
		return nil
	case item.KindTrue:
		return TypeError("TRUE_VALUE cannot be converted to " + java)
	case item.KindFalse:
		return TypeError("FALSE_VALUE cannot be converted to " + java)
	case item.KindString:
		return TypeError("STRING_VALUE cannot be converted to " + java)
	case item.KindArray:
		return TypeError("Unrecognized collection type class java.lang." + java)
	case item.KindObject:
		return TypeError("Start of structure or map found where not expected")
	}
	return item.ErrSyntax
}

// toInt is the greatest integer not above a JSON number, limited to int64.
func toInt(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives ±Inf, limited below
	switch f = math.Floor(f); {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// ReadStrings decodes a list of Strings. It reuses dst.V.
func (r *Reader) ReadStrings(dst *OptStrings) error {
	dst.Set, dst.V = true, dst.V[:0]
	return r.ReadList(func(int) error {
		s, err := r.ReadText()
		dst.V = append(dst.V, s)
		return err
	})
}

// ReadItem decodes a map of attribute names to values into a canonical item, in the Reader's
// memory. Faults of content are not errors: the operation looks at dst.Faults.
func (r *Reader) ReadItem(dst *OptItem) error {
	it, faults, err := r.dec.Item(&r.scan)
	if err != nil {
		return err
	}
	dst.Set, dst.V, dst.Faults = true, it, faults
	return nil
}

// ReadValue decodes an attribute's value, in the Reader's memory. With faults it is missing.
func (r *Reader) ReadValue() (item.Value, item.Faults, error) { return r.dec.Value(&r.scan) }

// OptTime is a Timestamp as sent: seconds since 1970, which can have a fraction.
type OptTime struct {
	Set bool
	V   float64
}

// ReadTime decodes a Timestamp member. No answer of the service to one of another type is known;
// these follow those for integers.
func (r *Reader) ReadTime(dst *OptTime) error {
	if k := r.scan.Kind(); k != item.KindInteger && k != item.KindDecimal {
		return r.ReadInt(new(OptInt), "Date")
	}
	b, err := r.scan.Number()
	if err != nil {
		return err
	}
	dst.Set = true
	dst.V, _ = strconv.ParseFloat(view(b), 64) // out of range gives ±Inf
	return nil
}

// Time is the beginning of the millisecond that the timestamp lies in; ok is false after the year
// 2106. Stream records have no shorter times: a client that asks for the records from a moment on
// must get those of the same millisecond, so it is rounded down, and the present moment must not
// become one in the future.
func (o OptTime) Time() (t time.Time, ok bool) {
	const greatest = 1 << 32 // the year 2106
	if o.V < 0 || o.V > greatest {
		return time.Time{}, o.V < 0
	}
	micros := math.Round(o.V * 1e6) // a float64 holds so many seconds to the microsecond
	return time.UnixMilli(int64(math.Floor(micros / 1e3))), true
}

// LastOfEach keeps of the entries with the same name only the last, at the place of the first, as a
// map in order would. It edits the list in place.
func LastOfEach[E any](list []E, name func(*E) string) []E {
	if len(list) < 2 {
		return list
	}
	at := make(map[string]int, len(list))
	kept := list[:0]
	for i := range list {
		n := name(&list[i])
		if j, ok := at[n]; ok {
			kept[j] = list[i]
			continue
		}
		at[n] = len(kept)
		kept = append(kept, list[i])
	}
	return kept
}
