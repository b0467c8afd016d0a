package api

import "github.com/partita-db/partita/internal/db"

// listTagsOfResourceRequest is a ListTagsOfResource request.
type listTagsOfResourceRequest struct{ arn, next optString }

// listTagsOfResourceMembers are ListTagsOfResource's members, in the order of the service model.
var listTagsOfResourceMembers = opMembers[*listTagsOfResourceRequest]{
	{"ResourceArn", func(r *listTagsOfResourceRequest, c op) error { return c.readString(&r.arn) }},
	{"NextToken", func(r *listTagsOfResourceRequest, c op) error { return c.readString(&r.next) }},
}

// ListTagsOfResource answers ListTagsOfResource. The tags of a table fit one page, so there is never a NextToken, and
// one that is sent is not looked at.
func ListTagsOfResource(cl *call) error {
	c := op{cl}
	r := new(listTagsOfResourceRequest)
	if err := decode(&c.reader, r, c, listTagsOfResourceMembers); err != nil {
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
	c.beginObject()
	c.name("Tags")
	c.beginList()
	for _, tag := range t.Tags {
		c.element()
		c.beginObject()
		c.stringMember("Key", tag.Key)
		c.stringMember("Value", tag.Value)
		c.endObject()
	}
	c.endList()
	c.endObject()
	return nil
}
