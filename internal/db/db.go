// Package db is the database: tables with their keys and indexes as rows of a kv.Engine, the one write path, reads and
// pages, schema changes with their background jobs, and the check that all of it agrees.
//
// It works on decoded requests: items, bound expressions, descriptors. It knows nothing of JSON requests, DynamoDB's
// error texts or HTTP; its errors are typed, and package api words them.
package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// Errors of the package, compared with errors.Is.
var (
	// ErrTableNotFound: no table of that name, or it is still being created or already being deleted.
	ErrTableNotFound = errors.New("db: table not found")
	// ErrConditionFailed is returned as *ConditionFailed.
	ErrConditionFailed = errors.New("db: the condition failed")
	// ErrTableExists: CreateTable of a name in use.
	ErrTableExists = errors.New("db: table exists")
	// ErrCollectionTooLarge: the item collection of a table with local indexes would pass 10 GB.
	ErrCollectionTooLarge = errors.New("db: item collection too large")
)

// ConditionFailed is a write whose condition did not hold. Item is the item it met (a copy), if there was one and the
// Write asked for it.
type ConditionFailed struct{ Item item.Item }

func (*ConditionFailed) Error() string        { return ErrConditionFailed.Error() }
func (*ConditionFailed) Is(target error) bool { return target == ErrConditionFailed }

// KeyProblem says what is wrong with a key.
type KeyProblem int

// The problems with keys.
const (
	KeyMissing      KeyProblem = iota + 1 // the attribute is absent
	KeyType                               // it has another type than declared
	KeyEmpty                              // an empty string or binary
	KeyHashTooLong                        // hash attributes over 2048 bytes together
	KeyRangeTooLong                       // range attributes over 1024 bytes together
	KeyExtra                              // a key with more attributes than the schema
)

// KeyError is an item or a key that does not fit the key schema of the table (Index is empty) or of an index.
type KeyError struct {
	Problem   KeyProblem
	Attribute string
	Index     string
	Want, Got item.Type
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("db: key attribute %q of index %q: problem %d (declared %v, got %v)", e.Attribute, e.Index, e.Problem, e.Want, e.Got)
}

// Options for Open.
type Options struct {
	// Now is the clock of everything that depends on time. nil: time.Now.
	Now func() time.Time
	// TableDelay is how long tables stay CREATING, UPDATING and DELETING. 0: usable from the next request on.
	TableDelay time.Duration
	// Logger takes what the background jobs have to say. nil: slog.Default.
	Logger *slog.Logger
}

// DB is an open database.
type DB struct{}

// Open reads the catalog, and resumes the schema changes that were under way. The engine stays the caller's to close,
// after Close.
func Open(engine kv.Engine, o Options) (*DB, error) { panic("unbuilt") }

// Close stops the background jobs and waits for them.
func (d *DB) Close() error { panic("unbuilt") }

// Now is the database's clock.
func (d *DB) Now() time.Time { panic("unbuilt") }

// Expressions is the cache of parsed expressions.
func (d *DB) Expressions() *expr.Cache { panic("unbuilt") }

// ---- catalog

// Table is a table as it stands at one moment: its descriptor and what is derived from it. It never changes; a schema
// change makes a new one. Holding an old one is fine: writes notice and plan anew.
type Table struct {
	Descriptor
}

// Status is the TableStatus that DescribeTable shows at the time: CREATING, UPDATING, DELETING or ACTIVE.
func (t *Table) Status(now time.Time) string { panic("unbuilt") }

// IndexStatus is an index's IndexStatus at the time, CREATING, UPDATING, DELETING or ACTIVE, and whether it is being
// backfilled (phase two of a GSI's creation).
func (t *Table) IndexStatus(x *Index, now time.Time) (status string, backfilling bool) {
	panic("unbuilt")
}

// Counts returns the live number of rows and their bytes (DynamoDB's sizes) of the table itself (x nil) or of an index.
func (d *DB) Counts(t *Table, x *Index) (items, bytes int64) { panic("unbuilt") }

