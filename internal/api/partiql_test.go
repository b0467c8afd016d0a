package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// statementPage is the answer of an ExecuteStatement.
type statementPage struct {
	Items            []map[string]map[string]any
	NextToken        string
	LastEvaluatedKey json.RawMessage
	ConsumedCapacity struct{ CapacityUnits float64 }
}

// statementPage sends one statement: members are those of the body but for Statement, Limit and
// NextToken.
func (s *testService) statementPage(t testing.TB, statement, members string, limit int, token string) (p statementPage) {
	t.Helper()
	text, _ := json.Marshal(statement)
	body := `{"Statement":` + string(text) + members
	if limit > 0 {
		body += `,"Limit":` + strconv.Itoa(limit)
	}
	if token != "" {
		body += `,"NextToken":"` + token + `"`
	}
	if err := json.Unmarshal([]byte(s.must(t, "ExecuteStatement", body+"}")), &p); err != nil {
		t.Fatal(err)
	}
	if (p.NextToken == "") != (p.LastEvaluatedKey == nil) {
		t.Fatalf("%s: NextToken %q with LastEvaluatedKey %s", statement, p.NextToken, p.LastEvaluatedKey)
	}
	if limit > 0 && len(p.Items) > limit {
		t.Fatalf("%s: %d items with a Limit of %d", statement, len(p.Items), limit)
	}
	return p
}

// walkStatement reads all pages and returns the attribute id of all items in the order they came.
func (s *testService) walkStatement(t testing.TB, statement, members string, limit int) (ids []string) {
	t.Helper()
	token := ""
	for {
		p := s.statementPage(t, statement, members, limit, token)
		for _, it := range p.Items {
			ids = append(ids, it["id"]["S"].(string))
		}
		if p.NextToken == "" {
			return ids
		}
		token = p.NextToken
	}
}

// TestStatementWalk holds that pages of any Limit, in both directions, give each item once and in
// one order.
func TestStatementWalk(t *testing.T) {
	s := walkTable(t)
	for _, test := range []struct {
		statement string // of one hash key: "ORDER BY" and a key may follow
		order     string // the range key
		items     int
	}{
		{`SELECT * FROM T WHERE a = 'h'`, "b", 12},
		{`SELECT id FROM T WHERE a = 'h' AND b BETWEEN 2 AND 8`, "b", 7},
		{`SELECT id FROM T WHERE a = 'h' AND h = 1`, "b", 6},
		{`SELECT id FROM "T"."Loc" WHERE a = 'h'`, "c", 12},
		{`SELECT id, k FROM "T"."Loc" WHERE a = 'h' AND begins_with(c, 'c')`, "c", 12},
		{`SELECT * FROM "T"."Loc" WHERE a = 'h' AND c = 'c1'`, "c", 4},
		{`SELECT * FROM "T"."Glo" WHERE g = 'g'`, "h", 12},
		{`SELECT id FROM "T"."Glo" WHERE g = 'g' AND h < 1`, "h", 6},
		{`SELECT id FROM "T"."Mul" WHERE g = 'g' AND k = 'g' AND c > 'c0'`, "c", 8},
		{`SELECT id FROM T WHERE a = 'h' AND b = 3`, "b", 1},
		{`SELECT * FROM T`, "", 15},
		{`SELECT * FROM "T"."Loc"`, "", 12},
		{`SELECT id FROM "T"."Glo" WHERE h = 1`, "", 8},
		{`SELECT id FROM T WHERE a IN ['k', 'none', 'h', 'i']`, "", 14},
		{`SELECT id FROM T WHERE (a = 'h' OR a = 'j') AND b = 1`, "", 2},
		{`SELECT id FROM "T"."Glo" WHERE g IN ['g3', 'g', 'g2'] AND h = 1`, "", 8},
	} {
		forward := s.walkStatement(t, test.statement, "", 0)
		if len(forward) != test.items {
			t.Errorf("%s: %d items, want %d", test.statement, len(forward), test.items)
		}
		backward := slices.Clone(forward)
		slices.Reverse(backward)
		for limit := 1; limit <= test.items+1; limit++ {
			if got := s.walkStatement(t, test.statement, "", limit); !slices.Equal(got, forward) {
				t.Errorf("%s, Limit %d: %v, want %v", test.statement, limit, got, forward)
			}
			if test.order == "" {
				continue
			}
			statement := test.statement + " ORDER BY " + test.order + " DESC"
			if got := s.walkStatement(t, statement, "", limit); !slices.Equal(got, backward) {
				t.Errorf("%s, Limit %d: %v, want %v", statement, limit, got, backward)
			}
		}
	}
}

