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

type updateTableRequest struct {
	attributes      optList[attributeDefinition]
	table           wire.OptString
	billing         wire.OptString
	throughput      unitPair
	indexes         optList[indexUpdate]
	stream          streamSpec
	sse             sseSpec
	replicas        optList[replicaUpdate]
	class           wire.OptString
	protection      wire.OptBool
	consistency     wire.OptString
	witnesses       optList[replicaUpdate]
	onDemand        unitPair
	warm            unitPair
	replicationMode wire.OptString
	vectors         optList[struct{}]
	disassociation  wire.OptBool
}

var updateTableMembers = members[*updateTableRequest]{
	{Name: "AttributeDefinitions", Read: func(r *updateTableRequest, c op) error {
		return c.attributeDefinitions(&r.attributes)
	}},
	{Name: "TableName", Read: func(r *updateTableRequest, c op) error { return c.ReadString(&r.table) }},
	{Name: "BillingMode", Read: func(r *updateTableRequest, c op) error { return c.ReadString(&r.billing) }},
	{Name: "ProvisionedThroughput", Read: func(r *updateTableRequest, c op) error {
		return c.provisionedThroughput(&r.throughput)
	}},
	{Name: "GlobalSecondaryIndexUpdates", Read: func(r *updateTableRequest, c op) error {
		return c.indexUpdates(&r.indexes)
	}},
	{Name: "StreamSpecification", Read: func(r *updateTableRequest, c op) error { return c.streamSpec(&r.stream) }},
	{Name: "SSESpecification", Read: func(r *updateTableRequest, c op) error { return c.sseSpec(&r.sse) }},
	{Name: "ReplicaUpdates", Read: func(r *updateTableRequest, c op) error {
		return c.replicaUpdates(&r.replicas, "ReplicationGroupUpdate", "ReplicationGroupMemberAction")
	}},
	{Name: "TableClass", Read: func(r *updateTableRequest, c op) error { return c.ReadString(&r.class) }},
	{Name: "DeletionProtectionEnabled", Read: func(r *updateTableRequest, c op) error {
		return c.ReadBool(&r.protection)
	}},
	{Name: "MultiRegionConsistency", Read: func(r *updateTableRequest, c op) error {
		return c.ReadString(&r.consistency)
	}},
	{Name: "GlobalTableWitnessUpdates", Read: func(r *updateTableRequest, c op) error {
		return c.replicaUpdates(&r.witnesses, "GlobalTableWitnessGroupUpdate", "GlobalTableWitnessGroupMemberAction")
	}},
	{Name: "OnDemandThroughput", Read: func(r *updateTableRequest, c op) error {
		return c.onDemandThroughput(&r.onDemand)
	}},
	{Name: "WarmThroughput", Read: func(r *updateTableRequest, c op) error { return c.warmThroughput(&r.warm) }},
	{Name: "GlobalTableSettingsReplicationMode", Read: func(r *updateTableRequest, c op) error {
		return c.ReadString(&r.replicationMode)
	}},
	{Name: "VectorIndexUpdates", Read: func(r *updateTableRequest, c op) error {
		return c.vectorIndexUpdates(&r.vectors)
	}},
	{Name: "DisassociationProtectionEnabled", Read: func(r *updateTableRequest, c op) error {
		return c.ReadBool(&r.disassociation)
	}},
}