// Lookup returns the table by name in any state, DELETING included, for the control plane; nil if there is none.
func (d *DB) Lookup(ns Namespace, name string) *Table { panic("unbuilt") }

// Table returns a table that is ready for items, for the data plane. Otherwise ErrTableNotFound: in particular while it
// is CREATING.
func (d *DB) Table(ns Namespace, name string) (*Table, error) { panic("unbuilt") }

// List returns at most limit names of tables after the given name, in order, and whether more follow.
func (d *DB) List(ns Namespace, after string, limit int) (names []string, more bool) {
	panic("unbuilt")
}

// Create makes a table of the descriptor, whose ID, Epoch, UUID, Created, State, and those of its indexes, it sets. If
// the name is taken: ErrTableExists (look at Lookup for its status).
func (d *DB) Create(ctx context.Context, desc *Descriptor) (*Table, error) { panic("unbuilt") }

// Alter changes a table. change gets a copy of its descriptor and the status it has, edits the copy, or returns an
// error, which Alter returns unchanged. It may be called more than once. An index that it appended (ID 0) is built in
// the background, one that it marked Dropping is removed; at most one of either (the caller checks). busy makes the
// table UPDATING for TableDelay. Alter returns the table before and after. ErrTableNotFound if there is none.
func (d *DB) Alter(ctx context.Context, ns Namespace, name string, busy bool, change func(*Descriptor) error) (old, new *Table, err error) {
	panic("unbuilt")
}

// Delete drops a table; check may refuse. Rows are removed in the background. It returns the table as it was.
func (d *DB) Delete(ctx context.Context, ns Namespace, name string, check func(*Table) error) (*Table, error) {
	panic("unbuilt")
}

// ---- keys

// CheckKey reports as *KeyError (of the table) whether key has exactly the table's key attributes, with their types, not
// empty and not too long. Problems are looked for in this order: wrong number or names or types, then empty values, then
// lengths.
func (t *Table) CheckKey(key item.Item) error { panic("unbuilt") }

// CheckItem reports as *KeyError whether an item to be put has the table's key attributes and whether its index key
// attributes, where present, fit: first the table's keys, then the indexes' by index name.
func (t *Table) CheckItem(it item.Item) error { panic("unbuilt") }

// CheckIndexKeys is the part of CheckItem about indexes.
func (t *Table) CheckIndexKeys(it item.Item) error { panic("unbuilt") }

// IsKey tells whether the attribute is part of the table's key.
func (t *Table) IsKey(attribute string) bool { panic("unbuilt") }

// KeySchema returns the key elements of the table (x nil) or an index, and ReadKeys the attributes of a LastEvaluatedKey of
// it: index keys, then the table keys that are not among them.
func (t *Table) KeySchema(x *Index) []KeyElement { panic("unbuilt") }
func (t *Table) ReadKeys(x *Index) []string      { panic("unbuilt") }

// Projects tells whether the index (nil: the table) holds the attribute.
func (t *Table) Projects(x *Index, attribute string) bool { panic("unbuilt") }

// ---- writes

// Change computes a write's new item from the old one, which may be missing. It is pure and may be called more than
// once. A missing new item means: delete. Its error is returned by Write unchanged.
type Change interface {
	Apply(old item.Item) (new item.Item, err error)
}

// Put is the Change that replaces the item.
type Put struct{ Item item.Item }

// Apply returns the item to put.
func (p Put) Apply(item.Item) (item.Item, error) { return p.Item, nil }

// Delete is the Change that removes the item.
type Delete struct{}

// Apply returns no item.
func (Delete) Apply(item.Item) (item.Item, error) { return item.Item{}, nil }

// Write is one write of one item.
type Write struct {
	Table *Table
	// Key has the table's key attributes, checked; it may have others, which are ignored (a Put's item is its own key).
	Key       item.Item
	Condition *expr.Condition // nil: none
	Change    Change
	// KeepOld asks for Written.Old, and KeepFailed for ConditionFailed.Item; both cost a copy.
	KeepOld, KeepFailed bool
}

