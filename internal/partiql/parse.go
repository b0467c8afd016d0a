package partiql

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// maxDepth limits the recursion into parentheses, NOTs, function calls and literals. DynamoDB's own
// limit is not known; that of nested lists and maps, 32, is checked apart.
const maxDepth = 200

// malformed begins the message of a statement with a syntax error.
const malformed = "Statement wasn't well formed, can't be processed: "

// The details of syntax errors. Those of recorded answers are the first three; the others are ours.
const (
	noStatement     = "Expected data manipulation"
	keywordAsName   = "Unexpected keyword"
	noNameAfterDot  = "Invalid path dot component"
	unexpectedTerm  = "Unexpected term"
	unexpectedToken = "Unexpected token"
	unterminated    = "Unexpected end of statement in a string, quoted name or comment"
	tooDeep         = "Statement is nested too deeply"
)

// syntax is a parsed statement before it is built into a Statement.
type syntax struct {
	Statement
	where   *expr.Node
	actions []expr.Action // of UPDATE
	item    *literal      // of INSERT
	values  []literal     // of where and actions, by the numbers that their nodes have
}

// parser reads one statement. Errors are panics of type *Error, which parse recovers.
type parser struct {
	text  string
	tok   token
	depth int // parentheses, NOTs, calls and literals around the token
	parts int // nodes, path steps and literals so far
	syntax
}

// parse reads the text. The strings of what it returns are views of it.
func parse(text string) (s *syntax, err error) {
	defer func() {
		if r := recover(); r != nil {
			refused, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			s, err = nil, refused
		}
	}()
	p := &parser{text: text}
	p.Text = text
	p.advance()
	p.statement()
	p.accept(";")
	if p.tok.kind != tokenEnd {
		p.fail(unexpectedToken)
	}
	p.size = len(text) + int(unsafe.Sizeof(syntax{})) + p.parts*int(unsafe.Sizeof(expr.Node{})+unsafe.Sizeof(literal{}))
	return &p.syntax, nil
}

// refuse rejects the statement with DynamoDB's whole message.
func (p *parser) refuse(message string) { panic(&Error{Message: message}) }

// fail rejects the statement with a syntax error. A string, name or comment without end is one
// wherever it is.
func (p *parser) fail(detail string) {
	if p.tok.kind == tokenUnterminated {
		detail = unterminated
	}
	p.refuse(malformed + detail)
}

// position prints the position of a token as messages do: line, column in characters, both from 1,
// and its length.
func (p *parser) position(t token) string {
	before := p.text[:t.start]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	length := utf8.RuneCountInString(p.text[t.start:t.end])
	return strconv.Itoa(line) + ":" + strconv.Itoa(column) + ":" + strconv.Itoa(length)
}

func (p *parser) advance() { p.tok = lex(p.text, p.tok.end) }

func (p *parser) word() string { return p.text[p.tok.start:p.tok.end] }

// is tells whether the token is the keyword.
func (p *parser) is(keyword string) bool {
	return p.tok.kind == tokenWord && strings.EqualFold(p.word(), keyword)
}

// accept consumes the token if it is of the kind.
func (p *parser) accept(kind tokenKind) bool {
	if p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

// acceptWord consumes the token if it is the keyword.
func (p *parser) acceptWord(keyword string) bool {
	if !p.is(keyword) {
		return false
	}
	p.advance()
	return true
}

// expect consumes a token of the kind, or fails.
func (p *parser) expect(kind tokenKind) {
	if !p.accept(kind) {
		p.fail(unexpectedToken)
	}
}

// expectWord consumes the keyword, or fails.
func (p *parser) expectWord(keyword string) {
	if !p.acceptWord(keyword) {
		p.fail("Expected " + keyword)
	}
}

// enter goes one level down.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(tooDeep)
	}
}

// statement reads a statement without the semicolon that may end it.
func (p *parser) statement() {
	switch {
	case p.acceptWord("SELECT"):
		p.Kind = KindSelect
		p.selectClauses()
	case p.acceptWord("EXISTS"):
		p.Kind = KindExists
		p.expect("(")
		p.expectWord("SELECT")
		p.selectClauses()
		p.expect(")")
	case p.acceptWord("INSERT"):
		p.Kind = KindInsert
		p.insertClauses()
	case p.acceptWord("UPDATE"):
		p.Kind = KindUpdate
		p.updateClauses()
	case p.acceptWord("DELETE"):
		p.Kind = KindDelete
		p.deleteClauses()
	default:
		p.fail(noStatement)
	}
}

func (p *parser) selectClauses() {
	if p.All = p.accept("*"); !p.All {
		p.column()
		for p.accept(",") {
			p.column()
		}
		p.checkColumns()
	}
	p.expectWord("FROM")
	p.source()
	p.whereClause()
	if p.acceptWord("ORDER") {
		p.expectWord("BY")
		p.order()
		for p.accept(",") {
			p.order()
		}
		if p.where == nil { // the wording is not known from the service itself
			p.refuse("Must have WHERE clause in the statement when using ORDER BY clause.")
		}
	}
	if p.is("LIMIT") {
		p.refuse("Unsupported clause: LIMIT")
	}
}

// column reads a path of SELECT. DynamoDB has no other columns, such as functions (COUNT), values
// or parameters.
func (p *parser) column() {
	if p.tok.kind != tokenQuoted && (p.tok.kind != tokenWord || p.isCall()) {
		if p.tok.kind == tokenEnd || p.tok.kind == tokenUnterminated || p.tok.kind == tokenIllegal {
			p.fail(unexpectedTerm)
		}
		p.refuse("Unexpected path component at " + p.position(p.tok))
	}
	c := Column{path: p.path()}
	last := len(c.path) - 1
	for c.path[last].Index >= 0 {
		last--
	}
	c.Name = pathText(c.path[last:])
	p.Columns = append(p.Columns, c)
}

