package api

import (
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/schema"
)

// askingBodies are requests of every operation that pass all checks of their parameters. The table
// of which they speak does not exist, which nobody shall learn whom the policy forbids to ask.
var askingBodies = map[string]string{
	"BatchExecuteStatement": `{"Statements":[{"Statement":"SELECT * FROM Ghosts WHERE k = 'a'"}]}`,
	"BatchGetItem":          `{"RequestItems":{"Ghosts":{"Keys":[{"k":{"S":"a"}}]}}}`,
	"BatchWriteItem":        `{"RequestItems":{"Ghosts":[{"PutRequest":{"Item":{"k":{"S":"a"}}}}]}}`,
	"CreateTable": `{"TableName":"Ghosts","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}]}`,
	"DeleteItem":         `{"TableName":"Ghosts","Key":{"k":{"S":"a"}}}`,
	"DeleteTable":        `{"TableName":"Ghosts"}`,
	"DescribeEndpoints":  `{}`,
	"DescribeLimits":     `{}`,
	"DescribeStream":     `{"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts/stream/2026"}`,
	"DescribeTable":      `{"TableName":"Ghosts"}`,
	"DescribeTimeToLive": `{"TableName":"Ghosts"}`,
	"ExecuteStatement":   `{"Statement":"SELECT * FROM Ghosts"}`,
	"ExecuteTransaction": `{"TransactStatements":[{"Statement":"DELETE FROM Ghosts WHERE k = 'a'"}]}`,
	"GetItem":            `{"TableName":"Ghosts","Key":{"k":{"S":"a"}}}`,
	"GetRecords":         `{"ShardIterator":"«iterator»"}`,
	"GetShardIterator": `{"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts/stream/2026",
		"ShardId":"shardId-00000000000000000000-00000000","ShardIteratorType":"LATEST"}`,
	"ListStreams":        `{}`,
	"ListTables":         `{}`,
	"ListTagsOfResource": `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts"}`,
	"PutItem":            `{"TableName":"Ghosts","Item":{"k":{"S":"a"}}}`,
	"Query":              `{"TableName":"Ghosts","KeyConditionExpression":"k = :k","ExpressionAttributeValues":{":k":{"S":"a"}}}`,
	"Scan":               `{"TableName":"Ghosts"}`,
	"TagResource": `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts",
		"Tags":[{"Key":"a","Value":"b"}]}`,
	"TransactGetItems":   `{"TransactItems":[{"Get":{"TableName":"Ghosts","Key":{"k":{"S":"a"}}}}]}`,
	"TransactWriteItems": `{"TransactItems":[{"Delete":{"TableName":"Ghosts","Key":{"k":{"S":"a"}}}}]}`,
	"UntagResource":      `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts","TagKeys":["a"]}`,
	"UpdateItem":         `{"TableName":"Ghosts","Key":{"k":{"S":"a"}}}`,
	"UpdateTable":        `{"TableName":"Ghosts","BillingMode":"PAY_PER_REQUEST"}`,
	"UpdateTimeToLive":   `{"TableName":"Ghosts","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"t"}}`,
}

// TestEveryOperationAsks walks through all operations that are answered, and denies each, by a Deny
// and by having no statement about it.
func TestEveryOperationAsks(t *testing.T) {
	s := newService(t)
	s.remember(`"ShardIterator":"` + iteratorOfNothing(t) + `"`)
	statements := map[string]string{
		"with an explicit deny":                   `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"dynamodb:*","Resource":"*"}`,
		"because no identity-based policy allows": `{"Effect":"Allow","Action":"*","Resource":"arn:aws:dynamodb:*:*:table/Something"}`,
	}
	for want, policy := range statements {
		if refused := s.setPolicy(policy); refused != "" {
			t.Fatal(refused)
		}
		for _, op := range append(operations, streamOperations...) {
			if op.handle == nil {
				continue
			}
			body := askingBodies[op.name]
			if body == "" {
				t.Errorf("%s: there is no request for this test", op.name)
			}
			status, answer := s.call(t, op.name, s.recall(body))
			if !isDenial(op.name, status, answer) || !strings.Contains(answer, want) {
				t.Errorf("%s: %d %s, want AccessDenied %s", op.name, status, answer, want)
			}
		}
	}
}

