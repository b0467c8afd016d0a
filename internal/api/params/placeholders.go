package params

import (
	"errors"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// Placeholders are ExpressionAttributeNames and ExpressionAttributeValues as sent. DynamoDB checks
// them in steps, with others in between:
//
//	1 legacy and expression parameters are not mixed (CheckFamilies)
//	2 names, and 3 values, are sent only with an expression that can use them (CheckUse)
//	4 to 8 the names and values themselves (CheckContents)
//	9 the expressions, which package expr parses and binds
//	10 every name and value is used (CheckUnused)
type Placeholders struct {
	Params              *expr.Params
	NamesSet, valuesSet bool
	NullFault           *item.Fault // the first NULL:false, which PutItem reports early
	valueFault          *item.Fault // the first other fault
	valueFaultKey       string      // the key of its value
}

// ReadNames reads ExpressionAttributeNames.
func (p *Placeholders) ReadNames(r *wire.Reader) error {
	p.NamesSet, p.Params.Names = true, p.Params.Names[:0]
	return r.ReadObject(wire.InMap, wire.JavaString, func(key string) error {
		s, err := r.ReadText()
		p.Params.Names = append(p.Params.Names, expr.Name{Key: key, Name: s})
		return err
	})
}

// ReadValues reads ExpressionAttributeValues. Faults of values are noted, not returned: DynamoDB
// reports them later, in its order.
func (p *Placeholders) ReadValues(r *wire.Reader) error {
	p.valuesSet, p.Params.Values = true, p.Params.Values[:0]
	return r.ReadObject(wire.InMap, wire.ShapePrefix+"AttributeValue", func(key string) error {
		v, faults, err := r.ReadValue()
		if faults.Null != nil && p.NullFault == nil {
			p.NullFault = faults.Null
		}
		if faults.First != nil && p.valueFault == nil {
			p.valueFault, p.valueFaultKey = faults.First, key
		}
		p.Params.Values = append(p.Params.Values, expr.Value{Key: key, Value: v})
		return err
	})
}

// Parameter is one parameter of the request by name and whether it was sent.
type Parameter struct {
	Name string
	Set  bool
}

// sent returns the names of those that were sent.
func sent(us []Parameter) []string {
	var names []string
	for _, u := range us {
		if u.Set {
			names = append(names, u.Name)
		}
	}
	return names
}

// anySent tells whether any of them was sent.
func anySent(us []Parameter) bool {
	for _, u := range us {
		if u.Set {
			return true
		}
	}
	return false
}

// Wording select how an operation words errors: PutItem and UpdateItem wrap some (wire.Wrapped).
type Wording struct{ Wraps bool }

// Static words an error that PutItem and UpdateItem wrap.
func (w Wording) Static(message string) error {
	if w.Wraps {
		return wire.Wrapped(message)
	}
	return wire.Validation(message)
}

// Expression words an error of package expr, nil included.
func (w Wording) Expression(err error) error {
	e, ok := err.(*expr.Error)
	if !ok {
		return err
	}
	if e.Empty {
		return wire.Validation(e.Message)
	}
	return w.Static(e.Message)
}

// Fault words a fault of a value. PutItem and UpdateItem wrap those of sets, NULL:false and too
// long names.
func (w Wording) Fault(f *item.Fault) error {
	switch f.Kind {
	case item.FaultSet, item.FaultNull, item.FaultLongName:
		return w.Static(f.Message)
	}
	return wire.Validation(f.Message)
}

// CheckFamilies is step 1: legacy and expression parameters exclude each other.
func (w Wording) CheckFamilies(legacy, expressions []Parameter) error {
	if !anySent(legacy) || !anySent(expressions) {
		return nil
	}
	return w.Static("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {" +
		strings.Join(sent(legacy), ", ") + "} Expression parameters: {" + strings.Join(sent(expressions), ", ") + "}")
}

// Check is steps 2 to 8. expressions are all expression parameters of the operation, and valued
// those of them that can use values.
func (p *Placeholders) Check(w Wording, expressions, valued []Parameter) error {
	if err := p.CheckUse(w, expressions, valued); err != nil {
		return err
	}
	return p.CheckContents(w)
}

// CheckUse is steps 2 and 3. Query and Scan check other parameters between it and CheckContents.
func (p *Placeholders) CheckUse(w Wording, expressions, valued []Parameter) error {
	if p.NamesSet && !anySent(expressions) {
		return wire.Validation("ExpressionAttributeNames can only be specified when using expressions")
	}
	if p.valuesSet && !anySent(valued) {
		return w.Static("ExpressionAttributeValues can only be specified when using expressions: " + nullList(valued))
	}
	return nil
}

// CheckContents is steps 4 to 8.
func (p *Placeholders) CheckContents(w Wording) error {
	if p.NamesSet {
		if len(p.Params.Names) == 0 {
			return wire.Validation("ExpressionAttributeNames must not be empty")
		}
		if err := p.Params.CheckNames(); err != nil {
			var f *item.Fault
			if errors.As(err, &f) {
				return w.Fault(f)
			}
			return wire.Validation(err.Error())
		}
	}
	if !p.valuesSet {
		return nil
	}
	if len(p.Params.Values) == 0 {
		return wire.Validation("ExpressionAttributeValues must not be empty")
	}
	if err := p.Params.CheckValues(); err != nil {
		return wire.Validation(err.Error())
	}
	if p.NullFault != nil {
		return w.Fault(p.NullFault)
	}
	if f := p.valueFault; f != nil {
		message := f.Message
		if f.Kind != item.FaultNesting && f.Kind != item.FaultLongName {
			message = "ExpressionAttributeValues contains invalid value: " + message + " for key " + p.valueFaultKey
		}
		return w.Fault(&item.Fault{Kind: f.Kind, Message: message})
	}
	return nil
}

// nullList says that all of the parameters are null: "A is null", "A and B are null".
func nullList(us []Parameter) string {
	names := make([]string, len(us))
	for i, u := range us {
		names[i] = u.Name
	}
	if len(names) == 1 {
		return names[0] + " is null"
	}
	return strings.Join(names, " and ") + " are null"
}

// CheckUnused is step 10. All expressions must have been bound.
func (p *Placeholders) CheckUnused() error {
	if err := p.Params.CheckUnused(); err != nil {
		return wire.Validation(err.Error())
	}
	return nil
}
