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
	// Reason is, for a cancelled transaction, the message of its first reason that is a mistake in
	// the request. For a batch of statements that was answered, Inner is the code of the first
	// mistake, and Reason its message.
	Reason, Inner string
	Table         string // the first one; empty for none
	Index         string
	Condition     string // for a slow or explained Query or SELECT: how it chose its items, without values
	Tables        int    // how many tables the request was on
	Read          int    // items that were read
	Returned      int    // items that were answered
	// ReadUnits and WriteUnits are the consumed capacity, as ConsumedCapacity has it. Batches and
	// transactions sum it up only if the client asks for it or the request is explained.
	ReadUnits, WriteUnits float64

	last    *db.Table // the one counted last in Tables; Cut needs its names, so it stays after an error
	missing string    // a table that was asked for and does not exist
}

// Finish completes the report of a call that has ended with err. After it the report holds nothing
// of the call.
func (r *Report) Finish(err error) {
	if err == nil {
		r.last = nil // a report that is kept does not keep a table
	}
	r.missing = strings.Clone(r.missing)
}

// MissingTable is the name of a table that was asked for and is not there, empty for none.
func (r *Report) MissingTable() string { return r.missing }

// TableName is the table that was asked for, there or not; of several, one.
func (r *Report) TableName() string { return cmp.Or(r.Table, r.missing) }

// NoteStatement notes that a statement of a batch failed. Only mistakes of the client are of
// interest: failed conditions and conflicts are ordinary.
func (r *Report) NoteStatement(reason wire.Reason) {
	mistake := reason.Code == "ValidationError" || reason.Code == "ResourceNotFound" || reason.Code == "AccessDenied"
	if mistake && r.Inner == "" {
		r.Inner, r.Reason = reason.Code, reason.Message
	}
}

// NoteTable notes a table, or with nil that there is none by the name. A table that comes again is
// counted once, unless another one came in between.
func (r *Report) NoteTable(t *db.Table, name string) {
	switch {
	case t == nil:
		if name = wire.BareTableName(name); r.missing == "" && wire.IsName(name) && len(name) <= 255 {
			r.missing = name // a statement can have any text as a name: only possible names are logged
		}
	case r.last == nil:
		r.Table, r.Tables, r.last = t.Name, 1, t
	case t != r.last && t.Name != r.Table:
		r.Tables++
		r.last = t
	}
}

// NoteItem notes the read of one item by its key, which counts only if the item exists.
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

// NoteRead adds capacity units of reads.
func (r *Report) NoteRead(units float64) { r.ReadUnits += units }

// NoteWritten adds capacity units of writes.
func (r *Report) NoteWritten(units float64) { r.WriteUnits += units }

// NoteFailed adds the capacity of a write that failed with err: a failed condition costs as much as
// a write of the item that did not meet it.
func (r *Report) NoteFailed(err error) {
	if failed, ok := errors.AsType[*db.ConditionFailed](err); ok {
		r.WriteUnits += capacity.FailedUnits(failed.Size)
	}
}
