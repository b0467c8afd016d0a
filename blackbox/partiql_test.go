package blackbox_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// execute runs a statement, in which %s is the table, and returns all pages of its answer.
func execute(t testing.TB, table *string, text string, parameters ...av) (items []attrs) {
	t.Helper()
	items, _ = executePages(t, &dynamodb.ExecuteStatementInput{Statement: new(fmt.Sprintf(text, *table)), Parameters: parameters})
	return items
}

// executePages reads to the end by NextToken, and counts the pages.
func executePages(t testing.TB, in *dynamodb.ExecuteStatementInput) (items []attrs, pages int) {
	t.Helper()
	for {
		out := must(client.ExecuteStatement(ctx, in))(t)
		items, pages = append(items, out.Items...), pages+1
		if out.NextToken == nil {
			return items, pages
		}
		in.NextToken = out.NextToken
	}
}

// TestStatementTypes writes parameters and literals of every type, and finds them again by each.
func TestStatementTypes(t *testing.T) {
	t.Parallel()
	table := simple(t)
	values := []struct {
		v       av
		literal string // how a statement writes it, if it can
	}{
		{s("it's"), `'it''s'`}, {s(""), `''`}, {n("-1.50"), `-1.5`}, {n("1E+20"), `1e20`}, {b("\x00\xff"), ""}, {boolean(true), `true`},
		{null(true), `null`}, {ss("a", "b"), `<<'b', 'a'>>`}, {ns("1", "2.5"), `<<2.5, 1>>`}, {bs("x", "y"), ""},
		{l(n("1"), s("two"), l()), `[1, 'two', []]`}, {m(attrs{"k": m(attrs{"é": boolean(false)}), "n": n("0")}), `{'k': {'é': false}, 'n': 0}`},
	}
	for i, x := range values {
		key := s(fmt.Sprint(i))
		execute(t, table, `INSERT INTO "%s" VALUE {'a': ?, 'v': ?}`, key, x.v)
		want := show(attrs{"a": key, "v": canonical(x.v)})
		same(t, "item", get(t, table, attrs{"a": key}), want)
		same(t, "found by its value", showAll(execute(t, table, `SELECT * FROM "%s" WHERE a = ? AND v = ?`, key, x.v)), want)
		if x.literal == "" {
			continue
		}
		execute(t, table, `UPDATE "%s" SET v = 'other' WHERE a = ?`, key)
		execute(t, table, `UPDATE "%s" SET v = `+x.literal+` WHERE a = ?`, key)
		same(t, x.literal, showAll(execute(t, table, `SELECT * FROM "%s" WHERE a = ? AND v = `+x.literal, key)), want)
	}
	same(t, "all", len(execute(t, table, `SELECT a FROM "%s"`)), len(values))
}

// canonical is a value as it is answered: numbers without zeros that do not count and without
// exponents.
func canonical(v av) av {
	if v, ok := v.(*types.AttributeValueMemberN); ok {
		return n(map[string]string{"-1.50": "-1.5", "1E+20": "100000000000000000000"}[v.Value])
	}
	return v
}

