package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/invariants"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// readPage is the answer of a Query or a Scan.
type readPage struct {
	Items            []map[string]map[string]any
	Count            int
	ScannedCount     int
	LastEvaluatedKey json.RawMessage
}

// page sends one request: members are those of the body but for ExclusiveStartKey.
func (s *testService) page(t testing.TB, op, members string, start json.RawMessage) readPage {
	t.Helper()
	body := "{" + members
	if start != nil {
		body += `,"ExclusiveStartKey":` + string(start)
	}
	var p readPage
	if err := json.Unmarshal([]byte(s.must(t, op, body+"}")), &p); err != nil {
		t.Fatal(err)
	}
	if p.Count != len(p.Items) {
		t.Fatalf("%s %s: Count %d of %d items", op, members, p.Count, len(p.Items))
	}
	return p
}

// walk reads all pages and returns the attribute id of all items in the order they came. After each
// page it calls between, if not nil, with the page.
func (s *testService) walk(t testing.TB, op, members string, limit int, between func(readPage)) []string {
	t.Helper()
	if limit > 0 {
		members += `,"Limit":` + strconv.Itoa(limit)
	}
	var ids []string
	var start json.RawMessage
	for {
		p := s.page(t, op, members, start)
		if limit > 0 && p.ScannedCount > limit {
			t.Fatalf("%s %s: %d items evaluated", op, members, p.ScannedCount)
		}
		for _, it := range p.Items {
			ids = append(ids, it["id"]["S"].(string))
		}
		if p.LastEvaluatedKey == nil {
			return ids
		}
		if between != nil {
			between(p)
		}
		start = p.LastEvaluatedKey
	}
}

// create makes a table as the table command of TestExact does.
func (s *testService) create(t testing.TB, name, keys string, indexes ...string) {
	t.Helper()
	d := &datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: name}}, Input: strings.Join(indexes, "\n")}
	for _, k := range strings.Fields(keys) {
		d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: k})
	}
	desc, err := parseTable(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Create(context.Background(), desc); err != nil {
		t.Fatal(err)
	}
}

// put writes an item into T, given as the members of its JSON.
func (s *testService) put(t testing.TB, members string) {
	t.Helper()
	s.must(t, "PutItem", `{"TableName":"T","Item":{`+members+`}}`)
}

// walkReads are reads of walkTable, and how many items they give.
var walkReads = []struct {
	name, op, members string
	items             int
}{
	{"table", "Query", `"TableName":"T","KeyConditionExpression":"a = :h","ExpressionAttributeValues":{":h":{"S":"h"}}`, 12},
	{"part of table", "Query", `"TableName":"T","KeyConditionExpression":"a = :h AND b BETWEEN :x AND :y","ExpressionAttributeValues":{":h":{"S":"h"},":x":{"N":"2"},":y":{"N":"8"}}`, 7},
	{"local", "Query", `"TableName":"T","IndexName":"Loc","KeyConditionExpression":"a = :h","ExpressionAttributeValues":{":h":{"S":"h"}}`, 12},
	{"part of local", "Query", `"TableName":"T","IndexName":"Loc","KeyConditionExpression":"a = :h AND c = :c","ExpressionAttributeValues":{":h":{"S":"h"},":c":{"S":"c1"}}`, 4},
	{"fetched", "Query", `"TableName":"T","IndexName":"Loc","Select":"ALL_ATTRIBUTES","KeyConditionExpression":"a = :h AND begins_with(c, :c)","ExpressionAttributeValues":{":h":{"S":"h"},":c":{"S":"c"}}`, 12},
	{"global", "Query", `"TableName":"T","IndexName":"Glo","KeyConditionExpression":"g = :g","ExpressionAttributeValues":{":g":{"S":"g"}}`, 12},
	{"part of global", "Query", `"TableName":"T","IndexName":"Glo","KeyConditionExpression":"g = :g AND h < :n","ExpressionAttributeValues":{":g":{"S":"g"},":n":{"N":"1"}}`, 6},
	{"multi", "Query", `"TableName":"T","IndexName":"Mul","KeyConditionExpression":"g = :g AND k = :g AND c > :c","ExpressionAttributeValues":{":g":{"S":"g"},":c":{"S":"c0"}}`, 8},
	{"filtered", "Query", `"TableName":"T","KeyConditionExpression":"a = :h","FilterExpression":"h = :n","ExpressionAttributeValues":{":h":{"S":"h"},":n":{"N":"1"}}`, 6},
	{"scan", "Scan", `"TableName":"T"`, 15},
	{"scan local", "Scan", `"TableName":"T","IndexName":"Loc"`, 12},
	{"scan global", "Scan", `"TableName":"T","IndexName":"Glo"`, 14},
}

