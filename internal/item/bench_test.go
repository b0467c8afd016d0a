package item

import (
	"fmt"
	"strings"
	"testing"
)

// kilobyte is the JSON of an item of 1 KB: a key and ten fields of 100 characters. shuffled says to
// leave the names out of order, as clients do that send maps as they lie in memory.
func kilobyte(shuffled bool) []byte {
	fields := []string{`"pk":{"S":"user#00000001"}`}
	for i := range 10 {
		n := i
		if shuffled {
			n = (i*7 + 3) % 10
		}
		fields = append(fields, fmt.Sprintf(`"field%d":{"S":"%s"}`, n, strings.Repeat("abcdefghij", 10)))
	}
	if !shuffled {
		fields = append(fields[1:], fields[0])
	}
	return []byte("{" + strings.Join(fields, ",") + "}")
}

// mustDecode decodes an item that is without fault.
func mustDecode(t testing.TB, d *Decoder, json string) Item {
	t.Helper()
	var s Scanner
	s.Reset([]byte(json))
	it, faults, err := d.Item(&s)
	if err != nil || faults.Earliest() != nil {
		t.Fatalf("decoding %s: %v, %v", json, err, faults.Earliest())
	}
	return it
}

func BenchmarkDecode(b *testing.B) {
	for _, order := range []string{"sorted", "shuffled"} {
		b.Run(order, func(b *testing.B) {
			data := kilobyte(order == "shuffled")
			var s Scanner
			var d Decoder
			b.ReportAllocs()
			for b.Loop() {
				s.Reset(data)
				d.Reset()
				if _, _, err := d.Item(&s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeMixed(b *testing.B) {
	data := []byte(`{"a":{"N":"-12.5"},"b":{"BOOL":true},"l":{"L":[{"N":"1"},{"S":"x"}]},"m":{"M":{"k":{"S":"é"}}},"s":{"SS":["b","a"]}}`)
	var s Scanner
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(data)
		d.Reset()
		if _, _, err := d.Item(&s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	it := mustDecode(b, new(Decoder), string(kilobyte(false)))
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = it.AppendJSON(buf[:0])
	}
}

func BenchmarkGet(b *testing.B) {
	it := mustDecode(b, new(Decoder), string(kilobyte(false)))
	for _, name := range []string{"field0", "field5", "pk"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !it.Get(name).Exists() {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkWith(b *testing.B) {
	it := mustDecode(b, new(Decoder), string(kilobyte(false)))
	change := []Entry{{"field5", String("new")}}
	b.ReportAllocs()
	for b.Loop() {
		it.With(change)
	}
}

func BenchmarkPick(b *testing.B) {
	it := mustDecode(b, new(Decoder), string(kilobyte(false)))
	names := []string{"field3", "pk"}
	b.ReportAllocs()
	for b.Loop() {
		it.Pick(names)
	}
}

func BenchmarkAdd(b *testing.B) {
	x, y := Int(123456), Int(-7)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Add(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNumber(b *testing.B) {
	text := []byte("1234567.89")
	var buf [maxNumberBytes]byte
	b.ReportAllocs()
	for b.Loop() {
		appendNumber(buf[:0], text)
	}
}
