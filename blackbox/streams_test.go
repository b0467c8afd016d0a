package blackbox_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/partita-db/partita"
)

// streamsOf is a client of the streams API for the server of c.
func streamsOf(c *dynamodb.Client) *dynamodbstreams.Client {
	o := c.Options()
	return dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: aws.NopRetryer{},
	})
}

// streamed makes a table with the string a as its key and a stream, and returns its name and the
// stream's ARN.
func streamed(t testing.TB, c *dynamodb.Client, view types.StreamViewType) (table, arn *string) {
	t.Helper()
	name := fmt.Sprintf("table-%d", tables.Add(1))
	out := must(c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("a"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: new("a"), KeyType: types.KeyTypeHash}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: view},
	}))(t)
	return &name, out.TableDescription.LatestStreamArn
}

// switchStream switches a table's stream on with the view type, or with an empty one off, and
// returns the latest ARN.
func switchStream(t testing.TB, table *string, view types.StreamViewType) *string {
	t.Helper()
	out := must(client.UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName: table, StreamSpecification: &types.StreamSpecification{StreamEnabled: new(view != ""), StreamViewType: view},
	}))(t)
	return out.TableDescription.LatestStreamArn
}

// shardsOf returns the ids of a stream's shards, read in pages of three.
func shardsOf(t testing.TB, c *dynamodbstreams.Client, arn *string) (ids []string) {
	t.Helper()
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: arn, Limit: new(int32(3))}
	for {
		d := must(c.DescribeStream(ctx, in))(t).StreamDescription
		for _, s := range d.Shards {
			ids = append(ids, *s.ShardId)
		}
		if in.ExclusiveStartShardId = d.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return ids
		}
	}
}

// iterator returns a shard's iterator of the kind.
func iterator(t testing.TB, c *dynamodbstreams.Client, arn *string, shard string, kind streamtypes.ShardIteratorType, number *string) *string {
	t.Helper()
	return must(c.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: &shard, ShardIteratorType: kind, SequenceNumber: number,
	}))(t).ShardIterator
}

// drain reads what there is from an iterator on, and returns the iterator to go on with; nil if the
// shard has ended.
func drain(t testing.TB, c *dynamodbstreams.Client, it *string, limit int32) (rs []streamtypes.Record, next *string) {
	t.Helper()
	for it != nil {
		out := must(c.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it, Limit: &limit}))(t)
		it = out.NextShardIterator
		if rs = append(rs, out.Records...); len(out.Records) == 0 {
			break
		}
	}
	return rs, it
}

// whole reads all of a stream, shard by shard, and tells how many shards are closed.
func whole(t testing.TB, c *dynamodbstreams.Client, arn *string) (rs []streamtypes.Record, closed int) {
	t.Helper()
	for _, shard := range shardsOf(t, c, arn) {
		page, next := drain(t, c, iterator(t, c, arn, shard, "TRIM_HORIZON", nil), 7)
		if rs = append(rs, page...); next == nil {
			closed++
		}
	}
	return rs, closed
}

// image shows an image, - if there is none.
func image(t testing.TB, it map[string]streamtypes.AttributeValue) string {
	t.Helper()
	if it == nil {
		return "-"
	}
	return show(must(attributevalue.FromDynamoDBStreamsMap(it))(t))
}

// change shows a record: what happened to which key, and both images.
func change(t testing.TB, r streamtypes.Record) string {
	t.Helper()
	return fmt.Sprintf("%s %s new %s old %s", r.EventName, image(t, r.Dynamodb.Keys), image(t, r.Dynamodb.NewImage), image(t, r.Dynamodb.OldImage))
}

// changes shows all of a stream, a record a line, by key. Records of one key stay in order.
func changes(t testing.TB, arn *string) string {
	t.Helper()
	rs, _ := whole(t, streamsOf(client), arn)
	slices.SortStableFunc(rs, func(a, b streamtypes.Record) int {
		return strings.Compare(image(t, a.Dynamodb.Keys), image(t, b.Dynamodb.Keys))
	})
	var lines []string
	for _, r := range rs {
		lines = append(lines, change(t, r))
	}
	return strings.Join(lines, "\n")
}

