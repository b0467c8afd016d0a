package db

import (
	"bytes"
	"context"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
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

// settle waits until no background job runs.
func settle(t *testing.T, d *DB) {
	t.Helper()
	for t.Context().Err() == nil {
		busy := false
		d.working.Range(func(any, any) bool { busy = true; return false })
		if !busy {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// checkOpen checks an open database.
func checkOpen(ctx context.Context, d *DB) ([]check.Problem, error) {
	report, err := check.Run(ctx, d.kv, check.Options{Now: d.now, Open: d})
	return report.Problems, err
}

// checkClean runs a check and wants it to find nothing.
func checkClean(t *testing.T, d *DB) {
	t.Helper()
	settle(t, d)
	problems, err := checkOpen(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems[:min(len(problems), 20)] {
		t.Error(p)
	}
}

// checkedStore is a database with a bit of everything: the table "model" with indexes, a stream and
// items that expire, the stream of the table "old", which is gone, and the token of a transaction.
// The items are p/1 to p/3 and q/1; p/1 was changed, and r/1 is gone.
type checkedStore struct {
	t        *Table
	log, old *Stream
	shards   map[uint32][]kv.Record // of the stream
}

// checkedItem is an item of the table "model".
func checkedItem(pk string, sk int64, a string) item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(pk)), attr("sk", item.Int(sk)), attr("a", item.String(a)), attr("n", item.Int(-sk)),
		attr("b", item.Binary([]byte(a))), attr("secret", item.String("s3cret")), attr("e", item.Int(4_102_444_800)),
	})
}

// fill makes the tables and writes to them.
func (s *checkedStore) fill(t *testing.T, d *DB) {
	old := streamedDescriptor()
	old.Name, old.Indexes = "old", nil
	old.Attributes = []schema.AttributeDefinition{{Name: "pk", Type: item.S}, {Name: "sk", Type: item.N}}
	gone, err := d.Create(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	putAll(t, d, gone, checkedItem("p", 1, "x"))
	if _, err := d.Delete(t.Context(), schema.DefaultNamespace, "old", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context(), streamedDescriptor()); err != nil {
		t.Fatal(err)
	}
	setExpiry(t, d, "e")
	s.t = d.Lookup(schema.DefaultNamespace, "model")
	for _, it := range []item.Item{checkedItem("p", 1, "before"), checkedItem("p", 1, "a1"), checkedItem("p", 2, "a2"), checkedItem("p", 3, "a3"), checkedItem("r", 1, "r")} {
		putAll(t, d, s.t, it)
	}
	if _, err := d.Write(t.Context(), &Write{Table: s.t, Key: checkedItem("r", 1, ""), Change: Delete{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Transact(t.Context(), expiringTransaction(s.t)); err != nil {
		t.Fatal(err)
	}
	checkClean(t, d)
	s.log, s.old = d.StreamByID(s.t.StreamID), d.StreamByID(gone.StreamID)
	for shard := range uint32(s.log.Shards) {
		page := kv.Page{Records: 100, Bytes: 1 << 20}
		if s.shards[shard], _, err = d.kv.ReadLog(t.Context(), s.log.ID, shard, schema.Position{}, page); err != nil {
			t.Fatal(err)
		}
	}
}