// TestStatementPaging follows NextToken over the table and indexes, by each Limit, in both
// directions.
func TestStatementPaging(t *testing.T) {
	t.Parallel()
	table := indexedTable(t)
	for _, c := range []struct{ from, where, order, want string }{
		{`"%s"`, `h = ?`, "r", "1 2 3 4 5 6"},
		{`"%s"."all"`, `g = ?`, "k", "1 4 3 2"},
		{`"%s"."local"`, `h = ?`, "l", "6 4 3 2 1"},
		{`"%s"."local"`, `h = ? AND l > 'b'`, "l", "4 3 2 1"},
	} {
		value := s("1")
		if c.from == `"%s"."all"` {
			value = s("G")
		}
		for limit := int32(1); limit < 8; limit++ {
			for direction, want := range map[string]string{"": c.want, " DESC": reversed(c.want)} {
				text := fmt.Sprintf("SELECT * FROM "+c.from+" WHERE "+c.where+" ORDER BY "+c.order+direction, *table)
				in := &dynamodb.ExecuteStatementInput{Statement: &text, Parameters: []av{value}, Limit: &limit}
				got, pages := executePages(t, in)
				same(t, fmt.Sprint(text, " by ", limit), column(got, "r"), want)
				same(t, "pages", pages, len(got)/int(limit)+1) // with a last empty one, if the limit divides
			}
		}
	}
	in := &dynamodb.ExecuteStatementInput{Statement: new(fmt.Sprintf(`SELECT * FROM "%s"`, *table)), Limit: new(int32(2))}
	first := must(client.ExecuteStatement(ctx, in))(t)
	same(t, "LastEvaluatedKey", show(first.LastEvaluatedKey), `{h: "1", r: 2}`)
	in.NextToken, in.Statement = first.NextToken, new(*in.Statement+" ")
	_, err := client.ExecuteStatement(ctx, in)
	invalid(t, err, "NextToken does not match request")
	in.NextToken = new("x")
	_, err = client.ExecuteStatement(ctx, in)
	invalid(t, err, "Invalid NextToken")
}

// TestStatementErrors finds errors by the types that the SDK has for them.
func TestStatementErrors(t *testing.T) {
	t.Parallel()
	table := simple(t)
	in := &dynamodb.ExecuteStatementInput{Statement: new(fmt.Sprintf(`INSERT INTO "%s" VALUE {'a': '1', 'x': 1}`, *table))}
	must(client.ExecuteStatement(ctx, in))(t)
	_, err := client.ExecuteStatement(ctx, in)
	var duplicate *types.DuplicateItemException
	if !errors.As(err, &duplicate) {
		t.Fatal(err)
	}
	same(t, "message", *duplicate.Message, "Duplicate primary key exists in table")

	in = &dynamodb.ExecuteStatementInput{Statement: new(fmt.Sprintf(`UPDATE "%s" SET x = 2 WHERE a = '1' AND x = 0`, *table)),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	_, err = client.ExecuteStatement(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatal(err)
	}
	same(t, "item", show(failed.Item), `{a: "1", x: 1}`)

	_, err = client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{Statement: new("SELECT * FROM nothing_there")})
	refused(t, err, "ResourceNotFoundException", "Requested resource not found")
	_, err = client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{Statement: new("SELEC * FROM nothing_there")})
	invalid(t, err, "Statement wasn't well formed, can't be processed: Expected data manipulation")
}

