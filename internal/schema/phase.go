package schema

import (
	"slices"
	"time"
)

// This file is the state machine of schema changes: how far a table and what is built for it are,
// and what is shown of that. Two things run beside each other, and neither waits for the other.
//
// The phase is how far the work is. Writers, readers and jobs go by it. An index and the index by
// expiry have a State, and with Dropping go the second way (each state says who may do what):
//
//	CreateTable ─────────────────────────────────────┐
//	                                                 ▼
//	Alter ──▶ DELETE_ONLY ──job──▶ WRITE_ONLY ──job──▶ PUBLIC
//	              │                    │                │
//	              └────────Drop────────┴──────Drop──────┘
//	                                   ▼
//	               DELETE_ONLY, Dropping ──job──▶ ABSENT, Dropping ──job──▶ gone
//	                                                     │                   ▲
//	                                                     └──job──▶ DROPPED, Dropping
//	                                                  (expiry alone, while its delay lasts)
//
// A table has a State only, and no way back:
//
//	Create ──▶ PUBLIC ──Delete──▶ NO_WRITES ──job, when the delay is over──▶ DROPPED ──job──▶ gone
//	              └──────────────Delete, without a delay────────────────────────┘
//
// The delay is the time that a change takes for clients, by --table-delay, with the status that is
// shown meanwhile. It is stored as BusyUntil; the status is told by another member:
//
//	a table      Busy       CREATING from Create, UPDATING from Alter, DELETING from Delete
//	an index     Updating   CREATING from Alter, with it UPDATING from MarkUpdating
//	its expiry   Dropping   ENABLING, with it DISABLING
//	a stream     Ended      ENABLING, with it DISABLING
//
// A status is the first of these that holds:
//
//	a table      not PUBLIC: DELETING; its delay's; an index is DELETE_ONLY or ABSENT: UPDATING;
//	             ACTIVE
//	an index     Dropping: DELETING; its delay's; WRITE_ONLY, or not PUBLIC, or a table that is
//	             CREATING: CREATING; ACTIVE
//	its expiry   none, or DROPPED and no delay: DISABLED; Dropping: DISABLING; not PUBLIC, or a
//	             delay: ENABLING; ENABLED
//	a stream     goes on: its delay's, or ENABLED; not closed, or a delay: DISABLING; DISABLED

// State is how far a table or an index has come in a change of schema. The states exist so that at
// any moment two neighbouring states may be in use by different writers without harm
// (docs/storage.md).
type State string

// The states.
const (
	StateAbsent     State = "ABSENT"      // nobody writes: its rows are being removed
	StateDeleteOnly State = "DELETE_ONLY" // writers remove rows and add none
	StateWriteOnly  State = "WRITE_ONLY"  // writers keep it up to date, backfill runs, nobody reads
	StatePublic     State = "PUBLIC"
	StateNoWrites   State = "NO_WRITES" // of a table: neither read nor written, and still under its name
	StateDropped    State = "DROPPED"   // not in the catalog by name any more; its rows are being removed
)

// Phase is how far an index, or the index by expiry, is on its way in or out.
type Phase struct {
	State    State `json:"State"`
	Dropping bool  `json:"Dropping"` // on its way out
}

// The phases, in the order in which an index goes through them. It may leave from any.
var (
	PhaseComing   = Phase{StateDeleteOnly, false}
	PhaseFilling  = Phase{StateWriteOnly, false}
	PhasePublic   = Phase{StatePublic, false}
	PhaseLeaving  = Phase{StateDeleteOnly, true}
	PhaseClearing = Phase{StateAbsent, true}
	PhaseCleared  = Phase{StateDropped, true} // of the index by expiry, which is shown still
)

// Drop sends an index on its way out, in whatever phase it is; one that is on it already stays in
// its phase.
func (p *Phase) Drop() {
	if !p.Dropping {
		*p = PhaseLeaving
	}
}

// move takes it from one phase to the next; false if it is elsewhere.
func (p *Phase) move(from, to Phase) bool {
	if *p != from {
		return false
	}
	*p = to
	return true
}

// Settled tells whether no job is at work on it.
func (p Phase) Settled() bool { return p == PhasePublic || p == PhaseCleared }

// indexed tells whether it is a phase that an index can be in.
func (p Phase) indexed() bool {
	return p == PhaseComing || p == PhaseFilling || p == PhasePublic || p == PhaseLeaving || p == PhaseClearing
}

