package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/kv"
)

// testRows writes, reads and removes single rows.
func testRows(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1", "b", "", "a", "2", "c", "3")
	for key, want := range map[string]string{"a": "2", "b": "", "c": "3", "d": "-", "": "-"} {
		if got := s.get(e, key); got != want {
			s.Errorf("Get(%q) = %q, want %q", key, got, want)
		}
	}

	boom := errors.New("boom")
	err := errMaybe
	for errors.Is(err, errMaybe) {
		err = update(e, [][]byte{[]byte("a"), []byte("a")}, func(tx kv.Txn) error {
			tx.Set([]byte("a"), []byte("never"))
			v, err := tx.Get([]byte("a"))
			if text(v) != "2" {
				return fmt.Errorf("a Txn reads %q, want what is committed", v)
			}
			return errors.Join(err, boom)
		})
	}
	if !errors.Is(err, boom) {
		s.Errorf("Update returns %v, want the function's error", err)
	}
	if got := s.get(e, "a"); got != "2" {
		s.Errorf("after a failed Update Get(a) = %q, want 2", got)
	}
	err = errMaybe
	for errors.Is(err, errMaybe) {
		err = update(e, [][]byte{[]byte("a")}, func(tx kv.Txn) error {
			tx.Delete([]byte("a"))
			tx.Delete([]byte("never there"))
			return nil
		})
	}
	s.ok("Delete", err)
	if got := s.get(e, "a"); got != "-" {
		s.Errorf("after Delete Get(a) = %q", got)
	}

	var multi []string
	s.ok("GetMulti", view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		multi = nil
		return r.GetMulti([][]byte{[]byte("c"), []byte("a"), []byte("b"), []byte("c")}, func(i int, v []byte) error {
			multi = append(multi, fmt.Sprint(i, "=", text(v)))
			return nil
		})
	}))
	if got, want := strings.Join(multi, " "), "0=3 1=- 2= 3=3"; got != want {
		s.Errorf("GetMulti = %q, want %q", got, want)
	}
	err = view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		return r.GetMulti([][]byte{[]byte("c"), []byte("a")}, func(int, []byte) error { return boom })
	})
	if !errors.Is(err, boom) {
		s.Errorf("GetMulti returns %v, want the function's error", err)
	}
}

// testOneView checks that all reads of a View see one state, whatever is committed between them.
func testOneView(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1", "b", "1", "c", "1")
	attempt := 0
	all := func(r kv.Reader) (string, error) {
		var seen []string
		err := r.Scan(kv.Range{}, kv.Forward, func(k, v []byte) (bool, error) {
			inner, err := r.Get([]byte("c"))
			seen = append(seen, string(k)+string(v)+string(inner))
			return true, err
		})
		return strings.Join(seen, " "), err
	}
	s.ok("View", view(e, kv.ReadOptions{}, func(r kv.Reader) error {
		a, err := r.Get([]byte("a"))
		if err != nil {
			return err
		}
		before := string(a)
		attempt++
		late := fmt.Sprint("d", attempt)
		s.put(e, "a", "2", "b", "2", "c", "2", late, "2")
		b, err := r.Get([]byte("b"))
		if string(b) != before {
			s.Errorf("a View sees a=%s, then b=%s", before, b)
		}
		rows, scanErr := all(r)
		if scanErr == nil && (!strings.HasPrefix(rows, "a11 b11 c11") || strings.Contains(rows, late)) {
			s.Errorf("a View sees a=%s, then %q", before, rows)
		}
		b, getErr := r.Get([]byte("b")) // the bounds of the scan are gone
		if getErr == nil && string(b) != before {
			s.Errorf("a View sees a=%s, then after a scan b=%s", before, b)
		}
		s.put(e, "a", "1", "b", "1", "c", "1")
		return errors.Join(err, scanErr, getErr)
	}))
}

