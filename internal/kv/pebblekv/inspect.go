package pebblekv

import (
	"bytes"
	"encoding/binary"

	"github.com/partita-db/partita/internal/kv"
)

var _ kv.Inspector = (*view)(nil)

// allEnd is behind all keys that there can be.
var allEnd = bytes.Repeat([]byte{0xFF}, 16)

// Inspect implements kv.Inspector. It steps over the records, from one shard to the next.
func (v *view) Inspect(own kv.Own) error {
	v.everything = true
	for start := userEnd; start != nil; {
		var next []byte
		err := v.scan(start, allEnd, kv.Forward, func(key, value []byte) (bool, error) {
			id, isRecord := recordShard(key)
			if !isRecord {
				tell(own, key, value)
				return true, nil
			}
			if own.Shard != nil {
				own.Shard(id.log, id.shard)
			}
			_, next = shardBounds(id, kv.Position{}, maxPosition)
			return false, nil
		})
		if err != nil {
			return err
		}
		start = next
	}
	return nil
}

// recordShard returns the shard of a record's key; ok is false for any other.
func recordShard(key []byte) (id shardID, ok bool) {
	if len(key) != recordKeyLen || key[0] != kv.ReservedPrefix || key[1] != kindRecord {
		return id, false
	}
	return shardID{binary.BigEndian.Uint64(key[2:]), binary.BigEndian.Uint32(key[10:])}, true
}

func tell(own kv.Own, key, value []byte) {
	kind := byte(0)
	if key[0] == kv.ReservedPrefix && len(key) > 1 {
		kind = key[1]
	}
	switch {
	case kind == kindCounter && len(key) == 2+8:
		tellCounter(own, key, value)
	case kind == kindTrimmed && len(key) == 2+8+4 && len(value) == len(kv.Position{}):
		if own.Trimmed != nil {
			own.Trimmed(binary.BigEndian.Uint64(key[2:]), binary.BigEndian.Uint32(key[10:]), kv.Position(value))
		}
	case bytes.Equal(key, stampKey) && len(value) == 8:
		if own.Stamp != nil {
			own.Stamp(binary.BigEndian.Uint64(value))
		}
	case own.Unknown != nil:
		own.Unknown(key, "no row of the engine's has such a key, or a value of that length")
	}
}

func tellCounter(own kv.Own, key, value []byte) {
	counts, err := parseCounts(nil, value)
	switch {
	case err != nil && own.Unknown != nil:
		own.Unknown(key, err.Error())
	case err == nil && own.Counter != nil:
		own.Counter(binary.BigEndian.Uint64(key[2:]), counts)
	}
}

// Records implements kv.Inspector.
func (v *view) Records(log uint64, shard uint32, fn func(kv.Record) bool) error {
	v.everything = true
	start, end := shardBounds(shardID{log, shard}, kv.Position{}, maxPosition)
	return v.scan(start, end, kv.Forward, func(key, value []byte) (bool, error) {
		if len(key) != recordKeyLen {
			return true, nil
		}
		return fn(kv.Record{Position: recordPosition(key), Data: value}), nil
	})
}
