package db

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// open returns a database on a new engine in memory, which sweeps every second.
func open(t testing.TB) *DB {
	t.Helper()
	return openWith(t, Options{})
}

// openWith is open with options.
func openWith(t testing.TB, o Options) *DB {
	t.Helper()
	return openOn(t, openEngine(t, pebblekv.Options{}), o)
}

// openOn opens a database on an engine, and closes both when the test ends. It logs nowhere.
func openOn(t testing.TB, engine kv.Engine, o Options) *DB {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	d, err := Open(engine, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Close(), engine.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// openEngine opens an engine, which is in memory if it has no directory. The caller closes it.
func openEngine(t testing.TB, o pebblekv.Options) *pebblekv.Engine {
	t.Helper()
	o.InMemory = o.InMemory || o.Dir == ""
	engine, err := pebblekv.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// unswept are the options of a database that sweeps only when told, logs nowhere, and goes by a
// clock; nil: the machine's.
func unswept(now func() time.Time) Options {
	return Options{Now: now, SweepInterval: -1, Logger: slog.New(slog.DiscardHandler)}
}

// tryOpen opens an unswept database on an engine, by the engine's clock. The caller closes both.
func tryOpen(o pebblekv.Options) (*pebblekv.Engine, *DB, error) {
	engine, err := pebblekv.Open(o)
	if err != nil {
		return nil, nil, err
	}
	d, err := Open(engine, unswept(o.Clock))
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	return engine, d, nil
}

// within runs fn on a database as tryOpen opens it, and closes it.
func within(t testing.TB, o pebblekv.Options, fn func(*DB)) {
	t.Helper()
	engine, d, err := tryOpen(o)
	if err != nil {
		t.Fatal(err)
	}
	fn(d)
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Error(err)
	}
}

// store is an in-memory file system with a database on it that can be closed and opened again. It
// sweeps only when told.
type store struct {
	t      *testing.T
	fs     vfs.FS
	engine *pebblekv.Engine
	d      *DB
	clock  *clocktest.Clock
	delay  time.Duration
	pass   chan struct{} // if not nil, each token lets one chunk of a backfill go
}

// newStore opens a database on a new file system.
func newStore(t *testing.T, delay time.Duration) *store {
	t.Helper()
	return begin(&store{t: t, delay: delay})
}

// newPacedStore is newStore with a database whose backfills wait for tokens in pass.
func newPacedStore(t *testing.T) *store {
	t.Helper()
	return begin(&store{t: t, pass: make(chan struct{})})
}

// begin opens a store for the first time.
func begin(s *store) *store {
	s.t.Helper()
	s.fs, s.clock = vfs.NewMem(), clocktest.New(clocktest.Start)
	s.open()
	s.t.Cleanup(s.close)
	return s
}

func (s *store) open() {
	s.t.Helper()
	s.engine = openEngine(s.t, pebblekv.Options{Dir: "data", FS: s.fs, Clock: s.clock.Now})
	var engine kv.Engine = s.engine
	if s.pass != nil {
		engine = &pacedEngine{s.engine, s.pass}
	}
	o := unswept(s.clock.Now)
	o.TableDelay = s.delay
	var err error
	if s.d, err = Open(engine, o); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) close() {
	s.t.Helper()
	if err := errors.Join(s.d.Close(), s.engine.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) reopen() {
	s.t.Helper()
	s.close()
	s.open()
}

// table is the model's table as it stands.
func (s *store) table() *Table {
	s.t.Helper()
	table := s.d.Lookup(schema.DefaultNamespace, "model")
	if table == nil {
		s.t.Fatal("the table is gone")
	}
	return table
}

// pacedEngine is an engine that holds back the chunks of backfills, whose updates alone do not wait
// for the disk.
type pacedEngine struct {
	*pebblekv.Engine
	pass chan struct{}
}

func (e *pacedEngine) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if o.NoSync {
		select {
		case <-e.pass:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return e.Engine.Update(ctx, o, fn)
}

// inPieces restarts again and again, each time when a few more chunks of a backfill are done, until
// all is. It returns how often.
func (s *store) inPieces(chunks int, done func() bool) (restarts int) {
	s.t.Helper()
	for {
		for range chunks {
			for passed := false; !passed; {
				select {
				case s.pass <- struct{}{}:
					passed = true
				case <-time.After(time.Millisecond):
					if done() {
						return restarts
					}
				}
			}
		}
		s.reopen()
		restarts++
	}
}
