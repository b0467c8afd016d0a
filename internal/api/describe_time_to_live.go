package api

import (
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// describeTimeToLive answers DescribeTimeToLive.
func (c *call) describeTimeToLive() error {
	r := new(tableRequest)
	if err := c.decode(r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	t, err := c.lookupFor("DescribeTimeToLive", r.table.V)
	if err != nil {
		return err
	}
	now := c.db.Now()
	if status := t.Status(now); status == statusCreating || status == statusDeleting {
		return validation("Cannot describe time to live while table is in " + status + " state: Current table state is " + status)
	}
	status := t.Expiry.Status(now)
	c.open()
	c.key("TimeToLiveDescription")
	c.open()
	c.key("TimeToLiveStatus")
	c.out = item.AppendQuoted(c.out, status)
	if status != db.ExpiryDisabled {
		c.key("AttributeName")
		c.out = item.AppendQuoted(c.out, t.Expiry.Attribute)
	}
	c.close()
	c.close()
	return nil
}
