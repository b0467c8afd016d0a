package item

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// nested returns a value of so many lists and maps in turn around a string.
func nested(levels int) string {
	open, shut := "", ""
	for i := range levels {
		if i%2 == 0 {
			open, shut = open+`{"L":[`, "]}"+shut
		} else {
			open, shut = open+`{"M":{"k":`, "}}"+shut
		}
	}
	return open + `{"S":"x"}` + shut
}

func TestNesting(t *testing.T) {
	for _, test := range []struct {
		levels int
		fault  bool
	}{{0, false}, {1, false}, {30, false}, {31, false}, {32, true}, {33, true}, {100, true}, {5000, true}} {
		v, problem := decodeValue(nested(test.levels))
		if want := "nesting: " + messageNesting; test.fault && problem != want || !test.fault && problem != "" {
			t.Errorf("%d levels: %q", test.levels, problem)
		}
		if !test.fault && v.Depth() != test.levels {
			t.Errorf("depth of %d levels = %d", test.levels, v.Depth())
		}
	}
	// The item itself does not count.
	var s Scanner
	var d Decoder
	for _, levels := range []int{31, 32} {
		s.Reset([]byte(`{"a":` + nested(levels) + `,"b":{"S":"y"}}`))
		it, faults, err := d.Item(&s)
		if err != nil || it.Exists() != (levels == 31) || (faults.Earliest() == nil) != (levels == 31) {
			t.Errorf("item of %d levels: %v, %v", levels, err, faults.Earliest())
		}
	}
	// Broken JSON below the limit is still broken, however deep.
	s.Reset([]byte(strings.Repeat(`{"L":[`, 1<<18)))
	if _, _, err := d.Value(&s); err != ErrSyntax {
		t.Errorf("unfinished depth: %v", err)
	}
}

func TestNameLengths(t *testing.T) {
	for _, length := range []int{1, 127, 128, 255, 65535, 65536, 70000} {
		name := strings.Repeat("n", length)
		for _, text := range []string{`{"` + name + `":{"BOOL":true}}`, `{"m":{"M":{"` + name + `":{"BOOL":true}}}}`} {
			var s Scanner
			var d Decoder
			s.Reset([]byte(text))
			it, faults, err := d.Item(&s)
			if err != nil {
				t.Fatal(err)
			}
			f := faults.Earliest()
			if length > 65535 {
				if f == nil || f.Kind != FaultLongName || f.Message != messageLongName {
					t.Errorf("name of %d bytes: %v", length, f)
				}
			} else if f != nil || it.Verify() != nil {
				t.Errorf("name of %d bytes: %v, %v", length, f, it.Verify())
			}
		}
	}
}

