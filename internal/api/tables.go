package api

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
)

// table returns the table that a checked TableName (or ARN) names, if it is ready for items.
func (c *call) table(name string) (*db.Table, error) {
	t, err := c.db.Table(db.DefaultNamespace, wire.BareTableName(name))
	c.report.table(t, name)
	return t, err
}

// tableARN is the ARN of a table in the region of the call.
func (c *call) tableARN(name string) string {
	return "arn:aws:dynamodb:" + c.region + ":" + Account + ":table/" + name
}

// keySchemaMember appends KeySchema.
func (c *call) keySchemaMember(ks []db.KeyElement) {
	c.Name("KeySchema")
	c.BeginList()
	for _, k := range ks {
		c.Element()
		c.BeginObject()
		c.StringMember("AttributeName", k.Name)
		if k.Range {
			c.StringMember("KeyType", "RANGE")
		} else {
			c.StringMember("KeyType", "HASH")
		}
		c.EndObject()
	}
	c.EndList()
}
