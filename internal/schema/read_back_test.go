package schema

import (
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// TestCatalogKeysReadBack: what the keys of the catalog were made of is read out of them again, of
// no other kind of key, and of none that is cut short or longer.
func TestCatalogKeysReadBack(t *testing.T) {
	ns := Namespace{Account: "000000000000", Region: "eu-west-1"}
	keys := map[string][]byte{
		"name": NameKey(ns, "orders"), "descriptor": DescriptorKey(1 << 24), "next id": NextIDKey(),
		"backfill": BackfillKey(7, FirstIndexID), "stream": StreamKey(7<<32 | 1),
	}
	reads := map[string]func(key []byte) (ok bool){
		"descriptor": func(key []byte) bool { id, ok := ReadDescriptorKey(key); return ok && id == 1<<24 },
		"backfill": func(key []byte) bool {
			table, section, ok := ReadBackfillKey(key)
			return ok && table == 7 && section == FirstIndexID
		},
		"stream": func(key []byte) bool { id, ok := ReadStreamKey(key); return ok && id == 7<<32|1 },
	}
	for what, key := range keys {
		if !IsCatalogKey(key) {
			t.Errorf("the key %x of a %s is none of the catalog", key, what)
		}
		for read, reads := range reads {
			if got := reads(key); got != (read == what) {
				t.Errorf("the key %x of a %s read as that of a %s: %v", key, what, read, got)
			}
		}
		if read := reads[what]; read != nil && (read(key[:len(key)-1]) || read(append(key, 0))) {
			t.Errorf("the key of a %s is read where it has another length", what)
		}
	}
	if back, name, ok := ReadNameKey(keys["name"]); !ok || back != ns || name != "orders" {
		t.Errorf("the name in %x is %s of %v, %v", keys["name"], name, back, ok)
	}
	for n := range 2 + 18 + 18 { // space and kind, and two groups of account and region each
		if _, _, ok := ReadNameKey(keys["name"][:n]); ok {
			t.Errorf("a name is read out of %d bytes", n)
		}
	}
	if id, ok := ReadTableID(AppendTableID(nil, 1<<31)); !ok || id != 1<<31 {
		t.Errorf("the id of a table is read as %d, %v", id, ok)
	}
}

// TestFrontReadBack: the front of the keys of all rows, and the item and the second of an expiry
// row.
func TestFrontReadBack(t *testing.T) {
	table := testTable(item.S, item.N, gsi("g", "ALL", "a"))
	it := item.New([]item.Entry{
		attr("pk", item.String("p")), attr("sk", item.Int(-1)), attr("a", item.String("a")),
	})
	key := table.AppendItemKey(nil, it)
	row, _ := table.Plans[0].AppendKey(nil, it)
	expiry := AppendExpiryKey(nil, key, 1_700_000_000)
	for _, c := range []struct {
		key     []byte
		section uint16
		hash    uint64
	}{{key, SectionItems, HashOf(key)}, {row, FirstIndexID, HashOf(row)}, {expiry, SectionExpiry, 1_700_000_000}} {
		f, components, ok := SplitFront(c.key)
		if want := (Front{table.ID, c.section, c.hash}); !ok || f != want {
			t.Errorf("the front of %x is %+v, %v, want %+v", c.key, f, ok, want)
		}
		if end := c.key[len(c.key)-len(components):]; string(end) != string(components) {
			t.Errorf("%x stands behind the front of %x", components, c.key)
		}
		if _, _, ok := SplitFront(c.key[:hashLen]); ok {
			t.Errorf("%x has a front", c.key[:hashLen])
		}
	}
	if _, _, ok := SplitFront(StreamKey(1 << 56)); ok {
		t.Error("a key of the catalog has a front")
	}
	if back := AppendExpiringKey(nil, expiry); string(back) != string(key) {
		t.Errorf("the expiry row %x is of the item %x, want %x", expiry, back, key)
	}
	if second, ok := ExpirySecond(expiry); !ok || second != 1_700_000_000 {
		t.Errorf("the expiry row %x is of the second %d, %v", expiry, second, ok)
	}
	if second, ok := ExpirySecond(expiry[:8]); ok || second != Never {
		t.Errorf("a row that is cut short is of the second %d, %v", second, ok)
	}
	if !SameFront(key, table.AppendItemKey(nil, item.New([]item.Entry{
		attr("pk", item.String("p")), attr("sk", item.Int(5)),
	}))) || SameFront(key, row) {
		t.Error("items of a partition have a front in common, and rows of an index have another")
	}
}