// TestStreamViews makes the same changes with each view type.
func TestStreamViews(t *testing.T) {
	const one, two, three = `{a: "x", n: 1, s: SS("p", "q")}`, `{a: "x", n: 2, s: SS("p", "q")}`, `{a: "x", b: "put"}`
	for _, c := range []struct {
		view     types.StreamViewType
		new, old bool
	}{
		{types.StreamViewTypeKeysOnly, false, false}, {types.StreamViewTypeNewImage, true, false},
		{types.StreamViewTypeOldImage, false, true}, {types.StreamViewTypeNewAndOldImages, true, true},
	} {
		t.Run(string(c.view), func(t *testing.T) {
			table, arn := streamed(t, client, c.view)
			key := attrs{"a": s("x")}
			add := func(amount string) {
				must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
					TableName: table, Key: key, UpdateExpression: new("ADD n :n"), ExpressionAttributeValues: attrs{":n": n(amount)},
				}))(t)
			}
			put(t, table, attrs{"a": s("x"), "n": n("1"), "s": ss("p", "q")})
			put(t, table, attrs{"a": s("x"), "n": n("1.00"), "s": ss("q", "p")}) // the same
			add("1")
			add("0") // the same
			put(t, table, attrs{"a": s("x"), "b": s("put")})
			for range 2 { // the second time there is nothing to delete
				must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key}))(t)
			}
			must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*table: {
				{PutRequest: &types.PutRequest{Item: attrs{"a": s("y")}}}, {DeleteRequest: &types.DeleteRequest{Key: attrs{"a": s("z")}}},
			}}}))(t)
			line := func(event, key, new, old string) string {
				if !c.new {
					new = "-"
				}
				if !c.old {
					old = "-"
				}
				return fmt.Sprintf("%s %s new %s old %s", event, key, new, old)
			}
			same(t, "the stream", changes(t, arn), strings.Join([]string{
				line("INSERT", `{a: "x"}`, one, "-"),
				line("MODIFY", `{a: "x"}`, two, one),
				line("MODIFY", `{a: "x"}`, three, two),
				line("REMOVE", `{a: "x"}`, "-", three),
				line("INSERT", `{a: "y"}`, `{a: "y"}`, "-"),
			}, "\n"))
		})
	}
}

// TestStreamPlaces: where the types of iterators begin, seen from between two writes of one item.
func TestStreamPlaces(t *testing.T) {
	streams := streamsOf(client)
	table, arn := streamed(t, client, types.StreamViewTypeNewImage)
	it := func(v string) attrs { return attrs{"a": s("x"), "v": n(v)} }
	put(t, table, it("1"), it("2"), it("3"))
	// The item's shard is the one with its records.
	var shard string
	var rs []streamtypes.Record
	latest := map[string]*string{}
	for _, id := range shardsOf(t, streams, arn) {
		latest[id] = iterator(t, streams, arn, id, "LATEST", nil)
		if got, _ := drain(t, streams, iterator(t, streams, arn, id, "TRIM_HORIZON", nil), 1); len(got) > 0 {
			shard, rs = id, got
		}
	}
	same(t, "shards", len(latest), 4)
	put(t, table, it("4"))
	read := func(kind streamtypes.ShardIteratorType, number *string) string {
		var versions []string
		place := latest[shard]
		if kind != "LATEST" {
			place = iterator(t, streams, arn, shard, kind, number)
		}
		got, next := drain(t, streams, place, 2)
		for _, r := range got {
			versions = append(versions, r.Dynamodb.NewImage["v"].(*streamtypes.AttributeValueMemberN).Value)
		}
		if next == nil {
			t.Errorf("%s: an open shard has no next iterator", kind)
		}
		return strings.Join(versions, " ")
	}
	second := rs[1].Dynamodb.SequenceNumber
	same(t, "TRIM_HORIZON", read("TRIM_HORIZON", nil), "1 2 3 4")
	same(t, "LATEST", read("LATEST", nil), "4")
	same(t, "AT_SEQUENCE_NUMBER", read("AT_SEQUENCE_NUMBER", second), "2 3 4")
	same(t, "AFTER_SEQUENCE_NUMBER", read("AFTER_SEQUENCE_NUMBER", second), "3 4")
	_, err := streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: &shard, ShardIteratorType: "AT_TIMESTAMP", Timestamp: new(time.Now().Add(time.Hour)),
	})
	invalid(t, err, "Timestamp must not be in the future")
	out := must(streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: &shard, ShardIteratorType: "AT_TIMESTAMP", Timestamp: rs[0].Dynamodb.ApproximateCreationDateTime,
	}))(t)
	if got, _ := drain(t, streams, out.ShardIterator, 100); len(got) != 4 {
		t.Errorf("from the time of the first record on there are %d records, want 4", len(got))
	}
	// The same record has the same id and number every time.
	again, _ := drain(t, streams, iterator(t, streams, arn, shard, "AT_SEQUENCE_NUMBER", second), 1)
	same(t, "the second record, read again", *again[0].EventID+*again[0].Dynamodb.SequenceNumber, *rs[1].EventID+*second)
}

