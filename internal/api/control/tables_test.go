package control

import (
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// parts reads a key schema from words of the form name:H or name:R.
func parts(words ...string) []keyElement {
	var ks []keyElement
	for _, w := range words {
		name, kind, _ := strings.Cut(w, ":")
		ks = append(ks, keyElement{wire.OptString{Set: true, V: name}, wire.OptString{Set: true, V: map[string]string{"H": "HASH", "R": "RANGE"}[kind]}})
	}
	return ks
}

// TestCheckParts covers the keys of global indexes.
func TestCheckParts(t *testing.T) {
	for _, c := range []struct {
		keys string
		want string // the end of the message; empty: fine
	}{
		{"a:H", ""},
		{"a:H b:R", ""},
		{"a:H b:H c:H d:H e:R f:R g:R h:R", ""},
		{"a:R", "not a HASH key type"},
		{"a:H b:R c:H", "must precede RANGE key attributes in the KeySchema"},
		{"a:H b:H c:H d:H e:H", "allowed number of HASH key attributes"},
		{"a:H b:R c:R d:R e:R f:R", "allowed number of RANGE key attributes"},
		{"a:H a:R", "element in the KeySchema have the same name"},
		{"a:H a:H", "contains multiple key attributes with the same name"},
		{"a:H b:R a:R", "contains multiple key attributes with the same name"},
	} {
		err := checkParts(parts(strings.Fields(c.keys)...))
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("checkParts(%s) = %v, want …%s", c.keys, err, c.want)
		}
	}
}

// TestProvision covers the budget of decreases and the two dates.
func TestProvision(t *testing.T) {
	start := time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	units := func(read, write int64) unitPair {
		return unitPair{true, wire.OptInt{Set: true, V: read}, wire.OptInt{Set: true, V: write}}
	}
	p := schema.Throughput{Read: 100, Write: 100}
	for i, step := range []struct {
		after       time.Duration // of the start
		read, write int64
		ok          bool
		today       int64 // decreases shown after the step
	}{
		{0, 99, 100, true, 1},
		{0, 99, 90, true, 2},
		{0, 100, 100, true, 2}, // an increase is free
		{0, 50, 200, true, 3},  // one up, one down
		{time.Minute, 40, 40, true, 4},
		{2 * time.Minute, 30, 30, false, 4},
		{2 * time.Minute, 41, 30, false, 4},
		{2 * time.Minute, 41, 41, true, 4},
		{time.Minute + time.Hour - 1, 30, 30, false, 4},
		{time.Minute + time.Hour, 30, 30, true, 5},
		{time.Minute + 2*time.Hour - 1, 20, 20, false, 5},
		{4*time.Hour - 1, 20, 20, true, 6},
		{4 * time.Hour, 19, 19, true, 1}, // midnight UTC
	} {
		now := start.Add(step.after)
		was := p
		err := provision(&p, units(step.read, step.write), now)
		if (err == nil) != step.ok || decreasesToday(&p, now) != step.today {
			t.Fatalf("step %d: %v, %d decreases, want ok %v, %d", i, err, decreasesToday(&p, now), step.ok, step.today)
		}
		if err != nil && p != was {
			t.Fatalf("step %d: a refused change left %+v, was %+v", i, p, was)
		}
	}
}

// TestWarmOf: warm throughput is what was asked for or what there is anyway, whichever is more.
func TestWarmOf(t *testing.T) {
	for _, c := range []struct {
		mode  schema.BillingMode
		units schema.Throughput
		asked *schema.Warm
		want  schema.Warm
	}{
		{schema.PayPerRequest, schema.Throughput{}, nil, schema.Warm{Read: 12000, Write: 4000}},
		{schema.PayPerRequest, schema.Throughput{}, &schema.Warm{Read: 3, Write: 5000}, schema.Warm{Read: 12000, Write: 5000}},
		{schema.Provisioned, schema.Throughput{Read: 5, Write: 6}, nil, schema.Warm{Read: 5, Write: 6}},
		{schema.Provisioned, schema.Throughput{Read: 5, Write: 6}, &schema.Warm{Read: 12000}, schema.Warm{Read: 12000, Write: 6}},
	} {
		if got := warmOf(c.mode, c.units, c.asked); got != c.want {
			t.Errorf("warmOf(%s, %+v, %+v) = %+v, want %+v", c.mode, c.units, c.asked, got, c.want)
		}
	}
}

