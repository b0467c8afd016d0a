package data

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/capacity"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// This file is what the operations with transactions have in common: TransactWriteItems, TransactGetItems, ExecuteTransaction.

// maxTransactItems is how many actions a transaction has at most.
const maxTransactItems = 100

// errSameItem: two actions of a transaction on one item.
var errSameItem = wire.Validation("Transaction request cannot include multiple operations on one item")

// transact runs a transaction of writes. It words the errors: of a cancelled one it is a TransactionCanceledException. An
// action's Err, and what its Change returns, may be of any kind that writeError words; index keys are worded as those of an
// updated item.
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
			return done, err
		}
		reasons[i] = reasonOf(e)
	}
	return done, cancellation(reasons)
}

// reasonOf is the Reason of an action that would have failed with e alone: its code is the exception's, shortened.
func reasonOf(e *wire.Error) wire.Reason {
	code := strings.TrimSuffix(e.Code, "Exception")
	if code == "Validation" || code == "Throttling" {
		code += "Error"
	}
	return wire.Reason{Code: code, Message: e.Message, Item: e.Item}
}

// cancellation is the TransactionCanceledException with the reasons, of which one at least is not None.
func cancellation(reasons []wire.Reason) *wire.Error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.CodeOrNone()
	}
	e := &wire.Error{Code: "TransactionCanceledException", Reasons: reasons, Message: "Transaction cancelled, please refer cancellation " +
		"reasons for specific reasons [" + strings.Join(codes, ", ") + "]"}
	return e.Fill()
}

// canceledBy is the cancellation of a transaction of reads with such reasons, or nil if there is none among them.
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

// maxTransactJSONBytes is what the items of a transaction of reads take at most when they are written out: numbers may be printed
// much longer than they count, and other than a batch a transaction cannot be answered in part.
const maxTransactJSONBytes = 32 << 20

// transactResponses reads items in one consistent view, as a transaction of reads does, and appends the member Responses. add
// appends the ItemResponse of each, which is missing if there is none. It returns the items' sizes.
func (c *exec) transactResponses(keys []db.ItemKey, add func(i int, it item.Item)) (sizes []int, err error) {
	c.Name("Responses")
	c.BeginList()
	begin, bytes := c.Length(), 0
	sizes = make([]int, len(keys))
	err = c.DB.GetEach(c.Ctx, keys, func(i int, it item.Item) error {
		if i == 0 { // it may be another view, after one that failed
			c.Truncate(begin)
			bytes = 0
			// It cannot be answered in part, so what it may take is asked for before others have waited for it in vain.
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

// transactWriteConsumed appends the ConsumedCapacity of a transaction of writes that is done. A
// replay has read units.
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

// transactReadConsumed appends the ConsumedCapacity of a transaction that has read items of these sizes, 0 for missing ones.
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

// clientToken checks a ClientRequestToken, which may be absent.
func (v *violations) clientToken(o wire.OptString) {
	if o.Set {
		v.Length(utf8.RuneCountInString(o.V), o.V, "clientRequestToken", 1, 36)
	}
}

// token is the Token of a request with a checked ClientRequestToken, nil for one without. feed feeds a fingerprint everything that
// the request means, but ReturnConsumedCapacity.
func token(operation db.TokenOperation, o wire.OptString, feed func(*fingerprint)) *db.Token {
	if !o.Set {
		return nil
	}
	f := newFingerprint()
	feed(f)
	return &db.Token{Namespace: db.DefaultNamespace, Operation: operation, Value: o.V, Fingerprint: f.sum()}
}

// fingerprint tells requests apart by what they mean: it is fed the decoded members, in the order of the service model, so
// that neither the order in which they were sent nor the spelling of the JSON counts.
type fingerprint struct {
	hash hash.Hash
	rest []byte // what it has not been fed yet
}

// newFingerprint returns the fingerprint of nothing yet.
func newFingerprint() *fingerprint { return &fingerprint{hash: sha256.New()} }

// sum is the fingerprint.
func (f *fingerprint) sum() (sum [32]byte) {
	f.feed(0)
	f.hash.Sum(sum[:0])
	return sum
}

// feed feeds the hash what there is, if that is more than so many bytes.
func (f *fingerprint) feed(more int) {
	if len(f.rest) > more {
		f.hash.Write(f.rest)
		f.rest = f.rest[:0]
	}
}

// count adds a number, such as that of the members of a list that follow.
func (f *fingerprint) count(n int) {
	f.rest = binary.BigEndian.AppendUint64(f.rest, uint64(n))
}

// bytes adds some bytes.
func (f *fingerprint) bytes(b []byte) {
	f.count(len(b))
	f.rest = append(f.rest, b...)
	f.feed(fingerprintBytes)
}

// fingerprintBytes is how much a fingerprint collects for its hash.
const fingerprintBytes = 4 << 10

// text adds a string.
func (f *fingerprint) text(s string) {
	f.count(len(s))
	f.rest = append(f.rest, s...)
	f.feed(fingerprintBytes)
}

// option adds a string that may be absent.
func (f *fingerprint) option(o wire.OptString) {
	if !o.Set {
		f.count(0)
		return
	}
	f.count(1)
	f.text(o.V)
}

// item adds an item, or a missing one.
func (f *fingerprint) item(it item.Item) {
	if !it.Exists() {
		f.count(0)
		return
	}
	at := len(f.rest)
	f.count(0) // until its length is known
	f.rest = it.AppendStored(f.rest, 0)
	binary.BigEndian.PutUint64(f.rest[at:], uint64(len(f.rest)-at-8))
	f.feed(fingerprintBytes)
}

// params adds ExpressionAttributeNames and ExpressionAttributeValues, by their keys. Of entries with one key the last counts.
func (f *fingerprint) params(p *expr.Params) {
	names := lastOfEach(slices.Clone(p.Names), func(n *expr.Name) string { return n.Key })
	slices.SortFunc(names, func(a, b expr.Name) int { return strings.Compare(a.Key, b.Key) })
	f.count(len(names))
	for _, n := range names {
		f.text(n.Key)
		f.text(n.Name)
	}
	values := lastOfEach(slices.Clone(p.Values), func(v *expr.Value) string { return v.Key })
	slices.SortFunc(values, func(a, b expr.Value) int { return strings.Compare(a.Key, b.Key) })
	f.count(len(values))
	for _, v := range values {
		f.text(v.Key)
		f.bytes(v.Value.Raw())
	}
}
