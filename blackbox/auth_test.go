package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/servertest"
)

// entry is a credential in a document, with more members if there are any.
func entry(id, secret, more string) string {
	return fmt.Sprintf(`{"accessKeyId": %q, "secretAccessKey": %q, %s"policy": {"Version": "2012-10-17", `+
		`"Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}}`, id, secret, more)
}

// locked is a server that asks for credentials.
type locked struct {
	url   string
	file  string       // that it takes them from
	clock atomic.Int64 // how far its clock is ahead
}

// lock serves a database of its own, with the credentials of the entries.
func lock(t *testing.T, entries ...string) *locked {
	t.Helper()
	x := &locked{file: filepath.Join(t.TempDir(), "credentials.json")}
	x.write(t, entries...)
	quiet := slog.New(slog.DiscardHandler)
	keys, err := partita.OpenCredentials(x.file, quiet)
	if err != nil {
		t.Fatal(err)
	}
	db, err := partita.Open(partita.Options{
		InMemory: true, MemoryLimit: 512 << 20, Logger: quiet, Credentials: keys, SweepInterval: -1,
		Clock: func() time.Time { return time.Now().Add(time.Duration(x.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(db.Close(), keys.Close()); err != nil {
			t.Error(err)
		}
	})
	x.url = servertest.Start(t, db.Handler(), quiet).URL
	t.Cleanup(plain.CloseIdleConnections)
	return x
}

// write writes the file of credentials, in one step.
func (x *locked) write(t *testing.T, entries ...string) {
	t.Helper()
	text := `{"credentials": [` + strings.Join(entries, ",\n") + `]}`
	if err := os.WriteFile(x.file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(x.file+".new", x.file); err != nil {
		t.Fatal(err)
	}
}

// options are an SDK's.
func (x *locked) options(id, secret, token string) dynamodb.Options {
	return dynamodb.Options{
		BaseEndpoint: &x.url, Region: "eu-west-1", HTTPClient: plain, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
	}
}

// code is the exception that an SDK met, with its message.
func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode() + ": " + refused.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// What signatures are answered.
const (
	unknownKey = "UnrecognizedClientException: The security token included in the request is invalid."
	wrongToken = "UnrecognizedClientException: The security token included in the request is invalid"
	endedToken = "ExpiredTokenException: The security token included in the request is expired"
	unsigned   = "MissingAuthenticationTokenException: Request is missing Authentication Token"
	mismatch   = "InvalidSignatureException: The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// TestSDKSignatures calls with right and wrong credentials.
func TestSDKSignatures(t *testing.T) {
	x := lock(t, entry("AKIAGOOD", "s3cret/+", ""), entry("ASIAGOOD", "temporary", `"sessionToken": "a/token+with=signs",`),
		entry("ASIAENDED", "ended", `"sessionToken": "token", "expires": "2026-01-01T00:00:00Z",`))
	for _, test := range []struct{ id, secret, token, want string }{
		{"AKIAGOOD", "s3cret/+", "", "<nil>"},
		{"ASIAGOOD", "temporary", "a/token+with=signs", "<nil>"},
		{"AKIAGOOD", "s3cret", "", mismatch},
		{"AKIANOBODY", "s3cret/+", "", unknownKey},
		{"AKIAGOOD", "s3cret/+", "token", wrongToken},
		{"ASIAGOOD", "temporary", "another", wrongToken},
		{"ASIAGOOD", "temporary", "", unknownKey},
		{"ASIAENDED", "ended", "token", endedToken},
	} {
		client := dynamodb.New(x.options(test.id, test.secret, test.token))
		_, err := client.ListTables(ctx, nil)
		same(t, fmt.Sprint("as ", test), code(err), test.want)
	}
	anonymous := x.options("", "", "")
	anonymous.Credentials = aws.AnonymousCredentials{}
	_, err := dynamodb.New(anonymous).ListTables(ctx, nil)
	same(t, "unsigned", code(err), unsigned)
}

// TestSDKSigned writes and reads items of many sizes, and a stream, all of it signed.
func TestSDKSigned(t *testing.T) {
	x := lock(t, entry("AKIAGOOD", "s3cret", ""))
	client := dynamodb.New(x.options("AKIAGOOD", "s3cret", ""))
	table := "table"
	made := must(client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("a"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: new("a"), KeyType: "HASH"}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: "KEYS_ONLY"},
	}))(t)
	if arn := *made.TableDescription.TableArn; !strings.Contains(arn, ":eu-west-1:") {
		t.Errorf("the table is %s, not of the region that was signed for", arn)
	}
	for _, size := range []int{0, 100, 63 << 10, 64 << 10, 300_000} {
		item := attrs{"a": s(fmt.Sprint(size)), "text": s(strings.Repeat("ä", size/2))}
		must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item}))(t)
		got := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: attrs{"a": s(fmt.Sprint(size))}}))(t)
		same(t, fmt.Sprint(size, " bytes"), show(got.Item), show(item))
	}
	streams := dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: &x.url, Region: "eu-west-1", HTTPClient: plain,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAGOOD", "s3cret", ""),
	})
	listed, err := streams.ListStreams(ctx, nil)
	if err != nil || len(listed.Streams) != 1 {
		t.Errorf("ListStreams: %v, %v", listed, err)
	}
}

