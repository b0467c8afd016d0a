package blackbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// nested is a value of that many lists and maps in each other.
func nested(levels int) av {
	v := s("x")
	for i := range levels {
		if i%2 == 0 {
			v = m(attrs{"k": v})
		} else {
			v = l(v)
		}
	}
	return v
}

// TestTypes writes each type and reads it back.
func TestTypes(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, c := range []struct {
		v    av
		want string
	}{
		{s("text"), `"text"`},
		{s(""), `""`},
		{s("naïve ☃ 𝄞 \"\\\x00\n"), `"naïve ☃ 𝄞 \"\\\x00\n"`},
		{n("5"), `5`},
		{b("\x00\xff"), `b"\x00\xff"`},
		{b(""), `b""`},
		{boolean(true), `true`},
		{boolean(false), `false`},
		{null(true), `null`},
		{ss("b", "a", ""), `SS("", "a", "b")`},
		{ns("2", "1.50", "-3"), `NS(-3, 1.5, 2)`},
		{bs("b", "a", ""), `BS(b"", b"a", b"b")`},
		{l(), `[]`},
		{l(n("1"), s(""), l(), m(attrs{}), null(true)), `[1, "", [], {}, null]`},
		{m(attrs{}), `{}`},
		{m(attrs{"k": m(attrs{"é": ss("x")}), "a": b("")}), `{a: b"", k: {é: SS("x")}}`},
	} {
		put(t, table, attrs{"a": s("1"), "v": c.v})
		same(t, "item", get(t, table, attrs{"a": s("1")}), `{a: "1", v: `+c.want+`}`)
	}
}

// TestNumbers is about the numbers there are, and how they are printed.
func TestNumbers(t *testing.T) {
	t.Parallel()
	table := schema{hash: "k:N"}.table(t)
	nines := strings.Repeat("9", 38)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0E10": "0", "+0": "0", "0e-500": "0",
		"0042": "42", "1.200": "1.2", "1E3": "1000", "+5": "5", ".5": "0.5", "5.": "5", "-.5e1": "-5",
		"1e2": "100", "1E+2": "100", "1E-2": "0.01", "100": "100", "0.00001": "0.00001",
		"1E125":                   "1" + strings.Repeat("0", 125),
		"-1E125":                  "-1" + strings.Repeat("0", 125),
		"1E-130":                  "0." + strings.Repeat("0", 129) + "1",
		"-1E-130":                 "-0." + strings.Repeat("0", 129) + "1",
		nines:                     nines,
		"-0." + nines:             "-0." + nines,
		nines + "E88":             nines + strings.Repeat("0", 88),
		"9." + nines[1:] + "E125": nines + strings.Repeat("0", 88),
		"00" + nines + "00":       nines + "00",
		"123456789012345678901234567890.12345678": "123456789012345678901234567890.12345678",
	} {
		put(t, table, attrs{"k": n(in), "v": n(in), "set": ns(in), "list": l(n(in))})
		same(t, in, get(t, table, attrs{"k": n(want)}), fmt.Sprintf("{k: %s, list: [%s], set: NS(%[1]s), v: %[1]s}", want, want))
	}
}