// TestInPages holds that pages of a SELECT with several values of the hash key have ten items at
// most, also without a Limit, and that its pages are bounded by 1 MB over all values together.
func TestInPages(t *testing.T) {
	s := newService(t)
	s.create(t, "T", "a:S b:N")
	large := strings.Repeat("x", 300<<10)
	for i := range 24 {
		s.put(t, fmt.Sprintf(`"a":{"S":"%d"},"b":{"N":"%d"}`, i%2, i))
	}
	for i := range 12 { // two items each in six partitions
		s.put(t, fmt.Sprintf(`"a":{"S":"p%d"},"b":{"N":"%d"},"x":{"S":"%s"}`, i/2, i, large))
	}
	var sizes []int
	for token, more := "", true; more; more = token != "" {
		p := s.statementPage(t, `SELECT b FROM T WHERE a IN ['0', '1']`, "", 0, token)
		sizes, token = append(sizes, len(p.Items)), p.NextToken
	}
	if !slices.Equal(sizes, []int{10, 10, 4}) {
		t.Errorf("pages of %v items", sizes)
	}
	pages, units := 0, 0.0
	for token, more := "", true; more; more = token != "" {
		p := s.statementPage(t, `SELECT b FROM T WHERE a IN ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'] AND b < 0 AND y = 1`, "", 0, token)
		if len(p.Items) != 0 {
			t.Errorf("%d items", len(p.Items))
		}
		pages, token = pages+1, p.NextToken
	}
	if pages != 1 {
		t.Errorf("%d pages of ranges without an item", pages)
	}
	pages = 0
	for token, more := "", true; more; more = token != "" {
		p := s.statementPage(t, `SELECT b FROM T WHERE a IN ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'] AND y = 1`,
			`,"ReturnConsumedCapacity":"TOTAL","ConsistentRead":true`, 0, token)
		if u := p.ConsumedCapacity.CapacityUnits; u > (1<<20+300<<10)/4096+3 {
			t.Errorf("a page of %v units", u)
		}
		pages, units, token = pages+1, units+p.ConsumedCapacity.CapacityUnits, p.NextToken
	}
	if pages != 3 && pages != 4 || units < 12*75 || units > 12*76+6 {
		t.Errorf("%d pages of %v units together", pages, units)
	}
}

// TestStatementEncodedBound: a page ends when its body gets large, as that of Query does; a batch
// says that it is full.
func TestStatementEncodedBound(t *testing.T) {
	s := batchTable(t, 3, `{"L":[`+strings.Repeat(`{"N":"1E125"},`, 99999)+`{"N":"1"}]}`)
	token := ""
	for _, want := range []int{2, 1} { // of 13 MB each
		p := s.statementPage(t, `SELECT * FROM T`, "", 0, token)
		if len(p.Items) != want {
			t.Errorf("a page of %d items, want %d", len(p.Items), want)
		}
		token = p.NextToken
	}
	if token != "" {
		t.Errorf("there is a NextToken at the end")
	}
	answer := s.must(t, "BatchExecuteStatement", `{"Statements":[{"Statement":"SELECT * FROM T WHERE a = '1'"},{"Statement":"SELECT * FROM T WHERE a = '2'"},{"Statement":"SELECT * FROM T WHERE a = '3'"}]}`)
	if n := strings.Count(answer, `"TableName":"T"`); n != 2 || !strings.HasSuffix(answer, `{"Error":{"Code":"ThrottlingError","Message":"The response has no room for the item. Please try again."}}]}`) {
		t.Errorf("%d items answered, then …%s", n, answer[max(0, len(answer)-200):])
	}
}

