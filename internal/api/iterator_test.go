package api

import (
	"testing"
	"time"

	"github.com/partita-db/partita/internal/db"
)

// TestIteratorAge: an iterator lives for its time, and one that a wrong clock made does not live until then.
func TestIteratorAge(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		age  time.Duration
		over bool
	}{
		{0, false}, {db.IteratorAge, false}, {db.IteratorAge + 1, true}, {-db.IteratorAge, false}, {-db.IteratorAge - 1, true},
		{-20 * 365 * 24 * time.Hour, true}, {-1 << 62, true},
	} {
		it := iterator{made: now.Add(-c.age)}
		if got := it.expired(now) != nil; got != c.over {
			t.Errorf("an iterator made %v ago has expired: %v, want %v", c.age, got, c.over)
		}
	}
}
