package control

import (
	"errors"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// DeleteTable answers DeleteTable, with the table as it was and its status DELETING.
func DeleteTable(cl *call.Call) error {
	c := op{cl}
	r := new(tableRequest)
	if err := wire.Decode(&c.Reader, r, c, tableMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := c.AskTable("DeleteTable", r.table.V); err != nil {
		return err
	}
	name := wire.BareTableName(r.table.V)
	var before map[string]size // the rows can be gone when the answer is written
	t, err := c.DB.Delete(c.Ctx, schema.DefaultNamespace, name, func(t *db.Table) error {
		before = sizesOf(c.DB, t)
		return checkDelete(t, c.DB.Now())
	})
	if errors.Is(err, db.ErrTableNotFound) {
		return errNoTable(name)
	}
	if err != nil {
		return err
	}
	d := newDescription(t, c.DB.Now())
	d.status, d.brief, d.sizes = schema.StatusDeleting, true, before
	d.index = deletedIndex
	c.describe("TableDescription", d)
	return nil
}

func deletedIndex(x *schema.Index) describedIndex {
	return describedIndex{status: schema.StatusDeleting, throughput: &x.Throughput, onDemand: cleared(x.OnDemand)}
}

// checkDelete says why the table cannot be deleted now. DeletionProtection comes after the states,
// as on AWS.
func checkDelete(t *db.Table, now time.Time) error {
	switch t.Status(now) {
	case schema.StatusCreating:
		return inUse("Table is being created: " + t.Name)
	case schema.StatusDeleting:
		return inUse("Table is being deleted: " + t.Name)
	}
	for i := range t.Indexes {
		if status, _ := t.IndexStatus(&t.Indexes[i], now); status != schema.StatusActive {
			return inUse("Cannot delete table while indexes are being created, updated, or deleted.")
		}
	}
	if t.Status(now) == schema.StatusUpdating {
		if strings.HasPrefix(t.BusyWith, "STREAM") {
			return inUse("Cannot delete table while stream is being enabled/disabled.")
		}
		return inUse("Table: " + t.Name + " is in the process of being updated.")
	}
	if t.DeletionProtection {
		return wire.Validation("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	return nil
}