// TestStatementsShared runs one text in many requests at once, each with parameters of its own:
// what is parsed is shared, what is bound is not.
func TestStatementsShared(t *testing.T) {
	s := newService(t)
	s.create(t, "T", "a:S b:N")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := fmt.Sprintf(`{"S":"%d"}`, i)
			s.must(t, "ExecuteStatement", `{"Statement":"INSERT INTO T VALUE {'a': ?, 'b': 1, 'n': 0, 'l': [?]}","Parameters":[`+key+`,`+key+`]}`)
			for n := range 50 {
				s.must(t, "ExecuteStatement", fmt.Sprintf(`{"Statement":"UPDATE T SET n = n + ? WHERE a = ? AND b = 1 AND n = ?","Parameters":[{"N":"1"},%s,{"N":"%d"}]}`, key, n))
				got := s.must(t, "ExecuteStatement", `{"Statement":"SELECT n, l[0] FROM T WHERE a = ? AND n > ?","Parameters":[`+key+`,{"N":"0"}]}`)
				if want := fmt.Sprintf(`{"Items":[{"n":{"N":"%d"},"l[0]":%s}]}`, n+1, key); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzStatement holds that no statement makes one of the three operations fail in a way that is
// ours, and that every answer is JSON.
func FuzzStatement(f *testing.F) {
	s := newService(f)
	s.create(f, "T", "a:S b:N", "lsi Loc a:S c:S INCLUDE id", "gsi Glo g:S h:N ALL", "gsi Mul g:S k:S:HASH c:S h:N INCLUDE id")
	for i := range 4 {
		s.put(f, fmt.Sprintf(`"id":{"S":"%d"},"a":{"S":"h"},"b":{"N":"%d"},"c":{"S":"c"},"g":{"S":"h"},"h":{"N":"%d"},"k":{"S":"h"}`, i, i, i))
	}
	for i, text := range []string{
		`SELECT id, m.k[1] FROM T WHERE a = ? AND b = 1`, `SELECT * FROM "T"."Loc" WHERE a IN ['h', ?] AND c > 'a' ORDER BY a DESC, c`,
		`SELECT id FROM "T"."Mul" WHERE g = 'h' AND k = 'h' AND begins_with(c, 'c') AND h BETWEEN 1 AND 2`,
		`SELECT * FROM "T"."Glo" WHERE g = 'h' OR g = 'i' AND size(id) > 1 AND NOT x IS MISSING`,
		`INSERT INTO T VALUE {'a': 'h', 'b': 9, 'x': [?, {'y': <<1, 2>>}]}`, `DELETE FROM T WHERE b = 0 AND a = 'h' RETURNING ALL OLD *`,
		`UPDATE T SET n = if_not_exists(n, 0) + 1 SET s = set_add(s, <<'x'>>) REMOVE l[0] WHERE a = ? AND b = 1 RETURNING MODIFIED NEW *`,
		`EXISTS(SELECT * FROM T WHERE a = 'h' AND b = 2 AND attribute_type(id, 'S'))`,
	} {
		f.Add(text, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		parameter := []string{`{"S":"h"}`, `{"N":"1"}`, `{"B":"AA=="}`, `{"SS":["x"]}`, `{"M":{}}`, `{"S":""}`, `{"L":[]}`, `{"NULL":true}`}[n%8]
		statement := `"Statement":` + string(quoted) + `,"Parameters":[` + parameter + `,` + parameter + `]`
		for op, body := range map[string]string{
			"ExecuteStatement":      `{` + statement + `,"Limit":2,"ReturnConsumedCapacity":"INDEXES"}`,
			"BatchExecuteStatement": `{"Statements":[{` + statement + `}],"ReturnConsumedCapacity":"INDEXES"}`,
			"ExecuteTransaction":    `{"TransactStatements":[{` + statement + `}],"ReturnConsumedCapacity":"INDEXES"}`,
		} {
			status, answer := s.call(t, op, body)
			if status != 200 && status != 400 || !json.Valid([]byte(answer)) {
				t.Errorf("%s %s: %d %s", op, body, status, answer)
			}
		}
	})
}

// TestStatementConditions holds that a SELECT gives the items that Scan gives with the same
// condition as a FilterExpression, whatever way the condition makes it take to them, over the table
// and over indexes, and in pages of any Limit.
func TestStatementConditions(t *testing.T) {
	const seed = 20261122
	t.Logf("seed %d", seed)
	g := &conditionMaker{Rand: rand.New(rand.NewPCG(seed, 0))}
	s := newService(t)
	s.create(t, "T", "a:S b:N", "lsi Loc a:S c:S ALL", "gsi Glo g:S b:N ALL", "gsi Mul g:S c:S:HASH b:N a:S ALL")
	for i := range 120 {
		s.put(t, fmt.Sprintf(`"id":{"S":"%03d"},"a":{"S":"%s"},"b":{"N":"%d"}%s`, i, g.word(), i%11, g.attributes()))
	}
	found, queries := 0, 0
	for i := range 1500 {
		index := []string{"", "", "Loc", "Glo", "Mul"}[g.IntN(5)]
		g.statement, g.expression, g.parameters, g.values = "", "", nil, nil
		if g.IntN(3) == 0 {
			g.keys(index)
		}
		g.condition(3)
		want := s.walk(t, "Scan", g.scan(index), 0, nil)
		got := s.walkStatement(t, g.text(index), g.members(), []int{0, 0, 1, 3, 7}[g.IntN(5)])
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("condition %d: %s %s\n got %v\nwant %v", i, g.text(index), g.members(), got, want)
		}
		found += len(got)
		if s.takesQuery(t, g.text(index), g.members()) {
			queries++
		}
	}
	t.Logf("%d items found, %d conditions on the hash key", found, queries)
	if found < 10000 || queries < 500 {
		t.Errorf("the conditions test little: %d items found, %d conditions on the hash key", found, queries)
	}
}

// takesQuery tells whether a SELECT is run as something else than a Scan.
func (s *testService) takesQuery(t *testing.T, text, members string) bool {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Target: targetPrefix + "ExecuteStatement", Body: []byte(`{"Statement":` + string(quoted) + members + `}`), Explain: true}
	if status, answer := s.Serve(t.Context(), r, nil); status != 200 {
		t.Fatalf("%s: %d %s", text, status, answer)
	}
	return r.Report.Condition != ""
}

