package api

import (
	"errors"

	"github.com/partita-db/partita/internal/db"
)

// updateTimeToLiveRequest is an UpdateTimeToLive request.
type updateTimeToLiveRequest struct {
	table optString
	spec  timeToLiveSpec
}

// timeToLiveSpec is a TimeToLiveSpecification as sent.
type timeToLiveSpec struct {
	Set       bool
	enabled   optBool
	attribute optString
}

// maxTimeToLiveName is the length of a time-to-live attribute's name, in characters.
const maxTimeToLiveName = 255

// updateTimeToLiveMembers are UpdateTimeToLive's members, in the order of the service model.
var updateTimeToLiveMembers = opMembers[*updateTimeToLiveRequest]{
	{"TableName", func(r *updateTimeToLiveRequest, c op) error { return c.readString(&r.table) }},
	{"TimeToLiveSpecification", (*updateTimeToLiveRequest).readTimeToLiveSpecification},
}

// readTimeToLiveSpecification decodes TimeToLiveSpecification.
func (r *updateTimeToLiveRequest) readTimeToLiveSpecification(c op) error {
	r.spec = timeToLiveSpec{Set: true}
	return c.readObject(inField, "TimeToLiveSpecification", r.spec.member(c))
}

// member decodes the specification's members.
func (s *timeToLiveSpec) member(c op) func(name string) error {
	return func(name string) error {
		switch name {
		case "Enabled":
			return c.readBool(&s.enabled)
		case "AttributeName":
			return c.readString(&s.attribute)
		}
		return c.skip()
	}
}

// check checks each member by itself.
func (r *updateTimeToLiveRequest) check() error {
	var v violations
	if r.table.Set {
		v.controlTable(r.table)
	} else {
		v.null("tableName")
	}
	if !r.spec.Set {
		v.null("timeToLiveSpecification")
		return v.err()
	}
	if !r.spec.enabled.Set {
		v.null("timeToLiveSpecification.enabled")
	}
	v.required(r.spec.attribute, "timeToLiveSpecification.attributeName", 1, maxTimeToLiveName)
	return v.err()
}

// UpdateTimeToLive answers UpdateTimeToLive. AWS allows one change in about half an hour, since it takes that long at times.
// Here a change has only to wait for the end of the one before it.
func UpdateTimeToLive(cl *call) error {
	c := op{cl}
	r := new(updateTimeToLiveRequest)
	if err := decode(&c.reader, r, c, updateTimeToLiveMembers); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := c.askTable("UpdateTimeToLive", r.table.V); err != nil {
		return err
	}
	name, attribute := bareTableName(r.table.V), ""
	if r.spec.enabled.V {
		attribute = r.spec.attribute.V
	}
	err := c.db.AlterExpiry(c.ctx, db.DefaultNamespace, name, attribute, func(d *db.Descriptor) error { return r.admit(c, d) })
	switch {
	case errors.Is(err, db.ErrTableNotFound):
		return errNoTable(name)
	case errors.Is(err, db.ErrExpiryBusy):
		return validation("Time to live has been modified multiple times within a fixed interval")
	case err != nil:
		return err
	}
	c.beginObject()
	c.name("TimeToLiveSpecification")
	c.beginObject()
	c.booleanMember("Enabled", r.spec.enabled.V)
	c.stringMember("AttributeName", r.spec.attribute.V)
	c.endObject()
	c.endObject()
	return nil
}

// admit tells why the change cannot be made in the table's present state. A table that is UPDATING takes it, as its time to live
// does not touch its status.
func (r *updateTimeToLiveRequest) admit(c op, d *db.Descriptor) error {
	now := c.db.Now()
	switch statusOf(d, now) {
	case db.StatusCreating:
		return inUse("Table " + d.Name + " is being created")
	case db.StatusDeleting:
		return resourceInUse("Attempt to change a resource which is still in use")
	}
	status := d.Expiry.Status(now)
	on := status == db.StatusEnabling || status == db.StatusEnabled
	switch {
	case !on && !r.spec.enabled.V:
		return validation("TimeToLive is already disabled")
	case on && r.spec.attribute.V != d.Expiry.Attribute:
		return validation("TimeToLive is active on a different AttributeName: current AttributeName is " + d.Expiry.Attribute)
	case on && r.spec.enabled.V:
		return validation("TimeToLive is already enabled")
	}
	return nil
}