// walkTable makes the table of walkReads: one partition of twelve items with ties in all indexes,
// and some strays.
func walkTable(t *testing.T) *testService {
	s := newService(t)
	s.create(t, "T", "a:S b:N", "lsi Loc a:S c:S INCLUDE id", "gsi Glo g:S h:N ALL", "gsi Mul g:S k:S:HASH c:S h:N INCLUDE id")
	for i := range 12 {
		s.put(t, fmt.Sprintf(`"id":{"S":"%d"},"a":{"S":"h"},"b":{"N":"%d"},"c":{"S":"c%d"},"g":{"S":"g"},"h":{"N":"%d"},"k":{"S":"g"}`, i, i, i%3, i%2))
	}
	s.put(t, `"id":{"S":"x"},"a":{"S":"i"},"b":{"N":"1"},"g":{"S":"g2"},"h":{"N":"1"}`)
	s.put(t, `"id":{"S":"y"},"a":{"S":"j"},"b":{"N":"1"},"g":{"S":"g3"},"h":{"N":"1"}`)
	s.put(t, `"id":{"S":"z"},"a":{"S":"k"},"b":{"N":"1"}`)
	return s
}

// TestWalk holds that pages of any Limit, in both directions, give each item once and in one order.
func TestWalk(t *testing.T) {
	s := walkTable(t)
	for _, r := range walkReads {
		forward := s.walk(t, r.op, r.members, 0, nil)
		if len(forward) != r.items {
			t.Errorf("%s: %d items, want %d", r.name, len(forward), r.items)
		}
		backward := slices.Clone(forward)
		slices.Reverse(backward)
		for limit := 1; limit <= r.items+1; limit++ {
			if got := s.walk(t, r.op, r.members, limit, nil); !slices.Equal(got, forward) {
				t.Errorf("%s, pages of %d: %v, want %v", r.name, limit, got, forward)
			}
			if r.op == "Scan" {
				continue
			}
			if got := s.walk(t, r.op, r.members+`,"ScanIndexForward":false`, limit, nil); !slices.Equal(got, backward) {
				t.Errorf("%s backward, pages of %d: %v, want %v", r.name, limit, got, backward)
			}
		}
	}
}

