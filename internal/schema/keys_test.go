package schema

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/golden"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// attr is an entry for item.New.
func attr(name string, v item.Value) item.Entry { return item.Entry{Name: name, Value: v} }

// num is a number value.
func num(t testing.TB, s string) item.Value {
	t.Helper()
	v, err := item.Number(s)
	if err != nil {
		t.Fatalf("Number(%q): %v", s, err)
	}
	return v
}

// testTable is a table with a composite key of the types, and the indexes.
func testTable(hash, sort item.Type, indexes ...Index) *Table {
	d := &Descriptor{
		ID: 7, Name: "orders", Namespace: DefaultNamespace, State: StatePublic, Billing: "PAY_PER_REQUEST",
		Attributes: []AttributeDefinition{{"a", item.S}, {"b", item.B}, {"n", item.N}, {"pk", hash}},
		Keys:       []KeyElement{{Name: "pk"}},
		NextIndex:  FirstIndexID,
	}
	if sort != item.Missing {
		d.Keys = append(d.Keys, KeyElement{Name: "sk", Range: true})
		d.Attributes = append(d.Attributes, AttributeDefinition{"sk", sort})
	}
	for _, x := range indexes {
		x.ID, x.State = d.NextIndex, StatePublic
		d.NextIndex++
		d.Indexes = append(d.Indexes, x)
	}
	return NewTable(d)
}

// gsi is a global index with the keys, of which those after "|" are range keys.
func gsi(name string, projection Projection, keys ...string) Index {
	x := Index{Name: name, Projection: projection}
	ranged := false
	for _, k := range keys {
		if k == "|" {
			ranged = true
			continue
		}
		x.Keys = append(x.Keys, KeyElement{k, ranged})
	}
	return x
}

// TestKeysGolden holds the stored form of keys: a change here breaks every data directory.
func TestKeysGolden(t *testing.T) {
	table := testTable(item.S, item.N, gsi("g", "ALL", "a", "|", "b", "n"),
		Index{Name: "l", Kind: LocalIndex, Projection: "ALL", Keys: []KeyElement{{"pk", false}, {"b", true}}})
	it := item.New([]item.Entry{
		attr("pk", item.String("user-0001")), attr("sk", num(t, "-12.5")),
		attr("a", item.String("shipped!")), attr("b", item.Binary([]byte{0, 0xFF})), attr("n", num(t, "100")),
	})
	var got strings.Builder
	line := func(what string, key []byte) { fmt.Fprintf(&got, "%s\n  %s\n", what, hex.EncodeToString(key)) }
	line("item", table.AppendItemKey(nil, it))
	for _, p := range table.Plans {
		key, ok := p.AppendKey(nil, it)
		if !ok {
			t.Fatalf("index %s: the item has no row", p.Name)
		}
		line("index "+p.Name, key)
	}
	simple := testTable(item.B, item.Missing)
	line("item of a table without sort key", simple.AppendItemKey(nil, item.New([]item.Entry{attr("pk", item.Binary([]byte("12345678")))})))
	line("catalog name", NameKey(DefaultNamespace, "orders"))
	line("descriptor", DescriptorKey(7))
	line("backfill", BackfillKey(7, 16))
	token := (&Token{Namespace: DefaultNamespace, Operation: TokenTransactWriteItems, Value: "a-token"}).AppendKey(nil)
	line("token", token)
	line("expiry of a token", AppendTokenExpiryKey(nil, token, 1_700_000_000_000))
	golden.Compare(t, "testdata/keys.golden", []byte(got.String()))
}

