package control

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

type createTableRequest struct {
	attributes      optList[attributeDefinition]
	table           wire.OptString
	keys            optList[keyElement]
	local           optList[indexSpec]
	global          optList[indexSpec]
	billing         wire.OptString
	throughput      unitPair
	stream          streamSpec
	sse             sseSpec
	tags            optList[tag]
	class           wire.OptString
	protection      wire.OptBool
	warm            unitPair
	policy          wire.OptString
	onDemand        unitPair
	sourceARN       wire.OptString
	replicationMode wire.OptString
	vectors         optList[struct{}]
}

var createTableMembers = members[*createTableRequest]{
	{Name: "AttributeDefinitions", Read: func(r *createTableRequest, c op) error {
		return c.attributeDefinitions(&r.attributes)
	}},
	{Name: "TableName", Read: func(r *createTableRequest, c op) error { return c.ReadString(&r.table) }},
	{Name: "KeySchema", Read: func(r *createTableRequest, c op) error { return c.keySchema(&r.keys) }},
	{Name: "LocalSecondaryIndexes", Read: func(r *createTableRequest, c op) error {
		return c.indexSpecs(&r.local, "LocalSecondaryIndex")
	}},
	{Name: "GlobalSecondaryIndexes", Read: func(r *createTableRequest, c op) error {
		return c.indexSpecs(&r.global, "GlobalSecondaryIndex")
	}},
	{Name: "BillingMode", Read: func(r *createTableRequest, c op) error { return c.ReadString(&r.billing) }},
	{Name: "ProvisionedThroughput", Read: func(r *createTableRequest, c op) error {
		return c.provisionedThroughput(&r.throughput)
	}},
	{Name: "StreamSpecification", Read: func(r *createTableRequest, c op) error { return c.streamSpec(&r.stream) }},
	{Name: "SSESpecification", Read: func(r *createTableRequest, c op) error { return c.sseSpec(&r.sse) }},
	{Name: "Tags", Read: func(r *createTableRequest, c op) error { return c.tags(&r.tags) }},
	{Name: "TableClass", Read: func(r *createTableRequest, c op) error { return c.ReadString(&r.class) }},
	{Name: "DeletionProtectionEnabled", Read: func(r *createTableRequest, c op) error {
		return c.ReadBool(&r.protection)
	}},
	{Name: "WarmThroughput", Read: func(r *createTableRequest, c op) error { return c.warmThroughput(&r.warm) }},
	{Name: "ResourcePolicy", Read: func(r *createTableRequest, c op) error { return c.ReadString(&r.policy) }},
	{Name: "OnDemandThroughput", Read: func(r *createTableRequest, c op) error {
		return c.onDemandThroughput(&r.onDemand)
	}},
	{Name: "GlobalTableSourceArn", Read: func(r *createTableRequest, c op) error { return c.ReadString(&r.sourceARN) }},
	{Name: "GlobalTableSettingsReplicationMode", Read: func(r *createTableRequest, c op) error {
		return c.ReadString(&r.replicationMode)
	}},
	{Name: "VectorIndexes", Read: func(r *createTableRequest, c op) error { return c.vectorIndexes(&r.vectors) }},
}

// CreateTable answers CreateTable. Whether the name is taken is the last check: package db makes it
// together with the change.
func CreateTable(cl *call.Call) error {
	c := op{cl}
	r := new(createTableRequest)
	if err := wire.Decode(&c.Reader, r, c, createTableMembers); err != nil {
		return err
	}
	if err := r.check(c.Region); err != nil {
		return err
	}
	if err := r.ask(c); err != nil {
		return err
	}
	t, err := c.DB.Create(c.Ctx, r.descriptor(c.DB.Now()))
	if errors.Is(err, db.ErrTableExists) {
		return c.tableExists(wire.BareTableName(r.table.V))
	}
	if err != nil {
		return err
	}
	c.describe("TableDescription", r.answer(t, c.DB.Now()))
	return nil
}

// ask asks the policy for each action that AWS requires: tags and a resource policy need actions of
// their own.
func (r *createTableRequest) ask(c op) error {
	err := c.AskTable("CreateTable", r.table.V)
	if err == nil && len(r.tags.V) > 0 {
		err = c.AskTable("TagResource", r.table.V)
	}
	if err == nil && r.policy.V != "" {
		err = c.AskTable("PutResourcePolicy", r.table.V)
	}
	return err
}

