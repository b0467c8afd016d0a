package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The document that credentials stand in:
//
//	{"credentials": [
//	  {
//	    "accessKeyId": "AKIA…",
//	    "secretAccessKey": "…",
//	    "sessionToken": "…",                 optional: requests must bring it, too
//	    "expires": "2027-01-01T00:00:00Z",   optional
//	    "user": "alice",                     optional: the access key id
//	    "policy": {"Version": "2012-10-17", "Statement": […]}
//	  }
//	]}
//
// Errors name the entry and the line. They never contain encoding/json's messages, which may quote
// the document, and so a secret, into a log.

// fullAccess is the policy that the message about a missing policy gives as an example.
const fullAccess = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`

// entry is one credential as the document has it, members still undecoded.
type entry struct {
	number, line int
	members      map[string]json.RawMessage
}

// parse reads a document.
func parse(document []byte) (map[string]*Credential, error) {
	entries, err := parseEntries(document)
	if err != nil {
		return nil, err
	}
	credentials := make(map[string]*Credential, len(entries))
	for _, e := range entries {
		c, err := e.credential()
		if err != nil {
			return nil, e.wrap(err)
		}
		id := c.Principal.AccessKeyID
		if credentials[id] != nil {
			return nil, e.wrap(fmt.Errorf("accessKeyId %s is there a second time", id))
		}
		credentials[id] = c
	}
	return credentials, nil
}

// wrap says in which entry an error is.
func (e *entry) wrap(err error) error {
	return fmt.Errorf("entry %d (line %d): %w", e.number, e.line, err)
}

// parseEntries takes the document apart.
func parseEntries(document []byte) ([]*entry, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(document, &whole); err != nil {
		return nil, syntaxError(document, err)
	}
	members, err := membersOf(document)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	for name := range members {
		if name != "credentials" {
			return nil, fmt.Errorf("unknown member %q; the document has one, credentials", name)
		}
	}
	list := members["credentials"]
	if len(list) == 0 || list[0] != '[' {
		return nil, errors.New(`there is no list of credentials; the document has the form {"credentials": [...]}`)
	}
	return parseList(document, list)
}

// parseList takes the list of credentials apart. list is a part of the document.
func parseList(document, list []byte) (entries []*entry, err error) {
	before := bytes.Index(document, list)
	d := json.NewDecoder(bytes.NewReader(list))
	for d.Token(); d.More(); { // the first token is the bracket
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errors.New("the list of credentials cannot be read")
		}
		e := &entry{number: len(entries) + 1, line: lineOf(document, before+int(d.InputOffset())-len(raw))}
		if e.members, err = membersOf(raw); err != nil {
			return nil, e.wrap(err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// syntaxError tells where the document is not JSON.
func syntaxError(document []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || len(bytes.TrimSpace(document)) == 0 {
		return errors.New("the document is empty")
	}
	at := int(syntax.Offset)
	column := at - (bytes.LastIndexByte(document[:max(at-1, 0)], '\n') + 1)
	return fmt.Errorf("line %d is not JSON, at column %d", lineOf(document, at-1), column)
}

// lineOf is the line in which a byte stands, from 1.
func lineOf(document []byte, at int) int {
	return 1 + bytes.Count(document[:max(0, min(at, len(document)))], []byte("\n"))
}

// membersOf returns the members of an object. One that has a member twice is rejected:
// encoding/json would silently take the last, such as the second of two policies.
func membersOf(object []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("it is not an object")
		}
		if _, there := members[name]; there {
			return nil, fmt.Errorf("member %q is there twice", name)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("the value of %q cannot be read", name)
		}
		members[name] = raw
	}
	return members, nil
}

// entryMembers are the members that an entry may have.
var entryMembers = []string{"accessKeyId", "secretAccessKey", "sessionToken", "expires", "user", "policy"}

// credential checks the entry and returns what it says.
func (e *entry) credential() (*Credential, error) {
	for name := range e.members {
		if !slices.Contains(entryMembers, name) {
			return nil, fmt.Errorf("unknown member %q; an entry has %q", name, entryMembers)
		}
	}
	id, err := e.text("accessKeyId", true, isKeyID, "letters, digits, and . _ -, at most 128")
	if err != nil {
		return nil, err
	}
	secret, err := e.text("secretAccessKey", true, isPrintable, "visible characters of ASCII, without spaces")
	if err != nil {
		return nil, err
	}
	token, err := e.text("sessionToken", false, isPrintable, "visible characters of ASCII, without spaces")
	if err != nil {
		return nil, err
	}
	user, err := e.text("user", false, isUser, userForm)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = id
	}
	c := &Credential{
		Principal: &Principal{AccessKeyID: id, User: user}, secret: newSecret(secret), token: newSecret(token),
	}
	if c.Expires, err = e.expires(); err != nil {
		return nil, err
	}
	c.Principal.Policy, err = e.policy()
	return c, err
}

// text returns a member, which must be a non-empty string of allowed characters; "" if there is
// none and none is needed.
func (e *entry) text(name string, needed bool, allowed func(string) bool, of string) (string, error) {
	raw, there := e.members[name]
	if !there {
		if needed {
			return "", fmt.Errorf("%s is missing", name)
		}
		return "", nil
	}
	var text *string
	switch err := json.Unmarshal(raw, &text); {
	case err != nil || text == nil:
		return "", fmt.Errorf("%s is not a string", name)
	case *text == "":
		return "", fmt.Errorf("%s is empty", name)
	case !allowed(*text):
		return "", fmt.Errorf("%s may have only %s", name, of)
	}
	return *text, nil
}

// expires returns the member of that name, the zero time if there is none.
func (e *entry) expires() (time.Time, error) {
	const form = "expires is not a time of the form 2027-01-31T12:00:00Z"
	raw, there := e.members["expires"]
	if !there {
		return time.Time{}, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return time.Time{}, errors.New(form)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New(form)
	}
	return t, nil
}

// policy returns the key's policy, which is required.
func (e *entry) policy() (*Policy, error) {
	raw, there := e.members["policy"]
	if !there {
		return nil, fmt.Errorf(`policy is missing; the one that allows everything is "policy": %s`, fullAccess)
	}
	p, err := ParsePolicy(raw)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// isKeyID tells whether an access key id is allowed. A slash is not, since it ends the id in a
// signature's credential.
func isKeyID(s string) bool { return len(s) <= 128 && allIn(s, "._-") }

// userForm is what isUser allows, for messages.
const userForm = "letters, digits, and _ + = , . @ -, at most 128"

// isUser tells whether a name is allowed as the last part of a user's ARN.
func isUser(s string) bool { return len(s) <= 128 && allIn(s, "_+=,.@-") }

// allIn tells whether a text has only letters, digits and the characters given.
func allIn(s, more string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
			!bytes.ContainsRune([]byte(more), rune(c)) {
			return false
		}
	}
	return true
}

// isPrintable tells whether a secret has no white space, which gets into it by careless copying.
func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