// TestKeyOrder checks that keys order like the values they are made of, raw and in groups.
func TestKeyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []item.Type{item.S, item.B, item.N} {
		table := testTable(item.S, typ, gsi("g", "ALL", "a", "|", "sk"))
		p := table.Plans[0]
		for range 3000 {
			x, y := randomKey(t, rnd, typ), randomKey(t, rnd, typ)
			row := func(v item.Value) (own, index []byte) {
				it := item.New([]item.Entry{attr("pk", item.String("p")), attr("sk", v), attr("a", item.String("a"))})
				index, _ = p.AppendKey(nil, it)
				return table.AppendItemKey(nil, it), index
			}
			want := compareValues(x, y)
			ownX, indexX := row(x)
			ownY, indexY := row(y)
			if got := bytes.Compare(ownX, ownY); got != want {
				t.Fatalf("item keys of %s and %s: order %d, want %d", x.AppendText(nil), y.AppendText(nil), got, want)
			}
			if got := bytes.Compare(indexX, indexY); got != want {
				t.Fatalf("index keys of %s and %s: order %d, want %d", x.AppendText(nil), y.AppendText(nil), got, want)
			}
		}
	}
}

// compareValues orders two key values by what they mean, without their encoding's help.
func compareValues(x, y item.Value) int {
	if x.Type() != item.N {
		return bytes.Compare(x.Bytes(), y.Bytes())
	}
	rat := func(v item.Value) *big.Rat {
		s := strings.TrimSuffix(strings.TrimPrefix(string(v.AppendText(nil)), "{N:"), "}")
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			panic(s)
		}
		return r
	}
	return rat(x).Cmp(rat(y))
}

// randomKey is a random key value, with likely common prefixes and runs of 0x00 and 0xFF.
func randomKey(t testing.TB, rnd *rand.Rand, typ item.Type) item.Value {
	if typ == item.N {
		digits := fmt.Sprint(rnd.Int64N(1000000))
		if rnd.IntN(2) == 0 {
			digits = "-" + digits
		}
		return num(t, fmt.Sprintf("%se%d", digits, rnd.IntN(12)-8))
	}
	b := make([]byte, 1+rnd.IntN(20))
	for i := range b {
		b[i] = []byte{0, 'a', 'b', 0xFF}[rnd.IntN(4)]
		if typ == item.S {
			b[i] &= 0x7F
		}
	}
	if typ == item.S {
		return item.String(string(b))
	}
	return item.Binary(b)
}

// TestQueryRange checks each operator against evaluating it on every row.
func TestQueryRange(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, typ := range []item.Type{item.S, item.B, item.N} {
		for _, indexed := range []bool{false, true} {
			table := testTable(item.S, typ, gsi("g", "ALL", "pk", "|", "sk"))
			var x *Index
			if indexed {
				x = &table.Indexes[0]
			}
			for range 2000 {
				checkOperators(t, table, x, randomKey(t, rnd, typ), randomKey(t, rnd, typ), randomKey(t, rnd, typ))
			}
		}
	}
}

// checkOperators checks for each operator on v (and w) whether the range holds the row with sort
// key k as it should.
func checkOperators(t *testing.T, table *Table, x *Index, k, v, w item.Value) {
	t.Helper()
	it := item.New([]item.Entry{attr("pk", item.String("p")), attr("sk", k)})
	row := table.RowKey(x, it)
	at := compareValues(k, v)
	if compareValues(v, w) > 0 {
		v, w = w, v
		at = compareValues(k, v)
	}
	want := map[expr.Operator]bool{
		expr.EQ: at == 0, expr.LT: at < 0, expr.LE: at <= 0, expr.GT: at > 0, expr.GE: at >= 0,
		expr.BETWEEN: at >= 0 && compareValues(k, w) <= 0,
	}
	if k.Type() != item.N {
		want[expr.BEGINS_WITH] = bytes.HasPrefix(k.Bytes(), v.Bytes())
	}
	for op, in := range want {
		r := table.QueryRange(new(Bounds), x, []item.Value{item.String("p")}, []expr.KeyPart{{Attribute: "sk", Operator: op, Values: []item.Value{v, w}}})
		if got := bytes.Compare(row, r.Start) >= 0 && bytes.Compare(row, r.End) < 0; got != in {
			t.Fatalf("%s %v %s (and %s): in range %v, want %v", k.AppendText(nil), op, v.AppendText(nil), w.AppendText(nil), got, in)
		}
	}
}