// TestWalkDeleted holds that a walk goes on behind a start key whose item is gone.
func TestWalkDeleted(t *testing.T) {
	for _, r := range walkReads {
		for _, direction := range []string{"", `,"ScanIndexForward":false`} {
			if r.op == "Scan" && direction != "" {
				continue
			}
			s := walkTable(t)
			want := s.walk(t, r.op, r.members+direction, 0, nil)
			got := s.walk(t, r.op, r.members+direction, 2, func(p readPage) {
				var key map[string]json.RawMessage
				if err := json.Unmarshal(p.LastEvaluatedKey, &key); err != nil {
					t.Fatal(err)
				}
				s.must(t, "DeleteItem", fmt.Sprintf(`{"TableName":"T","Key":{"a":%s,"b":%s}}`, key["a"], key["b"]))
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s%s: %v, want %v", r.name, direction, got, want)
			}
		}
	}
}

// TestWalkWhileWriting holds that items which nobody touches are seen once each while others come
// and go around them.
func TestWalkWhileWriting(t *testing.T) {
	s := newService(t)
	s.create(t, "T", "a:S b:N", "gsi Glo g:S b:N ALL")
	members := func(n int) string {
		return fmt.Sprintf(`"id":{"S":"%d"},"a":{"S":"h"},"b":{"N":"%d"},"g":{"S":"h"}`, n, n)
	}
	var want []string
	for i := 0; i < 40; i += 2 {
		s.put(t, members(i))
		want = append(want, strconv.Itoa(i))
	}
	var stop atomic.Bool
	var writing sync.WaitGroup
	writing.Go(func() {
		for r := rand.New(rand.NewPCG(1, 1)); !stop.Load(); {
			n := r.IntN(20)*2 + 1
			if s.put(t, members(n)); r.IntN(2) == 0 {
				s.must(t, "DeleteItem", fmt.Sprintf(`{"TableName":"T","Key":{"a":{"S":"h"},"b":{"N":"%d"}}}`, n))
			}
		}
	})
	defer writing.Wait()
	defer stop.Store(true)
	const key = `"ExpressionAttributeValues":{":h":{"S":"h"}},"KeyConditionExpression":`
	for _, read := range []string{`"TableName":"T",` + key + `"a = :h"`, `"TableName":"T","IndexName":"Glo",` + key + `"g = :h"`} {
		for round := range 10 {
			got := s.walk(t, "Query", read, 1+round, nil)
			got = slices.DeleteFunc(got, func(id string) bool { n, _ := strconv.Atoi(id); return n%2 == 1 })
			if !slices.Equal(got, want) {
				t.Fatalf("%s, pages of %d: %v, want %v", read, 1+round, got, want)
			}
		}
	}
}

// TestSegments holds that the segments of a Scan give each item once, and that a start key is
// refused by all segments but its own.
func TestSegments(t *testing.T) {
	s := newService(t)
	s.create(t, "T", "a:N", "gsi Glo g:S h:N:HASH ALL", "gsi Few g:S ALL")
	var want []string
	for i := range 60 {
		s.put(t, fmt.Sprintf(`"id":{"S":"%02d"},"a":{"N":"%d"},"g":{"S":"g%d"},"h":{"N":"%d"}`, i, i, i%7, i%5))
		want = append(want, fmt.Sprintf("%02d", i))
	}
	for _, table := range []string{`"TableName":"T"`, `"TableName":"T","IndexName":"Glo"`, `"TableName":"T","IndexName":"Few"`} {
		for _, n := range []int{1, 2, 3, 7, 100} {
			var got []string
			for i := range n {
				members := fmt.Sprintf(`%s,"TotalSegments":%d,"Segment":`, table, n)
				got = append(got, s.walk(t, "Scan", members+strconv.Itoa(i), 3, func(p readPage) {
					other := fmt.Sprintf(`{%s%d,"ExclusiveStartKey":%s}`, members, (i+1)%n, p.LastEvaluatedKey)
					status, answer := s.call(t, "Scan", other)
					if ok := status == 200; ok != (n == 1) || !ok && !strings.Contains(answer, "Please use ExclusiveStartKey with correct Segment") {
						t.Errorf("Scan %s: %d %s", other, status, answer)
					}
				})...)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("Scan %s in %d segments: %v", table, n, got)
			}
		}
		s.must(t, "Scan", fmt.Sprintf(`{%s,"TotalSegments":1000000,"Segment":999999}`, table))
	}
}

// TestSortKeyOrder holds that a Query gives items in the order of their sort keys' values, and that
// each condition selects what comparing values selects.
func TestSortKeyOrder(t *testing.T) {
	const seed = 20260102
	r := rand.New(rand.NewPCG(seed, 0))
	random := map[string]func() string{
		"S": func() string { return string(item.AppendQuoted(nil, randomText(r))) },
		"B": func() string {
			b := make([]byte, 1+r.IntN(4))
			for i := range b {
				b[i] = []byte{0, 1, 0x7f, 0x80, 0xff}[r.IntN(5)]
			}
			text, _ := json.Marshal(b)
			return string(text)
		},
		"N": func() string {
			digits := strconv.Itoa(1 + r.IntN(999))
			return fmt.Sprintf(`"%s%sE%d"`, []string{"", "-"}[r.IntN(2)], digits, r.IntN(7)-3)
		},
	}
	for typ, key := range random {
		t.Run(typ, func(t *testing.T) {
			s := newService(t)
			s.create(t, "T", "a:S b:"+typ)
			values := map[string]item.Value{}
			for range 150 {
				v := key()
				s.put(t, fmt.Sprintf(`"a":{"S":"h"},"b":{"%s":%s},"id":{"S":%s}`, typ, v, v))
				values[string(decodeValue(t, typ, v).Raw())] = decodeValue(t, typ, v)
			}
			var sorted []item.Value
			for _, v := range values {
				sorted = append(sorted, v)
			}
			slices.SortFunc(sorted, func(a, b item.Value) int { order, _ := item.Compare(a, b); return order })
			for range 60 {
				x, y := decodeValue(t, typ, key()), decodeValue(t, typ, key())
				if order, _ := item.Compare(x, y); order > 0 {
					x, y = y, x
				}
				for condition, holds := range sortKeyConditions(typ) {
					checkCondition(t, s, condition, x, y, sorted, holds)
				}
			}
		})
	}
}

// randomText is a short text of characters that sort in interesting ways.
func randomText(r *rand.Rand) string {
	letters := []rune{'a', 'b', 'B', '~', 'é', '中', '\uffee', '\U0001f600', 1}
	text := make([]rune, 1+r.IntN(4))
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return string(text)
}

// decodeValue decodes a value of a type given as JSON.
func decodeValue(t *testing.T, typ, text string) item.Value {
	t.Helper()
	var scan item.Scanner
	var dec item.Decoder
	scan.Reset([]byte(`{"` + typ + `":` + text + `}`))
	v, faults, err := dec.Value(&scan)
	if err != nil || faults.Earliest() != nil {
		t.Fatalf("%s: %v, %v", text, faults.Earliest(), err)
	}
	return v.Clone()
}

// sortKeyConditions are the conditions on a sort key b of the type with :x and :y, and what they
// mean for a value.
func sortKeyConditions(typ string) map[string]func(v, x, y item.Value) bool {
	order := func(v, x item.Value) int { n, _ := item.Compare(v, x); return n }
	conditions := map[string]func(v, x, y item.Value) bool{
		"":                         func(v, x, y item.Value) bool { return true },
		" AND b = :x":              func(v, x, y item.Value) bool { return order(v, x) == 0 },
		" AND b < :x":              func(v, x, y item.Value) bool { return order(v, x) < 0 },
		" AND b <= :x":             func(v, x, y item.Value) bool { return order(v, x) <= 0 },
		" AND b > :x":              func(v, x, y item.Value) bool { return order(v, x) > 0 },
		" AND b >= :x":             func(v, x, y item.Value) bool { return order(v, x) >= 0 },
		" AND b BETWEEN :x AND :y": func(v, x, y item.Value) bool { return order(v, x) >= 0 && order(v, y) <= 0 },
	}
	if typ != "N" {
		conditions[" AND begins_with(b, :x)"] = func(v, x, y item.Value) bool { return bytes.HasPrefix(v.Bytes(), x.Bytes()) }
	}
	return conditions
}

// checkCondition runs a Query in both directions and compares its items with those that the
// condition should select.
func checkCondition(t *testing.T, s *testService, condition string, x, y item.Value, sorted []item.Value, holds func(v, x, y item.Value) bool) {
	t.Helper()
	var want []string
	for _, v := range sorted {
		if holds(v, x, y) {
			want = append(want, string(v.AppendJSON(nil)))
		}
	}
	values := `":h":{"S":"h"}`
	for name, v := range map[string]item.Value{":x": x, ":y": y} {
		if strings.Contains(condition, name) {
			values += `,"` + name + `":` + string(v.AppendJSON(nil))
		}
	}
	for _, forward := range []bool{true, false} {
		body := fmt.Sprintf(`{"TableName":"T","KeyConditionExpression":"a = :h%s","ExpressionAttributeValues":{%s},"ProjectionExpression":"b","ScanIndexForward":%t}`,
			condition, values, forward)
		var p struct{ Items []struct{ B json.RawMessage } }
		if err := json.Unmarshal([]byte(s.must(t, "Query", body)), &p); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, it := range p.Items {
			got = append(got, string(it.B))
		}
		if !forward {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("Query %s:\n%v\nwant\n%v", body, got, want)
		}
	}
}

// TestPageBytes holds that a page ends when its body passes 16 MiB, though its rows are far from 1
// MB.
func TestPageBytes(t *testing.T) {
	s := newService(t)
	s.create(t, "T", "a:S b:N")
	for i := range 6 {
		s.put(t, fmt.Sprintf(`"a":{"S":"h"},"b":{"N":"%d"},"l":{"L":[%s]}`, i, strings.Repeat(`{"N":"1E125"},`, 29999)+`{"N":"1"}`))
	}
	for op, members := range map[string]string{
		"Scan":  `"TableName":"T"`,
		"Query": `"TableName":"T","KeyConditionExpression":"a = :h","ExpressionAttributeValues":{":h":{"S":"h"}}`,
	} {
		body := s.must(t, op, "{"+members+"}")
		const end = `],"Count":5,"ScannedCount":5,"LastEvaluatedKey":{"a":{"S":"h"},"b":{"N":"4"}}}`
		if len(body) < 16<<20 || !strings.HasSuffix(body, end) {
			t.Errorf("%s: %d bytes, ending in %s", op, len(body), body[max(0, len(body)-100):])
		}
		body = s.must(t, op, "{"+members+`,"ExclusiveStartKey":{"a":{"S":"h"},"b":{"N":"4"}}}`)
		if !strings.HasSuffix(body, `],"Count":1,"ScannedCount":1}`) {
			t.Errorf("%s: the second page ends in %s", op, body[max(0, len(body)-100):])
		}
		if p := s.must(t, op, "{"+members+`,"Select":"COUNT"}`); p != `{"Count":6,"ScannedCount":6}` {
			t.Errorf("%s COUNT: %s", op, p)
		}
	}
}

// blockedChange is a write that holds its locks until it is let go.
type blockedChange struct{ held, release chan struct{} }

func (c blockedChange) Apply(old item.Item) (item.Item, error) {
	close(c.held)
	<-c.release
	return old, nil
}

// TestBackfilling holds that an index being built cannot be read. A write that began before keeps
// it from being built.
func TestBackfilling(t *testing.T) {
	s := newService(t)
	ctx := context.Background()
	s.create(t, "T", "a:S")
	s.put(t, `"id":{"S":"1"},"a":{"S":"h"},"g":{"S":"g"}`)
	blocked := blockedChange{make(chan struct{}), make(chan struct{})}
	written := make(chan error)
	go func() {
		key := item.New([]item.Entry{{Name: "a", Value: item.String("x")}})
		_, err := s.db.Write(ctx, &db.Write{Table: s.db.Lookup(schema.DefaultNamespace, "T"), Key: key, Change: blocked})
		written <- err
	}()
	<-blocked.held
	altered := make(chan error)
	go func() { // it waits for the index
		_, _, err := s.db.Alter(ctx, schema.DefaultNamespace, "T", false, func(d *schema.Descriptor) error {
			d.Attributes = append(d.Attributes, schema.AttributeDefinition{Name: "g", Type: item.S})
			d.Indexes = append(d.Indexes, schema.Index{Name: "Glo", Keys: []schema.KeyElement{{Name: "g"}}, Projection: "ALL"})
			return nil
		})
		altered <- err
	}()
	for s.db.Lookup(schema.DefaultNamespace, "T").Index("Glo") == nil {
		time.Sleep(time.Millisecond)
	}
	const want = `{"__type":"com.amazon.coral.validate#ValidationException","message":"Cannot read from backfilling global secondary index: Glo"}`
	query := `{"TableName":"T","IndexName":"Glo","KeyConditionExpression":"g = :g","ExpressionAttributeValues":{":g":{"S":"g"}}}`
	scan := `{"TableName":"T","IndexName":"Glo"}`
	statement := `{"Statement":"SELECT * FROM T.Glo WHERE g = 'g'"}`
	for op, body := range map[string]string{"Query": query, "Scan": scan, "ExecuteStatement": statement} {
		if status, answer := s.call(t, op, body); status != 400 || answer != want {
			t.Errorf("%s: %d %s, want %s", op, status, answer, want)
		}
	}
	close(blocked.release)
	if err := errors.Join(<-written, <-altered); err != nil {
		t.Fatal(err)
	}
	if got := s.walk(t, "Query", query[1:len(query)-1], 0, nil); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the built index gives %v", got)
	}
}

