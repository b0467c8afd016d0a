package partitatest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita/internal/word"
)

// maxNamed is how many tables a hint names.
const maxNamed = 10

// hint says what may be wrong with a request that failed, or "" if its error tells enough.
func (d *DB) hint(f failure, body []byte) string {
	switch {
	case f.code == "ResourceNotFoundException" && len(f.tables) > 0:
		return d.missingHint(f.tables)
	case f.code == "ValidationException" && f.operation == "CreateTable":
		var in dynamodb.CreateTableInput
		if json.Unmarshal(body, &in) == nil { // the names of its fields are those on the wire
			return inputFault(&in)
		}
	case f.code == "ValidationException" && len(f.tables) == 1 && aboutKeys(f.message):
		if text := d.keysHint(f.tables[0]); text != "" {
			return text + itemHint(f, body)
		}
	}
	return ""
}

// aboutKeys tells whether an error's message is about the keys or the indexes of a table, which the
// message does not tell.
func aboutKeys(message string) bool {
	return slices.ContainsFunc([]string{
		"does not match the schema", "key condition", "Query condition missed", "does not have the specified index",
		missingKey, wrongKeyType, "key attributes",
	}, func(part string) bool { return strings.Contains(message, part) })
}

// missingHint says of the first of the tables that cannot be used why that is.
func (d *DB) missingHint(tables []string) string {
	names, err := d.tableNames(context.Background(), d.quiet())
	if err != nil {
		return ""
	}
	for _, name := range tables {
		if !slices.Contains(names, name) {
			return missing(name, names)
		}
		out, err := d.quiet().DescribeTable(context.Background(), &dynamodb.DescribeTableInput{TableName: &name})
		if err == nil && out.Table.TableStatus != types.TableStatusActive {
			return fmt.Sprintf("table %q is %s", name, out.Table.TableStatus)
		}
	}
	return ""
}

// missing says that there is no such table, and which one may be meant.
func missing(name string, names []string) string {
	if len(names) == 0 {
		return fmt.Sprintf("there is no table %q, nor any other", name)
	}
	if meant := word.Similar(name, names); meant != "" {
		return fmt.Sprintf("there is no table %q; did you mean %q?", name, meant)
	}
	var some []string
	for _, other := range names[:min(len(names), maxNamed)] {
		some = append(some, strconv.Quote(other))
	}
	text := fmt.Sprintf("there is no table %q; there is %s", name, strings.Join(some, ", "))
	if left := len(names) - maxNamed; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

// keysHint says which keys and indexes a table has.
func (d *DB) keysHint(table string) string {
	out, err := d.quiet().DescribeTable(context.Background(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return ""
	}
	return describe(out.Table)
}

// describe says which keys and indexes a table has, written as Table and AddIndex take them.
func describe(t *types.TableDescription) string {
	text := fmt.Sprintf("table %q has the key %s",
		aws.ToString(t.TableName), keysText(t.KeySchema, t.AttributeDefinitions))
	for _, index := range indexTexts(t) {
		text += ", the " + index
	}
	return text
}

// indexTexts says of each index of a table which keys it has.
func indexTexts(t *types.TableDescription) (texts []string) {
	for _, x := range t.GlobalSecondaryIndexes {
		texts = append(texts, fmt.Sprintf("index %q with the key %s",
			aws.ToString(x.IndexName), keysText(x.KeySchema, t.AttributeDefinitions)))
	}
	for _, x := range t.LocalSecondaryIndexes {
		texts = append(texts, fmt.Sprintf("local index %q with the key %s",
			aws.ToString(x.IndexName), keysText(x.KeySchema, t.AttributeDefinitions)))
	}
	return texts
}

// keysText writes keys as Table takes them: customer:S, order:N.
func keysText(keys []types.KeySchemaElement, defined []types.AttributeDefinition) string {
	var texts []string
	for _, k := range keys {
		text := aws.ToString(k.AttributeName)
		for _, a := range defined {
			if aws.ToString(a.AttributeName) == text {
				text += ":" + string(a.AttributeType)
				break
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// tableNames returns the names of all tables, sorted.
func (d *DB) tableNames(ctx context.Context, client *dynamodb.Client) (names []string, err error) {
	pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		names = append(names, out.TableNames...)
	}
	return names, nil
}

// newQuiet returns a client whose requests leave no trace, and which may be used while another
// request is in progress.
func (d *DB) newQuiet() *dynamodb.Client {
	config := d.Config()
	config.HTTPClient = &http.Client{Transport: &transport{handler: d.db.Handler()}}
	config.APIOptions = nil
	return dynamodb.NewFromConfig(config)
}

// request is what of a request tells its tables.
type request struct {
	TableName     string
	RequestItems  map[string]json.RawMessage
	TransactItems []map[string]struct{ TableName, Statement string }
	Statement     string
	Statements    []struct{ Statement string }
}

// tablesIn returns the names of the tables that the body of a request names, each once; those of a
// batch sorted.
func tablesIn(body []byte) (names []string) {
	var r request
	if json.Unmarshal(body, &r) != nil {
		return nil
	}
	add := func(name, statement string) {
		if m := inStatement.FindStringSubmatch(statement); m != nil {
			name = m[1]
		}
		if _, of, isARN := strings.Cut(name, ":table/"); isARN {
			name, _, _ = strings.Cut(of, "/")
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(r.TableName, r.Statement)
	for _, s := range r.Statements {
		add("", s.Statement)
	}
	for _, one := range r.TransactItems {
		for _, part := range one {
			add(part.TableName, part.Statement)
		}
	}
	batch := len(names)
	for name := range r.RequestItems {
		add(name, "")
	}
	slices.Sort(names[batch:])
	return names
}

// inStatement finds the table of a PartiQL statement.
var inStatement = regexp.MustCompile(`(?i)\b(?:from|into|update)\s+"?([A-Za-z0-9_.-]+)`)