// TestSegments checks that segments cut the hashes without gap or overlap, and that segmentOf
// agrees.
func TestSegments(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		n := 1 + rnd.IntN(1000)
		if rnd.IntN(10) == 0 {
			n = 1 + rnd.IntN(1000000)
		}
		h := rnd.Uint64()
		if rnd.IntN(4) == 0 && n > 1 {
			h = segmentStart(rnd.IntN(n-1)+1, n) - uint64(rnd.IntN(2)) // at a border
		}
		i := segmentOf(h, n)
		if i < 0 || i >= n || segmentStart(i, n) > h || i+1 < n && segmentStart(i+1, n) <= h {
			t.Fatalf("segmentOf(%#x, %d) = %d, which begins at %#x", h, n, i, segmentStart(i, n))
		}
	}
}

// TestLargestRows checks the largest legal rows of each kind against the engine's limits, and
// against those of an engine with 8 KiB keys.
func TestLargestRows(t *testing.T) {
	hash, rng := strings.Repeat("h", maxHashBytes), strings.Repeat("r", maxRangeBytes)
	four := func(s string) (keys []item.Entry) {
		for i := range 4 {
			keys = append(keys, attr(fmt.Sprintf("%c%d", s[0], i), item.String(s[:len(s)/4])))
		}
		return keys
	}
	entries := append(append(four(hash), four(rng)...), attr("pk", item.String(hash)), attr("sk", item.String(rng)), attr("r", item.String(rng)))
	it := item.New(entries)
	table := testTable(item.S, item.S, gsi("g", "ALL", "h0", "h1", "h2", "h3", "|", "r0", "r1", "r2", "r3"),
		Index{Name: "l", Kind: LocalIndex, Projection: "ALL", Keys: []KeyElement{{"pk", false}, {"r", true}}})
	for _, e := range entries {
		table.Attributes = append(table.Attributes, AttributeDefinition{e.Name, item.S})
	}
	table = NewTable(&table.Descriptor)
	engine, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	limit := min(engine.Limits().Key, 8192)
	keys := map[string][]byte{"item": table.AppendItemKey(nil, it)}
	for _, p := range table.Plans {
		key, ok := p.AppendKey(nil, it)
		if !ok {
			t.Fatalf("index %s has no row for the largest item", p.Name)
		}
		keys[p.Name] = key
	}
	for what, key := range keys {
		if len(key) >= limit {
			t.Errorf("the largest key of %s is %d bytes, limit %d", what, len(key), limit)
		}
		if len(key) < kv.FrontLen {
			t.Errorf("the key of %s is shorter than its front", what)
		}
	}
}

// FuzzKeys checks the order of keys, and the range of every operator, for any three binary or
// string sort keys.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("a"), []byte("a\x00"), []byte("b"))
	f.Add([]byte("12345678"), []byte("1234567"), []byte("123456789"))
	f.Add([]byte{0xFF, 0xFF}, []byte{0xFF}, []byte{0xFF, 0xFF, 0})
	f.Fuzz(func(t *testing.T, k, v, w []byte) {
		if len(k) == 0 || len(v) == 0 || len(w) == 0 || max(len(k), len(v), len(w)) > maxRangeBytes {
			return // no keys
		}
		for _, typ := range []item.Type{item.S, item.B} {
			table := testTable(item.S, typ, gsi("g", "ALL", "pk", "|", "sk"))
			value := func(b []byte) item.Value {
				if typ == item.S {
					return item.String(string(b)) // keys do not look at what the bytes mean
				}
				return item.Binary(b)
			}
			for _, x := range []*Index{nil, &table.Indexes[0]} {
				checkOperators(t, table, x, value(k), value(v), value(w))
			}
		}
	})
}
