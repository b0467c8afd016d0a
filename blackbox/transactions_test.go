package blackbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The actions of transactions.
func txPut(table *string, it attrs) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: table, Item: it}}
}

func txDelete(table *string, key attrs) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: table, Key: key}}
}

func txUpdate(table *string, key attrs, update, condition string, values attrs) types.TransactWriteItem {
	u := &types.Update{TableName: table, Key: key, UpdateExpression: &update, ExpressionAttributeValues: values}
	if condition != "" {
		u.ConditionExpression = &condition
	}
	return types.TransactWriteItem{Update: u}
}

func txCheck(table *string, key attrs, condition string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key, ConditionExpression: &condition}}
}

// transactWrite runs a transaction of writes. The SDK gives each a token of its own.
func transactWrite(actions ...types.TransactWriteItem) (*dynamodb.TransactWriteItemsOutput, error) {
	return client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: actions})
}

// cancelled checks that err is a cancelled transaction with these reasons: "None", or a code, a
// message and, after "with", an item.
func cancelled(t *testing.T, err error, want ...string) {
	t.Helper()
	var e *types.TransactionCanceledException
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a TransactionCanceledException", err)
		return
	}
	var got, codes []string
	for _, r := range e.CancellationReasons {
		text := *r.Code
		codes = append(codes, *r.Code)
		if r.Message != nil {
			text += " " + *r.Message
		}
		if r.Item != nil {
			text += " with " + show(r.Item)
		}
		got = append(got, text)
	}
	same(t, "reasons", strings.Join(got, "\n"), strings.Join(want, "\n"))
	same(t, "message", e.ErrorMessage(),
		"Transaction cancelled, please refer cancellation reasons for specific reasons ["+strings.Join(codes, ", ")+"]")
}

// txGets reads items in one transaction, one a line.
func txGets(t *testing.T, gets ...types.TransactGetItem) string {
	t.Helper()
	out := must(client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: gets}))(t)
	var items []attrs
	for _, r := range out.Responses {
		items = append(items, r.Item)
	}
	return showAll(items)
}

func txGet(table *string, key attrs) types.TransactGetItem {
	return types.TransactGetItem{Get: &types.Get{TableName: table, Key: key}}
}

