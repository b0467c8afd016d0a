package db

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
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

// gsi is a global index with the keys, of which those after "|" are range keys.
func gsi(name string, projection schema.Projection, keys ...string) schema.Index {
	x := schema.Index{Name: name, Projection: projection}
	ranged := false
	for _, k := range keys {
		if k == "|" {
			ranged = true
			continue
		}
		x.Keys = append(x.Keys, schema.KeyElement{Name: k, Range: ranged})
	}
	return x
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
