package data

import (
	"errors"
	"fmt"
	"testing"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
)

// TestBatchWriteConflict answers batches of which some or all writes met a lock.
func TestBatchWriteConflict(t *testing.T) {
	d := dbtest.Open(t, dbtest.Options{}).DB
	createTable(t, d, "T", "a", "")
	const body = `{"RequestItems":{"T":[{"PutRequest":{"Item":{"a":{"S":"1"}}}},{"DeleteRequest":{"Key":{"a":{"S":"2"}}}},{"PutRequest":{"Item":{"a":{"S":"3"}}}}]},"ReturnConsumedCapacity":"TOTAL"}`
	conflict := fmt.Errorf("writing: %w", db.ErrBusy)
	other := errors.New("disk on fire")
	tests := []struct {
		errs []error
		want string // the answer, or the error's text
	}{
		{[]error{nil, nil, nil}, `{"UnprocessedItems":{},"ConsumedCapacity":[{"TableName":"T","CapacityUnits":3.0}]}`},
		{[]error{nil, conflict, conflict}, `{"UnprocessedItems":{"T":[{"DeleteRequest":{"Key":{"a":{"S":"2"}}}},{"PutRequest":{"Item":{"a":{"S":"3"}}}}]},"ConsumedCapacity":[{"TableName":"T","CapacityUnits":1.0}]}`},
		{[]error{conflict, conflict, conflict}, conflict.Error()},
		{[]error{conflict, other, nil}, other.Error()},
	}
	for _, test := range tests {
		c := &exec{Call: call.New(d, nil, make(chan struct{}, 1))}
		c.Begin(t.Context(), &call.Request{Body: []byte(body)}, "us-east-1", nil)
		r := new(batchWriteRequest)
		if err := errors.Join(wire.Decode(&c.Reader, r, c, batchWriteMembers), r.check(), r.open(c)); err != nil {
			t.Fatal(err)
		}
		writes := r.writes()
		done := make([]db.Written, len(writes))
		for i := range done {
			done[i].Units.Table = 1
		}
		err := batchError(writes, test.errs)
		if err == nil {
			err = r.answer(c, done, test.errs)
		}
		got := string(c.Out)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: %s, want %s", test.errs, got, test.want)
		}
	}
}
