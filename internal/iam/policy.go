package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Policy is a list of statements. It does not change once it is parsed, and is safe for concurrent
// use.
type Policy struct {
	statements []statement
	everything bool // some statement allows everything, and none denies anything
	text       json.RawMessage
}

// statement says of some actions on some resources, under some conditions, that they are allowed or
// denied.
type statement struct {
	deny       bool
	actions    actionSet
	resources  []resource
	others     bool // NotResource: it is about the resources that are not listed
	conditions []condition
}

// FullAccess allows every action of DynamoDB on everything.
var FullAccess = &Policy{
	everything: true,
	statements: []statement{{actions: allActions, resources: []resource{{any: true}}}},
	text:       json.RawMessage(fullAccess),
}

// The elements of a policy and of a statement.
var (
	policyElements    = []string{"Version", "Id", "Statement"}
	statementElements = []string{"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

// ParsePolicy reads a policy in the JSON of AWS's IAM. What is not understood is an error that says
// where it stands, and never ignored: a condition that is not evaluated would let in whom it was to
// keep out.
func ParsePolicy(text []byte) (*Policy, error) {
	root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	if err := root.onlyMembers(policyElements); err != nil {
		return nil, err
	}
	variables, err := version(root)
	if err != nil {
		return nil, err
	}
	if id, there := root.member("Id"); there {
		if _, err := id.text(); err != nil {
			return nil, err
		}
	}
	list, there := root.member("Statement")
	if !there {
		return nil, root.errorf("has no Statement")
	}
	p := &Policy{text: bytes.Clone(text)}
	for _, n := range list.elements() {
		s, err := parseStatement(n, variables)
		if err != nil {
			return nil, err
		}
		p.statements = append(p.statements, s)
	}
	if len(p.statements) == 0 {
		return nil, list.errorf("is empty")
	}
	if err := distinctSids(list.elements()); err != nil {
		return nil, err
	}
	p.everything = p.allowsEverything()
	return p, nil
}

// version checks the policy's Version, and tells whether ${...} is a variable in it. In the old
// version, which is also that of a policy without one, it is plain text on AWS.
func version(root node) (variables bool, err error) {
	n, there := root.member("Version")
	if !there {
		return false, nil
	}
	switch s, err := n.text(); {
	case err != nil:
		return false, err
	case s == "2012-10-17":
		return true, nil
	case s == "2008-10-17":
		return false, nil
	default:
		return false, n.errorf("is %q; there are 2012-10-17 and 2008-10-17", s)
	}
}

// distinctSids checks that no two statements have one Sid, as AWS does.
func distinctSids(statements []node) error {
	seen := map[string]bool{}
	for _, s := range statements {
		n, there := s.member("Sid")
		if !there {
			continue
		}
		sid, err := n.text()
		if err != nil {
			return err
		}
		if seen[sid] && sid != "" {
			return n.errorf("%q is that of another statement too", sid)
		}
		seen[sid] = true
	}
	return nil
}

// parseStatement reads one statement.
func parseStatement(n node, variables bool) (s statement, err error) {
	if err := n.onlyMembers(statementElements); err != nil {
		return s, err
	}
	if s.deny, err = parseEffect(n); err != nil {
		return s, err
	}
	list, not, err := n.either("Action", "NotAction")
	if err != nil {
		return s, err
	}
	if s.actions, err = parseActions(list); err != nil {
		return s, err
	}
	if not {
		s.actions = s.actions.complement()
	}
	if list, s.others, err = n.either("Resource", "NotResource"); err != nil {
		return s, err
	}
	if s.resources, err = parseResources(list, variables); err != nil {
		return s, err
	}
	if s.deny != s.others {
		ignoreRegions(s.resources)
	}
	if block, there := n.member("Condition"); there {
		s.conditions, err = parseConditions(block, variables)
	}
	return s, err
}

// parseEffect reads Effect.
func parseEffect(n node) (deny bool, err error) {
	effect, there := n.member("Effect")
	if !there {
		return false, n.errorf("has no Effect")
	}
	switch s, err := effect.text(); {
	case err != nil:
		return false, err
	case s == "Allow":
		return false, nil
	case s == "Deny":
		return true, nil
	default:
		return false, effect.errorf("is %q; there are Allow and Deny", s)
	}
}

// allowsEverything tells whether the answer is always Allowed.
func (p *Policy) allowsEverything() bool {
	all := false
	for i := range p.statements {
		s := &p.statements[i]
		if s.deny {
			return false
		}
		all = all || s.actions == allActions && !s.others && len(s.conditions) == 0 && s.onAnything()
	}
	return all
}

// onAnything tells whether * is among the statement's resources.
func (s *statement) onAnything() bool {
	return slices.ContainsFunc(s.resources, func(r resource) bool { return r.any })
}

// MayEverything tells whether Decide always says Allowed, so that there is no need to ask.
func (p *Principal) MayEverything() bool { return p.Policy.everything }

// Decide says whether the principal may do it. One statement that denies outweighs all that allow;
// what no statement allows is denied.
func (p *Principal) Decide(a *Access) Decision {
	if p.Policy.everything {
		return Allowed
	}
	action, known := actionIndex[a.Action]
	if !known {
		panic(fmt.Sprintf("iam: asked for %q, which is no action", a.Action))
	}
	target := targetOf(a.Resource)
	decision := DeniedByDefault
	for i := range p.Policy.statements {
		s := &p.Policy.statements[i]
		if !s.deny && decision == Allowed || !s.actions.has(action) || !s.about(target, p) || !s.holds(p, a) {
			continue
		}
		if s.deny {
			return DeniedExplicitly
		}
		decision = Allowed
	}
	return decision
}

// about tells whether the statement is about the resource.
func (s *statement) about(t target, p *Principal) bool {
	for i := range s.resources {
		if s.resources[i].matches(t, p) {
			return !s.others
		}
	}
	return s.others
}

// holds tells whether all of the statement's conditions are met.
func (s *statement) holds(p *Principal, a *Access) bool {
	for i := range s.conditions {
		if !s.conditions[i].met(p, a) {
			return false
		}
	}
	return true
}
