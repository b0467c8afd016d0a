package word

import (
	"strings"
	"unicode"
)

// ShellQuote returns the words, quoted where necessary and joined by spaces, so that a POSIX shell
// and zsh read exactly these words.
func ShellQuote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; w == "" || w[0] == '=' || strings.ContainsFunc(w, special) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// special tells whether a character may be special to a shell: all are that are not known to be
// plain. To zsh an = is special, but only at the beginning of a word.
func special(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.:/+@%=,", c)
}
