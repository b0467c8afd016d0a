package api

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/db"
)

// description is a TableDescription to be written. CreateTable, DescribeTable, UpdateTable and DeleteTable show the same
// thing in four forms: each makes a newDescription and changes what it shows differently.
type description struct {
	t        *db.Table
	now      time.Time
	status   db.Status
	brief    bool           // DeleteTable: neither schema nor settings
	noSince  bool           // BillingModeSummary without its time
	sse      db.Status      // SSEDescription's Status
	warm     *describedWarm // nil: not shown
	onDemand *db.OnDemand
	index    func(x *db.Index) describedIndex
	sizes    map[string]size // of indexes by name, "" for the table, where the present ones are not meant
}

// size is the number of rows and their bytes.
type size struct{ items, bytes int64 }

// sizeOf is the present size of a table (x nil) or an index.
func sizeOf(d *db.DB, t *db.Table, x *db.Index) size {
	items, bytes := d.Counts(t, x)
	return size{items, bytes}
}

// sizesOf are the present sizes of a table and its indexes.
func sizesOf(d *db.DB, t *db.Table) map[string]size {
	all := map[string]size{"": sizeOf(d, t, nil)}
	for i := range t.Indexes {
		all[t.Indexes[i].Name] = sizeOf(d, t, &t.Indexes[i])
	}
	return all
}

// size is what is shown of the size of the table (x nil) or an index.
func (d *description) size(on *db.DB, x *db.Index) size {
	name := ""
	if x != nil {
		name = x.Name
	}
	if n, ok := d.sizes[name]; ok {
		return n
	}
	return sizeOf(on, d.t, x)
}

// describedWarm is a WarmThroughput with its Status.
type describedWarm struct {
	db.Warm
	status db.Status
}

// describedIndex is what is shown of a global index besides its definition.
type describedIndex struct {
	status      db.Status
	backfilling string // true, false, or empty: not shown
	throughput  *db.Throughput
	onDemand    *db.OnDemand
	warm        *describedWarm // nil: not shown
}

// newDescription is a table as DescribeTable shows it.
func newDescription(t *db.Table, now time.Time) *description {
	status := t.Status(now)
	return &description{
		t: t, now: now, status: status, sse: db.StatusEnabled,
		warm:     &describedWarm{warmOf(t.Billing, t.Throughput, t.Warm), db.StatusActive},
		onDemand: cleared(t.OnDemand),
		index: func(x *db.Index) describedIndex {
			v := describedIndex{
				throughput: &x.Throughput,
				onDemand:   cleared(x.OnDemand),
				warm:       &describedWarm{warmOf(t.Billing, x.Throughput, x.Warm), db.StatusActive},
			}
			backfilling := false
			v.status, backfilling = t.IndexStatus(x, now)
			switch {
			case status == db.StatusDeleting:
				v.status = db.StatusDeleting
			case v.status == db.StatusCreating && (x.State != db.StatePublic || x.Delayed(now) != ""):
				// one that came with the table never shows it
				v.backfilling = strconv.FormatBool(backfilling)
			}
			return v
		},
	}
}

// describe answers with a table's description under the member's name.
func (c op) describe(member string, d *description) {
	c.beginObject()
	c.name(member)
	c.tableDescription(d)
	c.endObject()
}

// tableDescription appends a TableDescription.
func (c op) tableDescription(d *description) {
	t := d.t
	c.beginObject()
	if !d.brief {
		c.definitions(usedAttributes(&t.Descriptor))
	}
	c.stringMember("TableName", t.Name)
	if !d.brief {
		c.keySchemaMember(t.Keys)
	}
	c.stringMember("TableStatus", string(d.status))
	if !d.brief {
		c.timeMember("CreationDateTime", t.Created)
	}
	c.throughputMember(&t.Throughput, d.now)
	n := d.size(c.db, nil)
	c.integerMember("TableSizeBytes", n.bytes)
	c.integerMember("ItemCount", n.items)
	c.stringMember("TableArn", c.tableARN(t.Name))
	c.stringMember("TableId", t.UUID)
	c.billingMember(d)
	c.localIndexes(d)
	c.globalIndexes(d)
	if !d.brief {
		c.settings(d)
	}
	c.booleanMember("DeletionProtectionEnabled", t.DeletionProtection)
	if !d.brief {
		c.onDemandMember(d.onDemand)
		c.warmMember(d.warm)
	}
	c.endObject()
}

// definitions appends AttributeDefinitions.
func (c op) definitions(as []db.AttributeDefinition) {
	c.name("AttributeDefinitions")
	c.beginList()
	for _, a := range as {
		c.element()
		c.beginObject()
		c.stringMember("AttributeName", a.Name)
		c.stringMember("AttributeType", a.Type.String())
		c.endObject()
	}
	c.endList()
}

