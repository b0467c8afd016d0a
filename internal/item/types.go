package item

import "strconv"

// TypeError is well-formed JSON of another type than the member has. DynamoDB answers it with a
// SerializationException with this Message.
type TypeError struct{ Message string }

// Error returns the message.
func (e *TypeError) Error() string { return e.Message }

// shape is what DynamoDB's model declares a member to be.
type shape byte

// The shapes within an AttributeValue, and around it.
const (
	shapeString shape = iota
	shapeBlob
	shapeBoolean
	shapeList
	shapeMap   // of names to AttributeValues
	shapeValue // an AttributeValue as an element of a list or map
)

// mismatch consumes the value at s, which does not fit the shape, and returns the error.
func mismatch(s *Scanner, want shape) error {
	kind := s.Kind()
	if err := s.Skip(); err != nil {
		return err
	}
	return &TypeError{mismatchMessage(kind, want)}
}

// mismatchMessage is DynamoDB's message for a value of one kind where a shape is declared.
func mismatchMessage(kind Kind, want shape) string {
	switch {
	case kind == KindArray:
		return "Unrecognized collection type " + javaType(want)
	case kind == KindObject:
		return "Start of structure or map found where not expected"
	case want == shapeBlob:
		return "only base-64-encoded strings are convertible to bytes"
	case want == shapeList || want == shapeMap:
		return "Unexpected field type"
	case want == shapeValue:
		return "Unexpected value type in payload"
	case want == shapeBoolean:
		return javaToken(kind) + " cannot be converted to Boolean"
	}
	return javaToken(kind) + " cannot be converted to String"
}

// javaType names a shape as DynamoDB's Java does.
func javaType(want shape) string {
	const attributeValue = "com.amazonaws.dynamodb.v20120810.AttributeValue"
	switch want {
	case shapeBlob:
		return "class java.nio.ByteBuffer"
	case shapeBoolean:
		return "class java.lang.Boolean"
	case shapeMap:
		return "java.util.Map<java.lang.String, " + attributeValue + ">"
	case shapeValue:
		return "class " + attributeValue
	}
	return "class java.lang.String"
}

// javaToken names a kind of scalar as DynamoDB's parser does.
func javaToken(kind Kind) string {
	switch kind {
	case KindInteger:
		return "NUMBER_VALUE"
	case KindDecimal:
		return "DECIMAL_VALUE"
	case KindTrue:
		return "TRUE_VALUE"
	case KindFalse:
		return "FALSE_VALUE"
	case KindNull:
		return "NULL_VALUE"
	}
	return "STRING_VALUE"
}

// textAt consumes the value at s where a String is declared.
func textAt(s *Scanner) ([]byte, error) {
	if s.peek() != '"' {
		return nil, mismatch(s, shapeString)
	}
	return s.String()
}

// boolAt consumes the value at s where a Boolean is declared. DynamoDB also accepts some strings.
func boolAt(s *Scanner) (truth bool, err error) {
	switch s.peek() {
	case 't':
		return true, s.Literal()
	case 'f':
		return false, s.Literal()
	case '"':
		text, err := s.String()
		if err != nil {
			return false, err
		}
		truth, ok := parseBool(text)
		if !ok {
			return false, &TypeError{"Unexpected token received from parser"}
		}
		return truth, nil
	}
	return false, mismatch(s, shapeBoolean)
}

// parseBool reads the strings that DynamoDB accepts as a Boolean, in any case of letters.
func parseBool(text []byte) (truth, ok bool) {
	var lower [5]byte
	if len(text) > len(lower) {
		return false, false
	}
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(text)]) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}

// blobAt consumes the value at s where a Blob is declared and returns its base64, which has a valid
// length.
func blobAt(s *Scanner) ([]byte, error) {
	if s.peek() != '"' {
		return nil, mismatch(s, shapeBlob)
	}
	text, err := s.String()
	if err == nil && len(text)%4 != 0 {
		err = &TypeError{"Base64 encoded length is expected a multiple of 4 bytes but found: " + strconv.Itoa(len(text))}
	}
	return text, err
}

// blobLen returns the number of bytes that base64 of a valid length encodes.
func blobLen(text []byte) int {
	n := len(text) / 4 * 3
	for i := len(text) - 1; i >= len(text)-2 && i >= 0 && text[i] == '='; i-- {
		n--
	}
	return n
}

// blobProblem says what is wrong with base64 that does not decode: a character that is none of
// base64's, or else bits or padding at its end. (The first text is that of AWS's own codec in its
// open SDK; only the second was seen from DynamoDB.)
func blobProblem(text []byte) string {
	for _, c := range text {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/', c == '=':
		default:
			return "Invalid base 64 character: '" + string(rune(c)) + "'"
		}
	}
	return "Invalid last non-pad Base64 character dectected"
}