// TestStreamSwitchedOff: the next stream of a table is another one, and both stay readable; after
// the table is gone, too.
func TestStreamSwitchedOff(t *testing.T) {
	streams := streamsOf(client)
	table, first := streamed(t, client, types.StreamViewTypeKeysOnly)
	put(t, table, attrs{"a": s("first")})
	if latest := switchStream(t, table, ""); *latest != *first {
		t.Errorf("LatestStreamArn is %s after %s was switched off", *latest, *first)
	}
	put(t, table, attrs{"a": s("unseen")})
	second := switchStream(t, table, types.StreamViewTypeNewImage)
	if *second == *first {
		t.Errorf("both streams are %s", *first)
	}
	put(t, table, attrs{"a": s("second")})
	must(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table}))(t)
	same(t, "first stream", changes(t, first), `INSERT {a: "first"} new - old -`)
	same(t, "second stream", changes(t, second), `INSERT {a: "second"} new {a: "second"} old -`)
	for _, arn := range []*string{first, second} {
		if _, closed := whole(t, streams, arn); closed != 4 {
			t.Errorf("%d shards of %s have an end, want 4", closed, *arn)
		}
		status := must(streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: arn}))(t).StreamDescription.StreamStatus
		same(t, "status", status, streamtypes.StreamStatusDisabled)
	}
	listed := must(streams.ListStreams(ctx, &dynamodbstreams.ListStreamsInput{TableName: table}))(t).Streams
	if len(listed) != 2 || *listed[0].StreamArn != *first || *listed[1].StreamArn != *second {
		t.Errorf("%d streams of %s are listed", len(listed), *table)
	}
}

// follower reads all shards of a stream and wants of each item every change, once and in order.
// Items count their versions in v, from 1 on; whoever deletes one lets it begin anew.
type follower struct {
	t       testing.TB
	arn     *string
	random  *rand.Rand
	version map[string]int     // of the items that there are
	last    map[string]*string // the last sequence number of each shard
	next    map[string]*string // the iterators to go on with
	seen    int
}

// newFollower returns a follower of a stream from its beginning on.
func newFollower(t testing.TB, arn *string, seed uint64) *follower {
	return &follower{
		t: t, arn: arn, random: rand.New(rand.NewPCG(seed, 0)), version: map[string]int{}, last: map[string]*string{}, next: map[string]*string{},
	}
}

// follow reads until done says so and no shard has more.
func (f *follower) follow(c *dynamodbstreams.Client, done func() bool) {
	shards := shardsOf(f.t, c, f.arn)
	for {
		ending, read := done(), 0
		for _, shard := range shards {
			read += f.page(c, shard)
		}
		if ending && read == 0 || f.t.Failed() {
			return
		}
	}
}

// page reads one page of a shard: from the last iterator, or, as a consumer that was restarted,
// from the last record.
func (f *follower) page(c *dynamodbstreams.Client, shard string) int {
	it := f.next[shard]
	switch {
	case it == nil && f.last[shard] == nil:
		it = iterator(f.t, c, f.arn, shard, "TRIM_HORIZON", nil)
	case it == nil || f.last[shard] != nil && f.random.IntN(10) == 0:
		it = iterator(f.t, c, f.arn, shard, "AFTER_SEQUENCE_NUMBER", f.last[shard])
	}
	out := must(c.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it, Limit: new(1 + f.random.Int32N(50))}))(f.t)
	f.next[shard] = out.NextShardIterator
	for _, r := range out.Records {
		f.check(r)
		f.last[shard] = r.Dynamodb.SequenceNumber
	}
	return len(out.Records)
}

// check wants a record to be the next change of its item.
func (f *follower) check(r streamtypes.Record) {
	f.seen++
	key := r.Dynamodb.Keys["a"].(*streamtypes.AttributeValueMemberS).Value
	version := func(image map[string]streamtypes.AttributeValue) int {
		if image == nil {
			return 0
		}
		v, err := strconv.Atoi(image["v"].(*streamtypes.AttributeValueMemberN).Value)
		if err != nil {
			f.t.Error(err)
		}
		return v
	}
	was, old, new := f.version[key], version(r.Dynamodb.OldImage), version(r.Dynamodb.NewImage)
	if old != was || new != 0 && new != was+1 {
		f.t.Errorf("%s of %s goes from version %d to %d, after version %d", r.EventName, key, old, new, was)
	}
	if f.version[key] = new; new == 0 {
		delete(f.version, key)
	}
}

// writers write until each has made so many requests, and return how many changes they made.
func writers(t testing.TB, c *dynamodb.Client, table *string, seed uint64, requests int) (changes int) {
	var all sync.WaitGroup
	var made atomic.Int64
	for w := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(w+1)))
		all.Go(func() {
			own := ownItems{c: c, table: table, name: fmt.Sprintf("own-%d-%d", seed, w), version: map[string]int{}}
			for i := 0; i < requests && !t.Failed(); i++ {
				var n int
				var err error
				switch random.IntN(6) {
				case 0:
					n, err = own.batch(random)
				case 1:
					n, err = transact(c, table, random)
				case 2:
					n, err = remove(c, table, random)
				default:
					n, err = 1, count(c, table, shared(random))
				}
				if err != nil {
					t.Error(err)
				}
				made.Add(int64(n))
			}
		})
	}
	all.Wait()
	return int(made.Load())
}

