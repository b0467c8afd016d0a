package item

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// readStored returns the pairs of JSON and row of testdata/stored.txt.
func readStored(t testing.TB) (pairs [][2]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/stored.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	for i := 0; i+1 < len(lines); i += 2 {
		row, err := hex.DecodeString(lines[i+1])
		if err != nil {
			t.Fatalf("%s: %v", lines[i], err)
		}
		pairs = append(pairs, [2]string{lines[i], string(row)})
	}
	return pairs
}

// TestStoredForm guards the bytes on disk, in both directions.
func TestStoredForm(t *testing.T) {
	var d Decoder
	for _, pair := range readStored(t) {
		json, row := pair[0], []byte(pair[1])
		it := mustDecode(t, &d, json)
		if got := it.AppendStored(nil, 0); !bytes.Equal(got, row) {
			t.Errorf("row of %s = %x, want %x", json, got, row)
		}
		back, err := Parse(row)
		if err != nil {
			t.Errorf("Parse(%x): %v", row, err)
			continue
		}
		if err := back.Verify(); err != nil {
			t.Errorf("Verify of %s: %v", json, err)
		}
		if !SameAttributes(back, it) || back.Size() != it.Size() {
			t.Errorf("row of %s reads as %s of %d bytes", json, back.AppendJSON(nil), back.Size())
		}
	}
}

func TestStoredHeader(t *testing.T) {
	it := New([]Entry{{"a", Null()}})
	stamped := it.AppendStored([]byte("before"), 0x0102030405060708)[len("before"):]
	if want := "01010201020304050607080101" + "6101"; hex.EncodeToString(stamped) != want {
		t.Errorf("stamped row = %x, want %s", stamped, want)
	}
	for _, test := range []struct{ row, problem string }{
		{"0101020102030405060708010161" + "01", ""},
		{"010002" + "01016101", ""},
		{"010202" + "07" + "01016101", ""},                        // an origin
		{"010302" + "0102030405060708" + "8001" + "01016101", ""}, // both
		{"", "cut short"},
		{"01", "cut short"},
		{"0100", "cut short"},
		{"010080", "cut short"},
		{"01008000", "cut short"}, // a length longer than need be
		{"010000", "cut short"},
		{"01010000010203", "cut short"},
		{"010200", "cut short"},
		{"0100ffffffff7f00", "cut short"},
		{"00000000", "format 0"},
		{"02000000", "format 2"},
		{"01040000", "unknown flags 0x04"},
		{"01ff0000", "unknown flags 0xff"},
	} {
		row, _ := hex.DecodeString(test.row)
		it, err := Parse(row)
		if test.problem == "" {
			if err != nil || it.Verify() != nil || !it.Get("a").Exists() {
				t.Errorf("Parse(%s) = %s, %v", test.row, it.AppendJSON(nil), err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.problem) {
			t.Errorf("Parse(%s): %v, want %q", test.row, err, test.problem)
		}
	}
}

// TestVerify gives Verify attributes that are not what the decoder would write.
func TestVerify(t *testing.T) {
	for _, test := range []struct {
		attrs   string
		size    int
		problem string
	}{
		{"00", 0, ""},
		{"0101610161", 2, "lengths"},
		{"01016110016100", 2, "lengths"},
		{"00ff", 0, "lengths"},
		{"05", 0, "lengths"},
		{"8100016101", 2, "lengths"},
		{"02016201016101", 4, "does not come after"},
		{"02016101016101", 4, "does not come after"},
		{"010001", 1, "name of 0 bytes"},
		{"0101ff01", 2, "not UTF-8"},
		{"01016101", 3, "size is 3"},
		{"0101611001ff", 2, "not UTF-8"},
		{"010161110103", 2, "not canonical"},
		{"01016111020200", 2, "not canonical"},
		{"010161110503810200", 3, "lengths"},
		{"01016111050381020100", 3, "not canonical"},
		{"010161110403810100", 3, "not canonical"},
		{"010161110403c10200", 3, "not canonical"},
		{"0101611104033f0200", 3, "not canonical"},
		{"01016120" + "0100", 1, "set is empty"},
		{"01016120" + "0502" + "01620161", 3, "does not come after"},
		{"01016120" + "0502" + "01610161", 3, "does not come after"},
		{"01016121" + "030101" + "03", 3, "set member 0"},
		{"01016130" + "0101", 4, "lengths"},
		{"01016130" + "020104", 4, "damaged|lengths"},
		{"01016131" + "0401" + "016199", 4, "lengths"},
		{"01016181" + "00", 1, "lengths"},
	} {
		attrs, err := hex.DecodeString(test.attrs)
		if err != nil {
			t.Fatal(err)
		}
		err = Item{attrs: attrs, size: test.size}.Verify()
		if test.problem == "" {
			if err != nil {
				t.Errorf("Verify(%s): %v", test.attrs, err)
			}
			continue
		}
		found := false
		for p := range strings.SplitSeq(test.problem, "|") {
			found = found || err != nil && strings.Contains(err.Error(), p)
		}
		if !found {
			t.Errorf("Verify(%s): %v, want %q", test.attrs, err, test.problem)
		}
	}
	deep := Bool(true)
	for range maxLevels {
		deep = List([]Value{deep})
	}
	if err := deep.Verify(); err != nil {
		t.Errorf("Verify of %d levels: %v", maxLevels, err)
	}
	if err := List([]Value{deep}).Verify(); err == nil {
		t.Errorf("Verify of %d levels finds nothing", maxLevels+1)
	}
}

func TestParseValue(t *testing.T) {
	for _, v := range []Value{Null(), Bool(true), Int(-7), String("é"), List([]Value{Map(nil)})} {
		if got, err := ParseValue(v.Raw()); err != nil || !Equal(got, v) {
			t.Errorf("ParseValue(%x) = %x, %v", v.Raw(), got.Raw(), err)
		}
	}
	for _, b := range []string{"", "\x99", "\x10", "\x10\x02a", "\x01\x01", "\x11\x01\x01"} {
		if v, err := ParseValue([]byte(b)); err == nil {
			t.Errorf("ParseValue(%x) = %s", b, v.AppendJSON(nil))
		}
	}
}
