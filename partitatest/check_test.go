package partitatest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// TestTableFaults misuses Table and AddIndex in every way, and looks at what the test then says.
func TestTableFaults(t *testing.T) {
	t.Parallel()
	two := func(in *dynamodb.CreateTableInput) *dynamodb.CreateTableInput { return AddIndex(in, "x", "b:S") }
	const types = " for a string, :N for a number or :B for bytes"
	for _, c := range []struct {
		in   *dynamodb.CreateTableInput
		want string
	}{
		{Table("t", "id"), `the key "id" of table "t" has no type: write "id:S"` + types},
		{Table("t", "id:"), `the key "id" of table "t" has no type: write "id:S"` + types},
		{Table("t", "id:S", "n:number"),
			`the key "n" of table "t" has the type "number", and there are S, N and B: write "n:N"`},
		{Table("t", "id:s"), `the key "id" of table "t" has the type "s", and there are S, N and B: write "id:S"`},
		{Table("t", "id:X"), `the key "id" of table "t" has the type "X", and there are S, N and B: write "id:S"`},
		{Table("t", "id:bytes"), `the key "id" of table "t" has the type "bytes", and there are S, N and B: write "id:B"`},
		{Table("t"), `table "t" has no key: write Table("t", "id:S")`},
		{Table("t", "a:S", "b:S", "c:S"), `table "t" has 3 keys (a, b, c): it can have a partition key and a sort key`},
		{Table("", "a:S"), `the table has no name`},
		{Table("t", ""), `a key of table "t" has no name: write it as "name:S"`},
		{Table("t", ":S"), `a key of table "t" has no name: write it as "name:S"`},
		{Table("t", "a:S", "a:S"), `the key "a" of table "t" is there twice`},
		{Table("t", "a:S", "a:N"), `the key "a" of table "t" is there twice`},
		{AddIndex(Table("t", "a:S"), "x", "a:N"), `the key "a" of table "t" has two types, S and N`},
		{AddIndex(Table("t", "a:S"), "", "b:N"), `an index of table "t" has no name`},
		{AddIndex(Table("t", "a:S"), "x"), `index "x" of table "t" has no key: write AddIndex(table, "x", "id:S")`},
		{AddIndex(Table("t", "a:S"), "x", "b"), `the key "b" of table "t" has no type: write "b:S"` + types},
		{AddIndex(Table("t", "a:S"), "x", "b:S", "b:S"), `the key "b" of index "x" of table "t" is there twice`},
		{two(two(Table("t", "a:S"))), `index "x" of table "t" is there twice`},
		{nil, `the table's description is nil`},
	} {
		said := run(t, func(db *DB) { db.CreateTable(c.in) })
		if want := "creating a table: " + c.want + "\n"; said != want {
			t.Errorf("the test says %q, want %q", said, want)
		}
	}
	if said := run(t, func(db *DB) { db.CreateTable(Table("ttt", "a:b:S")) }); said != "" {
		t.Errorf("a key with a colon in its name: %s", said)
	}
}
