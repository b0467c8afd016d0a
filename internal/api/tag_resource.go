package api

import "github.com/partita-db/partita/internal/db"

// tagResourceRequest is a TagResource request.
type tagResourceRequest struct {
	arn  optString
	tags optList[tag]
}

// tagResourceMembers are TagResource's members, in the order of the service model.
var tagResourceMembers = opMembers[*tagResourceRequest]{
	{"ResourceArn", func(r *tagResourceRequest, c op) error { return c.readString(&r.arn) }},
	{"Tags", func(r *tagResourceRequest, c op) error { return c.tags(&r.tags) }},
}

// check checks all but what the table has.
func (r *tagResourceRequest) check() error {
	var v violations
	v.resourceARN(r.arn)
	if !r.tags.Set {
		v.null("tags")
	}
	if err := v.err(); err != nil {
		return err
	}
	if _, err := taggable(r.arn.V); err != nil {
		return err
	}
	if len(r.tags.V) == 0 {
		return validation("Atleast one Tag needs to be provided as Input.")
	}
	return checkTags(r.tags.V)
}

// TagResource answers TagResource.
func TagResource(cl *call) error {
	c := op{cl}
	r := new(tagResourceRequest)
	if err := decode(&c.reader, r, c, tagResourceMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	err := c.alterTags("TagResource", r.arn.V, func(old []db.Tag) ([]db.Tag, error) { return mergeTags(old, r.tags.V) })
	if err != nil {
		return err
	}
	c.raw("{}")
	return nil
}
