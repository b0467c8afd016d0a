package item

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPlain compares plain with a loop over single bytes, each special byte at each offset.
func TestPlain(t *testing.T) {
	for length := range 70 {
		for at := range length {
			for _, c := range []byte{0, 1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 0x7f, 0x80, 0xa0, 0xa2, 0xdc, 0xff} {
				for _, fill := range []byte{'x', '!', 0x7f, 0xdc} {
					b := []byte(strings.Repeat(string([]byte{fill}), length))
					b[at] = c
					want := length
					if c == '"' || c == '\\' || c < ' ' {
						want = at
					}
					n, high := plain(b)
					if n != want {
						t.Fatalf("plain(%q) = %d, want %d", b, n, want)
					}
					if !high && strings.IndexFunc(string(b[:n]), func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
						t.Fatalf("plain(%q) takes non-ASCII for ASCII", b)
					}
				}
			}
		}
	}
}

// TestScannerTokens walks one text with every method.
func TestScannerTokens(t *testing.T) {
	var s Scanner
	s.Reset([]byte(` { "a" : [ 1 , -2.5e+3, "x\n" ,true,null ] ,"b":{},"c":false } `))
	var got []string
	note := func(parts ...string) { got = append(got, strings.Join(parts, " ")) }
	var walk func()
	walk = func() {
		switch s.Kind() {
		case KindObject:
			if err := s.Enter(); err != nil {
				t.Fatal(err)
			}
			for {
				name, more, err := s.NextKey()
				if err != nil {
					t.Fatal(err)
				}
				if !more {
					note("}")
					return
				}
				note("key", string(name))
				walk()
			}
		case KindArray:
			if err := s.Enter(); err != nil {
				t.Fatal(err)
			}
			for {
				more, err := s.NextElement()
				if err != nil {
					t.Fatal(err)
				}
				if !more {
					note("]")
					return
				}
				walk()
			}
		case KindString:
			text, err := s.String()
			note("string", string(text))
			if err != nil {
				t.Fatal(err)
			}
		case KindInteger, KindDecimal:
			decimal := s.Kind() == KindDecimal
			text, err := s.Number()
			if err != nil {
				t.Fatal(err)
			}
			if decimal {
				note("decimal", string(text))
			} else {
				note("integer", string(text))
			}
		case KindTrue, KindFalse, KindNull:
			pos := s.Pos()
			if err := s.Literal(); err != nil {
				t.Fatal(err)
			}
			s.Seek(pos)
			if err := s.Literal(); err != nil {
				t.Fatal(err)
			}
			note("literal")
		default:
			t.Fatal("no value")
		}
	}
	walk()
	if err := s.End(); err != nil {
		t.Error(err)
	}
	const want = "key a|integer 1|decimal -2.5e+3|string x\n|literal|literal|]|key b|}|key c|literal|}"
	if strings.Join(got, "|") != want {
		t.Errorf("tokens are %q, want %q", strings.Join(got, "|"), want)
	}
	if s.Kind() != KindEnd {
		t.Error("something follows the end")
	}
}

// TestScannerStringsStay checks that a string with escapes outlives the next ones.
func TestScannerStringsStay(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`["\u0061bc","plain","\\", "` + strings.Repeat(`\n`, 1000) + `"]`))
	if err := s.Enter(); err != nil {
		t.Fatal(err)
	}
	var texts [][]byte
	for {
		more, err := s.NextElement()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		text, err := s.String()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if string(texts[0]) != "abc" || string(texts[1]) != "plain" || string(texts[2]) != `\` || len(texts[3]) != 1000 {
		t.Errorf("strings are %q", texts)
	}
}

// TestSkipDepth skips brackets nested a quarter of a million deep, which recursion would not
// survive.
func TestSkipDepth(t *testing.T) {
	const depth = 1 << 18
	var s Scanner
	for _, test := range []struct {
		text string
		ok   bool
	}{
		{strings.Repeat("[", depth) + strings.Repeat("]", depth), true},
		{strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth), true},
		{strings.Repeat(`[{"a":`, depth) + "1" + strings.Repeat("}]", depth), true},
		{strings.Repeat("[", depth), false},
		{strings.Repeat("[", depth) + "}", false},
	} {
		s.Reset([]byte(test.text))
		if err := s.Skip(); (err == nil) != test.ok {
			t.Errorf("skipping %.10s…: %v", test.text, err)
		}
	}
}

// valid tells whether text is JSON, by the scanner's judgement.
func valid(text []byte) bool {
	var s Scanner
	s.Reset(text)
	return s.Skip() == nil && s.End() == nil
}

// TestScannerStrictness names what encoding/json and the scanner must both refuse or take.
func TestScannerStrictness(t *testing.T) {
	for _, text := range []string{
		"", " ", "{}", "[]", "[,]", "[1,]", "{,}", `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `[1 2]`,
		"01", "-", "-0", "-01", "1.", ".5", "1e", "1e+", "1E-7", "+1", "0x1", "1.5.5", "nul", "null", "nulll", "True", "NaN",
		`"`, `"\`, `"\u`, `"\u00`, `"\u0g00"`, `"\U0041"`, `"\'"`, "\"\t\"", "\"\x00\"", "\"\x7f\"", "\"\xff\"", "\"\xe2\x82\"",
		"\ufeff1", "1 //", "/**/1", "\v1", "\u00a01", "1\x00", "]", "}", ":", ",", "[}", "{]", `{"a":[}`, `[1]]`, `{"a":1}}`, `{"":{"":[""]}}`,
		`"\ud800"`, `"\udc00\ud800"`, "[[[[]]]]", "[ ]", "{ }", "[\n\r\t 1 ]",
	} {
		if got, want := valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("valid(%q) = %v, want %v", text, got, want)
		}
	}
}

// FuzzScanner holds the scanner against encoding/json: what is JSON, and what a string says.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"x\n\u00e9\ud83d\ude00",true,null]}`, `"\ud800x"`, "\"\xff\xc3\"", "[[],{}]", "1e5", `{"a":1,}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ok := valid(text)
		if want := json.Valid(text); ok != want {
			// encoding/json has a limit of depth, the scanner has none.
			if depth := strings.Count(string(text), "[") + strings.Count(string(text), "{"); depth < 10000 {
				t.Fatalf("valid(%q) = %v, want %v", text, ok, want)
			}
		}
		var s Scanner
		s.Reset(text)
		if !ok || s.Kind() != KindString {
			return
		}
		got, err := s.String()
		var want string
		if json.Unmarshal(text, &want) != nil || err != nil || string(got) != want {
			t.Fatalf("String of %q = %q, %v, want %q", text, got, err, want)
		}
	})
}

// TestQuoting writes random texts as JSON strings and reads them back, here and in encoding/json.
func TestQuoting(t *testing.T) {
	r := newRand(t)
	alphabet := []rune("abcdefgh \"\\\n\t\r\b\f\x00\x1f\x7fé€😀\u2028</")
	for range 5000 {
		text := randomText(r, alphabet)
		quoted := AppendQuoted(nil, text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || back != text {
			t.Fatalf("%q is quoted as %s: %q, %v", text, quoted, back, err)
		}
		var s Scanner
		s.Reset(quoted)
		if got, err := s.String(); err != nil || string(got) != text {
			t.Fatalf("%s reads as %q, %v, want %q", quoted, got, err, text)
		}
	}
}

// randomText returns up to 40 runes of an alphabet.
func randomText(r *rand.Rand, alphabet []rune) string {
	text := make([]rune, r.IntN(40))
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}
