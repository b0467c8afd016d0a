package api

import "github.com/partita-db/partita/internal/db"

// DescribeTimeToLive answers DescribeTimeToLive.
func DescribeTimeToLive(cl *call) error {
	c := op{cl}
	r := new(tableRequest)
	if err := decode(&c.reader, r, c, tableMembers); err != nil {
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
	if status := t.Status(now); status == db.StatusCreating || status == db.StatusDeleting {
		return validationf("Cannot describe time to live while table is in %s state: "+
			"Current table state is %[1]s", status)
	}
	status := t.Expiry.Status(now)
	c.beginObject()
	c.name("TimeToLiveDescription")
	c.beginObject()
	c.stringMember("TimeToLiveStatus", string(status))
	if status != db.StatusDisabled {
		c.stringMember("AttributeName", t.Expiry.Attribute)
	}
	c.endObject()
	c.endObject()
	return nil
}
