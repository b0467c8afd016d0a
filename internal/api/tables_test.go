package api

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
)

// TestExactDelayed is TestExact with --table-delay: the states in which requests are refused.
func TestExactDelayed(t *testing.T) {
	files, err := filepath.Glob("testdata/delayed/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			delayed := db.Options{TableDelay: 10 * time.Second, SweepInterval: time.Second}
			s := newServiceOn(t, dbtest.Options{DB: delayed})
			datadriven.RunTest(t, file, s.run)
		})
	}
}

// TestCreateTableKeepsNothing: the table outlives the body that described it.
func TestCreateTableKeepsNothing(t *testing.T) {
	s := newService(t)
	body := []byte(`{"TableName":"Kept","AttributeDefinitions":[{"AttributeName":"key","AttributeType":"S"}],"KeySchema":[{"AttributeName":"key","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST","Tags":[{"Key":"tag","Value":"value"}]}`)
	serve := func(op string, body []byte) string {
		_, answer := s.Serve(t.Context(), &call.Request{Target: targetPrefix + op, Body: body}, nil)
		for i := range body {
			body[i] = '?'
		}
		return string(answer)
	}
	serve("CreateTable", body)
	serve("UpdateTable", []byte(`{"TableName":"Kept","AttributeDefinitions":[{"AttributeName":"more","AttributeType":"S"}],"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"byMore","KeySchema":[{"AttributeName":"more","KeyType":"HASH"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["other"]}}}]}`))
	serve("TagResource", []byte(`{"ResourceArn":"arn:aws:dynamodb:x:1:table/Kept","Tags":[{"Key":"second","Value":"one"}]}`))
	described := s.must(t, "DescribeTable", `{"TableName":"Kept"}`)
	for _, want := range []string{"Kept", `"key"`, "byMore", `"more"`, `"other"`} {
		if !strings.Contains(described, want) {
			t.Errorf("DescribeTable has no %s: %s", want, described)
		}
	}
	const tags = `{"Tags":[{"Key":"second","Value":"one"},{"Key":"tag","Value":"value"}]}`
	if got := s.must(t, "ListTagsOfResource", `{"ResourceArn":"arn:aws:dynamodb:x:1:table/Kept"}`); got != tags {
		t.Errorf("ListTagsOfResource: %s, want %s", got, tags)
	}
}
