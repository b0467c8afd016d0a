package schema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// storedDir holds rows of the catalog as the first version that stored them wrote them, byte for
// byte: none is ever written again. Those named everything have each member set somewhere, those
// named nothing have none, and zeros is a table whose lists have a zero element.
const storedDir = "testdata/stored"

// storedRows are the files of storedDir, with what decodes them.
var storedRows = map[string]func() any{
	"table-everything.json":  func() any { return new(Descriptor) },
	"table-nothing.json":     func() any { return new(Descriptor) },
	"table-zeros.json":       func() any { return new(Descriptor) },
	"stream-everything.json": func() any { return new(Stream) },
	"stream-nothing.json":    func() any { return new(Stream) },
}

// TestStoredRows decodes each row and wants the same bytes when it is encoded again. The rows named
// everything leave no member of the Go structs out.
func TestStoredRows(t *testing.T) {
	for name, blank := range storedRows {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join(storedDir, name))
			if err != nil {
				t.Fatal(err)
			}
			want, v := bytes.TrimSuffix(file, []byte("\n")), blank()
			decoder := json.NewDecoder(bytes.NewReader(want))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(v); err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(v); err != nil || !bytes.Equal(got, want) {
				t.Errorf("encoded again it is %s (%v), want %s", got, err, want)
			}
			if strings.Contains(name, "everything") {
				set := map[string]bool{}
				noteSet(reflect.ValueOf(v), "", set)
				for path, is := range set {
					if !is {
						t.Errorf("%s is nowhere set", path)
					}
				}
			}
		})
	}
	files, err := os.ReadDir(storedDir)
	if err != nil || len(files) != len(storedRows) {
		t.Errorf("%d files (%v), want %d", len(files), err, len(storedRows))
	}
}

// noteSet notes for all members below a value whether they are anything but zero somewhere.
func noteSet(v reflect.Value, path string, set map[string]bool) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		noteSet(v.Elem(), path, set)
	case v.Kind() == reflect.Slice && !isText(v.Type().Elem()):
		for i := range v.Len() {
			noteSet(v.Index(i), path+"[]", set)
		}
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		for _, f := range members(v.Type()) {
			at, member := path+"."+f.Name, v.FieldByIndex(f.Index)
			set[at] = set[at] || !member.IsZero()
			noteSet(member, at, set)
		}
	}
}

// members are the fields of a struct that are stored, in their order; those of embedded structs
// are among them.
func members(t reflect.Type) (fs []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			fs = append(fs, f)
		}
	}
	return fs
}

// isText tells whether values of the type are stored as one JSON value that is no object or list.
func isText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Array:
		return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	case reflect.Pointer, reflect.Slice:
		return false
	}
	return true
}

// storedNames are the names that the catalog's rows have on disk, in their order. A name that is
// missing or changed here is data that an existing directory loses: only ever add some.
const storedNames = `
table: Format ID Epoch UUID Namespace Name Created State BusyUntil Busy BusyWith Attributes Keys Indexes NextIndex
	Billing PayPerRequestSince Throughput OnDemand Warm StreamViewType StreamLabel StreamLog NextLog Expiry SSEType
	SSEKey TableClass TableClassUpdated DeletionProtection Tags ResourcePolicy
table.Namespace: Account Region
table.Attributes: Name Type
table.Keys: Name Range
table.Indexes: ID Name Local Keys Projection NonKey State Dropping Created BusyUntil Updating Throughput
	OnDemand Warm
table.Indexes.Keys: Name Range
table.Indexes.Throughput: Read Write LastIncrease LastDecrease DecreasesToday
table.Indexes.OnDemand: MaxRead MaxWrite
table.Indexes.Warm: Read Write
table.Throughput: Read Write LastIncrease LastDecrease DecreasesToday
table.OnDemand: MaxRead MaxWrite
table.Warm: Read Write
table.Expiry: Attribute Since State Dropping BusyUntil
table.Tags: Key Value
stream: Format ID Namespace Table TableID TableUUID Label ViewType Keys Created Shards Ended Ends BusyUntil
	Ahead,omitempty
stream.Namespace: Account Region
stream.Keys: Name Range
stream.Ahead: Age Ends
`

// TestStoredNames compares the tags of all structs of stored rows with storedNames. A field without
// a tag has no name that lasts, and is an error.
func TestStoredNames(t *testing.T) {
	got := slices.Concat(tagsOf(t, "table", reflect.TypeFor[Descriptor]()), tagsOf(t, "stream", reflect.TypeFor[Stream]()))
	want := strings.Split(strings.TrimSpace(strings.ReplaceAll(storedNames, "\n\t", " ")), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("the tags are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// tagsOf lists the JSON tags of a struct, and behind them those of the structs in it.
func tagsOf(t *testing.T, path string, typ reflect.Type) []string {
	line, below := path+":", []string(nil)
	for _, f := range members(typ) {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if name == "" {
			t.Errorf("%v.%s has no name in its tag", typ, f.Name)
		}
		line += " " + tag
		of := f.Type
		for !isText(of) && of.Kind() != reflect.Struct {
			of = of.Elem()
		}
		if !isText(of) {
			below = append(below, tagsOf(t, path+"."+name, of)...)
		}
	}
	return append([]string{line}, below...)
}
