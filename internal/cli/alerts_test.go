package cli

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// The files that this test holds against each other and against a server.
const (
	rulesFile      = "../../packaging/prometheus/partita.rules.yml"
	operationsFile = "../../docs/operations.md"
)

// passing are metrics that are served only while an index is being filled.
var passing = []string{"partita_index_backfill_rows", "partita_index_backfill_estimated_rows"}

// rule is an alert of the rules file.
type rule struct{ alert, expr, wait string }

// readRules reads the rules file, whose expressions stand on one line each. promtool checks its
// syntax, in packaging/check.
func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`(?m)^ +- alert: (\w+)\n +expr: (.+)\n +for: (\w+)$`)
	for _, m := range form.FindAllStringSubmatch(string(text), -1) {
		rules = append(rules, rule{m[1], m[2], m[3]})
	}
	if n := strings.Count(string(text), "alert:"); n != len(rules) || n < 10 {
		t.Fatalf("%d of %d rules can be read", len(rules), n)
	}
	return rules
}

// metricNames are the names of Partita's metrics in a text, a histogram's without the suffixes of
// its series.
func metricNames(text string) (names []string) {
	for _, name := range regexp.MustCompile(`\bpartita_[a-z0-9_]+`).FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestAlerts checks that the metrics that the alerts are about are served, and that
// docs/operations.md has the same alerts and all metrics.
func TestAlerts(t *testing.T) {
	served := servedMetrics(t)
	names := metricNames(served)
	if len(names) < 50 {
		t.Errorf("only %d metrics are served", len(names))
	}
	b, err := os.ReadFile(operationsFile)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(b)), " ") // lines may be broken anywhere
	for _, r := range readRules(t) {
		for _, name := range metricNames(r.expr) {
			if !slices.Contains(names, name) {
				t.Errorf("%s is about %s, which is not served", r.alert, name)
			}
		}
		if want := "- **" + r.alert + "** (" + r.wait + "): `" + r.expr + "`."; !strings.Contains(page, want) {
			t.Errorf("docs/operations.md does not have %s", want)
		}
	}
	if n := len(regexp.MustCompile(`- \*\*Partita\w+\*\* \(`).FindAllString(page, -1)); n != len(readRules(t)) {
		t.Errorf("docs/operations.md has %d alerts, the rules %d", n, len(readRules(t)))
	}
	documented := metricNames(page)
	for _, name := range names {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/operations.md does not say what %s is", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(names, name) && !slices.Contains(passing, name) {
			t.Errorf("docs/operations.md tells of %s, which is not served", name)
		}
	}
}

// servedMetrics is what a server answers as /metrics after requests that make all series.
func servedMetrics(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, data := filepath.Join(dir, "credentials.json"), filepath.Join(dir, "data")
	key := exported(t, runs(t, "credentials", "new", "--file", file, "--expires", "720h"))
	p := begin(t, nil, nil, "serve", "--port", "0", "--data", data, "--credentials", file)
	port := p.port()
	stranger := aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}
	if got := refusedWith(port, stranger); got != "UnrecognizedClientException" {
		t.Fatalf("a key that is none is answered %q", got)
	}
	useTable(t, port, key)
	at, err := findAdmin("", data)
	if err != nil {
		t.Fatal(err)
	}
	text := scrape(t, at.Addr)
	p.stop()
	return text
}

// scrape asks an admin address for its metrics.
func scrape(t *testing.T, addr string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: childPatience}
	answer, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d %s, %v", answer.StatusCode, text, err)
	}
	return string(text)
}

// useTable makes a table with a stream and an index, writes an item, and reads the stream.
func useTable(t *testing.T, port string, key aws.Credentials) {
	t.Helper()
	ctx := context.Background()
	url := aws.String("http://127.0.0.1:" + port)
	who := credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")
	client := dynamodb.New(dynamodb.Options{BaseEndpoint: url, Region: "us-east-1", Credentials: who})
	streams := dynamodbstreams.New(dynamodbstreams.Options{BaseEndpoint: url, Region: "us-east-1", Credentials: who})
	schema := []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}
	table, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String("Orders"), BillingMode: types.BillingModePayPerRequest, KeySchema: schema,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("again"), KeySchema: schema,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	item := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "1"}}
	if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("Orders"), Item: item}); err != nil {
		t.Fatal(err)
	}
	arn := table.TableDescription.LatestStreamArn
	stream, err := streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range stream.StreamDescription.Shards {
		it, err := streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: arn, ShardId: shard.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err == nil {
			_, err = streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCredentialsMetrics damages the credentials file under a real server in the ways that happen,
// and mends it: /metrics says so each time, and those who had a key have it still.
func TestCredentialsMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, data := filepath.Join(dir, "credentials.json"), filepath.Join(dir, "data")
	key := exported(t, runs(t, "credentials", "new", "--file", file))
	p := begin(t, nil, nil, "serve", "--port", "0", "--data", data, "--credentials", file)
	port := p.port()
	at, err := findAdmin("", data)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(when string, lines ...string) {
		t.Helper()
		var text string
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			text = scrape(t, at.Addr)
			missing := slices.ContainsFunc(lines, func(line string) bool {
				return !strings.Contains(text, "\npartita_credentials_"+line+"\n")
			})
			if !missing {
				break
			}
			if time.Since(began) > childPatience {
				t.Fatalf("%s: /metrics does not show %q:\n%s", when, lines, text)
			}
		}
		if got := refusedWith(port, key); got != "" {
			t.Errorf("%s: the key is answered %q", when, got)
		}
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shows("at first", "readable 1", "keys 1", "expired_keys 0")
	for _, damage := range []struct {
		name string
		do   func() error
	}{
		{"readable by others", func() error { return os.Chmod(file, 0o644) }},
		{"garbled", func() error { return os.WriteFile(file, []byte("garbled"), 0o600) }},
		{"gone", func() error { return os.Remove(file) }},
	} {
		if runtime.GOOS == "windows" && damage.name == "readable by others" {
			continue // files there have no mode that says so
		}
		if err := damage.do(); err != nil {
			t.Fatal(err)
		}
		shows(damage.name, "readable 0", "keys 1")
		os.Remove(file)
		if err := os.WriteFile(file, good, 0o600); err != nil {
			t.Fatal(err)
		}
		shows("mended", "readable 1", "keys 1")
	}
	runs(t, "credentials", "new", "--file", file, "--expires", "2100-01-01T00:00:00Z")
	shows("with another", "readable 1", "keys 2", "expired_keys 0", "next_expiry_timestamp_seconds 4.1024448e+09")
	p.stop()
}
