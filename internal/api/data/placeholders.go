package data

import (
	"errors"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// placeholders are ExpressionAttributeNames and ExpressionAttributeValues as sent. DynamoDB checks
// them in steps, with others in between:
//
//	1 legacy and expression parameters are not mixed (checkFamilies)
//	2 names, and 3 values, are sent only with an expression that can use them (checkUse)
//	4 to 8 the names and values themselves (checkContents)
//	9 the expressions, which package expr parses and binds
//	10 every name and value is used (checkUnused)
type placeholders struct {
	params              *expr.Params
	namesSet, valuesSet bool
	nullFault           *item.Fault // the first NULL:false, which PutItem reports early
	valueFault          *item.Fault // the first other fault
	valueFaultKey       string      // the key of its value
}

func (p *placeholders) names(r *wire.Reader) error {
	p.namesSet, p.params.Names = true, p.params.Names[:0]
	return r.ReadObject(wire.InMap, wire.JavaString, func(key string) error {
		s, err := r.ReadText()
		p.params.Names = append(p.params.Names, expr.Name{Key: key, Name: s})
		return err
	})
}

func (p *placeholders) values(r *wire.Reader) error {
	p.valuesSet, p.params.Values = true, p.params.Values[:0]
	return r.ReadObject(wire.InMap, wire.ShapePrefix+"AttributeValue", func(key string) error {
		v, faults, err := r.ReadValue()
		if faults.Null != nil && p.nullFault == nil {
			p.nullFault = faults.Null
		}
		if faults.First != nil && p.valueFault == nil {
			p.valueFault, p.valueFaultKey = faults.First, key
		}
		p.params.Values = append(p.params.Values, expr.Value{Key: key, Value: v})
		return err
	})
}

// parameter is one parameter of the request by name and whether it was sent.
type parameter struct {
	name string
	set  bool
}

// sent returns the names of those that were sent.
func sent(us []parameter) []string {
	var names []string
	for _, u := range us {
		if u.set {
			names = append(names, u.name)
		}
	}
	return names
}

// anySent tells whether any of them was sent.
func anySent(us []parameter) bool {
	for _, u := range us {
		if u.set {
			return true
		}
	}
	return false
}

// words select how an operation words errors: PutItem and UpdateItem wrap some (wire.Wrapped).
type words struct{ wraps bool }

// static words an error that PutItem and UpdateItem wrap.
func (w words) static(message string) error {
	if w.wraps {
		return wire.Wrapped(message)
	}
	return wire.Validation(message)
}

// expression words an error of package expr, nil included.
func (w words) expression(err error) error {
	e, ok := err.(*expr.Error)
	if !ok {
		return err
	}
	if e.Empty {
		return wire.Validation(e.Message)
	}
	return w.static(e.Message)
}

// fault words a fault of a value. PutItem and UpdateItem wrap those of sets, NULL:false and too
// long names.
func (w words) fault(f *item.Fault) error {
	switch f.Kind {
	case item.FaultSet, item.FaultNull, item.FaultLongName:
		return w.static(f.Message)
	}
	return wire.Validation(f.Message)
}

// checkFamilies is step 1: legacy and expression parameters exclude each other.
func (w words) checkFamilies(legacy, expressions []parameter) error {
	if !anySent(legacy) || !anySent(expressions) {
		return nil
	}
	return w.static("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {" +
		strings.Join(sent(legacy), ", ") + "} Expression parameters: {" + strings.Join(sent(expressions), ", ") + "}")
}

// check is steps 2 to 8. expressions are all expression parameters of the operation, and valued
// those of them that can use values.
func (p *placeholders) check(w words, expressions, valued []parameter) error {
	if err := p.checkUse(w, expressions, valued); err != nil {
		return err
	}
	return p.checkContents(w)
}

// checkUse is steps 2 and 3. Query and Scan check other parameters between it and checkContents.
func (p *placeholders) checkUse(w words, expressions, valued []parameter) error {
	if p.namesSet && !anySent(expressions) {
		return wire.Validation("ExpressionAttributeNames can only be specified when using expressions")
	}
	if p.valuesSet && !anySent(valued) {
		return w.static("ExpressionAttributeValues can only be specified when using expressions: " + nullList(valued))
	}
	return nil
}

// checkContents is steps 4 to 8.
func (p *placeholders) checkContents(w words) error {
	if p.namesSet {
		if len(p.params.Names) == 0 {
			return wire.Validation("ExpressionAttributeNames must not be empty")
		}
		if err := p.params.CheckNames(); err != nil {
			var f *item.Fault
			if errors.As(err, &f) {
				return w.fault(f)
			}
			return wire.Validation(err.Error())
		}
	}
	if !p.valuesSet {
		return nil
	}
	if len(p.params.Values) == 0 {
		return wire.Validation("ExpressionAttributeValues must not be empty")
	}
	if err := p.params.CheckValues(); err != nil {
		return wire.Validation(err.Error())
	}
	if p.nullFault != nil {
		return w.fault(p.nullFault)
	}
	if f := p.valueFault; f != nil {
		message := f.Message
		if f.Kind != item.FaultNesting && f.Kind != item.FaultLongName {
			message = "ExpressionAttributeValues contains invalid value: " + message + " for key " + p.valueFaultKey
		}
		return w.fault(&item.Fault{Kind: f.Kind, Message: message})
	}
	return nil
}

// nullList says that all of the parameters are null: "A is null", "A and B are null".
func nullList(us []parameter) string {
	names := make([]string, len(us))
	for i, u := range us {
		names[i] = u.name
	}
	if len(names) == 1 {
		return names[0] + " is null"
	}
	return strings.Join(names, " and ") + " are null"
}

// checkUnused is step 10. All expressions must have been bound.
func (p *placeholders) checkUnused() error {
	if err := p.params.CheckUnused(); err != nil {
		return wire.Validation(err.Error())
	}
	return nil
}
