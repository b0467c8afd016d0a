package db

import (
	"testing"
	"time"
)

// TestPhases: an index leaves from any phase, and never comes back; a job moves it only from where
// the job has taken it to be.
func TestPhases(t *testing.T) {
	all := []Phase{phaseComing, phaseFilling, phasePublic, phaseLeaving, phaseClearing, phaseCleared}
	for i, from := range all {
		p := from
		p.Drop()
		if want := all[max(i, 3)]; p != want {
			t.Errorf("%v is %v after Drop, want %v", from, p, want)
		}
		for _, at := range all {
			p := at
			if moved := p.move(from, phasePublic); moved != (at == from) || !moved && p != at || moved && p != phasePublic {
				t.Errorf("move(%v, public) of %v is %v, and leaves %v", from, at, moved, p)
			}
		}
	}
}

// TestStatuses is what is shown in each phase, while the delay of the last change lasts and after
// it.
func TestStatuses(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	soon, past := now.Add(time.Hour), now.Add(-time.Hour)
	wrong := now.Add(48 * time.Hour) // of a clock that was wrong
	type shown struct{ table, index, expiry Status }
	for _, c := range []struct {
		phase       Phase
		until       time.Time
		updating    bool
		want        shown
		backfilling bool
	}{
		{phaseComing, past, false, shown{StatusUpdating, StatusCreating, StatusEnabling}, false},
		{phaseFilling, past, false, shown{StatusActive, StatusCreating, StatusEnabling}, true},
		{phaseFilling, soon, false, shown{StatusActive, StatusCreating, StatusEnabling}, false},
		{phasePublic, soon, false, shown{StatusActive, StatusCreating, StatusEnabling}, false},
		{phasePublic, soon, true, shown{StatusActive, StatusUpdating, StatusEnabling}, false},
		{phasePublic, past, true, shown{StatusActive, StatusActive, StatusEnabled}, false},
		{phasePublic, wrong, true, shown{StatusActive, StatusActive, StatusEnabled}, false},
		{phaseLeaving, past, true, shown{StatusUpdating, StatusDeleting, StatusDisabling}, false},
		{phaseClearing, soon, true, shown{StatusUpdating, StatusDeleting, StatusDisabling}, false},
		{phaseCleared, soon, false, shown{StatusActive, StatusDeleting, StatusDisabling}, false},
		{phaseCleared, past, false, shown{StatusActive, StatusDeleting, StatusDisabled}, false},
	} {
		table := &Table{Descriptor: Descriptor{
			State:   StatePublic,
			Indexes: []Index{{Phase: c.phase, BusyUntil: c.until, Updating: c.updating}},
			Expiry:  &Expiry{Phase: c.phase, BusyUntil: c.until},
		}}
		index, backfilling := table.IndexStatus(&table.Indexes[0], now)
		if got := (shown{table.Status(now), index, table.Expiry.Status(now)}); got != c.want || backfilling != c.backfilling {
			t.Errorf("%v until %v, updating %v: %v, backfilling %v, want %v, %v",
				c.phase, c.until, c.updating, got, backfilling, c.want, c.backfilling)
		}
	}
}
