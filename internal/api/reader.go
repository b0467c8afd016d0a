package api

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/partita-db/partita/internal/item"
)

// member is one member of a request: its name in the service model, and how its value, which is not
// null, is decoded into the request.
type member[R, C any] struct {
	name string
	// read decodes the value at which the reader of the call c stands, and consumes it. A member
	// that was sent twice is decoded twice, and the last one counts.
	read func(r R, c C) error
}

// memberTable has all members of a request, in the order of the service model, which is the order in
// which DynamoDB looks for type errors.
type memberTable[R, C any] []member[R, C]

// read decodes a member by its name. One that is not in the table is skipped.
func (ms memberTable[R, C]) read(r R, c C, from *reader, name string) error {
	for i := range ms {
		if ms[i].name == name {
			return ms[i].read(r, c)
		}
	}
	return from.skip()
}

// The members of requests: a value and whether it was sent. Strings are views of the request's body: whoever keeps one
// beyond the call clones it.
type (
	optString struct {
		Set bool
		V   string
	}
	optBool struct {
		Set bool
		V   bool
	}
	optInt struct {
		Set bool
		V   int64
	}
	optStrings struct {
		Set bool
		V   []string
	}
	// optItem is a map of attribute names to values (Item, Key, ExclusiveStartKey). With faults, V is missing.
	optItem struct {
		Set    bool
		V      item.Item
		Faults item.Faults
	}
)

// reader reads the body of a request.
type reader struct {
	body []byte
	scan item.Scanner // over body
	dec  item.Decoder
}

// begin has it read a body. What it returns is valid until end, and as long as the body does not
// change.
func (r *reader) begin(body []byte) {
	r.body = body
	r.scan.Reset(body)
	r.dec.Reset()
}

// end has it forget the body.
func (r *reader) end() { r.body = nil }

// view returns b as a string without copying.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// decode decodes the body of a request into r. Members are decoded in the order sent; only if that
// fails is the body walked again in the model's order, to find the error that DynamoDB reports. A
// member whose value is null counts as absent.
func decode[R, C any](from *reader, r R, c C, ms memberTable[R, C]) error {
	from.scan.Reset(from.body)
	err := from.readObject(inField, "", func(name string) error { return ms.read(r, c, from, name) })
	if err == nil {
		err = from.scan.End()
	}
	if err == nil {
		return nil
	}
	if err := from.wellFormed(); err != nil {
		return err
	}
	return firstTypeError(from, r, c, ms)
}

// wellFormed reports errSyntax unless the body is one JSON object.
func (r *reader) wellFormed() error {
	r.scan.Reset(r.body)
	if r.scan.Kind() != item.KindObject || r.scan.Skip() != nil || r.scan.End() != nil {
		return errSyntax
	}
	return nil
}

// firstTypeError finds the type error of the first member, in the model's order, that has one.
func firstTypeError[R, C any](from *reader, r R, c C, ms memberTable[R, C]) error {
	at := map[string]int{}
	from.scan.Reset(from.body)
	err := from.readObject(inField, "", func(name string) error {
		at[strings.Clone(name)] = from.scan.Pos()
		return from.scan.Skip()
	})
	if err != nil {
		return errSyntax
	}
	for i := range ms {
		pos, ok := at[ms[i].name]
		if !ok {
			continue
		}
		from.scan.Seek(pos)
		if err := ms[i].read(r, c); err != nil {
			return serialization(err)
		}
	}
	return errSyntax
}

// serialization words an error of decoding.
func serialization(err error) error {
	var t *item.TypeError
	if errors.As(err, &t) {
		return newError("SerializationException", t.Message)
	}
	return errSyntax
}

// typeError is a *item.TypeError with the message.
func typeError(message string) error { return &item.TypeError{Message: message} }

// errFieldType is the type error of a scalar where a structure, list or map is a named member. As an element of a list or a
// map's value a structure has another.
var errFieldType = typeError("Unexpected field type")

// isScalar tells whether the next value is neither an object nor an array.
func (r *reader) isScalar() bool {
	switch r.scan.Kind() {
	case item.KindObject, item.KindArray, item.KindEnd:
		return false
	}
	return true
}

// place says where a structure or map stands, on which its type errors depend.
type place int

const (
	inField   place = iota // a structure as a named member
	inElement              // a structure as an element of a list or a map's value
	inMap                  // a map; shape is its value type as Java spells it
)

// The Java names in type errors.
const (
	shapes     = "com.amazonaws.dynamodb.v20120810."
	javaString = "java.lang.String"
)