// TestPresigned sends requests that are signed in their query string, by the SDK.
func TestPresigned(t *testing.T) {
	x := lock(t, entry("AKIAGOOD", "s3cret", ""), entry("ASIAGOOD", "temporary", `"sessionToken": "a/token+with=signs",`))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "{}")
	z.Close()
	for name, test := range map[string]struct {
		who        aws.Credentials
		path, body string
		headers    map[string]string
		change     func(r *http.Request)
		want       string
	}{
		"as it is":                {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: "{}", want: `{"TableNames":[]}`},
		"a session":               {who: aws.Credentials{AccessKeyID: "ASIAGOOD", SecretAccessKey: "temporary", SessionToken: "a/token+with=signs"}, body: "{}", want: `{"TableNames":[]}`},
		"compressed":              {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: zipped.String(), headers: map[string]string{"Content-Encoding": "gzip"}, want: `{"TableNames":[]}`},
		"with a path and a query": {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, path: "a%20b/c?z=1&y=%2F&y=", body: "{}", want: `{"TableNames":[]}`},
		"another body": {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: "{}",
			change: func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{ }")), 3 }, want: "InvalidSignatureException"},
		"another query": {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: "{}",
			change: func(r *http.Request) { r.URL.RawQuery += "&more" }, want: "InvalidSignatureException"},
		"another operation": {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: "{}",
			change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeLimits") }, want: "InvalidSignatureException"},
		"signed twice": {who: aws.Credentials{AccessKeyID: "AKIAGOOD", SecretAccessKey: "s3cret"}, body: "{}",
			change: func(r *http.Request) {
				r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256")
			}, want: "Found both"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("POST", x.url+"/"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-amz-json-1.0")
			r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			sum := sha256.Sum256([]byte(test.body))
			signed, headers, err := v4.NewSigner().PresignHTTP(ctx, test.who, r, hex.EncodeToString(sum[:]), "dynamodb", "eu-west-1", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if r.URL, err = r.URL.Parse(signed); err != nil {
				t.Fatal(err)
			}
			r.Header = headers // X-Amz-Target has become a parameter, and the Host is none of them
			r.Header.Del("Host")
			if test.change != nil {
				test.change(r)
			}
			response, err := plain.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if answer, _ := io.ReadAll(response.Body); !strings.Contains(string(answer), test.want) {
				t.Errorf("answered %d %s, want %s", response.StatusCode, answer, test.want)
			}
		})
	}
}

// TestClockSkew turns the server's clock away from the SDK's.
func TestClockSkew(t *testing.T) {
	x := lock(t, entry("AKIAGOOD", "s3cret", ""))
	for ahead, want := range map[time.Duration]string{
		14 * time.Minute: "", -14 * time.Minute: "", 16 * time.Minute: "Signature expired: ", -16 * time.Minute: "Signature not yet current: ",
	} {
		x.clock.Store(int64(ahead))
		_, err := dynamodb.New(x.options("AKIAGOOD", "s3cret", "")).ListTables(ctx, nil)
		if (err == nil) != (want == "") || !strings.Contains(code(err), want) {
			t.Errorf("%v ahead: %v, want %q", ahead, err, want)
		}
	}
}

// TestRotation replaces a secret and takes away a key while a client is at work.
func TestRotation(t *testing.T) {
	x := lock(t, entry("AKIAONE", "first", ""), entry("AKIATWO", "two", ""))
	first, second := dynamodb.New(x.options("AKIAONE", "first", "")), dynamodb.New(x.options("AKIAONE", "second", ""))
	two := dynamodb.New(x.options("AKIATWO", "two", ""))
	for _, client := range []*dynamodb.Client{first, two} {
		must(client.ListTables(ctx, nil))(t)
	}
	x.write(t, entry("AKIAONE", "second", ""))
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err := second.ListTables(ctx, nil); err == nil {
			break
		} else if time.Since(begin) > 10*time.Second {
			t.Fatalf("the new secret is not accepted after ten seconds: %v", err)
		}
	}
	_, err := first.ListTables(ctx, nil)
	same(t, "the old secret", code(err), mismatch)
	_, err = two.ListTables(ctx, nil)
	same(t, "the key that is gone", code(err), unknownKey)
}
