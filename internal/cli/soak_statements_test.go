package cli

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The statements of the load.
var (
	selectSlot = new(`SELECT * FROM "soak-items" WHERE k = ? AND r = ?`)
	insertSlot = new(`INSERT INTO "soak-items" VALUE {'k': ?, 'r': ?, 'n': ?, 'g': ?, 'filling': ?}`)
	updateSlot = new(`UPDATE "soak-items" SET n = ? SET g = ? SET filling = ? WHERE k = ? AND r = ?`)
	deleteSlot = new(`DELETE FROM "soak-items" WHERE k = ? AND r = ? RETURNING ALL OLD *`)
)

// writing returns the statement that writes the item: INSERT into an empty slot, UPDATE otherwise.
func (w *soakWorker) writing(slot, serial int) (statement *string, parameters []types.AttributeValue) {
	it := soakItem(w.id, slot, serial)
	if w.serials[slot] == 0 {
		return insertSlot, []types.AttributeValue{it["k"], it["r"], it["n"], it["g"], it["filling"]}
	}
	return updateSlot, []types.AttributeValue{it["n"], it["g"], it["filling"], it["k"], it["r"]}
}

// locating returns the parameters of a statement that names the slot only.
func (w *soakWorker) locating(slot int) []types.AttributeValue {
	return []types.AttributeValue{w.key(slot)["k"], w.key(slot)["r"]}
}

// statement reads, writes or deletes one slot by a statement.
func (w *soakWorker) statement() {
	slot := w.slot()
	switch w.random.IntN(5) {
	case 0:
		out, _, err := call(w.soak, w.client.ExecuteStatement, &dynamodb.ExecuteStatementInput{Statement: deleteSlot, Parameters: w.locating(slot)}, conditionFailed)
		w.compareStatement("DELETE", slot, out, err)
		w.serials[slot] = 0
	case 1, 2:
		serial := w.serial()
		in := &dynamodb.ExecuteStatementInput{}
		in.Statement, in.Parameters = w.writing(slot, serial)
		if _, _, err := call(w.soak, w.client.ExecuteStatement, in); err == nil {
			w.serials[slot] = serial
		}
	case 3:
		w.duplicate(slot)
	default:
		out, _, err := call(w.soak, w.client.ExecuteStatement, &dynamodb.ExecuteStatementInput{Statement: selectSlot, Parameters: w.locating(slot)})
		w.compareStatement("SELECT", slot, out, err)
	}
}

// compareStatement compares the one item, or none, that a statement shows.
func (w *soakWorker) compareStatement(what string, slot int, out *dynamodb.ExecuteStatementOutput, err error) {
	switch {
	case err != nil && w.serials[slot] != 0:
		w.fault("%s of client %d's slot %d: %v", what, w.id, slot, err)
	case err != nil || len(out.Items) == 0:
		w.compare(what, slot, nil, w.item(slot))
	default:
		w.compare(what, slot, out.Items[0], w.item(slot))
	}
}

// duplicate inserts into a slot that has an item.
func (w *soakWorker) duplicate(slot int) {
	if w.serials[slot] == 0 {
		return
	}
	it := w.item(slot)
	_, code, err := call(w.soak, w.client.ExecuteStatement, &dynamodb.ExecuteStatementInput{
		Statement: insertSlot, Parameters: []types.AttributeValue{it["k"], it["r"], it["n"], it["g"], it["filling"]},
	}, "DuplicateItemException")
	if code != "DuplicateItemException" {
		w.fault("INSERT of client %d's slot %d, which has an item: %v", w.id, slot, err)
	}
}

// statements writes several slots in one batch.
func (w *soakWorker) statements() {
	in, serials := &dynamodb.BatchExecuteStatementInput{}, map[int]int{}
	for _, slot := range w.some(5) {
		serials[slot] = w.serial()
		s := types.BatchStatementRequest{}
		s.Statement, s.Parameters = w.writing(slot, serials[slot])
		in.Statements = append(in.Statements, s)
	}
	out, _, err := call(w.soak, w.client.BatchExecuteStatement, in)
	if err != nil {
		return
	}
	for _, r := range out.Responses {
		if r.Error != nil {
			w.fault("BatchExecuteStatement: %s %s", r.Error.Code, *r.Error.Message)
		}
	}
	for slot, serial := range serials {
		w.serials[slot] = serial
	}
}

// transaction writes two slots in one.
func (w *soakWorker) transaction() {
	in, serials := &dynamodb.ExecuteTransactionInput{}, map[int]int{}
	for _, slot := range w.some(2) {
		serials[slot] = w.serial()
		s := types.ParameterizedStatement{}
		s.Statement, s.Parameters = w.writing(slot, serials[slot])
		in.TransactStatements = append(in.TransactStatements, s)
	}
	if _, _, err := call(w.soak, w.client.ExecuteTransaction, in); err == nil {
		for slot, serial := range serials {
			w.serials[slot] = serial
		}
	}
}
