package schema

import (
	"math/big"
	"strings"
)

// A SequenceNumber is a position, 16 bytes, as a decimal number, plus sequenceBase: the service
// model requires 21 characters at least. Their order is that of the positions, as clients expect.
var (
	sequenceBase = new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil)
	positions    = new(big.Int).Lsh(big.NewInt(1), 128) // how many there are
)

// AppendSequenceNumber appends the SequenceNumber by which clients know a position.
func AppendSequenceNumber(dst []byte, p Position) []byte {
	n := new(big.Int).SetBytes(p[:])
	return n.Add(n, sequenceBase).Append(dst, 10)
}

// SequenceNumber is what AppendSequenceNumber appends.
func SequenceNumber(p Position) string { return string(AppendSequenceNumber(nil, p)) }

// ParseSequenceNumber is the inverse; ok is false for a text that no position has.
func ParseSequenceNumber(s string) (p Position, ok bool) {
	if strings.Trim(s, "0123456789") != "" {
		return p, false
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.Sub(n, sequenceBase).Sign() < 0 || n.Cmp(positions) >= 0 {
		return p, false
	}
	n.FillBytes(p[:])
	return p, true
}
