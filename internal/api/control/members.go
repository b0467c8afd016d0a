package control

import (
	"strconv"

	"github.com/partita-db/partita/internal/api/wire"
)

// optList is a list member: whether it was sent, and its elements.
type optList[T any] struct {
	Set bool
	V   []T
}

// structs decodes a list of structures, whose Java name is shape. Elements beyond maxStructs are
// decoded, for their type errors, but not kept.
func structs[T any](c op, dst *optList[T], shape string, member func(e *T, name string) error) error {
	*dst = optList[T]{Set: true}
	var e, empty T // one for all elements: memory must not grow with those that are not kept
	return c.ReadList(func(int) error {
		e = empty
		err := c.ReadObject(wire.InElement, shape, func(name string) error { return member(&e, name) })
		if len(dst.V) < maxStructs {
			dst.V = append(dst.V, e)
		}
		return err
	})
}

// element is the path of element i of a list, which messages count from 1.
func element(path string, i int) string { return path + "." + strconv.Itoa(i+1) + ".member" }

func orNull(o wire.OptString) string {
	if !o.Set {
		return "null"
	}
	return o.V
}

// tableRequest is a request with nothing but a TableName.
type tableRequest struct{ table wire.OptString }

func (r *tableRequest) check() error {
	if err := tableRequired(r.table); err != nil {
		return err
	}
	var v violations
	v.controlTable(r.table)
	return v.Err()
}

var tableMembers = members[*tableRequest]{
	{Name: "TableName", Read: func(r *tableRequest, c op) error { return c.ReadString(&r.table) }},
}

type nothing struct{}