// TestAdmitIndexes covers the states of indexes, through which a small table passes too quickly to
// be caught at it.
func TestAdmitIndexes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	table := func(xs ...schema.Index) *schema.Descriptor {
		return &schema.Descriptor{Name: "T", State: schema.StatePublic, Billing: schema.PayPerRequest, Indexes: xs}
	}
	ready := schema.Index{ID: 1, Name: "ready", Phase: schema.Phase{State: schema.StatePublic}}
	allocating := schema.Index{ID: 2, Name: "new", Phase: schema.Phase{State: schema.StateDeleteOnly}}
	backfilling := schema.Index{ID: 2, Name: "new", Phase: schema.Phase{State: schema.StateWriteOnly}}
	dropping := schema.Index{ID: 2, Name: "new", Phase: schema.Phase{State: schema.StateDeleteOnly, Dropping: true}}
	for _, c := range []struct {
		body string
		d    *schema.Descriptor
		want string // a part of the error; empty: admitted
	}{
		{`"GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"new"}}]`, table(allocating), "Index creation is in resource allocation phase. Retry deletion during backfilling phase or when the index is active. Table: T Index: new"},
		{`"GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"new"}}]`, table(backfilling), ""},
		{`"GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"new"}}]`, table(dropping), "Index is being deleted. Table: T Index: new"},
		{`"GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"new"}}]`, table(allocating), "Index is being created but is not backfilling yet.  Table: T Index: new"},
		{`"GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"new"}}]`, table(backfilling), ""},
		{`"GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"new"}}]`, table(dropping), "Index is being deleted."},
		{`"GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"ready"}}]`, table(ready, allocating), ""},
		{`"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new"}}]`, table(allocating), "Index is being created.  Table: T Index: new"},
		{`"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new"}}]`, table(dropping), "Index is being deleted."},
		{`"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"other"}}]`, table(backfilling), "Only 1 online index"},
		{`"GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"ready"}}]`, table(ready, dropping), "Only 1 online index"},
		{`"BillingMode":"PROVISIONED"`, table(dropping), "Can't change table IOPS when an index is being deleted. Table: T Indexes: [new]"},
		{`"BillingMode":"PAY_PER_REQUEST"`, table(dropping), ""},
		{`"BillingMode":"PROVISIONED"`, table(backfilling), ""},
		{`"StreamSpecification":{"StreamEnabled":false}`, table(allocating), "Can't change stream status when an index is being created. Table: T Indexes: [new]"},
		{`"TableClass":"STANDARD"`, table(allocating), "Can't update table class when an index is being created. Table: T Indexes: [new]"},
		{`"OnDemandThroughput":{"MaxReadRequestUnits":1}`, table(allocating), "OnDemandThroughput cannot be updated while index creation is in progress for indexes: [new]"},
		{`"OnDemandThroughput":{"MaxReadRequestUnits":1}`, table(dropping), "OnDemandThroughput cannot be updated while index deletion is in progress for indexes: [new]"},
		{`"DeletionProtectionEnabled":true`, table(allocating), ""},
		{`"SSESpecification":{}`, table(dropping), ""},
		{`"WarmThroughput":{"ReadUnitsPerSecond":1}`, table(allocating), ""},
	} {
		r := new(updateTableRequest)
		if err := decodeControl("{"+c.body+"}", r, updateTableMembers); err != nil {
			t.Fatal(err)
		}
		err := r.admit(c.d, now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: %v, want …%s", c.body, c.d.Indexes[len(c.d.Indexes)-1].State, err, c.want)
		}
	}
	for _, x := range []schema.Index{allocating, backfilling, dropping} {
		err := checkDelete(&db.Table{Table: schema.Table{Descriptor: *table(ready, x)}}, now)
		if err == nil || !strings.Contains(err.Error(), "Cannot delete table while indexes are being created, updated, or deleted.") {
			t.Errorf("DeleteTable with %s: %v", x.State, err)
		}
	}
}

// TestUsedAttributes: what only a removed index used is not described any more.
func TestUsedAttributes(t *testing.T) {
	d := &schema.Descriptor{
		Attributes: []schema.AttributeDefinition{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}},
		Keys:       []schema.KeyElement{{Name: "a"}},
		Indexes:    []schema.Index{{Keys: []schema.KeyElement{{Name: "d"}, {Name: "c", Range: true}}}},
	}
	var got []string
	for _, a := range usedAttributes(d) {
		got = append(got, a.Name)
	}
	if s := strings.Join(got, " "); s != "a c d" || len(d.Attributes) != 4 {
		t.Errorf("usedAttributes = %s, of %d", s, len(d.Attributes))
	}
}

// FuzzTableRequests: no body makes the checks of CreateTable and UpdateTable panic, or pass a
// schema that cannot be built.
func FuzzTableRequests(f *testing.F) {
	for _, s := range []string{
		`{"TableName":"Tab","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
		`{"TableName":"Tab","GlobalSecondaryIndexes":[{}],"LocalSecondaryIndexes":[{"KeySchema":[]}],"Tags":[{}]}`,
		`{"TableName":"Tab","GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"abc"}},{}],"ReplicaUpdates":[{}],"WarmThroughput":{}}`,
		`{"GlobalTableSourceArn":"x","TableName":"arn:aws:dynamodb:::table/abc"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		create := new(createTableRequest)
		if decodeControl(string(body), create, createTableMembers) == nil && create.check("us-east-1") == nil {
			d := create.descriptor(time.Unix(0, 0))
			if len(d.Keys) == 0 || len(d.Attributes) == 0 || d.Name == "" {
				t.Errorf("CreateTable %s makes %+v", body, d)
			}
		}
		update := new(updateTableRequest)
		if decodeControl(string(body), update, updateTableMembers) == nil && update.check() == nil {
			d := &schema.Descriptor{Name: "T", State: schema.StatePublic, Billing: schema.PayPerRequest}
			_ = update.apply(d, "us-east-1", time.Unix(0, 0)) // any error will do
		}
	})
}

// decodeControl decodes a body into a request.
func decodeControl[R any](body string, r R, ms members[R]) error {
	c := op{new(call.Call)}
	c.Reader.Begin([]byte(body))
	return wire.Decode(&c.Reader, r, c, ms)
}
