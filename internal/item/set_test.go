package item

import "testing"

// TestSet makes sets in the order that they are stored in, and refuses a member that comes twice.
func TestSet(t *testing.T) {
	number := func(text string) Value {
		v, err := Number(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, test := range []struct {
		members []Value
		want    string
	}{
		{[]Value{String("b"), String(""), String("a")}, `{"SS":["","a","b"]}`},
		{[]Value{number("10"), number("9.5"), number("-1")}, `{"NS":["-1","9.5","10"]}`},
		{[]Value{Binary([]byte{1}), Binary([]byte{0, 1})}, `{"BS":["AAE=","AQ=="]}`},
		{[]Value{number("1"), number("2"), number("1.0")}, ""},
		{[]Value{String("a"), String("a")}, ""},
	} {
		v, ok := Set(test.members)
		if got := string(v.AppendJSON(nil)); ok && (got != test.want || v.Verify() != nil) || ok != (test.want != "") {
			t.Errorf("Set(%v) = %s, %v, want %s (%v)", test.members, got, ok, test.want, v.Verify())
		}
	}
}
