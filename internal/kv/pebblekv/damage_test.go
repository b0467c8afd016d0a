package pebblekv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
)

var (
	faultSeed   = flag.Uint64("fault.seed", 0, "seed of the tests of damage and faults; 0: a random one")
	damageFlips = flag.Int("damage.flips", 60, "how many bytes TestDamagedFiles damages, each in a copy of its own")
)

// faultRandom returns a source of randomness, and prints its seed.
func faultRandom(t *testing.T) *rand.Rand {
	s := *faultSeed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-fault.seed=%d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// What damageHistory writes: in each update two rows of one lock key, a log record and a counter.
const (
	damageKeys    = 40
	damageUpdates = 400
)

// damageRow is the first row of a key, damageTwin the other.
func damageRow(k int) []byte  { return fmt.Appendf(nil, "r%014d", k) }
func damageTwin(k int) []byte { return fmt.Appendf(nil, "r%014dtwin", k) }

// damageValue is what update n writes to its key's rows; nil: it deletes them.
func damageValue(n int) []byte { return damageValues()[n] }

var damageValues = sync.OnceValue(func() (values [][]byte) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for n := range 2 * damageUpdates {
		v := fmt.Appendf(nil, "%d ", n)
		for range 200 + rnd.IntN(1500) {
			v = append(v, byte(rnd.Uint32()))
		}
		if n%7 == 3 {
			v = nil
		}
		values = append(values, v)
	}
	return values
})

// damageUpdate runs update n.
func damageUpdate(e *Engine, n int) error {
	k := n * 17 % damageKeys
	return e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{damageRow(k)}}, func(tx kv.Txn) error {
		for _, key := range [][]byte{damageRow(k), damageTwin(k)} {
			if v := damageValue(n); v != nil {
				tx.Set(key, v)
			} else {
				tx.Delete(key)
			}
		}
		tx.AppendLog(1, uint32(k%2), fmt.Appendf(nil, "%d", n))
		tx.Add(1, kv.Count{Section: uint32(k % 3), Items: 1, Bytes: int64(n)})
		return nil
	})
}

// damageOptions are those of a small engine.
func damageOptions(fs vfs.FS) Options {
	return Options{Dir: "data", FS: fs, MemoryLimit: 16 << 20, MemtableBytes: 64 << 10, Stripes: 64}
}

// damagedState is all that an engine shows.
type damagedState struct {
	rows  map[string]string
	logs  [2][]string
	count []kv.Count
}

// stateOf reads everything: by a scan there and back and by point reads, which must agree.
func stateOf(e *Engine) (s damagedState, err error) {
	ctx := context.Background()
	s.rows = map[string]string{}
	err = e.View(ctx, kv.ReadOptions{}, func(r kv.Reader) error {
		back := map[string]string{}
		for _, dir := range []struct {
			direction kv.Direction
			rows      map[string]string
		}{{kv.Forward, s.rows}, {kv.Backward, back}} {
			if err := r.Scan(kv.Range{}, dir.direction, func(k, v []byte) (bool, error) {
				dir.rows[string(k)] = string(v)
				return true, nil
			}); err != nil {
				return err
			}
		}
		for k := range damageKeys {
			for _, key := range [][]byte{damageRow(k), damageTwin(k)} {
				v, err := r.Get(key)
				if err != nil {
					return err
				}
				if w, ok := s.rows[string(key)]; ok != (v != nil) || w != string(v) || back[string(key)] != w {
					return fmt.Errorf("scan and Get of %s disagree", key)
				}
			}
		}
		return nil
	})
	for shard := range uint32(2) {
		if err == nil {
			var records []kv.Record
			records, _, err = e.ReadLog(ctx, 1, shard, kv.Position{}, kv.Page{Records: 1e6, Bytes: 1e9})
			for _, r := range records {
				s.logs[shard] = append(s.logs[shard], string(r.Data))
			}
		}
	}
	s.count = e.Counter(1)
	return s, err
}

// stateAfter is what an engine shows after the first n updates.
func stateAfter(n int) (s damagedState) {
	s.rows = map[string]string{}
	var counts []kv.Count
	for i := range n {
		k := i * 17 % damageKeys
		for _, key := range [][]byte{damageRow(k), damageTwin(k)} {
			if v := damageValue(i); v != nil {
				s.rows[string(key)] = string(v)
			} else {
				delete(s.rows, string(key))
			}
		}
		s.logs[k%2] = append(s.logs[k%2], fmt.Sprint(i))
		counts = append(counts, kv.Count{Section: uint32(k % 3), Items: 1, Bytes: int64(i)})
	}
	s.count = sumCounts(counts)
	return s
}

// updates is how many updates the state is the result of: what the logs say.
func (s *damagedState) updates() int { return len(s.logs[0]) + len(s.logs[1]) }

// equal tells whether two states are the same.
func (s *damagedState) equal(o *damagedState) bool {
	return maps.Equal(s.rows, o.rows) && slices.Equal(s.logs[0], o.logs[0]) && slices.Equal(s.logs[1], o.logs[1]) && slices.Equal(s.count, o.count)
}

