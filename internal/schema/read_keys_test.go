package schema

import (
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// TestDescribeKey shows keys of all types, and those that cannot be read.
func TestDescribeKey(t *testing.T) {
	table := testTable(item.S, item.N,
		Index{Name: "ln", Kind: LocalIndex, Projection: "ALL", Keys: []KeyElement{{"pk", false}, {"n", true}}})
	for _, n := range []string{"0", "-1", "1", "99999999999999999999999999999999999999", "-1E-130", "1E+125", "-123.456"} {
		it := item.New([]item.Entry{attr("pk", item.String("twelve bytes")), attr("sk", num(t, n)), attr("n", num(t, n)), attr("a", item.String(""))})
		key := it.Pick([]string{"pk", "sk"})
		if got := table.DescribeKey(table.AppendItemKey(nil, it)); got != string(key.AppendJSON(nil)) {
			t.Errorf("an item's key is %s, want %s", got, key.AppendJSON(nil))
		}
		row, _ := table.Plan(table.Index("ln")).AppendKey(nil, it)
		if got, want := table.DescribeKey(row), string(it.Pick([]string{"n", "pk", "sk"}).AppendJSON(nil)); got != want {
			t.Errorf("an index row's key is %s, want %s", got, want)
		}
		for n := range len(row) {
			table.DescribeKey(row[:n]) // it must not panic
		}
	}
	if got := table.DescribeKey([]byte{2, 0}); got != "0200" {
		t.Errorf("a key that cannot be read is %s", got)
	}
}
