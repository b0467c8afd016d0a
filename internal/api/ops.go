package api

import (
	"strings"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/control"
	"github.com/partita-db/partita/internal/api/data"
	"github.com/partita-db/partita/internal/api/streams"
)

// operation is one of DynamoDB's operations. One without a handler answers
// UnknownOperationException.
type operation struct {
	name   string
	handle func(*call.Call) error
	reads  bool // it reads items or records and changes nothing: a server that cannot write answers it
	number int  // from 1, in the order of OperationNames
}

// The prefixes of X-Amz-Target.
const (
	targetPrefix       = "DynamoDB_20120810."
	streamTargetPrefix = "DynamoDBStreams_20120810."
)

// operations are the operations of the main API, as of November 2026. Their order, and that of
// streamOperations, numbers them: metrics index by number, so nothing may depend on a number that
// another version of the program gave.
var operations = []operation{
	{name: "BatchExecuteStatement", handle: data.BatchExecuteStatement},
	{name: "BatchGetItem", handle: data.BatchGetItem, reads: true},
	{name: "BatchWriteItem", handle: data.BatchWriteItem},
	{name: "CancelBulkOperation"},
	{name: "CreateBackup"},
	{name: "CreateGlobalTable"},
	{name: "CreateTable", handle: control.CreateTable},
	{name: "DeleteBackup"},
	{name: "DeleteItem", handle: data.DeleteItem},
	{name: "DeleteResourcePolicy"},
	{name: "DeleteTable", handle: control.DeleteTable},
	{name: "DescribeBackup"},
	{name: "DescribeBulkOperation"},
	{name: "DescribeContinuousBackups"},
	{name: "DescribeContributorInsights"},
	{name: "DescribeEndpoints", handle: control.DescribeEndpoints},
	{name: "DescribeExport"},
	{name: "DescribeGlobalTable"},
	{name: "DescribeGlobalTableSettings"},
	{name: "DescribeImport"},
	{name: "DescribeKinesisStreamingDestination"},
	{name: "DescribeLimits", handle: control.DescribeLimits},
	{name: "DescribeTable", handle: control.DescribeTable},
	{name: "DescribeTableReplicaAutoScaling"},
	{name: "DescribeTimeToLive", handle: control.DescribeTimeToLive},
	{name: "DisableKinesisStreamingDestination"},
	{name: "EnableKinesisStreamingDestination"},
	{name: "ExecuteStatement", handle: data.ExecuteStatement},
	{name: "ExecuteTransaction", handle: data.ExecuteTransaction},
	{name: "ExportTableToPointInTime"},
	{name: "GetItem", handle: data.GetItem, reads: true},
	{name: "GetResourcePolicy"},
	{name: "ImportTable"},
	{name: "ListBackups"},
	{name: "ListBulkOperations"},
	{name: "ListContributorInsights"},
	{name: "ListExports"},
	{name: "ListGlobalTables"},
	{name: "ListImports"},
	{name: "ListTables", handle: control.ListTables},
	{name: "ListTagsOfResource", handle: control.ListTagsOfResource},
	{name: "PutItem", handle: data.PutItem},
	{name: "PutResourcePolicy"},
	{name: "Query", handle: data.Query, reads: true},
	{name: "RestoreTableFromBackup"},
	{name: "RestoreTableToPointInTime"},
	{name: "Scan", handle: data.Scan, reads: true},
	{name: "SearchVectors"},
	{name: "StartBulkPutItems"},
	{name: "TagResource", handle: control.TagResource},
	{name: "TransactGetItems", handle: data.TransactGetItems, reads: true},
	{name: "TransactWriteItems", handle: data.TransactWriteItems},
	{name: "UntagResource", handle: control.UntagResource},
	{name: "UpdateContinuousBackups"},
	{name: "UpdateContributorInsights"},
	{name: "UpdateGlobalTable"},
	{name: "UpdateGlobalTableSettings"},
	{name: "UpdateItem", handle: data.UpdateItem},
	{name: "UpdateKinesisStreamingDestination"},
	{name: "UpdateTable", handle: control.UpdateTable},
	{name: "UpdateTableReplicaAutoScaling"},
	{name: "UpdateTimeToLive", handle: control.UpdateTimeToLive},
}

// streamOperations are the operations of the streams API.
var streamOperations = []operation{
	{name: "DescribeStream", handle: streams.DescribeStream},
	{name: "GetRecords", handle: streams.GetRecords, reads: true},
	{name: "GetShardIterator", handle: streams.GetShardIterator},
	{name: "ListStreams", handle: streams.ListStreams},
}

// byTarget finds an operation by its whole X-Amz-Target.
var byTarget = func() map[string]*operation {
	m := make(map[string]*operation)
	for i := range operations {
		operations[i].number = 1 + i
		m[targetPrefix+operations[i].name] = &operations[i]
	}
	for i := range streamOperations {
		streamOperations[i].number = 1 + len(operations) + i
		m[streamTargetPrefix+streamOperations[i].name] = &streamOperations[i]
	}
	return m
}()

func operationOf(target string) *operation { return byTarget[target] }

// Known tells whether an X-Amz-Target names an operation that is answered.
func Known(target string) bool {
	op := operationOf(target)
	return op != nil && op.handle != nil
}

// OnlyReads tells whether the operation of an X-Amz-Target reads items or records and changes
// nothing.
func OnlyReads(target string) bool {
	op := operationOf(target)
	return op != nil && op.reads
}

// OperationName is the operation's bare name in an X-Amz-Target, for metrics and logs.
func OperationName(target string) string {
	return target[strings.LastIndexByte(target, '.')+1:]
}

// OperationNames are the names of all of DynamoDB's operations, in the order of their numbers. Only
// these are safe as labels of metrics: clients can send any other name.
func OperationNames() []string {
	names := make([]string, 0, len(operations)+len(streamOperations))
	for _, list := range [...][]operation{operations, streamOperations} {
		for i := range list {
			names = append(names, list[i].name)
		}
	}
	return names
}

// OperationNumber is Report.Operation of a request with an X-Amz-Target that Serve has not seen.
func OperationNumber(target string) int {
	if op := operationOf(target); op != nil {
		return op.number
	}
	return 0
}
