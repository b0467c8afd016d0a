package call

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// ItemTable returns the table that a checked TableName (or ARN) names, if it is ready for items. It
// asks no policy: handlers call TableFor or TableAmong.
func (c *Call) ItemTable(name string) (*db.Table, error) {
	t, err := c.DB.Table(schema.DefaultNamespace, wire.BareTableName(name))
	c.Report.NoteTable(t, name)
	return t, err
}

// TableARN is the ARN of a table in the region of the call.
func (c *Call) TableARN(name string) string {
	return "arn:aws:dynamodb:" + c.Region + ":" + Account + ":table/" + name
}

// KeySchemaMember writes the member KeySchema, of tables, indexes and streams.
func (c *Call) KeySchemaMember(ks []schema.KeyElement) {
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