// conditionMaker makes random conditions in both languages at once.
type conditionMaker struct {
	*rand.Rand
	statement, expression string
	parameters            []string // of the statement, in JSON
	values                []string // ExpressionAttributeValues :0, :1, …, in JSON
}

// text is the whole statement.
func (g *conditionMaker) text(index string) string {
	from := `"T"`
	if index != "" {
		from += `."` + index + `"`
	}
	return "SELECT * FROM " + from + " WHERE " + g.statement
}

// members are those of ExecuteStatement but for the Statement.
func (g *conditionMaker) members() string {
	if g.parameters == nil {
		return ""
	}
	return `,"Parameters":[` + strings.Join(g.parameters, ",") + `]`
}

// scan are the members of the Scan.
func (g *conditionMaker) scan(index string) string {
	text, _ := json.Marshal(g.expression)
	members := `"TableName":"T","FilterExpression":` + string(text)
	if index != "" {
		members += `,"IndexName":"` + index + `"`
	}
	for i, v := range g.values {
		members += []string{`,"ExpressionAttributeValues":{`, `,`}[min(i, 1)] + fmt.Sprintf(`":%d":%s`, i, v)
	}
	if g.values != nil {
		members += "}"
	}
	return members
}

// word is one of few words, number one of few numbers.
func (g *conditionMaker) word() string { return []string{"h", "i", "j", "ja", "k"}[g.IntN(5)] }
func (g *conditionMaker) number() int  { return g.IntN(11) }

// attributes are random attributes of an item in JSON, each after a comma. c and g, of index keys,
// are strings.
func (g *conditionMaker) attributes() (members string) {
	for _, name := range []string{"c", "g"} {
		if g.IntN(5) > 0 {
			members += fmt.Sprintf(`,"%s":{"S":"%s"}`, name, g.word())
		}
	}
	for _, name := range []string{"p", "q"} {
		switch g.IntN(6) {
		case 0:
			members += fmt.Sprintf(`,"%s":{"S":"%s"}`, name, g.word())
		case 1, 2:
			members += fmt.Sprintf(`,"%s":{"N":"%d"}`, name, g.number())
		case 3:
			members += fmt.Sprintf(`,"%s":{"SS":["x","%s"]}`, name, g.word())
		case 4:
			members += fmt.Sprintf(`,"%s":{"NULL":true}`, name)
		}
	}
	return members + fmt.Sprintf(`,"m":{"M":{"k":{"L":[{"N":"%d"},{"S":"%s"}]},"z":{"BOOL":%t}}}`, g.number(), g.word(), g.IntN(2) == 0)
}

// both appends to the two texts.
func (g *conditionMaker) both(text string) { g.write(text, text) }

// write appends to each text.
func (g *conditionMaker) write(statement, expression string) {
	g.statement += statement
	g.expression += expression
}

// value appends a value, which is given as JSON; literal is how PartiQL writes it, or empty if it
// cannot.
func (g *conditionMaker) value(literal, json string) {
	if literal == "" || g.IntN(3) == 0 {
		literal = "?"
		g.parameters = append(g.parameters, json)
	}
	g.write(literal, fmt.Sprintf(":%d", len(g.values)))
	g.values = append(g.values, json)
}

