package partitatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// failHere is the variable of the environment with which TestFailing fails.
const failHere = "PARTITATEST_FAIL"

// get reads the item with a key of the code under test, which hides why it fails.
func get(ctx context.Context, client *dynamodb.Client, table string, key attributes) error {
	_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
	if err != nil {
		return errors.New("the order cannot be read")
	}
	return nil
}

// TestFailing are tests as others write them, which fail. TestFailures runs them.
func TestFailing(t *testing.T) {
	if os.Getenv(failHere) == "" {
		t.Skip("TestFailures runs it")
	}
	t.Run("calls", func(t *testing.T) {
		db := New(t)
		db.CreateTable(Table("orders", "customer:S", "order:N"))
		for range 3 {
			if err := get(t.Context(), db.Client, "ordrs", attributes{"customer": s("ann")}); err != nil {
				t.Error(err)
			}
		}
		get(t.Context(), db.Client, "orders", attributes{"customer": s("ann")})
	})
	t.Run("good", func(t *testing.T) { // whose errors are meant
		db := New(t, WithDumpOnFailure())
		if err := get(t.Context(), db.Client, "none", attributes{"a": s("x")}); err == nil {
			t.Error("an item of no table was read")
		}
	})
	t.Run("keys", func(t *testing.T) {
		New(t).CreateTable(Table("orders", "user_id"))
	})
	t.Run("seed", func(t *testing.T) {
		db := New(t)
		db.CreateTable(Table("orders", "customer:S"))
		db.Seed("Orders", map[string]string{"customer": "ann"})
	})
	t.Run("dump", func(t *testing.T) {
		db := New(t, WithDumpOnFailure("orders", "custmers"))
		db.CreateTable(Table("orders", "customer:S"))
		db.CreateTable(Table("customers", "customer:S"))
		db.Seed("orders", map[string]string{"customer": "ben"}, map[string]string{"customer": "ann"})
		t.Fatal("the test has failed")
	})
	t.Run("many", func(t *testing.T) {
		db := New(t)
		db.CreateTable(Table("orders", "a:S"))
		for i := range maxFailures + 5 {
			get(t.Context(), db.Client, fmt.Sprintf("number-%02d", i), attributes{"a": s("x")})
		}
		t.Fail()
	})
}

// TestFailures runs tests that fail, in a process of their own, and reads what a programmer then
// sees.
func TestFailures(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailing$", "-test.v")
	c.Env = append(os.Environ(), failHere+"=1")
	b, err := c.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the tests ended with %v:\n%s", err, b)
	}
	output := string(b)
	for name, want := range map[string]string{
		"calls": `
    failures_test.go:LINE: the order cannot be read
    failures_test.go:LINE: the order cannot be read
    failures_test.go:LINE: the order cannot be read
    failures_test.go:LINE: DynamoDB requests that were answered with an error:
          GetItem ordrs: ResourceNotFoundException: Requested resource not found
            there is no table "ordrs"; did you mean "orders"?
            (3 times)
          GetItem orders: ValidationException: The provided key element does not match the schema
            table "orders" has the key customer:S, order:N
`,
		"good": "\n",
		"keys": `
    failures_test.go:LINE: creating a table: the key "user_id" of table "orders" has no type: ` +
			`write "user_id:S" for a string, :N for a number or :B for bytes
`,
		"seed": `
    failures_test.go:LINE: seeding table "Orders": item 1: operation error DynamoDB: PutItem, ` +
			`https response error StatusCode: 400, RequestID: ID, ResourceNotFoundException: Requested resource not found ` +
			`(partitatest: there is no table "Orders"; did you mean "orders"?)
`,
		"dump": `
    failures_test.go:LINE: the test has failed
    failures_test.go:LINE: table "orders" with the key customer:S has 2 items
          {"customer": "ann"}
          {"customer": "ben"}
        there is no table "custmers"; did you mean "customers"?
`,
	} {
		if got := outputOf(output, name); got != want {
			t.Errorf("%s prints\n%s\nwant\n%s", name, got, want)
		}
	}
	many := outputOf(output, "many")
	n := strings.Count(many, `there is no table "number-`)
	if n != maxFailures || !strings.HasSuffix(many, "… and 5 more\n") {
		t.Errorf("of many failures %d are told:\n%s", n, many)
	}
}

// outputOf is what one of the failing tests has printed, without what differs from run to run.
func outputOf(output, name string) string {
	_, output, _ = strings.Cut(output, "=== RUN   TestFailing/"+name)
	output, _, _ = strings.Cut(output, "=== RUN")
	output, _, _ = strings.Cut(output, "--- FAIL")
	output = regexp.MustCompile(`failures_test\.go:\d+`).ReplaceAllString(output, "failures_test.go:LINE")
	return regexp.MustCompile(`RequestID: \w+`).ReplaceAllString(output, "RequestID: ID")
}