// FuzzRead holds that no request makes Query or Scan fail in a way that is ours, and that every
// answer is JSON.
func FuzzRead(f *testing.F) {
	s := newService(f)
	s.create(f, "T", "a:S b:N", "lsi Loc a:S c:B INCLUDE id", "gsi Glo g:S h:N ALL", "gsi Mul g:S k:S:HASH c:B h:N INCLUDE id")
	for i := range 4 {
		s.put(f, fmt.Sprintf(`"id":{"S":"%d"},"a":{"S":"h"},"b":{"N":"%d"},"c":{"B":"AA=="},"g":{"S":"h"},"h":{"N":"%d"},"k":{"S":"h"}`, i, i, i))
	}
	for _, r := range walkReads {
		f.Add(r.op == "Query", "{"+r.members+"}")
		f.Add(r.op == "Query", "{"+r.members+`,"Limit":1,"ExclusiveStartKey":{"a":{"S":"h"},"b":{"N":"1"}}}`)
	}
	f.Add(true, `{"TableName":"T","IndexName":"Mul","KeyConditions":{"g":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"h"}]},"k":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"h"}]},"c":{"ComparisonOperator":"BEGINS_WITH","AttributeValueList":[{"B":"AA=="}]}},"QueryFilter":{"id":{"ComparisonOperator":"NE","AttributeValueList":[{"S":"1"}]}},"ExclusiveStartKey":{"g":{"S":"h"},"k":{"S":"h"},"c":{"B":"AA=="},"h":{"N":"1"},"a":{"S":"h"},"b":{"N":"1"}},"AttributesToGet":["id"],"ScanIndexForward":false,"ReturnConsumedCapacity":"INDEXES"}`)
	f.Add(false, `{"TableName":"T","IndexName":"Glo","Segment":1,"TotalSegments":2,"FilterExpression":"size(#i) > :n","ExpressionAttributeNames":{"#i":"id"},"ExpressionAttributeValues":{":n":{"N":"0"}},"ProjectionExpression":"id","Select":"SPECIFIC_ATTRIBUTES"}`)
	f.Fuzz(func(t *testing.T, query bool, body string) {
		op := "Scan"
		if query {
			op = "Query"
		}
		status, answer := s.call(t, op, body)
		if status != 200 && status != 400 || !json.Valid([]byte(answer)) {
			t.Errorf("%s %s: %d %s", op, body, status, answer)
		}
	})
}

