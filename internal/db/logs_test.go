package db

import (
	"testing"
	"time"
)

// TestNextLabel: labels grow even when the clock does not.
func TestNextLabel(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.FixedZone("", 3600))
	for _, c := range []struct{ latest, want string }{
		{"", "2026-01-02T02:04:05.006"},
		{"2026-01-02T02:04:05.005", "2026-01-02T02:04:05.006"},
		{"2026-01-02T02:04:05.006", "2026-01-02T02:04:05.007"},
		{"2026-01-02T02:04:59.999", "2026-01-02T02:05:00.000"},
	} {
		if got := nextLabel(c.latest, now); got != c.want {
			t.Errorf("nextLabel(%q) = %s, want %s", c.latest, got, c.want)
		}
	}
}
