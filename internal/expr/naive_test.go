package expr

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
)

// seedFlag makes a random test run again as it ran.
var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes the time")

// naive builds random expressions together with what they mean, in terms of plain Go values:
// string, *big.Rat, []byte, bool, nil for NULL, set, []any, map[string]any, and missing.
type naive struct {
	*rand.Rand
	t      *testing.T
	params Params
}

// set is a set of texts (SS), numbers (NS) or bytes (BS), as texts.
type set struct {
	kind    string
	members []string // sorted
}

// missing is the value of what is not there.
type missing struct{}

// attributes are the top-level names; some of them are usually there.
var attributes = []string{"a", "b", "c", "l", "m", "x.y"}

// newNaive seeds the random numbers and prints the seed.
func newNaive(t *testing.T) *naive {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", seed)
	return &naive{Rand: rand.New(rand.NewPCG(seed, 0)), t: t}
}

// value returns a random value with so many levels of lists and maps at most.
func (n *naive) value(depth int) any {
	switch k := n.IntN(12); {
	case k < 3:
		return []string{"", "a", "ab", "b", "abc", "é", "😀"}[n.IntN(7)]
	case k < 6:
		return big.NewRat(int64(n.IntN(7)-2), int64(1+n.IntN(2)))
	case k == 6:
		return [][]byte{{}, {1}, {1, 2}, {2}}[n.IntN(4)]
	case k == 7:
		return n.IntN(2) == 0
	case k == 8:
		return nil
	case k == 9 || depth == 0:
		return n.set()
	case k == 10:
		list := make([]any, n.IntN(4))
		for i := range list {
			list[i] = n.value(depth - 1)
		}
		return list
	}
	m := make(map[string]any)
	for range n.IntN(4) {
		m[attributes[n.IntN(len(attributes))]] = n.value(depth - 1)
	}
	return m
}

// set returns a random set.
func (n *naive) set() set {
	kind := []string{"SS", "NS"}[n.IntN(2)]
	all := map[string][]string{"SS": {"a", "ab", "b"}, "NS": {"-1", "0", "0.5", "1", "2"}}[kind]
	members := slices.Clone(all)
	n.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	members = members[:1+n.IntN(len(all))]
	slices.Sort(members)
	return set{kind, members}
}

// item returns a random item.
func (n *naive) item() map[string]any {
	m := map[string]any{"l": []any{n.value(1), n.value(2)}, "m": map[string]any{"a": n.value(1)}}
	for _, name := range attributes {
		if n.IntN(3) > 0 {
			m[name] = n.value(3)
		}
	}
	return m
}

// encode turns a naive value into an encoded one.
func (n *naive) encode(v any) item.Value {
	switch v := v.(type) {
	case string:
		return item.String(v)
	case *big.Rat:
		number, err := item.Number(v.FloatString(1))
		if err != nil {
			n.t.Fatal(err)
		}
		return number
	case []byte:
		return item.Binary(v)
	case bool:
		return item.Bool(v)
	case nil:
		return item.Null()
	case set:
		members := make([]any, len(v.members))
		for i, m := range v.members {
			members[i] = m
		}
		return testSet(n.t, "$"+v.kind, members)
	case []any:
		elements := make([]item.Value, len(v))
		for i := range v {
			elements[i] = n.encode(v[i])
		}
		return item.List(elements)
	}
	return item.Map(n.entries(v.(map[string]any)))
}

// entries encodes the members of a map.
func (n *naive) entries(m map[string]any) []item.Entry {
	var entries []item.Entry
	for name, v := range m {
		entries = append(entries, item.Entry{Name: name, Value: n.encode(v)})
	}
	return entries
}

// literal returns a placeholder for a value.
func (n *naive) literal(v any) string {
	key := fmt.Sprintf(":v%d", len(n.params.Values))
	n.params.Values = append(n.params.Values, Value{key, n.encode(v)})
	return key
}

// name returns a name as a path can have it: a placeholder, or itself.
func (n *naive) name(name string) string {
	if n.IntN(2) == 0 && !strings.Contains(name, ".") {
		return name
	}
	key := fmt.Sprintf("#n%d", len(n.params.Names))
	n.params.Names = append(n.params.Names, Name{key, name})
	return key
}