// throughputMember appends ProvisionedThroughput.
func (c op) throughputMember(t *db.Throughput, now time.Time) {
	c.name("ProvisionedThroughput")
	c.beginObject()
	c.timeMember("LastIncreaseDateTime", t.LastIncrease)
	c.timeMember("LastDecreaseDateTime", t.LastDecrease)
	c.integerMember("NumberOfDecreasesToday", decreasesToday(t, now))
	c.integerMember("ReadCapacityUnits", t.Read)
	c.integerMember("WriteCapacityUnits", t.Write)
	c.endObject()
}

// billingMember appends BillingModeSummary: of a table that is or ever was on demand.
func (c op) billingMember(d *description) {
	if d.t.Billing != db.PayPerRequest && d.t.PayPerRequestSince.IsZero() {
		return
	}
	c.name("BillingModeSummary")
	c.beginObject()
	c.stringMember("BillingMode", string(d.t.Billing))
	if !d.noSince {
		c.timeMember("LastUpdateToPayPerRequestDateTime", d.t.PayPerRequestSince)
	}
	c.endObject()
}

// localIndexes appends LocalSecondaryIndexes, if there are any.
func (c op) localIndexes(d *description) {
	c.indexes("LocalSecondaryIndexes", d, db.LocalIndex, func(x *db.Index) {})
}

// globalIndexes appends GlobalSecondaryIndexes, if there are any.
func (c op) globalIndexes(d *description) {
	c.indexes("GlobalSecondaryIndexes", d, db.GlobalIndex, func(x *db.Index) {
		v := d.index(x)
		c.stringMember("IndexStatus", string(v.status))
		if v.backfilling != "" {
			c.name("Backfilling")
			c.raw(v.backfilling)
		}
		c.throughputMember(v.throughput, d.now)
		c.onDemandMember(v.onDemand)
		c.warmMember(v.warm)
	})
}

// indexes appends the list of the indexes of a kind, each with what more appends.
func (c op) indexes(member string, d *description, kind db.IndexKind, more func(x *db.Index)) {
	n := 0
	for i := range d.t.Indexes {
		x := &d.t.Indexes[i]
		if x.Kind != kind {
			continue
		}
		if n == 0 {
			c.name(member)
			c.beginList()
		}
		c.element()
		n++
		c.beginObject()
		c.stringMember("IndexName", x.Name)
		c.keySchemaMember(x.Keys)
		c.projectionMember(x)
		more(x)
		n := d.size(c.db, x)
		c.integerMember("IndexSizeBytes", n.bytes)
		c.integerMember("ItemCount", n.items)
		c.stringMember("IndexArn", c.tableARN(d.t.Name)+"/index/"+x.Name)
		c.endObject()
	}
	if n > 0 {
		c.endList()
	}
}

// projectionMember appends Projection.
func (c op) projectionMember(x *db.Index) {
	c.name("Projection")
	c.beginObject()
	c.stringMember("ProjectionType", string(x.Projection))
	if len(x.NonKey) > 0 {
		c.name("NonKeyAttributes")
		c.beginList()
		for _, name := range x.NonKey {
			c.element()
			c.str(name)
		}
		c.endList()
	}
	c.endObject()
}

// settings appends the stream, the encryption and the class.
func (c op) settings(d *description) {
	t := d.t
	if t.StreamViewType != "" {
		c.name("StreamSpecification")
		c.raw(`{"StreamEnabled":true`)
		c.stringMember("StreamViewType", string(t.StreamViewType))
		c.endObject()
	}
	if t.StreamLabel != "" { // of the latest stream, which may have been switched off
		c.stringMember("LatestStreamLabel", t.StreamLabel)
		c.stringMember("LatestStreamArn", c.tableARN(t.Name)+"/stream/"+t.StreamLabel)
	}
	if t.SSEType != "" {
		c.name("SSEDescription")
		c.beginObject()
		c.stringMember("Status", string(d.sse))
		c.stringMember("SSEType", t.SSEType)
		c.stringMember("KMSMasterKeyArn", keyARN(t.SSEKey, c.region))
		c.endObject()
	}
	if t.TableClass != "" {
		c.name("TableClassSummary")
		c.beginObject()
		c.stringMember("TableClass", t.TableClass)
		c.timeMember("LastUpdateDateTime", t.TableClassUpdated)
		c.endObject()
	}
}

// onDemandMember appends OnDemandThroughput with those of its members that are set.
func (c op) onDemandMember(o *db.OnDemand) {
	if o == nil {
		return
	}
	c.name("OnDemandThroughput")
	c.beginObject()
	if o.MaxRead != 0 {
		c.integerMember("MaxReadRequestUnits", o.MaxRead)
	}
	if o.MaxWrite != 0 {
		c.integerMember("MaxWriteRequestUnits", o.MaxWrite)
	}
	c.endObject()
}

// warmMember appends WarmThroughput.
func (c op) warmMember(w *describedWarm) {
	if w == nil {
		return
	}
	c.name("WarmThroughput")
	c.beginObject()
	c.integerMember("ReadUnitsPerSecond", w.Read)
	c.integerMember("WriteUnitsPerSecond", w.Write)
	c.stringMember("Status", string(w.status))
	c.endObject()
}
