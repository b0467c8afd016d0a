package control

import (
	"slices"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type untagResourceRequest struct {
	arn  wire.OptString
	keys wire.OptStrings
}

var untagResourceMembers = members[*untagResourceRequest]{
	{Name: "ResourceArn", Read: func(r *untagResourceRequest, c op) error { return c.ReadString(&r.arn) }},
	{Name: "TagKeys", Read: func(r *untagResourceRequest, c op) error { return c.ReadStrings(&r.keys) }},
}

func (r *untagResourceRequest) check() error {
	var v violations
	v.resourceARN(r.arn)
	if !r.keys.Set {
		v.Null("tagKeys")
	}
	if err := v.Err(); err != nil {
		return err
	}
	if _, err := taggable(r.arn.V); err != nil {
		return err
	}
	if len(r.keys.V) == 0 {
		return wire.Validation("Atleast one Tag Key needs to be provided as Input.")
	}
	for _, key := range r.keys.V {
		if err := checkTagKey(wire.OptString{Set: true, V: key}); err != nil {
			return err
		}
	}
	return nil
}

// UntagResource answers UntagResource. Keys that the table does not have are ignored.
func UntagResource(cl *call.Call) error {
	c := op{cl}
	r := new(untagResourceRequest)
	if err := wire.Decode(&c.Reader, r, c, untagResourceMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	err := c.alterTags("UntagResource", r.arn.V, func(old []schema.Tag) ([]schema.Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t schema.Tag) bool {
			return slices.Contains(r.keys.V, t.Key)
		}), nil
	})
	if err != nil {
		return err
	}
	c.Raw("{}")
	return nil
}
