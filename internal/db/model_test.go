package db

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

var (
	modelOps  = flag.Int("model.ops", 20000, "random operations of each model test")
	modelSeed = flag.Uint64("model.seed", 0, "seed of the model tests; 0: a random one")
)

// seed returns the seed of a random test, and prints it.
func seed(t *testing.T) uint64 {
	s := *modelSeed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-model.seed=%d", s)
	return s
}

// modelDescriptor is the table of the model tests: a composite key, two GSIs and two LSIs.
func modelDescriptor() *schema.Descriptor {
	return &schema.Descriptor{
		Name: "model", Namespace: schema.DefaultNamespace, Billing: "PAY_PER_REQUEST",
		Attributes: []schema.AttributeDefinition{{Name: "a", Type: item.S}, {Name: "b", Type: item.B}, {Name: "n", Type: item.N}, {Name: "pk", Type: item.S}, {Name: "sk", Type: item.N}},
		Keys:       []schema.KeyElement{{Name: "pk"}, {Name: "sk", Range: true}},
		Indexes: []schema.Index{
			{
				Name: "lb", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "b", Range: true}},
				Projection: "INCLUDE", NonKey: []string{"x"},
			},
			{Name: "ln", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "n", Range: true}}, Projection: "ALL"},
			gsi("ga", "ALL", "a", "|", "n"),
			gsi("gb", "KEYS_ONLY", "b"),
		},
	}
}

// model is the naive database: items by their key's text, and everything else computed from them
// when asked for.
type model struct {
	t     *testing.T
	d     *DB
	table *Table
	rnd   *rand.Rand
	mine  string // prefix of the partition keys of this model
	items map[string]item.Item
	// clock is the database's, and expires whether items expire by it; without a clock they do not.
	clock   *clocktest.Clock
	expires bool
	n       int // of transactions, for their tokens
}

// step is a write and what it shall do: turn old into new, or fail its condition.
type step struct {
	w        *Write
	old, new item.Item
	fails    bool
}

// key is a random key of few.
func (m *model) key() item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(fmt.Sprintf("%s%d", m.mine, m.rnd.IntN(6)))),
		attr("sk", item.Int(int64(m.rnd.IntN(12)-4))),
	})
}

// keyText is a map key for an item's key.
func keyText(it item.Item) string {
	return string(it.Get("sk").AppendText(it.Get("pk").AppendText(nil)))
}

// attributes are random attributes, index keys among them.
func (m *model) attributes() (es []item.Entry) {
	maybe := func(name string, v item.Value) {
		if m.rnd.IntN(3) > 0 {
			es = append(es, attr(name, v))
		}
	}
	maybe("a", item.String(m.mine+string(rune('a'+m.rnd.IntN(3)))))
	maybe("b", m.binary())
	maybe("n", item.Int(int64(m.rnd.IntN(10)-5)))
	maybe("x", item.String(fmt.Sprint(m.rnd.IntN(1000))))
	maybe("e", m.expiry())
	maybe("y", item.List([]item.Value{item.Bool(true), item.Null(), item.Int(int64(m.rnd.IntN(5)))}))
	return es
}

// binary is a random value for b, of this model's own.
func (m *model) binary() item.Value {
	return item.Binary(append([]byte(m.mine), bytes.Repeat([]byte{byte(m.rnd.IntN(3))}, 1+m.rnd.IntN(10))...))
}

// expiry is a random time to live around now, or, without a clock, in the far future. Some are
// none.
func (m *model) expiry() item.Value {
	now := int64(5e9)
	if m.clock != nil {
		now = m.clock.Now().Unix()
	}
	switch m.rnd.IntN(10) {
	case 0:
		return item.String(fmt.Sprint(now))
	case 1:
		return item.Int(-now)
	case 2:
		return item.Int(time.Unix(now, 0).AddDate(-5, 0, m.rnd.IntN(3)-1).Unix())
	case 3:
		return num(m.t, fmt.Sprintf("%d.%d", now, m.rnd.IntN(1000)))
	}
	return item.Int(now + int64(m.rnd.IntN(60)-10))
}

// updateChange is an update expression as a Change.
type updateChange struct {
	u   *expr.Update
	key item.Item
}

