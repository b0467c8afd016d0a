package expr

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/item"
)

// fuzzSeeds are texts of all kinds, right and wrong.
var fuzzSeeds = []string{
	"a = :v AND #b.c[0] <> :w OR NOT (size(d) BETWEEN :x AND :y)", "a IN (:v, b, size(c))", "contains(a, :v)",
	"attribute_type(a, :t) AND attribute_exists(a) AND attribute_not_exists(b) AND begins_with(a, :v)",
	"SET a = :v, b[1] = b[0] + :n REMOVE c.d ADD e :n DELETE f :s",
	"SET l = list_append(if_not_exists(l, :e), :l), n = (n - :n)", "a, b.c, d[0][1], #e", "pk = :p AND sk >= :s",
	"((a = :v))", "a = ", "!!", "_a", "a[01]", "a.\t b\n", "not not a=:v", "'", "é = :v", "a\xff = :v", "", " ",
	"REMOVE l[0], l[2] SET l[9] = :v", "size(size(a)) = :v", "if_not_exists(a, :v)", "SET a = :v SET b = :v",
}

// FuzzParse parses any text as any kind: it must not panic, and what it takes must print to a text
// that it takes for the same.
func FuzzParse(f *testing.F) {
	for _, text := range fuzzSeeds {
		for kind := KindCondition; kind <= KindUpdate; kind++ {
			f.Add(int(kind), text)
		}
	}
	f.Fuzz(func(t *testing.T, kind int, text string) {
		if kind < int(KindCondition) || kind > int(KindUpdate) {
			return
		}
		tree, err := parse(Kind(kind), text)
		if err != nil {
			if !strings.HasPrefix(err.Message, "Invalid "+Kind(kind).String()+": ") {
				t.Errorf("parse(%v, %q): %s", Kind(kind), text, err.Message)
			}
			if utf8.ValidString(text) && !utf8.ValidString(err.Message) {
				t.Errorf("parse(%v, %q): %q is not UTF-8", Kind(kind), text, err.Message)
			}
			return
		}
		printed := tree.String()
		if len(printed) > maxExpressionBytes {
			return
		}
		again, err := parse(Kind(kind), printed)
		if err != nil {
			t.Fatalf("parse(%v, %q) prints %q, which fails: %s", Kind(kind), text, printed, err.Message)
		}
		if again.String() != printed {
			t.Errorf("parse(%v, %q) prints %q, which prints %q", Kind(kind), text, printed, again)
		}
	})
}

// FuzzRun binds and runs any text as all kinds, with every placeholder defined as something that
// its key chooses.
func FuzzRun(f *testing.F) {
	for _, text := range fuzzSeeds {
		f.Add(text)
	}
	names := []string{"a", "b", "l", "m", "s", "a.b", "nope"}
	values := []item.Value{
		item.String("x"), item.Int(1), item.Binary([]byte{1}), item.Bool(true), item.Null(),
		item.List([]item.Value{item.Int(1), item.String("x")}), item.Map([]item.Entry{{Name: "b", Value: item.Int(1)}}),
		item.String("S"), item.Int(0), item.String(""),
	}
	old := item.New([]item.Entry{
		{Name: "a", Value: item.Int(1)}, {Name: "b", Value: item.String("xyz")}, {Name: "s", Value: values[2]},
		{Name: "l", Value: item.List([]item.Value{values[5], values[6], item.Int(2)})},
		{Name: "m", Value: item.Map([]item.Entry{{Name: "b", Value: values[6]}, {Name: "l", Value: values[5]}})},
	})
	cache := NewCache(1 << 16)
	f.Fuzz(func(t *testing.T, text string) {
		p := &Params{}
		for pos := 0; pos < len(text); {
			token := lex(text, pos)
			key := text[token.start:token.end]
			sum := 0
			for i := range key {
				sum += int(key[i])
			}
			switch token.kind {
			case tokenName:
				p.Names = append(p.Names, Name{key, names[sum%len(names)]})
			case tokenValue:
				p.Values = append(p.Values, Value{key, values[sum%len(values)]})
			}
			pos = token.end
		}
		if c, err := cache.Condition(KindFilter, text, p); err == nil {
			c.Holds(old)
			c.Holds(item.Item{})
			c.Attributes()
		}
		if k, err := cache.KeyCondition(text, p); err == nil && len(k.Parts) == 0 {
			t.Errorf("KeyCondition(%q) has no parts", text)
		}
		if projection, err := cache.Projection(text, p); err == nil {
			verify(t, text, projection.Apply(old))
		}
		if u, err := cache.Update(text, p); err == nil {
			updated, err := u.Apply(old, old)
			if err != nil {
				return
			}
			verify(t, text, updated)
			verify(t, text, u.UpdatedOld(old))
			verify(t, text, u.UpdatedNew(old, updated))
		}
	})
}

// verify reports an item that is not sound.
func verify(t *testing.T, text string, it item.Item) {
	t.Helper()
	if !it.Exists() {
		return
	}
	if err := it.Verify(); err != nil {
		t.Errorf("%q: %v", text, err)
	}
}