// Written is what a write did.
type Written struct {
	Old, New item.Item // Old only with KeepOld
	Units    WriteUnits
}

// WriteUnits are the write capacity units of a write: of the table, and of each index that it touched.
type WriteUnits struct {
	Table   float64
	Indexes []IndexUnits
}

// IndexUnits are the units spent on one index.
type IndexUnits struct {
	Index *Index
	Units float64
}

// Write runs one write: it locks the item's key, reads the old item, tests the condition, applies the change, and records what
// follows from it (index rows, counters), durably when it returns. Errors: *ConditionFailed, *KeyError of an index,
// ErrTableNotFound, ErrCollectionTooLarge, what Change.Apply returned, and those of package kv.
func (d *DB) Write(ctx context.Context, w *Write) (Written, error) { panic("unbuilt") }

// WriteEach runs writes, each atomic alone, with one wait for all. Distinct items.
func (d *DB) WriteEach(ctx context.Context, ws []Write) ([]Written, []error) { panic("unbuilt") }

// CollectionSize estimates the bytes of the item collection with the item's partition key: its items and all their
// local index rows.
func (d *DB) CollectionSize(t *Table, key item.Item) (int64, error) { panic("unbuilt") }

// ---- reads

// Get calls fn with the item of the key, missing if there is none. The item is valid during fn.
func (d *DB) Get(ctx context.Context, t *Table, key item.Item, consistent bool, fn func(item.Item) error) error {
	panic("unbuilt")
}

// GetMany calls fn for each key in order with its item, missing if there is none, until fn returns an error, which it returns.
func (d *DB) GetMany(ctx context.Context, t *Table, keys []item.Item, consistent bool, fn func(i int, it item.Item) error) error {
	panic("unbuilt")
}

// Read is a page of a Query or a Scan.
type Read struct {
	Table      *Table
	Index      *Index // nil: the table
	Consistent bool
	Reverse    bool
	Limit      int // items evaluated at most; 0: no limit
	// Query: Hash has the values of all hash attributes in key order, and Range the conditions on the first range
	// attributes, in key order, checked against the schema (all but the last are EQ). A Scan has Hash nil, and Segment of
	// Segments (0 means 1).
	Hash              []item.Value
	Range             []expr.KeyPart
	Segment, Segments int
	// After, if it exists, is a LastEvaluatedKey, checked: the page begins strictly behind it.
	After  item.Item
	Filter *expr.Condition // nil: none
	// Fetch reads each matched row's item from the table: a local index asked for attributes it does not project.
	Fetch bool
}

// Page is what a Read evaluated.
type Page struct {
	Count, Scanned int
	// Bytes is the sum of the evaluated rows' sizes, from which the capacity units are computed.
	Bytes int64
	// FetchUnits are the 4 KB units of the items that Fetch read, each rounded up alone (strong; half if eventual).
	FetchUnits int64
	// Last is the LastEvaluatedKey (a copy), missing if the data ended.
	Last item.Item
}

// Read runs a page. It calls emit for each row that passes the filter; the item is valid during the call. A page ends at the
// Limit, after the row that makes its bytes reach 1 MB, or after a call that returned more false, at the end of the data
// otherwise.
func (d *DB) Read(ctx context.Context, r *Read, emit func(item.Item) (more bool, err error)) (Page, error) {
	panic("unbuilt")
}

// SegmentOf returns the segment of n in which the partition key of the LastEvaluatedKey after lies, for Scan's check.
func (t *Table) SegmentOf(x *Index, after item.Item, n int) int { panic("unbuilt") }

// ---- check

// Problem is one thing that Check found.
type Problem struct {
	Table  string
	Detail string
}

// Check verifies the whole database: every row's form, every index row against its item and back, counters against a
// recount, orphans. It wants a database at rest. progress, if not nil, is told the rows seen so far now and then.
func (d *DB) Check(ctx context.Context, progress func(rows int64)) ([]Problem, error) {
	panic("unbuilt")
}
