package schema

import (
	"testing"
	"time"
)

// TestPhases: an index leaves from any phase, and never comes back; a job moves it only from where
// the job has taken it to be.
func TestPhases(t *testing.T) {
	all := []Phase{PhaseComing, PhaseFilling, PhasePublic, PhaseLeaving, PhaseClearing, PhaseCleared}
	for i, from := range all {
		p := from
		p.Drop()
		if want := all[max(i, 3)]; p != want {
			t.Errorf("%v is %v after Drop, want %v", from, p, want)
		}
		for _, at := range all {
			p := at
			if moved := p.move(from, PhasePublic); moved != (at == from) || !moved && p != at || moved && p != PhasePublic {
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
		{PhaseComing, past, false, shown{StatusUpdating, StatusCreating, StatusEnabling}, false},
		{PhaseFilling, past, false, shown{StatusActive, StatusCreating, StatusEnabling}, true},
		{PhaseFilling, soon, false, shown{StatusActive, StatusCreating, StatusEnabling}, false},
		{PhasePublic, soon, false, shown{StatusActive, StatusCreating, StatusEnabling}, false},
		{PhasePublic, soon, true, shown{StatusActive, StatusUpdating, StatusEnabling}, false},
		{PhasePublic, past, true, shown{StatusActive, StatusActive, StatusEnabled}, false},
		{PhasePublic, wrong, true, shown{StatusActive, StatusActive, StatusEnabled}, false},
		{PhaseLeaving, past, true, shown{StatusUpdating, StatusDeleting, StatusDisabling}, false},
		{PhaseClearing, soon, true, shown{StatusUpdating, StatusDeleting, StatusDisabling}, false},
		{PhaseCleared, soon, false, shown{StatusActive, StatusDeleting, StatusDisabling}, false},
		{PhaseCleared, past, false, shown{StatusActive, StatusDeleting, StatusDisabled}, false},
	} {
		table := &Descriptor{
			State:   StatePublic,
			Indexes: []Index{{Phase: c.phase, BusyUntil: c.until, Updating: c.updating}},
			Expiry:  &Expiry{Phase: c.phase, BusyUntil: c.until},
		}
		index, backfilling := table.IndexStatus(&table.Indexes[0], now)
		if got := (shown{table.Status(now), index, table.Expiry.Status(now)}); got != c.want || backfilling != c.backfilling {
			t.Errorf("%v until %v, updating %v: %v, backfilling %v, want %v, %v",
				c.phase, c.until, c.updating, got, backfilling, c.want, c.backfilling)
		}
	}
}
