package word

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

func TestSimilar(t *testing.T) {
	for _, test := range []struct{ name, names, want string }{
		{"orders", "", ""},
		{"orders", "users", ""},
		{"orders", "Orders users", "Orders"},
		{"user-events", "userEvents users", "userEvents"},
		{"ordrs", "orders orderlines", "orders"},
		{"ordesr", "orders", "orders"},
		{"order", "orders-dev Order orders", "Order"}, // case only comes before a letter
		{"orders", "orders-dev ordesr", "ordesr"},     // a letter comes before a part behind
		{"orders", "dev-orders users", "dev-orders"},
		{"orders", "order orders", ""}, // it is there
		{"ab", "ac", ""},               // one of two letters is too many
		{"abc", "abd", "abd"},
		{"abcde", "abcxy", ""}, // and so are two of five
		{"or", "orders", ""},
		{"thing1", "thing2 thing3", "thing2"}, // the first of those that are as near
	} {
		if got := Similar(test.name, strings.Fields(test.names)); got != test.want {
			t.Errorf("Similar(%q, [%s]) = %q, want %q", test.name, test.names, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, test := range []struct {
		a, b       string
		most, want int
	}{
		{"", "", 3, 0}, {"a", "", 3, 1}, {"abc", "abc", 3, 0}, {"abc", "acb", 3, 1}, {"abc", "abd", 3, 1}, {"abc", "xabc", 3, 1},
		{"kitten", "sitting", 3, 3}, {"kitten", "sitting", 2, 3}, {"kitten", "sitting", 0, 1},
		{"abc", "abc", 0, 0}, {"abcdef", "ghijkl", 3, 4}, {"abcdef", "ghijkl", 9, 6}, {"", "abcd", 3, 4},
		{"ca", "abc", 3, 3}, // what was swapped stays as it is
		{"abcd", "badc", 2, 2},
		{long, long + "y", 3, 1}, {long + "yz", long + "zy", 3, 1}, {strings.Repeat("x", 255), strings.Repeat("x", 256), 1, 1},
	} {
		if got := Distance(test.a, test.b, test.most); got != test.want {
			t.Errorf("Distance(%.10q, %.10q, %d) = %d, want %d", test.a, test.b, test.most, got, test.want)
		}
	}
}

// distance is Distance without a limit, as its definition says it.
func distance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	replaced := distance(a[1:], b[1:])
	if a[0] != b[0] {
		replaced++
	}
	d := min(replaced, 1+distance(a[1:], b), 1+distance(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, 1+distance(a[2:], b[2:]))
	}
	return d
}

// TestDistanceOfRandomWords compares Distance with its definition.
func TestDistanceOfRandomWords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		w := make([]byte, random.IntN(7))
		for i := range w {
			w[i] = "abc"[random.IntN(3)]
		}
		return string(w)
	}
	for range 2000 {
		a, b, most := word(), word(), random.IntN(6)
		if got, want := Distance(a, b, most), min(distance(a, b), most+1); got != want {
			t.Errorf("Distance(%q, %q, %d) = %d, want %d", a, b, most, got, want)
		}
	}
}

func TestDistanceAllocations(t *testing.T) {
	a, b := strings.Repeat("a", 255), strings.Repeat("a", 254)+"b"
	if n := testing.AllocsPerRun(10, func() { Distance(a, b, 2) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// shellWords are words and how they are quoted.
var shellWords = []struct{ word, want string }{
	{"http://a-b_c.d:80/", "http://a-b_c.d:80/"}, {"", "''"}, {"a b", "'a b'"}, {"[::1]", "'[::1]'"}, {"it's", `'it'\''s'`}, {"$x", "'$x'"},
	{"--addr=0.0.0.0:80", "--addr=0.0.0.0:80"}, {"=ls", "'=ls'"}, {"a,b@c+d%e", "a,b@c+d%e"}, {"Schlüssel", "Schlüssel"}, {"~/x", "'~/x'"},
	{"a\nb", "'a\nb'"}, {"*?", "'*?'"}, {"!!", "'!!'"}, {"#", "'#'"}, {"^a", "'^a'"}, {`\`, `'\'`}, {"'", `''\'''`}, {"\xff", "'\xff'"},
	{"{a,b}", "'{a,b}'"}, {"`x`", "'`x`'"}, {"a&b|c;d<e>f(g)", "'a&b|c;d<e>f(g)'"}, {`"`, `'"'`},
}

func TestShellQuote(t *testing.T) {
	for _, test := range shellWords {
		if got := ShellQuote(test.word); got != test.want {
			t.Errorf("ShellQuote(%q) = %s, want %s", test.word, got, test.want)
		}
	}
	if got, want := ShellQuote("a", "b c", ""), "a 'b c' ''"; got != want {
		t.Errorf("of three words: %s, want %s", got, want)
	}
	if got := ShellQuote(); got != "" {
		t.Errorf("of none: %q", got)
	}
}

// TestShellQuoteInShells has shells say what they make of the words.
func TestShellQuoteInShells(t *testing.T) {
	var words []string
	var want strings.Builder
	for _, test := range shellWords {
		words = append(words, test.word)
		fmt.Fprintf(&want, "<%s>", test.word)
	}
	for _, name := range []string{"sh", "bash", "zsh"} {
		shell, err := exec.LookPath(name)
		if err != nil {
			t.Logf("no %s here", name)
			continue
		}
		got, err := exec.Command(shell, "-c", "printf '<%s>' "+ShellQuote(words...)).CombinedOutput()
		if err != nil || string(got) != want.String() {
			t.Errorf("%s makes %q of them, %v, want %q", name, got, err, want.String())
		}
	}
}
