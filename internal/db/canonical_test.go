//go:build invariants || race

package db

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/item"
)

// TestStoredIsCanonical writes an item with a string that is not UTF-8, and wants a panic that
// names the row.
func TestStoredIsCanonical(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	it := item.New([]item.Entry{attr("pk", item.String("p")), attr("sk", item.Int(1)), attr("x", item.String("good"))})
	write := func(it item.Item) (text string) {
		defer func() {
			if r := recover(); r != nil {
				text = fmt.Sprint(r)
			}
		}()
		if _, err := d.Write(context.Background(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
			t.Error(err)
		}
		return ""
	}
	if text := write(it); text != "" {
		t.Errorf("a canonical item panics: %s", text)
	}
	bad, err := item.Parse(bytes.Replace(it.AppendStored(nil, 0), []byte("good"), []byte("ba\xffd"), 1))
	if err != nil {
		t.Fatal(err)
	}
	key := table.AppendItemKey(nil, it)
	if text := write(bad); !strings.Contains(text, fmt.Sprintf("row %x", key)) || !strings.Contains(text, "not UTF-8") {
		t.Errorf("an item that is not canonical panics with %q, want one that names the row %x", text, key)
	}
}