// batchRequests are statements for BatchExecuteStatement, in which %s is the table.
func batchRequests(table *string, texts ...string) (in *dynamodb.BatchExecuteStatementInput) {
	in = &dynamodb.BatchExecuteStatementInput{ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	for _, text := range texts {
		in.Statements = append(in.Statements, types.BatchStatementRequest{Statement: new(fmt.Sprintf(text, *table))})
	}
	return in
}

// TestStatementBatch runs batches in which some statements fail.
func TestStatementBatch(t *testing.T) {
	t.Parallel()
	table := keyed.table(t)
	put(t, table, attrs{"h": s("1"), "r": n("1"), "x": n("1")}, attrs{"h": s("1"), "r": n("2")})
	out := must(client.BatchExecuteStatement(ctx, batchRequests(table,
		`UPDATE "%s" SET x = x + 1 WHERE h = '1' AND r = 1 RETURNING ALL NEW *`,
		`UPDATE "%s" SET x = x + 1 WHERE h = '1' AND r = 2`,
		`INSERT INTO "%s" VALUE {'h': '2', 'r': 1}`,
		`INSERT INTO "%s" VALUE {'h': '2'}`,
		`DELETE FROM "%s" WHERE h = '1'`,
		`DELETE FROM "%s" WHERE h = '3' AND r = 1 AND x = 1`,
		`UPDATE "%s" SET x = 1 WHERE h = '3' AND r = 2`,
	)))(t)
	same(t, "responses", showBatch(out.Responses, *table), `ok {h: "1", r: 1, x: 2}
ValidationError The provided expression refers to an attribute that does not exist in the item
ok none
ValidationError One or more parameter values were invalid: Missing the key r in the item
ValidationError Where clause does not contain a mandatory equality on all key attributes
ok none
ConditionalCheckFailed The conditional request failed
`)
	same(t, "units", *out.ConsumedCapacity[0].CapacityUnits, 4)

	out = must(client.BatchExecuteStatement(ctx, batchRequests(table,
		`SELECT x FROM "%s" WHERE h = '1' AND r = 1`, `SELECT * FROM "%s" WHERE h = '9' AND r = 1`, `SELECT * FROM "%s"`)))(t)
	same(t, "reads", showBatch(out.Responses, *table), `ok {x: 2}
ok none
ValidationError Select statements within BatchExecuteStatement must specify the primary key in the where clause.
`)
	_, err := client.BatchExecuteStatement(ctx, batchRequests(table, `SELECT * FROM "%s" WHERE h = '1' AND r = 1`, `DELETE FROM "%s" WHERE h = '1' AND r = 2`))
	invalid(t, err, "Read and write requests together in the same batch is not supported.")
}

// showBatch prints what came of each statement of a batch, one a line.
func showBatch(responses []types.BatchStatementResponse, table string) (text string) {
	for _, r := range responses {
		switch {
		case r.Error != nil:
			text += fmt.Sprintln(r.Error.Code, *r.Error.Message)
		case r.TableName == nil || *r.TableName != table:
			text += "of another table\n"
		default:
			text += fmt.Sprintln("ok", show(r.Item))
		}
	}
	return text
}

// transactStatements are statements for ExecuteTransaction, in which %s is the table.
func transactStatements(table *string, texts ...string) (list []types.ParameterizedStatement) {
	for _, text := range texts {
		list = append(list, types.ParameterizedStatement{Statement: new(fmt.Sprintf(text, *table))})
	}
	return list
}

// TestStatementTransaction rolls back a transaction of which one statement fails, and runs another
// once.
func TestStatementTransaction(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "x": n("1")}, attrs{"a": s("2"), "x": n("1")})
	in := &dynamodb.ExecuteTransactionInput{TransactStatements: transactStatements(table,
		`UPDATE "%s" SET x = x + 1 WHERE a = '1'`, `INSERT INTO "%s" VALUE {'a': '2'}`, `DELETE FROM "%s" WHERE a = '3'`)}
	_, err := client.ExecuteTransaction(ctx, in)
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) {
		t.Fatal(err)
	}
	codes := ""
	for _, r := range canceled.CancellationReasons {
		codes += *r.Code + " "
	}
	same(t, "reasons", codes, "None DuplicateItem None ")
	same(t, "nothing done", get(t, table, attrs{"a": s("1")}), `{a: "1", x: 1}`)

	in = &dynamodb.ExecuteTransactionInput{ClientRequestToken: new("token of " + *table), TransactStatements: transactStatements(table,
		`EXISTS(SELECT * FROM "%s" WHERE a = '2' AND x = 1)`, `UPDATE "%s" SET x = x + 1 WHERE a = '1'`)}
	for range 2 {
		must(client.ExecuteTransaction(ctx, in))(t)
	}
	out := must(client.ExecuteTransaction(ctx, &dynamodb.ExecuteTransactionInput{TransactStatements: transactStatements(table,
		`SELECT * FROM "%s" WHERE a = '1'`, `SELECT x FROM "%s" WHERE a = '2'`, `SELECT * FROM "%s" WHERE a = '3'`)}))(t)
	same(t, "first", show(out.Responses[0].Item), `{a: "1", x: 2}`)
	same(t, "second", show(out.Responses[1].Item), `{x: 1}`)
	same(t, "third", show(out.Responses[2].Item), `none`)
}
