package expr

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

// The kinds. Comparisons must be in the order of their operators: the parser computes with them.
const (
	tokenEnd     tokenKind = iota // the end of the text
	tokenIllegal                  // one character that begins no token
	tokenWord                     // an attribute or function name: [A-Za-z][A-Za-z0-9_]*
	tokenName                     // #name
	tokenValue                    // :value
	tokenIndex                    // 0, or digits that do not begin with 0
	tokenComma
	tokenOpen
	tokenClose
	tokenDot
	tokenOpenIndex
	tokenCloseIndex
	tokenEQ
	tokenNE
	tokenLT
	tokenLE
	tokenGT
	tokenGE
	tokenPlus
	tokenMinus
	tokenAnd
	tokenOr
	tokenNot
	tokenBetween
	tokenIn
	tokenSet
	tokenRemove
	tokenAdd
	tokenDelete
)

// token is one token: its kind and where its text lies.
type token struct {
	kind       tokenKind
	start, end int
}

// keywords are the words that are never names, in any kind of expression and any case.
var keywords = [...]struct {
	word string
	kind tokenKind
}{
	{"AND", tokenAnd}, {"OR", tokenOr}, {"NOT", tokenNot}, {"BETWEEN", tokenBetween}, {"IN", tokenIn},
	{"SET", tokenSet}, {"REMOVE", tokenRemove}, {"ADD", tokenAdd}, {"DELETE", tokenDelete},
}

// lex returns the first token of text at or after pos. The tokens are those of the grammar that AWS
// publishes with its DAX clients: a word begins with a letter, so that "_a" is an illegal "_" and a
// word; an index has no leading zeros, so that "03" is two of them.
func lex(text string, pos int) token {
	for pos < len(text) && isBlank(text[pos]) {
		pos++
	}
	if pos == len(text) {
		return token{tokenEnd, pos, pos}
	}
	kind, length := lexPunctuation(text[pos:])
	if length > 0 {
		return token{kind, pos, pos + length}
	}
	switch c := text[pos]; {
	case isLetter(c):
		end := wordEnd(text, pos)
		return token{wordKind(text[pos:end]), pos, end}
	case isDigit(c):
		end := pos + 1
		for c != '0' && end < len(text) && isDigit(text[end]) {
			end++
		}
		return token{tokenIndex, pos, end}
	case c == '#' || c == ':':
		if end := wordEnd(text, pos+1); end > pos+1 {
			if c == '#' {
				return token{tokenName, pos, end}
			}
			return token{tokenValue, pos, end}
		}
	}
	_, length = utf8.DecodeRuneInString(text[pos:])
	return token{tokenIllegal, pos, pos + length}
}

// lexPunctuation returns the operator or bracket that text begins with, and its length: 0 if there
// is none.
func lexPunctuation(text string) (kind tokenKind, length int) {
	second := byte(0)
	if len(text) > 1 {
		second = text[1]
	}
	switch text[0] {
	case ',':
		return tokenComma, 1
	case '(':
		return tokenOpen, 1
	case ')':
		return tokenClose, 1
	case '.':
		return tokenDot, 1
	case '[':
		return tokenOpenIndex, 1
	case ']':
		return tokenCloseIndex, 1
	case '+':
		return tokenPlus, 1
	case '-':
		return tokenMinus, 1
	case '=':
		return tokenEQ, 1
	case '<':
		switch second {
		case '>':
			return tokenNE, 2
		case '=':
			return tokenLE, 2
		}
		return tokenLT, 1
	case '>':
		if second == '=' {
			return tokenGE, 2
		}
		return tokenGT, 1
	}
	return 0, 0
}

// wordKind tells a keyword from a name.
func wordKind(word string) tokenKind {
	for _, k := range keywords {
		if len(word) == len(k.word) && strings.EqualFold(word, k.word) {
			return k.kind
		}
	}
	return tokenWord
}

// wordEnd returns the end of the letters, digits and underscores that begin at pos.
func wordEnd(text string, pos int) int {
	for pos < len(text) && (isLetter(text[pos]) || isDigit(text[pos]) || text[pos] == '_') {
		pos++
	}
	return pos
}

// The classes of characters.

func isBlank(c byte) bool  { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
