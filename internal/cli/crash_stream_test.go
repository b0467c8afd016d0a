package cli

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// streamed is what the clients know of the table's stream.
type streamed struct {
	arn string

	mu sync.Mutex
	// shown are, by shard, the sequence numbers of all records that a reader was shown.
	shown map[string][]string
}

// apiOf is the prefix of an operation's target.
func apiOf(operation string) string {
	switch operation {
	case "DescribeStream", "GetShardIterator", "GetRecords":
		return "DynamoDBStreams_20120810."
	}
	return "DynamoDB_20120810."
}

// follow reads on in all shards, from the last records that were shown, until the server is gone.
func (w *streamed) follow(ctx context.Context, s *child) {
	iterators := map[string]string{}
	for _, shard := range w.shards(s) {
		it, err := w.iterator(ctx, s, shard)
		if err != nil {
			refused(s, err)
			return
		}
		iterators[shard] = it
	}
	for {
		for shard, it := range iterators {
			out, err := s.call(ctx, "GetRecords", object{"ShardIterator": it})
			if err != nil {
				refused(s, err)
				return
			}
			iterators[shard] = out["NextShardIterator"].(string)
			w.show(shard, out)
		}
	}
}

// refused reports an error that is an answer: a dying server gives none.
func refused(s *child, err error) {
	if answer := (*refusal)(nil); errors.As(err, &answer) {
		s.t.Errorf("reader of the stream: %v", err)
	}
}

// shards returns the ids of the stream's shards.
func (w *streamed) shards(s *child) (ids []string) {
	out, err := s.call(context.Background(), "DescribeStream", object{"StreamArn": w.arn})
	if err != nil {
		refused(s, err)
		return nil
	}
	for _, shard := range out["StreamDescription"].(object)["Shards"].([]any) {
		ids = append(ids, shard.(object)["ShardId"].(string))
	}
	return ids
}

// iterator goes on after the last record of a shard that was shown.
func (w *streamed) iterator(ctx context.Context, s *child, shard string) (string, error) {
	in := object{"StreamArn": w.arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
	w.mu.Lock()
	if shown := w.shown[shard]; len(shown) > 0 {
		in["ShardIteratorType"], in["SequenceNumber"] = "AFTER_SEQUENCE_NUMBER", shown[len(shown)-1]
	}
	w.mu.Unlock()
	out, err := s.call(ctx, "GetShardIterator", in)
	if err != nil {
		return "", err
	}
	return out["ShardIterator"].(string), nil
}

// show notes the records of a page.
func (w *streamed) show(shard string, page object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range page["Records"].([]any) {
		w.shown[shard] = append(w.shown[shard], r.(object)["dynamodb"].(object)["SequenceNumber"].(string))
	}
}

// verify reads the stream from its beginning: it begins with all that a reader was ever shown, each
// change begins with what the one before it made of the item, and at the end there is what the
// table has: the stored values, and the counter.
func (w *streamed) verify(s *child, stored map[string]string, counter int) {
	s.t.Helper()
	items := map[string]object{}
	for _, shard := range w.shards(s) {
		before := w.shown[shard]
		w.shown[shard] = nil
		w.replay(s, shard, items)
		if now := w.shown[shard]; len(now) < len(before) || !slices.Equal(now[:len(before)], before) {
			s.t.Errorf("shard %s has %d records, which are not, or do not begin with, the %d that were shown", shard, len(now), len(before))
		}
	}
	if count, ok := items[crashCounter]; ok {
		if got, want := count["n"], any(object{"N": fmt.Sprint(counter)}); !reflect.DeepEqual(got, want) {
			s.t.Errorf("the stream leaves the counter at %v, and it is %v", got, want)
		}
		delete(items, crashCounter)
	}
	for key, it := range items {
		if want := stored[key]; !reflect.DeepEqual(it["v"], any(str(want))) {
			s.t.Errorf("the stream leaves item %s at %.40v, and it is %.40q", key, it["v"], want)
		}
	}
	if len(items) != len(stored) {
		s.t.Errorf("the stream leaves %d items, and there are %d", len(items), len(stored))
	}
}

// replay applies all records of a shard to the items.
func (w *streamed) replay(s *child, shard string, items map[string]object) {
	s.t.Helper()
	it, err := w.iterator(context.Background(), s, shard)
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		page := s.must("GetRecords", object{"ShardIterator": it})
		if len(page["Records"].([]any)) == 0 {
			return
		}
		w.show(shard, page)
		it = page["NextShardIterator"].(string)
		for _, r := range page["Records"].([]any) {
			r := r.(object)["dynamodb"].(object)
			key := r["Keys"].(object)["k"].(object)["S"].(string)
			old, _ := r["OldImage"].(object)
			new, _ := r["NewImage"].(object)
			if was := items[key]; !reflect.DeepEqual(was, old) {
				s.t.Errorf("a change of item %s begins with %.60v, after %.60v", key, old, was)
			}
			if items[key] = new; new == nil {
				delete(items, key)
			}
		}
	}
}
