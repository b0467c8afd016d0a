package blackbox_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita"
)

// TestTables runs the files of testdata: calls of the SDK and what they give, each file on a
// database of its own. To write the answers anew: go test ./blackbox -run Tables -rewrite, and read
// the diff.
//
//	<Operation> <member>…   calls it with the input (see strict) and prints the named members of the answer, or all
//	clock <duration>        turns the clock
//	delay <duration>        goes on with an empty database whose tables take that long to change
//	await <table>           waits until the table and its indexes are ACTIVE, for indexes are built behind the clock's back
//	from <region> <key>     signs the calls that follow for the region, with the access key
//
// $simple in an input stands for the members of a table Table on demand whose key is the string a;
// members that follow override them.
func TestTables(t *testing.T) {
	t.Parallel()
	files := must(filepath.Glob("testdata/*.txt"))(t)
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			d := open(t, partita.Options{})
			datadriven.RunTest(t, file, func(t *testing.T, c *datadriven.TestData) string {
				var words []string
				for _, a := range c.CmdArgs {
					words = append(words, a.Key)
				}
				switch c.Cmd {
				case "clock":
					d.clock.Advance(must(time.ParseDuration(words[0]))(t))
					return ""
				case "delay":
					d.close(t)
					d = open(t, partita.Options{TableDelay: must(time.ParseDuration(words[0]))(t)})
					return ""
				case "await":
					d.awaitActive(t, words[0])
					return ""
				case "from":
					d.Client = d.as(words[1], words[0])
					return ""
				}
				return shorten(d.call(c.Cmd, strings.ReplaceAll(c.Input, "$simple", simpleTable), words...)) + "\n"
			})
		})
	}
}

// awaitActive waits until a table and its indexes are ACTIVE.
func (d *database) awaitActive(t testing.TB, table string) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		out := must(d.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table}))(t).Table
		ready := out.TableStatus == types.TableStatusActive
		for _, x := range out.GlobalSecondaryIndexes {
			ready = ready && x.IndexStatus == types.IndexStatusActive
		}
		if ready {
			return
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("table %s is not ACTIVE after a minute", table)
		}
	}
}

// simpleTable is what $simple stands for.
const simpleTable = "TableName: Table, AttributeDefinitions: <a:S>, KeySchema: <a>, BillingMode: PAY_PER_REQUEST"

// TestListTables: names in the order of their bytes, in pages of a hundred or of what is asked for.
func TestListTables(t *testing.T) {
	t.Parallel()
	d := open(t, partita.Options{})
	var all []string
	for i := range 105 {
		name := fmt.Sprintf("%c%s-%d", "aBz_.-9"[i%7], "xx", i)
		d.make(t, fmt.Sprintf(`{TableName: %q}`, name))
		all = append(all, name)
	}
	slices.Sort(all)
	first := must(d.ListTables(ctx, &dynamodb.ListTablesInput{}))(t)
	same(t, "first page", fmt.Sprint(first.TableNames), fmt.Sprint(all[:100]))
	same(t, "its last name", *first.LastEvaluatedTableName, all[99])
	second := must(d.ListTables(ctx, &dynamodb.ListTablesInput{ExclusiveStartTableName: first.LastEvaluatedTableName}))(t)
	same(t, "second page", fmt.Sprint(second.TableNames), fmt.Sprint(all[100:]))
	same(t, "nothing follows", second.LastEvaluatedTableName, nil)
	var paged []string
	for p := dynamodb.NewListTablesPaginator(d.Client, &dynamodb.ListTablesInput{Limit: new(int32(35))}); p.HasMorePages(); {
		paged = append(paged, must(p.NextPage(ctx))(t).TableNames...)
	}
	same(t, "in pages of 35, the last of which is full", fmt.Sprint(paged), fmt.Sprint(all))
	from := must(d.ListTables(ctx, &dynamodb.ListTablesInput{ExclusiveStartTableName: new("_xx-"), Limit: new(int32(1))}))(t)
	same(t, "after a name that is not there", from.TableNames[0], all[slices.IndexFunc(all, func(s string) bool { return s > "_xx-" })])
	last := must(d.ListTables(ctx, &dynamodb.ListTablesInput{ExclusiveStartTableName: new("zzz")}))(t)
	same(t, "after the last one", len(last.TableNames), 0)
}

// TestTableWaiters: the SDK's waiters see tables come and go. A table made again has another id and
// no items.
func TestTableWaiters(t *testing.T) {
	t.Parallel()
	table := simple(t)
	describe := &dynamodb.DescribeTableInput{TableName: table}
	put(t, table, attrs{"a": s("1")})
	described, err := dynamodb.NewTableExistsWaiter(client).WaitForOutput(ctx, describe, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	must(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table}))(t)
	if err := dynamodb.NewTableNotExistsWaiter(client).Wait(ctx, describe, time.Minute); err != nil {
		t.Fatal(err)
	}
	again := must(client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: table, KeySchema: described.Table.KeySchema, AttributeDefinitions: described.Table.AttributeDefinitions,
		BillingMode: types.BillingModePayPerRequest,
	}))(t)
	if *again.TableDescription.TableId == *described.Table.TableId {
		t.Errorf("both tables have the id %s", *described.Table.TableId)
	}
	same(t, "items", get(t, table, attrs{"a": s("1")}), "none")
}

// TestOneTable: a table is one and the same whoever signs, for whatever region.
func TestOneTable(t *testing.T) {
	t.Parallel()
	d := open(t, partita.Options{Region: "ap-south-1"})
	d.make(t, `{TableName: Shared}`)
	key := attrs{"a": s("1")}
	found := "none"
	for _, c := range []*dynamodb.Client{d.as("AKIA1", "us-east-1"), d.as("ASIA2", "moon-base-7"), d.Client} {
		out := must(c.PutItem(ctx, &dynamodb.PutItemInput{TableName: new("Shared"), Item: key, ReturnValues: "ALL_OLD"}))(t)
		same(t, "item of the one before", show(out.Attributes), found)
		same(t, "names", fmt.Sprint(must(c.ListTables(ctx, &dynamodb.ListTablesInput{}))(t).TableNames), "[Shared]")
		found = show(key)
	}
	moon := must(d.as("x", "moon-base-7").DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: new("Shared")}))(t)
	same(t, "ARN", *moon.Table.TableArn, "arn:aws:dynamodb:moon-base-7:000000000000:table/Shared")
	same(t, "items", *moon.Table.ItemCount, 1)
}

// make makes a table whose CreateTable has the usual members besides those of the input (see
// $simple).
func (d *database) make(t testing.TB, input string) {
	t.Helper()
	answer := d.call("CreateTable", "{"+simpleTable+", "+strings.TrimPrefix(input, "{"), "TableStatus")
	same(t, "CreateTable "+input, answer, "TableStatus: CREATING")
}
