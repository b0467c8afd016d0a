package api

import (
	"runtime"
	"strings"
	"testing"
)

// TestLongLists sends lists of many empty structures, which are refused: what that takes is in
// proportion to the body.
func TestLongLists(t *testing.T) {
	s := newService(t)
	const elements, mostPerByte = 1 << 17, 8
	list := strings.TrimSuffix(strings.Repeat("{},", elements), ",")
	for _, test := range []struct{ operation, before, after string }{
		{"TagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/none","Tags":[`, `]}`},
		{"CreateTable", `{"TableName":"none","AttributeDefinitions":[`, `]}`},
		{"CreateTable", `{"TableName":"none","KeySchema":[`, `]}`},
		{"CreateTable", `{"TableName":"none","GlobalSecondaryIndexes":[`, `]}`},
		{"CreateTable", `{"TableName":"none","LocalSecondaryIndexes":[{"KeySchema":[`, `]}]}`},
		{"UpdateTable", `{"TableName":"none","GlobalSecondaryIndexUpdates":[`, `]}`},
		{"UpdateTable", `{"TableName":"none","ReplicaUpdates":[`, `]}`},
		{"BatchGetItem", `{"RequestItems":{"none":{"Keys":[`, `]}}}`},
		{"BatchWriteItem", `{"RequestItems":{"none":[`, `]}}`},
		{"BatchExecuteStatement", `{"Statements":[`, `]}`},
		{"ExecuteTransaction", `{"TransactStatements":[`, `]}`},
		{"TransactGetItems", `{"TransactItems":[`, `]}`},
		{"TransactWriteItems", `{"TransactItems":[`, `]}`},
	} {
		body := test.before + list + test.after
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		status, answer := s.call(t, test.operation, body)
		runtime.ReadMemStats(&after)
		if status != 400 || !strings.Contains(answer, "Exception") {
			t.Errorf("%s%s...: %d %.200s", test.operation, test.before, status, answer)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > mostPerByte*uint64(len(body)) {
			t.Errorf("%s%s... took %d bytes for a body of %d", test.operation, test.before, took, len(body))
		}
	}
}
