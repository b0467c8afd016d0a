package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

type listTagsOfResourceRequest struct{ arn, next wire.OptString }

var listTagsOfResourceMembers = members[*listTagsOfResourceRequest]{
	{Name: "ResourceArn", Read: func(r *listTagsOfResourceRequest, c op) error { return c.ReadString(&r.arn) }},
	{Name: "NextToken", Read: func(r *listTagsOfResourceRequest, c op) error { return c.ReadString(&r.next) }},
}

// ListTagsOfResource answers ListTagsOfResource. The tags of a table fit one page, so there is
// never a NextToken, and one that is sent is ignored.
func ListTagsOfResource(cl *call.Call) error {
	c := op{cl}
	r := new(listTagsOfResourceRequest)
	if err := wire.Decode(&c.Reader, r, c, listTagsOfResourceMembers); err != nil {
		return err
	}
	var v violations
	v.resourceARN(r.arn)
	if err := v.Err(); err != nil {
		return err
	}
	name, err := taggable(r.arn.V)
	if err != nil {
		return err
	}
	if err := c.AskTable("ListTagsOfResource", name); err != nil {
		return err
	}
	t := c.DB.Lookup(schema.DefaultNamespace, name)
	if t == nil {
		return errNoResource(r.arn.V)
	}
	c.BeginObject()
	c.Name("Tags")
	c.BeginList()
	for _, tag := range t.Tags {
		c.Element()
		c.BeginObject()
		c.StringMember("Key", tag.Key)
		c.StringMember("Value", tag.Value)
		c.EndObject()
	}
	c.EndList()
	c.EndObject()
	return nil
}
