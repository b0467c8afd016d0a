package control

import (
	"errors"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

type updateTimeToLiveRequest struct {
	table wire.OptString
	spec  timeToLiveSpec
}

type timeToLiveSpec struct {
	Set       bool
	enabled   wire.OptBool
	attribute wire.OptString
}

// maxTimeToLiveName is the length of a time-to-live attribute's name, in characters.
const maxTimeToLiveName = 255

var updateTimeToLiveMembers = members[*updateTimeToLiveRequest]{
	{Name: "TableName", Read: func(r *updateTimeToLiveRequest, c op) error { return c.ReadString(&r.table) }},
	{Name: "TimeToLiveSpecification", Read: (*updateTimeToLiveRequest).readTimeToLiveSpecification},
}

func (r *updateTimeToLiveRequest) readTimeToLiveSpecification(c op) error {
	r.spec = timeToLiveSpec{Set: true}
	return c.ReadObject(wire.InField, "TimeToLiveSpecification", r.spec.member(c))
}

func (s *timeToLiveSpec) member(c op) func(name string) error {
	return func(name string) error {
		switch name {
		case "Enabled":
			return c.ReadBool(&s.enabled)
		case "AttributeName":
			return c.ReadString(&s.attribute)
		}
		return c.Skip()
	}
}

func (r *updateTimeToLiveRequest) check() error {
	var v violations
	if r.table.Set {
		v.controlTable(r.table)
	} else {
		v.Null("tableName")
	}
	if !r.spec.Set {
		v.Null("timeToLiveSpecification")
		return v.Err()
	}
	if !r.spec.enabled.Set {
		v.Null("timeToLiveSpecification.enabled")
	}
	v.Required(r.spec.attribute, "timeToLiveSpecification.attributeName", 1, maxTimeToLiveName)
	return v.Err()
}

// UpdateTimeToLive answers UpdateTimeToLive. AWS allows one change in about half an hour, because a
// change can take that long. Here a change is only rejected until the one before it has ended.
func UpdateTimeToLive(cl *call.Call) error {
	c := op{cl}
	r := new(updateTimeToLiveRequest)
	if err := wire.Decode(&c.Reader, r, c, updateTimeToLiveMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := c.AskTable("UpdateTimeToLive", r.table.V); err != nil {
		return err
	}
	name, attribute := wire.BareTableName(r.table.V), ""
	if r.spec.enabled.V {
		attribute = r.spec.attribute.V
	}
	admit := func(d *schema.Descriptor) error { return r.admit(c, d) }
	err := c.DB.AlterExpiry(c.Ctx, schema.DefaultNamespace, name, attribute, admit)
	switch {
	case errors.Is(err, db.ErrTableNotFound):
		return errNoTable(name)
	case errors.Is(err, db.ErrExpiryBusy):
		return wire.Validation("Time to live has been modified multiple times within a fixed interval")
	case err != nil:
		return err
	}
	c.BeginObject()
	c.Name("TimeToLiveSpecification")
	c.BeginObject()
	c.BooleanMember("Enabled", r.spec.enabled.V)
	c.StringMember("AttributeName", r.spec.attribute.V)
	c.EndObject()
	c.EndObject()
	return nil
}

// admit says why the change cannot be made in the table's present state. It is made while a table
// is UPDATING, since it does not change the table's status.
func (r *updateTimeToLiveRequest) admit(c op, d *schema.Descriptor) error {
	now := c.DB.Now()
	switch statusOf(d, now) {
	case schema.StatusCreating:
		return inUse("Table " + d.Name + " is being created")
	case schema.StatusDeleting:
		return resourceInUse("Attempt to change a resource which is still in use")
	}
	status := d.Expiry.Status(now)
	on := status == schema.StatusEnabling || status == schema.StatusEnabled
	switch {
	case !on && !r.spec.enabled.V:
		return wire.Validation("TimeToLive is already disabled")
	case on && r.spec.attribute.V != d.Expiry.Attribute:
		return wire.Validation("TimeToLive is active on a different AttributeName: current AttributeName is " + d.Expiry.Attribute)
	case on && r.spec.enabled.V:
		return wire.Validation("TimeToLive is already enabled")
	}
	return nil
}
