package partitatest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// inputFault says, if the input of a call is CreateTable's, what is wrong with its names and keys,
// in the words of Table and AddIndex; "" if nothing is. All else is for DynamoDB to find.
func inputFault(input any) string {
	in, ok := input.(*dynamodb.CreateTableInput)
	switch {
	case !ok:
		return ""
	case in == nil:
		return "the table's description is nil"
	case aws.ToString(in.TableName) == "":
		return "the table has no name"
	}
	table := fmt.Sprintf("table %q", *in.TableName)
	switch n := len(in.KeySchema); {
	case n == 0:
		return fmt.Sprintf("%s has no key: write Table(%q, \"id:S\")", table, *in.TableName)
	case n > 2:
		return fmt.Sprintf("%s has %d keys (%s): it can have a partition key and a sort key",
			table, n, keysText(in.KeySchema, nil))
	}
	if fault := keysFault(table, in.KeySchema); fault != "" {
		return fault
	}
	if fault := indexesFault(table, in.GlobalSecondaryIndexes); fault != "" {
		return fault
	}
	return typesFault(table, in.AttributeDefinitions)
}

// keysFault says what is wrong with the names of keys.
func keysFault(of string, keys []types.KeySchemaElement) string {
	named := map[string]bool{}
	for _, k := range keys {
		name := aws.ToString(k.AttributeName)
		switch {
		case name == "":
			return fmt.Sprintf("a key of %s has no name: write it as \"name:S\"", of)
		case named[name]:
			return fmt.Sprintf("the key %q of %s is there twice", name, of)
		}
		named[name] = true
	}
	return ""
}

// indexesFault says what is wrong with the names of indexes and of their keys.
func indexesFault(table string, indexes []types.GlobalSecondaryIndex) string {
	named := map[string]bool{}
	for _, x := range indexes {
		name := aws.ToString(x.IndexName)
		index := fmt.Sprintf("index %q of %s", name, table)
		switch {
		case name == "":
			return fmt.Sprintf("an index of %s has no name", table)
		case named[name]:
			return fmt.Sprintf("%s is there twice", index)
		case len(x.KeySchema) == 0:
			return fmt.Sprintf("%s has no key: write AddIndex(table, %q, \"id:S\")", index, name)
		}
		if fault := keysFault(index, x.KeySchema); fault != "" {
			return fault
		}
		named[name] = true
	}
	return ""
}

// typesFault says what is wrong with the types of keys.
func typesFault(table string, defined []types.AttributeDefinition) string {
	given := map[string]types.ScalarAttributeType{}
	for _, a := range defined {
		name, kind := aws.ToString(a.AttributeName), a.AttributeType
		other, twice := given[name]
		switch {
		case kind == "":
			return fmt.Sprintf("the key %q of %s has no type: write %q for a string, :N for a number or :B for bytes",
				name, table, name+":S")
		case kind != types.ScalarAttributeTypeS && kind != types.ScalarAttributeTypeN &&
			kind != types.ScalarAttributeTypeB:
			return fmt.Sprintf("the key %q of %s has the type %q, and there are S, N and B: write %q",
				name, table, string(kind), name+":"+likelyType(string(kind)))
		case twice && other != kind:
			return fmt.Sprintf("the key %q of %s has two types, %s and %s", name, table, other, kind)
		}
		given[name] = kind
	}
	return ""
}

// likelyType is the type that may be meant by what is none: string, int, bytes.
func likelyType(kind string) string {
	switch k := strings.ToLower(strings.TrimSpace(kind)); {
	case k == "n", strings.HasPrefix(k, "num"), strings.HasPrefix(k, "int"), strings.HasPrefix(k, "float"):
		return "N"
	case k == "b", strings.HasPrefix(k, "bin"), strings.HasPrefix(k, "byte"), strings.HasPrefix(k, "[]byte"):
		return "B"
	}
	return "S"
}