// BeginCreate begins the making of the table, which takes until a time.
func (d *Descriptor) BeginCreate(until time.Time) {
	d.State, d.Busy, d.BusyUntil = StatePublic, StatusCreating, until
}

// BeginUpdate begins a change of the table, likewise.
func (d *Descriptor) BeginUpdate(until time.Time) { d.Busy, d.BusyUntil = StatusUpdating, until }

// BeginDelete begins the deletion of the table, likewise.
func (d *Descriptor) BeginDelete(until time.Time) {
	d.State, d.Busy, d.BusyUntil = StateNoWrites, StatusDeleting, until
}

// MarkUpdating makes the index UPDATING, from the Alter by which it is called, for as long as
// --table-delay says.
func (x *Index) MarkUpdating() { x.Updating, x.BusyUntil = true, time.Time{} }

// MarkedUpdating tells whether MarkUpdating was called, and Alter has not yet set until when it is.
func (x *Index) MarkedUpdating() bool { return x.Updating && x.BusyUntil.IsZero() }

// longestBusy is how long a change of a table is under way at most.
const longestBusy = 24 * time.Hour

// Busy tells whether what takes until a time is still under way. What would take longer than a day
// was begun by a clock that was wrong, and is over.
func Busy(until, now time.Time) bool { return now.Before(until) && until.Sub(now) <= longestBusy }

// Delayed is the status that is shown of the table at the time because its last change takes so
// long; empty if that is over.
func (d *Descriptor) Delayed(now time.Time) Status {
	if !Busy(d.BusyUntil, now) {
		return ""
	}
	return d.Busy
}

// Delayed is the same of an index and its last change: CREATING or UPDATING.
func (x *Index) Delayed(now time.Time) Status {
	switch {
	case !Busy(x.BusyUntil, now):
		return ""
	case x.Updating:
		return StatusUpdating
	}
	return StatusCreating
}

// Status is the TableStatus that DescribeTable shows at the time: CREATING, UPDATING, DELETING or
// ACTIVE.
func (d *Descriptor) Status(now time.Time) Status {
	if d.State != StatePublic {
		return StatusDeleting
	}
	if s := d.Delayed(now); s != "" {
		return s
	}
	for i := range d.Indexes {
		if s := d.Indexes[i].State; s == StateDeleteOnly || s == StateAbsent {
			return StatusUpdating
		}
	}
	return StatusActive
}

// IndexStatus is an index's IndexStatus at the time, CREATING, UPDATING, DELETING or ACTIVE, and
// whether it is being backfilled (phase two of a GSI's creation).
func (d *Descriptor) IndexStatus(x *Index, now time.Time) (status Status, backfilling bool) {
	if x.Dropping {
		return StatusDeleting, false
	}
	if s := x.Delayed(now); s != "" {
		return s, false
	}
	switch {
	case x.State == StateWriteOnly:
		return StatusCreating, true
	case x.State != StatePublic || d.Delayed(now) == StatusCreating:
		return StatusCreating, false
	}
	return StatusActive, false
}

// Status is the TimeToLiveStatus at the time. e may be nil.
func (e *Expiry) Status(now time.Time) Status {
	busy := e != nil && Busy(e.BusyUntil, now)
	switch {
	case e == nil || e.State == StateDropped && !busy:
		return StatusDisabled
	case e.Dropping:
		return StatusDisabling
	case e.State != StatePublic || busy:
		return StatusEnabling
	}
	return StatusEnabled
}

// Settled tells whether no job is at work on the index by expiry. e may be nil.
func (e *Expiry) Settled() bool { return e == nil || e.Phase.Settled() }

// Status is the StreamStatus at the time.
func (s *Stream) Status(now time.Time) Status {
	busy := Busy(s.BusyUntil, now)
	switch {
	case s.Ended.IsZero() && busy:
		return StatusEnabling
	case s.Ended.IsZero():
		return StatusEnabled
	case s.Ends == nil || busy:
		return StatusDisabling
	}
	return StatusDisabled
}

// Settled tells whether the table's indexes, that by expiry too, are as they should be.
func (d *Descriptor) Settled() bool {
	return d.Expiry.Settled() && !slices.ContainsFunc(d.Indexes, func(x Index) bool { return !x.Settled() })
}
