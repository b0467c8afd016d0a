package partitatest

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Table returns the input of CreateTable for a table that is paid by request. Keys are the partition key and, if there is one,
// the sort key, each a name and one of the types S, N and B: "customer:S".
func Table(name string, keys ...string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	in.KeySchema = keySchema(in, keys)
	return in
}

// AddIndex adds a global secondary index that projects all attributes, with keys as of Table, and returns the input again.
func AddIndex(in *dynamodb.CreateTableInput, name string, keys ...string) *dynamodb.CreateTableInput {
	in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
		IndexName: &name, KeySchema: keySchema(in, keys), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
	})
	return in
}

// keySchema returns the key elements, and defines in the input the attributes that it does not define yet. What is wrong with
// keys is for DynamoDB to find.
func keySchema(in *dynamodb.CreateTableInput, keys []string) (elements []types.KeySchemaElement) {
	role := types.KeyTypeHash
	for _, key := range keys {
		name, kind, _ := strings.Cut(key, ":")
		elements = append(elements, types.KeySchemaElement{AttributeName: &name, KeyType: role})
		role = types.KeyTypeRange
		a := types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)}
		same := func(b types.AttributeDefinition) bool {
			return *b.AttributeName == name && b.AttributeType == a.AttributeType
		}
		if !slices.ContainsFunc(in.AttributeDefinitions, same) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, a)
		}
	}
	return elements
}

// CreateTable makes a table and returns its description. With WithTableDelay it is still CREATING then. An error fails the
// test.
func (d *DB) CreateTable(in *dynamodb.CreateTableInput) *types.TableDescription {
	d.t.Helper()
	out, err := d.Client.CreateTable(context.Background(), in)
	if err != nil {
		d.t.Fatalf("creating table %q: %v", aws.ToString(in.TableName), err)
	}
	return out.TableDescription
}
