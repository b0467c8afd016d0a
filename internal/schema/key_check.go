package schema

import (
	"fmt"

	"github.com/partita-db/partita/internal/item"
)

// KeyProblem says what is wrong with a key.
type KeyProblem int

// The problems with keys.
const (
	KeyMissing      KeyProblem = iota + 1 // the attribute is absent
	KeyType                               // it has another type than declared
	KeyEmpty                              // an empty string or binary
	KeyHashTooLong                        // hash attributes over 2048 bytes together
	KeyRangeTooLong                       // range attributes over 1024 bytes together
	KeyExtra                              // a key with more attributes than the schema
)

// KeyError is an item or a key that does not fit the key schema of the table (Index is empty) or of
// an index.
type KeyError struct {
	Problem   KeyProblem
	Attribute string
	Index     string
	Want, Got item.Type
}

// Error is for logs; package api words the problem for clients.
func (e *KeyError) Error() string {
	return fmt.Sprintf("db: key attribute %q of index %q: problem %d (declared %v, got %v)",
		e.Attribute, e.Index, e.Problem, e.Want, e.Got)
}

// CheckKey reports as *KeyError (of the table) whether key has exactly the table's key attributes,
// with their types, not empty and not too long. Problems are looked for in this order: wrong number
// or names or types, then empty values, then lengths.
func (t *Table) CheckKey(key item.Item) error {
	for _, a := range t.KeyAttributes {
		if err := checkAttribute(key, a, ""); err != nil && err.Problem != KeyEmpty {
			return err
		}
	}
	if key.Len() != len(t.Keys) {
		return &KeyError{Problem: KeyExtra}
	}
	return t.CheckKeyAttributes(key)
}

// CheckItem reports as *KeyError whether an item to be put has the table's key attributes and
// whether its index key attributes, where present, fit: first the table's keys, then the indexes'
// by index name.
func (t *Table) CheckItem(it item.Item) error {
	for _, a := range t.KeyAttributes {
		if err := checkAttribute(it, a, ""); err != nil && err.Problem != KeyEmpty {
			return err
		}
	}
	if err := t.CheckKeyAttributes(it); err != nil {
		return err
	}
	return t.CheckIndexKeys(it)
}

// CheckKeyAttributes looks for empty, then for too long values of key attributes that have the
// right types.
func (t *Table) CheckKeyAttributes(it item.Item) error {
	for _, a := range t.KeyAttributes {
		if err := checkAttribute(it, a, ""); err != nil {
			return err
		}
	}
	if KeyLen(it.Get(t.Hash.Name)) > maxHashBytes {
		return &KeyError{Problem: KeyHashTooLong, Attribute: t.Hash.Name}
	}
	if t.Sort.Name != "" && KeyLen(it.Get(t.Sort.Name)) > maxRangeBytes {
		return &KeyError{Problem: KeyRangeTooLong, Attribute: t.Sort.Name}
	}
	return nil
}

// checkAttribute looks at one key attribute of the table or of an index.
func checkAttribute(it item.Item, a KeyAttribute, index string) *KeyError {
	v := it.Get(a.Name)
	switch {
	case !v.Exists():
		return &KeyError{Problem: KeyMissing, Attribute: a.Name, Index: index, Want: a.Type}
	case v.Type() != a.Type:
		return &KeyError{Problem: KeyType, Attribute: a.Name, Index: index, Want: a.Type, Got: v.Type()}
	case KeyLen(v) == 0:
		return &KeyError{Problem: KeyEmpty, Attribute: a.Name, Index: index, Want: a.Type, Got: v.Type()}
	}
	return nil
}

// CheckIndexKeys is the second half of CheckItem: an index that is Dropping refuses nothing.
func (t *Table) CheckIndexKeys(it item.Item) error {
	for _, p := range t.byName {
		if p.Dropping {
			continue
		}
		if err := p.check(it); err != nil {
			return err
		}
	}
	return nil
}

// check looks at the index's key attributes that the item has.
func (p *Plan) check(it item.Item) error {
	hash, err := p.checkAttributes(it, p.Hash)
	if err != nil {
		return err
	}
	rng, err := p.checkAttributes(it, p.Range)
	switch {
	case err != nil:
		return err
	case hash > maxHashBytes:
		return &KeyError{Problem: KeyHashTooLong, Attribute: p.Hash[0].Name, Index: p.Name}
	case rng > maxRangeBytes:
		return &KeyError{Problem: KeyRangeTooLong, Attribute: p.Range[0].Name, Index: p.Name}
	}
	return nil
}

// checkAttributes looks at some key attributes and returns the bytes of those present.
func (p *Plan) checkAttributes(it item.Item, as []KeyAttribute) (bytes int, _ error) {
	for _, a := range as {
		switch err := checkAttribute(it, a, p.Name); {
		case err == nil:
			bytes += KeyLen(it.Get(a.Name))
		case err.Problem != KeyMissing: // sparse: absent is fine
			return 0, err
		}
	}
	return bytes, nil
}
