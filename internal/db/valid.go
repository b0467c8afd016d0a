package db

import (
	"errors"
	"fmt"

	"github.com/partita-db/partita/internal/item"
)

// The rows of the catalog are trusted everywhere else, so whoever reads them looks whether they can be true. What is wrong here nobody
// wrote: the row is damaged.

// valid returns what is wrong with a descriptor that was read from the row with the key.
func (d *Descriptor) valid(key []byte) error {
	switch {
	case string(descriptorKey(d.ID)) != string(key):
		return fmt.Errorf("it is that of table id %d", d.ID)
	case d.State != StatePublic && d.State != StateNoWrites && d.State != StateDropped:
		return fmt.Errorf("the state %q", d.State)
	case d.Name == "" || d.UUID == "":
		return errors.New("no name or no id")
	}
	hash, rng, err := d.validKeys(d.Keys)
	if err == nil && (hash != 1 || rng > 1) {
		err = fmt.Errorf("%d hash keys and %d range keys", hash, rng)
	}
	if err != nil {
		return err
	}
	ids, names := map[uint16]bool{}, map[string]bool{}
	for i := range d.Indexes {
		x := &d.Indexes[i]
		if x.ID < firstIndexID || x.ID >= d.NextIndex || ids[x.ID] || x.Name == "" || names[x.Name] {
			return fmt.Errorf("index %q with id %d", x.Name, x.ID)
		}
		ids[x.ID], names[x.Name] = true, true
		if err := d.validIndex(x); err != nil {
			return fmt.Errorf("index %s: %w", x.Name, err)
		}
	}
	if e := d.Expiry; e != nil && (e.Attribute == "" || e.State != StateDropped && !building(e.State)) {
		return fmt.Errorf("expiry by %q in state %q", e.Attribute, e.State)
	}
	return nil
}

// building tells whether it is one of the states of what is built and removed.
func building(s State) bool {
	return s == StateAbsent || s == StateDeleteOnly || s == StateWriteOnly || s == StatePublic
}

// validIndex returns what is wrong with an index.
func (d *Descriptor) validIndex(x *Index) error {
	hash, rng, err := d.validKeys(x.Keys)
	switch {
	case err != nil:
		return err
	case hash == 0 || x.Local && (hash != 1 || rng != 1 || x.Keys[0].Name != d.Keys[0].Name):
		return fmt.Errorf("%d hash keys and %d range keys", hash, rng)
	case x.Projection != "ALL" && x.Projection != "KEYS_ONLY" && x.Projection != "INCLUDE":
		return fmt.Errorf("the projection %q", x.Projection)
	case !building(x.State):
		return fmt.Errorf("the state %q", x.State)
	}
	return nil
}

// validKeys counts the elements of a key, of which those of the hash come first.
func (d *Descriptor) validKeys(keys []KeyElement) (hash, rng int, err error) {
	for _, k := range keys {
		switch t := d.AttributeType(k.Name); {
		case t != item.S && t != item.N && t != item.B:
			return hash, rng, fmt.Errorf("the key attribute %q has the type %v", k.Name, t)
		case k.Range:
			rng++
		case rng > 0:
			return hash, rng, fmt.Errorf("the hash key %q comes behind a range key", k.Name)
		default:
			hash++
		}
	}
	return hash, rng, nil
}

// valid returns what is wrong with a log that was read from the row with the key.
func (l *Log) valid(key []byte) error {
	var what string
	switch {
	case string(logKey(l.ID)) != string(key):
		what = fmt.Sprintf("it is that of stream %x", l.ID)
	case l.Shards < 1 || l.Shards > maxShards:
		what = fmt.Sprintf("%d shards", l.Shards)
	case l.Ends != nil && (len(l.Ends) != l.Shards || l.Ended.IsZero()):
		what = fmt.Sprintf("%d ends of %d shards", len(l.Ends), l.Shards)
	default:
		return nil
	}
	return fmt.Errorf("log %x, of table %q, is damaged: %s", key, l.Table, what)
}
