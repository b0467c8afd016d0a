package iam

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNewEntry makes credentials and looks at their form.
func TestNewEntry(t *testing.T) {
	form := regexp.MustCompile(`^export AWS_ACCESS_KEY_ID=(AKIA[A-Z2-7]{16})\nexport AWS_SECRET_ACCESS_KEY=([A-Za-z0-9+/]{40})\n$`)
	seen := map[string]bool{}
	for range 100 {
		e, err := NewEntry(EntryOptions{Policy: []byte(FullAccessPolicy)})
		if err != nil {
			t.Fatal(err)
		}
		m := form.FindStringSubmatch(e.Exports())
		if m == nil || m[1] != e.AccessKeyID || seen[m[1]] || seen[m[2]] {
			t.Fatalf("%q", e.Exports())
		}
		seen[m[1]], seen[m[2]] = true, true
		if shown := fmt.Sprintf("%v %+v %#v", e, *e, e); strings.Contains(shown, m[2]) {
			t.Errorf("the secret is shown: %s", shown)
		}
	}
	for user, policy := range map[string]string{"a b": FullAccessPolicy, "alice": "{}", "bob": ""} {
		if e, err := NewEntry(EntryOptions{User: user, Policy: []byte(policy)}); err == nil {
			t.Errorf("NewEntry(%q, %s) = %v, want an error", user, policy, e)
		}
	}
}

// TestReadOnlyPolicy asks the policy what it allows.
func TestReadOnlyPolicy(t *testing.T) {
	p, err := ParsePolicy([]byte(ReadOnlyPolicy))
	if err != nil {
		t.Fatal(err)
	}
	who := &Principal{AccessKeyID: "A", User: "A", Policy: p}
	for action, want := range map[string]Decision{
		"GetItem": Allowed, "BatchGetItem": Allowed, "Query": Allowed, "Scan": Allowed, "DescribeTable": Allowed, "ListTables": Allowed,
		"GetRecords": Allowed, "GetShardIterator": Allowed, "DescribeStream": Allowed, "ListStreams": Allowed, "PartiQLSelect": Allowed,
		"PutItem": DeniedByDefault, "UpdateItem": DeniedByDefault, "DeleteItem": DeniedByDefault, "BatchWriteItem": DeniedByDefault,
		"CreateTable": DeniedByDefault, "UpdateTable": DeniedByDefault, "DeleteTable": DeniedByDefault, "PartiQLInsert": DeniedByDefault,
		"PartiQLUpdate": DeniedByDefault, "PartiQLDelete": DeniedByDefault, "TagResource": DeniedByDefault, "UpdateTimeToLive": DeniedByDefault,
	} {
		if got := who.Decide(&Access{Action: action, Resource: "arn:aws:dynamodb:us-east-1:000000000000:table/t"}); got != want {
			t.Errorf("%s: %v, want %v", action, got, want)
		}
	}
}

// TestAppendToFile adds credentials to a file that is not there yet, then to one with something in
// it, through a link.
func TestAppendToFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "credentials.json"), filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	var ids []string
	add := func(path, user string) {
		t.Helper()
		e, err := NewEntry(EntryOptions{User: user, Policy: []byte(`{"Version": "2012-10-17",
			"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Sid": "no"}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.AppendToFile(path); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.AccessKeyID)
	}
	add(path, "")
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	write(t, path, []byte(`{"credentials": [{"accessKeyId": "MINE", "secretAccessKey": "a<b>&c", "policy": `+everything+`,
		"expires": "2027-01-01T00:00:00Z"}]}`), 0o400)
	ids = nil
	add(link, "bob")
	add(path, "carol")
	s, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if mine, ok := s.Lookup("MINE"); !ok || mine.secret.reveal() != "a<b>&c" || mine.Expires.Year() != 2027 || len(s.List()) != 3 {
		t.Errorf("what was there is %v; all are %v", mine, s.List())
	}
	for i, user := range []string{"bob", "carol"} {
		if c, ok := s.Lookup(ids[i]); !ok || c.Principal.User != user {
			t.Errorf("%s is %v, want one of %s", ids[i], c, user)
		}
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link is now %q, %v", target, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

// TestAppendRefuses leaves files alone that it should not touch.
func TestAppendRefuses(t *testing.T) {
	dir := t.TempDir()
	e, err := NewEntry(EntryOptions{Policy: []byte(FullAccessPolicy)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text, want string
		mode       os.FileMode
	}{
		{`{"credentials": []}`, "chmod 600", 0o644},
		{`{"credentials": [7]}`, "entry 1 (line 1)", 0o600},
		{``, "the document is empty", 0o600},
		{`[default]`, "line 1 is not JSON", 0o600},
	} {
		path := filepath.Join(dir, "file")
		write(t, path, []byte(test.text), test.mode)
		if err := e.AppendToFile(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
		if now, _ := os.ReadFile(path); string(now) != test.text {
			t.Errorf("%q has become %q", test.text, now)
		}
	}
	if err := e.AppendToFile(filepath.Join(dir, "none", "file")); err == nil {
		t.Error("a file in a directory that is not there was written")
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}
