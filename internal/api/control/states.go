package control

import (
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// What a table that is UPDATING is busy with, as stored in Descriptor.BusyWith: it decides which
// changes are admitted beside, and the words of those that are not. After busyClass comes the
// class.
const (
	busyIOPS      = "IOPS"
	busyBilling   = "BILLING"
	busyStreamOn  = "STREAM ENABLE"
	busyStreamOff = "STREAM DISABLE"
	busyClass     = "CLASS "
	busyIndex     = "INDEX"
)

func statusOf(d *schema.Descriptor, now time.Time) schema.Status {
	return d.Status(now)
}

func indexStatusOf(d *schema.Descriptor, x *schema.Index, now time.Time) (status schema.Status, backfilling bool) {
	return d.IndexStatus(x, now)
}

// inUse returns a ResourceInUseException with the beginning that most of them have.
func inUse(detail string) *wire.Error {
	return resourceInUse("Attempt to change a resource which is still in use: " + detail)
}

func resourceInUse(message string) *wire.Error {
	return wire.NewError("ResourceInUseException", message)
}

// errNoTable is the control plane's ResourceNotFoundException.
func errNoTable(name string) *wire.Error {
	return wire.NewError("ResourceNotFoundException", "Requested resource not found: Table: "+name+" not found")
}

// lookupFor is lookup if the policy allows the action. It is asked first, so that a denial does not
// depend on whether the table exists.
func (c op) lookupFor(action, tableName string) (*db.Table, error) {
	if err := c.AskTable(action, tableName); err != nil {
		return nil, err
	}
	return c.lookup(tableName)
}

// lookup returns the table that a checked TableName (or ARN) names, in any state.
func (c op) lookup(tableName string) (*db.Table, error) {
	name := wire.BareTableName(tableName)
	t := c.DB.Lookup(schema.DefaultNamespace, name)
	c.Report.NoteTable(t, name)
	if t != nil {
		return t, nil
	}
	return nil, errNoTable(name)
}
