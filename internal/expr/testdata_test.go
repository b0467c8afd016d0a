package expr

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/partita-db/partita/internal/item"
)

// TestData runs the files of testdata. In the input of each command, a line is one of
//
//	names {"#a":"attribute"}    the ExpressionAttributeNames from here to the end of the file
//	values {":v":1}             the ExpressionAttributeValues from here on
//	item {"a":1}                items to run on: several lines, several items; "item missing" is no item; after a
//	                            "given" from here on, else for this command
//	anything else               an expression, or what the command takes; \t, \n and \r are escapes
//
// and the output has a line for each of the last. Values are written in JSON: texts are S, numbers
// N, arrays L, objects M; {"$SS":[…]}, {"$NS":[…]}, {"$BS":[…]} and {"$B":"…"} (base64) are what
// their names say.
func TestData(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		f := &testFile{t: t, cache: NewCache(1 << 20)}
		datadriven.RunTest(t, path, f.run)
	})
}

// testFile is the state of one file.
type testFile struct {
	t      *testing.T
	cache  *Cache
	params Params
	items  []item.Item
}

// run runs one command.
func (f *testFile) run(t *testing.T, d *datadriven.TestData) string {
	f.t = t
	run, ok := map[string]func(*datadriven.TestData, string) string{
		"given":           nil,
		"parse":           f.parse,
		"condition":       f.condition,
		"attributes":      f.attributes,
		"keycondition":    f.keyCondition,
		"projection":      f.projection,
		"attributesToGet": f.attributesToGet,
		"update":          f.update,
		"returns":         f.returns,
		"targets":         f.targets,
		"legacyCondition": f.legacyCondition,
		"legacyUpdate":    f.legacyUpdate,
		"unused":          f.unused,
		"keys":            f.keys,
	}[d.Cmd]
	if !ok {
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	var lines []string
	ownItems := false
	if given := f.items; d.Cmd != "given" {
		defer func() { f.items = given }()
	}
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "names":
			f.params = Params{Values: f.params.Values}
			for _, m := range members(t, rest) {
				f.params.Names = append(f.params.Names, Name{m.key, m.value.(string)})
			}
		case "values":
			f.params = Params{Names: f.params.Names}
			for _, m := range members(t, rest) {
				f.params.Values = append(f.params.Values, Value{m.key, testValue(t, m.value)})
			}
		case "item":
			if !ownItems {
				f.items, ownItems = nil, true
			}
			f.items = append(f.items, testItem(t, rest))
		default:
			lines = append(lines, line)
		}
	}
	var out strings.Builder
	for _, line := range lines {
		line = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(line)
		out.WriteString(run(d, line) + "\n")
	}
	return out.String()
}

// parse prints what an expression is parsed to, with all that is implied made visible.
func (f *testFile) parse(d *datadriven.TestData, text string) string {
	kinds := map[string]Kind{
		"condition": KindCondition, "filter": KindFilter, "keycondition": KindKeyCondition,
		"projection": KindProjection, "update": KindUpdate,
	}
	if d.HasArg("repeat") { // the line is a pattern: before, what to repeat, after
		var n int
		d.ScanArgs(f.t, "repeat", &n)
		parts := strings.Split(text, "…")
		text = parts[0] + strings.Repeat(parts[1], n) + parts[2]
	}
	tree, err := parse(kinds[d.CmdArgs[0].Key], text)
	if err != nil {
		return err.Message
	}
	if d.HasArg("quiet") {
		return "ok"
	}
	return lispTree(tree)
}

// lispTree prints a tree with the operators first.
func lispTree(t *tree) string {
	var parts []string
	switch t.kind {
	case KindProjection:
		for _, p := range t.paths {
			parts = append(parts, lispPath(p))
		}
	case KindUpdate:
		for _, a := range t.actions {
			s := "(" + a.section.String() + " " + lispPath(a.path)
			if a.value != nil {
				s += " " + lispNode(t, a.value)
			}
			parts = append(parts, s+")")
		}
	default:
		return lispNode(t, t.root)
	}
	return strings.Join(parts, " ")
}

