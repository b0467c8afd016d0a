package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Workload is one of the things that can be measured.
type Workload struct {
	Name  string
	About string // in a few words

	sorted bool // on the table with sort keys
	dist   string
	mix    []share
}

// share is a part of a workload's operations.
type share struct {
	percent int
	do      func(*worker) (kind, bool) // one operation; false if it failed, which has been counted then
}

// kind is what a latency is counted under.
type kind int

const (
	kindGet kind = iota
	kindPut
	kindUpdate
	kindQuery
	kindBatchWrite
	kindBatchGet
	kindTransact
	kindScan
	kindModify
	kindModifyGet    // the parts of kindModify are no operations of their own
	kindModifyUpdate //
	kinds
)

// kindNames are the kinds in DynamoDB's words.
var kindNames = [kinds]string{
	"GetItem", "PutItem", "UpdateItem", "Query", "BatchWriteItem", "BatchGetItem", "TransactWriteItems", "Scan",
	"read-modify-write", "· its GetItem", "· its UpdateItem",
}

// part tells whether the kind is a part of another.
func (k kind) part() bool { return k == kindModifyGet || k == kindModifyUpdate }

// The fixed sizes of some workloads.
const (
	queryItems    = 20
	scanItems     = 100
	transactItems = 4
)

// Workloads are all there are: those of YCSB, and then one for each kind of operation, and for what
// is hot.
var Workloads = []Workload{
	{"a", "YCSB A: half reads, half updates", false, Zipfian, []share{{50, (*worker).get}, {50, (*worker).update}}},
	{"b", "YCSB B: 95 % reads, 5 % updates", false, Zipfian, []share{{95, (*worker).get}, {5, (*worker).update}}},
	{"c", "YCSB C: reads", false, Zipfian, []share{{100, (*worker).get}}},
	{"d", "YCSB D: 95 % reads of what is new, 5 % inserts", false, Latest,
		[]share{{95, (*worker).get}, {5, (*worker).insert}}},
	{"e", "YCSB E: 95 % Queries of 1 to --scan-length items, 5 % inserts", true, Zipfian,
		[]share{{95, (*worker).queryAny}, {5, (*worker).insert}}},
	{"f", "YCSB F: half reads, half read-modify-writes", false, Zipfian,
		[]share{{50, (*worker).get}, {50, (*worker).modify}}},
	{"get", "GetItem", false, Zipfian, []share{{100, (*worker).get}}},
	{"put", "PutItem in place of a record", false, Zipfian, []share{{100, (*worker).put}}},
	{"update", "UpdateItem of one field", false, Zipfian, []share{{100, (*worker).update}}},
	{"query", "Query of 20 items", true, Zipfian, []share{{100, (*worker).query}}},
	{"scan", "Scan in pages of 100", false, Zipfian, []share{{100, (*worker).scan}}},
	{"scan-filter", "the same, with a filter that 1 of 10 passes", false, Zipfian,
		[]share{{100, (*worker).scanFilter}}},
	{"batch-get", "BatchGetItem of --batch records", false, Zipfian, []share{{100, (*worker).batchGet}}},
	{"batch-write", "BatchWriteItem of --batch puts", false, Zipfian, []share{{100, (*worker).batchWrite}}},
	{"transact-write", "TransactWriteItems of 2 puts and 2 updates", false, Zipfian, []share{{100, (*worker).transact}}},
	{"hot-item", "UpdateItem, by all connections of the same item", false, Zipfian,
		[]share{{100, (*worker).updateFirst}}},
	{"hot-partition", "PutItem, by all connections into the same partition", true, Zipfian, []share{{100, (*worker).putFirst}}},
}

// workloadOf returns the workload of the name.
func workloadOf(name string) (*Workload, error) {
	names := make([]string, len(Workloads))
	for i := range Workloads {
		if Workloads[i].Name == strings.ToLower(name) {
			return &Workloads[i], nil
		}
		names[i] = Workloads[i].Name
	}
	return nil, fmt.Errorf("there is no workload %q; there are %s", name, strings.Join(names, ", "))
}

// next does one operation of a workload.
func (w *worker) next() (kind, bool) {
	at := w.random.IntN(100)
	i := slices.IndexFunc(w.run.workload.mix, func(s share) bool {
		at -= s.percent
		return at < 0
	})
	return w.run.workload.mix[i].do(w)
}