// TestNumberErrors is about numbers that there are not.
func TestNumberErrors(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const (
		large  = "Number overflow. Attempting to store a number with magnitude larger than supported range"
		small  = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
		digits = "Attempting to store more than 38 significant digits in a Number"
		format = "The parameter cannot be converted to a numeric value"
	)
	for in, message := range map[string]string{
		"": format, " ": format + ":  ", "a": format + ": a", "1 ": format + ": 1 ", " 1": format + ":  1", "0x1": format + ": 0x1",
		"NaN": format + ": NaN", "Infinity": format + ": Infinity", "1e": format + ": 1e", ".": format + ": .", "1.2.3": format + ": 1.2.3",
		"--1": format + ": --1", "1,0": format + ": 1,0", "1e1.5": format + ": 1e1.5", "١": format + ": ١",
		"1E126": large, "-1E126": large, "1" + strings.Repeat("0", 126): large, "1e99999999999999999999": large,
		"1E-131": small, "-1E-131": small, "1e-99999999999999999999": small,
		strings.Repeat("1", 39):                  digits,
		"1." + strings.Repeat("0", 37) + "1":     digits,
		"1" + strings.Repeat("1", 38) + "E200":   large, // the exponent is looked at first
		"0." + strings.Repeat("1", 39) + "E-200": small,
		"1" + strings.Repeat("0", 37) + "1":      digits,
		"-" + strings.Repeat("123456789", 5):     digits,
	} {
		invalid(t, tryPut(table, attrs{"a": s("1"), "v": n(in)}), message)
		invalid(t, tryPut(table, attrs{"a": s("1"), "v": ns("1", in)}), message)
		invalid(t, tryPut(table, attrs{"a": s("1"), "v": l(m(attrs{"x": n(in)}))}), message)
	}
}

// TestSets is about sets that there are not.
func TestSets(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, c := range []struct {
		v       av
		message string
	}{
		{ss(), oneError + oneOrMore + "An string set  may not be empty"},
		{ns(), oneError + oneOrMore + "An number set  may not be empty"},
		{bs(), oneError + oneOrMore + "Binary sets should not be empty"},
		{ss("a", "b", "a"), oneError + oneOrMore + "Input collection [a, b, a] contains duplicates."},
		{ns("1", "1.0"), oneError + "Input collection contains duplicates"},
		{ns("10", "1e1"), oneError + "Input collection contains duplicates"},
		{bs("a", "a"), oneError + oneOrMore + "Input collection [YQ==, YQ==]of type BS contains duplicates."},
		{null(false), oneError + oneOrMore + "Null attribute value types must have the value of true"},
		{l(m(attrs{"x": ss()})), oneError + oneOrMore + "An string set  may not be empty"},
	} {
		invalid(t, tryPut(table, attrs{"a": s("1"), "v": c.v}), c.message)
	}
}

// TestNames is about the names of attributes and the keys of maps: 1 to 65535 bytes of anything.
func TestNames(t *testing.T) {
	t.Parallel()
	table := simple(t)
	long := strings.Repeat("é", 32767) + "x"
	put(t, table, attrs{"a": s("1"), " ": n("1"), "a.b[0]": n("2"), "\x00\"\n": n("3"), long: m(attrs{long: n("4")})})
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"a": s("1")}, ProjectionExpression: new("#1, #2, #3, #4.#4"),
		ExpressionAttributeNames: map[string]string{"#1": " ", "#2": "a.b[0]", "#3": "\x00\"\n", "#4": long}}))(t)
	same(t, "names", strings.ReplaceAll(show(out.Item), long, "long"), "{\x00\"\n: 3,  : 1, a.b[0]: 2, long: {long: 4}}")

	const tooLong = "1 validation error detected: Attribute name is too large, must be less than 65536 bytes"
	for name, messages := range map[string]struct{ item, placeholder string }{
		"":         {oneOrMore + "Empty attribute name", "ExpressionAttributeNames contains invalid value: Empty attribute name for key #n"},
		long + "y": {tooLong, tooLong},
	} {
		invalid(t, tryPut(table, attrs{"a": s("1"), name: n("1")}), messages.item)
		invalid(t, tryPut(table, attrs{"a": s("1"), "m": m(attrs{name: n("1")})}), messages.item)
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")}, UpdateExpression: new("SET #n = :n"),
			ExpressionAttributeNames: map[string]string{"#n": name}, ExpressionAttributeValues: attrs{":n": n("1")}})
		invalid(t, err, messages.placeholder)
		_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("1")},
			AttributeUpdates: map[string]types.AttributeValueUpdate{name: {Value: n("1")}}})
		invalid(t, err, messages.item)
	}
}

