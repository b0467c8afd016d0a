package partiql

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// fuzzItems are what statements run on.
var fuzzItems = []string{
	`{"pk":{"S":"a"},"sk":{"N":"1"},"a":{"N":"1"},"l":{"L":[{"N":"1"},{"S":"x"}]},"m":{"M":{"k":{"SS":["a"]}}},"x":{"BOOL":true}}`,
	`{"pk":{"S":"b"},"sk":{"S":"xyz"},"a":{"S":"x"},"l":{"NULL":true}}`,
	`{"pk":{"N":"1"},"sk":{"B":"AAE="}}`,
	`missing`,
}

// fuzzParams are the parameters of each statement.
const fuzzParams = `[{"S":"a"},{"N":"1"},{"L":[{"M":{}}]},{"NS":["1","2"]},{"B":"AAE="},{"S":"xy"},{"BOOL":false},{"NULL":true}]`

// FuzzStatement parses, prints what it has understood, and parses that, which must print the same.
// What can be bound runs on the items: it must not panic, and what Keys finds must mean the same as
// the whole WHERE clause.
func FuzzStatement(f *testing.F) {
	for _, name := range []string{"parse", "errors", "bind", "evaluate", "keys"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if upper := strings.ToUpper(line); strings.Contains(upper, " T ") || strings.Contains(upper, "FROM") {
				f.Add(strings.TrimSuffix(line, "\n"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 8192 || !utf8.ValidString(text) {
			return // no request has it
		}
		s, err := parse(text)
		if err != nil {
			return
		}
		printed := s.String()
		again, err := parse(printed)
		if err != nil {
			t.Fatalf("%q is printed as %q, which is refused: %v", text, printed, err)
		}
		if twice := again.String(); twice != printed {
			t.Fatalf("%q is printed as %q, and that as %q", text, printed, twice)
		}
		b, err := s.build().Bind(testParams(t, fuzzParams))
		if err != nil {
			return
		}
		runBound(t, b)
		if again, err := again.build().Bind(testParams(t, fuzzParams)); err != nil || !sameWhere(t, b, again) {
			t.Errorf("%q does not mean what %q does: %v", printed, text, err)
		}
	})
}

// runBound runs a statement on all items.
func runBound(t *testing.T, b *Bound) {
	if b.Kind == KindInsert {
		if err := b.Item.Verify(); err != nil {
			t.Error(err)
		}
	}
	for _, text := range fuzzItems {
		it := testItem(t, text)
		b.AppendJSON(nil, it)
		if b.Update != nil {
			if updated, err := b.Update.Apply(it, it); err == nil {
				if err := updated.Verify(); err != nil {
					t.Error(err)
				}
				b.Update.UpdatedOld(it)
				b.Update.UpdatedNew(it, updated)
			}
		}
		if b.Where == nil {
			continue
		}
		whole := b.Where.Holds(it)
		if got := useHolds(b.Keys([]string{"pk"}, []string{"sk"}), []string{"pk"}, it); got != whole {
			t.Errorf("WHERE of %q holds: %v, what Keys finds in it: %v, on %s", b.Text, whole, got, text)
		}
		if got := useHolds(b.Keys([]string{"pk", "a"}, []string{"sk", "x"}), []string{"pk", "a"}, it); got != whole {
			t.Errorf("WHERE of %q holds: %v, what Keys finds in it of four: %v, on %s", b.Text, whole, got, text)
		}
	}
}

// sameWhere tells whether two WHERE clauses hold on the same items.
func sameWhere(t *testing.T, a, b *Bound) bool {
	for _, text := range fuzzItems {
		if it := testItem(t, text); a.Where != nil && a.Where.Holds(it) != b.Where.Holds(it) {
			return false
		}
	}
	return true
}

// useHolds tells whether an item has the keys that use says, and passes its filter.
func useHolds(use KeyUse, hash []string, it item.Item) bool {
	found := use.Hash == nil
	for _, tuple := range use.Hash {
		same := true
		for i, name := range hash {
			same = same && item.Equal(it.Get(name), tuple[i])
		}
		found = found || same
	}
	for _, part := range use.Range {
		found = found && partHolds(part, it.Get(part.Attribute))
	}
	return found && (use.Filter == nil || use.Filter.Holds(it))
}

// partHolds tells whether a range condition holds on a value.
func partHolds(part expr.KeyPart, v item.Value) bool {
	if part.Operator == expr.BEGINS_WITH {
		return v.Type() == part.Values[0].Type() && bytes.HasPrefix(v.Bytes(), part.Values[0].Bytes())
	}
	if part.Operator == expr.EQ {
		return item.Equal(v, part.Values[0])
	}
	order, ok := item.Compare(v, part.Values[0])
	if !ok {
		return false
	}
	switch part.Operator {
	case expr.LT:
		return order < 0
	case expr.LE:
		return order <= 0
	case expr.GT:
		return order > 0
	case expr.GE:
		return order >= 0
	}
	high, ok := item.Compare(v, part.Values[1])
	return order >= 0 && ok && high <= 0
}