func TestTransactWriteAllOrNothing(t *testing.T) {
	t.Parallel()
	one, two := simple(t), schema{hash: "h:S", sort: "r:N", global: []index{{name: "by-x", hash: []string{"x:S"}, project: []string{"ALL"}}}}.table(t)
	must(transactWrite(
		txPut(one, attrs{"a": s("1"), "n": n("5")}),
		txPut(two, attrs{"h": s("1"), "r": n("1"), "x": s("g")}),
		txUpdate(two, attrs{"h": s("1"), "r": n("2")}, "SET v = :v", "attribute_not_exists(h)", attrs{":v": n("7")}),
		txDelete(one, attrs{"a": s("none")}),
		txCheck(one, attrs{"a": s("also none")}, "attribute_not_exists(a)"),
	))(t)
	all := []types.TransactGetItem{
		txGet(one, attrs{"a": s("1")}), txGet(two, attrs{"h": s("1"), "r": n("1")}), txGet(two, attrs{"h": s("1"), "r": n("2")}),
		txGet(one, attrs{"a": s("none")}),
	}
	want := "{a: \"1\", n: 5}\n{h: \"1\", r: 1, x: \"g\"}\n{h: \"1\", r: 2, v: 7}\nnone"
	same(t, "items", txGets(t, all...), want)

	_, err := transactWrite(
		txPut(one, attrs{"a": s("none")}),
		txUpdate(one, attrs{"a": s("1")}, "SET n = n - :six", "n >= :six", attrs{":six": n("6")}),
		txDelete(two, attrs{"h": s("1"), "r": n("1")}),
		types.TransactWriteItem{Delete: &types.Delete{
			TableName: two, Key: attrs{"h": s("1"), "r": n("2")}, ConditionExpression: new("attribute_not_exists(v)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}},
	)
	cancelled(t, err, "None", "ConditionalCheckFailed The conditional request failed", "None",
		`ConditionalCheckFailed The conditional request failed with {h: "1", r: 2, v: 7}`)
	same(t, "items after the cancelled transaction", txGets(t, all...), want)
	out := must(client.Query(ctx, &dynamodb.QueryInput{
		TableName: two, IndexName: new("by-x"), KeyConditionExpression: new("x = :g"), ExpressionAttributeValues: attrs{":g": s("g")},
	}))(t)
	same(t, "items in the index", showAll(out.Items), `{h: "1", r: 1, x: "g"}`)
}

func TestTransactWriteRefuses(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "n": s("text")})
	_, err := transactWrite(
		txUpdate(table, attrs{"a": s("1")}, "SET n = n + :one", "", attrs{":one": n("1")}),
		txDelete(table, attrs{"a": n("1")}),
		txPut(table, attrs{"b": s("1")}),
	)
	cancelled(t, err, "ValidationError An operand in the update expression has an incorrect data type",
		"ValidationError The provided key element does not match the schema",
		"ValidationError "+oneOrMore+"Missing the key a in the item")
	_, err = transactWrite(txPut(table, attrs{"a": s("2")}), txCheck(table, attrs{"a": s("2")}, "attribute_exists(a)"))
	invalid(t, err, "Transaction request cannot include multiple operations on one item")
	_, err = transactWrite(types.TransactWriteItem{})
	invalid(t, err, "TransactItems can only contain one of Check, Put, Update or Delete")
	_, err = transactWrite(txPut(table, attrs{"a": s("2")}), txPut(new("nowhere"), attrs{"a": s("2")}))
	refused(t, err, "ResourceNotFoundException", "Requested resource not found")
	_, err = transactWrite(txPut(table, attrs{"a": s("")}))
	invalid(t, err, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "+
		"string value. Key: a")
	same(t, "item", get(t, table, attrs{"a": s("2")}), "none")
}

func TestTransactTokens(t *testing.T) {
	t.Parallel()
	table := simple(t)
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: new("token of " + *table), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		TransactItems: []types.TransactWriteItem{
			txUpdate(table, attrs{"a": s("1")}, "ADD n :one SET s = :s, t = :s", "", attrs{":one": n("1"), ":s": ss("a", "b")}),
			txDelete(table, attrs{"a": s("2")}),
		},
	}
	// units shows WriteCapacityUnits and ReadCapacityUnits.
	units := func(out *dynamodb.TransactWriteItemsOutput) string {
		c := out.ConsumedCapacity[0]
		text := fmt.Sprint(*c.CapacityUnits)
		if c.WriteCapacityUnits != nil {
			text += fmt.Sprint(" write ", *c.WriteCapacityUnits)
		}
		if c.ReadCapacityUnits != nil {
			text += fmt.Sprint(" read ", *c.ReadCapacityUnits)
		}
		return text
	}
	same(t, "units", units(must(client.TransactWriteItems(ctx, in))(t)), "4 write 4")
	for range 3 { // a map has another order each time
		same(t, "units of a replay", units(must(client.TransactWriteItems(ctx, in))(t)), "4 read 4")
	}
	same(t, "item", get(t, table, attrs{"a": s("1")}), `{a: "1", n: 1, s: SS("a", "b"), t: SS("a", "b")}`)
	in.TransactItems = in.TransactItems[:1]
	_, err := client.TransactWriteItems(ctx, in)
	var mismatch *types.IdempotentParameterMismatchException
	if !errors.As(err, &mismatch) {
		t.Errorf("another request with the token: %v, want IdempotentParameterMismatchException", err)
	}
}

