package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type tagResourceRequest struct {
	arn  wire.OptString
	tags optList[tag]
}

var tagResourceMembers = members[*tagResourceRequest]{
	{Name: "ResourceArn", Read: func(r *tagResourceRequest, c op) error { return c.ReadString(&r.arn) }},
	{Name: "Tags", Read: func(r *tagResourceRequest, c op) error { return c.tags(&r.tags) }},
}

// check makes the checks that do not need the table's tags.
func (r *tagResourceRequest) check() error {
	var v violations
	v.resourceARN(r.arn)
	if !r.tags.Set {
		v.Null("tags")
	}
	if err := v.Err(); err != nil {
		return err
	}
	if _, err := taggable(r.arn.V); err != nil {
		return err
	}
	if len(r.tags.V) == 0 {
		return wire.Validation("Atleast one Tag needs to be provided as Input.")
	}
	return checkTags(r.tags.V)
}

// TagResource answers TagResource: the tags replace those of the same keys.
func TagResource(cl *call.Call) error {
	c := op{cl}
	r := new(tagResourceRequest)
	if err := wire.Decode(&c.Reader, r, c, tagResourceMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	err := c.alterTags("TagResource", r.arn.V, func(old []schema.Tag) ([]schema.Tag, error) {
		return mergeTags(old, r.tags.V)
	})
	if err != nil {
		return err
	}
	c.Raw("{}")
	return nil
}