// path returns a random path's text and elements (string or int).
func (n *naive) path() (string, []any) {
	name := attributes[n.IntN(len(attributes))]
	text, elements := n.name(name), []any{name}
	for n.IntN(3) == 0 {
		if n.IntN(2) == 0 {
			i := n.IntN(3)
			text, elements = text+"["+strconv.Itoa(i)+"]", append(elements, i)
		} else {
			name := attributes[n.IntN(len(attributes))]
			text, elements = text+"."+n.name(name), append(elements, name)
		}
	}
	return text, elements
}

// get follows a path.
func get(v any, path []any) any {
	for _, e := range path {
		switch c := v.(type) {
		case map[string]any:
			name, _ := e.(string) // an index names nothing: no key is empty
			next, ok := c[name]
			if !ok {
				return missing{}
			}
			v = next
		case []any:
			i, ok := e.(int)
			if !ok || i >= len(c) {
				return missing{}
			}
			v = c[i]
		default:
			return missing{}
		}
	}
	return v
}

// operand is a text and what it is for an item.
type operand struct {
	text string
	path []any
	eval func(map[string]any) any
}

// operand returns a random operand of a condition.
func (n *naive) operand() operand {
	switch n.IntN(5) {
	case 0:
		of := n.operand()
		return operand{"size(" + of.text + ")", nil, func(it map[string]any) any { return naiveSize(of.eval(it)) }}
	case 1:
		v := n.value(1)
		return operand{n.literal(v), nil, func(map[string]any) any { return v }}
	}
	text, path := n.path()
	return operand{text, path, func(it map[string]any) any { return get(it, path) }}
}

// naiveSize is size().
func naiveSize(v any) any {
	n := 0
	switch v := v.(type) {
	case string:
		for _, r := range v {
			n++
			if r > 0xFFFF {
				n++
			}
		}
	case []byte:
		n = len(v)
	case set:
		n = len(v.members)
	case []any:
		n = len(v)
	case map[string]any:
		n = len(v)
	default:
		return missing{}
	}
	return big.NewRat(int64(n), 1)
}

// naiveEqual is "=".
func naiveEqual(a, b any) bool {
	if a == (missing{}) || b == (missing{}) {
		return false
	}
	switch x := a.(type) {
	case *big.Rat:
		y, ok := b.(*big.Rat)
		return ok && x.Cmp(y) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, naiveEqual)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, naiveEqual)
	}
	return reflect.DeepEqual(a, b)
}

// naiveOrder returns -1, 0 or 1, or 2 if the two have no order.
func naiveOrder(a, b any) int {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case *big.Rat:
		if y, ok := b.(*big.Rat); ok {
			return x.Cmp(y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	return 2
}

// naiveContains is contains().
func naiveContains(v, part any) bool {
	switch x := v.(type) {
	case string:
		y, ok := part.(string)
		return ok && strings.Contains(x, y)
	case []byte:
		y, ok := part.([]byte)
		return ok && bytes.Contains(x, y)
	case set:
		switch y := part.(type) {
		case string:
			return x.kind == "SS" && slices.Contains(x.members, y)
		case *big.Rat:
			return x.kind == "NS" && slices.ContainsFunc(x.members, func(m string) bool {
				r, _ := new(big.Rat).SetString(m)
				return r.Cmp(y) == 0
			})
		}
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return naiveEqual(e, part) })
	}
	return false
}

// naiveType is the type's tag, or "" for what is missing.
func naiveType(v any) string {
	switch v := v.(type) {
	case string:
		return "S"
	case *big.Rat:
		return "N"
	case []byte:
		return "B"
	case bool:
		return "BOOL"
	case nil:
		return "NULL"
	case set:
		return v.kind
	case []any:
		return "L"
	case map[string]any:
		return "M"
	}
	return ""
}

// condition is a text and what it is for an item.
type condition struct {
	text string
	eval func(map[string]any) bool
}

