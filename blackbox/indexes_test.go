package blackbox_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// search queries an index and prints the items. values are pairs of a placeholder without its colon
// and a value.
func search(t testing.TB, table *string, index, condition string, values ...any) string {
	t.Helper()
	return showAll(must(client.Query(ctx, searchInput(table, index, condition, values...)))(t).Items)
}

// searchInput is the Query of search.
func searchInput(table *string, index, condition string, values ...any) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{TableName: table, KeyConditionExpression: &condition, ExpressionAttributeValues: attrs{}}
	if index != "" {
		in.IndexName = &index
	}
	for i := 0; i < len(values); i += 2 {
		in.ExpressionAttributeValues[":"+values[i].(string)] = values[i+1].(av)
	}
	return in
}

// scanned reads a whole index, and prints its rows sorted.
func scanned(t testing.TB, table *string, index string) string {
	t.Helper()
	var rows []string
	for p := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: table, IndexName: &index}); p.HasMorePages(); {
		for _, it := range must(p.NextPage(ctx))(t).Items {
			rows = append(rows, show(it))
		}
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// TestProjections: what a row of an index has. Keys of the table and of the index are there, listed
// or not.
func TestProjections(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:N",
		global: []index{
			{name: "all", hash: []string{"g:S"}, project: []string{"ALL"}},
			{name: "keys", hash: []string{"g:S"}},
			{name: "some", hash: []string{"g:S"}, project: []string{"x", "h", "absent"}},
		},
		local: []index{
			{name: "lall", sort: []string{"l:S"}, project: []string{"ALL"}},
			{name: "lkeys", sort: []string{"l:S"}},
			{name: "lsome", sort: []string{"l:S"}, project: []string{"y"}},
		},
	}.table(t)
	put(t, table, attrs{"h": s("1"), "r": n("2"), "g": s("3"), "l": s("4"), "x": l(n("5")), "y": m(attrs{"z": null(true)})})
	for name, want := range map[string]string{
		"all":   `{g: "3", h: "1", l: "4", r: 2, x: [5], y: {z: null}}`,
		"keys":  `{g: "3", h: "1", r: 2}`,
		"some":  `{g: "3", h: "1", r: 2, x: [5]}`,
		"lall":  `{g: "3", h: "1", l: "4", r: 2, x: [5], y: {z: null}}`,
		"lkeys": `{h: "1", l: "4", r: 2}`,
		"lsome": `{h: "1", l: "4", r: 2, y: {z: null}}`,
	} {
		same(t, "scan of "+name, scanned(t, table, name), want)
		hash, value := "g", s("3")
		if name[0] == 'l' {
			hash, value = "h", s("1")
		}
		same(t, "query of "+name, search(t, table, name, hash+" = :v", "v", value), want)
	}
}

// TestSparse: an item is in an index as long as it has all of its key attributes.
func TestSparse(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:S",
		global: []index{{name: "gsi", hash: []string{"g:S"}, sort: []string{"k:N"}}},
		local:  []index{{name: "lsi", sort: []string{"l:S"}}},
	}.table(t)
	key := attrs{"h": s("1"), "r": s("2")}
	update := func(expression string, values attrs) {
		t.Helper()
		must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: table, Key: key, UpdateExpression: &expression, ExpressionAttributeValues: values,
		}))(t)
	}
	rows := func(gsi, lsi string) {
		t.Helper()
		same(t, "global", scanned(t, table, "gsi"), gsi)
		same(t, "local", scanned(t, table, "lsi"), lsi)
	}
	put(t, table, key)
	rows("", "")
	update("SET g = :g", attrs{":g": s("3")})
	rows("", "")
	update("SET k = :k, l = :l", attrs{":k": n("4"), ":l": s("5")})
	rows(`{g: "3", h: "1", k: 4, r: "2"}`, `{h: "1", l: "5", r: "2"}`)
	update("ADD k :k SET l = :l", attrs{":k": n("1.5"), ":l": s("6")})
	rows(`{g: "3", h: "1", k: 5.5, r: "2"}`, `{h: "1", l: "6", r: "2"}`)
	update("REMOVE k, l", nil)
	rows("", "")
	put(t, table, attrs{"h": s("1"), "r": s("2"), "g": s("7"), "k": n("8"), "l": s("9")})
	rows(`{g: "7", h: "1", k: 8, r: "2"}`, `{h: "1", l: "9", r: "2"}`)
	must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key}))(t)
	rows("", "")
}

