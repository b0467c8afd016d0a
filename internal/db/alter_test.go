package db

import (
	"context"
	"testing"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// heldDrop is an engine whose DropRange waits for held to be closed, and says so.
type heldDrop struct {
	kv.Engine
	reached, held chan struct{}
}

func (e *heldDrop) DropRange(ctx context.Context, r kv.Range) error {
	close(e.reached)
	<-e.held
	return e.Engine.DropRange(ctx, r)
}

// TestAlterWhileDropping alters a table of which an index is being removed: nobody may take the
// index up again.
func TestAlterWhileDropping(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	engine := &heldDrop{d.kv, make(chan struct{}), make(chan struct{})}
	d.kv = engine
	alter := func(change func(*schema.Descriptor)) {
		_, _, err := d.alter(t.Context(), schema.DefaultNamespace, "model", Unseen, func(desc *schema.Descriptor) error {
			change(desc)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	putAll(t, d, table, checkedItem("p", 1, "old"))
	name := table.Indexes[len(table.Indexes)-1].Name
	alter(func(desc *schema.Descriptor) { desc.Index(name).Drop() })
	<-engine.reached
	alter(func(desc *schema.Descriptor) { desc.Tags = []schema.Tag{{Key: "k", Value: "v"}} })
	if state := d.Lookup(schema.DefaultNamespace, "model").Index(name).State; state != schema.StateAbsent {
		t.Errorf("the index is %s while its rows are being removed", state)
	}
	putAll(t, d, table, checkedItem("p", 1, "new"))
	if problems, err := checkOpen(t.Context(), d); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	close(engine.held)
	d.awaitJobs(t.Context(), d.Lookup(schema.DefaultNamespace, "model"))
	if problems, err := checkOpen(t.Context(), d); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
