// Package dbtest opens databases for tests: on the embedded engine, by a clock that a test turns,
// and closed when it ends. Tests in package db itself cannot import it, for it imports db.
package dbtest

import (
	"cmp"
	"log/slog"
	"testing"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// Options say what is not as usual. The zero Options are for a database in memory that nobody
// sweeps but the test, that logs nowhere, and whose clock begins at clocktest.Start.
type Options struct {
	// Engine are the engine's. Without a Dir it is in memory, and without a Clock it goes by the
	// test's.
	Engine pebblekv.Options
	// DB are the database's. Without a Now it goes by the test's clock.
	DB db.Options
	// Clock is the test's. nil: one of its own.
	Clock *clocktest.Clock
	// Wrap is asked for the engine that the database is given, each time that it is opened. nil:
	// the engine itself.
	Wrap func(*pebblekv.Engine) kv.Engine
}

// DB is a database that a test has opened, with what it stands on.
type DB struct {
	*db.DB
	Engine *pebblekv.Engine
	Clock  *clocktest.Clock

	t testing.TB
	o Options
}

// Open opens a database, which is closed when the test ends.
func Open(t testing.TB, o Options) *DB {
	t.Helper()
	if o.Clock == nil {
		o.Clock = clocktest.New(clocktest.Start)
	}
	o.Engine.InMemory = o.Engine.Dir == ""
	if o.Engine.Clock == nil {
		o.Engine.Clock = o.Clock.Now
	}
	if o.DB.Now == nil {
		o.DB.Now = o.Clock.Now
	}
	o.DB.SweepInterval = cmp.Or(o.DB.SweepInterval, -1)
	quiet := slog.New(slog.DiscardHandler)
	o.Engine.Logger, o.DB.Logger = cmp.Or(o.Engine.Logger, quiet), cmp.Or(o.DB.Logger, quiet)
	d := &DB{Clock: o.Clock, t: t, o: o}
	d.open()
	t.Cleanup(d.Close)
	return d
}

// open opens the engine and the database.
func (d *DB) open() {
	d.t.Helper()
	engine, err := pebblekv.Open(d.o.Engine)
	if err != nil {
		d.t.Fatalf("opening the engine: %v", err)
	}
	var under kv.Engine = engine
	if d.o.Wrap != nil {
		under = d.o.Wrap(engine)
	}
	opened, err := db.Open(under, d.o.DB)
	if err != nil {
		engine.Close()
		d.t.Fatalf("opening the database: %v", err)
	}
	d.Engine, d.DB = engine, opened
}

// Close closes the database and its engine; it fails the test if that does not go well. More calls
// do nothing.
func (d *DB) Close() {
	d.t.Helper()
	if d.DB == nil {
		return
	}
	if err := d.DB.Close(); err != nil {
		d.t.Errorf("closing the database: %v", err)
	}
	if err := d.Engine.Close(); err != nil {
		d.t.Errorf("closing the engine: %v", err)
	}
	d.DB, d.Engine = nil, nil
}

// Reopen closes the database and opens it again on the same directory.
func (d *DB) Reopen() {
	d.t.Helper()
	d.Close()
	d.open()
}

// Check checks all that is stored, and fails the test for each problem.
func (d *DB) Check() {
	d.t.Helper()
	report, err := check.Run(d.t.Context(), d.Engine, check.Options{Now: d.DB.Now, Open: d.DB})
	if err != nil {
		d.t.Errorf("Check: %v", err)
	}
	for _, p := range report.Problems {
		d.t.Errorf("Check found in table %s: %s", p.Table, p.Detail)
	}
}
