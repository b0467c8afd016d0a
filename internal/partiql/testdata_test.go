package partiql

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// TestData runs the files of testdata. In the input of each command, a line is one of
//
//	params [{"S":"a"},…]        the Parameters from here to the end of the command
//	item {"a":{"N":"1"}}        items to run on: several lines, several items; "item missing" is no item; after a
//	                            "given" from here on, else for this command
//	anything else               a statement; \n and \t are escapes, and with repeat=n a text between two … stands n times
//
// and the output has a line for each of the last.
func TestData(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		f := &testFile{cache: NewCache(1 << 20)}
		datadriven.RunTest(t, path, f.run)
	})
}

// testFile is the state of one file.
type testFile struct {
	cache  *Cache
	items  []item.Item
	params []item.Value
}

// run runs one command.
func (f *testFile) run(t *testing.T, d *datadriven.TestData) string {
	given := f.items
	if d.Cmd != "given" {
		defer func() { f.items = given }()
	}
	f.params = nil
	var out strings.Builder
	ownItems := false
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "params":
			f.params = testParams(t, rest)
		case word == "item":
			if !ownItems {
				f.items, ownItems = nil, true
			}
			f.items = append(f.items, testItem(t, rest))
		default:
			out.WriteString(f.statement(t, d, testText(t, d, line)) + "\n")
		}
	}
	return out.String()
}

// testText undoes a line's escapes.
func testText(t *testing.T, d *datadriven.TestData, line string) string {
	line = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(line)
	if d.HasArg("repeat") {
		var n int
		d.ScanArgs(t, "repeat", &n)
		parts := strings.Split(line, "…")
		line = parts[0] + strings.Repeat(parts[1], n) + parts[2]
		if len(parts) > 3 {
			line += strings.Repeat(parts[3], n) + parts[4]
		}
	}
	return line
}

// testParams reads a list of AttributeValues.
func testParams(t *testing.T, text string) (params []item.Value) {
	v := testItem(t, `{"list":{"L":`+text+`}}`).Get("list")
	for e := range v.Elements() {
		params = append(params, e)
	}
	return params
}

// testItem reads an item.
func testItem(t *testing.T, text string) item.Item {
	if text == "missing" {
		return item.Item{}
	}
	var s item.Scanner
	s.Reset([]byte(text))
	it, faults, err := new(item.Decoder).Item(&s)
	if err != nil || faults.Earliest() != nil {
		t.Fatalf("%s: %v %v", text, err, faults.Earliest())
	}
	return it
}

// statement prints what the command makes of a statement.
func (f *testFile) statement(t *testing.T, d *datadriven.TestData, text string) string {
	if d.Cmd == "parse" {
		return parsedText(d, text)
	}
	s, err := f.cache.Parse(text)
	if err != nil {
		return err.Error()
	}
	b, err := s.Bind(f.params)
	if err != nil {
		return err.Error()
	}
	switch d.Cmd {
	case "bind":
		return "ok"
	case "insert":
		if err := b.Item.Verify(); err != nil {
			t.Error(err)
		}
		return string(b.Item.AppendJSON(nil))
	case "where":
		return f.each(func(it item.Item) string { return strconv.FormatBool(b.Where.Holds(it)) })
	case "select":
		return f.each(func(it item.Item) string { return string(s.AppendJSON(nil, it)) })
	case "update":
		return f.each(func(it item.Item) string { return updatedText(t, b.Update, it) })
	case "modified":
		return f.each(func(it item.Item) string {
			return "old " + itemText(b.Update.UpdatedOld(it)) + " new " + itemText(b.Update.UpdatedNew(it, item.Item{}))
		})
	case "columns":
		return columnsText(s)
	case "keys":
		return f.keysText(d, b)
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

// parsedText prints a parsed statement.
func parsedText(d *datadriven.TestData, text string) string {
	s, err := parse(text)
	switch {
	case err != nil:
		return err.Error()
	case d.HasArg("quiet"):
		return "ok"
	case s.Parameters > 0:
		return s.String() + " -- " + strconv.Itoa(s.Parameters)
	}
	return s.String()
}

// each prints something of each item.
func (f *testFile) each(text func(item.Item) string) string {
	var results []string
	for _, it := range f.items {
		results = append(results, text(it))
	}
	return strings.Join(results, " ")
}

// updatedText prints an item after an update, or why it cannot be applied.
func updatedText(t *testing.T, u *expr.Update, it item.Item) string {
	updated, err := u.Apply(it, it)
	if err != nil {
		return err.Error()
	}
	if err := updated.Verify(); err != nil {
		t.Error(err)
	}
	return itemText(updated)
}

// itemText prints an item.
func itemText(it item.Item) string {
	if !it.Exists() {
		return "missing"
	}
	return string(it.AppendJSON(nil))
}

// columnsText prints the names of the columns, and the attributes that they lie in.
func columnsText(s *Statement) string {
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ") + " of " + strings.Join(s.Attributes(), " ")
}

// keysText prints what a statement says of a key, and on which of the items what it does not say
// holds.
func (f *testFile) keysText(d *datadriven.TestData, b *Bound) string {
	var hash, rng []string
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "hash":
			hash = arg.Vals
		case "range":
			rng = arg.Vals
		}
	}
	use := b.Keys(hash, rng)
	var parts []string
	for _, tuple := range use.Hash {
		parts = append(parts, "hash"+valuesText(tuple))
	}
	if use.Hash == nil {
		parts = append(parts, "scan")
	}
	if use.In {
		parts = append(parts, "in")
	}
	for _, r := range use.Range {
		parts = append(parts, r.Attribute+" "+r.Operator.String()+valuesText(r.Values))
	}
	if use.Full {
		parts = append(parts, "full")
	}
	if use.Filter != nil {
		parts = append(parts, "filter "+strings.Join(use.Filter.Attributes(), ","))
		for _, it := range f.items {
			parts = append(parts, strconv.FormatBool(use.Filter.Holds(it)))
		}
	}
	return strings.Join(parts, " ")
}

// valuesText prints values.
func valuesText(values []item.Value) string {
	out := ""
	for _, v := range values {
		out += " " + valueText(v)
	}
	return out
}
