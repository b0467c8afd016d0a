package item

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Scanner reads JSON tokens from bytes, in one pass, without copying strings that have no escapes.
// It reads whole requests and not only items, since an item is the largest part of most requests.
// It accepts exactly the JSON of RFC 8259.
//
// After an error its position is undefined, and it must be Reset.
type Scanner struct {
	data  []byte
	pos   int
	fresh bool     // the last token was an opening bracket: no comma may follow
	esc   []byte   // the text of strings that had escapes or invalid UTF-8
	open  []uint64 // Skip's stack of brackets, a bit each: set is an object
}

// ErrSyntax says that the text is not JSON. DynamoDB answers it with a bare SerializationException.
var ErrSyntax = errors.New("item: not JSON")

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

// maxKept is the size of a buffer above which Reset drops it, so that one huge request does not
// keep its memory.
const maxKept = 64 << 10

// Reset makes s read data from its beginning. Strings returned before are no longer valid: their
// memory is used again.
func (s *Scanner) Reset(data []byte) {
	s.data, s.pos, s.fresh = data, 0, false
	s.esc = s.esc[:0]
	if cap(s.esc) > maxKept {
		s.esc = nil
	}
	if cap(s.open) > maxKept/8 {
		s.open = nil
	}
}

// Kind returns the kind of the next value without consuming it, blanks skipped.
func (s *Scanner) Kind() Kind {
	switch c := s.peek(); c {
	case '{':
		return KindObject
	case '[':
		return KindArray
	case '"':
		return KindString
	case 't':
		return KindTrue
	case 'f':
		return KindFalse
	case 'n':
		return KindNull
	default:
		if c != '-' && (c < '0' || c > '9') {
			return KindEnd
		}
	}
	for _, c := range s.data[s.pos:] {
		switch {
		case c == '.' || c == 'e' || c == 'E':
			return KindDecimal
		case c != '-' && (c < '0' || c > '9'):
			return KindInteger
		}
	}
	return KindInteger
}

// peek skips blanks and returns the next byte, 0 at the end. (A 0 in the input begins no token
// either.)
func (s *Scanner) peek() byte {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return s.data[s.pos]
	}
	return s.peekFar()
}

// peekFar is peek where a blank or the end comes next.
func (s *Scanner) peekFar() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// Pos returns the offset of the next value, blanks skipped.
func (s *Scanner) Pos() int { s.peek(); return s.pos }

// Seek goes back to an offset that Pos returned.
func (s *Scanner) Seek(pos int) { s.pos, s.fresh = pos, false }

// Enter consumes the opening bracket of the next value, which must be an object or array.
func (s *Scanner) Enter() error {
	if c := s.peek(); c != '{' && c != '[' {
		return ErrSyntax
	}
	s.pos++
	s.fresh = true
	return nil
}

// NextKey, inside an object, consumes the comma before the next member, if there is one, its name
// and the colon; or the closing brace, and then more is false. The name is valid until Reset.
func (s *Scanner) NextKey() (name []byte, more bool, err error) {
	c := s.peek()
	if c == '}' {
		s.pos++
		s.fresh = false
		return nil, false, nil
	}
	if !s.fresh {
		if c != ',' {
			return nil, false, ErrSyntax
		}
		s.pos++
	}
	s.fresh = false
	name, err = s.String()
	if err != nil {
		return nil, false, err
	}
	if s.peek() != ':' {
		return nil, false, ErrSyntax
	}
	s.pos++
	return name, true, nil
}

// NextElement, inside an array, consumes the comma before the next element, if there is one; or the
// closing bracket, and then more is false.
func (s *Scanner) NextElement() (more bool, err error) {
	c := s.peek()
	if c == ']' {
		s.pos++
		s.fresh = false
		return false, nil
	}
	if !s.fresh {
		if c != ',' {
			return false, ErrSyntax
		}
		s.pos++
		if s.peek() == ']' { // a comma at the end
			return false, ErrSyntax
		}
	}
	s.fresh = false
	return true, nil
}

// String consumes a string and returns its text with escapes resolved: a view of the input or of
// the scanner's own buffer, valid until Reset. A lone surrogate or invalid UTF-8 becomes U+FFFD.
func (s *Scanner) String() ([]byte, error) {
	if s.peek() != '"' {
		return nil, ErrSyntax
	}
	start := s.pos + 1
	n, high := plain(s.data[start:])
	end := start + n
	if end >= len(s.data) || s.data[end] < ' ' {
		return nil, ErrSyntax
	}
	if s.data[end] == '\\' {
		return s.unescape(start)
	}
	s.pos = end + 1
	text := s.data[start:end:end]
	if high && !utf8.Valid(text) {
		mark := len(s.esc)
		s.esc = appendValid(s.esc, text)
		text = s.esc[mark:len(s.esc):len(s.esc)]
	}
	return text, nil
}

// loneString consumes {"S":"text"} if that comes next, without blanks, and returns the text.
// Otherwise it consumes nothing. Most values have this form, which is read in one step here.
func (s *Scanner) loneString() (text []byte, ok bool) {
	const open = `{"S":"`
	at, mark := s.pos, len(s.esc)
	if len(s.data)-at < len(open) || string(s.data[at:at+len(open)]) != open {
		return nil, false
	}
	s.pos += len(open) - 1
	text, err := s.String()
	if err != nil || !s.at('}') {
		s.pos, s.esc = at, s.esc[:mark]
		return nil, false
	}
	s.pos++
	return text, true
}

