package schema

import (
	"bytes"
	"math/big"
	"testing"
	"time"
)

// TestSequenceNumbers: they order as positions, have 21 to 40 digits, and are what
// ParseSequenceNumber takes.
func TestSequenceNumbers(t *testing.T) {
	var last *big.Int
	for _, p := range []Position{
		{}, {15: 1}, {15: 0xFF}, {8: 1}, {7: 1}, PositionAt(time.Unix(1_700_000_000, 0)), {0xFF}, Position(bytes.Repeat([]byte{0xFF}, 16)),
	} {
		s := SequenceNumber(p)
		if len(s) < 21 || len(s) > 40 {
			t.Errorf("position %x is %s: %d digits", p, s, len(s))
		}
		if got, ok := ParseSequenceNumber(s); got != p || !ok {
			t.Errorf("ParseSequenceNumber(%s) = %x, %v, want %x", s, got, ok, p)
		}
		n, _ := new(big.Int).SetString(s, 10)
		if last != nil && n.Cmp(last) <= 0 {
			t.Errorf("position %x is %s, not above %s", p, n, last)
		}
		last = n
	}
	for _, s := range []string{
		"", "99999999999999999999", "-100000000000000000001", "+100000000000000000001", "1000000000000000000_00", "0x1000000000000000000000",
		last.Add(last, big.NewInt(1)).String(),
	} {
		if p, ok := ParseSequenceNumber(s); ok {
			t.Errorf("ParseSequenceNumber(%q) = %x, want none", s, p)
		}
	}
}
