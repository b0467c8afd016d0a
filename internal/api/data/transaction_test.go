package data

import (
	"testing"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// TestFingerprint tells requests apart by what they mean.
func TestFingerprint(t *testing.T) {
	params := func(names []expr.Name, values []expr.Value) [32]byte {
		f := newFingerprint()
		f.params(&expr.Params{Names: names, Values: values})
		return f.sum()
	}
	a, b := expr.Name{Key: "#a", Name: "x"}, expr.Name{Key: "#b", Name: "y"}
	one := expr.Value{Key: ":one", Value: item.Int(1)}
	if params([]expr.Name{a, b}, []expr.Value{one}) != params([]expr.Name{b, {Key: "#a", Name: "z"}, a}, []expr.Value{one}) {
		t.Error("the order of names, or one that does not count, makes a difference")
	}
	sums := map[[32]byte]string{}
	for what, sum := range map[string][32]byte{
		"nothing": params(nil, nil), "a": params([]expr.Name{a}, nil), "b": params([]expr.Name{b}, nil), "a b": params([]expr.Name{a, b}, nil),
		"swapped": params([]expr.Name{{Key: "#a", Name: "y"}, {Key: "#b", Name: "x"}}, nil), "value": params(nil, []expr.Value{one}),
		"a name like a value": params([]expr.Name{{Key: ":one", Name: string(one.Value.Raw())}}, nil),
	} {
		if other, ok := sums[sum]; ok {
			t.Errorf("%s and %s have one fingerprint", what, other)
		}
		sums[sum] = what
	}
	option := func(o wire.OptString) [32]byte { f := newFingerprint(); f.option(o); f.count(0); return f.sum() }
	if option(wire.OptString{}) == option(wire.OptString{Set: true}) {
		t.Error("an absent member and an empty one have one fingerprint")
	}
}

// TestSameItemWhileTableChanges finds that two actions are on one item though the table was changed
// between the looks for it.
func TestSameItemWhileTableChanges(t *testing.T) {
	d := dbtest.Open(t, dbtest.Options{}).DB
	before := createTable(t, d, "changing", "id", "")
	_, after, err := d.Alter(t.Context(), schema.DefaultNamespace, "changing", db.Unseen, func(desc *schema.Descriptor) error {
		desc.DeletionProtection = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if before == after {
		t.Fatal("UpdateTable has changed nothing")
	}
	it := item.New([]item.Entry{{Name: "id", Value: item.String("1")}})
	put := func(table *db.Table) *transactAction {
		return &transactAction{kind: transactPut, item: wire.OptItem{Set: true, V: it}, write: db.Action{Write: db.Write{Table: table}}}
	}
	if !put(after).repeats([]*transactAction{put(before)}) {
		t.Error("TransactWriteItems takes one item for two")
	}
	if !sameItemTwice([]*statement{{table: before, key: it}, {table: after, key: it}}) {
		t.Error("statements on one item are taken for statements on two")
	}
}