// TestManyFaults has more faults than are kept apart: the first still counts, and no repetition
// makes the item whole.
func TestManyFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"L":[{"N":"first"}`)
	for i := range 3 * maxFaults {
		fmt.Fprintf(&b, `,{"N":"x%d"}`, i)
	}
	b.WriteString(`,{"NULL":false}]}`)
	var s Scanner
	var d Decoder
	s.Reset([]byte(`{"a":` + b.String() + `}`))
	if _, faults, err := d.Item(&s); err != nil || faults.Earliest() == nil || !strings.HasSuffix(faults.Earliest().Message, "first") {
		t.Errorf("%v, %v", faults.Earliest(), err)
	}
	s.Reset([]byte(`{"a":` + b.String() + `,"a":{"S":"x"}}`))
	if _, faults, err := d.Item(&s); err != nil || faults.Earliest() == nil {
		t.Errorf("%v, %v", faults.Earliest(), err)
	}
	s.Reset([]byte(`{"a":{"S":"x"}}`))
	if it, faults, err := d.Item(&s); err != nil || faults.Earliest() != nil || !it.Exists() {
		t.Errorf("faults stay behind: %v, %v", faults.Earliest(), err)
	}
}

// TestDecoderReuse decodes one thing after the other: values live until Reset, and failures leave
// no trace.
func TestDecoderReuse(t *testing.T) {
	var d Decoder
	var s Scanner
	var items []Item
	var texts []string
	for i := range 300 {
		text := fmt.Sprintf(`{"b":{"S":"%s"},"a":{"N":"%d"}}`, strings.Repeat("x", i), i)
		items = append(items, mustDecode(t, &d, text))
		texts = append(texts, text)
		for _, bad := range []string{`{"a":{"N":"x"}}`, `{"a":{"S":"y"},"b":{"S":1}}`, `{"a":{"L":[{"S":"x"},{"M":{"k":{"SS":["b","a",`} {
			s.Reset([]byte(bad))
			if it, _, _ := d.Item(&s); it.Exists() {
				t.Fatalf("%s decodes", bad)
			}
		}
	}
	for i, it := range items {
		if want := mustDecode(t, new(Decoder), texts[i]); !SameAttributes(it, want) {
			t.Fatalf("item %d became %s", i, it.AppendJSON(nil))
		}
	}
	d.Reset()
	if it := mustDecode(t, &d, `{"a":{"S":"x"}}`); string(it.AppendJSON(nil)) != `{"a":{"S":"x"}}` {
		t.Errorf("after Reset: %s", it.AppendJSON(nil))
	}
}

// TestDecodeAllocations holds that a used decoder allocates nothing, and that reading does not
// either.
func TestDecodeAllocations(t *testing.T) {
	var s Scanner
	var d Decoder
	for _, data := range [][]byte{kilobyte(false), kilobyte(true), []byte(`{"b":{"N":"-1.5"},"a":{"L":[{"M":{"y":{"SS":["b","a"]},"x":{"B":"YQ=="}}}]},"e":{"S":"\u00e9"}}`)} {
		var it Item
		decode := func() {
			s.Reset(data)
			d.Reset()
			it, _, _ = d.Item(&s)
		}
		decode()
		if n := testing.AllocsPerRun(100, decode); n != 0 {
			t.Errorf("decoding %.40s… allocates %v times", data, n)
		}
		out := it.AppendJSON(nil)
		if n := testing.AllocsPerRun(100, func() {
			out = it.AppendJSON(out[:0])
			it.Get("a").Size()
			it.Get("a").Depth()
			it.Get("a").Contains(it.Get("b"))
		}); n != 0 {
			t.Errorf("reading %.40s… allocates %v times", data, n)
		}
	}
}

// shuffled returns JSON of a random item twice, names and members in different orders.
func shuffled(r *rand.Rand) (a, b string) {
	x := randomTree(r, 0)
	return x.json(r), x.json(r)
}

// tree is a random AttributeValue; at the top, the entries of an item.
type tree struct {
	kind  string // as in JSON; "" at the top
	text  string // of a scalar, as JSON
	names []string
	below []tree // entries, elements or members
}

// randomTree returns a random item, or below it a value.
func randomTree(r *rand.Rand, depth int) tree {
	kinds := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}
	x := tree{kind: kinds[r.IntN(len(kinds)-2*(depth/4))]}
	if depth == 0 {
		x.kind = ""
	}
	switch x.kind {
	case "BOOL":
		x.text = []string{"true", "false"}[r.IntN(2)]
	case "NULL":
		x.text = "true"
	case "S", "N", "B":
		x.text = randomScalar(r, x.kind)
	case "SS", "NS", "BS":
		for len(x.below) <= r.IntN(6) {
			member := tree{kind: x.kind[:1]}
			member.text = randomScalar(r, member.kind)
			if !slices.ContainsFunc(x.below, func(y tree) bool { return sameScalar(y, member) }) {
				x.below = append(x.below, member)
			}
		}
	case "L":
		for range r.IntN(5) {
			x.below = append(x.below, randomTree(r, depth+1))
		}
	default:
		for range r.IntN(20) {
			if name := "n" + randomText(r, []rune("aabcé")); !slices.Contains(x.names, name) {
				x.names = append(x.names, name)
				x.below = append(x.below, randomTree(r, depth+1))
			}
		}
	}
	return x
}

// randomScalar returns a string, number or binary as JSON.
func randomScalar(r *rand.Rand, kind string) string {
	switch kind {
	case "N":
		return `"` + randomNumber(r) + `"`
	case "B":
		b := make([]byte, r.IntN(10))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		text, _ := json.Marshal(b)
		return string(text)
	}
	text, _ := json.Marshal(randomText(r, []rune("abc\"\\é\n")))
	return string(text)
}

// sameScalar tells whether two set members are equal values.
func sameScalar(x, y tree) bool {
	a, _ := decodeValue(`{"` + x.kind + `":` + x.text + `}`)
	b, _ := decodeValue(`{"` + y.kind + `":` + y.text + `}`)
	return Equal(a, b)
}

// json writes the tree, what has no order in a random one.
func (x tree) json(r *rand.Rand) string {
	var parts []string
	for i, y := range x.below {
		switch part := y.json(r); {
		case x.names != nil:
			name, _ := json.Marshal(x.names[i])
			parts = append(parts, string(name)+":"+part)
		case x.kind != "L":
			parts = append(parts, y.text)
		default:
			parts = append(parts, part)
		}
	}
	if x.kind != "L" {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	all := strings.Join(parts, ",")
	switch x.kind {
	case "":
		return "{" + all + "}"
	case "M":
		return `{"M":{` + all + "}}"
	case "L", "SS", "NS", "BS":
		return `{"` + x.kind + `":[` + all + "]}"
	}
	return `{"` + x.kind + `":` + x.text + "}"
}

// TestCanonical decodes random items sent in two orders: the bytes are equal, valid, and come back
// from their JSON.
func TestCanonical(t *testing.T) {
	r := newRand(t)
	var d Decoder
	for range 300 {
		d.Reset()
		x, y := shuffled(r)
		a, b := mustDecode(t, &d, x), mustDecode(t, &d, y)
		if !SameAttributes(a, b) || a.Size() != b.Size() {
			t.Fatalf("%s and %s differ", x, y)
		}
		if err := a.Verify(); err != nil {
			t.Fatalf("%s: %v", x, err)
		}
		if again := mustDecode(t, &d, string(a.AppendJSON(nil))); !SameAttributes(a, again) {
			t.Fatalf("%s comes back as %s", x, again.AppendJSON(nil))
		}
	}
}

// FuzzDecode decodes any bytes as an item and as a value. What decodes is canonical, and comes back
// from its JSON.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"b":{"S":"x"},"a":{"N":"-1.50"},"b":{"L":[{"M":{"z":{"BS":["Yg==","YQ=="]},"y":{"NULL":true}}}]}}`,
		`{"SS":["b","a","b"]}`, `{"a":{"N":"x"},"a":{"NULL":false}}`, `{"a":null,"":{}}`, `{"M":{"k":{"BOOL":"yes"}}}`, `{"a":{"L":[null]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Scanner
		var d Decoder
		s.Reset(text)
		if it, faults, err := d.Item(&s); err == nil && faults.Earliest() == nil {
			if err := it.Verify(); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			out := it.AppendJSON(nil)
			if again := mustDecode(t, &d, string(out)); !SameAttributes(it, again) || it.Size() != again.Size() {
				t.Fatalf("%q becomes %s", text, out)
			}
			if !json.Valid(out) {
				t.Fatalf("%q prints as %s", text, out)
			}
		} else if it.Exists() {
			t.Fatalf("%q: an item in spite of %v and %v", text, err, faults.Earliest())
		}
		s.Reset(text)
		if v, faults, err := d.Value(&s); err == nil && faults.Earliest() == nil {
			if err := v.Verify(); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			out := string(v.AppendJSON(nil))
			if again, problem := decodeValue(out); problem != "" || !Equal(v, again) {
				t.Fatalf("%q becomes %s: %s", text, out, problem)
			}
		} else if v.Exists() {
			t.Fatalf("%q: a value in spite of %v and %v", text, err, faults.Earliest())
		}
	})
}