// TestDamagedFiles flips a bit of a file, cuts it short, or overwrites some of it with zeros, at a
// random place, and empties and removes each file: in a copy of a store that was closed, and of one
// that lost its power with logs to replay. Open fails, or a read does, or everything is as it was.
// Only at the end of the newest log, where damage cannot be told from a write that the power has
// cut, may the last updates be gone: all of each. An error names a file and what to do.
func TestDamagedFiles(t *testing.T) {
	rnd := faultRandom(t)
	flips := *damageFlips
	if testing.Short() {
		flips = 50
	}
	closed, cut := damageHistory(t)
	outcomes := map[string]int{}
	try := func(base *vfs.MemFS, damage func(vfs.FS) (what, name string)) {
		fs := base.CrashClone(vfs.CrashCloneCfg{})
		newest := newestLog(t, fs)
		what, name := damage(fs)
		outcome := make(chan string, 1)
		go func() { outcome <- damagedOutcome(fs, name == newest) }()
		select {
		case o := <-outcome:
			if outcomes[o]++; strings.HasPrefix(o, "WRONG") {
				t.Errorf("%s: %s", what, o)
			}
		case <-time.After(60 * time.Second):
			panic("a damaged store hangs: " + what)
		}
	}
	for _, base := range []*vfs.MemFS{closed, cut} {
		names, err := base.List("data")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			try(base, func(fs vfs.FS) (string, string) {
				if err := fs.Remove(fs.PathJoin("data", name)); err != nil {
					t.Fatal(err)
				}
				return name + " is gone", name
			})
			try(base, func(fs vfs.FS) (string, string) {
				overwrite(t, fs, fs.PathJoin("data", name), nil)
				return name + " is empty", name
			})
		}
	}
	for n := range flips {
		try([]*vfs.MemFS{closed, cut}[n%2], func(fs vfs.FS) (string, string) { return damage(t, fs, rnd) })
	}
	t.Log(outcomes)
}

// newestLog is the name of the log with the highest number.
func newestLog(t *testing.T, fs vfs.FS) string {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	live := liveLogs(names, 0)
	return live[len(live)-1].name
}

// overwrite puts other bytes into a file.
func overwrite(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// damageHistory returns a store that was closed, and one that lost its power.
func damageHistory(t *testing.T) (closed, cut *vfs.MemFS) {
	t.Helper()
	closed = vfs.NewCrashableMem()
	e, err := Open(damageOptions(closed))
	if err != nil {
		t.Fatal(err)
	}
	for n := range damageUpdates {
		if err := damageUpdate(e, n); err != nil {
			t.Fatal(err)
		}
	}
	cut = closed.CrashClone(vfs.CrashCloneCfg{})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return closed, cut
}

// damage damages a file of the store and says what it did, and to which.
func damage(t *testing.T, fs vfs.FS, rnd *rand.Rand) (what, name string) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for {
		name = names[rnd.IntN(len(names))]
		if rnd.IntN(4) == 0 { // there are many tables, and one of these
			name = names[slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "MANIFEST") })]
		}
		path := fs.PathJoin("data", name)
		b := readFile(t, fs, path)
		if len(b) == 0 {
			continue
		}
		at := rnd.IntN(len(b))
		what = fmt.Sprintf("%s, %d bytes, bit flipped at %d", name, len(b), at)
		how := rnd.IntN(5)
		if _, sealed, _ := readSeal(fs, "data"); strings.HasPrefix(name, "MANIFEST") && at >= sealed && (how == 0 || at+512 > lastRecord(b)) {
			continue // a power cut may leave it so, and the log that has the same updates is gone: nobody can tell
		}
		switch how {
		case 0:
			b, what = b[:at], fmt.Sprintf("%s, %d bytes, cut at %d", name, len(b), at)
		case 1:
			what = fmt.Sprintf("%s, %d bytes, zeros from %d", name, len(b), at)
			clear(b[at:min(len(b), at+512)])
		default:
			b[at] ^= 1 << rnd.IntN(8)
		}
		overwrite(t, fs, path, b)
		return what, name
	}
}

// lastRecord is where the last record of a MANIFEST begins.
func lastRecord(b []byte) (last int) {
	for at := 0; at < len(b); at += chunkHeader + int(binary.LittleEndian.Uint16(b[at+4:])) {
		last = at
	}
	return last
}

// readFile returns a file's bytes.
func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b)
}

// damagedOutcome says what a damaged store does. WRONG is what it must not do.
func damagedOutcome(fs vfs.FS, newestLog bool) string {
	e, err := Open(damageOptions(fs))
	if err != nil {
		return named("Open fails", err)
	}
	s, err := stateOf(e)
	// A write, a flush and a compaction meet what the reads have not.
	for n := range 60 {
		if damageUpdate(e, damageUpdates+n) != nil {
			break
		}
	}
	closeErr := e.Close()
	want := stateAfter(s.updates())
	switch {
	case err != nil:
		return named("a read fails", err)
	case !s.equal(&want):
		return fmt.Sprintf("WRONG: with %d updates there are %d rows, want %d", s.updates(), len(s.rows), len(want.rows))
	case s.updates() < damageUpdates && !newestLog:
		return fmt.Sprintf("WRONG: %d updates are left", s.updates())
	case s.updates() < damageUpdates:
		return "the last updates are gone"
	case closeErr != nil:
		return "Close fails"
	}
	return "as it was"
}

// named is an outcome, or says that the error does not name a file and what to do about it.
func named(outcome string, err error) string {
	text := err.Error()
	if !fileInText.MatchString(text) || !remedyInText.MatchString(text) {
		return fmt.Sprintf("WRONG: the error does not say which file is damaged, or what to do: %v", err)
	}
	return outcome
}

// fileInText finds the name of a file of a data directory, remedyInText what to do about it.
var (
	fileInText = regexp.MustCompile(
		`\b([0-9]{6}\.(log|sst)|MANIFEST-[0-9]{6}|OPTIONS-[0-9]{6}|FORMAT|marker\.[a-z-]+\.|ending \.log)`)
	remedyInText = regexp.MustCompile(`restore a backup|from a backup|remove it, each start writes a new one`)
)