// readObject decodes a structure or map: it calls member for each name whose value is not null, with the scanner at the value,
// which member consumes. shape is the Java name in the error for an array.
func (r *reader) readObject(p place, shape string, member func(name string) error) error {
	switch r.scan.Kind() {
	case item.KindObject:
	case item.KindArray:
		if p == inMap {
			return typeError("Unrecognized collection type java.util.Map<java.lang.String, " + shape + ">")
		}
		return typeError("Unrecognized collection type class " + shapes + shape)
	case item.KindEnd:
		return item.ErrSyntax
	default:
		if p == inElement {
			return typeError("Unexpected value type in payload")
		}
		return errFieldType
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

// readList decodes a list: it calls element for each element that is not null, with the scanner at it.
func (r *reader) readList(element func(i int) error) error {
	switch r.scan.Kind() {
	case item.KindArray:
	case item.KindObject:
		return typeError("Start of structure or map found where not expected")
	case item.KindEnd:
		return item.ErrSyntax
	default:
		return errFieldType
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

// skip consumes a value that is not looked at.
func (r *reader) skip() error { return r.scan.Skip() }

// readString decodes a String member. The text is a view of the body or of the scanner's memory.
func (r *reader) readString(dst *optString) error {
	s, err := r.readText()
	if err != nil {
		return err
	}
	dst.Set, dst.V = true, s
	return nil
}

// readText decodes a String.
func (r *reader) readText() (string, error) {
	switch r.scan.Kind() {
	case item.KindString:
		b, err := r.scan.String()
		return view(b), err
	case item.KindInteger:
		return "", typeError("NUMBER_VALUE cannot be converted to String")
	case item.KindDecimal:
		return "", typeError("DECIMAL_VALUE cannot be converted to String")
	case item.KindTrue:
		return "", typeError("TRUE_VALUE cannot be converted to String")
	case item.KindFalse:
		return "", typeError("FALSE_VALUE cannot be converted to String")
	case item.KindArray:
		return "", typeError("Unrecognized collection type class java.lang.String")
	case item.KindObject:
		return "", typeError("Start of structure or map found where not expected")
	}
	return "", item.ErrSyntax
}

// readBool decodes a Boolean member.
func (r *reader) readBool(dst *optBool) error {
	switch r.scan.Kind() {
	case item.KindTrue, item.KindFalse:
		dst.Set, dst.V = true, r.scan.Kind() == item.KindTrue
		return r.scan.Literal()
	case item.KindInteger:
		return typeError("NUMBER_VALUE cannot be converted to Boolean")
	case item.KindDecimal:
		return typeError("DECIMAL_VALUE cannot be converted to Boolean")
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
			return typeError("Unexpected token received from parser")
		}
		return nil
	case item.KindArray:
		return typeError("Unrecognized collection type class java.lang.Boolean")
	case item.KindObject:
		return typeError("Start of structure or map found where not expected")
	}
	return item.ErrSyntax
}

// readInt decodes an Integer or Long member; java is which of the two. A fraction is cut off.
func (r *reader) readInt(dst *optInt, java string) error {
	switch r.scan.Kind() {
	case item.KindInteger, item.KindDecimal:
		b, err := r.scan.Number()
		if err != nil {
			return err
		}
		dst.Set, dst.V = true, toInt(view(b))
		return nil
	case item.KindTrue:
		return typeError("TRUE_VALUE cannot be converted to " + java)
	case item.KindFalse:
		return typeError("FALSE_VALUE cannot be converted to " + java)
	case item.KindString:
		return typeError("STRING_VALUE cannot be converted to " + java)
	case item.KindArray:
		return typeError("Unrecognized collection type class java.lang." + java)
	case item.KindObject:
		return typeError("Start of structure or map found where not expected")
	}
	return item.ErrSyntax
}

// toInt is the integer below a JSON number, held within int64.
func toInt(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives ±Inf, which is held below
	switch f = math.Floor(f); {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// readStrings decodes a list of Strings.
func (r *reader) readStrings(dst *optStrings) error {
	dst.Set, dst.V = true, dst.V[:0]
	return r.readList(func(int) error {
		s, err := r.readText()
		dst.V = append(dst.V, s)
		return err
	})
}

// readItem decodes a map of attribute names to values.
func (r *reader) readItem(dst *optItem) error {
	it, faults, err := r.dec.Item(&r.scan)
	if err != nil {
		return err
	}
	dst.Set, dst.V, dst.Faults = true, it, faults
	return nil
}

// readValue decodes an attribute's value. With faults it is missing.
func (r *reader) readValue() (item.Value, item.Faults, error) { return r.dec.Value(&r.scan) }

// optTime is a timestamp as sent: seconds since 1970.
type optTime struct {
	Set bool
	V   float64
}

// readTime decodes a Timestamp member. No answer of the service to one of another type is known; these follow those for integers.
func (r *reader) readTime(dst *optTime) error {
	if k := r.scan.Kind(); k != item.KindInteger && k != item.KindDecimal {
		return r.readInt(new(optInt), "Date")
	}
	b, err := r.scan.Number()
	if err != nil {
		return err
	}
	dst.Set = true
	dst.V, _ = strconv.ParseFloat(view(b), 64) // out of range gives ±Inf
	return nil
}

// Time is the millisecond that the timestamp lies in; ok is false for one that no clock shows. Records know no shorter times: who
// asks for what comes after this moment must get what is written within the same millisecond, and must not be in the future.
func (o optTime) Time() (t time.Time, ok bool) {
	const greatest = 1 << 32 // the year 2106
	if o.V < 0 || o.V > greatest {
		return time.Time{}, o.V < 0
	}
	micros := math.Round(o.V * 1e6) // a float64 holds so many seconds to the microsecond
	return time.UnixMilli(int64(math.Floor(micros / 1e3))), true
}
