package iam

import (
	"slices"
	"strings"
)

// condition compares the values of one condition key with those of the policy. All of a statement's
// conditions must be met.
type condition struct {
	key       string                  // of a request, as in contextKeys
	principal func(*Principal) string // or, if not nil, the value of a key of principalKeys
	quantor   quantor
	ifExists  bool
	not       bool // the value must match none of values
	null      bool // Null: it is about whether the key is there
	absent    bool // Null: whether it may be missing
	present   bool // Null: whether it may be there
	fold      bool // case does not count
	values    []template
}

// quantor says which of a request's values must match.
type quantor int

const (
	one       quantor = iota // the request has one
	forAll                   // ForAllValues: each, and none is enough too
	forAnyOne                // ForAnyValue: at least one
)

// contextKeys are the condition keys that requests have values for, by their names in small
// letters: case does not count in them.
var contextKeys = func() map[string]string {
	m := map[string]string{}
	for _, key := range []string{KeyLeadingKeys, KeyAttributes, KeySelect, KeyReturnValues, KeyReturnConsumedCapacity,
		KeyEnclosingOperation, KeyFullTableScan} {
		m[strings.ToLower(key)] = key
	}
	return m
}()

// manyValued are the keys that a request can have several values of.
var manyValued = []string{KeyLeadingKeys, KeyAttributes}

// operators are the condition operators without their prefix and suffix.
var operators = map[string]struct{ not, fold, wild, boolean, null bool }{
	"StringEquals":              {},
	"StringNotEquals":           {not: true},
	"StringEqualsIgnoreCase":    {fold: true},
	"StringNotEqualsIgnoreCase": {not: true, fold: true},
	"StringLike":                {wild: true},
	"StringNotLike":             {not: true, wild: true},
	"Bool":                      {boolean: true},
	"Null":                      {null: true},
}

// parseConditions reads Condition: operators, in each of them keys, for each of these one value or
// several.
func parseConditions(block node, variables bool) ([]condition, error) {
	byOperator, err := block.members()
	if err != nil {
		return nil, err
	}
	var conditions []condition
	for _, operator := range byOperator {
		keys, err := operator.node.members()
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			c, err := parseCondition(operator, key, variables)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, c)
		}
	}
	return conditions, nil
}

// parseCondition reads what one operator says of one key.
func parseCondition(operator, key member, variables bool) (c condition, err error) {
	name := operator.name
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.quantor = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.quantor = rest, forAnyOne
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	op, known := operators[name]
	if !known || op.null && (c.ifExists || c.quantor != one) {
		return c, operator.node.errorf("is no condition operator that is understood")
	}
	if err := c.setKey(operator.name, key); err != nil {
		return c, err
	}
	c.not, c.fold, c.null = op.not, op.fold, op.null
	switch {
	case op.null:
		return c, c.setNull(key.node)
	case op.boolean:
		return c, c.setBool(key.node)
	}
	return c, c.setValues(key.node, syntax{wild: op.wild, variables: variables})
}

// setKey sets the key, whose name is that of the member.
func (c *condition) setKey(operator string, key member) error {
	name := strings.ToLower(key.name)
	c.key, c.principal = contextKeys[name], principalKeys[name]
	if c.key == "" && c.principal == nil {
		return key.node.errorf("is no condition key that is known here")
	}
	if c.quantor == one && operator != "Null" && slices.Contains(manyValued, c.key) {
		return key.node.errorf("has several values in a request: %s needs ForAllValues: or ForAnyValue: before it", operator)
	}
	return nil
}

// setNull reads the values of Null: true for a key that is not there.
func (c *condition) setNull(list node) error {
	for _, n := range list.elements() {
		missing, err := n.boolean()
		if err != nil {
			return err
		}
		c.absent, c.present = c.absent || missing, c.present || !missing
	}
	if !c.absent && !c.present {
		return list.errorf("is empty")
	}
	return nil
}

// setBool reads the values of Bool.
func (c *condition) setBool(list node) error {
	if c.key != KeyFullTableScan {
		return list.errorf("is not true or false in a request, so Bool cannot be asked of it")
	}
	for _, n := range list.elements() {
		b, err := n.boolean()
		if err != nil {
			return err
		}
		text := pattern("false")
		if b {
			text = "true"
		}
		c.values = append(c.values, template{pattern: text})
	}
	return c.someValues(list)
}

// setValues reads the values of the operators on strings.
func (c *condition) setValues(list node, s syntax) error {
	for _, n := range list.elements() {
		text, err := n.text()
		if err != nil {
			return err
		}
		value, err := parseTemplate(n, text, s)
		if err != nil {
			return err
		}
		c.values = append(c.values, value)
	}
	return c.someValues(list)
}

// someValues checks that there is a value to compare with.
func (c *condition) someValues(list node) error {
	if len(c.values) == 0 {
		return list.errorf("is empty")
	}
	return nil
}

// boolean returns true or false, which may be written as a string.
func (n node) boolean() (bool, error) {
	switch v := n.value.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, n.errorf("is neither true nor false")
}

// met tells whether the condition is met. A key that is not in the request fails it, unless the
// operator is a negated one, is about all values, or ends in IfExists. ("IAM JSON policy elements:
// Condition operators", and "Set operators for multivalued context keys", in the IAM User Guide.)
func (c *condition) met(p *Principal, a *Access) bool {
	values, there := c.valuesOf(p, a)
	switch {
	case c.null && there:
		return c.present
	case c.null:
		return c.absent
	case !there && c.ifExists:
		return true
	}
	switch c.quantor {
	case forAll:
		return !slices.ContainsFunc(values, func(v string) bool { return !c.accepts(v, p) })
	case forAnyOne:
		return slices.ContainsFunc(values, func(v string) bool { return c.accepts(v, p) })
	}
	if !there {
		return c.not
	}
	return c.accepts(values[0], p)
}

// valuesOf returns the request's values for the key. A key with no values is not there.
func (c *condition) valuesOf(p *Principal, a *Access) (values []string, there bool) {
	if c.principal != nil {
		return []string{c.principal(p)}, true
	}
	if a.Values == nil {
		return nil, false
	}
	values, there = a.Values(c.key)
	return values, there && len(values) > 0
}

// accepts tells whether one value is what the operator asks for.
func (c *condition) accepts(v string, p *Principal) bool {
	for i := range c.values {
		w := c.values[i].of(p)
		if c.fold && strings.EqualFold(string(w), v) || !c.fold && w.matches(v) {
			return !c.not
		}
	}
	return c.not
}
