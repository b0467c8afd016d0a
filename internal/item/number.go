package item

import (
	"math"
	"strconv"
)

// A number is stored so that the order of the bytes is the order of the numbers, and one number has
// one form:
//
//	number   := class · [exponent · digit* · terminator]
//	class    := 0x01 negative · 0x02 zero, and nothing follows · 0x03 positive
//	exponent := E + 0x80, where |value| = 0.D1D2D3… × 100^E; E lies in -64..63
//	digit    := D + 1 for each base-100 digit D; neither the first nor the last D is 0
//	terminator := 0x00
//
// Every byte after a negative number's class is complemented, which turns the order around. A
// terminator sorts before any digit, so a shorter number sorts before its longer continuations, and
// no number is a prefix of another: the form may stand within a longer key. At most 38 decimal
// digits, hence 20 base-100 digits and 23 bytes in all.
const (
	classNegative byte = 0x01
	classZero     byte = 0x02
	classPositive byte = 0x03

	exponentBias    = 0x80
	maxDigits       = 38   // significant decimal digits
	maxExponent     = 125  // of the leading decimal digit
	minExponent     = -130 // of the leading decimal digit
	maxPairs        = 20   // base-100 digits: 38 decimal ones may begin and end in the middle of a pair
	maxNumberBytes  = maxPairs + 3
	exponentCeiling = 1 << 30 // limits a text's exponent: no text has digits enough to compensate it
)

// numberProblem is what is wrong with a number; 0 is nothing.
type numberProblem byte

// The problems, in the order in which they are reported.
const (
	numberInvalid numberProblem = iota + 1
	numberOverflow
	numberUnderflow
	numberPrecision
)

// fault words a problem as DynamoDB does; text is the number as sent, which one message quotes.
func (p numberProblem) fault(text string) *Fault {
	message := ""
	switch p {
	case numberInvalid:
		message = "The parameter cannot be converted to a numeric value"
		if text != "" {
			message += ": " + text
		}
	case numberOverflow:
		message = "Number overflow. Attempting to store a number with magnitude larger than supported range"
	case numberUnderflow:
		message = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
	case numberPrecision:
		message = "Attempting to store more than 38 significant digits in a Number"
	}
	return &Fault{Kind: FaultNumber, Message: message}
}

// Number parses DynamoDB's number text into an N value. The error is a *Fault.
func Number(text string) (Value, error) {
	var payload [maxNumberBytes]byte
	b, problem := appendNumber(payload[:0], []byte(text))
	if problem != 0 {
		return Value{}, problem.fault(text)
	}
	return newNumber(b), nil
}

// Int makes an N of a whole number.
func Int(n int64) Value {
	var text [20]byte
	var payload [maxNumberBytes]byte
	b, _ := appendNumber(payload[:0], strconv.AppendInt(text[:0], n, 10))
	return newNumber(b)
}

// newNumber makes an N of a stored number.
func newNumber(b []byte) Value { return Value{append(newValue(N, len(b)), b...)} }

// decimal is a number by its parts: ±d.ddd × 10^exponent. Zero has no digits.
type decimal struct {
	negative bool
	exponent int // of the leading digit
	n        int // significant digits; neither the first nor the last is 0
	digits   [2 * maxPairs]byte
}

// appendNumber parses a number's text and appends its stored form. With a problem, nothing is
// appended.
func appendNumber(dst, text []byte) ([]byte, numberProblem) {
	var d decimal
	if problem := d.parse(text); problem != 0 {
		return dst, problem
	}
	return d.appendStored(dst), 0
}

// parse reads [sign] digits [. digits] [e [sign] digits]; a digit on either side of the point is
// enough.
func (d *decimal) parse(text []byte) numberProblem {
	i := 0
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		d.negative = text[0] == '-'
		i = 1
	}
	count, point := 0, -1 // digits so far, and those before the point
	first, last := -1, -1 // the outermost digits that are not 0
	for ; i < len(text); i++ {
		c := text[i] - '0'
		if c <= 9 {
			if c != 0 {
				if first < 0 {
					first = count
				}
				last = count
			}
			if first >= 0 && count-first < len(d.digits) {
				d.digits[count-first] = c
			}
			count++
		} else if text[i] == '.' && point < 0 {
			point = count
		} else {
			break
		}
	}
	if count == 0 {
		return numberInvalid
	}
	if point < 0 {
		point = count
	}
	power, ok := parsePower(text[i:])
	if !ok {
		return numberInvalid
	}
	if first < 0 {
		*d = decimal{} // zero has no sign, and its exponent says nothing
		return 0
	}
	d.exponent = point - first - 1 + power
	d.n = last - first + 1
	return d.check()
}

// parsePower reads the exponent of a number's text, which may be empty. Whatever it says, the
// result's magnitude is at most exponentCeiling.
func parsePower(text []byte) (power int, ok bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	text = text[1:]
	sign := 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	for _, c := range text {
		if c -= '0'; c > 9 {
			return 0, false
		}
		power = min(power*10+int(c), exponentCeiling)
	}
	return sign * power, len(text) > 0
}

// check checks a number that is not zero for DynamoDB's limits.
func (d *decimal) check() numberProblem {
	switch {
	case d.exponent > maxExponent:
		return numberOverflow
	case d.exponent < minExponent:
		return numberUnderflow
	case d.n > maxDigits:
		return numberPrecision
	}
	return 0
}

