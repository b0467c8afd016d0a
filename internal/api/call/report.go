package call

import (
	"cmp"
	"errors"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
)

// Report is what Serve tells of a request beside its answer, for metrics and logs. Only Message and
// Reason can have values of attributes in them: they are for the debug log, and Cut returns what is
// left of them without values.
type Report struct {
	Operation int    // its number, an index into OperationNames plus one; 0: there is no such operation
	Code      string // of the error that was answered: ValidationException; empty for none
	Message   string // of that error, as the client got it
	// Reason is why, of a cancelled transaction: the message of the first reason that is a
	// mistake in the request. Inner is the code of the first mistake in a batch of statements
	// that was answered, and Reason its message.
	Reason, Inner string
	Table         string // the first one; empty for none
	Index         string
	Condition     string // of a slow or explained Query or SELECT: how it chose its items, without values
	Tables        int    // how many there are
	Read          int    // items that were read
	Returned      int    // items that were answered
	// ReadUnits and WriteUnits are the capacity that was consumed, as ConsumedCapacity has it.
	// Batches and transactions that nobody asked for it count it only for an explained request.
	ReadUnits, WriteUnits float64

	last    *db.Table // that was counted last in Tables; of a request with an error it stays
	missing string    // a table that was asked for and is not there
}

// Finish completes the report of a call that has ended with err.
func (r *Report) Finish(err error) {
	if err == nil {
		r.last = nil
	}
	r.missing = strings.Clone(r.missing) // it lies in memory that the next call uses
}

// MissingTable is the name of a table that was asked for and is not there, empty for none.
func (r *Report) MissingTable() string { return r.missing }

// TableName is the table that was asked for, there or not; of several, one.
func (r *Report) TableName() string { return cmp.Or(r.Table, r.missing) }

// NoteStatement notes that a statement of a batch failed.
func (r *Report) NoteStatement(reason wire.Reason) {
	mistake := reason.Code == "ValidationError" || reason.Code == "ResourceNotFound" || reason.Code == "AccessDenied"
	if mistake && r.Inner == "" {
		r.Inner, r.Reason = reason.Code, reason.Message
	}
}

// NoteTable notes a table, which is nil if there is none by the name. Of a request on one table
// over and over it counts one.
func (r *Report) NoteTable(t *db.Table, name string) {
	switch {
	case t == nil:
		if name = wire.BareTableName(name); r.missing == "" && wire.IsName(name) && len(name) <= 255 {
			r.missing = name // what a statement has as a name can be anything
		}
	case r.last == nil:
		r.Table, r.Tables, r.last = t.Name, 1, t
	case t != r.last && t.Name != r.Table:
		r.Tables++
		r.last = t
	}
}

// NoteItem notes the read of one item by its key.
func (r *Report) NoteItem(there bool) {
	if there {
		r.Read++
		r.Returned++
	}
}

// NotePage notes a page of a Query or a Scan.
func (r *Report) NotePage(page db.Page) {
	r.Read += page.Scanned
	r.Returned += page.Count
}

// NoteRead notes the capacity units of reads, and written those of writes.
func (r *Report) NoteRead(units float64)    { r.ReadUnits += units }
func (r *Report) NoteWritten(units float64) { r.WriteUnits += units }

// NoteFailed notes the capacity of a write that failed with err: at an item that did not meet its
// condition it costs as much as one.
func (r *Report) NoteFailed(err error) {
	if failed, ok := errors.AsType[*db.ConditionFailed](err); ok {
		r.WriteUnits += capacity.FailedUnits(failed.Size)
	}
}
