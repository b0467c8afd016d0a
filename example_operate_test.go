package partita_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/partita-db/partita"
)

// A database that requires signatures, and lets a reader read only.
func ExampleParseCredentials() {
	keys, err := partita.ParseCredentials([]byte(`{"credentials": [
		{"accessKeyId": "AKIAREADER", "secretAccessKey": "the-secret-of-the-reader", "user": "reader",
		 "policy": {"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}]}}]}`))
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	db, err := partita.Open(partita.Options{InMemory: true, Credentials: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewServer(db.Handler())
	defer server.Close()

	fmt.Println(keys.Count())
	_, err = newClient(server.URL).ListTables(context.Background(), &dynamodb.ListTablesInput{})
	fmt.Println("with any credentials it fails:", err != nil)
	// Output:
	// 1 1
	// with any credentials it fails: true
}

// An admin handler, which reports before the database is open, too.
func ExampleNewAdmin() {
	admin := partita.NewAdmin(partita.AdminOptions{Version: "1.0"})
	server := httptest.NewServer(admin)
	defer server.Close()
	ready := func() {
		r, err := http.Get(server.URL + "/readyz")
		if err != nil {
			log.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(r.StatusCode, " ", string(text))
	}

	ready()
	db, err := partita.Open(partita.Options{InMemory: true, Admin: admin})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	ready()
	admin.Drain()
	ready()
	// Output:
	// 503 starting: the database is being opened
	// 200 ready
	// 503 draining: the server is being stopped
}
