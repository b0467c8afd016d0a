package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
)

// runs runs a command that must end well, and returns what it prints.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	p := begin(t, nil, nil, args...)
	if status := p.status(); status != 0 {
		t.Fatalf("%v: status %d: %s", args, status, &p.stderr)
	}
	return p.stdout.String()
}

// exported is the key that "credentials new" prints, each variable of it on a line of its own.
func exported(t *testing.T, printed string) (key aws.Credentials) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)=(\S+)$`).FindAllStringSubmatch(printed, -1) {
		switch m[1] {
		case "AWS_ACCESS_KEY_ID":
			key.AccessKeyID = m[2]
		case "AWS_SECRET_ACCESS_KEY":
			key.SecretAccessKey = m[2]
		case "AWS_SESSION_TOKEN":
			key.SessionToken = m[2]
		}
	}
	if key.AccessKeyID == "" || key.SecretAccessKey == "" {
		t.Fatalf("printed %q", printed)
	}
	return key
}

// refusedWith is the code with which a real client is refused with a key; empty: it is not.
func refusedWith(port string, key aws.Credentials) string {
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String("http://127.0.0.1:" + port), Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
	})
	_, err := client.ListTables(context.Background(), nil)
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused):
		return refused.ErrorCode()
	case err != nil:
		return err.Error()
	}
	return ""
}

// TestTemporaryKeys makes keys that end and keys with a session token, and shows them to a server
// with a real client.
func TestTemporaryKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "credentials.json")
	make := func(args ...string) aws.Credentials {
		return exported(t, runs(t, append([]string{"credentials", "new", "--file", file}, args...)...))
	}
	plain := make("--expires", "720h")
	session := make("--session-token", "--expires", time.Now().Add(time.Hour).Format(time.RFC3339))
	short := make("--expires", "1s", "--user", "short")
	if session.SessionToken == "" || plain.SessionToken != "" {
		t.Errorf("the tokens are %q and %q", session.SessionToken, plain.SessionToken)
	}
	p := begin(t, nil, nil, "serve", "--port", "0", "--in-memory", "--credentials", file)
	port := p.port()
	with := func(k aws.Credentials, token string) aws.Credentials { k.SessionToken = token; return k }
	for _, test := range []struct {
		name string
		key  aws.Credentials
		want string
	}{
		{"a key that ends in a month", plain, ""},
		{"a key with its token", session, ""},
		{"a key without its token", with(session, ""), "UnrecognizedClientException"},
		{"a key with another token", with(session, "other"), "UnrecognizedClientException"},
		{"a key with a token that has none", with(plain, session.SessionToken), "UnrecognizedClientException"},
	} {
		if got := refusedWith(port, test.key); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	for began := time.Now(); refusedWith(port, short) != "ExpiredTokenException"; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > childPatience {
			t.Fatalf("a key of a second is answered %q", refusedWith(port, short))
		}
	}
	for _, want := range []string{short.AccessKeyID + ` +short +\S+ \(expired\) +no +everything\n`,
		session.AccessKeyID + ` +` + session.AccessKeyID + ` +\S+Z +yes +everything\n`} {
		if list := runs(t, "credentials", "list", "--file", file); !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("the list does not match %s:\n%s", want, list)
		}
	}
	p.stop()
}

// TestCredentialsListPolicies shows what keys may do, in short and in full, and no secrets.
func TestCredentialsListPolicies(t *testing.T) {
	dir := t.TempDir()
	file, policy := filepath.Join(dir, "credentials.json"), filepath.Join(dir, "policy.json")
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],` +
		`"Resource":"arn:aws:dynamodb:*:*:table/orders"}]}`
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := []string{}
	for _, args := range [][]string{
		{"--user", "all"}, {"--user", "reader", "--read-only"}, {"--user", "orders", "--policy", policy, "--session-token"},
	} {
		key := exported(t, runs(t, append([]string{"credentials", "new", "--file", file}, args...)...))
		secrets = append(secrets, key.SecretAccessKey)
		if key.SessionToken != "" {
			secrets = append(secrets, key.SessionToken)
		}
	}
	list := runs(t, "credentials", "list", "--file", file)
	inJSON := runs(t, "credentials", "list", "--json", "--file", file)
	for _, want := range []string{`all +never +no +everything\n`, `reader +never +no +read only\n`,
		`orders +never +yes +Allow GetItem, Query on table/orders\n`} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("the list does not match %s:\n%s", want, list)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(list+inJSON, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	var got struct {
		Credentials []struct {
			AccessKeyID, User string
			HasSessionToken   bool
			Policy            json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(inJSON), &got); err != nil || len(got.Credentials) != 3 {
		t.Fatalf("%v:\n%s", err, inJSON)
	}
	for _, k := range got.Credentials {
		compact, err := json.Marshal(k.Policy)
		if k.User == "orders" && (err != nil || !k.HasSessionToken || string(compact) != text) {
			t.Errorf("the policy is %s, want %s", k.Policy, text)
		}
	}
}

// TestDocumentedCredentials reads the example of a credentials file in docs/operations.md, which
// has every member that there is.
func TestDocumentedCredentials(t *testing.T) {
	page, err := os.ReadFile(operationsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `ASIAIOSFODNN7EXAMPLE +alice +2027-01-31T12:00:00Z.* +yes +Allow GetItem, Query on table/orders\n`
	if list := runs(t, "credentials", "list", "--file", file); !regexp.MustCompile(want).MatchString(list) {
		t.Errorf("the list does not match %s:\n%s", want, list)
	}
}

// TestCredentialsDelete takes keys away under a server, the last one too, and gives it a new one.
func TestCredentialsDelete(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "credentials.json")
	newOne := func() aws.Credentials {
		return exported(t, runs(t, "credentials", "new", "--file", file, "--user", "alice"))
	}
	first, second := newOne(), newOne()
	p := begin(t, nil, nil, "serve", "--port", "0", "--in-memory", "--credentials", file)
	port := p.port()
	becomes := func(key aws.Credentials, want string) {
		t.Helper()
		for began := time.Now(); refusedWith(port, key) != want; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > childPatience {
				t.Fatalf("%s is answered %q, want %q", key.AccessKeyID, refusedWith(port, key), want)
			}
		}
	}
	becomes(first, "")
	remove := func(key aws.Credentials, want string) {
		t.Helper()
		said := runs(t, "credentials", "delete", "--file", file, key.AccessKeyID)
		if !strings.HasPrefix(said, "deleted access key "+key.AccessKeyID+" of alice from "+file) ||
			strings.Contains(said, "it was the last one") != (want == "last") || strings.Contains(said, key.SecretAccessKey) {
			t.Errorf("it said %q", said)
		}
		becomes(key, "UnrecognizedClientException")
	}
	remove(first, "")
	becomes(second, "")
	remove(second, "last")
	becomes(newOne(), "")
	p.stop()
}
