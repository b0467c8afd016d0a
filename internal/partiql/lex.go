package partiql

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tokenKind is the kind of a token. Punctuation has its own text as kind, such as "<=".
type tokenKind string

// The kinds that are not their own text.
const (
	tokenEnd          tokenKind = "end"
	tokenIllegal      tokenKind = "illegal"      // one character that begins no token
	tokenUnterminated tokenKind = "unterminated" // a string, quoted name or comment without end
	tokenWord         tokenKind = "word"         // a keyword, name or function: [A-Za-z_$][A-Za-z0-9_$]*
	tokenQuoted       tokenKind = "quoted"       // "a name"
	tokenString       tokenKind = "string"
	tokenNumber       tokenKind = "number" // without a sign
)

// token is one token: its kind and where its text lies.
type token struct {
	kind       tokenKind
	start, end int
}

// punctuation is all punctuation, longer tokens before those that they begin with, so that the
// first match is the longest.
var punctuation = []tokenKind{
	"<<", ">>", "<=", ">=", "<>", "!=", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "*", "+", "-", "?",
}

// lex returns the first token of text at or after pos, past blanks and comments.
func lex(text string, pos int) token {
	pos, ok := skipBlanks(text, pos)
	switch {
	case !ok:
		return token{tokenUnterminated, pos, len(text)}
	case pos == len(text):
		return token{tokenEnd, pos, pos}
	}
	switch c := text[pos]; {
	case isWordStart(c):
		end := pos + 1
		for end < len(text) && (isWordStart(text[end]) || isDigit(text[end])) {
			end++
		}
		return token{tokenWord, pos, end}
	case isDigit(c) || c == '.' && pos+1 < len(text) && isDigit(text[pos+1]):
		return token{tokenNumber, pos, numberEnd(text, pos)}
	case c == '\'':
		return lexQuoted(tokenString, text, pos)
	case c == '"':
		return lexQuoted(tokenQuoted, text, pos)
	}
	for _, p := range punctuation {
		if strings.HasPrefix(text[pos:], string(p)) {
			return token{p, pos, pos + len(p)}
		}
	}
	_, length := utf8.DecodeRuneInString(text[pos:])
	return token{tokenIllegal, pos, pos + length}
}

// skipBlanks returns where the next token begins. ok is false at a comment without end.
func skipBlanks(text string, pos int) (next int, ok bool) {
	for pos < len(text) {
		rest, length := text[pos:], 0
		switch {
		case strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			length = 1
		case strings.HasPrefix(rest, "--"):
			if length = strings.IndexByte(rest, '\n'); length < 0 {
				length = len(rest)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return pos, false
			}
			length = end + 4
		default:
			return pos, true
		}
		pos += length
	}
	return pos, true
}

// numberEnd returns the end of digits [. digits] [e [sign] digits] at pos. An e without digits is
// not part of it.
func numberEnd(text string, pos int) int {
	digits := func() {
		for pos < len(text) && isDigit(text[pos]) {
			pos++
		}
	}
	digits()
	if pos < len(text) && text[pos] == '.' {
		pos++
		digits()
	}
	if pos < len(text) && (text[pos] == 'e' || text[pos] == 'E') {
		start := pos
		pos++
		if pos < len(text) && (text[pos] == '+' || text[pos] == '-') {
			pos++
		}
		first := pos
		if digits(); pos == first {
			return start
		}
	}
	return pos
}

// lexQuoted returns the token between two quotation marks, which stand for one where they are
// doubled.
func lexQuoted(kind tokenKind, text string, pos int) token {
	quote := text[pos]
	for end := pos + 1; end < len(text); end++ {
		if text[end] != quote {
			continue
		}
		if end+1 == len(text) || text[end+1] != quote {
			return token{kind, pos, end + 1}
		}
		end++
	}
	return token{tokenUnterminated, pos, len(text)}
}