// appendStored appends the stored form of a number within the limits.
func (d *decimal) appendStored(dst []byte) []byte {
	if d.n == 0 {
		return append(dst, classZero)
	}
	flip := byte(0)
	class := classPositive
	if d.negative {
		flip = 0xFF
		class = classNegative
	}
	dst = append(dst, class, byte((d.exponent>>1)+1+exponentBias)^flip)
	i := 0
	if d.exponent&1 == 0 { // the leading digit stands alone in its pair
		dst = append(dst, (d.digits[0]+1)^flip)
		i = 1
	}
	for ; i < d.n; i += 2 {
		pair := d.digits[i] * 10
		if i+1 < d.n {
			pair += d.digits[i+1]
		}
		dst = append(dst, (pair+1)^flip)
	}
	return append(dst, flip)
}

// load splits a stored number into its parts. ok is false if it is damaged or not canonical.
func (d *decimal) load(b []byte) (ok bool) {
	pairs, flip, ok := numberPairs(b)
	if !ok {
		return false
	}
	d.n = 0
	if len(pairs) == 0 {
		return true
	}
	d.negative = flip != 0
	d.exponent = 2 * (int(b[1]^flip) - exponentBias - 1)
	for i, c := range pairs {
		pair := (c ^ flip) - 1
		if i == 0 && pair < 10 {
			d.digits[0] = pair
			d.n = 1
			continue
		}
		if i == 0 {
			d.exponent++
		}
		d.digits[d.n] = pair / 10
		d.digits[d.n+1] = pair % 10
		d.n += 2
	}
	if d.digits[d.n-1] == 0 {
		d.n--
	}
	return d.check() == 0
}

// numberPairs returns the digit bytes of a stored number, none for zero, and what they are
// complemented with. ok is false if the form is wrong; DynamoDB's limits are not checked.
func numberPairs(b []byte) (pairs []byte, flip byte, ok bool) {
	switch {
	case len(b) == 1:
		return nil, 0, b[0] == classZero
	case len(b) < 4 || len(b) > maxNumberBytes:
		return nil, 0, false
	case b[0] == classNegative:
		flip = 0xFF
	case b[0] != classPositive:
		return nil, 0, false
	}
	pairs = b[2 : len(b)-1]
	for _, c := range pairs {
		if c ^= flip; c == 0 || c > 100 {
			return nil, 0, false
		}
	}
	if pairs[0]^flip == 1 || pairs[len(pairs)-1]^flip == 1 || b[len(b)-1] != flip {
		return nil, 0, false
	}
	return pairs, flip, true
}

// numberSize returns a stored number's size as DynamoDB counts it: a byte, one for each begun pair
// of significant digits left of the point, one for each begun pair right of it, and one for the
// minus.
func numberSize(b []byte) int {
	pairs, flip, ok := numberPairs(b)
	if !ok || len(pairs) == 0 {
		return 1
	}
	digits, exponent := 2*len(pairs), 2*(int(b[1]^flip)-exponentBias)-1
	if pairs[0]^flip <= 10 {
		digits--
		exponent--
	}
	if ((pairs[len(pairs)-1]^flip)-1)%10 == 0 {
		digits--
	}
	left := min(max(exponent+1, 0), digits)
	size := 1 + (left+1)/2 + (digits-left+1)/2
	if flip != 0 {
		size++
	}
	return size
}

// zeros are the zeros of plain decimals, as many as any number needs.
const zeros = "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

// appendNumberText appends a stored number as a plain decimal, without exponent. A damaged one
// prints as 0.
func appendNumberText(dst, b []byte) []byte {
	var d decimal
	if !d.load(b) || d.n == 0 {
		return append(dst, '0')
	}
	if d.negative {
		dst = append(dst, '-')
	}
	left := d.exponent + 1 // digits left of the point
	switch {
	case left <= 0:
		dst = append(dst, '0', '.')
		dst = append(dst, zeros[:-left]...)
		return appendDigits(dst, d.digits[:d.n])
	case left >= d.n:
		dst = appendDigits(dst, d.digits[:d.n])
		return append(dst, zeros[:left-d.n]...)
	}
	dst = appendDigits(dst, d.digits[:left])
	dst = append(dst, '.')
	return appendDigits(dst, d.digits[left:d.n])
}

func appendDigits(dst, digits []byte) []byte {
	for _, c := range digits {
		dst = append(dst, c+'0')
	}
	return dst
}

// numberFloor returns the greatest whole number that is not above a stored number, and whether it
// is the number itself. ok is false if it is not within int64.
func numberFloor(b []byte) (n int64, whole, ok bool) {
	var d decimal
	if !d.load(b) || d.exponent > 18 {
		return 0, false, false
	}
	if d.n == 0 {
		return 0, true, true
	}
	var m uint64 // at most 19 digits, which fit
	for i := range d.exponent + 1 {
		m *= 10
		if i < d.n {
			m += uint64(d.digits[i])
		}
	}
	whole = d.n <= d.exponent+1
	if !d.negative {
		return int64(m), whole, m <= math.MaxInt64
	}
	if !whole {
		m++
	}
	return -int64(m), whole, m <= 1<<63
}
