package api_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/servertest"
)

// newClient returns an AWS SDK client of an empty database in memory, behind HTTP.
func newClient(t *testing.T) *dynamodb.Client {
	t.Helper()
	d, err := partita.Open(partita.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint:     aws.String(servertest.Start(t, d.Handler(), nil).URL),
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
		RetryMaxAttempts: 1,
	})
}

// str and num are values.
func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// itemTable makes a table with the keys a (S) and b (N), and a local index on c (S).
func itemTable(t *testing.T, c *dynamodb.Client, name string) {
	t.Helper()
	hash := types.KeySchemaElement{AttributeName: aws.String("a"), KeyType: types.KeyTypeHash}
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("a"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("b"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: aws.String("c"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{hash, {AttributeName: aws.String("b"), KeyType: types.KeyTypeRange}},
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{{
			IndexName:  aws.String("byC"),
			KeySchema:  []types.KeySchemaElement{hash, {AttributeName: aws.String("c"), KeyType: types.KeyTypeRange}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestItemsSDK puts, gets, updates and deletes an item as a program with the AWS SDK does.
func TestItemsSDK(t *testing.T) {
	c, ctx := newClient(t), t.Context()
	itemTable(t, c, "Things")
	key := map[string]types.AttributeValue{"a": str("x"), "b": num(1)}
	put, err := c.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String("Things"),
		Item: map[string]types.AttributeValue{
			"a": str("x"), "b": num(1), "c": str("c"), "n": num(1),
			"bin": &types.AttributeValueMemberB{Value: []byte{0, 1, 255}},
			"set": &types.AttributeValueMemberSS{Value: []string{"y", "x"}},
			"m":   &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"é\n\"": &types.AttributeValueMemberBOOL{Value: true}}},
			"nil": &types.AttributeValueMemberNULL{Value: true},
		},
		ReturnConsumedCapacity:      types.ReturnConsumedCapacityIndexes,
		ReturnItemCollectionMetrics: types.ReturnItemCollectionMetricsSize,
	})
	if err != nil {
		t.Fatal(err)
	}
	if u := put.ConsumedCapacity; *u.CapacityUnits != 2 || *u.Table.CapacityUnits != 1 || *u.LocalSecondaryIndexes["byC"].CapacityUnits != 1 {
		t.Errorf("ConsumedCapacity = %+v", u)
	}
	if m := put.ItemCollectionMetrics; m == nil || len(m.SizeEstimateRangeGB) != 2 || m.ItemCollectionKey["a"].(*types.AttributeValueMemberS).Value != "x" {
		t.Errorf("ItemCollectionMetrics = %+v", m)
	}
	update, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String("Things"), Key: key,
		UpdateExpression:          aws.String("SET n = n + :one ADD #s :z"),
		ExpressionAttributeNames:  map[string]string{"#s": "set"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": num(1), ":z": &types.AttributeValueMemberSS{Value: []string{"z"}}},
		ReturnValues:              types.ReturnValueUpdatedNew,
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := update.Attributes["n"].(*types.AttributeValueMemberN).Value; n != "2" || len(update.Attributes) != 2 {
		t.Errorf("Attributes = %v", update.Attributes)
	}
	get, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("Things"), Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if b := get.Item["bin"].(*types.AttributeValueMemberB).Value; string(b) != "\x00\x01\xff" || len(get.Item) != 8 {
		t.Errorf("Item = %v", get.Item)
	}
	if m := get.Item["m"].(*types.AttributeValueMemberM).Value; !m["é\n\""].(*types.AttributeValueMemberBOOL).Value {
		t.Errorf("m = %v", m)
	}
	_, err = c.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String("Things"), Key: key, ConditionExpression: aws.String("attribute_not_exists(a)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) || failed.ErrorMessage() != "The conditional request failed" || len(failed.Item) != 8 {
		t.Errorf("DeleteItem: %v", err)
	}
	old, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("Things"), Key: key, ReturnValues: types.ReturnValueAllOld})
	if err != nil || len(old.Attributes) != 8 {
		t.Errorf("DeleteItem: %v, %v", old, err)
	}
	if get, err = c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("Things"), Key: key}); err != nil || get.Item != nil {
		t.Errorf("GetItem: %v, %v", get, err)
	}
	var missing *types.ResourceNotFoundException
	if _, err = c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("None"), Key: key}); !errors.As(err, &missing) {
		t.Errorf("GetItem: %v", err)
	}
}

// TestBatchesSDK writes and reads batches of two tables as a program with the AWS SDK does.
func TestBatchesSDK(t *testing.T) {
	c, ctx := newClient(t), t.Context()
	requests, keys := map[string][]types.WriteRequest{}, map[string]types.KeysAndAttributes{}
	for _, table := range []string{"One", "Two"} {
		itemTable(t, c, table)
		var wanted types.KeysAndAttributes
		for i := range 12 {
			item := map[string]types.AttributeValue{"a": str("x"), "b": num(i), "table": str(table)}
			requests[table] = append(requests[table], types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
			wanted.Keys = append(wanted.Keys, map[string]types.AttributeValue{"a": str("x"), "b": num(i)})
		}
		keys[table] = wanted
	}
	checkBatch(ctx, t, c, requests, keys, 12)
	for table := range requests {
		requests[table] = nil
		for i := range 6 {
			requests[table] = append(requests[table], types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: keys[table].Keys[i]}})
		}
	}
	checkBatch(ctx, t, c, requests, keys, 6)
}

// checkBatch makes the requests and reads the keys, of which it wants so many found in each table.
func checkBatch(ctx context.Context, t *testing.T, c *dynamodb.Client, requests map[string][]types.WriteRequest,
	keys map[string]types.KeysAndAttributes, want int) {
	t.Helper()
	wrote, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
		RequestItems: requests, ReturnItemCollectionMetrics: types.ReturnItemCollectionMetricsSize,
	})
	if err != nil || len(wrote.UnprocessedItems) != 0 || len(wrote.ItemCollectionMetrics["One"]) != 1 {
		t.Fatalf("BatchWriteItem: %+v, %v", wrote, err)
	}
	read, err := c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: keys, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil || len(read.UnprocessedKeys) != 0 || len(read.ConsumedCapacity) != 2 || *read.ConsumedCapacity[0].CapacityUnits != 6 {
		t.Fatalf("BatchGetItem: %+v, %v", read, err)
	}
	for table, items := range read.Responses {
		if len(items) != want || items[0]["table"].(*types.AttributeValueMemberS).Value != table {
			t.Errorf("%s: %d items, want %d", table, len(items), want)
		}
	}
}