// unquote returns the text of a quoted name or string.
func unquote(text string) string {
	quote := text[:1]
	return strings.ReplaceAll(text[1:len(text)-1], quote+quote, quote)
}

// The classes of characters.

func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// keywords are the words that PartiQL reserves: those of SQL-92 and its own. In any case they are
// no names, unless quoted.
const keywords = "ABSOLUTE ACTION ADD ALL ALLOCATE ALTER AND ANY ARE AS ASC ASSERTION AT AUTHORIZATION AVG BAG BEGIN BETWEEN " +
	"BIGINT BIT BIT_LENGTH BLOB BOOL BOOLEAN BY CAN_CAST CAN_LOSSLESS_CAST CASCADE CASCADED CASE CAST CATALOG CHAR " +
	"CHARACTER CHARACTER_LENGTH CHAR_LENGTH CHECK CLOB CLOSE COALESCE COLLATE COLLATION COLUMN COMMIT CONFLICT CONNECT " +
	"CONNECTION CONSTRAINT CONSTRAINTS CONTINUE CONVERT CORRESPONDING COUNT CREATE CROSS CURRENT CURRENT_DATE " +
	"CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURSOR DATE DATE_ADD DATE_DIFF DEALLOCATE DEC DECIMAL DECLARE DEFAULT " +
	"DEFERRABLE DEFERRED DELETE DESC DESCRIBE DESCRIPTOR DIAGNOSTICS DISCONNECT DISTINCT DO DOMAIN DOUBLE DROP ELSE END " +
	"ESCAPE EXCEPT EXCEPTION EXEC EXECUTE EXISTS EXTERNAL EXTRACT FALSE FETCH FIRST FLOAT FOR FOREIGN FOUND FROM FULL GET " +
	"GLOBAL GO GOTO GRANT GROUP HAVING IDENTITY IMMEDIATE IN INDEX INDICATOR INITIALLY INNER INPUT INSENSITIVE INSERT INT " +
	"INT2 INT4 INT8 INTEGER INTEGER2 INTEGER4 INTEGER8 INTERSECT INTERVAL INTO IS ISOLATION JOIN KEY LANGUAGE LAST LEFT " +
	"LET LEVEL LIKE LIMIT LIST LOCAL LOWER MATCH MAX MIN MISSING MODIFIED MODULE NAMES NATIONAL NATURAL NCHAR NEW NEXT NO " +
	"NOT NOTHING NULL NULLIF NUMERIC OCTET_LENGTH OF OFFSET OLD ON ONLY OPEN OPTION OR ORDER OUTER OUTPUT OVERLAPS PAD " +
	"PARTIAL PIVOT POSITION PRECISION PREPARE PRESERVE PRIMARY PRIOR PRIVILEGES PROCEDURE PUBLIC READ REAL REFERENCES " +
	"RELATIVE REMOVE RESTRICT RETURNING REVOKE RIGHT ROLLBACK ROWS SCHEMA SCROLL SECTION SELECT SESSION SESSION_USER SET " +
	"SEXP SIZE SMALLINT SOME SPACE SQL SQLCODE SQLERROR SQLSTATE STRING STRUCT SUBSTRING SUM SYMBOL SYSTEM_USER TABLE " +
	"TEMPORARY THEN TIME TIMESTAMP TO TRANSACTION TRANSLATE TRANSLATION TRIM TRUE TUPLE UNION UNIQUE UNKNOWN UNPIVOT " +
	"UPDATE UPPER USAGE USER USING VALUE VALUES VARCHAR VARYING VIEW WHEN WHENEVER WHERE WITH WORK WRITE ZONE"

// keywordSet is the set of keywords, made at the first use.
var keywordSet = sync.OnceValue(func() map[string]struct{} {
	set := make(map[string]struct{})
	for word := range strings.FieldsSeq(keywords) {
		set[word] = struct{}{}
	}
	return set
})

func isKeyword(word string) bool {
	_, ok := keywordSet()[strings.ToUpper(word)]
	return ok
}