// UpdateTable answers UpdateTable. Everything that depends on the table is checked in apply, on the
// descriptor that is changed: the table looked up here can be an older one.
func UpdateTable(cl *call.Call) error {
	c := op{cl}
	r := new(updateTableRequest)
	if err := wire.Decode(&c.Reader, r, c, updateTableMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	t, err := c.lookupFor("UpdateTable", r.table.V)
	if err != nil {
		return err
	}
	now, sizes := c.DB.Now(), r.sizes(c.DB, t)
	shown := db.Shown(r.busy(&t.Descriptor))
	old, new, err := c.DB.Alter(c.Ctx, t.Namespace, t.Name, shown, func(d *schema.Descriptor) error {
		return r.apply(d, c.Region, now)
	})
	if errors.Is(err, db.ErrTableNotFound) {
		return errNoTable(t.Name)
	}
	if err != nil {
		return err
	}
	d := r.answer(old, new, now)
	d.sizes = sizes
	c.describe("TableDescription", d)
	return nil
}

// ---- checks before the table is looked up

// check checks all that does not depend on the table.
func (r *updateTableRequest) check() error {
	if err := tableRequired(r.table); err != nil {
		return err
	}
	var v violations
	r.constraints(&v)
	for _, check := range []func() error{
		v.Err,
		r.checkRequested,
		r.checkBilling,
		r.checkIndexUpdates,
		r.checkConcerns,
		r.checkIndexCreates,
		r.stream.checkUpdate,
		r.sse.check,
		func() error { return checkTableClass(r.class) },
		func() error { return checkReplicaShape(r.replicas.V) },
		func() error { return checkReplicationMode(r.replicationMode) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// constraints checks each member by itself.
func (r *updateTableRequest) constraints(v *violations) {
	v.attributeDefinitions(r.attributes)
	v.controlTable(r.table)
	v.Enum(r.billing, "billingMode", enumBilling)
	v.provisioned(r.throughput, "provisionedThroughput")
	for i := range r.indexes.V {
		r.indexes.V[i].constraints(v, element("globalSecondaryIndexUpdates", i))
	}
	v.stream(r.stream)
	v.sse(r.sse)
	v.replicas(r.replicas)
	v.Enum(r.consistency, "multiRegionConsistency", enumConsistency)
	v.Enum(r.replicationMode, "globalTableSettingsReplicationMode", enumReplication)
}

// concerns counts the changes that the request asks for. AttributeDefinitions,
// MultiRegionConsistency and empty structures and lists are none.
func (r *updateTableRequest) concerns() int {
	n := 0
	for _, asked := range []bool{
		r.billing.Set, r.throughput.Set, len(r.indexes.V) > 0, r.stream.Set, r.sse.Set,
		r.replicas.Set, r.class.Set, r.protection.Set, named(r.witnesses.V),
		!r.onDemand.empty(), !r.warm.empty(), r.replicationMode.Set, len(r.vectors.V) > 0, r.disassociation.Set,
	} {
		if asked {
			n++
		}
	}
	return n
}

// checkRequested requires that the request asks for a change.
func (r *updateTableRequest) checkRequested() error {
	switch {
	case r.concerns() > 0:
		return nil
	// AWS answers an empty structure alone with an InternalFailure; these texts are in its place.
	case r.warm.Set:
		return wire.Validation(wire.Invalid + "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for table")
	case r.onDemand.Set:
		return wire.Validation(wire.Invalid + "OnDemandThroughput must have at least one of MaxReadRequestUnits or MaxWriteRequestUnits specified for table")
	}
	consistency := "MultiRegionConsistency, "
	if r.consistency.Set {
		consistency = "" // the list leaves out what was sent
	}
	return wire.Validation("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, " +
		"ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, " + consistency + "DeletionProtectionEnabled, OnDemandThroughput, " +
		"WarmThroughput or TableClass is required")
}

func (r *updateTableRequest) checkBilling() error {
	switch mode := schema.BillingMode(r.billing.V); {
	case mode == schema.Provisioned && !r.throughput.Set:
		return wire.Validation(wire.Invalid + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	case mode == schema.PayPerRequest && r.throughput.Set:
		return errUnitsOnDemand
	}
	return r.throughput.checkBounds("")
}

// checkConcerns checks which changes can be in one request.
func (r *updateTableRequest) checkConcerns() error {
	n := r.concerns()
	creates, builds := r.builds()
	warm := !r.warm.empty()
	switch {
	case r.sse.Set && n > 1:
		return errOnly("Server-Side Encryption modification")
	case r.class.Set && n > 1:
		return errOnly("TableClass modification")
	case r.protection.Set && n > 1:
		return errOnly("DeletionProtection modification")
	case r.replicas.Set && n > 1 && (n > 2 || !named(r.witnesses.V)):
		return errOnly("Replica modification")
	case named(r.witnesses.V) && n > 1 && !r.replicas.Set:
		return wire.Validation(wire.Invalid + "Requests that modify replicas or witnesses must not also modify other fields")
	case creates && (warm || r.warmsIndex()):
		return wire.Validation(wire.Invalid + "Create global secondary index cannot be specified when updating WarmThroughput")
	case warm && n > 1:
		return errOnly("WarmThroughput")
	case !r.onDemand.empty() && n > 1 && (n > 2 || !r.billing.Set):
		return wire.Validation(wire.Invalid + "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request")
	case r.stream.Set && r.throughput.Set:
		return wire.Validation(wire.Invalid + "You cannot modify stream status while updating table IOPS")
	case builds && r.throughput.Set:
		return wire.Validation(wire.Invalid + "You cannot create or delete index while updating table IOPS")
	case builds && r.stream.Set:
		return wire.Validation(wire.Invalid + "You cannot create or delete index while changing stream status")
	}
	return nil
}

// errOnly is the error for a change that must be alone in its request.
func errOnly(change string) error {
	return wire.Validation(wire.Invalid + change + " must be the only operation in the request")
}

// ---- the change, with the table's descriptor at hand

// mode is the billing mode that the table has after the change.
func (r *updateTableRequest) mode(d *schema.Descriptor) schema.BillingMode {
	if r.billing.Set {
		return schema.BillingMode(r.billing.V)
	}
	return d.Billing
}

func (r *updateTableRequest) switches(d *schema.Descriptor) bool { return r.mode(d) != d.Billing }

// busy tells whether the table is UPDATING for a while. It is not for changes that AWS makes at
// once or without a change of the table's status: deletion protection, encryption, on-demand and
// warm throughput, and the throughput of indexes.
func (r *updateTableRequest) busy(d *schema.Descriptor) bool { return r.busyWith(d) != "" }

// busyWith is the Descriptor.BusyWith of the change; empty if the table is not UPDATING for it.
func (r *updateTableRequest) busyWith(d *schema.Descriptor) string {
	_, builds := r.builds()
	switch {
	case r.switches(d):
		return busyBilling
	case r.throughput.Set:
		return busyIOPS
	case r.stream.Set && r.stream.enabled.V:
		return busyStreamOn
	case r.stream.Set:
		return busyStreamOff
	case r.class.Set && !r.sameClass(d):
		return busyClass + r.class.V
	case builds:
		return busyIndex
	}
	return ""
}

func (r *updateTableRequest) sameClass(d *schema.Descriptor) bool {
	return r.class.V == d.TableClass || d.TableClass == "" && r.class.V == "STANDARD"
}

// apply makes the change on a copy of the table's descriptor, or returns why it cannot be made:
// first errors of state, then those of each part. db.Alter can call it again, with another
// descriptor.
func (r *updateTableRequest) apply(d *schema.Descriptor, region string, now time.Time) error {
	if err := r.admit(d, now); err != nil {
		return err
	}
	if err := r.refuseGlobal(d, region); err != nil {
		return err
	}
	with := r.busyWith(d) // of the table as it was: it compares with the present mode and class
	for _, apply := range []func() error{
		func() error { return r.applyBilling(d, region, now) },
		func() error { return r.applyIndexes(d, region, now) },
		func() error { return r.applyOnDemand(d, region) },
		func() error { return r.applyWarm(d, region) },
		func() error { return r.applyStream(d) },
		func() error { return r.applySSE(d, region) },
	} {
		if err := apply(); err != nil {
			return err
		}
	}
	if r.class.Set && !r.sameClass(d) {
		d.TableClass, d.TableClassUpdated = r.class.V, now // AWS's limit of two changes in 30 days is not kept
	}
	if r.protection.Set {
		d.DeletionProtection = r.protection.V // AWS throttles changes for 15 s, until all regions have it
	}
	if with != "" {
		d.BusyWith = with
	}
	return nil
}

// applyBilling changes the billing mode and the table's throughput.
func (r *updateTableRequest) applyBilling(d *schema.Descriptor, region string, now time.Time) error {
	mode := r.mode(d)
	if r.throughput.Set && mode == schema.PayPerRequest {
		return errUnitsOnDemand
	}
	if err := r.throughput.checkQuota("", region); err != nil {
		return err
	}
	if r.throughput.Set && !r.switches(d) {
		if err := r.throughput.unchanged("", &d.Throughput); err != nil {
			return err
		}
		warm := warmOf(mode, d.Throughput, d.Warm)
		d.Warm = &warm // it does not fall with the throughput
		return provision(&d.Throughput, r.throughput, now)
	}
	if !r.switches(d) {
		return nil
	}
	if mode == schema.Provisioned {
		return r.toProvisioned(d)
	}
	r.toOnDemand(d, now)
	return nil
}

// toProvisioned switches an on-demand table. The request must have the throughput of every global
// index too, which applyIndexes sets.
func (r *updateTableRequest) toProvisioned(d *schema.Descriptor) error {
	for i := range d.Indexes {
		x := &d.Indexes[i]
		if u := r.updateOf(x.Name); x.Kind == schema.GlobalIndex && !x.Dropping && (u == nil || !u.throughput.Set) {
			return wire.Validation(wire.Invalid + "ProvisionedThroughput must be specified for index: " + x.Name)
		}
	}
	keepWarm(d)
	d.Billing = schema.Provisioned
	d.Throughput.Read, d.Throughput.Write = r.throughput.read.V, r.throughput.write.V
	d.OnDemand = nil
	for i := range d.Indexes {
		d.Indexes[i].OnDemand = nil
	}
	return nil
}

// toOnDemand switches a provisioned table.
func (r *updateTableRequest) toOnDemand(d *schema.Descriptor, now time.Time) {
	keepWarm(d)
	d.Billing, d.PayPerRequestSince = schema.PayPerRequest, now
	d.Throughput.Read, d.Throughput.Write = 0, 0
	for i := range d.Indexes {
		d.Indexes[i].Throughput.Read, d.Indexes[i].Throughput.Write = 0, 0
	}
}

// keepWarm stores the warm throughput that the table and its indexes have. It comes before a change
// of the billing mode, since warm throughput is derived from the mode and must not fall.
func keepWarm(d *schema.Descriptor) {
	warm := warmOf(d.Billing, d.Throughput, d.Warm)
	d.Warm = &warm
	for i := range d.Indexes {
		if x := &d.Indexes[i]; x.Kind == schema.GlobalIndex {
			warm := warmOf(d.Billing, x.Throughput, x.Warm)
			x.Warm = &warm
		}
	}
}

func (r *updateTableRequest) applyOnDemand(d *schema.Descriptor, region string) error {
	if r.onDemand.empty() {
		return nil
	}
	if err := r.onDemand.checkOnDemandMode("", d.Billing, false); err != nil {
		return err
	}
	if err := r.onDemand.checkOnDemand("", region, false); err != nil {
		return err
	}
	d.OnDemand = cleared(r.onDemand.merge(d.OnDemand))
	return nil
}

func (r *updateTableRequest) applyWarm(d *schema.Descriptor, region string) error {
	if r.warm.empty() {
		return nil
	}
	now := warmOf(d.Billing, d.Throughput, d.Warm)
	if err := r.warm.checkWarm("", now, d.Billing, region, false); err != nil {
		return err
	}
	d.Warm = r.warm.over(now)
	return nil
}

// applyStream switches the stream on or off. The label of the latest stream stays, to be shown,
// until package db makes the next stream.
func (r *updateTableRequest) applyStream(d *schema.Descriptor) error {
	switch {
	case !r.stream.Set:
		return nil
	case r.stream.enabled.V && d.StreamViewType != "":
		return wire.Validation("Table already has an enabled stream: TableName: " + d.Name)
	case !r.stream.enabled.V && d.StreamViewType == "":
		return wire.Validation("Table has no stream to disable: TableName: " + d.Name)
	}
	d.StreamViewType = schema.ViewType(r.stream.view.V)
	return nil
}

// applySSE changes the encryption. AWS compares a key only with the ARN that it shows; another name
// of the same key makes it encrypt the table again. Its limit of four changes a day is not kept:
// here nothing is encrypted again.
func (r *updateTableRequest) applySSE(d *schema.Descriptor, region string) error {
	switch {
	case !r.sse.Set:
		return nil
	case !r.sse.on() && d.SSEType == "":
		return wire.Validation(wire.Invalid + "Table is already encrypted by default")
	case d.SSEType != "" && strings.HasPrefix(r.sse.key.V, "arn:") && r.sse.key.V == keyARN(d.SSEKey, region):
		return wire.Validation(wire.Invalid + "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key")
	}
	r.sse.store(d)
	return nil
}

// ---- the answer

// answer is the table as UpdateTable shows it: mostly as it was before, with everything that
// changes marked UPDATING. It edits a copy of new, which all requests share.
func (r *updateTableRequest) answer(old, new *db.Table, now time.Time) *description {
	shown := *new
	d := newDescription(&shown, now)
	d.status = old.Status(now)
	if r.billing.Set || r.class.Set || r.busy(&old.Descriptor) {
		d.status = schema.StatusUpdating // on AWS even if nothing changes
	}
	switched := r.switches(&old.Descriptor)
	if r.throughput.Set && !switched {
		shown.Throughput.Read, shown.Throughput.Write = old.Throughput.Read, old.Throughput.Write
		shown.Throughput.DecreasesToday = decreasesToday(&old.Throughput, now)
	}
	d.noSince = switched
	d.warm = &describedWarm{warmOf(old.Billing, old.Throughput, old.Warm), schema.StatusActive}
	if !r.warm.empty() {
		d.warm.status = schema.StatusUpdating
	}
	if !r.onDemand.empty() {
		d.onDemand = r.onDemand.merge(old.OnDemand) // with -1 for what is cleared
	}
	if r.class.Set {
		shown.TableClass, shown.TableClassUpdated = old.TableClass, old.TableClassUpdated
	}
	if r.sse.Set {
		d.sse = schema.StatusUpdating
		if old.SSEType != "" {
			shown.SSEType, shown.SSEKey = old.SSEType, old.SSEKey
		}
	}
	d.index = r.answerIndex(old, d.index, switched)
	return d
}

// sizes are those of the indexes to be made and removed, taken before the change: the jobs that
// build and clear them can be done when the answer is written.
func (r *updateTableRequest) sizes(d *db.DB, t *db.Table) map[string]size {
	sizes := map[string]size{}
	for i := range r.indexes.V {
		u := &r.indexes.V[i]
		name := u.action().name.V
		switch x := t.Index(name); {
		case u.create.Set:
			sizes[name] = size{}
		case u.delete.Set && x != nil:
			sizes[name] = sizeOf(d, t, x)
		}
	}
	return sizes
}

// answerIndex returns how indexes are shown: a new one CREATING, one that is removed DELETING, and
// one whose throughput changes UPDATING with its old numbers, unless the whole table switches its
// billing mode.
func (r *updateTableRequest) answerIndex(
	old *db.Table, index func(*schema.Index) describedIndex, switched bool,
) func(*schema.Index) describedIndex {
	return func(x *schema.Index) describedIndex {
		was := old.Index(x.Name)
		if was == nil {
			return describedIndex{
				status: schema.StatusCreating, backfilling: "false", throughput: &x.Throughput, onDemand: x.OnDemand,
			}
		}
		v := index(x)
		v.warm = &describedWarm{warmOf(old.Billing, was.Throughput, was.Warm), schema.StatusActive}
		u := r.updateOf(x.Name)
		if u == nil {
			return v
		}
		if u.throughput.Set || !u.onDemand.empty() {
			v.status = schema.StatusUpdating
		}
		if u.throughput.Set && !switched {
			v.throughput = &was.Throughput
		}
		if !u.onDemand.empty() {
			v.onDemand = u.onDemand.merge(was.OnDemand)
		}
		if !u.warm.empty() {
			v.warm.status = schema.StatusUpdating
		}
		return v
	}
}
