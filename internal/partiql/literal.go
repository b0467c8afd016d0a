package partiql

import (
	"slices"

	"github.com/partita-db/partita/internal/item"
)

// literal is a value as a statement gives it: a constant, a parameter, or a list or map with
// parameters in it.
type literal struct {
	param    int        // the number of the parameter, or -1
	value    item.Value // a constant; else missing
	isMap    bool
	names    []string  // of a map's elements
	elements []literal // of a list or map that is no constant
}

// isConstant tells whether the value does not depend on parameters.
func (l *literal) isConstant() bool { return l.value.Exists() }

// bind returns the value with the parameters in their places. A constant is shared by all requests,
// and a parameter is a view of the request.
func (l *literal) bind(params []item.Value) item.Value {
	switch {
	case l.isConstant():
		return l.value
	case l.param >= 0:
		return params[l.param]
	case l.isMap:
		return item.Map(l.entries(params))
	}
	values := make([]item.Value, len(l.elements))
	for i := range l.elements {
		values[i] = l.elements[i].bind(params)
	}
	return item.List(values)
}

// entries returns the elements of a map.
func (l *literal) entries(params []item.Value) []item.Entry {
	entries := make([]item.Entry, len(l.elements))
	for i := range l.elements {
		entries[i] = item.Entry{Name: l.names[i], Value: l.elements[i].bind(params)}
	}
	return entries
}

// bindWhole is bind for a value that is not within another: it checks the depth, to which
// parameters add. The error is an *item.Fault.
func (l *literal) bindWhole(params []item.Value) (item.Value, error) {
	v := l.bind(params)
	if l.elements != nil {
		if f := item.NestingFault(v, 0); f != nil {
			return item.Value{}, f
		}
	}
	return v, nil
}

// isLiteral tells whether a literal begins at the token.
func (p *parser) isLiteral() bool {
	switch p.tok.kind {
	case "?", "+", "-", "[", "{", "<<", tokenNumber, tokenString:
		return true
	}
	return p.is("TRUE") || p.is("FALSE") || p.is("NULL")
}

// value reads a literal that is not within another.
func (p *parser) value() literal {
	l := p.literal()
	if l.isConstant() {
		if f := item.NestingFault(l.value, 0); f != nil {
			p.refuse(f.Message)
		}
	}
	return l
}

func (p *parser) literal() literal {
	p.parts++
	switch {
	case p.tok.kind == "?":
		p.advance()
		p.Parameters++
		return literal{param: p.Parameters - 1}
	case p.accept("["):
		return p.list()
	case p.accept("{"):
		return p.entries(p.literal).collapse()
	case p.accept("<<"):
		return p.set()
	}
	return literal{param: -1, value: p.scalar()}
}

// scalar reads a string, number, boolean or NULL.
func (p *parser) scalar() item.Value {
	text := p.word()
	switch {
	case p.acceptWord("TRUE"):
		return item.Bool(true)
	case p.acceptWord("FALSE"):
		return item.Bool(false)
	case p.acceptWord("NULL"):
		return item.Null()
	case p.accept(tokenString):
		return item.String(unquote(text))
	case p.tok.kind == tokenWord && isKeyword(text):
		p.fail(keywordAsName)
	}
	return p.number()
}

func (p *parser) number() item.Value {
	sign := ""
	if p.accept("-") {
		sign = "-"
	} else {
		p.accept("+")
	}
	digits := p.word()
	if !p.accept(tokenNumber) {
		p.fail(unexpectedTerm)
	}
	v, err := item.Number(sign + digits)
	if err != nil {
		p.refuse(err.Error())
	}
	return v
}

// enterLiteral goes into a list or map.
func (p *parser) enterLiteral() {
	if p.depth++; p.depth > maxDepth {
		p.refuse(deepest())
	}
}

// list reads a list after its bracket.
func (p *parser) list() literal {
	l := literal{param: -1, elements: []literal{}}
	p.enterLiteral()
	for p.tok.kind != "]" {
		l.elements = append(l.elements, p.literal())
		if !p.accept(",") {
			break
		}
		if p.tok.kind == "]" {
			p.fail(unexpectedTerm)
		}
	}
	p.expect("]")
	p.depth--
	return l.collapse()
}

// entries reads a map after its brace; read reads its values.
func (p *parser) entries(read func() literal) literal {
	l := literal{param: -1, isMap: true, elements: []literal{}}
	p.enterLiteral()
	seen := make(map[string]bool)
	for p.tok.kind != "}" {
		name := p.entryName()
		if seen[name] {
			p.fail("Duplicate attribute name " + name) // the service's words are not known
		}
		seen[name] = true
		l.names = append(l.names, name)
		l.elements = append(l.elements, read())
		if !p.accept(",") {
			break
		}
		if p.tok.kind == "}" {
			p.fail(unexpectedTerm)
		}
	}
	p.expect("}")
	p.depth--
	return l
}

// entryName reads the name of a map's entry, and the colon.
func (p *parser) entryName() string {
	name := p.word()
	if !p.accept(tokenString) {
		p.fail(unexpectedTerm)
	}
	name = unquote(name)
	if f := item.NameFault(name); f != nil {
		p.refuse(f.Message)
	}
	p.expect(":")
	return name
}

// insertedItem reads the map that INSERT gives.
func (p *parser) insertedItem() *literal {
	p.expect("{")
	l := p.entries(p.value)
	return &l
}

// collapse makes a constant of a list or map without parameters, so that it is built once and not
// for each request.
func (l literal) collapse() literal {
	if slices.ContainsFunc(l.elements, func(e literal) bool { return !e.isConstant() }) {
		return l
	}
	return literal{param: -1, value: l.bind(nil)}
}

// set reads a set after its angle brackets. A parameter cannot be in it, so it is constant.
func (p *parser) set() literal {
	var members []item.Value
	for p.tok.kind != ">>" {
		members = append(members, p.member())
		if len(members) > 1 && members[0].Type() != members[len(members)-1].Type() {
			p.refuse("DynamoDB only supports either numbers or strings in bags")
		}
		if !p.accept(",") {
			break
		}
		if p.tok.kind == ">>" {
			p.fail(unexpectedTerm)
		}
	}
	p.expect(">>")
	if len(members) == 0 {
		p.refuse("Empty bags are not supported")
	}
	v, ok := item.Set(members)
	if !ok {
		p.refuse("Input collection contains duplicates")
	}
	return literal{param: -1, value: v}
}

// member reads a member of a set: a string or a number.
func (p *parser) member() item.Value {
	switch p.tok.kind {
	case "?", "[", "{", "<<":
		p.refuse("Unsupported data type in Bag")
	}
	v := p.scalar()
	if t := v.Type(); t != item.S && t != item.N {
		p.refuse("Unsupported data type in Bag")
	}
	return v
}