// scalar appends a string or number, as the attribute has it if it is one of a key.
func (g *conditionMaker) scalar(attribute string) {
	switch {
	case attribute == "b" || !slices.Contains([]string{"a", "c", "g"}, attribute) && g.IntN(3) > 0:
		n := strconv.Itoa(g.number())
		g.value(n, `{"N":"`+n+`"}`)
	default:
		w := g.word()
		g.value("'"+w+"'", `{"S":"`+w+`"}`)
	}
}

// path is an attribute or what lies below one.
func (g *conditionMaker) path() string {
	return []string{"a", "a", "a", "b", "b", "c", "g", "g", "p", "q", "m.k[0]", "m.k[1]", "m.z", "nope"}[g.IntN(14)]
}

// keys appends conditions on the hash key of the index, and maybe of its range key, with AND behind
// each.
func (g *conditionMaker) keys(index string) {
	hash := map[string][]string{"": {"a"}, "Loc": {"a"}, "Glo": {"g"}, "Mul": {"g", "c"}}[index]
	for _, name := range hash {
		if g.IntN(3) > 0 || len(hash) > 1 {
			g.both(name + " = ")
			g.scalar(name)
		} else {
			g.write(name+" IN [", name+" IN (")
			g.scalar(name)
			g.both(", ")
			g.scalar(name)
			g.write("]", ")")
		}
		g.both(" AND ")
	}
	if g.IntN(2) == 0 {
		rng := "b"
		if index == "Loc" {
			rng = "c"
		}
		g.both(rng + []string{" = ", " <= ", " > "}[g.IntN(3)])
		g.scalar(rng)
		g.both(" AND ")
	}
}

// condition appends a condition with at most so many levels below it.
func (g *conditionMaker) condition(depth int) {
	if depth > 0 && g.IntN(3) > 0 {
		switch n := g.IntN(8); {
		case n == 0:
			g.both("NOT ")
			g.condition(depth - 1)
		default:
			joint := " AND "
			if n < 4 {
				joint = " OR "
			}
			g.both("(")
			g.condition(depth - 1)
			for range 1 + g.IntN(2) {
				g.both(joint)
				g.condition(depth - 1)
			}
			g.both(")")
		}
		return
	}
	g.leaf(g.path())
}

// leaf appends a condition on one path.
func (g *conditionMaker) leaf(path string) {
	switch g.IntN(12) {
	case 0, 1, 2, 3:
		g.both(path + " = ")
		g.scalar(path)
	case 4:
		g.both(path + []string{" <> ", " < ", " <= ", " > ", " >= "}[g.IntN(5)])
		g.scalar(path)
	case 5:
		low, high := g.number(), g.number()
		low, high = min(low, high), max(low, high)
		if path != "a" && path != "c" && path != "g" {
			g.both(path + " BETWEEN ")
			g.value(strconv.Itoa(low), fmt.Sprintf(`{"N":"%d"}`, low))
			g.both(" AND ")
			g.value(strconv.Itoa(high), fmt.Sprintf(`{"N":"%d"}`, high))
			return
		}
		g.both(path + " BETWEEN ")
		g.value("'h'", `{"S":"h"}`)
		g.both(" AND ")
		g.value("'j'", `{"S":"j"}`)
	case 6:
		g.write(path+" IN [", path+" IN (")
		g.scalar(path)
		for range g.IntN(3) {
			g.both(", ")
			g.scalar(path)
		}
		g.write("]", ")")
	case 7:
		if path == "b" {
			path = "q"
		}
		g.both("begins_with(" + path + ", ")
		g.value("'j'", `{"S":"j"}`)
		g.both(")")
	case 8:
		g.both("contains(" + path + ", ")
		g.value("'x'", `{"S":"x"}`)
		g.both(")")
	case 9:
		g.write(path+" IS MISSING", "attribute_not_exists("+path+")")
	case 10:
		if g.IntN(2) == 0 {
			g.write(path+" IS NOT MISSING", "attribute_exists("+path+")")
			return
		}
		g.both("attribute_type(" + path + ", ")
		g.value("'NULL'", `{"S":"NULL"}`)
		g.both(")")
	default:
		g.both("size(" + path + ") > ")
		g.value("1", `{"N":"1"}`)
	}
}
