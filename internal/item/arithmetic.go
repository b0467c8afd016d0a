package item

// Sums are exact: all base-100 digits that two numbers can have fit in one fixed row, so they are
// added there place by place. Place p, the weight 100^p, is digit p-lowestPlace of the row.
const (
	lowestPlace = -64 - maxPairs // 100^E has its first digit at place E-1, and E is -64 at least
	places      = 63 - lowestPlace + 1
)

// Add returns a+b for two N values, exactly. A result with more than 38 significant digits or out
// of range is a *Fault with DynamoDB's message.
func Add(a, b Value) (Value, error) { return sum(a, b, 1) }

// Subtract returns a-b for two N values, as Add does a+b.
func Subtract(a, b Value) (Value, error) { return sum(a, b, -1) }

// sum returns a + sign·b.
func sum(a, b Value, sign int16) (Value, error) {
	if a.Type() != N || b.Type() != N {
		panic("item: arithmetic with types " + a.Type().String() + " and " + b.Type().String())
	}
	x, wholeX := a.Int64()
	y, wholeY := b.Int64()
	if wholeX && wholeY && inHalf(x) && inHalf(y) { // the usual case: counters
		return Int(x + int64(sign)*y), nil
	}
	var row [places]int16
	addTo(&row, a.payload(), 1)
	addTo(&row, b.payload(), sign)
	var d decimal
	if problem := d.fromRow(&row); problem != 0 {
		return Value{}, problem.fault("")
	}
	var payload [maxNumberBytes]byte
	return newNumber(d.appendStored(payload[:0])), nil
}

// inHalf tells whether two numbers such as n can be added without overflow.
func inHalf(n int64) bool { return -1<<62 < n && n < 1<<62 }

// addTo adds sign times a stored number to the row, place by place without carrying.
func addTo(row *[places]int16, b []byte, sign int16) {
	pairs, flip, ok := numberPairs(b)
	if !ok || len(pairs) == 0 {
		return
	}
	if flip != 0 {
		sign = -sign
	}
	top := int(b[1]^flip) - exponentBias - 1 - lowestPlace
	if top >= places || top-len(pairs) < -1 {
		return // an exponent that no number has: damage
	}
	for i, c := range pairs {
		row[top-i] += sign * int16((c^flip)-1)
	}
}

// fromRow carries, and takes the digits out of the row. It checks the limits.
func (d *decimal) fromRow(row *[places]int16) numberProblem {
	top := places - 1
	for top >= 0 && row[top] == 0 {
		top--
	}
	if top < 0 {
		return 0
	}
	// The first place decides the sign: if the numbers' signs differ, each place is a difference of
	// two digits, so all later places together weigh less than 1 in the first.
	if d.negative = row[top] < 0; d.negative {
		for i := range row[:top+1] {
			row[i] = -row[i]
		}
	}
	carry := int16(0)
	for i := range row {
		pair := row[i] + carry
		carry = 0
		if pair < 0 {
			pair, carry = pair+100, -1
		} else if pair >= 100 {
			pair, carry = pair-100, 1
		}
		row[i] = pair
	}
	return d.collect(row)
}

// collect reads the decimal digits of a row that is carried and not all 0.
func (d *decimal) collect(row *[places]int16) numberProblem {
	top, bottom := places-1, 0
	for row[top] == 0 {
		top--
	}
	for row[bottom] == 0 {
		bottom++
	}
	d.n = 2 * (top - bottom + 1)
	d.exponent = 2*(top+lowestPlace) + 1
	skip := 0
	if row[top] < 10 {
		d.n--
		d.exponent--
		skip = 1
	}
	if row[bottom]%10 == 0 {
		d.n--
	}
	if problem := d.check(); problem != 0 {
		return problem
	}
	for i := range d.n {
		pair := row[top-(i+skip)/2]
		if (i+skip)%2 == 0 {
			pair /= 10
		}
		d.digits[i] = byte(pair % 10)
	}
	return 0
}
