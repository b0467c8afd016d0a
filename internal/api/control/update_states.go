package control

import (
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// admit says why the update cannot be made in the table's present state. The order is AWS's: the
// table's own state, whether the named indexes exist, their states, then the changes in progress.
// The texts are as AWS gave them in October 2026.
func (r *updateTableRequest) admit(d *schema.Descriptor, now time.Time) error {
	switch statusOf(d, now) {
	case schema.StatusCreating:
		if r.protection.Set {
			return resourceInUse("Table needs to be in ACTIVE status to modify deletion protection setting.")
		}
		return inUse("Table is being created: " + d.Name)
	case schema.StatusDeleting:
		return inUse("Table is being deleted: " + d.Name)
	}
	if err := r.admitNamed(d, now); err != nil {
		return err
	}
	if err := r.admitBuilds(d, now); err != nil {
		return err
	}
	if err := r.admitBesideIndexes(d, now); err != nil {
		return err
	}
	if d.Delayed(now) == schema.StatusUpdating {
		return r.admitBeside(d)
	}
	return nil
}

// admitNamed looks at the indexes that the request names.
func (r *updateTableRequest) admitNamed(d *schema.Descriptor, now time.Time) error {
	for i := range r.indexes.V {
		u := &r.indexes.V[i]
		name := u.action().name.V
		x := d.Index(name)
		switch {
		case u.create.Set && x != nil:
			return createTwice(d, x, now)
		case u.create.Set:
			continue
		case x == nil:
			return wire.NewError("ResourceNotFoundException", "Requested resource not found: Index "+name+" for table "+d.Name)
		case x.Kind != schema.GlobalIndex && u.delete.Set:
			return wire.Validation("Cannot delete an index that is not a GlobalSecondaryIndex: " + name)
		case x.Kind != schema.GlobalIndex:
			return wire.Validation("Cannot update an index that is not a GlobalSecondaryIndex: " + name)
		}
		if err := u.admit(d, x, now); err != nil {
			return err
		}
	}
	return nil
}

// createTwice is the error for a new index with the name of another.
func createTwice(d *schema.Descriptor, x *schema.Index, now time.Time) error {
	of := "Table: " + d.Name + " Index: " + x.Name
	switch status, _ := indexStatusOf(d, x, now); status {
	case schema.StatusCreating:
		return inUse("Index is being created.  " + of) // two spaces
	case schema.StatusDeleting:
		return inUse("Index is being deleted. " + of)
	}
	return wire.Validation("Attempting to create an index which already exists")
}

// admit checks the state of an index to be updated or removed.
func (u *indexUpdate) admit(d *schema.Descriptor, x *schema.Index, now time.Time) error {
	of := "Table: " + d.Name + " Index: " + x.Name
	switch status, backfilling := indexStatusOf(d, x, now); {
	case status == schema.StatusDeleting:
		return inUse("Index is being deleted. " + of)
	case status == schema.StatusUpdating:
		return inUse("Index is being updated. " + of)
	case status == schema.StatusCreating && !backfilling && u.delete.Set:
		return inUse("Index creation is in resource allocation phase. Retry deletion during backfilling phase or when the index is active. " + of)
	case status == schema.StatusCreating && !backfilling:
		return inUse("Index is being created but is not backfilling yet.  " + of) // two spaces
	}
	return nil
}

// admitBuilds limits the indexes that are being made or removed to one at a time, and all global
// indexes to 20.
func (r *updateTableRequest) admitBuilds(d *schema.Descriptor, now time.Time) error {
	builds, globals := 0, 0
	for i := range r.indexes.V {
		if !r.indexes.V[i].update.Set {
			builds++
		}
	}
	if builds == 0 {
		return nil
	}
	for i := range d.Indexes {
		x := &d.Indexes[i]
		if x.Kind == schema.GlobalIndex {
			globals++
		}
		status, _ := indexStatusOf(d, x, now)
		if (status == schema.StatusCreating || status == schema.StatusDeleting) && !r.removes(x.Name) {
			builds++
		}
	}
	creates, _ := r.builds()
	switch {
	case builds > 1:
		return wire.LimitExceeded(wire.SubscriberLimit + "Only 1 online index can be created or deleted simultaneously per table")
	case creates && globals >= maxGlobalIndexes:
		return wire.LimitExceeded(wire.SubscriberLimit + "Number of global secondary indexes exceeds per-table limit of 20")
	}
	return nil
}

func (r *updateTableRequest) removes(name string) bool {
	for i := range r.indexes.V {
		if u := &r.indexes.V[i].delete; u.Set && u.name.V == name {
			return true
		}
	}
	return false
}

// admitBesideIndexes rejects some changes of the table while an index is being removed, or created
// and not yet backfilled.
func (r *updateTableRequest) admitBesideIndexes(d *schema.Descriptor, now time.Time) error {
	creating, deleting := changingIndexes(d, now)
	names, being, doing := creating, "created", "creation"
	if len(names) == 0 {
		names, being, doing = deleting, "deleted", "deletion"
	}
	if len(names) == 0 {
		return nil
	}
	while := " when an index is being " + being + ". Table: " + d.Name + " Indexes: " + wire.JavaList(names)
	switch {
	case r.changesIOPS(d):
		return inUse("Can't change table IOPS" + while)
	case r.stream.Set:
		return inUse("Can't change stream status" + while)
	case r.class.Set:
		return inUse("Can't update table class" + while)
	case !r.onDemand.empty():
		return inUse("OnDemandThroughput cannot be updated while index " + doing + " is in progress for indexes: " + wire.JavaList(names))
	}
	return nil
}

// changingIndexes are the names of the indexes that are being created but not yet backfilled, and
// of those being removed.
func changingIndexes(d *schema.Descriptor, now time.Time) (creating, deleting []string) {
	for i := range d.Indexes {
		x := &d.Indexes[i]
		switch status, backfilling := indexStatusOf(d, x, now); {
		case status == schema.StatusCreating && !backfilling:
			creating = append(creating, x.Name)
		case status == schema.StatusDeleting:
			deleting = append(deleting, x.Name)
		}
	}
	return creating, deleting
}

// changesIOPS tells whether the table's throughput or billing mode is to change. To send the
// present mode is no change.
func (r *updateTableRequest) changesIOPS(d *schema.Descriptor) bool {
	return r.throughput.Set || r.switches(d)
}

// admitBeside rejects changes while another one keeps the table UPDATING. Deletion protection,
// encryption, warm throughput and the throughput of indexes are admitted, and so are updates that
// change nothing.
func (r *updateTableRequest) admitBeside(d *schema.Descriptor) error {
	_, builds := r.builds()
	if !builds && !r.changesIOPS(d) && !r.stream.Set && !r.class.Set && r.onDemand.empty() {
		return nil
	}
	switch with := d.BusyWith; {
	case with == busyIOPS, with == busyBilling:
		return r.besideIOPS(d)
	case strings.HasPrefix(with, "STREAM"):
		return r.besideStream(d, strings.TrimPrefix(with, "STREAM "))
	case strings.HasPrefix(with, busyClass):
		return r.besideClass(d, strings.TrimPrefix(with, busyClass))
	}
	return errUpdating(d)
}

// errUpdating is the error for cases of which no answer is recorded.
func errUpdating(d *schema.Descriptor) error {
	return inUse("Table: " + d.Name + " is in the process of being updated.")
}

// besideIOPS is the error for a change while throughput or the billing mode changes.
func (r *updateTableRequest) besideIOPS(d *schema.Descriptor) error {
	_, builds := r.builds()
	switch {
	case builds:
		return inUse("Can't create or delete indexes while table IOPS are being updated. Table: " + d.Name)
	case r.changesIOPS(d):
		return inUse("Table IOPS are currently being updated. Table: " + d.Name)
	case r.stream.Set:
		return inUse("Can't enable or disable stream while table IOPS are being updated. Table: " + d.Name)
	case !r.onDemand.empty() && d.BusyWith == busyBilling:
		return inUse("OnDemandThroughput cannot be updated while BillingMode update is in progress")
	}
	return errUpdating(d)
}

// besideStream is the error for a change while the stream is switched; operation is ENABLE or
// DISABLE.
func (r *updateTableRequest) besideStream(d *schema.Descriptor, operation string) error {
	creates, builds := r.builds()
	of := " Table: " + d.Name + " Stream: " + d.StreamLabel + " Operation: " + operation
	switch {
	case creates:
		return inUse("Can't create index when stream status is being updated." + of)
	case builds: // not recorded; worded like the one above
		return inUse("Can't delete index when stream status is being updated." + of)
	case r.changesIOPS(d):
		return inUse("Can't change table IOPS when stream status is being updated." + of)
	case r.stream.Set:
		return inUse("A stream status change is currently in progress." + of)
	case r.class.Set:
		return inUse("Can't update table class when stream status is being updated." + of)
	}
	return inUse("OnDemandThroughput cannot be updated while stream status update is in progress")
}

// besideClass is the error for a change while the table class changes.
func (r *updateTableRequest) besideClass(d *schema.Descriptor, class string) error {
	_, builds := r.builds()
	while := " when a table class update is in progress. Table: " + d.Name + " TableClassUpdateInProgress: " + class
	switch {
	case builds:
		return inUse("Can't create or delete an index" + while)
	case r.changesIOPS(d):
		return inUse("Can't change table IOPS" + while)
	case r.stream.Set:
		return inUse("Can't change stream status" + while)
	case r.class.Set:
		return inUse("Can't update table class" + while)
	}
	return inUse("OnDemandThroughput cannot be updated while TableClass update is in progress. TableClassUpdateInProgress: " + class)
}
