package pebblekv

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/partita-db/partita/internal/kv"
)

// The engine's own rows, all behind kv.ReservedPrefix. Numbers are big-endian.
//
//	F0 'c' counter 8                      -> the counter's sections (counter.go), a merged value
//	F0 'h' log 8 · shard 4                -> the highest position that TrimLog removed, 16 bytes
//	F0 'l' log 8 · shard 4 · position 16  -> a record of a log, as it was given
//	F0 's'                                -> a bound that no stamp has passed, 8 bytes of µs
//
// Every row but these belongs to the database above and begins with a smaller byte.
const (
	kindCounter = 'c'
	kindTrimmed = 'h'
	kindRecord  = 'l'
	kindStamp   = 's'
)

const recordKeyLen = 2 + 8 + 4 + 16

// userEnd is the end of the database's own keys.
var userEnd = []byte{kv.ReservedPrefix}

var stampKey = []byte{kv.ReservedPrefix, kindStamp}

func appendCounterKey(dst []byte, counter uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, kv.ReservedPrefix, kindCounter), counter)
}

// trimmedKey is the key of a log shard's highest trimmed position.
func trimmedKey(id shardID) []byte {
	k := binary.BigEndian.AppendUint64([]byte{kv.ReservedPrefix, kindTrimmed}, id.log)
	return binary.BigEndian.AppendUint32(k, id.shard)
}

func appendRecordKey(dst []byte, id shardID, p kv.Position) []byte {
	dst = append(dst, kv.ReservedPrefix, kindRecord)
	dst = binary.BigEndian.AppendUint64(dst, id.log)
	dst = binary.BigEndian.AppendUint32(dst, id.shard)
	return append(dst, p[:]...)
}

// logBounds are the bounds of all keys of a log that are of one kind.
func logBounds(kind byte, log uint64) (start, end []byte) {
	prefix := []byte{kv.ReservedPrefix, kind}
	start = binary.BigEndian.AppendUint64(bytes.Clone(prefix), log)
	if log == math.MaxUint64 {
		return start, []byte{kv.ReservedPrefix, kind + 1}
	}
	return start, binary.BigEndian.AppendUint64(prefix, log+1)
}

func recordPosition(key []byte) kv.Position { return kv.Position(key[recordKeyLen-16:]) }
