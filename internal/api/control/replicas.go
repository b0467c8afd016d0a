package control

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// Partita is one region and has no vector indexes. Requests for replicas or vector indexes are
// decoded and checked as on AWS, and then rejected: with AWS's own words, if it has any for the
// case.

type (
	// replicaUpdate is a ReplicationGroupUpdate or a GlobalTableWitnessGroupUpdate.
	replicaUpdate struct{ create, update, delete, disassociate replicaAction }
	// replicaAction is one action: its region, and the members that have constraints.
	replicaAction struct {
		Set          bool
		region, mode wire.OptString // mode is the DisassociationMode
		replicaSettings
	}
	// replicaSettings are settings of a replica or of one of its indexes.
	replicaSettings struct {
		units   unitPair // ProvisionedThroughputOverride, which has read units only
		indexes optList[replicaIndex]
	}
	// replicaIndex is a ReplicaGlobalSecondaryIndex.
	replicaIndex struct {
		name wire.OptString
		replicaSettings
	}
)

// actions are an update's actions, sent or not, with the names of their members.
func (u *replicaUpdate) actions() []struct {
	name   string
	action *replicaAction
} {
	return []struct {
		name   string
		action *replicaAction
	}{{"create", &u.create}, {"update", &u.update}, {"delete", &u.delete}, {"disassociate", &u.disassociate}}
}

func (c op) replicaUpdates(dst *optList[replicaUpdate], shape, actionShape string) error {
	return structs(c, dst, shape, func(u *replicaUpdate, name string) error {
		full := shape == "ReplicationGroupUpdate" // witnesses have a region and nothing else
		switch name {
		case "Create":
			return c.replicaAction(&u.create, "Create"+actionShape, full)
		case "Update":
			return c.replicaAction(&u.update, "Update"+actionShape, full)
		case "Delete":
			return c.replicaAction(&u.delete, "Delete"+actionShape, false)
		case "Disassociate":
			return c.replicaAction(&u.disassociate, "Disassociate"+actionShape, false)
		}
		return c.Skip()
	})
}

// replicaAction decodes one action. Only the region matters: the settings of a replica, which a
// full action has, are decoded for their type errors and constraints alone.
func (c op) replicaAction(dst *replicaAction, shape string, full bool) error {
	*dst = replicaAction{Set: true}
	return c.ReadObject(wire.InField, shape, func(name string) error {
		switch {
		case name == "RegionName":
			return c.ReadString(&dst.region)
		case name == "DisassociationMode" && shape == "DisassociateReplicationGroupMemberAction":
			return c.ReadString(&dst.mode)
		case full:
			return c.replicaSetting(&dst.replicaSettings, name)
		}
		return c.Skip()
	})
}

func (c op) replicaSetting(dst *replicaSettings, name string) error {
	switch name {
	case "KMSMasterKeyId", "TableClassOverride":
		return c.ReadString(new(wire.OptString))
	case "ProvisionedThroughputOverride":
		return c.unitPair(&dst.units, name, "ReadCapacityUnits", "ReadCapacityUnits") // a single unit
	case "OnDemandThroughputOverride":
		return c.unitPair(new(unitPair), name, "MaxReadRequestUnits", "MaxReadRequestUnits")
	case "GlobalSecondaryIndexes":
		return structs(c, &dst.indexes, "ReplicaGlobalSecondaryIndex", func(x *replicaIndex, name string) error {
			if name == "IndexName" {
				return c.ReadString(&x.name)
			}
			return c.replicaSetting(&x.replicaSettings, name) // an index has some of a table's settings
		})
	}
	return c.Skip()
}

func (v *violations) replicas(us optList[replicaUpdate]) {
	if us.Set {
		v.Length(len(us.V), "[]", "replicaUpdates", 1, 0)
	}
	for i := range us.V {
		for _, a := range us.V[i].actions() {
			if a.action.Set {
				a.action.constraints(v, element("replicaUpdates", i)+"."+a.name)
			}
		}
		if d := &us.V[i].disassociate; d.Set {
			v.requiredEnum(d.mode, element("replicaUpdates", i)+".disassociate.disassociationMode", enumDisassociation)
		}
	}
}

// enumDisassociation are the ways for a replica to leave its group.
var enumDisassociation = wire.Enum{"WAIT_FOR_REPLICATION"}

// constraints checks the members of the action at the path.
func (a *replicaAction) constraints(v *violations, at string) {
	if !a.region.Set {
		v.Null(at + ".regionName")
	}
	v.Integer(a.units.read, at+".provisionedThroughputOverride.readCapacityUnits", 1, 0)
	if a.indexes.Set {
		v.Length(len(a.indexes.V), "[]", at+".globalSecondaryIndexes", 1, 0)
	}
	for i := range a.indexes.V {
		x, at := &a.indexes.V[i], element(at+".globalSecondaryIndexes", i)
		v.indexName(x.name, at+".indexName")
		v.Integer(x.units.read, at+".provisionedThroughputOverride.readCapacityUnits", 1, 0)
	}
}

// checkReplicaShape is the rules between the actions of ReplicaUpdates.
func checkReplicaShape(us []replicaUpdate) error {
	changes := 0
	for i := range us {
		n := 0
		for _, a := range us[i].actions() {
			if a.action.Set {
				n++
			}
		}
		switch {
		case n == 0:
			return wire.Validation("There are no actions specified in the Replica Update Action of the request.")
		case n > 1:
			return wire.Validation("Update table operation with more than one type of replica actions not allowed")
		case !us[i].update.Set:
			changes++
		}
	}
	if changes > 1 {
		return wire.Validation("Update table operation with more than one create or delete replica actions not allowed")
	}
	return nil
}

