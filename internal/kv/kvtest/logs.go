package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// testLogOrder appends to a few shards at once while readers follow them: every reader sees every
// record, in the order of the commits, and never one at or below what it was told is the end.
func testLogOrder(s *suite) {
	const writers, rounds, shards, keys = 6, 80, 3, 10
	clock := newClock()
	e := s.open(Options{Clock: clock.read, Stripes: 16})
	var done atomic.Int32
	followed := make([][]kv.Record, shards)
	s.parallel(writers+shards, func(g int, rng *rand.Rand) (err error) {
		if g >= writers {
			followed[g-writers], err = follow(e, uint32(g-writers), func() bool { return done.Load() == writers })
			return err
		}
		defer done.Add(1)
		for range rounds {
			k := rng.IntN(keys)
			err := update(e, [][]byte{row(k, 0)}, func(tx kv.Txn) error {
				v, err := tx.Get(row(k, 0))
				version := number(v) + 1
				tx.Set(row(k, 0), encoded(version))
				for shard := range shards {
					tx.AppendLog(7, uint32(shard), fmt.Appendf(nil, "%d %d", k, version))
				}
				return err
			})
			if err != nil && !errors.Is(err, errMaybe) {
				return err
			}
			clock.turn(time.Duration(rng.IntN(3)-1) * time.Millisecond)
		}
		return nil
	})
	for shard := range shards {
		all, _, err := readLog(e, 7, uint32(shard), kv.Position{})
		s.ok("ReadLog", err)
		versions := make([]int, keys)
		for i, r := range all {
			var k, version int
			_, _ = fmt.Sscan(string(r.Data), &k, &version)
			if versions[k]++; version != versions[k] {
				s.Fatalf("shard %d: record %d is version %d of key %d, want %d", shard, i, version, k, versions[k])
			}
		}
		if len(all) != len(followed[shard]) {
			s.Fatalf("shard %d: %d records, a follower saw %d", shard, len(all), len(followed[shard]))
		}
		for i, r := range all {
			if f := followed[shard][i]; r.Position != f.Position || !bytes.Equal(r.Data, f.Data) {
				s.Fatalf("shard %d: record %d is %x %q, a follower saw %x %q",
					shard, i, r.Position, r.Data, f.Position, f.Data)
			}
		}
	}
}

// follow reads a shard as it grows.
func follow(e kv.Engine, shard uint32, done func() bool) (all []kv.Record, err error) {
	var told kv.Position // no record at or below it may come
	for {
		last := done()
		var after kv.Position
		if n := len(all); n > 0 {
			after = all[n-1].Position
		}
		records, end, err := e.ReadLog(context.Background(), 7, shard, after, kv.Page{Records: 5, Bytes: 1 << 20})
		if transient(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if bytes.Compare(r.Position[:], after[:]) <= 0 || bytes.Compare(r.Position[:], end[:]) > 0 {
				return nil, fmt.Errorf("record %x is not after %x and up to %x", r.Position, after, end)
			}
			if bytes.Compare(r.Position[:], told[:]) <= 0 {
				return nil, fmt.Errorf("record %x appears after the end was at %x", r.Position, told)
			}
			after = r.Position
		}
		all = append(all, records...)
		if len(records) == 0 {
			told = end // everything up to it was read
			if last {
				return all, nil
			}
		}
	}
}

// testLogPages checks how much ReadLog returns.
func testLogPages(s *suite) {
	e := s.open(Options{})
	ctx := context.Background()
	records, end, err := e.ReadLog(ctx, 1, 2, kv.Position{}, kv.Page{Records: 10, Bytes: 100})
	if len(records) != 0 || end != (kv.Position{}) || err != nil {
		s.Errorf("an empty shard has %d records, end %x, %v", len(records), end, err)
	}
	for i := range 10 {
		s.ok("Update", update(e, nil, func(tx kv.Txn) error {
			tx.AppendLog(1, 2, bytes.Repeat([]byte{byte(i)}, 10))
			tx.AppendLog(1, 3, []byte("another shard"))
			tx.AppendLog(1, 2, []byte("two in one"))
			return nil
		}))
	}
	for _, test := range []struct{ maxRecords, maxBytes, want int }{
		{100, 1000, 20}, {7, 1000, 7}, {100, 35, 3}, {100, 30, 3}, {100, 1, 1}, {0, 100, 0},
	} {
		records, _, err := e.ReadLog(ctx, 1, 2, kv.Position{}, kv.Page{Records: test.maxRecords, Bytes: test.maxBytes})
		if len(records) != test.want || err != nil {
			s.Errorf("ReadLog of at most %d records, %d bytes: %d records, %v; want %d",
				test.maxRecords, test.maxBytes, len(records), err, test.want)
		}
	}
	all, end, err := readLog(e, 1, 2, kv.Position{})
	s.ok("ReadLog", err)
	if last := all[len(all)-1].Position; last != end {
		s.Errorf("the last record is at %x, the end at %x", last, end)
	}
	for i, r := range all {
		rest, _, err := readLog(e, 1, 2, r.Position)
		if len(rest) != len(all)-i-1 || err != nil {
			s.Errorf("after record %d there are %d, %v", i, len(rest), err)
		}
	}
}

