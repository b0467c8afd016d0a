package call

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/schema"
)

// Errors are logged without what the client supplied: no value, key, literal, or text of an
// expression or a statement. DynamoDB's messages repeat such text in many places, quoted and
// unquoted, so what is kept is decided the other way round: a word of a message stays if it is one
// of the words that the messages themselves are made of. These are listed in words.txt, which a
// test makes from the string literals of the packages that word errors. The rest is replaced:
//
//   - what stands behind the words after which a message has a value without quotes (bareValues);
//   - what stands in quotes, except the path of a member (Value '…' at 'tableName') and a name of
//     the API ('TableName');
//   - numbers, limits included: nothing tells a limit from a number that was sent;
//   - every other word that is not in the list. Names of the request's table, of its indexes and of
//     the attributes in their keys stay, as do reserved words that are named as such.

// cutMark stands for what was cut out.
const cutMark = "…"

const (
	// cutEnds is how much is read at either end of a longer message: the middle of a message that
	// long is part of a value.
	cutEnds = 2 << 10
	maxCut  = 400 // the length of a result
)

//go:embed words.txt
var wordsText string

var messageWords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.Lines(wordsText) {
		words[strings.TrimSpace(word)] = true
	}
	return words
})

// Cut returns Message or Reason, or another text, without what the client supplied. Only the result
// may be logged above the debug level.
func (r *Report) Cut(message string) string { return cutValues(message, r.schemaName) }

// schemaName tells whether a word names the table that the request was about, one of its indexes or
// an attribute of their keys, or a table that is not there.
func (r *Report) schemaName(word string) bool {
	if word == r.missing || word == r.Table {
		return word != ""
	}
	return r.last != nil && inSchema(r.last, word)
}

// inSchema tells whether a word is an index of the table or a key attribute of either.
func inSchema(t *db.Table, word string) bool {
	has := func(keys []schema.KeyElement) bool {
		for _, k := range keys {
			if k.Name == word {
				return true
			}
		}
		return false
	}
	if has(t.Keys) {
		return true
	}
	for i := range t.Indexes {
		if t.Indexes[i].Name == word || has(t.Indexes[i].Keys) {
			return true
		}
	}
	return false
}

// cutValues returns the message with what the client supplied replaced by …. named tells which
// words stay beside those of the messages. The result has one line and at most maxCut bytes, and
// equal mistakes have equal results.
func cutValues(message string, named func(string) bool) string {
	if len(message) > 2*cutEnds {
		end := message[len(message)-cutEnds:]
		message = message[:cutEnds] + end[max(strings.LastIndex(end, valueEnd), 0):]
	}
	message, behind, value := splitValue(message)
	c := cutter{text: message, named: named, words: messageWords()}
	c.countOfErrors()
	for c.at < len(c.text) && c.out.Len() < maxCut {
		c.step()
	}
	if value {
		c.drop()
	}
	if c.cut {
		c.mark()
	}
	out := strings.TrimSpace(c.out.String() + c.between + behind)
	if len(out) > maxCut {
		out = strings.ToValidUTF8(out[:maxCut], "") + cutMark
	}
	return out
}

// bareValues are the words after which a message has a value, or another text of the client's,
// without quotes, up to its end or to the words that it then ends with. They are listed because the
// words of such a value can be words of messages, and would stay. A new message of this form needs
// an entry here.
var bareValues = []struct{ begin, end string }{
	{"cannot be converted to a numeric value: ", ""}, {"operand: AttributeValue: ", ""},
	{"Input collection [", " contains duplicates."}, {"Duplicate value in attribute name: ", ""},
	{"Value provided is invalid, Value: ", ""}, {"Key provided is invalid, Key: ", ""},
	{"prefixed with aws:, Key: ", ""}, {"Tag Key found ", ""}, {"SequenceNumber: ", ""}, {"StreamArn: ", ""},
	{"start with 'arn:': ", ""}, {"not a DynamoDB resource arn: ", ""}, {"Provided resource arn: ", ""},
}

// splitValue returns what a message has before such a value and behind it, and whether there is
// one.
func splitValue(message string) (before, behind string, value bool) {
	before = message
	for _, v := range bareValues {
		if at := strings.Index(before, v.begin); at >= 0 {
			before, behind, value = before[:at+len(v.begin)], "", true
			if strings.HasSuffix(message, v.end) {
				behind = v.end
			}
		}
	}
	return before, behind, value
}