// isDenial tells whether an answer says AccessDenied. A batch of statements says it of each of
// them.
func isDenial(operation string, status int, answer string) bool {
	if operation == "BatchExecuteStatement" {
		return status == 200 && strings.Contains(answer, `"Code":"AccessDenied"`)
	}
	return status == 400 && strings.Contains(answer, `"com.amazon.coral.service#AccessDeniedException","Message":"User: `)
}

// iteratorOfNothing returns an iterator of a stream that does not exist, and never did: it is one
// of another database.
func iteratorOfNothing(t *testing.T) string {
	t.Helper()
	s := newService(t)
	s.must(t, "CreateTable", `{"TableName":"Ghosts","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],
		"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`)
	streams, _ := s.db.Streams(schema.DefaultNamespace, "Ghosts", "", "", 1)
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/Ghosts/stream/" + streams[0].Label
	s.remember(s.must(t, "DescribeStream", `{"StreamArn":"`+arn+`"}`))
	s.remember(s.must(t, "GetShardIterator", s.recall(`{"StreamArn":"`+arn+`","ShardId":"«shard»","ShardIteratorType":"LATEST"}`)))
	return s.recall("«iterator»")
}

// TestRegionThatIsNone signs for a region that, put into the ARN of a table, makes one that begins
// like that of another table.
func TestRegionThatIsNone(t *testing.T) {
	s := newService(t)
	s.createTable(t, "Secret", true)
	s.setPolicy(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:dynamodb:*:*:table/Open*"}`)
	r := &call.Request{Target: targetPrefix + "GetItem", Principal: s.principal, Region: "us-east-1:000000000000:table/Open",
		Body: []byte(`{"TableName":"Secret","Key":{"a":{"S":"a"},"b":{"N":"1"}}}`)}
	if status, answer := s.Serve(t.Context(), r, nil); !isDenial("GetItem", status, string(answer)) {
		t.Errorf("%d %s, want AccessDenied", status, answer)
	}
}

// TestFullAccessIsNotAsked checks that who may do everything is treated as nobody is asked about.
func TestFullAccessIsNotAsked(t *testing.T) {
	s := newService(t)
	s.principal = &iam.Principal{User: "root", Policy: iam.FullAccess}
	for _, op := range append(operations, streamOperations...) {
		if op.handle == nil {
			continue
		}
		if status, answer := s.call(t, op.name, askingBodies[op.name]); strings.Contains(answer, "AccessDenied") {
			t.Errorf("%s: %d %s", op.name, status, answer)
		}
	}
}

// TestOperationsAreActions checks that package iam knows what each operation asks for: it is an
// action, or asks for others.
func TestOperationsAreActions(t *testing.T) {
	for _, op := range append(operations, streamOperations...) {
		_, err := iam.ParsePolicy([]byte(`{"Statement":{"Effect":"Allow","Action":"dynamodb:` + op.name + `","Resource":"*"}}`))
		if err != nil && !strings.Contains(err.Error(), "that operation asks for") {
			t.Error(err)
		}
	}
}

// BenchmarkAccess is a GetItem of whoever is not asked about, and of those who are.
func BenchmarkAccess(b *testing.B) {
	tests := []struct{ name, statements string }{
		{"NoPrincipal", ""},
		{"Everything", `{"Effect":"Allow","Action":"*","Resource":"*"}`},
		{"Table", `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"arn:aws:dynamodb:*:*:table/T"}`},
		{"LeadingKeys", `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"user#*"}}}`},
		{"Attributes", `{"Effect":"Allow","Action":"*","Resource":"*"},
			{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"dynamodb:Attributes":"secret"}}}`},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			s := newService(b)
			s.createTable(b, "T", true)
			if refused := s.setPolicy(test.statements); refused != "" {
				b.Fatal(refused)
			}
			r := &call.Request{Target: targetPrefix + "GetItem", Principal: s.principal,
				Body: []byte(`{"TableName":"T","Key":{"a":{"S":"user#1"},"b":{"N":"12345"}}}`)}
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				status, body := s.Serve(b.Context(), r, out[:0])
				if status != 200 {
					b.Fatalf("%s", body)
				}
				out = body
			}
		})
	}
}
