package data

import (
	"errors"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// errKeySchema is the error for a key whose attributes or types are not exactly the key schema's.
var errKeySchema = wire.Validation("The provided key element does not match the schema")

// checkKey checks a Key against the table's key schema.
func checkKey(t *db.Table, key item.Item) error {
	err := t.CheckKey(key)
	if err == nil {
		return nil
	}
	return keyOnly.word(t, err)
}

// checkNested rejects paths that go below a key attribute, of the table or else of an index: these
// are scalars. names are the top-level attributes of nested paths in an expression.
func checkNested(t *db.Table, names []string) error {
	const scalars = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
	for _, name := range names {
		if t.IsKey(name) {
			return wire.Validation(scalars + "Key: " + name)
		}
	}
	for _, name := range names {
		if isIndexKey(t, name) {
			return wire.Validation(scalars + "IndexKey: " + name)
		}
	}
	return nil
}

func isIndexKey(t *db.Table, attribute string) bool {
	for i := range t.Indexes {
		for _, k := range t.Indexes[i].Keys {
			if k.Name == attribute && !t.Indexes[i].Dropping {
				return true
			}
		}
	}
	return false
}

// keyWords select the words for a *schema.KeyError: they depend on where the key is from.
type keyWords int

// The places of keys.
const (
	keyOnly  keyWords = iota // a Key member, and an item of BatchWriteItem's PutRequest
	keyInPut                 // the item of PutItem
	keyOfNew                 // an item as an update made it; only its index keys can be wrong
)

// word words err if it is a *schema.KeyError, and returns other errors as they are.
func (k keyWords) word(t *db.Table, err error) error {
	var e *schema.KeyError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Problem {
	case schema.KeyHashTooLong:
		return wire.Validation(wire.Invalid + "Size of hashkey has exceeded the maximum size limit of2048 bytes") // sic
	case schema.KeyRangeTooLong:
		return wire.Validation(wire.Invalid + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	if e.Index != "" {
		return k.wordIndex(t, e)
	}
	switch {
	case e.Problem == schema.KeyEmpty:
		return wire.Validation("One or more parameter values are not valid. " + emptyKey(e.Attribute, t) +
			" Key: " + e.Attribute)
	case k == keyInPut && e.Problem == schema.KeyMissing:
		return wire.Validation(wire.Invalid + "Missing the key " + e.Attribute + " in the item")
	case k == keyInPut && e.Problem == schema.KeyType:
		return wire.Validation(wire.Invalid + "Type mismatch for key " + e.Attribute +
			" expected: " + e.Want.String() + " actual: " + e.Got.String())
	}
	return errKeySchema
}

func (k keyWords) wordIndex(t *db.Table, e *schema.KeyError) error {
	switch {
	case e.Problem == schema.KeyType:
		return wire.Validation(wire.Invalid + "Type mismatch for Index Key " + e.Attribute +
			" Expected: " + e.Want.String() + " Actual: " + e.Got.String() + " IndexName: " + e.Index)
	case k == keyOfNew:
		return wire.Validation("One or more parameter values are not valid. The update expression attempted to update a secondary index " +
			"key to a value that is not supported. " + emptyKey(e.Attribute, t))
	}
	return wire.Validation("One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
		emptyKey(e.Attribute, t) + " IndexName: " + e.Index + ", IndexKey: " + e.Attribute)
}

// emptyKey is the sentence about an empty value of a key attribute.
func emptyKey(attribute string, t *db.Table) string {
	if t.AttributeType(attribute) == item.B {
		return "The AttributeValue for a key attribute cannot contain an empty binary value."
	}
	return "The AttributeValue for a key attribute cannot contain an empty string value."
}