// testRanges compares random ranges of random rows with a sorted map.
func testRanges(s *suite) {
	e := s.open(Options{})
	model := map[string]string{}
	randomKey := func() string { return string(row(s.rng.IntN(4), s.rng.IntN(40)))[:kv.FrontLen+1+s.rng.IntN(7)] }
	for i := range 300 {
		k, v := randomKey(), fmt.Sprint(i)
		if s.rng.IntN(4) > 0 {
			s.put(e, k, v)
			model[k] = v
			continue
		}
		err := errMaybe
		for errors.Is(err, errMaybe) {
			err = update(e, [][]byte{[]byte(k)}, func(tx kv.Txn) error {
				tx.Delete([]byte(k))
				tx.AppendLog(1, 1, []byte(k)) // must not show
				return nil
			})
		}
		s.ok("Delete", err)
		delete(model, k)
	}
	for range 200 {
		r := kv.Range{Start: []byte(randomKey()), End: []byte(randomKey())}
		switch s.rng.IntN(8) {
		case 0:
			r.Start = nil
		case 1:
			r.End = nil
		case 2:
			r.Start = bytes.Clone(r.Start)[:s.rng.IntN(len(r.Start))]
		}
		direction := kv.Direction(s.rng.IntN(2))
		var want []string
		for _, k := range slices.Sorted(maps.Keys(model)) {
			if k >= string(r.Start) && (len(r.End) == 0 || k < string(r.End)) {
				want = append(want, k+"="+model[k])
			}
		}
		if direction == kv.Backward {
			slices.Reverse(want)
		}
		if got := s.scan(e, r, direction); !slices.Equal(got, want) {
			s.Fatalf("Scan([%q, %q), direction %d)\n got %q\nwant %q", r.Start, r.End, direction, got, want)
		}
	}
}

// testScanStops checks how a Scan ends early.
func testScanStops(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1", "b", "2", "c", "3")
	boom := errors.New("boom")
	for _, test := range []struct {
		direction kv.Direction
		err       error
		want      string
	}{{kv.Forward, nil, "a b"}, {kv.Backward, nil, "c b"}, {kv.Forward, boom, "a b"}} {
		var seen []string
		err := view(e, kv.ReadOptions{}, func(r kv.Reader) error {
			seen = nil
			return r.Scan(kv.Range{}, test.direction, func(k, _ []byte) (bool, error) {
				seen = append(seen, string(k))
				if len(seen) == 2 {
					return false, test.err
				}
				return true, nil
			})
		})
		if got := strings.Join(seen, " "); got != test.want || !errors.Is(err, test.err) {
			s.Errorf("Scan(direction %d) sees %q and returns %v, want %q and %v",
				test.direction, got, err, test.want, test.err)
		}
	}
}

// testPanics checks that a function's panic is passed on, writes nothing and releases all.
func testPanics(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1")
	panics := func(what string, fn func()) {
		defer func() {
			if r := recover(); r != "boom" {
				s.Errorf("%s: recovered %v, want boom", what, r)
			}
		}()
		fn()
	}
	lock := [][]byte{[]byte("a"), []byte("b")}
	panics("Update", func() {
		_ = update(e, lock, func(tx kv.Txn) error {
			tx.Set([]byte("a"), []byte("2"))
			tx.AppendLog(1, 1, []byte("never"))
			panic("boom")
		})
	})
	panics("Scan in Update", func() {
		_ = update(e, lock, func(tx kv.Txn) error {
			return tx.Scan(kv.Range{}, kv.Forward, func(_, _ []byte) (bool, error) {
				_, _ = tx.Get([]byte("a"))
				panic("boom")
			})
		})
	})
	panics("Scan", func() {
		_ = view(e, kv.ReadOptions{}, func(r kv.Reader) error {
			return r.Scan(kv.Range{}, kv.Forward, func(_, _ []byte) (bool, error) { panic("boom") })
		})
	})
	if got := s.get(e, "a"); got != "1" {
		s.Errorf("after the panics Get(a) = %q, want 1", got)
	}
	s.put(e, "a", "3", "b", "3")
	s.close(e)
}

