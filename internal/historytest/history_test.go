package historytest

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// request makes a line of a history: a request called and answered at these times.
func request(call, answered int64, method string, a Answer, actions ...Action) porcupine.Operation {
	return porcupine.Operation{
		Call: call, Return: answered, Input: Request{Method: method, Actions: actions}, Output: a,
	}
}

// Answers.
var (
	unanswered = Answer{Unknown: true}
	conflict   = Answer{Conflict: true}
)

// shown is an answer that shows these items.
func shown(cells ...Cell) Answer {
	a := Answer{}
	for _, c := range cells {
		a.Results = append(a.Results, Result{Shown: true, Cell: c})
	}
	return a
}

// quiet is the answer of a write of n items that shows nothing.
func quiet(n int) Answer { return Answer{Results: make([]Result, n)} }

// failed is the answer of a transaction with these reasons.
func failed(reasons ...Result) Answer { return Answer{Cancelled: true, Results: reasons} }

// held is the value v, and no sum.
func held(v int) Cell { return Cell{Exists: true, V: v} }

// summed is the sum c, and no value.
func summed(c int) Cell { return Cell{Exists: true, C: c} }

var (
	putA1 = Action{Kind: Put, Key: 0, V: 1}
	putB1 = Action{Kind: Put, Key: 1, V: 1}
	putA2 = Action{Kind: Put, Key: 0, V: 2}
	putB2 = Action{Kind: Put, Key: 1, V: 2}
	getA  = Action{Kind: Get, Key: 0}
	getB  = Action{Kind: Get, Key: 1}
	addA1 = Action{Kind: Add, Key: 0, V: 1, New: true}
	dropA = Action{Kind: Delete, Key: 0}
	isA1  = Action{Kind: Check, Key: 0, Condition: Equals, Want: 1, Old: true}
)

