package data

import (
	"testing"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/partiql"
	"github.com/partita-db/partita/internal/schema"
)

// createTable makes a table with a partition key of strings and, if there is a sort key, that of
// numbers.
func createTable(t testing.TB, d *db.DB, name, hash, sort string, indexes ...schema.Index) *db.Table {
	t.Helper()
	desc := &schema.Descriptor{
		Namespace: schema.DefaultNamespace, Name: name, Billing: schema.PayPerRequest, Indexes: indexes,
		Attributes: []schema.AttributeDefinition{{Name: hash, Type: item.S}},
		Keys:       []schema.KeyElement{{Name: hash}},
	}
	if sort != "" {
		desc.Attributes = append(desc.Attributes, schema.AttributeDefinition{Name: sort, Type: item.N})
		desc.Keys = append(desc.Keys, schema.KeyElement{Name: sort, Range: true})
	}
	for _, x := range indexes {
		desc.Attributes = append(desc.Attributes,
			schema.AttributeDefinition{Name: x.Keys[0].Name, Type: item.S}, schema.AttributeDefinition{Name: x.Keys[1].Name, Type: item.N})
	}
	table, err := d.Create(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// serve has an operation answer a body, and returns the answer or the error.
func serve(t testing.TB, d *db.DB, operation func(*call.Call) error, body string) (answer string, err error) {
	t.Helper()
	c := call.New(d, partiql.NewCache(1<<20), make(chan struct{}, 1))
	c.Begin(t.Context(), &call.Request{Body: []byte(body)}, "us-east-1", nil)
	err = operation(c)
	return string(c.End()), err
}

// must is serve for what has to succeed.
func must(t testing.TB, d *db.DB, operation func(*call.Call) error, body string) (answer string) {
	t.Helper()
	answer, err := serve(t, d, operation, body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return answer
}
