package dbtest

import (
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// create makes a table.
func create(t *testing.T, d *DB, name string) {
	t.Helper()
	_, err := d.Create(t.Context(), &schema.Descriptor{
		Name: name, Namespace: schema.DefaultNamespace, Billing: "PAY_PER_REQUEST",
		Attributes: []schema.AttributeDefinition{{Name: "k", Type: item.S}}, Keys: []schema.KeyElement{{Name: "k"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpen makes a table in memory, by the test's clock.
func TestOpen(t *testing.T) {
	d := Open(t, Options{})
	if d.Now() != clocktest.Start {
		t.Errorf("it is %v", d.Now())
	}
	d.Clock.Advance(time.Hour)
	if want := clocktest.Start.Add(time.Hour); d.Now() != want {
		t.Errorf("an hour later it is %v", d.Now())
	}
	create(t, d, "one")
	d.Check()
	d.Close()
}

// TestReopen makes a table on disk and finds it again; each time the engine is wrapped.
func TestReopen(t *testing.T) {
	wrapped := 0
	d := Open(t, Options{
		Engine: pebblekv.Options{Dir: t.TempDir(), FreeSpaceFloor: -1},
		Wrap:   func(e *pebblekv.Engine) kv.Engine { wrapped++; return e },
	})
	create(t, d, "kept")
	before := d.Engine
	d.Reopen()
	if names, _ := d.List(schema.DefaultNamespace, "", 10); len(names) != 1 || names[0] != "kept" {
		t.Errorf("there are the tables %v", names)
	}
	if d.Engine == before || wrapped != 2 {
		t.Errorf("the engine is the same, or was wrapped %d times, want 2", wrapped)
	}
}
