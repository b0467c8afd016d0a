package item

import "encoding/base64"

// AppendJSON appends the item in DynamoDB's JSON: {"name":{"S":"…"},…}. Strings are escaped no more
// than JSON requires.
func (it Item) AppendJSON(dst []byte) []byte { return appendMapJSON(dst, it.attrs, maxWalk) }

// AppendJSON appends v in DynamoDB's JSON: {"S":"…"}. A missing value is {}.
func (v Value) AppendJSON(dst []byte) []byte { return v.appendJSON(dst, maxWalk) }

// appendJSON is AppendJSON down to the given number of levels.
func (v Value) appendJSON(dst []byte, levels int) []byte {
	if len(v.b) == 0 {
		return append(dst, "{}"...)
	}
	switch Type(v.b[0]) {
	case S:
		dst = append(dst, `{"S":`...)
		dst = appendQuoted(dst, v.payload())
	case N:
		dst = append(dst, `{"N":"`...)
		dst = appendNumberText(dst, v.payload())
		dst = append(dst, '"')
	case B:
		dst = append(dst, `{"B":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v.payload())
		dst = append(dst, '"')
	case NULL:
		dst = append(dst, `{"NULL":true`...)
	case BOOL:
		dst = append(dst, `{"BOOL":false`...)
	case tagTrue:
		dst = append(dst, `{"BOOL":true`...)
	case SS, NS, BS:
		dst = v.appendSetJSON(dst)
	case L:
		dst = append(dst, `{"L":`...)
		dst = appendListJSON(dst, v.payload(), levels-1)
	case M:
		dst = append(dst, `{"M":`...)
		dst = appendMapJSON(dst, v.payload(), levels-1)
	default:
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// appendSetJSON appends a set without the closing brace.
func (v Value) appendSetJSON(dst []byte) []byte {
	t := Type(v.b[0])
	dst = append(dst, `{"`...)
	dst = append(dst, t.String()...)
	dst = append(dst, `":[`...)
	first := true
	for m := range members(v.payload()) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		switch t {
		case SS:
			dst = appendQuoted(dst, m)
		case NS:
			dst = append(dst, '"')
			dst = append(appendNumberText(dst, m), '"')
		case BS:
			dst = append(dst, '"')
			dst = append(base64.StdEncoding.AppendEncode(dst, m), '"')
		}
	}
	return append(dst, ']')
}

// appendListJSON appends a list's payload as an array.
func appendListJSON(dst, payload []byte, levels int) []byte {
	dst = append(dst, '[')
	if n, i := readCount(payload); levels > 0 {
		for first := true; n > 0; n-- {
			end := valueEnd(payload, i)
			if end < 0 {
				break
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = Value{payload[i:end]}.appendJSON(dst, levels)
			i = end
		}
	}
	return append(dst, ']')
}

// appendMapJSON appends a map's payload, or an item's attributes, as an object.
func appendMapJSON(dst, payload []byte, levels int) []byte {
	dst = append(dst, '{')
	if n, i := readCount(payload); levels > 0 {
		for first := true; n > 0; n-- {
			name, v, next, ok := entryAt(payload, i)
			if !ok {
				break
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendQuoted(dst, name)
			dst = append(dst, ':')
			dst = v.appendJSON(dst, levels)
			i = next
		}
	}
	return append(dst, '}')
}

// AppendQuoted appends text as a JSON string, escaped no more than JSON requires.
func AppendQuoted(dst []byte, text string) []byte { return appendQuoted(dst, bytesView(text)) }

// appendQuoted is AppendQuoted of bytes.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for {
		n, _ := plain(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return append(dst, '"')
		}
		dst = appendEscape(dst, text[n])
		text = text[n+1:]
	}
}

// appendEscape appends the escape of a quotation mark, backslash or control character.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// AppendText appends v as DynamoDB's messages print values: {S:a}, {N:1}. Collections print as
// Java's do, binaries in base64; no captured message shows those.
func (v Value) AppendText(dst []byte) []byte { return v.appendText(dst, maxWalk) }

// appendText is AppendText down to the given number of levels.
func (v Value) appendText(dst []byte, levels int) []byte {
	t := v.Type()
	dst = append(dst, '{')
	dst = append(dst, t.String()...)
	if t != Missing {
		dst = append(dst, ':')
	}
	switch t {
	case NULL:
		dst = append(dst, "true"...)
	case BOOL:
		if v.Bool() {
			dst = append(dst, "true"...)
		} else {
			dst = append(dst, "false"...)
		}
	case S, N, B:
		dst = appendScalarText(dst, t, v.payload())
	case SS, NS, BS:
		dst = append(dst, '[')
		separator := ""
		for m := range members(v.payload()) {
			dst = append(dst, separator...)
			dst = appendScalarText(dst, memberType(t), m)
			separator = ", "
		}
		dst = append(dst, ']')
	case L, M:
		dst = v.appendNestedText(dst, t, levels-1)
	}
	return append(dst, '}')
}

// appendNestedText appends the contents of a list as [a, b], and of a map as {k=a, l=b}.
func (v Value) appendNestedText(dst []byte, t Type, levels int) []byte {
	separator, left, right := "", byte('['), byte(']')
	if t == M {
		left, right = '{', '}'
	}
	dst = append(dst, left)
	if levels > 0 && t == L {
		for e := range elements(v.payload()) {
			dst = append(dst, separator...)
			dst = e.appendText(dst, levels)
			separator = ", "
		}
	} else if levels > 0 {
		for name, e := range entriesOf(v.payload()) {
			dst = append(dst, separator...)
			dst = append(dst, name...)
			dst = append(dst, '=')
			dst = e.appendText(dst, levels)
			separator = ", "
		}
	}
	return append(dst, right)
}

// appendScalarText appends a string, number or binary as messages print it.
func appendScalarText(dst []byte, t Type, payload []byte) []byte {
	switch t {
	case N:
		return appendNumberText(dst, payload)
	case B:
		return base64.StdEncoding.AppendEncode(dst, payload)
	}
	return append(dst, payload...)
}
