package api

import "github.com/partita-db/partita/internal/db"

// tagResourceRequest is a TagResource request.
type tagResourceRequest struct {
	arn  optString
	tags optList[tag]
}

func (*tagResourceRequest) names() []string { return []string{"ResourceArn", "Tags"} }

func (r *tagResourceRequest) member(c *call, name string) error {
	switch name {
	case "ResourceArn":
		return c.str(&r.arn)
	case "Tags":
		return c.tags(&r.tags)
	}
	return c.skip()
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

// tagResource answers TagResource.
func (c *call) tagResource() error {
	r := new(tagResourceRequest)
	if err := c.decode(r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	err := c.alterTags("TagResource", r.arn.V, func(old []db.Tag) ([]db.Tag, error) { return mergeTags(old, r.tags.V) })
	if err != nil {
		return err
	}
	c.out = append(c.out, "{}"...)
	return nil
}
