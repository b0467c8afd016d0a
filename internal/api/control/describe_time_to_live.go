package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// DescribeTimeToLive answers DescribeTimeToLive. Unlike DescribeTable it rejects a table that is
// CREATING or DELETING.
func DescribeTimeToLive(cl *call.Call) error {
	c := op{cl}
	r := new(tableRequest)
	if err := wire.Decode(&c.Reader, r, c, tableMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	t, err := c.lookupFor("DescribeTimeToLive", r.table.V)
	if err != nil {
		return err
	}
	now := c.DB.Now()
	if status := t.Status(now); status == schema.StatusCreating || status == schema.StatusDeleting {
		return wire.Validationf("Cannot describe time to live while table is in %s state: "+
			"Current table state is %[1]s", status)
	}
	status := t.Expiry.Status(now)
	c.BeginObject()
	c.Name("TimeToLiveDescription")
	c.BeginObject()
	c.StringMember("TimeToLiveStatus", string(status))
	if status != schema.StatusDisabled {
		c.StringMember("AttributeName", t.Expiry.Attribute)
	}
	c.EndObject()
	c.EndObject()
	return nil
}