// checkColumns rejects columns that would have the same name in the result.
func (p *parser) checkColumns() {
	seen := make(map[string]bool, len(p.Columns))
	for _, c := range p.Columns {
		if seen[c.Name] {
			p.refuse("Duplicate identifiers in select clause: " + c.Name)
		}
		seen[c.Name] = true
	}
}

// order reads a term of ORDER BY. A path below an attribute is rejected here, since it cannot be a
// key.
func (p *parser) order() {
	path := p.path()
	if len(path) > 1 {
		p.refuse("Variable reference " + pathText(path) + " in ORDER BY clause must be part of the primary key")
	}
	term := Order{Attribute: path[0].Name}
	if !p.acceptWord("ASC") {
		term.Descending = p.acceptWord("DESC")
	}
	p.Order = append(p.Order, term)
}

func (p *parser) insertClauses() {
	p.expectWord("INTO")
	start := p.tok
	if p.source(); p.Index != "" {
		p.refuse("FROM clause may only contain a single table name in data manipulation statements at " + p.position(start))
	}
	if p.accept("(") { // columns as in SQL: the service reports the first one, if it is a keyword
		p.name()
	}
	p.expectWord("VALUE")
	p.item = p.insertedItem()
}

func (p *parser) updateClauses() {
	p.source()
	for {
		switch {
		case p.acceptWord("SET"):
			p.assignment()
			for p.accept(",") {
				p.assignment()
			}
			continue
		case p.acceptWord("REMOVE"):
			p.removal()
			for p.accept(",") {
				p.removal()
			}
			continue
		case p.actions == nil:
			p.fail(noStatement)
		}
		break
	}
	p.refuseIndex()
	p.whereClause()
	p.returning()
}

func (p *parser) assignment() {
	a := expr.Action{Path: p.path()}
	p.expect("=")
	a.Value, _ = p.assigned()
	p.actions = append(p.actions, a)
}

func (p *parser) removal() { p.actions = append(p.actions, expr.Action{Path: p.path()}) }

func (p *parser) deleteClauses() {
	p.expectWord("FROM")
	p.source()
	p.refuseIndex()
	p.whereClause()
	p.returning()
	if p.Returning != ReturningNone && p.Returning != ReturningAllOld {
		p.refuse("Invalid returning clause: RETURNING " + p.Returning.String() +
			" *. Only RETURNING ALL OLD * is allowed in DELETE statements.")
	}
}

// refuseIndex rejects a write to an index.
func (p *parser) refuseIndex() {
	if p.Index != "" {
		p.refuse("This operation is not supported on an index")
	}
}

func (p *parser) whereClause() {
	if p.acceptWord("WHERE") {
		n, form := p.or()
		p.require(form, formCondition)
		p.where = n
	}
}

func (p *parser) returning() {
	if !p.acceptWord("RETURNING") {
		return
	}
	modified := p.acceptWord("MODIFIED")
	if !modified {
		p.expectWord("ALL")
	}
	old := p.acceptWord("OLD")
	if !old {
		p.expectWord("NEW")
	}
	p.expect("*")
	switch {
	case old && modified:
		p.Returning = ReturningModifiedOld
	case old:
		p.Returning = ReturningAllOld
	case modified:
		p.Returning = ReturningModifiedNew
	default:
		p.Returning = ReturningAllNew
	}
}

// source reads the name of a table, and of an index if one follows.
func (p *parser) source() {
	parts := []string{p.name()}
	for p.accept(".") {
		parts = append(parts, p.nameAfterDot())
	}
	switch p.Table = parts[0]; len(parts) {
	case 1:
	case 2:
		p.Index = parts[1]
	default:
		p.refuse("A path may contain at most 2 components in the FROM clause")
	}
}

func (p *parser) path() expr.Path {
	path := expr.Path{{Name: p.name(), Index: -1}}
	for {
		p.parts++
		switch {
		case p.accept("."):
			path = append(path, expr.Step{Name: p.nameAfterDot(), Index: -1})
		case p.accept("["):
			path = append(path, expr.Step{Index: p.index()})
			p.expect("]")
		default:
			return path
		}
	}
}

func (p *parser) name() string {
	text := p.word()
	switch {
	case p.tok.kind == tokenQuoted:
		text = unquote(text)
	case p.tok.kind != tokenWord:
		p.fail(unexpectedTerm)
	case isKeyword(text):
		p.fail(keywordAsName)
	}
	if text == "" {
		p.refuse("Path component cannot be an empty string")
	}
	p.advance()
	return text
}

// nameAfterDot reads a name after a dot, where errors have other words.
func (p *parser) nameAfterDot() string {
	if p.tok.kind != tokenQuoted && (p.tok.kind != tokenWord || isKeyword(p.word())) {
		p.fail(noNameAfterDot)
	}
	return p.name()
}

// index reads the index of a list element.
func (p *parser) index() int {
	digits := p.word()
	if p.tok.kind != tokenNumber || strings.ContainsAny(digits, ".eE") {
		p.fail(unexpectedTerm)
	}
	index, err := strconv.Atoi(digits)
	if err != nil || index > math.MaxInt32 {
		p.refuse("List index is not within the allowable range; index: [" + digits + "]")
	}
	p.advance()
	return index
}

// pathText prints a path as messages do, without quotes around names.
func pathText(path expr.Path) string {
	var b strings.Builder
	for i, s := range path {
		switch {
		case s.Index >= 0:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(s.Name)
	}
	return b.String()
}

// deepest is DynamoDB's message for lists and maps that are nested too deep. Package item words it.
func deepest() string { return item.NestingFault(item.List(nil), maxDepth).Message }
