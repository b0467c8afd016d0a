package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// benchItem is an item of 11 attributes and about 1 KB.
func benchItem() item.Item {
	entries := []item.Entry{
		{Name: "pk", Value: item.String("customer#00001234")},
		{Name: "sk", Value: item.String("order#2026-11-22T10:11:12Z")},
	}
	for i := range 9 {
		name := fmt.Sprintf("attribute%d", i)
		entries = append(entries, item.Entry{Name: name, Value: item.String(strings.Repeat(string(rune('a'+i)), 90))})
	}
	return item.New(entries)
}

// What the benchmarks make, so that it is made.
var (
	benchHolds bool
	benchGot   item.Item
	benchKey   *KeyCondition
)

// BenchmarkCondition is a cached condition of one comparison, bound and evaluated.
func BenchmarkCondition(b *testing.B) {
	it, cache := benchItem(), NewCache(1<<20)
	p := &Params{
		Names:  []Name{{"#f", "attribute4"}},
		Values: []Value{{":o", it.Get("attribute4")}},
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := cache.Condition(KindCondition, "#f = :o", p)
		if err != nil {
			b.Fatal(err)
		}
		benchHolds = c.Holds(it)
	}
}

// BenchmarkHolds is a bound filter of three comparisons.
func BenchmarkHolds(b *testing.B) {
	it := benchItem()
	p := &Params{Values: []Value{{":a", it.Get("attribute1")}, {":b", item.String("b")}}}
	c, err := NewCache(1<<20).Condition(KindFilter, "attribute1 = :a AND attribute2 > :b AND begins_with(sk, :b)", p)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		benchHolds = c.Holds(it)
	}
}

// BenchmarkSize is a bound filter that makes a number.
func BenchmarkSize(b *testing.B) {
	it := benchItem()
	p := &Params{Values: []Value{{":n", item.Int(50)}}}
	c, err := NewCache(1<<20).Condition(KindFilter, "size(attribute4) > :n", p)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		benchHolds = c.Holds(it)
	}
}

// BenchmarkUpdate is a cached update of one attribute, bound and applied.
func BenchmarkUpdate(b *testing.B) {
	it, cache := benchItem(), NewCache(1<<20)
	p := &Params{
		Names:  []Name{{"#f", "attribute4"}},
		Values: []Value{{":v", item.String(strings.Repeat("z", 90))}},
	}
	for _, part := range []string{"whole", "apply"} {
		b.Run(part, func(b *testing.B) {
			u, err := cache.Update("SET #f = :v", p)
			b.ReportAllocs()
			for b.Loop() {
				if part == "whole" {
					u, err = cache.Update("SET #f = :v", p)
				}
				if err != nil {
					b.Fatal(err)
				}
				benchGot, err = u.Apply(it, it)
			}
		})
	}
}

// BenchmarkUpdateNested counts up in a map and appends to a list.
func BenchmarkUpdateNested(b *testing.B) {
	it, cache := benchItem(), NewCache(1<<20)
	it = it.With([]item.Entry{
		{Name: "m", Value: item.Map([]item.Entry{{Name: "n", Value: item.Int(1)}})},
		{Name: "l", Value: item.List([]item.Value{item.Int(1)})},
	})
	p := &Params{Values: []Value{{":one", item.Int(1)}, {":l", item.List([]item.Value{item.Int(2)})}}}
	b.ReportAllocs()
	for b.Loop() {
		u, err := cache.Update("SET m.n = m.n + :one, l = list_append(l, :l)", p)
		if err != nil {
			b.Fatal(err)
		}
		benchGot, _ = u.Apply(it, it)
	}
}

// BenchmarkKeyCondition is the usual key condition of a Query.
func BenchmarkKeyCondition(b *testing.B) {
	cache := NewCache(1 << 20)
	p := &Params{Values: []Value{{":p", item.String("customer#00001234")}, {":s", item.String("order#")}}}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if benchKey, err = cache.KeyCondition("pk = :p AND sk >= :s", p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProjection is a projection of three attributes, bound and applied.
func BenchmarkProjection(b *testing.B) {
	it, cache := benchItem(), NewCache(1<<20)
	p := &Params{Names: []Name{{"#a", "attribute4"}}}
	for _, part := range []string{"whole", "apply", "nested"} {
		text := "pk, sk, #a"
		if part == "nested" {
			text = "pk, sk, #a.x"
		}
		b.Run(part, func(b *testing.B) {
			bound, err := cache.Projection(text, p)
			b.ReportAllocs()
			for b.Loop() {
				if part == "whole" {
					bound, err = cache.Projection(text, p)
				}
				if err != nil {
					b.Fatal(err)
				}
				benchGot = bound.Apply(it)
			}
		})
	}
}

// BenchmarkParse is a condition that is not in the cache.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(KindCondition, "attribute_not_exists(pk) OR (#v = :v AND size(l) < :max)"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCacheParallel is one expression looked up by everyone.
func BenchmarkCacheParallel(b *testing.B) {
	cache := NewCache(1 << 20)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := cache.get(KindCondition, "#f = :o"); err != nil {
				b.Error(err)
			}
		}
	})
}