// appendOne appends a record and returns its position.
func (s *suite) appendOne(e kv.Engine, data string) kv.Position {
	s.Helper()
	s.ok("AppendLog", update(e, nil, func(tx kv.Txn) error {
		tx.AppendLog(1, 1, []byte(data))
		return nil
	}))
	_, end, err := readLog(e, 1, 1, kv.Position{})
	s.ok("ReadLog", err)
	return end
}

func (s *suite) above(p, old kv.Position) {
	s.Helper()
	if bytes.Compare(p[:], old[:]) <= 0 {
		s.Fatalf("position %x was given after %x", p, old)
	}
}

// testLogTrim removes records from the front.
func testLogTrim(s *suite) {
	e := s.open(Options{})
	ctx := context.Background()
	var positions []kv.Position
	for i := range 10 {
		positions = append(positions, s.appendOne(e, fmt.Sprint(i)))
	}
	left := func(want string) {
		s.Helper()
		var got string
		records, _, err := readLog(e, 1, 1, kv.Position{})
		s.ok("ReadLog", err)
		for _, r := range records {
			got += string(r.Data)
		}
		if got != want {
			s.Errorf("the records are %q, want %q", got, want)
		}
	}
	s.ok("TrimLog", e.TrimLog(ctx, 1, 1, positions[3]))
	left("456789")
	s.ok("TrimLog", e.TrimLog(ctx, 1, 1, positions[2]))
	left("456789")
	s.ok("TrimLog", e.TrimLog(ctx, 1, 1, positions[5]))
	left("6789")
	s.ok("TrimLog", e.TrimLog(ctx, 1, 2, positions[9]))
	left("6789")
	s.ok("TrimLog", e.TrimLog(ctx, 1, 1, kv.Position{0xff, 0xff}))
	left("")
	s.above(s.appendOne(e, "x"), positions[9])
	left("x")
}

// testLogTrimRestart removes all records and restarts with a clock that went back: positions go on.
func testLogTrimRestart(s *suite) {
	clock := newClock()
	var last kv.Position
	for i := range 4 {
		e := s.open(Options{Clock: clock.read})
		records, end, err := readLog(e, 1, 1, kv.Position{})
		if len(records) != 0 || err != nil || i > 0 && end != last {
			s.Fatalf("after a restart there are %d records, the end is %x, %v; want none and %x",
				len(records), end, err, last)
		}
		for range 3 {
			p := s.appendOne(e, "x")
			s.above(p, last)
			last = p
		}
		s.ok("TrimLog", e.TrimLog(context.Background(), 1, 1, last))
		if i%2 == 0 {
			p := s.appendOne(e, "y")
			s.above(p, last)
			last = p
			s.ok("TrimLog", e.TrimLog(context.Background(), 1, 1, kv.Position{0xff}))
		}
		s.close(e)
		clock.turn(-time.Hour)
	}
}

// fillLogs appends to some shards of three neighbouring logs, and trims one of each.
func (s *suite) fillLogs(e kv.Engine) {
	s.Helper()
	for range 5 {
		err := errMaybe
		for errors.Is(err, errMaybe) {
			err = update(e, nil, func(tx kv.Txn) error {
				for log := uint64(7); log <= 9; log++ {
					for shard := range uint32(3) {
						tx.AppendLog(log, shard, []byte("x"))
					}
				}
				return nil
			})
		}
		s.ok("AppendLog", err)
	}
	for log := uint64(7); log <= 9; log++ {
		records, _, err := readLog(e, log, 2, kv.Position{})
		s.ok("ReadLog", err)
		for err = errMaybe; errors.Is(err, errMaybe) || transient(err); {
			err = e.TrimLog(context.Background(), log, 2, records[1].Position)
		}
		s.ok("TrimLog", err)
	}
}

// dropLog drops a log, again until it is certain.
func (s *suite) dropLog(e kv.Engine, log uint64) {
	s.Helper()
	err := errMaybe
	for errors.Is(err, errMaybe) || transient(err) {
		err = e.DropLog(context.Background(), log)
	}
	s.ok("DropLog", err)
}

// onlyNeighbours wants nothing of log 8 and all of those beside it.
func (s *suite) onlyNeighbours(e kv.Engine) {
	s.Helper()
	for log := uint64(7); log <= 9; log++ {
		for shard := range uint32(3) {
			records, end, err := readLog(e, log, shard, kv.Position{})
			s.ok("ReadLog", err)
			if gone := len(records) == 0 && end == (kv.Position{}); gone != (log == 8) {
				s.Errorf("after DropLog of log 8, shard %d of log %d has %d records and its end at %x",
					shard, log, len(records), end)
			}
		}
	}
}

// testDropLog removes a log between others, twice.
func testDropLog(s *suite) {
	e := s.open(Options{})
	s.fillLogs(e)
	for range 2 {
		s.dropLog(e, 8)
		s.onlyNeighbours(e)
	}
	s.dropLog(e, 100) // there never was one
	s.dropLog(e, 1<<64-1)
	s.onlyNeighbours(e)
}

// testDropLogCrash checks that what DropLog removed stays away, what it noted of the shards too.
func testDropLogCrash(s *suite) {
	e := s.open(Options{})
	s.fillLogs(e)
	s.dropLog(e, 8)
	for range 5 {
		crashed := s.m.Crash(s.rng).Open(s, Options{})
		s.onlyNeighbours(crashed)
		s.close(crashed)
	}
}