func (c updateChange) Apply(old item.Item) (item.Item, error) {
	base := old
	if !base.Exists() {
		base = c.key
	}
	return c.u.Apply(old, base)
}

// put writes a random item, sometimes only where there is none.
func (m *model) put() step {
	key := m.key()
	it := key.With(m.attributes())
	old := m.items[keyText(key)]
	w := &Write{Table: m.table, Key: it, Change: Put{it}, KeepOld: true, KeepFailed: true}
	if m.rnd.IntN(4) == 0 {
		w.Condition = m.condition("attribute_not_exists(pk)")
	}
	return step{w, old, it, w.Condition != nil && old.Exists()}
}

// condition is a condition without names and values.
func (m *model) condition(text string) *expr.Condition {
	c, err := m.d.Expressions().Condition(expr.KindCondition, text, &expr.Params{})
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// delete removes a random item.
func (m *model) delete() step {
	key := m.key()
	return step{&Write{Table: m.table, Key: key, Change: Delete{}, KeepOld: true}, m.items[keyText(key)], item.Item{}, false}
}

// test tests a condition of a random item, in a transaction.
func (m *model) test() step {
	key := m.key()
	old := m.items[keyText(key)]
	w := &Write{Table: m.table, Key: key, KeepFailed: true}
	if m.rnd.IntN(2) == 0 {
		w.Condition = m.condition("attribute_exists(pk)")
		return step{w, old, old, !old.Exists()}
	}
	w.Condition = m.condition("attribute_not_exists(a)")
	return step{w, old, old, old.Get("a").Exists()}
}

// update sets, removes or adds to one attribute.
func (m *model) update() step {
	key := m.key()
	old := m.items[keyText(key)]
	base := old
	if !base.Exists() {
		base = key
	}
	text, p, change := "", &expr.Params{}, item.Entry{}
	switch m.rnd.IntN(5) {
	case 4:
		change = attr("e", m.expiry())
		text, p.Values = "SET e = :v", []expr.Value{{Key: ":v", Value: change.Value}}
	case 0:
		change = attr("a", item.String(m.mine+string(rune('a'+m.rnd.IntN(3)))))
		text, p.Values = "SET a = :v", []expr.Value{{Key: ":v", Value: change.Value}}
	case 1:
		change = attr("b", item.Value{})
		text = "REMOVE b"
	case 2:
		change = attr("n", item.Int(1))
		if n := old.Get("n"); n.Exists() {
			sum, err := item.Add(n, item.Int(1))
			if err != nil {
				m.t.Fatal(err)
			}
			change.Value = sum
		}
		text, p.Values = "ADD n :v", []expr.Value{{Key: ":v", Value: item.Int(1)}}
	case 3:
		change = attr("x", item.String("same"))
		text, p.Values = "SET x = :v", []expr.Value{{Key: ":v", Value: change.Value}}
	}
	u, err := m.d.Expressions().Update(text, p)
	if err != nil {
		m.t.Fatal(err)
	}
	w := &Write{Table: m.table, Key: key, Change: updateChange{u, key}, KeepOld: true}
	return step{w, old, base.With([]item.Entry{change}), false}
}

// write runs a step alone.
func (m *model) write(s step) {
	m.t.Helper()
	out, err := m.d.Write(context.Background(), s.w)
	if s.failed(m.t, err); err == nil {
		m.done(s, out)
	}
}

// failed checks the error of a step.
func (s *step) failed(t *testing.T, err error) {
	t.Helper()
	var failed *ConditionFailed
	switch {
	case s.fails && (!errors.As(err, &failed) || !item.SameAttributes(failed.Item, s.old)):
		t.Fatalf("write of %s: %v, want a failed condition with the old item", keyText(s.w.Key), err)
	case !s.fails && err != nil:
		t.Fatalf("write of %s: %v", keyText(s.w.Key), err)
	}
}

// done checks what a step did, and does the same.
func (m *model) done(s step, out Written) {
	m.t.Helper()
	if s.w.Change != nil && (!item.SameAttributes(out.Old, s.old) || !item.SameAttributes(out.New, s.new)) {
		m.t.Fatalf("write of %s: old %s, new %s, want %s and %s", keyText(s.w.Key),
			out.Old.AppendJSON(nil), out.New.AppendJSON(nil), s.old.AppendJSON(nil), s.new.AppendJSON(nil))
	}
	if s.new.Exists() {
		m.items[keyText(s.w.Key)] = s.new.Clone()
	} else {
		delete(m.items, keyText(s.w.Key))
	}
}

// transact runs some steps on distinct items as a transaction, half the time with a token: then
// once more, which does nothing.
func (m *model) transact() {
	m.n++
	t, steps, cancels := &Transaction{}, []step(nil), false
	for range 1 + m.rnd.IntN(8) {
		s := []func() step{m.put, m.update, m.delete, m.test}[m.rnd.IntN(4)]()
		if slices.ContainsFunc(steps, func(o step) bool { return keyText(o.w.Key) == keyText(s.w.Key) }) {
			continue
		}
		steps, cancels = append(steps, s), cancels || s.fails
		t.Actions = append(t.Actions, Action{Write: *s.w})
	}
	if m.rnd.IntN(2) == 0 {
		t.Token = &schema.Token{Operation: schema.TokenTransactWriteItems, Value: fmt.Sprint(m.mine, m.n)}
	}
	out, err := m.d.Transact(context.Background(), t)
	if cancels {
		var canceled *Canceled
		if !errors.As(err, &canceled) {
			m.t.Fatalf("a transaction of %d actions: %v, want it cancelled", len(steps), err)
		}
		for i := range steps {
			steps[i].failed(m.t, canceled.Reasons[i])
		}
		return
	}
	if err != nil || out.Replayed {
		m.t.Fatalf("a transaction of %d actions: %v, replayed %v", len(steps), err, out.Replayed)
	}
	for i, s := range steps {
		m.done(s, out.Written[i])
	}
	if t.Token != nil {
		if out, err = m.d.Transact(context.Background(), t); err != nil || !out.Replayed {
			m.t.Fatalf("a transaction that was there before: %v, replayed %v", err, out.Replayed)
		}
		for i, s := range steps {
			if want := max(s.old.Size(), s.new.Size()); out.Images[i] != want {
				m.t.Fatalf("image %d of a replay has %d bytes, want %d", i, out.Images[i], want)
			}
		}
	}
}

// get reads a random item.
func (m *model) get() {
	key := m.key()
	want := m.items[keyText(key)]
	err := m.d.Get(context.Background(), m.table, key, true, func(it item.Item) error {
		if !item.SameAttributes(it, want) {
			m.t.Fatalf("Get %s = %s, want %s", keyText(key), it.AppendJSON(nil), want.AppendJSON(nil))
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// read runs a Query with random conditions, or a Scan of one segment, page by page, on the table or
// an index.
func (m *model) read() {
	r := &Read{Table: m.table, Reverse: m.rnd.IntN(2) == 0, Limit: m.rnd.IntN(8)}
	if n := m.rnd.IntN(len(m.table.Indexes) + 1); n > 0 {
		r.Index = &m.table.Indexes[n-1]
	}
	if m.mine == "" && m.rnd.IntN(4) == 0 { // alone in the table
		r.Segments, r.Reverse = 1+m.rnd.IntN(4), false
		r.Segment = m.rnd.IntN(r.Segments)
	} else {
		m.conditions(r)
	}
	if r.Index != nil && r.Index.Kind == schema.LocalIndex && m.rnd.IntN(2) == 0 {
		r.Fetch = true
	}
	got := m.pages(r)
	want := m.expected(r)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		m.t.Fatalf("Read %+v:\n got %d %q\nwant %d %q", r, len(got), got, len(want), want)
	}
}

// conditions makes r a Query.
func (m *model) conditions(r *Read) {
	var rng []schema.KeyAttribute
	switch {
	case r.Index == nil:
		r.Hash, rng = []item.Value{m.key().Get("pk")}, []schema.KeyAttribute{m.table.Sort}
	case r.Index.Kind == schema.LocalIndex:
		r.Hash, rng = []item.Value{m.key().Get("pk")}, m.table.Plan(r.Index).Range
	default:
		rng = m.table.Plan(r.Index).Range
		for _, a := range m.table.Plan(r.Index).Hash {
			r.Hash = append(r.Hash, m.value(a))
		}
	}
	if len(rng) == 0 || m.rnd.IntN(3) == 0 {
		return
	}
	ops := []expr.Operator{expr.EQ, expr.LT, expr.LE, expr.GT, expr.GE, expr.BETWEEN, expr.BEGINS_WITH}
	if rng[0].Type == item.N {
		ops = ops[:6]
	}
	v, w := m.value(rng[0]), m.value(rng[0])
	if compareValues(v, w) > 0 {
		v, w = w, v
	}
	r.Range = []expr.KeyPart{{Attribute: rng[0].Name, Operator: ops[m.rnd.IntN(len(ops))], Values: []item.Value{v, w}}}
}

// value is a random value of a key attribute.
func (m *model) value(a schema.KeyAttribute) item.Value {
	switch a.Type {
	case item.N:
		return item.Int(int64(m.rnd.IntN(12) - 5))
	case item.B:
		return m.binary()
	}
	return item.String(m.mine + string(rune('a'+m.rnd.IntN(3))))
}

// pages reads all pages of r and returns the rows' JSON. It checks the order within a partition on
// the way.
func (m *model) pages(r *Read) (rows []string) {
	page := *r
	for {
		var lastSort item.Value
		out, err := m.d.Read(context.Background(), &page, func(it item.Item) (bool, error) {
			if len(r.Range) > 0 {
				v := it.Get(r.Range[0].Attribute)
				if c := 0; lastSort.Exists() {
					if c = compareValues(lastSort, v); r.Reverse {
						c = -c
					}
					if c > 0 {
						m.t.Fatalf("Read %+v: rows out of order", r)
					}
				}
				lastSort = v.Clone()
			}
			rows = append(rows, string(it.AppendJSON(nil)))
			return true, nil
		})
		if err != nil {
			m.t.Fatal(err)
		}
		if r.Limit > 0 && out.Scanned > r.Limit {
			m.t.Fatalf("Read %+v: %d rows on a page", r, out.Scanned)
		}
		if !out.Last.Exists() {
			return rows
		}
		page.After = out.Last
	}
}

// expected computes from the items what a read returns.
func (m *model) expected(r *Read) (rows []string) {
	for _, it := range m.items {
		keys := m.table.KeySchema(r.Index)
		if slices.ContainsFunc(keys, func(k schema.KeyElement) bool { return !it.Get(k.Name).Exists() }) {
			continue
		}
		in, hashes := true, 0
		for _, k := range keys {
			if r.Hash != nil && !k.Range {
				in = in && item.Equal(it.Get(k.Name), r.Hash[hashes])
				hashes++
			}
		}
		for _, c := range r.Range {
			in = in && holds(it.Get(c.Attribute), c)
		}
		if r.Segments > 0 {
			in = in && m.table.SegmentOf(r.Index, it, r.Segments) == r.Segment
		}
		if !in {
			continue
		}
		row := it
		if r.Index != nil && !r.Fetch && r.Index.Projection != "ALL" {
			names := append(m.table.ReadKeys(r.Index), r.Index.NonKey...)
			sort.Strings(names)
			row = it.Pick(slices.Compact(names))
		}
		rows = append(rows, string(row.AppendJSON(nil)))
	}
	slices.Sort(rows)
	return rows
}

// holds evaluates a key condition naively.
func holds(v item.Value, c expr.KeyPart) bool {
	at := compareValues(v, c.Values[0])
	switch c.Operator {
	case expr.EQ:
		return at == 0
	case expr.LT:
		return at < 0
	case expr.LE:
		return at <= 0
	case expr.GT:
		return at > 0
	case expr.GE:
		return at >= 0
	case expr.BETWEEN:
		return at >= 0 && compareValues(v, c.Values[1]) <= 0
	}
	return bytes.HasPrefix(v.Bytes(), c.Values[0].Bytes())
}

// expire turns the clock and sweeps. Now and then it switches the expiry on or off.
func (m *model) expire() {
	if m.rnd.IntN(10) == 0 {
		attribute := "e"
		if m.expires {
			attribute = ""
		}
		if err := m.d.AlterExpiry(m.t.Context(), schema.DefaultNamespace, "model", attribute, func(*schema.Descriptor) error { return nil }); err != nil {
			m.t.Fatal(err)
		}
		m.expires = !m.expires
		settle(m.t, m.d)
	}
	m.clock.Advance(time.Duration(m.rnd.IntN(20_000)) * time.Millisecond)
	if err := m.d.Sweep(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	for text, it := range m.items {
		if m.expires && expired(it.Get("e"), m.clock.Now()) {
			delete(m.items, text)
		}
	}
}

// expired tells, naively, whether an item with that expiry is deleted at the time.
func expired(v item.Value, now time.Time) bool {
	if v.Type() != item.N {
		return false
	}
	at, _ := new(big.Rat).SetString(strings.Trim(string(v.AppendText(nil)), "{N:}"))
	seconds := func(t time.Time) *big.Rat { return big.NewRat(t.UnixNano(), 1e9) }
	return at.Cmp(seconds(now)) < 0 && at.Cmp(seconds(now.AddDate(-5, 0, 0))) >= 0
}

// run runs n random operations.
func (m *model) run(n int) {
	for range n {
		switch p := m.rnd.IntN(100); {
		case p < 1 && m.clock != nil:
			m.expire()
		case p < 25:
			m.write(m.put())
		case p < 48:
			m.write(m.update())
		case p < 57:
			m.write(m.delete())
		case p < 67:
			m.transact()
		case p < 80:
			m.get()
		default:
			m.read()
		}
	}
}

// TestModel compares random operations with a naive model.
func TestModel(t *testing.T) {
	clock := clocktest.New(clocktest.Start)
	d := openWith(t, unswept(clock.Now))
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	s := seed(t)
	m := &model{t: t, d: d, table: table, rnd: rand.New(rand.NewPCG(s, 1)), items: map[string]item.Item{}, clock: clock}
	for range 10 {
		m.run(*modelOps / 10)
		checkClean(t, d)
		if n, _ := d.Counts(table, nil); int(n) != len(m.items) {
			t.Fatalf("Counts: %d items, want %d", n, len(m.items))
		}
	}
}

// TestModelConcurrent runs models side by side, each with partitions of its own, while indexes come
// and go, that by expiry too.
func TestModelConcurrent(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	s := seed(t)
	var models, churn sync.WaitGroup
	done := make(chan struct{})
	churn.Go(func() { churnIndexes(t, d, done) })
	churn.Go(func() { churnExpiry(t, d, done) })
	for i := range 8 {
		m := &model{t: t, d: d, table: table, mine: fmt.Sprintf("m%d-", i), rnd: rand.New(rand.NewPCG(s, uint64(i+10))), items: map[string]item.Item{}}
		models.Go(func() { m.run(*modelOps / 8) })
	}
	models.Wait()
	close(done)
	churn.Wait()
	checkClean(t, d)
}

// churnIndexes adds and drops an index over and over.
func churnIndexes(t *testing.T, d *DB, done chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		alter := d.Alter
		if n%2 == 1 {
			alter = d.alter // which does not wait for the job: the next turn drops the index while it is being built
		}
		_, _, err := alter(context.Background(), schema.DefaultNamespace, "model", false, func(desc *schema.Descriptor) error {
			if x := desc.Index("churn"); x != nil {
				x.Drop() // in whatever state it is, even half built
				return nil
			}
			desc.Indexes = append(desc.Indexes, gsi("churn", "ALL", "n", "|", "a"))
			return nil
		})
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// churnExpiry switches the expiry on and off over and over, by one attribute and another. The
// numbers in neither are times at which anything expires.
func churnExpiry(t *testing.T, d *DB, done chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		attribute := []string{"e", "", "n", ""}[n%4]
		change := d.changeExpiry(attribute, func(*schema.Descriptor) error { return nil })
		alter := d.Alter
		if n%3 == 1 {
			alter = d.alter // which does not wait for the job: the next turn finds it at work
		}
		for {
			_, _, err := alter(context.Background(), schema.DefaultNamespace, "model", false, change)
			if err == nil {
				break
			}
			if !errors.Is(err, ErrExpiryBusy) {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
