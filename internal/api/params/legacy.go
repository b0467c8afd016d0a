// Package params is the parameters that hold expressions, in what requests of the data plane have
// in common: placeholders for names and values, the legacy parameters that expressions have
// replaced (Expected, KeyConditions, QueryFilter, ScanFilter, AttributeUpdates), how the two
// exclude each other, and how operations word the errors of both.
//
// It knows no table: what depends on a key schema is checked by package data.
package params

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// The enums of the legacy parameters, as DynamoDB prints them when a value is none of them.
var (
	enumComparison = wire.Enum{"IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"}
	enumAction     = wire.Enum{"ADD", "PUT", "DELETE"}
)

// This file has the legacy parameters, from before expressions: conditions (Expected,
// KeyConditions, QueryFilter, ScanFilter) with their ConditionalOperator, and AttributeUpdates.
// They are decoded, checked as DynamoDB does, and built into the forms that package expr runs.

// LegacyConditions is a map of attribute names to conditions, in the order sent, in which errors
// are reported: Expected (ReadExpected, CheckExpected), or one of KeyConditions, QueryFilter and
// ScanFilter (Read, CheckFilter).
type LegacyConditions struct {
	Set  bool
	list []legacyCondition
}

// AttributeNames are the names of the attributes that have a condition, for policies.
func (l *LegacyConditions) AttributeNames() (names []string) {
	for i := range l.list {
		names = append(names, l.list[i].attribute)
	}
	return names
}

// legacyCondition is one entry: a Condition, or an ExpectedAttributeValue, which alone has value
// and exists.
type legacyCondition struct {
	attribute string
	operator  wire.OptString
	values    []item.Value // AttributeValueList
	valuesSet bool
	value     item.Value // Value; missing if it has a fault, so look at valueSet
	valueSet  bool
	exists    wire.OptBool
	fault     *item.Fault // the first fault of the values, in the order sent
}

// Read reads KeyConditions, QueryFilter or ScanFilter.
func (l *LegacyConditions) Read(r *wire.Reader) error { return l.decodeShape(r, "Condition") }

// ReadExpected reads Expected, whose entries have Value and Exists too.
func (l *LegacyConditions) ReadExpected(r *wire.Reader) error {
	return l.decodeShape(r, "ExpectedAttributeValue")
}

// decodeShape decodes a map of structures with the Java name shape.
func (l *LegacyConditions) decodeShape(r *wire.Reader, shape string) error {
	l.Set, l.list = true, l.list[:0]
	err := r.ReadObject(wire.InMap, wire.ShapePrefix+shape, func(attribute string) error {
		x := legacyCondition{attribute: attribute}
		err := r.ReadObject(wire.InElement, shape, func(name string) error {
			return x.member(r, name, shape == "ExpectedAttributeValue")
		})
		l.list = append(l.list, x)
		return err
	})
	l.list = wire.LastOfEach(l.list, func(x *legacyCondition) string { return x.attribute })
	return err
}

func (x *legacyCondition) member(r *wire.Reader, name string, expected bool) error {
	switch {
	case name == "ComparisonOperator":
		return r.ReadString(&x.operator)
	case name == "AttributeValueList":
		x.valuesSet, x.values = true, x.values[:0]
		return r.ReadList(func(int) error {
			v, err := x.decodeValue(r)
			x.values = append(x.values, v)
			return err
		})
	case name == "Value" && expected:
		if r.IsScalar() {
			return wire.ErrFieldType
		}
		v, err := x.decodeValue(r)
		x.valueSet, x.value = true, v
		return err
	case name == "Exists" && expected:
		return r.ReadBool(&x.exists)
	}
	return r.Skip()
}

// decodeValue decodes an AttributeValue and keeps its fault, if it is the first.
func (x *legacyCondition) decodeValue(r *wire.Reader) (item.Value, error) {
	v, faults, err := r.ReadValue()
	if x.fault == nil {
		x.fault = faults.Earliest()
	}
	return v, err
}

// CheckEnums reports operators that do not exist, as violations in the map at path ("expected",
// "queryFilter", …). It comes long before the other checks, which rely on it. A Condition requires
// the operator, an ExpectedAttributeValue does not.
func (l *LegacyConditions) CheckEnums(v *wire.Violations, path string, required bool) {
	for i := range l.list {
		x := &l.list[i]
		if !x.operator.Set && !required {
			continue
		}
		at := path + "." + x.attribute + ".member.comparisonOperator"
		if !x.operator.Set {
			v.Null(at)
			continue
		}
		v.Enum(x.operator, at, enumComparison)
	}
}

