package historytest

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// Width is how many items a history is about. All are in one partition, so that one Query reads
// them all.
const Width = 6

// Cell is one item: its attributes v, which is put and set to values that no other request writes,
// and c, which is added to. An attribute that is not there is 0.
type Cell struct {
	Exists bool
	V, C   int
}

// State is all items.
type State [Width]Cell

// Kind is what an action does with its item.
type Kind int

// The kinds of actions.
const (
	Get    Kind = iota
	Put         // V replaces the item
	Set         // SET v = V
	Add         // ADD c V
	Delete      //
	Check       // the condition alone
)

// Condition is what an action asks of the item that it finds.
type Condition int

// The conditions.
const (
	Always Condition = iota
	Exists
	Absent
	Equals // v = Want
)

// Action is what a request does with one item.
type Action struct {
	Kind      Kind
	Key       int // of the item, below Width
	V         int
	Condition Condition
	Want      int
	Old       bool // the item as it was is asked for: of a write that succeeds, or of a condition that fails
	New       bool // the item as it becomes is asked for
}

// Request is what a client sends. Its actions are one step, whole or not at all.
type Request struct {
	Method     string // the operation's name
	Actions    []Action
	Consistent bool   // of a read
	Token      string // of a transaction that is sent until it is answered
}

// Result is what the answer says of one action.
type Result struct {
	Failed bool // its condition did not hold
	Shown  bool // Cell is what the answer shows of the item
	Cell   Cell
}

// Answer is how a request ended.
type Answer struct {
	// Unknown: no answer came before the server was gone. The request has happened, or not.
	Unknown bool
	// Conflict: the request was refused because of others. It has not happened.
	Conflict bool
	// Cancelled: a condition did not hold. Nothing has happened.
	Cancelled bool
	Results   []Result // one an action
}

// Model is DynamoDB's guarantee for these requests: each is executed at one moment between its call
// and its answer, isolated from all others.
func Model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{State{}} },
		Step: func(state, input, output any) []any {
			return step(state.(State), input.(Request), output.(Answer))
		},
		DescribeOperation: func(input, output any) string { return describe(input.(Request), output.(Answer)) },
		DescribeState:     func(state any) string { return state.(State).String() },
	}
	return m.ToModel()
}

// step returns the states that the request can have left, given its answer: none if the answer is
// not possible in the state before, two if it has no answer.
func step(before State, q Request, a Answer) []any {
	after, cancelled := q.apply(before)
	switch {
	case a.Conflict:
		return []any{before}
	case a.Unknown && cancelled:
		return []any{before}
	case a.Unknown:
		return []any{before, after}
	case a.Cancelled != cancelled:
		return nil
	}
	for i, action := range q.Actions {
		if !action.agrees(before[action.Key], after[action.Key], a.Results[i]) {
			return nil
		}
	}
	if cancelled {
		return []any{before}
	}
	return []any{after}
}

// apply returns the state after all actions, and whether a condition does not hold.
func (q Request) apply(before State) (after State, cancelled bool) {
	after = before
	for _, a := range q.Actions {
		after[a.Key] = a.apply(before[a.Key])
		cancelled = cancelled || !a.holds(before[a.Key])
	}
	return after, cancelled
}

// apply returns what the action makes of an item.
func (a Action) apply(c Cell) Cell {
	switch a.Kind {
	case Put:
		return Cell{Exists: true, V: a.V}
	case Set:
		return Cell{Exists: true, V: a.V, C: c.C}
	case Add:
		return Cell{Exists: true, V: c.V, C: c.C + a.V}
	case Delete:
		return Cell{}
	}
	return c
}

// holds tests the action's condition.
func (a Action) holds(c Cell) bool {
	switch a.Condition {
	case Exists:
		return c.Exists
	case Absent:
		return !c.Exists
	case Equals:
		return c.Exists && c.V == a.Want
	}
	return true
}

// agrees tells whether the result can be that of the action on the item.
func (a Action) agrees(before, after Cell, r Result) bool {
	holds := a.holds(before)
	switch {
	case r.Failed == holds:
		return false
	case !r.Shown:
		return true
	case a.New && holds:
		return r.Cell == after
	}
	return r.Cell == before
}

// String shows the state.
func (s State) String() string {
	cells := make([]string, Width)
	for i, c := range s {
		cells[i] = c.String()
	}
	return strings.Join(cells, " ")
}

// String shows the item.
func (c Cell) String() string {
	if !c.Exists {
		return "-"
	}
	return fmt.Sprintf("%d+%d", c.V, c.C)
}

// String shows the action.
func (a Action) String() string {
	text := fmt.Sprintf("%s %d", [...]string{"get", "put", "set", "add", "delete", "check"}[a.Kind], a.Key)
	if a.V != 0 {
		text += fmt.Sprint(" ", a.V)
	}
	switch a.Condition {
	case Exists:
		text += " if exists"
	case Absent:
		text += " if absent"
	case Equals:
		text += fmt.Sprint(" if ", a.Want)
	}
	return text
}

// describe shows a request and how it ended.
func describe(q Request, a Answer) string {
	parts := make([]string, len(q.Actions))
	for i, action := range q.Actions {
		parts[i] = action.String()
		if i < len(a.Results) {
			parts[i] += a.Results[i].String()
		}
	}
	text := q.Method + "(" + strings.Join(parts, ", ") + ")"
	switch {
	case a.Unknown:
		return text + " unanswered"
	case a.Conflict:
		return text + " conflict"
	case a.Cancelled:
		return text + " cancelled"
	}
	return text
}

// String shows the result.
func (r Result) String() (text string) {
	if r.Failed {
		text = " fails"
	}
	if r.Shown {
		text += " → " + r.Cell.String()
	}
	return text
}
