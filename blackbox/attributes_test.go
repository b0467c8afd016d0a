package blackbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// mention is a place of a request in which an attribute is named, tested, or returned. In its body
// «» is what the place has: the attribute "secret", which one key must not touch, or "plain". Of
// places where attributes are returned without being named it is one of two others. @ is the
// members TableName and Key, and : the value 1 in ExpressionAttributeValues.
type mention struct {
	operation, place, body string
	secret, plain          string // if they are not these
}

// itemMentions are the places of operations on single items, and of the parts of batches and
// transactions.
var itemMentions = []mention{
	{operation: "GetItem", place: "Key",
		body:   `{"TableName":"Tab","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"ProjectionExpression":"pk«»"}`,
		secret: ",secret", plain: ""},
	{operation: "GetItem", place: "Key of a table whose key it is",
		body: `{"TableName":"Of«»","Key":{"«»":{"N":"1"}},"ProjectionExpression":"pk"}`},
	{operation: "GetItem", place: "ProjectionExpression", body: `{@,"ProjectionExpression":"pk,«»"}`},
	{operation: "GetItem", place: "ProjectionExpression, nested", body: `{@,"ProjectionExpression":"pk,m«».x[1].y"}`},
	{operation: "GetItem", place: "ProjectionExpression, by a placeholder",
		body: `{@,"ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":"«»"}}`},
	{operation: "GetItem", place: "AttributesToGet", body: `{@,"AttributesToGet":["pk","«»"]}`},
	{operation: "GetItem", place: "what is returned",
		body: `{@«»}`, secret: "", plain: `,"ProjectionExpression":"plain"`},

	{operation: "PutItem", place: "Item",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"«»":{"N":"1"}}}`},
	{operation: "PutItem", place: "Item, the key of another table",
		body: `{"TableName":"Of«»","Item":{"«»":{"N":"1"}}}`},
	{operation: "PutItem", place: "ConditionExpression",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},"ConditionExpression":"«» = :one",:}`},
	{operation: "PutItem", place: "Expected",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},"Expected":{"«»":{"Value":{"N":"1"}}}}`},
	{operation: "PutItem", place: "Expected, that it is not there",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},"Expected":{"no«»":{"Exists":false}}}`},
	{operation: "PutItem", place: "ReturnValues",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},
			"ReturnValues":"«»"}`, secret: "ALL_OLD", plain: "NONE"},
	{operation: "PutItem", place: "ReturnValuesOnConditionCheckFailure",
		body: `{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},
		"ReturnValuesOnConditionCheckFailure":"«»"}`, secret: "ALL_OLD", plain: "NONE"},

	{operation: "UpdateItem", place: "Key", body: `{"TableName":"Of«»","Key":{"«»":{"N":"1"}}}`},
	{operation: "UpdateItem", place: "UpdateExpression, SET", body: `{@,"UpdateExpression":"SET «» = :one",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, SET, nested",
		body: `{@,"UpdateExpression":"SET m«».z = :one",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, a value", body: `{@,"UpdateExpression":"SET dest = «»"}`},
	{operation: "UpdateItem", place: "UpdateExpression, a nested value",
		body: `{@,"UpdateExpression":"SET dest = m«».x[0]"}`},
	{operation: "UpdateItem", place: "UpdateExpression, the left of +",
		body: `{@,"UpdateExpression":"SET dest = «» + :one",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, the right of -",
		body: `{@,"UpdateExpression":"SET dest = :one - «»",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, if_not_exists",
		body: `{@,"UpdateExpression":"SET dest = if_not_exists(«», :one)",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, the other of if_not_exists",
		body: `{@,"UpdateExpression":"SET dest = if_not_exists(dest, «»)"}`},
	{operation: "UpdateItem", place: "UpdateExpression, list_append",
		body: `{@,"UpdateExpression":"SET dest = list_append(l«», lplain)"}`},
	{operation: "UpdateItem", place: "UpdateExpression, the other of list_append",
		body: `{@,"UpdateExpression":"SET dest = list_append(lplain, l«»)"}`},
	{operation: "UpdateItem", place: "UpdateExpression, REMOVE", body: `{@,"UpdateExpression":"REMOVE dest, «»"}`},
	{operation: "UpdateItem", place: "UpdateExpression, ADD", body: `{@,"UpdateExpression":"ADD «» :one",:}`},
	{operation: "UpdateItem", place: "UpdateExpression, DELETE",
		body: `{@,"UpdateExpression":"DELETE s«» :s","ExpressionAttributeValues":{":s":{"NS":["1"]}}}`},
	{operation: "UpdateItem", place: "AttributeUpdates",
		body: `{@,"AttributeUpdates":{"«»":{"Action":"PUT","Value":{"N":"2"}}}}`},
	{operation: "UpdateItem", place: "AttributeUpdates, DELETE",
		body: `{@,"AttributeUpdates":{"«»":{"Action":"DELETE"}}}`},
	{operation: "UpdateItem", place: "ConditionExpression", body: `{@,"ConditionExpression":"«» = :one",:}`},
	{operation: "UpdateItem", place: "ConditionExpression beside an update",
		body: `{@,"UpdateExpression":"SET dest = :one","ConditionExpression":"attribute_exists(«»)",:}`},
	{operation: "UpdateItem", place: "Expected", body: `{@,"Expected":{"«»":{"ComparisonOperator":"NOT_NULL"}}}`},
	{operation: "UpdateItem", place: "Expected beside AttributeUpdates",
		body: `{@,"Expected":{"«»":{"Value":{"N":"1"}}},"AttributeUpdates":{"dest":{"Value":{"N":"2"}}}}`},
	{operation: "UpdateItem", place: "ReturnValues ALL_NEW",
		body: `{@,"ReturnValues":"«»"}`, secret: "ALL_NEW", plain: "UPDATED_NEW"},
	{operation: "UpdateItem", place: "ReturnValues ALL_OLD",
		body: `{@,"ReturnValues":"«»"}`, secret: "ALL_OLD", plain: "UPDATED_OLD"},
	{operation: "UpdateItem", place: "ReturnValuesOnConditionCheckFailure",
		body: `{@,"ReturnValuesOnConditionCheckFailure":"«»"}`, secret: "ALL_OLD", plain: "NONE"},

	{operation: "DeleteItem", place: "Key", body: `{"TableName":"Of«»","Key":{"«»":{"N":"1"}}}`},
	{operation: "DeleteItem", place: "ConditionExpression", body: `{@,"ConditionExpression":"«» = :one",:}`},
	{operation: "DeleteItem", place: "Expected", body: `{@,"Expected":{"«»":{"Value":{"N":"1"}}}}`},
	{operation: "DeleteItem", place: "ReturnValues",
		body: `{@,"ReturnValues":"«»"}`, secret: "ALL_OLD", plain: "NONE"},
	{operation: "DeleteItem", place: "ReturnValuesOnConditionCheckFailure",
		body: `{@,"ReturnValuesOnConditionCheckFailure":"«»"}`, secret: "ALL_OLD", plain: "NONE"},

	{operation: "BatchGetItem", place: "Keys",
		body: `{"RequestItems":{"Of«»":{"Keys":[{"«»":{"N":"1"}}],"ProjectionExpression":"pk"}}}`},
	{operation: "BatchGetItem", place: "Keys, the last ones",
		body: `{"RequestItems":{"Ofplain":{"Keys":[{"plain":{"N":"1"}}],"ProjectionExpression":"pk"},
		"Of«»":{"Keys":[{"«»":{"N":"2"}},{"«»":{"N":"3"}}],"ProjectionExpression":"pk"}}}`, secret: "secret",
		plain: "pub"},
	{operation: "BatchGetItem", place: "ProjectionExpression",
		body: `{"RequestItems":{"Tab":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}],"ProjectionExpression":"«»"}}}`},
	{operation: "BatchGetItem", place: "AttributesToGet",
		body: `{"RequestItems":{"Tab":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}],"AttributesToGet":["«»"]}}}`},
	{operation: "BatchGetItem", place: "what is returned",
		body: `{"RequestItems":{"Tab":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}]«»}}}`, secret: "", plain: `,
			"ProjectionExpression":"plain"`},

	{operation: "BatchWriteItem", place: "PutRequest",
		body: `{"RequestItems":{"Tab":[{"PutRequest":{"Item":{"pk":{"S":"b"},"sk":{"N":"1"}}}},
		{"PutRequest":{"Item":{"pk":{"S":"a"},"sk":{"N":"1"},"«»":{"N":"1"}}}}]}}`},
	{operation: "BatchWriteItem", place: "DeleteRequest",
		body: `{"RequestItems":{"Tab":[{"PutRequest":{"Item":{"pk":{"S":"b"},"sk":{"N":"1"}}}}],
		"Of«»":[{"DeleteRequest":{"Key":{"«»":{"N":"1"}}}}]}}`},

	{operation: "TransactGetItems", place: "Key",
		body: `{"TransactItems":[{"Get":{@,"ProjectionExpression":"pk"}},{"Get":{"TableName":"Of«»",
			"Key":{"«»":{"N":"1"}},"ProjectionExpression":"pk"}}]}`},
	{operation: "TransactGetItems", place: "ProjectionExpression",
		body: `{"TransactItems":[{"Get":{@,"ProjectionExpression":"«»"}}]}`},
	{operation: "TransactGetItems", place: "what is returned",
		body: `{"TransactItems":[{"Get":{@«»}}]}`, secret: "", plain: `,"ProjectionExpression":"plain"`},

	{operation: "TransactWriteItems", place: "Put's Item",
		body: `{"TransactItems":[{"Put":{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"},
			"«»":{"N":"1"}}}}]}`},
	{operation: "TransactWriteItems", place: "Put's ConditionExpression",
		body: `{"TransactItems":[{"Put":{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},
			"ConditionExpression":"«» = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "Put's ReturnValuesOnConditionCheckFailure",
		body: `{"TransactItems":[{"Put":{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},
		"ReturnValuesOnConditionCheckFailure":"«»"}}]}`, secret: "ALL_OLD", plain: "NONE"},
	{operation: "TransactWriteItems", place: "Update's Key",
		body: `{"TransactItems":[{"Update":{"TableName":"Of«»","Key":{"«»":{"N":"1"}},
			"UpdateExpression":"SET dest = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "Update's UpdateExpression",
		body: `{"TransactItems":[{"Update":{@,"UpdateExpression":"SET «» = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "Update's UpdateExpression, a value",
		body: `{"TransactItems":[{"Update":{@,"UpdateExpression":"SET dest = «»"}}]}`},
	{operation: "TransactWriteItems", place: "Update's ConditionExpression",
		body: `{"TransactItems":[{"Update":{@,"UpdateExpression":"SET dest = :one",
			"ConditionExpression":"«» = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "Delete's Key",
		body: `{"TransactItems":[{"Delete":{"TableName":"Of«»","Key":{"«»":{"N":"1"}}}}]}`},
	{operation: "TransactWriteItems", place: "Delete's ConditionExpression",
		body: `{"TransactItems":[{"Delete":{@,"ConditionExpression":"«» = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "ConditionCheck's Key",
		body: `{"TransactItems":[{"ConditionCheck":{"TableName":"Of«»","Key":{"«»":{"N":"1"}},
			"ConditionExpression":"attribute_not_exists(nothing)"}}]}`},
	{operation: "TransactWriteItems", place: "ConditionCheck's ConditionExpression, the last of two",
		body: `{"TransactItems":[{"Put":{"TableName":"Tab","Item":{"pk":{"S":"b"},"sk":{"N":"1"}}}},
		{"ConditionCheck":{@,"ConditionExpression":"«» = :one",:}}]}`},
	{operation: "TransactWriteItems", place: "ConditionCheck's ReturnValuesOnConditionCheckFailure",
		body: `{"TransactItems":[{"ConditionCheck":{@,"ConditionExpression":"attribute_exists(pk)",
		"ReturnValuesOnConditionCheckFailure":"«»"}}]}`, secret: "ALL_OLD", plain: "NONE"},
}

// failureMentions are the places that ask for the item of a statement that fails.
var failureMentions = []mention{
	{"ExecuteStatement", "ReturnValuesOnConditionCheckFailure", `{` + failing + `}`, "ALL_OLD", "NONE"},
	{"BatchExecuteStatement", "ReturnValuesOnConditionCheckFailure", `{"Statements":[{` + failing + `}]}`,
		"ALL_OLD", "NONE"},
	{"ExecuteTransaction", "ReturnValuesOnConditionCheckFailure", `{"TransactStatements":[{` + failing + `}]}`,
		"ALL_OLD", "NONE"},
}

// failing is a statement that could fail, and what of the item is to be returned then.
const failing = `"Statement":"UPDATE Tab SET dest = 1 WHERE pk = 'a' AND sk = 1",
	"ReturnValuesOnConditionCheckFailure":"«»"`

// conditionForms are all forms in which a condition names an attribute; PutItem's condition stands
// for all.
func conditionForms() (ms []mention) {
	for _, form := range []string{
		"«» = :one", ":one = «»", "«» <> :none", "«» >= :one", "pub <= «»", "m«».x[0] = :one", "#a = :one",
		"«» BETWEEN :one AND :one", "pub BETWEEN :none AND «»", ":one BETWEEN «» AND :one",
		"«» IN (:one)", ":one IN (:none, «»)", "attribute_exists(«»)", "attribute_not_exists(no«»)",
		"attribute_type(«», :n)", "begins_with(t«», :n)", "contains(s«», :one)", "contains(splain, «»)",
		"size(t«») = :one", "NOT no«» = :one", "attribute_exists(pk) OR «» = :one",
		"attribute_exists(pk) AND (attribute_exists(sk) AND «» = :one)",
	} {
		names, values := "", []string{`":one":{"N":"1"}`}
		if strings.Contains(form, "#a") {
			names = `,"ExpressionAttributeNames":{"#a":"«»"}`
		}
		if strings.Contains(form, ":none") {
			values = append(values, `":none":{"N":"-1"}`)
		}
		if strings.Contains(form, ":n)") {
			values = append(values, `":n":{"S":"N"}`)
		}
		if !strings.Contains(form, ":one") {
			values = values[1:]
		}
		if len(values) > 0 {
			names += `,"ExpressionAttributeValues":{` + strings.Join(values, ",") + `}`
		}
		ms = append(ms, mention{operation: "PutItem", place: "ConditionExpression " + form,
			body: fmt.Sprintf(`{"TableName":"Tab","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},
			"ConditionExpression":%q%s}`, form, names)})
	}
	return ms
}

// readMentions are the places of Query and Scan.
var readMentions = []mention{
	{operation: "Query", place: "KeyConditionExpression",
		body: `{"TableName":"Tab","IndexName":"by«»","KeyConditionExpression":"«» = :one",
			"ProjectionExpression":"pk",:}`},
	{operation: "Query", place: "KeyConditionExpression, the range",
		body: `{"TableName":"Tab","IndexName":"at«»","KeyConditionExpression":"pub = :one AND «» > :none",
			"ProjectionExpression":"pk","ExpressionAttributeValues":{":one":{"N":"1"},":none":{"N":"-1"}}}`},
	{operation: "Query", place: "KeyConditions",
		body: `{"TableName":"Tab","IndexName":"by«»","KeyConditions":{"«»":{"ComparisonOperator":"EQ",
			"AttributeValueList":[{"N":"1"}]}},"AttributesToGet":["pk"]}`},
	{operation: "Query", place: "KeyConditionExpression of no table",
		body: `{"TableName":"Nowhere","KeyConditionExpression":"«» = :one","ProjectionExpression":"pk",:}`},
	{operation: "Query", place: "FilterExpression",
		body: `{"TableName":"Tab","KeyConditionExpression":"pk = :a","FilterExpression":"«» = :one","Select":"COUNT",
		"ExpressionAttributeValues":{":a":{"S":"a"},":one":{"N":"1"}}}`},
	{operation: "Query", place: "QueryFilter",
		body: `{"TableName":"Tab","KeyConditions":{"pk":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"a"}]}},
			"Select":"COUNT","QueryFilter":{"«»":{"ComparisonOperator":"NOT_NULL"}}}`},
	{operation: "Query", place: "ProjectionExpression",
		body: `{"TableName":"Tab","KeyConditionExpression":"pk = :a","ProjectionExpression":"pk,«»",
			"ExpressionAttributeValues":{":a":{"S":"a"}}}`},
	{operation: "Query", place: "AttributesToGet",
		body: `{"TableName":"Tab","KeyConditions":{"pk":{"ComparisonOperator":"EQ",
			"AttributeValueList":[{"S":"a"}]}},"AttributesToGet":["«»"]}`},
	{operation: "Query", place: "Select",
		body: `{"TableName":"Tab","KeyConditionExpression":"pk = :a","Select":"«»",
			"ExpressionAttributeValues":{":a":{"S":"a"}}}`, secret: "ALL_ATTRIBUTES", plain: "COUNT"},
	{operation: "Query", place: "no Select",
		body: `{"TableName":"Tab","KeyConditionExpression":"pk = :a"«»,
			"ExpressionAttributeValues":{":a":{"S":"a"}}}`, secret: "", plain: `,"Select":"COUNT"`},
	{operation: "Query", place: "LastEvaluatedKey of an index",
		body: `{"TableName":"Tab","IndexName":"at«»","KeyConditionExpression":"pub = :one",
			"ProjectionExpression":"pk",:}`},
	{operation: "Query", place: "ExclusiveStartKey of an index",
		body: `{"TableName":"Tab","IndexName":"at«»","KeyConditionExpression":"pub = :one","Select":"COUNT",:,
		"ExclusiveStartKey":{"pub":{"N":"1"},"«»":{"N":"0"},"pk":{"S":"a"},"sk":{"N":"1"}}}`},
	{operation: "Query", place: "LastEvaluatedKey of the table",
		body: `{"TableName":"At«»","KeyConditionExpression":"pk = :a","Select":"COUNT",
			"ExpressionAttributeValues":{":a":{"S":"a"}}}`},

	{operation: "Scan", place: "FilterExpression",
		body: `{"TableName":"Tab","FilterExpression":"«» = :one","Select":"COUNT",:}`},
	{operation: "Scan", place: "ScanFilter",
		body: `{"TableName":"Tab","ScanFilter":{"«»":{"ComparisonOperator":"NOT_NULL"}},"Select":"COUNT"}`},
	{operation: "Scan", place: "ScanFilter, the last of two",
		body: `{"TableName":"Tab","ScanFilter":{"pk":{"ComparisonOperator":"NOT_NULL"},
			"«»":{"ComparisonOperator":"NOT_NULL"}},"Select":"COUNT"}`},
	{operation: "Scan", place: "ProjectionExpression", body: `{"TableName":"Tab","ProjectionExpression":"«»"}`},
	{operation: "Scan", place: "AttributesToGet", body: `{"TableName":"Tab","AttributesToGet":["«»"]}`},
	{operation: "Scan", place: "Select",
		body: `{"TableName":"Tab","Select":"«»"}`, secret: "ALL_ATTRIBUTES", plain: "COUNT"},
	{operation: "Scan", place: "Select of an index",
		body: `{"TableName":"Tab","IndexName":"byplain",
			"Select":"«»"}`, secret: "ALL_PROJECTED_ATTRIBUTES", plain: "COUNT"},
	{operation: "Scan", place: "no Select", body: `{"TableName":"Tab"«»}`, secret: "", plain: `,"Select":"COUNT"`},
	{operation: "Scan", place: "no Select, of an index", body: `{"TableName":"Tab","IndexName":"byplain"«»}`,
		secret: "", plain: `,"Select":"COUNT"`},
	{operation: "Scan", place: "LastEvaluatedKey of an index",
		body: `{"TableName":"Tab","IndexName":"by«»","ProjectionExpression":"pk","Limit":1}`},
	{operation: "Scan", place: "ExclusiveStartKey of an index",
		body: `{"TableName":"Tab","IndexName":"by«»","Select":"COUNT","ExclusiveStartKey":{"«»":{"N":"0"},
			"pk":{"S":"a"},"sk":{"N":"1"}}}`},
	{operation: "Scan", place: "LastEvaluatedKey of the table",
		body: `{"TableName":"Of«»","ProjectionExpression":"pk","Limit":1}`},
}

// statementMentions are the places of PartiQL statements: each is sent with every operation that
// takes it.
var statementMentions = []mention{
	{operation: "read", place: "SELECT's list", body: `SELECT pk, «» FROM Tab WHERE pk = 'a' AND sk = 1`},
	{operation: "read", place: "SELECT's list, nested", body: `SELECT m«».x[0] FROM Tab WHERE pk = 'a' AND sk = 1`},
	{operation: "read", place: "SELECT *",
		body: `SELECT «» FROM Tab WHERE pk = 'a' AND sk = 1`, secret: "*", plain: "plain"},
	{operation: "read", place: "SELECT's WHERE", body: `SELECT pk FROM Tab WHERE pk = 'a' AND sk = 1 AND «» = 1`},
	{operation: "read", place: "SELECT's WHERE, a function",
		body: `SELECT pk FROM Tab WHERE pk = 'a' AND sk = 1 AND attribute_type(«», 'N')`},
	{operation: "read", place: "SELECT's WHERE, MISSING",
		body: `SELECT pk FROM Tab WHERE pk = 'a' AND sk = 1 AND no«» IS MISSING`},
	{operation: "read", place: "SELECT's WHERE, the key", body: `SELECT pk FROM Of«» WHERE «» = 1`},
	{operation: "page", place: "SELECT's WHERE, the key of an index", body: `SELECT pk FROM Tab.by«» WHERE «» = 1`},
	{operation: "page", place: "SELECT * of an index", body: `SELECT «» FROM Tab.byplain WHERE plain = 1`,
		secret: "*", plain: "plain"},
	{operation: "page", place: "SELECT's ORDER BY", body: `SELECT pk FROM Tab.at«» WHERE pub = 1 ORDER BY «»`},
	{operation: "page", place: "SELECT's ORDER BY of no table",
		body: `SELECT pk FROM Nowhere WHERE pub = 1 ORDER BY «»`},
	{operation: "page", place: "SELECT's NextToken, of an index", body: `SELECT pk FROM Tab.at«» WHERE pub = 1`},
	{operation: "page", place: "SELECT's NextToken, of a table", body: `SELECT pk FROM Of«»`},
	{operation: "write", place: "INSERT", body: `INSERT INTO Tab VALUE {'pk': 'new', 'sk': 1, '«»': 1}`},
	{operation: "write", place: "UPDATE's SET", body: `UPDATE Tab SET «» = 1 WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's SET, a value", body: `UPDATE Tab SET dest = «» WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's SET, a sum",
		body: `UPDATE Tab SET dest = pub + «» WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's SET, list_append",
		body: `UPDATE Tab SET dest = list_append(lplain, l«») WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's second SET",
		body: `UPDATE Tab SET dest = 1 SET «» = 2 WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's REMOVE", body: `UPDATE Tab REMOVE «» WHERE pk = 'a' AND sk = 1`},
	{operation: "write", place: "UPDATE's WHERE",
		body: `UPDATE Tab SET dest = 1 WHERE pk = 'a' AND sk = 1 AND «» = 1`},
	{operation: "write", place: "DELETE's WHERE", body: `DELETE FROM Tab WHERE pk = 'a' AND sk = 1 AND «» = 1`},
	{operation: "write", place: "DELETE's WHERE, the key", body: `DELETE FROM Of«» WHERE «» = 1`},
	{operation: "alone", place: "UPDATE's RETURNING",
		body: `UPDATE Tab SET dest = 1 WHERE pk = 'a' AND sk = 1 RETURNING «»`, secret: "ALL NEW *",
		plain: "MODIFIED NEW *"},
	{operation: "alone", place: "DELETE's RETURNING",
		body: `DELETE FROM Tab WHERE pk = 'a' AND sk = 1«»`, secret: " RETURNING ALL OLD *", plain: ""},
	{operation: "transaction", place: "EXISTS",
		body: `EXISTS(SELECT pk FROM Tab WHERE pk = 'a' AND sk = 1 AND «» = 1)`},
	{operation: "transaction", place: "EXISTS, the list",
		body: `EXISTS(SELECT «» FROM Tab WHERE pk = 'a' AND sk = 1)`},
}

// statements are the requests with the statement.
func (m mention) statements() (ms []mention) {
	add := func(operation, format string) {
		ms = append(ms, mention{operation, m.place, fmt.Sprintf(format, m.body), m.secret, m.plain})
	}
	if m.operation == "page" {
		add("ExecuteStatement", `{"Statement":%q,"Limit":1}`)
		return ms
	}
	if m.operation != "transaction" {
		add("ExecuteStatement", `{"Statement":%q}`)
		add("BatchExecuteStatement", `{"Statements":[{"Statement":%q}]}`)
	}
	if m.operation != "alone" {
		add("ExecuteTransaction", `{"TransactStatements":[{"Statement":%q}]}`)
	}
	return ms
}

// restricted is a key that touches the named attributes only; with a statement of more conditions.
func restricted(id, more string, attributes ...string) string {
	return fmt.Sprintf(`{"accessKeyId": %q, "secretAccessKey": "s3cret", "policy": {"Version": "2012-10-17",
			"Statement": [{"Effect": "Allow",
		"Action": "dynamodb:*", "Resource": "*",
			"Condition": {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["%s"]}%s}}]}}`,
		id, strings.Join(attributes, `","`), more)
}

// The attributes of the items. Those with an l are lists, those with an s sets, those with a t
// texts, those with an m maps, and those with a no are not there.
var (
	plainAttributes = []string{
		"pk", "sk", "pub", "dest", "nothing", "plain", "lplain", "splain", "tplain", "mplain", "noplain",
	}
	allAttributes = append(plainAttributes, "secret", "lsecret", "ssecret", "tsecret", "msecret", "nosecret")
)

// TestAttributes has a key that must not touch the attribute secret name it at each place of each
// operation, and nowhere else: it is refused there, another key is not, and neither is it itself
// with another attribute.
func TestAttributes(t *testing.T) {
	t.Parallel()
	const partial = `, "StringEqualsIfExists": {"dynamodb:Select": ["SPECIFIC_ATTRIBUTES", "COUNT"],
		"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]}`
	x := lock(t, entry("OWNER", "s3cret", ""), restricted("NARROW", partial, plainAttributes...),
		restricted("WIDE", "", allAttributes...))
	for _, a := range []string{"plain", "secret", "pub"} {
		for _, table := range []string{
			"TableName: Of$, AttributeDefinitions: <$:N>, KeySchema: <$>",
			"TableName: At$, AttributeDefinitions: <pk:S $:N>, KeySchema: <pk $>",
		} {
			table = strings.ReplaceAll(table, "$", a)
			x.mustPost(t, "CreateTable", strict("{"+table+", BillingMode: PAY_PER_REQUEST}"))
		}
	}
	x.mustPost(t, "CreateTable", strict(`{TableName: Tab, BillingMode: PAY_PER_REQUEST,
		AttributeDefinitions: <pk:S sk:N pub:N plain:N secret:N>, KeySchema: <pk sk>, GlobalSecondaryIndexes: [
			{IndexName: byplain, KeySchema: <plain>, Projection: {ProjectionType: ALL}},
			{IndexName: bysecret, KeySchema: <secret>, Projection: {ProjectionType: ALL}},
			{IndexName: atplain, KeySchema: <pub plain>, Projection: {ProjectionType: ALL}},
			{IndexName: atsecret, KeySchema: <pub secret>, Projection: {ProjectionType: ALL}}]}`))
	ms := slices.Concat(itemMentions, failureMentions, conditionForms(), readMentions)
	for _, m := range statementMentions {
		ms = append(ms, m.statements()...)
	}
	for _, m := range ms {
		if m.secret == m.plain {
			m.secret, m.plain = "secret", "plain"
		}
		t.Run(m.operation+"/"+m.place, func(t *testing.T) {
			x.answers(t, "NARROW", m.operation, m.with(m.secret), false)
			x.answers(t, "WIDE", m.operation, m.with(m.secret), true)
			x.answers(t, "NARROW", m.operation, m.with(m.plain), true)
		})
	}
}

// with is the body with the place filled in.
func (m mention) with(what string) string {
	const one = `,"ExpressionAttributeValues":{":one":{"N":"1"}}`
	return strings.NewReplacer("«»", what, "@", `"TableName":"Tab","Key":{"pk":{"S":"a"},"sk":{"N":"1"}}`,
		",:}", one+"}", ",:,", one+",").Replace(m.body)
}

// answers sends a request as the holder of a key, on items that are as they were at first, and
// wants it to succeed or to be refused.
func (x *locked) answers(t *testing.T, who, operation, body string, allowed bool) {
	t.Helper()
	puts, more := "", ""
	for _, a := range []string{"plain", "secret", "pub"} {
		puts += fmt.Sprintf(`"Of%[1]s":[{"PutRequest":{"Item":{"%[1]s":{"N":"1"},"pk":{"S":"a"}}}}],`, a)
	}
	for _, a := range []string{"plain", "secret"} {
		more += fmt.Sprintf(`,"%[1]s":{"N":"1"},"l%[1]s":{"L":[{"N":"1"}]},"s%[1]s":{"NS":["1","2"]},
			"t%[1]s":{"S":"N"},"m%[1]s":{"M":{"x":{"L":[{"N":"1"},{"M":{}}]}}}`, a)
	}
	x.mustPost(t, "BatchWriteItem", `{"RequestItems":{`+puts+`"Tab":[
		{"DeleteRequest":{"Key":{"pk":{"S":"new"},"sk":{"N":"1"}}}},
		{"PutRequest":{"Item":{"pk":{"S":"a"},"sk":{"N":"1"},"pub":{"N":"1"}`+more+`}}}]}}`)
	status, answer := x.post(t, who, operation, body)
	denied := status == 400 && strings.Contains(answer, "AccessDeniedException") ||
		status == 200 && strings.Contains(answer, `"Code":"AccessDenied"`)
	succeeds := status == 200 && !strings.Contains(answer, `"Error"`)
	if strings.Contains(body, "Nowhere") {
		succeeds = strings.Contains(answer, "ResourceNotFoundException") // who may not is not told so
	}
	switch {
	case !allowed && !denied:
		t.Errorf("%s is not refused: %s\n%d %s", who, body, status, answer)
	case allowed && !succeeds:
		t.Errorf("%s is refused: %s\n%d %s", who, body, status, answer)
	}
}

// mustPost sends a request as the owner, and wants it to succeed.
func (x *locked) mustPost(t *testing.T, operation, body string) {
	t.Helper()
	if status, answer := x.post(t, "OWNER", operation, body); status != 200 {
		t.Fatalf("%s %s: %d %s", operation, body, status, answer)
	}
}

// post sends a request signed with the key.
func (x *locked) post(t *testing.T, who, operation, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequest("POST", x.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	sum := sha256.Sum256([]byte(body))
	as := aws.Credentials{AccessKeyID: who, SecretAccessKey: "s3cret"}
	err = v4.NewSigner().SignHTTP(ctx, as, r, hex.EncodeToString(sum[:]), "dynamodb", "eu-west-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	response, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