// parts is a table with indexes of several hash and range attributes.
var parts = schema{
	hash: "id:S",
	global: []index{
		{name: "h1r4", hash: []string{"a:S"}, sort: []string{"b:N", "c:S", "d:B", "e:N"}},
		{name: "h2r2", hash: []string{"a:S", "b:N"}, sort: []string{"c:S", "e:N"}},
		{name: "h4r0", hash: []string{"a:S", "b:N", "c:S", "d:B"}},
		{name: "h4r4", hash: []string{"e:N", "d:B", "c:S", "b:N"}, sort: []string{"a:S", "f:S", "g:N", "i:S"}},
	},
}

// TestPartsOrder: items of such an index are in the order of its range attributes, each by its
// type, and what has not all parts is not in it.
func TestPartsOrder(t *testing.T) {
	t.Parallel()
	table := parts.table(t)
	var want []string
	id := 0
	for _, b0 := range []string{"-10", "-9", "0", "2", "10"} {
		for _, c := range []string{"A", "a", "aa", "b"} {
			for _, d := range []string{"\x01", "\x01\x00", "\xff"} {
				for _, e := range []string{"-1", "0.5", "3"} {
					id++
					want = append(want, fmt.Sprint(id))
					put(t, table, attrs{"id": s(fmt.Sprint(id)), "a": s("x"), "b": n(b0), "c": s(c), "d": b(d), "e": n(e)})
				}
			}
		}
	}
	put(t, table, attrs{"id": s("no e"), "a": s("x"), "b": n("0"), "c": s("a"), "d": b("\x01")}, attrs{"id": s("other a"), "a": s("y"), "b": n("0"), "c": s("a"), "d": b("\x01"), "e": n("1")})
	ids := func(forward bool, index, condition string, values ...any) string {
		t.Helper()
		in := searchInput(table, index, condition, values...)
		in.ScanIndexForward, in.Limit = &forward, new(int32(7))
		var ids []string
		for p := dynamodb.NewQueryPaginator(client, in); p.HasMorePages(); {
			for _, it := range must(p.NextPage(ctx))(t).Items {
				ids = append(ids, it["id"].(*types.AttributeValueMemberS).Value)
			}
		}
		return strings.Join(ids, " ")
	}
	of := func(from, to int) string { return strings.Join(want[from:to], " ") }
	same(t, "all", ids(true, "h1r4", "a = :a", "a", s("x")), of(0, len(want)))
	back := slices.Clone(want)
	slices.Reverse(back)
	same(t, "backwards", ids(false, "h1r4", "a = :a", "a", s("x")), strings.Join(back, " "))
	same(t, "b", ids(true, "h1r4", "a = :a AND b = :b", "a", s("x"), "b", n("0")), of(72, 108))
	same(t, "b in a range", ids(true, "h1r4", "a = :a AND b BETWEEN :b AND :c", "a", s("x"), "b", n("-9.5"), "c", n("0")), of(36, 108))
	same(t, "c", ids(true, "h1r4", "a = :a AND b = :b AND begins_with(c, :c)", "a", s("x"), "b", n("0"), "c", s("a")), of(72+9, 72+27))
	same(t, "d", ids(true, "h1r4", "a = :a AND b = :b AND c = :c AND d > :d", "a", s("x"), "b", n("0"), "c", s("a"), "d", b("\x01")), of(72+9+3, 72+18))
	same(t, "e", ids(true, "h1r4", "a = :a AND b = :b AND c = :c AND d = :d AND e <= :e", "a", s("x"), "b", n("0"), "c", s("a"), "d", b("\x01"), "e", n("0.5")), of(72+9, 72+11))
	same(t, "two hash attributes", ids(true, "h2r2", "a = :a AND b = :b AND c = :c AND e = :e", "a", s("x"), "b", n("2.0"), "c", s("b"), "e", n("3")), strings.Join([]string{want[137], want[140], want[143]}, " "))
	same(t, "four hash attributes", ids(true, "h4r0", "d = :d AND c = :c AND b = :b AND a = :a", "a", s("x"), "b", n("0"), "c", s("a"), "d", b("\x01")),
		strings.Join(slices.Sorted(slices.Values(append(want[81:84:84], "no e"))), " "))
	same(t, "none has all eight", scanned(t, table, "h4r4"), "")
	whole := attrs{"id": s("8"), "a": s("1"), "b": n("2"), "c": s("3"), "d": b("4"), "e": n("5"), "f": s("6"), "g": n("7"), "i": s("8")}
	put(t, table, whole)
	same(t, "all eight", search(t, table, "h4r4", "e = :e AND d = :d AND c = :c AND b = :b AND a = :a AND f = :f AND g = :g AND i > :i",
		"e", n("5"), "d", b("4"), "c", s("3"), "b", n("2"), "a", s("1"), "f", s("6"), "g", n("7"), "i", s("7")), show(whole))
}

