package iam

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
)

// maxListed is how many actions or resources of a statement a summary names.
const maxListed = 6

// JSON is the policy as it was written.
func (p *Policy) JSON() json.RawMessage { return p.text }

// Summary says in a line what the policy allows: "everything", "read only", or its statements in
// short, such as "Allow GetItem, Query on table/orders, with conditions on dynamodb:LeadingKeys".
func (p *Policy) Summary() string {
	switch {
	case p.everything:
		return "everything"
	case p.readsOnly():
		return "read only"
	}
	root, err := parseJSON(p.text)
	if err != nil {
		panic(fmt.Sprintf("iam: a policy that was read cannot be read again: %v", err))
	}
	list, _ := root.member("Statement")
	var statements []string
	for _, n := range list.elements() {
		statements = append(statements, summary(n))
	}
	return visible(strings.Join(statements, "; "))
}

// readsOnly tells whether the policy is equivalent to ReadOnlyPolicy.
func (p *Policy) readsOnly() bool {
	if len(p.statements) != 1 {
		return false
	}
	s := &p.statements[0]
	return !s.deny && !s.others && len(s.conditions) == 0 && s.actions == readOnlyActions && s.onAnything()
}

// readOnlyActions are the actions that ReadOnlyPolicy allows.
var readOnlyActions = func() actionSet {
	p, err := ParsePolicy([]byte(ReadOnlyPolicy))
	if err != nil {
		panic(fmt.Sprintf("iam: %v", err))
	}
	return p.statements[0].actions
}()

// summary is a statement in short.
func summary(n node) string {
	effect, _ := n.member("Effect")
	actions, notActions, _ := n.either("Action", "NotAction")
	resources, notResources, _ := n.either("Resource", "NotResource")
	line := fmt.Sprintf("%v %s%s on %s%s", effect.value, except(notActions), listed(actions, shortAction),
		except(notResources), listed(resources, shortResource))
	if block, there := n.member("Condition"); there {
		line += fmt.Sprintf(", with conditions on %s", strings.Join(conditionKeys(block), ", "))
	}
	return line
}

// except stands before what is left out.
func except(not bool) string {
	if not {
		return "all but "
	}
	return ""
}

// listed names the texts of a list, up to maxListed. Those with wildcards come first: a pattern
// that allows much must not be the one that is left out.
func listed(list node, short func(string) string) string {
	words, _ := list.texts()
	for i, text := range words {
		words[i] = short(text)
	}
	more := len(words) - maxListed
	if more <= 0 {
		return strings.Join(words, ", ")
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(breadth(a), breadth(b)) })
	return fmt.Sprintf("%s and %d more", strings.Join(words[:maxListed], ", "), more)
}

// breadth orders texts by how much they are likely to match, those that match most first: patterns
// before others, short patterns before long ones.
func breadth(text string) int {
	if !strings.ContainsAny(text, "*?") {
		return math.MaxInt
	}
	return len(text)
}

// shortAction is an action without its service.
func shortAction(text string) string {
	_, name, found := strings.Cut(text, ":")
	if !found {
		return text
	}
	return name
}

// shortResource is the last part of an ARN, with the region if it names one.
func shortResource(text string) string {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) < 6 {
		return text
	}
	if region := parts[3]; region != "*" {
		return fmt.Sprintf("%s (%s)", parts[5], region)
	}
	return parts[5]
}

// conditionKeys are the keys that a statement's conditions are about, each once.
func conditionKeys(block node) (keys []string) {
	operators, _ := block.members()
	for _, operator := range operators {
		members, _ := operator.node.members()
		for _, m := range members {
			if !slices.Contains(keys, m.name) {
				keys = append(keys, m.name)
			}
		}
	}
	return keys
}

// visible replaces control characters, which could make a terminal show another text.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
