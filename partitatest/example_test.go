package partitatest_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita/partitatest"
)

// order is an item of the examples' tables.
type order struct {
	Customer string `dynamodbav:"customer"`
	Number   int    `dynamodbav:"order"`
	State    string `dynamodbav:"state,omitempty"`
}

// open is what partitatest.New(t) is in a test.
func open(options ...partitatest.Option) *partitatest.DB {
	db, err := partitatest.Open(options...)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// A table, items in it, and what the code under test would do. A test opens its database with
// partitatest.New(t), which closes it as well.
func Example() {
	db, err := partitatest.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
	db.Seed("orders", order{"ann", 1, "open"}, order{"ann", 2, "shipped"}, order{"ben", 1, "open"})

	out, err := db.Client.Query(context.Background(), &dynamodb.QueryInput{
		TableName:                 aws.String("orders"),
		KeyConditionExpression:    aws.String("customer = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": &types.AttributeValueMemberS{Value: "ann"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	var orders []order
	if err := attributevalue.UnmarshalListOfMaps(out.Items, &orders); err != nil {
		log.Fatal(err)
	}
	fmt.Println(orders)
	// Output: [{ann 1 open} {ann 2 shipped}]
}

// A secondary index, by which orders are found.
func ExampleAddIndex() {
	db := open()
	defer db.Close()
	orders := partitatest.Table("orders", "customer:S", "order:N")
	partitatest.AddIndex(orders, "by-state", "state:S", "order:N")
	db.CreateTable(orders)
	db.Seed("orders", order{"ann", 1, "open"}, order{"ben", 2, "shipped"}, order{"cid", 3, "open"})

	out, err := db.Client.Query(context.Background(), &dynamodb.QueryInput{
		TableName:                 aws.String("orders"),
		IndexName:                 aws.String("by-state"),
		KeyConditionExpression:    aws.String("#s = :s"),
		ExpressionAttributeNames:  map[string]string{"#s": "state"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "open"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Count, "are open")
	// Output: 2 are open
}

// Items from JSON, of both kinds.
func ExampleDB_SeedJSON() {
	db := open()
	defer db.Close()
	db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
	db.SeedJSON("orders", strings.NewReader(`
		{"customer": "ann", "order": 1, "price": 19.99}
		{"customer": "ann", "order": 2, "parts": ["hat", "tee"]}`))
	db.SeedDynamoDBJSON("orders", strings.NewReader(`{"Items": [
		{"customer": {"S": "ben"}, "order": {"N": "1"}, "sizes": {"SS": ["M", "L"]}}
	], "Count": 1, "ScannedCount": 1}`))

	out, err := db.Client.Scan(context.Background(), &dynamodb.ScanInput{TableName: aws.String("orders")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Count, "orders")
	// Output: 3 orders
}

// What a test prints of its tables, now and when it has failed. (t is the test's.)
func ExampleDB_Dump() {
	var t *testing.T
	db := partitatest.New(t, partitatest.WithDumpOnFailure("orders"))
	db.CreateTable(partitatest.Table("orders", "customer:S", "order:N"))
	db.Seed("orders", order{"ann", 1, "open"}, order{"ann", 2, "shipped"})

	db.Dump(t, "orders")
	// prints:
	//
	//	table "orders" with the key customer:S, order:N has 2 items
	//	  {"customer": "ann", "order": 1, "state": "open"}
	//	  {"customer": "ann", "order": 2, "state": "shipped"}
}

// A session expires when the clock is moved past its end.
func ExampleClock() {
	clock := partitatest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	db := open(partitatest.WithClock(clock))
	defer db.Close()
	ctx, table := context.Background(), aws.String("sessions")
	db.CreateTable(partitatest.Table("sessions", "id:S"))
	_, err := db.Client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ends"), Enabled: aws.Bool(true)},
	})
	if err != nil {
		log.Fatal(err)
	}
	db.Seed("sessions", map[string]any{"id": "s1", "ends": clock.Now().Add(time.Hour).Unix()})

	for _, wait := range []time.Duration{time.Hour, time.Second} {
		clock.Advance(wait)
		out, err := db.Client.Scan(ctx, &dynamodb.ScanInput{TableName: table})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(clock.Now().Format(time.TimeOnly), out.Count)
	}
	// Output:
	// 01:00:00 1
	// 01:00:01 0
}
