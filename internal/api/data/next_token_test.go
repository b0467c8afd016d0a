package data

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// firstToken is the NextToken of a page of one item.
func firstToken(t testing.TB, d *db.DB, statement string) string {
	t.Helper()
	quoted, err := json.Marshal(statement)
	if err != nil {
		t.Fatal(err)
	}
	var page struct{ NextToken string }
	answer := must(t, d, ExecuteStatement, `{"Statement":`+string(quoted)+`,"Limit":1}`)
	if err := json.Unmarshal([]byte(answer), &page); err != nil || page.NextToken == "" {
		t.Fatalf("%s, %v", answer, err)
	}
	return page.NextToken
}

// TestNextTokenDamage holds that a token which is changed or cut is refused, and so is one that
// does not fit the table.
func TestNextTokenDamage(t *testing.T) {
	d := dbtest.Open(t, dbtest.Options{}).DB
	createTable(t, d, "Tab", "a", "b")
	must(t, d, PutItem, `{"TableName":"Tab","Item":{"a":{"S":"h"},"b":{"N":"1"}}}`)
	const statement = `SELECT * FROM Tab WHERE a IN ['h', 'i']`
	token := firstToken(t, d, statement)
	refused := func(token string) {
		t.Helper()
		answer, err := serve(t, d, ExecuteStatement, `{"Statement":"`+statement+`","NextToken":"`+token+`"}`)
		if e, ok := errors.AsType[*wire.Error](err); !ok || e.Message != "Invalid NextToken" {
			t.Errorf("NextToken %s: %s, %v", token, answer, err)
		}
	}
	for i := range token {
		for _, c := range "Aa0_" {
			if changed := token[:i] + string(c) + token[i+1:]; changed != token {
				refused(changed)
			}
		}
		if i > 0 {
			refused(token[:i])
		}
	}
	refused(token + "A")
	r := &executeStatementRequest{statementRequest: statementRequest{text: wire.OptString{Set: true, V: statement}}}
	entry := func(name string, v item.Value) item.Entry { return item.Entry{Name: name, Value: v} }
	for _, p := range []position{
		{value: 2},
		{value: 1 << 40},
		{after: item.New([]item.Entry{entry("a", item.String("h"))})},
		{after: item.New([]item.Entry{entry("a", item.String("h")), entry("b", item.String("1"))})},
		{after: item.New([]item.Entry{entry("a", item.String("h")), entry("c", item.String("1"))})},
	} {
		refused(nextToken(r.fingerprint(), p))
	}
	if _, err := d.Delete(t.Context(), schema.DefaultNamespace, "Tab", func(*db.Table) error { return nil }); err != nil {
		t.Fatal(err)
	}
	createTable(t, d, "Tab", "a", "c")
	refused(token)
}

// FuzzNextToken holds that no bytes behind a right checksum do harm.
func FuzzNextToken(f *testing.F) {
	d := dbtest.Open(f, dbtest.Options{}).DB
	createTable(f, d, "T", "a", "b", schema.Index{
		Name: "Glo", Kind: schema.GlobalIndex, Projection: schema.ProjectionAll, Keys: []schema.KeyElement{{Name: "g"}, {Name: "h", Range: true}},
	})
	must(f, d, PutItem, `{"TableName":"T","Item":{"a":{"S":"h"},"b":{"N":"1"},"g":{"S":"h"},"h":{"N":"1"}}}`)
	statements := []string{`SELECT * FROM T`, `SELECT * FROM T WHERE a IN ['h', 'i']`, `SELECT * FROM "T"."Glo" WHERE g = 'h' ORDER BY h DESC`}
	b, err := tokenEncoding.DecodeString(firstToken(f, d, statements[0]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), b[1+tokenFingerprintLen:len(b)-tokenChecksumLen])
	f.Add(uint8(1), []byte{1})
	f.Fuzz(func(t *testing.T, n uint8, rest []byte) {
		text := statements[int(n)%len(statements)]
		r := &executeStatementRequest{statementRequest: statementRequest{text: wire.OptString{Set: true, V: text}}}
		sum := r.fingerprint()
		b := append(append([]byte{tokenVersion}, sum[:]...), rest...)
		token := tokenEncoding.EncodeToString(append(b, tokenChecksum(b)...))
		quoted, _ := json.Marshal(text)
		answer, err := serve(t, d, ExecuteStatement, `{"Statement":`+string(quoted)+`,"NextToken":"`+token+`"}`)
		if err != nil && call.Worded(err) == nil || err == nil && !json.Valid([]byte(answer)) {
			t.Errorf("%s, %v", answer, err)
		}
	})
}