// TestPartsErrors: the conditions that such an index does not take.
func TestPartsErrors(t *testing.T) {
	t.Parallel()
	table := parts.table(t)
	values := []any{"a", s("1"), "b", n("2"), "c", s("3"), "d", b("4"), "e", n("5")}
	for _, c := range []struct{ index, condition, want string }{
		{"h2r2", "a = :a", "Query condition missed key schema element: b"},
		{"h2r2", "b = :b", "Query condition missed key schema element: a"},
		{"h2r2", "a = :a AND b > :b", "Query key condition not supported"},
		{"h2r2", "a = :a AND b = :b AND e = :e", "Query condition missed key schema element: c"},
		{"h2r2", "a = :a AND b = :b AND c > :c AND e = :e",
			"RANGE key attributes c must have equality conditions specified in the query because a condition is present on key attribute e"},
		{"h2r2", "a = :a AND b = :b AND d = :d", "Query condition missed key schema element: c"},
		{"h2r2", "a = :b AND b = :b", oneOrMore + "Condition parameter type does not match schema type"},
		{"h4r0", "a = :a AND b = :b AND c = :c", "Query condition missed key schema element: d"},
	} {
		in := searchInput(table, c.index, c.condition)
		for i := 0; i < len(values); i += 2 {
			if strings.Contains(c.condition, ":"+values[i].(string)) {
				in.ExpressionAttributeValues[":"+values[i].(string)] = values[i+1].(av)
			}
		}
		_, err := client.Query(ctx, in)
		invalid(t, err, c.want)
	}
}

