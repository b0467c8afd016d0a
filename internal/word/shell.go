package word

import (
	"strings"
	"unicode"
)

// ShellQuote returns a part of a command line of which a POSIX shell, and zsh, make these words.
// Words that need no quotes have none.
func ShellQuote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; w == "" || w[0] == '=' || strings.ContainsFunc(w, special) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// special tells whether a character may mean something to a shell. What is not known to be plain is
// special. An = is that at the beginning of a word only, to zsh.
func special(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.:/+@%=,", c)
}
