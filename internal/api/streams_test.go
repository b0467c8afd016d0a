package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// FuzzStreams: whatever is asked of the streams API, the answer is one of DynamoDB's.
func FuzzStreams(f *testing.F) {
	const arn = `"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Tab/stream/2026-01-02T03:04:05.000"`
	for _, body := range []string{
		`{}`, `{` + arn + `,"ShardFilter":{"Type":"CHILD_SHARDS"},"Limit":1}`, `{"ShardIterator":"a|1|b","Limit":5}`,
		`{` + arn + `,"ShardId":"shardId-00000001767323045000-71859fbd","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5e9}`,
		`{` + arn + `,"ShardId":"shardId-00000001767323045000-71859fbd","ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"2136562460700447259587555948625920000"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := newService(t)
		s.must(t, "CreateTable", `{"TableName":"Tab","AttributeDefinitions":[{"AttributeName":"h","AttributeType":"S"}],"KeySchema":[{"AttributeName":"h",
			"KeyType":"HASH"}],"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`)
		for _, op := range streamOperations {
			if status, answer := s.call(t, op.name, body); status != 200 && status != 400 {
				t.Errorf("%s %s: %d %s", op.name, body, status, answer)
			}
		}
	})
}

// TestRecordPages: a page of GetRecords has at most a megabyte, except that its first record may
// have more, and pages together have each record once.
func TestRecordPages(t *testing.T) {
	s := newService(t)
	s.must(t, "CreateTable", `{"TableName":"Tab","AttributeDefinitions":[{"AttributeName":"h","AttributeType":"S"}],"KeySchema":[{"AttributeName":"h",
		"KeyType":"HASH"}],"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`)
	const stream = `"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Tab/stream/2026-01-02T03:04:05.000"`
	s.remember(s.must(t, "DescribeStream", `{`+stream+`}`))
	s.remember(s.must(t, "GetShardIterator", s.recall(`{`+stream+`,"ShardId":"«shard»","ShardIteratorType":"TRIM_HORIZON"}`)))
	// A control character takes six bytes in JSON: the last two records alone are larger than a
	// page.
	for i, text := range []string{strings.Repeat("x", 300_000), strings.Repeat("y", 390_000), `\u0001`, strings.Repeat(`\u0001`, 390_000), strings.Repeat(`\u0002`, 390_000)} {
		s.must(t, "PutItem", fmt.Sprintf(`{"TableName":"Tab","Item":{"h":{"S":"h"},"n":{"N":"%d"},"x":{"S":"%s"}}}`, i, text))
	}
	var pages []int
	next := 0
	for len(pages) < 10 {
		answer := s.must(t, "GetRecords", s.recall(`{"ShardIterator":"«iterator»"}`))
		s.remember(answer)
		var page struct {
			Records []struct {
				Dynamodb struct {
					NewImage struct{ N struct{ N string } }
				}
			}
		}
		if err := json.Unmarshal([]byte(answer), &page); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if got := r.Dynamodb.NewImage.N.N; got != fmt.Sprint(next) {
				t.Errorf("record %d is %s", next, got)
			}
			next++
		}
		pages = append(pages, len(page.Records))
		if len(answer) > 1<<20+1000 && len(page.Records) > 1 {
			t.Errorf("a page of %d records has %d bytes", len(page.Records), len(answer))
		}
		if len(page.Records) == 0 {
			break
		}
	}
	if got := fmt.Sprint(pages); got != "[2 1 1 1 0]" {
		t.Errorf("the pages have %s records", got)
	}
}