// shared is an item that all writers write.
func shared(random *rand.Rand) string { return fmt.Sprint("shared", random.IntN(40)) }

// count makes an item's next version.
func count(c *dynamodb.Client, table *string, key string) error {
	_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: table, Key: attrs{"a": s(key)}, UpdateExpression: new("ADD v :one"), ExpressionAttributeValues: attrs{":one": n("1")},
	})
	return err
}

// remove deletes a shared item, which is a change if it was there.
func remove(c *dynamodb.Client, table *string, random *rand.Rand) (int, error) {
	out, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: table, Key: attrs{"a": s(shared(random))}, ReturnValues: types.ReturnValueAllOld,
	})
	if err != nil || out.Attributes == nil {
		return 0, err
	}
	return 1, nil
}

// transact makes the next versions of some shared items at once, unless others are at them.
func transact(c *dynamodb.Client, table *string, random *rand.Rand) (int, error) {
	keys := map[string]bool{}
	for range 2 + random.IntN(4) {
		keys[shared(random)] = true
	}
	var actions []types.TransactWriteItem
	for key := range keys {
		actions = append(actions, types.TransactWriteItem{Update: &types.Update{
			TableName: table, Key: attrs{"a": s(key)}, UpdateExpression: new("ADD v :one"), ExpressionAttributeValues: attrs{":one": n("1")},
		}})
	}
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: actions})
	if err != nil && strings.Contains(err.Error(), "TransactionConflict") {
		return 0, nil
	}
	return len(actions), err
}

// ownItems are items that only one writer writes, in batches.
type ownItems struct {
	c       *dynamodb.Client
	table   *string
	name    string
	version map[string]int
}

// batch puts the next versions of some items and deletes others.
func (o *ownItems) batch(random *rand.Rand) (changes int, err error) {
	keys := map[string]bool{}
	for range 1 + random.IntN(25) {
		keys[fmt.Sprint(o.name, "-", random.IntN(40))] = true
	}
	var requests []types.WriteRequest
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch version := o.version[key]; {
		case random.IntN(4) > 0:
			o.version[key]++
			changes++
			item := attrs{"a": s(key), "v": n(fmt.Sprint(version + 1)), "x": s(strings.Repeat("x", random.IntN(500)))}
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		default:
			if version > 0 {
				changes++
			}
			delete(o.version, key)
			requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: attrs{"a": s(key)}}})
		}
	}
	out, err := o.c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*o.table: requests}})
	if err == nil && len(out.UnprocessedItems) > 0 {
		err = fmt.Errorf("%d items are unprocessed", len(out.UnprocessedItems[*o.table]))
	}
	return changes, err
}

// versions are those of all items of a table.
func versions(t testing.TB, c *dynamodb.Client, table *string) map[string]int {
	t.Helper()
	all := map[string]int{}
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: table, ConsistentRead: new(true)})
	for pages.HasMorePages() {
		for _, it := range must(pages.NextPage(ctx))(t).Items {
			v, err := strconv.Atoi(it["v"].(*types.AttributeValueMemberN).Value)
			if err != nil {
				t.Error(err)
			}
			all[it["a"].(*types.AttributeValueMemberS).Value] = v
		}
	}
	return all
}

// TestFollowStream has writers write singly, in batches and in transactions on the same items while
// a consumer follows, over restarts of the database. It sees each change once and in order, and so
// does one that reads all of the stream afterwards; what they add up to is the table.
func TestFollowStream(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	requests := 80
	if testing.Short() {
		requests = 40
	}
	o := partita.Options{Dir: t.TempDir()}
	var table *string
	var f *follower
	made := 0
	for round := range uint64(3) {
		d := open(t, o) // with the clock of the first time again: positions go on
		if round == 0 {
			var arn *string
			table, arn = streamed(t, d.Client, types.StreamViewTypeNewAndOldImages)
			f = newFollower(t, arn, seed)
		}
		streams := streamsOf(d.Client)
		var written atomic.Bool
		var reading sync.WaitGroup
		reading.Go(func() { f.follow(streams, written.Load) })
		made += writers(t, d.Client, table, seed+round, requests)
		written.Store(true)
		reading.Wait()
		again := newFollower(t, f.arn, seed)
		again.follow(streams, func() bool { return true })
		stored := versions(t, d.Client, table)
		for _, f := range []*follower{f, again} {
			same(t, "changes", f.seen, made)
			if !maps.Equal(f.version, stored) {
				t.Errorf("the stream adds up to %d items, and the table has %d, or others", len(f.version), len(stored))
			}
		}
		d.close(t)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d changes", made)
}
