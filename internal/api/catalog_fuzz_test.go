package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// storedRow is a row of a database.
type storedRow struct{ key, value []byte }

// catalogOfAll are the rows of a database with a table that has everything, an item in it, and the
// stream of a table that is gone. The rows of descriptors come first, descriptors of them.
func catalogOfAll(t testing.TB) (rows []storedRow, descriptors int) {
	t.Helper()
	s := newService(t)
	const units = `"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":6}`
	attribute := func(names ...string) string {
		for i, name := range names {
			name, kind, _ := strings.Cut(name, ":")
			names[i] = fmt.Sprintf(`{"AttributeName":%q,"AttributeType":%q}`, name, kind)
		}
		return `"AttributeDefinitions":[` + strings.Join(names, ",") + `]`
	}
	key := func(hash, rng string) string {
		const both = `"KeySchema":[{"AttributeName":%q,"KeyType":"HASH"},{"AttributeName":%q,"KeyType":"RANGE"}]`
		return fmt.Sprintf(both, hash, rng)
	}
	stream := `"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}`
	s.must(t, "CreateTable", `{"TableName":"Gone",`+key("a", "b")+`,`+attribute("a:S", "b:N")+`,`+units+`,`+stream+`}`)
	s.must(t, "DeleteTable", `{"TableName":"Gone"}`)
	s.must(t, "CreateTable", `{"TableName":"Full",`+key("a", "b")+`,`+units+`,`+stream+`,
		`+attribute("a:S", "b:N", "c:B", "d:N")+`,
		"LocalSecondaryIndexes":[{"IndexName":"local",`+key("a", "d")+`,
			"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["x","y"]}}],
		"GlobalSecondaryIndexes":[{"IndexName":"global",`+key("c", "d")+`,
			"Projection":{"ProjectionType":"ALL"},`+units+`}],
		"Tags":[{"Key":"k","Value":"v"}],"SSESpecification":{"Enabled":true},"TableClass":"STANDARD",
		"WarmThroughput":{"ReadUnitsPerSecond":7,"WriteUnitsPerSecond":8},"ResourcePolicy":"{\"a\":1}"}`)
	s.must(t, "UpdateTimeToLive", `{"TableName":"Full","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"e"}}`)
	s.settle(t, "Full")
	s.must(t, "PutItem", `{"TableName":"Full","Item":`+catalogItem+`}`)
	err := s.db.Engine.View(t.Context(), kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		return r.Scan(kv.Range{}, kv.Forward, func(key, value []byte) (bool, error) {
			rows = append(rows, storedRow{bytes.Clone(key), bytes.Clone(value)})
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(rows, func(a, b storedRow) int {
		return bytes.Compare(b.value[:min(1, len(b.value))], a.value[:min(1, len(a.value))]) // "{"
	})
	for descriptors < len(rows) && bytes.HasPrefix(rows[descriptors].value, []byte("{")) {
		descriptors++
	}
	return rows, descriptors
}

// catalogItem is the item in the table.
const catalogItem = `{"a":{"S":"a"},"b":{"N":"1"},"c":{"B":"Yg=="},"d":{"N":"2"},"e":{"N":"1000"},"x":{"S":"x"}}`

// leaves appends the paths of all values in a JSON document.
func leaves(paths [][]any, doc any, path []any) [][]any {
	path = slices.Clip(path)
	switch d := doc.(type) {
	case map[string]any:
		names := make([]string, 0, len(d))
		for name := range d {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			paths = leaves(append(paths, append(path, name)), d[name], append(path, name))
		}
	case []any:
		for i := range d {
			paths = leaves(append(paths, append(path, i)), d[i], append(path, i))
		}
	}
	return paths
}

// mutated is a row with the value at one of its paths replaced by another: JSON, or a string; by
// none, the bytes at that place are replaced.
func mutated(row []byte, at uint16, with string) []byte {
	var doc, value any
	if err := json.Unmarshal(row, &doc); err != nil {
		panic(err)
	}
	if json.Unmarshal([]byte(with), &value) != nil {
		value = with
	}
	paths := leaves(nil, doc, nil)
	if int(at) >= len(paths) {
		n := int(at) % len(row)
		return append(row[:n:n], append([]byte(with), row[min(len(row), n+len(with)):]...)...)
	}
	into := doc
	path := paths[at]
	for _, step := range path[:len(path)-1] {
		switch step := step.(type) {
		case string:
			into = into.(map[string]any)[step]
		case int:
			into = into.([]any)[step]
		}
	}
	switch last := path[len(path)-1].(type) {
	case string:
		into.(map[string]any)[last] = value
	case int:
		into.([]any)[last] = value
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}

// FuzzCatalogRow puts something else into the descriptor of a table or of a stream, on a real
// engine. Open refuses the row just when Check finds fault with it; and what both take can be
// described, written, read, altered and deleted.
func FuzzCatalogRow(f *testing.F) {
	rows, descriptors := catalogOfAll(f)
	values := []string{
		"SOME", "", "null", "0", "-1", "65536", "[]", "{}", "true", "ABSENT", "INCLUDE", "global", `["a","b"]`, "1e30",
	}
	for row := range descriptors {
		var doc any
		if err := json.Unmarshal(rows[row].value, &doc); err != nil {
			f.Fatal(err)
		}
		for at := range leaves(nil, doc, nil) {
			for i := range 3 {
				f.Add(uint8(row), uint16(at), values[(at+5*i)%len(values)])
			}
		}
	}
	f.Fuzz(func(t *testing.T, row uint8, at uint16, with string) {
		engine, err := pebblekv.Open(pebblekv.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close()
		which := int(row) % descriptors
		value := mutated(rows[which].value, at, with)
		var lock [][]byte
		for _, r := range rows {
			lock = append(lock, r.key)
		}
		err = engine.Update(t.Context(), kv.WriteOptions{Lock: lock}, func(tx kv.Txn) error {
			for i, r := range rows {
				if i == which {
					r.value = value
				}
				tx.Set(r.key, r.value)
				if r.key[0] == 2 { // a row of a table's: its id and the section follow
					id, section := binary.BigEndian.Uint32(r.key[1:]), binary.BigEndian.Uint16(r.key[5:])
					tx.Add(uint64(id), kv.Count{Section: uint32(section), Items: 1, Bytes: int64(len(r.value))})
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := check.Run(t.Context(), engine, check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		faulty := slices.ContainsFunc(report.Problems, ofOneRow)
		d, err := db.Open(engine, db.Options{SweepInterval: -1, Logger: slog.New(slog.DiscardHandler)})
		if (err != nil) != faulty {
			t.Errorf("%s\nOpen says %v, Check %v", value, err, report.Problems)
		}
		if err == nil {
			useCatalog(New(d, Options{Logger: slog.New(slog.DiscardHandler)}))
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// ofOneRow tells whether a problem is about the row of a descriptor alone, and not about how it
// goes with others.
func ofOneRow(p check.Problem) bool {
	return strings.HasPrefix(p.Detail, "the descriptor of table id ") ||
		strings.HasPrefix(p.Detail, "the stream row ") ||
		strings.Contains(p.Detail, "is not below the next one")
}

// useCatalog does everything with a database: it may answer with errors, and does not panic.
func useCatalog(s *Service) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	call := func(target, name, body string) string {
		_, answer := s.Serve(ctx, &call.Request{Target: target + name, Body: []byte(body)}, nil)
		return string(answer)
	}
	var names struct{ TableNames []string }
	_ = json.Unmarshal([]byte(call(targetPrefix, "ListTables", `{}`)), &names)
	for _, name := range append(names.TableNames, "Full") {
		of := fmt.Sprintf(`{"TableName":%q`, name)
		described := call(targetPrefix, "DescribeTable", of+`}`)
		call(targetPrefix, "DescribeTimeToLive", of+`}`)
		arn := "arn:aws:dynamodb:us-east-1:000000000000:table/" + name
		call(targetPrefix, "ListTagsOfResource", fmt.Sprintf(`{"ResourceArn":%q}`, arn))
		call(targetPrefix, "PutItem", of+`,"Item":`+catalogItem+`}`)
		call(targetPrefix, "PutItem", of+`,"Item":`+strings.ReplaceAll(catalogItem, `"x"`, `"y"`)+`}`)
		call(targetPrefix, "GetItem", of+`,"Key":{"a":{"S":"a"},"b":{"N":"1"}}}`)
		call(targetPrefix, "Scan", of+`}`)
		var table struct {
			Table struct{ LocalSecondaryIndexes, GlobalSecondaryIndexes []struct{ IndexName string } }
		}
		_ = json.Unmarshal([]byte(described), &table)
		for _, x := range append(table.Table.LocalSecondaryIndexes, table.Table.GlobalSecondaryIndexes...) {
			call(targetPrefix, "Scan", of+fmt.Sprintf(`,"IndexName":%q}`, x.IndexName))
		}
		call(targetPrefix, "UpdateTable", of+`,"DeletionProtectionEnabled":false}`)
		call(targetPrefix, "UpdateTable", of+`,"BillingMode":"PAY_PER_REQUEST"}`)
		call(targetPrefix, "UpdateTable", of+`,"StreamSpecification":{"StreamEnabled":false}}`)
		call(targetPrefix, "DeleteItem", of+`,"Key":{"a":{"S":"a"},"b":{"N":"1"}}}`)
	}
	var streams struct{ Streams []struct{ StreamArn string } }
	_ = json.Unmarshal([]byte(call(streamTargetPrefix, "ListStreams", `{}`)), &streams)
	for _, stream := range streams.Streams {
		call(streamTargetPrefix, "DescribeStream", fmt.Sprintf(`{"StreamArn":%q}`, stream.StreamArn))
	}
	for _, name := range names.TableNames {
		call(targetPrefix, "DeleteTable", fmt.Sprintf(`{"TableName":%q}`, name))
	}
}
