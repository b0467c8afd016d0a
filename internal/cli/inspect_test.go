package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/inspect"
	attribute "github.com/partita-db/partita/internal/item" // crash_test.go has a function item
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// inspected is a data directory with a bit of everything, which no server has open.
type inspected struct {
	dir   string
	now   time.Time
	table *schema.Table
}

// newInspected makes the directory: the table "orders" with indexes, of which one is half built, a
// stream, items that expire and one that has expired; the stream of the table "gone"; and the token
// of a transaction.
func newInspected(t *testing.T) *inspected {
	t.Helper()
	x := &inspected{dir: filepath.Join(t.TempDir(), "data"), now: time.Unix(1_700_000_000, 0)}
	engine := x.open(t)
	d, err := db.Open(engine, db.Options{
		Now: func() time.Time { return x.now }, SweepInterval: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = errors.Join(x.fill(t, d), d.Close())
	}
	if err = errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
	x.edit(t, func(tx kv.Txn) { // as a kill in the middle of a backfill leaves it
		desc := x.table.Clone()
		desc.Index("by-total").Phase = schema.PhaseFilling
		stored, err := json.Marshal(desc)
		if err != nil {
			t.Error(err)
		}
		tx.Set(schema.DescriptorKey(desc.ID), stored)
		tx.Set(schema.BackfillKey(desc.ID, desc.Index("by-total").ID), x.key(t, `{"id":{"S":"2"},"line":{"N":"1"}}`))
	})
	return x
}

// open opens the engine to write.
func (x *inspected) open(t *testing.T) *pebblekv.Engine {
	t.Helper()
	engine, err := pebblekv.Open(pebblekv.Options{
		Dir: x.dir, Clock: func() time.Time { return x.now }, FreeSpaceFloor: -1, BallastBytes: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// edit writes rows past the database.
func (x *inspected) edit(t *testing.T, fn func(kv.Txn)) {
	t.Helper()
	engine := x.open(t)
	err := engine.Update(t.Context(), kv.WriteOptions{Lock: [][]byte{{1}}}, func(tx kv.Txn) error {
		fn(tx)
		return nil
	})
	if err = errors.Join(err, engine.Close()); err != nil {
		t.Fatal(err)
	}
}

// parseItem reads an item in DynamoDB's JSON.
func parseItem(t *testing.T, text string) attribute.Item {
	t.Helper()
	it, err := inspect.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// key is the key of an item of the table.
func (x *inspected) key(t *testing.T, text string) []byte {
	t.Helper()
	return x.table.AppendItemKey(nil, parseItem(t, text))
}

// ordersTable is the descriptor of a table.
func ordersTable(name string) *schema.Descriptor {
	return &schema.Descriptor{
		Name: name, Namespace: schema.DefaultNamespace, Billing: schema.Provisioned,
		Throughput: schema.Throughput{Read: 1, Write: 1},
		Attributes: []schema.AttributeDefinition{
			{Name: "customer", Type: attribute.S}, {Name: "id", Type: attribute.S},
			{Name: "line", Type: attribute.N}, {Name: "total", Type: attribute.N},
		},
		Keys: []schema.KeyElement{{Name: "id"}, {Name: "line", Range: true}},
		Indexes: []schema.Index{
			{
				Name: "by-line-total", Kind: schema.LocalIndex, Projection: schema.ProjectionKeysOnly,
				Keys: []schema.KeyElement{{Name: "id"}, {Name: "total", Range: true}},
			},
			{
				Name: "by-customer", Projection: schema.ProjectionAll, Throughput: schema.Throughput{Read: 1, Write: 1},
				Keys: []schema.KeyElement{{Name: "customer"}, {Name: "total", Range: true}},
			},
			{
				Name: "by-total", Projection: schema.ProjectionKeysOnly, Throughput: schema.Throughput{Read: 1, Write: 1},
				Keys: []schema.KeyElement{{Name: "total"}},
			},
		},
		StreamViewType: schema.ViewNewAndOldImages,
	}
}

// fill makes the tables and writes to them.
func (x *inspected) fill(t *testing.T, d *db.DB) error {
	gone, err := d.Create(t.Context(), ordersTable("gone"))
	if err != nil {
		return err
	}
	put := func(table *db.Table, text string) db.Write {
		it := parseItem(t, text)
		return db.Write{Table: table, Key: it, Change: db.Put{Item: it}}
	}
	write := put(gone, `{"id":{"S":"0"},"line":{"N":"1"}}`)
	if _, err := d.Write(t.Context(), &write); err != nil {
		return err
	}
	_, err = d.Delete(t.Context(), schema.DefaultNamespace, "gone", func(*db.Table) error { return nil })
	if err != nil {
		return err
	}
	if _, err := d.Create(t.Context(), ordersTable("orders")); err != nil {
		return err
	}
	same := func(*schema.Descriptor) error { return nil }
	err = d.AlterExpiry(t.Context(), schema.DefaultNamespace, "orders", "until", same)
	if err = errors.Join(err, d.Settle(t.Context())); err != nil {
		return err
	}
	table := d.Lookup(schema.DefaultNamespace, "orders")
	x.table = &table.Table
	for _, text := range []string{
		`{"id":{"S":"1"},"line":{"N":"1"},"customer":{"S":"ann"},"total":{"N":"9.5"},"until":{"N":"1700000001"}}`,
		`{"id":{"S":"1"},"line":{"N":"2"},"customer":{"S":"ann"},"total":{"N":"-3"},"until":{"N":"4102444800"}}`,
		`{"id":{"S":"2"},"line":{"N":"1"},"customer":{"S":"<bob>"},"total":{"N":"20"},` +
			`"notes":{"L":[{"NULL":true},{"B":"AP8="}]}}`,
		`{"id":{"S":"2"},"line":{"N":"2"}}`,
	} {
		write := put(table, text)
		if _, err := d.Write(t.Context(), &write); err != nil {
			return err
		}
	}
	action := db.Action{Write: put(table, `{"id":{"S":"2"},"line":{"N":"2"},"customer":{"S":"ann"}}`)}
	token := &schema.Token{
		Namespace: schema.DefaultNamespace, Operation: schema.TokenTransactWriteItems,
		Value: "once", Fingerprint: [32]byte{1},
	}
	if _, err := d.Transact(t.Context(), &db.Transaction{Actions: []db.Action{action}, Token: token}); err != nil {
		return err
	}
	x.now = x.now.Add(time.Minute)
	return d.Sweep(t.Context())
}

// inspect runs a command line, at the directory's time, and returns what it prints, and the error.
func (x *inspected) inspect(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, stderr bytes.Buffer
	c := new(commands)
	args = append(append([]string{"inspect"}, args...), "--data", x.dir)
	command, err := newParser(c, nil, &out, &stderr, nil).Parse(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	now := func() time.Time { return x.now }
	for _, flags := range []*inspectFlags{
		&c.Inspect.Catalog.inspectFlags, &c.Inspect.Table.inspectFlags, &c.Inspect.Rows.inspectFlags,
		&c.Inspect.Streams.inspectFlags, &c.Inspect.Records.inspectFlags, &c.Inspect.Tokens.inspectFlags,
		&c.Inspect.Sizes.inspectFlags,
	} {
		flags.now = now
	}
	err = command.Run(&streams{ctx: t.Context(), stdout: &out, stderr: &stderr})
	if stderr.Len() > 0 {
		t.Errorf("%q says %s", args, &stderr)
	}
	return out.String(), err
}

// Damage that TestInspect does.
var damages = map[string]func(*testing.T, *inspected, kv.Txn){
	"item": func(t *testing.T, x *inspected, tx kv.Txn) {
		tx.Set(x.key(t, `{"id":{"S":"2"},"line":{"N":"1"}}`), []byte{1, 0, 5})
	},
	"descriptor": func(_ *testing.T, x *inspected, tx kv.Txn) {
		tx.Set(schema.DescriptorKey(x.table.ID), []byte(`{"Format":2,"Name":"orders"}`))
	},
	"record": func(_ *testing.T, x *inspected, tx kv.Txn) { tx.AppendLog(x.table.StreamID, 0, []byte{1, 1}) },
	"token": func(_ *testing.T, _ *inspected, tx kv.Txn) {
		token := &schema.Token{Operation: schema.TokenExecuteTransaction, Value: "other"}
		tx.Set(token.AppendKey(nil), []byte{2})
	},
}

// What differs each time: the ids of tables, and the sizes of compressed files.
var (
	anyUUID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	anyDisk  = regexp.MustCompile(`"diskBytes":\d+`)
	lastDisk = regexp.MustCompile(`(?m)\d+$`)
)

// TestInspect runs each command on a directory with a bit of everything, and with damage to it, and
// holds what they print.
func TestInspect(t *testing.T) {
	x := newInspected(t)
	datadriven.RunTest(t, "testdata/inspect.txt", func(t *testing.T, test *datadriven.TestData) string {
		if test.Cmd == "damage" {
			x.edit(t, func(tx kv.Txn) { damages[strings.TrimSpace(test.Input)](t, x, tx) })
			return ""
		}
		before := dirBytes(t, x.dir)
		args := strings.Split(strings.TrimSpace(test.Input), "\n")
		out, err := x.inspect(t, append([]string{test.Cmd}, args[:min(len(args), len(test.Input))]...)...)
		unchanged(t, x.dir, before)
		out = anyUUID.ReplaceAllString(out, "00000000-0000-0000-0000-000000000000")
		out = anyDisk.ReplaceAllString(out, `"diskBytes":0`)
		if test.Cmd == "sizes" {
			out = lastDisk.ReplaceAllString(out, "N")
		}
		if err != nil {
			out += fmt.Sprintln("error:", err)
		}
		return strings.ReplaceAll(out, x.dir, "/srv/data")
	})
}

// TestInspectKilled looks into the directory of a real server that was killed, and into a backup of
// it. Nothing there changes, and the stream's records are those that GetRecords has shown. While
// the server runs it is refused.
func TestInspectKilled(t *testing.T) {
	dir := t.TempDir()
	data, copied := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	server := startProgram(t, build(t), data)
	s := &served{dir: data, client: dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(server.url), Region: "us-east-1", HTTPClient: server.client,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})}
	s.fill(t)
	want := s.sequenceNumbers(t)
	wants(t, 1, "a server has it open: stop it, or take a backup", "inspect", "--data", data)
	server.kill()
	before := dirBytes(t, data)
	for _, args := range []string{
		"inspect", "inspect table things", "inspect rows things", "inspect rows things --section by-g --json",
		"inspect streams",
		"inspect records things", "inspect tokens", "inspect sizes --count", "inspect catalog --json",
	} {
		wants(t, 0, "", append(strings.Fields(args), "--data", data)...)
	}
	wants(t, 0, "backup written to", "backup", copied, "--data", data, "--offline")
	for _, from := range []string{data, copied} {
		files := dirBytes(t, from)
		out := wants(t, 0, "", "inspect", "records", "things", "--json", "--limit", "0", "--data", from)
		var got []string
		for line := range strings.Lines(out) {
			var r printedRecord
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, r.SequenceNumber+" "+string(r.Keys))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the records of %s are %q, want %q", from, got, want)
		}
		rows := wants(t, 0, "", "inspect", "rows", "things", "--limit", "0", "--json", "--data", from)
		if strings.Count(rows, "\n") != 100 {
			t.Errorf("%s has the rows %s", from, rows)
		}
		unchanged(t, from, files)
	}
	unchanged(t, data, before)
}

// sequenceNumbers are those of all records of the table's stream, with the keys, sorted.
func (s *served) sequenceNumbers(t *testing.T) (all []string) {
	t.Helper()
	client := dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: s.client.Options().BaseEndpoint, Region: "us-east-1", HTTPClient: s.client.Options().HTTPClient,
		Credentials: s.client.Options().Credentials,
	})
	table, err := s.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("things")})
	if err != nil {
		t.Fatal(err)
	}
	arn := table.Table.LatestStreamArn
	stream, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range stream.StreamDescription.Shards {
		at, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
			StreamArn: arn, ShardId: shard.ShardId, ShardIteratorType: "TRIM_HORIZON",
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			id := r.Dynamodb.Keys["id"].(*streamtypes.AttributeValueMemberN).Value
			all = append(all, fmt.Sprintf(`%s {"id":{"N":"%s"}}`, *r.Dynamodb.SequenceNumber, id))
		}
	}
	if len(all) != 100 {
		t.Fatalf("the stream has %d records, want 100", len(all))
	}
	slices.Sort(all)
	return all
}

// TestInspectRefusals are the directories and the tables that cannot be looked into.
func TestInspectRefusals(t *testing.T) {
	dir := t.TempDir()
	newer, foreign := filepath.Join(dir, "newer"), filepath.Join(dir, "foreign")
	for name, text := range map[string]string{
		filepath.Join(newer, "FORMAT"):  "partita 999\nencryption none\n",
		filepath.Join(foreign, "notes"): "mine",
	} {
		err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	before := dirBytes(t, dir)
	for _, test := range []struct {
		status     int
		args, want string
	}{
		{1, "--data " + newer, "written by a newer release: its file FORMAT says 999"},
		{1, "rows things --data " + foreign, "not a Partita data directory"},
		{1, "table things --data " + filepath.Join(dir, "none"), "no such file or directory"},
		{2, "rows", `missing argument "<table>"`},
		{2, "records --data " + newer, `missing argument "<stream>"`},
	} {
		wants(t, test.status, test.want, append([]string{"inspect"}, strings.Fields(test.args)...)...)
	}
	unchanged(t, dir, before)
}
