package partitatest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// newYear is when the clocks of these tests begin.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// expiring makes a table whose items expire at the time in b, and returns the ARN of its stream.
func expiring(t testing.TB, db *DB) (stream *string) {
	t.Helper()
	in := Table("table", "a:S")
	in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly}
	table := db.CreateTable(in)
	_, err := db.Client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName:               in.TableName,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("b"), Enabled: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table.LatestStreamArn
}

// in is the number that stands for a time after newYear.
func in(d time.Duration) types.AttributeValue { return n(fmt.Sprint(newYear.Add(d).Unix())) }

// records returns the stream's records, sorted, as "INSERT x" and "REMOVE x
// dynamodb.amazonaws.com".
func records(t testing.TB, db *DB, stream *string) (texts []string) {
	t.Helper()
	described, err := db.Streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: stream})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range described.StreamDescription.Shards {
		from := iterator(t, db, stream, shard.ShardId)
		out, err := db.Streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: from})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			text := fmt.Sprint(r.EventName, " ", r.Dynamodb.Keys["a"].(*streamtypes.AttributeValueMemberS).Value)
			if r.UserIdentity != nil {
				text += " " + *r.UserIdentity.PrincipalId
			}
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}

// iterator returns an iterator over all of a shard.
func iterator(t testing.TB, db *DB, stream, shard *string) *string {
	t.Helper()
	out, err := db.Streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: stream, ShardId: shard, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

// TestClockExpires moves the clock past the time to live of one of two items, many times side by
// side.
func TestClockExpires(t *testing.T) {
	for i := range 25 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			clock := NewClock(newYear)
			db := New(t, WithClock(clock))
			stream := expiring(t, db)
			db.Seed("table", attributes{"a": s("soon"), "b": in(time.Hour)}, attributes{"a": s("late"), "b": in(2 * time.Hour)})
			clock.Advance(time.Hour)
			if items := scan(t, db, "table"); len(items) != 2 {
				t.Errorf("before the time there are %v", items)
			}
			clock.Advance(time.Second)
			if items := scan(t, db, "table"); len(items) != 1 {
				t.Errorf("after the time there are %v", items)
			}
			got := fmt.Sprintf("%q", records(t, db, stream))
			if want := `["INSERT late" "INSERT soon" "REMOVE soon dynamodb.amazonaws.com"]`; got != want {
				t.Errorf("the stream has %s, want %s", got, want)
			}
		})
	}
}

// TestClockTrims moves the clock past the life of an iterator, and then of stream records.
func TestClockTrims(t *testing.T) {
	t.Parallel()
	clock := NewClock(newYear)
	db := New(t, WithClock(clock))
	stream := expiring(t, db)
	db.Seed("table", attributes{"a": s("x")})
	described, err := db.Streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: stream})
	if err != nil {
		t.Fatal(err)
	}
	old := iterator(t, db, stream, described.StreamDescription.Shards[0].ShardId)
	clock.Advance(16 * time.Minute)
	var expired *streamtypes.ExpiredIteratorException
	out, err := db.Streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: old})
	if !errors.As(err, &expired) {
		t.Errorf("GetRecords by an iterator of 16 minutes ago: %v, %v", out, err)
	}
	clock.Set(newYear.Add(23 * time.Hour))
	db.Seed("table", attributes{"a": s("y")})
	if got := fmt.Sprintf("%q", records(t, db, stream)); got != `["INSERT x" "INSERT y"]` {
		t.Errorf("after 23 hours the stream has %s", got)
	}
	clock.Set(newYear.Add(24*time.Hour + time.Minute))
	if got := fmt.Sprintf("%q", records(t, db, stream)); got != `["INSERT y"]` {
		t.Errorf("after 24 hours the stream has %s", got)
	}
}

