package partitatest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestDump looks at the text of tables.
func TestDump(t *testing.T) {
	t.Parallel()
	db := New(t)
	log := func(tables ...string) string {
		r := &logged{TB: t}
		db.Dump(r, tables...)
		return r.text
	}
	if got := log(); got != "there are no tables" {
		t.Errorf("without tables: %s", got)
	}
	db.CreateTable(Table("bbb", "a:S", "n:N"))
	db.CreateTable(Table("aaa", "a:B"))
	db.Seed("bbb", map[string]any{"a": "x", "n": 10}, map[string]any{"a": "x", "n": -2.5, "z": []any{true, nil, "<&>"}},
		map[string]any{"a": "ä", "n": 0, "more": map[string]any{"two": 2, "one": 1}, "b": []byte("bytes")},
		attributes{"a": s("x"), "n": n("9"), "set": &types.AttributeValueMemberSS{Value: []string{"L", "M"}}})
	const a = `table "aaa" with the key a:B has 0 items`
	const b = `table "bbb" with the key a:S, n:N has 4 items
  {"a": "x", "n": -2.5, "z": [true, null, "<&>"]}
  {"a": "x", "n": 9, "set": {"SS":["L","M"]}}
  {"a": "x", "n": 10}
  {"a": "ä", "n": 0, "b": {"B": "Ynl0ZXM="}, "more": {"one": 1, "two": 2}}`
	if got := log(); got != a+"\n"+b {
		t.Errorf("all tables:\n%s", got)
	}
	if got := log("bbb", "ccc"); got != b+"\n"+`there is no table "ccc"; there is "aaa", "bbb"` {
		t.Errorf("two tables:\n%s", got)
	}
	db.Close()
	closed := log("bbb")
	if !strings.HasPrefix(closed, `reading table "bbb": `) || !strings.Contains(closed, "the database is closed") {
		t.Errorf("a closed database: %s", closed)
	}
	if got := log(); !strings.HasPrefix(got, "listing the tables: ") {
		t.Errorf("all of a closed database: %s", got)
	}
}

// TestDumpHeader looks at the line about a table with indexes and a time to live.
func TestDumpHeader(t *testing.T) {
	t.Parallel()
	db := New(t)
	log := func() string {
		r := &logged{TB: t}
		db.Dump(r, "full")
		return r.text
	}
	full := AddIndex(AddIndex(Table("full", "a:S", "b:N"), "by-b", "b:N"), "by-c", "c:B", "a:S")
	AddIndex(full, "near", "a:S", "d:S")
	full.LocalSecondaryIndexes = []types.LocalSecondaryIndex{{
		IndexName: aws.String("near"), KeySchema: full.GlobalSecondaryIndexes[2].KeySchema,
		Projection: full.GlobalSecondaryIndexes[2].Projection,
	}}
	full.GlobalSecondaryIndexes = full.GlobalSecondaryIndexes[:2]
	db.CreateTable(full)
	const indexed = `table "full" with the key a:S, b:N has 0 items; index "by-b" with the key b:N; ` +
		`index "by-c" with the key c:B, a:S; local index "near" with the key a:S, d:S`
	if got := log(); got != indexed {
		t.Errorf("a table with indexes:\n%s", got)
	}
	_, err := db.Client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: aws.String("full"), TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String("expires"), Enabled: aws.Bool(true),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := log(); got != indexed+`; time to live in "expires"` {
		t.Errorf("a table with indexes and a time to live:\n%s", got)
	}
}

// TestDumpOfMuch looks at what is left out of large tables.
func TestDumpOfMuch(t *testing.T) {
	t.Parallel()
	db := New(t)
	db.CreateTable(Table("many", "a:N"))
	db.CreateTable(Table("large", "a:N"))
	var many, large []any
	for i := range 1050 {
		many = append(many, map[string]any{"a": (i * 389) % 1050, "filler": strings.Repeat("x", 3000)}) // several pages
	}
	for i := range 104 {
		large = append(large, map[string]any{"a": i, "text": strings.Repeat("ä", 6000)})
	}
	db.Seed("many", many...)
	db.Seed("large", large...)
	r := &logged{TB: t}
	db.Dump(r, "many")
	lines := strings.Split(r.text, "\n")
	if lines[0] != `table "many" with the key a:N has 1050 items` || lines[len(lines)-1] != "  … and 950 more" {
		t.Errorf("the first and the last line: %s, %s", lines[0], lines[len(lines)-1])
	}
	for i, line := range lines[1 : len(lines)-1] {
		if want := fmt.Sprintf(`  {"a": %d, `, i); !strings.HasPrefix(line, want) {
			t.Errorf("line %d: %.20s", i, line)
		}
	}
	db.Dump(r, "large")
	if lines = strings.Split(r.text, "\n"); len(lines) != 102 || len(r.text) > maxDumpText+2*maxItemText {
		t.Errorf("%d lines and %d bytes of a large table", len(lines), len(r.text))
	}
	if want := regexp.MustCompile(`ä… \(17\d\d more bytes\)$`); !want.MatchString(lines[1]) {
		t.Errorf("a large item ends with %s", lines[1][len(lines[1])-40:])
	}
	if last := lines[101]; last != "  … and 4 more" {
		t.Errorf("the last line: %s", last)
	}
}

// logged is a testing.TB that keeps what is logged last.
type logged struct {
	testing.TB
	text string
}

func (l *logged) Helper()                         {}
func (l *logged) Log(args ...any)                 { l.text = fmt.Sprint(args...) }
func (l *logged) Logf(format string, args ...any) { l.text = fmt.Sprintf(format, args...) }
func (l *logged) Errorf(format string, args ...any) {
	l.TB.Errorf("Dump fails the test: "+format, args...)
}
