package db

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// TestCheckHoldsMemory wants a descriptor named that is not the one in use.
func TestCheckHoldsMemory(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), modelDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	changed := table.Clone()
	changed.Epoch++
	b, _ := json.Marshal(changed)
	err = d.kv.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{schema.DescriptorKey(table.ID)}}, func(tx kv.Txn) error {
		tx.Set(schema.DescriptorKey(table.ID), b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := checkOpen(t.Context(), d)
	if err != nil || len(problems) != 1 || problems[0].Detail != "the stored descriptor is not the one in use" {
		t.Errorf("Check found %v, %v", problems, err)
	}
}

// TestCheckWhileWriting checks a database again and again while items and indexes come and go.
func TestCheckWhileWriting(t *testing.T) {
	d := open(t)
	table, err := d.Create(t.Context(), streamedDescriptor())
	if err != nil {
		t.Fatal(err)
	}
	setExpiry(t, d, "e")
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for i := range 20 {
			for n := range int64(50) {
				it := checkedItem(fmt.Sprint("p", n%7), n, fmt.Sprint(i))
				if _, err := d.Write(context.Background(), &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
					t.Error(err)
				}
			}
			name := fmt.Sprint("late", i/2)
			_, _, err := d.alter(context.Background(), schema.DefaultNamespace, "model", Unseen, func(desc *schema.Descriptor) error {
				if x := desc.Index(name); x != nil {
					x.Drop()
				} else {
					desc.Indexes = append(desc.Indexes, gsi(name, "ALL", "a", "|", "n"))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	for checks := 0; ; checks++ {
		problems, err := checkOpen(t.Context(), d)
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		select {
		case <-done:
			t.Logf("%d checks", checks)
			return
		default:
		}
	}
}