// lispNode prints a node so.
func lispNode(t *tree, n *node) string {
	switch n.op {
	case opPath:
		return lispPath(n.path)
	case opValue:
		return t.values[n.slot].key
	}
	name := n.function
	if !n.op.isCall() {
		name = n.op.String()
	}
	for _, arg := range n.args {
		name += " " + lispNode(t, arg)
	}
	return "(" + name + ")"
}

// lispPath prints a path as written.
func lispPath(p path) string {
	var b strings.Builder
	p.print(&b)
	return b.String()
}

// condition prints, for each item, whether a condition holds.
func (f *testFile) condition(_ *datadriven.TestData, text string) string {
	c, err := f.cache.Condition(KindCondition, text, &f.params)
	if err != nil {
		return err.Error()
	}
	if len(f.items) == 0 {
		return "ok"
	}
	return f.holds(c)
}

// holds prints what a bound condition is on each item.
func (f *testFile) holds(c *Condition) string {
	var results []string
	for _, it := range f.items {
		results = append(results, strconv.FormatBool(c.Holds(it)))
	}
	return strings.Join(results, " ")
}

// attributes prints the top-level names of a filter, an update or a projection.
func (f *testFile) attributes(_ *datadriven.TestData, text string) string {
	if c, err := f.cache.Condition(KindFilter, text, &f.params); err == nil {
		return fmt.Sprintf("%q nested %q", c.Attributes(), c.Nested())
	}
	if u, err := f.cache.Update(text, &f.params); err == nil {
		return fmt.Sprintf("%q nested %q", u.Attributes(), u.Nested())
	}
	p, err := f.cache.Projection(text, &f.params)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q nested %q", p.Attributes(), p.Nested())
}

