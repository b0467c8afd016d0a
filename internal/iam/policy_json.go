package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// node is a JSON value of a policy, with its place for messages. Policies are not decoded into
// structs: of two members with one name encoding/json takes the last, and it takes action for
// Action. A policy could then allow more than its author reads in it.
type node struct {
	path  string // Statement[0].Condition; empty for the whole
	value any    // string, bool, json.Number, nil, []node or []member
}

// member is one of an object's.
type member struct {
	name string
	node node
}

// maxDepth is how deeply objects and lists may be nested. A policy needs 6.
const maxDepth = 16

// parseJSON reads one JSON value.
func parseJSON(text []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n, err := parseNode(dec, "", 0)
	if err == nil {
		if _, end := dec.Token(); end == io.EOF {
			return n, nil
		} else if err = end; err == nil {
			err = errors.New("there is more after it")
		}
	}
	var placed *placedError
	if errors.As(err, &placed) {
		return node{}, err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	line := 1 + bytes.Count(text[:min(int(dec.InputOffset()), len(text))], []byte("\n"))
	return node{}, fmt.Errorf("line %d: %w", line, err)
}

// parseNode reads the value that comes next.
func parseNode(dec *json.Decoder, path string, depth int) (node, error) {
	n := node{path: path}
	if depth > maxDepth {
		return n, n.errorf("is too deep")
	}
	token, err := dec.Token()
	if err != nil {
		return n, err
	}
	switch token {
	case json.Delim('{'):
		n.value, err = parseMembers(dec, n, depth)
	case json.Delim('['):
		n.value, err = parseElements(dec, n, depth)
	default:
		n.value = token
	}
	return n, err
}

// parseMembers reads the rest of an object.
func parseMembers(dec *json.Decoder, n node, depth int) ([]member, error) {
	members := []member{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder accepts nothing else there
		child, err := parseNode(dec, strings.TrimPrefix(n.path+"."+name, "."), depth+1)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
			return nil, child.errorf("stands there twice")
		}
		members = append(members, member{name, child})
	}
	_, err := dec.Token()
	return members, err
}

// parseElements reads the rest of a list.
func parseElements(dec *json.Decoder, n node, depth int) ([]node, error) {
	elements := []node{}
	for dec.More() {
		child, err := parseNode(dec, fmt.Sprintf("%s[%d]", n.path, len(elements)), depth+1)
		if err != nil {
			return nil, err
		}
		elements = append(elements, child)
	}
	_, err := dec.Token()
	return elements, err
}

// placedError is an error that says where in the policy it is.
type placedError struct{ text string }

func (e *placedError) Error() string { return e.text }

// errorf returns an error about the value: its place, and what is wrong with it.
func (n node) errorf(format string, args ...any) error {
	path := n.path
	if path == "" {
		path = "the policy"
	}
	return &placedError{path + " " + fmt.Sprintf(format, args...)}
}

// text returns a string.
func (n node) text() (string, error) {
	s, ok := n.value.(string)
	if !ok {
		return "", n.errorf("is not a string")
	}
	return s, nil
}

// texts returns a list of strings, which may be written as one alone, but not as none.
func (n node) texts() ([]string, error) {
	var texts []string
	for _, e := range n.elements() {
		s, err := e.text()
		if err != nil {
			return nil, err
		}
		texts = append(texts, s)
	}
	if len(texts) == 0 {
		return nil, n.errorf("is empty")
	}
	return texts, nil
}

// elements returns the values of a list; for any other value that value alone.
func (n node) elements() []node {
	if list, ok := n.value.([]node); ok {
		return list
	}
	return []node{n}
}

// members returns an object's.
func (n node) members() ([]member, error) {
	m, ok := n.value.([]member)
	if !ok {
		return nil, n.errorf("is not an object")
	}
	return m, nil
}

// member returns the value of an object's member.
func (n node) member(name string) (node, bool) {
	members, _ := n.value.([]member)
	for _, m := range members {
		if m.name == name {
			return m.node, true
		}
	}
	return node{}, false
}

// onlyMembers checks that n is an object with none but these members.
func (n node) onlyMembers(names []string) error {
	members, err := n.members()
	if err != nil {
		return err
	}
	for _, m := range members {
		if !slices.Contains(names, m.name) {
			return n.errorf("has an element %q, which is not understood; there are %s", m.name, strings.Join(names, ", "))
		}
	}
	return nil
}

// either returns the one of two members that is there.
func (n node) either(name, not string) (list node, isNot bool, err error) {
	list, there := n.member(name)
	other, negated := n.member(not)
	switch {
	case there && negated:
		return list, false, n.errorf("has both %s and %s", name, not)
	case negated:
		return other, true, nil
	case there:
		return list, false, nil
	}
	return list, false, n.errorf("has neither %s nor %s", name, not)
}
