package schema

import (
	"fmt"
	"slices"
	"time"
)

// Target is what a job builds or removes: an index, or the index by expiry.
type Target struct {
	Section uint16
	// Since is, for the index by expiry, Expiry.Since: such indexes follow one another in the same
	// section. Ids of others are never used again.
	Since uint64
}

// String names the target in logs.
func (g *Target) String() string {
	if g.Section == SectionExpiry {
		return fmt.Sprintf("the index by expiry since epoch %d", g.Since)
	}
	return fmt.Sprintf("index %d", g.Section)
}

// Targets are all that a table has of them.
func (d *Descriptor) Targets() (all []*Target) {
	for i := range d.Indexes {
		all = append(all, &Target{Section: d.Indexes[i].ID})
	}
	if e := d.Expiry; e != nil && e.State != StateDropped {
		all = append(all, &Target{SectionExpiry, e.Since})
	}
	return all
}

// PhaseOf is how far a target is; nil if it is gone.
func (d *Descriptor) PhaseOf(g *Target) *Phase {
	if e := d.Expiry; g.Section == SectionExpiry {
		if e == nil || e.Since != g.Since {
			return nil
		}
		return &e.Phase
	}
	for i := range d.Indexes {
		if x := &d.Indexes[i]; x.ID == g.Section {
			return &x.Phase
		}
	}
	return nil
}

// Move takes a target from one phase to the next; false if it is gone or elsewhere.
func (d *Descriptor) Move(g *Target, from, to Phase) bool {
	phase := d.PhaseOf(g)
	return phase != nil && phase.move(from, to)
}

// Remove takes a target whose rows are removed out of the descriptor; false if it is gone already.
func (d *Descriptor) Remove(g *Target, now time.Time) bool {
	switch phase := d.PhaseOf(g); {
	case phase == nil:
		return false
	case g.Section != SectionExpiry:
		d.Indexes = slices.DeleteFunc(d.Indexes, func(x Index) bool { return x.ID == g.Section })
		d.pruneAttributes()
	case Busy(d.Expiry.BusyUntil, now):
		*phase = PhaseCleared // it is shown as DISABLING until then
	default:
		d.Expiry = nil
	}
	return true
}