// refuseReplicas rejects checked ReplicaUpdates of an existing table: there is no other region to
// replicate to, and so no replica to change.
func refuseReplicas(us []replicaUpdate, region string) error {
	for i := range us {
		for _, a := range us[i].actions() {
			switch {
			case !a.action.Set:
			case a.action.region.V == region && a.name != "disassociate":
				return wire.Validation("Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.")
			case a.name == "create":
				return errRegion(a.action.region.V, region)
			}
			if a.action.Set {
				return wire.Validation("Update global table operation failed because one or more replicas were not part of the global table. " +
					"Please retry the request without these replicas: [" + a.action.region.V + "].")
			}
		}
	}
	return nil
}

// errRegion is the error for a region that cannot hold a replica. The only region is the call's
// own.
func errRegion(region, own string) error {
	return wire.Validation("Region " + region + " is not supported. The latest version of global tables are only supported in the following regions: [" + own + "]")
}

// named tells whether any update has an action with a region: AWS counts others as absent.
func named(us []replicaUpdate) bool {
	for i := range us {
		for _, a := range us[i].actions() {
			if a.action.Set && a.action.region.V != "" {
				return true
			}
		}
	}
	return false
}

// refuseWitnesses rejects GlobalTableWitnessUpdates of an existing table.
func refuseWitnesses(us []replicaUpdate, consistency wire.OptString, region string) error {
	if !named(us) {
		return nil
	}
	if consistency.V != "STRONG" {
		return wire.Validation("MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.")
	}
	for i := range us {
		if us[i].create.Set {
			return errRegion(us[i].create.region.V, region)
		}
		if us[i].delete.Set {
			return wire.Validation("Update global table operation failed because one or more witnesses were not part of the global table. " +
				"Please retry the request without these witnesses: [" + us[i].delete.region.V + "].")
		}
	}
	return nil
}

// checkReplicationMode checks GlobalTableSettingsReplicationMode: DISABLED is what every table of
// one region has, and is accepted. The wording for ENABLED follows AWS's for
// ENABLED_WITH_OVERRIDES.
func checkReplicationMode(o wire.OptString) error {
	const problem = "' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: Only "
	switch o.V {
	case "ENABLED_WITH_OVERRIDES":
		return wire.Validation("Value '" + o.V + problem + "ENABLED and DISABLED settings replication are supported for a Regional Table.")
	case "ENABLED":
		return wire.Validation("Value '" + o.V + problem + "DISABLED settings replication is supported in this Region.")
	}
	return nil
}

// vectorIndexes decodes VectorIndexes: only their number and type errors matter.
func (c op) vectorIndexes(dst *optList[struct{}]) error {
	return structs(c, dst, "VectorIndex", func(_ *struct{}, name string) error { return c.vectorIndex(name) })
}

// vectorIndexUpdates decodes VectorIndexUpdates likewise.
func (c op) vectorIndexUpdates(dst *optList[struct{}]) error {
	return structs(c, dst, "VectorIndexUpdate", func(_ *struct{}, name string) error {
		switch name {
		case "Create":
			return c.ReadObject(wire.InField, "CreateVectorIndexAction", c.vectorIndex)
		case "Delete":
			return c.ReadObject(wire.InField, "DeleteVectorIndexAction", func(name string) error {
				if name == "IndexName" {
					return c.ReadString(new(wire.OptString))
				}
				return c.Skip()
			})
		}
		return c.Skip()
	})
}

// vectorIndex decodes a member of a vector index, for its type errors alone.
func (c op) vectorIndex(name string) error {
	switch name {
	case "IndexName", "DistanceFunction":
		return c.ReadString(new(wire.OptString))
	case "Dimensions":
		return c.ReadInt(new(wire.OptInt), "Long")
	case "Projection":
		return c.projection(new(projection))
	case "VectorAttribute":
		return c.ReadObject(wire.InField, "VectorAttributeDefinition", c.searchElement)
	case "SearchSchema":
		return structs(c, new(optList[struct{}]), "SearchSchemaElement", func(_ *struct{}, name string) error {
			return c.searchElement(name)
		})
	}
	return c.Skip()
}

func (c op) searchElement(name string) error {
	if name == "AttributeName" || name == "SearchSchemaElementType" {
		return c.ReadString(new(wire.OptString))
	}
	return c.Skip()
}

// refuseVectors rejects vector indexes. AWS has a text for provisioned tables only; the other one
// is ours.
func refuseVectors(xs optList[struct{}], mode schema.BillingMode) error {
	switch {
	case len(xs.V) == 0:
		return nil
	case mode == schema.Provisioned:
		return wire.Validation(wire.Invalid + "Vector indexes are only supported for PAY_PER_REQUEST tables")
	}
	return wire.Validation(wire.Invalid + "Vector indexes are not supported in this Region")
}

// refuseGlobal rejects everything about other regions in an UpdateTable of an existing table.
func (r *updateTableRequest) refuseGlobal(d *schema.Descriptor, region string) error {
	if err := refuseReplicas(r.replicas.V, region); err != nil {
		return err
	}
	if err := refuseWitnesses(r.witnesses.V, r.consistency, region); err != nil {
		return err
	}
	if r.disassociation.Set {
		return wire.Validation(wire.Invalid + "DisassociationProtection can only be modified for a global table replica: " + d.Name)
	}
	return refuseVectors(r.vectors, r.mode(d))
}
