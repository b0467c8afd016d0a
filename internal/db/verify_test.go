package db

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// fullDescriptor is a table that has everything. Its indexes are, with their ids: 16 local1 and 17
// local2, which are local, 18 all, 19 keys and 20 some.
func fullDescriptor() *schema.Descriptor {
	units := schema.Throughput{Read: 5, Write: 6}
	some := gsi("some", "INCLUDE", "a", "b", "|", "n", "m")
	some.NonKey = []string{"x", "y"}
	d := &schema.Descriptor{
		Name: "full", Namespace: schema.DefaultNamespace, Billing: "PROVISIONED", Throughput: units, Warm: &schema.Warm{Read: 5, Write: 6},
		Attributes: []schema.AttributeDefinition{
			{Name: "a", Type: item.S}, {Name: "b", Type: item.B}, {Name: "m", Type: item.S}, {Name: "n", Type: item.N}, {Name: "pk", Type: item.S}, {Name: "sk", Type: item.N},
		},
		Keys: []schema.KeyElement{{Name: "pk"}, {Name: "sk", Range: true}},
		Indexes: []schema.Index{
			{
				Name: "local1", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "b", Range: true}},
				Projection: "INCLUDE", NonKey: []string{"x"},
			},
			{Name: "local2", Kind: schema.LocalIndex, Keys: []schema.KeyElement{{Name: "pk"}, {Name: "n", Range: true}}, Projection: "ALL"},
			gsi("all", "ALL", "a", "|", "n"), gsi("keys", "KEYS_ONLY", "b"), some,
		},
		StreamViewType: "NEW_IMAGE", SSEType: "KMS", SSEKey: "key", TableClass: "STANDARD",
		Tags: []schema.Tag{{Key: "k", Value: "v"}, {Key: "l", Value: ""}}, ResourcePolicy: "{}",
	}
	for i := range d.Indexes[2:] {
		d.Indexes[2+i].Throughput = units
	}
	return d
}

// catalogStore is an engine with the table of fullDescriptor, in which rows of the catalog are
// edited.
type catalogStore struct {
	engine kv.Engine
}

