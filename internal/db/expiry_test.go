package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// always is a check for AlterExpiry that refuses nothing.
func always(*schema.Descriptor) error { return nil }

// setExpiry switches the expiry of the model's table on or, with "", off, and waits until that is
// done.
func setExpiry(t *testing.T, d *DB, attribute string) {
	t.Helper()
	if err := d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", attribute, always); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
}

// alterExpiry is setExpiry without any wait.
func alterExpiry(t *testing.T, d *DB, attribute string) {
	t.Helper()
	if _, _, err := d.alter(t.Context(), schema.DefaultNamespace, "model", Unseen, d.changeExpiry(attribute, always)); err != nil {
		t.Fatal(err)
	}
}

// newTTLStore opens a database with the model's table, with the time of its creation over.
func newTTLStore(t *testing.T, delay time.Duration) (*store, *Table) {
	t.Helper()
	s := newStore(t, delay)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(delay)
	return s, table
}

// expiring is item i of the model's table, with e if it exists.
func expiring(i int, e item.Value) item.Item {
	return item.New([]item.Entry{
		attr("pk", item.String(fmt.Sprint("p", i/10))), attr("sk", item.Int(int64(i))), attr("a", item.String("a")), attr("b", item.Binary([]byte("b"))),
		attr("n", item.Int(int64(i))), attr("e", e),
	})
}