// TestNesting is about values in values.
func TestNesting(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const tooDeep = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
	put(t, table, attrs{"a": s("1"), "v": nested(31)})
	same(t, "31 levels", get(t, table, attrs{"a": s("1")}), `{a: "1", v: `+showValue(nested(31))+`}`)
	invalid(t, tryPut(table, attrs{"a": s("1"), "v": nested(32)}), tooDeep)
	invalid(t, tryPut(table, attrs{"a": s("1"), "v": nested(300)}), tooDeep)

	put(t, table, attrs{"a": s("2"), "v": nested(30)})
	update := func(v av) error {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("2")},
			UpdateExpression: new("SET w.k = :v"), ExpressionAttributeValues: attrs{":v": v}})
		return err
	}
	put(t, table, attrs{"a": s("2"), "w": m(attrs{})})
	if err := update(nested(30)); err != nil {
		t.Error(err)
	}
	invalid(t, update(nested(31)), tooDeep)
}

// TestItemSize is about the 400 KB that an item can have, to the byte.
func TestItemSize(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const limit = 400 * 1024
	const base = 1 + 1 + 1 // a, its value, and the name p of the padding
	for what, c := range map[string]struct {
		v    av
		size int // of v, without its name v
	}{
		"empty string":     {s(""), 0},
		"characters":       {s("é☃"), 5},
		"binary":           {b("xyz"), 3},
		"BOOL":             {boolean(false), 1},
		"NULL":             {null(true), 1},
		"zero":             {n("0"), 1},
		"one":              {n("1"), 2},
		"negative":         {n("-42"), 3},
		"one digit":        {n("100"), 2},
		"three digits":     {n("123"), 3},
		"a fraction":       {n("1.5"), 3},
		"leading zeros":    {n("0.0000001"), 2},
		"largest":          {n("-1234567890123456789.1234567890123456789"), 22},
		"38 digits":        {n(strings.Repeat("12", 19)), 20},
		"string set":       {ss("a", "bc"), 3},
		"number set":       {ns("1", "-123"), 6},
		"binary set":       {bs("a", ""), 1},
		"empty list":       {l(), 3},
		"list":             {l(n("1"), s("ab")), 3 + 1 + 2 + 1 + 2},
		"empty map":        {m(attrs{}), 3},
		"map":              {m(attrs{"kk": n("1"), "l": l()}), 3 + 1 + 2 + 2 + 1 + 1 + 3},
		"scientific":       {n("1e100"), 2},
		"scientific small": {n("12.5e-20"), 3},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			fill := limit - base - 1 - c.size
			if err := tryPut(table, attrs{"a": s("1"), "v": c.v, "p": s(strings.Repeat("x", fill))}); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			invalid(t, tryPut(table, attrs{"a": s("1"), "v": c.v, "p": s(strings.Repeat("x", fill+1))}),
				"Item size has exceeded the maximum allowed size")
		})
	}
}

// TestUpdatedItemSize is about the sum by which an update is judged: its actions count too.
func TestUpdatedItemSize(t *testing.T) {
	t.Parallel()
	table := simple(t)
	const limit = 400 * 1024
	update := func(expression string, values attrs) error {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"a": s("k")},
			UpdateExpression: &expression, ExpressionAttributeValues: values})
		return err
	}
	padding := func(n int) attrs { return attrs{":p": s(strings.Repeat("x", n))} }
	const tooLarge = "Item size to update has exceeded the maximum allowed size"
	// One SET: the item without its key (2 bytes), and 3 + 19.
	if err := update("SET p = :p", padding(limit-3-19-1)); err != nil {
		t.Error(err)
	}
	invalid(t, update("SET p = :p", padding(limit-3-19)), tooLarge)
	// A REMOVE besides: 2 more.
	if err := update("SET p = :p REMOVE q", padding(limit-3-19-2-1)); err != nil {
		t.Error(err)
	}
	invalid(t, update("SET p = :p REMOVE q", padding(limit-3-19-2)), tooLarge)
}
