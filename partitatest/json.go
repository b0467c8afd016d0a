package partitatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// values reads JSON values one after the other, and knows on which lines they begin.
type values struct {
	data []byte
	dec  *json.Decoder
	at   int // where the last value begins
	line int // of data[at]
}

// newValues reads from data, which begins on the given line of its file.
func newValues(data []byte, line int) *values {
	return &values{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: line}
}

// next returns the next value, without white space around it, and its line.
func (v *values) next() (raw json.RawMessage, line int, err error) {
	begin := len(v.data) - len(bytes.TrimLeft(v.data[v.dec.InputOffset():], " \t\r\n,"))
	v.line += bytes.Count(v.data[v.at:begin], []byte("\n"))
	v.at = begin
	err = v.dec.Decode(&raw)
	return raw, v.line, err
}

// eachValue calls fn for the JSON values in data, or in the place of an array for its elements,
// with their lines. Errors say on which line they were met.
func eachValue(data []byte, fn func(raw []byte, line int) error) error {
	v := newValues(data, 1)
	for {
		raw, line, err := v.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("line %d: %w", line, err)
		case raw[0] == '[':
			err = eachElement(raw, line, fn)
		default:
			err = onLine(line, fn(raw, line))
		}
		if err != nil {
			return err
		}
	}
}

// eachElement calls fn for the elements of a valid array that begins on the given line.
func eachElement(array []byte, line int, fn func(raw []byte, line int) error) error {
	v := newValues(array, line)
	_, err := v.dec.Token() // the bracket
	for err == nil && v.dec.More() {
		var raw json.RawMessage
		if raw, line, err = v.next(); err == nil {
			err = onLine(line, fn(raw, line))
		}
	}
	return err
}

// lineError is an error that says on which line of the input it was met.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

// onLine adds the line to an error that has none.
func onLine(line int, err error) error {
	var has *lineError
	if err == nil || errors.As(err, &has) {
		return err
	}
	return &lineError{line, err}
}

// plainItems appends the item that a JSON object stands for.
func plainItems(seeds []seed, raw []byte, line int) ([]seed, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, fmt.Errorf("an item is a JSON object, not %.40s", raw)
	}
	it := plain(v).(*types.AttributeValueMemberM).Value
	return append(seeds, seed{fmt.Sprintf("line %d", line), it, typedAdvice(raw)}), nil
}

// plain is the DynamoDB value of a decoded JSON value, whose numbers are json.Numbers.
func plain(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		m := make(attributes, len(v))
		for name := range v {
			m[name] = plain(v[name])
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	panic(fmt.Sprintf("partitatest: JSON was decoded to a %T", v))
}

// typedItems appends the item, or the items, that an object in DynamoDB's JSON stands for.
func typedItems(seeds []seed, raw []byte, line int) ([]seed, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("an item is a JSON object, not %.40s", raw)
	}
	if items := members["Items"]; len(items) > 0 && items[0] == '[' {
		line += bytes.Count(raw[:bytes.Index(raw, items)], []byte("\n")) // where items begins
		err := eachElement(items, line, func(raw []byte, line int) (err error) {
			seeds, err = typedItems(seeds, raw, line)
			return err
		})
		return seeds, err
	}
	fault := checkTyped(raw)
	if whole := members["Item"]; fault != nil && len(whole) > 0 {
		raw, fault = whole, checkTyped(whole)
	}
	if fault != nil {
		return nil, fault
	}
	it, err := attributevalue.UnmarshalMapJSON(raw)
	return append(seeds, seed{fmt.Sprintf("line %d", line), it, nil}), err
}

// checkTyped tells what keeps the JSON from being an item: attributevalue.UnmarshalMapJSON takes of
// a value what it likes.
func checkTyped(raw []byte) error {
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return fmt.Errorf("an item is a JSON object, not %.40s", raw)
	}
	return checkValues(members)
}

// checkValues looks at the values of an item or of a map.
func checkValues(members map[string]any) error {
	for name, v := range members {
		if err := checkValue(v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// checkValue tells whether v is an object with one type as its only member, as far down as there
// are values.
func checkValue(v any) error {
	typed, _ := v.(map[string]any)
	for tag, of := range typed {
		if len(typed) > 1 {
			break
		}
		switch tag {
		case "M":
			if members, ok := of.(map[string]any); ok {
				return checkValues(members)
			}
		case "L":
			if elements, ok := of.([]any); ok {
				for _, e := range elements {
					if err := checkValue(e); err != nil {
						return err
					}
				}
				return nil
			}
		case "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS":
			if of != nil {
				return nil // its JSON type UnmarshalMapJSON checks
			}
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return fmt.Errorf(`a value has one type and no more, as in {"S": "text"}, not %.40s`, text)
}
