package db

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// inYears is how far a clock that is wrong is ahead in these tests.
const inYears = 20 * 365 * 24 * time.Hour

// set moves the clock, and sweeps.
func (s *store) set(by time.Duration) {
	s.t.Helper()
	s.clock.Set(s.clock.Now().Add(by))
	if err := s.d.Sweep(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// stored is how many records of the log are stored, and readable how many of them are shown to a
// reader from the horizon on.
func (s *store) stored(id uint64) (stored, readable int) {
	s.t.Helper()
	l := s.d.catalog.Load().streams[id]
	if l == nil {
		return 0, 0
	}
	for shard := range uint32(l.Shards) {
		page := kv.Page{Records: 10_000, Bytes: 1 << 30}
		all, _, err := s.engine.ReadLog(s.t.Context(), id, shard, schema.Position{}, page)
		if err != nil {
			s.t.Fatal(err)
		}
		stored += len(all)
		read := StreamRead{Stream: l, Shard: shard, After: s.d.Horizon(l, shard), Limit: 10_000}
		_, _, err = s.d.ReadStream(s.t.Context(), read, func(*schema.StreamRecord) bool {
			readable++
			return true
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return stored, readable
}

// wantRecords wants so many records to be stored and to be readable.
func (s *store) wantRecords(what string, id uint64, stored, readable int) {
	s.t.Helper()
	if n, r := s.stored(id); n != stored || r != readable {
		s.t.Errorf("%s: %d records are stored and %d readable, want %d and %d", what, n, r, stored, readable)
	}
}

// TestRecordsAhead has records written by a clock that is wrong, which is then set right: they stay
// for a day in which the database runs, over restarts, and go then. So it is for those that follow
// them.
func TestRecordsAhead(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	id := table.StreamID
	fill(t, s.d, table, 100)
	s.set(inYears)
	fill(t, s.d, table, 150)
	s.wantRecords("before the clock is right", id, 50, 50)
	s.set(-inYears)
	lagging := map[uint32]schema.Position{} // before the last record of each shard that has any
	for shard := range uint32(table.shards) {
		page := kv.Page{Records: 1000, Bytes: 1 << 30}
		all, _, err := s.engine.ReadLog(t.Context(), id, shard, schema.Position{}, page)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(all); n > 1 {
			lagging[shard] = all[n-2].Position
		}
	}
	right := s.clock.Now()
	for half := range 48 {
		s.wantRecords(fmt.Sprint("after ", s.clock.Now().Sub(right)), id, 50, 50)
		s.set(30 * time.Minute)
		if half == 11 || half == 30 {
			s.reopen() // each forgets up to an hour
			s.set(0)
		}
	}
	fill(t, s.d, s.table(), 160)
	s.until(id, right.Add(26*time.Hour), 60, 10)
	if got := s.told(id, lagging); got == 0 || got != len(lagging) {
		t.Errorf("readers who had begun before are told so at %d of %d shards", got, len(lagging))
	}
	checkClean(t, s.d)
	s.until(id, right.Add(27*time.Hour), 10, 10)
	s.set(23 * time.Hour)
	s.wantRecords("after another day", id, 10, 10)
	s.until(id, right.Add(51*time.Hour), 10, 0)
	s.until(id, right.Add(52*time.Hour), 0, 0)
	fill(t, s.d, s.table(), 170)
	s.wantRecords("later", id, 10, 10)
	checkClean(t, s.d)
}

// until lets time pass until so many records are stored and readable, which must be so by the time
// end.
func (s *store) until(id uint64, end time.Time, stored, readable int) {
	s.t.Helper()
	for n, r := s.stored(id); n != stored || r != readable; n, r = s.stored(id) {
		if s.clock.Now().After(end) {
			s.t.Fatalf("by %v %d records are stored and %d readable, want %d and %d", end, n, r, stored, readable)
		}
		s.set(10 * time.Minute)
	}
}

// told is how many of the readers that go on from places, one in each shard, are told that records
// are gone.
func (s *store) told(id uint64, places map[uint32]schema.Position) (n int) {
	for shard, after := range places {
		read := StreamRead{Stream: s.d.StreamByID(id), Shard: shard, After: after, Limit: 100}
		_, _, err := s.d.ReadStream(s.t.Context(), read, func(*schema.StreamRecord) bool {
			return true
		})
		if errors.Is(err, ErrTrimmed) {
			n++
		}
	}
	return n
}

// TestEndAhead has streams end by a clock that is wrong: they stay listed for a day in which the
// database runs.
func TestEndAhead(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	first := table.StreamID
	fill(t, s.d, table, 100)
	s.set(inYears)
	for _, view := range []schema.ViewType{"", "NEW_AND_OLD_IMAGES", ""} {
		if _, _, err := s.d.Alter(t.Context(), schema.DefaultNamespace, "model", Unseen, setStream(view)); err != nil {
			t.Fatal(err)
		}
	}
	s.closed(first)
	s.closed(first + 1)
	s.set(-inYears)
	s.reopen()
	listed := func(want int) {
		t.Helper()
		if logs, _ := s.d.Streams(schema.DefaultNamespace, "", "", "", 10); len(logs) != want {
			t.Errorf("%d streams are listed, want %d", len(logs), want)
		}
		if got := len(s.d.catalog.Load().streams); got != want {
			t.Errorf("%d streams are stored, want %d", got, want)
		}
	}
	s.set(0)
	s.set(23 * time.Hour)
	listed(2)
	s.set(time.Hour)
	s.set(0)
	listed(0)
	checkClean(t, s.d)
}

// TestWrongAtFirst starts by a clock that stands in 1970 and is set right after an hour, as one
// without a battery: nothing goes that is not a day old.
func TestWrongAtFirst(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	id := table.StreamID
	fill(t, s.d, table, 100)
	right, wrong := s.clock.Now(), time.Unix(0, 0)
	s.clock.Set(wrong)
	s.reopen()
	s.set(time.Minute)
	s.set(2 * time.Hour)
	if s.d.StreamByID(id).Ahead == nil {
		t.Error("in 1970 the stream's records are not ahead")
	}
	s.set(right.Sub(wrong) - 2*time.Hour)
	s.wantRecords("when the clock is right", id, 100, 100)
	if s.d.StreamByID(id).Ahead != nil {
		t.Error("the stream's records are ahead, and the clock is right")
	}
	s.set(23 * time.Hour)
	s.wantRecords("after a day", id, 100, 100)
	s.set(time.Hour + 16*time.Minute)
	s.wantRecords("after more than a day", id, 0, 0)
}

// TestMadeAhead makes a stream by a clock that is wrong: what is written to it by the right one
// lies in its shards.
func TestMadeAhead(t *testing.T) {
	s := newStore(t, 0)
	s.set(inYears)
	table, err := s.d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	s.set(-inYears)
	fill(t, s.d, table, 100)
	l := s.d.StreamByID(table.StreamID)
	for _, shard := range l.ShardsAt(s.clock.Now()) {
		end, err := s.d.LastPosition(t.Context(), l, shard.Number)
		if err != nil || string(end[:]) < string(shard.Start[:]) {
			t.Errorf("shard %s begins at %x, and has a record at %x, %v", shard.ID, shard.Start, end, err)
		}
	}
}

// TestTokensAhead runs transactions with tokens by a clock that is wrong: when it is right they run
// again, and a sweep forgets the tokens. One that is set back by no more than NTP does leaves
// tokens as they are.
func TestTokensAhead(t *testing.T) {
	s := newStore(t, 0)
	table, err := s.d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*tokenChunk + 10
	run := func(i int) bool {
		t.Helper()
		transaction := transactionOf(table, fmt.Sprint("p", i))
		transaction.Token = &schema.Token{Namespace: schema.DefaultNamespace, Value: fmt.Sprint("token", i)}
		out, err := s.d.Transact(t.Context(), transaction)
		if err != nil {
			t.Fatal(err)
		}
		return out.Replayed
	}
	for _, back := range []time.Duration{tokenSlack + time.Millisecond, 11 * time.Minute, time.Hour, inYears} {
		s.set(back)
		for i := range n {
			if run(i) {
				t.Fatalf("%v ahead: token %d is known", back, i)
			}
		}
		s.clock.Set(s.clock.Now().Add(-back))
		if run(7) || !run(7) {
			t.Errorf("set back by %v: the token of then is not used anew", back)
		}
		s.set(0)
		if got := s.tokenRows(); got != 2 {
			t.Errorf("set back by %v: %d rows of tokens are left, want those of the one that was used again", back, got)
		}
		if !run(7) {
			t.Errorf("set back by %v: after a sweep the token is forgotten", back)
		}
		s.set(tokenLife)
	}
	run(1)
	s.set(-time.Minute)
	if !run(1) {
		t.Error("set back by a minute, the clock has made a token be forgotten")
	}
}

// TestBusyAhead makes, changes and deletes tables by a clock that is wrong, with a delay: when it
// is right they are ready, or gone.
func TestBusyAhead(t *testing.T) {
	s := newStore(t, time.Minute)
	s.set(inYears)
	if _, err := s.d.Create(t.Context(), streamedDescriptor()); err != nil {
		t.Fatal(err)
	}
	s.set(-inYears)
	table, err := s.d.Table(schema.DefaultNamespace, "model")
	if err != nil {
		t.Fatal(err)
	}
	stream := s.d.StreamByID(table.StreamID).Status(s.clock.Now())
	if got := table.Status(s.clock.Now()); got != "ACTIVE" || stream != "ENABLED" {
		t.Errorf("the table is %s, its stream %s", got, stream)
	}
	s.set(inYears)
	if err := s.d.AlterExpiry(t.Context(), schema.DefaultNamespace, "model", "ttl", always); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.set(-inYears)
	if got := s.table().Expiry.Status(s.clock.Now()); got != schema.StatusEnabled {
		t.Errorf("the expiry is %s", got)
	}
	s.set(inYears)
	if _, err := s.d.Delete(t.Context(), schema.DefaultNamespace, "model", func(*Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.set(-inYears)
	if table := s.d.Lookup(schema.DefaultNamespace, "model"); table != nil {
		t.Errorf("the deleted table is %s", table.Status(s.clock.Now()))
	}
}
