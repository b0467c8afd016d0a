package api

import "github.com/partita-db/partita/internal/db"

// listTagsOfResourceRequest is a ListTagsOfResource request.
type listTagsOfResourceRequest struct{ arn, next optString }

func (*listTagsOfResourceRequest) names() []string { return []string{"ResourceArn", "NextToken"} }

func (r *listTagsOfResourceRequest) member(c *call, name string) error {
	switch name {
	case "ResourceArn":
		return c.str(&r.arn)
	case "NextToken":
		return c.str(&r.next)
	}
	return c.skip()
}

// listTagsOfResource answers ListTagsOfResource. The tags of a table fit one page, so there is never a NextToken, and
// one that is sent is not looked at.
func (c *call) listTagsOfResource() error {
	r := new(listTagsOfResourceRequest)
	if err := c.decode(r); err != nil {
		return err
	}
	var v violations
	v.resourceARN(r.arn)
	if err := v.err(); err != nil {
		return err
	}
	name, err := taggable(r.arn.V)
	if err != nil {
		return err
	}
	if err := c.askTable("ListTagsOfResource", name); err != nil {
		return err
	}
	t := c.db.Lookup(db.DefaultNamespace, name)
	if t == nil {
		return errNoResource(r.arn.V)
	}
	c.open()
	c.key("Tags")
	c.out = append(c.out, '[')
	for i, tag := range t.Tags {
		c.comma(i)
		c.open()
		c.stringMember("Key", tag.Key)
		c.stringMember("Value", tag.Value)
		c.close()
	}
	c.out = append(c.out, ']')
	c.close()
	return nil
}
