package expr

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
)

func TestReservedWords(t *testing.T) {
	words := strings.Fields(reservedWords)
	if len(words) != 573 || !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != 573 {
		t.Errorf("%d reserved words, want 573, sorted, distinct", len(words))
	}
	for _, word := range words {
		if len(word) > maxReservedBytes || !isReserved(word) || !isReserved(strings.ToLower(word)) {
			t.Errorf("isReserved(%q) = false", word)
		}
	}
	for _, word := range []string{"", "pk", "id", "REMOVE", "NAMED", strings.Repeat("A", 100)} {
		if isReserved(word) {
			t.Errorf("isReserved(%q) = true", word)
		}
	}
}

func TestEmpty(t *testing.T) {
	for kind := KindCondition; kind <= KindUpdate; kind++ {
		for _, text := range []string{"", " \t\r\n"} {
			_, err := parse(kind, text)
			want := "Invalid " + kind.String() + ": The expression can not be empty;"
			if err == nil || err.Message != want || !err.Empty {
				t.Errorf("parse(%v, %q) = %+v, want %s, Empty", kind, text, err, want)
			}
		}
		if _, err := parse(kind, "!"); err == nil || err.Empty {
			t.Errorf("parse(%v, !) = %+v, want an error that is not Empty", kind, err)
		}
	}
}