// cutter is a message on its way through cutValues.
type cutter struct {
	text  string
	at    int
	named func(string) bool
	words map[string]bool

	out     strings.Builder
	between string // what stands between the last word and the next
	cut     bool   // the last word was cut out; the mark is not written yet
}

// countOfErrors keeps the number in "1 validation error detected", the one number that cannot come
// from the client.
func (c *cutter) countOfErrors() {
	digits := len(c.text) - len(strings.TrimLeft(c.text, "0123456789"))
	if digits > 0 && digits <= 2 && strings.HasPrefix(c.text[digits:], " validation error") {
		c.out.WriteString(c.text[:digits])
		c.at = digits
	}
}

// step takes the next word, quoted text or separator.
func (c *cutter) step() {
	b := c.text[c.at]
	switch {
	case b == '\'' || b == '"' || b == '`':
		c.quoted(b)
	case isWordByte(b):
		c.word()
	case b < ' ' || b == 0x7f:
		c.separate(" ")
		c.at++
	default:
		c.separate(c.text[c.at : c.at+1])
		c.at++
	}
}

// separate notes what stands between words. Between two words that are cut out it is dropped.
func (c *cutter) separate(s string) {
	if s != " " || !strings.HasSuffix(c.between, " ") {
		c.between += s
	}
}

// keep writes a word that stays.
func (c *cutter) keep(word string) {
	if c.cut {
		c.mark()
	}
	c.out.WriteString(c.between)
	c.out.WriteString(word)
	c.between = ""
}

// drop notes that a word is cut out.
func (c *cutter) drop() {
	if !c.cut {
		c.out.WriteString(c.between)
	}
	c.cut, c.between = true, ""
}

func (c *cutter) mark() {
	c.out.WriteString(cutMark)
	c.cut = false
}

// valueEnd is what follows a value that violates a constraint, before the path.
const valueEnd = "' at '"

// quoted takes quoted text, which ends at a quote that no word follows; without one it is the rest
// of the message. A value in front of its path can have quotes in it.
func (c *cutter) quoted(quote byte) {
	inside := c.text[c.at+1:]
	end := 0
	for end < len(inside) && (inside[end] != quote || end+1 < len(inside) && isWordByte(inside[end+1])) {
		end++
	}
	if value := strings.Index(inside, valueEnd); value >= 0 && strings.HasSuffix(c.text[:c.at], "Value ") {
		end = value
	}
	path := quote == '\'' && strings.HasSuffix(c.text[:c.at], " at ")
	inside = inside[:end]
	c.at = min(c.at+end+2, len(c.text))
	q := string(quote)
	switch {
	case path:
		c.keep(q + c.path(inside) + q)
	case c.words[inside] && camelCase.MatchString(inside): // no word that people would use
		c.keep(q + inside + q)
	default:
		c.drop()
	}
}

// camelCase matches names of the API.
var camelCase = regexp.MustCompile("[a-z]-?[A-Z]")

// path is the path of a member, with the words that are not the API's cut out: keys of maps, and
// positions.
func (c *cutter) path(path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if !c.words[part] {
			parts[i] = cutMark
		}
	}
	return strings.Join(parts, ".")
}

// word takes a word: it goes on over marks that join names and numbers, so that a name made of
// known words is not known.
func (c *cutter) word() {
	end := c.at
	for end < len(c.text) {
		if !isWordByte(c.text[end]) &&
			(end+1 == len(c.text) || !isJoint(c.text[end]) || !isWordByte(c.text[end+1])) {
			break
		}
		end++
	}
	word := c.text[c.at:end]
	reserved := strings.HasSuffix(c.text[:c.at], "reserved keyword: ") && expr.Reserved(word)
	c.at = end
	if c.words[word] || reserved || c.named(word) {
		c.keep(word)
		return
	}
	c.drop()
}

// isWordByte tells whether a byte is of a word: a letter of any script, a digit or an underscore.
func isWordByte(b byte) bool {
	return b >= utf8.RuneSelf || b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// isJoint tells whether a byte between two of words makes them one.
func isJoint(b byte) bool { return strings.IndexByte("-./@+='", b) >= 0 }
