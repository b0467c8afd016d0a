package item

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomValue returns one of few values, of several types and lengths.
func randomValue(r *rand.Rand) Value {
	switch r.IntN(6) {
	case 0:
		return String(strings.Repeat("x", r.IntN(200)))
	case 1:
		return Int(r.Int64N(1000) - 500)
	case 2:
		return Bool(r.IntN(2) == 0)
	case 3:
		return Map([]Entry{{"k", Int(1)}, {"a", Null()}})
	case 4:
		return List([]Value{String("a"), Binary([]byte{0, 0xFF})})
	}
	return Null()
}

// checkItem holds an item against a map of what it should be.
func checkItem(t *testing.T, it Item, want map[string]Value) {
	t.Helper()
	if err := it.Verify(); err != nil {
		t.Fatal(err)
	}
	if it.Len() != len(want) || !it.Exists() {
		t.Fatalf("%d attributes, want %d", it.Len(), len(want))
	}
	for name, v := range want {
		if got := it.Get(name); !Equal(got, v) {
			t.Fatalf("%s = %s, want %s", name, got.AppendText(nil), v.AppendText(nil))
		}
	}
	names := slices.Sorted(maps.Keys(want))
	i := 0
	for name, v := range it.Attributes() {
		if name != names[i] || !Equal(v, want[name]) {
			t.Fatalf("attribute %d = %s %s, want %s", i, name, v.AppendText(nil), names[i])
		}
		i++
	}
}

// TestWith edits an item at random, beside a map.
func TestWith(t *testing.T) {
	r := newRand(t)
	for range 30 {
		var it Item
		want := map[string]Value{}
		attributes := 1 + r.IntN(300) // beyond 127 the count takes two bytes
		for range 20 {
			var changes []Entry
			for _, n := range r.Perm(attributes)[:r.IntN(min(attributes, 1+r.IntN(200)))] {
				name := fmt.Sprintf("name%d", n)
				if r.IntN(3) == 0 {
					changes = append(changes, Entry{name, Value{}})
					delete(want, name)
				} else {
					v := randomValue(r)
					changes = append(changes, Entry{name, v})
					want[name] = v
				}
			}
			given := slices.Clone(changes)
			before := it.Clone()
			next := it.With(changes)
			if !slices.EqualFunc(given, changes, func(a, b Entry) bool { return a.Name == b.Name }) || !SameAttributes(it, before) {
				t.Fatal("With changes what it is given")
			}
			it = next
			checkItem(t, it, want)
		}
	}
}

func TestPick(t *testing.T) {
	r := newRand(t)
	for range 500 {
		all := map[string]Value{}
		var entries []Entry
		for range r.IntN(20) {
			name := fmt.Sprintf("n%d", r.IntN(30))
			if _, ok := all[name]; !ok {
				all[name] = randomValue(r)
				entries = append(entries, Entry{name, all[name]})
			}
		}
		it := New(entries)
		checkItem(t, it, all)
		picked := map[string]Value{}
		var names []string
		for i := range 30 {
			if name := fmt.Sprintf("n%d", i); r.IntN(2) == 0 {
				names = append(names, name)
				if v, ok := all[name]; ok {
					picked[name] = v
				}
			}
		}
		slices.Sort(names)
		checkItem(t, it.Pick(names), picked)
	}
	checkItem(t, Item{}.Pick([]string{"a"}), nil)
}

// TestMissing looks at the zero item and value, and at accessors of the wrong type.
func TestMissing(t *testing.T) {
	var it Item
	if it.Exists() || it.Len() != 0 || it.Get("a").Exists() || it.Size() != 0 || it.Clone().Exists() || it.Verify() != nil {
		t.Error("the zero Item is something")
	}
	if got := string(it.AppendJSON(nil)); got != "{}" {
		t.Errorf("the zero Item prints as %s", got)
	}
	if empty := New(nil); !empty.Exists() || empty.Len() != 0 || SameAttributes(it, empty) || !SameAttributes(it, Item{}) {
		t.Error("an item without attributes is no item")
	}
	for _, v := range []Value{{}, String("a"), Null(), Bool(true), Int(5)} {
		if v.Len() != 0 || v.Index(0).Exists() || v.Key("a").Exists() || v.Contains(v) || v.Depth() != 0 {
			t.Errorf("%s has elements", v.AppendText(nil))
		}
		for range v.Elements() {
			t.Errorf("%s yields elements", v.AppendText(nil))
		}
		for range v.Entries() {
			t.Errorf("%s yields entries", v.AppendText(nil))
		}
	}
	if (Value{}).Type() != Missing || (Value{}).Clone().Exists() || (Value{}).Size() != 0 {
		t.Error("the zero Value is something")
	}
	defer func() {
		if recover() == nil {
			t.Error("Bytes of a list does not panic")
		}
	}()
	List(nil).Bytes()
}