// TestErrorTypes holds what callers tell errors apart by.
func TestErrorTypes(t *testing.T) {
	cache := NewCache(1 << 20)
	p := &Params{Values: []Value{{":n", item.Int(1)}, {":big", number(t, "9E125")}, {":deep", nested(30)}}}
	var refused *Error
	if _, err := cache.Update("SET a = ", p); !errors.As(err, &refused) {
		t.Errorf("a syntax error is a %T", err)
	}
	old := item.New([]item.Entry{{Name: "s", Value: item.String("x")}, {Name: "m", Value: nested(2)}, {Name: "big", Value: number(t, "9E125")}})
	apply := func(text string) error {
		u, err := cache.Update(text, p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = u.Apply(old, old)
		return err
	}
	var runtime *RuntimeError
	if err := apply("SET a = s + :n"); !errors.As(err, &runtime) {
		t.Errorf("a wrong type is a %T", err)
	}
	var fault *item.Fault
	if err := apply("SET a = big + :big"); !errors.As(err, &fault) || fault.Kind != item.FaultNumber {
		t.Errorf("an overflow is a %T: %v", err, err)
	}
	// m is the first level, m.k the second, so that a value of 30 fits below the first and not
	// below the second.
	if err := apply("SET m.k = :deep"); err != nil {
		t.Errorf("31 levels: %v", err)
	}
	if err := apply("SET m.k.k = :deep"); !errors.As(err, &fault) || fault.Kind != item.FaultNesting {
		t.Errorf("32 levels: a %T: %v", err, err)
	}
}

// number returns an N.
func number(t *testing.T, text string) item.Value {
	t.Helper()
	n, err := item.Number(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// nested returns maps with the key k in each other, so many deep.
func nested(levels int) item.Value {
	v := item.Int(1)
	for range levels {
		v = item.Map([]item.Entry{{Name: "k", Value: v}})
	}
	return v
}

// TestManyPlaceholders binds more placeholders than are looked up one by one.
func TestManyPlaceholders(t *testing.T) {
	p, cache := &Params{}, NewCache(1<<20)
	for round := range 2 {
		p.Reset()
		var conditions []string
		for i := range 60 {
			p.Names = append(p.Names, Name{fmt.Sprintf("#n%d", i), fmt.Sprintf("attribute%d", i)})
			p.Values = append(p.Values, Value{fmt.Sprintf(":v%d", i), item.Int(int64(i + round))})
			conditions = append(conditions, fmt.Sprintf("#n%d = :v%d", i, i))
		}
		c, err := cache.Condition(KindCondition, strings.Join(conditions[:58], " AND "), p)
		if err != nil {
			t.Fatal(err)
		}
		var entries []item.Entry
		for i := range 60 {
			entries = append(entries, item.Entry{Name: fmt.Sprintf("attribute%d", i), Value: item.Int(int64(i + round))})
		}
		if it := item.New(entries); !c.Holds(it) {
			t.Error("the condition does not hold")
		}
		if got := len(c.Attributes()); got != 58 {
			t.Errorf("%d attributes, want 58", got)
		}
		want := "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n58, #n59}"
		if err := p.CheckUnused(); err == nil || err.Error() != want {
			t.Errorf("CheckUnused() = %v, want %s", err, want)
		}
		if _, err := cache.Projection("#n58, #n59", p); err != nil {
			t.Fatal(err)
		}
		want = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v58, :v59}"
		if err := p.CheckUnused(); err == nil || err.Error() != want {
			t.Errorf("CheckUnused() = %v, want %s", err, want)
		}
		p.Values = append(p.Values, Value{":late", item.Int(1)})
		if _, err := cache.Update("SET a = :late, b = :v58 ADD c :v59", p); err != nil {
			t.Errorf("a value added late: %v", err)
		}
		if err := p.CheckUnused(); err != nil {
			t.Error(err)
		}
	}
}

// TestRepeatedKeys takes the last of entries with one key, and counts the others as used.
func TestRepeatedKeys(t *testing.T) {
	p := &Params{
		Names:  []Name{{"#a", "first"}, {"#a", "last"}, {"#b", "b"}, {"#b", "b"}},
		Values: []Value{{":v", item.Int(1)}, {":v", item.Int(2)}},
	}
	c, err := NewCache(0).Condition(KindCondition, "#a = :v", p)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Holds(item.New([]item.Entry{{Name: "last", Value: item.Int(2)}})) {
		t.Error("the last entries do not count")
	}
	want := "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
	if err := p.CheckUnused(); err == nil || err.Error() != want {
		t.Errorf("CheckUnused() = %v, want %s", err, want)
	}
}

// TestNilParams binds without names and values.
func TestNilParams(t *testing.T) {
	cache := NewCache(1 << 20)
	if _, err := cache.Condition(KindCondition, "attribute_exists(a)", nil); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"#a = b", "a = :b"} {
		if _, err := cache.Condition(KindCondition, text, nil); err == nil {
			t.Errorf("Condition(%q) without values succeeds", text)
		}
	}
}

// TestBoundIsIndependent holds that what is bound twice from one tree does not mix.
func TestBoundIsIndependent(t *testing.T) {
	cache := NewCache(1 << 20)
	bind := func(n int64) *KeyCondition {
		k, err := cache.KeyCondition("a BETWEEN :n AND :n AND b = :n", &Params{Values: []Value{{":n", item.Int(n)}}})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	one, two := bind(1), bind(2)
	_ = append(one.Parts[0].Values, item.Int(9))
	for n, k := range map[int64]*KeyCondition{1: one, 2: two} {
		for _, part := range k.Parts {
			for _, v := range part.Values {
				if !item.Equal(v, item.Int(n)) {
					t.Errorf("%s of %d has another's value", part.Attribute, n)
				}
			}
		}
	}
}

func TestCache(t *testing.T) {
	cache := NewCache(1 << 20)
	text := []byte("a = :v")
	p := &Params{Values: []Value{{":v", item.Int(1)}}}
	first, err := cache.get(KindCondition, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := cache.get(KindCondition, "a = :v"); again != first {
		t.Error("the tree is not kept")
	}
	if other, _ := cache.get(KindFilter, "a = :v"); other == first {
		t.Error("kinds are not kept apart")
	}
	if _, err := cache.Update("a = :v", p); err == nil {
		t.Error("a condition is an update")
	}
	if _, err := cache.get(KindCondition, "a = "); err == nil {
		t.Error("a failure is no failure")
	}
	kept := 0
	for i := range cache.trees.shards {
		kept += len(cache.trees.shards[i].clock)
	}
	if kept != 2 {
		t.Errorf("%d trees kept, want 2", kept)
	}
	hits := testing.AllocsPerRun(100, func() { cache.get(KindCondition, "a = :v") })
	if hits != 0 {
		t.Errorf("a hit takes %v allocations", hits)
	}
}

// TestCacheBytes puts in more than there is room for, while one expression stays in use.
func TestCacheBytes(t *testing.T) {
	for _, maxBytes := range []int{0, 1000, 20_000, 200_000} {
		cache := NewCache(maxBytes)
		misses := 0
		var last *tree
		for i := range 2000 {
			if _, err := cache.get(KindCondition, fmt.Sprintf("attribute%d = :v AND begins_with(a, :v)", i)); err != nil {
				t.Fatal(err)
			}
			used, err := cache.get(KindCondition, "b = :v")
			if err != nil {
				t.Fatal(err)
			}
			if used != last {
				misses++
			}
			last = used
		}
		for i := range cache.trees.shards {
			s := &cache.trees.shards[i]
			bytes, entries := 0, 0
			for _, e := range s.clock {
				bytes += e.value.size + cachedBytes
			}
			for _, m := range s.kinds {
				entries += len(m)
			}
			if bytes != s.bytes || bytes > s.maxBytes || entries != len(s.clock) {
				t.Errorf("of %d: %d bytes counted, %d held, %d allowed, %d in the maps, %d on the clock",
					maxBytes, s.bytes, bytes, s.maxBytes, entries, len(s.clock))
			}
		}
		if maxBytes >= 20_000 && misses > 1 {
			t.Errorf("of %d: the expression in use was thrown out %d times", maxBytes, misses-1)
		}
	}
}

// TestCacheConcurrent uses one small cache from many goroutines; it is for the race detector.
func TestCacheConcurrent(t *testing.T) {
	cache := NewCache(200_000)
	it := item.New([]item.Entry{{Name: "a", Value: item.Int(1)}})
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			p := &Params{Names: []Name{{"#a", "a"}}, Values: []Value{{":v", item.Int(1)}}}
			for i := range 400 {
				name := fmt.Sprintf("n%d", (i*(g+1))%150)
				c, err := cache.Condition(KindCondition, "#a = :v AND attribute_not_exists("+name+")", p)
				if err != nil || !c.Holds(it) {
					t.Errorf("%s: %v", name, err)
				}
				u, err := cache.Update("SET "+name+".b = :v, #a = :v", p)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				u.Apply(it, it)
				if _, err := cache.KeyCondition(name+" = :v", p); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if projection, err := cache.Projection(name+", #a", p); err != nil || projection.Apply(it).Len() != 1 {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
}

// TestHostile holds that texts made to be slow are not: they take milliseconds, and the limit
// leaves room for the race detector on a busy machine; what takes the square of their length takes
// longer.
func TestHostile(t *testing.T) {
	names := make([]string, 0, 1000)
	for i := range 700 {
		names = append(names, fmt.Sprintf("a%03d", i))
	}
	values := make([]Value, 0, 1300)
	keys := make([]string, 0, 1300)
	for i := range 600 {
		values = append(values, Value{fmt.Sprintf(":%03d", i), item.Int(1)})
		keys = append(keys, values[i].Key)
	}
	var wide []item.Entry
	for i := range 30_000 {
		wide = append(wide, item.Entry{Name: fmt.Sprintf("z%05d", i), Value: item.Int(1)})
	}
	it := item.New(wide)
	deep := item.New([]item.Entry{{Name: "m", Value: item.Map(wide)}, {Name: "l", Value: item.List(slices.Repeat([]item.Value{item.Int(1)}, 100_000))}})
	p := &Params{Values: values}
	legacy := 100_000
	if testing.Short() {
		legacy = 10_000 // the race detector takes a hundred times as long
	}
	cache := NewCache(1 << 20)
	for name, run := range map[string]func() error{
		"values": func() error {
			_, err := cache.Condition(KindCondition, "a IN ("+strings.Join(keys, ",")+")", p)
			return err
		},
		"projection": func() error {
			projection, err := cache.Projection(strings.Join(names, ","), p)
			if err == nil {
				projection.Apply(it)
			}
			return err
		},
		"nested": func() error {
			projection, err := cache.Projection("m."+strings.Join(names[:500], ",m."), p)
			if err == nil {
				projection.Apply(deep)
			}
			return err
		},
		"indexes": func() error {
			indexes := make([]string, 400)
			for i := range indexes {
				indexes[i] = fmt.Sprintf("l[%d]", 90_000+i)
			}
			projection, err := cache.Projection(strings.Join(indexes, ","), p)
			if err == nil {
				projection.Apply(deep)
			}
			return err
		},
		"update": func() error {
			u, err := cache.Update("REMOVE "+strings.Join(names, ","), p)
			if err == nil {
				_, err = u.Apply(it, it)
			}
			return err
		},
		"legacy": func() error {
			updates := make([]LegacyUpdate, legacy)
			for i := range updates {
				updates[i] = LegacyUpdate{Attribute: fmt.Sprintf("zz%d", i*7919%legacy), Action: ADD, Value: item.Int(1)}
			}
			u := NewLegacyUpdate(updates)
			updated, err := u.Apply(it, it)
			u.UpdatedOld(it)
			u.UpdatedNew(it, updated)
			return err
		},
		"unused": func() error {
			unused := &Params{}
			for i := range 100_000 {
				unused.Names = append(unused.Names, Name{fmt.Sprintf("#%d", i), "a"})
			}
			return unused.CheckUnused()
		},
		"parentheses": func() error { _, err := parse(KindCondition, strings.Repeat("(", 4096)); return err },
		"not":         func() error { _, err := parse(KindCondition, strings.Repeat("NOT ", 1020)+"a=:v"); return err },
		"calls": func() error {
			_, err := parse(KindUpdate, "SET a="+strings.Repeat("f(", 1300)+"a"+strings.Repeat(")", 1300))
			return err
		},
	} {
		start := time.Now()
		err := run()
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v (%v)", name, took, err)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}

// TestManyLegacyUpdates has more actions than look each attribute up.
func TestManyLegacyUpdates(t *testing.T) {
	var updates []LegacyUpdate
	var entries []item.Entry
	for i := range maxOperators + 100 {
		name := fmt.Sprintf("a%d", i)
		updates = append(updates, LegacyUpdate{Attribute: name, Action: ADD, Value: item.Int(1)})
		if i%3 == 0 {
			entries = append(entries, item.Entry{Name: name, Value: item.Int(int64(i))})
		}
	}
	u := NewLegacyUpdate(updates)
	for range 2 { // an update may be applied again
		for _, old := range []item.Item{item.New(entries), {}} {
			updated, err := u.Apply(old, old)
			if err != nil {
				t.Fatal(err)
			}
			for i := range updates {
				want := int64(1)
				if old.Exists() && i%3 == 0 {
					want += int64(i)
				}
				if got := updated.Get(updates[i].Attribute); !item.Equal(got, item.Int(want)) {
					t.Fatalf("%s is %s, want %d", updates[i].Attribute, got.AppendText(nil), want)
				}
			}
			if got := u.UpdatedNew(old, updated); !item.SameAttributes(got, updated) {
				t.Errorf("UPDATED_NEW has %d attributes, want %d", got.Len(), updated.Len())
			}
		}
	}
}

// TestReset binds expressions of all kinds, some twice in a request, to Params that are used again,
// in an order of its own each time, and wants of them what those have to say that are bound to
// Params that are not.
func TestReset(t *testing.T) {
	it, cache, kept := benchItem(), NewCache(1<<20), new(Params)
	fill := func(p *Params, n int) *Params {
		p.Names = append(p.Names, Name{"#f", fmt.Sprintf("attribute%d", n%9)}, Name{"#m", "map"})
		p.Values = append(p.Values, Value{":o", it.Get(fmt.Sprintf("attribute%d", n%7))}, Value{":n", item.Int(int64(n))},
			Value{":m", item.Map([]item.Entry{{Name: "n", Value: item.Int(int64(n))}})})
		return p
	}
	run := func(p *Params, n int) string {
		var b strings.Builder
		old := it
		for _, text := range []string{"SET #m = :m, #f = :o", "SET #m.n = #m.n + :n, #m.x = :n, #m.y = :n REMOVE attribute1", "ADD big :n"}[:1+n%3] {
			u, err := cache.Update(text, p)
			if err != nil {
				t.Fatal(err)
			}
			new, err := u.Apply(old, old)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s %q\n", new.AppendJSON(nil), u.UpdatedNew(old, new).AppendJSON(nil), u.Nested())
			old = new
		}
		for _, text := range []string{"#f = :o", "#m.n > :n OR attribute_exists(pk)"}[:1+n%2] {
			c, err := cache.Condition(KindCondition, text, p)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, c.Holds(it), c.Holds(old), c.Nested())
		}
		projection, err := cache.Projection([]string{"pk, #f", "#m.n, sk"}[n%2], p)
		if err != nil {
			t.Fatal(err)
		}
		key, err := cache.KeyCondition([]string{"pk = :o", "sk BETWEEN :n AND :n AND pk = :o"}[n%2], p)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %v\n", projection.Apply(old).AppendJSON(nil), key.Parts)
		return b.String()
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	for _, n := range rand.New(rand.NewPCG(0, uint64(seed))).Perm(200) {
		kept.Reset()
		if got, want := run(fill(kept, n), n), run(fill(new(Params), n), n); got != want {
			t.Fatalf("request %d:\n%s, want\n%s", n, got, want)
		}
	}
}

// TestAllocations holds what requests with cached expressions cost.
func TestAllocations(t *testing.T) {
	it, cache := benchItem(), NewCache(1<<20)
	p := &Params{
		Names:  []Name{{"#f", "attribute4"}},
		Values: []Value{{":o", it.Get("attribute4")}, {":p", item.String("p")}, {":s", item.String("s")}},
	}
	condition, err := cache.Condition(KindFilter, "attribute1 = :o OR NOT (attribute2 < :p AND begins_with(sk, :s)) OR #f IN (:p, :s)", p)
	if err != nil {
		t.Fatal(err)
	}
	projection, err := cache.Projection("pk, sk, #f", p)
	if err != nil {
		t.Fatal(err)
	}
	update, err := cache.Update("SET #f = :o", p)
	if err != nil {
		t.Fatal(err)
	}
	var kept Params
	for _, test := range []struct {
		what string
		want float64
		run  func()
	}{
		{"binding a condition", 1, func() { cache.Condition(KindFilter, "#f = :o", p) }},
		{"evaluating one", 0, func() { benchHolds = condition.Holds(it) }},
		{"binding a key condition", 1, func() { cache.KeyCondition("pk = :p AND sk BETWEEN :o AND :s", p) }},
		{"binding a projection", 1, func() { cache.Projection("pk, sk, #f", p) }},
		{"applying one", 1, func() { benchGot = projection.Apply(it) }},
		{"binding an update", 1, func() { cache.Update("SET #f = :o", p) }},
		{"applying one", 0, func() { benchGot, _ = update.Apply(it, it) }},
		{"binding all in the same memory", 0, func() {
			kept.Reset()
			kept.Values = append(kept.Values, p.Values...)
			cache.Condition(KindFilter, "pk = :o", &kept)
			cache.KeyCondition("pk = :p AND sk BETWEEN :o AND :s", &kept)
			cache.Projection("pk, sk", &kept)
			update, _ := cache.Update("SET f = :o", &kept)
			benchGot, _ = update.Apply(it, it)
		}},
	} {
		if got := testing.AllocsPerRun(100, test.run); got > test.want {
			t.Errorf("%s takes %v allocations, want %v", test.what, got, test.want)
		}
	}
}
