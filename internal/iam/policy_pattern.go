package iam

import (
	"strings"
	"unicode/utf8"
)

// pattern is text with wildcards. The wildcards are the bytes anyRun and anyOne, which do not occur
// in UTF-8, so that * and ? in values of variables match only themselves.
type pattern string

const (
	anyRun = 0xFF
	anyOne = 0xFE
)

// wildcards makes a pattern of a text in which * and ? are wildcards.
func wildcards(s string) pattern {
	b := []byte(s)
	for i, c := range b {
		switch c {
		case '*':
			b[i] = anyRun
		case '?':
			b[i] = anyOne
		}
	}
	return pattern(b)
}

// literal is the text before the first wildcard.
func (p pattern) literal() string {
	for i := range len(p) {
		if p[i] >= anyOne {
			return string(p[:i])
		}
	}
	return string(p)
}

// wild tells whether p has wildcards.
func (p pattern) wild() bool { return len(p.literal()) < len(p) }

// matches tells whether p matches the whole of s: * any number of characters, also none; ? one. It
// backtracks to the last * only, so it takes at most len(p)*len(s) steps, whatever the client
// sends.
func (p pattern) matches(s string) bool {
	star, mark := -1, 0 // where the last * is in p, and the end in s of what it matches
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == anyRun:
			if star, mark = i, j; star == len(p)-1 {
				return true
			}
			i++
		case i < len(p) && p[i] == anyOne:
			_, n := utf8.DecodeRuneInString(s[j:])
			i, j = i+1, j+n
		case i < len(p) && p[i] == s[j]:
			i, j = i+1, j+1
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[mark:])
			mark += n
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p)
}

// template is a pattern with variables, which are replaced by properties of the principal.
type template struct {
	pattern pattern   // if there are no variables
	pieces  []pattern // otherwise: what stands around them, one more than there are variables
	values  []func(*Principal) string
}

// of is the pattern for a principal.
func (t *template) of(p *Principal) pattern {
	if t.pieces == nil {
		return t.pattern
	}
	var b strings.Builder
	for i, piece := range t.pieces {
		if i > 0 {
			b.WriteString(strings.ToValidUTF8(t.values[i-1](p), "\uFFFD"))
		}
		b.WriteString(string(piece))
	}
	return pattern(b.String())
}

// principalKeys are the condition keys about the principal, in lower case. They are variables, too.
var principalKeys = map[string]func(*Principal) string{
	"aws:username":     func(p *Principal) string { return p.User },
	"aws:principalarn": (*Principal).ARN,
}

// syntax is what is special in a text of a policy: wildcards, which depends on the element or
// operator, and variables, which depends on the policy's Version. Without variables a "${" is an
// error.
type syntax struct{ wild, variables bool }

// parseTemplate reads a text of a policy.
func parseTemplate(n node, text string, s syntax) (t template, err error) {
	plain := func(s string) pattern { return pattern(s) }
	if s.wild {
		plain = wildcards
	}
	var piece pattern
	for {
		before, rest, found := strings.Cut(text, "${")
		piece += plain(before)
		if !found {
			break
		}
		if !s.variables {
			return t, n.errorf("has a variable, which needs the Version 2012-10-17")
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return t, n.errorf("has a ${ without a }")
		}
		text = after
		switch name {
		case "*", "?", "$":
			piece += pattern(name)
			continue
		}
		value := principalKeys[strings.ToLower(name)]
		if value == nil {
			return t, n.errorf("has the variable ${%s}, which is not known", name)
		}
		t.pieces, t.values = append(t.pieces, piece), append(t.values, value)
		piece = ""
	}
	if t.values == nil {
		t.pattern = piece
	} else {
		t.pieces = append(t.pieces, piece)
	}
	return t, nil
}

// first is the pattern up to the first variable. all is true if there is none.
func (t *template) first() (p pattern, all bool) {
	if t.pieces == nil {
		return t.pattern, true
	}
	return t.pieces[0], false
}
