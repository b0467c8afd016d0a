package inspect

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// RowQuery says which rows of a table are read.
type RowQuery struct {
	Table   *Table
	Section Section
	// Key is what the keys of the rows have: the attributes of the section's key, or the hash
	// attributes and perhaps others. Missing: any.
	Key item.Item
	// After is a key of a row: only rows behind it are read.
	After []byte
}

// Row is a row of a table.
type Row struct {
	Key, Value []byte
	// Hash is that of the partition.
	Hash uint64
	// Attributes are those of the key; missing where they cannot be read.
	Attributes item.Item
	// Expires is, in the index by expiry, the second after which the item does.
	Expires uint64
	// Item is what is stored: missing in the index by expiry, and where it cannot be read.
	Item item.Item
	// Damage is why the row, or a part of it, cannot be read; empty if it can.
	Damage string
}

// Rows are the rows of a query, by their keys.
func (v *View) Rows(q *RowQuery) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, err := q.rows()
		if err != nil {
			yield(Row{}, err)
			return
		}
		walk(v, rows, func(key, value []byte) (Row, bool) {
			row := q.read(key, value)
			return row, q.wants(&row)
		}, yield)
	}
}

// rows is the range that the rows lie in, with others that wants leaves out.
func (q *RowQuery) rows() (kv.Range, error) {
	r, err := q.keyed()
	if err != nil || q.After == nil {
		return r, err
	}
	all := schema.SectionRange(q.Table.ID, q.Section.ID)
	if string(q.After) < string(all.Start) || string(q.After) >= string(all.End) {
		return r, fmt.Errorf("%x, after which to go on, is no key of %s of table %s",
			q.After, q.Section.Name, q.Table.Label())
	}
	if next := append(bytes.Clone(q.After), 0); string(next) > string(r.Start) {
		r.Start = next
	}
	if string(r.Start) > string(r.End) {
		r.End = r.Start // nothing is behind it
	}
	return r, nil
}

// keyed is the range of Key.
func (q *RowQuery) keyed() (kv.Range, error) {
	all := schema.SectionRange(q.Table.ID, q.Section.ID)
	if !q.Key.Exists() {
		return all, nil
	}
	hash, others, err := q.attributes()
	if err != nil {
		return all, err
	}
	if err := q.checkKey(slices.Concat(hash, others)); err != nil || q.Section.Kind == ExpiryRows {
		return all, err // by second, and then by key
	}
	var values []item.Value
	for _, a := range hash {
		value := q.Key.Get(a.Name)
		if !value.Exists() {
			return all, fmt.Errorf("the key lacks the hash attribute %q", a.Name)
		}
		values = append(values, value)
	}
	if key, ok := q.whole(q.Key); ok {
		return kv.Range{Start: key, End: append(bytes.Clone(key), 0)}, nil
	}
	return q.Table.Schema.QueryRange(new(schema.Bounds), q.index(), values, nil), nil
}

// index is the index of the section, nil for items.
func (q *RowQuery) index() *schema.Index {
	if q.Section.Plan == nil {
		return nil
	}
	return q.Section.Plan.Index
}

// attributes are the hash attributes of the section's keys, and the others.
func (q *RowQuery) attributes() (hash, others []schema.KeyAttribute, err error) {
	t := q.Table.Schema
	switch {
	case t == nil:
		return nil, nil, fmt.Errorf("the descriptor of table %s cannot be read, and so no key", q.Table.Label())
	case q.Section.Kind == UnknownRows:
		return nil, nil, fmt.Errorf("table %s has no index of %s, and so no key", q.Table.Label(), q.Section.Name)
	case q.Section.Plan == nil:
		return t.KeyAttributes[:1], t.KeyAttributes[1:], nil
	}
	p := q.Section.Plan
	return p.Hash, slices.Concat(p.Range, t.KeyAttributes), nil
}