func TestTypes(t *testing.T) {
	for short, long := range map[string]string{
		"S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP",
		"SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET",
	} {
		if typ := ParseType(short); typ.String() != short || typ.LongName() != long {
			t.Errorf("%s is %s, %s; want %s", short, typ, typ.LongName(), long)
		}
	}
	if ParseType("s") != Missing || ParseType("") != Missing || Missing.String() != "" || Bool(true).Type() != BOOL {
		t.Error("a type that is none")
	}
}

func TestList(t *testing.T) {
	elements := []Value{String("a"), Null(), List([]Value{Int(1)}), Bool(false)}
	list := List(elements)
	if list.Len() != 4 || list.Depth() != 2 || !Equal(list.Index(2), elements[2]) || list.Index(4).Exists() || list.Index(-1).Exists() {
		t.Errorf("list is %s", list.AppendText(nil))
	}
	i := 0
	for e := range list.Elements() {
		if !Equal(e, elements[i]) || !Equal(e, list.Index(i)) {
			t.Errorf("element %d is %s", i, e.AppendText(nil))
		}
		i++
	}
	if !list.Contains(Null()) || !list.Contains(List([]Value{Int(1)})) || list.Contains(Bool(true)) {
		t.Errorf("Contains errs about %s", list.AppendText(nil))
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		a, b  Value
		order int
		ok    bool
	}{
		{String("a"), String("b"), -1, true},
		{String("b"), String("aa"), 1, true},
		{String(""), String(""), 0, true},
		{String("é"), String("z"), 1, true},
		{Int(9), Int(10), -1, true},
		{Int(-9), Int(-10), 1, true},
		{Binary([]byte{1}), Binary([]byte{1, 0}), -1, true},
		{Int(1), String("1"), 0, false},
		{Bool(true), Bool(true), 0, false},
		{List(nil), List(nil), 0, false},
		{Value{}, Value{}, 0, false},
	} {
		if order, ok := Compare(test.a, test.b); order != test.order || ok != test.ok {
			t.Errorf("Compare(%s, %s) = %d, %v", test.a.AppendText(nil), test.b.AppendText(nil), order, ok)
		}
	}
}

// TestSets does set arithmetic at random, beside maps.
func TestSets(t *testing.T) {
	r := newRand(t)
	for range 1000 {
		kind := []Type{SS, NS, BS}[r.IntN(3)]
		a, inA := randomSet(t, r, kind)
		b, inB := randomSet(t, r, kind)
		union, difference := maps.Clone(inA), maps.Clone(inA)
		maps.Copy(union, inB)
		maps.DeleteFunc(difference, func(m string, _ bool) bool { return inB[m] })
		checkSet(t, Union(a, b), kind, union)
		if len(difference) == 0 {
			if d := Difference(a, b); d.Exists() {
				t.Fatalf("%s without %s = %s", a.AppendText(nil), b.AppendText(nil), d.AppendText(nil))
			}
			continue
		}
		checkSet(t, Difference(a, b), kind, difference)
	}
}

// randomSet returns a set, and its members' encodings.
func randomSet(t *testing.T, r *rand.Rand, kind Type) (Value, map[string]bool) {
	in := map[string]bool{}
	var parts []string
	for len(parts) == 0 || r.IntN(5) > 0 && len(parts) < 200 {
		n := r.IntN(200)
		text := fmt.Sprintf(`"%d"`, n)
		m := Int(int64(n))
		switch kind {
		case SS:
			m = String(fmt.Sprint(n))
		case BS:
			text = fmt.Sprintf(`"%04d"`, n) // four digits are base64 too
			m, _ = decodeValue(`{"B":` + text + `}`)
		}
		if !in[string(m.Raw())] {
			in[string(m.Raw())] = true
			parts = append(parts, text)
		}
	}
	set, problem := decodeValue(fmt.Sprintf(`{"%s":[%s]}`, kind, strings.Join(parts, ",")))
	if problem != "" {
		t.Fatal(problem)
	}
	return set, in
}

// checkSet holds a set against its members' encodings.
func checkSet(t *testing.T, set Value, kind Type, want map[string]bool) {
	t.Helper()
	if err := set.Verify(); err != nil || set.Type() != kind || set.Len() != len(want) {
		t.Fatalf("%s: %v, want %d members", set.AppendText(nil), err, len(want))
	}
	size := 0
	for m := range set.Elements() {
		if !want[string(m.Raw())] || !set.Contains(m) {
			t.Fatalf("%s has %s", set.AppendText(nil), m.AppendText(nil))
		}
		size += m.Size()
	}
	if set.Size() != size || set.Contains(String("none")) || set.Contains(Null()) {
		t.Fatalf("size of %s = %d, want %d", set.AppendText(nil), set.Size(), size)
	}
}

