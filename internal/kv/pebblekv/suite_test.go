package pebblekv

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/kvtest"
)

func TestSuiteInMemory(t *testing.T)  { kvtest.Run(t, inMemory) }
func TestSuiteOnDisk(t *testing.T)    { kvtest.Run(t, onDisk) }
func TestSuiteCrashable(t *testing.T) { kvtest.Run(t, crashable) }

// TestSuiteFewRows runs the suite with a cache of rows that is soon full.
func TestSuiteFewRows(t *testing.T) {
	kvtest.Run(t, func(testing.TB) kvtest.Medium {
		return kvtest.Medium{Volatile: true, Open: opener(Options{InMemory: true, MemoryLimit: 4 << 20})}
	})
}

// TestSuiteFaulty runs what applies to an engine that fails at random.
func TestSuiteFaulty(t *testing.T) {
	seed := kvtest.Seed(t)
	kvtest.Run(t, func(testing.TB) kvtest.Medium {
		open := opener(Options{InMemory: true, MemoryLimit: 64 << 20})
		return kvtest.Medium{Volatile: true, Faulty: true, Open: func(t testing.TB, o kvtest.Options) kv.Engine {
			seed++
			return kvtest.Faulty(open(t, o), seed, 10)
		}}
	})
}

// TestCrashesAreNoticed runs the crash test where the log is never synced: it must fail, or it
// proves nothing.
func TestCrashesAreNoticed(t *testing.T) {
	rng := rand.New(rand.NewPCG(kvtest.Seed(t), 0))
	err := kvtest.CheckCrashes(t, crashableOn(vfs.NewCrashableMem(), pretending), 50, rng)
	if err == nil {
		t.Fatal("50 crashes without a sync of the log lose nothing")
	}
	t.Log(err)
}
