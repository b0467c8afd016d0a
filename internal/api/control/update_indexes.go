package control

import (
	"slices"
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// indexUpdate is a GlobalSecondaryIndexUpdate: one action on one index.
type indexUpdate struct{ update, create, delete indexSpec }

// indexUpdates decodes GlobalSecondaryIndexUpdates.
func (c op) indexUpdates(dst *optList[indexUpdate]) error {
	return structs(c, dst, "GlobalSecondaryIndexUpdate", func(u *indexUpdate, name string) error {
		switch name {
		case "Update":
			return c.indexAction(&u.update, "UpdateGlobalSecondaryIndexAction")
		case "Create":
			return c.indexAction(&u.create, "CreateGlobalSecondaryIndexAction")
		case "Delete":
			return c.indexAction(&u.delete, "DeleteGlobalSecondaryIndexAction")
		}
		return c.Skip()
	})
}

func (c op) indexAction(dst *indexSpec, shape string) error {
	*dst = indexSpec{Set: true}
	return c.ReadObject(wire.InField, shape, func(name string) error { return dst.member(c, name) })
}

// action is the one action that a checked update has; before the check, the first of several, or
// nil.
func (u *indexUpdate) action() *indexSpec {
	for _, x := range []*indexSpec{&u.update, &u.create, &u.delete} {
		if x.Set {
			return x
		}
	}
	return nil
}

func (u *indexUpdate) constraints(v *violations, at string) {
	if u.update.Set {
		v.indexName(u.update.name, at+".update.indexName")
		v.provisioned(u.update.throughput, at+".update.provisionedThroughput")
	}
	if u.create.Set {
		v.globalIndex(&u.create, at+".create")
	}
	if u.delete.Set {
		v.indexName(u.delete.name, at+".delete.indexName")
	}
}

// checkIndexUpdates requires one action in each update, and one update of each index.
func (r *updateTableRequest) checkIndexUpdates() error {
	if r.indexes.Set && len(r.indexes.V) == 0 {
		return wire.Validation(wire.Invalid + "List of GlobalSecondaryIndexUpdates is empty")
	}
	for i := range r.indexes.V {
		u := &r.indexes.V[i]
		n := 0
		for _, set := range []bool{u.update.Set, u.create.Set, u.delete.Set} {
			if set {
				n++
			}
		}
		switch {
		case n == 0:
			return wire.Validation(wire.Invalid + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, " +
				"GlobalSecondaryIndexUpdate.Delete must not be null")
		case n > 1:
			return wire.Validation(wire.Invalid + "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")
		}
	}
	return r.checkIndexesOnce()
}

// checkIndexesOnce requires one update of each index, and WarmThroughput with members.
func (r *updateTableRequest) checkIndexesOnce() error {
	seen := map[string]bool{}
	for i := range r.indexes.V {
		x := r.indexes.V[i].action()
		if seen[x.name.V] {
			return wire.Validation(wire.Invalid + "Only one global secondary index update per index is allowed simultaneously. Index: " + x.name.V)
		}
		seen[x.name.V] = true
	}
	for i := range r.indexes.V {
		if u := &r.indexes.V[i].update; u.warm.Set && u.warm.empty() {
			return wire.Validation(wire.Invalid + "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: " +
				u.name.V)
		}
	}
	return nil
}

// checkIndexCreates checks the indexes to be made, as far as that needs no table.
// AttributeDefinitions must define their keys in this request, even if the table defines them
// already.
func (r *updateTableRequest) checkIndexCreates() error {
	for i := range r.indexes.V {
		u := &r.indexes.V[i]
		x := u.action()
		if err := x.throughput.checkBounds(owner(x.name.V)); err != nil {
			return err
		}
		if !u.create.Set {
			continue
		}
		if len(r.attributes.V) == 0 {
			return wire.Validation(wire.Invalid + "AttributeDefinitions is not specified for index: " + x.name.V)
		}
		if err := x.checkGlobal(r.attributes.V); err != nil {
			return err
		}
	}
	return nil
}

// builds tells whether indexes are to be made, and whether any are to be made or removed.
func (r *updateTableRequest) builds() (creates, any bool) {
	for i := range r.indexes.V {
		creates = creates || r.indexes.V[i].create.Set
		any = any || !r.indexes.V[i].update.Set
	}
	return creates, any
}

// warmsIndex tells whether the warm throughput of an index is to be changed.
func (r *updateTableRequest) warmsIndex() bool {
	return slices.ContainsFunc(r.indexes.V, func(u indexUpdate) bool { return !u.update.warm.empty() })
}

// updateOf is the Update of the named index, or nil.
func (r *updateTableRequest) updateOf(name string) *indexSpec {
	for i := range r.indexes.V {
		if u := &r.indexes.V[i].update; u.Set && u.name.V == name {
			return u
		}
	}
	return nil
}

// applyIndexes makes the admitted changes of indexes. It comes after applyBilling: throughput is
// checked against the new billing mode.
func (r *updateTableRequest) applyIndexes(d *schema.Descriptor, region string, now time.Time) error {
	for i := range r.indexes.V {
		u := &r.indexes.V[i]
		var err error
		switch {
		case u.update.Set:
			err = r.updateIndex(d, &u.update, region, now)
		case u.create.Set:
			err = r.createIndex(d, &u.create, region)
		default:
			d.Index(u.delete.name.V).Drop()
		}
		if err != nil {
			return err
		}
	}
	return checkProjected(d.Indexes)
}

// updateIndex changes the throughput of an index.
func (r *updateTableRequest) updateIndex(d *schema.Descriptor, u *indexSpec, region string, now time.Time) error {
	x, of := d.Index(u.name.V), owner(u.name.V)
	idle := u.onDemand.empty() && u.warm.empty()
	switch {
	case d.Billing == schema.PayPerRequest && (u.throughput.Set || idle):
		return wire.Validation(wire.Invalid + "The only Updates for index: " + x.Name + " when TableThroughputMode is PAY_PER_REQUEST can be to " +
			"OnDemandThroughput, WarmThroughput")
	case !u.throughput.Set && idle:
		return wire.Validation(wire.Invalid + "ProvisionedThroughput must be specified for index: " + x.Name)
	}
	if err := r.provisionIndex(x, u, region, now); err != nil {
		return err
	}
	if err := u.onDemand.checkOnDemandMode(of, d.Billing, false); err != nil {
		return err
	}
	if err := u.onDemand.checkOnDemand(of, region, false); err != nil {
		return err
	}
	if !u.onDemand.empty() {
		x.OnDemand = cleared(u.onDemand.merge(x.OnDemand))
		x.MarkUpdating()
	}
	if u.warm.empty() {
		return nil
	}
	warm := warmOf(d.Billing, x.Throughput, x.Warm)
	if err := u.warm.checkWarm(of, warm, d.Billing, region, false); err != nil {
		return err
	}
	x.Warm = u.warm.over(warm)
	return nil
}

// provisionIndex changes the provisioned units of an index, if the update has any.
func (r *updateTableRequest) provisionIndex(x *schema.Index, u *indexSpec, region string, now time.Time) error {
	if !u.throughput.Set {
		return nil
	}
	of := owner(x.Name)
	if err := u.throughput.checkQuota(of, region); err != nil {
		return err
	}
	if x.Throughput.Read == 0 { // the table is switched from on-demand: neither a decrease nor UPDATING
		x.Throughput.Read, x.Throughput.Write = u.throughput.read.V, u.throughput.write.V
		return nil
	}
	if err := u.throughput.unchanged(of, &x.Throughput); err != nil {
		return err
	}
	warm := warmOf(schema.Provisioned, x.Throughput, x.Warm)
	x.Warm = &warm
	x.MarkUpdating()
	return provision(&x.Throughput, u.throughput, now)
}

// createIndex adds an index, and the definitions of its key attributes. A definition that a key
// uses already keeps its type: it is the type of stored keys.
func (r *updateTableRequest) createIndex(d *schema.Descriptor, s *indexSpec, region string) error {
	if err := checkNewIndexMode(s, d.Billing, region); err != nil {
		return err
	}
	d.Attributes = usedAttributes(d)
	for _, a := range attributes(r.attributes.V) {
		used := slices.ContainsFunc(s.keys.V, func(k keyElement) bool { return k.name.V == a.Name })
		known := slices.ContainsFunc(d.Attributes, func(b schema.AttributeDefinition) bool { return b.Name == a.Name })
		if used && !known {
			d.Attributes = append(d.Attributes, a)
		}
	}
	d.Indexes = append(d.Indexes, s.provisionedIndex())
	return nil
}

// checkNewIndexMode checks that the throughput of a new index fits the table's billing mode.
func checkNewIndexMode(s *indexSpec, mode schema.BillingMode, region string) error {
	of := owner(s.name.V)
	switch {
	case mode == schema.PayPerRequest && s.throughput.Set:
		return wire.Validation(wire.Invalid + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: " + s.name.V +
			" when BillingMode is PAY_PER_REQUEST")
	case mode == schema.Provisioned && !s.throughput.Set:
		return wire.Validation(wire.Invalid + "Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: " + s.name.V)
	}
	if err := s.throughput.checkQuota(of, region); err != nil {
		return err
	}
	if err := s.onDemand.checkOnDemandMode(of, mode, false); err != nil {
		return err
	}
	if err := s.onDemand.checkOnDemand(of, region, true); err != nil {
		return err
	}
	least := warmOf(mode, schema.Throughput{Read: s.throughput.read.V, Write: s.throughput.write.V}, nil)
	return s.warm.checkWarm(of, least, mode, region, true)
}
