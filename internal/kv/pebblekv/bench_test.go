package pebblekv

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

const benchRows = 100_000

// benchKey is the key of a row: hashed fronts, as the database's are.
func benchKey(dst []byte, i int) []byte {
	dst = append(dst[:0], "table/i"...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(i)*0x9E3779B97F4A7C15)
	return append(dst, "/sortkey"...)
}

// benchValue is a value of 1 KiB, half of which compresses.
func benchValue() []byte {
	v := make([]byte, 1024)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range v[:512] {
		v[i] = byte(rng.Uint32())
	}
	return v
}

// benchEngine is an engine on the disk with rows in several levels.
func benchEngine(b *testing.B, rows int) *Engine {
	b.Helper()
	e := mustOpen(b, Options{Dir: b.TempDir(), FreeSpaceFloor: -1})
	value := benchValue()
	for i := 0; i < rows; i += 100 {
		if err := e.Update(b.Context(), kv.WriteOptions{Lock: [][]byte{{1}}, NoSync: true}, func(tx kv.Txn) error {
			for j := i; j < i+100; j++ {
				tx.Set(benchKey(nil, j), value)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	if rows > 0 {
		if err := e.db.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := e.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	b.ReportAllocs()
	return e
}

func BenchmarkGet(b *testing.B) {
	e := benchEngine(b, benchRows)
	for _, bench := range []struct {
		name string
		from int
	}{{"hit", 0}, {"miss", benchRows * 10}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				rng := rand.New(rand.NewPCG(1, rand.Uint64()))
				key, n := []byte(nil), 0
				fn := func(r kv.Reader) error {
					v, err := r.Get(key)
					n += len(v)
					return err
				}
				for pb.Next() {
					key = benchKey(key, bench.from+rng.IntN(benchRows))
					if err := e.View(context.Background(), kv.ReadOptions{}, fn); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkScan100(b *testing.B) {
	e := benchEngine(b, benchRows)
	b.SetBytes(100 * 1024)
	rng := rand.New(rand.NewPCG(1, 1))
	key, n := []byte(nil), 0
	fn := func(r kv.Reader) error {
		n = 0
		return r.Scan(kv.Range{Start: key}, kv.Forward, func(_, _ []byte) (bool, error) {
			n++
			return n < 100, nil
		})
	}
	for b.Loop() {
		key = benchKey(key, rng.IntN(benchRows))
		if err := e.View(context.Background(), kv.ReadOptions{}, fn); err != nil {
			b.Fatal(err)
		}
	}
}

// benchSet has writers replace rows, each reading the old one first, and adds a counter as the
// database does.
func benchSet(b *testing.B, writers int, o Options) {
	o.FreeSpaceFloor = -1
	e := mustOpen(b, o)
	value := benchValue()
	var next atomic.Int64
	b.ResetTimer()
	b.ReportAllocs()
	done := make(chan error, writers)
	for range writers {
		go func() {
			var key []byte
			lock := make([][]byte, 1)
			fn := func(tx kv.Txn) error {
				_, err := tx.Get(key)
				tx.Set(key, value)
				tx.Add(1, kv.Count{Section: 1, Bytes: 1})
				return err
			}
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					done <- nil
					return
				}
				key = benchKey(key, int(i)%benchRows)
				lock[0] = key
				if err := e.Update(context.Background(), kv.WriteOptions{Lock: lock}, fn); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSet1(b *testing.B)      { benchSet(b, 1, Options{Dir: b.TempDir()}) }
func BenchmarkSet16(b *testing.B)     { benchSet(b, 16, Options{Dir: b.TempDir()}) }
func BenchmarkSetMemory(b *testing.B) { benchSet(b, 1, Options{InMemory: true}) }

// BenchmarkMixed has 16 workers, of which half write and half read.
func BenchmarkMixed16(b *testing.B) {
	e := benchEngine(b, benchRows)
	value := benchValue()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(1, rand.Uint64()))
		var key []byte
		read := func(r kv.Reader) error {
			_, err := r.Get(key)
			return err
		}
		write := func(tx kv.Txn) error {
			tx.Set(key, value)
			return read(tx)
		}
		for pb.Next() {
			key = benchKey(key, rng.IntN(benchRows))
			var err error
			if rng.IntN(2) == 0 {
				err = e.View(context.Background(), kv.ReadOptions{}, read)
			} else {
				err = e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{key}}, write)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkLatch(b *testing.B) {
	var l latch
	for b.Loop() {
		l.tryLock()
		l.unlock()
	}
}

func BenchmarkOpenMemory(b *testing.B) {
	for b.Loop() {
		e, err := Open(Options{InMemory: true})
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanHotRows reads 20 rows that have been rewritten 500 times each and lie in the
// memtable with all their versions.
func BenchmarkScanHotRows(b *testing.B) {
	const rows, versions = 20, 500
	e := mustOpen(b, Options{InMemory: true})
	value := benchValue()
	for range versions {
		for i := range rows {
			key := benchKey(nil, i)
			err := e.Update(context.Background(), kv.WriteOptions{Lock: [][]byte{key}}, func(tx kv.Txn) error {
				tx.Set(key, value)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		n := 0
		err := e.View(context.Background(), kv.ReadOptions{}, func(r kv.Reader) error {
			return r.Scan(kv.Range{Start: benchKey(nil, 0)}, kv.Forward, func(_, _ []byte) (bool, error) {
				n++
				return true, nil
			})
		})
		if err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkStamped16 has 16 writers take stamps, as the database's do.
func BenchmarkStamped16(b *testing.B) {
	e := mustOpen(b, Options{Dir: b.TempDir(), FreeSpaceFloor: -1})
	value := benchValue()
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(1, rand.Uint64()))
		var key []byte
		write := func(tx kv.Txn) error {
			_ = tx.Stamp()
			tx.Set(key, value)
			return nil
		}
		lock := make([][]byte, 1)
		for pb.Next() {
			key = benchKey(key, rng.IntN(benchRows))
			lock[0] = key
			if err := e.Update(context.Background(), kv.WriteOptions{Lock: lock}, write); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkStamp takes stamps by the machine's clock, alone and with the time that passes.
func BenchmarkStamp(b *testing.B) {
	start := time.Now()
	for _, bench := range []struct {
		name    string
		elapsed func() time.Duration
	}{{"clock", nil}, {"elapsed", func() time.Duration { return time.Since(start) }}} {
		b.Run(bench.name, func(b *testing.B) {
			var s stamps
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.next(time.Now(), bench.elapsed)
				}
			})
		})
	}
}
