package partiql

import (
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// TestCache wants a text to be parsed once, and what is kept not to change with the request's
// bytes.
func TestCache(t *testing.T) {
	c := NewCache(1 << 20)
	request := []byte(`SELECT "abc" FROM t WHERE pk = 'x'`)
	first, err := c.Parse(string(request))
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Parse(string(request))
	if err != nil || again != first {
		t.Errorf("the second time another statement comes out: %v", err)
	}
	if other, _ := c.Parse(`SELECT "abd" FROM t WHERE pk = 'x'`); other == first {
		t.Error("another text gives the same statement")
	}
	for range 2 {
		if _, err := c.Parse("SELECT"); err == nil {
			t.Error("SELECT alone is a statement")
		}
	}
	if s, err := NewCache(0).Parse(string(request)); err != nil || s.Columns[0].Name != "abc" {
		t.Errorf("a cache that keeps nothing: %v", err)
	}
}

// TestCacheBound wants many long statements to leave the cache within its bound: the first is
// parsed again.
func TestCacheBound(t *testing.T) {
	c := NewCache(1 << 16)
	text := func(i int) string { return "SELECT * FROM t" + strings.Repeat("x", i) + " WHERE pk = ?" }
	first, err := c.Parse(text(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if _, err := c.Parse(text(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := c.Parse(text(0)); again == first {
		t.Error("1000 statements of 500 bytes fit in 64 KiB")
	}
}

// TestSharedStatement wants bound statements to be independent of each other.
func TestSharedStatement(t *testing.T) {
	s, err := Parse("SELECT * FROM t WHERE pk = ? AND a IN [?, 'z']")
	if err != nil {
		t.Fatal(err)
	}
	one, err := s.Bind([]item.Value{item.String("a"), item.Int(1)})
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Bind([]item.Value{item.String("b"), item.Int(2)})
	if err != nil {
		t.Fatal(err)
	}
	it := testItem(t, `{"pk":{"S":"a"},"a":{"N":"1"}}`)
	if !one.Where.Holds(it) || two.Where.Holds(it) {
		t.Errorf("holds: %v and %v, want true and false", one.Where.Holds(it), two.Where.Holds(it))
	}
}

// TestIsWrite holds what belongs with a transaction's writes.
func TestIsWrite(t *testing.T) {
	for kind, want := range map[Kind]bool{
		KindSelect: false, KindInsert: true, KindUpdate: true, KindDelete: true, KindExists: true,
	} {
		if kind.IsWrite() != want {
			t.Errorf("Kind(%d).IsWrite() = %v", kind, !want)
		}
	}
}

// BenchmarkBind is a cached statement, bound, and its keys found.
func BenchmarkBind(b *testing.B) {
	c := NewCache(1 << 20)
	params := []item.Value{item.String("a"), item.Int(1)}
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.Parse("SELECT * FROM t WHERE pk = ? AND sk = ?")
		if err != nil {
			b.Fatal(err)
		}
		bound, err := s.Bind(params)
		if err != nil {
			b.Fatal(err)
		}
		if use := bound.Keys([]string{"pk"}, []string{"sk"}); !use.Full {
			b.Fatal("not the full key")
		}
	}
}
