package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
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

// TestShardsFor: as many shards as the table has partitions.
func TestShardsFor(t *testing.T) {
	for _, c := range []struct {
		billing     BillingMode
		read, write int64
		want        int
	}{
		{"PAY_PER_REQUEST", 0, 0, 4},
		{"PROVISIONED", 1, 1, 1}, {"PROVISIONED", 3000, 0, 1}, {"PROVISIONED", 0, 1000, 1}, {"PROVISIONED", 1500, 500, 1},
		{"PROVISIONED", 1500, 501, 2}, {"PROVISIONED", 40000, 40000, 54}, {"PROVISIONED", 40000, 1 << 40, 64},
	} {
		if got := shardsFor(&Descriptor{Billing: c.billing, Throughput: Throughput{Read: c.read, Write: c.write}}); got != c.want {
			t.Errorf("shardsFor(%s, %d, %d) = %d, want %d", c.billing, c.read, c.write, got, c.want)
		}
	}
}

// TestShardIDs: the ids of a stream's shards differ, and have the form that the service model
// wants.
func TestShardIDs(t *testing.T) {
	seen := map[string]bool{}
	for id := range uint64(200) {
		l := &Stream{ID: id<<32 | id%3, Created: time.UnixMilli(1_700_000_000_000), Shards: maxShards}
		ids := map[string]bool{}
		for _, s := range l.ShardsAt(time.Now()) {
			if len(s.ID) != len("shardId-00000001414576573621-f55eea83") || ids[s.ID] {
				t.Fatalf("log %x has shard %s, or twice", id, s.ID)
			}
			ids[s.ID], seen[s.ID] = true, true
		}
	}
	if len(seen) < 200*maxShards-10 { // two streams may meet once in a while
		t.Errorf("%d shards have %d ids", 200*maxShards, len(seen))
	}
}

// TestNewerRecords: what a newer version has written is an error, not a guess.
func TestNewerRecords(t *testing.T) {
	if _, err := ParseRecord(kv.Record{Data: []byte{recordFormat + 1, 0, 0, 0, 0}}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a record of the next format: %v", err)
	}
	_, log := ParseStream(nil, []byte(`{"Format":2}`))
	_, table := ParseDescriptor(nil, []byte(`{"Format":2}`))
	if len(log) != 1 || len(table) != 1 || !strings.Contains(log[0], "newer") || !strings.Contains(table[0], "newer") {
		t.Errorf("descriptors of the next format: %s, %s", log, table)
	}
}

// FuzzStreamRecord: no bytes make the parser panic, and what it takes can be shown.
func FuzzStreamRecord(f *testing.F) {
	r := appendImage([]byte{recordFormat, recordHasNew}, item.New([]item.Entry{attr("pk", item.String("p"))}))
	f.Add(append(appendImage(r, item.New([]item.Entry{attr("pk", item.String("p")), attr("n", item.Int(1))})), 0))
	f.Add([]byte{recordFormat, recordHadOld, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		if r, err := ParseRecord(kv.Record{Data: b}); err == nil {
			_ = r.New.AppendJSON(r.Old.AppendJSON(r.Keys.AppendJSON(nil)))
		}
	})
}
