package call

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/golden"
)

// worded are the packages and files whose string literals are the words of messages.
var wordedFiles = []string{"../*.go", "../*/*.go", "../../expr/*.go", "../../partiql/*.go", "../../item/*.go", "../../db/*.go", "../../schema/*.go",
	"../../server/auth.go", "../../server/signature_errors.go", "../../sigv4/read.go"}

// TestWords checks that words.txt has all words of messages. One that it lacks is cut out of the
// log. To write it anew:
//
//	go test ./internal/api/call -run TestWords -rewrite
func TestWords(t *testing.T) {
	words := map[string]bool{}
	for _, pattern := range wordedFiles {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(names))
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "reserved.go" {
				wordsOfFile(t, name, words)
			}
		}
	}
	if golden.Rewrite() {
		golden.Write(t, "words.txt", []byte(strings.Join(slices.Sorted(maps.Keys(words)), "\n")+"\n"))
		return
	}
	var missing []string
	for word := range words {
		if !messageWords()[word] {
			missing = append(missing, word)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("words.txt lacks %q: write it anew (-rewrite)", missing)
	}
}

// verb is one of fmt's.
var verb = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]`)

// wordsOfFile adds the words of a file's string literals.
func wordsOfFile(t *testing.T, name string, words map[string]bool) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field: // a field has a tag
			return false
		case *ast.BasicLit:
			if n.Kind == gotoken.STRING {
				text, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				addWords(verb.ReplaceAllString(text, " "), words)
			}
		}
		return true
	})
}

// addWords adds the words of a literal, as cutValues finds them. Numbers are none.
func addWords(text string, words map[string]bool) {
	c := cutter{words: map[string]bool{}, named: func(word string) bool {
		if strings.Trim(word, "0123456789.-+") != "" && len(word) < 80 {
			words[word] = true
		}
		return false
	}}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("'\"` \n", r) && r != '\'' }) {
		for _, c.text = range []string{part, strings.Trim(part, "'")} {
			for c.at = 0; c.at < len(c.text); {
				if isWordByte(c.text[c.at]) {
					c.word()
				} else {
					c.at++
				}
			}
		}
	}
}
