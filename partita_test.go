package partita_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A database in memory, behind a test server, with the AWS SDK as its client.
func Example() {
	db, err := partita.Open(partita.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewServer(db.Handler())
	defer server.Close()

	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &server.URL,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("any", "credentials", ""),
	})
	ctx := context.Background()
	table, key := "orders", "order_id"
	_, err = client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &table,
		KeySchema:            []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		log.Fatal(err)
	}
	order, err := attributevalue.MarshalMap(map[string]any{key: "ord_8821", "status": "delivered", "items": []string{"TEE-M-BLUE", "HAT-L-RED"}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: order}); err != nil {
		log.Fatal(err)
	}
	got, err := client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{key: order[key]},
	})
	if err != nil {
		log.Fatal(err)
	}
	var read struct {
		Status string   `dynamodbav:"status"`
		Items  []string `dynamodbav:"items"`
	}
	if err := attributevalue.UnmarshalMap(got.Item, &read); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Status, read.Items)
	// Output: delivered [TEE-M-BLUE HAT-L-RED]
}

// TestOptions checks that it must be clear where the data is.
func TestOptions(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, o := range []partita.Options{
		{},
		{Dir: t.TempDir(), InMemory: true},
	} {
		o.Logger = quiet
		if db, err := partita.Open(o); err == nil {
			db.Close()
			t.Errorf("Open(%+v) succeeded", o)
		}
	}
}

// TestEngine checks that an engine of the caller's stays the caller's.
func TestEngine(t *testing.T) {
	engine, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db, err := partita.Open(partita.Options{Engine: engine, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Errorf("the engine was closed with the database: %v", err)
	}
}

// TestDirHeld checks that one directory is open once.
func TestDirHeld(t *testing.T) {
	o := partita.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	first, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := partita.Open(o); !errors.Is(err, pebblekv.ErrLocked) {
		t.Errorf("the second Open: %v, %v", second, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