// TestLocalFetch: a local index gives attributes that it does not hold, from the table. A global
// one does not.
func TestLocalFetch(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:N",
		local:  []index{{name: "lsi", sort: []string{"l:N"}, project: []string{"p"}}},
		global: []index{{name: "gsi", hash: []string{"l:N"}, project: []string{"p"}}},
	}.table(t)
	for i := range 3 {
		put(t, table, attrs{"h": s("1"), "r": n(fmt.Sprint(i)), "l": n(fmt.Sprint(-i)), "p": s("p"), "o": s(fmt.Sprint("o", i))})
	}
	in := searchInput(table, "lsi", "h = :h", "h", s("1"))
	same(t, "by default", showAll(must(client.Query(ctx, in))(t).Items), `{h: "1", l: -2, p: "p", r: 2}
{h: "1", l: -1, p: "p", r: 1}
{h: "1", l: 0, p: "p", r: 0}`)
	in.Select = types.SelectAllAttributes
	same(t, "all attributes", showAll(must(client.Query(ctx, in))(t).Items), `{h: "1", l: -2, o: "o2", p: "p", r: 2}
{h: "1", l: -1, o: "o1", p: "p", r: 1}
{h: "1", l: 0, o: "o0", p: "p", r: 0}`)
	in.Select, in.ProjectionExpression, in.ConsistentRead = "", new("o, l"), new(true)
	same(t, "some attributes", showAll(must(client.Query(ctx, in))(t).Items), "{l: -2, o: \"o2\"}\n{l: -1, o: \"o1\"}\n{l: 0, o: \"o0\"}")
	in = searchInput(table, "gsi", "l = :l", "l", n("0"))
	in.ProjectionExpression = new("o, p, z.y")
	_, err := client.Query(ctx, in)
	invalid(t, err, oneOrMore+"Global secondary index gsi does not project [o, z]")
	in.ProjectionExpression, in.Select = nil, types.SelectAllAttributes
	_, err = client.Query(ctx, in)
	invalid(t, err, oneOrMore+"Select type ALL_ATTRIBUTES is not supported for global secondary index gsi because its projection type is not ALL")
	in.Select, in.ConsistentRead = "", new(true)
	_, err = client.Query(ctx, in)
	invalid(t, err, "Consistent reads are not supported on global secondary indexes")
	in.IndexName = new("isg")
	_, err = client.Query(ctx, in)
	invalid(t, err, "The table does not have the specified index: isg")
}

// TestIndexKeyErrors: what cannot be the value of an index key is refused by every way of writing.
// Of several indexes the first by name is reported.
func TestIndexKeyErrors(t *testing.T) {
	t.Parallel()
	table := schema{
		hash: "h:S", sort: "r:S",
		global: []index{{name: "zone", hash: []string{"g:S"}, sort: []string{"k:N"}}, {name: "bin", hash: []string{"b:B"}}, {name: "area", hash: []string{"g:S"}}},
		local:  []index{{name: "local", sort: []string{"l:S"}}},
	}.table(t)
	const empty = "One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
		"The AttributeValue for a key attribute cannot contain an empty "
	const emptied = "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value " +
		"that is not supported. The AttributeValue for a key attribute cannot contain an empty "
	hash := oneOrMore + "Size of hashkey has exceeded the maximum size limit of2048 bytes"
	sort := oneOrMore + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
	mismatch := func(of, actual string) string {
		return oneOrMore + "Type mismatch for Index Key " + strings.Replace(of, " ", " Expected: ", 1) + " Actual: " + actual
	}
	for _, c := range []struct {
		name        string
		value       av
		put, update string
	}{
		{"g", n("1"), mismatch("g S", "N IndexName: area"), ""},
		{"g", null(true), mismatch("g S", "NULL IndexName: area"), ""},
		{"g", boolean(true), mismatch("g S", "BOOL IndexName: area"), ""},
		{"g", ss("a"), mismatch("g S", "SS IndexName: area"), ""},
		{"g", l(), mismatch("g S", "L IndexName: area"), ""},
		{"g", m(attrs{}), mismatch("g S", "M IndexName: area"), ""},
		{"k", s("1"), mismatch("k N", "S IndexName: zone"), ""},
		{"b", s("1"), mismatch("b B", "S IndexName: bin"), ""},
		{"l", b("1"), mismatch("l S", "B IndexName: local"), ""},
		{"g", s(""), empty + "string value. IndexName: area, IndexKey: g", emptied + "string value."},
		{"b", b(""), empty + "binary value. IndexName: bin, IndexKey: b", emptied + "binary value."},
		{"l", s(""), empty + "string value. IndexName: local, IndexKey: l", emptied + "string value."},
		{"g", s(strings.Repeat("x", 2049)), hash, ""},
		{"l", s(strings.Repeat("x", 1025)), sort, ""},
	} {
		key := attrs{"h": s("1"), "r": s("2")}
		it := attrs{"h": s("1"), "r": s("2"), c.name: c.value}
		invalid(t, tryPut(table, it), c.put)
		_, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
			*table: {{PutRequest: &types.PutRequest{Item: it}}},
		}})
		invalid(t, err, c.put)
		if c.update == "" {
			c.update = c.put
		}
		_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: table, Key: key, UpdateExpression: new("SET " + c.name + " = :v"), ExpressionAttributeValues: attrs{":v": c.value},
		})
		invalid(t, err, c.update)
		same(t, "the item is not there", get(t, table, key), "none")
	}
	put(t, table, attrs{"h": s("1"), "r": s("2"), "g": s(strings.Repeat("x", 2048)), "k": n("1"), "l": s(strings.Repeat("x", 1024)), "b": b("1")})
	for _, expression := range []string{"SET g.x = :v", "SET g[0] = :v", "REMOVE g.x"} {
		in := &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"h": s("1"), "r": s("2")}, UpdateExpression: &expression}
		if strings.HasPrefix(expression, "SET") {
			in.ExpressionAttributeValues = attrs{":v": s("1")}
		}
		_, err := client.UpdateItem(ctx, in)
		invalid(t, err, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g")
	}
}