// histories are made by hand. Those that hold stand beside those that do not.
var histories = []struct {
	name  string
	holds bool
	lines []porcupine.Operation
}{
	{"a write is read", true, []porcupine.Operation{
		request(0, 1, "PutItem", quiet(1), putA1), request(2, 3, "GetItem", shown(held(1)), getA),
	}},
	{"a read during a write shows the old item", true, []porcupine.Operation{
		request(0, 9, "PutItem", quiet(1), putA1), request(2, 3, "GetItem", shown(Cell{}), getA),
	}},
	{"a stale read", false, []porcupine.Operation{
		request(0, 1, "PutItem", quiet(1), putA1), request(2, 3, "PutItem", quiet(1), putA2), request(4, 5, "GetItem", shown(held(1)), getA),
	}},
	{"a read goes back", false, []porcupine.Operation{
		request(0, 9, "PutItem", quiet(1), putA1), request(2, 3, "GetItem", shown(held(1)), getA), request(4, 5, "GetItem", shown(Cell{}), getA),
	}},
	{"two additions", true, []porcupine.Operation{
		request(0, 9, "UpdateItem", shown(summed(2)), addA1), request(1, 8, "UpdateItem", shown(summed(1)), addA1),
	}},
	{"a lost update", false, []porcupine.Operation{
		request(0, 9, "UpdateItem", shown(summed(1)), addA1), request(1, 8, "UpdateItem", shown(summed(1)), addA1),
	}},
	{"half a transaction is read", false, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), putA1, putB1), request(2, 3, "TransactGetItems", shown(held(1), Cell{}), getA, getB),
	}},
	{"a transaction is read in two halves", false, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), putA1, putB1),
		request(2, 3, "GetItem", shown(held(1)), getA), request(4, 5, "GetItem", shown(Cell{}), getB),
	}},
	{"a transaction is read whole", true, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), putA1, putB1),
		request(2, 3, "GetItem", shown(Cell{}), getB), request(4, 5, "TransactGetItems", shown(held(1), held(1)), getA, getB),
	}},
	{"two transactions mixed", false, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), putA1, putB1), request(0, 9, "TransactWriteItems", quiet(2), putA2, putB2),
		request(10, 11, "Query", shown(held(1), held(2)), getA, getB),
	}},
	{"write skew", false, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", quiet(2), putA1, putB1),
		request(2, 9, "TransactWriteItems", quiet(2), isA1, Action{Kind: Delete, Key: 1}),
		request(2, 9, "TransactWriteItems", quiet(2), Action{Kind: Check, Key: 1, Condition: Equals, Want: 1}, dropA),
	}},
	{"a cancelled transaction has no effect", true, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", failed(Result{Failed: true, Shown: true}, Result{}), isA1, putB1),
		request(2, 3, "GetItem", shown(Cell{}), getB),
	}},
	{"a cancelled transaction has an effect", false, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", failed(Result{Failed: true, Shown: true}, Result{}), isA1, putB1),
		request(2, 3, "GetItem", shown(held(1)), getB),
	}},
	{"a transaction is cancelled although its conditions hold", false, []porcupine.Operation{
		request(0, 1, "PutItem", quiet(1), putA1),
		request(2, 3, "TransactWriteItems", failed(Result{Failed: true, Shown: true, Cell: held(1)}, Result{}), isA1, putB1),
	}},
	{"a reason shows an item that was not there", false, []porcupine.Operation{
		request(0, 1, "PutItem", quiet(1), putA2),
		request(2, 3, "TransactWriteItems", failed(Result{Failed: true, Shown: true, Cell: held(3)}, Result{}), isA1, putB1),
	}},
	{"a reason says that the wrong condition fails", false, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", failed(Result{}, Result{Failed: true}), isA1, putB1),
	}},
	{"a condition that does not hold lets a write through", false, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", quiet(2), isA1, putB1),
	}},
	{"a conflict has no effect", true, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", conflict, putA1, putB1), request(2, 3, "GetItem", shown(Cell{}), getA),
	}},
	{"a conflict has an effect", false, []porcupine.Operation{
		request(0, 1, "TransactWriteItems", conflict, putA1, putB1), request(2, 3, "GetItem", shown(held(1)), getA),
	}},
	{"a write is acknowledged and gone after a kill", false, []porcupine.Operation{
		request(0, 1, "PutItem", quiet(1), putA1), request(2, 5, "PutItem", unanswered, putB1), // killed at 5
		request(6, 7, "Query", shown(Cell{}, Cell{}), getA, getB),
	}},
	{"a write is shown and gone after a kill", false, []porcupine.Operation{
		request(0, 5, "PutItem", unanswered, putA1), request(2, 3, "GetItem", shown(held(1)), getA), // killed at 5
		request(6, 7, "GetItem", shown(Cell{}), getA),
	}},
	{"an unanswered write has happened", true, []porcupine.Operation{
		request(0, 5, "PutItem", unanswered, putA1), request(6, 7, "GetItem", shown(held(1)), getA),
	}},
	{"an unanswered write has not happened", true, []porcupine.Operation{
		request(0, 5, "PutItem", unanswered, putA1), request(6, 7, "GetItem", shown(Cell{}), getA),
	}},
	{"an unanswered write happens after the server's death", false, []porcupine.Operation{
		request(0, 5, "PutItem", unanswered, putA1),
		request(6, 7, "GetItem", shown(Cell{}), getA), request(8, 9, "GetItem", shown(held(1)), getA),
	}},
	{"an unanswered transaction happens in part", false, []porcupine.Operation{
		request(0, 5, "TransactWriteItems", unanswered, putA1, putB1), request(6, 7, "Query", shown(held(1), Cell{}), getA, getB),
	}},
	{"a transaction with a token, sent again, happens once", true, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), Action{Kind: Add, Key: 0, V: 1}, putB1),
		request(10, 11, "GetItem", shown(summed(1)), getA),
	}},
	{"a transaction with a token, sent again, happens twice", false, []porcupine.Operation{
		request(0, 9, "TransactWriteItems", quiet(2), Action{Kind: Add, Key: 0, V: 1}, putB1),
		request(10, 11, "GetItem", shown(summed(2)), getA),
	}},
}

// TestBrokenHistories: the checker finds what is wrong, and nothing wrong in what is not.
func TestBrokenHistories(t *testing.T) {
	for _, one := range histories {
		if got := porcupine.CheckOperations(Model(), one.lines); got != one.holds {
			t.Errorf("%s: holds is %v, want %v", one.name, got, one.holds)
		}
	}
}

// TestBrokenItems: also when it looks at each item by itself.
func TestBrokenItems(t *testing.T) {
	items := Model()
	items.Partition = byItem
	for _, one := range histories {
		got := porcupine.CheckOperations(items, one.lines)
		if one.holds && !got {
			t.Errorf("%s: does not hold by items", one.name)
		}
		single := len(one.lines) > 0
		for _, o := range one.lines {
			single = single && len(o.Input.(Request).Actions) == 1
		}
		if single && got != one.holds {
			t.Errorf("%s: by items holds is %v, want %v", one.name, got, one.holds)
		}
	}
}