// keyCondition prints the parts of a key condition.
func (f *testFile) keyCondition(_ *datadriven.TestData, text string) string {
	k, err := f.cache.KeyCondition(text, &f.params)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, p := range k.Parts {
		s := p.Attribute + " " + p.Operator.String()
		for _, v := range p.Values {
			s += " " + testText(v)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// projection prints each item cut down.
func (f *testFile) projection(_ *datadriven.TestData, text string) string {
	p, err := f.cache.Projection(text, &f.params)
	if err != nil {
		return err.Error()
	}
	return f.project(p)
}

// attributesToGet takes names, and does as projection.
func (f *testFile) attributesToGet(_ *datadriven.TestData, text string) string {
	return f.project(NewProjection(strings.Fields(text)))
}

// project prints each item cut down by a bound projection.
func (f *testFile) project(p *Projection) string {
	var results []string
	for _, it := range f.items {
		results = append(results, f.itemText(p.Apply(it)))
	}
	return strings.Join(results, " ")
}

// update prints what each item has after the update that it did not have before, with names for
// what it no longer has, or what the update fails with.
func (f *testFile) update(_ *datadriven.TestData, text string) string {
	u, err := f.cache.Update(text, &f.params)
	if err != nil {
		return err.Error()
	}
	return f.apply(u)
}

// apply prints what a bound update does to each item.
func (f *testFile) apply(u *Update) string {
	var results []string
	for _, it := range f.items {
		updated, err := u.Apply(it, f.base(it))
		if err != nil {
			results = append(results, err.Error())
			continue
		}
		results = append(results, f.difference(it, updated))
	}
	return strings.Join(results, " ")
}

// difference prints what is in updated but not, or not so, in it, and the names of what is gone.
func (f *testFile) difference(it, updated item.Item) string {
	var changed []item.Entry
	gone := ""
	for name, v := range updated.Attributes() {
		if !item.Equal(v, it.Get(name)) {
			changed = append(changed, item.Entry{Name: name, Value: v})
		}
	}
	for name := range it.Attributes() {
		if !updated.Get(name).Exists() {
			gone += " -" + name
		}
	}
	f.itemText(updated) // which verifies it
	return f.itemText(item.New(changed)) + gone
}

// base is the item to change: with the key k, if there is none yet.
func (f *testFile) base(it item.Item) item.Item {
	if it.Exists() {
		return it
	}
	return item.New([]item.Entry{{Name: "k", Value: item.String("key")}})
}

// returns prints UPDATED_OLD and UPDATED_NEW.
func (f *testFile) returns(_ *datadriven.TestData, text string) string {
	u, err := f.cache.Update(text, &f.params)
	if err != nil {
		return err.Error()
	}
	var results []string
	for _, it := range f.items {
		updated, err := u.Apply(it, f.base(it))
		if err != nil {
			return err.Error()
		}
		results = append(results, "old "+f.itemText(u.UpdatedOld(it))+" new "+f.itemText(u.UpdatedNew(it, updated)))
	}
	return strings.Join(results, "; ")
}

// targets prints the targets and costs of an update.
func (f *testFile) targets(_ *datadriven.TestData, text string) string {
	u, err := f.cache.Update(text, &f.params)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v %+v nested %q", slices.Collect(u.Targets()), u.Costs(), u.Nested())
}

// legacyCondition takes "and" or "or", then conditions "a EQ 1", separated by semicolons.
func (f *testFile) legacyCondition(_ *datadriven.TestData, text string) string {
	combine, text, _ := strings.Cut(text, " ")
	var conditions []LegacyCondition
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		o, ok := ParseOperator(words[1])
		if !ok {
			return "no operator " + words[1]
		}
		l := LegacyCondition{Attribute: words[0], Operator: o}
		for _, word := range words[2:] {
			l.Values = append(l.Values, testValue(f.t, decodeJSON(f.t, word)))
		}
		if low, high := LegacyArguments(o); len(l.Values) < low || high >= 0 && len(l.Values) > high {
			return fmt.Sprintf("%s takes %d to %d values", o, low, high)
		}
		conditions = append(conditions, l)
	}
	return f.holds(NewLegacyCondition(conditions, combine == "or"))
}

// legacyUpdate takes actions "a PUT 1", separated by semicolons, and prints the items after it, and
// what returns prints.
func (f *testFile) legacyUpdate(_ *datadriven.TestData, text string) string {
	var updates []LegacyUpdate
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		l := LegacyUpdate{Attribute: words[0], Action: map[string]LegacyAction{"PUT": PUT, "ADD": ADD, "DELETE": DELETE}[words[1]]}
		if len(words) > 2 {
			l.Value = testValue(f.t, decodeJSON(f.t, words[2]))
		}
		updates = append(updates, l)
	}
	u := NewLegacyUpdate(updates)
	out := f.apply(u)
	if u.OnlyDeletes() {
		out += " (only deletes)"
	}
	return out
}

// unused binds the conditions of a line, separated by semicolons, and prints what is left over.
func (f *testFile) unused(_ *datadriven.TestData, text string) string {
	p := &Params{Names: f.params.Names, Values: f.params.Values}
	for part := range strings.SplitSeq(text, ";") {
		if _, err := f.cache.Condition(KindCondition, part, p); err != nil {
			return err.Error()
		}
	}
	if err := p.CheckUnused(); err != nil {
		return err.Error()
	}
	return "ok"
}

// keys checks one key as a name's and as a value's.
func (f *testFile) keys(_ *datadriven.TestData, key string) string {
	p := &Params{Names: []Name{{Key: key, Name: "a"}}, Values: []Value{{Key: key}}}
	return fmt.Sprint(p.CheckNames(), "; ", p.CheckValues())
}

// member is a member of a JSON object.
type member struct {
	key   string
	value any
}

// members returns the members of a JSON object in the order written.
func members(t *testing.T, text string) []member {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var list []member
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var v any
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, member{key.(string), v})
	}
	return list
}

