package partita_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/metrics"
)

// codeOf is the exception that an SDK met, empty for none.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	var refused smithy.APIError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refused):
		t.Fatal(err)
	}
	return refused.ErrorCode()
}

// heldUpdate is an engine one of whose updates stays in its latches until it may go on.
type heldUpdate struct {
	kv.Engine
	armed  atomic.Bool
	begun  chan struct{} // closed when the update is there
	let    chan struct{}
	letOne sync.Once
}

func (h *heldUpdate) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if !h.armed.CompareAndSwap(true, false) {
		return h.Engine.Update(ctx, o, fn)
	}
	return h.Engine.Update(ctx, o, func(tx kv.Txn) error {
		close(h.begun)
		<-h.let
		return fn(tx)
	})
}

// release lets the update go on.
func (h *heldUpdate) release() { h.letOne.Do(func() { close(h.let) }) }

// TestThrottledRequestsAreCounted sends requests while there are as many as may be, and others that
// wait in vain for an item's latch.
func TestThrottledRequestsAreCounted(t *testing.T) {
	for _, test := range []struct {
		name     string
		o        partita.Options
		timeouts float64
	}{
		{"too many requests", partita.Options{MaxRequests: 1}, 0},
		{"a latch", partita.Options{}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := pebblekv.Open(pebblekv.Options{InMemory: true, LatchTimeout: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			held := &heldUpdate{Engine: e, begun: make(chan struct{}), let: make(chan struct{})}
			test.o.Engine = held
			w := watch(t, test.o)
			t.Cleanup(held.release)
			w.makeSimple("Tab")
			held.armed.Store(true)
			first := make(chan error, 1)
			go func() { first <- w.putInto("Tab", 1, time.Time{}) }()
			<-held.begun
			for range 3 {
				if code := codeOf(t, w.putInto("Tab", 1, time.Time{})); code != "ThrottlingException" {
					t.Errorf("answered %q, want ThrottlingException", code)
				}
			}
			held.release()
			if err := <-first; err != nil {
				t.Error(err)
			}
			w.settled(5)
			w.expect(map[string]float64{
				`requests_total{code="OK",operation="PutItem"}`:                  1,
				`requests_total{code="ThrottlingException",operation="PutItem"}`: 3,
				`throttled_requests_total{operation="PutItem"}`:                  3,
				`throttled_requests_total{operation="CreateTable"}`:              0,
				`engine_latch_timeouts_total`:                                    test.timeouts,
				`request_duration_seconds_count{operation="PutItem"}`:            4,
				`requests_in_flight`:                                             0,
			})
		})
	}
}

// TestRefusedRequestsAreCounted calls as nobody, as somebody else, too late, and for more than is
// allowed.
func TestRefusedRequestsAreCounted(t *testing.T) {
	keys, err := partita.ParseCredentials([]byte(`{"credentials": [
		{"accessKeyId": "AKIALL", "secretAccessKey": "secret", "policy": {"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}]}},
		{"accessKeyId": "ASIAENDED", "secretAccessKey": "ended", "sessionToken": "token", "expires": "2020-01-01T00:00:00Z",
		 "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	w, ctx := watch(t, partita.Options{Credentials: keys}), context.Background()
	w.clock.Set(time.Now()) // the SDK signs with the time of the day
	call := func(id, secret, token, want string, operation func(*dynamodb.Client) error) {
		t.Helper()
		// Each has a client of its own, as an SDK's keeps what it has derived from a secret by the
		// access key.
		o := dynamodb.Options{BaseEndpoint: w.client.Options().BaseEndpoint, Region: "us-east-1", Retryer: aws.NopRetryer{}, HTTPClient: w.client.Options().HTTPClient}
		o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token)
		if id == "" {
			o.Credentials = aws.AnonymousCredentials{}
		}
		if got := codeOf(t, operation(dynamodb.New(o))); got != want {
			t.Errorf("as %q: answered %q, want %q", id, got, want)
		}
	}
	list := func(c *dynamodb.Client) error { _, err := c.ListTables(ctx, nil); return err }
	describe := func(c *dynamodb.Client) error { _, err := c.DescribeLimits(ctx, nil); return err }
	call("AKIALL", "secret", "", "", list)
	for range 2 {
		call("AKIALL", "wrong", "", "InvalidSignatureException", list)
	}
	for range 3 {
		call("AKIANOBODY", "secret", "", "UnrecognizedClientException", list)
	}
	for range 4 {
		call("ASIAENDED", "ended", "token", "ExpiredTokenException", describe)
	}
	for range 5 {
		call("AKIALL", "secret", "", "AccessDeniedException", describe)
	}
	call("", "", "", "MissingAuthenticationTokenException", list)
	w.settled(16)
	w.expect(map[string]float64{
		`auth_failures_total{code="InvalidSignatureException"}`:                             2,
		`auth_failures_total{code="UnrecognizedClientException"}`:                           3,
		`auth_failures_total{code="ExpiredTokenException"}`:                                 4,
		`auth_failures_total{code="AccessDeniedException"}`:                                 5,
		`auth_failures_total{code="MissingAuthenticationTokenException"}`:                   1,
		`auth_failures_total{code="IncompleteSignatureException"}`:                          0,
		`auth_failures_total{code="Forbidden"}`:                                             0,
		`requests_total{code="OK",operation="ListTables"}`:                                  1,
		`requests_total{code="InvalidSignatureException",operation="ListTables"}`:           2,
		`requests_total{code="UnrecognizedClientException",operation="ListTables"}`:         3,
		`requests_total{code="MissingAuthenticationTokenException",operation="ListTables"}`: 1,
		`requests_total{code="ExpiredTokenException",operation="DescribeLimits"}`:           4,
		`requests_total{code="AccessDeniedException",operation="DescribeLimits"}`:           5,
		`requests_total{code="OK",operation="DescribeLimits"}`:                              -1,
		`throttled_requests_total{operation="ListTables"}`:                                  0,
		`request_duration_seconds_count{operation="DescribeLimits"}`:                        9,
	})
	for _, secret := range []string{"secret\"", "wrong", "token\""} {
		if strings.Contains(w.log.String()+w.text(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// TestMoreTablesThanSeries makes three tables, and three indexes, more than have series of their
// own, writes to all of them, and looks at the sums of the rest; the sums outlive the tables.
func TestMoreTablesThanSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand tables take long under the race detector")
	}
	w, ctx := watch(t, partita.Options{}), context.Background()
	const perTable = 20
	indexed := metrics.MaxIndexes/perTable + 1 // tables with indexes
	tables := metrics.MaxTables + 3
	name := func(i int) string { return fmt.Sprintf("t%04d", i) }
	var wg sync.WaitGroup
	make := func(i int) {
		in := &dynamodb.CreateTableInput{
			TableName: aws.String(name(i)), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
		}
		for x := 0; i < indexed && x < perTable && i*perTable+x < metrics.MaxIndexes+3; x++ {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
				IndexName: aws.String(fmt.Sprintf("x%02d", x)), Projection: &types.Projection{ProjectionType: "KEYS_ONLY"},
				KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("sk"), KeyType: "HASH"}},
			})
		}
		if _, err := w.client.CreateTable(ctx, in); err != nil {
			t.Error(err)
		}
	}
	for i := range indexed {
		make(i)
	}
	for i := indexed; i < metrics.MaxTables; i++ {
		wg.Go(func() { make(i) })
	}
	wg.Wait()
	for i := metrics.MaxTables; i < tables; i++ {
		make(i)
	}
	last := indexed - 1 // the table with indexes of both kinds, own and shared
	for _, i := range []int{0, last, tables - 3, tables - 2, tables - 1, tables - 1} {
		if err := w.putInto(name(i), 1, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	shared := map[string]float64{
		`consumed_capacity_units_total{index="",kind="write",table="(others)"}`:           4,
		`consumed_capacity_units_total{index="(others)",kind="write",table="(others)"}`:   3,
		`consumed_capacity_units_total{index="",kind="write",table="t0000"}`:              1,
		`consumed_capacity_units_total{index="x19",kind="write",table="t0000"}`:           1,
		`consumed_capacity_units_total{index="",kind="write",table="` + name(last) + `"}`: 1,
	}
	want := map[string]float64{
		"tables":                                 float64(tables),
		`table_items{index="",table="(others)"}`: 3,
		`table_items{index="(others)",table="(others)"}`:      3,
		`table_items{index="",table="t1002"}`:                 -1,
		`table_items{index="x00",table="` + name(last) + `"}`: -1,
	}
	w.expect(shared)
	w.expect(want)
	for _, i := range []int{tables - 1, tables - 2} {
		if _, err := w.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(name(i))}); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(shared)
	w.expect(map[string]float64{"tables": float64(tables - 2), `table_items{index="",table="(others)"}`: 1})
}
