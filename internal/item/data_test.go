package item

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestData runs the files of testdata/data; -rewrite writes their outputs anew. Each command takes
// one input a line:
//
//	number   a number's text      its plain text, size and stored form, or the fault
//	order    numbers              "ok" if they ascend strictly, stored and compared
//	add      two numbers          their sum and their difference, or the faults
//	item     an item's JSON       the item's JSON and size, or all that is wrong with it
//	value    an AttributeValue    the same
//	text     an AttributeValue    how messages print it
func TestData(t *testing.T) {
	commands := map[string]func(*testing.T, string) string{
		"number": numberLine, "add": addLine, "item": itemLine, "value": valueLine, "text": textLine,
	}
	datadriven.Walk(t, "testdata/data", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "order" {
				return orderLines(t, strings.Fields(d.Input))
			}
			run := commands[d.Cmd]
			if run == nil {
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				fmt.Fprintln(&out, run(t, strings.TrimSuffix(line, "\n")))
			}
			return out.String()
		})
	})
}

// numberLine answers the command number.
func numberLine(_ *testing.T, line string) string {
	v, err := Number(line)
	if err != nil {
		return "fault: " + err.Error()
	}
	text := string(appendNumberText(nil, v.Bytes()))
	if len(text) > 60 {
		text = fmt.Sprintf("%s…%s (%d characters)", text[:20], text[len(text)-20:], len(text))
	}
	return fmt.Sprintf("%s size=%d %x", text, v.Size(), v.Bytes())
}

// orderLines answers the command order.
func orderLines(t *testing.T, texts []string) string {
	for i := range len(texts) - 1 {
		a, b := mustNumber(t, texts[i]), mustNumber(t, texts[i+1])
		if order, ok := Compare(a, b); order >= 0 || !ok {
			return fmt.Sprintf("%s (%x) is not before %s (%x)", texts[i], a.Bytes(), texts[i+1], b.Bytes())
		}
	}
	return "ok"
}

// addLine answers the command add.
func addLine(t *testing.T, line string) string {
	f := strings.Fields(line)
	a, b := mustNumber(t, f[0]), mustNumber(t, f[1])
	show := func(v Value, err error) string {
		if err != nil {
			return "fault: " + err.Error()
		}
		if err := v.Verify(); err != nil {
			t.Errorf("sum of %s: %v", line, err)
		}
		return string(appendNumberText(nil, v.Bytes()))
	}
	return show(Add(a, b)) + " | " + show(Subtract(a, b))
}

// mustNumber parses a number that is one.
func mustNumber(t testing.TB, text string) Value {
	t.Helper()
	v, err := Number(text)
	if err != nil {
		t.Fatalf("Number(%q): %v", text, err)
	}
	return v
}

// itemLine answers the command item.
func itemLine(t *testing.T, line string) string {
	var s Scanner
	var d Decoder
	s.Reset([]byte(line))
	it, faults, err := d.Item(&s)
	if problem := describe(faults, err); problem != "" {
		return problem
	}
	if err := it.Verify(); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return fmt.Sprintf("%s size=%d", it.AppendJSON(nil), it.Size())
}

// valueLine answers the command value.
func valueLine(t *testing.T, line string) string {
	v, problem := decodeValue(line)
	if problem != "" {
		return problem
	}
	if err := v.Verify(); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return fmt.Sprintf("%s size=%d", v.AppendJSON(nil), v.Size())
}

// decodeValue decodes an AttributeValue, or tells what is wrong with it.
func decodeValue(json string) (Value, string) {
	var s Scanner
	var d Decoder
	s.Reset([]byte(json))
	v, faults, err := d.Value(&s)
	if err == nil {
		err = s.End()
	}
	return v, describe(faults, err)
}

// kindNames are the kinds of faults in the order of their numbers.
var kindNames = []string{"", "empty", "multiple", "number", "null", "set", "nesting", "name", "long name"}

// describe prints errors and faults, the one that comes first marked if there are two; nothing
// wrong is "".
func describe(faults Faults, err error) string {
	var wrong *TypeError
	switch {
	case errors.As(err, &wrong):
		return "type: " + err.Error()
	case err != nil:
		return "syntax: " + err.Error()
	}
	var out []string
	for _, f := range []*Fault{faults.Null, faults.First} {
		if f != nil {
			line := kindNames[f.Kind] + ": " + f.Message
			if faults.Null != nil && faults.First != nil && f == faults.Earliest() {
				line = "(earlier) " + line
			}
			out = append(out, line)
		}
	}
	return strings.Join(out, " | ")
}

// textLine answers the command text.
func textLine(t *testing.T, line string) string {
	v, problem := decodeValue(line)
	if problem != "" {
		t.Fatalf("%s: %s", line, problem)
	}
	return string(v.AppendText(nil))
}