// plain returns the length of the text at the beginning of b that has no quotation mark, backslash
// or control character. high is false if that text is ASCII.
func plain(b []byte) (n int, high bool) {
	var seen uint64
	for ; len(b)-n >= 16; n += 16 {
		x, y := binary.LittleEndian.Uint64(b[n:]), binary.LittleEndian.Uint64(b[n+8:])
		seen |= x | y // includes bytes after the text's end: high can be wrong, and utf8.Valid decides
		if found := special(x); found|special(y) != 0 {
			if found == 0 {
				n, found = n+8, special(y)
			}
			return n + bits.TrailingZeros64(found)>>3, seen&tops != 0
		}
	}
	high = seen&tops != 0
	for ; n < len(b); n++ {
		c := b[n]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		high = high || c >= utf8.RuneSelf
	}
	return n, high
}

// The lowest and the highest bit of each byte of a word.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// special sets the top bit of each byte of x that is a quotation mark, backslash or control
// character. It may set it in bytes after the first such one too, because subtraction borrows, but
// never before it.
func special(x uint64) uint64 {
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & tops
}

// appendValid appends text with U+FFFD for each byte that is not part of valid UTF-8.
func appendValid(dst, text []byte) []byte {
	for len(text) > 0 {
		r, k := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[k:]
	}
	return dst
}

// unescape reads the string whose text begins at start, into the scanner's buffer.
func (s *Scanner) unescape(start int) ([]byte, error) {
	mark := len(s.esc)
	for i := start; ; {
		n, high := plain(s.data[i:])
		if high {
			s.esc = appendValid(s.esc, s.data[i:i+n])
		} else {
			s.esc = append(s.esc, s.data[i:i+n]...)
		}
		i += n
		if i >= len(s.data) {
			return nil, ErrSyntax
		}
		switch s.data[i] {
		case '"':
			s.pos = i + 1
			return s.esc[mark:len(s.esc):len(s.esc)], nil
		case '\\':
			if i = s.escape(i + 1); i < 0 {
				return nil, ErrSyntax
			}
		default:
			return nil, ErrSyntax
		}
	}
}

// escape resolves the escape whose backslash stands before i, and returns the offset after it, or
// -1.
func (s *Scanner) escape(i int) int {
	if i >= len(s.data) {
		return -1
	}
	c := s.data[i]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.escapeUnicode(i + 1)
	default:
		return -1
	}
	s.esc = append(s.esc, c)
	return i + 1
}

// escapeUnicode resolves the \u escape whose digits begin at i, with its other half if it is one of
// a pair.
func (s *Scanner) escapeUnicode(i int) int {
	r := hex4(s.data, i)
	if r < 0 {
		return -1
	}
	i += 4
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if i+1 < len(s.data) && s.data[i] == '\\' && s.data[i+1] == 'u' {
			pair = utf16.DecodeRune(r, hex4(s.data, i+2))
		}
		if pair != utf8.RuneError {
			i += 6
		}
		r = pair
	}
	s.esc = utf8.AppendRune(s.esc, r)
	return i
}

// hex4 returns the number that four hexadecimal digits at b[i:] make, or -1.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// Number consumes a number and returns its text.
func (s *Scanner) Number() ([]byte, error) {
	s.peek()
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	if s.at('0') {
		s.pos++
	} else if !s.digits() {
		return nil, ErrSyntax
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return nil, ErrSyntax
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return nil, ErrSyntax
		}
	}
	return s.data[start:s.pos:s.pos], nil
}

// at tells whether c is the very next byte.
func (s *Scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// digits consumes digits, and tells whether there was any.
func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

// Literal consumes true, false or null.
func (s *Scanner) Literal() error {
	want := ""
	switch s.peek() {
	case 't':
		want = "true"
	case 'f':
		want = "false"
	case 'n':
		want = "null"
	default:
		return ErrSyntax
	}
	if len(s.data)-s.pos < len(want) || string(s.data[s.pos:s.pos+len(want)]) != want {
		return ErrSyntax
	}
	s.pos += len(want)
	return nil
}

// Skip consumes a whole value of any kind and depth, checking its syntax, without recursion.
func (s *Scanner) Skip() error {
	mark := len(s.esc)
	depth := 0
	for {
		switch c := s.peek(); c {
		case '{', '[':
			s.push(depth, c == '{')
			depth++
			s.pos++
			s.fresh = true
		default:
			if err := s.skipScalar(c); err != nil {
				return err
			}
		}
		for more := false; !more; depth-- {
			if depth == 0 {
				return nil
			}
			var err error
			if s.inObject(depth - 1) {
				_, more, err = s.NextKey()
			} else {
				more, err = s.NextElement()
			}
			if err != nil {
				return err
			}
			s.esc = s.esc[:mark] // these names are not returned
			if more {
				break
			}
		}
	}
}

// skipScalar consumes a value that is no object or array and begins with c.
func (s *Scanner) skipScalar(c byte) (err error) {
	switch c {
	case '"':
		mark := len(s.esc)
		_, err = s.String()
		s.esc = s.esc[:mark]
	case 't', 'f', 'n':
		err = s.Literal()
	default:
		_, err = s.Number()
	}
	return err
}

// push notes that the bracket at this depth opens an object, or else an array.
func (s *Scanner) push(depth int, object bool) {
	if depth/64 >= len(s.open) {
		s.open = append(s.open, 0)
	}
	if bit := uint64(1) << (depth % 64); object {
		s.open[depth/64] |= bit
	} else {
		s.open[depth/64] &^= bit
	}
}

// inObject tells what push noted.
func (s *Scanner) inObject(depth int) bool { return s.open[depth/64]>>(depth%64)&1 != 0 }

// End reports ErrSyntax if anything but blanks follows.
func (s *Scanner) End() error {
	s.peek()
	if s.pos < len(s.data) {
		return ErrSyntax
	}
	return nil
}
