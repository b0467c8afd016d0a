// Package capacity is the arithmetic of capacity units: what reading and writing items of given
// sizes consumes. The same numbers are answered as ConsumedCapacity and counted by metrics,
// whatever the billing mode of the table.
//
// Sizes are bytes as DynamoDB counts them, those of whole items with their keys; 0 stands for an
// item that does not exist. Units are whole, except those of eventually consistent reads, which
// are halves, so sums of them are exact. Which items are charged to which table, and how it is
// shown, is left to others: package db knows what was read and written, package api what is
// answered.
//
// Section titles are those of the Developer Guide, "DynamoDB read and write operations", unless a
// comment names another page.
package capacity

import "math"

// One unit is for so many bytes.
const (
	readBlock  = 4 << 10
	writeBlock = 1 << 10
)

// blocks are the blocks begun by so many bytes, at least one.
func blocks(bytes, block int64) float64 { return float64(max(1, (bytes+block-1)/block)) }

// ---- reads

// ReadUnits are the read units of an item that is read by its key: one for each 4 KB begun, at
// least one, also for an item that does not exist; half of that if the read is eventually
// consistent. They are charged for GetItem, for each key of BatchGetItem and for a SELECT with
// the whole key ("Capacity unit consumption for read operations"; for PartiQL, captured answers),
// and for each item that a read of a local index fetches from the table ("Local secondary
// indexes" and captured answers). All are rounded up one by one.
func ReadUnits(size int, consistent bool) float64 { return PageUnits(int64(size), consistent) }

// PageUnits are the read units of a page of Query, Scan or SELECT, of a table or an index. bytes
// is the sum of the sizes of all items that were evaluated, before filter and projection, and is
// rounded up once ("Capacity unit consumption for read operations"). A page without items costs
// as much as an item that does not exist: the guide says this of reads by key only, and no
// captured answer shows it. For a SELECT with IN, each value of the partition key has pages of
// its own.
func PageUnits(bytes int64, consistent bool) float64 {
	units := blocks(bytes, readBlock)
	if consistent {
		return units
	}
	return units / 2
}

// ---- writes

// WriteUnits are the write units of an item that is written: one for each 1 KB begun of the
// larger of the item before (old) and after (new), at least one. An update costs as much as the
// whole item, a write that changes nothing as much as any other; after a deletion there is no
// item ("Capacity unit consumption for write operations"). An INSERT that is rejected because the
// item exists costs as if it had replaced the item (captured answers of BatchExecuteStatement).
func WriteUnits(old, new int) float64 { return blocks(int64(max(old, new)), writeBlock) }

// FailedUnits are the write units of a write whose condition fails: those of writing the item
// that the condition was tested on (met), at least one, and none of indexes (Developer Guide,
// "Working with items and attributes in DynamoDB", "Capacity units consumed by conditional
// writes"; a later wording also counts the item to be written if that is larger, which is not
// done here). They are shown to the client only for the statements of a batch.
func FailedUnits(met int) float64 { return WriteUnits(met, 0) }

// IndexUnits are the write units of one index, global or local, whose entry changes from old to
// new. An entry is the key of the index, the key of the table and the projected attributes; a
// size of 0 says that there is none. moved says that the key of the index changes: then the old
// entry is deleted and the new one added, each rounded up alone. Otherwise the larger one counts.
// Nothing is consumed if there is no entry before or after, and if the entry stays the same; the
// latter does not show in the sizes, so the caller checks it. (Developer Guide, "Using Global
// Secondary Indexes in DynamoDB", about write capacity; captured answers.)
func IndexUnits(old, new int, moved bool) float64 {
	switch {
	case old == 0 && new == 0:
		return 0
	case old != 0 && new != 0 && moved:
		return WriteUnits(old, 0) + WriteUnits(0, new)
	}
	return WriteUnits(old, new)
}

// ---- transactions

// InTransaction are the units that an action of a transaction consumes on its table, if it would
// consume so many alone: twice as many, because a transaction prepares and commits each item
// (Developer Guide, "Amazon DynamoDB Transactions: How it works", "Capacity management for
// transactions"). Sizes are rounded up before units are doubled, and units of indexes are not
// doubled (captured answers).
func InTransaction(units float64) float64 { return 2 * units }

// TransactReadUnits are the read units of an item in a transaction that reads, which is always
// strongly consistent; also of one that does not exist.
func TransactReadUnits(size int) float64 { return InTransaction(ReadUnits(size, true)) }

// CheckUnits are the write units of a condition check, before they are doubled: those of writing
// the item that the condition is tested on (captured answers).
func CheckUnits(met int) float64 { return WriteUnits(met, 0) }

// ReplayUnits are the read units of an action of a transaction that is sent again with its token
// after it was done. image is the size of the larger of its item before and after. The action
// costs as much as reading that in a transaction, and nothing of indexes (captured answers).
func ReplayUnits(image int) float64 { return TransactReadUnits(image) }

// ---- sums

// Halves are units as an integer number of halves, for sums that are kept in one.
func Halves(units float64) int64 { return int64(math.Round(2 * units)) }

// OfHalves are the units that so many halves are.
func OfHalves(halves int64) float64 { return float64(halves) / 2 }