// TestIndexKeyFromPath: an update that makes an index key of a value of the item is refused in
// words of its own.
func TestIndexKeyFromPath(t *testing.T) {
	t.Parallel()
	table := schema{hash: "h:S", global: []index{{name: "gsi", hash: []string{"g:S"}}}}.table(t)
	put(t, table, attrs{"h": s("1"), "n": n("1"), "s": s("2")})
	update := func(expression string) error {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: attrs{"h": s("1")}, UpdateExpression: &expression})
		return err
	}
	invalid(t, update("SET g = n"), "The update expression attempted to update the secondary index key to unsupported type")
	invalid(t, update("SET g = n + n"), "The update expression attempted to update the secondary index key to unsupported type")
	if err := update("SET g = s"); err != nil {
		t.Error(err)
	}
	same(t, "rows", scanned(t, table, "gsi"), `{g: "2", h: "1"}`)
}

// TestManyIndexes: all the indexes that a table can have agree with its items after random writes.
func TestManyIndexes(t *testing.T) {
	t.Parallel()
	x := schema{hash: "h:S", sort: "r:N"}
	for i := range 20 {
		x.global = append(x.global, index{name: fmt.Sprintf("global%d", i), hash: []string{fmt.Sprintf("k%d:N", i%6)}, sort: []string{fmt.Sprintf("k%d:N", (i+1)%6)}, project: []string{"ALL"}})
	}
	for i := range 5 {
		x.local = append(x.local, index{name: fmt.Sprintf("local%d", i), sort: []string{fmt.Sprintf("k%d:N", i)}, project: []string{"ALL"}})
	}
	table := x.table(t)
	items, r := map[string]attrs{}, random(t)
	for range 120 {
		key := attrs{"h": s(fmt.Sprint(r.IntN(3))), "r": n(fmt.Sprint(r.IntN(6)))}
		it := attrs{"h": key["h"], "r": key["r"]}
		for i := range 6 {
			if r.IntN(3) > 0 {
				it[fmt.Sprint("k", i)] = n(fmt.Sprint(r.IntN(4)))
			}
		}
		if r.IntN(5) == 0 {
			must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key}))(t)
			delete(items, show(key))
			continue
		}
		put(t, table, it)
		items[show(key)] = it
	}
	for _, i := range slices.Concat(x.global, x.local) {
		var want []string
		for _, it := range items {
			has := true
			for _, spec := range slices.Concat(i.hash, i.sort) {
				name, _, _ := strings.Cut(spec, ":")
				has = has && it[name] != nil
			}
			if has {
				want = append(want, show(it))
			}
		}
		same(t, i.name, scanned(t, table, i.name), strings.Join(slices.Sorted(slices.Values(want)), "\n"))
	}
}

// random is a source of random numbers whose seed is printed.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
