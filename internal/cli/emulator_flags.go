package cli

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// emulatorFlags are the flags of DynamoDB Local, in lower case, and what they are here.
var emulatorFlags = map[string]string{
	"inmemory":                "--in-memory here",
	"dbpath":                  "--data here",
	"delaytransientstatuses":  "--table-delay here",
	"cors":                    "--cors-origin here",
	"port":                    "--port here",
	"shareddb":                "not needed: all access keys and regions see the same tables",
	"optimizedbbeforestartup": "not needed",
	"disabletelemetry":        "not needed",
}

// unknownFlag is how kong reports a flag that it does not know.
var unknownFlag = regexp.MustCompile(`^unknown flag (--?)([^\s,]+)`)

// wordUnknownFlag words the report of an unknown flag by the word that the user typed: what it is
// here if it is one of DynamoDB Local's, and where it belongs if it is one of another command. at
// is the command whose help lists it. ok is false if there is nothing better to say than kong does.
func wordUnknownFlag(problem string, args []string, n *kong.Node) (better string, at *kong.Node, ok bool) {
	m := unknownFlag.FindStringSubmatch(problem)
	if m == nil || n == nil {
		return "", n, false
	}
	typed, name := m[1]+m[2], m[2]
	if m[1] == "-" {
		typed = typedWith(args, name)
		name = strings.TrimPrefix(typed, "-")
	} else if owner := ownerOf(n, name); owner != nil {
		return "unknown flag " + typed + ": it is a flag of \"" + owner.FullPath() + "\"", owner, true
	}
	if at, what := ofEmulator(n, name); at != nil {
		return typed + " is " + what, at, true
	}
	switch {
	case m[1] == "--":
		return "", n, false
	case name == "version" || name == "help" || len(name) > 1 && hasFlag(n, dashed(name)):
		return typed + " is --" + dashed(name) + " here", n, true
	}
	return "unknown flag " + typed + ": flags have two dashes", n, true
}

// ofEmulator says what a flag of DynamoDB Local is here, if n is serve or the program; at is serve
// then, and else nil.
func ofEmulator(n *kong.Node, name string) (at *kong.Node, what string) {
	what, ok := emulatorFlags[strings.ToLower(strings.ReplaceAll(name, "-", ""))]
	if !ok {
		return nil, ""
	}
	for _, child := range n.Children {
		if child.Name == "serve" {
			n = child
		}
	}
	if n.Name != "serve" {
		return nil, ""
	}
	return n, what
}

// typedWith is the first argument with one dash that has the letter, without what follows an equals
// sign: kong reads each letter of such a word as a flag.
func typedWith(args []string, letter string) string {
	for _, arg := range args {
		word, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && strings.Contains(arg[1:], letter) {
			return word
		}
	}
	return "-" + letter
}

// ownerOf is the first command below n with a flag of that name, nil if there is none.
func ownerOf(n *kong.Node, name string) *kong.Node {
	for _, child := range n.Children {
		if hasFlag(child, name) {
			return child
		}
		if owner := ownerOf(child, name); owner != nil {
			return owner
		}
	}
	return nil
}

// hasFlag tells whether a command has a flag of that name that is not hidden.
func hasFlag(n *kong.Node, name string) bool {
	return slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == name && !f.Hidden })
}

// dashed is a name with dashes instead of capitals: table-delay for tableDelay.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