// newCatalogStore makes one. It is closed when the test ends.
func newCatalogStore(t *testing.T) *catalogStore {
	t.Helper()
	engine := openEngine(t, pebblekv.Options{})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &catalogStore{engine}
	d, err := Open(s.engine, unswept(nil))
	if err == nil {
		_, err = d.Create(t.Context(), fullDescriptor())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AlterExpiry(t.Context(), schema.DefaultNamespace, "full", "e", always); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// row reads a row.
func (s *catalogStore) row(t *testing.T, key []byte) (value []byte) {
	t.Helper()
	err := s.engine.View(t.Context(), kv.ReadOptions{}, func(r kv.Reader) error {
		v, err := r.Get(key)
		value = bytes.Clone(v)
		return err
	})
	if err != nil || value == nil {
		t.Fatalf("row %x: %x, %v", key, value, err)
	}
	return value
}

// set writes a row.
func (s *catalogStore) set(t *testing.T, key, value []byte) {
	t.Helper()
	err := s.engine.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{key}}, func(tx kv.Txn) error {
		tx.Set(key, value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// edit is a row with the edits made.
func edit(t *testing.T, row []byte, edits []string) []byte {
	t.Helper()
	t.Helper()
	var doc any
	decoder := json.NewDecoder(bytes.NewReader(row))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		path, text, ok := strings.Cut(e, "=")
		if !ok {
			continue // an empty line
		}
		if path == "" {
			return []byte(text)
		}
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		doc = put(t, doc, strings.Split(path, "."), value)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put is the document with a value put in at a path, which must be there; + is behind the end of a
// list.
func put(t *testing.T, doc any, path []string, value any) any {
	t.Helper()
	if len(path) == 0 {
		return value
	}
	switch d := doc.(type) {
	case map[string]any:
		old, there := d[path[0]]
		if !there {
			t.Fatalf("there is no %s", path[0])
		}
		d[path[0]] = put(t, old, path[1:], value)
	case []any:
		if path[0] == "+" {
			return append(d, value)
		}
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(d) {
			t.Fatalf("there is no element %s", path[0])
		}
		d[i] = put(t, d[i], path[1:], value)
	default:
		t.Fatalf("nothing lies at %v of %v", path, doc)
	}
	return doc
}

// TestEditedRows runs testdata/edited_rows.txt: rows of the catalog of a real engine, edited, and
// all that is said of them. What is said is Check's, and Open must say the same and refuse; of a
// row that is right neither says anything, and the database works. To write it anew: go test
// ./internal/db -run EditedRows -rewrite, and read the diff.
//
//	table        the row of fullDescriptor's table, with the edits of the input
//	stream       that of its stream
//	next <hex>   the row of the next table id
//
// An edit is path=JSON, one a line; a + in a path is behind the end of a list, and an edit without
// a path is the whole row. <a +n> stands for a key schema with a + before range attributes, «x*256»
// for as many x, and «1..21 "n#"» for copies with the number for each #.
func TestEditedRows(t *testing.T) {
	s := newCatalogStore(t)
	datadriven.RunTest(t, "testdata/edited_rows.txt", func(t *testing.T, c *datadriven.TestData) string {
		var key, row []byte
		switch c.Cmd {
		case "table":
			key = schema.DescriptorKey(1)
		case "stream":
			key = schema.StreamKey(1<<32 | 1)
		case "next":
			key = schema.NextIDKey()
			row, _ = hex.DecodeString(c.CmdArgs[0].Key)
		}
		if row == nil {
			row = edit(t, s.row(t, key), strings.Split(written(c.Input), "\n"))
		}
		said := s.judge(t, key, row)
		if said == nil {
			use(t, key, row)
			return "right\n"
		}
		return shortened(strings.Join(said, "\n")) + "\n"
	})
	use(t, schema.NextIDKey(), s.row(t, schema.NextIDKey())) // all is as it was
}

// judge puts an edited row in the place of a right one, returns what Check says of that row alone,
// wants Open to say the same, and puts the right one back.
func (s *catalogStore) judge(t *testing.T, key, row []byte) (said []string) {
	t.Helper()
	right := s.row(t, key)
	s.set(t, key, row)
	defer s.set(t, key, right)
	report, err := check.Run(t.Context(), s.engine, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		detail := p.Detail
		for _, about := range []string{"the descriptor of table id 1: ", "the stream row 016c0000000100000001: "} {
			detail = strings.TrimPrefix(detail, about)
		}
		if detail != p.Detail || strings.Contains(detail, "next") {
			said = append(said, detail)
		}
	}
	if said == nil {
		return nil // whether it opens is use's to see
	}
	d, err := Open(s.engine, unswept(nil))
	if err == nil {
		t.Errorf("the database opens, and Check says %q", said)
		_ = d.Close()
		return said
	}
	wants := append([]string{`"partita check" lists all that is wrong here`, "backup"}, said...)
	if bytes.Equal(key, schema.NextIDKey()) {
		wants = wants[:3] // it stops at the first row
	} else if bytes.Contains(row, []byte(`"full"`)) {
		wants = append(wants, `table "full"`)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Open says %q, without %q", err, want)
		}
	}
	return said
}

// use opens a database with the row, and writes to its table; Check finds no fault with it before
// that.
func use(t *testing.T, key, row []byte) {
	t.Helper()
	s := newCatalogStore(t)
	s.set(t, key, row)
	d, err := Open(s.engine, unswept(nil))
	if err != nil {
		t.Fatalf("Check finds no fault, and Open says %v", err)
	}
	table := d.named(schema.DefaultNamespace, "full")
	it := item.New([]item.Entry{attr("a", item.String("a")), attr("pk", item.String("p")), attr("sk", item.Int(1))})
	_, err = d.Write(t.Context(), &Write{Table: table, Key: it, Change: Put{it}})
	settle(t, d)
	if err = errors.Join(err, d.Close()); err != nil {
		t.Error(err)
	}
}

var (
	repeatRE = regexp.MustCompile(`«(.)\*(\d+)»`)
	seriesRE = regexp.MustCompile(`«(\d+)\.\.(\d+) ([^»]*)»`)
	keysRE   = regexp.MustCompile(`<[^>]*>`)
)

// written writes out the abbreviations of an input.
func written(text string) string {
	text = repeatRE.ReplaceAllStringFunc(text, func(m string) string {
		p := repeatRE.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[2])
		return strings.Repeat(p[1], n)
	})
	text = seriesRE.ReplaceAllStringFunc(text, func(m string) string {
		p := seriesRE.FindStringSubmatch(m)
		from, _ := strconv.Atoi(p[1])
		to, _ := strconv.Atoi(p[2])
		var copies []string
		for i := from; i <= to; i++ {
			copies = append(copies, strings.ReplaceAll(p[3], "#", strconv.Itoa(i)))
		}
		return strings.Join(copies, ",")
	})
	return keysRE.ReplaceAllStringFunc(text, func(keys string) string {
		var parts []string
		for _, name := range strings.Fields(strings.Trim(keys, "<>")) {
			name, isRange := strings.CutPrefix(name, "+")
			parts = append(parts, fmt.Sprintf(`{"Name":%q,"Range":%v}`, name, isRange))
		}
		return "[" + strings.Join(parts, ",") + "]"
	})
}

// shortened abbreviates a run of a letter.
func shortened(text string) string {
	return strings.ReplaceAll(text, strings.Repeat("n", 256), "«n*256»")
}

// TestNothingWrongIsStored: what Open would refuse is an error where it would be stored, and leaves
// all as it was.
func TestNothingWrongIsStored(t *testing.T) {
	d := open(t)
	wrong := fullDescriptor()
	wrong.Indexes[2].Projection = "SOME"
	_, err := d.Create(t.Context(), wrong)
	if err == nil || !strings.Contains(err.Error(), `the projection of index "all" is "SOME"`) {
		t.Errorf("Create: %v", err)
	}
	if _, err := d.Create(t.Context(), fullDescriptor()); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*schema.Descriptor){
		"its class":              func(desc *schema.Descriptor) { desc.TableClass = "FIRST" },
		"its stream view type":   func(desc *schema.Descriptor) { desc.StreamViewType = "BOTH" },
		`index "all" has 0 hash`: func(desc *schema.Descriptor) { desc.Index("all").Keys = nil },
	} {
		_, _, err := d.Alter(t.Context(), schema.DefaultNamespace, "full", Unseen, func(desc *schema.Descriptor) error {
			change(desc)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("Alter: %v, want %s", err, what)
		}
	}
	checkClean(t, d)
}
