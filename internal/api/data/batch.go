package data

import (
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// nested is the type error of a scalar where a list in a map, or a map in a list, belongs. Only
// batches have such members, and AWS words it as its Java code fails.
func (c *exec) nested() error {
	if !c.IsScalar() {
		return nil
	}
	return wire.TypeError("class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class java.lang.Class " +
		"(sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module java.base of loader 'bootstrap')")
}

// batchTable checks a key of RequestItems, a table's name or ARN. The message names a minimum of 3,
// which the data plane does not enforce: there is no table with a shorter name.
func (v *violations) batchTable(name string) {
	if strings.HasPrefix(name, "arn:") {
		v.TableName(wire.OptString{Set: true, V: name}, 1)
		return
	}
	if !wire.IsName(name) || len(name) > 255 {
		v.Note("Value at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: " +
			"[Member must have length less than or equal to 255, Member must have length greater than or equal to 3, " + wire.NamePattern + "]")
	}
}

// errDuplicateKeys is the error for one item twice in a batch.
var errDuplicateKeys = wire.Validation("Provided list of item keys contains duplicates")

// The bounds of BatchGetItem.
const (
	maxBatchKeys = 100
	// maxBatchBytes is what a response holds at most, in DynamoDB's sizes and in encoded bytes: the
	// text of a number can be much longer than its DynamoDB size.
	maxBatchBytes = 16 << 20
)

// sameItemTwice tells whether two of the statements, whose keys are known, are about one item.
func sameItemTwice(all []*statement) bool {
	for i, a := range all { // at most 100
		for _, b := range all[:i] {
			if sameTable(a.table, b.table) && sameKey(a.table, a.key, b.key) {
				return true
			}
		}
	}
	return false
}

// sameKey tells whether two items of a table have one key.
func sameKey(t *db.Table, a, b item.Item) bool {
	for _, k := range t.Keys {
		if !item.Equal(a.Get(k.Name), b.Get(k.Name)) {
			return false
		}
	}
	return true
}

// sameTable tells whether a and b, which may be nil, are one table. The pointers can differ, since
// the table can have been changed between two look-ups.
func sameTable(a, b *db.Table) bool { return a == b || a != nil && b != nil && a.ID == b.ID }
