package bench

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// muchElse is the share of the machine that other processes may take before a note advises to
// measure again.
const muchElse = 0.05

// note is a remark on a result.
type note struct {
	rank rank
	text string
}

// rank says how much a remark matters.
type rank int

// The ranks, in the order in which they are shown.
const (
	incomparable rank = iota // figures do not say what the server can do, and are not to be compared with others
	caution                  // figures contain waiting of their own
	information              //
)

// String is the text, with a mark if the figures are not to be compared.
func (n note) String() string {
	if n.rank == incomparable {
		return "! " + n.text
	}
	return n.text
}

// notes are what else there is to say of a result, with what matters most first: what to take care
// of, and what the machine did.
func (r *Report) notes(res *Result) (notes []note) {
	add := func(rank rank, applies bool, format string, args ...any) {
		if applies {
			notes = append(notes, note{rank, fmt.Sprintf(format, args...)})
		}
	}
	u, rate := res.Usage, r.Settings.Rate
	others := u.OtherCores + u.StealCores
	add(incomparable, res.Wrong > 0, "%s answers were errors or wrong", grouped(res.Wrong))
	add(incomparable, u.MachineKnown && u.ServerKnown && others > muchElse*float64(r.Machine.Cores),
		"other processes took %.2f of %d cores: measure again when the machine is quieter", others, r.Machine.Cores)
	add(incomparable, rate > 0 && res.OpsPerSecond < 0.99*rate,
		"of %s operations a second that were due, %s were done: latencies grow with the time measured",
		whole(rate), whole(res.OpsPerSecond))
	add(caution, res.Dropped > 0,
		"%s times the server closed the connection instead of answering, and was asked again", grouped(int64(res.Dropped)))
	add(caution, res.Throttled > 0, "%s times the server was too busy, and was asked again", grouped(res.Throttled))
	add(caution, res.Races > 0, "%s conditions or transactions came too late and were tried again", grouped(res.Races))
	add(information, u.MachineKnown, "%s", u.cores())
	add(information, res.ReadBack > 0, "%s written values read back", grouped(int64(res.ReadBack)))
	slices.SortStableFunc(notes, func(a, b note) int { return cmp.Compare(a.rank, b.rank) })
	return notes
}

// cores says what the processors did.
func (u Usage) cores() string {
	var b strings.Builder
	others := "other processes"
	if u.ServerKnown {
		fmt.Fprintf(&b, "server %.2f cores, peak memory %s, ", u.ServerCores, mebibytes(u.PeakRSS))
	} else {
		others += " (the server too, if it is here)"
	}
	fmt.Fprintf(&b, "client %.2f cores, %s %.2f, idle %.2f, steal %.2f",
		u.ClientCores, others, u.OtherCores, u.IdleCores, u.StealCores)
	return b.String()
}

// Differences returns the names, as in a report's JSON, of the settings in which reports differ, so
// that their figures should not be compared. The machine of the client is one of them.
func Differences(reports ...*Report) (names []string) {
	for _, r := range reports[1:] {
		a, b := reflect.ValueOf(reports[0].Settings), reflect.ValueOf(r.Settings)
		for i := range a.NumField() {
			name := a.Type().Field(i).Tag.Get("json")
			if !slices.Contains([]string{"seed", "table", "deep_every"}, name) && !a.Field(i).Equal(b.Field(i)) {
				names = append(names, name)
			}
		}
		if r.Machine != reports[0].Machine {
			names = append(names, "machine")
		}
		if r.Signed != reports[0].Signed {
			names = append(names, "signed")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