// TestReadAllocations holds that the memory a page takes does not depend on the number of its
// items.
func TestReadAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the checks of what is lent allocate with each row")
	}
	s := newService(t)
	s.create(t, "T", "a:S b:N")
	for i := range 500 {
		s.put(t, fmt.Sprintf(`"a":{"S":"h"},"b":{"N":"%d"},"m":{"M":{"x":{"L":[{"N":"1.5"},{"S":"é"}]}}}`, i))
	}
	out := make([]byte, 0, 1<<20)
	allocations := func(op, members string, limit int) float64 {
		r := &call.Request{Target: targetPrefix + op, Body: fmt.Appendf(nil, `{%s,"Limit":%d}`, members, limit)}
		return testing.AllocsPerRun(50, func() {
			if status, body := s.Serve(context.Background(), r, out); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
		})
	}
	for op, members := range map[string]string{
		"Scan":  `"TableName":"T"`,
		"Query": `"TableName":"T","ProjectionExpression":"m, b","KeyConditionExpression":"a = :h","ExpressionAttributeValues":{":h":{"S":"h"}}`,
	} {
		few, many := allocations(op, members, 2), allocations(op, members, 500)
		t.Logf("%s: %.0f allocations", op, few)
		if many > few+1 {
			t.Errorf("%s: %.0f allocations for 2 items, %.0f for 500", op, few, many)
		}
	}
}