// TestOwnership changes what values were made of: nothing of it may show.
func TestOwnership(t *testing.T) {
	b := []byte("abc")
	v := Binary(b)
	list, item := List([]Value{v}), New([]Entry{{"a", v}})
	row := item.AppendStored(nil, 0)
	parsed, _ := Parse(row)
	cloned, edited, picked := parsed.Clone(), parsed.With(nil), parsed.Pick([]string{"a"})
	copied := parsed.Get("a").Clone()
	clear(b)
	clear(row)
	for i, got := range []Value{v, list.Index(0), item.Get("a"), cloned.Get("a"), edited.Get("a"), picked.Get("a"), copied} {
		if got.Type() != B || !bytes.Equal(got.Bytes(), []byte("abc")) {
			t.Errorf("value %d became %x", i, got.Raw())
		}
	}
}

// TestWithAllocations holds that an edit costs one allocation, the new bytes.
func TestWithAllocations(t *testing.T) {
	it := mustDecode(t, new(Decoder), string(kilobyte(false)))
	changes := []Entry{{"pk", Value{}}, {"field5", String("new")}, {"a", Int(1)}}
	if n := testing.AllocsPerRun(100, func() { it.With(changes) }); n != 1 {
		t.Errorf("With allocates %v times", n)
	}
	names := []string{"field1", "pk"}
	if n := testing.AllocsPerRun(100, func() { it.Pick(names) }); n != 1 {
		t.Errorf("Pick allocates %v times", n)
	}
}

// FuzzParse reads any bytes as a row, and does everything with it that can be done. Damage may show
// only in Verify.
func FuzzParse(f *testing.F) {
	for _, pair := range readStored(f) {
		f.Add([]byte(pair[1]))
	}
	f.Add([]byte("\x01\x03\x05\x01\x02\x03\x04\x05\x06\x07\x08\x09\x02\x01a\x30\xff"))
	f.Add(append([]byte("\x01\x00\x05\x01\x01a"), bytes.Repeat([]byte("\x30\x7f\x7f"), 500)...))
	f.Fuzz(func(t *testing.T, row []byte) {
		it, err := Parse(row)
		if err != nil {
			return
		}
		whole := it.Verify() == nil
		out := it.AppendJSON(nil)
		if whole {
			if again := mustDecode(t, new(Decoder), string(out)); !SameAttributes(it, again) {
				t.Fatalf("%x prints as %s", row, out)
			}
		}
		var names []string
		for name, v := range it.Attributes() {
			touch(v)
			names = append(names, name)
			if whole && !Equal(it.Get(name), v) {
				t.Fatalf("%x: Get(%q) finds another value", row, name)
			}
		}
		slices.Sort(names)
		picked, same := it.Pick(names), it.With(nil)
		edited := it.With([]Entry{{"a", Null()}, {"b", Value{}}})
		if whole && (!SameAttributes(picked, it) || !SameAttributes(same, it) || edited.Verify() != nil) {
			t.Fatalf("%x: edited to %x, %x, %x", row, picked.attrs, same.attrs, edited.attrs)
		}
		if whole && it.Clone().AppendStored(nil, it.Stamp()) == nil {
			t.Fatal("no row")
		}
	})
}

// touch calls everything that a value has.
func touch(v Value) {
	t := v.Type()
	v.Size()
	v.Depth()
	v.AppendJSON(nil)
	v.AppendText(nil)
	v.Contains(v)
	v.Key("a")
	v.Index(v.Len() - 1)
	v.Int64()
	Compare(v, v)
	v.Verify()
	for e := range v.Elements() {
		v.Contains(e)
		e.Size()
	}
	for _, e := range v.Entries() {
		e.Len()
	}
	switch t {
	case N:
		Add(v, v)
		Subtract(v, v)
	case SS, NS, BS:
		Union(v, v)
		Difference(v, v)
	case L:
		for e := range v.Elements() {
			touch(e)
		}
	case M:
		for _, e := range v.Entries() {
			touch(e)
		}
	}
}

// TestEncodedLen compares what items are said to take encoded with what they take.
func TestEncodedLen(t *testing.T) {
	names := []string{"a", "m", "z"}
	for _, it := range []Item{
		New(nil),
		New([]Entry{{"a", String("x")}}),
		New([]Entry{{"a", String("x")}, {"b", Binary(make([]byte, 70_000))}, {"m", List([]Value{Null(), Bool(true)})}, {"z", Int(7)}}),
	} {
		if got, least := it.EncodedLen(), len(it.AppendStored(nil, 1)); got < least || got > least+16 {
			t.Errorf("EncodedLen of %v is %d, its row has %d bytes", it, got, least)
		}
		picked := it.Pick(names)
		if got, least := it.PickedLen(names), picked.EncodedLen(); got < least || got > least+16 {
			t.Errorf("PickedLen of %v is %d, the EncodedLen of what is picked %d", it, got, least)
		}
	}
	if got := (Item{}).EncodedLen(); got != 0 {
		t.Errorf("EncodedLen of a missing item is %d", got)
	}
}