// TestClockForgetsTokens sends a transaction twice with its token, and once more when that is
// forgotten.
func TestClockForgetsTokens(t *testing.T) {
	t.Parallel()
	clock := NewClock(newYear)
	db := New(t, WithClock(clock))
	db.CreateTable(Table("table", "a:S"))
	count := func() string {
		_, err := db.Client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: aws.String("token"),
			TransactItems: []types.TransactWriteItem{{Update: &types.Update{
				TableName: aws.String("table"), Key: attributes{"a": s("x")}, UpdateExpression: aws.String("ADD b :one"),
				ExpressionAttributeValues: attributes{":one": n("1")},
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return scan(t, db, "table")[0]["b"].(*types.AttributeValueMemberN).Value
	}
	first := count()
	clock.Advance(9 * time.Minute)
	second := count()
	clock.Advance(2 * time.Minute)
	if third := count(); first != "1" || second != "1" || third != "2" {
		t.Errorf("the transaction has counted to %s, %s and %s, want 1, 1 and 2", first, second, third)
	}
}

// TestClockStandsStill checks that nothing expires by itself, and that a clock drives all its
// databases that are open.
func TestClockStandsStill(t *testing.T) {
	t.Parallel()
	clock := NewClock(newYear)
	dbs := []*DB{New(t, WithClock(clock)), New(t, WithClock(clock))}
	closed := New(t, WithClock(clock))
	closed.Close()
	for _, db := range dbs {
		expiring(t, db)
		db.Seed("table", attributes{"a": s("x"), "b": in(-time.Hour)})
	}
	for _, db := range dbs {
		if items := scan(t, db, "table"); len(items) != 1 {
			t.Errorf("before the clock was moved there are %v", items)
		}
	}
	clock.Advance(time.Minute)
	for _, db := range dbs {
		if items := scan(t, db, "table"); len(items) != 0 {
			t.Errorf("after it was moved on there are %v", items)
		}
	}
	clock.Set(newYear)
	for _, db := range dbs {
		db.Seed("table", attributes{"a": s("y"), "b": in(0)})
		if items := scan(t, db, "table"); len(items) != 1 {
			t.Errorf("after it was set back there are %v", items)
		}
	}
}

// TestClockRace moves a clock while its databases are opened, used and closed.
func TestClockRace(t *testing.T) {
	t.Parallel()
	clock := NewClock(newYear)
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 5 {
				db, err := Open(WithClock(clock))
				if err != nil {
					t.Error(err)
					return
				}
				expiring(t, db)
				db.Seed("table", attributes{"a": s("x"), "b": in(time.Hour)})
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	users.Go(func() {
		for range 50 {
			clock.Advance(time.Minute)
		}
	})
	users.Wait()
	if want := newYear.Add(50 * time.Minute); !clock.Now().Equal(want) {
		t.Errorf("the clock shows %v, want %v", clock.Now(), want)
	}
}

// TestClockTableDelay checks that tables, and what they are changed to, come and go by the clock.
func TestClockTableDelay(t *testing.T) {
	t.Parallel()
	clock := NewClock(newYear)
	db := New(t, WithClock(clock), WithTableDelay(time.Minute))
	name := aws.String("table")
	status := func() types.TableStatus {
		out, err := db.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Table.TableStatus
	}
	if got := db.CreateTable(Table("table", "a:S")).TableStatus; got != types.TableStatusCreating {
		t.Errorf("a new table is %s", got)
	}
	clock.Advance(time.Minute)
	if got := status(); got != types.TableStatusActive {
		t.Errorf("after the delay it is %s", got)
	}
	_, err := db.Client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName:               name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("b"), Enabled: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []types.TimeToLiveStatus{types.TimeToLiveStatusEnabling, types.TimeToLiveStatusEnabled} {
		out, err := db.Client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: name})
		if err != nil || out.TimeToLiveDescription.TimeToLiveStatus != want {
			t.Errorf("time to live: %v, %v, want %s", out, err, want)
		}
		clock.Advance(time.Minute)
	}
	if _, err := db.Client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: name}); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != types.TableStatusDeleting {
		t.Errorf("a deleted table is %s", got)
	}
	clock.Set(clock.Now().Add(time.Minute))
	if tables, err := db.Client.ListTables(t.Context(), nil); err != nil || len(tables.TableNames) != 0 {
		t.Errorf("after the deletion there are %v, %v", tables, err)
	}
}