// testUpdateEach checks that the writes are atomic alone, in order, and do not fail together.
func testUpdateEach(s *suite) {
	e := s.open(Options{})
	boom := errors.New("boom")
	add := func(key, suffix string, err error) kv.Write {
		return kv.Write{Lock: [][]byte{[]byte(key)}, Do: func(tx kv.Txn) error {
			v, getErr := tx.Get([]byte(key))
			tx.Set([]byte(key), append(bytes.Clone(v), suffix...))
			return errors.Join(err, getErr)
		}}
	}
	errs := e.UpdateEach(context.Background(), kv.WriteOptions{}, []kv.Write{
		add("a", "1", nil), add("b", "1", boom), add("a", "2", nil), add("c", "1", nil), add("a", "3", boom),
		{Lock: [][]byte{[]byte("d")}, Do: func(tx kv.Txn) error {
			tx.Set(make([]byte, e.Limits().Key+1), nil)
			return nil
		}},
	})
	for i, want := range []error{nil, boom, nil, nil, boom, kv.ErrTooLarge} {
		if !errors.Is(errs[i], want) {
			s.Errorf("error %d is %v, want %v", i, errs[i], want)
		}
	}
	if got := strings.Join(s.scan(e, kv.Range{}, kv.Forward), " "); got != "a=12 c=1" {
		s.Errorf("the rows are %q, want a=12 c=1", got)
	}
	if errs := e.UpdateEach(context.Background(), kv.WriteOptions{}, nil); len(errs) != 0 {
		s.Errorf("UpdateEach of nothing returns %v", errs)
	}
}

// testOversize checks that what is too large is refused and all else of its Update with it.
func testOversize(s *suite) {
	e := s.open(Options{})
	limits := e.Limits()
	if limits.Key < 8<<10 || limits.Value < 1<<20 || limits.Update < 8<<20 {
		s.Errorf("the limits %+v are too small for the database", limits)
	}
	k := []byte("k")
	write := func(what string, want error, fn func(kv.Txn)) {
		s.Helper()
		err := update(e, [][]byte{k}, func(tx kv.Txn) error {
			tx.Set(k, []byte(what))
			fn(tx)
			return nil
		})
		if !errors.Is(err, want) {
			s.Errorf("%s: %v, want %v", what, err, want)
		}
		if wrote := s.get(e, "k") == what; wrote != (want == nil) {
			s.Errorf("%s: written is %v", what, wrote)
		}
	}
	value := make([]byte, limits.Value)
	long := bytes.Repeat([]byte("k"), limits.Key)
	write("longest key", nil, func(tx kv.Txn) { tx.Set(long, nil) })
	write("longest value", nil, func(tx kv.Txn) { tx.Set(k[:1:1], value); tx.Set(k, []byte("longest value")) })
	write("key", kv.ErrTooLarge, func(tx kv.Txn) { tx.Set(append(long, 'k'), nil) })
	write("deleted key", kv.ErrTooLarge, func(tx kv.Txn) { tx.Delete(append(long, 'k')) })
	write("value", kv.ErrTooLarge, func(tx kv.Txn) { tx.Set(k, append(value, 0)) })
	write("update", kv.ErrTooLarge, func(tx kv.Txn) {
		for size := 0; size <= limits.Update; size += len(value) {
			tx.Set(k, value)
		}
	})
	write("log", kv.ErrTooLarge, func(tx kv.Txn) {
		for size := 0; size <= limits.Update; size += len(value) {
			tx.AppendLog(1, 1, value)
		}
	})
	if records, _, err := readLog(e, 1, 1, kv.Position{}); len(records) != 0 || err != nil {
		s.Errorf("refused updates left %d records, %v", len(records), err)
	}
}