// decodeJSON decodes any JSON, numbers as texts.
func decodeJSON(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// testItem reads an item.
func testItem(t *testing.T, text string) item.Item {
	t.Helper()
	if text == "missing" {
		return item.Item{}
	}
	return item.New(testEntries(t, decodeJSON(t, text).(map[string]any)))
}

// testEntries turns decoded JSON into entries.
func testEntries(t *testing.T, m map[string]any) []item.Entry {
	t.Helper()
	var entries []item.Entry
	for name, v := range m {
		entries = append(entries, item.Entry{Name: name, Value: testValue(t, v)})
	}
	return entries
}

// testValue turns decoded JSON into a value.
func testValue(t *testing.T, v any) item.Value {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return item.Null()
	case bool:
		return item.Bool(v)
	case string:
		return item.String(v)
	case json.Number:
		n, err := item.Number(v.String())
		if err != nil {
			t.Fatal(err)
		}
		return n
	case []any:
		elements := make([]item.Value, len(v))
		for i := range v {
			elements[i] = testValue(t, v[i])
		}
		return item.List(elements)
	}
	m := v.(map[string]any)
	for key, v := range m {
		switch key {
		case "$B":
			return item.Binary(testBytes(t, v))
		case "$SS", "$NS", "$BS":
			return testSet(t, key, v.([]any))
		}
	}
	return item.Map(testEntries(t, m))
}

// testBytes decodes base64.
func testBytes(t *testing.T, v any) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(v.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testSet decodes a set by the package's own decoder, there being no other way to make one.
func testSet(t *testing.T, key string, members []any) item.Value {
	t.Helper()
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = fmt.Sprint(m)
	}
	text, err := json.Marshal(map[string][]string{key[1:]: texts})
	if err != nil {
		t.Fatal(err)
	}
	var s item.Scanner
	var d item.Decoder
	s.Reset(text)
	v, faults, err := d.Value(&s)
	if err != nil || faults.Earliest() != nil {
		t.Fatalf("%s: %v %v", text, err, faults.Earliest())
	}
	return v.Clone()
}

// itemText prints an item as testItem reads it, and checks that it is sound.
func (f *testFile) itemText(it item.Item) string {
	if !it.Exists() {
		return "missing"
	}
	if err := it.Verify(); err != nil {
		f.t.Errorf("%v", err)
	}
	var entries []item.Entry
	for name, v := range it.Attributes() {
		entries = append(entries, item.Entry{Name: name, Value: v})
	}
	return testText(item.Map(entries))
}

// testText prints a value as testValue reads it.
func testText(v item.Value) string {
	text := func(v item.Value) string {
		s := string(v.AppendText(nil)) // {N:1}
		return s[strings.Index(s, ":")+1 : len(s)-1]
	}
	var parts []string
	switch v.Type() {
	case item.S:
		return strconv.Quote(string(v.Bytes()))
	case item.B:
		return `{"$B":"` + base64.StdEncoding.EncodeToString(v.Bytes()) + `"}`
	case item.N:
		return text(v)
	case item.BOOL:
		return strconv.FormatBool(v.Bool())
	case item.NULL:
		return "null"
	case item.L:
		for e := range v.Elements() {
			parts = append(parts, testText(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case item.M:
		for name, e := range v.Entries() {
			parts = append(parts, strconv.Quote(name)+":"+testText(e))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for e := range v.Elements() {
		if e.Type() == item.B {
			parts = append(parts, strconv.Quote(base64.StdEncoding.EncodeToString(e.Bytes())))
		} else {
			parts = append(parts, testText(e))
		}
	}
	slices.Sort(parts)
	return `{"$` + v.Type().String() + `":[` + strings.Join(parts, ",") + "]}"
}
