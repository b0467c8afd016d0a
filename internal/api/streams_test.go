package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/db"
)

// TestSequenceNumbers: they order as positions, have 21 to 40 digits, and are what parseSequenceNumber takes.
func TestSequenceNumbers(t *testing.T) {
	var last *big.Int
	for _, p := range []db.Position{
		{}, {15: 1}, {15: 0xFF}, {8: 1}, {7: 1}, db.PositionAt(time.Unix(1_700_000_000, 0)), {0xFF}, db.Position(bytes.Repeat([]byte{0xFF}, 16)),
	} {
		s := string(appendSequenceNumber(nil, p))
		if len(s) < 21 || len(s) > 40 {
			t.Errorf("position %x is %s: %d digits", p, s, len(s))
		}
		if got, ok := parseSequenceNumber(s); got != p || !ok {
			t.Errorf("parseSequenceNumber(%s) = %x, %v, want %x", s, got, ok, p)
		}
		n, _ := new(big.Int).SetString(s, 10)
		if last != nil && n.Cmp(last) <= 0 {
			t.Errorf("position %x is %s, not above %s", p, n, last)
		}
		last = n
	}
	for _, s := range []string{
		"", "99999999999999999999", "-100000000000000000001", "+100000000000000000001", "1000000000000000000_00", "0x1000000000000000000000",
		last.Add(last, big.NewInt(1)).String(),
	} {
		if p, ok := parseSequenceNumber(s); ok {
			t.Errorf("parseSequenceNumber(%q) = %x, want none", s, p)
		}
	}
}

// TestBefore: the position below one, which for the first is itself.
func TestBefore(t *testing.T) {
	for _, c := range []struct{ p, want db.Position }{
		{db.Position{}, db.Position{}},
		{db.Position{15: 1}, db.Position{}},
		{db.Position{7: 1}, db.Position{8: 0xFF, 9: 0xFF, 10: 0xFF, 11: 0xFF, 12: 0xFF, 13: 0xFF, 14: 0xFF, 15: 0xFF}},
		{db.Position{14: 1, 15: 0}, db.Position{15: 0xFF}},
	} {
		if got := before(c.p); got != c.want {
			t.Errorf("before(%x) = %x, want %x", c.p, got, c.want)
		}
	}
}

// FuzzIterator: nothing but what appendIterator made is an iterator, and it is what it was.
func FuzzIterator(f *testing.F) {
	const arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Tab/stream/2026-01-02T03:04:05.000"
	it := iterator{log: 1 << 33, shard: 3, after: db.Position{1, 2, 3}, made: time.UnixMilli(1_700_000_000_123)}
	f.Add(string(appendIterator(nil, arn, it)))
	f.Add(arn + "|1|")
	f.Add("|1||1|AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		it, ok := parseIterator(s)
		if !ok {
			return
		}
		arn, _, _ := strings.Cut(s, iteratorMark)
		again := string(appendIterator(nil, arn, it))
		if back, ok := parseIterator(again); back != it || !ok {
			t.Errorf("parseIterator(%q) = %+v; again %+v, %v", s, it, back, ok)
		}
	})
}

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

// TestRecordPages: a page of GetRecords has at most a megabyte, except that its first record may have more, and pages
// together have each record once.
func TestRecordPages(t *testing.T) {
	s := newService(t)
	s.must(t, "CreateTable", `{"TableName":"Tab","AttributeDefinitions":[{"AttributeName":"h","AttributeType":"S"}],"KeySchema":[{"AttributeName":"h",
		"KeyType":"HASH"}],"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`)
	const stream = `"StreamArn":"arn:aws:dynamodb:us-east-1:000000000000:table/Tab/stream/2026-01-02T03:04:05.000"`
	s.remember(s.must(t, "DescribeStream", `{`+stream+`}`))
	s.remember(s.must(t, "GetShardIterator", s.recall(`{`+stream+`,"ShardId":"«shard»","ShardIteratorType":"TRIM_HORIZON"}`)))
	// A control character takes six bytes in JSON: the last two records alone are larger than a page.
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
		if len(answer) > maxRecordsBytes+1000 && len(page.Records) > 1 {
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
