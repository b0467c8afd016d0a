package iam

import "strings"

// actions are the actions of DynamoDB that permissions are about, of its operations and beyond:
// some operations ask for the actions of others (PartiQL's, the transactions'), and some actions
// belong to no operation of one's own. They are those of the Service Authorization Reference,
// "Actions, resources, and condition keys for Amazon DynamoDB", as of November 2026.
var actions = []string{
	"AssociateTableReplica", "BatchGetItem", "BatchWriteItem", "CancelBulkOperation", "ConditionCheckItem", "CreateBackup",
	"CreateGlobalTable", "CreateGlobalTableWitness", "CreateTable", "CreateTableReplica", "DeleteBackup", "DeleteGlobalTableWitness",
	"DeleteItem", "DeleteResourcePolicy", "DeleteTable", "DeleteTableReplica", "DescribeBackup", "DescribeBulkOperation",
	"DescribeContinuousBackups", "DescribeContributorInsights", "DescribeEndpoints", "DescribeExport", "DescribeGlobalTable",
	"DescribeGlobalTableSettings", "DescribeImport", "DescribeKinesisStreamingDestination", "DescribeLimits",
	"DescribeReservedCapacity", "DescribeReservedCapacityOfferings", "DescribeStream", "DescribeTable",
	"DescribeTableReplicaAutoScaling", "DescribeTimeToLive", "DisableKinesisStreamingDestination",
	"EnableKinesisStreamingDestination", "ExportTableToPointInTime", "GetAbacStatus", "GetItem", "GetRecords", "GetResourcePolicy",
	"GetShardIterator", "ImportTable", "InjectError", "ListBackups", "ListBulkOperations", "ListContributorInsights", "ListExports",
	"ListGlobalTables", "ListImports", "ListStreams", "ListTables", "ListTagsOfResource", "PartiQLDelete", "PartiQLInsert",
	"PartiQLSelect", "PartiQLUpdate", "PurchaseReservedCapacityOfferings", "PutItem", "PutResourcePolicy", "Query",
	"ReadDataForReplication", "ReplicateSettings", "RestoreTableFromAwsBackup", "RestoreTableFromBackup", "RestoreTableToPointInTime",
	"Scan", "SearchVectors", "StartAwsBackupJob", "StartBulkPutItems", "TagResource", "UntagResource", "UpdateAbacStatus",
	"UpdateContinuousBackups", "UpdateContributorInsights", "UpdateGlobalTable", "UpdateGlobalTableSettings",
	"UpdateGlobalTableVersion", "UpdateItem", "UpdateKinesisStreamingDestination", "UpdateTable", "UpdateTableReplicaAutoScaling",
	"UpdateTimeToLive", "WriteDataForReplication",
}

// asked are the operations that are not actions themselves, with the actions that they ask for.
var asked = map[string]string{
	"transactwriteitems":    "PutItem, UpdateItem, DeleteItem and ConditionCheckItem",
	"transactgetitems":      "GetItem",
	"executestatement":      "PartiQLSelect, PartiQLInsert, PartiQLUpdate and PartiQLDelete",
	"batchexecutestatement": "PartiQLSelect, PartiQLInsert, PartiQLUpdate and PartiQLDelete",
	"executetransaction":    "PartiQLSelect, PartiQLInsert, PartiQLUpdate and PartiQLDelete",
}

// actionIndex finds an action in actions.
var actionIndex = func() map[string]int {
	m := make(map[string]int, len(actions))
	for i, name := range actions {
		m[name] = i
	}
	return m
}()

// actionSet is a set of actions: a bit each, by their index.
type actionSet [2]uint64

// allActions are all of them.
var allActions = actionSet{}.complement()

// has tells whether an action is in the set.
func (s actionSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// complement are the actions that are not in the set.
func (s actionSet) complement() actionSet {
	var c actionSet
	for i := range actions {
		if !s.has(i) {
			c[i/64] |= 1 << (i % 64)
		}
	}
	return c
}

// parseActions reads Action or NotAction.
func parseActions(list node) (actionSet, error) {
	var set actionSet
	if _, err := list.texts(); err != nil {
		return set, err
	}
	for _, n := range list.elements() {
		if err := set.add(n, n.value.(string)); err != nil {
			return set, err
		}
	}
	return set, nil
}

// add adds what one text names: one action, or some with wildcards. Case does not count.
func (s *actionSet) add(n node, text string) error {
	if text == "*" {
		*s = allActions
		return nil
	}
	service, name, _ := strings.Cut(strings.ToLower(text), ":")
	if service != "dynamodb" {
		return n.errorf("%q is not of the form dynamodb:Action", text)
	}
	if hint, ok := asked[name]; ok {
		return n.errorf("%q is no action: that operation asks for %s (dynamodb:EnclosingOperation tells where from)", text, hint)
	}
	p := wildcards(name)
	found := p.wild()
	for i, action := range actions {
		if p.matches(strings.ToLower(action)) {
			s[i/64] |= 1 << (i % 64)
			found = true
		}
	}
	if !found {
		return n.errorf("%q is none of DynamoDB's actions", text)
	}
	return nil
}
