package expr

import (
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// builtPath is a node of a top-level attribute.
func builtPath(name string) *Node { return &Node{Op: OpPath, Path: Path{{Name: name, Index: -1}}} }

// builtValue is a node of a place.
func builtValue(i int) *Node { return &Node{Op: OpValue, Value: i} }

// built is a node of an operation.
func built(o Op, args ...*Node) *Node { return &Node{Op: o, Args: args} }

// TestConditionForm binds one form to two lists of values, which must not disturb each other, and
// asks for its conjuncts.
func TestConditionForm(t *testing.T) {
	form := NewConditionForm(built(OpAnd,
		built(OpEQ, builtValue(0), builtPath("select")), // no word is reserved here
		built(OpAnd, built(OpLT, builtValue(1), builtPath("b")), built(OpNE, builtPath("a"), builtPath("a"))),
		built(OpOr, built(OpEQ, builtPath("c"), builtValue(1)), built(OpIn, builtPath("c"), builtValue(0), builtValue(1))),
	))
	one, err := form.Bind([]item.Value{item.String("x"), item.Int(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := form.Bind([]item.Value{item.String("x"), item.Bool(true)}); err == nil ||
		err.Error() != "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL" {
		t.Errorf("a BOOL as operand of <: %v", err)
	}
	it := item.New([]item.Entry{
		{Name: "select", Value: item.String("x")}, {Name: "b", Value: item.Int(2)}, {Name: "c", Value: item.String("x")},
	})
	if !one.Holds(it) {
		t.Error("the condition does not hold")
	}
	conjuncts := one.Conjuncts()
	want := []struct {
		attribute string
		operator  Operator
		values    int
	}{{"select", EQ, 1}, {"b", GT, 1}, {"", EQ, 0}, {"c", IN, 3}}
	if len(conjuncts) != len(want) {
		t.Fatalf("%d conjuncts, want %d", len(conjuncts), len(want))
	}
	for i, c := range conjuncts {
		if w := want[i]; c.Attribute != w.attribute || c.Operator != w.operator || len(c.Values) != w.values {
			t.Errorf("conjunct %d is %+v, want %+v", i, c.KeyPart, w)
		}
	}
	if only := one.Only(conjuncts[2:3]); !only.Holds(item.New(nil)) || only.HasAlternatives() || !one.HasAlternatives() {
		t.Error("a <> a alone does not hold on an item without a, or is said to have an OR, or the whole to have none")
	}
	if one.Only(nil) != nil {
		t.Error("no conjuncts make a condition")
	}
}

// TestSetFunctions applies set_add and set_delete to a set, to a missing attribute, and to what is
// no set.
func TestSetFunctions(t *testing.T) {
	set := func(members ...int64) item.Value {
		values := make([]item.Value, len(members))
		for i, m := range members {
			values[i] = item.Int(m)
		}
		v, _ := item.Set(values)
		return v
	}
	old := item.New([]item.Entry{{Name: "s", Value: set(1, 2)}, {Name: "n", Value: item.Int(1)}})
	for _, test := range []struct {
		from    string
		op      Op
		operand item.Value
		want    item.Value
		err     error
	}{
		{"s", OpSetAdd, set(2, 3), set(1, 2, 3), nil},
		{"s", OpSetDelete, set(2, 3), set(1), nil},
		{"s", OpSetDelete, set(2, 1), item.Value{}, nil},
		{"x", OpSetAdd, set(3), set(3), nil},
		{"x", OpSetDelete, set(3), item.Value{}, nil},
		{"n", OpSetAdd, set(3), item.Value{}, errType},
	} {
		form := NewUpdateForm([]Action{{Path{{"r", -1}}, built(test.op, builtPath(test.from), builtValue(0))}})
		u, err := form.Bind([]item.Value{test.operand})
		if err != nil {
			t.Fatal(err)
		}
		updated, err := u.Apply(old, old)
		if err != test.err || err == nil && !item.Equal(updated.Get("r"), test.want) {
			t.Errorf("%s(%s, %s) is %s, %v; want %s, %v", test.op, test.from, test.operand.AppendText(nil),
				updated.Get("r").AppendText(nil), err, test.want.AppendText(nil), test.err)
		}
	}
}