// putAll puts items.
func putAll(t *testing.T, d *DB, table *Table, items ...item.Item) {
	t.Helper()
	writes := make([]Write, len(items))
	for i, it := range items {
		writes[i] = Write{Table: table, Key: it, Change: Put{it}}
	}
	_, errs := d.WriteEach(t.Context(), writes)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// sweep sweeps, runs Check, and wants so many items to be left.
func (s *store) sweep(want int) {
	s.t.Helper()
	if err := s.d.Sweep(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	checkClean(s.t, s.d)
	if n, _ := s.d.Counts(s.table(), nil); int(n) != want {
		s.t.Errorf("%d items are left, want %d", n, want)
	}
}

// expiryRows counts the rows of the table's index by expiry.
func (s *store) expiryRows() (n int) {
	s.t.Helper()
	err := s.engine.View(s.t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
		return r.Scan(schema.SectionRange(s.table().ID, schema.SectionExpiry), kv.Forward, func(_, _ []byte) (bool, error) { n++; return true, nil })
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestExpireMany: more items than fit in a chunk expire at once, among others that do not, with
// their rows in all indexes.
func TestExpireMany(t *testing.T) {
	s, table := newTTLStore(t, 0)
	setExpiry(t, s.d, "e")
	now := s.clock.Now().Unix()
	var items []item.Item
	later := 0 // how many do not expire within eleven seconds
	for i := range 5 * expiryChunk {
		e := now + 10 // half of them in one second, the others in many
		if i%2 == 0 {
			e = now + 5 + int64(i%40)
		}
		if e >= now+11 {
			later++
		}
		items = append(items, expiring(i, item.Int(e)))
	}
	putAll(t, s.d, table, items...)
	s.sweep(len(items))
	s.clock.Advance(11 * time.Second)
	s.sweep(later)
	for _, x := range []string{"ga", "gb", "lb", "ln"} {
		if rows, _ := s.d.Counts(s.table(), s.table().Index(x)); int(rows) != later {
			t.Errorf("index %s has %d rows, want %d", x, rows, later)
		}
	}
	s.clock.Advance(time.Hour)
	s.sweep(0)
	if n := s.expiryRows(); n != 0 {
		t.Errorf("%d expiry rows are left of no items", n)
	}
}

// TestExpireRechecks: between the look at the rows and the deletion, an item's time was moved,
// removed or retyped, the item was deleted or put anew, or the table's expiry was changed: what is
// there then counts.
func TestExpireRechecks(t *testing.T) {
	s, _ := newTTLStore(t, 0)
	setExpiry(t, s.d, "e")
	now := s.clock.Now().Unix()
	find := func(n int) []Write {
		t.Helper()
		u := newDue(s.clock.Now())
		var items []item.Item
		for i := range n {
			items = append(items, expiring(i, item.Int(now-1)))
		}
		putAll(t, s.d, s.table(), items...)
		sweep := s.d.newExpirySweep(s.table(), u)
		keys, _, err := sweep.expired(t.Context(), sweep.rows())
		if err != nil || len(keys) != n {
			t.Fatalf("%d items are found, want %d (%v)", len(keys), n, err)
		}
		var writes []Write
		for _, key := range keys {
			writes = append(writes, Write{Table: s.table(), Key: key, Change: &sweep.expiration, ByService: true})
		}
		return writes
	}
	run := func(writes []Write, want int) {
		t.Helper()
		_, errs := s.d.WriteEach(t.Context(), writes)
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		checkClean(t, s.d)
		if n, _ := s.d.Counts(s.table(), nil); int(n) != want {
			t.Errorf("%d items are left, want %d", n, want)
		}
	}
	writes := find(6)
	putAll(t, s.d, s.table(), expiring(0, item.Int(now+1)), expiring(1, item.Value{}), expiring(2, item.String(fmt.Sprint(now-1))),
		expiring(3, item.Int(now-6*366*86400)), expiring(4, item.Int(now-2)))
	if _, err := s.d.Write(t.Context(), &Write{Table: s.table(), Key: expiring(5, item.Value{}), Change: Delete{}}); err != nil {
		t.Fatal(err)
	}
	run(writes, 4) // of 4 the time is another, and past

	writes = find(2)
	setExpiry(t, s.d, "")
	run(writes, 4)
	setExpiry(t, s.d, "n")
	run(writes, 4)
	setExpiry(t, s.d, "")
	setExpiry(t, s.d, "e")
	run(writes, 4) // the same attribute, but not the same expiry: the next sweep will see
	s.sweep(2)
}

// TestExpiryBackfill switches the expiry on for a table full of items, while writers go on and a
// sweep follows the other.
func TestExpiryBackfill(t *testing.T) {
	s, table := newTTLStore(t, 0)
	const n, writers = 4000, 4
	now := s.clock.Now().Unix()
	var items []item.Item
	for i := range n {
		items = append(items, expiring(i, item.Int(now+int64(i%3)-1))) // one of three has expired
	}
	putAll(t, s.d, table, items...)
	sd := seed(t)
	var all sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		rnd := rand.New(rand.NewPCG(sd, uint64(w)))
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				i := rnd.IntN(n/writers)*writers + w
				e := []item.Value{item.Int(now + 100), item.String("later"), item.Int(now - 1), {}}[rnd.IntN(4)]
				write := &Write{Table: table, Key: items[i], Change: Put{expiring(i, e)}}
				if e.Type() == item.Missing && rnd.IntN(2) == 0 {
					write.Change = Delete{}
				}
				if _, err := s.d.Write(context.Background(), write); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	setExpiry(t, s.d, "e")
	for range 3 {
		if err := s.d.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(done)
	all.Wait()
	checkClean(t, s.d)
	left := 0
	_, err := s.d.Read(t.Context(), &Read{Table: s.table(), Filter: past(t, s.d, now)}, func(item.Item) (bool, error) { left++; return true, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkClean(t, s.d)
	_, err = s.d.Read(t.Context(), &Read{Table: s.table(), Filter: past(t, s.d, now)}, func(it item.Item) (bool, error) {
		t.Errorf("%s has expired and is there", it.AppendJSON(nil))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d expired items when the writers ended", left)
}

// past is a filter for items whose e is a number below now.
func past(t *testing.T, d *DB, now int64) *expr.Condition {
	t.Helper()
	c, err := d.Expressions().Condition(expr.KindFilter, "e < :now", &expr.Params{Values: []expr.Value{{Key: ":now", Value: item.Int(now)}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExpiryStates restarts a database in each state of the index by expiry, reached on the way on
// and on the way off, with writes in that state, and wants the job to go on where it stood.
func TestExpiryStates(t *testing.T) {
	for _, c := range []struct {
		state    schema.State
		dropping bool
		want     schema.Status
	}{
		{schema.StateDeleteOnly, false, schema.StatusEnabled},
		{schema.StateWriteOnly, false, schema.StatusEnabled},
		{schema.StatePublic, false, schema.StatusEnabled},
		{schema.StateDeleteOnly, true, schema.StatusDisabled},
		{schema.StateAbsent, true, schema.StatusDisabled},
		{schema.StateDropped, true, schema.StatusDisabled},
	} {
		t.Run(fmt.Sprint(c.state, " ", c.dropping), func(t *testing.T) {
			s, table := newTTLStore(t, 0)
			now := s.clock.Now().Unix()
			e := item.Int(now - 1)
			putAll(t, s.d, table, expiring(1, e), expiring(2, e), expiring(3, e), expiring(4, item.Int(now+9)))
			if c.state != schema.StateDeleteOnly && c.state != schema.StateWriteOnly || c.dropping {
				setExpiry(t, s.d, "e")
			}
			if c.state == schema.StateDropped {
				setExpiry(t, s.d, "")
			}
			s.enter(c.state, c.dropping)
			if _, err := s.d.Write(t.Context(), &Write{Table: table, Key: expiring(1, e), Change: Delete{}}); err != nil {
				t.Fatal(err)
			}
			putAll(t, s.d, table, expiring(2, item.Value{}), expiring(5, e))
			s.reopen()
			settle(t, s.d)
			if got := s.table().Expiry.Status(s.clock.Now()); got != c.want {
				t.Fatalf("the expiry is %s, want %s", got, c.want)
			}
			if c.want == schema.StatusEnabled {
				s.sweep(2)
				return
			}
			s.sweep(4)
			if n := s.expiryRows(); n != 0 {
				t.Errorf("%d expiry rows are left", n)
			}
			setExpiry(t, s.d, "e")
			s.sweep(2)
		})
	}
}

// enter puts the table's expiry into a state without a job that would go on from there.
func (s *store) enter(state schema.State, dropping bool) {
	s.t.Helper()
	s.d.schema.Lock()
	defer s.d.schema.Unlock()
	desc := s.table().Clone()
	if desc.Expiry == nil {
		desc.Expiry = &schema.Expiry{Attribute: "e", Since: desc.Epoch + 1}
	}
	desc.Expiry.Phase = schema.Phase{State: state, Dropping: dropping}
	if _, err := s.d.replace(s.t.Context(), desc); err != nil {
		s.t.Fatal(err)
	}
}

// TestExpiryRestarts switches the expiry of a full table on, and then off, restarting again and
// again meanwhile.
func TestExpiryRestarts(t *testing.T) {
	s := newPacedStore(t)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000
	var items []item.Item
	for i := range n {
		items = append(items, expiring(i, item.Int(s.clock.Now().Unix()+int64(i%2)*10)))
	}
	putAll(t, s.d, table, items...)
	alterExpiry(t, s.d, "e")
	on := s.inPieces(5, func() bool { return s.table().Expiry.State == schema.StatePublic })
	if want := n / backfillItems / 5; on < want {
		t.Errorf("%d restarts, want %d", on, want)
	}
	if rows := s.expiryRows(); rows != n {
		t.Errorf("%d expiry rows, want %d", rows, n)
	}
	checkClean(t, s.d)
	alterExpiry(t, s.d, "")
	off := 0
	for ; s.table().Expiry.Status(s.clock.Now()) != schema.StatusDisabled && off < 200; off++ {
		s.reopen()
		time.Sleep(time.Duration(2+off/4) * time.Millisecond) // a slow machine gets somewhere as well
	}
	if rows := s.expiryRows(); rows != 0 {
		t.Errorf("%d expiry rows are left", rows)
	}
	checkClean(t, s.d)
	t.Logf("%d restarts on the way on, %d on the way off", on, off)
}

// TestExpiryOffDuringBackfill switches the expiry off while it is being switched on, and on again
// with another attribute.
func TestExpiryOffDuringBackfill(t *testing.T) {
	s, table := newTTLStore(t, 0)
	var items []item.Item
	for i := range 3000 {
		items = append(items, expiring(i, item.Int(s.clock.Now().Unix())))
	}
	putAll(t, s.d, table, items...)
	unfinished := 0
	for i := range 20 {
		alterExpiry(t, s.d, []string{"e", "n"}[i%2])
		time.Sleep(time.Duration(i) * 500 * time.Microsecond)
		if s.table().Expiry.State != schema.StatePublic {
			unfinished++
		}
		if err := s.d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", "", always); err != nil {
			t.Fatal(err)
		}
		for s.table().Expiry != nil && t.Context().Err() == nil {
			time.Sleep(100 * time.Microsecond)
		}
		if n := s.expiryRows(); n != 0 {
			t.Fatalf("turn %d: %d expiry rows are left", i, n)
		}
	}
	if unfinished == 0 {
		t.Error("no backfill was cut short: the test tested nothing")
	}
	setExpiry(t, s.d, "n")
	if n := s.expiryRows(); n != len(items) {
		t.Errorf("%d expiry rows, want %d", n, len(items))
	}
	checkClean(t, s.d)
	t.Logf("%d of 20 backfills were cut short", unfinished)
}

// TestExpiryDelay: with a table delay the expiry is ENABLING and DISABLING for that long, also over
// a restart, and takes no other change meanwhile.
func TestExpiryDelay(t *testing.T) {
	s, _ := newTTLStore(t, time.Hour)
	status := func(want schema.Status) {
		t.Helper()
		if got := s.table().Expiry.Status(s.clock.Now()); got != want {
			t.Errorf("status %s, want %s", got, want)
		}
	}
	busy := func(attribute string) {
		t.Helper()
		if err := s.d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", attribute, always); !errors.Is(err, ErrExpiryBusy) {
			t.Errorf("a change to %q: %v, want ErrExpiryBusy", attribute, err)
		}
	}
	status(schema.StatusDisabled)
	setExpiry(t, s.d, "e")
	status(schema.StatusEnabling)
	busy("")
	s.clock.Advance(time.Hour)
	status(schema.StatusEnabled)
	setExpiry(t, s.d, "")
	status(schema.StatusDisabling)
	busy("e")
	s.reopen()
	settle(t, s.d)
	status(schema.StatusDisabling)
	s.clock.Advance(time.Hour)
	status(schema.StatusDisabled)
	setExpiry(t, s.d, "n")
	status(schema.StatusEnabling)
	checkClean(t, s.d)
}

// TestExpiryMark: a sweep begins where the last one ended, or at what came behind it or was left
// over.
func TestExpiryMark(t *testing.T) {
	s, table := newTTLStore(t, 0)
	setExpiry(t, s.d, "e")
	begins := func(what string, want int64) {
		t.Helper()
		m, ok := s.d.marks.Load(table.ID)
		if !ok {
			t.Fatal("there is no mark")
		}
		if from := min(m.(*expiryMark).swept.Load(), m.(*expiryMark).left); from != uint64(want) {
			t.Errorf("%s the next sweep begins at %d, want %d", what, from, want)
		}
	}
	first := s.clock.Now().Unix()
	putAll(t, s.d, table, expiring(1, item.Int(first-10)))
	s.sweep(0)
	begins("with nothing left", first)
	putAll(t, s.d, table, expiring(1, item.Int(first+5)), expiring(2, item.Int(first+100)))
	begins("with items to come", first)
	putAll(t, s.d, table, expiring(3, item.Int(first-7)))
	begins("with an item that has expired already", first-7)
	it := expiring(4, item.Int(first-8))
	tx := Transaction{Actions: []Action{{Write: Write{Table: s.table(), Key: it, Change: Put{it}}}}}
	if _, err := s.d.Transact(t.Context(), &tx); err != nil {
		t.Fatal(err)
	}
	begins("with one of a transaction", first-8)
	s.sweep(2)
	begins("after both are gone", first)
	s.clock.Advance(10 * time.Second)
	half, err := item.Number(fmt.Sprintf("%d.5", first+10))
	if err != nil {
		t.Fatal(err)
	}
	putAll(t, s.d, table, expiring(5, half))
	s.sweep(2)
	begins("before the second is over", first+10)
	s.clock.Set(s.clock.Now().Add(-time.Minute))
	putAll(t, s.d, table, expiring(6, item.Int(first-55)))
	s.sweep(2)
	begins("with the clock turned back", first-50)
	s.clock.Advance(2 * time.Minute)
	s.sweep(1)
	begins("at last", first+70)
	checkClean(t, s.d)
}

// TestExpireDeletedTable: a table that is deleted under a sweep is no error, and a context that is
// done ends one.
func TestExpireDeletedTable(t *testing.T) {
	s, table := newTTLStore(t, 0)
	setExpiry(t, s.d, "e")
	putAll(t, s.d, table, expiring(1, item.Int(s.clock.Now().Unix()-1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.d.expire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a sweep with a context that is done: %v", err)
	}
	sweep := s.d.newExpirySweep(s.table(), newDue(s.clock.Now()))
	sweep.due = true
	if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := sweep.run(t.Context()); err != nil {
		t.Error(err)
	}
	checkClean(t, s.d)
}

// TestDue covers the borders of what is deleted, exactly.
func TestDue(t *testing.T) {
	u := newDue(time.Unix(1_700_000_000, 500_000_000)) // 2023-11-14; five years ago is 1,542,233,600.5
	for _, c := range []struct {
		e    item.Value
		want bool
	}{
		{num(t, "1700000000.5"), false},
		{num(t, "1700000000.499999999999999"), true},
		{num(t, "1700000000"), true},
		{num(t, "1700000001"), false},
		{num(t, "17E8"), true},
		{num(t, "1542233600.5"), true},
		{num(t, "1542233600.499"), false},
		{num(t, "1542233601"), true},
		{num(t, "0"), false},
		{num(t, "-1700000000"), false},
		{num(t, "1E125"), false},
		{item.String("1700000000"), false},
		{item.Bool(true), false},
		{item.Value{}, false},
	} {
		it := item.New([]item.Entry{attr("e", c.e)})
		if got := u.holds(it, "e"); got != c.want {
			t.Errorf("%s is due: %v, want %v", c.e.AppendText(nil), got, c.want)
		}
	}
	if u := newDue(time.Unix(1000, 0)); u.from != 0 || !u.holds(item.New([]item.Entry{attr("e", item.Int(0))}), "e") {
		t.Errorf("in 1970, what is due is %+v", u)
	}
}

// TestExpiryStream: the stream's record of an item that has expired says that no user deleted it.
func TestExpiryStream(t *testing.T) {
	s := newStore(t, 0)
	desc := modelDescriptor()
	desc.StreamViewType = "KEYS_ONLY"
	table, err := s.d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	setExpiry(t, s.d, "e")
	now := s.clock.Now().Unix()
	putAll(t, s.d, table, expiring(1, item.Int(now-1)), expiring(1, item.Int(now-2)), expiring(2, item.Int(now-1)))
	if _, err := s.d.Write(t.Context(), &Write{Table: table, Key: expiring(2, item.Value{}), Change: Delete{}}); err != nil {
		t.Fatal(err)
	}
	s.sweep(0)
	log := s.d.StreamByID(s.table().StreamID)
	got := map[string]int{}
	for shard := range uint32(log.Shards) {
		read := StreamRead{Stream: log, Shard: shard, Limit: 100}
		_, _, err := s.d.ReadStream(t.Context(), read, func(r *schema.StreamRecord) bool {
			sk, _ := r.Keys.Get("sk").Int64()
			got[fmt.Sprint(sk, " ", r.Name, " by service ", r.ByService)]++
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{
		"1 INSERT by service false": 1, "1 MODIFY by service false": 1, "1 REMOVE by service true": 1,
		"2 INSERT by service false": 1, "2 REMOVE by service false": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the stream says %v, want %v", got, want)
	}
}