// testReservedKeys checks that the engine's own rows cannot be reached.
func testReservedKeys(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1")
	s.ok("Update", update(e, nil, func(tx kv.Txn) error {
		tx.Stamp()
		tx.AppendLog(1, 1, []byte("record"))
		tx.Add(1, kv.Count{Section: 1, Items: 1, Bytes: 1})
		return nil
	}))
	for _, key := range [][]byte{nil, {kv.ReservedPrefix}, {0xff, 1}} {
		err := update(e, [][]byte{key}, func(tx kv.Txn) error {
			tx.Set(key, []byte("x"))
			return nil
		})
		if err == nil {
			s.Errorf("Set(%x) succeeds", key)
		}
	}
	for _, r := range []kv.Range{
		{}, {End: []byte{0xff, 0xff}}, {Start: []byte{0xf0}}, {Start: []byte{0xf0}, End: []byte{0xff}},
	} {
		for _, row := range s.scan(e, r, kv.Backward) {
			if row != "a=1" {
				s.Errorf("Scan([%x, %x)) shows %q", r.Start, r.End, row)
			}
		}
	}
	s.ok("DropRange", e.DropRange(context.Background(), kv.Range{Start: []byte("b"), End: []byte{0xff}}))
	if records, _, err := readLog(e, 1, 1, kv.Position{}); len(records) != 1 || err != nil {
		s.Errorf("DropRange left %d records, %v; want 1", len(records), err)
	}
}

// testDropRange removes a range between others, twice.
func testDropRange(s *suite) {
	e := s.open(Options{})
	var want []string
	for p := range 3 {
		for i := range 20 {
			s.put(e, string(row(p, i)), "x")
			if p != 1 {
				want = append(want, string(row(p, i))+"=x")
			}
		}
	}
	drop := func(r kv.Range) {
		s.Helper()
		err := errMaybe
		for errors.Is(err, errMaybe) || transient(err) {
			err = e.DropRange(context.Background(), r)
		}
		s.ok("DropRange", err)
	}
	for range 2 {
		drop(kv.Range{Start: row(1, 0), End: row(2, 0)})
		if got := s.scan(e, kv.Range{}, kv.Forward); !slices.Equal(got, want) {
			s.Fatalf("after DropRange the rows are %q", got)
		}
	}
	drop(kv.Range{Start: row(2, 0), End: row(1, 0)}) // empty
	s.put(e, string(row(1, 5)), "new")
	if got := s.get(e, string(row(1, 5))); got != "new" {
		s.Errorf("a row written after DropRange is %q", got)
	}
}

// testSizeOf checks that fresh rows are not taken for nothing, and nothing not for rows.
func testSizeOf(s *suite) {
	e := s.open(Options{})
	for i := range 10 {
		s.put(e, string(row(1, i)), strings.Repeat("x", 1000))
	}
	size, err := e.SizeOf(kv.Range{Start: row(1, 0), End: row(2, 0)})
	if err != nil || size < 1000 || size > 1<<20 {
		s.Errorf("SizeOf about 10 KB = %d, %v", size, err)
	}
	if size, err := e.SizeOf(kv.Range{Start: row(2, 0), End: row(3, 0)}); err != nil || size != 0 {
		s.Errorf("SizeOf nothing = %d, %v", size, err)
	}
}

// testClosed checks that a closed engine says so.
func testClosed(s *suite) {
	e := s.open(Options{})
	s.put(e, "a", "1")
	s.close(e)
	ctx := context.Background()
	_, _, logErr := e.ReadLog(ctx, 1, 1, kv.Position{}, kv.Page{Records: 1, Bytes: 1})
	_, sizeErr := e.SizeOf(kv.Range{})
	for what, err := range map[string]error{
		"View":       view(e, kv.ReadOptions{}, func(kv.Reader) error { return nil }),
		"Update":     update(e, nil, func(kv.Txn) error { return nil }),
		"UpdateEach": e.UpdateEach(ctx, kv.WriteOptions{}, make([]kv.Write, 1))[0],
		"Barrier":    e.Barrier(ctx),
		"ReadLog":    logErr,
		"TrimLog":    e.TrimLog(ctx, 1, 1, kv.Position{1}),
		"DropRange":  e.DropRange(ctx, kv.Range{}),
		"SizeOf":     sizeErr,
		"Close":      e.Close(),
	} {
		if !errors.Is(err, kv.ErrClosed) {
			s.Errorf("%s of a closed engine returns %v", what, err)
		}
	}
}
