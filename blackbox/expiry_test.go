package blackbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// setExpiry switches time to live on or off.
func setExpiry(t testing.TB, table *string, attribute string, enabled bool) {
	t.Helper()
	out := must(updateExpiry(table, attribute, enabled))(t)
	same(t, "answer", fmt.Sprint(*out.TimeToLiveSpecification.AttributeName, " ", *out.TimeToLiveSpecification.Enabled), fmt.Sprint(attribute, " ", enabled))
}

func updateExpiry(table *string, attribute string, enabled bool) (*dynamodb.UpdateTimeToLiveOutput, error) {
	return client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &enabled},
	})
}

// awaitExpiry waits until DescribeTimeToLive shows the status, and returns the attribute.
func awaitExpiry(t testing.TB, table *string, status types.TimeToLiveStatus) string {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		out := must(client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: table}))(t).TimeToLiveDescription
		switch {
		case out.TimeToLiveStatus != status:
		case out.AttributeName == nil:
			return ""
		default:
			return *out.AttributeName
		}
	}
	t.Fatalf("the time to live of %s is not %s after ten seconds", *table, status)
	return ""
}

// awaitGone waits until an item is deleted.
func awaitGone(t testing.TB, table *string, key attrs) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if get(t, table, key) == "none" {
			return
		}
	}
	t.Fatalf("%s is there after twenty seconds", show(key))
}

// unix is a time as an attribute holds it.
func unix(at time.Time) av { return n(fmt.Sprint(at.Unix())) }

// TestExpirySwitch: on, off, and what is refused.
func TestExpirySwitch(t *testing.T) {
	t.Parallel()
	table := simple(t)
	same(t, "attribute", awaitExpiry(t, table, types.TimeToLiveStatusDisabled), "")
	_, err := updateExpiry(table, "e", false)
	invalid(t, err, "TimeToLive is already disabled")
	setExpiry(t, table, "e", true)
	same(t, "attribute", awaitExpiry(t, table, types.TimeToLiveStatusEnabled), "e")
	_, err = updateExpiry(table, "e", true)
	invalid(t, err, "TimeToLive is already enabled")
	_, err = updateExpiry(table, "f", true)
	invalid(t, err, "TimeToLive is active on a different AttributeName: current AttributeName is e")
	setExpiry(t, table, "e", false)
	same(t, "attribute", awaitExpiry(t, table, types.TimeToLiveStatusDisabled), "")
	setExpiry(t, table, "f", true) // AWS would have it wait for half an hour
	same(t, "attribute", awaitExpiry(t, table, types.TimeToLiveStatusEnabled), "f")
	_, err = updateExpiry(new("no-such-table"), "e", true)
	refused(t, err, "ResourceNotFoundException", "Requested resource not found: Table: no-such-table not found")
	_, err = client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: new("no-such-table")})
	refused(t, err, "ResourceNotFoundException", "Requested resource not found: Table: no-such-table not found")
}

// TestExpiry: items that have expired go by themselves, with their rows in the indexes, whether
// they were there before time to live was switched on or are written later; the others stay.
func TestExpiry(t *testing.T) {
	t.Parallel()
	table := schema{hash: "a:S", sort: "b:S",
		global: []index{{name: "global", hash: []string{"g:S"}, project: []string{"ALL"}}},
		local:  []index{{name: "local", sort: []string{"l:N"}}},
	}.table(t)
	now := time.Now()
	item := func(b string, e av) attrs {
		it := attrs{"a": s("a"), "b": s(b), "g": s("g"), "l": n("1")}
		if e != nil {
			it["e"] = e
		}
		return it
	}
	put(t, table, item("before", unix(now.Add(-time.Hour))), item("fraction", n(fmt.Sprintf("%d.25", now.Unix()-2))),
		item("years ago", unix(now.AddDate(-5, 0, 1))), item("more years ago", unix(now.AddDate(-5, 0, -1))),
		item("later", unix(now.Add(time.Hour))), item("never", nil), item("text", s(fmt.Sprint(now.Unix()-100))), item("zero", n("0")),
		item("milliseconds", n(fmt.Sprint(now.UnixMilli()-1000))), item("negative", n(fmt.Sprint(-now.Unix()))))
	setExpiry(t, table, "e", true)
	put(t, table, item("after", unix(now.Add(-time.Minute))), item("soon", unix(now.Add(time.Second))))
	for _, gone := range []string{"before", "fraction", "years ago", "after", "soon"} {
		awaitGone(t, table, attrs{"a": s("a"), "b": s(gone)})
	}
	const left = 7
	for _, x := range []*string{nil, new("global"), new("local")} {
		out := must(client.Scan(ctx, &dynamodb.ScanInput{TableName: table, IndexName: x, Select: types.SelectCount}))(t)
		if out.Count != left {
			t.Errorf("index %v has %d items, want %d", x, out.Count, left)
		}
	}
	// What has expired can be written until it is deleted, and then counts by its new time.
	must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: table, Key: attrs{"a": s("a"), "b": s("later")}, UpdateExpression: new("SET e = :e"),
		ExpressionAttributeValues: attrs{":e": unix(now.Add(-time.Minute))},
	}))(t)
	awaitGone(t, table, attrs{"a": s("a"), "b": s("later")})
}

// TestExpiryStream: the stream tells that nobody deleted an item that has expired.
func TestExpiryStream(t *testing.T) {
	t.Parallel()
	table, arn := streamed(t, client, types.StreamViewTypeOldImage)
	setExpiry(t, table, "e", true)
	past := unix(time.Now().Add(-time.Minute))
	put(t, table, attrs{"a": s("expired"), "e": past}, attrs{"a": s("deleted")})
	must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: attrs{"a": s("deleted")}}))(t)
	awaitGone(t, table, attrs{"a": s("expired")})

	removed := map[string]string{}
	records, _ := whole(t, streamsOf(client), arn)
	for _, r := range records {
		if r.EventName != streamtypes.OperationTypeRemove {
			continue
		}
		by := "user"
		if r.UserIdentity != nil {
			by = *r.UserIdentity.Type + " " + *r.UserIdentity.PrincipalId
		}
		removed[image(t, r.Dynamodb.Keys)] = fmt.Sprint(by, ", ", len(r.Dynamodb.OldImage), " attributes")
	}
	same(t, "removed", fmt.Sprint(removed), `map[{a: "deleted"}:user, 1 attributes {a: "expired"}:Service dynamodb.amazonaws.com, 2 attributes]`)
}