// TestHints provokes errors, and looks at what is said of them beside AWS's words, which stay as
// they are.
func TestHints(t *testing.T) {
	t.Parallel()
	db, empty, slow := New(t), New(t), New(t, WithTableDelay(1<<40))
	db.CreateTable(AddIndex(Table("orders", "customer:S", "order:N"), "by-state", "state:S"))
	slow.CreateTable(Table("orders", "a:S"))
	for i := range 12 {
		db.CreateTable(Table(fmt.Sprintf("filler-%02d", i), "a:S"))
	}
	ctx, key := t.Context(), attributes{"a": s("x")}
	reading := func(db *DB, table string) error {
		_, err := db.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
		return err
	}
	query := func(in dynamodb.QueryInput) error {
		in.TableName, in.ExpressionAttributeValues = aws.String("orders"), attributes{":v": s("x")}
		_, err := db.Client.Query(ctx, &in)
		return err
	}
	_, batch := db.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		"filler-00": {Keys: []attributes{key}}, "ORDERS": {Keys: []attributes{key}}}})
	gets := []types.TransactGetItem{{Get: &types.Get{TableName: aws.String("filler00"), Key: key}}}
	_, transaction := db.Client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: gets})
	_, statement := db.Client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{
		Statement: aws.String(`select * from "order" where a = 'x'`)})
	_, create := db.Client.CreateTable(ctx, Table("wrong", "a:X"))
	_, untyped := db.Client.CreateTable(ctx, Table("wrong", "a"))
	_, keyless := db.Client.CreateTable(ctx, Table("wrong"))
	_, twice := db.Client.CreateTable(ctx, Table("orders", "a:S"))

	const keys = `table "orders" has the key customer:S, order:N, the index "by-state" with the key state:S`
	for _, c := range []struct {
		err        error
		code, want string
	}{
		{reading(db, "Orders"), "ResourceNotFoundException", `there is no table "Orders"; did you mean "orders"?`},
		{reading(db, "arn:aws:dynamodb:us-east-1:000000000000:table/odrers"), "ResourceNotFoundException",
			`there is no table "odrers"; did you mean "orders"?`},
		{reading(db, "customers"), "ResourceNotFoundException",
			`there is no table "customers"; there is "filler-00", "filler-01", ` +
				`"filler-02", "filler-03", "filler-04", "filler-05", "filler-06", "filler-07", "filler-08", "filler-09" and 3 more`},
		{reading(empty, "orders"), "ResourceNotFoundException", `there is no table "orders", nor any other`},
		{reading(slow, "orders"), "ResourceNotFoundException", `table "orders" is CREATING`},
		{reading(db, "orders"), "ValidationException", keys},
		{query(dynamodb.QueryInput{KeyConditionExpression: aws.String("a = :v")}), "ValidationException", keys},
		{query(dynamodb.QueryInput{KeyConditionExpression: aws.String("a = :v"), IndexName: aws.String("by-stat")}),
			"ValidationException", keys},
		{query(dynamodb.QueryInput{KeyConditionExpression: aws.String("customer = ")}), "ValidationException", ""},
		{batch, "ResourceNotFoundException", `there is no table "ORDERS"; did you mean "orders"?`},
		{transaction, "ResourceNotFoundException", `there is no table "filler00"; did you mean "filler-00"?`},
		{statement, "ResourceNotFoundException", `there is no table "order"; did you mean "orders"?`},
		{create, "ValidationException",
			`the key "a" of table "wrong" has the type "X", and there are S, N and B: write "a:S"`},
		{untyped, "", `the key "a" of table "wrong" has no type: write "a:S" for a string, :N for a number or :B for bytes`},
		{keyless, "ValidationException", `table "wrong" has no key: write Table("wrong", "id:S")`},
		{twice, "ResourceInUseException", ""},
	} {
		checkHint(t, c.err, c.code, c.want)
	}
}

// checkHint checks the hint of an error, and that it has changed nothing else.
func checkHint(t *testing.T, err error, code, want string) {
	t.Helper()
	if got := hintOf(err); got != want {
		t.Errorf("%v\nhas the hint %q, want %q", err, got, want)
	}
	if want != "" && !strings.HasSuffix(err.Error(), " (partitatest: "+want+")") {
		t.Errorf("%v does not end with the hint", err)
	}
	var said smithy.APIError
	if found := errors.As(err, &said); found != (code != "") {
		t.Errorf("%v is an error of the service: %v", err, found)
	} else if found && (said.ErrorCode() != code || strings.Contains(said.ErrorMessage(), "partitatest")) {
		t.Errorf("the service's error is %s: %s, want %s", said.ErrorCode(), said.ErrorMessage(), code)
	}
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) != (code == "ResourceNotFoundException") {
		t.Errorf("%v has another type than the SDK's", err)
	}
}
