package data

import (
	"bytes"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// This file has the checks of ExclusiveStartKey: its values before the table is known, its
// attributes against the keys of the table and the index, and its place against the conditions of a
// Query or the segment of a Scan. A key that passed them all is one that a page can end with.

// The texts for start keys that do not fit.
const (
	startInvalid  = "The provided starting key is invalid"
	startMismatch = startInvalid + ": The provided key element does not match the schema"
)

// checkStartValues checks the contents of the start key's values. Faults of numbers and repeated
// set members are worded as everywhere, all others with the start key named.
func (r *readRequest) checkStartValues() error {
	f := r.start.Faults.Earliest()
	switch {
	case f == nil:
		return nil
	case f.Kind == item.FaultNumber, f.Kind == item.FaultSet && strings.Contains(f.Message, "contains duplicates"):
		return wire.Validation(f.Message)
	}
	return wire.Validation(startInvalid + ": " + f.Message)
}

// checkStartKey checks the start key against the keys of what is read, the index's before the
// table's. A Scan of a table has other words for a wrong number of attributes.
func (r *readRequest) checkStartKey(scan bool) error {
	if !r.start.Set {
		return nil
	}
	t, x, key := r.read.Table, r.read.Index, r.start.V
	if key.Len() != len(t.ReadKeys(x)) {
		if scan && x == nil {
			return wire.Validation(startMismatch)
		}
		return wire.Validation(startInvalid)
	}
	if x != nil {
		for _, k := range x.Keys {
			switch v := key.Get(k.Name); {
			case !v.Exists():
				return wire.Validation(startInvalid)
			case v.Type() != t.AttributeType(k.Name):
				return errKeySchema
			}
		}
	}
	for _, k := range t.Keys {
		if key.Get(k.Name).Type() != t.AttributeType(k.Name) {
			return wire.Validation(startMismatch)
		}
	}
	r.read.After = key
	return r.checkStartLengths()
}

// checkStartLengths checks the start key for empty and too long values.
func (r *readRequest) checkStartLengths() error {
	t, key := r.read.Table, r.start.V
	for _, name := range t.ReadKeys(r.read.Index) {
		if isEmptyKey(key.Get(name)) {
			return wire.Validation(startInvalid + ": " + emptyKeyText(t, name))
		}
	}
	schemas := [...][]schema.KeyElement{t.KeySchema(r.read.Index), t.Keys}
	for _, keys := range schemas {
		var size keySize
		for _, k := range keys {
			size.add(k, key.Get(k.Name).Size())
		}
		if err := size.check(t); err != nil {
			return err
		}
	}
	return nil
}

// checkStartBounds checks that the start key meets the key conditions: a page cannot have ended
// with another one.
func (q *queryRequest) checkStartBounds() error {
	if !q.start.Set {
		return nil
	}
	keys := q.read.Table.KeySchema(q.read.Index)
	for i, v := range q.read.Hash {
		if !item.Equal(q.start.V.Get(keys[i].Name), v) {
			return wire.Validation("The provided starting key is outside query boundaries based on provided conditions")
		}
	}
	for i := range q.read.Range {
		if part := &q.read.Range[i]; !satisfies(q.start.V.Get(part.Attribute), part) {
			return wire.Validation("The provided starting key does not match the range key predicate")
		}
	}
	if q.atMostOne() {
		return wire.Validation("The query can return at most one row and cannot be restarted")
	}
	return nil
}

// satisfies tells whether a value meets a condition of its own type.
func satisfies(v item.Value, part *expr.KeyPart) bool {
	if part.Operator == expr.BEGINS_WITH {
		return bytes.HasPrefix(v.Bytes(), part.Values[0].Bytes())
	}
	order, _ := item.Compare(v, part.Values[0])
	switch part.Operator {
	case expr.LT:
		return order < 0
	case expr.LE:
		return order <= 0
	case expr.GT:
		return order > 0
	case expr.GE:
		return order >= 0
	case expr.BETWEEN:
		upper, _ := item.Compare(v, part.Values[1])
		return order >= 0 && upper <= 0
	}
	return order == 0
}
