package partita_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita"
)

// newClient returns the AWS SDK's client of the database at a URL.
func newClient(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("any", "credentials", ""),
	})
}

// orders is a table of orders, each with its id as the key.
var orders = &dynamodb.CreateTableInput{
	TableName:            aws.String("orders"),
	KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("order_id"), KeyType: types.KeyTypeHash}},
	AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("order_id"), AttributeType: "S"}},
	BillingMode:          types.BillingModePayPerRequest,
}

// order is an item of the table.
type order struct {
	ID     string   `dynamodbav:"order_id"`
	Status string   `dynamodbav:"status"`
	Items  []string `dynamodbav:"items"`
}

// A database in memory, behind a test server, with the AWS SDK as its client.
func Example() {
	db, err := partita.Open(partita.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewServer(db.Handler())
	defer server.Close()

	ctx, client := context.Background(), newClient(server.URL)
	if _, err := client.CreateTable(ctx, orders); err != nil {
		log.Fatal(err)
	}
	item, err := attributevalue.MarshalMap(order{"ord_8821", "delivered", []string{"TEE-M-BLUE", "HAT-L-RED"}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: orders.TableName, Item: item}); err != nil {
		log.Fatal(err)
	}
	got, err := client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: orders.TableName, Key: map[string]types.AttributeValue{"order_id": item["order_id"]},
	})
	if err != nil {
		log.Fatal(err)
	}
	var read order
	if err := attributevalue.UnmarshalMap(got.Item, &read); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Status, read.Items)
	// Output: delivered [TEE-M-BLUE HAT-L-RED]
}

// What is in a directory is there again at the next Open.
func ExampleOpen_directory() {
	dir, err := os.MkdirTemp("", "partita")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	session := func(use func(client *dynamodb.Client) error) {
		db, err := partita.Open(partita.Options{Dir: dir})
		if err != nil {
			log.Fatal(err)
		}
		server := httptest.NewServer(db.Handler())
		err = use(newClient(server.URL))
		server.Close()
		if err := errors.Join(err, db.Close()); err != nil {
			log.Fatal(err)
		}
	}

	key := map[string]types.AttributeValue{"order_id": &types.AttributeValueMemberS{Value: "ord_8821"}}
	session(func(client *dynamodb.Client) error {
		_, err := client.CreateTable(ctx, orders)
		if err != nil {
			return err
		}
		_, err = client.PutItem(ctx, &dynamodb.PutItemInput{TableName: orders.TableName, Item: key})
		return err
	})
	session(func(client *dynamodb.Client) error {
		got, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: orders.TableName, Key: key})
		if err == nil {
			fmt.Println("the item is still there:", len(got.Item) > 0)
		}
		return err
	})
	// Output: the item is still there: true
}

// A server on a port of its own, which ends in good order.
func ExampleDB_Handler() {
	db, err := partita.Open(partita.Options{InMemory: true})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: db.Handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	ctx := context.Background()
	client := newClient("http://" + listener.Addr().String())
	if _, err := client.CreateTable(ctx, orders); err != nil {
		log.Fatal(err)
	}
	tables, err := client.ListTables(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tables.TableNames)

	// First no more requests, then no more database.
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: [orders]
}
