package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// TestTransactCrashClones takes crash clones of the file system during transfers, each without what
// was not synced, or with a part of it: in every clone the bank has its money, and every
// acknowledged transfer is there with its token.
func TestTransactCrashClones(t *testing.T) {
	clones := 30
	if testing.Short() {
		clones = 5
	}
	fs := vfs.NewCrashableMem()
	b := newBank(t, openOn(t, openEngine(t, pebblekv.Options{Dir: "data", FS: fs}), unswept(nil)))
	s := seed(t)
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		acked []*Transaction
		done  = make(chan struct{})
	)
	for g := range 3 {
		rnd := rand.New(rand.NewPCG(s, uint64(g)))
		all.Go(func() {
			for n := 0; !isClosed(done); n++ {
				transfer := b.newTransfer(rnd, fmt.Sprint(g, "-", n))
				_, err := b.d.Transact(context.Background(), transfer)
				if err == nil {
					mu.Lock()
					acked = append(acked, transfer)
					mu.Unlock()
				} else if !errors.As(err, new(*Canceled)) {
					t.Error(err)
					return
				}
				time.Sleep(time.Duration(rnd.IntN(5000)) * time.Microsecond) // or the clones would spend their time replaying logs
			}
		})
	}
	rnd := rand.New(rand.NewPCG(s, 99))
	for n := range clones {
		mu.Lock()
		latest := acked[max(0, len(acked)-20):]
		mu.Unlock()
		config := vfs.CrashCloneCfg{}
		if n%2 == 1 {
			config = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rnd}
		}
		b.checkClone(fs.CrashClone(config), latest)
	}
	close(done)
	all.Wait()
	t.Logf("%d transfers, %d clones", len(acked), clones)
}

// checkClone opens a crash clone, adds up the accounts, and sends acknowledged transfers again.
func (b *bank) checkClone(clone *vfs.MemFS, acked []*Transaction) {
	b.t.Helper()
	within(b.t, pebblekv.Options{Dir: "data", FS: clone}, func(d *DB) {
		for _, transfer := range acked {
			if out, err := d.Transact(context.Background(), transfer); err != nil || !out.Replayed {
				b.t.Errorf("an acknowledged transfer after a crash: %v, replayed %v", err, out.Replayed)
			}
		}
		if err := b.count(d); err != nil {
			b.t.Error(err)
		}
		checkClean(b.t, d)
	})
}