// condition returns a random condition. In parentheses it can stand anywhere.
func (n *naive) condition(depth int) condition {
	if depth > 0 {
		switch n.IntN(5) {
		case 0:
			c := n.condition(depth - 1)
			return condition{"NOT (" + c.text + ")", func(it map[string]any) bool { return !c.eval(it) }}
		case 1:
			a, b := n.condition(depth-1), n.condition(depth-1)
			return condition{"(" + a.text + ") AND (" + b.text + ")", func(it map[string]any) bool { return a.eval(it) && b.eval(it) }}
		case 2:
			a, b := n.condition(depth-1), n.condition(depth-1)
			return condition{"(" + a.text + ") or (" + b.text + ")", func(it map[string]any) bool { return a.eval(it) || b.eval(it) }}
		case 3: // without parentheses: NOT, then AND, then OR
			a, b, c := n.condition(0), n.condition(0), n.condition(0)
			return condition{"NOT " + a.text + " AND " + b.text + " OR " + c.text, func(it map[string]any) bool {
				return !a.eval(it) && b.eval(it) || c.eval(it)
			}}
		}
	}
	switch n.IntN(7) {
	case 0:
		text, path := n.path()
		want := n.IntN(2) == 0
		f := map[bool]string{true: "attribute_exists", false: "attribute_not_exists"}[want]
		return condition{f + "(" + text + ")", func(it map[string]any) bool { return (get(it, path) != missing{}) == want }}
	case 1:
		text, path := n.path()
		tag := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}[n.IntN(10)]
		return condition{"attribute_type(" + text + ", " + n.literal(tag) + ")", func(it map[string]any) bool {
			return naiveType(get(it, path)) == tag
		}}
	case 2:
		a, b := n.operand(), n.operand()
		return condition{"contains(" + a.text + ", " + b.text + ")", func(it map[string]any) bool { return naiveContains(a.eval(it), b.eval(it)) }}
	case 3:
		a, b := n.operand(), n.operand()
		return condition{"begins_with(" + a.text + ", " + b.text + ")", func(it map[string]any) bool {
			switch x := a.eval(it).(type) {
			case string:
				y, ok := b.eval(it).(string)
				return ok && strings.HasPrefix(x, y)
			case []byte:
				y, ok := b.eval(it).([]byte)
				return ok && bytes.HasPrefix(x, y)
			}
			return false
		}}
	case 4:
		a, low, high := n.operand(), n.operand(), n.operand()
		return condition{a.text + " BETWEEN " + low.text + " AND " + high.text, func(it map[string]any) bool {
			v := a.eval(it)
			l, h := naiveOrder(low.eval(it), v), naiveOrder(v, high.eval(it))
			return l <= 0 && h <= 0
		}}
	case 5:
		a, list := n.operand(), []operand{n.operand(), n.operand(), n.operand()}
		return condition{a.text + " IN (" + list[0].text + ", " + list[1].text + ", " + list[2].text + ")", func(it map[string]any) bool {
			return slices.ContainsFunc(list, func(o operand) bool { return naiveEqual(a.eval(it), o.eval(it)) })
		}}
	}
	a, b := n.operand(), n.operand()
	o := []string{"=", "<>", "<", "<=", ">", ">="}[n.IntN(6)]
	return condition{a.text + o + b.text, func(it map[string]any) bool {
		x, y := a.eval(it), b.eval(it)
		order := naiveOrder(x, y)
		switch o {
		case "=":
			return naiveEqual(x, y)
		case "<>":
			return !naiveEqual(x, y)
		case "<":
			return order == -1
		case "<=":
			return order == -1 || order == 0
		case ">":
			return order == 1
		}
		return order == 1 || order == 0
	}}
}

// TestConditionNaive compares random conditions on random items with what they mean.
func TestConditionNaive(t *testing.T) {
	n := newNaive(t)
	cache := NewCache(1 << 20)
	bound, held, checks := 0, 0, 0
	for range 4000 {
		n.params = Params{}
		c := n.condition(3)
		got, err := cache.Condition(KindCondition, c.text, &n.params)
		if err != nil {
			continue // operands alike, values that have no order, …
		}
		bound++
		for range 4 {
			it := n.item()
			want := c.eval(it)
			if h := got.Holds(item.New(n.entries(it))); h != want {
				t.Fatalf("%s on %v: %v, want %v\nnames %v", c.text, it, h, want, n.params.Names)
			}
			checks++
			if want {
				held++
			}
		}
	}
	if bound < 400 || held < checks/20 || held > checks*19/20 {
		t.Errorf("%d conditions bound, %d of %d checks held: the test tests little", bound, held, checks)
	}
}