// checkKey says what Key has that is no key attribute of the section, or of another type.
func (q *RowQuery) checkKey(known []schema.KeyAttribute) error {
	for name, value := range q.Key.Attributes() {
		i := slices.IndexFunc(known, func(a schema.KeyAttribute) bool { return a.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("%q is no key attribute of %s", name, q.Section.Name)
		case value.Type() != known[i].Type:
			return fmt.Errorf("the key attribute %q is of type %v, not %v", name, known[i].Type, value.Type())
		}
	}
	return nil
}

// whole is the key of the row with all these key attributes; ok is false if some are missing.
func (q *RowQuery) whole(attributes item.Item) (key []byte, ok bool) {
	t := q.Table.Schema
	for _, name := range t.ReadKeys(q.index()) {
		if !attributes.Get(name).Exists() {
			return nil, false
		}
	}
	if q.Section.Plan != nil {
		return q.Section.Plan.AppendKey(nil, attributes)
	}
	return t.AppendItemKey(nil, attributes), true
}

// RowKey is the key of a row in the section with all the key attributes, for After.
func (q *RowQuery) RowKey(attributes item.Item) ([]byte, error) {
	hash, others, err := q.attributes()
	if err != nil {
		return nil, err
	}
	if q.Section.Kind == ExpiryRows {
		return nil, errors.New("rows of expiry are in the order of time: the key must be given in hexadecimal")
	}
	at := *q
	at.Key = attributes
	if err := at.checkKey(slices.Concat(hash, others)); err != nil {
		return nil, err
	}
	key, ok := at.whole(attributes)
	if !ok {
		return nil, fmt.Errorf("a key of %s has the attributes %q, all of them", q.Section.Name, at.names())
	}
	return key, nil
}

// names are the key attributes of the section.
func (q *RowQuery) names() []string { return q.Table.Schema.ReadKeys(q.index()) }

// wants tells whether a row has the attributes of Key. One whose key cannot be read is shown, as it
// may have them.
func (q *RowQuery) wants(row *Row) bool {
	if !q.Key.Exists() || !row.Attributes.Exists() {
		return true
	}
	for name, value := range q.Key.Attributes() {
		if !item.Equal(row.Attributes.Get(name), value) {
			return false
		}
	}
	return true
}

// read reads a row.
func (q *RowQuery) read(key, value []byte) Row {
	row := Row{Key: key, Value: value}
	row.Damage = q.readKey(&row)
	if q.Section.Kind == ExpiryRows {
		if len(value) > 0 && row.Damage == "" {
			row.Damage = "it has a value, and rows of expiry have none"
		}
		return row
	}
	it, err := item.Parse(value)
	if err == nil {
		err = it.Verify()
	}
	if err == nil {
		row.Item = it
	} else if row.Damage == "" {
		row.Damage = err.Error()
	} else {
		row.Damage += "; " + err.Error()
	}
	return row
}

// readKey reads the row's key, and says why it cannot.
func (q *RowQuery) readKey(row *Row) string {
	front, _, ok := schema.SplitFront(row.Key)
	if !ok {
		return "its key is too short"
	}
	row.Hash = front.Hash
	switch {
	case q.Table.Schema == nil:
		return "its key cannot be read without the table's descriptor"
	case q.Section.Kind == UnknownRows:
		return "its key cannot be read: no index has such a section"
	}
	if row.Attributes, ok = q.Table.Schema.ReadKey(row.Key); !ok {
		return "its key is damaged"
	}
	if q.Section.Kind == ExpiryRows {
		row.Expires, _ = schema.ExpirySecond(row.Key)
		row.Hash = schema.HashOf(schema.AppendExpiringKey(nil, row.Key))
	}
	return ""
}

// JSON is an item in DynamoDB's JSON; nil for a missing one.
func JSON(it item.Item) []byte {
	if !it.Exists() {
		return nil
	}
	return it.AppendJSON(nil)
}

// ParseKey reads attributes in DynamoDB's JSON.
func ParseKey(text string) (item.Item, error) {
	var s item.Scanner
	var d item.Decoder
	s.Reset([]byte(text))
	it, faults, err := d.Item(&s)
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return item.Item{}, fmt.Errorf(`%s is no key such as {"id":{"S":"1"}}: %w`, text, err)
	}
	if fault := faults.Earliest(); fault != nil {
		return item.Item{}, fmt.Errorf("the key %s: %w", text, fault)
	}
	return it.Clone(), nil
}

// ParseAfter reads a key of a row of the query: its attributes in DynamoDB's JSON, all of them, or
// its bytes in hexadecimal.
func (q *RowQuery) ParseAfter(text string) ([]byte, error) {
	if key, err := hex.DecodeString(text); err == nil {
		return key, nil
	}
	attributes, err := ParseKey(text)
	if err != nil {
		return nil, err
	}
	return q.RowKey(attributes)
}
