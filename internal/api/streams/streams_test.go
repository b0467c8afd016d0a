package streams

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// TestBefore: the position below one, which for the first is itself.
func TestBefore(t *testing.T) {
	for _, c := range []struct{ p, want schema.Position }{
		{schema.Position{}, schema.Position{}},
		{schema.Position{15: 1}, schema.Position{}},
		{schema.Position{7: 1}, schema.Position{8: 0xFF, 9: 0xFF, 10: 0xFF, 11: 0xFF, 12: 0xFF, 13: 0xFF, 14: 0xFF, 15: 0xFF}},
		{schema.Position{14: 1, 15: 0}, schema.Position{15: 0xFF}},
	} {
		if got := before(c.p); got != c.want {
			t.Errorf("before(%x) = %x, want %x", c.p, got, c.want)
		}
	}
}

// FuzzIterator: nothing but what appendIterator made is an iterator, and it is what it was.
func FuzzIterator(f *testing.F) {
	const arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Tab/stream/2026-01-02T03:04:05.000"
	it := iterator{log: 1 << 33, shard: 3, after: schema.Position{1, 2, 3}, made: time.UnixMilli(1_700_000_000_123)}
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

// TestIteratorOfAnother hides the iterator of a stream that must not be read behind the ARN of one
// that may be: what counts is what would be read.
func TestIteratorOfAnother(t *testing.T) {
	d := dbtest.Open(t, dbtest.Options{}).DB
	_, err := d.Create(t.Context(), &schema.Descriptor{
		Namespace: schema.DefaultNamespace, Name: "Secret", Billing: schema.PayPerRequest, StreamViewType: "KEYS_ONLY",
		Attributes: []schema.AttributeDefinition{{Name: "k", Type: item.S}}, Keys: []schema.KeyElement{{Name: "k"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := d.Streams(schema.DefaultNamespace, "Secret", "", "", 1)
	const open = "arn:aws:dynamodb:us-east-1:000000000000:table/Open/stream/2026"
	forged := appendIterator(nil, open, iterator{log: secret[0].ID, made: d.Now(), after: d.Horizon(secret[0], 0)})
	policy, err := iam.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:GetRecords",
		"Resource":"arn:aws:dynamodb:*:*:table/Open/stream/*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := call.New(d, nil, make(chan struct{}, 1))
	r := &call.Request{Body: fmt.Appendf(nil, `{"ShardIterator":%q}`, forged)}
	for range 2 { // as somebody who is not asked about, then as somebody who may read the other stream
		c.Begin(t.Context(), r, "us-east-1", nil)
		err := GetRecords(c)
		c.End()
		var e *wire.Error
		if denied := errors.As(err, &e) && e.Code == "AccessDeniedException"; denied != (r.Principal != nil) || err != nil && !denied {
			t.Errorf("as %v: %v", r.Principal, err)
		}
		r.Principal = &iam.Principal{User: "ann", Policy: policy}
	}
}

// TestIteratorAge: an iterator lives for its time, and one that a wrong clock made does not live
// until then.
func TestIteratorAge(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		age  time.Duration
		over bool
	}{
		{0, false}, {db.IteratorAge, false}, {db.IteratorAge + 1, true}, {-db.IteratorAge, false}, {-db.IteratorAge - 1, true},
		{-20 * 365 * 24 * time.Hour, true}, {-1 << 62, true},
	} {
		it := iterator{made: now.Add(-c.age)}
		if got := it.expired(now) != nil; got != c.over {
			t.Errorf("an iterator made %v ago has expired: %v, want %v", c.age, got, c.over)
		}
	}
}