func TestTransactGet(t *testing.T) {
	t.Parallel()
	one, two := simple(t), schema{hash: "h:S", sort: "r:N"}.table(t)
	put(t, one, attrs{"a": s("1"), "b": s("x"), "c": m(attrs{"d": n("1"), "e": n("2")})})
	put(t, two, attrs{"h": s("1"), "r": n("1")})
	out := must(client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{
		ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
		TransactItems: []types.TransactGetItem{
			txGet(two, attrs{"h": s("1"), "r": n("1")}), txGet(two, attrs{"h": s("1"), "r": n("2")}),
			{Get: &types.Get{
				TableName: one, Key: attrs{"a": s("1")}, ProjectionExpression: new("c.#d"), ExpressionAttributeNames: map[string]string{"#d": "d"},
			}},
			{Get: &types.Get{TableName: one, Key: attrs{"a": s("2")}, ProjectionExpression: new("b")}},
		},
	}))(t)
	var items []attrs
	for _, r := range out.Responses {
		items = append(items, r.Item)
	}
	same(t, "items", showAll(items), "{h: \"1\", r: 1}\nnone\n{c: {d: 1}}\nnone")
	for _, c := range out.ConsumedCapacity {
		same(t, "units", showUnits(&c), "4 = table 4")
		same(t, "read units of the table", *c.Table.ReadCapacityUnits, 4)
	}
	_, err := client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		txGet(one, attrs{"a": s("1")}), txGet(one, attrs{"a": s("")}), txGet(two, attrs{"h": s("1")}),
	}})
	cancelled(t, err, "None", "ValidationError One or more parameter values are not valid. The AttributeValue for a key attribute "+
		"cannot contain an empty string value. Key: a", "ValidationError The provided key element does not match the schema")
	_, err = client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		txGet(one, attrs{"a": s("1")}), txGet(one, attrs{"a": s("1")}),
	}})
	invalid(t, err, "Transaction request cannot include multiple operations on one item")
}

// The bank of TestTransactBank.
const (
	bankAccounts = 10
	bankBalance  = 50
)

// bankKey is the key of an account.
func bankKey(i int) attrs { return attrs{"a": s(fmt.Sprint("account", i))} }

// TestTransactBank moves money by transactions while others add it up in one, and write to the same
// items alone: the total never changes, no account falls below zero, and no single write is lost.
func TestTransactBank(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for i := range bankAccounts {
		it := bankKey(i)
		it["n"] = n(strconv.Itoa(bankBalance))
		put(t, table, it)
	}
	rounds := 100
	if testing.Short() {
		rounds = 30
	}
	var writers, auditors sync.WaitGroup
	var over atomic.Bool
	var touched, moved atomic.Int64
	for g := range 6 {
		random := rand.New(rand.NewPCG(7, uint64(g)))
		writers.Go(func() {
			for range rounds {
				if g < 4 {
					if bankTransfer(t, table, random) {
						moved.Add(1)
					}
					continue
				}
				must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
					TableName: table, Key: bankKey(random.IntN(bankAccounts)), UpdateExpression: new("ADD touched :one"),
					ExpressionAttributeValues: attrs{":one": n("1")},
				}))(t)
				touched.Add(1)
			}
		})
	}
	for range 2 {
		auditors.Go(func() {
			for !over.Load() {
				bankTotal(t, table, "n", bankAccounts*bankBalance)
			}
		})
	}
	writers.Wait()
	over.Store(true)
	auditors.Wait()
	bankTotal(t, table, "n", bankAccounts*bankBalance)
	bankTotal(t, table, "touched", int(touched.Load()))
	if moved.Load() == 0 {
		t.Error("no transfer went through")
	}
}

// bankTransfer moves a random amount, if it is there.
func bankTransfer(t *testing.T, table *string, random *rand.Rand) bool {
	from := random.IntN(bankAccounts)
	to := (from + 1 + random.IntN(bankAccounts-1)) % bankAccounts
	amount := attrs{":v": n(strconv.Itoa(random.IntN(40)))}
	_, err := transactWrite(
		txUpdate(table, bankKey(to), "SET n = n + :v", "", amount),
		txUpdate(table, bankKey(from), "SET n = n - :v", "n >= :v", amount),
	)
	if err != nil {
		cancelled(t, err, "None", "ConditionalCheckFailed The conditional request failed")
	}
	return err == nil
}

// bankTotal adds an attribute of all accounts up, which are read in one transaction.
func bankTotal(t *testing.T, table *string, attribute string, want int) {
	t.Helper()
	var gets []types.TransactGetItem
	for i := range bankAccounts {
		gets = append(gets, txGet(table, bankKey(i)))
	}
	out, err := client.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: gets})
	if err != nil {
		t.Error(err)
		return
	}
	total := 0
	for _, r := range out.Responses {
		if v, ok := r.Item[attribute].(*types.AttributeValueMemberN); ok {
			x, err := strconv.Atoi(v.Value)
			if err != nil || x < 0 {
				t.Errorf("an account has the balance %s", v.Value)
			}
			total += x
		}
	}
	same(t, "total of "+attribute, total, want)
}
