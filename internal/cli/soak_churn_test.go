package cli

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// prepare makes the tables and fills the slots.
func (k *soak) prepare() {
	k.t.Helper()
	began := time.Now()
	_, _, err := call(k, k.client.CreateTable, &dynamodb.CreateTableInput{
		TableName: soakTable, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: new("k"), KeyType: types.KeyTypeHash}, {AttributeName: new("r"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("k"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("r"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: new("g"), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: soakIndex, Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
			KeySchema: []types.KeySchemaElement{{AttributeName: new("g"), KeyType: types.KeyTypeHash}},
		}},
	})
	if err != nil {
		k.t.FailNow()
	}
	k.ledger.prepare()
	k.expiry.prepare()
	for _, w := range k.writers {
		for first := 0; first < k.slots; first += 25 {
			var requests []types.WriteRequest
			serials := map[int]int{}
			for slot := first; slot < min(first+25, k.slots); slot++ {
				serials[slot] = w.serial()
				requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: soakItem(w.id, slot, serials[slot])}})
			}
			w.writeBatch(requests, serials)
		}
	}
	if k.t.Failed() {
		k.t.FailNow()
	}
	k.t.Logf("%d items of %d clients written in %v", k.slots*soakWriter, soakWriter, time.Since(began).Round(time.Millisecond))
}

// table makes a table with the string k as its key, and with a stream if there is a view type,
// whose ARN it returns.
func (k *soak) table(name *string, view types.StreamViewType) *string {
	in := &dynamodb.CreateTableInput{
		TableName: name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: new("k"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("k"), AttributeType: types.ScalarAttributeTypeS}},
	}
	if view != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: view}
	}
	out, _, err := call(k, k.client.CreateTable, in)
	if err != nil {
		return nil
	}
	return out.TableDescription.LatestStreamArn
}

const (
	churnTables = 4  // alive at a time
	churnItems  = 20 // of each
)

// soakChurn makes tables, fills them, gives them indexes and takes them away, switches streams and
// expiry on and off, and deletes the tables again.
type soakChurn struct {
	*soak
	random *rand.Rand
	made   int
	alive  []*string
}

// work goes round until the time is over: the number of tables stays level.
func (c *soakChurn) work() {
	for c.pause(time.Second) {
		name := new(fmt.Sprint("soak-churn-", c.made))
		c.made++
		view := types.StreamViewType("")
		if c.random.IntN(2) == 0 {
			view = types.StreamViewTypeNewAndOldImages
		}
		arn := c.table(name, view)
		c.alive = append(c.alive, name)
		c.fill(name)
		if arn != nil {
			c.readStream(name, arn)
		}
		table := c.alive[c.random.IntN(len(c.alive))]
		switch c.random.IntN(3) {
		case 0, 1:
			c.index(table)
		case 2:
			c.expire(table)
		}
		if len(c.alive) > churnTables {
			call(c.soak, c.client.DeleteTable, &dynamodb.DeleteTableInput{TableName: c.alive[0]})
			c.alive = c.alive[1:]
		}
	}
}

// fill writes the table's items.
func (c *soakChurn) fill(name *string) {
	var requests []types.WriteRequest
	for i := range churnItems {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes{
			"k": textValue(fmt.Sprint("item-", i)), "g": textValue(fmt.Sprint("g", i%2)), "v": intValue(i),
		}}})
	}
	call(c.soak, c.client.BatchWriteItem, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*name: requests}})
}

// readStream reads the new table's stream to its end, counts, and switches it off.
func (c *soakChurn) readStream(name, arn *string) {
	n := 0
	r := soakReader{soak: c.soak, arn: arn, see: func(streamtypes.Record) { n++ }}
	r.finish()
	c.streamed.Add(int64(n))
	if n != churnItems {
		c.fault("the stream of %s has %d records, want %d", *name, n, churnItems)
	}
	if c.random.IntN(2) == 0 { // else it ends with its table
		call(c.soak, c.client.UpdateTable, &dynamodb.UpdateTableInput{
			TableName: name, StreamSpecification: &types.StreamSpecification{StreamEnabled: new(false)},
		})
	}
}

// index makes an index of a table, looks into it and takes it away.
func (c *soakChurn) index(name *string) {
	_, _, err := call(c.soak, c.client.UpdateTable, &dynamodb.UpdateTableInput{
		TableName:            name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("g"), AttributeType: types.ScalarAttributeTypeS}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: soakIndex, Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			KeySchema: []types.KeySchemaElement{{AttributeName: new("g"), KeyType: types.KeyTypeHash}},
		}}},
	})
	if err != nil || !c.settled(name, true) {
		return
	}
	out, _, err := call(c.soak, c.client.Query, &dynamodb.QueryInput{
		TableName: name, IndexName: soakIndex, KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attributes{":g": textValue("g1")},
	})
	if err == nil && int(out.Count) != churnItems/2 {
		c.fault("the new index of %s has %d items, want %d", *name, out.Count, churnItems/2)
	}
	call(c.soak, c.client.UpdateTable, &dynamodb.UpdateTableInput{
		TableName: name, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{
			Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: soakIndex},
		}},
	})
	c.settled(name, false)
}

// settled waits until the table is ACTIVE, and its index too, or gone.
func (c *soakChurn) settled(name *string, index bool) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		out, _, err := call(c.soak, c.client.DescribeTable, &dynamodb.DescribeTableInput{TableName: name})
		if err != nil {
			return false
		}
		indexes := out.Table.GlobalSecondaryIndexes
		if out.Table.TableStatus == types.TableStatusActive && (len(indexes) > 0) == index && (!index || indexes[0].IndexStatus == types.IndexStatusActive) {
			return true
		}
	}
	c.fault("the index of %s is not settled after ten seconds", *name)
	return false
}

// expire gives a table an attribute by which its items expire, or takes it away.
func (c *soakChurn) expire(name *string) {
	out, _, err := call(c.soak, c.client.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: name})
	if err != nil {
		return
	}
	off := out.TimeToLiveDescription.TimeToLiveStatus == types.TimeToLiveStatusDisabled
	call(c.soak, c.client.UpdateTimeToLive, &dynamodb.UpdateTimeToLiveInput{
		TableName: name, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new("v"), Enabled: &off},
	}, "ValidationException") // switched too often
}