// BenchmarkRead compares a page of 500 items as an answer with the same rows only walked, and with
// their bare encoding.
func BenchmarkRead(b *testing.B) {
	s := newService(b)
	s.create(b, "T", "a:S b:N")
	for i := range 500 {
		s.put(b, fmt.Sprintf(`"a":{"S":"h"},"b":{"N":"%d"},"name":{"S":"%s"},"m":{"M":{"x":{"L":[{"N":"1.5"},{"S":"é"}]},"on":{"BOOL":true}}}`, i, strings.Repeat("n", 300)))
	}
	out := make([]byte, 0, 4<<20)
	answer := func(op, members string) func(*testing.B) {
		r := &call.Request{Target: targetPrefix + op, Body: []byte("{" + members + "}")}
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				status, body := s.Serve(context.Background(), r, out)
				if status != 200 {
					b.Fatal(string(body))
				}
				b.SetBytes(int64(len(body)))
			}
		}
	}
	bare := func(emit func(item.Item) (bool, error)) func(*testing.B) {
		read := &db.Read{Table: s.db.Lookup(schema.DefaultNamespace, "T")}
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.db.Read(context.Background(), read, emit); err != nil {
					b.Fatal(err)
				}
				out = out[:0]
			}
		}
	}
	const key = `"TableName":"T","KeyConditionExpression":"a = :h","ExpressionAttributeValues":{":h":{"S":"h"}`
	b.Run("bare/walk", bare(func(item.Item) (bool, error) { return true, nil }))
	b.Run("bare/encode", bare(func(it item.Item) (bool, error) { out = it.AppendJSON(out); return true, nil }))
	b.Run("Scan", answer("Scan", `"TableName":"T"`))
	b.Run("Query", answer("Query", key+"}"))
	b.Run("Query/one", answer("Query", key+`},"Limit":1`))
	b.Run("Query/count", answer("Query", key+`},"Select":"COUNT"`))
	b.Run("Query/filter", answer("Query", key+`,":n":{"S":"m"}},"FilterExpression":"begins_with(#n, :n)","ExpressionAttributeNames":{"#n":"name"}`))
	b.Run("Query/project", answer("Query", key+`},"ProjectionExpression":"a, b"`))
	b.Run("Query/projectPath", answer("Query", key+`},"ProjectionExpression":"b, m.x[0]"`))
}
