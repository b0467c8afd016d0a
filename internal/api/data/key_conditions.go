package data

import (
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// This file compares key conditions with a key schema. Both forms, KeyConditionExpression and
// KeyConditions, become a list of expr.KeyPart; here it is checked against the schema of a table or
// an index, and put into the order of the schema, as db.Read requires.

const (
	// maxKeyConditions is how many key attributes a Query can name at most: a global index has up
	// to four HASH and four RANGE.
	maxKeyConditions = 8
	// ordinaryKeyConditions is how many the key of a table or a local index has at most.
	ordinaryKeyConditions = 2
)

// errConditionCount is the error for a Query with too many conditions for any key, or with none.
var errConditionCount = wire.Validation("Conditions can be of length 1 or 2 only")

// checkConditionCount checks the number of conditions before the table is known, when AWS does:
// with an index the key can have many attributes.
func (q *queryRequest) checkConditionCount() error {
	most := ordinaryKeyConditions
	if q.indexName.Set {
		most = maxKeyConditions
	}
	if n := len(q.parts); n == 0 || n > most {
		return errConditionCount
	}
	return nil
}

// placedParts are the conditions in the order of the schema, nil where an attribute has none.
type placedParts [maxKeyConditions]*expr.KeyPart

// placeConditions checks the conditions against the key schema of what is read, and puts them into
// the read.
func (q *queryRequest) placeConditions() error {
	t := q.read.Table
	keys := t.KeySchema(q.read.Index)
	if len(keys) <= ordinaryKeyConditions && len(q.parts) > ordinaryKeyConditions {
		return errConditionCount
	}
	placed, err := placeParts(keys, q.parts)
	if err != nil {
		return err
	}
	if err := checkOperators(keys, &placed); err != nil {
		return err
	}
	if !fitTypes(t, keys, &placed) {
		return wire.Validation(wire.Invalid + "Condition parameter type does not match schema type")
	}
	if err := checkKeyValues(t, keys, &placed); err != nil {
		return err
	}
	q.read.Hash, q.read.Range = q.hash[:0], q.ranges[:0]
	for i, k := range keys {
		switch {
		case !k.Range:
			q.read.Hash = append(q.read.Hash, placed[i].Values[0])
		case placed[i] != nil:
			q.read.Range = append(q.read.Range, *placed[i])
		}
	}
	return nil
}

// placeParts assigns each condition to its attribute of the schema, and reports an attribute that
// lacks one.
func placeParts(keys []schema.KeyElement, parts []expr.KeyPart) (placed placedParts, err error) {
	left := len(parts) // conditions that are not assigned
	for i, k := range keys {
		for j := range parts {
			if parts[j].Attribute == k.Name {
				placed[i] = &parts[j]
				left--
			}
		}
	}
	firstRange := true
	for i, k := range keys {
		if placed[i] == nil && !k.Range {
			return placed, missedElement(k.Name)
		}
		if !k.Range {
			continue
		}
		// A sort key needs no condition. It is reported only if another condition seems to be meant
		// for it: one on an attribute outside the key, or on a later attribute of the sort key.
		if placed[i] == nil && (left > 0 || firstRange && len(parts) > i) {
			return placed, missedElement(k.Name)
		}
		firstRange = false
	}
	if left > 0 {
		return placed, wire.Validation("Query key condition not supported")
	}
	return placed, nil
}

// missedElement is the error for a key attribute without a condition.
func missedElement(name string) error {
	return wire.Validation("Query condition missed key schema element: " + name)
}

// checkOperators checks that the conditions select one range of rows: equality on all HASH
// attributes, and on all RANGE attributes before the last one that has a condition.
func checkOperators(keys []schema.KeyElement, placed *placedParts) error {
	last := 0
	for i, k := range keys {
		if placed[i] == nil {
			continue
		}
		last = i
		switch op := placed[i].Operator; {
		case !k.Range && op != expr.EQ:
			return wire.Validation("Query key condition not supported")
		case !isRangeOperator(op):
			return wire.Validation("Attempted conditional constraint is not an indexable operation")
		}
	}
	var unequal []string
	for i, k := range keys[:last] {
		if k.Range && (placed[i] == nil || placed[i].Operator != expr.EQ) {
			unequal = append(unequal, k.Name)
		}
	}
	if len(unequal) > 0 {
		return wire.Validation("RANGE key attributes " + strings.Join(unequal, ", ") + " must have equality conditions specified in" +
			" the query because a condition is present on key attribute " + keys[last].Name)
	}
	return nil
}

// isRangeOperator tells whether an operator selects one range of a sort key.
func isRangeOperator(op expr.Operator) bool {
	switch op {
	case expr.EQ, expr.LT, expr.LE, expr.GT, expr.GE, expr.BETWEEN, expr.BEGINS_WITH:
		return true
	}
	return false
}

// fitTypes tells whether the values have the attributes' declared types.
func fitTypes(t *db.Table, keys []schema.KeyElement, placed *placedParts) bool {
	for i, k := range keys {
		if placed[i] == nil {
			continue
		}
		want := t.AttributeType(k.Name)
		for _, v := range placed[i].Values {
			if v.Type() != want {
				return false
			}
		}
	}
	return true
}

// checkKeyValues rejects values that no key can have: empty ones, then too long ones.
func checkKeyValues(t *db.Table, keys []schema.KeyElement, placed *placedParts) error {
	var size keySize
	for i, k := range keys {
		if placed[i] == nil {
			continue
		}
		longest := 0
		for _, v := range placed[i].Values {
			if isEmptyKey(v) {
				return wire.Validation(emptyKeyText(t, k.Name))
			}
			longest = max(longest, v.Size())
		}
		size.add(k, longest)
	}
	return size.check(t)
}

// isEmptyKey tells whether a value is an empty string or binary, which no key attribute may be.
func isEmptyKey(v item.Value) bool {
	return (v.Type() == item.S || v.Type() == item.B) && len(v.Bytes()) == 0
}

// emptyKeyText is DynamoDB's message for an empty value of a key attribute.
func emptyKeyText(t *db.Table, name string) string {
	return "One or more parameter values are not valid. " + emptyKey(name, t) + " Key: " + name
}

// keySize sums the bytes of a key's values, for the limits of DynamoDB.
type keySize struct{ hash, ranges int }

// add counts n bytes of a key attribute.
func (s *keySize) add(k schema.KeyElement, n int) {
	if k.Range {
		s.ranges += n
	} else {
		s.hash += n
	}
}

// check reports a key that is too long.
func (s *keySize) check(t *db.Table) error {
	switch {
	case s.hash > 2048:
		return keyOnly.word(t, &schema.KeyError{Problem: schema.KeyHashTooLong})
	case s.ranges > 1024:
		return keyOnly.word(t, &schema.KeyError{Problem: schema.KeyRangeTooLong})
	}
	return nil
}
