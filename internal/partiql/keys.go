package partiql

import (
	"slices"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// KeyUse is what a WHERE clause says of a key.
type KeyUse struct {
	// Hash are the values of the hash key that rows must have, each a value for each hash
	// attribute, in their order: one for equality, several for IN and for equalities joined by OR,
	// distinct, in the order written. Nil means that the clause does not fix the hash key: the read
	// is a Scan, Range is nil and Filter is all of the clause.
	Hash [][]item.Value
	// In tells that Hash comes from IN or OR, even if it has only one value. For DynamoDB such a
	// statement does not fix a full key.
	In bool
	// Range are conditions on the range key, in the order of its attributes, each EQ but the last
	// one, which may be LT, LE, GT, GE, BETWEEN or BEGINS_WITH. Types are as written, not checked
	// against a schema.
	Range []expr.KeyPart
	// Full tells that each key attribute is fixed by one equality: the clause can mean one item at
	// most.
	Full bool
	// Filter is what the clause says beyond Hash and Range; nil if that is nothing.
	Filter *expr.Condition
}

// Keys finds what the WHERE clause says of a key whose attributes are named. It looks at conditions
// that AND joins at the top of the clause. A condition on a key attribute that is not part of
// KeyUse's Hash or Range, such as a second equality, stays in its Filter.
//
// An IN fixes a hash key of one attribute only. Of several conditions on an attribute an equality
// is taken before others, and else the first one.
func (b *Bound) Keys(hash, rng []string) KeyUse {
	if b.Where == nil {
		return KeyUse{}
	}
	k := keyFinder{left: b.Where.Conjuncts()}
	if !k.fixHash(hash) {
		return KeyUse{Filter: b.Where}
	}
	fixed := k.limitRange(rng)
	k.use.Full = fixed && !k.use.In
	k.use.Filter = b.Where.Only(k.left)
	return k.use
}

// keyFinder separates the conditions on a key from the others.
type keyFinder struct {
	left []expr.Conjunct
	use  KeyUse
}

// take returns the first condition on the attribute with one of the operators, which is then no
// longer left.
func (k *keyFinder) take(attribute string, operators ...expr.Operator) (expr.KeyPart, bool) {
	i := slices.IndexFunc(k.left, func(c expr.Conjunct) bool {
		return c.Values != nil && c.Attribute == attribute && slices.Contains(operators, c.Operator)
	})
	if i < 0 {
		return expr.KeyPart{}, false
	}
	part := k.left[i].KeyPart
	k.left = slices.Delete(k.left, i, i+1)
	return part, true
}

// fixHash looks for equalities on all hash attributes, or an IN on the only one. It tells whether
// there are.
func (k *keyFinder) fixHash(hash []string) bool {
	tuple := make([]item.Value, 0, len(hash))
	for _, attribute := range hash {
		if part, ok := k.take(attribute, expr.EQ); ok {
			tuple = append(tuple, part.Values[0])
		}
	}
	if len(tuple) == len(hash) {
		k.use.Hash = [][]item.Value{tuple}
		return true
	}
	if len(hash) > 1 {
		return false
	}
	part, ok := k.take(hash[0], expr.IN)
	if !ok {
		return false
	}
	seen := make(map[string]bool, len(part.Values))
	for _, v := range part.Values {
		if raw := string(v.Raw()); !seen[raw] {
			seen[raw] = true
			k.use.Hash = append(k.use.Hash, []item.Value{v})
		}
	}
	k.use.In = true
	return true
}

// limitRange looks for conditions on the range attributes, from the first one on. It tells whether
// all have equalities.
func (k *keyFinder) limitRange(rng []string) bool {
	for _, attribute := range rng {
		part, ok := k.take(attribute, expr.EQ)
		if !ok {
			part, ok = k.take(attribute, expr.LT, expr.LE, expr.GT, expr.GE, expr.BETWEEN, expr.BEGINS_WITH)
			if ok {
				k.use.Range = append(k.use.Range, part)
			}
			return false
		}
		k.use.Range = append(k.use.Range, part)
	}
	return true
}
