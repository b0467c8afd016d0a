package control

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// description is a TableDescription to be written. CreateTable, DescribeTable, UpdateTable and
// DeleteTable answer it in four forms: each makes a newDescription and changes what it shows
// differently, so that tableDescription alone knows the members and their order.
type description struct {
	t        *db.Table
	now      time.Time
	status   schema.Status
	brief    bool           // DeleteTable: neither schema nor settings
	noSince  bool           // BillingModeSummary without its time
	sse      schema.Status  // SSEDescription's Status
	warm     *describedWarm // nil: not shown
	onDemand *schema.OnDemand
	index    func(x *schema.Index) describedIndex
	sizes    map[string]size // by index name, "" for the table: shown in place of the present sizes
}

// size is the number of rows and their bytes.
type size struct{ items, bytes int64 }

// sizeOf is the present size of a table (x nil) or an index.
func sizeOf(d *db.DB, t *db.Table, x *schema.Index) size {
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

// size is the size to be shown of the table (x nil) or an index.
func (d *description) size(on *db.DB, x *schema.Index) size {
	name := ""
	if x != nil {
		name = x.Name
	}
	if n, ok := d.sizes[name]; ok {
		return n
	}
	return sizeOf(on, d.t, x)
}

type describedWarm struct {
	schema.Warm
	status schema.Status
}

// describedIndex is the state of a global index, which is shown with its definition.
type describedIndex struct {
	status      schema.Status
	backfilling string // true, false, or empty: not shown
	throughput  *schema.Throughput
	onDemand    *schema.OnDemand
	warm        *describedWarm // nil: not shown
}

// newDescription is a table as DescribeTable shows it.
func newDescription(t *db.Table, now time.Time) *description {
	status := t.Status(now)
	return &description{
		t: t, now: now, status: status, sse: schema.StatusEnabled,
		warm:     &describedWarm{warmOf(t.Billing, t.Throughput, t.Warm), schema.StatusActive},
		onDemand: cleared(t.OnDemand),
		index: func(x *schema.Index) describedIndex {
			v := describedIndex{
				throughput: &x.Throughput,
				onDemand:   cleared(x.OnDemand),
				warm:       &describedWarm{warmOf(t.Billing, x.Throughput, x.Warm), schema.StatusActive},
			}
			backfilling := false
			v.status, backfilling = t.IndexStatus(x, now)
			switch {
			case status == schema.StatusDeleting:
				v.status = schema.StatusDeleting
			case v.status == schema.StatusCreating && (x.State != schema.StatePublic || x.Delayed(now) != ""):
				// an index that was made with its table never shows it
				v.backfilling = strconv.FormatBool(backfilling)
			}
			return v
		},
	}
}

// describe answers with a table's description under the member's name.
func (c op) describe(member string, d *description) {
	c.BeginObject()
	c.Name(member)
	c.tableDescription(d)
	c.EndObject()
}

func (c op) tableDescription(d *description) {
	t := d.t
	c.BeginObject()
	if !d.brief {
		c.definitions(usedAttributes(&t.Descriptor))
	}
	c.StringMember("TableName", t.Name)
	if !d.brief {
		c.KeySchemaMember(t.Keys)
	}
	c.StringMember("TableStatus", string(d.status))
	if !d.brief {
		c.TimeMember("CreationDateTime", t.Created)
	}
	c.throughputMember(&t.Throughput, d.now)
	n := d.size(c.DB, nil)
	c.IntegerMember("TableSizeBytes", n.bytes)
	c.IntegerMember("ItemCount", n.items)
	c.StringMember("TableArn", c.TableARN(t.Name))
	c.StringMember("TableId", t.UUID)
	c.billingMember(d)
	c.localIndexes(d)
	c.globalIndexes(d)
	if !d.brief {
		c.settings(d)
	}
	c.BooleanMember("DeletionProtectionEnabled", t.DeletionProtection)
	if !d.brief {
		c.onDemandMember(d.onDemand)
		c.warmMember(d.warm)
	}
	c.EndObject()
}

func (c op) definitions(as []schema.AttributeDefinition) {
	c.Name("AttributeDefinitions")
	c.BeginList()
	for _, a := range as {
		c.Element()
		c.BeginObject()
		c.StringMember("AttributeName", a.Name)
		c.StringMember("AttributeType", a.Type.String())
		c.EndObject()
	}
	c.EndList()
}

func (c op) throughputMember(t *schema.Throughput, now time.Time) {
	c.Name("ProvisionedThroughput")
	c.BeginObject()
	c.TimeMember("LastIncreaseDateTime", t.LastIncrease)
	c.TimeMember("LastDecreaseDateTime", t.LastDecrease)
	c.IntegerMember("NumberOfDecreasesToday", decreasesToday(t, now))
	c.IntegerMember("ReadCapacityUnits", t.Read)
	c.IntegerMember("WriteCapacityUnits", t.Write)
	c.EndObject()
}

// billingMember writes BillingModeSummary, which only tables have that are or once were on demand.
func (c op) billingMember(d *description) {
	if d.t.Billing != schema.PayPerRequest && d.t.PayPerRequestSince.IsZero() {
		return
	}
	c.Name("BillingModeSummary")
	c.BeginObject()
	c.StringMember("BillingMode", string(d.t.Billing))
	if !d.noSince {
		c.TimeMember("LastUpdateToPayPerRequestDateTime", d.t.PayPerRequestSince)
	}
	c.EndObject()
}

func (c op) localIndexes(d *description) {
	c.indexes("LocalSecondaryIndexes", d, schema.LocalIndex, func(x *schema.Index) {})
}

func (c op) globalIndexes(d *description) {
	c.indexes("GlobalSecondaryIndexes", d, schema.GlobalIndex, func(x *schema.Index) {
		v := d.index(x)
		c.StringMember("IndexStatus", string(v.status))
		if v.backfilling != "" {
			c.Name("Backfilling")
			c.Raw(v.backfilling)
		}
		c.throughputMember(v.throughput, d.now)
		c.onDemandMember(v.onDemand)
		c.warmMember(v.warm)
	})
}

// indexes writes the list of the indexes of a kind, if there are any; more writes what only this
// kind has.
func (c op) indexes(member string, d *description, kind schema.IndexKind, more func(x *schema.Index)) {
	n := 0
	for i := range d.t.Indexes {
		x := &d.t.Indexes[i]
		if x.Kind != kind {
			continue
		}
		if n == 0 {
			c.Name(member)
			c.BeginList()
		}
		c.Element()
		n++
		c.BeginObject()
		c.StringMember("IndexName", x.Name)
		c.KeySchemaMember(x.Keys)
		c.projectionMember(x)
		more(x)
		n := d.size(c.DB, x)
		c.IntegerMember("IndexSizeBytes", n.bytes)
		c.IntegerMember("ItemCount", n.items)
		c.StringMember("IndexArn", c.TableARN(d.t.Name)+"/index/"+x.Name)
		c.EndObject()
	}
	if n > 0 {
		c.EndList()
	}
}

func (c op) projectionMember(x *schema.Index) {
	c.Name("Projection")
	c.BeginObject()
	c.StringMember("ProjectionType", string(x.Projection))
	if len(x.NonKey) > 0 {
		c.Name("NonKeyAttributes")
		c.BeginList()
		for _, name := range x.NonKey {
			c.Element()
			c.Str(name)
		}
		c.EndList()
	}
	c.EndObject()
}

// settings writes the stream, the encryption and the class.
func (c op) settings(d *description) {
	t := d.t
	if t.StreamViewType != "" {
		c.Name("StreamSpecification")
		c.Raw(`{"StreamEnabled":true`)
		c.StringMember("StreamViewType", string(t.StreamViewType))
		c.EndObject()
	}
	if t.StreamLabel != "" { // of the latest stream, which may have been switched off
		c.StringMember("LatestStreamLabel", t.StreamLabel)
		c.StringMember("LatestStreamArn", c.TableARN(t.Name)+"/stream/"+t.StreamLabel)
	}
	if t.SSEType != "" {
		c.Name("SSEDescription")
		c.BeginObject()
		c.StringMember("Status", string(d.sse))
		c.StringMember("SSEType", t.SSEType)
		c.StringMember("KMSMasterKeyArn", keyARN(t.SSEKey, c.Region))
		c.EndObject()
	}
	if t.TableClass != "" {
		c.Name("TableClassSummary")
		c.BeginObject()
		c.StringMember("TableClass", t.TableClass)
		c.TimeMember("LastUpdateDateTime", t.TableClassUpdated)
		c.EndObject()
	}
}

// onDemandMember writes OnDemandThroughput with those of its members that are set. UpdateTable
// shows -1 for one that it clears.
func (c op) onDemandMember(o *schema.OnDemand) {
	if o == nil {
		return
	}
	c.Name("OnDemandThroughput")
	c.BeginObject()
	if o.MaxRead != 0 {
		c.IntegerMember("MaxReadRequestUnits", o.MaxRead)
	}
	if o.MaxWrite != 0 {
		c.IntegerMember("MaxWriteRequestUnits", o.MaxWrite)
	}
	c.EndObject()
}

func (c op) warmMember(w *describedWarm) {
	if w == nil {
		return
	}
	c.Name("WarmThroughput")
	c.BeginObject()
	c.IntegerMember("ReadUnitsPerSecond", w.Read)
	c.IntegerMember("WriteUnitsPerSecond", w.Write)
	c.StringMember("Status", string(w.status))
	c.EndObject()
}