func (c op) tableExists(name string) error {
	if t := c.DB.Lookup(schema.DefaultNamespace, name); t != nil && t.Status(c.DB.Now()) == schema.StatusCreating {
		return inUse("Table is being created: " + name)
	}
	return resourceInUse("Table already exists: " + name)
}

// check checks all that does not depend on the existing tables, in DynamoDB's order. region is
// named in messages about quotas.
func (r *createTableRequest) check(region string) error {
	if err := tableRequired(r.table); err != nil {
		return err
	}
	var v violations
	r.constraints(&v)
	for _, check := range []func() error{
		v.Err,
		r.checkGlobalTable,
		func() error { return r.checkBilling(region) },
		r.checkKeys,
		r.checkLocalIndexes,
		func() error { return r.checkGlobalIndexes(region) },
		r.stream.checkCreate,
		func() error { return r.checkThroughput(region) },
		r.sse.check,
		func() error { return checkTableClass(r.class) },
		func() error { return checkPolicy(r.policy) },
		func() error { return refuseVectors(r.vectors, r.mode()) },
		r.checkTags,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// constraints checks each member by itself.
func (r *createTableRequest) constraints(v *violations) {
	// A replica in another account may leave the schema out; checkGlobalTable rejects it.
	if !r.attributes.Set && !r.sourceARN.Set {
		v.Null("attributeDefinitions")
	}
	v.attributeDefinitions(r.attributes)
	v.controlTable(r.table)
	if strings.HasPrefix(r.table.V, "arn:") {
		if name, problem := wire.TableOfARN(r.table.V); problem == "" && (len(name) < 3 || len(name) > 255) {
			v.Length(len(name), name, "tableName", 3, 255)
		}
	}
	v.Enum(r.billing, "billingMode", enumBilling)
	v.provisioned(r.throughput, "provisionedThroughput")
	if r.keys.Set || !r.sourceARN.Set {
		v.keySchema(r.keys, "keySchema", 2)
	}
	for i := range r.local.V {
		v.localIndex(&r.local.V[i], element("localSecondaryIndexes", i))
	}
	for i := range r.global.V {
		v.globalIndex(&r.global.V[i], element("globalSecondaryIndexes", i))
	}
	v.stream(r.stream)
	v.sse(r.sse)
	if r.sourceARN.Set {
		v.Length(len(r.sourceARN.V), r.sourceARN.V, "globalTableSourceArn", 1, wire.MaxTableARN)
	}
	v.Enum(r.replicationMode, "globalTableSettingsReplicationMode", enumReplication)
}

// mode is the billing mode that is asked for.
func (r *createTableRequest) mode() schema.BillingMode {
	if r.billing.Set {
		return schema.BillingMode(r.billing.V)
	}
	return schema.Provisioned
}

// checkGlobalTable rejects replicas of tables of other accounts: Partita is one region.
func (r *createTableRequest) checkGlobalTable() error {
	if r.sourceARN.Set {
		return wire.Validation(wire.Invalid + "GlobalTableSourceArn is not supported in this Region")
	}
	return checkReplicationMode(r.replicationMode)
}

// checkBilling checks that the mode and the throughput fit.
func (r *createTableRequest) checkBilling(region string) error {
	switch {
	case r.mode() == schema.PayPerRequest && r.throughput.Set:
		return errUnitsOnDemand
	case r.mode() == schema.Provisioned && !r.throughput.Set:
		return wire.Validation(wire.Invalid + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	if err := r.throughput.checkBounds(""); err != nil {
		return err
	}
	return r.throughput.checkQuota("", region)
}

// checkKeys checks the table's key and that the definitions are exactly those of the keys.
func (r *createTableRequest) checkKeys() error {
	ds, ks := r.attributes.V, r.keys.V
	if len(ks) > len(ds) {
		return wire.Validation("Invalid KeySchema: Some index key attribute have no definition")
	}
	if err := checkDefined(ks, ds); err != nil {
		return err
	}
	if err := checkPair(ks); err != nil {
		return err
	}
	names := definedNames(ds)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return wire.Validation("Attribute Name is duplicated: " + names[i])
		}
	}
	return r.checkUnused(names)
}

// checkUnused looks for definitions that no key uses. On AWS this comes before all rules about
// indexes, so it reads the keys of indexes that are not checked yet. names are those defined,
// sorted.
func (r *createTableRequest) checkUnused(names []string) error {
	if !r.local.Set && !r.global.Set {
		if len(names) != len(r.keys.V) {
			return wire.Validation(wire.Invalid + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
		}
		return nil
	}
	used := r.usedNames()
	for _, name := range names {
		if _, ok := slices.BinarySearch(used, name); !ok {
			return wire.Validation(wire.Invalid + "Some AttributeDefinitions are not used. AttributeDefinitions: " + wire.JavaList(names) +
				", keys used: " + wire.JavaList(used))
		}
	}
	return nil
}

// usedNames are the names of all key attributes, sorted.
func (r *createTableRequest) usedNames() []string {
	names := keyNames(r.keys.V)
	for _, xs := range [][]indexSpec{r.local.V, r.global.V} {
		for i := range xs {
			names = append(names, keyNames(xs[i].keys.V)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *createTableRequest) checkLocalIndexes() error {
	switch {
	case !r.local.Set:
		return nil
	case len(r.local.V) == 0:
		return wire.Validation(wire.Invalid + "List of LocalSecondaryIndexes is empty")
	case len(r.keys.V) < 2:
		return wire.Validation(wire.Invalid + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	for i := range r.local.V {
		if err := r.checkLocalIndex(&r.local.V[i], r.local.V[:i]); err != nil {
			return err
		}
	}
	if len(r.local.V) > maxLocalIndexes {
		return wire.Validationf("%sNumber of LocalSecondaryIndexes exceeds per-table limit of %d", wire.Invalid, maxLocalIndexes)
	}
	return nil
}

// checkLocalIndex checks one local index; earlier are those before it.
func (r *createTableRequest) checkLocalIndex(x *indexSpec, earlier []indexSpec) error {
	if err := checkDefined(x.keys.V, r.attributes.V); err != nil {
		return err
	}
	if err := checkPair(x.keys.V); err != nil {
		return err
	}
	hash, of := x.keys.V[0].name.V, r.keys.V[0].name.V
	switch {
	case len(x.keys.V) < 2:
		return wire.Validation(wire.Invalid + "Index KeySchema does not have a range key for index: " + x.name.V)
	case hash != of:
		return wire.Validation(wire.Invalid + "Index KeySchema does not have the same leading hash key as table KeySchema for index: " +
			x.name.V + ". index hash key: " + hash + ", table hash key: " + of)
	}
	if err := x.projection.check(); err != nil {
		return err
	}
	return x.checkName(earlier)
}

// checkName requires a name that no earlier index has.
func (x *indexSpec) checkName(earlier ...[]indexSpec) error {
	for _, xs := range earlier {
		for i := range xs {
			if xs[i].name.V == x.name.V {
				return wire.Validation(wire.Invalid + "Duplicate index name: " + x.name.V)
			}
		}
	}
	return nil
}

func (r *createTableRequest) checkGlobalIndexes(region string) error {
	if r.global.Set && len(r.global.V) == 0 {
		return wire.Validation(wire.Invalid + "List of GlobalSecondaryIndexes is empty")
	}
	for i := range r.global.V {
		if err := r.checkGlobalIndex(&r.global.V[i], r.global.V[:i], region); err != nil {
			return err
		}
	}
	if len(r.global.V) > maxGlobalIndexes {
		return wire.Validationf("%sGlobalSecondaryIndex count exceeds the per-table limit of %d", wire.Invalid, maxGlobalIndexes)
	}
	return checkProjected(r.indexes())
}

// checkGlobalIndex checks one global index; earlier are the global ones before it.
func (r *createTableRequest) checkGlobalIndex(x *indexSpec, earlier []indexSpec, region string) error {
	if err := x.checkGlobal(r.attributes.V); err != nil {
		return err
	}
	if err := x.checkName(r.local.V, earlier); err != nil {
		return err
	}
	switch {
	case r.mode() == schema.PayPerRequest && x.throughput.Set:
		return wire.Validation(wire.Invalid + "ProvisionedThroughput should not be specified for index: " + x.name.V + " when BillingMode is PAY_PER_REQUEST")
	case r.mode() == schema.Provisioned && !x.throughput.Set:
		return wire.Validation(wire.Invalid + "ProvisionedThroughput is not specified for index: " + x.name.V)
	}
	of := owner(x.name.V)
	if err := x.throughput.checkBounds(of); err != nil {
		return err
	}
	return x.throughput.checkQuota(of, region)
}

// checkGlobal checks the key and the projection of a global index, for CreateTable and UpdateTable.
func (x *indexSpec) checkGlobal(ds []attributeDefinition) error {
	if err := checkDefined(x.keys.V, ds); err != nil {
		return err
	}
	if err := checkParts(x.keys.V); err != nil {
		return err
	}
	return x.projection.check()
}

func (r *createTableRequest) checkThroughput(region string) error {
	table := newThroughput{provisioned: r.throughput, onDemand: r.onDemand, warm: r.warm}
	if err := table.check("", r.mode(), region); err != nil {
		return err
	}
	for i := range r.global.V {
		x := &r.global.V[i]
		index := newThroughput{provisioned: x.throughput, onDemand: x.onDemand, warm: x.warm}
		if err := index.check(owner(x.name.V), r.mode(), region); err != nil {
			return err
		}
	}
	return nil
}

// newThroughput is all that a request says of the throughput of a new table or index.
type newThroughput struct{ provisioned, onDemand, warm unitPair }

// check checks the on-demand and warm throughput. The provisioned one, checked before, is what the
// warm one must not be below.
func (n *newThroughput) check(of owner, mode schema.BillingMode, region string) error {
	if err := n.onDemand.checkOnDemandMode(of, mode, true); err != nil {
		return err
	}
	if err := n.onDemand.checkOnDemand(of, region, true); err != nil {
		return err
	}
	least := warmOf(mode, schema.Throughput{Read: n.provisioned.read.V, Write: n.provisioned.write.V}, nil)
	return n.warm.checkWarm(of, least, mode, region, true)
}

// checkTags checks Tags; an empty list is none.
func (r *createTableRequest) checkTags() error {
	if err := checkTags(r.tags.V); err != nil {
		return err
	}
	_, err := mergeTags(nil, r.tags.V)
	return err
}

// indexes are the checked indexes, local ones first.
func (r *createTableRequest) indexes() []schema.Index {
	var xs []schema.Index
	for i := range r.local.V {
		xs = append(xs, r.local.V[i].index(schema.LocalIndex))
	}
	for i := range r.global.V {
		xs = append(xs, r.global.V[i].provisionedIndex())
	}
	return xs
}

// provisionedIndex is a checked global index with its throughput.
func (s *indexSpec) provisionedIndex() schema.Index {
	x := s.index(schema.GlobalIndex)
	x.Throughput = schema.Throughput{Read: s.throughput.read.V, Write: s.throughput.write.V}
	x.OnDemand = s.onDemand.merge(nil)
	if !s.warm.empty() {
		x.Warm = s.warm.over(schema.Warm{})
	}
	return x
}

// descriptor is the table that is asked for. db.Create clones it, so it may hold views of the
// request.
func (r *createTableRequest) descriptor(now time.Time) *schema.Descriptor {
	d := &schema.Descriptor{
		Namespace:          schema.DefaultNamespace,
		Name:               wire.BareTableName(r.table.V),
		Attributes:         attributes(r.attributes.V),
		Keys:               keyElements(r.keys.V),
		Indexes:            r.indexes(),
		Billing:            r.mode(),
		Throughput:         schema.Throughput{Read: r.throughput.read.V, Write: r.throughput.write.V},
		OnDemand:           r.onDemand.merge(nil),
		TableClass:         r.class.V,
		DeletionProtection: r.protection.V,
		ResourcePolicy:     r.policy.V,
	}
	if d.Billing == schema.PayPerRequest {
		d.PayPerRequestSince = now
	}
	if !r.warm.empty() {
		d.Warm = r.warm.over(schema.Warm{})
	}
	if r.stream.enabled.V {
		d.StreamViewType = schema.ViewType(r.stream.view.V)
	}
	r.sse.store(d)
	d.Tags, _ = mergeTags(nil, r.tags.V) // checked
	return d
}

// answer is the new table as CreateTable shows it: CREATING, even if it is ready by now, and with
// warm throughput only if that was asked for.
func (r *createTableRequest) answer(t *db.Table, now time.Time) *description {
	d := newDescription(t, now)
	d.status, d.noSince = schema.StatusCreating, true
	if r.warm.empty() {
		d.warm = nil
	} else {
		d.warm.status = schema.StatusUpdating
	}
	index := d.index
	d.index = func(x *schema.Index) describedIndex {
		v := index(x)
		v.status, v.warm = schema.StatusCreating, nil
		return v
	}
	return d
}
