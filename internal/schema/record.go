package schema

import (
	"encoding/binary"
	"fmt"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// A stream record, as it lies in a log, has its position from the log and besides:
//
//	format(1)  what(1)  keys  new  old
//
// keys, new and old are items in stored form without a stamp, each behind its length as a uvarint;
// a length of 0 stands for an image that is not there, or that the stream does not show. what tells
// about the change itself: bit 0, there was an old item; bit 1, there is a new one; bit 2, no user
// made the change.
const (
	recordFormat = 1

	recordHadOld    = 1 << 0
	recordHasNew    = 1 << 1
	recordByService = 1 << 2
)

// StreamRecord is one change of an item, as a stream tells it. The items are views of memory that
// nobody else uses.
type StreamRecord struct {
	Position  Position // its place in the shard
	Keys      item.Item
	New, Old  item.Item // missing where the item was not there, or the stream does not show it
	Name      string    // INSERT, MODIFY or REMOVE
	ByService bool      // no user made the change

	what byte
}

// HadOld tells whether the item was there before the change.
func (r *StreamRecord) HadOld() bool { return r.what&recordHadOld != 0 }

// HasNew tells whether the item is there after the change.
func (r *StreamRecord) HasNew() bool { return r.what&recordHasNew != 0 }

// Understood tells whether the record says nothing about its change that this version does not
// know.
func (r *StreamRecord) Understood() bool {
	return r.what&^(recordHadOld|recordHasNew|recordByService) == 0
}

// Author is who made a change.
type Author byte

// The authors.
const (
	ByUser    Author = 0
	ByService Author = recordByService // as when an item expires
)

// AppendRecord appends the record of a change of an item, as the table's stream shows it.
func (t *Table) AppendRecord(dst []byte, old, new item.Item, by Author) []byte {
	what, of := byte(by), new
	if new.Exists() {
		what |= recordHasNew
	} else {
		of = old
	}
	if old.Exists() {
		what |= recordHadOld
	}
	view := t.StreamViewType
	dst = append(dst, recordFormat, what)
	dst = appendImage(dst, of.Pick(t.LastKeys))
	if !view.HasNew() {
		new = item.Item{}
	}
	dst = appendImage(dst, new)
	if !view.HasOld() {
		old = item.Item{}
	}
	return appendImage(dst, old)
}

// appendImage appends an item behind its length, which is 0 for a missing one.
func appendImage(dst []byte, it item.Item) []byte {
	if !it.Exists() {
		return append(dst, 0)
	}
	n := len(dst)
	dst = it.AppendStored(dst, 0)
	var length [binary.MaxVarintLen32]byte
	m := binary.PutUvarint(length[:], uint64(len(dst)-n))
	dst = append(dst, length[:m]...) // room for it
	copy(dst[n+m:], dst[n:len(dst)-m])
	copy(dst[n:], length[:m])
	return dst
}

// ParseRecord is the inverse of AppendRecord.
func ParseRecord(r kv.Record) (*StreamRecord, error) {
	b := r.Data
	if len(b) < 2 {
		return nil, fmt.Errorf("stream record %x is cut short", r.Position)
	}
	if b[0] != recordFormat {
		return nil, fmt.Errorf("stream record %x was written by a newer version (record format %d)", r.Position, b[0])
	}
	out := &StreamRecord{Position: r.Position, Name: eventName(b[1]), ByService: b[1]&recordByService != 0, what: b[1]}
	b = b[2:]
	for _, image := range []*item.Item{&out.Keys, &out.New, &out.Old} {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, fmt.Errorf("stream record %x is cut short", r.Position)
		}
		var err error
		if length > 0 {
			if *image, err = item.Parse(b[n : n+int(length)]); err != nil {
				return nil, fmt.Errorf("stream record %x: %w", r.Position, err)
			}
		}
		b = b[n+int(length):]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("stream record %x is too long", r.Position)
	}
	return out, nil
}

// eventName names the change that what tells about.
func eventName(what byte) string {
	switch {
	case what&recordHadOld == 0:
		return "INSERT"
	case what&recordHasNew == 0:
		return "REMOVE"
	}
	return "MODIFY"
}