// CheckConditionalOperator checks that a ConditionalOperator has at least two conditions to
// combine: those of l, the operation's Expected, QueryFilter or ScanFilter.
func (l *LegacyConditions) CheckConditionalOperator(operator wire.OptString) error {
	switch {
	case !operator.Set:
		return nil
	case len(l.list) == 0:
		return wire.Validation("ConditionalOperator cannot be used without Filter or Expected")
	case len(l.list) == 1:
		return wire.Validation("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	}
	return nil
}

// CheckFilter checks KeyConditions, QueryFilter or ScanFilter, whose operators CheckEnums has
// passed.
func (l *LegacyConditions) CheckFilter() error {
	for i := range l.list {
		x := &l.list[i]
		if x.fault != nil {
			return Wording{}.Fault(x.fault)
		}
		if err := checkArguments(x.operator.V, x.values); err != nil {
			return err
		}
	}
	return nil
}

// CheckExpected checks Expected, whose operators CheckEnums has passed.
func (l *LegacyConditions) CheckExpected(w Wording) error {
	for i := range l.list {
		x := &l.list[i]
		if x.fault != nil {
			return w.Fault(x.fault)
		}
		if err := x.checkExpected(); err != nil {
			return err
		}
	}
	return nil
}

// CheckExpected checks one entry: the combination of its members first, then the operator's
// arguments.
func (x *legacyCondition) checkExpected() error {
	op := x.operator.V
	switch {
	case x.valueSet && x.valuesSet:
		return x.invalid("Value and AttributeValueList cannot be used together")
	case x.operator.Set && x.exists.Set:
		return x.invalid("Exists and ComparisonOperator cannot be used together")
	case x.operator.Set && op != "NULL" && op != "NOT_NULL" && !x.valueSet && !x.valuesSet:
		return x.invalid("Value or AttributeValueList must be used with ComparisonOperator: " + op)
	case x.operator.Set:
		return checkArguments(op, x.arguments())
	case x.valuesSet:
		return x.invalid("AttributeValueList can only be used with a ComparisonOperator")
	case x.exists.Set && !x.exists.V && x.valueSet:
		return x.invalid("Value cannot be used when Exists is false")
	case x.exists.Set && x.exists.V && !x.valueSet:
		return x.invalid("Value must be provided when Exists is true")
	case !x.exists.Set && !x.valueSet:
		return x.invalid("Value must be provided when Exists is null")
	}
	return nil
}

// invalid is the error for an entry whose members exclude each other.
func (x *legacyCondition) invalid(problem string) error {
	return wire.Validation(wire.Invalid + problem + " for Attribute: " + x.attribute)
}

// arguments are the values that the operator compares with.
func (x *legacyCondition) arguments() []item.Value {
	if x.valueSet {
		return []item.Value{x.value}
	}
	return x.values
}

// checkArguments checks an operator's values: their number, that they are of one type, that the
// operator is for that type, and that the bounds of BETWEEN are in order.
func checkArguments(operator string, values []item.Value) error {
	op, _ := expr.ParseOperator(operator)
	if min, max := expr.LegacyArguments(op); len(values) < min || max >= 0 && len(values) > max {
		return wire.Validation(wire.Invalid + "Invalid number of argument(s) for the " + operator + " ComparisonOperator")
	}
	for _, v := range values {
		if v.Type() != values[0].Type() {
			return wire.Validation(wire.Invalid + "AttributeValues inside AttributeValueList must be of same type")
		}
	}
	if len(values) > 0 && !takes(op, values[0].Type()) {
		return wire.Validation(wire.Invalid + "ComparisonOperator " + operator + " is not valid for " +
			values[0].Type().String() + " AttributeValue type")
	}
	if op == expr.BETWEEN {
		if order, ok := item.Compare(values[0], values[1]); ok && order > 0 {
			return wire.Validation("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
		}
	}
	return nil
}

// takes tells whether a legacy operator compares with values of the type.
func takes(op expr.Operator, t item.Type) bool {
	switch op {
	case expr.LT, expr.LE, expr.GT, expr.GE, expr.BETWEEN, expr.IN:
		return t == item.S || t == item.N || t == item.B
	case expr.CONTAINS, expr.NOT_CONTAINS:
		return t == item.S || t == item.N || t == item.B || t == item.BOOL || t == item.NULL
	case expr.BEGINS_WITH:
		return t == item.S || t == item.B
	}
	return true
}

// conditions returns the checked entries in the form of package expr. An ExpectedAttributeValue
// without an operator is EQ with its Value, or NULL if it has none (Exists false).
func (l *LegacyConditions) conditions() []expr.LegacyCondition {
	cs := make([]expr.LegacyCondition, len(l.list))
	for i := range l.list {
		x := &l.list[i]
		op := expr.NULL
		switch {
		case x.operator.Set:
			op, _ = expr.ParseOperator(x.operator.V)
		case x.valueSet:
			op = expr.EQ
		}
		cs[i] = expr.LegacyCondition{Attribute: x.attribute, Operator: op, Values: x.arguments()}
	}
	return cs
}

// Condition returns the checked entries combined by the ConditionalOperator, or nil if there are
// none.
func (l *LegacyConditions) Condition(operator wire.OptString) *expr.Condition {
	if len(l.list) == 0 {
		return nil
	}
	return expr.NewLegacyCondition(l.conditions(), operator.V == "OR")
}

// LegacyUpdates is AttributeUpdates, in the order sent.
type LegacyUpdates struct {
	Set  bool
	list []legacyUpdate
}

// legacyUpdate is one AttributeValueUpdate.
type legacyUpdate struct {
	attribute string
	action    wire.OptString
	value     item.Value // missing if it has a fault, so look at valueSet
	valueSet  bool
	fault     *item.Fault // the attribute name's, or the value's first
}

// Read reads AttributeUpdates.
func (l *LegacyUpdates) Read(r *wire.Reader) error {
	l.Set, l.list = true, l.list[:0]
	err := r.ReadObject(wire.InMap, wire.ShapePrefix+"AttributeValueUpdate", func(attribute string) error {
		x := legacyUpdate{attribute: attribute, fault: item.NameFault(attribute)}
		err := r.ReadObject(wire.InElement, "AttributeValueUpdate", func(name string) error {
			return x.member(r, name)
		})
		l.list = append(l.list, x)
		return err
	})
	l.list = wire.LastOfEach(l.list, func(x *legacyUpdate) string { return x.attribute })
	return err
}

func (x *legacyUpdate) member(r *wire.Reader, name string) error {
	switch name {
	case "Value":
		if r.IsScalar() {
			return wire.ErrFieldType
		}
		v, faults, err := r.ReadValue()
		x.valueSet, x.value = true, v
		if item.NameFault(x.attribute) == nil {
			x.fault = faults.Earliest()
		}
		return err
	case "Action":
		return r.ReadString(&x.action)
	}
	return r.Skip()
}

// CheckEnums notes actions that do not exist.
func (l *LegacyUpdates) CheckEnums(v *wire.Violations) {
	for i := range l.list {
		v.Enum(l.list[i].action, "attributeUpdates."+l.list[i].attribute+".member.action", enumAction)
	}
}

// Empty tells whether there is no update: none was sent, or an empty map.
func (l *LegacyUpdates) Empty() bool { return len(l.list) == 0 }

// Check checks AttributeUpdates, whose actions CheckEnums has passed: the contents of all values,
// then the rules of actions.
func (l *LegacyUpdates) Check(w Wording) error {
	for i := range l.list {
		if f := l.list[i].fault; f != nil {
			return w.Fault(f)
		}
	}
	for i := range l.list {
		if err := l.list[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// check checks that the action is possible with the value.
func (x *legacyUpdate) check() error {
	t := x.value.Type()
	switch {
	case !x.valueSet && x.action.V != "DELETE":
		return wire.Validation(wire.Invalid + "Only DELETE action is allowed when no attribute value is specified")
	case !x.valueSet:
	case x.action.V == "DELETE" && t != item.SS && t != item.NS && t != item.BS:
		return wire.Validation(wire.Invalid + "DELETE action with value is not supported for the type " + t.String())
	case x.action.V == "ADD" && t != item.N && t != item.SS && t != item.NS && t != item.BS && t != item.L:
		return wire.Validation(wire.Invalid + "ADD action is not supported for the type " + t.String())
	}
	return nil
}

// Update returns the checked entries as an update. The action is PUT if none is given.
func (l *LegacyUpdates) Update() *expr.Update {
	us := make([]expr.LegacyUpdate, len(l.list))
	for i := range l.list {
		x := &l.list[i]
		action := expr.PUT
		switch x.action.V {
		case "ADD":
			action = expr.ADD
		case "DELETE":
			action = expr.DELETE
		}
		us[i] = expr.LegacyUpdate{Attribute: x.attribute, Action: action, Value: x.value}
	}
	return expr.NewLegacyUpdate(us)
}

// KeyParts returns the entries of KeyConditions, which have been checked.
func (l *LegacyConditions) KeyParts() []expr.KeyPart {
	parts := make([]expr.KeyPart, len(l.list))
	for i := range l.list {
		x := &l.list[i]
		op, _ := expr.ParseOperator(x.operator.V)
		parts[i] = expr.KeyPart{Attribute: x.attribute, Operator: op, Values: x.values}
	}
	return parts
}
