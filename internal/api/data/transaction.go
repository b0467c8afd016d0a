package data

import (
	"errors"
	"strings"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/item"
)

// This file has what the operations with transactions share: TransactWriteItems, TransactGetItems,
// ExecuteTransaction.

const maxTransactItems = 100

// errSameItem is the error for two actions of a transaction on one item.
var errSameItem = wire.Validation("Transaction request cannot include multiple operations on one item")

// transact runs a transaction of writes. The error of a cancelled one is a
// TransactionCanceledException with the reasons worded. An action's Err, and errors of its Change,
// can be any that writeError words; errors of index keys are worded as those of an updated item.
func (c *exec) transact(t *db.Transaction) (db.Transacted, error) {
	done, err := c.DB.Transact(c.Ctx, t)
	var canceled *db.Canceled
	if !errors.As(err, &canceled) {
		return done, err
	}
	reasons := make([]wire.Reason, len(canceled.Reasons))
	for i, err := range canceled.Reasons {
		if err == nil {
			continue
		}
		e := call.Worded(writeError(t.Actions[i].Table, err, keyOfNew))
		if e == nil {
			return done, err // an error of ours: the answer is InternalServerError
		}
		reasons[i] = reasonOf(e)
	}
	return done, cancellation(reasons)
}

// cancellation is the TransactionCanceledException with the reasons, at least one of which is not
// None.
func cancellation(reasons []wire.Reason) *wire.Error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.CodeOrNone()
	}
	e := &wire.Error{Code: "TransactionCanceledException", Reasons: reasons, Message: "Transaction cancelled, please refer cancellation " +
		"reasons for specific reasons [" + strings.Join(codes, ", ") + "]"}
	return e.Fill()
}

// canceledBy is the cancellation of a transaction of reads for the errors of its actions, which are
// *wire.Error or nil; nil if all are nil.
func canceledBy(errs []error) error {
	reasons, cancels := make([]wire.Reason, len(errs)), false
	for i, err := range errs {
		if err != nil {
			reasons[i], cancels = reasonOf(call.Worded(err)), true
		}
	}
	if !cancels {
		return nil
	}
	return cancellation(reasons)
}

// maxTransactJSONBytes is what the items of a transaction of reads take at most in JSON, which can
// be much longer than their DynamoDB size. Unlike a batch, a transaction cannot be answered in
// part.
const maxTransactJSONBytes = 32 << 20

// transactResponses reads items in one consistent view and appends the member Responses. add
// appends the ItemResponse of key i; its item is missing if it does not exist. It returns the
// items' sizes.
func (c *exec) transactResponses(keys []db.ItemKey, add func(i int, it item.Item)) (sizes []int, err error) {
	c.Name("Responses")
	c.BeginList()
	begin, bytes := c.Length(), 0
	sizes = make([]int, len(keys))
	err = c.DB.GetEach(c.Ctx, keys, func(i int, it item.Item) error {
		if i == 0 { // the first item of a view, perhaps after another view that failed
			c.Truncate(begin)
			bytes = 0
			// The answer cannot be one in part, so the memory for all of it is requested first: to
			// fail later would waste what it holds meanwhile.
			if err := c.Room(min(it.Size()*len(keys), db.MaxTransactionBytes) * 5 / 4); err != nil {
				return err
			}
		}
		sizes[i] = it.Size()
		bytes += it.Size()
		if bytes > db.MaxTransactionBytes || c.Length()-begin > maxTransactJSONBytes {
			return call.ErrTransactionTooLarge
		}
		c.Element()
		c.Report.NoteItem(it.Exists())
		return c.Encode(it.Size(), func() { add(i, it) })
	})
	c.EndList()
	return sizes, err
}

// transactWriteConsumed appends the ConsumedCapacity of a transaction of writes that is done. One
// that was replayed for its token consumes read units.
func (c *exec) transactWriteConsumed(mode wire.OptString, t *db.Transaction, done db.Transacted) {
	var us usages
	kind := "WriteCapacityUnits"
	for i := range t.Actions {
		u := us.of(t.Actions[i].Table)
		if done.Replayed {
			kind = "ReadCapacityUnits"
			u.table += capacity.ReplayUnits(done.Images[i])
		} else {
			units := done.Written[i].Units
			units.Table = capacity.InTransaction(units.Table)
			u.add(units)
		}
	}
	c.transactConsumed(mode, us, kind)
}

// transactReadConsumed appends the ConsumedCapacity of a transaction that has read items of the
// sizes, 0 for missing ones.
func (c *exec) transactReadConsumed(mode wire.OptString, keys []db.ItemKey, sizes []int) {
	var us usages
	for i, k := range keys {
		us.of(k.Table).table += capacity.TransactReadUnits(sizes[i])
	}
	c.transactConsumed(mode, us, "ReadCapacityUnits")
}

// transactConsumed appends the ConsumedCapacity of a transaction. kind is ReadCapacityUnits or
// WriteCapacityUnits.
func (c *exec) transactConsumed(mode wire.OptString, us usages, kind string) {
	for _, u := range us {
		u.kind = kind
	}
	if kind == "ReadCapacityUnits" {
		c.Report.ReadUnits = us.total()
	} else {
		c.Report.WriteUnits = us.total()
	}
	c.consumedList(mode, us)
}
