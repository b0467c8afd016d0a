package partitatest

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Table returns the input of CreateTable for a table that is paid by request. Keys are the
// partition key and, if there is one, the sort key, each a name, a colon, and a type: S for
// strings, N for numbers, B for bytes, as in "customer:S". What is wrong with them is said when the
// table is created.
func Table(name string, keys ...string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	in.KeySchema = keySchema(in, keys)
	return in
}

// AddIndex adds to the input of CreateTable a global secondary index that projects all attributes,
// with keys as for [Table], and returns the input again. It panics if the input is nil.
func AddIndex(in *dynamodb.CreateTableInput, name string, keys ...string) *dynamodb.CreateTableInput {
	if in == nil {
		panic("partitatest: AddIndex needs the input of CreateTable, as Table returns it; it was given nil")
	}
	in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
		IndexName: &name, KeySchema: keySchema(in, keys),
		Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
	})
	return in
}

// keySchema returns the key elements, and defines in the input the attributes that it does not
// define yet. It accepts malformed keys: inputFault reports them when the table is created, where a
// test can fail.
func keySchema(in *dynamodb.CreateTableInput, keys []string) (elements []types.KeySchemaElement) {
	role := types.KeyTypeHash
	for _, key := range keys {
		name, kind := key, ""
		if colon := strings.LastIndexByte(key, ':'); colon >= 0 { // a name may have colons, too
			name, kind = key[:colon], key[colon+1:]
		}
		elements = append(elements, types.KeySchemaElement{AttributeName: &name, KeyType: role})
		role = types.KeyTypeRange
		a := types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)}
		same := func(b types.AttributeDefinition) bool {
			return aws.ToString(b.AttributeName) == name && b.AttributeType == a.AttributeType
		}
		if !slices.ContainsFunc(in.AttributeDefinitions, same) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, a)
		}
	}
	return elements
}

// CreateTable creates a table and returns its description. With [WithTableDelay] it is still
// CREATING then. An error fails the test.
func (d *DB) CreateTable(in *dynamodb.CreateTableInput) *types.TableDescription {
	d.t.Helper()
	if fault := inputFault(in); fault != "" {
		d.t.Fatalf("creating a table: %s", fault)
	}
	out, err := d.Client.CreateTable(own(), in)
	if err != nil {
		d.t.Fatalf("creating table %q: %v", aws.ToString(in.TableName), err)
	}
	return out.TableDescription
}
